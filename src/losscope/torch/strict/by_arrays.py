"""Any other loss of tensors: their memory read as arrays, value and gradient by its kernel in one pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losscope.errors import LossTypeError, complain
from losscope.loss import Loss
from losscope.loss.evaluation import of_batch
from losscope.torch.strict.tensors import constant, elsewhere, prepared


def evaluate(
    loss: Loss,
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[Tensor, Any]:
    """The reduced loss, differentiable once in the prediction, and the weight that a mean is over."""
    if elsewhere(prediction):
        raise LossTypeError(
            complain(
                f"{loss.entry.name} has kernels for tensors on the CPU, outside of torch.func, and no other form yet",
                got=f"a tensor on {prediction.device}",
                next_step="Use prediction.cpu()",
            )
        )
    target = constant(target, "target", prediction)
    batch, _, _ = prepared(loss, prediction, target, weight, options, reduction)
    evaluated = partial(of_batch, loss, batch, parameters, reduction, 1)
    value: Tensor = _OnceDifferentiable.apply(prediction, evaluated)
    return value, batch.total_weight


class _OnceDifferentiable(torch.autograd.Function):
    """Value and gradient are made together, and the gradient is handed over once it is asked for."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, evaluated: Callable[[], Any]) -> Tensor:
        value, gradient = evaluated()
        ctx.save_for_backward(torch.as_tensor(gradient).to(prediction.dtype))
        return torch.as_tensor(value, dtype=prediction.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        missing = gradient.ndim - upstream.ndim  # of one number for all, or one for each row
        return gradient * upstream.reshape((*upstream.shape, *[1] * missing)), None

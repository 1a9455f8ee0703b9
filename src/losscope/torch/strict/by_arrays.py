"""Any other loss of tensors: their memory read as arrays, value and gradient by its kernel in one pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losscope.errors import LossTypeError, complain
from losscope.loss import Loss
from losscope.reduction import MEAN, NONE, SUM
from losscope.torch.strict.tensors import array_of, constant, elsewhere, prepared


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
    batch, weight, options = prepared(loss, prediction, target, weight, options, reduction)
    given = {
        name: array_of(each, name) if isinstance(each, Tensor) else each for name, each in options.items()
    }
    numbers = dict(zip(loss.parameters, parameters, strict=True))
    call = loss.bind(**numbers), array_of(target, "target"), array_of(weight, "weight"), given
    value: Tensor = _OnceDifferentiable.apply(prediction, call, reduction)
    return value, batch.total_weight


class _OnceDifferentiable(torch.autograd.Function):
    """Value and gradient are made together, and the gradient is handed over once it is asked for."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, call: Any, reduction: str) -> Tensor:
        loss, target, weight, options = call
        given = array_of(prediction, "prediction")
        if reduction == MEAN and not given.size:  # the caller says that there is no mean of nothing
            reduction = SUM
        value, gradient = loss.value_and_grad(given, target, weight=weight, reduction=reduction, **options)
        ctx.save_for_backward(torch.as_tensor(gradient).to(prediction.dtype))
        ctx.unreduced = reduction == NONE
        return torch.as_tensor(value, dtype=prediction.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Any:
        (gradient,) = ctx.saved_tensors
        missing = gradient.ndim - upstream.ndim if ctx.unreduced else 0
        return gradient * upstream.reshape((*upstream.shape, *[1] * missing)), None, None

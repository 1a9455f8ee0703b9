"""A loss of torch tensors, differentiable: our kernels forward, their gradient backward, their curvature twice.

Value and gradient come from one pass. A second derivative of an elementwise loss comes from the derived
curvature, which is its whole Hessian; that of a softmax loss from its torch formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import torch

from losscope.errors import LossError, LossTypeError, complain
from losscope.loss import Loss, Total


@dataclass(slots=True)
class Call:
    """One call of a loss, its arrays sharing memory with the tensors."""

    loss: Loss
    prediction: Any
    target: Any
    weight: Any
    reduction: str
    options: dict[str, Any]

    def run(self, order: int, reduction: str | None = None) -> Any:
        options = {**self.options, "reduction": self.reduction if reduction is None else reduction}
        if self.loss.structure == "activation":
            return (self.loss(self.prediction), *self.loss.value_grad_curvature(self.prediction)[1:])[: order + 1]
        if order == 0:
            return (self.loss(self.prediction, self.target, weight=self.weight, **options),)
        method = self.loss.value_and_grad if order == 1 else self.loss.value_grad_curvature
        return method(self.prediction, self.target, weight=self.weight, **options)


def call(loss: Loss, prediction: torch.Tensor, target: Any, *, weight: Any = None, reduction: str = "mean", **options: Any) -> torch.Tensor:
    """The loss as a tensor: 0-d for "mean" and "sum", one value per element or row for "none"."""
    return _apply(prediction, _call(loss, prediction, target, weight, reduction, options))


def total(loss: Loss, prediction: torch.Tensor, target: Any, *, weight: Any = None, **options: Any) -> Total:
    """A differentiable sum, and the weight it stands for."""
    this = _call(loss, prediction, target, weight, "sum", options)
    weighed = loss.total(this.prediction, this.target, weight=this.weight, **this.options).weight
    return Total(_apply(prediction, this), weighed)


def activate(loss: Loss, score: torch.Tensor) -> torch.Tensor:
    """An activation of a tensor."""
    return _apply(score, _call(loss, score, None, None, "none", {}))


def _call(loss: Loss, prediction: torch.Tensor, target: Any, weight: Any, reduction: str, options: dict[str, Any]) -> Call:
    if isinstance(target, torch.Tensor) and target.requires_grad:
        raise LossError(complain("target requires a gradient, and a loss gives one for the prediction only", next_step="Use target.detach()"))
    options = {name: _array(each, name) if isinstance(each, torch.Tensor) else each for name, each in options.items()}
    return Call(loss, _array(prediction, "prediction"), _array(target, "target"), _array(weight, "weight"), reduction, options)


def _array(tensor: Any, name: str) -> Any:
    """The memory of a tensor as an array; bfloat16, which NumPy does not know, as float32."""
    if tensor is None or not isinstance(tensor, torch.Tensor):
        return tensor
    if tensor.device.type != "cpu":
        raise LossTypeError(complain(f"{name} is on {tensor.device}", expected="a tensor on the CPU", next_step=f"Use {name}.cpu()"))
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _apply(prediction: torch.Tensor, this: Call) -> torch.Tensor:
    if torch.is_grad_enabled() and prediction.requires_grad:
        return _Loss.apply(prediction, this)
    return _tensor(this.run(0)[0], prediction)


def _tensor(result: Any, like: torch.Tensor) -> torch.Tensor:
    if isinstance(result, float):
        return torch.tensor(result, dtype=like.dtype)
    return torch.from_numpy(numpy.asarray(result)).to(like.dtype)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: torch.Tensor, this: Call) -> torch.Tensor:
        value, gradient = this.run(1)[:2]
        ctx.call = this
        ctx.save_for_backward(prediction, _tensor(gradient, prediction))
        return _tensor(value, prediction)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        prediction, gradient = ctx.saved_tensors
        if torch.is_grad_enabled() and prediction.requires_grad:
            gradient = _Gradient.apply(prediction, ctx.call)
        return _spread(upstream, gradient) * gradient, None


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: torch.Tensor, this: Call) -> torch.Tensor:
        if this.loss.structure == "softmax":
            raise LossError(complain("A second derivative of a softmax loss is not available through torch yet", next_step="Use value_grad_curvature for the diagonal of its Hessian"))
        gradient, curvature = this.run(2)[1:]
        ctx.save_for_backward(_tensor(curvature, prediction))
        return _tensor(gradient, prediction)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> Any:
        return upstream * ctx.saved_tensors[0], None


def _spread(upstream: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """One upstream number per row serves all of that row's elements."""
    return upstream[..., None] if 0 < upstream.ndim < gradient.ndim else upstream

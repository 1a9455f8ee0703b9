"""Losses of two predictions: which of two scores is higher; a mean and how sure it is.

Both are elementwise in the difference of the first two tensors. That is a subtraction as torch's own, so that the
kernel is the one of all elementwise losses, with its gradient in the second number: of the variance, of the sign.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from losscope.reduction import MEAN, SUM, scale_of
from losscope.torch import buffers, eligibility, variants
from losscope.torch.elementwise import Elements, Pointwise
from losscope.torch.eligibility import KERNEL, Nowhere
from losscope.torch.loss_node import Gradients, LossNode, record

_MARGIN_RANKING = Pointwise(variants.margin_ranking)
_GAUSSIAN = Pointwise(variants.gaussian_of_residual)


def margin_ranking(
    first: Tensor, second: Tensor, target: Tensor, margin: float, reduction: str
) -> Tensor | None:
    """The loss, or None where it is not ours to compute."""
    if torch.compiler.is_compiling():
        return None
    if eligibility.autocasting():
        first, second = eligibility.full_precision(first, second)
    how, parameters = eligibility.how(first, second), (float(margin),)
    if how == eligibility.NOT_OURS:
        return None
    if (
        how == KERNEL
        and reduction in (MEAN, SUM)
        and (first.requires_grad or second.requires_grad)
        and torch.is_grad_enabled()
        and eligibility.how(first, target) == KERNEL
        and not target.requires_grad
        and all(each.is_contiguous() for each in (first, second, target))
    ):
        factor = scale_of(reduction, first.numel())
        call = Difference(_MARGIN_RANKING, (first, second, target), parameters, factor, False)
        call.of_second = second.requires_grad  # as it is given: what a hook gives back need not say
        try:
            return record(call, first, second)
        except Nowhere:
            return None
    return _MARGIN_RANKING(first - second, target, reduction, parameters)


class Difference(LossNode):
    """A reduced call of the difference of two tensors, both contiguous: the second's gradient is less the first's, and
    goes where the difference was, so that the memory of both is used again."""

    __slots__ = ("of_second",)
    of_second: bool  # whether it may want a gradient

    def value(self, tensors: Any) -> Tensor:
        out = eligibility.scalar(tensors[0].dtype)
        self.gradients = self._run(tensors, self.scale, out, self.wanted)
        return out

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        return self._run(tensors, self.scale * factor, None, True) or ()

    def _run(self, tensors: Any, scale: float, out: Tensor | None, wanted: bool) -> Gradients | None:
        """The loss into `out`, and the gradients where they are wanted."""
        first, second, target = tensors
        apart = torch.sub(first.detach(), second.detach(), out=buffers.like(first))
        gradient = buffers.like(first) if wanted else None
        self.loss.run(apart, target, None, self.parameters, scale, gradient=gradient, result=out)
        if gradient is None:
            return None
        return gradient, torch.neg(gradient, out=apart) if self.of_second else None

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        first, second, target = tensors
        with torch.enable_grad():
            elements = (first - second, target, None, None)
            call = Elements(self.loss, elements, self.parameters, self.scale, False)
            call.both = False
            gradient = call.as_operations(elements, upstream)[0]
            assert gradient is not None
            return gradient, -gradient


def gaussian(
    input: Tensor, target: Tensor, variance: Tensor | float, full: bool, eps: float, reduction: str
) -> Tensor | None:
    """The loss, or None where it is not ours to compute: where the target or more than one axis of the variance
    broadcasts, or a variance is negative, too."""
    if torch.compiler.is_compiling() or eligibility.how(input, target) == eligibility.NOT_OURS:
        return None
    if eligibility.mixed_by_autocast(input, target, variance):
        return None
    if input.dtype in eligibility.HALVES:  # whose difference would be rounded before it is squared
        if isinstance(variance, Tensor):
            if variance.dtype is not input.dtype:
                return None
            variance = variance.float()
        found = gaussian(input.float(), target.float(), variance, full, eps, reduction)
        return None if found is None else found.to(input.dtype)
    guarded = _guarded(variance, input, eps)
    if guarded is None:
        return None
    constant = 0.5 * math.log(2 * math.pi) if full else 0.0
    return _GAUSSIAN(input - target, guarded, reduction, (constant,))


def _guarded(variance: Any, input: Tensor, eps: float) -> Tensor | None:
    """The variance in the shape of the input, nowhere below eps. To the gradient, what was raised to eps is as
    if it had been given so: as in PyTorch, it passes."""
    if isinstance(variance, float):
        if variance < 0:
            return None
        return (input.new_ones(()) * max(variance, eps)).expand_as(
            input
        )  # of float32, 1e39 is inf, and no error
    if not isinstance(variance, Tensor) or variance.dtype is not input.dtype or not variance.numel():
        return None
    if not eligibility.plain(variance) and not eligibility.by_operations(input, variance):
        return None
    shape = input.shape
    if variance.shape == shape[:-1] and variance.shape != shape:
        variance = variance.unsqueeze(-1)  # one for each row
    elif variance.shape != shape and (
        variance.ndim != input.ndim
        or sum(of_variance for of_variance, size in zip(variance.shape, shape, strict=True) if of_variance != size) != 1
    ):  # fmt: skip
        return None
    lowest = float(variance.detach().min())
    if not lowest >= 0:  # NaN hides a negative one, of which PyTorch is to speak
        return None
    if lowest < eps:
        variance = variance.clone()
        with torch.no_grad():
            variance.clamp_(min=eps)
    return variance.expand(shape)

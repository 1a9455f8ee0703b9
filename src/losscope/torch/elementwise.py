"""Elementwise losses of tensors: value and gradient by one pass of a kernel.

A target that wants a gradient has it from the same pass, in a buffer of its own.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch
from torch import Tensor

from losscope.domain import Domain
from losscope.entry import Entry
from losscope.kernels.elementwise import Call
from losscope.reduction import MEAN, NONE, SUM, scale_of
from losscope.torch import buffers, eligibility, formula
from losscope.torch.eligibility import KERNEL, NAMES, NOT_OURS, Nowhere, Outside, nowhere
from losscope.torch.kernel_loss import KernelLoss
from losscope.torch.loss_node import Gradients, LossNode, as_weight, multiply, record, weighing


class Pointwise(KernelLoss):
    """One elementwise loss: an entry of the catalogue, and how torch runs it.

    Calling it gives the loss, or None where it is not ours to compute. `refuses` says that input outside the
    entry's domain raises `Outside`; `to_target` that the target may have a gradient.
    """

    def __init__(
        self,
        entry: str | Entry,
        through: Entry | None = None,
        *,
        refuses: bool = False,
        to_target: bool = True,
    ):
        super().__init__(entry, through)
        self.refuses = refuses
        self.to_target = to_target

    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        reduction: str,
        parameters: tuple[float, ...] = (),
        weight: Tensor | None = None,
        divisor: Any = None,
        varying: Tensor | None = None,
    ) -> Tensor | None:
        """The loss reduced: "mean" is the weighted sum over `divisor` (default: the number of elements), "sum"
        the weighted sum over it (default: 1), "none" one value per element. `varying` stands for the last
        parameter, and expands to the input: one number for each class, say."""
        weight = eligibility.in_dtype_of(input, weight)
        if torch.compiler.is_compiling():
            if varying is not None or self.in_a_graph is None:
                return None
            found: Tensor | None = self.in_a_graph(input, target, reduction, parameters, weight, divisor)
            return found
        if eligibility.autocasting():
            input, target = eligibility.full_precision(input, target)
        how = eligibility.how(input, target)
        if how == NOT_OURS or (target.requires_grad and not self.to_target):
            return None
        if weight is not None:
            if not _beside(weight, input, how):
                return None
            weight = expanded(weight, input)
        if varying is not None:
            if not _beside(varying, input, how) or varying.requires_grad or eligibility.batched(varying):
                return None
            if weight is not None and eligibility.of_many(weight):
                return None
            of_row = input.shape[input.ndim - varying.ndim :]
            if how == KERNEL and varying.shape != of_row:
                varying = varying.expand(of_row)
        scale: Any = 1.0
        if reduction == MEAN:
            count = input.numel() if divisor is None else divisor
            scale = 1.0 / count if isinstance(count, Tensor) else scale_of(MEAN, count)
        elif reduction == SUM:
            scale = 1.0 if divisor is None else 1.0 / divisor
        elif reduction != NONE:
            return None
        if how != KERNEL:
            numbers = parameters if varying is None else (*parameters, varying)
            return self.by_formula(input, target, reduction, numbers, weight, scale)
        both = target.requires_grad and torch.is_grad_enabled()
        if not input.is_contiguous() or not target.is_contiguous():
            if both or varying is not None:
                input, target = (
                    input.contiguous(),
                    target.contiguous(),
                )  # differentiable, and a row after the other
            else:
                input, target = dense(input, target)
        if weight is not None:
            weight = aligned(weight, input)
        call = Elements(self, (input, target, weight, varying), parameters, scale, reduction == NONE)
        call.both = both
        return call.result(input, target)

    def by_formula(
        self,
        input: Tensor,
        target: Tensor,
        reduction: str,
        parameters: tuple[Any, ...],
        weight: Tensor | None,
        scale: Any,
    ) -> Tensor:
        """The same as torch operations. An element of weight 0 is there, for the derivative in its weight, if it has a loss
        that is a number, and slopes; but not in a mean over no weight."""
        gone = None
        if weight is not None:
            parameters = formula.present_parameters(weight, parameters)
            which = formula.Derivative(self.entry, self.through, parameters)
            there = formula.has_slopes(input.detach(), target.detach(), which, self.to_target)
            there = there & self.inside(input.detach(), target.detach())
            there = there & (scale.isfinite() if isinstance(scale, Tensor) else isfinite(scale))
            gone = (weight == 0) & ~there
            input, target = formula.without(gone, input, target)
        if self.refuses:
            self.check(input, target)
        values = formula.values(self.entry, self.through, parameters, input, target)
        if weight is not None and gone is not None:
            values = torch.where(gone, 0, values * weight)
        # Those of halves are float32 until here, and are rounded once.
        return (values if reduction == NONE else formula.scaled(formula.total(values), scale)).to(input.dtype)

    def check(self, input: Tensor, target: Tensor) -> None:
        """Raise Outside for input outside its domain."""
        # Each by itself: underneath their transforms, axes of one are not those of the other.
        judged = [(eligibility.underneath(tensor), domain) for tensor, domain in self.judged(input, target)]
        with eligibility.no_transforms():
            if not all(bool(_within(tensor, domain).all()) for tensor, domain in judged):
                raise Outside

    def inside(self, input: Tensor, target: Tensor) -> Tensor:
        """Which elements are within the domains, of a loss that refuses others; into an activation may go any number."""
        found = torch.ones_like(input, dtype=torch.bool)
        for tensor, domain in self.judged(input, target):
            found = found & _within(tensor, domain)
        return found

    def judged(self, input: Tensor, target: Tensor) -> list[tuple[Tensor, Domain]]:
        """Those that may be outside a domain, with it."""
        domains = (input, self.entry.prediction, not self.through), (target, self.entry.target, True)
        return [
            (tensor, domain)
            for tensor, domain, judged in domains
            if judged and self.refuses and domain.outside
        ]

    # One argument for each input and each output of the kernel: the outputs by name.
    def run(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        parameters: tuple[float, ...],
        scale: float,
        *,
        values: Tensor | None = None,
        gradient: Tensor | None = None,
        target_gradient: Tensor | None = None,
        result: Tensor | None = None,
        varying: Tensor | None = None,
    ) -> None:
        """One pass over dense tensors of one layout, into those of values, gradients and result that are not None."""
        row, period = None, 1
        if varying is not None:
            parameters, period = (*parameters, 0.0), varying.numel()  # 0 in the place of the one that varies
            row = varying.reshape(-1).to(torch.float64 if input.dtype is torch.float64 else torch.float32)
            # A third of what `repeat` takes; of one number for all classes, a view of that one unless it is laid out.
            row = row.expand(-(-(period + 64) // period), period).reshape(-1).contiguous()
        call = Call(
            self.compiled, NAMES[input.dtype], input.numel(), parameters, input.data_ptr() or nowhere(), target.data_ptr() or nowhere(),
            None if weight is None else weight.data_ptr() or nowhere(), None if row is None else row.data_ptr(), period,
            self.refuses and self.compiled.has_domain,
        )  # fmt: skip
        outside, _ = call.run(
            scale,
            None if values is None else values.data_ptr(),
            None if gradient is None else gradient.data_ptr(),
            None if target_gradient is None else target_gradient.data_ptr(),
            None,
            None if result is None else result.data_ptr(),
        )
        if outside:
            raise Outside


def _within(tensor: Tensor, domain: Domain) -> Tensor:
    """Which numbers are within a domain, by its own text."""
    found: Tensor = ~eval(domain.outside, {"x": tensor})
    return found


def _beside(other: Tensor, input: Tensor, how: int) -> bool:
    """Whether another tensor of the call (a weight) may be used as it is, however the call is computed."""
    return (
        (eligibility.usual(other) if how == KERNEL else eligibility.by_operations(input, other))
        and other.dtype is input.dtype
        and _fits(other.shape, input.shape)
    )


def _fits(shape: torch.Size, other: torch.Size) -> bool:
    """Whether `shape` expands to `other`."""
    return len(shape) <= len(other) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(other), strict=False)
    )


def expanded(tensor: Tensor, like: Tensor) -> Tensor:
    """In the shape of `like`. Itself if it has that: a compiler cannot trace a view of what was made in inference mode."""
    return tensor if tensor.shape == like.shape else tensor.expand_as(like)


def dense(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both without holes, in the layout of the input."""
    if not _is_dense(input):
        input = input.contiguous()
    return input, aligned(target, input)


def aligned(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor in the layout of `like`, which is dense; itself if it already is."""
    if tensor.stride() == like.stride() or (tensor.is_contiguous() and like.is_contiguous()):
        return tensor
    return torch.empty_like(like, requires_grad=False).copy_(tensor.detach())


def _is_dense(tensor: Tensor) -> bool:
    if tensor.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


class Elements(LossNode):
    """An elementwise call: input, target, weight, and what varies; `both` of the first two may want a gradient."""

    __slots__ = ("both",)
    both: bool

    def result(self, input: Tensor, target: Tensor) -> Tensor | None:
        """The loss, in the graph of those that want a gradient; None where a tensor has no memory to be read."""
        try:
            if self.both:
                return record(self, input, target)
            if input.requires_grad and torch.is_grad_enabled():
                return record(self, input)
            return self.value(self.tensors)
        except Nowhere:
            return None

    def value(self, tensors: Any) -> Tensor:
        input, target, weight, varying = tensors
        gradient = target_gradient = None
        if self.wanted:
            gradient, target_gradient = self.gradients = self.room(input)
        value = buffers.like(input) if self.unreduced else eligibility.scalar(input.dtype)
        values, out = (value, None) if self.unreduced else (None, value)
        self.loss.run(
            input, target, weight, self.parameters, self.scale, values=values, gradient=gradient,
            target_gradient=target_gradient, result=out, varying=varying,
        )  # fmt: skip
        return value

    def room(self, input: Tensor) -> tuple[Tensor, Tensor | None]:
        return buffers.like(input), buffers.like(input) if self.both else None

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        input, target, weight, varying = tensors
        there = None
        if upstream is not None:
            weight, there = as_weight(aligned(upstream, input), weight)
        gradient, target_gradient = gradients = self.room(input)
        self.loss.run(
            input, target, weight, self.parameters, self.scale * factor, gradient=gradient, target_gradient=target_gradient,
            varying=varying,
        )  # fmt: skip
        if there is not None:
            multiply(gradients, there)
        return gradients

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        input, target, weight, varying = tensors
        # Of its own, what varies: nobody would notice that it was written to before the next derivative.
        parameters = self.parameters if varying is None else (*self.parameters, varying.clone())
        input, target, parameters = formula.present(input, target, weight, parameters)
        which = formula.Derivative(self.loss.entry, self.loss.through, parameters)
        slope = formula.Partial.apply(input, target, which.in_prediction())
        scale = self.scale if weight is None else weighing(weight, self.scale)
        factor = upstream.to(slope.dtype) * scale  # of halves float32, rounded once
        gradient = (slope * factor).to(input.dtype)
        if not self.both:
            return gradient, None
        target_slope = formula.Partial.apply(input, target, which.in_target())
        return gradient, (target_slope * factor).to(target.dtype)

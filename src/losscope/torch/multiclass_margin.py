"""Margin losses of classes: each right class of a row of scores against each that is not.

The rows of one right class, and those of a list of them that a negative index ends, run in the same loop.
PyTorch has no second derivative of these losses; here it is by torch operations. Of a few thousand scores, PyTorch's
own functions are quicker than any call through autograd from Python, and those are left to them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from losscope.kernels.multiclass_margin import Call
from losscope.reduction import MEAN, NONE, REDUCTIONS
from losscope.torch import buffers, eligibility, formula
from losscope.torch.eligibility import Outside, address
from losscope.torch.kernel_loss import KernelLoss
from losscope.torch.loss_node import Gradients, LossNode, as_weight, record
from losscope.torch.margin import of_class, of_rows

SMALL = 20_000  # scores, up to which PyTorch's own is as quick: measured with rows of ten
PAIRS = 1 << 26  # of scores, up to which torch operations may make them all at once
_COMPUTED = {torch.float32: "float32", torch.float64: "float64"}  # as PyTorch's own, which has no halves


class MulticlassMargin(KernelLoss):
    """One loss over rivals, and how torch runs it."""

    # Longer than others by its conditions: all that decides whose it is to compute stands here.
    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        class_weight: Tensor | None,
        reduction: str,
        margin: float,
        lists: bool,
    ) -> Tensor | None:
        """The loss of scores (C) or (N, C) against a class each, or a list of classes each (`lists`: in the shape of
        the scores, ended by a negative); None where it is not ours to compute."""
        if not isinstance(input, Tensor) or not isinstance(target, Tensor):
            return None
        if torch.compiler.is_compiling() or eligibility.watched():
            return _lists_in_a_graph(input, target, reduction) if lists else None
        by_operations = eligibility.by_operations(input, target, class_weight)
        if by_operations and not input.ndim:  # a single score, as a row of one
            input, target = input[None], target[None] if lists else target
        if (
            (not by_operations and input.numel() <= SMALL and not _removes(class_weight))
            or not input.numel()
            or (lists and by_operations and input.numel() * input.shape[-1] > PAIRS)
            or reduction not in REDUCTIONS
        ):
            return None
        if eligibility.autocasting():
            input, _ = eligibility.full_precision(input, None)
            class_weight, _ = eligibility.full_precision(class_weight, None)
        if not by_operations and not (eligibility.plain(input, target) and eligibility.usual(class_weight)):
            return None
        classes = input.shape[-1] if input.ndim else 0
        if (
            input.dtype not in _COMPUTED
            or target.dtype is not torch.int64
            or input.ndim not in (1, 2)
            or target.shape != (input.shape if lists else input.shape[:-1])
        ):
            return None
        if class_weight is not None and (
            class_weight.dtype is not input.dtype
            or class_weight.shape != (classes,)
            or class_weight.requires_grad
        ):
            return None
        parameters = (float(margin),)
        scale = classes / input.numel() if reduction == MEAN else 1.0
        if by_operations:
            weight = None if class_weight is None else of_class(class_weight.expand_as(input), target)
            values = self.by_operations(input, target, weight, parameters)
            return (
                values if reduction == NONE else formula.scaled(formula.total(values), scale).to(input.dtype)
            )
        input, target = input.contiguous(), target.contiguous()
        if class_weight is not None and bool(((target < 0) | (target >= classes)).any()):
            return None
        weight = None if class_weight is None else class_weight[target]
        call = Scores(self, (input, target, weight), parameters, scale, reduction == NONE)
        try:
            if input.requires_grad and torch.is_grad_enabled():
                return record(call, input)
            return call.value(call.tensors)
        except Outside:  # a class that is none, or a tensor without memory
            return None

    def by_operations(
        self, input: Tensor, target: Tensor, weight: Tensor | None, parameters: tuple[float, ...]
    ) -> Tensor:
        """The loss of each row as torch operations, differentiable as often as wanted."""
        if weight is not None:
            finite = (input < math.inf).all(-1) & of_class(input, target).isfinite()
            there = (weight != 0) | finite
            input = of_rows(there, input)
        if target.shape == input.shape:
            pairs, difference = _right_and_wrong(input, target)
        else:
            pairs = (torch.arange(input.shape[-1], device=target.device) != target[..., None]).to(input.dtype)
            difference = input - of_class(input, target)[..., None]
        # Of two that are no pair nothing is asked: infinite scores have NaN between them, and 0 times its slope would stay.
        difference = torch.where(pairs == 0, 0, difference)
        terms = pairs * formula.values(self.entry, None, parameters, difference, difference.detach())
        values = terms.sum(-1 if terms.ndim == input.ndim else (-2, -1)) / input.shape[-1]
        return values if weight is None else torch.where(there, values * weight, 0)

    def run(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        parameters: tuple[float, ...],
        scale: float,
        values: Tensor | None = None,
        gradient: Tensor | None = None,
        result: Tensor | None = None,
    ) -> None:
        """One pass over contiguous scores, into those of values, gradient and result that are not None. Raises Outside if
        a class is none."""
        classes = input.shape[-1]
        rows = input.numel() // classes
        call = Call(
            self.compiled, _COMPUTED[input.dtype], rows, classes, target.numel() // rows, parameters, address(input),
            address(target), address(weight), target.shape == input.shape,
        )  # fmt: skip
        if call.run(scale, address(values), address(gradient), address(result))[0] >= 0:
            raise Outside


def _right_and_wrong(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """For each two classes of a row, how often the first is named where the second is not, and by how much the second's score
    is above the first's. The first negative ends a list; a class named twice counts twice."""
    named = (target >= 0).long().cumprod(-1)
    count = torch.zeros_like(target).scatter_add(-1, target.clamp_min(0), named)
    pairs = (count[..., :, None] * (count == 0)[..., None, :]).to(input.dtype)
    return pairs, input[..., None, :] - input[..., :, None]


def _lists_in_a_graph(input: Tensor, target: Tensor, reduction: str) -> Tensor | None:
    """What a compiler is given of lists: of its own form of the loss, PyTorch counts what follows the end of a list (2.13)."""
    if (
        not input.is_floating_point()
        or target.dtype is not torch.int64
        or input.ndim not in (1, 2)
        or target.shape != input.shape
        or not input.shape[-1]
        or reduction not in REDUCTIONS
    ):
        return None
    pairs, difference = _right_and_wrong(input, target)
    terms = torch.where(pairs == 0, 0, pairs * torch.relu(1 + difference))
    unknown = (pairs != 0) & difference.isnan()  # of which relu has the slope 1, and these terms NaN
    terms = terms + torch.where(unknown, difference, 0) * torch.where(unknown, math.nan, 0)
    values = terms.sum((-2, -1)) / input.shape[-1]
    if reduction == NONE:
        return values
    return values.mean() if reduction == MEAN else values.sum()


def _removes(class_weight: Any) -> bool:
    """Whether a weight of 0 removes rows, whatever they hold: PyTorch's would be NaN for NaN."""
    return class_weight is not None and eligibility.plain(class_weight) and bool((class_weight == 0).any())


class Scores(LossNode):
    """A call: scores, the right classes, a weight for each row."""

    __slots__ = ()

    def value(self, tensors: Any) -> Tensor:
        input, target, weight = tensors
        values = input.new_empty(input.shape[:-1]) if self.unreduced else None
        gradient = buffers.like(input) if self.wanted else None
        out = eligibility.scalar(input.dtype) if values is None else None
        self.loss.run(input, target, weight, self.parameters, self.scale, values, gradient, out)
        if gradient is not None:
            self.gradients = (gradient,)
        return values if out is None else out  # type: ignore[return-value]

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        input, target, weight = tensors
        there = None
        if upstream is not None:
            weight, there = as_weight(upstream.contiguous(), weight)
        gradient = buffers.like(input)
        self.loss.run(input, target, weight, self.parameters, self.scale * factor, gradient=gradient)
        if there is not None:
            gradient.mul_(there.unsqueeze(-1))
        return (gradient,)

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        input, target, weight = tensors
        with torch.enable_grad():
            values = self.loss.by_operations(input, target, weight, self.parameters)
            upstream = upstream.expand(values.shape) * self.scale
            return torch.autograd.grad(values, input, upstream, create_graph=True)

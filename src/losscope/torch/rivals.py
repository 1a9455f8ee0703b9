"""Margin losses of classes: each right class of a row of scores against each that is not.

The rows of one right class, and those of a list of them that a negative index ends, run in the same loop. The
gradient is made in forward and handed over once, as of the elementwise losses, whose Functions serve here, too.
PyTorch has no second derivative of these losses; here it is by torch operations. Of a few thousand scores, PyTorch's
own functions are quicker than any call through autograd from Python, and those are left to them.
"""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from losscope.entry import Entry
from losscope.kernels.cpu.rivals import ELEMENTS, SERIAL
from losscope.kernels.threads import share
from losscope.torch import buffers, formula, ready
from losscope.torch.saved import Gradients, Saved, record

SMALL = 20_000  # scores, up to which PyTorch's own is as quick: measured with rows of ten
_COMPUTED = {torch.float32: "float32", torch.float64: "float64"}  # as PyTorch's own, which has no halves


class Rivals:
    """One loss over rivals, and how torch runs it."""

    def __init__(self, entry: Entry):
        self.entry = entry
        self._loops: dict[str, Any] = {}

    def loops(self, dtype: str) -> Any:
        found = self._loops.get(dtype)
        if found is None:
            from losscope.torch.loops import loops

            found = self._loops[dtype] = loops(self.entry, None, dtype)
        return found

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
        if torch.compiler.is_compiling() or not isinstance(input, Tensor) or input.numel() <= SMALL:
            return None
        if reduction not in ("mean", "sum", "none"):
            return None
        if ready.autocasting("cpu"):
            input, _ = ready.full_precision(input, None)
            class_weight, _ = ready.full_precision(class_weight, None)
        if not ready.plain(input, target) or not ready.usual(class_weight):
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
            class_weight.dtype is not input.dtype or class_weight.shape != (classes,)
        ):
            return None
        input, target = input.contiguous(), target.contiguous()
        lowest = -1 if lists else 0
        if not self.loops(_COMPUTED[input.dtype])["are_classes"](
            target.data_ptr(), target.numel(), lowest, classes
        ):
            return None
        weight = None if class_weight is None else class_weight[target]
        scale = classes / input.numel() if reduction == "mean" else 1.0
        call = Scores(self, (input, target, weight), (float(margin),), scale, reduction == "none")
        if input.requires_grad and torch.is_grad_enabled():
            return record(call, input)
        return call.value(call.tensors)

    def run(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        values: Tensor | None,
        gradient: Tensor | None,
        scale: float,
        parameters: tuple[float, ...],
    ) -> float:
        """One pass over contiguous scores: into those of values and gradient that are not None; the scaled sum."""
        dtype = _COMPUTED[input.dtype]
        real = numpy.float64 if dtype == "float64" else numpy.float32
        classes = input.shape[-1]
        rows = input.numel() // classes
        rows_in_block = max(1, ELEMENTS // classes)
        blocks = -(-rows // rows_in_block)
        sums = numpy.empty(blocks)
        fixed = (
            *(None if each is None else each.data_ptr() for each in (input, target, weight, values, gradient)),
            sums.ctypes.data, rows, classes, target.numel() // rows, rows_in_block,
        )  # fmt: skip
        kernel, factor = self.loops(dtype)["rivals"], real(scale)
        constants = ready.constants(parameters, real)
        share(blocks, lambda first, last: kernel(*fixed, first, last, factor, constants), SERIAL)
        return float(sums.sum()) * scale


class Scores(Saved):
    """A call: scores, the right classes, a weight for each row."""

    __slots__ = ()

    def value(self, tensors: Any) -> Tensor:
        input, target, weight = tensors
        if self.unreduced:
            values = input.new_empty(input.shape[:-1])
            self.loss.run(input, target, weight, values, None, 1.0, self.parameters)
            return values
        gradient = buffers.like(input) if self.wanted else None
        total = self.loss.run(input, target, weight, None, gradient, self.scale, self.parameters)
        if gradient is not None:
            self.gradients = (gradient,)
        return input.new_full((), total)

    def differentiate(self, tensors: Any, upstream: Tensor, factor: float) -> Gradients:
        input, target, weight = tensors
        if self.unreduced:
            upstream = upstream.contiguous()
            weight = upstream if weight is None else upstream * weight
        gradient = buffers.like(input)
        self.loss.run(input, target, weight, None, gradient, self.scale * factor, self.parameters)
        return (gradient,)

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        input, target, weight = tensors
        right = target if target.shape == input.shape else target[..., None]
        # The first negative ends a list; a class named twice counts twice.
        named = (right >= 0).long().cumprod(-1)
        count = torch.zeros_like(input, dtype=torch.int64).scatter_add_(-1, right.clamp_min(0), named)
        pairs = (count[..., :, None] * (count == 0)[..., None, :]).to(input.dtype)
        difference = input[..., None, :] - input[..., :, None]
        which = formula.Derivative(self.loss.entry, None, self.parameters, prediction=1)
        slopes = pairs * formula.Partial.apply(difference, difference.detach(), which)
        factor = upstream * self.scale / input.shape[-1]
        if weight is not None:
            factor = factor * weight
        return ((slopes.sum(-2) - slopes.sum(-1)) * factor[..., None],)

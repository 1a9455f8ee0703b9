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
from losscope.torch import formula, ready
from losscope.torch.pointwise import Kept, _Reduced, _Unreduced

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
        parameters = (float(margin),)
        if input.requires_grad and torch.is_grad_enabled():
            function = _Unreduced if reduction == "none" else _Reduced
            return function.apply(input, Kept(self, input, target, weight, parameters, scale))
        if reduction == "none":
            values = self.room_for_values(input)
            self.run(input, target, weight, values, None, None, 1.0, 1.0, parameters)
            return values
        out = input.new_empty(())
        self.run(input, target, weight, None, None, out, scale, scale, parameters)
        return out

    def run(
        self,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        values: Tensor | None,
        gradient: Tensor | None,
        out: Tensor | None,
        scale: float,
        value_scale: float,
        parameters: tuple[float, ...],
        target_gradient: None = None,
        varying: None = None,
    ) -> None:
        """One pass over contiguous scores; a target, which is whole numbers, has no gradient, and nothing varies."""
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
        if out is not None:
            out.detach().fill_(float(sums.sum()) * value_scale)

    def room_for_values(self, input: Tensor) -> Tensor:
        """An uninitialised tensor for the loss of each row."""
        return input.new_empty(input.shape[:-1])

    def as_weight(self, upstream: Tensor, input: Tensor) -> Tensor:
        """Upstream gradients of the rows, laid out as the weights of a pass."""
        return upstream.contiguous()

    def as_operations(self, ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """What a backward returns, by torch operations: differentiable in the scores and in the upstream gradient."""
        kept = ctx.kept
        input, target, weight = kept.read(ctx)
        right = target if target.shape == input.shape else target[..., None]
        # The first negative ends a list; a class named twice counts twice.
        named = (right >= 0).long().cumprod(-1)
        count = torch.zeros_like(input, dtype=torch.int64).scatter_add_(-1, right.clamp_min(0), named)
        pairs = (count[..., :, None] * (count == 0)[..., None, :]).to(input.dtype)
        difference = input[..., None, :] - input[..., :, None]
        which = formula.Derivative(self.entry, None, kept.parameters, prediction=1)
        slopes = pairs * formula.Partial.apply(difference, difference.detach(), which)
        factor = upstream * kept.scale / input.shape[-1]
        if weight is not None:
            factor = factor * weight
        return (slopes.sum(-2) - slopes.sum(-1)) * factor[..., None], None

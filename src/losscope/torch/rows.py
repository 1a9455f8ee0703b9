"""Softmax losses of tensors: rows of logits against class indices or rows of probabilities.

As in `losscope.torch.pointwise`, the gradient is made in forward and handed over once. The logits are never
written to: another use of them in the same graph sees what it was given.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.autograd import Function

from losscope.entry import Entry
from losscope.kernels.cpu.softmax import ELEMENTS, SERIAL
from losscope.kernels.threads import share
from losscope.torch import buffers, ready
from losscope.torch.ready import HALVES, NAMES
from losscope.torch.saved import Saved


class Rows:
    """One softmax loss, and how torch runs it. Classes stand along axis 1 (or along the only one)."""

    def __init__(self, entry: str | Entry):
        self._given = entry
        self.name = entry if isinstance(entry, str) else entry.name
        self._loops: dict[str, Any] = {}

    @cached_property
    def entry(self) -> Entry:
        if isinstance(self._given, Entry):
            return self._given
        from losscope.catalogue import entries

        return entries()[self._given]

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
        ignore_index: int,
        reduction: str,
        smoothing: float,
        parameters: tuple[float, ...] = (),
    ) -> Tensor | None:
        """The loss with torch's meaning of every argument, or None where it is not ours to compute."""
        if torch.compiler.is_compiling():
            from losscope.torch.operators import traced_rows

            return (
                None
                if parameters
                else traced_rows(self, input, target, class_weight, ignore_index, reduction, smoothing)
            )
        if ready.autocasting("cpu"):
            input, target = ready.full_precision(input, target)
            class_weight = ready.full_precision(class_weight, None)[0]
        if (
            reduction not in ("mean", "sum", "none")
            or not 0.0 <= smoothing <= 1.0
            or not _ours(input, target, class_weight)
        ):
            return None
        batch = Batch.of(input, target, class_weight, int(ignore_index), float(smoothing))
        if batch is None:
            return None
        counted = self.count(batch)
        if counted is None:
            return None
        scale = 1.0
        if reduction == "mean":
            scale = 1.0 / counted if counted else float("inf")
        return self.apply(input, target, class_weight, None, batch, parameters, scale, reduction == "none")

    def apply(
        self,
        input: Tensor,
        target: Tensor,
        class_weight: Tensor | None,
        weight: Tensor | None,
        batch: Batch,
        parameters: tuple[float, ...],
        scale: float,
        unreduced: bool,
    ) -> Tensor:
        """The loss of a batch that has been looked at: rows weighed by `weight`, summed and scaled, or unreduced."""
        if input.requires_grad and torch.is_grad_enabled():
            return _apply_rows(
                input, Kept(self, input, target, class_weight, weight, parameters, scale, batch, unreduced)
            )
        return self.run(batch, None, weight, unreduced, 1.0 if unreduced else scale, parameters)[0]

    def count(self, batch: Batch) -> float | None:
        """What a mean is over: the weight of the rows that count, or their number for rows of probabilities.

        None if a class index is out of range.
        """
        if batch.probabilities is not None:
            return float(batch.rows)
        survey = self.loops(batch.dtype)["survey"]
        wrong, total = survey(
            _address(batch.target), _address(batch.class_weight), batch.rows, batch.classes, batch.ignore
        )
        return total if wrong < 0 else None

    def run(
        self,
        batch: Batch,
        gradient: Tensor | None,
        weight: Tensor | None,
        unreduced: bool,
        scale: float,
        parameters: tuple[float, ...],
    ) -> tuple[Tensor, float]:
        """One pass: the loss (reduced to the scaled sum, or one value per row), and the gradient into its place."""
        logits, rows, classes = batch.logits, batch.rows, batch.classes
        loops = self.loops(batch.dtype)
        real = numpy.float64 if batch.dtype == "float64" else numpy.float32
        constants = ready.constants(parameters, real) if parameters else parameters
        values = torch.empty(rows, dtype=batch.computed) if unreduced else None
        rows_in_block = max(1, ELEMENTS // classes)
        blocks = -(-rows // rows_in_block)
        spread = batch.probabilities is not None or batch.smoothing != 0.0
        judged: tuple[Any, ...] = (_address(batch.target),)
        if spread:
            judged = (
                _address(batch.target) or 0,
                _address(batch.probabilities),
                real(batch.smoothing),
            )  # typed, if never read
        kernel = loops["spread" if spread else "rows"]
        places = (
            logits.data_ptr(), *judged, _address(weight), _address(batch.class_weight), _address(values), _address(gradient),
        )  # fmt: skip
        sizes = (rows, classes, rows_in_block, batch.ignore)
        out = None if unreduced else ready.scalar(logits.dtype)
        if blocks <= SERIAL:
            total = kernel(*places, None, _address(out), *sizes, 0, blocks, scale, constants)
        else:
            sums = numpy.empty(blocks)
            each = (*places, sums.ctypes.data, None, *sizes)
            share(blocks, lambda first, last: kernel(*each, first, last, scale, constants), SERIAL)
            total = float(sums.sum()) * scale
            if out is not None:
                out.fill_(total)
        if values is not None:
            return values.to(batch.given).view(batch.shape), total
        assert out is not None
        return (out if out.dtype is batch.given else out.to(batch.given)), total


class Batch:
    """Logits as a matrix over contiguous memory, and what judges each row."""

    __slots__ = (
        "class_weight",
        "classes",
        "dtype",
        "given",
        "ignore",
        "logits",
        "probabilities",
        "rows",
        "shape",
        "smoothing",
        "target",
    )

    logits: Tensor
    target: Tensor | None
    probabilities: Tensor | None
    class_weight: Tensor | None
    rows: int
    classes: int
    shape: torch.Size
    smoothing: float
    ignore: int
    dtype: str
    given: torch.dtype

    @property
    def computed(self) -> torch.dtype:
        """The dtype of what is per row or per class."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    @staticmethod
    def of(
        input: Tensor, target: Tensor, class_weight: Tensor | None, ignore: int, smoothing: float
    ) -> Batch | None:
        """None where the shapes are not torch's, which then says so."""
        batch = Batch()
        batch.given = input.dtype
        # float16 has no kernel: it is computed in float32 and rounded once.
        dtype = torch.float32 if input.dtype is torch.float16 else input.dtype
        batch.dtype = NAMES[dtype]
        batch.ignore, batch.smoothing = ignore, smoothing
        probabilities = target.shape == input.shape
        if input.ndim == 1:
            batch.classes, batch.shape = input.shape[0], torch.Size(())
        else:
            batch.classes, batch.shape = input.shape[1], input.shape[:1] + input.shape[2:]
        if not probabilities and target.shape != batch.shape:
            return None
        batch.rows = batch.shape.numel()
        if not batch.rows or not batch.classes:
            return None
        batch.logits = rows_of(input, dtype)
        batch.target = batch.probabilities = None
        if probabilities:
            if target.dtype is not input.dtype:
                return None
            batch.probabilities = rows_of(target, dtype)
        elif target.dtype is torch.int64:
            batch.target = target.contiguous()
        else:
            return None
        batch.class_weight = class_weight
        if class_weight is not None:
            if class_weight.shape != (batch.classes,) or class_weight.dtype is not input.dtype:
                return None
            batch.class_weight = class_weight.to(batch.computed).contiguous()
        return batch


def rows_of(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor with its class axis last, contiguous; itself where that is so already."""
    if tensor.ndim <= 2 and tensor.dtype is dtype and tensor.is_contiguous():
        return tensor
    tensor = tensor.detach()
    if tensor.ndim > 2:
        tensor = tensor.movedim(1, -1)
    return tensor.to(dtype).contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _ours(input: Tensor, target: Tensor, class_weight: Tensor | None) -> bool:
    return (
        ready.plain(input, target)
        and input.dtype in NAMES
        and input.ndim > 0
        and not (target.requires_grad and torch.is_grad_enabled())
        and ready.usual(class_weight)
    )


class Kept(Saved):
    """What a call saves: logits, target, weights of the classes and of the rows."""

    __slots__ = ("batch", "ignore", "layout", "smoothing", "unreduced")

    def __init__(
        self,
        loss: Rows,
        input: Tensor,
        target: Tensor,
        class_weight: Tensor | None,
        weight: Tensor | None,
        parameters: tuple[float, ...],
        scale: float,
        batch: Batch,
        unreduced: bool,
    ):
        super().__init__(loss, (input, target, class_weight, weight), parameters, scale)
        self.batch: Batch | None = batch  # until the forward is done
        self.ignore, self.smoothing, self.unreduced = batch.ignore, batch.smoothing, unreduced
        self.layout = (input.dtype, input.is_contiguous())


class _Rows(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, kept: Kept) -> Tensor:
        batch = kept.batch
        assert batch is not None
        assert kept.tensors is not None
        weight = kept.tensors[3]
        kept.batch = None
        if ready.saving_hooks(True):
            kept.hand_over(ctx)
        elif not kept.unreduced:
            kept.gradient = buffers.like(batch.logits)
        ctx.kept = kept
        return kept.loss.run(batch, kept.gradient, weight, kept.unreduced, kept.scale, kept.parameters)[0]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        kept = ctx.kept
        if torch.is_grad_enabled() or ready.batched(upstream):
            from losscope.torch.margin import gradient

            input, target, class_weight, weight = kept.read(ctx)
            weighed = (
                upstream if weight is None else upstream * weight.view(input.shape[:1] + input.shape[2:])
            )
            return (
                gradient(
                    kept.loss.entry,
                    kept.parameters,
                    input,
                    target,
                    class_weight,
                    kept.ignore,
                    kept.smoothing,
                    kept.scale,
                    weighed,
                ),
                None,
            )
        rows = kept.gradient
        factor = 1.0 if kept.unreduced else upstream.item()
        if rows is None or (factor != 1.0 and rows.dtype in HALVES):
            # Given away before, or left to hooks; or each row has an upstream of its own; or it would be rounded to a half twice.
            input, target, class_weight, weight = kept.read(ctx)
            batch = Batch.of(input, target, class_weight, kept.ignore, kept.smoothing)
            assert batch is not None
            if rows is None:
                rows = buffers.like(batch.logits)
            if kept.unreduced:
                each = upstream.reshape(-1).to(batch.computed).contiguous()
                weight = each if weight is None else each * weight
            kept.loss.run(batch, rows, weight, False, kept.scale * factor, kept.parameters)
        elif factor != 1.0:
            rows.mul_(factor)
        kept.done()
        return in_layout(rows, *kept.layout), None


# Without what Function.apply asks for functorch, which `ready.plain` has ruled out: a microsecond.
_apply_rows = super(Function, _Rows).apply


def in_layout(rows: Tensor, dtype: torch.dtype, contiguous: bool) -> Tensor:
    """The gradient of rows as that of the input they are of: its axes, dtype and layout."""
    if rows.ndim <= 2 and rows.dtype is dtype and contiguous:
        return rows
    gradient = rows.movedim(-1, 1) if rows.ndim > 2 else rows
    return gradient.to(dtype, memory_format=torch.contiguous_format if contiguous else torch.preserve_format)

"""Softmax losses of tensors: rows of logits against class indices or rows of probabilities.

The logits are never written to: another use of them in the same graph sees what it was given.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy
import torch
from torch import Tensor

from losscope.entry import Entry
from losscope.kernels.cpu.softmax import ELEMENTS, SERIAL
from losscope.kernels.threads import share
from losscope.torch import buffers, ready
from losscope.torch.ready import NAMES, Outside
from losscope.torch.saved import Gradients, Saved, record


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
        if reduction not in ("mean", "sum", "none") or not _ours(input, target, class_weight):
            return None
        batch = Batch.of(input, target, class_weight, ignore_index, smoothing)
        if batch is None:
            return None
        unreduced, mean = reduction == "none", reduction == "mean"
        try:
            return self.apply(input, target, class_weight, None, batch, parameters, unreduced, 1.0, mean)
        except Outside:  # a class index that is none
            return None

    def apply(
        self,
        input: Tensor,
        target: Tensor,
        class_weight: Tensor | None,
        weight: Tensor | None,
        batch: Batch,
        parameters: tuple[float, ...],
        unreduced: bool,
        scale: float,
        mean: bool,
    ) -> Tensor:
        """The loss of a batch: rows weighed by `weight`, summed and scaled, or unreduced. `mean` and Outside are
        those of `run`."""
        if input.requires_grad and torch.is_grad_enabled():
            saved = Logits(self, (input, target, class_weight, weight), parameters, scale, unreduced)
            saved.batch, saved.mean = batch, mean
            return record(saved, input)
        return self.run(batch, None, weight, unreduced, scale, mean, parameters)[0]

    def survey(self, batch: Batch) -> float:
        """What a mean is over: the weight of the rows that count, or their number for rows of probabilities.

        Raises Outside if a class index is none.
        """
        if batch.target is None:
            return float(batch.rows)
        survey = self.loops(batch.dtype)["survey"]
        wrong, total = survey(
            batch.target.data_ptr(), _address(batch.class_weight), batch.rows, batch.classes, batch.ignore
        )
        if wrong >= 0:
            raise Outside
        return float(total)

    def run(
        self,
        batch: Batch,
        gradient: Tensor | None,
        weight: Tensor | None,
        unreduced: bool,
        scale: float,
        mean: bool,
        parameters: tuple[float, ...],
    ) -> tuple[Tensor, float, float]:
        """One pass: the loss (the scaled sum, or one value per row), the gradient into its place; the sum and its
        scale as numbers. Of a `mean`, the scale is divided by what `survey` says. Raises Outside as that does."""
        logits, rows, classes = batch.logits, batch.rows, batch.classes
        loops = self._loops.get(batch.dtype) or self.loops(batch.dtype)
        real = numpy.float64 if batch.dtype == "float64" else numpy.float32
        constants = ready.constants(parameters, real) if parameters else parameters
        values = torch.empty(rows, dtype=batch.computed) if unreduced else None
        out = None if unreduced else ready.scalar(logits.dtype)
        rows_in_block = max(1, ELEMENTS // classes)
        blocks = -(-rows // rows_in_block)
        target, probabilities = batch.target, batch.probabilities
        judged: tuple[Any, ...]
        if probabilities is None and batch.smoothing == 0.0:
            kernel, judged = loops["rows"], (_address(target),)
        else:  # typed, if never read
            kernel = loops["spread"]
            judged = (_address(target) or 0, _address(probabilities), real(batch.smoothing))
        places = (
            logits.data_ptr(), *judged, _address(weight), _address(batch.class_weight), _address(values), _address(gradient),
        )  # fmt: skip
        sizes = (rows, classes, rows_in_block, batch.ignore)
        if blocks <= SERIAL:
            wrong, total, scale = kernel(
                *places, None, _address(out), *sizes, 0, blocks, scale, mean, constants
            )
            if wrong >= 0:
                raise Outside
        else:
            weighed = self.survey(batch)
            if mean:
                scale = scale / weighed if weighed else math.inf
            sums = numpy.empty(blocks)
            each = (*places, sums.ctypes.data, None, *sizes)
            share(blocks, lambda first, last: kernel(*each, first, last, scale, False, constants), SERIAL)
            total = float(sums.sum()) * scale
            if out is not None:
                out.fill_(total)
        if values is not None:
            return values.to(batch.given).view(batch.shape), total, scale
        assert out is not None
        return (out if out.dtype is batch.given else out.to(batch.given)), total, scale


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
        """None where shapes, dtypes or numbers are not torch's, which then says so."""
        batch = Batch()
        batch.shape = shape = target.shape
        batch.given = dtype = input.dtype
        if dtype is torch.float16:  # has no kernel: it is computed in float32 and rounded once
            dtype = torch.float32
        batch.dtype = NAMES[dtype]
        axes = input.ndim
        if axes == 2:
            batch.rows, batch.classes = input.shape
        else:
            batch.classes = input.shape[1] if axes > 1 else input.shape[0]
            batch.rows = input.numel() // (batch.classes or 1)
        if not batch.rows or not batch.classes:
            return None
        batch.target = batch.probabilities = None
        if target.dtype is torch.int64:
            if shape != ((batch.rows,) if axes == 2 else input.shape[: axes > 1] + input.shape[2:]):
                return None
            batch.target = target.contiguous()
        elif target.dtype is input.dtype and shape == input.shape:
            batch.shape = shape[: axes > 1] + shape[2:]
            batch.probabilities = rows_of(target, dtype)
        else:
            return None
        batch.logits = rows_of(input, dtype)
        batch.ignore, batch.smoothing = int(ignore), float(smoothing)
        if not 0.0 <= batch.smoothing <= 1.0:
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


class Logits(Saved):
    """A softmax call: logits, target, weights of the classes and of the rows."""

    __slots__ = ("batch", "ignore", "mean", "smoothing")
    batch: Batch | None  # until the value is there
    mean: bool  # whether the scale is still to be divided

    def value(self, tensors: Any) -> Tensor:
        batch, self.batch = self.batch, None
        assert batch is not None
        self.ignore, self.smoothing = batch.ignore, batch.smoothing
        gradient = buffers.like(batch.logits) if self.wanted else None
        value, _, self.scale = self.loss.run(
            batch, gradient, tensors[3], self.unreduced, self.scale, self.mean, self.parameters
        )
        if gradient is not None:
            self.gradients = (in_layout(gradient, tensors[0]),)
        return value

    def differentiate(self, tensors: Any, upstream: Tensor, factor: float) -> Gradients:
        input, target, class_weight, weight = tensors
        batch = Batch.of(input, target, class_weight, self.ignore, self.smoothing)
        assert batch is not None
        if self.unreduced:
            upstream = upstream.reshape(-1).to(batch.computed).contiguous()
            weight = upstream if weight is None else upstream * weight
        gradient = buffers.like(batch.logits)
        self.loss.run(batch, gradient, weight, False, self.scale * factor, False, self.parameters)
        return (in_layout(gradient, input),)

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        from losscope.torch.margin import gradient

        input, target, class_weight, weight = tensors
        if weight is not None:
            upstream = upstream * weight.view(input.shape[:1] + input.shape[2:])
        ignore, smoothing, scale = self.ignore, self.smoothing, self.scale
        entry, parameters = self.loss.entry, self.parameters
        return (gradient(entry, parameters, input, target, class_weight, ignore, smoothing, scale, upstream),)


def in_layout(rows: Tensor, input: Tensor) -> Tensor:
    """The gradient of rows as that of the input they are of: its axes, dtype and layout."""
    contiguous = input.is_contiguous()
    if input.ndim <= 2 and rows.dtype is input.dtype and contiguous:
        return rows
    gradient = rows.movedim(-1, 1) if rows.ndim > 2 else rows
    memory_format = torch.contiguous_format if contiguous else torch.preserve_format
    return gradient.to(input.dtype, memory_format=memory_format)

"""Losses of distances of tensors: pairs of vectors, or an anchor, a positive and a negative, along the last axis.

The gradients of all vectors are made in one pass. There is more work in a row than in an element, so that tensors are
read as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from losscope.kernels.distance import Call
from losscope.reduction import MEAN, NONE, REDUCTIONS, scale_of
from losscope.torch import buffers, eligibility, formula
from losscope.torch.eligibility import HALVES, NAMES, Nowhere, address
from losscope.torch.kernel_loss import KernelLoss
from losscope.torch.loss_node import Gradients, LossNode, apart, as_weight, multiply, record, weighing
from losscope.torch.margin import nan_of_whole_rows, of_rows


class Distances(KernelLoss):
    """One loss of distances, and how torch runs it."""

    def __call__(
        self,
        vectors: tuple[Tensor, ...],
        label: Tensor | None,
        reduction: str,
        parameters: tuple[float, ...],
        swap: bool = False,
        offset: float = 0.0,
    ) -> Tensor | None:
        """The loss of vectors of one shape, or None where it is not ours to compute: then it is PyTorch's."""
        if torch.compiler.is_compiling() or reduction not in REDUCTIONS:
            return None
        if eligibility.by_operations(*vectors, label):
            return self.by_operations(vectors, label, reduction, parameters, swap, offset)
        if not _ours(*vectors):
            return None
        if label is not None:
            if (
                not eligibility.usual(label)
                or label.shape != vectors[0].shape[:-1]
                or label.is_quantized
                or not label.dtype.is_signed
            ):
                return None
            label = label.to(computed(vectors[0].dtype)).contiguous()
            if not bool((label.abs() == 1).all()):
                return None
        factor = scale_of(reduction, vectors[0].shape[:-1].numel())
        call = Vectors(self, vectors, label, None, parameters, factor, reduction == NONE, swap, offset)
        try:
            return call.result()
        except Nowhere:
            return None

    def by_operations(
        self,
        vectors: tuple[Tensor, ...],
        label: Tensor | None,
        reduction: str,
        parameters: tuple[float, ...],
        swap: bool,
        offset: float,
    ) -> Tensor | None:
        if not _alike(*vectors):
            return None
        if label is not None and (
            label.shape != vectors[0].shape[:-1] or not label.dtype.is_signed or label.requires_grad
        ):
            return None
        values = self.values(vectors, label, parameters, swap, offset)
        if label is not None:
            values = torch.where(label.abs() == 1, values, 0)  # as PyTorch's, which adds up what it knows
        if reduction != NONE:
            values = values.mean() if reduction == MEAN else values.sum()
        return values.to(vectors[0].dtype)

    def values(
        self,
        vectors: Sequence[Tensor],
        label: Tensor | None,
        parameters: tuple[float, ...],
        swap: bool = False,
        offset: float = 0.0,
    ) -> Tensor:
        """The unreduced loss as torch operations in float64 (where there is one), differentiable as often as wanted."""
        widest = eligibility.widest(vectors[0].device)
        vectors = tuple(each.to(widest) for each in vectors)
        seen = tuple(each.detach() for each in vectors)
        label = (
            torch.ones_like(seen[0][..., 0]) if label is None else label.to(widest).view(seen[0].shape[:-1])
        )
        at_hand = seen[0].is_cpu and not eligibility.transforming()
        if at_hand and all(bool(each.isfinite().all()) for each in seen):
            return self._values(vectors, label, parameters, swap, offset, 0)
        # A row that is infinite somewhere and whose loss changes with no distance: 0 times an infinite slope is no NaN.
        known = self._values(seen, label, parameters, swap, offset, 0)
        flat = self._values(seen, label, parameters, swap, offset, 1) == 0
        flat &= torch.stack([each.isinf().any(-1) for each in seen]).any(0)
        there = tuple(of_rows(~flat, each) for each in vectors)
        return torch.where(flat, known, self._values(there, label, parameters, swap, offset, 0))

    def _values(
        self,
        vectors: Sequence[Tensor],
        label: Tensor,
        parameters: tuple[float, ...],
        swap: bool,
        offset: float,
        order: int,
    ) -> Tensor:
        """The loss of each row, or (order 1) its slope in the distance."""
        a, b, *negative = vectors
        if self.entry.measure == "cosine":
            (a, no_a), (b, no_b) = _direction(a), _direction(b)
            cosine = (a * b).sum(-1)
            distance = torch.where(no_a | no_b, 1.0, ((a - b) ** 2).sum(-1) / 2)
        else:
            x = a - b + offset
            distance = _length(x)
            for n in negative:
                start, between = a, n - b
                sign: Any = 1.0
                if swap:  # chosen before its length is taken: what is not chosen has no slope, be it infinite
                    nearer = (_length(b - n + offset) < _length(a - n + offset))[..., None]
                    start, between = (
                        torch.where(nearer, b, a),
                        torch.where(nearer, a - n + 2 * offset, between),
                    )
                    sign = torch.where(nearer, -1.0, 1.0)
                y = start - n + offset
                distance = _longer(distance, _length(y), between, x + sign * y)
            cosine = 1 - distance
        value: Any = formula.compiled(self.entry, None, order, 0)(distance, label, cosine, *parameters)
        if order:
            return value if isinstance(value, Tensor) else torch.full_like(distance, value)
        return nan_of_whole_rows(value, *vectors)  # and not their directions: one of zeros has none


class Vectors(LossNode):
    """A call: label and weight, one number for each row, and the vectors, to whose differences an `offset` is added."""

    __slots__ = ("each", "offset", "swap")

    def __init__(
        self,
        loss: Distances,
        vectors: Sequence[Tensor],
        label: Tensor | None,
        weight: Tensor | None,
        parameters: tuple[float, ...],
        scale: float,
        unreduced: bool,
        swap: bool = False,
        offset: float = 0.0,
    ):
        of_rows = (None if each is None else each.contiguous() for each in (label, weight))
        super().__init__(loss, (*of_rows, *vectors), parameters, scale, unreduced)
        self.swap, self.offset = swap, offset
        self.each = [each.requires_grad for each in vectors]  # which of them may want a gradient

    def result(self) -> Tensor:
        """The loss, in the graph if one of the vectors is."""
        tensors = self.tensors or ()
        if torch.is_grad_enabled() and any(self.each):
            return record(self, *tensors[2:])
        return self.value(tensors)

    def value(self, tensors: Any) -> Tensor:
        each = self.each if self.wanted else [False] * len(self.each)
        value, gradients = self.run(tensors, tensors[1], each, self.scale, self.unreduced)
        if self.wanted:
            self.gradients = gradients
        return value

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        weight, there = tensors[1], None
        if upstream is not None:
            upstream = upstream.to(computed(upstream.dtype)).reshape(-1).contiguous()
            weight, there = as_weight(upstream, None if weight is None else weight.reshape(-1))
        gradients = self.run(tensors, weight, self.each, self.scale * (factor or 1.0), False)[1]
        if factor == 0:  # to the kernel what has the slope 0 is not there, and here 0 times NaN is NaN
            multiply(gradients, factor)
        if there is not None:
            multiply(gradients, there.view(tensors[2].shape[:-1]).unsqueeze(-1))
        return gradients

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        label, weight, *vectors = tensors
        with torch.enable_grad():
            vectors = apart(vectors)
            if weight is not None:
                there = (weight != 0).view(vectors[0].shape[:-1])
                read = [of_rows(there, each) for each in vectors]
                label = None if label is None else torch.where(there, label.view(there.shape), 1)
            values = self.loss.values(
                vectors if weight is None else read, label, self.parameters, self.swap, self.offset
            )
            upstream = upstream.double().expand(values.shape)
            upstream = upstream * (
                self.scale if weight is None else weighing(weight.view(values.shape), self.scale)
            )
            inputs = [each for each, want in zip(vectors, self.each, strict=True) if want]
            found = iter(torch.autograd.grad(values, inputs, upstream, create_graph=True, allow_unused=True))
        return tuple(next(found) if want else None for want in self.each)

    def run(
        self, tensors: Any, weight: Tensor | None, wanted: Sequence[bool], scale: float, unreduced: bool
    ) -> tuple[Tensor, Gradients]:
        """One pass: the loss, and the gradients that are wanted."""
        label, _, *vectors = tensors
        given, shape = vectors[0].dtype, vectors[0].shape
        read = [each.detach().contiguous() for each in vectors]
        gradients = [buffers.like(each) if want else None for each, want in zip(read, wanted, strict=True)]
        values = torch.empty(shape[:-1], dtype=computed(given), device="cpu") if unreduced else None
        out = None if unreduced else eligibility.scalar(given)
        call = Call(
            self.loss.compiled, NAMES[given], shape[:-1].numel(), shape[-1], self.parameters, tuple(map(address, read)),
            address(label), address(weight), self.swap, self.offset,
        )  # fmt: skip
        call.run(scale, address(values), tuple(map(address, gradients)), address(out))
        return (values.to(given) if values is not None else out), tuple(gradients)  # type: ignore[return-value]


def computed(dtype: torch.dtype) -> torch.dtype:
    """What a dtype is computed in: halves in float32, rounded once."""
    return torch.float32 if dtype in HALVES else dtype


def _length(x: Tensor) -> Tensor:
    """The length of each vector; every derivative of a length of 0 is 0. Squares are of parts of the largest number, so
    that none overflows or vanishes."""
    largest = x.detach().abs().amax(-1, keepdim=True)
    largest = torch.where((largest == 0) | largest.isinf(), 1.0, largest)
    square = (x / largest).square().sum(-1)
    return torch.where(square == 0, 0.0, largest.squeeze(-1) * torch.where(square == 0, 1.0, square).sqrt())


def _longer(one: Tensor, other: Tensor, difference: Tensor, total: Tensor) -> Tensor:
    """one - other, of which the first vector is the longer, from the difference and the sum of the vectors where that is more
    exact."""
    close = (one - other).abs() < other / 4
    lengths = torch.where(close, one + other, 1.0)[..., None]
    shares, total = (torch.where(close[..., None], each, 0.0) for each in (difference / lengths, total))
    return torch.where(close, (shares * total).sum(-1), one - other)


def _direction(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each vector by its length, and whether it is one of zeros, which stays one. One so short that the inverse of its length
    is infinite counts as such, as it does to the kernel."""
    length = _length(x)
    none = length.reciprocal().isinf()
    return torch.where(none[..., None], 0.0, x / torch.where(none, 1.0, length)[..., None]), none


def _ours(*vectors: Any) -> bool:
    return eligibility.plain(*vectors) and _alike(*vectors)


def _alike(*vectors: Tensor) -> bool:
    first = vectors[0]
    return (
        first.dtype in NAMES
        and all(each.dtype is first.dtype and each.shape == first.shape for each in vectors)
        and first.ndim > 0
        and first.numel() > 0
        and not (first.dtype in HALVES and eligibility.autocasting())
    )

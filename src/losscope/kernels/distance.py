"""A call of a loss of distances: rows of vectors, and the kernel that runs over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from losscope.kernels import threads
from losscope.kernels.compiled import CompiledLoss
from losscope.kernels.loops import distance as loop
from losscope.kernels.memory import made
from losscope.reduction import NONE, scale_of
from losscope.structures.arrays import NAMES


@dataclass(slots=True)
class Call:
    """Inputs as arrays or addresses; what is absent is None."""

    loss: CompiledLoss
    dtype: str
    rows: int
    features: int
    parameters: tuple[float, ...]
    vectors: Sequence[Any]  # prediction and target, and of triplets the negative: (rows, features) each
    label: Any = None  # (rows,)
    weight: Any = None  # (rows,)
    swap: bool = False
    offset: float = 0.0  # added to each difference

    def run(
        self, scale: float, values: Any = None, gradients: Sequence[Any] = (None,), result: Any = None
    ) -> tuple[int, float]:
        """Write what is given room for, the gradients (of each of the vectors, or of the first) times `scale`; returns a
        status of 0 and the sum. `result` is room for one number, the sum times the scale."""
        wants = loop.MEASURES.get(self.loss.entry.measure, loop.TRIPLET)
        wanted = (*gradients, None, None)[:3]
        for flag, each in zip(loop.GRADIENTS.values(), wanted, strict=True):
            wants |= flag if each is not None else 0
        kernel = self.loss.kernels.get(("distance", self.dtype, wants)) or self.loss.kernel(
            "distance", self.dtype, wants
        )
        wholes = (
            *(*self.vectors, None)[:3], self.label, self.weight, values, *wanted, result, self.rows, self.features,
            1 if self.swap else 0,
        )  # fmt: skip
        numbers = (scale, self.offset, *self.parameters)
        status, total, _ = threads.run(kernel, self.rows * self.features, wholes, numbers)
        return status, total


def evaluate(
    loss: CompiledLoss,
    batch: Any,
    parameters: tuple[float, ...],
    reduction: Any,
    order: int,
    out: Any,
) -> tuple[float, dict[str, Any], bool]:
    """The sum over a batch of arrays, its values and gradient as asked; all of it was checked before."""
    shape, dtype = batch.prediction.shape, batch.dtype
    outputs = made(shape, dtype, order, out)
    if reduction == NONE:
        outputs["values"] = numpy.empty(shape[0], dtype)
    rows, features = shape
    call = Call(
        loss, NAMES[dtype], rows, features, parameters, batch.vectors, batch.label, batch.weight, batch.swap
    )
    _, total = call.run(
        scale_of(reduction, batch.total_weight), outputs.get("values"), (outputs.get("gradient"),)
    )
    return total, outputs, True

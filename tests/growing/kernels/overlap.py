"""A call of a loss of overlaps: rows of two sets, and the kernel that runs over them."""

from __future__ import annotations

from typing import Any

import numpy

from losscope.kernels import threads
from losscope.kernels.loops import overlap as loop
from losscope.kernels.memory import made
from losscope.reduction import NONE, scale_of
from losscope.structures.arrays import NAMES


def evaluate(loss: Any, batch: Any, parameters: Any, reduction: Any, order: int, out: Any) -> Any:
    """The sum over a batch of arrays, its values and gradient as asked, and whether all was in its domain."""
    (rows, places), dtype = batch.prediction.shape, NAMES[batch.dtype]
    outputs = made(batch.prediction.shape, batch.dtype, order, out)
    if reduction == NONE:
        outputs["values"] = numpy.empty(rows, batch.dtype)
    kernel = loss.kernel("overlap", dtype, loop.GRADIENT if order else 0)
    wholes = (
        batch.prediction, batch.target, batch.weight, outputs.get("values"), outputs.get("gradient"), None, rows, places,
    )  # fmt: skip
    numbers = (scale_of(reduction, batch.total_weight), *parameters)
    outside, total, _ = threads.run(kernel, rows * places, wholes, numbers)
    return total, outputs, not outside

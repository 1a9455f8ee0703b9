"""A batch whose mean is wanted: of weights that may be as small or as large as they like.

A mean does not change with the scale of its weights. But of a sum of 1e-40 the reciprocal, by which every gradient
is multiplied, is no float32; and a weight of 1e30 times a loss may be none. Such weights are first multiplied by a
power of two, which is exact.
"""

from __future__ import annotations

from typing import Any

import numpy

from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.structures.arrays import as_array
from losscope.structures.structure import Structure

MODERATE = 2.0**64  # sums of weights from 1/MODERATE to MODERATE leave a float32 room to both sides


def prepare(
    structure: Structure, entry: Entry, prediction: Any, target: Any, weight: Any, options: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """The structure's batch, and the weights and options it was made with; raises LossError."""
    batch = structure.prepare(entry, prediction, target, weight, **options)
    weights = {"weight": weight}
    if (
        getattr(batch, "probabilities", None) is None
    ):  # a mean over rows of probabilities does not divide by these
        weights["class_weight"] = options.get("class_weight")
    weights = {name: each for name, each in weights.items() if each is not None}
    if not weights or batch.total_weight is None or 1 / MODERATE <= batch.total_weight <= MODERATE:
        return batch, weight, options
    options = {**options, **{name: _moderate(as_array(each, name)) for name, each in weights.items()}}
    weight = options.pop("weight", None)
    batch = structure.prepare(entry, prediction, target, weight, **options)
    least = float(numpy.finfo(batch.dtype).tiny)
    if 0 < batch.total_weight < least:
        raise LossError(
            complain(
                "The weights that count in this batch are too small beside the others",
                got=f"a sum of {batch.total_weight:.3g}, where the largest is near 1",
                expected=f"{least:.3g} or more, for a mean in {batch.dtype}",
                next_step="Compute in float64, or give weights of similar size",
            )
        )
    return batch, weight, options


def _moderate(weight: numpy.ndarray) -> numpy.ndarray:
    """The weights times a power of two: the largest is then between 1/2 and 1."""
    array = weight.astype("float64")
    largest = array.max(initial=0)
    return numpy.ldexp(array, -numpy.frexp(largest)[1]) if 0 < largest < numpy.inf else array

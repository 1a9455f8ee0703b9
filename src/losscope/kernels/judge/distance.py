"""A loss of distances by the book; it has no curvature."""

from __future__ import annotations

from typing import Any

import numpy

from losscope.kernels.reference import pointwise


def evaluate(
    loss: Any,
    prediction: Any,
    target: Any,
    weight: Any = None,
    label: Any = None,
    negative: Any = None,
    swap: Any = 0,
) -> tuple[Any, Any]:
    """Value and gradient of each row."""
    a, b = (numpy.asarray(each, "float64") for each in (prediction, target))

    def apart(one: Any, other: Any) -> tuple[Any, Any]:
        """The length of the difference, and the direction it grows in."""
        length = numpy.sqrt(((one - other) ** 2).sum(-1))
        return length, (one - other) / numpy.where(length == 0, 1, length)[..., None]

    cosine = None
    if loss.entry.measure == "cosine":
        sizes = [numpy.sqrt((each**2).sum(-1, keepdims=True)) for each in (a, b)]
        a, b = (each / numpy.where(size == 0, 1, size) for each, size in zip((a, b), sizes, strict=True))
        cosine = (a * b).sum(-1)
        none = ((sizes[0] == 0) | (sizes[1] == 0))[..., 0]
        distance = numpy.where(none, 1, ((a - b) ** 2).sum(-1) / 2)
        growth = (cosine[..., None] * a - b) / numpy.where(sizes[0] == 0, 1, sizes[0])
        growth = numpy.where(none[..., None], 0, growth)
    else:
        distance, growth = apart(a, b)
    if loss.entry.measure == "triplet":
        far, other = apart(a, negative)
        between = apart(b, negative)[0]
        swapped = bool(swap) & (between < far)
        distance = distance - numpy.where(swapped, between, far)
        growth = growth - numpy.where(swapped[..., None], 0, other)
    judged = numpy.ones_like(distance) if label is None else label
    value, slope, _ = pointwise(loss, distance, judged, 1 - distance if cosine is None else cosine)
    by_row = numpy.ones_like(value) if weight is None else numpy.asarray(weight, "float64")
    return value * by_row, slope[..., None] * growth * by_row[..., None]

"""An elementwise loss by the book."""

from __future__ import annotations

from typing import Any

import numpy

from losscope.kernels.reference import pointwise


def evaluate(loss: Any, prediction: Any, target: Any, weight: Any = None) -> tuple[Any, Any, Any]:
    """Value, gradient and curvature of each element; the value of each row, where a loss is over rows."""
    value, gradient, curvature = pointwise(loss, prediction, prediction if target is None else target)
    by_row = loss.entry.over == "rows"
    if by_row:
        value = value.sum(-1)
    weights: Any = 1.0 if weight is None else numpy.asarray(weight, "float64")
    spread = weights[..., None] if by_row and weight is not None else weights
    return value * weights, gradient * spread, curvature * spread

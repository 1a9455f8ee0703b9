"""Reduction: how the losses of a batch become one number, and by what their derivatives are then multiplied."""

from __future__ import annotations

import math
from typing import Any

from losscope.errors import LossError, complain, shown

MEAN, SUM, NONE = REDUCTIONS = ("mean", "sum", "none")


def check(reduction: Any) -> None:
    """Raise LossError for what is no reduction."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise LossError(
            complain("Unknown reduction", got=shown(reduction), expected=" or ".join(map(repr, REDUCTIONS)))
        )


def scale_of(reduction: Any, weight: float | None) -> float:
    """The factor of every derivative: a mean is over the weight of what counts. Of a weight that a kernel has yet to find
    (None) it is 1. Over no weight it is no number, as the mean itself: what a weight of 0 removes has a slope of 0 all the
    same, what label smoothing leaves has none.

    >>> scale_of("mean", 4.0), scale_of("sum", 4.0), scale_of("mean", 0.0)
    (0.25, 1.0, nan)
    """
    if reduction != MEAN or weight is None:
        return 1.0
    return 1.0 / weight if weight else math.nan

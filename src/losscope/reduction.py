"""Reduction: how the losses of a batch become one number, and by what their derivatives are then multiplied."""

from __future__ import annotations

from typing import Any

from losscope.errors import LossError, complain

MEAN, SUM, NONE = REDUCTIONS = ("mean", "sum", "none")


def check(reduction: Any) -> None:
    """Raise LossError for what is no reduction."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise LossError(
            complain("Unknown reduction", got=repr(reduction), expected=" or ".join(map(repr, REDUCTIONS)))
        )


def scale_of(reduction: Any, weight: float | None) -> float:
    """The factor of every derivative: a mean is over the weight of what counts. Of nothing, and of a weight that a kernel
    has yet to find (None), it is 1.

    >>> scale_of("mean", 4.0), scale_of("sum", 4.0), scale_of("mean", 0.0)
    (0.25, 1.0, 1.0)
    """
    return 1.0 / weight if reduction == MEAN and weight else 1.0

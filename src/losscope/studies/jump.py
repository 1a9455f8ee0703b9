"""Where a curve jumps, and the curve drawn with a gap there: a vertical line would show slopes that it has not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

CLOSE = 1e-6  # a point as near as this to a jump counts as on it


def jumps(function: Callable[[float], Any], axis: np.ndarray, values: np.ndarray) -> tuple[float, ...]:
    """Steps between neighbours that do not shrink while the interval between them is halved forty times.

    >>> axis = np.linspace(-1, 1, 20)
    >>> jumps(np.sign, axis, np.sign(axis)), jumps(np.exp, axis, np.exp(axis))
    ((0.0,), ())
    """
    steps = np.abs(np.diff(values))
    found = []
    for i in np.flatnonzero(steps > 10 * np.median(steps) + 1e-9):
        (low, high), (left, right) = axis[i : i + 2], values[i : i + 2]
        for _ in range(40):
            middle = (low + high) / 2
            here = float(function(middle))
            if abs(here - left) > abs(right - here):
                high, right = middle, here
            else:
                low, left = middle, here
        if abs(right - left) > 0.4 * steps[i]:
            found.append(round(float(low + high) / 2, 9) + 0.0)
    return tuple(sorted(set(found)))


def beside(axis: np.ndarray, values: np.ndarray, place: float) -> tuple[float, float]:
    """The nearest values to the left and to the right of a jump, none of them at it."""
    return float(values[axis < place - CLOSE][-1]), float(values[axis > place + CLOSE][0])


def broken(axis: np.ndarray, values: np.ndarray, places: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The curve with a gap at each jump, its ends drawn right up to it."""
    for place in places:
        left, right = beside(axis, values, place)
        before, after = axis < place - CLOSE, axis > place + CLOSE
        axis = np.concatenate([axis[before], [place, place, place], axis[after]])
        values = np.concatenate([values[before], [left, np.nan, right], values[after]])
    return axis, values

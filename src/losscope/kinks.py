"""Where does a loss have kinks, row by row, and how much does its slope jump there? What an exact linear programme and
a smoothed loss are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from losscope.facts import Curve, along, jumps_of
from losscope.kernels.reference import pointwise

# Two targets by which it shows whether a kink stays where it is or moves with the target; the first that fit.
PAIRS = ((0.7, 1.3), (0.25, 0.75), (-1.0, 1.0), (0.0, 1.0))
BESIDE = 1e-7


@dataclass(frozen=True)
class Kinks:
    """`fixed`: kinks at these predictions, whatever the target; `moving`: at target + these. `known` is False where
    they follow the target in some other way."""

    fixed: tuple[float, ...] = ()
    moving: tuple[float, ...] = ()
    known: bool = True

    def __bool__(self) -> bool:
        return bool(self.fixed or self.moving) or not self.known

    def places(self, target: np.ndarray) -> list[np.ndarray]:
        """The predictions at which each row has its kinks, an array of the target's shape for each kink."""
        return [np.full(target.shape, at) for at in self.fixed] + [target + at for at in self.moving]


def slopes(loss: Any, place: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slope just before and just behind a place, for each row."""
    beside = BESIDE * (1 + np.abs(place))
    return pointwise(loss, place - beside, target)[1], pointwise(loss, place + beside, target)[1]


@lru_cache(256)
def kinks_of(loss: Any) -> Kinks:
    """The kinks of an elementwise loss in its prediction.

    >>> import losscope as ls
    >>> kinks_of(ls.pinball).moving, kinks_of(ls.get("mse@relu")).fixed, bool(kinks_of(ls.huber))
    ((0.0,), (0.0,), False)
    """
    if loss.judges != "numbers":
        return Kinks()
    if loss._derived.of_residual_alone:
        return Kinks(moving=loss.facts.kinks)
    fitting = (pair for pair in PAIRS if loss.entry.target.contains(np.array(pair)).all())
    one, other = next(fitting, PAIRS[0])
    first, second = _at(loss, one), _at(loss, other)
    if not first and not second:
        return Kinks()
    shifted = [at - one for at in first], [at - other for at in second]
    if len(first) == len(second) and np.allclose(*shifted, atol=1e-4) and not np.allclose(first, second):
        return Kinks(moving=tuple(shifted[0]))
    if loss.entry.target.name in ("sign", "label") or (
        len(first) == len(second) and np.allclose(first, second, atol=1e-4)
    ):
        return Kinks(fixed=tuple(sorted({*first, *second})))
    return Kinks(known=False)


def _at(loss: Any, target: float) -> list[float]:
    sizes = np.unique(np.concatenate([np.geomspace(1e-6, 1e6, 1201), np.linspace(0.01, 20, 2000)]))
    axis = np.concatenate([-sizes[::-1], [0.0], sizes])
    if loss.activation is None:
        axis = axis[loss.entry.prediction.contains(axis)]
    return sorted(set(jumps_of(Curve(loss, target, axis, *along(loss, target, axis)), 1)))

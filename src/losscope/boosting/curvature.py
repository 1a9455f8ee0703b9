"""Which curvature suits trees? A leaf takes the step -sum(g)/sum(h): to the lowest point of a parabola. Where the
parabola lies above the loss no full step goes up, so that is what is looked for, from the formula.

The true second derivative of a robust loss vanishes far out, and of a pinball it is 0: steps by it have no bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from losscope.kernels.reference import pointwise
from losscope.kinks import kinks_of, slopes

SIZES = np.geomspace(1e-6, 1e6, 481)
# Scores at which a curvature is looked at: beyond, probabilities are 0 or 1 in the last digit.
SCORES = np.linspace(-30, 30, 2401)
FAR = 1e6
TARGETS = {"sign": (-1.0, 1.0), "label": (0.0, 1.0), "probability": (0.0, 0.25, 1.0)}
# A residual nearer to a kink than this share of the targets' spread counts as that far: 1/|r| has no bound (Hunter
# and Lange perturb the loss by as much).
NEAR = {True: 0.1, False: 1e-6}


@dataclass(frozen=True)
class Curvature:
    """`rule`: "secant", "true", "kinks", "largest", "diagonal" or "careful"; `how` in words. `level`: the linear part
    of a pinball's slope (secant), or the largest curvature."""

    rule: str
    how: str
    level: float = 0.0

    def of(self, loss: Any, score: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The curvature of each score, unweighted."""
        if self.rule == "largest":
            return np.full(score.shape, self.level)
        if self.rule == "secant":
            kinked = bool(kinks_of(loss))
            size = np.maximum(np.abs(score - target), NEAR[kinked] * spread(target))
            _, slope = loss.value_and_grad(size, np.zeros_like(size), reduction="sum")
            return (slope - self.level) / size
        _, slope, curvature = loss.value_grad_curvature(score, target, reduction="sum")
        if self.rule == "true":
            return curvature
        if self.rule == "diagonal":
            return 2 * np.abs(curvature)
        if self.rule == "kinks":
            return curvature + _of_kinks(loss, score, target)
        return np.maximum(np.abs(curvature), np.abs(slope))


def _of_kinks(loss: Any, score: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Each |z - kink|/2 times its jump lies below the parabola of curvature jump/(2|z - kink|)."""
    total = np.zeros_like(score)
    for place in kinks_of(loss).places(target):
        before, behind = slopes(loss, place, target)
        total += (behind - before) / 2 / np.maximum(np.abs(score - place), NEAR[True])
    return total


def spread(target: np.ndarray) -> float:
    """The typical distance of targets from their median; 1 where all are the same."""
    away = np.abs(target - np.median(target))
    return float(np.median(away)) or float(away.mean()) or 1.0


def falls_without_end(loss: Any) -> bool:
    """Whether a loss has no lowest value on one side, as that of a distance has below 0: trees would go there."""
    if loss.judges != "numbers":
        return False
    targets = np.array(TARGETS.get(loss.entry.target.name, (0.5, 1.0, 5.0)))[:, None]
    values, _, _ = pointwise(loss, np.array([[-FAR, FAR]]), targets)
    return bool((values < -FAR / 1e3).any())


@lru_cache(256)
def curvature_of(loss: Any) -> Curvature:
    """The curvature that suits this loss.

    >>> import losscope as ls
    >>> [curvature_of(ls.get(name)).rule for name in ("huber", "pinball", "poisson", "hinge", "mse@sigmoid")]
    ['secant', 'secant', 'true', 'kinks', 'largest']
    """
    if loss.judges == "classes":
        return Curvature(
            "diagonal", "twice the diagonal of the Hessian: its rows sum to 0, so that lies above it"
        )
    if loss._derived.of_residual_alone and (found := _secant(loss)) is not None:
        return found
    targets = np.array(TARGETS.get(loss.entry.target.name, (0.5, 1.0, 5.0)))[:, None]
    axis = SCORES if loss.activation is not None else SCORES[loss.entry.prediction.contains(SCORES)]
    _, _, curvature = pointwise(loss, axis[None], targets)
    kinks = kinks_of(loss)
    if kinks and kinks.known and (curvature >= 0).all():
        return Curvature("kinks", "the loss's own, and at a kink its jump over twice the distance from it")
    if not kinks and (curvature > 0).all():
        return Curvature("true", "the loss's own second derivative, which is positive everywhere")
    largest, inside = float(curvature.max()), float(curvature[:, np.abs(axis) <= 15].max())
    if not kinks and 0 < largest <= inside * (1 + 1e-9):
        return Curvature("largest", f"the loss's largest, {largest:.4g}: no step of it goes up", largest)
    return Curvature(
        "careful", "the larger of |slope| and |second derivative|: a step of at most 1, that may go up"
    )


def _secant(loss: Any) -> Curvature | None:
    """l'(r)/r where the loss is concave in r^2 but for a part that is linear in r (which a pinball has)."""
    _, right, _ = pointwise(loss, SIZES, np.zeros_like(SIZES))
    _, left, _ = pointwise(loss, -SIZES, np.zeros_like(SIZES))
    linear = (right + left) / 2
    even = (right - left) / 2 / SIZES
    if not (np.isfinite(even).all() and np.isfinite(linear).all()):
        return None
    size = np.abs(right) + np.abs(left)
    if (np.abs(linear - linear[0]) > 1e-9 * size).any() or (even < 0).any():
        return None
    if (np.diff(even) > 1e-9 * even[:-1]).any():
        return None
    how = "the slope divided by the residual: a parabola above the loss, so that no full step goes up"
    return Curvature("secant", how, float(linear[0]) if np.abs(linear).max() > 1e-12 * size.max() else 0.0)

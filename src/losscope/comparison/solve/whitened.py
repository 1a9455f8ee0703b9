"""The mean loss of a linear model over rows that may come in batches, in coordinates in which it is well conditioned.

Columns that say nearly the same make a loss a long narrow valley, in which L-BFGS goes astray. In the coordinates of
their principal components, each divided by the root of its variance (and the penalty), the half squared error is a
round bowl, whatever the columns; other losses are close to one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscope.errors import LossError, complain
from losscope.kinks import kinks_of, slopes
from losscope.loss.total import Total

# Components below this share of the largest variance are rounding: such a column is a sum of others.
NO_VARIANCE = 1e-12
# Rows of each part whose targets say where to start; all, where they are in memory.
SAMPLED = 20_000


@dataclass(frozen=True)
class Part:
    """Some of the rows: `features` (rows, columns), `seen` as the loss takes it, `weight` (rows,) or None."""

    features: np.ndarray
    seen: np.ndarray
    weight: np.ndarray | None = None


Parts = Callable[[], Iterable[Part]]


@dataclass(frozen=True)
class Coordinates:
    """`turn` takes whitened coordinates to the weights of the columns: (columns, components)."""

    middle: np.ndarray
    turn: np.ndarray
    shrunk: np.ndarray  # of each component: penalty/(variance + penalty)
    sample: Part  # some rows of every part, without their features

    def unpack(self, packed: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights (columns, outputs), and the intercept (outputs,) for features as they come."""
        table = packed.reshape(-1, outputs)
        weights = self.turn @ table[1:]
        return weights, table[0] - self.middle @ weights


def coordinates(parts: Parts, penalty: float) -> Coordinates:
    """From one pass over the rows."""
    total = None
    origin: Any = 0.0
    sample = []
    for part in parts():
        x = np.asarray(part.features, dtype=np.float64)
        if total is None:  # moments about 0 would cancel for a column of years
            origin = x.mean(axis=0)
        x = np.concatenate([np.ones((len(x), 1)), x - origin], axis=1)
        w = np.ones(len(x)) if part.weight is None else part.weight
        here = Total((x * w[:, None]).T @ x, float(w.sum()))
        total = here if total is None else total + here
        rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLED)).astype(int))
        sample.append((part.seen[rows], w[rows]))
    if total is None or not total.weight > 0:
        raise LossError(complain("There is no row of weight above 0 to learn from"))
    moments = total.mean()
    mean = moments[0, 1:]
    variance, axes = np.linalg.eigh(moments[1:, 1:] - np.outer(mean, mean))
    kept = variance > NO_VARIANCE * max(variance.max(initial=0), 1e-300)
    spread = variance[kept] + penalty
    some = Part(np.empty((0, 0)), *(np.concatenate(each) for each in zip(*sample, strict=True)))
    return Coordinates(origin + mean, axes[:, kept] / np.sqrt(spread), penalty / spread, some)


@dataclass(frozen=True)
class Objective:
    """penalised mean loss and gradient, in whitened coordinates: packed (1 + components, outputs), the intercept
    first. `softened` rounds kinks off: each |z - kink| becomes sqrt((z - kink)^2 + softened^2)."""

    loss: Any
    parts: Parts
    at: Coordinates
    outputs: int
    softened: float = 0.0

    def __call__(self, packed: np.ndarray) -> tuple[float, np.ndarray]:
        weights, intercept = self.at.unpack(packed, self.outputs)
        total: Any = 0
        for part in self.parts():
            total += self.total(part, weights, intercept)
        value, slope = total.mean()
        gradient = np.concatenate(
            [slope[:1], self.at.turn.T @ (slope[1:] - np.outer(self.at.middle, slope[0]))]
        )
        inside = packed.reshape(-1, self.outputs)[1:]
        value += float((self.at.shrunk[:, None] * inside**2).sum()) / 2
        gradient[1:] += self.at.shrunk[:, None] * inside
        return value, gradient.ravel()

    def total(self, part: Part, weights: np.ndarray, intercept: np.ndarray) -> Total:
        """Value and slope of these rows, summed, and their weight: as a Total they add up over batches."""
        x = np.asarray(part.features, dtype=np.float64)
        z = x @ weights + intercept
        w = np.ones(len(x)) if part.weight is None else np.asarray(part.weight, dtype=np.float64)
        seen = part.seen
        if self.loss.judges != "classes":
            seen = np.asarray(seen, dtype=np.float64).reshape(z.shape)
            spread = np.broadcast_to(w[:, None], z.shape)
        with np.errstate(all="ignore"):
            by_row = w if self.loss.judges == "classes" else np.ascontiguousarray(spread)
            value, gradient = self.loss.value_and_grad(z, seen, weight=by_row, reduction="sum")
        if self.softened:
            more, slope = self.rounded(z, seen, spread)
            value, gradient = value + more, gradient + slope
        slopes = np.concatenate([gradient.sum(axis=0, keepdims=True), x.T @ gradient])
        return Total(_Pair((float(value), slopes)), float(w.sum()) * self.per_row)

    @property
    def per_row(self) -> int:
        """How many numbers a row is judged by: an elementwise mean is over all of them."""
        return 1 if self.loss.judges == "classes" else self.outputs

    def rounded(self, z: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
        """What rounding the kinks off adds to the sum and to its gradient."""
        value, gradient = 0.0, np.zeros_like(z)
        for place in kinks_of(self.loss).places(seen):
            before, behind = slopes(self.loss, place, seen)
            half = weight * (behind - before) / 2
            away = z - place
            root = np.hypot(away, self.softened)
            value += float((half * (root - np.abs(away))).sum())
            gradient += half * (away / root - np.sign(away))
        return value, gradient


class _Pair(tuple):
    """A value and its slope, that add and divide as one."""

    def __add__(self, other: Any) -> _Pair:
        return _Pair(one + another for one, another in zip(self, other, strict=True))

    def __truediv__(self, by: float) -> _Pair:
        return _Pair(each / by for each in self)

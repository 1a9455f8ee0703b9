"""What bad points do to a line: to its fit under each loss, and to gradient descent on the squared error.

The true line is y = INTERCEPT + SLOPE x, and the noise has a standard deviation of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import losscope as ls
from losscope.studies import lines
from losscope.studies.descent import curvature, descend
from losscope.studies.views import Record

INTERCEPT, SLOPE = 1.0, 2.0
L2, L1, SMOOTH, HUBER, TUKEY = "squared_error", "absolute_error", "smooth_l1", "huber:delta=1.345", "Tukey"
TUKEYS = "where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)"


def losses(more: Sequence[str] = ()) -> dict[str, ls.Loss]:
    """The losses by name; the redescending one is defined as a user would, 95% as efficient as L2."""
    names = dict.fromkeys((L2, L1, SMOOTH, HUBER, *more))
    return {**{name: ls.get(name) for name in names}, TUKEY: ls.define("tukey", TUKEYS, c=4.685)}


def sample(points: int, seed: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets, and the order in which points go bad: the same for every loss."""
    random = np.random.default_rng([seed, number] if number else seed)
    x = np.linspace(-2, 2, points)
    return x, INTERCEPT + SLOPE * x + random.normal(0, 1, points), random.permutation(points)


def apart(one: Any, other: Any, x: np.ndarray) -> float:
    """How far two lines are apart over the inputs: the root of the mean squared difference."""
    return float(np.sqrt(((lines.with_ones(x) @ (np.asarray(one) - np.asarray(other))) ** 2).mean()))


def drag(loss: ls.Loss, x: np.ndarray, y: np.ndarray, distances: np.ndarray, out: float) -> Record:
    """The shift from the fit without the last point while that is lifted, after it was moved `out` to the right;
    and how far the fit without it is from the truth."""
    right, base = x.copy(), y.copy()
    right[-1] += out
    base[-1] += SLOPE * out  # on the true line as far as it can be
    design, last = lines.with_ones(right), is_last(x)
    without = lines.fit(loss, design[:-1], base[:-1])
    moved = [apart(lines.fit(loss, design, base + distance * last), without, x) for distance in distances]
    return {"shifts": np.array(moved), "clean": apart(without, [INTERCEPT, SLOPE], x)}


def is_last(x: np.ndarray) -> np.ndarray:
    return np.arange(len(x)) == len(x) - 1


def spoil(
    loss: ls.Loss, x: np.ndarray, y: np.ndarray, counts: np.ndarray, far: float, order: np.ndarray
) -> np.ndarray:
    """How far the fit is from the true line while this many points are lifted far up."""
    found = []
    for count in counts:
        bad = y.copy()
        bad[order[:count]] += far
        found.append(apart(lines.fit(loss, lines.with_ones(x), bad), [INTERCEPT, SLOPE], x))
    return np.array(found)


def breakdown(shares: np.ndarray, off: np.ndarray, broken: float) -> float:
    """The median over samples (rows of `off`) of the first share of bad points at which a fit is off by more than
    `broken`; infinite where it never is."""
    return float(np.median([min(shares[each > broken], default=np.inf) for each in off]))


def proportion(x: np.ndarray, y: np.ndarray, far: float) -> float:
    """How many times as far the L2 line moves when the last point is lifted ten times as far."""
    design, last = lines.with_ones(x), is_last(x)
    here, once, tenfold = (lines.least_squares(design, y + up * last) for up in (0, far, 10 * far))
    return apart(tenfold, here, x) / apart(once, here, x)


def clean_errors(
    known: Mapping[str, ls.Loss], x: np.ndarray, noise: str, random: np.random.Generator, count: int
) -> dict[str, np.ndarray]:
    """Without outliers: the squared distance from the true line, of L2 and of L1 on the same samples."""
    draws = INTERCEPT + SLOPE * x + getattr(random, noise)(0, 1, (count, len(x)))
    fits = {name: [lines.fit(known[name], lines.with_ones(x), y) for y in draws] for name in (L2, L1)}
    return {
        name: np.array([apart(each, [INTERCEPT, SLOPE], x) ** 2 for each in found])
        for name, found in fits.items()
    }


def what_is_left(x: np.ndarray, y: np.ndarray, rate: float, steps: int) -> np.ndarray:
    """Descent on the mean squared error from 0: the loss above its least at each step, over that at the start."""
    design = lines.with_ones(x)
    path = descend(ls.get(L2), design, y, [rate] * steps, np.zeros(2))
    above = (((path - lines.least_squares(design, y)) @ design.T) ** 2).mean(axis=1)
    return above / above[0]


def largest_rate(x: np.ndarray) -> float:
    """2 over the largest curvature of the mean squared error; any target would give the same."""
    return 2 / curvature(ls.get(L2), lines.with_ones(x), np.zeros(len(x)), np.zeros(2))


def search(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Designs, wild targets and rates that are small enough, at random: the most that was left of the loss after a
    step; and whether descent at the same rate diverges once an input is thrown far out as well."""
    random = np.random.default_rng([seed, 10**6, 9])
    left, diverged = [], []
    for _ in range(count):
        x = random.normal(0, 10 ** random.uniform(-1, 1), random.integers(3, 30))
        y = random.standard_cauchy(len(x))
        y[0] += 10 ** random.uniform(0, 12)
        rate = random.uniform(0.5, 0.999) * largest_rate(x)
        left.append(what_is_left(x, y, rate, 20)[1:].max())
        x[0] += 100 * np.abs(x).max()
        diverged.append(what_is_left(x, y, rate, 20)[-1] > 1e3)
    return np.array(left), np.array(diverged)

"""Which way to the minimum? A linear programme, L-BFGS, or L-BFGS on the loss with its kinks rounded off less and
less; from several starts where there may be several minima."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

import losscope as ls
from losscope.comparison.solve import programme
from losscope.comparison.solve.whitened import Coordinates, Objective, Part, Parts, coordinates
from losscope.constant import best_constants
from losscope.kinks import kinks_of

# Widths to which kinks are rounded off, one after the other, as shares of the target's spread. The last changes a
# mean loss by less than this share of half the jump of its slope.
ROUNDED = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
MOST_STEPS = 2_000
STEEPEST = 1e-7  # a gradient below this, in whitened coordinates, is a minimum
RANDOM_STARTS = 3
# Where a loss has several minima, those of these are among the starts.
CONVEX = {
    "real": ("squared_error", "absolute_error"),
    "probability": ("binary_cross_entropy",),
    "label": ("binary_cross_entropy",),
    "sign": ("soft_margin",),
    "count": ("poisson",),
    "class": ("cross_entropy",),
}


@dataclass(frozen=True)
class Optimum:
    """`weights` (columns, outputs) and `intercept` (outputs,); the penalised mean loss there; whether it is a minimum,
    and how that is known."""

    weights: np.ndarray
    intercept: np.ndarray
    value: float
    finished: bool
    how: str
    steps: int


def minimise(loss: Any, parts: Parts, outputs: int, penalty: float = 0.0, seed: int = 0) -> Optimum:
    """The linear model with the least mean loss plus penalty/2 times its squared weights (the intercept is free)."""
    at = coordinates(parts, penalty)
    objective = Objective(loss, parts, at, outputs)
    rows = _only(parts)
    if rows is not None and penalty == 0 and programme.fits(loss, rows.seen.size):
        packed = programme.solve(loss, rows, at)
        if packed is not None:
            return _told(objective, packed, True, "the exact minimum, by a linear programme", 0)
    if loss.judges == "numbers" and not kinks_of(loss).known:
        found = _descend(objective, _constant_start(objective))
        return _told(objective, found.x, False, "the slope jumps in places that are not known", found.nit)
    if loss.facts.convex:
        return _one(objective, _constant_start(objective))
    reached = [_one(objective, start) for start in _starts(objective, seed)]
    best = min(reached, key=lambda each: each.value if np.isfinite(each.value) else np.inf)
    same = sum(each.value <= best.value + 1e-4 * abs(best.value) for each in reached)
    how = f"the lowest of {len(reached)} starts ({same} came to it; the loss is not convex)"
    return replace(best, how=how if best.finished else f"{best.how}; {how}")


def _one(objective: Objective, start: np.ndarray) -> Optimum:
    """From one start to a minimum."""
    steps, packed, found = 0, start, None
    scale = _spread(objective)
    for softened in (share * scale for share in ROUNDED) if kinks_of(objective.loss) else (0.0,):
        found = _descend(replace(objective, softened=softened), packed)
        packed, steps = found.x, steps + found.nit
    assert found is not None
    finished = bool(found.success) or float(np.abs(found.jac).max(initial=0)) < 1e-5
    if not finished:
        how = f"still falling after {steps:,} steps"
    elif kinks_of(objective.loss):
        how = f"a minimum to within {ROUNDED[-1]:g} of the slope's jumps, in {steps:,} steps"
    else:
        how = f"the minimum, in {steps:,} steps"
    return _told(objective, packed, finished, how, steps)


def _descend(objective: Objective, start: np.ndarray) -> Any:
    options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "maxcor": 20, "ftol": 1e-15, "gtol": STEEPEST}
    return minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)


def _told(objective: Objective, packed: np.ndarray, finished: bool, how: str, steps: int) -> Optimum:
    weights, intercept = objective.at.unpack(packed, objective.outputs)
    return Optimum(weights, intercept, objective(packed.ravel())[0], finished, how, steps)


def _constant_start(objective: Objective) -> np.ndarray:
    """Weights of 0, and the constant that is best for a sample of the rows."""
    some = objective.at.sample
    packed = np.zeros((1 + objective.at.turn.shape[1], objective.outputs))
    packed[0] = best_constants(objective.loss, some.seen, some.weight, objective.outputs)
    return packed


def _starts(objective: Objective, seed: int) -> Iterator[np.ndarray]:
    """The constant, the minima of convex losses for such a target, and random ones beside the best of these."""
    constant = _constant_start(objective)
    yield constant
    last = constant
    for name in CONVEX.get(objective.loss.entry.target.name, ()):
        convex = replace(objective, loss=ls.get(name))
        last = _packed(_one(convex, _constant_start(convex)), objective.at)
        yield last
    random = np.random.default_rng(seed)
    for _ in range(RANDOM_STARTS):
        yield last + random.normal(scale=0.5, size=last.shape) * _spread(objective)


def _packed(found: Optimum, at: Coordinates) -> np.ndarray:
    inside = np.linalg.lstsq(at.turn, found.weights, rcond=None)[0]
    return np.concatenate([(found.intercept + at.middle @ found.weights)[None], inside])


def _spread(objective: Objective) -> float:
    """The standard deviation of a target that is a number; 1 for others."""
    if objective.loss.entry.target.name not in ("real", "count", "nonnegative", "positive"):
        return 1.0
    return float(np.std(objective.at.sample.seen)) or 1.0


def _only(parts: Parts) -> Part | None:
    """The rows, where they come as one part."""
    several = iter(parts())
    first = next(several, None)
    return first if next(several, None) is None else None

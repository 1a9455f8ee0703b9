"""The constant that minimises a loss over given targets: what a model that knows nothing predicts, and where one that
is to learn may start."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar

from losscope.errors import LossError, complain
from losscope.kernels.reference import evaluate, pointwise
from losscope.loss.loss import get
from losscope.structures.arrays import as_array, check_domain, ready_weight

# Where a minimum is looked for first. Scores, logits and logarithms of rates lie here; numbers lie among targets.
SCORES = np.concatenate([-np.geomspace(100, 1e-3, 41), [0.0], np.geomspace(1e-3, 100, 41)])
SHARES = np.linspace(0, 1, 129)
# The valley is found on so many of the targets; its floor on all of them.
MOST_TARGETS = 2_000
# Slopes below this share of the steepest are rounding: a median between two targets has slope 0.
ROUNDING = 1e-13
# A minimum at infinity: the nearest constant that is no worse than this share of the way down.
AS_GOOD = 1e-9
# What falls by this share more ten times further out has no minimum there.
STILL_FALLING = 1e-3


def best_constant(loss: Any, target: Any, weight: Any = None, classes: int | None = None) -> Any:
    """The prediction c with the least weighted mean of loss(c, target): a float; for a loss over classes an array of
    logits, one for each of `classes`, that sum to 0.

    `target`: numbers, in any shape, or class indices. A stretch of minima (a median between two targets) gives its
    middle, several separate ones the lowest found. A minimum at infinity (the log of a rate of 0, a class never
    seen) gives a finite constant that is as good to a part in a billion.

    >>> import losscope as ls
    >>> targets = [1.0, 2.0, 3.0, 10.0]
    >>> best_constant(ls.mse, targets), best_constant(ls.mae, targets)
    (4.0, 2.5)
    >>> round(float(np.exp(best_constant(ls.poisson, targets))), 6)
    4.0

    Raises LossError where there is no target, or one that is not finite or outside the loss's domain; where the loss is no number whatever is
    predicted, falls without end, or judges vectors; and for weights that are negative, infinite, NaN, or not as many as the targets.
    """
    loss = get(loss)
    if loss.judges not in ("numbers", "classes"):
        raise LossError(complain(f"{loss.name} judges {loss.judges}, and has no best constant"))
    y: np.ndarray = as_array(target, "target").ravel()
    w: np.ndarray = np.ones(y.size)
    if weight is not None:
        w = ready_weight(np.ravel(weight), y.shape, w.dtype, "target")
        if np.isnan(w).any():
            raise LossError(complain("weight is no number", got="NaN", expected="finite and 0 or more"))
    y, w = y[w > 0], w[w > 0] / max(w.max(initial=0), 1)
    if not y.size:
        raise LossError(
            complain("There is no target to find a constant for", expected="one of weight above 0")
        )
    values, place = np.unique(y, return_inverse=True)
    w = np.bincount(place, weights=w)
    if loss.judges == "classes":
        return _logits(loss, values, w / w.sum(), classes)
    check_domain("target", values, loss.entry.target)
    if not np.isfinite(values).all():
        raise LossError(
            complain(
                "A constant is found for finite targets",
                got=f"{values[~np.isfinite(values)][0]}",
                next_step="Leave the others out, or give them a weight of 0",
            )
        )
    return _number(loss, values.astype(np.float64), w / w.sum())


def _number(loss: Any, y: np.ndarray, w: np.ndarray) -> float:
    some = np.unique(np.linspace(0, y.size - 1, min(y.size, MOST_TARGETS)).astype(int))
    axis = _axis(loss, y)
    share = w[some] / w[some].sum()
    values = np.concatenate(
        [
            pointwise(loss, part[:, None], y[None, some])[0] @ share
            for part in np.array_split(axis, 16)
            if part.size
        ]
    )
    values[~np.isfinite(values)] = np.inf
    best = int(np.argmin(values))
    if not np.isfinite(values[best]):
        raise LossError(
            complain(
                f"{loss.name} is no number for these targets, whatever is predicted",
                got=f"{y[:3].tolist()} ...",
            )
        )
    finite = np.flatnonzero(np.isfinite(values))
    if best in (finite[0], finite[-1]) and finite.size > 1:
        depth = np.median(values[finite]) - values[best]
        further = 10 * axis[best]
        if loss.activation is not None or loss.entry.prediction.contains(np.array([further])).all():
            beyond = float(pointwise(loss, further, y[some])[0] @ share)
            if beyond < values[best] - STILL_FALLING * depth:
                raise LossError(
                    complain(
                        f"{loss.name} falls without end on these targets, and no constant is best",
                        got=f"{values[best]:.3g} at {axis[best]:.3g}, {beyond:.3g} at {further:.3g}",
                    )
                )
        good = finite[values[finite] <= values[best] + AS_GOOD * depth]
        return float(axis[good[np.argmin(np.abs(axis[good]))]])
    higher = finite[values[finite] > values[best] + 1e-12 * (1 + abs(values[best]))]
    below, above = higher[higher < best], higher[higher > best]
    low = axis[below[-1] if below.size else finite[0]]
    return _floor(loss, y, w, low, axis[best], axis[above[0] if above.size else finite[-1]])


def _axis(loss: Any, y: np.ndarray) -> np.ndarray:
    """Predictions to try: scores, and the targets themselves."""
    reach = np.ptp(y)
    among = np.concatenate([np.quantile(y, np.linspace(0, 1, 257)), [y[0] - reach, y[-1] + reach]])
    axis = np.unique(np.concatenate([SCORES, SHARES, among]))
    if loss.activation is None:
        axis = axis[loss.entry.prediction.contains(axis)]
    return axis


def _floor(loss: Any, y: np.ndarray, w: np.ndarray, low: float, start: float, high: float) -> float:
    """The minimum between two predictions."""

    def value(z: float) -> float:
        return float(np.dot(pointwise(loss, z, y)[0], w))

    def slope(z: float) -> float:
        each = pointwise(loss, z, y)[1] * w
        total = float(each.sum())
        return 0.0 if abs(total) <= ROUNDING * float(np.abs(each).sum()) else total

    if slope(low) < 0 < slope(high):
        found = brentq(slope, low, high, xtol=1e-16 * (abs(low) + abs(high)), rtol=1e-15, maxiter=500)
        if slope(found) == 0 and not np.dot(pointwise(loss, found, y)[2], w) > 0:
            found = _middle(slope, low, found, high)
    else:
        found = minimize_scalar(value, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    # At a kink the minimum is a target itself, and rounding may stop just beside it.
    candidates = [float(found), float(y[np.argmin(np.abs(y - found))]), float(start)]
    reached = [v if np.isfinite(v := value(z)) else np.inf for z in candidates]
    better = min(reached) < reached[0] - 1e-14 * abs(reached[0])
    return candidates[int(np.argmin(reached)) if better else 0]


def _middle(slope: Any, low: float, inside: float, high: float) -> float:
    """The middle of the stretch around `inside` on which the slope is 0."""
    ends = []
    for outside in (low, high):
        within = inside
        for _ in range(100):
            between = (outside + within) / 2
            outside, within = (outside, between) if slope(between) == 0 else (between, within)
        ends.append(within)
    return (ends[0] + ends[1]) / 2


def _logits(loss: Any, index: np.ndarray, share: np.ndarray, classes: int | None) -> np.ndarray:
    if index.dtype.kind not in "iu" or index.min() < 0 or (classes is not None and index.max() >= classes):
        raise LossError(
            complain(
                "target must hold class indices",
                got=f"{index.dtype} from {index.min()} to {index.max()}",
                expected=f"whole numbers from 0 to {'the last class' if classes is None else classes - 1}",
            )
        )
    classes = int(index.max()) + 1 if classes is None else classes
    shares = np.full(classes, AS_GOOD)
    shares[index] = share
    start = np.log(shares / shares.sum())

    def risk(logits: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient, _ = evaluate(loss, np.tile(logits, (len(index), 1)), index.astype(np.int64))
        return float(share @ value), share @ gradient

    found = minimize(risk, start - start.mean(), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    return np.asarray(found - found.mean())


def best_constants(loss: Any, target: np.ndarray, weight: Any, outputs: int) -> np.ndarray:
    """The best constant of each output, (outputs,): `target` is (rows, outputs), or class indices (rows,)."""
    if loss.judges == "classes":
        return np.asarray(best_constant(loss, target, weight, outputs))
    table = np.asarray(target).reshape(len(target), outputs)
    return np.array([best_constant(loss, column, weight) for column in table.T])

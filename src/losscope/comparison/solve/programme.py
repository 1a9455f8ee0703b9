"""Losses made of straight pieces (absolute error, pinball, hinge), minimised exactly: by a linear programme.

Its dual is solved, which has one equation for each column and one bounded variable for each kink of a row: how much of
the jump of the slope there is taken. The multipliers of the equations are the weights (Koenker and Bassett,
Regression quantiles, Econometrica 46 (1978), doi:10.2307/1913643).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog

from losscope.comparison.solve.whitened import Coordinates, Part
from losscope.kinks import kinks_of, slopes

# A programme takes time that grows faster than its rows; beyond these the loss is rounded off instead.
MOST_KINKS = 30_000


def fits(loss: Any, rows: int) -> bool:
    """Whether a loss is convex and made of straight pieces, and the rows are few enough."""
    if loss.judges != "numbers" or loss.curvature_formula != 0:
        return False
    kinks = kinks_of(loss)
    count = len(kinks.fixed) + len(kinks.moving)
    return kinks.known and 0 < count * rows <= MOST_KINKS and loss.facts.convex


def solve(loss: Any, part: Part, at: Coordinates) -> np.ndarray | None:
    """The minimum in whitened coordinates, (1 + components, outputs); None where the solver has none to give."""
    x = (np.asarray(part.features, dtype=np.float64) - at.middle) @ at.turn
    x = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    w = np.ones(len(x)) if part.weight is None else np.asarray(part.weight, dtype=np.float64)
    seen = np.asarray(part.seen, dtype=np.float64).reshape(len(x), -1)
    columns = [_one(loss, x[w > 0], seen[w > 0, output], w[w > 0]) for output in range(seen.shape[1])]
    found = [each for each in columns if each is not None]
    return np.stack(found, axis=1) if len(found) == len(columns) else None


def _one(loss: Any, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray | None:
    places = np.stack(kinks_of(loss).places(y))
    before, behind = slopes(loss, places, y[None])
    order = np.argsort(places, axis=0)
    first = np.take_along_axis(before, order, axis=0)[0]
    weighted = x * w[:, None]
    # u: (kinks, rows). The slope of a row is that before its first kink plus what is taken of each jump.
    found = linprog(
        c=(places * w).ravel(),
        A_eq=np.tile(weighted.T, len(places)),
        b_eq=-weighted.T @ first,
        bounds=np.stack([np.zeros(places.size), np.maximum(behind - before, 0).ravel()], axis=1),
        method="highs",
    )
    return np.asarray(found.eqlin.marginals) if found.success else None

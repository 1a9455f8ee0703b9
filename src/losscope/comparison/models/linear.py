"""A linear model, solved to the optimum of its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from losscope.comparison.models import Fitted, Look, Plan, Rows
from losscope.comparison.solve.optimum import minimise
from losscope.comparison.solve.whitened import Part

DESCRIPTION = "a linear model, solved to the optimum of each loss,"
TUNES_RATE = False
# Classes that a plane separates have no optimum without one; standardised numbers hardly feel it.
PENALTY = 1e-5


def fit(loss: Any, training: Rows, validation: Rows, plan: Plan, look: Look | None = None) -> Fitted:
    """The weights with the least mean loss on the training rows (plus the plan's penalty).

    It has no epochs, so nothing is stopped early by validation rows, and there are no curves.

    >>> import losscope as ls
    >>> rows = Rows(np.array([[0.0], [1.0], [2.0]], "float32"), np.array([[1.0], [3.0], [5.0]], "float32"))
    >>> fit(ls.mse, rows, rows, Plan(outputs=1)).outputs(np.array([[4.0]])).round(6)
    array([[9.]])
    """
    features, turn = training.features.astype(np.float64), None
    if features.shape[1] > len(features):  # the optimum is a sum of the rows: it is sought among those
        turn = np.linalg.qr(features.T)[0]
        features = features @ turn
    part = Part(features, training.seen, training.weight)
    found = minimise(loss, lambda: (part,), plan.outputs, plan.penalty, plan.seed)
    diverged = not (np.isfinite(found.weights).all() and np.isfinite(found.value))
    weights = found.weights if turn is None else turn @ found.weights
    state = {"weights": weights, "intercept": found.intercept}
    return Fitted("linear", state, found.finished, found.how, 1 if diverged else None)


def outputs(state: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    """features @ weights + intercept, float64 (rows, outputs)."""
    return np.asarray(features, dtype=np.float64) @ state["weights"] + state["intercept"]

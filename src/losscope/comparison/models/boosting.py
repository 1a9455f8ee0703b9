"""Gradient-boosted trees, with each loss as their objective (losscope.boosting; needs LightGBM)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np

import losscope.boosting
from losscope.boosting.with_lightgbm import library
from losscope.comparison.models import Fitted, Look, Plan, Rows

lgb = library()  # asked for before any data is read, so that a missing extra is said at once

DESCRIPTION = "gradient-boosted trees (LightGBM)"
TUNES_RATE = False
# A leaf's step is set by gradient and curvature: this share of it is taken, whatever the loss.
SHRINKAGE = 0.1
MOST_ROUNDS = 500
# The best round is the one with the least validation loss; so many rounds without a better one end the training.
PATIENCE = 30
# Curves have a point for so many rounds.
EVERY = 10


def fit(loss: Any, training: Rows, validation: Rows, plan: Plan, look: Look | None = None) -> Fitted:
    """Boost until the validation loss (the loss's own) has its minimum behind it.

    `plan.penalty` is LightGBM's lambda_l2 for each row: it is multiplied by their number (or weight), as the mean loss is.
    A loss of several outputs that are judged one by one gets trees for each. Where no column has enough rows on both
    sides of a split, there are none, and the start is all.

    >>> import losscope as ls, numpy as np
    >>> x = np.arange(200, dtype="float32")[:, None]
    >>> fitted = fit(ls.mse, Rows(x, x), Rows(x[::2], x[::2]), Plan(outputs=1))
    >>> bool(np.abs(fitted.outputs(x) - x).mean() < 5)
    True
    """
    parts = [_Boosting(loss, training, validation, plan, output) for output in _columns(loss, plan)]
    curves: dict[str, list[float | None]] = {}
    for part in parts:
        part.train()
    state = {
        "trees": [part.text for part in parts if part.text],
        "start": np.concatenate([np.atleast_1d(part.start) for part in parts]),
    }
    if look is not None and all(part.finite for part in parts):
        curves = _curves(state, max(part.rounds for part in parts), look)
    finished = all(part.finished for part in parts)
    best = ", ".join(f"{part.rounds:,}" for part in parts)
    how = (
        f"round {best} was best"
        if finished
        else f"validation loss still falling after {MOST_ROUNDS:,} rounds"
    )
    diverged = None if all(part.finite for part in parts) else 1
    return Fitted("boosting", state, finished, how, diverged, curves)


def outputs(state: Mapping[str, Any], features: np.ndarray, rounds: int | None = None) -> np.ndarray:
    """float64 (rows, outputs): the start, and what the trees (of the first `rounds`) add to it."""
    x = np.asarray(features, dtype=np.float64)
    if not state["trees"]:  # all outputs are of the same columns: each has trees, or none has
        return _start(state, x)
    scores = [
        trees.predict(x, raw_score=True, num_iteration=rounds).reshape(
            len(x), trees.num_model_per_iteration()
        )
        for trees in map(_booster, state["trees"])
    ]
    return np.concatenate(scores, axis=1) + state["start"]


class _Boosting:
    """The trees of one output, or of all classes under a softmax."""

    def __init__(self, loss: Any, training: Rows, validation: Rows, plan: Plan, output: int | None) -> None:
        self.objective = losscope.boosting.lightgbm(loss)
        self.training, self.validation, self.plan = training, validation, plan
        self.output = output
        self.text, self.rounds, self.finished, self.finite = "", 0, False, True
        self.start: Any = 0.0

    def train(self) -> None:
        params = self._params()
        classes = self.plan.outputs if self.objective.of_classes else None
        data, held = self._data(self.training, params), self._data(self.validation, params)
        if not _splits_by(data.construct()):
            self.start = self.objective.start(data.get_label(), data.get_weight(), classes)
            self.finished = True
            return
        params |= {} if classes is None else {"num_class": classes}  # which Datasets do not take
        seen: list[float] = []

        def watch(env: Any) -> None:
            value = env.evaluation_result_list[0][2]
            seen.append(value)
            if not np.isfinite(value):
                self.finite = False
                raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

        stop = lgb.early_stopping(PATIENCE, verbose=False)
        model = self.objective.train(params, data, MOST_ROUNDS, valid_sets=[held], callbacks=[watch, stop])
        self.start = model.start
        self.rounds = int(np.argmin(seen)) + 1
        self.finished = len(seen) < MOST_ROUNDS or self.rounds <= MOST_ROUNDS - PATIENCE
        self.text = model.booster.model_to_string(num_iteration=self.rounds)

    def _params(self) -> dict[str, Any]:
        rows, weight = len(self.training.features), self.training.weight
        return {
            "verbose": -1, "num_threads": 1, "deterministic": True, "seed": self.plan.seed, "learning_rate": SHRINKAGE,
            "lambda_l2": self.plan.penalty * (rows if weight is None else float(weight.sum())),
            "min_data_in_leaf": min(20, max(1, rows // 4)),
        }  # fmt: skip

    def _data(self, rows: Rows, params: Mapping[str, Any]) -> Any:
        label = np.asarray(rows.seen)
        if self.output is not None:
            label = np.ascontiguousarray(label.reshape(len(label), -1)[:, self.output])
        return lgb.Dataset(
            np.asarray(rows.features, dtype=np.float64), label, weight=rows.weight, params=dict(params)
        )


def _splits_by(data: Any) -> bool:
    """Whether LightGBM has a column to split by: where it has none, it trains no tree and raises an error."""
    return any(data.feature_num_bin(column) > 1 for column in range(data.num_feature()))


def _columns(loss: Any, plan: Plan) -> list[int | None]:
    return [None] if loss.judges == "classes" else list(range(plan.outputs))


def _curves(state: Mapping[str, Any], rounds: int, look: Look) -> dict[str, list[float | None]]:
    """A point for every tenth round up to the best."""
    curves: dict[str, list[float | None]] = {}
    for count in range(0, rounds + 1, EVERY):
        point = look(partial(_after, state, count))
        for name, number in point.items():
            curves.setdefault(name, []).append(number)
    return curves


def _after(state: Mapping[str, Any], rounds: int, features: np.ndarray) -> np.ndarray:
    """The outputs after so many rounds; after none, the start."""
    return outputs(state, features, rounds) if rounds else _start(state, features)


def _start(state: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    return np.tile(np.asarray(state["start"], dtype=np.float64), (len(features), 1))


@lru_cache(16)
def _booster(text: str) -> Any:
    return lgb.Booster(model_str=text)

"""LightGBM: a loss as its objective and metric, started where the loss is least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscope.boosting.objective import Objective
from losscope.errors import LossError, complain

# All that LightGBM calls an objective in its parameters.
OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")
LEAST_CURVATURE = ("min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian", "min_child_weight")  # fmt: skip

# A leaf's curvature below this share of the whole is rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Boosted:
    """Trees and the score they started from."""

    booster: Any
    start: np.ndarray

    def predict(self, features: Any, **options: Any) -> np.ndarray:
        """Scores as the loss takes them: (rows,), or (rows, classes). `options` are those of `Booster.predict`."""
        return np.asarray(self.booster.predict(features, raw_score=True, **options)) + self.start


class LightGBM(Objective):
    """A loss as LightGBM's objective; see `losscope.boosting.lightgbm`."""

    def __call__(self, score: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        """g and h of each row, as `params["objective"]` must give them; weighted by the data's weights."""
        return self.derivatives(score, data.get_label(), data.get_weight())

    def metric(self, score: np.ndarray, data: Any) -> tuple[str, float, bool]:
        """The mean loss, for `feval`: (name, value, whether higher is better)."""
        return self.loss.name, self.mean(score, data.get_label(), data.get_weight()), False

    def train(
        self,
        params: Mapping[str, Any],
        data: Any,
        rounds: int = 100,
        *,
        valid_sets: Sequence[Any] = (),
        **options: Any,
    ) -> Boosted:
        """`lightgbm.train` with this objective, metric and start. `options` are those of `lightgbm.train`.

        The start becomes the init_score of `data` and `valid_sets`, which must have none of their own.
        """
        lgb = library()
        label = _of(data, "label")
        if label is None:
            raise LossError(
                complain("The data has no label to learn", next_step="Give lightgbm.Dataset(x, label)")
            )
        params = {**params, **self._own(params, label)}
        start = self.start(label, _of(data, "weight"), params.get("num_class"))
        for each in (data, *valid_sets):
            if _of(each, "init_score") is not None:
                raise LossError(
                    complain(
                        "The data has an init_score of its own",
                        next_step="Leave it out: .train sets the best",
                    )
                )
            rows = len(_of(each, "label"))
            each.set_init_score(np.tile(start, (rows, 1) if self.of_classes else rows))
        options = {"feval": self.metric, **options} if valid_sets else options
        try:
            booster = lgb.train(params, data, rounds, valid_sets=list(valid_sets) or None, **options)
        finally:
            for each in (data, *valid_sets):  # the data is the user's, and may serve another loss next
                each.init_score = None
                if each._handle is not None:
                    each.set_field("init_score", None)
        return Boosted(booster, start)

    def _own(self, params: Mapping[str, Any], label: Any) -> dict[str, Any]:
        """The parameters that the loss decides."""
        if given := [name for name in OBJECTIVE if name in params]:
            raise LossError(
                complain(
                    f"params has an {given[0]} of its own", got=params[given[0]], next_step="Leave it out"
                )
            )
        own: dict[str, Any] = {"objective": self, "metric": params.get("metric", "None")}
        if self.of_classes:
            own["num_class"] = params.get("num_class", int(np.max(label)) + 1)
        if self.own is None and not any(name in params for name in LEAST_CURVATURE):
            # l'(r)/r is as small as residuals are large, in whatever unit. Not 0: where rows have no curvature (beyond
            # hinge's margin), rounding in LightGBM's sums passes for some, and it splits off a leaf without rows.
            start = np.broadcast_to(self.start(label, None, own.get("num_class")), self._shape(label, own))
            own["min_sum_hessian_in_leaf"] = ROUNDING * float(self.derivatives(start, label)[1].sum())
        return own

    def _shape(self, label: Any, own: Mapping[str, Any]) -> tuple[int, ...]:
        return (len(label), own["num_class"]) if self.of_classes else (len(label),)


def _of(data: Any, field: str) -> Any:
    """The label, weight or init_score of a Dataset; one that is not yet built has them as they were given."""
    given = getattr(data, field)
    return given if given is not None or data._handle is None else data.get_field(field)


def library() -> Any:
    try:
        import lightgbm
    except ImportError:
        raise LossError(
            complain(
                "LightGBM is not installed", next_step="Use: pip install '.[boosting]' in a clone of losscope"
            )
        ) from None
    return lightgbm

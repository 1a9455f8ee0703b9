"""What one would use without a thought about losses: scikit-learn's histogram gradient boosting, with its default."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from losscope.comparison.forecast import Forecast, from_probabilities
from losscope.comparison.preparation import Prepared
from losscope.comparison.task import Task
from losscope.comparison.weighted import of_rows
from losscope.one_thread import one_thread

FEW_ROWS = 20_000
BOOSTING = "sklearn boosting"


def references(task: Task, parts: Sequence[Prepared]) -> dict[str, tuple[Forecast, ...]]:
    """Of each split, what the reference models say of its test rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    found = []
    for prepared in parts:
        features, target, train = prepared.features, prepared.target, prepared.train
        weight = of_rows(train, prepared.weight)
        kind = HistGradientBoostingRegressor if task.numeric else HistGradientBoostingClassifier
        with one_thread() if len(train) < FEW_ROWS else nullcontext():
            model = kind(random_state=0).fit(features[train], target[train], weight)
            test = features[prepared.test]
            found.append(
                Forecast(model.predict(test))
                if task.numeric
                else from_probabilities(model.predict_proba(test))
            )
    return {BOOSTING: tuple(found)}

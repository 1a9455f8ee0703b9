"""What one would use without a thought about losses: scikit-learn's histogram gradient boosting, with its default."""

from __future__ import annotations

from collections.abc import Sequence

from losscope.comparison.forecast import Forecast, from_probabilities
from losscope.comparison.preparation import Prepared
from losscope.comparison.task import Task

BOOSTING = "scikit-learn boosting"


def references(task: Task, parts: Sequence[Prepared]) -> dict[str, tuple[Forecast, ...]]:
    """Of each split, what the reference models say of its test rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    found = []
    for prepared in parts:
        features, target, train = prepared.features, prepared.target, prepared.train
        weight = None if prepared.weight is None else prepared.weight[train]
        if task.numeric:
            model = HistGradientBoostingRegressor(random_state=0).fit(features[train], target[train], weight)
            found.append(Forecast(model.predict(features[prepared.test])))
        else:
            model = HistGradientBoostingClassifier(random_state=0).fit(features[train], target[train], weight)
            found.append(from_probabilities(model.predict_proba(features[prepared.test])))
    return {BOOSTING: tuple(found)}

"""On real tables, each model under each loss is as good as scikit-learn's own on the same rows and columns: what the
model cannot do is not taken for what a loss cannot do."""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor
from sklearn.metrics import mean_absolute_error, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import losscope as ls
from losscope.comparison import models
from losscope.comparison.models import Plan, Rows

TABLES = Path(__file__).parents[2] / "shared" / "data" / "tables"
pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason=f"no tables at {TABLES}")
needs_lightgbm = pytest.mark.skipif(
    importlib.util.find_spec("lightgbm") is None, reason="LightGBM, the extra `boosting`, is not installed"
)


class Table:
    """Features standardised (categories one-hot, missing numbers at the median), and rows to train, stop and test on."""

    def __init__(self, name, target, drop=(), seed=0):
        frame = pd.read_csv(TABLES / f"{name}.csv").drop(columns=list(drop))
        self.y = frame.pop(target).to_numpy()
        frame = frame.loc[:, [c for c in frame if frame[c].dtype.kind in "if" or frame[c].nunique() <= 30]]
        frame = pd.get_dummies(frame, dtype=float).astype(float)
        rest, self.test = train_test_split(np.arange(len(frame)), test_size=0.2, random_state=seed)
        self.train, self.held = train_test_split(rest, test_size=0.25, random_state=seed)
        frame = frame.fillna(frame.iloc[self.train].median())
        self.x = StandardScaler().fit(frame.iloc[self.train]).transform(frame).astype("float32")

    def rows(self, target, part):
        return Rows(self.x[part], np.asarray(target, dtype="float32")[part][:, None])

    def outputs(self, kind, loss, target, **plan):
        """What the model of that kind says of the test rows."""
        module = models.module(kind)
        plan = Plan(outputs=1, penalty=getattr(module, "PENALTY", 0.0), **plan)
        fitted = module.fit(ls.get(loss), self.rows(target, self.train), self.rows(target, self.held), plan)
        return fitted.outputs(self.x[self.test])[:, 0]

    def standardised(self, kind, loss, **plan):
        """Predictions of a number that the loss sees standardised, in the target's units."""
        middle, scale = self.y[self.train].mean(), self.y[self.train].std()
        return self.outputs(kind, loss, (self.y - middle) / scale, **plan) * scale + middle

    def mae(self, prediction):
        return mean_absolute_error(self.y[self.test], prediction)

    def theirs(self, model):
        return model.fit(self.x[self.train], self.y[self.train]).predict(self.x[self.test])


@cache
def table(name, target, *drop):
    return Table(name, target, drop)


def test_coffee_squared_error_is_least_squares_and_the_best():
    coffee = table("coffee", "total_cup_points")
    least_squares = coffee.mae(coffee.theirs(LinearRegression()))
    squared = coffee.mae(coffee.standardised("linear", "squared_error"))
    assert squared == pytest.approx(least_squares, rel=0.05)
    assert least_squares < 0.02 * coffee.y.std()


def test_tips_has_no_difference_between_losses():
    tips = table("tips", "tip")
    least_squares = tips.mae(tips.theirs(LinearRegression()))
    median = tips.mae(tips.theirs(QuantileRegressor(quantile=0.5, alpha=0)))
    found = {
        name: tips.mae(tips.standardised("linear", name))
        for name in ("squared_error", "absolute_error", "huber")
    }
    assert found["squared_error"] == pytest.approx(least_squares, rel=0.01)
    assert found["absolute_error"] == pytest.approx(median, rel=0.01)
    assert max(found.values()) < 1.1 * min(found.values())


def test_crime1_mean_and_median_are_scikit_learns():
    crime = table("crime1", "narr86", "nfarr86", "nparr86")
    squared, absolute = (crime.standardised("linear", name) for name in ("squared_error", "absolute_error"))
    assert crime.mae(squared) == pytest.approx(crime.mae(crime.theirs(LinearRegression())), rel=0.01)
    median = crime.theirs(QuantileRegressor(quantile=0.5, alpha=0))
    assert crime.mae(absolute) == pytest.approx(crime.mae(median), rel=0.01)


def test_caravan_logistic_orders_as_scikit_learns():
    caravan = table("caravan", "Purchase")
    labels = (caravan.y == "Yes").astype(float)
    score = caravan.outputs("linear", "binary_cross_entropy", labels)
    theirs = LogisticRegression(C=1.0, max_iter=5000).fit(caravan.x[caravan.train], labels[caravan.train])
    expected = roc_auc_score(labels[caravan.test], theirs.decision_function(caravan.x[caravan.test]))
    assert roc_auc_score(labels[caravan.test], score) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_engel_quantiles_are_scikit_learns(quantile):
    """And cover what they should of the rows they were fitted to (of 47 test rows, chance alone takes 0.04)."""
    engel = table("engel", "foodexp")
    loss = f"pinball:quantile={quantile}"
    prediction = engel.standardised("linear", loss)
    theirs = engel.theirs(QuantileRegressor(quantile=quantile, alpha=0))
    assert prediction == pytest.approx(theirs, rel=0.02)
    every = Table("engel", "foodexp")
    every.test = every.train
    assert np.mean(every.y[every.train] <= every.standardised("linear", loss)) == pytest.approx(
        quantile, abs=0.03
    )


def test_bikeshare_poisson_starts_at_its_mean_and_trains_at_any_usual_rate():
    """From a log-mean of 0, in units of 143 bikers, it diverged at all rates above 0.0003."""
    bikes = table("bikeshare", "bikers", "casual", "registered")
    mean = bikes.y[bikes.train].mean()
    constant = bikes.mae(np.full(len(bikes.test), mean))
    linear = np.exp(bikes.outputs("linear", "poisson", bikes.y / mean)) * mean
    for rate in (0.003, 0.03):
        prediction = np.exp(bikes.outputs("mlp", "poisson", bikes.y / mean, rate=rate, epochs=5)) * mean
        assert bikes.mae(prediction) < 0.75 * constant
    assert bikes.mae(linear) < constant


@needs_lightgbm
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_bikeshare_boosting_is_as_good_as_the_model_one_would_use(loss):
    bikes = table("bikeshare", "bikers", "casual", "registered")
    kind = "poisson" if loss == "poisson" else "squared_error"
    theirs = bikes.mae(bikes.theirs(HistGradientBoostingRegressor(loss=kind, random_state=0)))
    if loss == "poisson":
        mean = bikes.y[bikes.train].mean()
        prediction = np.exp(bikes.outputs("boosting", loss, bikes.y / mean)) * mean
    else:
        prediction = bikes.standardised("boosting", loss)
    assert bikes.mae(prediction) < 1.05 * theirs


@needs_lightgbm
def test_tips_boosting_is_as_good_as_the_model_one_would_use():
    splits = [
        Table("tips", "tip", seed=seed) for seed in range(5)
    ]  # one split of 49 test rows decides nothing
    theirs = [tips.mae(tips.theirs(HistGradientBoostingRegressor(random_state=0))) for tips in splits]
    ours = [tips.mae(tips.standardised("boosting", "squared_error")) for tips in splits]
    assert np.mean(ours) < 1.05 * np.mean(theirs)

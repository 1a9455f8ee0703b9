"""Intervals hold what they say; metrics are scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from losscope.comparison.differences import blocks_of, of_share, over_splits
from losscope.comparison.forecast import Forecast, from_probabilities
from losscope.comparison.metrics import (
    OF_TASK,
    best_threshold,
    coverage,
    expectile,
    metrics_of,
    named,
    pinball,
)


def intervals(mean, splits=5, rows=200, repeats=400, disjoint=False):
    """The shares of intervals that hold the true difference, and that do not hold 0, of random test rows."""
    rng = np.random.default_rng(0)
    held = clear = 0
    for _ in range(repeats):
        each = rng.normal(mean, 1.0, rows)
        order = rng.permutation(rows)
        size = rows // 5
        tests = [
            order[size * at : size * (at + 1)] if disjoint else rng.permutation(rows)[:size]
            for at in range(splits)
        ]
        left_out = []
        for test in tests:
            kept = [np.delete(each[test], block).mean() for block in blocks_of(size)]
            left_out.append(kept)
        found = over_splits(
            np.array([each[test].mean() for test in tests]), np.array(left_out), size, rows - size
        )
        held += found.interval[0] <= mean <= found.interval[1]
        clear += found.clear
    return held / repeats, clear / repeats


@pytest.mark.parametrize("disjoint", [False, True])
def test_an_interval_holds_the_true_difference_as_often_as_it_says(disjoint):
    held, clear = intervals(0.0, disjoint=disjoint)
    assert held > 0.92
    assert clear < 0.08


def test_a_difference_of_three_standard_errors_is_told():
    # The mean of 5 random fifths of 200 rows has a standard error of 0.6/sqrt(40) = 0.095.
    assert intervals(0.285)[1] > 0.75


def test_one_split_has_the_interval_of_its_rows():
    assert intervals(0.0, splits=1)[0] > 0.92


def test_splits_that_share_their_test_rows_do_not_make_them_more():
    rng = np.random.default_rng(1)
    each = rng.normal(size=100)
    kept = np.array([[np.delete(each, block).mean() for block in blocks_of(100)]])
    once = over_splits(np.array([each.mean()]), kept, 100, 400, shared_test=True)
    often = over_splits(np.full(9, each.mean()), np.tile(kept, (9, 1)), 100, 400, shared_test=True)
    assert often.half == pytest.approx(once.half)


def test_equal_differences_have_no_width_and_no_winner():
    found = over_splits(np.zeros(3), np.zeros((3, 10)), 20, 80)
    assert (found.half, found.clear) == (0.0, False)


@pytest.mark.parametrize(("share", "rows"), [(0.0, 10), (1.0, 13), (0.5, 40), (0.9, 2000)])
def test_a_share_has_the_exact_binomial_interval(share, rows):
    from scipy.stats import binomtest

    exact = binomtest(round(share * rows), rows).proportion_ci(0.95, "exact")
    assert of_share(share, rows) == pytest.approx((exact.low, exact.high))


def test_metrics_of_numbers_are_scikit_learn_s():
    from sklearn import metrics as sk

    rng = np.random.default_rng(0)
    target, weight = rng.poisson(3, 50).astype(float), rng.uniform(0.5, 2, 50)
    made = Forecast(rng.uniform(0.5, 6, 50))
    found = {
        metric.name: metric.of(target, made, weight)
        for metric in metrics_of("count", ("pinball@0.9", "coverage@0.9"))
    }
    options = {"sample_weight": weight}
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(target, made.prediction, **options))
    assert found["rmse"] == pytest.approx(sk.mean_squared_error(target, made.prediction, **options) ** 0.5)
    assert found["r2"] == pytest.approx(sk.r2_score(target, made.prediction, **options))
    assert found["poisson_deviance"] == pytest.approx(
        sk.mean_poisson_deviance(target, made.prediction, **options)
    )
    assert found["pinball@0.9"] == pytest.approx(
        sk.mean_pinball_loss(target, made.prediction, alpha=0.9, **options)
    )
    assert found["coverage@0.9"] == pytest.approx(np.average(target <= made.prediction, weights=weight))
    assert expectile(0.5).of(target, made, weight) == pytest.approx(found["rmse"] ** 2 / 2)
    assert named("poisson_deviance", "count").of(target, Forecast(made.prediction - 1), None) is None


@pytest.mark.parametrize("classes", [2, 4])
def test_metrics_of_classes_are_scikit_learn_s(classes):
    from sklearn import metrics as sk

    rng = np.random.default_rng(0)
    target = rng.integers(0, classes, 80)
    shares = rng.dirichlet(np.ones(classes), 80)
    made = from_probabilities(shares)
    found = {
        metric.name: metric.of(target, made, None)
        for metric in metrics_of("binary" if classes == 2 else "classes")
    }
    chosen = shares.argmax(1)
    assert found["accuracy"] == sk.accuracy_score(target, chosen)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(target, chosen))
    assert found["log_loss"] == pytest.approx(sk.log_loss(target, shares, labels=range(classes)))
    hot = np.eye(classes)[target]
    if classes == 2:
        assert found["brier"] == pytest.approx(sk.brier_score_loss(target, shares[:, 1]))
        assert found["auc"] == sk.roc_auc_score(target, shares[:, 1])
        assert found["average_precision"] == sk.average_precision_score(target, shares[:, 1])
        assert found["f1"] == sk.f1_score(target, chosen)
    else:
        assert found["brier"] == pytest.approx(np.mean(np.sum((shares - hot) ** 2, axis=1)))
        assert found["macro_f1"] == pytest.approx(sk.f1_score(target, chosen, average="macro"))


def test_the_best_threshold_is_the_one_with_the_largest_f1():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(3)
    target, score = rng.integers(0, 2, 60), rng.normal(size=60)
    best = best_threshold(target, score)
    every = [f1_score(target, score >= at) for at in score]
    assert f1_score(target, score >= best) == max(every)


def test_the_best_constant_of_each_metric_is_the_best():
    rng = np.random.default_rng(4)
    target = rng.exponential(size=401)
    axis = np.linspace(target.min(), target.max(), 400)
    tried = [
        metric
        for metric in (*OF_TASK["count"], pinball(0.8))
        if metric.name not in ("median_absolute_error", "r2")
    ]
    assert len(tried) > 3
    for metric in tried:
        ours = metric.of(target, Forecast(np.full(401, metric.constant(target))), None)
        assert ours <= min(metric.of(target, Forecast(np.full(401, at)), None) for at in axis[1:]) + 1e-6
    assert coverage(0.8).of(target, Forecast(np.full(401, np.quantile(target, 0.8))), None) == pytest.approx(
        0.8, abs=0.01
    )

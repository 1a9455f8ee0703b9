"""Losses as objectives of LightGBM: its own predictions where it has the same loss, and no step that goes up."""

import re

import numpy as np
import pytest

pytest.importorskip("lightgbm")

import lightgbm as lgb

import losscope as ls
import losscope.boosting
from losscope.kernels.reference import pointwise

ROWS = 1500
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, 5))
SIGNAL = X[:, 0] + np.sin(2 * X[:, 1])
NUMBERS = SIGNAL + 0.5 * RANDOM.standard_t(2, size=ROWS)
COUNTS = RANDOM.poisson(np.exp(np.clip(SIGNAL, -3, 3))).astype(float)
LABELS = (RANDOM.random(ROWS) < 1 / (1 + np.exp(-SIGNAL))).astype(float)
CLASSES = (RANDOM.integers(0, 3, ROWS) * (X[:, 0] > 0)).astype(int)
WEIGHTS = RANDOM.random(ROWS) + 0.1
PARAMS = {
    "verbose": -1,
    "num_leaves": 15,
    "num_threads": 1,
    "deterministic": True,
    "seed": 1,
    "lambda_l2": 0.0,
}


def softmax_curvature(z, y):
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return 1.5 * p * (1 - p)


def shares(y, w):
    return np.log(np.bincount(y, weights=w) / (len(y) if w is None else w.sum()))


fair = ls.define("fair_of_lightgbm", "-c**2*log1pmx(abs(r)/c)", c=1.0)
# LightGBM's objective, ours, the target, LightGBM's curvature and start where they are not what we derive.
BUILT_IN = {
    "l2": ("half_squared_error", NUMBERS, None, None),
    "huber": (
        "huber:delta=0.9",
        NUMBERS,
        lambda z, y: np.ones_like(z),
        lambda y, w: np.average(y, weights=w),
    ),
    "fair": (fair, NUMBERS, lambda z, y: 1 / (np.abs(z - y) + 1) ** 2, lambda y, w: np.average(y, weights=w)),
    "poisson": ("poisson", COUNTS, lambda z, y: np.exp(z + 0.7), None),
    "binary": ("binary_cross_entropy", LABELS, None, None),
    "multiclass": ("cross_entropy", CLASSES, softmax_curvature, shares),
}


def data(label, weight=None):
    return lgb.Dataset(X, label, weight=weight)


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", BUILT_IN)
def test_with_its_curvature_and_start_it_is_the_built_in(name, weight):
    loss, target, curvature, start = BUILT_IN[name]
    given = None if start is None else start(target, weight)
    params = {**PARAMS, "min_sum_hessian_in_leaf": 1e-3}
    ours = losscope.boosting.lightgbm(loss, curvature=curvature, start=given)
    found = ours.train(params, data(target, weight), 40).predict(X)
    more = {"num_class": 3} if name == "multiclass" else {}
    theirs = lgb.train({**params, **more, "objective": name}, data(target, weight), 40)
    assert found == pytest.approx(theirs.predict(X, raw_score=True), abs=1e-4)


def trained(loss, target, rate=1.0, rounds=40, **own):
    """Predictions, and the training loss after each round."""
    objective = losscope.boosting.lightgbm(loss, **own)
    training = data(target)
    record = {}
    model = objective.train(
        {**PARAMS, "learning_rate": rate}, training, rounds,
        valid_sets=[lgb.Dataset(X, target, reference=training)], callbacks=[lgb.record_evaluation(record)],
    )  # fmt: skip
    start = objective.mean(np.full(ROWS, float(model.start)), target) if not objective.of_classes else np.inf
    return model.predict(X), np.array([start, *next(iter(next(iter(record.values())).values()))])


def descends(loss):
    try:
        return losscope.boosting.lightgbm(loss).curvature.rule in ("secant", "largest", "kinks")
    except ls.LossError:
        return False


GUARANTEED = [ls.get(name) for name in ls.losses() if descends(name)]


@pytest.mark.parametrize("loss", GUARANTEED, ids=lambda loss: loss.name)
def test_full_steps_never_go_up(loss):
    target = LABELS if loss.entry.target.name in ("probability", "label") else 2 * LABELS - 1
    target = NUMBERS if loss.entry.target.name == "real" else target
    _, losses = trained(loss, target)
    # Residuals nearer to a kink than a tenth of the spread count as that far, so there it may rise by as much.
    assert (np.diff(losses) <= 1e-9 + (0.0 if loss.facts.smooth else 1e-3)).all()
    assert losses[-1] < losses[0]


def test_full_steps_over_classes_never_go_up():
    _, losses = trained("cross_entropy", CLASSES)
    assert (np.diff(losses) <= 1e-9).all()


def test_guaranteed_losses_are_found():
    assert len(GUARANTEED) >= 8


def test_the_slope_over_the_residual_does_not_diverge_where_the_true_curvature_does():
    """XGBoost's pseudo-Huber takes the second derivative, which vanishes far out: without a penalty it diverges."""
    loss = ls.get("pseudo_huber:delta=0.3")
    ours, _ = trained(loss, NUMBERS, rate=0.1)
    true, _ = trained(loss, NUMBERS, rate=0.1, curvature=lambda z, y: pointwise(loss, z, y)[2])
    assert np.abs(ours - SIGNAL).mean() < 0.25
    assert np.abs(true - SIGNAL).mean() > 2 * np.abs(ours - SIGNAL).mean()


def test_it_starts_where_the_loss_is_least():
    """From 0, targets around a thousand are out of reach in so few rounds."""
    far = NUMBERS + 1000
    near, _ = trained("half_squared_error", far, rate=0.1)
    from_zero, _ = trained("half_squared_error", far, rate=0.1, start=0.0)
    assert np.mean((near - far) ** 2) < 10
    assert np.mean((from_zero - far) ** 2) > 100


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantiles_are_as_good_as_the_built_in_whose_leaves_are_refitted(quantile):
    loss = ls.get(f"pinball:quantile={quantile}")
    half = ROWS // 2
    theirs = lgb.train(
        {**PARAMS, "objective": "quantile", "alpha": quantile}, lgb.Dataset(X[:half], NUMBERS[:half]), 100
    ).predict(X[half:])
    ours = (
        losscope.boosting.lightgbm(loss)
        .train(PARAMS, lgb.Dataset(X[:half], NUMBERS[:half]), 100)
        .predict(X[half:])
    )
    assert loss(ours, NUMBERS[half:]) <= 1.1 * loss(theirs, NUMBERS[half:])


def test_a_unit_of_the_target_changes_nothing():
    plain, _ = trained("absolute_error", NUMBERS, rate=0.1)
    scaled, _ = trained("absolute_error", 1e6 * NUMBERS, rate=0.1)
    assert scaled / 1e6 == pytest.approx(plain, abs=0.05)


def test_classes_and_margins_learn():
    scores, _ = trained("cross_entropy", CLASSES, rate=0.1)
    assert scores.shape == (ROWS, 3)
    assert np.mean(scores.argmax(1) == CLASSES) > np.bincount(CLASSES).max() / ROWS
    scores, _ = trained("hinge", 2 * LABELS - 1, rate=0.1)
    assert np.mean((scores > 0) == (LABELS > 0)) > 0.7


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: losscope.boosting.lightgbm("triplet_margin"), "compares vectors"),
        (lambda: losscope.boosting.lightgbm("zero_one"), "no gradient"),
        (lambda: losscope.boosting.lightgbm("hinge_embedding"), "falls without end"),
        (lambda: losscope.boosting.lightgbm("bce_of_probability"), "@sigmoid"),
        (lambda: losscope.boosting.lightgbm("mse", curvature=2.0), "a function"),
        (lambda: losscope.boosting.lightgbm("mse").train({"objective": "l2"}, data(NUMBERS)), "of its own"),
        (lambda: losscope.boosting.lightgbm("hinge").train({}, data(LABELS)), "-1 or 1"),
        (lambda: losscope.boosting.lightgbm("mse").train({}, lgb.Dataset(X)), "no label"),
        (lambda: losscope.boosting.lightgbm("mse").train({}, lgb.Dataset(X, NUMBERS, init_score=NUMBERS)), "init_score"),
        (lambda: losscope.boosting.lightgbm("ce").train({}, data(NUMBERS)), "no class"),
        (lambda: losscope.boosting.lightgbm("mse").derivatives(NUMBERS, NUMBERS, [1.0, 2.0]), "one number per row"),
        (lambda: losscope.boosting.lightgbm("mse").derivatives(NUMBERS, NUMBERS, -WEIGHTS), "0 or more"),
        (lambda: losscope.boosting.lightgbm("mse", start=np.nan), "finite"),
        (lambda: losscope.boosting.lightgbm("mse", start="zero"), "no number"),
    ],
)  # fmt: skip
def test_mistakes_end_in_one_error(make, words):
    with pytest.raises(ls.LossError, match=re.escape(words)):
        make()


def test_the_data_is_given_back_as_it_came():
    shared = data(NUMBERS)
    losscope.boosting.lightgbm("mse").train(PARAMS, shared, 3)
    losscope.boosting.lightgbm("mae").train(PARAMS, shared, 3)

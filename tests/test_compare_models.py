"""The models of a comparison: a linear one at the optimum that scikit-learn finds, an MLP that says whether it is
finished, boosted trees; and all of them on rows as every loss sees them."""

import importlib.util
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)

import losscope as ls
from losscope.comparison import models
from losscope.comparison.data import DataError
from losscope.comparison.models import Plan, Rows, linear, mlp
from losscope.comparison.settings import Asked, settle
from losscope.comparison.solve.optimum import minimise
from losscope.comparison.solve.parquet import fit
from losscope.comparison.solve.whitened import Part
from losscope.kinks import kinks_of

RANDOM = np.random.default_rng(3)
ROWS = 500
X = RANDOM.normal(size=(ROWS, 4)) * [1, 5, 0.2, 1] + [0, 3, 0, 1]
X[:, 3] += X[:, 0]
SIGNAL = X @ [1.0, -0.4, 2.0, 0.5]
NUMBERS = SIGNAL + RANDOM.standard_t(2, size=ROWS)
COUNTS = RANDOM.poisson(np.exp(np.clip(SIGNAL / 3, -3, 3))).astype(float)
LABELS = (RANDOM.random(ROWS) < 1 / (1 + np.exp(-SIGNAL))).astype(float)
CLASSES = LABELS.astype(int) + (RANDOM.random(ROWS) < 0.3)
WEIGHTS = RANDOM.random(ROWS)
TIGHT = {"tol": 1e-10, "max_iter": 10_000}
BOOSTING = pytest.param("boosting", marks=pytest.mark.skipif(
    importlib.util.find_spec("lightgbm") is None, reason="LightGBM, the extra `boosting`, is not installed"))  # fmt: skip


def solved(loss, target, outputs=1, weight=None, penalty=0.0):
    """Outputs of the linear model, (rows, outputs), and what was said."""
    seen = (
        target if target.ndim == 1 and loss.structure == "softmax" else np.asarray(target).reshape(ROWS, -1)
    )
    fitted = linear.fit(
        loss, Rows(X, seen, weight), Rows(X, seen, weight), Plan(outputs=outputs, penalty=penalty)
    )
    return fitted.outputs(X), fitted


def mean(loss, scores, target, weight=None):
    scores = np.ascontiguousarray(scores, dtype=float)
    scores = scores if loss.structure == "softmax" else scores.reshape(ROWS)
    return loss(scores, target, weight=weight)


def squares(model):
    return float(np.sum(np.asarray(model.coef_) ** 2))


def test_a_table_of_more_columns_than_rows_is_solved_among_its_rows():
    """The ridge regression of its kernel; a matrix of all columns by all columns would take 5 GB."""
    random = np.random.default_rng(1)
    x, y, penalty = random.normal(size=(30, 25_000)) + 3, random.normal(size=(30, 1)), 0.1
    rows = Rows(x, y)
    fitted = linear.fit(ls.get("half_squared_error"), rows, rows, Plan(outputs=1, penalty=penalty))
    apart = x - x.mean(axis=0)
    dual = np.linalg.solve(apart @ apart.T / 30 + penalty * np.eye(30), (y - y.mean()) / 30)
    np.testing.assert_allclose(fitted.state["weights"], apart.T @ dual, rtol=1e-4, atol=1e-9)
    assert fitted.outputs(x).mean() == pytest.approx(y.mean())


SKLEARN = {
    "squared_error": (NUMBERS, lambda w: LinearRegression().fit(X, NUMBERS, w).predict(X)),
    "pinball:quantile=0.1": (
        NUMBERS,
        lambda w: QuantileRegressor(quantile=0.1, alpha=0).fit(X, NUMBERS, w).predict(X),
    ),
    "absolute_error": (
        NUMBERS,
        lambda w: QuantileRegressor(quantile=0.5, alpha=0).fit(X, NUMBERS, w).predict(X),
    ),
    "pinball:quantile=0.9": (
        NUMBERS,
        lambda w: QuantileRegressor(quantile=0.9, alpha=0).fit(X, NUMBERS, w).predict(X),
    ),
    "poisson": (COUNTS, lambda w: np.log(PoissonRegressor(alpha=0, **TIGHT).fit(X, COUNTS, w).predict(X))),
    "binary_cross_entropy": (
        LABELS,
        lambda w: LogisticRegression(C=np.inf, **TIGHT).fit(X, LABELS, w).decision_function(X),
    ),
    "cross_entropy": (
        CLASSES,
        lambda w: LogisticRegression(C=np.inf, **TIGHT).fit(X, CLASSES, w).decision_function(X),
    ),
}


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", SKLEARN)
def test_linear_is_scikit_learns(name, weight):
    target, theirs = SKLEARN[name]
    loss = ls.get(name)
    scores, fitted = solved(loss, target, outputs=3 if loss.structure == "softmax" else 1, weight=weight)
    ours, expected = mean(loss, scores, target, weight), mean(loss, theirs(weight), target, weight)
    assert fitted.finished
    assert ours == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert ours <= expected + 1e-6


def test_huber_is_scikit_learns_at_the_scale_it_found():
    """HuberRegressor estimates a scale, too: at that scale, its epsilon is our delta."""
    model = HuberRegressor(epsilon=1.35, alpha=0, **TIGHT).fit(X, NUMBERS)
    loss = ls.huber.bind(delta=1.35 * float(model.scale_))
    scores, _ = solved(loss, NUMBERS)
    assert mean(loss, scores, NUMBERS) == pytest.approx(mean(loss, model.predict(X), NUMBERS), rel=1e-4)


def test_penalised_it_is_ridge_and_penalised_logistic_regression():
    penalty = 0.05
    scores, _ = solved(ls.half_squared_error, NUMBERS, penalty=penalty)
    assert scores[:, 0] == pytest.approx(
        Ridge(alpha=penalty * ROWS, tol=1e-10).fit(X, NUMBERS).predict(X), abs=1e-6
    )
    scores, _ = solved(ls.binary_cross_entropy, LABELS, penalty=penalty)
    theirs = LogisticRegression(C=1 / (penalty * ROWS), **TIGHT).fit(X, LABELS).decision_function(X)
    assert scores[:, 0] == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("name", ["absolute_error", "pinball:quantile=0.1", "hinge"])
def test_rounded_off_kinks_come_to_the_exact_optimum(name):
    """A penalty too small to matter takes the other way: smoothed, not by a linear programme."""
    loss = ls.get(name)
    target = 2 * LABELS - 1 if name == "hinge" else NUMBERS
    exact, how = solved(loss, target)
    rounded, other = solved(loss, target, penalty=1e-12)
    assert "linear programme" in how.how
    assert "linear programme" not in other.how
    assert mean(loss, rounded, target) == pytest.approx(mean(loss, exact, target), rel=1e-5)


def test_kinks_are_where_the_formulas_say():
    assert kinks_of(ls.pinball).moving == (0.0,)
    assert kinks_of(ls.hinge).moving == (0.0,)  # at -1 for -1, at 1 for 1
    assert not kinks_of(ls.huber)
    assert not kinks_of(ls.cross_entropy)
    assert kinks_of(ls.get("mse@relu")).fixed == (0.0,)
    mape = ls.define("mape_of_models", "abs(r)/target", target="positive")
    assert kinks_of(mape).moving == pytest.approx((0.0,), abs=1e-5)


@pytest.mark.parametrize("name", ["mse@sigmoid", "binary_focal", "squared_hinge", "smooth_l1", "log_cosh"])
def test_no_small_step_away_is_better(name):
    loss = ls.get(name)
    target = NUMBERS if loss.entry.task == "regression" and not loss.activation else LABELS
    target = 2 * LABELS - 1 if loss.entry.target.name == "sign" else target
    scores, fitted = solved(loss, target)
    here = mean(loss, scores, target)
    assert fitted.finished
    for _ in range(50):
        away = scores[:, 0] + np.c_[np.ones(ROWS), X] @ RANDOM.normal(size=5) * 10 ** RANDOM.uniform(-4, 0)
        assert mean(loss, away, target) >= here - 1e-9


def test_a_loss_with_several_minima_is_said_to_have_them():
    tukey = ls.define(
        "tukey_of_models", "where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)", c=4.685
    )
    far = NUMBERS + np.where(RANDOM.random(ROWS) < 0.2, 60.0, 0.0)
    scores, fitted = solved(tukey, far)
    assert "starts" in fitted.how
    assert "not convex" in fitted.how
    assert np.median(np.abs(scores[:, 0] - SIGNAL)) < 0.3


def test_columns_that_say_the_same_and_columns_of_years_are_no_trouble():
    year = 1900 + np.arange(ROWS) / 5
    features = np.c_[X, X[:, 0] * 2, year, np.ones(ROWS)]
    target = NUMBERS + 0.3 * year
    part = Part(features, target[:, None])
    found = minimise(ls.squared_error, lambda: (part,), 1)
    expected = LinearRegression().fit(features, target).predict(features)
    assert features @ found.weights[:, 0] + found.intercept[0] == pytest.approx(expected, abs=1e-6)


def test_separable_classes_have_an_optimum_with_the_usual_penalty_and_none_without():
    apart = (X[:, 0] > 0).astype(float)
    scores, fitted = solved(ls.binary_cross_entropy, apart, penalty=linear.PENALTY)
    assert fitted.finished
    assert np.isfinite(scores).all()
    assert np.mean((scores[:, 0] > 0) == apart) > 0.99


STANDARD = ((X - X.mean(0)) / X.std(0)).astype("float32")
SCALED = ((NUMBERS - NUMBERS.mean()) / NUMBERS.std()).astype("float32")


def rows_of(target, part=slice(None), weight=None):
    """As a comparison prepares them: columns (and a target that is a number) are standardised."""
    target = target if target.dtype.kind == "i" else target.astype("float32").reshape(ROWS, -1)
    return Rows(STANDARD[part], target[part], None if weight is None else weight[part])


TRAIN, HELD = slice(0, 350), slice(350, None)
ONE_HOT = np.eye(3)[CLASSES]
SIGHTS = {
    "squared_error": (SCALED, 1), "poisson": (COUNTS / COUNTS.mean(), 1), "hinge": (2 * LABELS - 1, 1),
    "cross_entropy": (CLASSES, 3), "squared_error@sigmoid": (ONE_HOT, 3),
}  # fmt: skip


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", SIGHTS)
@pytest.mark.parametrize("kind", ["linear", "mlp", BOOSTING])
def test_every_model_learns_from_every_kind_of_target(kind, name, weight):
    loss = ls.get(name)
    target, outputs = SIGHTS[name]
    module = models.module(kind)
    plan = Plan(outputs=outputs, rate=0.03, epochs=8, seed=1, penalty=getattr(module, "PENALTY", 0.0))
    training, held = rows_of(target, TRAIN, weight), rows_of(target, HELD, weight)
    fitted = module.fit(loss, training, held, plan)
    scores = models.Fitted(kind, fitted.state).outputs(held.features)
    assert scores.shape == (len(held.features), outputs)
    assert np.isfinite(scores).all()
    assert fitted.diverged_at is None
    assert fitted.how
    constant = np.zeros_like(scores) + np.median(training.seen)
    value = loss(scores.astype("float32"), held.seen)
    assert value < loss((constant if outputs == 1 else np.zeros_like(scores)).astype("float32"), held.seen)


@pytest.mark.parametrize("name", SIGHTS)
@pytest.mark.parametrize("column", ["rare words", "all the same"])
def test_boosting_without_a_column_to_split_by_predicts_its_start(name, column):
    """LightGBM itself raises an error there, of a check in its source."""
    pytest.importorskip("lightgbm")
    boosting = models.module("boosting")
    target, outputs = SIGHTS[name]
    few = 90
    words = np.eye(30)[np.arange(few) % 30] if column == "rare words" else np.ones((few, 1))
    rows = Rows(words.astype("float32"), rows_of(target).seen[:few])
    curves = []
    fitted = boosting.fit(
        ls.get(name), rows, rows, Plan(outputs=outputs), lambda of: curves.append(of(words)) or {}
    )
    scores = fitted.outputs(words)
    assert scores.shape == (few, outputs)
    assert np.isfinite(scores).all()
    assert (scores == scores[0]).all()
    assert (curves[0] == scores).all()
    if name == "mse":
        assert scores[0, 0] == pytest.approx(rows.seen.mean(), rel=1e-5)


def test_that_a_model_predicts_the_same_for_every_row_is_said():
    pytest.importorskip("lightgbm")
    frame = pd.DataFrame({"word": [f"w{row % 30}" for row in range(90)], "y": NUMBERS[:90]})
    result = ls.compare(frame, "y", losses=["mse", "mae"], model="boosting", splits=2)
    (said,) = [each for each in result.findings() if "the same for every test row" in each]
    assert "squared_error (2 of 2 runs) and absolute_error (2 of 2 runs)" in said
    varied = ls.compare(frame.assign(x=SIGNAL[:90]), "y", losses=["mse", "mae"], model="boosting", splits=2)
    assert not any("the same for every test row" in each for each in varied.findings())


def test_models_are_found_by_their_names():
    assert {"linear", "mlp", "boosting"} <= set(models.names())
    installed = [
        name for name in models.names() if name != "boosting" or importlib.util.find_spec("lightgbm")
    ]
    for name in installed:
        found = models.module(name)
        assert isinstance(found.TUNES_RATE, bool)
        assert found.DESCRIPTION


def test_an_mlp_starts_at_the_constant_of_its_loss():
    seen = []
    target = 1000 * COUNTS / COUNTS.mean() + 1

    def look(outputs):
        seen.append(float(np.mean(outputs(STANDARD))))
        return {"mean": seen[-1]}

    for loss in (ls.poisson, ls.get("mse@softplus")):
        seen.clear()
        fitted = mlp.fit(loss, rows_of(target), rows_of(target), Plan(outputs=1, rate=1e-9, epochs=1), look)
        constant = np.log(target.mean()) if loss is ls.poisson else target.mean()
        assert seen[0] == pytest.approx(constant, abs=0.5)
        assert len(fitted.curves["mean"]) == 2


def test_an_mlp_says_when_it_is_unfinished_and_when_it_diverged():
    slow = mlp.fit(
        ls.mse, rows_of(SCALED, TRAIN), rows_of(SCALED, HELD), Plan(outputs=1, rate=1e-4, epochs=3)
    )
    assert not slow.finished
    assert "still falling after 3 epochs" in slow.how
    plan = Plan(outputs=1, rate=0.01, epochs=100, batch_size=32)
    done = mlp.fit(ls.mse, rows_of(SCALED, TRAIN), rows_of(SCALED, HELD), plan)
    assert done.finished
    wild = mlp.fit(ls.mse, rows_of(SCALED, TRAIN), rows_of(SCALED, HELD), Plan(outputs=1, rate=1e3, epochs=5))
    assert wild.diverged_at is not None


def test_an_mlp_gives_the_epoch_that_was_best_on_validation_rows():
    plan = Plan(outputs=1, rate=0.05, epochs=40, batch_size=16, hidden=64)
    training, held = rows_of(SCALED, slice(0, 40)), rows_of(SCALED, HELD)
    fitted = mlp.fit(ls.mse, training, held, plan)
    own = ls.mse(fitted.outputs(held.features).astype("float32"), held.seen)
    assert own == pytest.approx(min(fitted.curves["validation_own"]), rel=1e-3)


def test_the_memory_of_a_hidden_layer_does_not_grow_with_the_rows(monkeypatch):
    features = RANDOM.normal(size=(4_000, 4)).astype("float32")
    rows = Rows(features, features[:, :1])
    once = mlp.fit(ls.mse, rows, rows, Plan(outputs=1, rate=0.01, epochs=1, hidden=500))
    expected = once.outputs(features)
    monkeypatch.setattr(mlp, "AT_ONCE", 1 << 16)
    tracemalloc.start()
    np.testing.assert_allclose(once.outputs(features), expected, rtol=1e-12, atol=1e-12)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000 * 500  # a byte for each number
    again = mlp.fit(ls.mse, rows, rows, Plan(outputs=1, rate=0.01, epochs=1, hidden=500))
    np.testing.assert_allclose(again.curves["validation_own"], once.curves["validation_own"], rtol=1e-5)


@pytest.mark.parametrize(("columns", "batch"), [(30_000, 64), (4, 10**6)])
def test_a_hidden_layer_that_memory_does_not_hold_is_refused_with_one_that_it_does(columns, batch):
    def settled(hidden):
        return settle(Asked(hidden=hidden, batch_size=batch), True, 10**6, columns, 5)

    with pytest.raises(
        DataError, match=r"--hidden 100000 with .* takes \d+ GiB, more than 6: give [\d,]+ or"
    ) as caught:
        settled(100_000)
    assert ("--batch-size" in str(caught.value)) == (batch > columns)
    most = int(re.search(r"give ([\d,]+)", str(caught.value))[1].replace(",", ""))
    assert settled(most).hidden == most
    with pytest.raises(DataError, match="GiB"):
        settled(most + 1)


def test_a_run_is_the_same_twice():
    plan = Plan(outputs=1, rate=0.03, epochs=4, seed=5)
    one, other = (mlp.fit(ls.huber, rows_of(SCALED, TRAIN), rows_of(SCALED, HELD), plan) for _ in range(2))
    assert one.curves == other.curves
    assert all(np.array_equal(one.state[name], other.state[name]) for name in one.state)


@pytest.fixture
def table(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"x{i}": X[:, i] for i in range(4)}
    columns |= {"y": NUMBERS, "count": COUNTS, "class": CLASSES, "w": WEIGHTS, "name": ["a"] * ROWS}
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(("name", "target"), [("huber", "y"), ("pinball:quantile=0.9", "y"), ("poisson", "count"), ("cross_entropy", "class")])  # fmt: skip
def test_batches_of_a_file_give_the_answer_of_memory(table, name, target):
    columns = [f"x{i}" for i in range(4)]
    one = fit(name, table, target, columns=columns, weight="w", penalty=1e-6)
    several = fit(name, table, target, columns=columns, weight="w", penalty=1e-6, batch_rows=70)
    loss = ls.get(name)
    scores, _ = solved(
        loss, {"y": NUMBERS, "count": COUNTS, "class": CLASSES}[target], several.intercept.size, WEIGHTS
    )
    assert several.mean_loss == pytest.approx(one.mean_loss, rel=1e-7)
    assert several.predict(X) == pytest.approx(one.predict(X), abs=1e-3)
    values = {"y": NUMBERS, "count": COUNTS, "class": CLASSES}[target]
    assert several.mean_loss == pytest.approx(mean(loss, scores, values, WEIGHTS), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": "z"}, "no column 'z'"),
        ({"target": "name"}, "not a number"),
        ({"target": "y", "columns": ["x0", "name"]}, "not a number"),
        ({"target": "y", "columns": []}, "no column of numbers"),
        ({"target": "y", "weight": "x0"}, "the weight in row"),
    ],
)
def test_what_a_file_cannot_be_used_for_is_said(table, arguments, words):
    with pytest.raises(DataError, match=words):
        fit("mse", table, **arguments)


def test_a_missing_number_is_found(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": [1.0, 2.0, None], "y": [1.0, 2.0, 3.0]}), path)
    with pytest.raises(DataError, match="row 3"):
        fit("mse", path, "y")
    (tmp_path / "no.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be read"):
        fit("mse", tmp_path / "no.parquet", "y")


def test_the_benchmark_of_large_files_runs_and_agrees():
    script = Path(__file__).parents[1] / "benchmarks" / "large_linear.py"
    done = subprocess.run(
        [sys.executable, str(script), "--rows", "20000", "--losses", "huber", "--check"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    differs = next(line for line in done.stdout.splitlines() if "differs" in line)
    assert float(differs.split()[-1]) < 1e-6

"""What --weights means: a row of weight 0 is not there, and one of weight 2 comes twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import losscope as ls
from losscope.comparison.data import load
from losscope.comparison.forecast import constant
from losscope.comparison.metrics import expectile, metrics_of, pinball
from losscope.comparison.preparation import prepare
from losscope.comparison.rival import read, seated
from losscope.comparison.settings import Asked, settle
from losscope.comparison.splits import Split
from losscope.comparison.task import decide
from losscope.comparison.training import Judging, train
from losscope.comparison.tuning import Job


@pytest.mark.parametrize("model", ["linear", "mlp", "boosting"])
@pytest.mark.parametrize("target", ["y", "kind"])
def test_rows_of_weight_0_are_not_there(model, target):
    """Whatever stands in them: no number of any run differs, and nothing that is said but that they were dropped."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=200), "w": rng.integers(0, 3, 200) / 2, "word": "a"})
    frame["y"] = frame["x"] + rng.normal(size=200)
    frame["kind"] = np.where(frame["x"] > 0.4, "a", np.where(frame["x"] < -0.4, "b", "c"))
    frame = frame.drop(columns="kind" if target == "y" else "y")
    gone = frame["w"] == 0
    spoilt = frame.assign(**{target: frame[target].where(~gone, np.inf if target == "y" else "never seen")})
    spoilt = spoilt.assign(
        x=frame["x"].where(~gone), word=frame["word"].where(~gone, frame.index.astype(str))
    )
    losses = ["mae", "huber:delta=?"] if target == "y" else ["ce", "bce"]
    options = {"model": model, "splits": 2, "epochs": 3, "grid": 1, "hidden": 4, "weights": "w"}
    with_them, without = (ls.compare(each, target, losses, **options) for each in (spoilt, frame[~gone]))
    pd.testing.assert_frame_equal(with_them.table(), without.table())
    for name in with_them.losses:
        one, other = ([run["outputs"] for run in result.best_runs(name)] for result in (with_them, without))
        np.testing.assert_array_equal(one, other)
    assert with_them.findings() == without.findings()
    said = [set(result.prepared[0].steps) for result in (with_them, without)]
    assert said[0] - said[1] == {f"{int(gone.sum())} rows of weight 0 dropped"}
    assert np.array_equal(with_them.dataset.row_numbers, np.flatnonzero(~gone) + 1)


@pytest.mark.parametrize("loss", ["mse", "mae", "poisson", "log1p(target)"])
def test_a_row_of_weight_2_is_one_that_comes_twice(loss):
    """For all that training rows teach, for what is fitted to them, and for what it is judged by."""
    rng = np.random.default_rng(1)
    words = [f"t{each}" for each in rng.integers(0, 36, 300)]
    frame = pd.DataFrame({"x": rng.normal(size=300), "town": words, "y": rng.poisson(4.0, 300) * 1.0})
    frame["w"] = rng.integers(1, 4, 300)
    frame.loc[::9, "x"] = None
    place = np.repeat(np.arange(300), frame["w"])
    several = frame.drop(columns="w").iloc[place]
    found, towns = [], []
    for data, rows in ((load(frame, "y", weights="w"), np.arange(300)), (load(several, "y"), place)):
        task = decide(data, "regression", [])
        split = Split(*(np.flatnonzero(rows % 5 == part) for part in range(3)))
        part = prepare(data, task, split=split)
        (rival,) = (seated(each, task, part.target, data.row_numbers) for each in read([loss]))
        settings = settle(Asked(model="linear"), True, len(part.train), part.columns, 1)
        judging = Judging(("pinball@0.9", "coverage@0.9"))
        run, fitted = train(Job(loss, 0, 0), settings, part, task, rival, judging)
        known = part.trained_on(part.target)
        numbers, (town,) = part.learned.numbers, part.learned.words
        first = np.unique(rows, return_index=True)[1]
        metrics = (*metrics_of("regression", ("pinball@0.9", "coverage@0.9")), expectile(0.9))
        found.append(
            {
                "centre": part.centre,
                "scale": part.scale,
                "outputs": fitted.outputs(part.features)[first],
                "fill": numbers.fill,
                "mean": numbers.mean,
                "spread": numbers.scale,
                **run["test"],
                **{f"best {metric.name}": float(metric.constant(*known)) for metric in metrics},
            }
        )
        towns.append(town.categories)
    assert towns[0] == towns[1]
    for name in found[0]:
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-3, abs=1e-3), name


@pytest.mark.parametrize(
    "metric",
    [*metrics_of("regression")[:2], pinball(0.3), expectile(0.9)],
    ids=lambda each: each.name,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_no_constant_is_better_than_the_best(metric, weighted):
    rng = np.random.default_rng(0)
    target, weight = rng.lognormal(size=501), rng.random(501) if weighted else None
    best = metric.constant(target, weight)
    least = metric.of(target, constant(best, 501), weight)
    for other in (best - 0.02, best + 0.02, target.mean(), np.median(target)):
        assert metric.of(target, constant(float(other), 501), weight) >= least - 1e-12

"""The studies that train: their verdict rules can give every verdict, and their runs obey the laws they report."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from losscope.studies import exploding_gradients, get, rule_of_thumb
from losscope.studies.study import DOES_NOT_HOLD, HOLDS

STUDIES = (rule_of_thumb, exploding_gradients)


# ---------------------------------------------------------------------------------------- what a study is


@pytest.mark.parametrize("module", STUDIES, ids=lambda module: module.__name__)
def test_study_is_registered_and_has_options_a_command_line_can_read(module):
    import inspect

    study = get(module.__name__.rpartition(".")[2])
    assert study.experiment is module.experiment
    for name, option in inspect.signature(study.experiment).parameters.items():
        assert option.kind is option.KEYWORD_ONLY
        if name not in ("quick", "seed", "progress"):
            assert option.default is not option.empty, name
            assert option.annotation in ("int", "float", "bool", "str | None"), name


def check_result(result, claims):
    """What every result must have: claims in words, charts and tables that render, numbers that are JSON."""
    assert len(result.claims) == claims
    assert all(claim.claim.endswith(".") and claim.evidence.endswith(".") for claim in result.claims)
    assert result.done
    for chart in result.charts:
        assert chart.name != "chart"
        assert all(panel.x_label and panel.y_label for panel in chart.panels)
        assert chart.svg().startswith("<svg")
    assert all("<table" in table.html() for table in result.tables)
    return json.dumps(result.numbers, allow_nan=False, sort_keys=True)


@pytest.mark.parametrize(
    ("module", "option"),
    [
        (rule_of_thumb, {"splits": 0}),
        (exploding_gradients, {"learning_rate": -1.0}),
    ],
)
def test_an_option_out_of_range_is_a_users_mistake(module, option):
    from losscope.errors import LossError

    with pytest.raises(LossError, match=next(iter(option))):
        get(module.__name__.rpartition(".")[2])(quick=True, **option)


# ------------------------------------------------------------------------------------------ rule of thumb


def test_clearly_worse_is_worse_in_every_split_and_by_a_margin():
    worse = rule_of_thumb.clearly_worse
    assert worse("rmse", [1.0, 1.1], [0.9, 1.0])
    assert not worse("rmse", [1.0, 1.1], [0.9, 1.2])
    assert not worse("rmse", [1.0, 1.1], [0.999, 1.099])
    assert not worse("rmse", [1.0, 1.1], [1.0, 1.1])
    assert worse("accuracy", [0.90, 0.90], [0.92, 0.91])
    assert not worse("accuracy", [0.92, 0.91], [0.90, 0.90])
    assert not worse("log_loss", [0.5, 0.5], [None, None])


def test_verdicts_on_the_rule_of_thumb():
    def key(condition, metric="MAE"):
        return condition, metric

    assert rule_of_thumb.verdict_on_rule({key("as it is"): (0, 4), key("capped"): (1, 4)}) == HOLDS
    assert rule_of_thumb.verdict_on_rule({key("as it is"): (2, 4), key("capped"): (4, 4)}) == DOES_NOT_HOLD
    mixed = {key("as it is"): (0, 4), key("capped"): (4, 4), key("capped", "RMSE"): (0, 4)}
    expected = "holds when the data are as they are, or the targets are capped (by RMSE)"
    assert rule_of_thumb.verdict_on_rule(mixed) == expected
    assert rule_of_thumb.verdict_on_rivals({key("capped"): (4, 4)}) == HOLDS
    assert rule_of_thumb.verdict_on_rivals({key("capped"): (1, 4)}) == DOES_NOT_HOLD
    assert rule_of_thumb.verdict_on_rivals(mixed) == "holds when the targets are capped (by MAE)"


@pytest.mark.parametrize(("data", "task"), [("diabetes", "regression"), ("wine", "classification")])
def test_spoiling_leaves_the_test_alone_and_is_repeatable(data, task):
    import numpy as np

    from losscope.comparison.data import load
    from losscope.comparison.preparation import prepare
    from losscope.comparison.task import decide

    dataset = load(data)
    decided = decide(dataset, None, [])
    prepared = prepare(dataset, decided, split_seed=1)
    clean, *spoilt = rule_of_thumb.CONDITIONS[task]
    same = rule_of_thumb.spoil(prepared, decided, clean, 1)
    assert np.array_equal(same.target, prepared.target)
    for condition in spoilt:
        one, other = (rule_of_thumb.spoil(prepared, decided, condition, 1) for _ in range(2))
        assert np.array_equal(one.target, other.target)
        assert np.array_equal(one.target[prepared.test], prepared.target[prepared.test])
        share = np.mean(one.target[prepared.train] != prepared.target[prepared.train])
        assert 0.05 < share <= 1
        if "%" in condition:
            assert share == pytest.approx(float(condition.split("%")[0]) / 100, abs=0.12)
            assert set(one.target) <= set(prepared.target)


def test_rule_of_thumb_runs(monkeypatch):
    monkeypatch.setattr(rule_of_thumb, "QUICK_SETS", ("diabetes", "wine"))
    monkeypatch.setattr(rule_of_thumb, "QUICK_RATES", (0.03,))
    result = get("rule-of-thumb")(quick=True, splits=1, epochs=2)
    first = check_result(result, 4)
    again = get("rule-of-thumb")(quick=True, splits=1, epochs=2)
    assert check_result(again, 4) == first


# ------------------------------------------------------------------------------------ exploding gradients


def test_verdicts_on_exploding_gradients():
    tame = {"absolute error": 1.0, "smooth L1": 1.0}
    assert exploding_gradients.verdict_on_outliers({"squared error": 1e6, **tame}) == HOLDS
    assert exploding_gradients.verdict_on_outliers({"squared error": 2.0, **tame}) == DOES_NOT_HOLD
    broken = {"squared error": True, "absolute error": False, "smooth L1": False}
    fine = dict.fromkeys(broken, False)
    on_breaking = exploding_gradients.verdict_on_breaking
    assert on_breaking({1.0: broken, 10.0: broken}) == HOLDS
    assert on_breaking({1.0: fine, 10.0: broken}) == "holds when the outlier is 10 or larger"
    assert on_breaking({1.0: fine, 10.0: fine}) == DOES_NOT_HOLD
    assert on_breaking({1.0: dict.fromkeys(broken, True)}) == DOES_NOT_HOLD
    on_growth = exploding_gradients.verdict_on_growth
    assert on_growth({1.0: tame, 1.5: tame}) == HOLDS
    wild = dict.fromkeys(tame, 1.5)
    assert on_growth({1.0: tame, 1.5: wild}) == "holds when the weights' gain is 1 or less"
    assert on_growth({1.0: wild, 1.5: wild}) == DOES_NOT_HOLD
    on_order = exploding_gradients.verdict_on_order
    assert on_order([(1.0, 2.0), (9.0, 9.0)], 8) == HOLDS
    assert on_order([(1.0, 2.0), (2.0, 2.0)], 8).startswith("holds when ")
    assert on_order([(3.0, 2.0)], 8) == on_order([(9.0, 9.0)], 8) == DOES_NOT_HOLD
    on_clipping = exploding_gradients.verdict_on_clipping
    none = {"outlier": 0, "deep": 0, "recurrent": 0}
    assert on_clipping({**none, "deep": 2}, none) == HOLDS
    half = on_clipping({**none, "deep": 2, "outlier": 1}, {**none, "deep": 1})
    assert half == "holds when the cause is an outlier"
    assert on_clipping({**none, "deep": 2}, {**none, "deep": 2}) == DOES_NOT_HOLD
    on_learning = exploding_gradients.verdict_on_learning
    assert on_learning({10.0: (0.1, 0.1)}) == HOLDS
    assert on_learning({10.0: (0.1, 0.1), 100.0: (1.0, 0.1)}) == "holds when the outlier is 10 or smaller"
    assert on_learning({100.0: (1.0, 0.1)}) == DOES_NOT_HOLD


def test_growth_of_a_geometric_series_is_its_ratio():
    lengths = (2, 5, 10, 20)
    assert exploding_gradients.growth(lengths, [3 * 1.5**n for n in lengths]) == pytest.approx(1.5)


def test_an_outlier_scales_squared_errors_gradient_and_leaves_the_others():
    import losscope as ls

    def norm(loss, size):
        case = exploding_gradients.Case("outlier", 2, outlier=size)
        return exploding_gradients.first_gradient(case, ls.get(loss), 0)[0]

    assert norm("squared_error", 1e7) == pytest.approx(10 * norm("squared_error", 1e6), rel=1e-3)
    for loss in ("absolute_error", "smooth_l1"):
        assert norm(loss, 1e7) == pytest.approx(norm(loss, 1e6), rel=1e-6)


def test_one_weight_matrix_serves_all_time_steps():
    deep, recurrent = (
        exploding_gradients._Network(exploding_gradients.Case(kind, 9), 0) for kind in ("deep", "recurrent")
    )
    features, _ = exploding_gradients._data(0.0, 0)
    assert (len(deep.weights), len(recurrent.weights)) == (9, 3)
    recurrent(features)
    assert len(recurrent.states) == 9


def test_exploding_gradients_runs_and_the_seed_decides_every_number():
    first = get("exploding-gradients")(quick=True, steps=5)
    assert check_result(first, 7) == check_result(get("exploding-gradients")(quick=True, steps=5), 7)

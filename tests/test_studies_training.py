"""The studies that train: their verdict rules can give every verdict, and their runs obey the laws they report."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from losscope.studies import get, rule_of_thumb
from losscope.studies.study import DOES_NOT_HOLD, HOLDS

STUDIES = (rule_of_thumb,)


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

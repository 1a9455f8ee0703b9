"""The studies that need no training: the issue's numbers, and verdict rules that can say each."""

from __future__ import annotations

import json
import math

import numpy
import pytest

import losscope as ls
from losscope.report.write import plain
from losscope.studies import (
    get,
    lines,
    robustness,
    stability,
)
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Result

NAMES = (
    "robustness",
    "stability",
)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {name: get(name)(quick=True) for name in NAMES}


def verdicts(result: Result) -> dict[str, str]:
    return {each.claim: each.verdict for each in result.claims}


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_complete_and_repeats_itself(results, name):
    found = results[name]
    assert found.done
    assert found.claims
    assert found.charts
    assert found.tables
    for chart in found.charts:
        for panel in chart.panels:
            assert panel.x_label
            assert panel.title
    first = json.dumps(plain({"numbers": found.numbers, "claims": [vars(each) for each in found.claims]}))
    again = get(name)(quick=True)
    assert first == json.dumps(
        plain({"numbers": again.numbers, "claims": [vars(each) for each in again.claims]})
    )


# -- 6 robustness, and the solvers


def test_absolute_line_is_exact():
    x = numpy.array([0.0, 1, 2, 3, 4])
    assert lines.least_absolute(lines.with_ones(x), numpy.array([1.0, 3, 5, 7, 100])) == pytest.approx(
        [1, 2], abs=1e-9
    )


@pytest.mark.parametrize("name", ["huber:delta=1.345", "smooth_l1", "log_cosh", "pseudo_huber"])
def test_the_optimiser_ends_where_the_gradient_is_nothing(name):
    random = numpy.random.default_rng(3)
    design = lines.with_ones(random.normal(0, 1, (50, 3)) * [1, 10, 100])
    target = random.standard_t(2, 50)
    gradient = ls.get(name).value_and_grad(design @ lines.fit(ls.get(name), design, target), target)[1]
    assert numpy.abs(design.T @ gradient).max() < 1e-5


def test_robustness_solvers_agree_with_others(results):
    checks = results["robustness"].numbers["solvers"]
    assert len(checks) == 7
    for name, each in checks.items():
        assert each["ours"] <= each["theirs"] * (1 + 1e-8), name
        assert each["ours"] == pytest.approx(each["theirs"], rel=1e-6), name


def test_robustness_breakdown(results):
    numbers = results["robustness"].numbers
    assert numbers["breakdown"]["squared_error"] < 0.3 <= 0.4 < numbers["breakdown"]["absolute_error"]
    assert numbers["breakdown_at_one_end"]["absolute_error"] < 0.4


def test_robustness_verdicts_can_go_either_way():
    distances = numpy.array([0.0, 1, 10, 100])
    flat, steep, back = [0.0, 0.1, 0.1, 0.1], [0.0, 0.1, 1.0, 10.0], [0.0, 1.0, 0.1, 0.001]
    assert robustness.judge_unbounded(steep, distances).verdict == HOLDS
    assert robustness.judge_unbounded(flat, distances).verdict == DOES_NOT_HOLD

    def said(near, far):
        return robustness.judge_robust(
            {"absolute_error": near}, {"absolute_error": far, "squared_error": steep}, distances
        ).verdict[:10]

    assert [said(flat, flat), said(flat, steep), said(steep, steep)] == [
        HOLDS,
        "holds when",
        DOES_NOT_HOLD[:10],
    ]
    others = dict.fromkeys(robustness.NAMES, flat)
    assert robustness.judge_redescending({**others, "tukey": back}, distances).verdict == HOLDS
    assert robustness.judge_redescending({**others, "tukey": flat}, distances).verdict == DOES_NOT_HOLD
    shares = numpy.array([0.1, 0.3, 0.5])
    late, early = {"absolute_error": [0, 0, 9]}, {"absolute_error": [0, 9, 9]}
    assert robustness.judge_breakdown(late, late, shares).verdict == HOLDS
    assert robustness.judge_breakdown(late, early, shares).verdict.startswith("holds when")
    assert robustness.judge_breakdown(early, early, shares).verdict == DOES_NOT_HOLD
    assert [robustness.judge_price(ratio, 9).verdict for ratio in (1.0, 0.64)] == [HOLDS, DOES_NOT_HOLD]
    assert robustness.judge_solvers({"mse": {"ours": 2.0, "theirs": 1.0}}).verdict == DOES_NOT_HOLD


# -- 7 stability


def test_stability_gives_the_worked_example_and_the_interval(results):
    numbers = results["stability"].numbers
    assert {name: round(value, 12) for name, value in numbers["worked_example"].items()} == {
        "L1": 3.1,
        "L2": 2.15,
    }
    square, constant = (
        numbers["intervals"]["a line through the corners of the unit square"],
        numbers["intervals"]["a constant for 1, 2, 4, 9"],
    )
    assert square["intervals"] == {"intercept": [0.0, 1.0], "slope": [-1.0, 1.0]}
    assert constant["intervals"] == {"constant": [2.0, 4.0]}
    assert square["least_squares"] == pytest.approx({"intercept": 0.5, "slope": 0.0})


def test_stability_finds_a_true_jump_only():
    places = numpy.linspace(0, 1, 11)
    assert stability.sweep(lambda x: 1.0 if x > 0.33 else 0.0, places).jumps == ((0.33, 1.0),)
    assert stability.sweep(lambda x: math.tanh(50 * (x - 0.5)), places).jumps == ()
    assert [
        stability.judge_jumps(stability.sweep(each, places)).verdict
        for each in (lambda x: float(x > 0.33), lambda x: x)
    ] == [HOLDS, DOES_NOT_HOLD]


def test_stability_verdicts_can_go_either_way(results):
    still, moving = (
        stability.Sweep([0, 1], [0.0, 0.1], ((0.5, 0.1),)),
        stability.Sweep([0, 1], [0.0, 1.0], ()),
    )
    wild = stability.Sweep([0, 1], [0.0, 2.0], ((0.5, 2.0),))
    assert stability.judge_continuous(still).verdict == DOES_NOT_HOLD
    assert stability.judge_stable(
        {"L1": still, "L2": moving}, {"L1": still, "L2": moving}
    ).verdict.startswith("holds when")
    assert stability.judge_stable({"L1": wild, "L2": moving}, {"L1": wild, "L2": moving}).verdict == HOLDS
    assert (
        stability.judge_stable({"L1": moving, "L2": moving}, {"L1": moving, "L2": moving}).verdict
        == DOES_NOT_HOLD
    )
    point = {"one": {"sum": 1.0, "intervals": {"constant": (1.0, 1.0)}}}
    assert stability.judge_unique(point).verdict == HOLDS
    assert stability.judge_unique(results["stability"].numbers["intervals"]).verdict == DOES_NOT_HOLD
    assert [stability.judge_rank(*ranks).verdict[:10] for ranks in ((2, 2), (2, 1), (1, 1))] == [
        HOLDS,
        "holds when",
        DOES_NOT_HOLD[:10],
    ]

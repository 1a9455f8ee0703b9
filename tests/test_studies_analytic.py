"""The studies that need no training: the issue's numbers, and verdict rules that can say each."""

from __future__ import annotations

import json
import math

import numpy
import pytest

import losscope as ls
from losscope.errors import LossError
from losscope.report.write import plain
from losscope.studies import (
    curves,
    entropy,
    get,
    which_delta,
)
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Result

NAMES = (
    "curves",
    "entropy",
    "which-delta",
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


# -- 1 curves


def test_curves_finds_kinks_and_bends(results):
    numbers = results["curves"].numbers
    assert numbers["absolute_error"]["jumps"] == {"value": (), "gradient": (0.0,), "curvature": ()}
    assert numbers["squared_error"]["jumps"] == {"value": (), "gradient": (), "curvature": ()}
    assert numbers["smooth_l1"]["jumps"] == {"value": (), "gradient": (), "curvature": (-1.0, 1.0)}
    assert [numbers[name]["bounded"] for name in ("absolute_error", "squared_error", "smooth_l1")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("name", "kinks"),
    [
        ("huber:delta=0.5", ()),
        ("pinball:quantile=0.9", (0.0,)),
        ("smooth_l1:beta=0", (0.0,)),
        ("pseudo_huber:delta=30", ()),
    ],
)
def test_curves_finds_the_kinks_of_other_losses(name, kinks):
    traced = curves.trace(ls.get(name), 3.0, 801)
    assert traced.jumps[1] == kinks
    assert traced.bounded


def test_curves_draws_a_gap_and_no_vertical_line(results):
    for panel in results["curves"].charts[0].panels[1:]:
        for line in panel.items:
            steep = numpy.abs(numpy.diff(line.y)) > 0.5
            assert not steep.any(), f"{line.label} has a vertical stroke in {panel.title}"


def test_curves_verdicts_can_go_either_way():
    l1, l2, smooth = (curves.trace(ls.get(name), 3.0, 401) for name in curves.SAID_OF)
    assert curves.judge_kink(l1).verdict == HOLDS
    assert curves.judge_kink(l2).verdict == DOES_NOT_HOLD
    assert [curves.judge_smooth(each, "it").verdict[:10] for each in (l2, l1, smooth)] == [
        HOLDS,
        DOES_NOT_HOLD[:10],
        "holds when",
    ]
    assert [curves.judge_growth(each).verdict for each in (l2, l1)] == [HOLDS, DOES_NOT_HOLD]
    assert [curves.judge_limit(each, l1).verdict for each in (smooth, l2)] == [HOLDS, DOES_NOT_HOLD]
    assert curves.judge_below(smooth, l1).verdict.startswith("holds when")
    assert [curves.judge_below(each, l1).verdict for each in (l1, l2)] == [HOLDS, DOES_NOT_HOLD]


@pytest.mark.parametrize("name", ["bce", "cross_entropy", "mse@sigmoid"])
def test_curves_refuses_what_is_no_function_of_the_error(name):
    with pytest.raises(LossError, match="not a function of a real error"):
        get("curves")(losses=(name,))


# -- 9 entropy


def test_entropy_gives_the_reference_numbers(results):
    numbers = results["entropy"].numbers
    assert [f"{each:.6f}" for each in numbers["entropy_bits"].values()] == [
        "2.000000",
        "1.356780",
        "0.241941",
    ]
    assert {key: f"{each:.6f}" for key, each in numbers["one_hot_cross_entropy_nats"].items()} == {
        "0.25": "1.386294",
        "0.1": "2.302585",
        "0.97": "0.030459",
    }
    assert numbers["largest_gap_of_the_sum"] < 1e-14


def test_entropy_verdicts_can_go_either_way():
    assert entropy.judge_identity([0.0, 1e-3], 2).verdict == DOES_NOT_HOLD
    assert entropy.judge_self([1e-3], 1).verdict == DOES_NOT_HOLD
    assert entropy.judge_one_hot({0.5: 0.6}).verdict == DOES_NOT_HOLD
    assert entropy.judge_symmetry([0.0], [1.0]).verdict == HOLDS
    assert entropy.judge_least([-1e-9]).verdict == DOES_NOT_HOLD
    assert entropy.judge_uniform([1.1]).verdict == DOES_NOT_HOLD
    assert [entropy.judge_order(*kept).verdict[:10] for kept in ((1.0, 1.0), (0.9, 1.0), (0.9, 0.9))] == [
        HOLDS,
        "holds when",
        DOES_NOT_HOLD[:10],
    ]


# -- 12 which delta


def test_which_delta_gives_95_percent_at_1345():
    assert which_delta.efficiency("huber", 1.345) == pytest.approx(0.95, abs=5e-5)
    assert which_delta.efficiency("huber", 1.345) == pytest.approx(
        ls.get("huber").bind(delta=1.345).facts.efficiency, abs=1e-4
    )
    assert which_delta.efficiency("huber", 1e-3) == pytest.approx(2 / math.pi, abs=1e-3)  # the median


def test_which_delta_bias_agrees_with_closed_forms():
    # The median goes to the quantile 1/(2(1 - share)); its gross-error sensitivity is sqrt(pi/2).
    from scipy.stats import norm

    assert which_delta.worst_bias(1e-3, 0.1) == pytest.approx(norm.ppf(1 / (2 * 0.9)), abs=1e-3)
    assert which_delta.gross_error_sensitivity(0.01) == pytest.approx(math.sqrt(math.pi / 2), abs=1e-3)


def test_which_delta_location_is_between_median_and_mean():
    sample = numpy.array([[0.0, 1.0, 2.0, 3.0, 100.0]])
    assert which_delta.locations(1e6, sample)[0] == pytest.approx(sample.mean())
    assert which_delta.locations(1e-6, sample)[0] == pytest.approx(2.0, abs=1e-5)


def test_which_delta_reads_a_table(tmp_path):
    random = numpy.random.default_rng(0)
    x = random.normal(size=(60, 2))
    rows = [f"{a},{b},{a - b + c},word" for (a, b), c in zip(x, random.standard_t(3, 60))]
    path = tmp_path / "table.csv"
    path.write_text("a,b,y,text\n" + "\n".join(rows) + "\n,1,2,word\n")
    found = get("which-delta")(quick=True, data=str(path), target="y")
    assert found.numbers["real"]["table"]["count"] == 60
    with pytest.raises(LossError, match="no numeric column 'z'"):
        get("which-delta")(quick=True, data=str(path), target="z")
    with pytest.raises(LossError, match="no such file"):
        get("which-delta")(quick=True, data=str(tmp_path / "none.csv"))


def test_which_delta_verdicts_can_go_either_way():
    known = {"Gaussian": 0.95, "Laplace": 0.7}
    assert which_delta.judge_known({"Gaussian": 0.9500}).verdict == HOLDS
    assert which_delta.judge_known(known).verdict == "holds when the noise is Gaussian"
    assert which_delta.judge_known({"Gaussian": 0.9}).verdict == DOES_NOT_HOLD
    assert which_delta.judge_same({"huber": [0.9], "smooth_l1": [0.8]}).verdict == DOES_NOT_HOLD
    assert [which_delta.judge_robust(each, [1, 2], 0.1).verdict for each in ([1, 2], [2, 1])] == [
        HOLDS,
        DOES_NOT_HOLD,
    ]
    assert [which_delta.judge_trade([0.99], each).verdict for each in ([1.0, 2.0][1:], [1.0])] == [
        DOES_NOT_HOLD,
        DOES_NOT_HOLD,
    ]
    assert which_delta.judge_trade([0.64, 1.0], [1.0, 3.0]).verdict == HOLDS
    deltas = numpy.array([1.0, 1.345, 2.0])
    assert [
        which_delta.judge_real("x", deltas, each).verdict for each in ([1.0, 0.9, 1.0], [0.5, 0.9, 1.0])
    ] == [HOLDS, DOES_NOT_HOLD]

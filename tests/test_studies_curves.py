"""The study of the curves: where losses jump, what is said of them, and verdict rules that can say each."""

from __future__ import annotations

import numpy as np
import pytest

from losscope.errors import LossError
from losscope.studies import curves, get
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Result
from quick import quick


def result() -> Result:
    return quick("curves")


def verdict_of(words: str) -> str:
    return next(each.verdict for each in result().claims if words in each.claim)


def test_it_finds_kinks_and_bends() -> None:
    numbers = result().numbers
    assert numbers["absolute_error"]["jumps"] == {"value": (), "gradient": (0.0,), "curvature": ()}
    assert numbers["squared_error"]["jumps"] == {"value": (), "gradient": (), "curvature": ()}
    assert numbers["smooth_l1"]["jumps"] == {"value": (), "gradient": (), "curvature": (-1.0, 1.0)}
    assert [numbers[name]["bounded"] for name in curves.SAID_OF] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "kinks"),
    [("huber:delta=0.5", ()), ("pinball:quantile=0.9", (0.0,)), ("smooth_l1:beta=0", (0.0,)), ("pseudo_huber:delta=30", ())],
)  # fmt: skip
def test_it_finds_the_kinks_of_other_losses(name: str, kinks: tuple[float, ...]) -> None:
    traced = curves.trace(name, 3.0, 801)
    assert traced["jumps"]["gradient"] == kinks
    assert traced["bounded"]


def test_it_draws_a_gap_and_no_vertical_line() -> None:
    for panel in result().charts[0].panels[1:]:
        for line in panel.items:
            steep = np.abs(np.diff(line.y)) > 0.5
            assert not steep.any(), f"{line.label} has a vertical stroke in {panel.title}"


def test_the_claims() -> None:
    assert (
        verdict_of("kink at an error") == verdict_of("L2 is smooth") == verdict_of("without a limit") == HOLDS
    )
    assert verdict_of("Smooth L1 is smooth") == "holds when smooth means that the slope has no jump"
    assert verdict_of("enlarges") == verdict_of("never steeper") == verdict_of("beta near 0") == HOLDS
    assert verdict_of("rounded off") == "holds when its slope is meant"
    assert verdict_of("In detection") == HOLDS
    assert verdict_of("never negative") == DOES_NOT_HOLD


def test_the_gap_between_l1_and_smooth_l1_begins_at_nothing() -> None:
    (evidence,) = (each.evidence for each in result().claims if "rounded off" in each.claim)
    assert evidence.startswith("L1 minus smooth L1 runs from 0 to 0.5:")


def test_the_share_of_a_far_off_box_another_way() -> None:
    squared, absolute, smooth, _ = result().numbers["far_off_box"]
    random = np.abs(np.random.default_rng(0).normal(0, 0.3, 2_000_000)).mean() * 256
    at = 40
    error = squared["error"][at]
    assert squared["share"][at] == pytest.approx(error / (error + random), rel=0.01)
    assert absolute["share"] == pytest.approx(1 / 257)
    assert smooth["share"].max() == pytest.approx(1 / (1 + random), rel=0.01)


def test_a_gaussian_likelihood_is_negative() -> None:
    (evidence,) = (each.evidence for each in result().claims if "never negative" in each.claim)
    truth = -np.log(1 / (0.1 * np.sqrt(2 * np.pi)))
    assert f"{truth:.3f}" in evidence
    assert "100 times" in evidence


def test_verdicts_can_go_either_way() -> None:
    l1, l2, smooth = (curves.trace(name, 3.0, 401) for name in curves.SAID_OF)
    assert [curves.kink(each).verdict for each in (l1, l2)] == [HOLDS, DOES_NOT_HOLD]
    assert [curves.smooth_everywhere(each, "it.", "smooth L1").verdict[:10] for each in (l2, l1, smooth)] == [
        HOLDS, DOES_NOT_HOLD[:10], "holds when"]  # fmt: skip
    assert [curves.grows(each).verdict for each in (l2, l1)] == [HOLDS, DOES_NOT_HOLD]
    assert [curves.never_steeper(each, l1).verdict for each in (smooth, l2)] == [HOLDS, DOES_NOT_HOLD]
    assert [curves.rounded(name).verdict for name in ("absolute_error", "squared_error")] == [
        HOLDS,
        DOES_NOT_HOLD,
    ]
    boxes = [curves.one_far_box(name) for name in ("squared_error", "smooth_l1")]
    assert curves.dominated(boxes).verdict == HOLDS
    wild = [{**each, "share": boxes[0]["share"]} for each in boxes]
    assert curves.dominated(wild).verdict == DOES_NOT_HOLD


@pytest.mark.parametrize("name", ["bce", "cross_entropy", "mse@sigmoid"])
def test_it_refuses_what_is_no_function_of_the_error(name: str) -> None:
    with pytest.raises(LossError, match="not a function of a real error"):
        get("curves")(loss=(name,))

"""The studies of fitted lines: numbers recomputed by other solvers, and judges that can give each verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import losscope as ls
from losscope.studies import descent, lines, outliers, robustness, stability
from losscope.studies.outliers import HUBER, L1, L2, SMOOTH, TUKEY
from losscope.studies.study import DOES_NOT_HOLD, HOLDS
from losscope.studies.verdict import NOT_DECIDED
from quick import quick


def verdict_of(name: str, words: str) -> str:
    return next(each.verdict for each in quick(name).claims if words in each.claim)


# -- the solvers, against those of others


def test_absolute_line_is_exact() -> None:
    x = np.array([0.0, 1, 2, 3, 4])
    found = lines.least_absolute(lines.with_ones(x), np.array([1.0, 3, 5, 7, 100]))
    assert found == pytest.approx([1, 2], abs=1e-9)


@pytest.mark.parametrize("name", [HUBER, SMOOTH, "log_cosh", "pseudo_huber"])
def test_the_optimiser_ends_where_the_gradient_is_nothing(name: str) -> None:
    random = np.random.default_rng(3)
    design = lines.with_ones(random.normal(0, 1, (50, 3)) * [1, 10, 100])
    target = random.standard_t(2, 50)
    gradient = ls.get(name).value_and_grad(design @ lines.fit(ls.get(name), design, target), target)[1]
    assert np.abs(design.T @ gradient).max() < 1e-5


def with_outliers() -> tuple[np.ndarray, np.ndarray]:
    x, y, _ = outliers.sample(40, 5, 0)
    y[[3, 17, -2]] += (12.0, -9.0, 25.0)
    return lines.with_ones(x), y


def others(name: str, loss: Any, design: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The same problem by scikit-learn or SciPy; where they have none, by a search that sees values only."""
    from scipy.optimize import least_squares, minimize
    from sklearn.linear_model import LinearRegression, QuantileRegressor

    if name == L2:
        return LinearRegression(fit_intercept=False).fit(design, target).coef_
    if name == L1:
        return QuantileRegressor(quantile=0.5, alpha=0, fit_intercept=False).fit(design, target).coef_
    if name in (SMOOTH, HUBER):
        scale = loss.parameters.get("delta") or loss.parameters["beta"]
        tight: dict[str, Any] = {"loss": "huber", "f_scale": scale, "xtol": 1e-15, "ftol": 1e-15}
        return least_squares(lambda b: design @ b - target, np.zeros(2), gtol=1e-12, **tight).x
    start = lines.fit(loss, design, target) + 0.5
    tight = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
    return minimize(
        lambda b: lines.summed(loss, b, design, target), start, method="Nelder-Mead", options=tight
    ).x


@pytest.mark.parametrize("name", [L2, L1, SMOOTH, HUBER, TUKEY, "log_cosh"])
def test_others_find_no_better_line(name: str) -> None:
    design, target = with_outliers()
    loss = outliers.losses(["log_cosh"])[name]
    ours = lines.summed(loss, lines.fit(loss, design, target), design, target)
    assert ours == pytest.approx(
        lines.summed(loss, others(name, loss, design, target), design, target), rel=1e-8
    )


def test_hubers_line_is_that_of_scikit_learn_at_the_scale_it_estimates() -> None:
    from sklearn.linear_model import HuberRegressor

    design, target = with_outliers()
    theirs = HuberRegressor(epsilon=1.345, alpha=0, fit_intercept=False, tol=1e-10, max_iter=2000)
    theirs.fit(design, target)
    ours = lines.fit(ls.get("huber").bind(delta=1.345 * theirs.scale_), design, target)
    assert ours == pytest.approx(theirs.coef_, rel=1e-4)


# -- robustness


def test_the_shift_of_the_l2_line_is_that_of_the_hat_matrix() -> None:
    """A point lifted by d moves the line by d (X'X)^-1 x, whatever the other targets are."""
    x, y, _ = outliers.sample(40, 0, 0)
    design = lines.with_ones(x)
    by_hand = 300 * np.linalg.solve(design.T @ design, design[-1])
    lifted = lines.least_squares(design, y + 300 * outliers.is_last(x))
    assert lifted - lines.least_squares(design, y) == pytest.approx(by_hand, rel=1e-9)
    assert outliers.proportion(x, y, 30.0) == pytest.approx(10, rel=1e-9)


def test_medians_and_ranges_are_over_samples() -> None:
    """One sample would say that Huber's line moves 25 times as far as L1's; over samples they move alike."""
    dragged = quick("robustness").numbers["dragged"]
    absolute, huber = (robustness.shifts(dragged, name, robustness.IN_Y)[:, -1] for name in (L1, HUBER))
    assert len(absolute) == 16
    assert absolute.min() < huber.min() < huber.max() < absolute.max()
    shown = next(row for row in quick("robustness").tables[0].rows if row[0] == "absolute error")
    assert str(shown[1]).startswith(f"{np.median(absolute):.3g} (")


def test_breakdown_comes_late_unless_all_bad_points_are_at_one_end() -> None:
    spoilt = quick("robustness").numbers["spoilt"]

    def share(name: str, place: str) -> float:
        shares = robustness.of(spoilt, name, place)[0]["shares"]
        return outliers.breakdown(shares, robustness.shifts(spoilt, name, place), robustness.BROKEN)

    assert share(L2, robustness.ANYWHERE) < 0.3 <= 0.4 < share(L1, robustness.ANYWHERE)
    assert share(L1, robustness.ONE_END) < 0.4


def test_a_wild_target_leaves_the_curvature_alone_and_a_wild_input_does_not() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=30), random.normal(size=30)
    design = lines.with_ones(x)
    assert outliers.largest_rate(x) == pytest.approx(1 / np.linalg.norm(design, 2) ** 2 * len(x), rel=1e-12)
    wild = y + 1e12 * outliers.is_last(x)
    bent = [descent.curvature(ls.get(L2), design, each, np.ones(2)) for each in (y, wild)]
    assert bent[0] == bent[1]
    assert outliers.what_is_left(x, wild, 0.9 * outliers.largest_rate(x), 300)[-1] < 1e-6
    assert outliers.what_is_left(x, y, 1.1 * outliers.largest_rate(x), 300)[-1] > 1


def test_robustness_verdicts() -> None:
    for words in ("L1 is robust", "Smooth L1 is less"):
        assert verdict_of("robustness", words) == "holds when the outlier is off in y only"
    assert verdict_of("robustness", "diverge") == "holds when it lies far out in x"
    assert verdict_of("robustness", "stand up") == "holds when the bad points are scattered"


def test_robustness_verdicts_can_go_either_way() -> None:
    assert robustness.unbounded(np.array([10.0, 10.0])).verdict == HOLDS
    assert robustness.unbounded(np.array([10.0, 1.0])).verdict == DOES_NOT_HOLD

    def runs(**ends: float) -> list[dict[str, Any]]:
        """Each loss's last shift, off in y and far out in x, in eight samples."""
        places = {"y": robustness.IN_Y, "x": robustness.IN_X}
        return [
            {"loss": {"l1": L1, "l2": L2, "smooth": SMOOTH, "tukey": TUKEY, "huber": HUBER}[name], "place": places[at],
             "distances": [1.0, 2.0], "shifts": np.array([0.5, shift]), "clean": 0.3}
            for key, shift in ends.items() for name, at in [key.split("_")] for _ in range(8)
        ]  # fmt: skip

    assert robustness.robust(runs(l1_y=0.1, l1_x=9)).verdict == "holds when the outlier is off in y only"
    assert robustness.robust(runs(l1_y=0.1, l1_x=0.1)).verdict == HOLDS
    assert robustness.robust(runs(l1_y=1, l1_x=9)).verdict == DOES_NOT_HOLD
    assert robustness.smoother(runs(smooth_y=1, smooth_x=1, l2_y=9, l2_x=9)).verdict == HOLDS
    assert robustness.smoother(runs(smooth_y=8, smooth_x=1, l2_y=9, l2_x=1)).verdict == DOES_NOT_HOLD
    for shift, verdict in ((1e-9, HOLDS), (0.1, DOES_NOT_HOLD)):
        assert robustness.redescending(runs(tukey_y=shift, huber_y=0.1)).verdict == verdict
    assert robustness.redescending(runs(tukey_y=1e-9, huber_y=0.1)[::8]).verdict == NOT_DECIDED, "one sample"

    def spoilt(anywhere: float, end: float) -> str:
        made = [
            {"loss": name, "place": place, "shares": np.array([0.1, 0.35]), "shifts": np.array([0.0, shift])}
            for name in (L2, *robustness.ROBUST) for place, shift in ((robustness.ANYWHERE, anywhere), (robustness.ONE_END, end))
            for _ in range(8)
        ]  # fmt: skip
        return robustness.stands(made).verdict

    assert [spoilt(1, 1), spoilt(1, 9), spoilt(9, 9)] == [
        HOLDS, "holds when the bad points are scattered", DOES_NOT_HOLD,
    ]  # fmt: skip
    flat, worse = {L2: np.full(9, 1.0), L1: np.full(9, 1.0)}, {L2: np.full(9, 0.5), L1: np.full(9, 1.0)}
    assert [robustness.price([each, flat]).verdict[:10] for each in (flat, worse)] == [HOLDS, "holds when"]
    assert robustness.price([worse, worse]).verdict == DOES_NOT_HOLD
    gone, stayed = np.array([True] * 9), np.array([False] * 9)
    assert robustness.never_diverges(np.array([0.9]), stayed).verdict == DOES_NOT_HOLD
    assert robustness.never_diverges(np.array([1.1]), gone).verdict == HOLDS


# -- stability


def test_stability_gives_the_worked_example_and_every_best_line() -> None:
    numbers = quick("stability").numbers
    assert {name: round(value, 12) for name, value in numbers["worked_example"].items()} == {
        L1: 3.1,
        L2: 2.15,
    }
    found = numbers["solutions"]
    assert found["constant"].tolist() == [2.0, 4.0]
    assert [found["at_0"].tolist(), found["at_1"].tolist()] == [[0.0, 1.0], [0.0, 1.0]]
    assert found["sums"] == pytest.approx([2.0] * 4)
    assert found["wrong_pair"] == pytest.approx(4.0)
    assert found["l2"] == pytest.approx([0.5, 0.0])


def test_the_fan_is_all_best_lines_and_nothing_else() -> None:
    """Against the sum itself, over a grid of lines."""
    square = stability.SQUARE
    for at_0 in np.linspace(-0.5, 1.5, 21):
        for at_1 in np.linspace(-0.5, 1.5, 21):
            total = np.abs(at_0 + (at_1 - at_0) * square[:, 0] - square[:, 1]).sum()
            inside = 0 <= at_0 <= 1 and 0 <= at_1 <= 1
            assert (total < 2 + 1e-9) == inside, (at_0, at_1)
    panel = quick("stability").charts[0].panels[-1]
    drawn = [each for each in panel.items if getattr(each, "style", "") == "faint"]
    assert len(drawn) == 49
    for each in drawn:
        heights = np.interp([0, 1], each.x, each.y)
        assert np.all((heights > -1e-9) & (heights < 1 + 1e-9))


def test_stability_finds_a_true_jump_only() -> None:
    places = np.linspace(0, 1, 11)
    assert stability.sweep(lambda x: 1.0 if x > 0.33 else 0.0, places)["jumps"] == [(0.33, 1.0)]
    assert stability.sweep(lambda x: float(np.tanh(50 * (x - 0.5))), places)["jumps"] == []


def test_the_largest_jump_is_seen_by_another_solver() -> None:
    from sklearn.linear_model import QuantileRegressor

    run = stability.of(quick("stability").numbers["swept"], L1, stability.SIDEWAYS)[0]
    at, size = max(run["jumps"], key=lambda jump: abs(jump[1]))
    slopes = [
        QuantileRegressor(quantile=0.5, alpha=0)
        .fit(np.append(run["x"], at + step)[:, None], np.append(run["y"], stability.HEIGHT))
        .coef_[0]
        for step in (-1e-5, 1e-5)
    ]
    assert slopes[1] - slopes[0] == pytest.approx(size, abs=1e-3)


def test_l1_swings_about_a_constant_by_the_step_and_the_others_settle() -> None:
    """One number, its median and its mean: descent on |w - 0| at a rate of 0.3 swings between two places."""
    one, zero = np.ones((1, 1)), np.zeros(1)
    paths = {
        name: descent.descend(ls.get(name), one, zero, [0.3] * 200, np.array([1.0]))[:, 0]
        for name in (L1, SMOOTH, L2)
    }
    assert abs(paths[L1][-1] - paths[L1][-2]) == pytest.approx(0.3)
    assert abs(paths[SMOOTH][-1]) < 1e-9
    assert abs(paths[L2][-1]) < 1e-9


def test_stability_verdicts() -> None:
    assert verdict_of("stability", "L1 line jump") == HOLDS
    assert verdict_of("stability", "best L1") == "holds when the inputs of a line are drawn at random"
    assert verdict_of("stability", "best L2") == "holds when the inputs are not all the same"
    assert verdict_of("stability", "settle") == "holds when the learning rate stays the same"


def test_stability_verdicts_can_go_either_way() -> None:
    calm: dict[str, Any] = {"jumps": [], "travel": 1.0}
    wild: dict[str, Any] = {"jumps": [(0.5, 2.0)], "travel": 2.0}
    assert [stability.jumps([each]).verdict for each in (wild, calm)] == [HOLDS, NOT_DECIDED]
    assert [stability.continuous([each]).verdict for each in (calm, wild)] == [HOLDS, DOES_NOT_HOLD]

    def stable(l1: dict[str, Any], lifted: float) -> str:
        made = []
        for loss, moved, up in ((L1, l1, lifted), (L2, calm, 1.0)):
            made += [{"loss": loss, "how": stability.SIDEWAYS, **moved} for _ in range(8)]
            made += [{"loss": loss, "how": stability.UPWARD, "travel": up, "jumps": []} for k in range(8)]
        return stability.stable(made).verdict

    assert [stable(wild, 2.0), stable(calm, 0.1)] == [HOLDS, DOES_NOT_HOLD]
    assert stable(wild, 0.1) == "holds when stable means that the line does not jump"
    point = {"at_0": [1, 1], "at_1": [1, 1], "sums": [1, 1], "constant": [1, 1], "wrong_pair": 1.0}
    assert stability.one_l1(point, [0.0] * 8).verdict == HOLDS
    assert stability.one_l1(stability.solutions(), [1.0] * 8).verdict == DOES_NOT_HOLD

    def settles(same: float, falls: float, smooth: float = 1e-9) -> str:
        ends = {(L1, stability.SAME): same, (L1, stability.FALLS): falls}
        runs = [
            {"loss": loss, "rates": rates, "above": np.geomspace(1, ends.get((loss, rates), smooth), 801)}
            for loss, rates, _ in stability.DESCENTS for _ in range(8)
        ]  # fmt: skip
        return stability.settles(runs).verdict

    assert [settles(1, 1), settles(1, 1e-9), settles(1e-9, 1e-9)] == [
        HOLDS, "holds when the learning rate stays the same", DOES_NOT_HOLD,
    ]  # fmt: skip
    assert settles(1, 1e-9, smooth=1) == DOES_NOT_HOLD, (
        "a gradient that shrinks does not help, so it is not the cause"
    )

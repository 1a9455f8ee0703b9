"""Points so close to a border that a rounding decides on which side they lie say nothing of a form; all others do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import losscope as ls
from losscope.derive import derive
from losscope.exactness.bench import Bench
from losscope.exactness.certificate import BOUND
from losscope.exactness.certify import certificate
from losscope.exactness.condition import UP
from losscope.exactness.mending import bench

JUMPS = {
    "where(atan(r) >= c, r, abs(z))": {"c": 1.5},
    "where(atan(y) >= log(pi), r, z)": {},
    "where(exp(-r**2) < c, 1, r**2)": {"c": 0.5},
    "where(logaddexp(z, z) < 0.5**0.5, 0.5**0.5, 1/z)": {},
    "min(where(z >= c, c, pi), r)": {"c": 1.5},
}


def only(points: Bench, places: dict[str, dict[str, float]]) -> Bench:
    """A bench of one place in each dtype."""
    return points._at(
        {dtype: {name: np.array([x], dtype) for name, x in at.items()} for dtype, at in places.items()}
    )


@pytest.mark.parametrize("formula", JUMPS)
def test_a_jump_between_exact_branches_is_exact(formula: str) -> None:
    loss = ls.define("mine", formula, strict=True, **JUMPS[formula])
    derived = derive(loss.entry)
    for seed in (7, 99):
        assert (
            bench(loss.entry, None, 600, derived, seed=seed).with_borders().certified(derived).error <= BOUND
        )


def test_a_point_of_which_a_last_place_leads_to_no_value_says_nothing() -> None:
    """1 - 3e-8 is 1 to float32, where atanh is infinite; beside it there is no value."""
    loss = ls.define("mine", "hypot(atanh(r), c)", c=1.5)
    derived = derive(loss.entry)
    points = bench(loss.entry, None, 8, derived)
    place = {"prediction": 1.0, "c": 10.5}
    beside = only(points, {"float32": place | {"target": 2.98e-8}, "float64": place | {"target": 1e-17}})
    assert beside.certified(derived).error <= BOUND


def test_a_slope_says_nothing_where_its_value_is_anything() -> None:
    """The sine of an angle of 1e236, which chances to be much the same a last place further up and down."""
    loss = ls.define("mine", "cos(3*y + z)")
    derived = derive(loss.entry)
    points = bench(loss.entry, None, 8, derived)
    place = {"prediction": 0.0, "target": 8.953482170204935e235}
    there = only(points, {"float32": {"prediction": 1.0, "target": 0.5}, "float64": place})
    assert there.condition.at(1, "float64", there.rows("float64"), there.truth["float64"][:, 1], UP) < 2e13
    assert there.certified(derived, searches=0).error <= BOUND


def test_the_rounding_of_a_residual_is_no_fault_of_a_form() -> None:
    """Here 1.00006 has lost a thousandth of what it is above 1. A last place of the target does as much to the other factor, the
    other way round; and a hundredth further up or down there is no value that would show it."""
    loss = ls.define("mine", "xlog1py(log1pmx(y), arccosh(r))")
    derived = derive(loss.entry)
    points = bench(loss.entry, None, 8, derived)
    place = {"prediction": 7.737604028079659e-05, "target": -0.9999874234199524}
    there = only(points, {"float32": place, "float64": place})
    assert there.certified(derived, searches=0).error <= BOUND


def test_a_power_that_is_compared_is_off_by_its_exponent() -> None:
    loss = ls.define("mine", "where(logaddexp(0.5, y)**2 <= unit(2, y)**(c - 1), c**0.5, z - 3)", c=1.5)
    derived = derive(loss.entry)
    place = {"prediction": 6.378997569242155e34, "target": 0.05120965465903282, "c": 39.44397735595703}
    there = only(bench(loss.entry, None, 8, derived), {"float32": place, "float64": place})
    assert there.with_borders().certified(derived, searches=0).error <= BOUND


def test_a_comparison_that_a_last_place_leaves_without_a_value_says_nothing() -> None:
    """atanh(r) is 1 to the last digit here, beyond which the second has no value; and max asks which is larger."""
    loss = ls.define("mine", "max(atanh(atanh(r)), maximum(c, r))", c=1.5)
    derived = derive(loss.entry)
    place = {"prediction": -1.9944197049426293e-07, "target": -0.7615943551063538, "c": 31.519678115844727}
    there = only(bench(loss.entry, None, 8, derived), {"float32": place, "float64": place})
    assert there.certified(derived, searches=0).error <= BOUND


@pytest.mark.parametrize("share", [1e-3, 1e-5])
def test_a_border_in_the_wrong_place_is_found(share: float) -> None:
    right = ls.define("mine", "where(atan(r) >= c, r, abs(z))", c=1.5).entry
    text = f"where(atan(r) >= c*(1 + {share}), {{}}, {{}})"
    wrong = replace(
        right, computed=(text.format("r", "abs(z)"), text.format("1", "sign(z)"), text.format("0", "0"))
    )
    assert certificate(right).exact
    assert not certificate(wrong).exact


@pytest.mark.parametrize(
    ("formula", "curvature"),
    [("max(abs(r), (r**2 + c**2)/(2*c))", 1 / 0.3), ("max(2*c*r, r**2 + c**2)", 2.0)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sides_that_only_touch_are_no_border(formula: str, curvature: float, dtype: str) -> None:
    """Of a square and its tangent the square is the larger one, however close they come."""
    loss = ls.define("mine", formula, strict=True, c=0.3)
    close = (0.3 * (1 + np.linspace(-1e-3, 1e-3, 2001))).astype(dtype)
    found = loss.value_grad_curvature(close, np.zeros_like(close), reduction="none")[2]
    np.testing.assert_allclose(found, curvature, rtol=1e-6)


def test_it_is_told_where_sides_touch_and_a_rounding_decides() -> None:
    with pytest.raises(ls.LossError, match="true"):
        ls.define("mine", "where(exp(r) > 1 + r, r**2, r)", strict=True)

"""Edges of what is computed are found, however narrow the range behind them, and formulas are judged there."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import losscope as ls
from losscope.exactness.edges import edges
from losscope.exactness.samples import MARGIN, points, usual
from losscope.exactness.told import InexactWarning


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(threshold=st.floats(-35, 35).map(lambda power: 10.0**power), sign=st.sampled_from([-1, 1]))
def test_an_edge_is_found_to_a_small_part_of_its_size(dtype: str, threshold: float, sign: int) -> None:
    at = {"x": sign * np.geomspace(1e-36, 1e36, 9).astype(dtype), "y": np.zeros(9, dtype)}
    sorts = np.arange(9) % 3
    sides = edges(lambda x, y: (np.where(sign * x > threshold, np.inf, x), x + 1), at, ["x", "y"], sorts)
    x = sign * sides["x"]
    assert len(x) > 1
    beyond, within = x[x > threshold], x[x <= threshold]
    assert beyond.min() / within.max() < (1.01 if dtype == "float32" else 1.1)


def test_where_all_is_ordinary_there_is_no_edge() -> None:
    at = {"x": np.geomspace(1e-29, 1e29, 50).astype("float32")}
    assert edges(lambda x: x, at, ["x"], np.zeros(50, int))["x"].size == 0


@pytest.mark.parametrize("formula", ["minimum(2, r**(c - 1))", "where(r < r, 1, r)**(c - 1)"])
def test_what_overflows_only_beside_a_whole_power_is_told(formula: str) -> None:
    """The power overflows, and the truth does not where its factor nearly vanishes: at c = 1.00002, say."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loss = ls.define("mine", formula, c=1.5)
    assert not loss.certificate.exact
    assert [each for each in said if issubclass(each.category, InexactWarning)]


@pytest.mark.parametrize(
    ("formula", "z", "y", "true"),
    [
        ("pow1px2m1(1e-3, y)/(r + r)", -8.39914138e-10, 92949632.0, -1.25376e32),
        ("exp(z/1e6)/1e30/(1 + y**2)", 88822408.0, 0.0, 3.75908e8),
        ("exp(-z)*1e10", 92.0, 0.0, 1.1084e-30),  # the exponential is denormal, and the result is not
    ],
)
def test_a_narrow_range_in_which_it_overflows_is_mended_or_told(
    formula: str, z: float, y: float, true: float
) -> None:
    """One target in a hundred thousand of those that are drawn would show it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loss = ls.define("mine", formula)
    if loss.certificate.exact:
        assert loss(np.float32([z]), np.float32([y])) == pytest.approx(true, rel=1e-4)
    else:
        assert [each for each in said if issubclass(each.category, InexactWarning)]


def test_numbers_and_their_differences_are_as_large_as_others_that_are_drawn() -> None:
    """Beside the smallest number that a dtype holds, and beyond it, nothing keeps its digits."""
    for dtype in ("float32", "float64"):
        at = points({"prediction": "real", "target": "real"}, {}, dtype, 20_000, seed=0)
        off = np.abs(at["prediction"].astype("longdouble") - at["target"])
        least = np.finfo(dtype).tiny * 2.0**MARGIN
        assert ((off == 0) | (off >= least)).all()
        assert (off[off > 0] < 100 * least).any()
        drawn = {"prediction": at["prediction"], "target": at["prediction"] + at["prediction"].dtype.type(0)}
        assert len(usual(drawn, dtype)["target"]) == 20_000

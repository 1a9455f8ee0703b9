"""Formulas as people write them are as exact as the catalogue's: idioms that overflow or cancel are read as primitives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Piecewise

import losscope as ls
from losscope.expression import symbol
from losscope.expression.choices import sign
from losscope.stable import beside_kinks

PREDICTION = np.array([-1000.0, -40, -3, -1e-6, 1e-6, 0.5, 20, 33, 40, 1000])

IDIOMS = [
    ("-y*log(sigmoid(z)) - (1 - y)*log(1 - sigmoid(z))", "bce", "label"),
    ("-y*log(1/(1 + exp(-z))) - (1 - y)*log(1 - 1/(1 + exp(-z)))", "bce", "label"),
    ("log(1 + exp(z)) - y*z", None, "label"),
    ("log(1 + exp(-y*z))", "soft_margin", "sign"),
    ("log((exp(r) + exp(-r))/2)", "log_cosh", "real"),
    ("sqrt(1 + r**2) - 1", "pseudo_huber", "real"),
]


@pytest.mark.parametrize(("formula", "name", "target"), IDIOMS)
def test_an_idiom_is_the_catalogues_loss(formula: str, name: str | None, target: str) -> None:
    mine = ls.define("mine", formula, target=target)
    y = np.where(np.arange(len(PREDICTION)) % 2, 1.0, -1.0 if target == "sign" else 0.0)
    found = mine.value_grad_curvature(PREDICTION, y, reduction="none")
    assert np.isfinite(found).all()
    if name is not None:
        known = ls.get(name)
        for ours, theirs in zip(
            found, known.value_grad_curvature(PREDICTION, y, reduction="none"), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-14)


@pytest.mark.parametrize(
    "formula", ["abs(r)**g", "(r**2)**g", "(1 - exp(-r**2))**g", "(1 - exp(-abs(r)))**g"]
)
def test_a_power_with_a_parameter_above_has_a_slope_at_zero(formula: str) -> None:
    _, gradient = ls.define("mine", formula, g=1.5).value_and_grad(
        [0.0, 1.0, -2.0], [0.0, 0.0, 0.0], reduction="none"
    )
    assert gradient[0] == 0
    assert np.isfinite(gradient).all()


def test_focal_as_the_paper_writes_it() -> None:
    paper = ls.define("paper", "(1 - exp(-softplus(m)))**g*softplus(m)", structure="softmax", g=2.0)
    value, gradient = paper.value_and_grad([[0.0, 40.0], [3.0, 0.0]], [1, 1])
    assert np.isfinite(gradient).all()
    p = 1 / (1 + np.exp(3))
    assert value == pytest.approx(-((1 - p) ** 2) * np.log(p) / 2, rel=1e-12)
    assert paper.facts.bounded_influence


@pytest.mark.parametrize(
    "formula",
    ["log(1 + r**2)", "exp(r) - 1", "1 - exp(-r**2/2)", "exp(r) - 1 - r", "log(exp(r) + exp(2*r))", "exp(r)/(1 + exp(r))",
     "log(1 + 2*exp(r))", "1/(1 + exp(r))**2", "3 - 2*sigmoid(r)", "log(r**2 + 4)", "sqrt(1 + 4*r**2) - 1"],
)  # fmt: skip
def test_rewriting_changes_no_value(formula: str) -> None:
    r = np.linspace(-5, 5, 41) + 0.01
    spelled = eval(
        formula,
        {"r": r, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sigmoid": lambda x: 1 / (1 + np.exp(-x))},
    )
    mine = ls.define("mine", formula)
    np.testing.assert_allclose(mine(r, 0 * r, reduction="none"), spelled, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "slopes"),
    [
        ("maximum(0.5 - r, 1/r)", (-1, 0)),
        ("maximum(-r, exp(1/r))", (-1, 0)),
        ("minimum(r + 3, 1/r**4)", (1, 0)),
        ("maximum(0, 1/r**3)**2", (0, 0)),
    ],
)
def test_what_is_infinite_and_not_chosen_leaves_no_trace(formula: str, slopes: tuple[float, float]) -> None:
    """Its slopes are not multiplied by 0, which would be NaN."""
    with np.errstate(all="ignore"):
        found = ls.define("mine", formula).value_grad_curvature(
            np.float32([-3.7e-39, -1e-30]), np.float32([0, 0]), reduction="none"
        )
    for slope, expected in zip(found[1:], slopes, strict=True):
        assert slope.tolist() == [expected, expected]


def test_choices_within_choices_have_their_slopes() -> None:
    """max(r, max(r, 2 r)) is 2 r above 0 and r below."""
    for formula in ("max(r, max(r, r + r))", "max(max(r, r + r), r)", "-min(-r, min(-r, -2*r))"):
        _, slope = ls.define("mine", formula).value_and_grad([3.0, -4.0], [0.0, 0.0], reduction="none")
        assert slope.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("formula", "true"),
    [
        ("r*(softplus(1/3) + 2*softplus(-1/3))", 1.9542500574015587),
        ("z*softplus(1)*sigmoid(z)", 0.9600712226463136),
        ("logaddexp(min(3 + r, 3*r), softplus(1/3))", 3.1126771513107685),
    ],
)
@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
def test_words_of_numbers_are_numbers(formula: str, true: float) -> None:
    """What is done for the words of a variable is not done twice, or halfway, for those of a number."""
    assert ls.define("mine", formula)([1.0], [0.0]) == pytest.approx(true, rel=1e-15)


@pytest.mark.parametrize(
    ("product", "without"),
    [
        (lambda a, b, at: a * (a * b + 3 * a), lambda a, b, at: b + 3),
        (lambda a, b, at: a * at(a * b), lambda a, b, at: at(b)),
        (lambda a, b, at: b * at(a * b) * a, lambda a, b, at: at(1)),
    ],
)
def test_two_signs_in_a_product_are_taken_out_one_by_one(product: Any, without: Any) -> None:
    z, y = symbol("z"), symbol("y")
    signs = sign(z), sign(y), lambda value: Piecewise((value, z < 1), (0, True))
    assert beside_kinks(product(*signs)) == without(*signs)


@pytest.mark.parametrize("formula", ["min(abs(r), 1)**2/2", "min(abs(r), 2)*(abs(r) - min(abs(r), 2)/2)"])
def test_a_square_of_a_size_is_bent_at_zero(formula: str) -> None:
    """Its slope has the sign of r twice, which is 1 on both sides."""
    loss = ls.define("mine", formula, strict=True)
    np.testing.assert_allclose(loss.value_grad_curvature(np.zeros(1), np.zeros(1), reduction="none")[2], 1.0)

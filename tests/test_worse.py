"""Where a form is worst is sought without the truth, and found where points drawn at random hardly are."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import losscope as ls
from losscope.entry import Parameter
from losscope.exactness.told import InexactWarning
from losscope.exactness.worse import Search

REAL = {"prediction": "real", "target": "real"}


def search(compute: Any, arguments: dict[str, str] = REAL, **parameters: Parameter) -> Search:
    known = {name: np.zeros(1, "float32") for name in (*arguments, *parameters)}
    return Search(compute, compute, arguments, parameters, "", known, seed=0)


def test_a_narrow_place_where_much_is_lost_is_found() -> None:
    """A thousandth of the range of one argument, and only where the other is beside it."""

    def compute(z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray]:
        spike = np.exp(-((np.log(np.abs(z) + 1e-30) - 7) ** 2) - (np.log(np.abs(y) + 1e-30) + 5) ** 2)
        lost = 1e4 * spike * np.finfo("float32").eps if z.dtype == np.float32 else 0
        return (np.ones_like(z) + np.asarray(lost).astype(z.dtype),)

    at = search(compute).found()
    assert (np.abs(np.log(np.abs(at["prediction"])) - 7) < 0.5).any()
    assert (np.abs(np.log(np.abs(at["target"])) + 5) < 0.5).any()


def test_what_moves_with_its_inputs_is_no_error() -> None:
    """Of exp(z) at a large z, its last places are those of z."""
    at = {"prediction": np.float32([50, -50, 80]), "target": np.float32([0, 0, 0])}

    def off_by(ulps: float) -> Any:
        return lambda z, y: (np.exp(z.astype("f8")) * (1 + (z.dtype == np.float32) * ulps * 1.2e-7),)

    for ulps, least, most in ((40, 0.4, 2), (4000, 40, 100)):  # of which 50 are due to z
        errors, ends = search(off_by(ulps)).judged(at)
        assert least < errors.min() <= errors.max() < most
        np.testing.assert_allclose(ends[:2], [np.exp([-50.0, 50.0, -80.0]), np.exp([50.0, -50.0, 80.0])])


def test_parameters_stay_where_they_are_drawn() -> None:
    found = search(lambda z, y, c: (z * (1 + 1e-6 * (z.dtype == np.float32)) * c,), c=Parameter(1.5)).found()
    assert found["c"].min() >= 1.5 / 32
    assert found["c"].max() <= 1.5 * 32


@pytest.mark.parametrize(
    "formula",
    [
        "where(c < r, y, z) + arctanh(r)",
        "where(z <= y, 0.5, z) - z**c",
        "unit(r**0.5, c**3)",
        "logaddexp(r**0.5, where(r > r, z, c))",
        "pow(pi, r)**c**c",
        "arccosh(z)/abs(r)",
        "xlog1py(arccosh(z), cos_arctan(z))",
    ],
)
def test_what_loses_its_digits_in_few_places_is_told(formula: str) -> None:
    """Each of these had been called exact: some thousand random points did not meet the places."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loss = ls.define(
            "mine", formula, **({"c": 1.5} if "c" in formula.replace("arc", "").replace("cos", "") else {})
        )
    told = [each for each in said if issubclass(each.category, InexactWarning)]
    assert len(told) == 1
    assert not loss.certificate.exact
    assert repr(pickle.loads(pickle.dumps(loss)).certificate) == repr(loss.certificate)
    assert loss.certificate.where() in str(told[0].message)


@pytest.mark.parametrize(
    ("formula", "target"),
    [
        ("(exp(r) + exp(-r))/2 - 1", "real"),
        ("exp(abs(r)) + exp(-abs(r)) - 2", "real"),
        ("(exp(r) - exp(-r))**2/4", "real"),
        ("(r - 1)*exp(r) + 1", "real"),
        ("exp(r**2) + exp(-r**2) - 2", "real"),
        ("tanh(r)*sinh(r)", "real"),
        ("exp(y*z) + exp(-y*z) - 2", "sign"),
        ("(exp(r) - 1)**2/exp(r)", "real"),
    ],
)
@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
def test_what_overflows_is_infinite_or_told(formula: str, target: str) -> None:
    """A form that keeps the digits of small numbers must not make infinity less infinity of large ones."""
    loss = ls.define("mine", formula, target=target)
    z = np.float32([95, 100, 110])
    results = loss.value_grad_curvature(z, np.float32([target == "sign"] * 3), reduction="none")
    small = loss(np.float32([1e-3]), np.float32([target == "sign"]))
    assert 0 < small < 1e-5
    if loss.certificate.exact:
        for each in results:
            assert np.isposinf(each[0])
            assert not np.isneginf(each).any()


@pytest.mark.parametrize(
    "formula",
    [
        "pow(where(c >= r, 1e-3, y), r**0.5 + r**0.5)",
        "pow(1*c, min(r, pi))",
        "pow(c**c, where(r <= 0.5, r, r))",
        "exp(r/1000)",
    ],
)
def test_where_a_value_overflows_a_derivative_may_too(formula: str) -> None:
    """Smaller by a factor, it might not have to."""
    loss = ls.define("mine", formula, **({"c": 1.5} if "c" in formula else {}))
    assert loss.certificate.exact


@pytest.mark.parametrize(
    ("formula", "parameters", "bent"),
    [
        ("abs(r)**p", {"p": 2.0}, 2),
        ("abs(r)**p/p", {"p": 2.0}, 1),
        ("(r**2)**q", {"q": 1.0}, 2),
        ("abs(r)**p", {"p": 1.0}, 0),
        ("(abs(r)/a)**b/b", {"a": 1.0, "b": 2.0}, 1),
        ("(abs(r)/a)**b - log(b/(2*a)) + lgamma(1/b)", {"a": 2.0, "b": 2.0}, 0.5),
        ("sqrt(abs(r))", {}, -np.inf),
        ("abs(r)**3", {}, 0),
        ("abs(r)**1.5", {}, np.inf),
        ("exp(-abs(r))", {}, 1),
    ],
)
@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
def test_at_zero_a_power_is_bent_as_beside_it(
    formula: str, parameters: dict[str, float], bent: float
) -> None:
    loss = ls.define("mine", formula, **parameters)
    value, gradient, curvature = loss.value_grad_curvature([3.0], [3.0], reduction="none")
    assert value == loss([1e-300], [0.0], reduction="none").round(9) or "lgamma" in formula
    assert gradient == 0
    assert curvature == bent
    beside = loss.value_grad_curvature([1e-12], [0.0], reduction="none")[2]
    assert beside == pytest.approx(bent, abs=1e-10) or np.isinf(bent)

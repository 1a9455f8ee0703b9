"""What is said of a formula: its certificate, a warning of four lines, a refusal; by Python and by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import torch

import losscope as ls
from conftest import fits
from losscope.catalogue import entries
from losscope.cli import main
from losscope.exactness.certificate import Certificate, Worst
from losscope.exactness.certify import certificate
from losscope.exactness.told import InexactWarning, message

HARD = "lgamma(z**2 + y + 1) - lgamma(y + 1) - r"
SIGN, POSITIVE = {"target": "sign"}, {"target": "positive", "prediction": "positive"}
ISSUE = {
    "exp(r)-r-1": {}, "r**2/(c**2+r**2)": {"c": 1.0}, "4*(sqrt(1+(r/2)**2)-1)": {}, "sqrt(r**2+1e-6)-1e-3": {},
    "r*log(r+sqrt(1+r**2))-sqrt(1+r**2)+1": {}, "(1-sigmoid(y*z)**0.7)/0.7": SIGN, "1-tanh(y*z)": SIGN,
    # A border below 0; what is left of 1 beside a label, of log(2), of the prediction without the residual.
    "r*exp(r)-exp(r)+1": {}, "(tanh(z)-y)**2": SIGN, "log(2)-log(1+exp(-y*z))": SIGN, "log(2)-log(1+sigmoid(y*z))": SIGN,
    "(y-z)**2/z": POSITIVE, "(y-z)**2/(y+z)": POSITIVE,
    # A quotient that overflows below a logarithm, or in sinh over cosh; a closed form by sines of an angle.
    "y/z-log(y/z)-1": POSITIVE, "2*(y*log(y/z)-y+z)": POSITIVE, "y*log(y/z)-y+z": {"target": "nonnegative", "prediction": "nonnegative"},
    "xlogy(y,y/z)-y+z": POSITIVE, "exp(z)-y*z+y*log(y)-y": {"target": "count"}, "1-1/cosh(r/s)": {"s": 1.0}, "r*atan(r/c)": {"c": 0.1},
    # A rounding of 1 - e decides one of several comparisons; a parameter is drawn with the sign that it has.
    "-min(z*y, min(max(z,1-e),1+e)*y)": {"e": 0.2}, "sqrt(r**2+mu**2)-mu": {"mu": 0.01},
}  # fmt: skip


@pytest.mark.parametrize("formula", ISSUE)
def test_what_was_silent_is_exact(formula: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = ls.define("mine", formula, strict=True, **ISSUE[formula])
    assert loss.certificate.exact
    assert str(loss.certificate).startswith("exact to ")


def test_it_is_never_below_zero_where_the_truth_is_not() -> None:
    loss = ls.define("mine", "exp(r)-r-1")
    for dtype in (np.float32, np.float64):
        r = np.array([1e-6, -1e-6, 1e-12], dtype)
        np.testing.assert_allclose(loss(r, 0 * r, reduction="none"), r.astype("f8") ** 2 / 2, rtol=2e-6)
    welsch = ls.define("mine", "r**2/(c**2+r**2)", c=1.0)
    value, gradient = welsch.value_and_grad(np.float32([1e5, 1e25]), np.zeros(2, "f4"), reduction="none")
    np.testing.assert_array_equal(value, 1)
    np.testing.assert_allclose(gradient, [2e-15, 0], rtol=1e-6)


def test_a_warning_has_four_lines_and_a_caret_under_the_term() -> None:
    with pytest.warns(InexactWarning) as said:
        loss = ls.define("mine", "log(1 + erf(r)) + r**2 + r")
    (message,) = [str(each.message) for each in said]
    formula, caret, point, advice = message.splitlines()
    assert formula == "log(1 + erf(r)) + r**2 + r"
    assert caret.lstrip().startswith("^ ")
    assert formula[caret.index("^") :].startswith("1 + erf(r)")  # which cancels
    assert "at prediction = " in point
    assert ", true " in point
    assert advice
    assert not loss.certificate.exact
    assert str(loss.certificate).startswith("not exact: at prediction = ")


def test_terms_that_cancel_are_named() -> None:
    with pytest.warns(InexactWarning) as said:
        ls.define("mine", "lgamma(abs(r) + 3) - lgamma(abs(r) + 2) - log(abs(r) + 2) + r**2", strict=False)
    _, caret, _, _ = str(said[0].message).splitlines()
    assert caret.endswith("the terms cancel")


PAIRS = [
    (loss, activation)
    for loss in ls.losses()
    for activation in ls.activations()
    if fits(ls.get(loss), activation)
]


@pytest.mark.parametrize(("loss", "activation"), PAIRS)
def test_a_loss_through_an_activation_is_exact_or_told(loss: str, activation: str) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        whole = ls.get(f"{loss}@{activation}")
        assert not said
        whole([0.5], [1.0])
        whole([0.5], [1.0])
        assert len(said) <= 1
        again = ls.get(f"{loss}@{activation}")
        again(torch.tensor([[0.5]]), torch.tensor([[1.0]]))
        again(torch.tensor([[0.5]]), torch.tensor([[1.0]]))
    assert len(said) == 2 * (not whole.certificate.exact)
    for each in said:
        assert each.filename == __file__
        assert len(str(each.message).splitlines()) == 4


@pytest.mark.parametrize("name", [
    "hinge@tanh", "squared_hinge@tanh", "huber@sigmoid", "smooth_l1@sigmoid", "mse@sigmoid", "mse@tanh", "mse@softplus",
    "mse@exp", "mae@sigmoid", "zero_one@sigmoid", "zero_one@softplus", "hinge@relu", "soft_margin@tanh",
])  # fmt: skip
def test_what_people_put_through_an_activation_is_exact(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ls.get(name).certificate.exact


def test_what_is_left_of_a_saturated_score_is_kept() -> None:
    score = np.float32([20, -20, 40])
    value, gradient = ls.get("hinge@tanh").value_and_grad(score, np.float32([1, -1, 1]), reduction="none")
    np.testing.assert_allclose(value, 2 * np.exp([-40, -40, -80.0]), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-4 * np.exp(-40), 4 * np.exp(-40), -4 * np.exp(-80)], rtol=1e-6)


def test_a_place_of_ordinary_numbers_is_told_where_there_is_one() -> None:
    with pytest.warns(InexactWarning) as told:
        loss = ls.define("mine", "(1 - cos(pi*r/2))*2/pi + c*r**2", c=0.125)
    at = dict(loss.certificate.worst.at)
    assert at.pop("c") == 0.125
    assert all(1e-3 <= abs(x) <= 1e3 or x == 0 for x in at.values())
    assert loss.certificate.where() in str(told[0].message)


def test_numbers_of_many_zeros_are_written_with_their_exponent() -> None:
    with pytest.warns(InexactWarning) as told:
        loss = ls.define("mine", "y/z - log(y/z) - 1")
    assert "000000" not in str(told[0].message)
    assert "000000" not in "".join(loss.certificate.forms)


@pytest.mark.parametrize(
    "formula", ["tanh(1e154*r)", "asinh(1e155*r)", "hypot(1e200*r, 1)", "log1p(1e170*abs(r))", "tanh(c*r)"]
)
def test_constants_whose_squares_no_double_holds_are_told(formula: str) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ls.define("mine", formula, **({"c": 1e200} if "c*" in formula else {}))
    assert [each.category for each in said] == [InexactWarning]
    assert "-0," not in str(said[0].message)


def test_a_term_that_is_less_than_any_double_is_no_division_by_zero() -> None:
    entry = ls.define("mine", "1 - tanh(z)").entry
    there = Worst(9.0, 0, "float64", {"prediction": 800.0}, 1e-300, 0.0)
    assert "the terms cancel" in message(entry, Certificate(there, 1))


def test_strict_is_an_error_that_says_the_same() -> None:
    with pytest.raises(ls.LossError, match="mine is not exact") as caught:
        ls.define("mine", HARD, strict=True)
    assert HARD in str(caught.value)


def test_a_formula_is_examined_once() -> None:
    loss = ls.define("mine", "exp(1.25*r) - 1.25*r - 1")
    start = time.process_time()
    for _ in range(20):
        again = ls.define("mine", "exp(1.25*r) - 1.25*r - 1")
    assert time.process_time() - start < 1
    assert again == loss
    assert again.certificate == loss.certificate


def test_a_parameter_that_must_be_positive_is_refused_where_it_is_not() -> None:
    loss = ls.define("mine", "sqrt(r**2 + c**2) - c", c=0.5)
    assert loss.certificate.exact
    for c in (0.5, 2.0):
        assert loss([3.0], [0.0], c=c) == pytest.approx(np.hypot(3, c) - c, rel=1e-15)
    if "c" in {name for name, each in loss.entry.parameters.items() if each.domain.name == "positive"}:
        with pytest.raises(ls.LossError, match="more than 0"):
            loss([3.0], [0.0], c=-2.0)
    else:
        assert loss([3.0], [0.0], c=-2.0) == pytest.approx(np.hypot(3, 2) + 2, rel=1e-15)


def test_what_an_activation_makes_of_a_formula_is_told() -> None:
    loss = ls.define("mine", "exp(r) - r - 1")
    with pytest.warns(InexactWarning, match="through sigmoid") as said:
        assert not loss.through("sigmoid").certificate.exact  # exp overflows for targets that no sigmoid has
    assert len(str(said[0].message).splitlines()) == 4


@pytest.mark.parametrize("name", [name for name, entry in entries().items() if entry.structure != "distance"])
def test_every_entry_has_a_certificate(name: str) -> None:
    found = certificate(entries()[name])
    assert found.points >= 4096
    assert found.exact, found


def test_it_is_told_by_show_help_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert "exact to " in ls.huber.facts.exactness
    assert "Exactness:   exact to " in (ls.huber.__doc__ or "")
    assert main(["show", "huber"]) == 0
    assert "exact to" in capsys.readouterr().out
    assert main(["show", "huber", "--json"]) == 0
    assert "exact to" in json.loads(capsys.readouterr().out)[0]["facts"]["exactness"]


def test_the_form_of_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["form", "exp(r) - r - 1"]) == 0
    shown = capsys.readouterr().out
    assert "expm1mx(r)" in shown
    assert "not exact: at prediction" in shown
    assert "exact to" in shown
    assert main(["form", "r**2/(r**2 + c**2)", "c=1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exact"]
    assert not found["same"]
    assert found["before"]["exactness"].startswith("not exact")
    assert main(["form", "r**2"]) == 0
    assert "Nothing is rewritten" in capsys.readouterr().out
    assert main(["form", "r**2*c", "c"]) == 2
    assert "name=number" in capsys.readouterr().err
    assert main(["form", "r**2 + foo"]) == 2
    assert "Unknown name" in capsys.readouterr().err


SILLY = {
    "factors of abs": "*".join(f"abs(r - {i})" for i in range(150)), "factors of max": "*".join(f"max(r, {i})" for i in range(60)),
    "factors of sigmoid": "*".join(f"sigmoid({i + 1}*r)" for i in range(150)), "a comparison of constants": "where(1 < softplus(1), r, 0)",
    "another": "where(0 < softplus(1), r, 0)", "a third": "where(1 < maximum(1, 2), r, 0)", "a root": "where(sqrt(log(0.5)) < r, r, 0)",
    "a power of -1": "(-1)**r", "a power of 0": "0**r", "by zero": "r/0", "by zero, in words": "xdivy(r, 0)", "a surrogate": "r*\ud800",
    "deep comparisons": "r", "log of 0": "log(0)*r", "beyond a double": "gamma(1000)*r",
}  # fmt: skip
for _i in range(8):
    SILLY["deep comparisons"] = f"where({SILLY['deep comparisons']} < {_i}, r, {_i})"
TAKEN = ("a comparison of constants", "another", "a third")  # which of them are formulas
LIMITED = """
import resource, sys, time, warnings
import losscope as ls
ls.define("mine", "r**2")
warnings.simplefilter("ignore")
start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    ls.define("mine", sys.argv[1].encode().decode("unicode_escape"))
except ls.LossError:
    pass
print(time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("kind", SILLY)
def test_silly_text_is_answered_when_it_is_defined(kind: str) -> None:
    if kind in TAKEN:
        assert ls.define("mine", SILLY[kind]).certificate.exact
        return
    with pytest.raises(ls.LossError) as caught:
        ls.define("mine", SILLY[kind])
    assert len(str(caught.value)) < 3 * len(SILLY[kind]) + 500


def test_silly_text_takes_neither_time_nor_memory() -> None:
    for kind in ("factors of abs", "deep comparisons", "by zero, in words"):
        written = SILLY[kind].encode("unicode_escape").decode()
        seconds, megabytes = map(float, subprocess.run([sys.executable, "-c", LIMITED, written], capture_output=True, text=True, check=True).stdout.split())  # fmt: skip
        assert seconds < 1
        assert megabytes < 200


def test_a_loss_is_certified_as_it_was_when_it_was_defined() -> None:
    """Where the formula has no value (log of a negative number) there is nothing that a form could be held against."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loss = ls.define("mine", "(log(1 + z) - log(1 + y))**2")
    assert loss.certificate.exact == (not said)


def test_the_point_where_it_is_off_shows_by_how_much() -> None:
    """In so many digits that what is computed and what is true differ."""
    found = Certificate(Worst(9.0, 0, "float64", {"prediction": 1.0}, 4.2134801, 4.2134802), 4096)
    assert found.where().endswith("the value is 4.2134801 in float64, true 4.2134802")

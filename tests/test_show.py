"""`losscope show`: the formula as people write it is the loss, and what is said of it is so."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import losscope as ls
from conftest import ALL
from losscope.cli import main
from losscope.cli.form import _print as print_forms
from losscope.cli.form import forms
from losscope.cli.show import _print
from losscope.emit.by_hand import by_hand
from losscope.kernels.reference import along

ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "exp")
BEHIND = [f"{loss}@{each}" for loss in ("mse", "mae", "huber", "smooth_l1:beta=0.5") for each in ACTIVATIONS]
ONE_NUMBER = [name for name in ALL if ls.get(name).structure in ("elementwise", "activation")]
NAMES = {name: getattr(np, name) for name in ("where", "exp", "log", "sqrt", "abs", "sign", "tanh", "cosh")} | {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.log(1 + np.exp(x)),
    "relu": lambda x: np.maximum(x, 0), "sech": lambda x: 1 / np.cosh(x), "log1pmx": lambda x: np.log1p(x) - x,
    "xlogy": lambda x, y: x * np.log(y), "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip


def shown(name: str, width: int = 80) -> str:
    file = io.StringIO()
    _print(Console(width=width, file=file, force_terminal=True, color_system=None), ls.get(name), False)
    return file.getvalue()


@pytest.mark.parametrize("name", [*ONE_NUMBER, *BEHIND, "bce_of_probability@sigmoid"])
def test_the_formula_by_hand_is_the_loss(name: str) -> None:
    loss, forms = ls.get(name), by_hand(ls.get(name))
    probability = loss.entry.prediction.name in ("probability", "nonnegative") and loss.activation is None
    z = np.array([0.05, 0.3, 0.6, 0.9]) if probability else np.array([-2.1, -0.4, 0.3, 1.7])
    compared = 0
    for target in (1.0, -1.0) if loss.entry.target.name == "sign" else (1.0, 0.25):
        if loss.entry.target.excludes(target):
            continue
        try:
            truth = along(loss, z, target)
        except ls.LossError:
            continue
        names = {
            **NAMES,
            **loss.parameters,
            "prediction": z,
            "target": target,
            "r": z - target,
            "z": z,
            "y": target,
        }
        if found := re.search(r"\ba = (\w+)\(z\)", forms.get("with", "")):
            names["a"] = NAMES[found[1]](z)
        if loss._derived.residual is None or loss._derived.of_residual_alone or "z" in forms.get("with", ""):
            for order, form in enumerate(("value", "gradient", "curvature")):
                number = eval(forms[form], {"__builtins__": {}}, names) + 0 * z
                np.testing.assert_allclose(number, truth[order], rtol=1e-9, atol=1e-12, err_msg=forms[form])
                compared += 1
    assert compared or loss.entry.over == "rows"


@pytest.mark.parametrize("name", [name for name in ALL if ls.get(name).structure == "softmax"])
def test_the_formula_of_rows_by_hand_is_the_loss(name: str) -> None:
    loss, forms = ls.get(name), by_hand(ls.get(name))
    z, k = np.array([0.3, -1.2, 2.0]), 0
    value, gradient = loss.value_and_grad(z[None], [k])
    softmax = np.exp(z) / np.exp(z).sum()
    p = softmax[k]
    names = {**NAMES, **loss.parameters, "p": p, "softmax": lambda _: softmax, "onehot": lambda _: np.eye(3)[k], "z": z,
             "k": k, "softmax_k": p, "margin": math.log((1 - p) / p)}  # fmt: skip
    of = {form: text.replace("softmax(z)_k", "softmax_k") for form, text in forms.items()}
    assert eval(of["value"], {}, names) == pytest.approx(float(value), rel=1e-12)
    if "onehot" in of["gradient"]:
        np.testing.assert_allclose(eval(of["gradient"], {}, names), gradient[0], rtol=1e-9)


def test_what_people_write_comes_first() -> None:
    first = {
        "bce": "gradient        sigmoid(z) - y", "cross_entropy": "gradient        softmax(z) - onehot(k)",
        "sigmoid": "gradient        a*(1 - a)", "mse@sigmoid": "gradient        2*a*(1 - a)*(a - y)",
    }  # fmt: skip
    for name, line in first.items():
        text = shown(name)
        assert line in text
        assert text.index(line) < text.index("computed as")
    assert "-log(softmax(z)_k)" in shown("cross_entropy")
    assert "\nwith\n" not in shown("soft_margin")
    assert "computed as" not in shown("huber"), "it is computed as it is written"


def test_slopes_are_over_targets_that_can_occur() -> None:
    assert "steepest slope  0.296296\n" in shown("mse@sigmoid")
    assert ls.get("mse@sigmoid").facts.lipschitz == pytest.approx(8 / 27, rel=1e-5)
    # 2 (a + 1)^2 (1 - a) is steepest at a = 1/3, for a target of -1
    assert ls.get("mse@tanh").facts.lipschitz == pytest.approx(2 * (16 / 9) * (2 / 3), rel=1e-5)


def test_a_loss_that_jumps_says_so() -> None:
    assert ls.zero_one.facts.jumps == (0.0,)
    assert "jumps           0: the loss itself jumps there" in shown("zero_one")
    assert "the slope is continuous" not in shown("zero_one")
    steps = ls.define("steps", "where(r > 1.5, 3, where(r > -0.5, 1, 0))")
    assert steps.facts.jumps == (-0.5, 1.5)
    assert not steps.facts.smooth
    for name in ALL:
        assert (ls.get(name).facts.jumps != ()) == (name == "zero_one"), name


@pytest.mark.parametrize("name", [name for name in ALL if ls.get(name).structure == "activation"])
def test_an_activation_is_not_called_a_loss(name: str) -> None:
    text = shown(name)
    assert "influence" not in text
    assert "convex" not in text
    assert not re.search(r"\bloss\b", text.split("source")[0])


@pytest.mark.parametrize(
    ("formula", "parameters"), [("r**2/2", {}), ("r**2/(r**2 + scale**2)", {"scale": 1.0})]
)
def test_a_form_is_no_wider_than_the_terminal(formula: str, parameters: dict[str, float]) -> None:
    found = forms(formula, parameters)
    narrow, file = io.StringIO(), io.StringIO()
    for out, width in ((narrow, 40), (file, 4000)):
        print_forms(
            Console(width=width, file=out, force_terminal=True, color_system=None),
            {**found, "refused": ["c"] * 9},
        )
    assert max(map(len, narrow.getvalue().splitlines())) <= 40
    assert "".join(narrow.getvalue().split()) == "".join(file.getvalue().split())


@pytest.mark.parametrize("width", [30, 50, 80])
@pytest.mark.parametrize("name", ["focal", "mse@sigmoid", "kl_divergence", "contrastive"])
def test_nothing_breaks_inside_a_word(name: str, width: int) -> None:
    lines = shown(name, width).splitlines()
    whole = {word for line in shown(name, 10_000).splitlines() for word in re.findall(r"[\w.]+", line)}
    assert {word for line in lines for word in re.findall(r"[\w.]+", line)} <= whole
    assert all(len(line) <= width or " " not in line.strip() for line in lines)


def test_json_has_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "bce", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["by_hand"]["gradient"] == "sigmoid(z) - y"
    assert found["gradient"].startswith("(1 - target)*sigmoid(prediction)")


# --- odd arguments, and nowhere to write to


@pytest.mark.parametrize("name", ALL)
def test_a_picture_of_no_numbers_is_refused(name: str) -> None:
    loss = ls.get(name)
    for span in (
        (1,),
        (1, 2, 3),
        5,
        None,
        ("a", "b"),
        (math.nan, 1),
        (0, math.inf),
        (1, 0),
        (-1e308, 1e308),
        (0, 10**400),
    ):
        with pytest.raises(ls.LossError, match="range of the axis"):
            loss.plot(span)
    for target in (math.nan, math.inf, "x", [1], 1j, 10**400):
        with pytest.raises(ls.LossError, match="finite"):
            loss.plot(target=target)
    for order in (3, -1, None, "0", [0]):
        with pytest.raises(ls.LossError, match="no such derivative"):
            loss.latex(order)


@pytest.mark.parametrize("span", [(-3.0, 3.0), (-1e300, 1e300), (1e-320, 2e-320)])
@pytest.mark.parametrize("name", ALL)
def test_a_picture_says_nothing_of_its_own_arithmetic(name: str, span: tuple[float, float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ls.get(name).plot(span).panels) == 3


def test_a_loss_says_what_it_was_given() -> None:
    """An option is looked at when the loss is called."""
    for given in (math.nan, math.inf, -math.inf):
        assert repr(ls.cross_entropy.bind(label_smoothing=given)).endswith(f"label_smoothing={given}>")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full disk at hand")
@pytest.mark.parametrize("command", ["list", "show huber", "form r**2", "study", "plot huber", "--help"])
def test_a_full_disk_is_one_line(command: str, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        arguments = [sys.executable, "-m", "losscope", *command.split()]
        ended = subprocess.run(
            arguments, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=120
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("losscope: ")
    assert ended.stderr.count("\n") == 1
    assert "standard output cannot be written to. Got: No space left" in ended.stderr

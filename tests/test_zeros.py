"""A formula with y log(z) in it, as people write it, has its limit at labels of 0 and 1, and is elsewhere as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import losscope as ls
from losscope.derive import derive
from losscope.emit.python import function
from losscope.kernels.reference import NAMESPACE

SHARE = {"target": "probability", "prediction": "probability"}
WRITTEN = {
    "-y*log(z) - (1 - y)*log(1 - z)": "bce_of_probability",
    "-(y*log(z) + (1 - y)*log(1 - z))": "bce_of_probability",
    "-y*log(z) - (1 - y)*log1p(-z)": "bce_of_probability",
    "-y*log(z)": "cross_entropy_of_probability",
}
HARD = np.array([(z, y) for y in (0.0, 1.0) for z in (0.0, 0.25, 1.0) if abs(z - y) < 1])


def by_the_catalogue(name: str, z: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    if name == "cross_entropy_of_probability":  # a row of probabilities, of which this is one term
        with np.errstate(all="ignore"):
            slope = np.where(y == 0, 0, -y / z)
            return [np.where(y == 0, 0, -y * np.log(z)), slope, np.where(y == 0, 0, -slope / z)]
    return list(ls.get(name).value_grad_curvature(z, y, reduction="none"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", WRITTEN)
def test_at_hard_labels_it_has_its_limit(formula: str, dtype: str) -> None:
    loss = ls.define("mine", formula, **SHARE)
    z, y = HARD.astype(dtype).T
    expected = by_the_catalogue(WRITTEN[formula], z, y)
    found = loss.value_grad_curvature(z, y, reduction="none")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    a = torch.from_numpy(z.copy()).requires_grad_()
    loss(a, torch.from_numpy(y.copy()), reduction="sum").backward()
    np.testing.assert_allclose(a.grad.numpy(), expected[1], rtol=1e-6)
    second = torch.func.hessian(lambda z: loss(z, torch.from_numpy(y.copy()), reduction="sum"))(a.detach())
    np.testing.assert_allclose(second.diag().numpy(), expected[2], rtol=1e-6)


@pytest.mark.parametrize(
    "formula", ["y*log(y/z)", "y*log(y) - y*log(z)", "y*(log(y) - log(z))", "y*log(y/z) + z - y"]
)
def test_a_divergence_of_nothing_is_what_is_left(formula: str) -> None:
    loss = ls.define("mine", formula, target="nonnegative", prediction="positive")
    left = 0.5 if formula.endswith("y") else 0.0
    assert loss([0.5], [0.0]) == left
    assert loss.value_grad_curvature([0.5], [0.0])[1] == [1.0 if left else 0.0]
    assert not np.isnan(loss([1e-30, 0.5, 2.0], [0.0, 0.25, 0.0]))


@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
@pytest.mark.parametrize(
    "formula", ["y*(log(y) - log(z))", "y*(log(y) - log(z)) + (1 - y)*(log(1 - y) - log(1 - z))"]
)
def test_nothing_against_nothing_is_nothing(formula: str) -> None:
    loss = ls.define("mine", formula, **SHARE)
    assert loss([0.0, 1.0], [0.0, 1.0], reduction="none").tolist() == [0, 0]
    value, gradient = loss.value_and_grad([0.0], [0.0])
    assert value == 0
    assert gradient == [float("1 - y" in formula)]  # the other side's (1 - y)/(1 - z)


@pytest.mark.parametrize("formula", [*WRITTEN, "y*log(y/z) + (1 - y)*log((1 - y)/(1 - z))"])
@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
def test_between_them_it_is_the_same_arithmetic(formula: str) -> None:
    derived = derive(ls.define("mine", formula, **SHARE).entry)
    assert derived.zeros
    z, y = np.random.default_rng(0).uniform(0, 1, (2, 1000))
    for expression in (derived.value, derived.gradient, derived.curvature):
        found = []
        for zeros in ((), derived.zeros):
            namespace = dict(NAMESPACE)
            exec(
                function("f", ["prediction", "target"], [], [expression], derived.residual, zeros=zeros),
                namespace,
            )
            found.append(namespace["f"](z, y))
        np.testing.assert_allclose(found[0], found[1], rtol=4e-16, atol=2e-17)


@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
@pytest.mark.parametrize(
    ("formula", "at_0", "at_1"),
    [
        ("-w*y*log(z) - v*(1 - y)*log(1 - z)", ["v", "v"], ["-w", "w"]),
        ("-(w*y*log(z) + (1 - y)*log(1 - z))*v", ["v", "v"], ["-w*v", "w*v"]),
        ("-(1 - w)*y*log(z)/v - w*(1 - y)*log(1 - z)", ["w", "w"], ["(w - 1)/v", "(1 - w)/v"]),
    ],
)
def test_parameters_take_no_limit_away(formula: str, at_0: list[str], at_1: list[str]) -> None:
    weights = {"w": 0.25, "v": 2.0}
    loss = ls.define("mine", formula, target="label", prediction="probability", **weights)
    value, *slopes = loss.value_grad_curvature([0.0, 1.0], [0.0, 1.0], reduction="none")
    assert value.tolist() == [0, 0]
    for order in range(2):
        assert slopes[order].tolist() == [eval(each[order], {}, dict(weights)) for each in (at_0, at_1)]


def test_a_real_target_is_no_share() -> None:
    """Of numbers below 0 there is no logarithm, and a formula that has one keeps its NaN."""
    assert np.isnan(ls.define("mine", "y*log(z**2) + r**2")([0.0], [0.0]))


@pytest.mark.parametrize("target", ["label", "probability"])
@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
def test_both_parts_of_a_divergence_have_their_limits(target: str) -> None:
    """However they are rewritten: the truth has them, too."""
    loss = ls.define(
        "mine", "y*log(y/z) + (1 - y)*log((1 - y)/(1 - z))", target=target, prediction="probability"
    )
    z, y = np.array([0.3, 0.3, 1e-7, 0.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(
        loss(z, y, reduction="none"), [-np.log(0.3), -np.log(0.7), -np.log(1e-7), 0, 0], rtol=1e-12
    )


@pytest.mark.parametrize("formula", ["softplus(z) - y*z", "log(1 + exp(z)) - y*z"])
def test_of_a_certain_label_nothing_is_lost_in_a_difference(formula: str) -> None:
    """A label of 1 is 1: no last place of it excuses an error."""
    loss = ls.define("mine", formula, target="label", strict=True)
    for dtype, z in (("float32", [5.0, 20.0, 60.0]), ("float64", [5.0, 40.0, 300.0])):
        x = np.array(z, dtype)
        for one, other in zip(
            loss.value_grad_curvature(x, np.ones_like(x), reduction="none"),
            ls.bce.value_grad_curvature(x, np.ones_like(x), reduction="none"),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, rtol=8 * np.finfo(dtype).eps)


def test_through_a_leaky_relu_a_confident_score_keeps_its_gradient() -> None:
    x = np.array([5.0, 20.0, 60.0], "float32")
    found = ls.get("binary_cross_entropy@leaky_relu").value_and_grad(x, np.ones_like(x), reduction="none")
    for one, other in zip(found, ls.bce.value_and_grad(x, np.ones_like(x), reduction="none"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)

"""Sums over both sides of a sigmoid are gathered, and gathered they are the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import losscope as ls
from losscope.emit.two_sided import two_sided, two_sided_sigmoid, two_sided_softplus
from losscope.expression import symbol
from losscope.expression.exponential import sigmoid, softplus
from losscope.kernels import reference
from losscope.parse import parse

NAMES = {name: symbol(name) for name in "xyzw"}


def spread_out(expression):
    """The gathered sums written out again."""
    expression = expression.replace(
        two_sided_softplus, lambda x, a, b, both: a * softplus(x) + b * softplus(-x) + (both - a - b)
    )
    return expression.replace(two_sided_sigmoid, lambda x, a, b: a * sigmoid(x) - b * sigmoid(-x))


@pytest.mark.parametrize(
    ("formula", "gathered"),
    [
        ("y*softplus(-z) + (1 - y)*softplus(z)", 1),
        ("w + y*softplus(-z) + (1 - y)*softplus(z)", 1),
        ("y*softplus(x - z) + (3 - y)*softplus(z - x)", 1),
        ("softplus(z) - softplus(-z)", 0),  # z
        ("w*y*softplus(-z) + (1 - y)*softplus(z)", 0),  # w*y + 1 - y may cancel
        ("y*softplus(-z) + (1 - y)*softplus(2*z)", 0),
        ("(1 - y)*sigmoid(z) - w*y*sigmoid(-z)", 1),
        ("sigmoid(x)*sigmoid(-x)*y + sigmoid(x)", 0),
        ("sigmoid(x) + sigmoid(-x) + sigmoid(z) - w*sigmoid(-z)", 2),
        ("exp(y*softplus(-z) + (1 - y)*softplus(z))*(sigmoid(z) - sigmoid(-z))", 2),
    ],
)
def test_what_is_gathered(formula, gathered):
    expression = parse(formula, NAMES)
    result = two_sided(expression)
    assert len(result.atoms(two_sided_softplus, two_sided_sigmoid)) == gathered
    if formula == "softplus(z) - softplus(-z)":
        assert result == NAMES["z"]
    else:
        assert (spread_out(result) - expression).expand() == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["binary_cross_entropy", "weighted_binary_cross_entropy"])
def test_at_zero_and_at_infinity(name, dtype):
    """Neither side is lost where they meet, or where one of them is 0 or infinite."""
    loss = ls.get(name)
    ends = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 800.0, -800.0]
    z, y = (each.ravel().astype(dtype) for each in np.meshgrid(ends, [0.0, -0.0, 0.25, 1.0, np.nan]))
    expected = reference.evaluate(loss, z, y)
    for results in (
        loss.value_grad_curvature(z, y, reduction="none"),
        loss.value_and_grad(z, y, reduction="none"),
    ):
        for found, true in zip(results, expected, strict=False):
            np.testing.assert_allclose(found, true.astype(dtype), rtol=4 * np.finfo(dtype).eps)

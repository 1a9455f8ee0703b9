"""Numbers of every size that float32 holds, the smallest and the largest too: what it makes of them is what float64 does,
which is far from its own ends there."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import losscope as ls
from losscope.torch import functional as F
from test_infinity import ENTRIES

SINGLE = np.finfo("float32")
SIZES = [0, 3 * SINGLE.smallest_subnormal, SINGLE.tiny, 1e-30, 1e-19, 1e-10, 1e-4, 0.3, 0.5, 1, 2, 30, 80, 1e4, 1e10, 1e19, 1e30, SINGLE.max]  # fmt: skip
UNIT = [*SIZES[:9], 1 - SINGLE.epsneg, 1]
BOTH = SIZES + [-each for each in SIZES]
NUMBERS = {
    "sign": [-1, 1], "label": [0, 1], "count": [0, 1e-30, 0.5, 3, 1e10], "probability": UNIT, "nonnegative": SIZES,
    "positive": SIZES[1:], "real": BOTH,
}  # fmt: skip


def domain(entry: Any) -> list[tuple[float, float]]:
    targets = [0.0] if entry.structure == "activation" else NUMBERS[entry.target.name]
    pairs = product(NUMBERS[entry.prediction.name], targets)
    if entry.name == "kl_divergence_of_logs":  # of which the target is the logarithm of a probability
        return [pair for pair in pairs if pair[1] <= 0]
    return list(pairs)


def compare(loss: ls.Loss, pairs: list[tuple[float, float]], **parameters: float) -> None:
    x, y = np.array(pairs, "float32").T
    if loss.entry.over == "rows":
        x, y = x[:, None], y[:, None]
    given = (x,) if loss.structure == "activation" else (x, y)
    found = loss.value_grad_curvature(*given, reduction="none", **parameters)
    expected = loss.value_grad_curvature(
        *(e.astype("float64") for e in given), reduction="none", **parameters
    )
    for order, (one, other) in enumerate(zip(found, expected, strict=True)):
        one, other = np.ravel(one).astype("float64"), np.ravel(other)
        assert len(one) == len(pairs)
        assert not np.isnan(other).any()
        too_large = np.abs(other) > SINGLE.max / 2**10  # a part of it, if not the whole, has no float32
        # Within the unit of the terms, which are near 1 where the result cancels: 1e-6; kinks fall on either side.
        wrong = ~too_large & ~(np.abs(one - other) <= 1e-5 * np.abs(other) + 1e-6)
        wrong |= too_large & ~((np.abs(one) > SINGLE.max / 2**11) & (np.sign(one) == np.sign(other)))
        if order == 2 and loss.name in KINKED:
            wrong &= np.isnan(one)
        assert not wrong.any(), [(order, *pairs[i], one[i], other[i]) for i in np.flatnonzero(wrong)[:5]]


KINKED = ("huber", "smooth_l1")  # 1 - 1e-10 is 1 in float32, which is the kink
# Of rates, which have no meaning below 0. 1 + 1e-8 is 1 in float32, and a count of 1e10 makes 100 of the difference.
RATES = ("poisson_of_rate", "poisson_of_rate_full")


@pytest.mark.parametrize("name", [name for name in ENTRIES if name != "binary_focal"])
def test_float32_is_right_at_all_of_its_sizes(name: str) -> None:
    pairs = domain(ENTRIES[name])
    if name in RATES:
        pairs = [pair for pair in pairs if pair[0] >= 0 and pair[1] < 1e10]
    assert len(pairs) >= 10
    compare(ls.Loss(ENTRIES[name]), pairs)


@pytest.mark.parametrize("delta", [1e-30, 1e-10, 1e4, 1e10, 1e19, 1e30, 3e38])
def test_pseudo_huber_is_right_for_a_delta_of_any_size(delta: float) -> None:
    compare(ls.pseudo_huber, [(x, 0.0) for x in BOTH], delta=float(np.float32(delta)))
    tiny, zero = np.float32([1e-30, 1e-19]), np.zeros(2, "float32")  # which 1e-6 is nothing beside
    value, slope = ls.pseudo_huber.value_and_grad(tiny, zero, delta=max(delta, 1), reduction="none")
    assert_allclose(slope, tiny, rtol=1e-6)
    assert_allclose(value[1], tiny[1] ** 2 / 2, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0, 0.25, 0.5, 1, 1.5, 2, 3])
def test_a_focal_loss_is_right_for_labels_of_all_sizes(gamma: float) -> None:
    """Of a soft label below 1e-19, p_t^(gamma - 2) is beyond float32."""
    compare(ls.binary_focal, domain(ls.binary_focal.entry), gamma=gamma)
    assert ls.binary_focal.certificate.exact


def test_a_share_that_is_next_to_nothing_has_a_divergence() -> None:
    """A softmax in float32 makes such shares, and their quotients are infinite."""
    target, prediction = np.float32([[1e-45, 0.5, 0.5]]), np.float32([[0.5, 1e-45, 0.5]])
    value, gradient = ls.kl_divergence.value_and_grad(prediction, target)
    assert_allclose(value, 0.5 * np.log(0.5 / float(prediction[0, 1])), rtol=1e-6)
    assert_allclose(gradient, [[1, -np.inf, 0]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_its_slope_is_bounded_binary_cross_entropy_is_pytorchs(dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    near = torch.tensor([0, 1e-40, 1e-20, 1e-13, 1 - eps / 2, 1], dtype=dtype)
    p, y = (each.reshape(-1) for each in torch.meshgrid(near, near, indexing="ij"))
    slopes = []
    for function in (F.binary_cross_entropy, torch.nn.functional.binary_cross_entropy):
        x = p.clone().requires_grad_()
        function(x, y, reduction="sum").backward()
        slopes.append(x.grad)
    assert_allclose(*slopes, rtol=1e-6)

"""At infinite inputs every loss has its limit: value, gradient and curvature, by every path.

The limit is read off numbers that grow (the formula in float64, by the book). Infinity against infinity has none, and
is NaN.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy import inf, nan
from numpy.testing import assert_allclose, assert_array_equal

import losscope as ls
from conftest import ACTIVATIONS, DISTANCE, ELEMENTWISE, SOFTMAX, fits
from losscope.kernels import reference
from losscope.torch import functional as F
from losscope.torch.elementwise import Pointwise

STRICT = sorted(
    (each.entry for each in vars(F).values() if isinstance(each, Pointwise)), key=lambda e: e.name
)
ENTRIES = {name: ls.get(name).entry for name in ELEMENTWISE + ACTIVATIONS} | {
    each.name: each for each in STRICT
}
GROWING = np.array([1e50, 1e100, 1e150])
TARGETS = {
    "sign": [-1, 1], "label": [0, 1], "count": [0, 0.5, 3], "probability": [0, 0.3, 1], "nonnegative": [0, 1, inf],
    "positive": [0.1, 1, inf], "real": [-inf, -1, 0, 2, inf],
}  # fmt: skip
PREDICTIONS = {
    "probability": [0, 1],
    "nonnegative": [0, 2, inf],
    "positive": [1, inf],
    "real": [-inf, -1, 0, 2, inf],
}


def cases(entry: Any) -> list[tuple[float, float]]:
    """Predictions and targets of which one is infinite; of probabilities, those at the ends of their domain."""
    targets = [0.0] if entry.structure == "activation" else TARGETS[entry.target.name]
    pairs = product(PREDICTIONS[entry.prediction.name], targets)
    ends = entry.prediction.name == "probability"
    return [pair for pair in pairs if ends or np.isinf(pair).sum() == 1]


def limits(entry: Any, pairs: list[tuple[float, float]]) -> np.ndarray:
    """Value, gradient and curvature of each pair, as (3, pairs)."""
    loss, found = ls.Loss(entry), []
    for pair in pairs:
        z, y = (np.sign(each) * GROWING if np.isinf(each) else np.full(3, each) for each in map(float, pair))
        outputs = []
        for a, b, c in reference.pointwise(loss, z, y):
            grows = abs(c) > abs(b) + 1e-9 and abs(c) - abs(b) > 0.5 * (abs(b) - abs(a))
            outputs.append(np.sign(c) * inf if np.isinf(c) or grows else c)
        found.append(outputs)
    assert found, "nothing is tried"
    return np.array(found).T


def same(found: Any, expected: Any, dtype: Any) -> None:
    assert_allclose(np.asarray(found, "float64"), expected, rtol=4 * np.finfo(dtype).eps, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE + ACTIVATIONS)
def test_of_arrays(name: str, dtype: str) -> None:
    loss = ls.get(name)
    pairs = cases(loss.entry)
    expected = limits(loss.entry, pairs)
    assert not np.isnan(expected).any()
    z, y = np.array(pairs, dtype).T
    if loss.entry.over == "rows":
        z, y = z[:, None], y[:, None]
    rest = () if loss.structure == "activation" else (y,)
    for order, function in ((3, loss.value_grad_curvature), (2, loss.value_and_grad)):
        outputs = function(z, *rest, reduction="none")
        for found, limit in zip(outputs[:order], expected, strict=False):
            same(found.reshape(-1), limit, dtype)
    same(loss(z, *rest, reduction="none"), expected[0], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_of_tensors_by_kernel_and_by_operations(entry: Any, dtype: torch.dtype) -> None:
    """By PyTorch's names too: the losses of `losscope.torch.functional` are among these."""
    pairs = cases(entry)
    value, slope, bend = limits(entry, pairs)
    known = ~np.isnan(value)  # a rate has no meaning below 0
    assert known.any()
    z, y = torch.tensor(pairs, dtype=dtype).T[:, torch.as_tensor(known)].contiguous()
    parameters = tuple(each.default for each in entry.parameters.values())
    this = Pointwise(entry)
    for reduction in ("none", "sum"):
        x = z.clone().requires_grad_()
        found = this(x, y, reduction, parameters)
        if reduction == "none":
            same(found.detach(), value[known], "float32" if dtype is torch.float32 else "float64")
        found.sum().backward()
        same(x.grad, slope[known], "float32" if dtype is torch.float32 else "float64")

    def one(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return this(x, target, "none", parameters)

    eps = "float32" if dtype is torch.float32 else "float64"
    same(torch.func.vmap(one)(z, y), value[known], eps)
    same(torch.func.vmap(torch.func.grad(one))(z, y), slope[known], eps)
    same(torch.func.vmap(torch.func.grad(torch.func.grad(one)))(z, y), bend[known], eps)


@pytest.mark.parametrize("name", [each for each in ELEMENTWISE if ls.get(each).entry.target.name == "real"])
def test_infinity_against_infinity_is_nothing(name: str) -> None:
    assert np.isnan(ls.get(name)([inf, -inf], [inf, -inf], reduction="none")).all()


@pytest.mark.parametrize("name", SOFTMAX + DISTANCE + ELEMENTWISE + ACTIVATIONS)
def test_what_has_no_limit_is_stated(name: str) -> None:
    """Infinite vectors: lengths and angles of which there are none."""
    assert bool(ls.get(name).entry.infinite) == (name in DISTANCE)


@pytest.mark.parametrize("target", [inf, -inf])
def test_a_count_is_finite(target: float) -> None:
    with pytest.raises(
        ls.LossError, match=r"target\[1\] is out of its domain. Got: -?inf. Expected: a count"
    ):
        ls.poisson([0.5, 0.5], [1, target])
    with pytest.raises(ls.LossError, match="finite"):
        ls.poisson(torch.tensor([0.5]), torch.tensor([target]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["none", "sum", "batchmean", "mean"])
def test_a_masked_vocabulary(dtype: torch.dtype, reduction: str) -> None:
    """A probability of 0 where the log-probability is -inf: 0 log 0 is 0, by amounts and by logarithms alike, and in a graph."""
    logits = torch.tensor([[1.0, 2.0, -inf, 0.5], [-inf, 0.0, -inf, 0.0]], dtype=dtype)
    teacher = torch.tensor([[0.2, 0.7, 0.0, 0.1], [0.0, 0.5, 0.0, 0.5]], dtype=dtype)
    kept = ~logits.isinf()
    for target, log_target in ((teacher, False), (teacher.log(), True)):
        x = logits.log_softmax(-1).requires_grad_()
        found = F.kl_div(x, target, reduction=reduction, log_target=log_target)
        torch._dynamo.reset()
        in_a_graph = torch.compile(F.kl_div, backend="eager", fullgraph=True)
        torch.testing.assert_close(in_a_graph(x, target, reduction=reduction, log_target=log_target), found)
        found.sum().backward()
        if reduction == "none":
            assert (found[~kept] == 0).all()
            found, scale = found.sum(), 1.0
        else:
            scale = {"sum": 1.0, "batchmean": 1 / 2, "mean": 1 / 8}[reduction]
        whole = torch.nn.functional.kl_div(x.detach()[kept].double(), teacher[kept].double(), reduction="sum")
        assert_allclose(found.item(), whole.item() * scale, rtol=0.02 if dtype in (torch.bfloat16, torch.float16) else 1e-6, atol=4e-3 if dtype in (torch.bfloat16, torch.float16) else 1e-7)  # fmt: skip
        assert_allclose(x.grad.double(), -teacher.double() * scale, rtol=0.01, atol=1e-6)


def test_focal_loss_of_soft_labels_is_that_of_optax_keras_and_torchvision() -> None:
    """(1 - p_t)^gamma times cross-entropy, where p_t = y p + (1 - y)(1 - p)."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=200) * 3, rng.uniform(0, 1, 200)
    p = 1 / (1 + np.exp(-z))
    expected = (1 - (y * p + (1 - y) * (1 - p))) ** 2 * ls.bce(z, y, reduction="none")
    assert_allclose(ls.binary_focal(z, y, reduction="none"), expected, rtol=1e-12)
    assert_allclose(ls.binary_focal([1.0], [0.3]), 0.3556199, rtol=1e-6)
    assert_array_equal(np.isnan(ls.binary_focal([nan, 1.0], [0.5, nan], reduction="none")), True)


def test_no_loss_is_less_than_0_by_its_sign() -> None:
    """-0.0 is printed as such."""
    tried = 0
    for name in ELEMENTWISE + SOFTMAX:
        loss = ls.get(name)
        z = (
            np.array([[0.0, 1.0], [1.0, 0.0]])
            if loss.entry.over == "rows"
            else np.array([-800.0, 0.0, 1.0, 800.0])
        )
        y = z.copy()
        if loss.structure == "softmax":
            z, y = np.array([[800.0, 0.0], [0.0, 800.0]]), np.array([0, 1])
        elif loss.entry.prediction.name == "probability" and loss.entry.over != "rows":
            z = y = np.array([0.0, 1.0, 0.0, 1.0])
        elif loss.entry.target.name in ("probability", "label"):
            y = (z > 0).astype(float) if z.ndim == 1 else y
        elif loss.entry.target.name == "sign":
            y = np.where(z > 0, 1.0, -1.0)
        elif loss.entry.target.name == "count":
            y = np.zeros_like(z)
        for reduction in ("none", "sum", "mean"):
            for dtype in ("float32", "float64"):
                target = y if y.dtype.kind == "i" else y.astype(dtype)
                of_arrays = np.asarray(loss(z.astype(dtype), target, reduction=reduction))
                of_tensors = loss(
                    torch.as_tensor(z.astype(dtype)), torch.as_tensor(target), reduction=reduction
                ).numpy()
                for each in (of_arrays, of_tensors):
                    tried += (each == 0).sum()
                    assert not (np.signbit(each) & (each == 0)).any(), (name, reduction, dtype)
    assert tried > 100


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if ls.get(name)._derived.of_residual_alone])
def test_infinity_against_infinity_has_no_value_and_no_slope(name: str, dtype: str) -> None:
    loss, at = ls.get(name), np.array([inf, -inf], dtype)
    for found in loss.value_grad_curvature(at, at, reduction="none"):
        assert np.isnan(found).all()
    tensor = torch.from_numpy(at)
    assert torch.func.grad(lambda x: loss(x, tensor, reduction="sum"))(tensor).isnan().all()


def through_what_grows() -> list[str]:
    return [
        f"{name}@{activation}"
        for name in ELEMENTWISE
        for activation in ("softplus", "relu", "leaky_relu", "sigmoid", "tanh")
        if ls.get(name).entry.over != "rows" and fits(ls.get(name), activation)
    ]


@pytest.mark.parametrize("name", through_what_grows())
@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
def test_through_an_activation_it_has_its_limit(name: str) -> None:
    """What an infinite score gives is what a large one does, or infinite where that grows with it."""
    loss = ls.get(name)
    targets = [y for y in (-1.0, 0.0, 0.5, 1.0, 3.0) if loss.entry.target.contains(y)]
    for sign in (-1, 1):
        y = np.array(targets)
        at = [
            loss.value_grad_curvature(np.full_like(y, sign * size), y, reduction="none")
            for size in (1e8, 1e12, inf)
        ]
        for less, large, infinite in zip(*at, strict=True):
            grows = (np.abs(large) > 10 * np.abs(less)) & (np.abs(large) > 1e4)
            assert_allclose(infinite, np.where(grows, np.sign(large) * inf, large), rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", SOFTMAX)
def test_a_class_and_all_of_the_probability_for_it_are_one_target(name: str, dtype: torch.dtype) -> None:
    """By every path, of every row of infinite logits: what has a probability of 0 says nothing."""
    loss = ls.get(name)
    least = torch.finfo(dtype).min
    rows = torch.tensor(list(product([0.0, 1.0, inf, -inf, least, nan], repeat=3)), dtype=dtype).repeat(3, 1)
    classes = torch.arange(3).repeat_interleave(len(rows) // 3)
    expected = loss.value_and_grad(rows.numpy(), classes.numpy(), reduction="none")
    for target in (classes, torch.nn.functional.one_hot(classes, 3).to(dtype)):
        found = [loss.value_and_grad(rows.numpy(), target.numpy(), reduction="none")]
        for create_graph in (False, True):
            x = rows.clone().requires_grad_()
            value = loss(x, target, reduction="none")
            found.append((value.detach(), torch.autograd.grad(value.sum(), x, create_graph=create_graph)[0]))
        gradient, value = torch.func.vmap(torch.func.grad_and_value(loss))(rows, target)
        found.append((value, gradient))
        for one in found:
            for each, other in zip(one, expected, strict=True):
                assert_allclose(torch.as_tensor(each).detach(), other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_only_finite_logit_may_be_any_number(dtype: torch.dtype) -> None:
    """All but one class masked, the last one smoothed or with a share: it has all of the probability."""
    for size in (torch.finfo(dtype).min, -1e30, -5.0, 0.0, 1e30, torch.finfo(dtype).max):
        z = torch.tensor([[-inf, size]], dtype=dtype, requires_grad=True)
        for target, smoothing, loss, slope in (
            (torch.tensor([[0.0, 1.0]], dtype=dtype), 0.0, 0.0, [0.0, 0.0]),
            (torch.tensor([[1.0, 0.0]], dtype=dtype), 0.0, inf, [-1.0, 1.0]),
            (torch.tensor([1]), 0.5, inf, [-0.25, 0.25]),
        ):
            call = partial(F.cross_entropy, target=target, label_smoothing=smoothing)
            value = call(z)
            assert value.item() == loss
            assert torch.autograd.grad(value, z)[0][0].tolist() == slope
            assert torch.func.grad(call)(z.detach())[0].tolist() == slope


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["cross_entropy", "softplus(m)**2"])
def test_a_class_that_is_alone_has_no_other(loss: str, dtype: str) -> None:
    loss = ls.define("mine", loss, structure="softmax") if "(" in loss else ls.get(loss)
    for size, expected in ((inf, 0.0), (3.0, 0.0), (-inf, nan), (nan, nan)):
        logits = np.array([[size]], dtype)
        for target in ([0], np.array([[1.0]], dtype)):
            value, gradient = loss.value_and_grad(logits, target)
            np.testing.assert_array_equal([value, *gradient[0]], [expected, expected])
            by_operations = torch.func.grad_and_value(loss)(torch.tensor(logits), torch.tensor(target))
            np.testing.assert_array_equal([float(each) for each in by_operations], [expected, expected])

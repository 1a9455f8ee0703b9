"""A weight of 0 removes an element or a row, whatever stands in it: value, gradient and curvature are those of a batch
without it, by every path, and nobody is told off for what is not there."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy import inf, nan
from numpy.testing import assert_allclose

import losscope as ls
from conftest import LOSSES, SOFTMAX, batch, beside, derivatives
from losscope.torch import functional as F

ROWS = 41  # the vectorised part of a loop and its remainder
GONE = np.array([0, 3, 4, 17, 39, 40])
BAD = np.array([nan, inf, -inf, 7e5, -7e5, nan])  # no probability, no label, no count


def spoiled(name: str, kind: str, dtype: str = "float64") -> tuple[Any, tuple, dict, np.ndarray, np.ndarray]:
    """A loss, its arguments, what stands beside them, weights of which some are 0, and which rows are there."""
    loss = ls.get(name)
    prediction, target = batch(loss, ROWS, 31, dtype)
    rest = {name: each.astype(dtype) for name, each in beside(loss, ROWS, 31).items()}
    if kind == "probabilities":
        target = ls.one_hot(target, prediction.shape[-1], dtype)
    for array in (prediction, target, *rest.values()):
        of_rows = BAD.reshape(-1, *[1] * (array.ndim - 1)).astype(
            array.dtype if array.dtype.kind == "f" else float
        )
        array[GONE] = [99, -7, 4, -1, 1000, -100] if array.dtype.kind == "i" else of_rows
    weight = np.random.default_rng(7).uniform(0.5, 2, ROWS)
    weight[GONE] = 0
    there = weight > 0
    return loss, (prediction, target), rest, weight.astype(dtype), there


KINDS = [(name, "") for name in LOSSES] + [(name, "probabilities") for name in SOFTMAX]


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_of_arrays(name: str, kind: str, reduction: str) -> None:
    loss, arguments, rest, weight, there = spoiled(name, kind)
    kept = tuple(each[there] for each in arguments)
    beside_kept = {name: each[there] for name, each in rest.items()}
    found = derivatives(loss, *arguments, weight=weight, reduction=reduction, **rest)
    expected = derivatives(loss, *kept, weight=weight[there], reduction=reduction, **beside_kept)
    for one, other in zip(found, expected, strict=True):
        one = np.asarray(one)
        if one.shape[:1] == (ROWS,):
            assert (one[~there] == 0).all()
            one = one[there]
        assert_allclose(one, other, rtol=1e-12)
    total = loss.total(*arguments, weight=weight, **rest)
    assert_allclose(total.mean(), loss(*kept, weight=weight[there], **beside_kept), rtol=1e-12)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_of_tensors_by_kernel_and_by_operations(name: str, kind: str) -> None:
    loss, arguments, rest, weight, there = spoiled(name, kind)
    kept, beside_kept = tuple(each[there] for each in arguments), {n: each[there] for n, each in rest.items()}
    expected = loss.value_and_grad(*kept, weight=weight[there], **beside_kept)
    x, y = torch.tensor(arguments[0], requires_grad=True), torch.tensor(arguments[1])
    w, options = torch.tensor(weight), {name: torch.tensor(each) for name, each in rest.items()}

    def value(x: torch.Tensor) -> torch.Tensor:
        return loss(x, y, weight=w, **options)

    found = value(x)
    found.backward()
    twice = torch.autograd.grad(torch.autograd.grad(value(x), x, create_graph=True)[0].sum(), x)[0] if name != "zero_one" else x.grad  # fmt: skip
    assert not twice.isnan().any()
    ways = [(found.detach(), x.grad)]
    if kind or loss.structure != "softmax":  # a class that is none: under a transform nobody can look at it
        by_operations = torch.func.grad_and_value(value)(x.detach())
        ways.append((by_operations[1], by_operations[0]))
    for one, gradient in ways:
        assert_allclose(one, expected[0], rtol=1e-9)
        assert (gradient[~there] == 0).all()
        assert_allclose(gradient[there], expected[1], rtol=1e-6, atol=1e-12)
    unreduced = loss(x.detach(), y, weight=w, reduction="none", **options)
    assert (unreduced[~there] == 0).all()
    assert unreduced[there].isfinite().all()


@pytest.mark.parametrize("classes", [4, 40, 600])
def test_a_class_of_weight_0_removes_its_rows(classes: int) -> None:
    """In PyTorch NaN times 0 is NaN; an ignored row is not there in either."""
    rng = np.random.default_rng(classes)
    logits, target = rng.normal(size=(30, classes)), np.arange(30) % 3
    gone = target == 1
    logits[gone] = np.resize(BAD, (gone.sum(), classes))
    weight = np.ones(classes)
    weight[1] = 0
    expected = ls.cross_entropy.value_grad_curvature(logits[~gone], target[~gone])
    for of in (target, ls.one_hot(target, classes)):
        # A mean over probabilities is over the number of rows, whatever their classes weigh.
        scale = 1.0 if of is target else (~gone).sum() / 30
        found = ls.cross_entropy.value_grad_curvature(logits, of, class_weight=weight)
        assert_allclose(found[0], expected[0] * scale, rtol=1e-12)
        for one, other in zip(found[1:], expected[1:], strict=True):
            assert (one[gone] == 0).all()
            assert_allclose(one[~gone], other * scale, rtol=1e-9, atol=1e-300)
        for function in (F.cross_entropy, torch.func.grad(F.cross_entropy)):
            x = torch.tensor(logits, requires_grad=function is F.cross_entropy)
            value = function(x, torch.tensor(of), torch.tensor(weight))
            gradient = value
            if function is F.cross_entropy:
                value.backward()
                assert_allclose(value.item(), expected[0] * scale, rtol=1e-12)
                gradient = x.grad
            assert (gradient[gone] == 0).all()
            assert_allclose(gradient[~gone], expected[1] * scale, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("class_weight", [[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
def test_a_mean_over_no_weight_has_the_slope_of_what_is_left(
    class_weight: list[float], smoothing: float
) -> None:
    """Of what is removed or ignored 0; of what label smoothing leaves NaN, as the mean is: by every path."""
    logits = np.array([[0.0, 0.5, 1.0], [1.0, 0.0, -1.0]], "float32")
    target, weight = np.array([1, -100]), np.array(class_weight, "float32")
    left = nan if smoothing and weight.any() else 0.0
    expected = np.array([[left] * 3, [0.0] * 3])
    strict = partial(ls.cross_entropy, class_weight=torch.tensor(weight), label_smoothing=smoothing)
    twin = partial(F.cross_entropy, weight=torch.tensor(weight), label_smoothing=smoothing)
    found = [ls.cross_entropy.value_and_grad(logits, target, class_weight=weight, label_smoothing=smoothing)]
    for loss in (strict, twin):
        gradient, value = torch.func.grad_and_value(loss)(torch.tensor(logits), torch.tensor(target))
        found.append((value, gradient))
        for create_graph in (False, True):
            x = torch.tensor(logits, requires_grad=True)
            value = loss(x, torch.tensor(target))
            found.append((value.detach(), torch.autograd.grad(value, x, create_graph=create_graph)[0]))
    for value, gradient in found:
        assert np.isnan(value)
        np.testing.assert_array_equal(torch.as_tensor(gradient).detach(), expected)


def test_a_mean_over_probabilities_is_over_the_rows_as_in_pytorch() -> None:
    rng = np.random.default_rng(1)
    logits, weight = rng.normal(size=(7, 3)), np.array([1.0, 5.0, 1e-3])
    target = rng.dirichlet(np.ones(3), 7)
    for scale in (1.0, 1e-30, 1e30):
        expected = torch.nn.functional.cross_entropy(
            torch.tensor(logits), torch.tensor(target), torch.tensor(weight * scale)
        )
        of_arrays = ls.cross_entropy(logits, target, class_weight=weight * scale)
        assert_allclose(of_arrays, expected.item(), rtol=1e-12)
        tensors = torch.tensor(logits), torch.tensor(target), torch.tensor(weight * scale)
        assert_allclose(F.cross_entropy(*tensors).item(), expected.item(), rtol=1e-12)
        assert_allclose(
            ls.cross_entropy(*tensors[:2], class_weight=tensors[2]).item(), expected.item(), rtol=1e-12
        )
        each = rng.uniform(0.5, 2, 7)
        assert_allclose(
            ls.cross_entropy(logits, target, class_weight=weight * scale, weight=each * 1e-30),
            (each * ls.cross_entropy(logits, target, class_weight=weight * scale, reduction="none")).sum() / each.sum(),
            rtol=1e-9,
        )  # fmt: skip


WEIGHTED = [
    name for name in F.__all__
    if "weight" in inspect.signature(getattr(F, name)).parameters and name not in ("cross_entropy", "nll_loss", "linear_cross_entropy", "multi_margin_loss")
]  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_of_pytorchs_functions(name: str, reduction: str) -> None:
    assert len(WEIGHTED) >= 5
    function = getattr(F, name)
    rng = np.random.default_rng(5)
    z, y = torch.tensor(rng.uniform(0.1, 0.9, (9, 4))), torch.tensor(rng.uniform(0.1, 0.9, (9, 4)))
    weight = torch.tensor(rng.uniform(0.5, 2, (9, 4)))
    gone = torch.tensor(rng.uniform(size=(9, 4)) < 0.3)
    weight[gone] = 0
    results = []
    for bad in (0.5, 7.0 if name == "binary_cross_entropy" else nan):
        x, t = torch.where(gone, bad, z).requires_grad_(), torch.where(gone, bad, y)
        if bad == 7.0:
            with pytest.raises(
                RuntimeError, match="between 0 and 1"
            ):  # as PyTorch, which looks at all of them
                function(x, t, weight=weight, reduction=reduction)
            return
        for mapped in (False, True):
            x = x.detach().requires_grad_()
            if mapped:
                one = partial(function, target=t, weight=weight, reduction=reduction)
                value = torch.func.vmap(one)(x[None])[0]
            else:
                value = function(x, t, weight=weight, reduction=reduction)
            value.sum().backward()
            assert (x.grad[gone] == 0).all()
            results.append((value.detach(), x.grad))
    for value, gradient in results[1:]:
        assert_allclose(value, results[0][0], rtol=1e-12)
        assert_allclose(gradient, results[0][1], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", [*WEIGHTED, "cross_entropy"])
def test_a_weight_of_any_dtype_removes(name: str, dtype: torch.dtype, reduction: str) -> None:
    """Where PyTorch gives a result of the input's dtype, by kernels, by operations and in a graph."""
    rng = np.random.default_rng(6)
    x, y = (torch.tensor(rng.uniform(0.1, 0.9, (4, 3)), dtype=torch.float32) for _ in range(2))
    weight = torch.tensor([1, 0, 1]).expand(*([4] if name != "cross_entropy" else []), 3).contiguous()
    if name == "cross_entropy":
        y[1] = torch.tensor([0.0, 1.0, 0.0])
    loss = partial(getattr(F, name), weight=weight.to(dtype), reduction=reduction)
    expected = getattr(torch.nn.functional, name)(x, y, weight=weight.to(dtype), reduction=reduction)
    if name == "cross_entropy":
        x[1] = nan
    elif name != "binary_cross_entropy":  # which raises for what is no probability
        x[:, 1] = nan
    torch._dynamo.reset()
    graph = torch.compile(loss, backend="eager", fullgraph=True)
    ways = (loss, lambda x, y: torch.func.vmap(loss)(x[None], y[None])[0], graph)
    for way in ways:
        z = x.clone().requires_grad_()
        found = way(z, y)
        torch.testing.assert_close(found.detach(), expected)  # the dtype, too
        found.sum().backward()
        assert not z.grad[x.isnan()].any()


@pytest.mark.parametrize("rows", [5, 12_000])  # few, which are PyTorch's otherwise, and many
def test_rows_of_multi_margin(rows: int) -> None:
    scores = torch.randn(rows, 4, dtype=torch.float64)
    target, weight = torch.arange(rows) % 4, torch.tensor([1.0, 0.0, 2.0, 1.0], dtype=torch.float64)
    expected = torch.nn.functional.multi_margin_loss(scores, target, weight=weight, reduction="sum").item()
    scores[target == 1] = nan
    x = scores.requires_grad_()
    found = F.multi_margin_loss(x, target, weight=weight, reduction="sum")
    found.backward()
    assert_allclose(found.item(), expected, rtol=1e-9)
    assert (x.grad[target == 1] == 0).all()
    gradient = torch.func.grad(lambda s: F.multi_margin_loss(s, target, weight=weight, reduction="sum"))
    assert (gradient(scores.detach())[target == 1] == 0).all()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_a_mean_over_no_weight_has_no_slope_in_what_is_removed(name: str, dtype: torch.dtype) -> None:
    loss, weight = getattr(F, name), torch.zeros(2, dtype=dtype)
    at = torch.tensor([1.0, 2.0], requires_grad=True)
    for create_graph in (False, True):
        value = loss(at, torch.zeros(2), weight=weight)
        assert value.isnan()
        (slope,) = torch.autograd.grad(value, at, create_graph=create_graph)
        assert slope.tolist() == [0, 0]
    by_operations = torch.func.grad(lambda each: loss(each, torch.zeros(2), weight=weight))(at.detach())
    assert by_operations.tolist() == [0, 0]

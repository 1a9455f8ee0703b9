"""A derivative is the same by every way that torch has to ask for it, at special numbers too: made with the loss, made again,
under hooks, to be differentiated, by torch.func, in forward mode. What comes back multiplies it, and 0 times NaN is NaN."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from torch import inf, nan

import losscope as ls
from losscope.torch import formula, loss_node
from losscope.torch import functional as F
from losscope.torch.elementwise import Pointwise
from test_infinity import ENTRIES, PREDICTIONS, TARGETS

WAYS = ("again", "hooks", "to be differentiated")
UPSTREAM = (0.0, 1.0, -2.0, 0.0, 0.5)


def grid(entry: Any, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs of usual numbers, of ends of the domains, infinity and NaN."""
    targets = [0.0] if entry.structure == "activation" else [*TARGETS[entry.target.name], nan]
    pairs = list(product([*PREDICTIONS[entry.prediction.name], 0.3, nan], targets))
    x, y = torch.tensor(pairs, dtype=dtype).T.contiguous()
    return x, y


def gradients(function: Any, tensors: Any, upstream: Any, way: str = "") -> list[torch.Tensor]:
    """Those of a function of tensors, times what comes back."""
    given = [each.detach().clone().requires_grad_() for each in tensors]
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda each: each, lambda each: each)
    with hooks if way == "hooks" else nullcontext():
        value = function(*given)
    upstream = upstream.expand(value.shape)
    if way == "again":
        torch.autograd.grad(value, given, upstream, retain_graph=True)
    found = torch.autograd.grad(value, given, upstream, create_graph=way == "to be differentiated")
    return [each.detach() for each in found]


def alike(found: Any, expected: Any, dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one.double(), other.double(), rtol=8 * eps, atol=8 * eps)


DTYPES = [torch.float64, torch.float32, torch.bfloat16]


@pytest.mark.parametrize("at_once", [True, False], ids=["in the forward", "in the backward"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_of_pairs(entry: Any, dtype: torch.dtype, at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not at_once:
        monkeypatch.setattr(loss_node, "AT_ONCE", -1)
    parameters = tuple(each.default for each in entry.parameters.values())
    this = Pointwise(entry)
    alone = entry.structure == "activation"
    x, y = grid(entry, dtype)

    def unreduced(x: torch.Tensor, target: torch.Tensor = y) -> torch.Tensor:
        return this(x, target, "none", parameters)

    tensors = (x,) if alone else (x, y)
    slopes = gradients(unreduced, tensors, x.new_ones(()))
    assert alone or any(each.isnan().any() for each in slopes)
    upstream = torch.tensor(UPSTREAM, dtype=dtype).repeat(len(x))[: len(x)]
    for way in ("", *WAYS):
        alike(gradients(unreduced, tensors, upstream, way), [upstream * each for each in slopes], dtype)
        alike(gradients(unreduced, tensors, x.new_zeros(()), way), [0 * each for each in slopes], dtype)
    if at_once:
        by_operations = torch.func.grad(lambda *t: unreduced(*t).sum(), argnums=tuple(range(len(tensors))))
        alike(by_operations(*tensors), slopes, dtype)
        for i, slope in enumerate(slopes):
            others = list(tensors)

            def of_one(each: torch.Tensor, i: int = i, others: list = others) -> torch.Tensor:
                return unreduced(*others[:i], each, *others[i + 1 :])

            alike([torch.func.jvp(of_one, (tensors[i],), (torch.ones_like(x),))[1]], [slope], dtype)


LOGITS = torch.randn(8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LOGITS[1, 0] = nan
LOGITS[2] = -inf
LOGITS[3, :2] = inf
LOGITS[4] = torch.tensor([0, -inf, -inf, 80, 0])
CLASSES = torch.tensor([0, 1, 2, 3, 3, 0, -100, 2])
SHARES = torch.rand(8, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
APART = torch.randn(8, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
SIDES = torch.tensor([1, 1, -1, -1, 1, 1, -1, 1])
ONE_NAN = torch.where(LOGITS.isfinite(), LOGITS, 0.5)
ONE_NAN[1, 0] = nan
ROWS = {
    "classes": (lambda z, how: F.cross_entropy(z, CLASSES, reduction=how), LOGITS),
    "classes smoothed": (lambda z, how: F.cross_entropy(z, CLASSES, reduction=how, label_smoothing=0.1), LOGITS),
    "shares": (lambda z, how: F.cross_entropy(z, SHARES.to(z.dtype), reduction=how), LOGITS),
    "linear": (lambda z, how: F.linear_cross_entropy(z, APART[:4].to(z.dtype), CLASSES.clamp(max=3), reduction=how), ONE_NAN),
    "cosine": (lambda z, how: F.cosine_embedding_loss(z, APART.to(z.dtype), SIDES, reduction=how), ONE_NAN),
    "triplet": (lambda z, how: F.triplet_margin_loss(z, APART.to(z.dtype), APART.flip(0).to(z.dtype), reduction=how), ONE_NAN),
    "gaussian": (lambda z, how: F.gaussian_nll_loss(z, APART.to(z.dtype), SHARES.to(z.dtype) + 0.1, reduction=how), ONE_NAN),
    "ranking": (lambda z, how: F.margin_ranking_loss(z, APART.to(z.dtype), SIDES[:, None].expand(8, 5).to(z.dtype).contiguous(), reduction=how), ONE_NAN),
}  # fmt: skip


@pytest.mark.parametrize("how", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ROWS)
def test_of_rows(name: str, dtype: torch.dtype, how: str) -> None:
    function, z = ROWS[name][0], ROWS[name][1].to(dtype)
    (slopes,) = gradients(lambda z: function(z, how), [z], z.new_ones(()))
    assert slopes[1].isnan().any()
    assert slopes[0].isfinite().all()
    upstreams = [z.new_zeros(())]
    if how == "none":
        upstreams.append(
            torch.tensor(UPSTREAM[:4] * 2, dtype=dtype).view(-1, *[1] * (function(z, how).ndim - 1))
        )
    eps = 20 * torch.finfo(dtype).eps
    for upstream, way in product(upstreams, ("", *WAYS)):
        (found,) = gradients(lambda z: function(z, how), [z], upstream, way)
        expected = slopes * upstream.view(-1, *[1] * (z.ndim - 1)) if upstream.ndim else slopes * upstream
        assert_allclose(found.double(), expected.double(), rtol=eps, atol=eps)
    if name != "linear":  # which is PyTorch's there
        found = torch.func.grad(lambda z: function(z, how).sum())(z)
        assert_allclose(found.double(), slopes.double(), rtol=eps, atol=eps)
        along = torch.func.jvp(lambda z: function(z, how), (z,), (torch.ones_like(z),))[1]
        assert along.isnan().any()


def test_a_tangent_that_is_not_there_is_none() -> None:
    """A one-hot target has an infinite slope of its own, of which forward mode in the input alone must not see anything."""
    x, y = torch.tensor([-1.0, -0.5, -2.0]), torch.tensor([0.0, 1.0, 0.0])
    along = torch.func.jvp(lambda x: F.kl_div(x, y, reduction="sum"), (x,), (torch.ones(3),))[1]
    assert along == -1
    along = torch.func.jvp(lambda x: F.mse_loss(x, torch.tensor([inf])), (torch.zeros(1),), (torch.ones(1),))[
        1
    ]
    assert along == -inf


@pytest.mark.parametrize("x", [-inf, -1.0, 0.0])
def test_a_log_probability_of_minus_infinity_has_a_gradient_of_0(x: float) -> None:
    input, target = torch.tensor([x, -0.5]), torch.tensor([-inf, -1.0])

    def loss(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.kl_div(input, target, reduction="none", log_target=True)

    for way in ("", *WAYS):
        for found in gradients(loss, (input, target), torch.ones(()), way):
            assert found[0] == 0
            assert found[1].isfinite()
    for found in torch.func.grad(lambda *t: loss(*t).sum(), argnums=(0, 1))(input, target):
        assert found[0] == 0


@pytest.mark.parametrize("name", sorted(formula._OF_TENSORS))
def test_a_primitive_of_nan_is_nan(name: str) -> None:
    function = formula.NAMESPACE[name]
    counts = dict.fromkeys(("xlogy", "xlog1py", "xdivy", "xmuly", "minimum", "maximum", "power", "hypot"), 2)
    count = {**counts, "two_sided_softplus": 4, "two_sided_sigmoid": 3}.get(name, 1)
    for place in range(1 if count > 2 else count):  # of two sides, the share of one is not looked at
        for other in (2.0, 0.5) if name == "hypot" else (2.0, 0.5, inf):
            arguments = [
                torch.tensor(nan if i == place else other, dtype=torch.float64) for i in range(count)
            ]
            assert function(*arguments).isnan(), (place, other)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 1e307])
def test_vectors_of_any_length_by_operations(size: float) -> None:
    """Their squares would vanish or overflow."""
    a, b = LOGITS[5:].clone() * size, APART[5:] * size
    side = torch.tensor([1, -1, 1])
    by_kernel = F.cosine_embedding_loss(a, b, side, reduction="none")
    by_operations = torch.func.vmap(lambda a, b: F.cosine_embedding_loss(a, b, side, reduction="none"))(
        a[None], b[None]
    )[0]
    assert_allclose(by_operations, by_kernel, rtol=1e-9)
    assert_allclose(by_kernel, F.cosine_embedding_loss(a / size, b / size, side, reduction="none"), rtol=1e-9)
    near = torch.zeros_like(a)
    by_kernel = F.triplet_margin_loss(a, near, near, margin=1.0, reduction="none")
    by_operations = torch.func.vmap(lambda a: F.triplet_margin_loss(a, near, near, reduction="none"))(
        a[None]
    )[0]
    assert_allclose(by_operations, by_kernel, rtol=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "name",
    ["cross_entropy", "multi_margin_loss", "multilabel_margin_loss", "mse_loss", "linear_cross_entropy"],
)
def test_a_program_of_a_batch_of_any_size(name: str, reduction: str) -> None:
    """Exported, it takes an empty batch and one that a mask chooses."""
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    other = {"mse_loss": x * 0, "multilabel_margin_loss": torch.tensor([[1, 3, -1, 0, 0]] * 8)}
    y = other.get(name, torch.arange(8) % 5)

    class Step(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            between = [torch.eye(5)] if name == "linear_cross_entropy" else []
            return getattr(F, name)(x, *between, y, reduction=reduction)

    class Masked(Step):
        def forward(self, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return super().forward(x[mask], y[mask])

    sizes = ({0: torch.export.Dim("batch")},) * 2
    dynamic = torch.export.export(Step(), (x, y), dynamic_shapes=sizes).module()
    masked = torch.export.export(Masked(), (x, y, torch.arange(8) < 3)).module()
    for count in (0, 1, 5):
        expected = Step()(x[:count], y[:count])
        for found in (dynamic(x[:count], y[:count]), masked(x, y, torch.arange(8) < count)):
            torch.testing.assert_close(found, expected, equal_nan=True)
        leaf = x[:count].clone().requires_grad_()
        dynamic(leaf, y[:count]).sum().backward()
        assert leaf.grad.shape == leaf.shape


LEFT = torch.randn(4, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
FROM_ONE = {
    "triplet": lambda x: F.triplet_margin_loss(x, LEFT, x.roll(1, 0)),
    "triplet, weighed": lambda x: ls.triplet_margin(x, LEFT, negative=x.roll(1, 0), weight=torch.tensor([1.0, 0, 2, 1])),
    "cosine": lambda x: F.cosine_embedding_loss(x, torch.tanh(x).flip(0), torch.tensor([1, -1, 1, -1])),
    "linear": lambda x: F.linear_cross_entropy(torch.tanh(x), x, torch.arange(4)),
    "linear with a bias": lambda x: F.linear_cross_entropy(x * x, x, torch.arange(4), linear_bias=x.sum(1)),
    "squares": lambda x: F.mse_loss(x, x.roll(1, 0).exp()),
    "shares": lambda x: F.kl_div(x, torch.softmax(x, 1)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("name", FROM_ONE)
def test_of_inputs_that_are_computed_from_each_other(name: str) -> None:
    """Each has its own part of the gradient, once, whichever way it is asked for; and of the second derivative."""
    loss = FROM_ONE[name]
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64, requires_grad=True)
    (plain,) = torch.autograd.grad(loss(x), x)
    (first,) = torch.autograd.grad(loss(x), x, create_graph=True)
    assert_allclose(first.detach(), plain, rtol=1e-10, atol=1e-14)
    assert torch.autograd.gradgradcheck(loss, x, atol=1e-5)


OF_ROWS = {
    "cross_entropy": lambda z, t, reduction: F.cross_entropy(z, t.softmax(-1), reduction=reduction),
    "ls.cross_entropy": lambda z, t, reduction: ls.cross_entropy(z[None], t.argmax(-1)[None], reduction=reduction),
}  # fmt: skip
OF_ELEMENTS = ["mse_loss", "huber_loss", "kl_div", "binary_cross_entropy_with_logits", "poisson_nll_loss", "ls.mse", "ls.bce"]  # fmt: skip


@pytest.mark.parametrize("name", [*OF_ROWS, *OF_ELEMENTS])
def test_a_loss_of_each_example_in_forward_mode(name: str) -> None:
    """vmap within a derivative that goes forward, as the derivative of the sum of all."""
    package, _, name_there = name.rpartition(".")
    loss = OF_ROWS.get(name) or getattr(ls if package else F, name_there)
    loss = partial(loss, reduction="sum")
    x, y, along = LEFT, LEFT.flip(0).sigmoid(), LEFT.roll(1, 0)

    def each(x: torch.Tensor) -> torch.Tensor:
        return torch.func.vmap(loss)(x, y).sum()

    def one_by_one(x: torch.Tensor) -> torch.Tensor:
        return sum(loss(*pair) for pair in zip(x, y, strict=True))

    for derivative in (lambda f: f, torch.func.grad, torch.func.jacfwd):
        found, expected = (torch.func.jvp(derivative(f), (x,), (along,))[1] for f in (each, one_by_one))
        assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    expected = torch.func.jacrev(torch.func.jacrev(one_by_one))(x)
    assert_allclose(torch.func.hessian(each)(x), expected, rtol=1e-10, atol=1e-14)
    of_one = torch.func.vmap(
        lambda x, y, v: torch.func.jvp(lambda x: torch.func.vmap(loss)(x[None], y[None]).sum(), (x,), (v,))[1]
    )
    assert_allclose(of_one(x, y, along).sum(), torch.func.jvp(one_by_one, (x,), (along,))[1], rtol=1e-10)


WEIGHED = {
    "mse_loss": lambda w: F.mse_loss(LEFT, LEFT.flip(0), weight=w, reduction="sum"),
    "huber_loss": lambda w: F.huber_loss(LEFT, LEFT.flip(0), weight=w, reduction="sum"),
    "l1_loss": lambda w: F.l1_loss(LEFT, LEFT.flip(0), weight=w, reduction="sum"),
    "with logits": lambda w: F.binary_cross_entropy_with_logits(LEFT, LEFT.sigmoid(), weight=w),
    "of probabilities": lambda w: F.binary_cross_entropy(LEFT.sigmoid(), LEFT.flip(0).sigmoid(), weight=w),
    "labels": lambda w: F.multilabel_soft_margin_loss(LEFT, (LEFT > 0).double(), weight=w),
    "classes": lambda w: F.cross_entropy(LEFT, CLASSES[:4] % 3, weight=w[0]),
    "classes, summed": lambda w: F.cross_entropy(LEFT, CLASSES[:4] % 3, weight=w[0], reduction="sum"),
    "classes, smoothed": lambda w: F.cross_entropy(LEFT, CLASSES[:4] % 3, weight=w[0], label_smoothing=0.1),
    "margins": lambda w: F.multi_margin_loss(LEFT, CLASSES[:4] % 3, weight=w[0]),
    "one row": lambda w: F.cross_entropy(LEFT[:1], CLASSES[:1], weight=w[0], reduction="sum"),
    "one row, smoothed": lambda w: F.cross_entropy(
        LEFT[:1], CLASSES[:1], w[0] * 0 + w[0, 0], reduction="sum", label_smoothing=0.1
    ),
    "margins beside none": lambda w: F.multi_margin_loss(
        torch.tensor([[0.5, -inf, 0.2]]).double(), CLASSES[:1], weight=w[0]
    ),
}


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("name", WEIGHED)
def test_the_derivative_in_a_weight_is_the_loss_that_it_weighs(name: str, shift: int) -> None:
    """Of a weight of 0, too: to learn weights from nothing is to ask for it."""
    loss = WEIGHED[name]
    weight = torch.linspace(0, 2, 12, dtype=torch.float64).view(4, 3).roll(shift, 1)
    along = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    moved = [loss(weight + step * along) for step in (1e-6, -1e-6)]
    found = torch.func.jvp(loss, (weight,), (along,))[1]
    assert_allclose(found, (moved[0] - moved[1]) / 2e-6, rtol=1e-6, atol=1e-9)


def test_what_a_weight_of_0_would_change_in_the_gradient() -> None:
    """As a step of training that is differentiated in its weights asks; what is no number changes nothing."""
    p, y = torch.tensor([0.0, 3.0, nan]), torch.tensor([2.0, 1.0, 0.0])
    weight = torch.tensor([0.0, 1.0, 0.0])

    def gradient(weight: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(lambda p: F.mse_loss(p, y, weight=weight, reduction="sum"))(p)

    assert torch.func.jacrev(gradient)(weight).tolist() == [[-4, 0, 0], [0, 4, 0], [0, 0, 0]]
    in_weight = torch.func.grad(lambda w: F.mse_loss(p, y, weight=w, reduction="sum"))(weight)
    assert in_weight.tolist() == [4, 4, 0]


@pytest.mark.parametrize("name", ["mse_loss", "huber_loss", "binary_cross_entropy_with_logits"])
def test_a_weighed_loss_within_inference_mode_is_compiled(name: str) -> None:
    x, y, w = LEFT.clone().requires_grad_(), LEFT.flip(0).sigmoid(), LEFT.abs()

    def step(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            value = getattr(F, name)(x, y, weight=w)
        return x.sum() + value.clone()

    found = torch.compile(step, backend="aot_eager")(x, y, w)
    assert_allclose(found.item(), step(x, y, w).item(), rtol=1e-12)


def test_an_exported_program_needs_our_operators_to_be_loaded(tmp_path) -> None:
    """A graph names them; whoever loads it imports them first, as `docs/torch.md` says."""
    path = tmp_path / "program.pt2"

    def run(code: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
            capture_output=True, text=True, timeout=240, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip

    saved = run(f"""
        import torch, losscope.torch
        class Step(torch.nn.Module):
            def forward(self, x, t):
                return torch.nn.functional.cross_entropy(x, t) + torch.nn.functional.mse_loss(x, x * 0)
        with losscope.torch.patch():
            program = torch.export.export(Step(), (torch.zeros(3, 4), torch.tensor([0, 1, 2])))
        assert "torch.ops.losscope" in str(program.graph), program.graph
        torch.export.save(program, {str(path)!r})
    """)
    assert saved.returncode == 0, saved.stderr
    load = f"""
import torch
program = torch.export.load({str(path)!r})
print(float(program.module()(torch.zeros(3, 4), torch.tensor([0, 1, 2]))))
"""
    without = run(load)
    assert without.returncode == 1
    assert "error when deserializing" in without.stderr
    found = run("import losscope.torch.functional" + load)
    assert found.returncode == 0, found.stderr
    assert_allclose(float(found.stdout), math.log(4), rtol=1e-6)

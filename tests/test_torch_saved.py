"""What a loss keeps for its backward is seen by hooks on saved tensors: checkpointing frees it, save_on_cpu moves it."""

from __future__ import annotations

import math
import weakref

import pytest

torch = pytest.importorskip("torch")

from torch.autograd.graph import save_on_cpu, saved_tensors_hooks  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from losscope.torch import functional as L  # noqa: E402

CLASSES = torch.tensor([0, 2, 1, 2])
WEIGHT = torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LOSSES = {
    "mse": lambda x, how: L.mse_loss(x, torch.zeros_like(x), reduction=how),
    "bce weighted": lambda x, how: L.binary_cross_entropy_with_logits(
        x, torch.ones_like(x), torch.full_like(x, 2.0), reduction=how
    ),
    "cross entropy": lambda x, how: L.cross_entropy(x, CLASSES, reduction=how),
    "linear": lambda x, how: L.linear_cross_entropy(x, WEIGHT, CLASSES, reduction=how),
}


def logits():
    return torch.rand(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()


def derivatives(run):
    """The gradient, and one of the gradient."""
    x = logits()
    first = torch.autograd.grad(run(x), x, retain_graph=True)[0]
    again = torch.autograd.grad(3 * run(x), x, create_graph=True)[0]
    return first, again.detach(), torch.autograd.grad(again.square().sum(), x)[0]


@pytest.mark.parametrize("how", ["mean", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_hooks_see_what_is_saved(name, how):
    loss, x, packed = LOSSES[name], logits(), []
    with saved_tensors_hooks(lambda t: packed.append(t.shape) or t.clone(), lambda t: t):
        value = loss(x, how)
    assert packed.count((4, 3)) >= 1
    expected = torch.autograd.grad(loss(x, how).sum(), x)[0]
    torch.testing.assert_close(torch.autograd.grad(value.sum(), x)[0], expected)


@pytest.mark.parametrize("how", ["mean", "none"])
def test_the_gradient_is_of_what_hooks_give_back(how):
    x = logits()
    with saved_tensors_hooks(lambda t: t, lambda t: 2 * t):
        value = L.mse_loss(x, torch.zeros_like(x), reduction=how)
    torch.testing.assert_close(
        torch.autograd.grad(value.sum(), x)[0], (4 if how == "none" else 4 / 12) * x.detach()
    )


def test_a_hook_that_changes_the_dtype_leaves_every_gradient():
    for wanted in ((True, True), (True, False), (False, True)):
        a, b = (
            torch.tensor(each).requires_grad_(want)
            for each, want in zip(([0.5, -1.0], [0.25, 0.5]), wanted, strict=True)
        )
        with saved_tensors_hooks(lambda t: t, lambda t: t.bfloat16()):
            value = L.margin_ranking_loss(a, b, torch.tensor([1.0, -1.0]), margin=0.5)
        value.backward()
        assert [None if each.grad is None else each.grad.tolist() for each in (a, b)] == [
            [-0.5, 0.0] if wanted[0] else None, [0.5, 0.0] if wanted[1] else None
        ]  # fmt: skip


@pytest.mark.parametrize("how", ["mean", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_checkpointing_and_save_on_cpu_change_nothing(name, how):
    def segment(x):
        return LOSSES[name](x * 2, how).sum()

    def on_cpu(x):
        with save_on_cpu():
            return segment(x)

    expected = derivatives(segment)
    for run in (
        on_cpu,
        lambda x: checkpoint(segment, x, use_reentrant=False),
        lambda x: checkpoint(lambda x: checkpoint(segment, x, use_reentrant=False), x, use_reentrant=False),
    ):
        for got, true in zip(derivatives(run), expected, strict=True):
            torch.testing.assert_close(got, true)
    x, y = logits(), logits()
    segment(x).backward()
    checkpoint(segment, y, use_reentrant=True).backward()
    torch.testing.assert_close(y.grad, x.grad)


@pytest.mark.parametrize("name", LOSSES)
def test_a_checkpointed_segment_that_ends_in_a_loss_keeps_nothing(name):
    alive = []

    def segment(x):
        inside = x * 2
        alive.append(weakref.ref(inside))
        return LOSSES[name](inside, "mean")

    value = checkpoint(segment, logits(), use_reentrant=False)
    assert alive[0]() is None
    value.backward()
    assert len(alive) == 2
    assert alive[1]() is None


def test_a_freed_graph_is_an_error_under_hooks_too():
    x = logits()
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        value = L.mse_loss(x, torch.zeros_like(x))
    value.backward()
    with pytest.raises(RuntimeError, match="second time"):
        value.backward()


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (400, 700)])
def test_an_ignored_row_has_no_gradient_whatever_comes_back_to_it(shape):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
    target = torch.arange(logits.numel() // shape[1]).view(shape[:1] + shape[2:]) % shape[1]
    target[1] = -100
    upstream = torch.linspace(-2, 2, target.numel()).view(target.shape)
    upstream[1] = math.inf
    found = []
    for cross_entropy in (L.cross_entropy, functional.cross_entropy):
        values = cross_entropy(logits, target, reduction="none")
        first, second = (
            torch.autograd.grad(values, logits, upstream, retain_graph=True)[0] for _ in range(2)
        )
        assert torch.equal(first, second)
        assert not first[1].any()
        assert not second[1].any()
        found.append(first)
    torch.testing.assert_close(*found)

"""losscope.torch against PyTorch: losses of two predictions, and of scores against their rivals."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from losscope.torch import functional as L  # noqa: E402

REDUCTIONS = ["mean", "sum", "none"]
KERNELS = {"_ReducedBackward", "_UnreducedBackward"}


def both(name, *arguments, **keywords):
    """Ours and PyTorch's."""
    return getattr(L, name)(*arguments, **keywords), L.torchs[name](*arguments, **keywords)


def is_ours(value) -> bool:
    return type(value.grad_fn).__name__ in KERNELS


def tensor(*shape, dtype=torch.float64, seed=0, low=None):
    generator = torch.Generator().manual_seed(seed)
    made = (torch.randn if low is None else torch.rand)(shape, generator=generator, dtype=torch.float64)
    return (made if low is None else made + low).to(dtype).requires_grad_()


def same(ours, theirs, *inputs, twice=True):
    """Value, gradients by an upstream that is not uniform, and what those differentiate to."""
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(ours).requires_grad_()
    first, expected = (
        torch.autograd.grad(each, inputs, upstream, create_graph=twice, retain_graph=True)
        for each in (ours, theirs)
    )
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, inputs, upstream, retain_graph=True), expected)
    if twice:
        pushed = [torch.randn_like(each) for each in inputs]
        seconds = [
            torch.autograd.grad(
                sum((g * push * x).sum() for g, push, x in zip(each, pushed, inputs, strict=True)),
                (*inputs, upstream),
                materialize_grads=True,
                allow_unused=True,
            )
            for each in (first, expected)
        ]
        torch.testing.assert_close(*seconds)


def scaled_twice(function, *inputs):
    """Backward twice with a scale: what was given away is made again."""
    value = 3 * function(*inputs)
    once = torch.autograd.grad(value, inputs, retain_graph=True)
    again = torch.autograd.grad(value, inputs)
    torch.testing.assert_close(once, again)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, inputs)


# --- a target's own gradient, from the same pass


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
def test_gradient_of_the_target(reduction, dtype, layout):
    x, y = tensor(40, 70, dtype=dtype), tensor(40, 70, dtype=dtype, seed=1, low=0.0)
    if layout == "transposed":
        y = y.detach().t().contiguous().t().requires_grad_()
    for name in ("mse_loss", "huber_loss", "binary_cross_entropy_with_logits"):
        ours = getattr(L, name)(x, y, reduction=reduction)
        assert is_ours(ours)
        wide = [each.detach().double().requires_grad_() for each in (x, y)]
        theirs = L.torchs[name](*wide, reduction=reduction)
        upstream = torch.randn_like(ours)
        gradients = torch.autograd.grad(ours, (x, y), upstream)
        expected = torch.autograd.grad(theirs, wide, upstream.double())
        for gradient, truth in zip(gradients, expected, strict=True):
            torch.testing.assert_close(gradient, truth.to(dtype))
    if dtype is torch.float64:
        same(*both("mse_loss", x, y, reduction=reduction), x, y)
        scaled_twice(L.huber_loss, x, y)


# --- margin ranking


def ranking(*shape, dtype=torch.float64):
    sign = torch.where(tensor(*shape, seed=2) > 0, 1.0, -1.0).to(dtype)
    return tensor(*shape, dtype=dtype), tensor(*shape, dtype=dtype, seed=1), sign


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0, 0.5, -0.25])
def test_margin_ranking(reduction, margin):
    a, b, y = ranking(6, 5)
    ours, theirs = both("margin_ranking_loss", a, b, y, margin, reduction=reduction)
    assert is_ours(ours)
    same(ours, theirs, a, b)
    y.requires_grad_()
    same(*both("margin_ranking_loss", a, b, y, margin, reduction=reduction), a, b, y)
    scaled_twice(lambda a, b, y: L.margin_ranking_loss(a, b, y, margin), a, b, y)


def test_margin_ranking_at_the_kink():
    a = torch.tensor([1.0, 0.0, 2.0], requires_grad=True)
    b, y = torch.tensor([0.0, 1.0, 1.0], requires_grad=True), torch.tensor([1.0, -1.0, 1.0])
    same(*both("margin_ranking_loss", a, b, y, margin=1.0, reduction="sum"), a, b)
    assert torch.autograd.grad(L.margin_ranking_loss(a, b, y, 1.0, reduction="sum"), a)[0].tolist() == [
        -1,
        1,
        -1,
    ]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_margin_ranking_of_halves(dtype):
    a, b, y = ranking(3000, dtype=dtype)
    ours, theirs = both("margin_ranking_loss", a, b, y, 0.5, reduction="none")
    assert is_ours(ours)
    torch.testing.assert_close(ours, theirs)
    ones = torch.ones_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (a, b), ones), torch.autograd.grad(theirs, (a, b), ones)
    )


def test_margin_ranking_layouts_and_what_is_left_to_pytorch():
    a, b, y = ranking(4, 6)
    same(*both("margin_ranking_loss", a.t(), b.t(), y.t()), a, b)
    same(*both("margin_ranking_loss", a[:, ::2], b[:, ::2], y[:, ::2]), a, b)
    same(*both("margin_ranking_loss", a, b[:1], y), a, b)
    same(*both("margin_ranking_loss", a, b, y[:, :1]), a, b)
    same(*both("margin_ranking_loss", a, b, y, size_average=False), a, b)
    whole = torch.ones(3, dtype=torch.int64)
    assert L.margin_ranking_loss(whole, 2 * whole, whole, reduction="sum") == 3
    for module in (L, torch.nn.functional):
        with pytest.raises(RuntimeError, match="same dimension"):
            module.margin_ranking_loss(torch.ones(3), torch.ones(3, 1), torch.ones(3))
    with torch.autocast("cpu", torch.bfloat16):
        half = a.detach().bfloat16().requires_grad_()
        ours, theirs = both("margin_ranking_loss", half, half, y.bfloat16())
        assert ours.dtype == theirs.dtype


# --- transforms, and one graph


def cases():
    """Every loss of this file as a function of its first input alone."""
    a, b, y = ranking(4, 6)
    yield "margin_ranking_loss", a.detach(), lambda f, x: f(x, b.detach(), y, 0.5)


@pytest.mark.parametrize(
    ("name", "x", "call"), cases(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_transforms_and_one_graph(name, x, call):
    ours, theirs = (lambda x, f=f: call(f, x) for f in (getattr(L, name), L.torchs[name]))
    torch.testing.assert_close(torch.func.grad(ours)(x), torch.func.grad(theirs)(x))
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    x = x.clone().requires_grad_()
    torch.testing.assert_close(compiled(x), theirs(x))
    torch.testing.assert_close(torch.autograd.grad(compiled(x), x), torch.autograd.grad(theirs(x), x))

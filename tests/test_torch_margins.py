"""losscope.torch against PyTorch: losses of two predictions, and of scores against their rivals."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest

torch = pytest.importorskip("torch")

from losscope.torch import functional as L  # noqa: E402
from losscope.torch import multiclass_margin  # noqa: E402

REDUCTIONS = ["mean", "sum", "none"]
KERNELS = {"_LossBackward"}


@pytest.fixture(autouse=True)
def kernels_for_few_scores_too(monkeypatch):
    monkeypatch.setattr(multiclass_margin, "SMALL", 0)


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


# --- Gaussian


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("full", [False, True])
def test_gaussian(reduction, full):
    x, y, v = tensor(6, 5), tensor(6, 5, seed=1), tensor(6, 5, seed=2, low=0.1)
    keywords = {"full": full, "reduction": reduction}
    ours, theirs = both("gaussian_nll_loss", x, y, v, **keywords)
    assert is_ours(ours)
    same(ours, theirs, x, y, v)
    fixed = y.detach()
    same(*both("gaussian_nll_loss", x, fixed, v, **keywords), x, v)
    same(*both("gaussian_nll_loss", x, fixed, v.detach(), **keywords), x)
    same(*both("gaussian_nll_loss", x.detach(), fixed, v, **keywords), v)
    torch.testing.assert_close(*both("gaussian_nll_loss", x.detach(), fixed, v.detach(), **keywords))
    scaled_twice(lambda x, v: L.gaussian_nll_loss(x, fixed, v), x, v)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gaussian_variance_below_eps_keeps_its_gradient_as_in_pytorch(reduction):
    x, y, v = tensor(6, 5), tensor(6, 5, seed=1), tensor(6, 5, seed=2, low=0.0)
    v.data[0] = 0
    before = v.detach().clone()
    ours, theirs = both("gaussian_nll_loss", x, y, v, eps=0.25, reduction=reduction)
    assert is_ours(ours)
    same(ours, theirs, x, v)
    assert torch.equal(v, before)  # the caller's own is not written to


@pytest.mark.parametrize("shape", [(4, 6), (4, 1), (4,), (1, 6)], ids=str)
def test_gaussian_variance_of_fewer_numbers(shape):
    x, y, v = tensor(4, 6), tensor(4, 6, seed=1), tensor(*shape, seed=2, low=0.1)
    for reduction in REDUCTIONS:
        ours, theirs = both("gaussian_nll_loss", x, y, v, reduction=reduction)
        assert is_ours(ours)
        same(ours, theirs, x, v)


def test_gaussian_of_one_variance_for_all():
    x, y = tensor(4, 6), tensor(4, 6, seed=1)
    for variance in (0.5, 0.0):
        ours, theirs = both("gaussian_nll_loss", x, y, variance)
        assert is_ours(ours)
        same(ours, theirs, x)
    same(
        *both("gaussian_nll_loss", x, y[:, :1], tensor(4, 6, seed=2, low=0.1)), x
    )  # a target that broadcasts
    same(*both("gaussian_nll_loss", x.t(), y.t(), tensor(6, 4, seed=2, low=0.1)), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_gaussian_of_other_dtypes(dtype):
    x, y, v = (tensor(3000, dtype=dtype, seed=i, low=low) for i, low in enumerate((None, None, 0.5)))
    wide = [each.detach().double().requires_grad_() for each in (x, y, v)]
    ours = L.gaussian_nll_loss(x, y, v, reduction="none")
    exact = L.torchs["gaussian_nll_loss"](*wide, reduction="none")
    # Computed in float32, in which the logarithm and the square may cancel, and rounded once.
    once = {"rtol": max(torch.finfo(dtype).eps, 2e-5), "atol": 2e-6}
    torch.testing.assert_close(ours, exact.to(dtype), **once)
    upstream = torch.randn_like(ours)
    gradients = torch.autograd.grad(ours, (x, v), upstream)
    expected = torch.autograd.grad(exact, (wide[0], wide[2]), upstream.double())
    for gradient, truth in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, truth.to(dtype), **once)


def test_gaussian_is_within_a_few_units_of_the_last_place():
    generator = torch.Generator().manual_seed(0)
    v = torch.exp(8 * torch.randn(20_000, generator=generator)).clamp_min(1e-6)
    r = torch.randn(20_000, generator=generator)
    r, v = r.requires_grad_(), v.requires_grad_()
    wide = [each.detach().double() for each in (r, v)]
    value = L.gaussian_nll_loss(r, torch.zeros_like(r), v, reduction="none")
    of_r, of_v = torch.autograd.grad(value.sum(), (r, v))
    log, square = wide[1].log() / 2, wide[0] ** 2 / wide[1] / 2
    true = (log + square, wide[0] / wide[1], (1 - 2 * square) / (2 * wide[1]))
    # Well conditioned: where the two parts do not cancel.
    apart = ((log + square).abs() > 0.25 * (log.abs() + square)) & (
        (1 - 2 * square).abs() > 0.25 * (1 + 2 * square)
    )
    for got, exact in zip((value, of_r, of_v), true, strict=True):
        off = ((got.detach().double() - exact) / exact).abs()[apart]
        assert off.max() <= 8 * torch.finfo(torch.float32).eps


# --- rivals


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_multi_margin(reduction, p, weighted):
    x, t = tensor(7, 5), torch.tensor([0, 4, 2, 2, 1, 3, 0])
    weight = tensor(5, seed=3, low=0.1).detach() if weighted else None
    keywords = {"p": p, "margin": 0.7, "weight": weight, "reduction": reduction}
    ours, theirs = both("multi_margin_loss", x, t, **keywords)
    assert is_ours(ours)
    same(ours, theirs, x, twice=False)
    torch.testing.assert_close(*both("multi_margin_loss", x.detach(), t, **keywords))
    scaled_twice(lambda x: L.multi_margin_loss(x, t, p), x)
    assert torch.autograd.gradgradcheck(lambda x: L.multi_margin_loss(x, t, **keywords), x)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_multilabel_margin(reduction):
    x = tensor(4, 5)
    t = torch.tensor([[3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 4], [2, 2, -1, -1, -1]])
    ours, theirs = both("multilabel_margin_loss", x, t, reduction=reduction)
    assert is_ours(ours)
    same(ours, theirs, x, twice=False)
    torch.testing.assert_close(*both("multilabel_margin_loss", x.detach(), t, reduction=reduction))
    scaled_twice(lambda x: L.multilabel_margin_loss(x, t), x)
    assert torch.autograd.gradgradcheck(lambda x: L.multilabel_margin_loss(x, t, reduction=reduction), x)


def test_rivals_at_the_kink_and_of_one_row():
    x = torch.tensor([1.0, 0.0, 2.0], requires_grad=True)
    for name, target in (
        ("multi_margin_loss", torch.tensor(0)),
        ("multilabel_margin_loss", torch.tensor([0, -1, 2])),
    ):
        for reduction in REDUCTIONS:
            ours, theirs = both(name, x, target, reduction=reduction)
            assert is_ours(ours)
            same(ours, theirs, x, twice=False)


OF_ANY_SCORES = [
    (name, target, keywords)
    for name, targets in (
        ("multi_margin_loss", [0, 1, 2]),
        ("multilabel_margin_loss", [[0, -1, -1], [1, 2, -1], [0, 0, -1], [2, 1, 0], [-1, 0, 1]]),
    )
    for target in targets
    for keywords in ([{}] if name == "multilabel_margin_loss" else [{}, {"p": 2}, {"weight": torch.tensor([1.0, 0, 2])}])
]  # fmt: skip


@pytest.mark.parametrize(("name", "target", "keywords"), OF_ANY_SCORES)
def test_of_rivals_only_pairs_are_asked_by_every_path(name, target, keywords):
    """Infinite scores and NaN: what is no pair, or lacks nothing, has no slope."""
    rows = torch.tensor(list(product([0.0, 0.5, 3.0, torch.inf, -torch.inf, torch.nan], repeat=3)))
    target = torch.tensor(target).expand(len(rows), *torch.tensor(target).shape)
    loss = partial(getattr(L, name), target=target, reduction="none", **keywords)
    found = []
    for create_graph in (False, True):
        x = rows.clone().requires_grad_()
        found.append(torch.autograd.grad(loss(x).sum(), x, create_graph=create_graph)[0])
    found.append(torch.func.grad(lambda x: loss(x).sum())(rows))
    for each in found[1:]:
        torch.testing.assert_close(each, found[0], equal_nan=True)
    by_operations = torch.func.jvp(loss, (rows,), (rows * 0,))[0]
    torch.testing.assert_close(by_operations, loss(rows), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_rivals_of_many_rows_and_layouts(dtype):
    x = tensor(3000, 130, dtype=dtype)
    t = torch.randint(0, 130, (3000,), generator=torch.Generator().manual_seed(1))
    lists = torch.full((3000, 130), -1)
    lists[:, 0], lists[:, 1] = t, (t + 7) % 130
    for view in (lambda x: x, lambda x: x.t().contiguous().t(), lambda x: x[::2, 10:]):
        scores = view(x).detach().requires_grad_()
        right = t[:: 3000 // len(scores)] % scores.shape[1]
        for p in (1, 2):
            ours, theirs = both("multi_margin_loss", scores, right, p)
            assert is_ours(ours)
            same(ours, theirs, scores, twice=False)
    ours, theirs = both("multilabel_margin_loss", x, lists)
    assert is_ours(ours)
    same(ours, theirs, x, twice=False)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.multi_margin_loss(torch.randn(2, 3), torch.tensor([0, 3])),
        lambda m: m.multi_margin_loss(torch.randn(2, 3), torch.tensor([0, -1])),
        lambda m: m.multi_margin_loss(torch.randn(2, 3), torch.tensor([0, 1, 2])),
        lambda m: m.multi_margin_loss(torch.randn(2, 3), torch.tensor([0, 1]), p=3),
        lambda m: m.multi_margin_loss(torch.randn(2, 3), torch.tensor([0, 1]), weight=torch.ones(2)),
        lambda m: m.multi_margin_loss(torch.randn(2, 3).bfloat16(), torch.tensor([0, 1])),
        lambda m: m.multi_margin_loss(torch.randn(2, 3), torch.tensor([0, 1]), reduction="median"),
        lambda m: m.multilabel_margin_loss(torch.randn(2, 3), torch.tensor([[0, 1, 3], [0, 1, 2]])),
        lambda m: m.multilabel_margin_loss(torch.randn(2, 3), torch.tensor([[0, 1, -2], [0, 1, 2]])),
        lambda m: m.multilabel_margin_loss(torch.randn(2, 3), torch.tensor([0, 1])),
        lambda m: m.gaussian_nll_loss(torch.randn(2, 3), torch.randn(2, 3), -torch.ones(2, 3)),
        lambda m: m.gaussian_nll_loss(torch.randn(2, 3), torch.randn(2, 3), -1.0),
        lambda m: m.gaussian_nll_loss(torch.randn(2, 3), torch.randn(2, 3), torch.ones(3)),
        lambda m: m.gaussian_nll_loss(torch.randn(2, 3), torch.randn(2, 3), torch.ones(2, 3), reduction="median"),
        lambda m: m.gaussian_nll_loss(torch.randn(2, 3), torch.randn(2, 3), 1),
    ],
)  # fmt: skip
def test_errors_are_pytorchs(call):
    with pytest.raises(Exception) as theirs:
        call(torch.nn.functional)
    with pytest.raises(type(theirs.value)) as ours:
        call(L)
    assert str(ours.value) == str(theirs.value)


def test_few_scores_are_left_to_pytorch(monkeypatch):
    monkeypatch.undo()
    for rows in (10, 3000):
        x = torch.randn(rows, 10, requires_grad=True)
        assert is_ours(L.multi_margin_loss(x, torch.zeros(rows, dtype=torch.int64))) == (rows == 3000)


# --- what other losses had left to PyTorch


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(7,), (3, 1), (3, 7), (5, 1, 1), (5, 3, 7)], ids=str)
def test_a_positive_weight_for_each_class(reduction, shape):
    x, y = tensor(5, 3, 7), tensor(5, 3, 7, seed=1, low=0.0)
    pos_weight, weight = tensor(*shape, seed=2, low=0.5).detach(), tensor(7, seed=3, low=0.5).detach()
    keywords = {"pos_weight": pos_weight, "reduction": reduction}
    ours, theirs = both("binary_cross_entropy_with_logits", x, y, **keywords)
    assert is_ours(ours)
    same(ours, theirs, x, y)
    same(*both("binary_cross_entropy_with_logits", x, y.detach(), weight, **keywords), x)
    turned = [each.transpose(0, 2).contiguous().transpose(0, 2) for each in (x, y.detach())]
    same(*both("binary_cross_entropy_with_logits", *turned, **keywords), x)
    torch.testing.assert_close(*both("binary_cross_entropy_with_logits", x.detach(), y.detach(), **keywords))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("classes", [3, 2048, 3001])
def test_a_positive_weight_for_each_class_over_many_blocks(dtype, classes):
    x, y = (
        tensor(90, classes, dtype=dtype),
        tensor(90, classes, seed=1).detach().sign().clamp_min(0).to(dtype),
    )
    pos_weight = tensor(classes, seed=2, low=0.5, dtype=dtype).detach()
    for reduction in ("sum", "none"):
        ours = L.binary_cross_entropy_with_logits(x, y, pos_weight=pos_weight, reduction=reduction)
        assert is_ours(ours)
        wide = x.detach().double().requires_grad_()
        theirs = L.torchs["binary_cross_entropy_with_logits"](
            wide, y.double(), pos_weight=pos_weight.double(), reduction=reduction
        )
        torch.testing.assert_close(ours, theirs.to(dtype))
        upstream = torch.randn_like(ours)
        gradient = torch.autograd.grad(ours, x, upstream)[0]
        torch.testing.assert_close(
            gradient, torch.autograd.grad(theirs, wide, upstream.double())[0].to(dtype)
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("log_input", [True, False])
def test_poisson_with_stirlings_term(reduction, log_input):
    x, y = tensor(8, 5, low=0.1), torch.arange(40.0, dtype=torch.float64).view(8, 5)
    ours, theirs = both("poisson_nll_loss", x, y, log_input, full=True, reduction=reduction)
    assert is_ours(ours)
    same(ours, theirs, x)
    y.requires_grad_()
    torch.testing.assert_close(*both("poisson_nll_loss", x, y, log_input, full=True, reduction=reduction))


def test_multilabel_soft_margin_of_each_row():
    x, y, weight = tensor(4, 3, 5), tensor(4, 3, 5, seed=1, low=0.0), tensor(5, seed=2, low=0.1).detach()
    same(*both("multilabel_soft_margin_loss", x, y, reduction="none"), x, y)
    same(*both("multilabel_soft_margin_loss", x, y.detach(), weight, reduction="none"), x)


@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div_of_the_mean_warns_as_pytorch_does(log_target):
    x, y = tensor(4, 5), tensor(4, 5, seed=1, low=0.0)
    with pytest.warns(UserWarning, match="batchmean") as caught:
        ours, theirs = both("kl_div", x, y, log_target=log_target)
    first, second = caught
    assert str(first.message) == str(second.message)
    assert first.filename == second.filename == __file__
    assert is_ours(ours)
    same(ours, theirs, x, y)


# --- transforms, and one graph


def cases():
    """Every loss of this file as a function of its first input alone."""
    a, b, y = ranking(4, 6)
    t = torch.tensor([0, 3, 5, 2])
    yield "margin_ranking_loss", a.detach(), lambda f, x: f(x, b.detach(), y, 0.5)
    yield "gaussian_nll_loss", a.detach(), lambda f, x: f(x, b.detach(), 0.5)
    yield "multi_margin_loss", a.detach(), lambda f, x: f(x, t)
    yield "multilabel_margin_loss", a.detach(), lambda f, x: f(x, torch.stack([t, *[t * 0 - 1] * 5], 1))


def test_a_variance_that_float32_does_not_hold():
    x, y = torch.zeros(2), torch.ones(2)
    torch.testing.assert_close(L.gaussian_nll_loss(x, y, 1e39), L.torchs["gaussian_nll_loss"](x, y, 1e39))


@pytest.mark.parametrize(
    ("name", "x", "call"), list(cases()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_transforms_and_one_graph(name, x, call):
    ours, theirs = (lambda x, f=f: call(f, x) for f in (getattr(L, name), L.torchs[name]))
    torch.testing.assert_close(torch.func.grad(ours)(x), torch.func.grad(theirs)(x))
    # Against PyTorch in eager mode: compiled, its multilabel margin is another loss.
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    x = x.clone().requires_grad_()
    torch.testing.assert_close(compiled(x), theirs(x))
    torch.testing.assert_close(torch.autograd.grad(compiled(x), x), torch.autograd.grad(theirs(x), x))


@pytest.mark.parametrize("name", ["multi_margin_loss", "multilabel_margin_loss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_single_score_has_no_other_by_any_transform(name, reduction):
    score, target = torch.tensor(0.7), torch.tensor(0)

    def loss(score):
        return getattr(L, name)(score, target, reduction=reduction)

    assert loss(score) == 0
    assert torch.func.grad(loss)(score) == 0
    assert torch.func.hessian(loss)(score) == 0
    assert torch.func.jvp(loss, (score,), (score,)) == (0, 0)
    assert torch.vmap(loss)(score[None]).tolist() == [0]

"""The twins as torch operations: under torch.func, in forward mode, and where tensors are on another device."""

from __future__ import annotations

from functools import partial

import mpmath
import numpy as np
import pytest
import sympy

torch = pytest.importorskip("torch")

from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap  # noqa: E402

import losscope as ls  # noqa: E402
from conftest import ELEMENTWISE  # noqa: E402
from losscope.derive import TARGET  # noqa: E402
from losscope.exactness.bench import DTYPES, Bench  # noqa: E402
from losscope.exactness.certificate import BOUND  # noqa: E402
from losscope.exactness.mending import arguments, written  # noqa: E402
from losscope.exactness.samples import points  # noqa: E402
from losscope.expression import symbol  # noqa: E402
from losscope.expression.from_sympy import in_our_words  # noqa: E402
from losscope.torch import eligibility, formula, multiclass_margin  # noqa: E402
from losscope.torch import functional as L  # noqa: E402

DOUBLE = torch.float64
_generator = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(shape, generator=_generator, dtype=DOUBLE)


def uniform(*shape):
    return torch.rand(shape, generator=_generator, dtype=DOUBLE)


SCORES, SOFT, POSITIVE = normal(5, 7), uniform(5, 7), uniform(5, 7) + 0.1
WEIGHTS, OF_CLASSES = uniform(5, 7), uniform(7) + 0.5
CLASSES, SOME_IGNORED = torch.tensor([0, 6, 3, 1, 2]), torch.tensor([0, 6, 3, -100, 2])
PROBABILITIES = torch.softmax(normal(5, 7), -1)
LISTS = torch.tensor(
    [[1, 2, -1, 0, 0, 0, 0], [3, -1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6], [-1] * 7, [2, 2, -1, 0, 0, 0, 0]]
)
ANCHOR, NEAR, FAR = normal(5, 4), normal(5, 4), normal(5, 4)
SIDES = torch.tensor([1, -1, 1, -1, 1])

# What is differentiated, the other arguments, and keywords.
CALLS = [
    ("cross_entropy", SCORES, (SOME_IGNORED,), {}),
    ("cross_entropy", SCORES, (SOME_IGNORED,), {"weight": OF_CLASSES, "label_smoothing": 0.2}),
    ("cross_entropy", SCORES, (SOME_IGNORED,), {"weight": OF_CLASSES, "reduction": "none"}),
    ("cross_entropy", SCORES, (PROBABILITIES,), {"weight": OF_CLASSES}),
    ("cross_entropy", SCORES, (PROBABILITIES,), {"label_smoothing": 0.1, "reduction": "sum"}),
    ("cross_entropy", normal(2, 3, 4), (torch.tensor([[0, 2, 1, 1], [2, 2, 0, 1]]),), {}),
    ("cross_entropy", normal(4), (torch.tensor(2),), {}),
    ("multi_margin_loss", SCORES, (CLASSES,), {}),
    ("multi_margin_loss", SCORES, (CLASSES,), {"p": 2, "weight": OF_CLASSES, "reduction": "none"}),
    ("multi_margin_loss", SCORES[0], (CLASSES[0],), {"margin": 0.3, "reduction": "sum"}),
    ("multilabel_margin_loss", SCORES, (LISTS,), {}),
    ("multilabel_margin_loss", SCORES, (LISTS,), {"reduction": "none"}),
    ("cosine_embedding_loss", ANCHOR, (NEAR, SIDES), {"margin": 0.1}),
    ("cosine_embedding_loss", ANCHOR, (NEAR, 2 * SIDES), {"reduction": "none"}),
    ("triplet_margin_loss", ANCHOR, (NEAR, FAR), {}),
    ("triplet_margin_loss", ANCHOR, (NEAR, FAR), {"swap": True, "reduction": "none"}),
    ("gaussian_nll_loss", SOFT, (SCORES, POSITIVE), {"full": True}),
    ("gaussian_nll_loss", SOFT, (SCORES, POSITIVE[:, :1]), {"reduction": "none"}),
    ("margin_ranking_loss", SCORES[:, 0], (SOFT[:, 0], SIDES.double()), {}),
    ("mse_loss", SCORES, (SOFT,), {"weight": WEIGHTS}),
    ("l1_loss", SCORES, (SOFT,), {"weight": WEIGHTS, "reduction": "none"}),
    ("huber_loss", SCORES, (SOFT,), {"weight": WEIGHTS}),
    ("binary_cross_entropy", SOFT, (POSITIVE.clamp(max=1),), {"weight": WEIGHTS}),
    ("binary_cross_entropy_with_logits", SCORES, (SOFT,), {"weight": WEIGHTS, "pos_weight": OF_CLASSES}),
    ("binary_cross_entropy_with_logits", SCORES, (SOFT,), {"pos_weight": OF_CLASSES[:1], "reduction": "sum"}),
]
each_call = pytest.mark.parametrize(
    ("name", "x", "rest", "keywords"),
    CALLS,
    ids=[f"{name}-{number}" for number, (name, *_) in enumerate(CALLS)],
)


@pytest.fixture
def only_ours(monkeypatch):
    """PyTorch's own function, and no other, is called by a name of ours that gives the call away."""

    def refuse(*_, **__):
        raise AssertionError("left to PyTorch")

    for name in L.torchs:
        monkeypatch.setitem(L.pytorchs.torchs, name, refuse)
    return L.torchs


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@each_call
def test_transforms(only_ours, name, x, rest, keywords):
    ours = lambda z: getattr(L, name)(z, *rest, **keywords)
    theirs = lambda z: only_ours[name](z, *rest, **keywords)
    torch.testing.assert_close(jacrev(ours)(x), jacrev(theirs)(x))
    tangent = torch.ones_like(x).cumsum(0)
    expected = theirs(x), (jacrev(theirs)(x) * tangent).flatten(theirs(x).ndim).sum(-1)
    torch.testing.assert_close(jvp(ours, (x,), (tangent,)), expected)
    torch.testing.assert_close(
        vmap(ours)(torch.stack([x, x * 0.4])), torch.stack([theirs(x), theirs(x * 0.4)])
    )
    second = hessian(lambda z: ours(z).sum())(x)
    if not name.startswith("multi"):  # PyTorch's has no second derivative
        torch.testing.assert_close(second, hessian(lambda z: theirs(z).sum())(x), rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@each_call
def test_forward_mode_in_forward_mode(name, x, rest, keywords):
    """torch's own autograd.Function silently has a second derivative of 0 there."""
    summed = lambda z: (getattr(L, name)(z, *rest, **keywords) ** 2).sum()
    second = jacfwd(jacfwd(summed))(x)
    torch.testing.assert_close(second, hessian(summed)(x))
    tangent = torch.ones_like(x)
    once = lambda z: jvp(summed, (z,), (tangent,))[1]
    torch.testing.assert_close(jvp(once, (x,), (tangent,))[1], second.sum())
    torch.testing.assert_close(grad(once)(x), second.flatten(x.ndim).sum(-1))


@each_call
def test_what_another_device_runs(only_ours, monkeypatch, name, x, rest, keywords):
    """No device but the CPU is here: the CPU is taken for another one."""
    monkeypatch.setattr(eligibility, "plain", lambda *_: False)
    monkeypatch.setattr(eligibility, "by_operations", lambda *_: True)
    monkeypatch.setattr(eligibility, "how", lambda *_: eligibility.FORMULA)
    monkeypatch.setattr(multiclass_margin, "SMALL", 0)
    for dtype in (torch.float64, torch.float32):
        to = lambda each: each.to(dtype) if each.is_floating_point() else each  # noqa: B023
        z = to(x).clone().requires_grad_()
        others = [to(each) for each in rest]
        named = {key: to(each) if isinstance(each, torch.Tensor) else each for key, each in keywords.items()}
        ours, theirs = (f[name](z, *others, **named) for f in (vars(L), only_ours))
        torch.testing.assert_close(ours, theirs)
        upstream = torch.ones_like(ours) * 3
        torch.testing.assert_close(
            torch.autograd.grad(ours, z, upstream), torch.autograd.grad(theirs, z, upstream)
        )


def test_each_row_by_itself():
    for keywords in ({}, {"weight": OF_CLASSES, "label_smoothing": 0.1}):
        for target in (CLASSES, PROBABILITIES):
            each = [
                vmap(grad(lambda z, t, f=f: f(z, t, **keywords)))(SCORES, target)  # noqa: B023
                for f in (L.cross_entropy, L.torchs["cross_entropy"])
            ]
            torch.testing.assert_close(*each)


def test_probabilities_have_a_gradient():
    ours, theirs = (
        grad(lambda p, f=f: f(SCORES, p))(PROBABILITIES) for f in (L.cross_entropy, L.torchs["cross_entropy"])
    )
    torch.testing.assert_close(ours, theirs)


def test_a_confident_row_keeps_its_gradient():
    logits = torch.tensor([[40.0, 0.0, 0.0]])
    gradient = grad(lambda z: L.cross_entropy(z, torch.tensor([0])))(logits)
    torch.testing.assert_close(
        gradient, torch.tensor([[-8.4967e-18, 4.2484e-18, 4.2484e-18]]), rtol=1e-4, atol=0
    )


def test_nothing_left_to_count():
    gone = torch.full((5,), -100)
    assert jvp(lambda z: L.cross_entropy(z, gone), (SCORES,), (SCORES,))[0].isnan()


@pytest.mark.parametrize("target", [torch.tensor([0, 7, 1, 1, 1]), torch.tensor([0, -1, 1, 1, 1])])
def test_a_class_that_is_none(target):
    with pytest.raises(IndexError, match="out of bounds"):
        grad(lambda z: L.cross_entropy(z, target))(SCORES)


OF_ALL_SIZES = {name: ls.get(name) for name in ELEMENTWISE} | {
    formula: ls.define("mine", formula) for formula in ("max(r, 0)*asinh(z)", "tanh(z)*z", "z**2*exp(-z**2)")
}


@pytest.mark.parametrize("name", OF_ALL_SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_second_derivative_overflows_nowhere_that_the_kernel_does_not(name: str, dtype: str) -> None:
    """At numbers of every size: both multiply in the same order."""
    loss = OF_ALL_SIZES[name]
    at = points(arguments(loss.entry, None), {}, dtype, 4000, seed=3)
    z, y = at["prediction"], at["target"]
    kernel = loss.value_grad_curvature(z, y, reduction="none")[2]
    which = formula.Derivative(loss.entry, None, tuple(loss.parameters.values()), prediction=2)
    found = formula.Partial.apply(torch.from_numpy(z), torch.from_numpy(y), which).numpy()
    ordinary = np.isfinite(kernel) & ((np.abs(kernel) > 2.0**14 * np.finfo(dtype).tiny) | (kernel == 0))
    np.testing.assert_allclose(
        found[ordinary], kernel[ordinary], rtol=0.1, atol=2.0**14 * np.finfo(dtype).tiny
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0])], ids=["plain", "weighed"])
@pytest.mark.parametrize("target", [torch.tensor(1), torch.tensor([0.2, 0.3, 0.5])], ids=["index", "shares"])
def test_a_tangent_of_one_vector_has_its_dtype(target, weight, reduction):
    logits, options = torch.tensor([1.0, 2.0, 0.5]), {"weight": weight, "reduction": reduction}

    def along(function):
        return jvp(lambda z: function(z, target, **options), (logits,), (logits,))

    torch.testing.assert_close(along(L.cross_entropy), along(torch.nn.functional.cross_entropy))


@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss", "huber_loss"])
def test_a_mean_is_added_up_in_double_precision_as_in_a_kernel(name):
    x, target = torch.full((4,), 3e38), torch.zeros(4)
    loss = partial(getattr(L, name), target=target)
    assert loss(x) == 3e38
    assert jvp(loss, (x,), (torch.ones(4),))[0] == loss(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_entry_of_a_hessian_of_cross_entropy_keeps_its_digits(dtype):
    """p_i (1 - p_i) and -p_i p_j, also of a class that leads or is as good as nothing: by every path and kind of target."""
    generator = np.random.default_rng(5)
    for _ in range(20):
        z = torch.tensor(generator.normal(size=4) * generator.choice([1, 10, 30]), dtype=dtype)
        p = [mpmath.exp(mpmath.mpf(each)) for each in z.tolist()]
        total, rest = sum(p), [sum(p[:i] + p[i + 1 :]) for i in range(4)]
        exact = [[p[i] * (rest[i] if i == j else -p[j]) / total**2 for j in range(4)] for i in range(4)]
        exact = torch.tensor([[float(each) for each in row] for row in exact], dtype=dtype)
        for target in (int(generator.integers(4)), generator.dirichlet(np.ones(4))):
            target = torch.tensor(target, dtype=None if isinstance(target, int) else dtype)
            if not target.ndim:
                sides = [target, torch.nn.functional.one_hot(target, 4).to(dtype)]
            else:
                sides = [target / target.sum()]
            for side in sides:
                loss = partial(L.cross_entropy, target=side)
                by_tape = torch.autograd.functional.hessian(loss, z)
                for found in (hessian(loss)(z), by_tape):
                    tiny = 1e3 * torch.finfo(dtype).tiny
                    size = 8 * (1 + z.abs().max().item()) * torch.finfo(dtype).eps
                    torch.testing.assert_close(found, exact, rtol=size, atol=tiny)


@pytest.mark.parametrize("name", ["pseudo_huber", "huber", "log_cosh", "squared_error"])
def test_of_a_residual_both_sides_have_the_same_curvature(name):
    z = torch.tensor([1e-9, 0.3, 1e3, 1e10, 1e20], dtype=torch.float64)
    loss = partial(ls.get(name), reduction="sum")
    in_target = hessian(lambda y: loss(z * 0, y))(z)
    torch.testing.assert_close(in_target, hessian(lambda x: loss(x, z * 0))(z), rtol=1e-15, atol=0)


IN_TARGET = [
    name
    for name in ls.losses()
    if ls.get(name).structure == "elementwise"
    and ls.get(name).entry.target.name not in ("sign", "label", "count")
]


@pytest.mark.parametrize("name", IN_TARGET)
def test_the_slope_in_the_target_is_exact(name: str) -> None:
    """Where two sides nearly cancel, as softplus(-z) - softplus(z) beside a logit of 0, it must be written without them."""
    loss = ls.get(name)
    settled = {symbol(each): sympy.Rational(value) for each, value in loss.parameters.items()}
    slope = in_our_words(sympy.diff(written(loss.entry, None)[0], TARGET)).xreplace(settled)
    points = Bench([slope], arguments(loss.entry, None), {}, 1000, seed=3)
    for dtype in DTYPES:
        z, y = (torch.tensor(points.at[dtype][each]) for each in ("prediction", "target"))
        y.requires_grad_()
        (found,) = torch.autograd.grad(loss(z, y, reduction="none").sum(), y)
        with np.errstate(all="ignore"):
            errors = points.errors(0, dtype, found.numpy())
        inside = (z.abs() < 1e6) & (y != 0)  # a certain 0 has a slope of its own
        assert errors[inside.numpy()].max() <= BOUND


# What kernels do with a formula: gather both sides of a logit, round a parameter; and a derivative may be a number.
OF_USERS = [
    ("0.1*r", {}),
    ("c*r**2", {"c": 0.1}),
    ("r**2/(2*s**2)", {"s": 0.3}),
    ("(r**2)**(q/2)", {"q": 1.3}),
    ("sigmoid(z)*log(sigmoid(z)) + sigmoid(-z)*log(sigmoid(-z))", {}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("text", "parameters"), OF_USERS)
def test_the_graph_of_a_derivative_computes_what_a_kernel_does(
    text: str, parameters: dict, dtype: str
) -> None:
    loss = ls.define("mine", text, **parameters)
    z = points({"prediction": "real"}, {}, dtype, 300, seed=2)["prediction"]
    z = z[np.abs(np.log2(np.abs(z), where=z != 0, out=np.zeros_like(z))) < 60]
    known = loss.value_grad_curvature(z, np.zeros_like(z), reduction="none")
    at = torch.tensor(z, requires_grad=True)
    value = loss(at, torch.zeros_like(at), reduction="none")
    (slope,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    curvature = torch.autograd.grad(slope.sum(), at)[0] if slope.requires_grad else torch.zeros_like(at)
    for mine, computed in zip((value, slope, curvature), known, strict=True):
        info = np.finfo(dtype)
        np.testing.assert_allclose(mine.detach(), computed, rtol=40 * info.eps, atol=info.tiny)

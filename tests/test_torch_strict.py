"""Losses of tensors are as strict and as exact as those of arrays, by every path: kernels, torch.func, create_graph."""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

import losscope as ls  # noqa: E402
from conftest import DISTANCE, ELEMENTWISE, LOSSES, batch, beside, weights  # noqa: E402
from losscope.torch import functional  # noqa: E402

inf, nan = float("inf"), float("nan")
HALVES = [torch.float16, torch.bfloat16]


def tensors(loss: Any, rows: int = 6, dtype: Any = torch.float64) -> tuple[Any, Any, dict[str, Any]]:
    """A batch of a loss as tensors, and what else it needs."""
    prediction, target = (torch.as_tensor(each) for each in batch(loss, rows))
    options = {name: torch.as_tensor(each) for name, each in beside(loss, rows).items()}
    prediction = prediction.to(dtype)
    if loss.structure == "distance":
        options = {name: each.to(dtype) if name == "negative" else each for name, each in options.items()}
    return prediction, target.to(dtype) if target.is_floating_point() else target, options


def slope(function: Any, at: Any, way: str) -> Any:
    """The gradient, by one of the ways in which there is one."""
    if way == "func":
        return torch.func.grad(function)(at)
    at = at.clone().requires_grad_()
    return torch.autograd.grad(function(at), at, create_graph=way == "create_graph")[0].detach()


# ------------------------------------------------------------------------------------- what is given


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_whole_numbers_and_a_list_are_no_whole_numbers_alone(name: str) -> None:
    """The target keeps its fractions beside a prediction that has none."""
    loss = ls.get(name)
    _, target = batch(loss, 4)
    prediction = np.array([1, 0, 1, 1])
    if loss.entry.over == "rows":
        prediction, target = np.eye(4, dtype=int), target.reshape(4, -1)
    expected = loss(prediction, target, reduction="none")
    for given in (target, target.tolist(), torch.as_tensor(target)):
        found = loss(torch.as_tensor(prediction), given, reduction="none")
        np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        (np.array([16777216.0], "float32"), np.array([16777217.0])),
        (np.array([2048.0], "float16"), np.array([2049.0])),
        (np.array([0.1], "float32"), np.array([0.1])),
    ],
)
def test_a_wide_array_is_not_rounded_to_a_narrow_tensor(prediction: Any, target: Any) -> None:
    tensor = torch.as_tensor(prediction).requires_grad_()
    loss = ls.absolute_error(tensor, target)
    loss.backward()
    loss = loss.detach()
    value, gradient = ls.absolute_error.value_and_grad(prediction, target)
    assert loss.dtype is tensor.dtype
    assert float(loss) == pytest.approx(value, rel=1e-3, abs=0)
    assert float(tensor.grad) == gradient[0]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("size", [2.0**-30, 2.0**20])
@pytest.mark.parametrize("name", LOSSES)
def test_a_mean_of_halves_does_not_change_with_the_size_of_its_weights(
    name: str, size: float, dtype: Any
) -> None:
    """Weights that a half does not hold, of elements and rows, by a kernel and under torch.func."""
    loss = ls.get(name)
    prediction, target, options = tensors(loss, 6, dtype)
    weight = torch.as_tensor(weights(6, 1), dtype=torch.float32)

    def value(of: Any, by: float) -> Any:
        return loss(of, target, weight=weight * by, **options)

    for way in ("eager", "func"):
        found, expected = (slope(lambda of, by=by: value(of, by), prediction, way) for by in (size, 1.0))
        assert torch.equal(found, expected) or torch.allclose(found, expected, rtol=0.02, atol=1e-6)
    assert torch.allclose(value(prediction, size), value(prediction, 1.0), rtol=0.01)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("size", [2.0**-30, 2.0**20])
@pytest.mark.parametrize("way", ["eager", "func"])
def test_weights_of_classes_are_no_halves_either(dtype: Any, size: float, way: str) -> None:
    logits, target, _ = tensors(ls.cross_entropy, 6, dtype)
    weight = torch.tensor([1.0, 3.0, 2.0, 0.5])
    found, expected = (
        slope(lambda z, by=by: ls.cross_entropy(z, target, class_weight=weight * by), logits, way)
        for by in (size, 1.0)
    )
    assert torch.allclose(found, expected, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("dtype", HALVES)
def test_totals_of_halves_add_up(dtype: Any) -> None:
    four = torch.full((1,), 2.0, dtype=dtype)
    total = sum(ls.squared_error.total(four, four * 0) for _ in range(1000))
    assert float(total.mean()) == 4
    many = ls.cross_entropy.total(torch.zeros(70_000, 4, dtype=dtype), torch.zeros(70_000, dtype=torch.int64))
    assert float(many.sum) == pytest.approx(70_000 * np.log(4), rel=1e-6)


# ------------------------------------------------------------------------------------- what is refused

ROWS, PAIR = torch.zeros(2, 3), torch.zeros(2, 2)
REFUSED = [
    ("triplet_margin", PAIR, {}),
    ("triplet_margin", PAIR, {"negative": PAIR, "label": torch.ones(2)}),
    ("cosine_embedding", PAIR, {"negative": PAIR}),
    ("triplet_margin", PAIR, {"negative": PAIR, "swap": 0.5}),
    ("triplet_margin", torch.zeros(2, 0), {"negative": torch.zeros(2, 0)}),
    ("cross_entropy", torch.tensor([0, 1]), {"ignore_index": 0.5}),
    ("cross_entropy", torch.tensor([0, 1]), {"ignore_index": 2**70}),
    ("cross_entropy", torch.tensor([0, 1]), {"label_smoothing": 2.0}),
    ("cross_entropy", torch.tensor([0, 1]), {"label_smoothing": "0.1"}),
    ("cross_entropy", torch.tensor([0, 1]), {"class_weight": torch.ones(1)}),
    ("cross_entropy", torch.tensor([0, 1]), {"class_weight": torch.ones(1, 3)}),
    ("cross_entropy", torch.tensor([0, 1]), {"class_weight": torch.ones(2)}),
    ("cross_entropy", torch.tensor([False, True]), {}),
    ("cross_entropy", torch.zeros(2, 2), {}),
    ("kl_divergence", torch.tensor(0.5), {}),
    ("binary_cross_entropy_of_probability", torch.tensor([0.0, 2.0]), {}),
    ("poisson", torch.tensor([0.0, -1.0]), {}),
]


@pytest.mark.parametrize(("name", "target", "options"), REFUSED)
def test_what_is_refused_is_refused_under_torch_func_too(name: str, target: Any, options: Any) -> None:
    loss = ls.get(name)
    prediction = ROWS if name == "cross_entropy" else target * 0 + (0.5 if target.ndim < 2 else 0)
    for call in (
        lambda z: loss(z, target, **options),
        torch.func.grad(lambda z: loss(z, target, **options)),
        lambda z: torch.func.vmap(lambda one: loss(one, target, **options))(z[None]),
    ):
        with pytest.raises(ls.LossError):
            call(prediction)


@pytest.mark.parametrize("way", ["grad", "vmap", "jvp"])
def test_what_is_no_probability_is_refused_as_by_pytorch(way: str) -> None:
    wrong, y = torch.tensor([0.5, 1.5]), torch.tensor([0.0, 1.0])
    call = {
        "grad": lambda loss: torch.func.grad(lambda p: loss(p, y))(wrong),
        "vmap": lambda loss: torch.func.vmap(loss)(wrong, y),
        "jvp": lambda loss: torch.func.jvp(lambda p: loss(p, y), (wrong,), (y,)),
    }[way]
    for loss in (F.binary_cross_entropy, functional.binary_cross_entropy):
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            call(loss)


@pytest.mark.parametrize(
    "bad", [{"ignore_index": 1.5}, {"ignore_index": "a"}, {"label_smoothing": "a"}], ids=str
)
def test_an_option_that_is_bound_is_a_number_of_its_kind(bad: dict[str, Any]) -> None:
    with pytest.raises(ls.LossError):
        ls.cross_entropy.bind(**bad)
    with pytest.raises(ls.LossError):
        ls.get("triplet_margin").bind(swap=0.7)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_tensor_that_names_no_class_is_told_what_to_do(dtype):
    words = rf"Got: {dtype}. Expected: int64. Use target.long\(\)"
    target = torch.tensor([1, 0]).to(dtype)
    for call in (ls.cross_entropy, torch.func.grad(ls.cross_entropy)):
        with pytest.raises(ls.LossTypeError, match=words):
            call(torch.eye(2), target)


@pytest.mark.parametrize("number", [-(2**63), -100, 2**53 + 1, 2**60])
def test_a_name_brings_back_any_whole_number(number: int) -> None:
    bound = ls.cross_entropy.bind(ignore_index=number)
    assert ls.get(bound.name).options == bound.options


# ------------------------------------------------------------------------------------- by every path


@pytest.mark.parametrize("way", ["eager", "create_graph", "func"])
@pytest.mark.parametrize(
    "positive", [torch.tensor(2.0), torch.tensor([2.0, nan]), torch.tensor([[3.0, inf]])]
)
def test_a_weight_of_0_removes_beside_weights_of_positives(positive: Any, way: str) -> None:
    logits, target = torch.tensor([[1.0, nan]]), torch.zeros(1, 2)
    weight = torch.tensor([[1.0, 0.0]])

    def loss(z: Any) -> Any:
        # Under a transform a tensor that is made within is one of the transform's.
        return functional.binary_cross_entropy_with_logits(
            z, target, weight, pos_weight=positive * torch.ones(())
        )

    expected = torch.tensor([[0.5 / (1 + np.exp(-1.0)), 0.0]], dtype=torch.float32)
    torch.testing.assert_close(slope(loss, logits, way), expected)


@pytest.mark.parametrize("way", ["eager", "create_graph", "func"])
@pytest.mark.parametrize("stray", [nan, inf])
def test_a_weight_of_0_removes_a_row_of_what_are_no_probabilities(stray: float, way: str) -> None:
    share = torch.tensor([[0.5, 0.5], [stray, 0.5]])
    weight = torch.tensor([1.0, 0.0])
    found = slope(
        lambda z: ls.cross_entropy(z, share, weight=weight), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), way
    )
    assert found.isfinite().all()
    assert found[0].any()
    assert not found[1].any()


@pytest.mark.parametrize("way", ["eager", "create_graph", "func"])
@pytest.mark.parametrize("name", DISTANCE)
def test_a_row_whose_loss_is_0_has_no_slope_be_it_infinite(name: str, way: str) -> None:
    loss = ls.get(name)
    anchor, far = torch.tensor([[1.0, 2.0]]), torch.tensor([[inf, 0.0]])
    near = {"negative": far} if loss.entry.measure == "triplet" else {"label": torch.tensor([-1.0])}
    target = anchor + 0.5 if loss.entry.measure == "triplet" else far
    if loss.entry.measure == "cosine":
        pytest.skip("an infinite vector has no direction")
    for swap in (False, True) if loss.entry.measure == "triplet" else (None,):
        options = near if swap is None else {**near, "swap": swap}
        assert not slope(lambda a, o=options: loss(a, target, **o), anchor, way).any()


def test_a_parameter_of_0_has_second_derivatives() -> None:
    at = torch.tensor([1.0, 0.0, -2.0])
    found = torch.func.hessian(lambda x: ls.smooth_l1(x, torch.zeros(3), beta=0, reduction="sum"))(at)
    assert not found.any()


OF_ONE = {
    "mse_loss": lambda f, x: f(x, x.detach() * 0), "l1_loss": lambda f, x: f(x, x.detach() * 0),
    "huber_loss": lambda f, x: f(x, x.detach() * 0), "smooth_l1_loss": lambda f, x: f(x, x.detach() * 0),
    "soft_margin_loss": lambda f, x: f(x, torch.ones(3, 3)), "poisson_nll_loss": lambda f, x: f(x, torch.ones(3, 3)),
    "binary_cross_entropy_with_logits": lambda f, x: f(x, torch.ones(3, 3)), "kl_div": lambda f, x: f(x, torch.ones(3, 3) / 3),
    "gaussian_nll_loss": lambda f, x: f(x, torch.zeros(3, 3), torch.ones(3, 3)), "cross_entropy": lambda f, x: f(x, torch.tensor([0, 1, 2])),
    "cosine_embedding_loss": lambda f, x: f(x, torch.ones(3, 3), torch.ones(3)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("name", OF_ONE)
def test_a_tangent_has_the_dtype_of_what_it_is_of(name: str) -> None:
    x, v = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    tangents = [
        torch.func.jvp(lambda x, f=f: OF_ONE[name](f, x), (x,), (v,))[1]
        for f in (getattr(functional, name), getattr(F, name))
    ]
    assert tangents[0].dtype is tangents[1].dtype is torch.float32
    torch.testing.assert_close(*tangents, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------------- at the ends


@pytest.mark.parametrize("rate", [1.0, 1e37, 1e40, 1e200])
def test_a_rate_of_any_size_has_its_logarithm(rate: float) -> None:
    given = torch.tensor([rate], dtype=torch.float64), torch.tensor([rate], dtype=torch.float64)
    for full in (False, True):
        found, expected = (f.poisson_nll_loss(*given, log_input=False, full=full) for f in (functional, F))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    assert functional.poisson_nll_loss(torch.tensor([inf]), torch.tensor([1.0]), log_input=False) == inf


@pytest.mark.parametrize("name", ["kl_divergence", "cross_entropy_of_probability"])
def test_rows_of_no_width_have_no_loss(name: str) -> None:
    empty = torch.zeros(3, 0)
    assert torch.equal(ls.get(name)(empty, empty, reduction="none"), torch.zeros(3))
    assert ls.get(name)(torch.zeros(0), torch.zeros(0), reduction="none") == 0


def test_what_smoothing_leaves_over_no_weight_is_no_number() -> None:
    logits = torch.tensor([[0.3, 1.0, -2.0]], requires_grad=True)
    weight = torch.tensor([0.0, 1.0, 1.0])
    for f in (functional, F):
        loss = f.cross_entropy(logits, torch.tensor([0]), weight, label_smoothing=0.1)
        assert loss.isnan()
        assert torch.autograd.grad(loss, logits)[0].isnan().all()


def test_a_weighted_absolute_error_is_pytorchs_under_autocast() -> None:
    half = torch.tensor([0.5, 2.0]).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = (f.l1_loss(half, half * 0, weight=half) for f in (functional, F))
    assert found.dtype is expected.dtype
    assert found == expected
    with pytest.raises(ValueError, match="must have the same size"):
        functional.l1_loss(torch.ones(2) > 0, torch.ones(2) > 0, weight=torch.ones(3))


# ------------------------------------------------------------------------------------- beside the loss itself


@pytest.mark.parametrize("weighed", [False, True])
def test_weights_of_positives_have_pytorchs_derivative_under_transforms(weighed: bool) -> None:
    x, y, positive = torch.tensor([[0.5, -1.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([2.0, 3.0])
    weight = torch.tensor([[1.0, 0.5]]) if weighed else None
    ways = {
        "grad": lambda f: torch.func.grad(lambda p: f(x, y, weight, pos_weight=p))(positive),
        "jvp": lambda f: torch.func.jvp(lambda p: f(x, y, weight, pos_weight=p), (positive,), (positive,))[1],
        "jacfwd": lambda f: torch.func.jacfwd(lambda p: f(x, y, weight, pos_weight=p))(positive),
        "of a gradient": lambda f: torch.func.grad(
            lambda s: torch.func.grad(lambda z: f(z, y, weight, pos_weight=s * positive))(x).sum()
        )(torch.tensor(2.0)),
        "of many": lambda f: torch.func.vmap(
            lambda p: torch.func.grad(lambda z: f(z, y, weight, pos_weight=p))(x)
        )(torch.stack([positive, positive + 1])),
    }
    for way in ways.values():
        found, expected = (way(f.binary_cross_entropy_with_logits) for f in (functional, F))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        (torch.tensor([16777216.0]), torch.tensor([16777217], dtype=torch.int32)),
        (torch.tensor([2048.0]).half(), torch.tensor([2049])),
        (torch.tensor([16777216.0]), [16777217]),
    ],
)
def test_whole_numbers_are_held_under_torch_func_too(prediction: Any, target: Any) -> None:
    assert ls.absolute_error(prediction, target) == 1
    assert torch.func.vmap(lambda z: ls.absolute_error(z, target))(prediction[None]) == 1
    assert torch.func.grad(lambda z: ls.squared_error(z, target))(prediction) == -2
    with pytest.raises(ls.LossError, match="that float64 holds"):
        torch.func.grad(lambda z: ls.absolute_error(z, torch.tensor([2**60 + 1])))(prediction.double())


@pytest.mark.parametrize(
    ("formula", "at"),
    [
        ("exp(r) - r - 1", inf),
        ("exp(-r) + r - 1", -inf),
        ("log1p(r**2) - r**2", 1e20),
        ("abs(r) - log1p(abs(r))", inf),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operations_have_the_limit_that_kernels_have(formula: str, at: float, dtype: Any) -> None:
    loss = ls.define("mine", formula)
    at, nought = torch.tensor([at, 0.5], dtype=dtype), torch.zeros(2, dtype=dtype)
    expected = loss(at, nought, reduction="none")
    assert not expected.isnan().any()
    torch.testing.assert_close(
        torch.func.vmap(lambda z: loss(z, nought, reduction="none"))(at[None])[0], expected
    )


def test_numbers_of_a_list_do_not_decide_the_dtype_of_a_result() -> None:
    triplet, x = ls.get("triplet_margin"), torch.tensor([[0.3, 0.5]])
    for target in (x + 1, [[1.3, 1.5]], [[1.25, 1.5]]):
        for negative in ([[0.1, 0.2]], [[0.5, 0.25]], np.array([[0.1, 0.2]])):
            assert triplet(x, target, negative=negative).dtype is torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for target in ([1, 2], [0.1, 0.2], [1.0, 2.0]):
            assert ls.squared_error(torch.ones(2).bfloat16(), target).dtype is torch.float32


def test_the_mean_of_a_total_has_a_tangent_of_its_dtype() -> None:
    one = torch.ones(2)
    mean, tangent = torch.func.jvp(
        lambda z: (ls.squared_error.total(z, one * 0) + ls.squared_error.total(z, one)).mean(), (one,), (one,)
    )
    assert (float(mean), float(tangent)) == (0.5, 1.0)
    assert mean.dtype is tangent.dtype is torch.float32
    with pytest.raises(ls.LossTypeError, match="under vmap there may be many"):
        torch.func.vmap(lambda z: ls.squared_error.total(z, one * 0).mean())(one[None])


def test_derivatives_of_gamma_functions_are_the_kernels() -> None:
    loss = ls.define("mine", "lgamma(prediction) - target*log(prediction)", prediction="positive")
    at = torch.tensor([1.0, 0.3, 2.5, 17.0], dtype=torch.float64)
    found = torch.func.hessian(lambda z: loss(z, torch.ones_like(z), reduction="sum"))(at).diagonal()
    expected = loss.value_grad_curvature(at.numpy(), np.ones(4), reduction="sum")[2]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_total_that_a_user_makes_is_divided_as_it_is() -> None:
    total = ls.Total
    assert total(torch.tensor(3), 2.5).mean() == pytest.approx(1.2)
    assert total(torch.tensor(6e4).half(), 1e5).mean() == pytest.approx(0.6, rel=1e-3)
    assert total(torch.tensor(3.0), 0).mean().isnan()
    slope_in_weight = torch.func.grad(lambda w: total(torch.tensor(3.0), w).mean())(torch.tensor(2.0))
    assert slope_in_weight == -0.75
    small, weight = torch.tensor([1e-3, 2e-3]), torch.tensor([3e38, 3e38])
    assert ls.squared_error.total(small, small * 0, weight=weight).mean() == pytest.approx(2.5e-6)


@pytest.mark.parametrize("size", [1e-46, 1e-300, 1e39, 1e300])
@pytest.mark.parametrize("name", LOSSES)
def test_a_mean_under_torch_func_does_not_change_with_the_size_of_its_weights(name: str, size: float) -> None:
    loss = ls.get(name)
    prediction, target, options = tensors(loss, 6, torch.float32)
    weight = torch.as_tensor(weights(6, 1))
    found, expected = (
        torch.func.grad(lambda z, by=by: loss(z, target, weight=weight * by, **options))(prediction)
        for by in (size, 1.0)
    )
    torch.testing.assert_close(found, expected)


def test_a_weight_of_0_of_many_removes_beside_weights_of_positives() -> None:
    x, y = torch.tensor([0.5, -1.0]), torch.tensor([1.0, 0.0])
    weight, positive = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([2.0, nan])
    found = torch.func.vmap(
        lambda w: functional.binary_cross_entropy_with_logits(x, y, w, pos_weight=positive)
    )(weight)
    expected = F.binary_cross_entropy_with_logits(x, y, weight[0], pos_weight=positive.nan_to_num(1.0))
    torch.testing.assert_close(found, expected.expand(2))


def test_an_ignored_row_has_no_slope_where_the_others_have_no_weight() -> None:
    logits = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    for f in (functional, F):
        value = f.cross_entropy(
            logits, torch.tensor([0, 1]), torch.tensor([0.5, 0.0]), ignore_index=0, label_smoothing=0.1
        )
        (gradient,) = torch.autograd.grad(value, logits)
        assert value.isnan()
        assert not gradient[0].any()
        assert gradient[1].isnan().all()


def test_where_arrays_have_no_number_operations_have_none() -> None:
    for formula, at in (
        ("log1p(r) - r", [-inf]),
        ("log1p(-(r**2)) + r**2", [inf, 1e30]),
        ("acosh(r)", [-2.0, -1e8, -1e17, -1e30]),
    ):
        loss = ls.define("mine", formula)
        for dtype in (torch.float32, torch.float64):
            given = torch.tensor(at, dtype=dtype)
            nought = torch.zeros_like(given)
            assert np.isnan(loss(given.numpy(), nought.numpy(), reduction="none")).all()
            found = torch.func.vmap(partial(loss, target=nought, reduction="none"))(given[None])
            assert found.isnan().all()


SHARES = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]], dtype=torch.float64)


def test_a_share_of_0_has_a_slope() -> None:
    """That of mixup at its end, say: the loss that the class would bring."""
    logits = torch.tensor([[0.0, 3.0, -1.0], [2.0, 0.5, 1e3]], dtype=torch.float64)
    expected = -torch.log_softmax(logits, -1) / 2
    for way in ("func", "create_graph", ""):
        found = slope(lambda share: functional.cross_entropy(logits, share), SHARES, way)
        torch.testing.assert_close(found, expected)
    mixed = torch.func.jacrev(torch.func.grad(functional.cross_entropy), argnums=1)(logits, SHARES)
    torch.testing.assert_close(
        mixed, torch.func.jacrev(torch.func.grad(F.cross_entropy), argnums=1)(logits, SHARES)
    )


IN_BOTH = [
    name
    for name in ELEMENTWISE
    if ls.get(name).entry.target.name in ("real", "probability", "label", "count")
]


@pytest.mark.parametrize("name", IN_BOTH)
def test_slopes_in_the_target_are_right_at_the_ends_of_its_domain(name: str) -> None:
    """By every way, and mixed with those in the prediction: what they are beside the end, in float64."""
    loss = ls.get(name)
    end = {"real": [2.0], "count": [3.0, 0.0]}.get(loss.entry.target.name, [0.0, 1.0])
    z = torch.tensor([0.3, 0.6], dtype=torch.float64)
    for y in end:
        inside = y + (1e-6 if y == 0 else -1e-6)
        at, near = (torch.full_like(z, each) for each in (y, inside))
        for f in (
            lambda z, y: torch.func.grad(lambda y: loss(z, y, reduction="sum"))(y),
            lambda z, y: torch.func.jacrev(torch.func.grad(partial(loss, reduction="sum")), argnums=1)(z, y),
        ):
            found, beside_it = f(z, at), f(z, near)
            if name == "kl_divergence" and y == 0 and found.ndim == 1:
                assert (found == -inf).all()  # log 0
                continue
            torch.testing.assert_close(found, beside_it, rtol=1e-4, atol=1e-4)


def test_a_saturated_probability_has_the_curvature_that_is_true() -> None:
    for label in (0.0, 1.0):
        p = torch.tensor([label, 0.7], dtype=torch.float64)
        y = torch.full_like(p, label)
        found = torch.func.hessian(partial(functional.binary_cross_entropy, target=y, reduction="sum"))(
            p
        ).diag()
        torch.testing.assert_close(found, torch.where(y == 1, p, 1 - p) ** -2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_slope_in_a_label_is_the_logit_to_the_last_digit(dtype: Any) -> None:
    x = torch.tensor([1e-9, 1e-5, -1e-3, 40.0, -1e3], dtype=dtype)
    y = torch.full_like(x, 0.3)
    for f in (functional.binary_cross_entropy_with_logits, ls.bce):
        for way in ("func", "create_graph", ""):
            torch.testing.assert_close(slope(partial(f, x, reduction="sum"), y, way), -x, rtol=1e-6, atol=0)
    far = torch.tensor([5.0, 1e5, inf], dtype=dtype)
    for way in ("func", "create_graph", ""):
        torch.testing.assert_close(
            slope(lambda y: ls.poisson(far, y, reduction="sum"), torch.full_like(far, 2), way), -far
        )


HOOKS = {"the tensor": lambda x: x, "detached": lambda x: x.detach(), "a copy": lambda x: x.clone()}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", LOSSES)
def test_what_a_hook_gives_back_is_as_it_was_or_it_is_said(name: str, hook: str) -> None:
    loss = ls.get(name)
    prediction, target, options = tensors(loss)
    leaf = prediction.clone().requires_grad_()
    expected = torch.autograd.grad(loss(leaf, target, **options), leaf)[0]
    with torch.autograd.graph.saved_tensors_hooks(HOOKS[hook], lambda x: x):
        written = leaf * 1
        value = loss(written, target, **options)
    with torch.no_grad():
        written.fill_(0.5)
    if hook == "a copy":
        torch.testing.assert_close(torch.autograd.grad(value, leaf)[0], expected)
    else:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            torch.autograd.grad(value, leaf)


@pytest.mark.parametrize("way", ["", "create_graph"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("narrow", [torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_a_hook_may_give_back_another_dtype(name: str, narrow: Any, reduction: str, way: str) -> None:
    """As one that saves memory does. The numbers here are halves, so that none of them changes."""

    def of_halves(x: Any) -> Any:
        return x.half().float() if x.is_floating_point() else x

    loss = ls.get(name)
    prediction, target, options = tensors(loss, dtype=torch.float32)
    prediction, target = of_halves(prediction), of_halves(target)
    options = {key: of_halves(each) for key, each in options.items()}
    rows = loss(prediction, target, reduction="none", **options).shape
    options["weight"] = torch.linspace(0.25, 4, rows.numel()).half().float().view(rows)
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda x: x.to(narrow) if x.is_floating_point() else x, lambda x: x
    )
    found = []
    for context in (nullcontext(), hooks):
        leaf = prediction.clone().requires_grad_()
        with context:
            value = loss(leaf, target, reduction=reduction, **options)
        (slope,) = torch.autograd.grad(value.sum(), leaf, create_graph=way == "create_graph")
        found.append(slope.detach())
    torch.testing.assert_close(found[1], found[0])


class Subclass(torch.Tensor):
    """Of which nobody here knows what its numbers are."""


def test_a_hook_that_gives_back_something_else_is_an_error() -> None:
    x = torch.zeros(4, 3, requires_grad=True)
    for changed in (lambda t: t.int() if t.dtype is torch.int64 else t, lambda t: t[:2]):
        with torch.autograd.graph.saved_tensors_hooks(changed, lambda t: t):
            value = functional.cross_entropy(x, torch.tensor([0, 1, 2, 0]))
        with pytest.raises(RuntimeError, match="gave back another tensor"):
            value.backward()
    for changed in (
        lambda t: t.to_sparse(), lambda t: t.to("meta"), lambda t: torch.nested.nested_tensor([t]), Subclass
    ):  # fmt: skip
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, changed):
            value = functional.mse_loss(x, torch.zeros(4, 3))
        with pytest.raises(RuntimeError, match=r"not at hand\..*a dense tensor on the CPU"):
            value.backward()


def test_weights_of_positives_may_be_written_to_between_derivatives() -> None:
    weight, x = torch.tensor([2.0, 3.0]), torch.tensor([0.5, -1.0], requires_grad=True)
    found = []
    for f in (F, functional):
        given = weight.clone()
        value = f.binary_cross_entropy_with_logits(
            x, torch.tensor([0.3, 1.0]), pos_weight=given, reduction="sum"
        )
        (first,) = torch.autograd.grad(value, x, create_graph=True)
        if f is functional:
            given.mul_(0.1)
        found.append(torch.autograd.grad(first.sum(), x)[0])
    torch.testing.assert_close(*found)


def test_a_share_has_a_slope_where_all_of_its_row_has_no_weight() -> None:
    z, weight = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([1.0, 0.0, 2.0])
    for share in ([0.0, 1.0, 0.0], [0.0, 0.0, 0.0]):
        found = torch.func.grad(lambda p: functional.cross_entropy(z, p, weight=weight, reduction="sum"))(
            torch.tensor([share])
        )
        torch.testing.assert_close(found, -weight * torch.log_softmax(z, -1))


@pytest.mark.filterwarnings("ignore::losscope.exactness.told.InexactWarning")
@pytest.mark.parametrize("name", ["bce_of_probability", "kl_divergence", "cross_entropy_of_probability"])
def test_into_an_activation_may_go_any_number(name: str) -> None:
    loss = ls.get(name).through("sigmoid")
    scores = torch.tensor([-40.0, -0.1, 1.01, 2.0, 30.0])
    target = torch.tensor([0.0, 0.3, 0.5, 0.9, 1.0])
    value, slope = map(torch.as_tensor, loss.value_and_grad(scores, target, reduction="sum"))
    mine = torch.func.grad_and_value(lambda each: loss(each, target, reduction="sum"))(scores)
    torch.testing.assert_close(mine, (slope, value))
    _, tangent = torch.func.jvp(
        lambda each: loss(each, target, reduction="sum"), (scores,), (torch.ones_like(scores),)
    )
    torch.testing.assert_close(tangent, slope.sum())
    with pytest.raises(ls.LossError, match="target between 0 and 1"):
        torch.func.grad(lambda each: loss(each, target + 1, reduction="sum"))(scores)


@pytest.mark.parametrize("classes", [2, 5, 10])
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32], ids=str)
def test_rounded_probabilities_are_probabilities(dtype: Any, classes: int) -> None:
    target = torch.randn(300, classes).softmax(-1).to(dtype)
    value = ls.cross_entropy(torch.zeros(300, classes, dtype=dtype), target)
    np.testing.assert_allclose(value.float(), np.log(classes), rtol=1e-2)
    with pytest.raises(ls.LossError, match="does not sum to 1"):
        ls.cross_entropy(torch.zeros(300, classes, dtype=dtype), target * 0.99)


def test_a_strict_loss_that_is_exported_says_what_can_be() -> None:
    class Model(torch.nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return ls.huber(a, b)

    with pytest.raises(Exception, match=r"In a graph, use a function of losscope\.torch\.functional"):
        torch.export.export(Model(), (torch.ones(3), torch.ones(3)))


def _in_turn(function: Any, a: Any, b: Any, *axes: tuple[int | None, int | None]) -> Any:
    """`torch.vmap` within `torch.vmap`, as Python's own loops."""
    if not axes:
        return function(a, b)
    (of_a, of_b), *inner = axes
    count = b.shape[of_b] if of_a is None else a.shape[of_a]
    at = [
        (a if of_a is None else a.select(of_a, i), b if of_b is None else b.select(of_b, i))
        for i in range(count)
    ]
    return torch.stack([_in_turn(function, *each, *inner) for each in at])


@pytest.mark.parametrize(
    ("axes", "shape", "other"),
    [
        ([(1, None)], (5, 3), (5,)),
        ([(None, 1)], (5,), (5, 3)),
        ([(0, 1)], (3, 5), (5, 3)),
        ([(0, None), (None, 0)], (3, 5), (2, 5)),  # every prediction against every target
        ([(0, 0), (0, None)], (3, 2, 5), (3, 5)),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [*ELEMENTWISE, "twin of bce"])
def test_axes_of_vmap_are_each_tensors_own(name: str, axes: Any, shape: Any, other: Any) -> None:
    """What is beside what is vmap's to know; whether a number is in its domain can be asked of it alone."""
    twin = name not in ELEMENTWISE
    loss = ls.get("binary_cross_entropy_of_probability" if twin else name)
    function = functional.binary_cross_entropy if twin else partial(loss, reduction="none")
    a, b = (
        torch.as_tensor(each.reshape(-1)[: math.prod(size)].reshape(size))
        for each, size in zip(batch(loss, 30), (shape, other), strict=True)
    )
    found = function
    for one in reversed(axes):
        found = torch.vmap(found, in_dims=one)
    torch.testing.assert_close(found(a, b), _in_turn(function, a, b, *axes))

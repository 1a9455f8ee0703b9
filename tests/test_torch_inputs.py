"""Tensors as training meets them: empty batches, tensors made in inference mode, tensors written to since, modes that look on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as torchs
from numpy.testing import assert_allclose, assert_array_equal
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import losscope as ls
from conftest import ALL, LOSSES, batch, beside
from losscope.torch import functional as F
from losscope.torch import loss_node, multiclass_margin

N, C = 6, 4


def arguments(name: str, rows: int = N, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """What a function of PyTorch's is called with: its tensors by their names, those that have a gradient first."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    unit = normal(rows, C).sigmoid()
    signs = (normal(rows, C) > 0).to(dtype) * 2 - 1
    of_rows = signs[:, 0]
    classes = torch.arange(rows) % C
    names = torch.full((rows, C), -1)
    names[:, 0] = classes
    return {
        "binary_cross_entropy": {"input": unit, "target": unit.flip(0), "weight": unit.flip(1)},
        "binary_cross_entropy_with_logits": {"input": normal(rows, C), "target": unit, "weight": unit.flip(0), "pos_weight": unit.flip(1)},
        "cosine_embedding_loss": {"input1": normal(rows, C), "input2": normal(rows, C), "target": of_rows},
        "cross_entropy": {"input": normal(rows, C), "target": classes, "weight": normal(C).exp()},
        "ctc_loss": {"log_probs": normal(9, rows, C).log_softmax(-1), "targets": torch.ones(rows, 2, dtype=torch.long), "input_lengths": torch.full((rows,), 9), "target_lengths": torch.full((rows,), 2)},
        "gaussian_nll_loss": {"input": normal(rows, C), "target": normal(rows, C), "var": unit},
        "hinge_embedding_loss": {"input": unit, "target": signs},
        "kl_div": {"input": unit.log(), "target": unit},
        "linear_cross_entropy": {"input": normal(rows, 3), "linear_weight": normal(C, 3), "target": classes, "linear_bias": normal(C), "weight": normal(C).exp()},
        "margin_ranking_loss": {"input1": normal(rows, C), "input2": normal(rows, C), "target": signs},
        "multi_margin_loss": {"input": normal(rows, C), "target": classes, "weight": normal(C).exp()},
        "multilabel_margin_loss": {"input": normal(rows, C), "target": names},
        "multilabel_soft_margin_loss": {"input": normal(rows, C), "target": unit, "weight": unit.flip(0)},
        "nll_loss": {"input": normal(rows, C).log_softmax(-1), "target": classes, "weight": normal(C).exp()},
        "poisson_nll_loss": {"input": normal(rows, C), "target": unit},
        "soft_margin_loss": {"input": normal(rows, C), "target": signs},
        "triplet_margin_loss": {"anchor": normal(rows, C), "positive": normal(rows, C), "negative": normal(rows, C)},
        "triplet_margin_with_distance_loss": {"anchor": normal(rows, C), "positive": normal(rows, C), "negative": normal(rows, C)},
    }.get(name, {"input": normal(rows, C), "target": normal(rows, C)})  # fmt: skip


def reductions(name: str) -> list[str]:
    return ["mean", "sum", "none"] + (["batchmean"] if name == "kl_div" else [])


def test_all_functions_are_tried() -> None:
    assert len(F.__all__) >= 22
    for name in F.__all__:
        assert set(arguments(name)) <= set(inspect.signature(getattr(F, name)).parameters), name


# --- nothing


@pytest.mark.parametrize("name", F.__all__)
def test_of_an_empty_batch_a_mean_is_nan_and_a_sum_is_0(name: str) -> None:
    """PyTorch's margin losses of classes give memory that nobody has written, another number each time."""
    for reduction in reductions(name):
        given = arguments(name, rows=0)
        first = next(iter(given))
        given[first] = given[first].requires_grad_()
        try:
            expected = getattr(torchs, name)(**given, reduction=reduction)
        except (RuntimeError, ValueError, IndexError):
            with pytest.raises((RuntimeError, ValueError, IndexError)):
                getattr(F, name)(**given, reduction=reduction)
            continue
        for _ in range(3):
            junk = torch.full((64,), 7e5)  # memory to be found by who reads what was never written
            del junk
            found = getattr(F, name)(**given, reduction=reduction)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            if reduction != "none":
                assert found.isnan() if "mean" in reduction else found == 0
            found.sum().backward()
            assert given[first].grad.shape == given[first].shape


@pytest.mark.parametrize("name", ["multi_margin_loss", "multilabel_margin_loss"])
@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"size_average": False}, 0.0),
        ({"reduce": True}, math.nan),
        ({"size_average": False, "reduction": "mean"}, 0.0),
        ({"size_average": True, "reduction": "sum"}, math.nan),
    ],
)
@pytest.mark.filterwarnings("ignore:size_average and reduce")
def test_of_an_empty_batch_in_older_words(name: str, keywords: dict[str, Any], expected: float) -> None:
    found = getattr(F, name)(**arguments(name, rows=0), **keywords)
    torch.testing.assert_close(found, torch.tensor(expected), equal_nan=True)


@pytest.mark.parametrize("name", [each for each in ALL if ls.get(each).structure != "activation"])
def test_of_nothing_a_strict_loss_has_a_sum_and_no_mean(name: str) -> None:
    loss = ls.get(name)
    arrays = [each[:0] for each in batch(loss, 3)]
    rest = {name: each[:0] for name, each in beside(loss, 3).items()}
    tensors = [torch.tensor(each) for each in arrays]
    for (x, y), options in ((arrays, rest), (tensors, {n: torch.tensor(e) for n, e in rest.items()})):
        assert loss(x, y, reduction="sum", **options) == 0
        assert loss(x, y, reduction="none", **options).shape == (0,)
        assert loss.total(x, y, **options).weight == 0
        with pytest.raises(ls.LossError, match="no mean of nothing"):
            loss(x, y, **options)


def test_multilabel_margin_of_a_single_score_under_transforms() -> None:
    score, right = torch.tensor(0.5), torch.tensor(0)
    assert F.multilabel_margin_loss(score, right) == 0
    assert torch.func.grad(F.multilabel_margin_loss)(score, right) == 0
    assert (torch.func.vmap(F.multilabel_margin_loss)(score.repeat(3), right.repeat(3)) == 0).all()
    value, back = torch.func.vjp(lambda x: F.multilabel_margin_loss(x, right), score)
    assert (value, back(torch.ones(()))[0]) == (0, 0)


# --- made in inference mode


def leaves(value: torch.Tensor) -> torch.Tensor:
    return value.sum() if value.ndim else value


def gradients(function: Any, given: dict[str, Any], how: str) -> list[torch.Tensor] | None:
    """Those of all tensors that want one, however they are asked for; None where the call is refused. What was made in
    inference mode is used again for other numbers before they are."""
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda each: each, lambda each: each)
    wanted = [each for each in given.values() if isinstance(each, torch.Tensor) and each.requires_grad]
    try:
        with hooks if how == "hooks" else nullcontext():
            value = leaves(function(**given))
        with torch.inference_mode():
            for each in given.values():
                if isinstance(each, torch.Tensor) and each.is_inference():
                    each.zero_()
        if how == "twice":
            torch.autograd.grad(value, wanted, retain_graph=True)
        return list(torch.autograd.grad(value, wanted, create_graph=how == "to be differentiated"))
    except RuntimeError:
        return None


@pytest.mark.parametrize("how", ["once", "hooks", "twice", "to be differentiated"])
@pytest.mark.parametrize("name", F.__all__)
def test_a_tensor_made_in_inference_mode_may_be_any_argument(name: str, how: str) -> None:
    """A teacher's outputs, the features of a frozen network: where PyTorch takes them, so do we, and with the same result."""
    plain, constant = arguments(name), ("target", "weight", "pos_weight")
    options: list[dict[str, Any]] = [{}]
    options += {"kl_div": [{"log_target": True}], "smooth_l1_loss": [{"beta": 0.0}], "cross_entropy": [{"label_smoothing": 0.1}]}.get(name, [])  # fmt: skip
    tried = 0
    for kind, reduction, option in product(plain, reductions(name), options):
        given: dict[str, Any] = {
            n: e.clone().requires_grad_(e.is_floating_point() and n not in (kind, *constant))
            for n, e in plain.items()
        }
        if not any(each.requires_grad for each in given.values()):
            continue
        expected = gradients(getattr(F, name), {**given, **option, "reduction": reduction}, "once")
        with torch.inference_mode():
            given[kind] = given[kind].clone()
        assert given[kind].is_inference()
        given |= {**option, "reduction": reduction}
        found, theirs = (gradients(getattr(each, name), given, how) for each in (F, torchs))
        assert found is not None or theirs is None, (kind, reduction, option)
        for one, other in zip(found or (), expected or (), strict=found is not None):
            assert_allclose(one.detach(), other, rtol=1e-5, atol=1e-7)
        tried += 1
    assert tried


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_what_a_teachers_buffer_holds_later_counts_for_nothing(dtype: torch.dtype, reduction: str) -> None:
    """Also in halves, whose gradient is made in the backward; and where rows are ignored."""
    x = torch.tensor([[1.0, 2.0, 3.0]] * 2, dtype=dtype, requires_grad=True)
    for name, numbers in {
        "l1_loss": [[5.0, 0.0, -7.0]] * 2, "mse_loss": [[5.0, 0.0, -7.0]] * 2, "cross_entropy": [0, 2],
    }.items():  # fmt: skip
        with torch.inference_mode():
            buffer = torch.tensor(numbers, dtype=torch.int64 if name == "cross_entropy" else dtype)
        loss = getattr(F, name)(x, buffer, reduction=reduction)
        (expected,) = torch.autograd.grad(3 * leaves(loss), x, retain_graph=True)
        loss = getattr(F, name)(x, buffer, reduction=reduction)
        with torch.inference_mode():
            buffer.fill_(-100)  # a row of such a class is ignored
        (found,) = torch.autograd.grad(3 * leaves(loss), x)
        assert_array_equal(found.float(), expected.float())
        assert (found != 0).any()


@pytest.mark.parametrize("name", [each for each in ALL if ls.get(each).structure != "activation"])
def test_strict_losses_take_them_too(name: str) -> None:
    loss = ls.get(name)
    x, y = (torch.tensor(each) for each in batch(loss, 5))
    rest = {name: torch.tensor(each) for name, each in beside(loss, 5).items()}
    weight = torch.rand(5, dtype=torch.float64) + 0.5
    with torch.inference_mode():
        frozen = {"target": y.clone(), "weight": weight.clone(), **{n: e.clone() for n, e in rest.items()}}
    for reduction in ("mean", "sum", "none"):
        z, w = x.clone().requires_grad_(), x.clone().requires_grad_()
        loss(z, frozen["target"], weight=frozen["weight"], reduction=reduction, **{n: frozen[n] for n in rest}).sum().backward()  # fmt: skip
        loss(w, y, weight=weight, reduction=reduction, **rest).sum().backward()
        assert_array_equal(z.grad, w.grad)


@pytest.mark.parametrize("how", ["once", "hooks", "twice", "to be differentiated"])
@pytest.mark.parametrize("frozen", [False, True], ids=["plain", "made in inference mode"])
@pytest.mark.parametrize("name", [each for each in ALL if ls.get(each).structure != "activation"])
def test_what_strict_losses_are_given_may_be_written_to(name: str, frozen: bool, how: str) -> None:
    """The gradient is that of the call, or it is said that there is none any more: never that of what was written."""
    loss = ls.get(name)
    x, y = (torch.tensor(each) for each in batch(loss, 5))
    given = {"target": y, "weight": torch.rand(5, dtype=x.dtype) + 0.5}
    given |= {n: torch.tensor(e) for n, e in beside(loss, 5).items()}
    if loss.structure == "softmax":
        given["class_weight"] = torch.rand(x.shape[-1], dtype=x.dtype) + 0.5
    for kind, reduction in product(given, ("mean", "sum", "none")):

        def gradient(
            named: dict[str, Any], written: bool, reduction: str = reduction, kind: str = kind
        ) -> Any:
            z = x.clone().requires_grad_()
            hooks = torch.autograd.graph.saved_tensors_hooks(lambda each: each, lambda each: each)
            with hooks if how == "hooks" else nullcontext():
                value = leaves(loss(z, **named, reduction=reduction))
            if written:
                with torch.inference_mode(frozen):
                    named[kind].copy_(named[kind].roll(1) if kind == "label" else named[kind].flip(0))
            if how == "twice":
                torch.autograd.grad(value, z, retain_graph=True)
            return torch.autograd.grad(value, z, create_graph=how == "to be differentiated")[0].detach()

        with torch.inference_mode(frozen):
            changed = {**given, kind: given[kind].clone()}
        try:
            found = gradient(changed, True)
        except RuntimeError as error:
            if frozen or "modified by an inplace operation" not in str(error):
                raise
            continue
        assert_allclose(found, gradient(given, False), rtol=1e-12)


# --- wherever they lie


def laid_out(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """Tensors of which the memory is not one number after the other."""
    found = {
        "steps": tensor.repeat_interleave(2, 0)[::2],
        "one of many": torch.stack([tensor, tensor.flip(0)], -1)[..., 0],
        "one for all": tensor[:1].expand(tensor.shape),
    }
    return found | ({"turned": tensor.mT.contiguous().mT} if tensor.ndim > 1 else {})


def same_wherever(function: Any, given: dict[str, Any], close: float) -> None:
    """Value and gradient, with each argument in turn laid out in each way."""
    first = next(iter(given))
    tried = 0
    for name, tensor in given.items():
        for how, view in laid_out(tensor).items():
            found = []
            for argument in (view, view.clone(memory_format=torch.contiguous_format)):
                tensors = {**given, name: argument}
                tensors[first] = tensors[first].detach().requires_grad_()
                value = function(**tensors)
                upstream = torch.linspace(0, 1, value.numel(), dtype=value.dtype).reshape(value.shape)
                found.append((value.detach(), *torch.autograd.grad(value, tensors[first], upstream)))
            for one, other in zip(*found, strict=True):
                assert_allclose(one, other, rtol=close, atol=close, err_msg=f"{name}, {how}")
            tried += 1
    assert tried >= 6


@pytest.mark.parametrize("at_once", [True, False], ids=["in the forward", "in the backward"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", [name for name in F.__all__ if name != "ctc_loss"])
def test_functions_are_the_same_wherever_tensors_lie(
    name: str, reduction: str, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiclass_margin, "SMALL", 0)
    if not at_once:
        monkeypatch.setattr(loss_node, "AT_ONCE", -1)
    same_wherever(partial(getattr(F, name), reduction=reduction), arguments(name, dtype=torch.float64), 1e-12)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_strict_losses_are_the_same_wherever_tensors_lie(name: str, reduction: str) -> None:
    loss = ls.get(name)
    prediction, target = (torch.tensor(each) for each in batch(loss, 7))
    given = {"prediction": prediction, "target": target, "weight": torch.linspace(0.5, 2, 7).double()}
    given |= {name: torch.tensor(each) for name, each in beside(loss, 7).items()}
    if loss.structure == "softmax":
        given["class_weight"] = torch.linspace(0.5, 2, prediction.shape[-1]).double()
    same_wherever(partial(loss, reduction=reduction), given, 1e-12)


# --- numbers that are not what lies in their memory


def turned(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, of which the sign is noted apart from memory, as it is of the imaginary part of a conjugate."""
    return torch._neg_view(-tensor) if tensor.is_floating_point() else tensor


NOT_IN_MEMORY = {
    "turned": (turned, lambda tensor: tensor),
    "zeros": (lambda tensor: torch._efficientzerotensor(tensor.shape, dtype=tensor.dtype), torch.zeros_like),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["in the forward", "in the backward"])
@pytest.mark.parametrize("name", [name for name in F.__all__ if name != "ctc_loss"])
@pytest.mark.filterwarnings("ignore:reduction")
def test_signs_that_are_noted_apart_count(name: str, at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of each argument, of what comes back, and of what a hook gives back."""
    assert turned(torch.ones(1)).is_neg()
    assert torch.ones(1, dtype=torch.complex64).conj().imag.is_neg()
    monkeypatch.setattr(multiclass_margin, "SMALL", 0)
    if not at_once:
        monkeypatch.setattr(loss_node, "AT_ONCE", -1)
    given = arguments(name, dtype=torch.float64)
    first = next(iter(given))

    def found(
        reduction: str, argument: str = "", back: Any = None, hook: Any = None, again: bool = False
    ) -> list[Any]:
        leaf = given[first].clone().requires_grad_()
        named = {**given, first: leaf}
        if argument:
            named[argument] = turned(named[argument])
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda each: each, hook)
        with hooks if hook else nullcontext():
            value = getattr(F, name)(**named, reduction=reduction)
        upstream = torch.linspace(-1, 2, value.numel(), dtype=value.dtype).reshape(value.shape)
        upstream = upstream if back is None else back(upstream)
        return [value.detach(), torch.autograd.grad(value, leaf, upstream, create_graph=again)[0].detach()]

    for reduction in reductions(name):
        expected = found(reduction)
        for argument in given:
            torch.testing.assert_close(found(reduction, argument), expected, rtol=1e-12, atol=1e-12)
        for again in (False, True):
            for odd, plain in NOT_IN_MEMORY.values():
                torch.testing.assert_close(
                    found(reduction, back=odd, again=again), found(reduction, back=plain)
                )
            torch.testing.assert_close(found(reduction, hook=turned, again=again), expected)


# --- written to since


@pytest.mark.parametrize("rows", [N, 70_000], ids=["small", "of more than 1 MiB"])
@pytest.mark.parametrize("name", [name for name in F.__all__ if name != "ctc_loss"])
def test_a_loss_may_be_written_to(name: str, rows: int) -> None:
    """Such as `loss[mask] = 0` and `loss *= weights`, which no view out of an autograd.Function allows. (PyTorch's ctc_loss
    needs its own for the backward.)"""
    for reduction in reductions(name):
        found = []
        for in_place in (False, True):
            given = arguments(name, rows)
            wanted = given[next(iter(given))].requires_grad_()
            loss = getattr(F, name)(**given, reduction=reduction)
            loss = loss.mul_(3.0) if in_place else loss * 3.0
            found.append((loss.detach(), torch.autograd.grad(loss.sum(), wanted)[0]))
        torch.testing.assert_close(found[0], found[1])


def test_logits_may_be_written_to_where_only_their_gradient_is_wanted() -> None:
    """As in PyTorch, which saves the logarithm of the softmax: a gradient that is made is not made of them again."""
    for reduction in ("none", "mean"):
        kept = []
        for function in (torchs.cross_entropy, F.cross_entropy):
            x = torch.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
            logits = x * 2
            loss = function(logits, torch.tensor([0, 1, 2]), reduction=reduction)
            logits.mul_(0)
            (grad,) = torch.autograd.grad(loss, x, torch.tensor([1.0, 2.0, 3.0]) if loss.ndim else None)
            kept.append(grad)
        assert_allclose(kept[1], kept[0], rtol=1e-5, atol=1e-7)


def test_a_target_that_was_written_to_is_an_error_where_it_is_looked_at() -> None:
    x, target = torch.randn(3, 4, requires_grad=True), torch.tensor([0, 1, 2])
    loss = F.cross_entropy(x * 1, target, reduction="none")
    target.fill_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward(torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("hooked", [True, False])
def test_a_class_that_became_none_through_an_alias_is_named_as_by_pytorch(
    hooked: bool, reduction: str
) -> None:
    x, target = torch.randn(3, 4, requires_grad=True), torch.tensor([0, 1, 2])
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda each: each, lambda each: each)
    with hooks if hooked else nullcontext():
        value = F.cross_entropy(x, target, reduction=reduction).sum()
    if not hooked:  # the gradient that is made is right; another has to be made of what is there now
        torch.autograd.grad(value, x, retain_graph=True)
    target.numpy()[1] = 5000  # an alias that autograd does not know
    for graph in (True, False):
        with pytest.raises(IndexError, match=r"^Target 5000 is out of bounds\.$"):
            torch.autograd.grad(value, x, create_graph=graph)


# --- PyTorch's own


@pytest.mark.parametrize("steps", [2, 3])
def test_ctc_of_targets_with_steps_between_them(steps: int) -> None:
    """PyTorch reads concatenated targets as if they lay one after the other."""
    log_probs = torch.randn(12, 3, 5, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    whole = torch.randint(1, 5, (9 * steps,), generator=torch.Generator().manual_seed(1))
    lengths = torch.full((3,), 12), torch.tensor([2, 3, 4])
    expected = torchs.ctc_loss(log_probs, whole[::steps].contiguous(), *lengths)
    assert_allclose(F.ctc_loss(log_probs, whole[::steps], *lengths), expected, rtol=1e-6)
    assert_allclose(losscope_nn().CTCLoss()(log_probs, whole[::steps], *lengths), expected, rtol=1e-6)


def losscope_nn() -> Any:
    from losscope.torch import nn

    return nn


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("log_input", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64], ids=str)
def test_counts_are_whole_by_nature(dtype: torch.dtype, log_input: bool, full: bool) -> None:
    """PyTorch takes their logarithm in float32."""
    rates = torch.linspace(0.5, 3, 7, dtype=torch.float64).requires_grad_()
    counts = torch.tensor([0, 1, 2, 3, 11, 100, 250], dtype=dtype)
    found = F.poisson_nll_loss(rates, counts, log_input=log_input, full=full, reduction="none")
    expected = F.poisson_nll_loss(rates, counts.double(), log_input=log_input, full=full, reduction="none")
    assert_array_equal(found.detach(), expected.detach())
    if full:
        k = counts.double().numpy()
        with np.errstate(all="ignore"):
            stirling = np.where(k > 1, k * np.log(k) - k + np.log(2 * np.pi * k) / 2, 0)
        bare = F.poisson_nll_loss(rates, counts, log_input=log_input, reduction="none")
        assert_allclose((found - bare).detach(), stirling, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "count"), [(torch.bfloat16, 257), (torch.float16, 70_000)], ids=str)
def test_a_count_beside_halves_is_not_rounded_to_one(dtype: torch.dtype, count: int) -> None:
    rate = torch.tensor([0.75], dtype=dtype, requires_grad=True)
    loss = F.poisson_nll_loss(rate, torch.tensor([count]))
    (slope,) = torch.autograd.grad(loss, rate)
    assert loss == torch.tensor(np.exp(0.75) - 0.75 * count).to(dtype)
    assert slope == torch.tensor(np.exp(0.75) - count).to(dtype)


# --- looked on

WITHOUT_A_WEIGHT = ["mse_loss", "l1_loss", "huber_loss"]  # in `arguments`


class Listens(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return function(*given, **(named or {}))


class Watches(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        return function(*given, **(named or {}))


def within(mode: Callable[[], Any]) -> Callable[..., Any]:
    def through(function: Callable[..., Any], *given: torch.Tensor) -> Any:
        with mode():
            return function(*given)

    return through


WAYS = {
    "a device is set": within(lambda: torch.device("cpu")),
    "a function mode": within(Listens),
    "a dispatch mode": within(Watches),
    "a trace": lambda function, *given: torch.jit.trace(function, given, check_trace=False)(*given),
    "make_fx": lambda function, *given: make_fx(function)(*given)(*given),
    "make_fx, symbolic": lambda function, *given: make_fx(function, "symbolic")(*given)(*given),
    "functionalize": lambda function, *given: functionalize(function)(*given),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.filterwarnings("ignore")
def test_who_looks_on_sees_the_same_numbers(name: str, way: str) -> None:
    """Or what PyTorch says, where it can do nothing there."""
    given = arguments(name, dtype=torch.float64)
    if name in WITHOUT_A_WEIGHT:
        given["weight"] = given["target"].exp()
    function = lambda loss: lambda *tensors: loss(**dict(zip(given, tensors, strict=True)))
    expected = function(getattr(F, name))(*given.values())
    try:
        found = WAYS[way](function(getattr(F, name)), *given.values())
    except Exception as error:
        with pytest.raises(type(error)):
            WAYS[way](function(getattr(torchs, name)), *given.values())
        return
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", ["once", "hooks", "to be differentiated"])
@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.filterwarnings("ignore")
def test_a_device_for_new_tensors_is_none_of_a_losss_business(name: str, how: str) -> None:
    """`meta` stands for a GPU: whatever is made there by default would not do."""
    first, *_ = given = arguments(name)
    constant = ("target", "weight", "pos_weight", "targets", "input_lengths", "target_lengths")
    loss = getattr(F, name)
    for reduction in reductions(name):
        named = {
            n: e.clone().requires_grad_(n not in constant and e.is_floating_point()) for n, e in given.items()
        } | {"reduction": reduction}
        functional = torch.func.grad(lambda x, named=named: leaves(loss(**{**named, first: x})))
        expected = gradients(loss, named, how), functional(given[first])
        with torch.device("meta"):
            found = gradients(loss, named, how), functional(given[first])
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_nor_is_it_of_strict_losses() -> None:
    p = torch.tensor([[30.0, 0.0]], requires_grad=True)
    expected = torch.autograd.grad(ls.cross_entropy(p, torch.tensor([0])), p)[0]
    target = torch.tensor([0])
    with torch.device("meta"):
        for loss in (ls.cross_entropy, F.cross_entropy):
            assert_array_equal(torch.autograd.grad(loss(p, target), p)[0], expected)
    assert (expected != 0).all()


# --- what is no tensor, or none that is known


def quantized(tensor: torch.Tensor) -> torch.Tensor:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this processor has no quantized tensors")
    return torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.quint8)


@pytest.mark.parametrize(
    "kind", ["none", "complex", "bool", "float8", "nested", "jagged", "sparse", "quantized"]
)
@pytest.mark.parametrize("name", F.__all__)
@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_refuses_is_refused_in_its_words(name: str, kind: str) -> None:
    """Every argument, and all of them at once. (Where PyTorch takes it, ours has its number.)"""
    change = {
        "none": lambda tensor: None,
        "complex": lambda tensor: tensor.to(torch.complex64),
        "bool": lambda tensor: tensor > 0,
        "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
        "nested": lambda tensor: torch.nested.nested_tensor(list(tensor.reshape(len(tensor), -1))),
        "jagged": lambda tensor: torch.nested.nested_tensor(
            list(tensor.reshape(len(tensor), -1)), layout=torch.jagged
        ),
        "sparse": lambda tensor: tensor.to_sparse(),
        "quantized": quantized,
    }[kind]
    given = arguments(name)
    if name == "binary_cross_entropy_with_logits":
        given["pos_weight"] = torch.tensor([2.0])
    for changed in [*([each] for each in given), list(given)]:
        named = {each: change(tensor) if each in changed else tensor for each, tensor in given.items()}
        expected, found = (answer(getattr(each, name), named) for each in (torchs, F))
        if isinstance(expected, tuple):
            assert found == expected
        else:
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def answer(function: Callable[..., Any], named: dict[str, Any]) -> Any:
    """Its value, or what it says."""
    try:
        return function(**named)
    except Exception as error:
        return type(error), str(error)


# --- what a kernel cannot read, or does not hold


def numbers_of(name: str) -> list[str]:
    """The keywords of a function that are numbers of its formula."""
    return [
        each
        for each in inspect.signature(getattr(F, name)).parameters
        if each in ("beta", "delta", "eps", "margin")
    ]


def test_some_functions_have_numbers() -> None:
    assert sum(len(numbers_of(name)) for name in F.__all__) >= 10


@pytest.mark.parametrize("number", [1e39, 1e300, 1e-40, 1e-46, 1e-300, -1e39, 10**400])
@pytest.mark.parametrize("name", [name for name in F.__all__ if numbers_of(name)])
def test_a_number_that_float32_does_not_hold_makes_the_loss_pytorchs(name: str, number: float) -> None:
    for keyword in numbers_of(name):
        given: dict[str, Any] = {**arguments(name), keyword: number}
        if name == "poisson_nll_loss":
            given = {**given, "input": given["input"].abs(), "log_input": False}
        found, expected = (answer(getattr(each, name), given) for each in (F, torchs))
        if isinstance(expected, tuple):
            assert found == expected
        else:
            assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("name", F.__all__)
def test_zeros_without_memory_are_zeros(name: str) -> None:
    """Tangents are made so."""
    given = arguments(name)
    for each, tensor in given.items():
        if not tensor.is_floating_point():
            continue
        for reduction in reductions(name):
            zeros = torch._efficientzerotensor(tensor.shape)
            found = answer(getattr(F, name), {**given, each: zeros, "reduction": reduction})
            expected = answer(
                getattr(F, name), {**given, each: torch.zeros(tensor.shape), "reduction": reduction}
            )
            torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("name", LOSSES)
def test_strict_losses_take_zeros_without_memory(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, N)
    named = {each: torch.as_tensor(given) for each, given in beside(loss, N).items()}
    zeros = torch._efficientzerotensor(prediction.shape, dtype=torch.float64)
    expected = loss(torch.zeros(prediction.shape, dtype=torch.float64), torch.as_tensor(target), **named)
    assert_array_equal(loss(zeros, torch.as_tensor(target), **named).numpy(), expected.numpy())

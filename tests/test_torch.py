"""losscope.torch against PyTorch itself, and the ways in which other fused losses have been wrong."""

from __future__ import annotations

import contextlib
import copy
import inspect
import pickle
import sys
import types

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

import losscope as ls  # noqa: E402
from losscope.torch import functional as L  # noqa: E402
from losscope.torch import nn, patch, unpatch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")


def pair(*shape, dtype=torch.float64, low=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    make = torch.rand if low == 0 else torch.randn
    return make(shape, generator=generator, dtype=torch.float64).to(dtype), torch.rand(
        shape, generator=generator, dtype=torch.float64
    ).to(dtype)


# Every elementwise loss of ours: its name, keywords, and whether its input is a probability.
ELEMENTWISE = {
    "mse_loss": {}, "l1_loss": {}, "smooth_l1_loss": {"beta": 0.5}, "huber_loss": {"delta": 0.5},
    "binary_cross_entropy_with_logits": {}, "binary_cross_entropy": {}, "poisson_nll_loss": {}, "soft_margin_loss": {},
    "hinge_embedding_loss": {"margin": 0.3}, "kl_div": {}, "multilabel_soft_margin_loss": {},
}  # fmt: skip
NO_TARGET_GRADIENT = {"soft_margin_loss", "hinge_embedding_loss"}


def inputs(name, *shape, dtype=torch.float64):
    x, y = pair(*shape, dtype=dtype, low=0 if name == "binary_cross_entropy" else None)
    if name in ("soft_margin_loss", "hinge_embedding_loss"):
        y = torch.where(y > 0.5, 1, -1).to(dtype)
    return x.requires_grad_(), y


def both(name, x, y, **keywords):
    keywords = {**ELEMENTWISE[name], **keywords}
    if name == "kl_div" and keywords.get("reduction", "mean") == "mean":
        keywords["reduction"] = "batchmean"
    return getattr(L, name)(x, y, **keywords), L.torchs[name](x, y, **keywords)


def is_ours(value) -> bool:
    return type(value.grad_fn).__name__.removesuffix("Backward") in ("_Loss",)


# --- names and signatures


@pytest.mark.parametrize("name", L.__all__)
def test_signatures_are_pytorchs(name):
    ours, theirs = inspect.signature(getattr(L, name)), inspect.signature(L.torchs[name])
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


def test_every_loss_class_of_pytorch_is_there():
    from torch.nn.modules import loss

    assert set(nn.FUNCTION_OF) == set(loss.__all__)
    for name in loss.__all__:
        assert issubclass(getattr(nn, name), getattr(loss, name))
        assert inspect.signature(getattr(nn, name)) == inspect.signature(getattr(loss, name))


def test_a_class_is_its_function_and_survives_pickling():
    x, t = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    module = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]), label_smoothing=0.1)
    for each in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(each(x, t), L.cross_entropy(x, t, weight=module.weight, label_smoothing=0.1))
    assert module.state_dict().keys() == torch.nn.CrossEntropyLoss(weight=torch.ones(3)).state_dict().keys()


# --- patch


def test_patch_replaces_and_restores_completely():
    before = dict(vars(F))
    existing = torch.nn.MSELoss()
    user = types.ModuleType("someones_training")
    user.mse_loss = F.mse_loss
    import sys

    sys.modules["someones_training"] = user
    x, y = inputs("mse_loss", 5)
    try:
        with patch():
            assert is_ours(existing(x, y))
            assert user.mse_loss is L.mse_loss
            with patch():
                assert is_ours(F.mse_loss(x, y))
            assert is_ours(F.mse_loss(x, y))
        assert dict(vars(F)) == before
        assert user.mse_loss is F.mse_loss
        ours = patch()
        assert is_ours(F.cross_entropy(torch.randn(2, 3, requires_grad=True), torch.tensor([0, 1])))
        unpatch()
        again = patch()
        ours.unpatch()  # ended already: nothing more to take away
        assert F.mse_loss is L.mse_loss
        again.unpatch()
        assert dict(vars(F)) == before
        with pytest.raises(RuntimeError, match="someone's"), patch():
            raise RuntimeError("someone's own error")
        assert dict(vars(F)) == before
    finally:
        del sys.modules["someones_training"]


def test_a_patch_may_be_a_decorator_and_begin_again():
    original = F.mse_loss

    @patch()
    def during():
        """Trains."""
        return F.mse_loss

    assert F.mse_loss is original
    assert during() is L.mse_loss
    assert F.mse_loss is original
    assert during.__doc__ == "Trains."
    for other in (types.coroutine(lambda: (yield)), type("Model", (), {}), 3):
        with pytest.raises(TypeError, match="has run when it returns"):
            patch()(other)
    assert F.mse_loss is original
    with patch() as ours:
        pass
    with ours:
        assert F.mse_loss is L.mse_loss
    assert F.mse_loss is original


def test_a_patch_ends_with_the_outermost_of_what_it_is_entered_for():
    original = F.mse_loss
    with patch() as ours:

        @ours
        def during():
            return F.mse_loss

        assert F.mse_loss is during() is L.mse_loss
        for _ in range(2):
            with ours, ours:
                assert F.mse_loss is during() is L.mse_loss
        assert F.mse_loss is L.mse_loss
    assert F.mse_loss is original
    assert during() is L.mse_loss
    with ours, ours:
        ours.unpatch()
        assert F.mse_loss is original
        with ours:
            assert F.mse_loss is L.mse_loss
    assert F.mse_loss is original
    with contextlib.ExitStack() as stack:
        stack.push(patch())
        assert F.mse_loss is L.mse_loss
    assert F.mse_loss is original


def test_a_module_that_refuses_a_name_keeps_pytorchs(monkeypatch):
    class Frozen(types.ModuleType):
        def __setattr__(self, name, value):
            raise AttributeError("frozen")

    frozen = Frozen("frozen")
    vars(frozen)["mse_loss"] = original = F.mse_loss
    monkeypatch.setitem(sys.modules, "frozen", frozen)
    with patch():
        assert F.mse_loss is L.mse_loss
        assert frozen.mse_loss is original
    assert F.mse_loss is original


def test_what_patch_left_and_what_unpatch_leaves_is_said():
    import sys
    from collections import OrderedDict, namedtuple
    from functools import partial

    from losscope.torch import patched

    user = types.ModuleType("someones_training")
    exec("class Model:\n    criterion = None\ndef train(x, loss=None): pass", vars(user))
    user.losses = {"l1": F.l1_loss, "more": [F.huber_loss]}
    user.smoothed = partial(F.cross_entropy, label_smoothing=0.1)
    user.Model.criterion, user.train.__defaults__ = F.kl_div, (F.mse_loss,)
    user.Model.fixed, user.Model.both = (
        staticmethod(F.ctc_loss),
        namedtuple("Both", "a b")(F.nll_loss, F.mse_loss),
    )
    user.ordered, user.either = OrderedDict(l1=F.l1_loss), {F.triplet_margin_loss}
    user.prints = partial(print, F.l1_loss, loss=F.gaussian_nll_loss)
    user.soft = user.chosen = F.soft_margin_loss
    sys.modules["someones_training"] = user
    try:
        with patch():
            user.taken_meanwhile = F.poisson_nll_loss
            theirs = F.hinge_embedding_loss
            F.hinge_embedding_loss = print
            user.chosen = F.multi_margin_loss  # ours, and another one
            assert [each for each in patched().pytorchs if each.startswith("someones")] == [
                "someones_training.Model.both[1] (mse_loss)",
                "someones_training.Model.criterion (kl_div)",
                "someones_training.Model.fixed (ctc_loss)",
                "someones_training.either (triplet_margin_loss)",
                "someones_training.losses['l1'] (l1_loss)",
                "someones_training.losses['more'][0] (huber_loss)",
                "someones_training.ordered['l1'] (l1_loss)",
                "someones_training.prints (gaussian_nll_loss)",
                "someones_training.prints (l1_loss)",
                "someones_training.smoothed (cross_entropy)",
                "someones_training.train, a default (mse_loss)",
            ]
            assert "torch.nn.functional.mse_loss (mse_loss)" in patched().ours
        assert patched().ours == (
            "someones_training.chosen (multi_margin_loss)",
            "someones_training.taken_meanwhile (poisson_nll_loss)",
        )
        assert not [
            each for each in patched().pytorchs if each.startswith("torch.")
        ]  # where they are at home
        assert F.hinge_embedding_loss is print  # assigned anew: not ours to take away
        assert theirs is L.hinge_embedding_loss
    finally:
        del sys.modules["someones_training"]
        F.hinge_embedding_loss = L.torchs["hinge_embedding_loss"]


def test_every_torch_class_reaches_ours_under_patch(monkeypatch):
    seen = []
    for name in L.__all__:
        if getattr(L, name) is not L.torchs[name]:
            monkeypatch.setattr(L, name, lambda *a, name=name, **k: seen.append(name) or torch.tensor(0.0))
    with patch():
        for name, function in nn.FUNCTION_OF.items():
            if getattr(L, function) is not L.torchs[function]:
                module = torch.nn.modules.loss.__dict__[name](
                    *((3, 4) if name == "LinearCrossEntropyLoss" else ())
                )
                count = len(inspect.signature(module.forward).parameters)
                module(*[torch.rand(2, 3)] * count)
                assert seen[-1] == function


# --- values and gradients


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_gradients_and_double_backward(name, reduction):
    x, y = inputs(name, 6, 5)
    value, expected = both(name, x, y, reduction=reduction)
    if not (name == "multilabel_soft_margin_loss" and reduction == "none"):
        assert is_ours(value)
    torch.testing.assert_close(value, expected)
    upstream = torch.randn_like(value).requires_grad_()  # not uniform
    gradients = [torch.autograd.grad(each, x, upstream, create_graph=True)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)
    pushed = torch.randn_like(x)
    if gradients[1].requires_grad:
        # The way in which wrappers are silently wrong: (g*x).sum() with g taken for a constant.
        seconds = [
            torch.autograd.grad((each * pushed * x).sum(), (x, upstream), allow_unused=True)
            for each in gradients
        ]
        for ours, theirs in zip(*seconds, strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_backward_twice_with_a_scale(name):
    x, y = inputs(name, 6, 5)
    value, expected = both(name, x, y)
    for each in (value, expected):
        x.grad = None
        (3 * each).backward(retain_graph=True)
        once = x.grad.clone()
        (3 * each).backward(retain_graph=True)
        torch.testing.assert_close(x.grad, 2 * once)
        each.backward()
        each.grad_of_x = x.grad
    torch.testing.assert_close(value.grad_of_x, expected.grad_of_x)
    with pytest.raises(RuntimeError, match="second time"):
        value.backward()


def test_cross_entropy_backward_twice_with_a_scale():
    x, t = torch.randn(6, 5, requires_grad=True), torch.randint(0, 5, (6,))
    value = L.cross_entropy(x, t)
    (2 * value).backward(retain_graph=True)
    once = x.grad.clone()
    (2 * value).backward()
    torch.testing.assert_close(x.grad, 2 * once)
    torch.testing.assert_close(once, 2 * torch.autograd.grad(F.cross_entropy(x, t), x)[0])


@pytest.mark.parametrize("name", sorted(set(ELEMENTWISE) - NO_TARGET_GRADIENT))
def test_gradient_of_the_target(name):
    x, y = inputs(name, 6, 5)
    y.requires_grad_()
    value, expected = both(name, x, y)
    for ours, theirs in zip(
        torch.autograd.grad(value, (x, y)), torch.autograd.grad(expected, (x, y)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_soft_margin_has_no_gradient_of_the_target_as_in_pytorch():
    x, y = inputs("soft_margin_loss", 4)
    with pytest.raises(RuntimeError, match="not differentiable"):
        L.soft_margin_loss(x, y.requires_grad_()).backward()


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_transforms_of_functions(name):
    x, y = inputs(name, 3, 4)
    x = x.detach()
    ours, theirs = (
        lambda x, y, each=each: each(name, x, y) for each in (lambda *a: both(*a)[0], lambda *a: both(*a)[1])
    )
    from torch.func import grad, hessian, jacrev, vmap

    for transform in (grad, jacrev, lambda f: jacrev(jacrev(f)), lambda f: vmap(grad(f)), lambda f: vmap(f)):
        torch.testing.assert_close(transform(ours)(x, y), transform(theirs)(x, y))
    torch.testing.assert_close(
        hessian(ours)(x, y), jacrev(jacrev(theirs))(x, y)
    )  # PyTorch lacks some forward modes
    tangent = torch.randn_like(x)
    torch.testing.assert_close(
        torch.func.jvp(lambda x: ours(x, y), (x,), (tangent,))[1], (grad(theirs)(x, y) * tangent).sum()
    )


def test_batched_upstream():
    x, y = inputs("mse_loss", 4)
    for loss in (
        L.mse_loss,
        lambda x, y, reduction: L.cross_entropy(x.view(2, 2), torch.tensor([0, 1]), reduction=reduction),
    ):
        value = loss(x, y, reduction="none")
        rows = torch.eye(len(value), dtype=x.dtype)
        batched = torch.autograd.grad(value, x, rows, is_grads_batched=True, retain_graph=True)[0]
        single = torch.stack([torch.autograd.grad(value, x, row, retain_graph=True)[0] for row in rows])
        torch.testing.assert_close(batched, single)


@pytest.mark.parametrize("name", ["mse_loss", "binary_cross_entropy_with_logits", "cross_entropy"])
def test_compiled_in_one_graph(name):
    x = torch.randn(8, 5, requires_grad=True)
    y = torch.randint(0, 5, (8,)) if name == "cross_entropy" else torch.rand(8, 5)
    ours, theirs = getattr(L, name), getattr(F, name)

    def model(x, y, loss=ours):
        return loss(2 * x, y) + loss(x, y, reduction="none").sum()

    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, y), model(x, y, theirs))
    torch.testing.assert_close(
        torch.autograd.grad(compiled(x, y), x), torch.autograd.grad(model(x, y, theirs), x)
    )


def test_registered_operators_are_sound():
    from losscope.torch import operators

    x, y = torch.randn(4, 3, requires_grad=True), torch.rand(4, 3)
    torch.library.opcheck(operators.pointwise_operator, (x, y, None, "squared_error", [], "mean", 0, True))
    torch.library.opcheck(
        operators.rows_operator,
        (x, torch.tensor([0, 1, 2, 0]), None, "cross_entropy", -100, "mean", 0.0, True),
    )


# --- kinds of tensors


def test_autocast_gives_float32_as_pytorch_does():
    x, y = torch.randn(4, 3, dtype=torch.bfloat16, requires_grad=True), torch.rand(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        for name in ("mse_loss", "huber_loss", "binary_cross_entropy_with_logits"):
            value = getattr(L, name)(x, y)
            assert value.dtype == L.torchs[name](x, y).dtype == torch.float32
        value = L.cross_entropy(x, torch.tensor([0, 1, 2, 0]))
        assert value.dtype == torch.float32
    value.backward()
    assert x.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.transpose(0, 1),
        lambda x: x[:, ::2],
        lambda x: x.permute(2, 0, 1),
        lambda x: x[0, 0, 0],
        lambda x: x[:1].expand(3, -1, -1),
        lambda x: x[0:0],
    ],
    ids=["contiguous", "transposed", "holes", "permuted", "scalar", "expanded", "empty"],
)
def test_layouts(view):
    base, y = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    x = view(base).detach().requires_grad_()
    for target in (view(y), view(y).contiguous()):
        for reduction in ("mean", "none"):
            value, expected = (
                L.mse_loss(x, target, reduction=reduction),
                F.mse_loss(x, target, reduction=reduction),
            )
            torch.testing.assert_close(value, expected, equal_nan=True)
            ones = torch.ones_like(value)
            gradient, truth = (
                torch.autograd.grad(value, x, ones)[0],
                torch.autograd.grad(expected, x, ones)[0],
            )
            torch.testing.assert_close(gradient, truth)
            assert gradient.stride() == torch.empty_like(x).stride()  # the input's, if it has no holes


def test_channels_last_and_classes_along_axis_one():
    t = torch.randint(0, 5, (2, 3, 4))
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, 5, 3, 4).to(memory_format=layout).requires_grad_()
        torch.testing.assert_close(L.cross_entropy(x, t), F.cross_entropy(x, t))
        gradient = torch.autograd.grad(L.cross_entropy(x, t), x)[0]
        torch.testing.assert_close(gradient, torch.autograd.grad(F.cross_entropy(x, t), x)[0])
        assert gradient.is_contiguous(memory_format=layout)


def test_broadcasting_warns_as_pytorch_does():
    with pytest.warns(UserWarning, match="broadcasting"):
        torch.testing.assert_close(L.mse_loss(torch.ones(3, 1), torch.zeros(3)), torch.tensor(1.0))


def test_meta_and_subclasses_are_pytorchs():
    assert L.mse_loss(torch.empty(3, device="meta"), torch.empty(3, device="meta")).is_meta

    class Mine(torch.Tensor):
        pass

    assert isinstance(L.mse_loss(torch.ones(3).as_subclass(Mine), torch.zeros(3)), Mine)


def test_large_inputs_share_threads_and_memory_safely():
    n = 400_000
    x, y = torch.randn(n, requires_grad=True), torch.randn(n)
    first = torch.autograd.grad(L.mse_loss(x, y), x)[0]
    kept = first.clone()
    second = torch.autograd.grad(L.huber_loss(x, y), x)[0]
    third = torch.autograd.grad(L.l1_loss(x, y), x)[0]
    assert torch.equal(first, kept)  # no buffer in use is used again
    assert len({each.data_ptr() for each in (first, second, third)}) == 3
    address = third.data_ptr()
    del third
    assert torch.autograd.grad(L.l1_loss(x, y), x)[0].data_ptr() == address  # and a free one is
    torch.testing.assert_close(first, torch.autograd.grad(F.mse_loss(x, y), x)[0])
    part = first[:10]
    del first
    alias = part.clone()
    torch.autograd.grad(L.mse_loss(x, y), x)
    assert torch.equal(part, alias)  # a view keeps the memory, too


# --- exactness, where it is rarely had


def exact_cross_entropy_gradient(x, t):
    """In float64, by margins: nothing cancels."""
    from losscope.catalogue import entries
    from losscope.torch.margin import gradient

    wide = x.detach().double().requires_grad_()
    return gradient(
        entries()["cross_entropy"], (), wide, t, None, -100, 0.0, 1.0, torch.ones(len(t), dtype=torch.float64)
    )


def ulps(got, true):
    step = (
        torch.nextafter(true.to(got.dtype).abs(), torch.tensor(torch.inf, dtype=got.dtype)).double()
        - true.to(got.dtype).abs().double()
    )
    return ((got.double() - true).abs() / step).max()


def test_confident_cross_entropy_keeps_its_gradient():
    confident = torch.linspace(0, 60, 61)
    x = torch.zeros(61, 3)
    x[:, 0] = confident
    t = torch.zeros(61, dtype=torch.long)
    x.requires_grad_()
    gradient = torch.autograd.grad(L.cross_entropy(x, t, reduction="sum"), x)[0]
    # A logit of 60 is itself known to 60 units of its relative last place, and the gradient goes with exp of it.
    assert ulps(gradient[:9], exact_cross_entropy_gradient(x, t)[:9]) <= 8
    assert ulps(gradient, exact_cross_entropy_gradient(x, t)) <= 8 + 60
    assert not torch.autograd.grad(F.cross_entropy(x, t, reduction="sum"), x)[0][
        25:, 0
    ].any()  # PyTorch's is 0


def test_confident_binary_cross_entropy_keeps_its_gradient():
    x = torch.linspace(-80, 80, 321).requires_grad_()
    y = torch.ones(321)
    gradient = torch.autograd.grad(L.binary_cross_entropy_with_logits(x, y, reduction="sum"), x)[0]
    assert ulps(gradient, -torch.sigmoid(-x.detach().double())) <= 8


def test_bfloat16_is_within_one_rounding():
    x = (3 * torch.randn(64, 1000)).bfloat16()
    x[:32, 7] = 12  # confident rows
    x.requires_grad_()
    t = torch.full((64,), 7)
    gradient = torch.autograd.grad(L.cross_entropy(x, t, reduction="sum"), x)[0]
    assert ulps(gradient, exact_cross_entropy_gradient(x, t)) <= 0.51
    z, y = (4 * torch.randn(5000)).bfloat16().requires_grad_(), torch.rand(5000).round().bfloat16()
    gradient = torch.autograd.grad(L.binary_cross_entropy_with_logits(z, y, reduction="sum"), z)[0]
    wide = z.detach().double()
    assert ulps(gradient, (1 - y.double()) * torch.sigmoid(wide) - y.double() * torch.sigmoid(-wide)) <= 0.51
    scaled = torch.autograd.grad(3 * L.binary_cross_entropy_with_logits(z, y, reduction="sum"), z)[0]
    assert (
        ulps(scaled, 3 * ((1 - y.double()) * torch.sigmoid(wide) - y.double() * torch.sigmoid(-wide))) <= 0.51
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_rounded_once_as_torch_operations_too(dtype):
    x, y = (torch.randn(100, dtype=dtype).requires_grad_() for _ in range(2))
    truth = 3 * 2 * (x.detach().double() - y.detach().double()) / 100
    for of_x, of_y in (
        torch.autograd.grad(3 * L.mse_loss(x, y), (x, y)),
        torch.autograd.grad(3 * L.mse_loss(x, y.detach()), (x,), create_graph=True) * 2,
    ):
        assert ulps(of_x.detach(), truth) <= 0.51
        assert ulps(of_y.detach().abs(), truth.abs()) <= 0.51


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_that_begin_with_a_block_of_minus_infinity(dtype):
    x = torch.randn(3, 40_000).to(dtype)
    x[:, :33_000] = -torch.inf
    t = torch.tensor([39_999, 33_000, 35_000])
    x.requires_grad_()
    value = L.cross_entropy(x, t)
    expected = F.cross_entropy(x.detach().double(), t)
    torch.testing.assert_close(
        value.double(), expected, rtol=1e-2 if dtype is torch.bfloat16 else 1e-5, atol=0
    )
    value.backward()
    assert x.grad.isfinite().all()
    assert not x.grad[:, :33_000].any()


def test_all_ignored_is_nan_with_a_gradient_of_zero_as_in_pytorch():
    x, t = torch.randn(3, 4, requires_grad=True), torch.full((3,), -100)
    for loss in (L.cross_entropy, F.cross_entropy):
        value = loss(x, t)
        assert value.isnan()
        assert not torch.autograd.grad(value, x)[0].any()
    assert L.cross_entropy(x, t, reduction="sum") == 0


def test_logits_are_never_written_to():
    x, t = torch.randn(8, 50, requires_grad=True), torch.randint(0, 50, (8,))
    before, version = x.detach().clone(), x._version
    (2 * L.cross_entropy(x, t) + x.square().sum()).backward()
    assert torch.equal(x.detach(), before)
    assert x._version == version


@pytest.mark.parametrize(
    "name",
    [
        "mse_loss",
        "huber_loss",
        "l1_loss",
        "binary_cross_entropy_with_logits",
        "soft_margin_loss",
        "poisson_nll_loss",
    ],
)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_nan_and_infinity_are_pytorchs(name, bad):
    x, y = inputs(name, 5)
    x.data[2] = bad
    if name == "soft_margin_loss":
        y[2] = -1
    value, expected = both(name, x, y, reduction="none")
    if name == "soft_margin_loss" and bad == torch.inf:
        assert value[2] == torch.inf
        return  # PyTorch's gradient is NaN here
    if name == "poisson_nll_loss" and bad == torch.inf:
        assert value[2] == torch.inf  # PyTorch subtracts infinity from infinity
        return
    if name == "binary_cross_entropy_with_logits" and bad == -torch.inf:
        assert value[2] == torch.inf  # PyTorch's value is NaN, its gradient is right
    else:
        torch.testing.assert_close(value, expected, equal_nan=True)
    ones = torch.ones_like(value)
    if name == "l1_loss" and bad != bad:
        assert torch.autograd.grad(value, x, ones)[0][2].isnan()  # PyTorch's is 0
        return
    torch.testing.assert_close(
        torch.autograd.grad(value, x, ones), torch.autograd.grad(expected, x, ones), equal_nan=True
    )


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_cross_entropy_of_nan_and_infinity_is_pytorchs(bad):
    for place in (1, 3):
        if bad == torch.inf:
            continue  # PyTorch has NaN, where the limit is known: see below
        x = torch.randn(2, 5)
        x[0, place] = bad
        x.requires_grad_()
        t = torch.tensor([1, 2])
        value, expected = (each(x, t, reduction="none") for each in (L.cross_entropy, F.cross_entropy))
        assert torch.equal(value.isnan(), expected.isnan())
        assert torch.equal(value.isinf(), expected.isinf())


@pytest.mark.parametrize(("right", "expected"), [(0, [-1.0, 1.0, 0.0]), (1, [0.0, 0.0, 0.0])])
def test_an_infinite_logit_takes_all(right, expected):
    for target in (torch.tensor([right]), torch.eye(3)[[right]]):
        x = torch.tensor([[0.5, torch.inf, 1.0]], requires_grad=True)
        value = L.cross_entropy(x, target)
        assert value.item() == (0.0 if right == 1 else torch.inf)
        for twice in (False, True):  # by the kernel, and by the formula in torch operations
            (gradient,) = torch.autograd.grad(value, x, retain_graph=True, create_graph=twice)
            assert torch.equal(gradient, torch.tensor([expected]))


# --- errors are PyTorch's


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 3])),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, -1])),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1, 2])),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1], dtype=torch.int32)),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1]), label_smoothing=1.5),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1]), weight=torch.ones(2)),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1]), ignore_index=2**63),
        lambda m: m.cross_entropy(torch.randn(2, 3), torch.tensor([0, 1]), ignore_index=-(2**70)),
        lambda m: m.linear_cross_entropy(torch.randn(2, 3), torch.randn(4, 3), torch.tensor([0, 1]), ignore_index=2**70),
        lambda m: m.mse_loss(torch.randn(2, 3), torch.randn(2, 3), reduction="median"),
        lambda m: m.mse_loss(torch.randn(2, 3), torch.randn(4)),
        lambda m: m.mse_loss(torch.randn(2), [1.0, 2.0]),
        lambda m: m.binary_cross_entropy(torch.tensor([1.5]), torch.tensor([1.0])),
        lambda m: m.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0, 0.0])),
        lambda m: m.binary_cross_entropy_with_logits(torch.randn(2), torch.rand(3)),
        lambda m: m.huber_loss(torch.randn(2), torch.rand(2), delta=-1.0),
        lambda m: m.smooth_l1_loss(torch.randn(2), torch.rand(2), beta=-1.0),
        lambda m: m.huber_loss(torch.randn(2), torch.rand(2), weight=torch.ones(3)),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_errors_are_pytorchs(call):
    with pytest.raises(Exception) as theirs:
        call(F)
    with pytest.raises(type(theirs.value)) as ours:
        call(L)
    assert str(ours.value) == str(theirs.value)


# --- the catalogue's own losses on tensors


def test_total_adds_micro_batches_to_the_gradient_of_the_whole():
    x, t = torch.randn(10, 4, dtype=torch.float64, requires_grad=True), torch.randint(0, 4, (10,))
    t[3] = -100
    whole = torch.autograd.grad(ls.cross_entropy(x, t), x)[0]
    parts = sum(ls.cross_entropy.total(x[i], t[i]) for i in (slice(0, 3), slice(3, 4), slice(4, 10)))
    torch.testing.assert_close(torch.autograd.grad(parts.mean(), x)[0], whole)
    assert parts.weight == 9
    usual = sum(F.cross_entropy(x[i], t[i]) / 2 for i in (slice(0, 3), slice(4, 10)))
    assert (torch.autograd.grad(usual, x)[0] - whole).abs().max() > 0.1 * whole.abs().max()


@pytest.mark.parametrize("name", ["huber", "log_cosh", "binary_focal", "pinball"])
def test_catalogue_losses_are_differentiable_twice(name):
    loss = ls.get(name)
    x, y = pair(3, 4)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y, reduction="none"), x, fast_mode=True)
    value, gradient = loss.value_and_grad(x.detach().numpy(), y.numpy())
    torch.testing.assert_close(torch.autograd.grad(loss(x, y), x)[0].numpy(), gradient)
    assert float(loss(x, y).detach()) == pytest.approx(value, rel=1e-14)


def test_a_loss_in_a_forked_worker():
    class Losses(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            x = torch.arange(200_000.0) + i
            return L.mse_loss(x, torch.zeros_like(x))

    expected = [Losses()[i] for i in range(4)]
    got = torch.cat(
        list(torch.utils.data.DataLoader(Losses(), num_workers=2, multiprocessing_context="fork"))
    )
    assert torch.equal(got, torch.stack(expected))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ls.mse(torch.tensor([1j]), torch.tensor([1.0])), "prediction is complex"),
        (lambda: ls.mse(torch.tensor([1.0]), torch.tensor([1j])), "target is complex"),
        (lambda: ls.mse(torch.eye(2).to_sparse(), torch.eye(2)), "prediction is sparse"),
        (lambda: ls.mse(torch.empty(2, device="meta"), torch.zeros(2)), "device meta"),
        (
            lambda: ls.mse(torch.ones(2), torch.ones(2), weight=torch.ones(2, requires_grad=True)),
            "weight requires",
        ),
        (lambda: ls.sigmoid(torch.tensor([1j])), "score is complex"),
        (
            lambda: ls.huber(torch.ones(1), torch.ones(1), delta=torch.tensor(2.0, requires_grad=True)),
            "delta requires",
        ),
    ],
)
def test_the_tensor_that_does_not_fit_is_named(make, words):
    with pytest.raises(ls.LossError, match=words):
        make()


@pytest.mark.parametrize("scale", [1e-40, 1e30])
@pytest.mark.parametrize("name", ["huber", "cross_entropy"])
def test_a_mean_does_not_depend_on_the_scale_of_its_weights(name, scale):
    loss = ls.get(name)
    x = torch.randn(6, 3) if name == "cross_entropy" else torch.randn(6)
    t = torch.arange(6) % 3 if name == "cross_entropy" else torch.randn(6)
    x.requires_grad_()
    weight = torch.rand(6, dtype=torch.float64) + 0.5
    value, expected = loss(x, t, weight=weight * scale), loss(x, t, weight=weight)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, x), torch.autograd.grad(expected, x))

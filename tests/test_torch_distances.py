"""The twins of PyTorch's losses of distances, and tensors in the catalogue's own: exact, differentiable, as PyTorch."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

import losscope as ls  # noqa: E402
from losscope.torch import functional as L  # noqa: E402
from losscope.torch import nn  # noqa: E402

NAMES = ["cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"]
CALLS = [
    ("cosine_embedding_loss", {}),
    ("cosine_embedding_loss", {"margin": 0.3}),
    ("triplet_margin_loss", {}),
    ("triplet_margin_loss", {"margin": 0.2, "eps": 0.1, "swap": True}),
    ("triplet_margin_with_distance_loss", {}),
    ("triplet_margin_with_distance_loss", {"margin": 3.0, "swap": True}),
]


def tensors(name, *shape, dtype=torch.float64, seed=0):
    """The vectors, which want gradients, and what else is given by position."""
    generator = torch.Generator().manual_seed(seed)
    make = (torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(3))
    a, b, n = (each.requires_grad_() for each in make)
    if name != "cosine_embedding_loss":
        return (a, b, n), ()
    label = torch.where(torch.rand(shape[:-1], generator=generator) < 0.5, 1, -1)
    return (a, b), (label,)


def ours(value) -> bool:
    return type(value.grad_fn).__name__ == "_LossBackward"


def exact(theirs, name, vectors, rest, **keywords):
    """PyTorch's in float64, of vectors whose lengths drown what it adds to them."""
    return theirs(*(each.detach().double().requires_grad_() for each in vectors), *rest, **keywords)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "keywords"), CALLS, ids=str)
def test_values_gradients_and_double_backward(name, keywords, reduction):
    vectors, rest = tensors(name, 7, 5)
    keywords = {**keywords, "reduction": reduction}
    mine, theirs = (each(*vectors, *rest, **keywords) for each in (getattr(L, name), L.torchs[name]))
    assert ours(mine)
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-11)
    upstream = torch.randn_like(theirs)
    first = [torch.autograd.grad(each, vectors, upstream, create_graph=True) for each in (mine, theirs)]
    plain = torch.autograd.grad(getattr(L, name)(*vectors, *rest, **keywords), vectors, upstream)
    for got, again, expected in zip(first[0], plain, first[1], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(again, expected, rtol=1e-9, atol=1e-10)
    second = [torch.autograd.grad(sum((each**2).sum() for each in gradients), vectors) for gradients in first]
    for got, expected in zip(*second, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("wanted", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_only_the_gradients_that_are_wanted(name, wanted):
    vectors, rest = tensors(name, 6, 4)
    mixed = [each if i in wanted else each.detach() for i, each in enumerate(vectors)]
    for which in (getattr(L, name), L.torchs[name]):
        which(*mixed, *rest, reduction="sum").backward()
    for i, each in enumerate(vectors):
        assert (each.grad is not None) == (i in wanted)
    inputs = [vectors[i] for i in wanted]
    mine, theirs = (
        torch.autograd.grad(which(*mixed, *rest), inputs) for which in (getattr(L, name), L.torchs[name])
    )
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_backward_twice_with_a_scale(name, reduction):
    vectors, rest = tensors(name, 6, 4)
    value = 2 * getattr(L, name)(*vectors, *rest, reduction=reduction).sum()
    value.backward(retain_graph=True)
    once = [each.grad.clone() for each in vectors]
    value.backward()
    for each, first in zip(vectors, once, strict=True):
        torch.testing.assert_close(each.grad, 2 * first)
    with pytest.raises(RuntimeError, match="a second time"):
        value.backward()


def test_what_was_written_to_is_not_used_again():
    vectors, rest = tensors("triplet_margin_loss", 6, 4)
    value = L.triplet_margin_loss(*vectors, *rest)
    value.backward(retain_graph=True)
    with torch.no_grad():
        vectors[1].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


@pytest.mark.parametrize("name", NAMES)
def test_transforms_and_batched_upstreams(name):
    vectors, rest = tensors(name, 6, 4)
    mine, theirs = getattr(L, name), L.torchs[name]
    plain = [each.detach() for each in vectors]
    for transform in (torch.func.grad, torch.func.jacrev):
        got, expected = (transform(lambda a, f=f: f(a, *plain[1:], *rest))(plain[0]) for f in (mine, theirs))
        torch.testing.assert_close(got, expected)
    got, expected = (
        torch.func.jvp(lambda a, f=f: f(a, *plain[1:], *rest), (plain[0],), (plain[1],))
        for f in (mine, theirs)
    )
    torch.testing.assert_close(got, expected)
    upstreams = torch.randn(3, 6, dtype=torch.float64)
    got, expected = (
        torch.autograd.grad(f(*vectors, *rest, reduction="none"), vectors, upstreams, is_grads_batched=True)
        for f in (mine, theirs)
    )
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_compiled_in_one_graph(name):
    vectors, rest = tensors(name, 6, 4)
    compiled = torch.compile(getattr(L, name), fullgraph=True, backend="aot_eager")
    for which in (compiled, L.torchs[name]):
        which(*vectors, *rest).backward()
    once = [each.grad / 2 for each in vectors]
    for each in vectors:
        each.grad = None
    getattr(L, name)(*vectors, *rest).backward()
    for each, expected in zip(vectors, once, strict=True):
        torch.testing.assert_close(each.grad, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_one_rounding_from_the_truth(name, reduction, dtype):
    """The value of float64 arithmetic on the same numbers, rounded once; gradients (of a power of two) likewise."""
    vectors, rest = tensors(name, 8, 24, dtype=dtype)
    value = getattr(L, name)(*vectors, *rest, reduction=reduction)
    wide = [each.detach().double().requires_grad_() for each in vectors]
    truth = getattr(L, name)(*wide, *rest, reduction=reduction)
    close = 2 * torch.finfo(dtype).eps
    assert value.dtype is dtype
    torch.testing.assert_close(value.double(), truth, rtol=close, atol=close)
    value.sum().backward()
    truth.sum().backward()
    for each, expected in zip(vectors, wide, strict=True):
        assert each.grad.dtype is dtype
        torch.testing.assert_close(each.grad.double(), expected.grad, rtol=close, atol=1e-7)


@pytest.mark.parametrize("view", [lambda x: x.t(), lambda x: x[::2, 1::2], lambda x: x.expand(3, -1, -1)])
@pytest.mark.parametrize("name", NAMES[1:])
def test_layouts(name, view):
    vectors, _ = tensors(name, 6, 4)
    mine, theirs = (f(*map(view, vectors), reduction="none") for f in (getattr(L, name), L.torchs[name]))
    assert ours(mine)
    torch.testing.assert_close(mine, theirs)
    got, expected = (torch.autograd.grad(each.sum(), vectors) for each in (mine, theirs))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)


def test_single_vectors_and_labels_of_any_dtype():
    a, b = (each.requires_grad_() for each in torch.randn(2, 5, dtype=torch.float64))
    for dtype in (torch.int64, torch.int8, torch.float32):
        label = torch.tensor(-1, dtype=dtype)
        mine = L.cosine_embedding_loss(a, b, label, margin=-1.0)
        assert ours(mine)
        torch.testing.assert_close(mine, F.cosine_embedding_loss(a, b, label, margin=-1.0))
    assert ours(L.triplet_margin_loss(a, b, a.detach()))


def test_what_is_pytorchs_stays_pytorchs():
    a, b = (each.requires_grad_() for each in torch.randn(2, 4, 5, dtype=torch.float64))
    odd = torch.tensor([1, 0, 2, -1])
    cosine = L.cosine_embedding_loss(a, b, odd, reduction="none")
    assert not ours(cosine)
    torch.testing.assert_close(cosine, F.cosine_embedding_loss(a, b, odd, reduction="none"))
    for keywords in ({"p": 1.0}, {"p": 3}):
        assert not ours(L.triplet_margin_loss(a, b, a + 1, **keywords))
    with pytest.warns(UserWarning, match="deprecated"):
        assert not ours(L.triplet_margin_loss(a, b, a + 1, size_average=True))
    distance = torch.nn.PairwiseDistance(p=1)
    assert not ours(L.triplet_margin_with_distance_loss(a, b, a + 1, distance_function=distance))
    assert not ours(L.triplet_margin_loss(a, b[:1], a + 1))  # broadcast
    with pytest.raises(ValueError, match="margin must be greater than 0"):
        L.triplet_margin_loss(a, b, a, margin=0)
    with pytest.raises(ValueError, match="margin must be greater than 0"):
        L.triplet_margin_with_distance_loss(a, b, a, margin=-1)
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        L.triplet_margin_loss(a, b, a, reduction="all")
    with pytest.raises(RuntimeError, match="multi-target not supported"):
        L.cosine_embedding_loss(a, b, torch.ones(4, 5))
    with pytest.raises(RuntimeError, match="same number of dimensions"):
        L.triplet_margin_loss(a, b[0], a)


def test_classes_and_patches_reach_ours():
    a, b, n = (each.requires_grad_() for each in torch.randn(3, 4, 5))
    assert ours(nn.TripletMarginLoss(swap=True)(a, b, n))
    assert ours(nn.TripletMarginWithDistanceLoss()(a, b, n))
    wide = torch.nn.PairwiseDistance(eps=0.1)
    mine = L.triplet_margin_with_distance_loss(a, b, n, distance_function=wide)
    assert ours(mine)
    torch.testing.assert_close(mine, F.triplet_margin_with_distance_loss(a, b, n, distance_function=wide))
    assert ours(nn.CosineEmbeddingLoss(margin=0.1)(a, b, torch.ones(4)))


# --- where PyTorch is not exact


def test_nearly_parallel_vectors_keep_their_digits():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1e-4]])
    label = torch.ones(1)
    assert L.cosine_embedding_loss(a, b, label).item() == pytest.approx(5e-9, rel=1e-6)
    assert F.cosine_embedding_loss(a, b, label).item() == 0
    for size in (1e-7, 1e-20, 1e20):
        same = torch.full((1, 2), size)
        assert L.cosine_embedding_loss(same, same, label).item() < 1e-30
        turned = torch.tensor([[1.0, 2.0]]) * size
        assert L.cosine_embedding_loss(same, turned, label).item() == pytest.approx(1 - 3 / 10**0.5, rel=1e-6)


def test_a_vector_of_zeros_has_no_gradient():
    a, b = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    value = L.cosine_embedding_loss(a, b, torch.tensor([1, -1]), reduction="none")
    assert value.tolist() == [1, 0]
    for gradient in torch.autograd.grad(value.sum(), (a, b), create_graph=True):
        assert not gradient.any()
    value.sum().backward()
    assert not a.grad.any()
    assert not b.grad.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("infinite", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)], ids=str)
@pytest.mark.parametrize(("name", "keywords"), CALLS, ids=str)
def test_the_direction_of_an_infinite_length_is_unknown_and_not_zero(name, keywords, infinite, dtype):
    """By the kernel, by torch's operations, by PyTorch, wherever there is a loss; where it is 0 the kernel's slope is."""
    vectors, rest = tensors(name, 4, 3, dtype=dtype)
    if len(vectors) <= max(infinite):
        pytest.skip("pairs have no third vector")
    with torch.no_grad():
        for which in infinite:
            vectors[which][range(3), range(3)] = torch.tensor([1, -1, 1], dtype=dtype) * torch.inf
    mine, theirs = getattr(L, name), L.torchs[name]
    keywords = {**keywords, "reduction": "none"}
    value = mine(*vectors, *rest, **keywords)
    by_kernel = torch.autograd.grad(value.sum(), vectors, retain_graph=True)
    by_operations = torch.func.grad(
        lambda *each: mine(*each, *rest, **keywords).sum(), argnums=tuple(range(len(vectors)))
    )(*(each.detach() for each in vectors))
    value_of_pytorch = theirs(*vectors, *rest, **keywords)
    of_pytorch = torch.autograd.grad(value_of_pytorch.sum(), vectors)
    none = value == 0
    torch.testing.assert_close(value, value_of_pytorch, equal_nan=True)
    for kernel, operations, pytorch in zip(by_kernel, by_operations, of_pytorch, strict=True):
        assert not kernel[none].any()
        torch.testing.assert_close(kernel[~none], operations[~none], equal_nan=True)
        known = ~pytorch.isnan() | kernel.isnan()  # PyTorch's has NaN from what `swap` did not choose, too
        known &= ~none[:, None] & ~value.isnan()[:, None]
        torch.testing.assert_close(kernel[known], pytorch[known], equal_nan=True, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_vectors_of_no_features_are_vectors_of_zeros(dtype):
    """Of float16, PyTorch has NaN: its epsilon is none there."""
    vectors, sides = torch.zeros(4, 0, dtype=dtype), torch.tensor([1, 1, -1, 1])
    loss = partial(L.cosine_embedding_loss, target=sides, reduction="none")
    expected = torch.tensor([1, 1, 0, 1], dtype=dtype)
    given = vectors.clone().requires_grad_()
    found = loss(given, given)
    torch.testing.assert_close(found.detach(), expected)
    assert torch.autograd.grad(found.sum(), given)[0].shape == (4, 0)
    mapped = torch.func.vmap(lambda each: loss(each, each))(vectors[None])
    torch.testing.assert_close(mapped[0], expected)


@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize("side", [1, -1])
def test_a_cosine_that_is_nan_has_no_slope_by_any_path(side, margin):
    """Vectors of zeros, of infinite features and of NaN, each with each."""
    each = torch.tensor(list(product([0.0, 1.0, torch.inf, torch.nan], repeat=2)))
    pairs = each.repeat_interleave(len(each), 0), each.repeat(len(each), 1)
    sides = torch.full((len(pairs[0]),), side)
    loss = partial(L.cosine_embedding_loss, target=sides, margin=margin, reduction="none")
    given = tuple(each.clone().requires_grad_() for each in pairs)
    value = loss(*given)
    slopes = torch.autograd.grad(value.sum(), given, retain_graph=True)
    assert all(slope[value.isnan()].isnan().all() for slope in slopes)
    same = partial(torch.testing.assert_close, equal_nan=True)
    same(torch.autograd.grad(value.sum(), given, create_graph=True), slopes)
    same(torch.func.grad(lambda *each: loss(*each).sum(), argnums=(0, 1))(*pairs), slopes)
    of_arrays = ls.cosine_embedding.value_and_grad(
        *(each.numpy() for each in pairs), label=sides.numpy(), margin=margin, reduction="none"
    )
    same(tuple(map(torch.tensor, of_arrays)), (value.detach(), slopes[0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("eps", [1e-6, 0.0])
def test_what_comes_back_multiplies_by_every_path(eps, reduction, dtype):
    """Also where it is 0, of vectors that are infinite, NaN, or the same."""
    each = torch.tensor([[1.0, 2.0], [torch.inf, 0.5], [torch.nan, 0.5], [3.0, 4.0]], dtype=dtype)
    chosen = torch.tensor(list(product(range(len(each)), repeat=3)))
    for factor, swap in product((0.0, 1.0), (False, True)):
        loss = partial(L.triplet_margin_loss, eps=eps, swap=swap, reduction=reduction)
        for vectors in (
            [[each[row] for row in chosen.T]]
            if reduction == "none"
            else (each[row[:, None]] for row in chosen)
        ):
            given = tuple(vector.clone().requires_grad_() for vector in vectors)
            value, by_operations = torch.func.vjp(loss, *vectors)
            back = torch.full_like(value, factor)
            of_kernel, of_operations = torch.autograd.grad(loss(*given), given, back), by_operations(back)
            torch.testing.assert_close(of_kernel, of_operations, equal_nan=True)


def test_a_vector_whose_length_has_no_inverse_counts_as_one_of_zeros_by_every_path():
    a = torch.tensor([[5e-324, 0.0], [5e-309, 0.0], [6e-309, 0.0]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[1.0, 1.0]] * 3, dtype=torch.float64)
    loss = partial(L.cosine_embedding_loss, input2=b, target=torch.ones(3), reduction="none")
    expected = torch.tensor([1.0, 1.0, 1 - 0.5**0.5], dtype=torch.float64)
    torch.testing.assert_close(loss(a), expected)
    torch.testing.assert_close(torch.func.vmap(lambda x: loss(x))(a[None])[0], expected)


def test_threads_do_not_change_the_bits():
    a, b, n = (torch.randn(9000, 40) for _ in range(3))
    threads = ls.get_num_threads()
    found = []
    try:
        for count in (1, 2, 5):
            ls.set_num_threads(count)
            leaves = [each.clone().requires_grad_() for each in (a, b, n)]
            value = L.triplet_margin_loss(*leaves)
            value.backward()
            found.append([value.detach(), *(each.grad for each in leaves)])
    finally:
        ls.set_num_threads(threads)
    for each in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(each, found[0], strict=True))


# --- the catalogue's own losses of tensors


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["cosine_embedding", "triplet_margin", "contrastive"])
def test_catalogue_losses_are_differentiable_twice_in_all_vectors(name, reduction):
    loss = ls.get(name)
    (a, b, n), _ = tensors("triplet", 5, 4)
    weight = torch.rand(5, dtype=torch.float64)
    label = torch.tensor([1, -1, 1, -1, -1])
    vectors = (a, b, n) if name == "triplet_margin" else (a, b)

    def call(*vectors, **options):
        rest = {"negative": vectors[2], "swap": True} if len(vectors) == 3 else {"label": label}
        return loss(*vectors[:2], weight=weight, reduction=reduction, **rest, **options)

    value = call(*vectors)
    assert ours(value)
    arrays = [each.detach().numpy() for each in vectors]
    rest = {"negative": arrays[2], "swap": True} if name == "triplet_margin" else {"label": label.numpy()}
    expected, gradient = loss.value_and_grad(*arrays[:2], weight=weight.numpy(), reduction=reduction, **rest)
    torch.testing.assert_close(value.detach(), torch.as_tensor(expected, dtype=torch.float64))
    (got,) = torch.autograd.grad(value.sum(), a, retain_graph=True)
    torch.testing.assert_close(got, torch.as_tensor(gradient))
    assert torch.autograd.gradcheck(call, vectors, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, vectors, fast_mode=True)


def test_catalogue_losses_take_what_they_take_of_arrays():
    a, b = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    assert ls.contrastive(a, b.tolist(), label=[1, -1, 1, 1]).requires_grad
    assert ls.triplet_margin(a, b, negative=b.double().numpy()).dtype is torch.float32
    total = ls.contrastive.total(a, b, weight=[1.0, 2.0, 0.0, 1.0])
    assert total.weight == 4
    assert total.sum.requires_grad
    assert ls.contrastive.total(a[:0], b[:0]).weight == 0
    for call, words in [
        (lambda: ls.triplet_margin(a, b), "negative"),
        (lambda: ls.contrastive(a, b, label=torch.tensor([1, 0, 1, 1])), r"label\[1\]"),
        (lambda: ls.contrastive(a[:0], b[:0]), "the input is empty"),
        (lambda: ls.triplet_margin(a, b, negative=b.to_sparse()), "negative is sparse"),
    ]:
        with pytest.raises(ls.LossError, match=words):
            call()

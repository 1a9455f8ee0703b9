"""Linear cross-entropy in chunks: PyTorch's semantics, gradients of every kind, an error that chunks do not show in."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")

from losscope.torch import functional as L  # noqa: E402
from losscope.torch import linear  # noqa: E402


@pytest.fixture(params=["one chunk", "many"])
def chunks(request, monkeypatch):
    if request.param == "many":
        monkeypatch.setattr(linear, "CHUNK", 1)
        monkeypatch.setattr(linear, "LEAST_ROWS", 3)


def problem(dtype):
    torch.manual_seed(0)
    x, w, b = (
        torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_()
        for shape in ((10, 6), (5, 6), (5,))
    )
    t = torch.randint(0, 5, (10,))
    t[2] = -100
    return (
        x,
        w,
        b,
        t,
        torch.softmax(torch.randn(10, 5, dtype=torch.float64), 1).to(dtype),
        torch.rand(5, dtype=torch.float64).to(dtype),
    )


CASES = list(
    itertools.product(("index", "probabilities"), (False, True), ("mean", "sum", "none"), (0.0, 0.2))
)


@pytest.mark.parametrize(("kind", "weighted", "reduction", "smoothing"), CASES)
@pytest.mark.usefixtures("chunks")
def test_against_pytorch(kind, weighted, reduction, smoothing):
    x, w, b, t, p, class_weight = problem(torch.float64)
    keywords = {
        "linear_bias": b,
        "weight": class_weight if weighted else None,
        "reduction": reduction,
        "label_smoothing": smoothing,
    }
    target = t if kind == "index" else p
    ours = L.linear_cross_entropy(x, w, target, **keywords)
    theirs = L.torchs["linear_cross_entropy"](x, w, target, **keywords)
    assert type(ours.grad_fn).__name__ == "_LossBackward"
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(ours)
    expected = torch.autograd.grad(theirs, (x, w, b), upstream)
    for _ in range(2):  # the second time from the logits anew
        for got, truth in zip(
            torch.autograd.grad(ours, (x, w, b), upstream, retain_graph=True), expected, strict=True
        ):
            torch.testing.assert_close(got, truth)


@pytest.mark.usefixtures("chunks")
def test_second_derivatives():
    x, w, b, t, _, class_weight = problem(torch.float64)
    for reduction in ("mean", "none"):
        assert torch.autograd.gradgradcheck(
            lambda x, w, b, reduction=reduction: L.linear_cross_entropy(
                x, w, t, linear_bias=b, weight=class_weight, reduction=reduction
            ),
            (x, w, b),
            fast_mode=True,
        )


def test_one_row_and_what_is_left_to_pytorch():
    x, w, _, t, p, _ = problem(torch.float64)
    torch.testing.assert_close(
        L.linear_cross_entropy(x[0], w, t[0]), L.torchs["linear_cross_entropy"](x[0], w, t[0])
    )
    with pytest.raises(RuntimeError, match="ignore_index cannot"):
        L.linear_cross_entropy(x, w, p, ignore_index=0)
    with pytest.raises(IndexError):
        L.linear_cross_entropy(x, w, t + 5)


@pytest.mark.parametrize("rows_in_chunk", [4096, 16, 4])
def test_bfloat16_weight_gradient_does_not_feel_the_chunks(monkeypatch, rows_in_chunk):
    monkeypatch.setattr(linear, "CHUNK", 1)
    monkeypatch.setattr(linear, "LEAST_ROWS", rows_in_chunk)
    torch.manual_seed(0)
    x, w, t = (
        torch.randn(4096, 32).bfloat16(),
        (torch.randn(256, 32) / 6).bfloat16().requires_grad_(),
        torch.randint(0, 256, (4096,)),
    )
    exact = w.detach().double().requires_grad_()
    (truth,) = torch.autograd.grad(torch.nn.functional.cross_entropy(x.double() @ exact.T, t), exact)
    (gradient,) = torch.autograd.grad(L.linear_cross_entropy(x, w, t), w)
    error = float((gradient.double() - truth).norm() / truth.norm())
    assert error < 5e-3  # PyTorch's chunked path is off by 4e-1 at 1,024 chunks


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("size", [torch.nan, torch.inf])
def test_a_row_that_is_removed_is_not_there_for_the_weight_either(size, reduction, create_graph):
    weight = torch.eye(2, requires_grad=True)
    row, removed = torch.tensor([[1.0, 2.0]]), torch.tensor([[size, 1.0]])

    def slope(rows, target, **options):
        value = L.linear_cross_entropy(rows, weight, torch.tensor(target), reduction=reduction, **options)
        return torch.autograd.grad(value.sum(), weight, create_graph=create_graph)[0]

    expected = slope(row, [1])
    both = torch.cat([removed, row])
    torch.testing.assert_close(slope(both, [-100, 1]), expected)
    torch.testing.assert_close(slope(both, [0, 1], weight=torch.tensor([0.0, 1.0])), expected)
    assert slope(both, [0, 1]).isnan().any()

"""Losses of the catalogue on tensors that are not plain: each is refused by name, or answered rightly."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import losscope as ls  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*nested tensors.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*quantize.*:UserWarning"),
]


class Measured(torch.Tensor):
    """A subclass, of which nobody here knows what it means."""


THREE = torch.tensor([1.0, 2.0, 3.0])
UNUSUAL = {
    "is complex": lambda: THREE + 1j,
    "is sparse": THREE.to_sparse,
    "is nested": lambda: torch.nested.nested_tensor([THREE, THREE[:2]]),
    "is on the device meta": lambda: THREE.to("meta"),
    "is a Measured": lambda: THREE.as_subclass(Measured),
    "is of torch.float8": lambda: THREE.to(torch.float8_e5m2),
}
if torch.backends.mkldnn.is_available():
    UNUSUAL["is not dense"] = THREE.to_mkldnn
if "fbgemm" in torch.backends.quantized.supported_engines:
    UNUSUAL["is quantized"] = lambda: torch.quantize_per_tensor(THREE, 0.1, 0, torch.quint8)
ROWS, CLASSES = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]), torch.tensor([0, 1])


@pytest.mark.parametrize("what", UNUSUAL)
def test_an_unusual_tensor_is_named_wherever_it_stands(what):
    odd = UNUSUAL[what]()
    for call, name in (
        (lambda: ls.mse(odd, THREE), "prediction"),
        (lambda: ls.mse(THREE, odd), "target"),
        (lambda: ls.mse(THREE, THREE, weight=odd), "weight"),
        (lambda: ls.mse.total(THREE, THREE, weight=odd), "weight"),
        (lambda: ls.cross_entropy(odd, CLASSES), "prediction"),
        (lambda: ls.cross_entropy(ROWS, odd), "target"),
        (lambda: ls.cross_entropy(ROWS, CLASSES, weight=odd), "weight"),
        (lambda: ls.cross_entropy(ROWS, CLASSES, class_weight=odd), "class_weight"),
        (lambda: ls.sigmoid(odd), "score"),
    ):
        with pytest.raises(ls.LossError, match=f"^{name} {what}"):
            call()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("weight", lambda x: ls.mse(THREE, THREE, weight=x)),
        ("weight", lambda x: ls.cross_entropy(THREE.expand(3, 3), torch.arange(3), weight=x)),
        ("class_weight", lambda x: ls.cross_entropy(ROWS, CLASSES, class_weight=x)),
        ("target", lambda x: ls.cross_entropy(ROWS[0], x / 6)),
        ("class_weight", lambda x: ls.cross_entropy.total(ROWS, CLASSES, class_weight=x)),
    ],
)
def test_a_gradient_that_no_loss_gives_is_refused_and_not_forgotten(name, call):
    wanting = THREE.clone().requires_grad_()
    with pytest.raises(ls.LossError, match=f"^{name} requires a gradient"):
        call(wanting)
    with torch.no_grad():  # nobody asks for it
        assert type(call(wanting)) is type(call(THREE))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (np.ones(3) * 1j, "complex128"),
        (np.array(["a", "b", "c"]), "no number"),
        (None, "target is missing"),
        ([torch.tensor(1.0, requires_grad=True)] * 3, "requires grad"),
        ([[1.0], [1.0, 2.0]], "differ in length"),
    ],
)
def test_a_target_that_is_no_tensor_is_looked_at_as_an_array_is(target, words):
    with pytest.raises(ls.LossError, match=words):
        ls.mse(THREE, target)


def test_arrays_of_any_kind_are_targets():
    back = np.array([3.0, 2.0, 1.0])[::-1]
    read_only = back.copy()
    read_only.flags.writeable = False
    for target in (back, read_only, back.astype(">i4"), back.astype("f2"), [1, 2, 3], back.astype("u8")):
        assert ls.mse(THREE, target) == 0
        assert ls.mse(THREE, target).dtype == torch.float32
        assert ls.mse(THREE + 1, THREE, weight=target) == 1


def test_whole_numbers_and_mixed_dtypes():
    assert ls.mse(THREE.long(), THREE.int()).dtype == torch.float64
    assert ls.mse(THREE, THREE.long()).dtype == torch.float32
    assert ls.mse(THREE, THREE.double()).dtype == torch.float64
    assert ls.mse(THREE.bfloat16(), THREE.half()).dtype == torch.float32
    assert ls.sigmoid(torch.tensor([0, 1])).dtype == torch.float64
    x = THREE.bfloat16().requires_grad_()
    ls.mse(x, torch.zeros(3)).backward()
    assert x.grad.dtype == torch.bfloat16
    for index in (torch.int32, torch.uint8, torch.int16):
        assert ls.cross_entropy(ROWS, CLASSES.to(index)) == ls.cross_entropy(ROWS, CLASSES)


def test_a_lazily_negated_tensor_is_its_numbers():
    lazy = torch.complex(torch.zeros(3), -THREE).conj().imag  # THREE, as memory and a sign
    assert lazy.is_neg()
    assert ls.mse(lazy, THREE) == ls.mse(THREE, lazy) == 0
    assert ls.mse(THREE + 1, THREE, weight=lazy) == 1
    assert torch.equal(ls.sigmoid(lazy), ls.sigmoid(THREE))
    assert ls.cross_entropy(lazy, torch.tensor(0)) == ls.cross_entropy(THREE, torch.tensor(0))


def test_a_subclass_with_a_gradient_is_refused_for_what_it_is():
    with pytest.raises(ls.LossError, match="prediction is a Measured"):
        ls.mse(THREE.clone().requires_grad_().as_subclass(Measured), THREE)
    value = ls.mse(torch.nn.Parameter(THREE), torch.zeros(3))
    assert value.requires_grad


def test_under_transforms_and_in_forward_mode():
    from torch.autograd import forward_ad

    gradient = torch.func.grad(lambda x: ls.huber(x, torch.zeros(3), delta=2.0))(THREE)
    torch.testing.assert_close(gradient, torch.tensor([1.0, 2.0, 2.0]) / 3)
    with pytest.raises(ls.LossError, match="weight must have one number per"):
        torch.func.grad(lambda x: ls.mse(x, THREE, weight=torch.ones(1)))(THREE)
    with pytest.raises(ls.LossError, match="a class that is none"):
        torch.func.grad(lambda x: ls.cross_entropy(x, CLASSES + 3))(ROWS)
    with pytest.raises(ls.LossError, match="fits neither"):
        torch.func.grad(lambda x: ls.cross_entropy(x, CLASSES[:1]))(ROWS)
    with pytest.raises(ls.LossError, match="no mean of nothing"):
        torch.func.grad(lambda x: ls.mse(x, x))(THREE[:0])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(ROWS, torch.ones_like(ROWS))
        with pytest.raises(ls.LossError, match="target requires a gradient"):  # its tangent would be lost
            ls.cross_entropy(ROWS, dual.softmax(-1))
        tangent = forward_ad.unpack_dual(ls.mse(dual, torch.zeros_like(ROWS))).tangent
        torch.testing.assert_close(tangent, 2 * ROWS.mean())


PAIRS = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
WEIGHED = torch.tensor([0.5, 2.0, 0.0, 1.0], dtype=torch.float64)
SOFT = torch.softmax(PAIRS[1], -1)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "loss",
    [
        lambda x, **how: ls.cross_entropy(x, torch.tensor([0, 2, 1, -100]), **how),
        lambda x, **how: ls.cross_entropy(x, SOFT, class_weight=torch.tensor([1.0, 2, 3]), **how),
        lambda x, **how: ls.cross_entropy(x, torch.tensor([0, 2, 1, 1]), label_smoothing=0.1, **how),
        lambda x, **how: ls.cosine_embedding(x, PAIRS[1], label=torch.tensor([1, -1, 1, -1]), **how),
        lambda x, **how: ls.triplet_margin(x, PAIRS[1], negative=PAIRS[1].flip(0), swap=True, **how),
        lambda x, **how: ls.kl_divergence(torch.softmax(x, -1), SOFT, **how),
    ],
)
def test_rows_and_vectors_by_operations_are_those_of_the_kernel(loss, reduction):
    x = PAIRS[0].clone().requires_grad_()
    for weight in (None, WEIGHED):
        value = loss(x, weight=weight, reduction=reduction)
        gradient = torch.autograd.grad(value.sum(), x)[0]
        again, forward = torch.func.jvp(
            lambda z: loss(z, weight=weight, reduction=reduction),  # noqa: B023
            (x.detach(),),
            (torch.ones_like(x),),
        )
        torch.testing.assert_close(again, value.detach())
        torch.testing.assert_close(forward.sum(), gradient.sum())
        torch.testing.assert_close(
            torch.func.grad(lambda z: loss(z, weight=weight, reduction=reduction).sum())(x.detach()),  # noqa: B023
            gradient,
        )


def test_a_mean_over_no_weight_is_nan_and_its_gradient_0_as_of_arrays():
    x = ROWS.clone().requires_grad_()
    for call in (
        lambda: ls.mse(x, torch.zeros_like(x), weight=torch.zeros_like(x)),
        lambda: ls.cross_entropy(x, CLASSES, weight=torch.zeros(2)),
        lambda: ls.cross_entropy(x, CLASSES, class_weight=torch.zeros(3)),
        lambda: ls.cross_entropy(x, torch.full((2,), -100)),
        lambda: ls.cross_entropy.total(x, torch.full((2,), -100)).mean(),
    ):
        value = call()
        assert value.isnan()
        assert not torch.autograd.grad(value, x)[0].any()
    value, gradient = ls.mse.value_and_grad(np.ones(2), np.zeros(2), weight=np.zeros(2))
    assert np.isnan(value)
    assert not gradient.any()


def test_a_compiled_function_holds_the_loss_that_was_called():
    x, y = THREE.clone().requires_grad_(), torch.full((3,), 0.5)
    mine = ls.define("mine", "abs(r)**3")
    for loss in (
        ls.squared_error,
        ls.squared_error.through("sigmoid"),  # once compiled to the squared error of the scores
        mine,
        ls.sigmoid,
        lambda x, y: ls.cross_entropy(x, torch.tensor(1)),
    ):
        arguments = (x,) if loss is ls.sigmoid else (x, y)
        compiled = torch.compile(lambda *a, loss=loss: 2 * loss(*a), backend="eager")
        torch.testing.assert_close(compiled(*arguments), 2 * loss(*arguments))


def test_modes_of_torch():
    with torch.device("cpu"):  # a function mode, as is a default device
        assert ls.mse(THREE, THREE) == 0
        assert ls.sigmoid(THREE).shape == (3,)
    with torch.autocast("cpu", torch.bfloat16):
        assert ls.mse(THREE.bfloat16(), THREE).dtype == torch.float32
        assert ls.cross_entropy(ROWS.bfloat16(), CLASSES).dtype == torch.float32
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False), pytest.raises(ls.LossError, match="looked on by a mode"):
        ls.cross_entropy(ROWS, CLASSES)


def test_options_of_a_softmax_loss_that_are_plain_numbers():
    logits, target = torch.randn(4, 3), torch.tensor([0, 2, -1, 1])
    options = {"label_smoothing": 0.1, "ignore_index": -1, "class_weight": torch.tensor([1.0, 2.0, 0.5])}
    value = ls.cross_entropy(logits, target, **options)
    arrays = {**options, "class_weight": options["class_weight"].numpy()}
    assert float(value) == pytest.approx(ls.cross_entropy(logits.numpy(), target.numpy(), **arrays))

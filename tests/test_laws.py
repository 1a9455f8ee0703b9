"""What every loss keeps, as laws over every entry of the catalogue."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import losscope as ls
from conftest import (
    ACTIVATIONS,
    ALL,
    CLASSES,
    DISTANCE,
    ELEMENTWISE,
    LOSSES,
    SOFTMAX,
    batch,
    beside,
    derivatives,
    per_row,
    weights,
)
from losscope.kernels import reference

law = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 10**6)
sizes = st.integers(2, 60)
nan, inf = float("nan"), float("inf")


# --- splitting, order, weight, reduction


@pytest.mark.parametrize("name", LOSSES)
@law
@given(seed=seeds, rows=sizes, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_any_partition_of_a_batch_is_exact(name: str, seed: int, rows: int, cuts: list[int]) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, rows, seed)
    weight, rest = weights(rows, seed), beside(loss, rows, seed)
    value, gradient = loss.value_and_grad(prediction, target, weight=weight, **rest)
    total, gradients = 0, []
    edges = sorted({0, rows, *(cut % rows for cut in cuts)})
    for low, high in pairwise(edges):
        part = slice(low, high)
        here = {"weight": weight[part], **{name: each[part] for name, each in rest.items()}}
        total += loss.total(prediction[part], target[part], **here)
        gradients.append(loss.value_and_grad(prediction[part], target[part], reduction="sum", **here)[1])
    assert_allclose(total.mean(), value, rtol=1e-12)
    assert_allclose(total.weight, weight.sum(), rtol=1e-12)
    assert_allclose(np.concatenate(gradients) / total.weight, gradient, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
@law
@given(seed=seeds, rows=sizes)
def test_order_does_not_matter(name: str, seed: int, rows: int) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, rows, seed)
    rest = {"weight": weights(rows, seed), **beside(loss, rows, seed)}
    order = np.random.default_rng(seed).permutation(rows)
    value, gradient = loss.value_and_grad(prediction, target, **rest)
    rest = {name: each[order] for name, each in rest.items()}
    moved, moved_gradient = loss.value_and_grad(prediction[order], target[order], **rest)
    assert_allclose(moved, value, rtol=1e-12)
    assert_allclose(moved_gradient, gradient[order], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
@law
@given(seed=seeds, rows=sizes, data=st.data())
def test_weight_two_is_a_row_twice_and_weight_zero_no_row(
    name: str, seed: int, rows: int, data: st.DataObject
) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, rows, seed)
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)))
    times[0] = 1
    written_out = np.repeat(np.arange(rows), times)
    rest = beside(loss, rows, seed)
    value, gradient = loss.value_and_grad(prediction, target, weight=times, **rest)
    rest = {"weight": np.ones(len(written_out)), **{name: each[written_out] for name, each in rest.items()}}
    expected, spread = loss.value_and_grad(prediction[written_out], target[written_out], **rest)
    assert_allclose(value, expected, rtol=1e-12)
    gathered = np.zeros_like(gradient)
    np.add.at(gathered, written_out, spread)
    assert_allclose(gradient, gathered, rtol=1e-11, atol=1e-15)
    assert not gradient[times == 0].any()


@pytest.mark.parametrize("name", LOSSES)
@law
@given(seed=seeds, rows=sizes)
def test_reductions_agree(name: str, seed: int, rows: int) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, rows, seed)
    weight, rest = weights(rows, seed), beside(loss, rows, seed)
    mean = loss(prediction, target, weight=weight, **rest)
    summed = loss(prediction, target, weight=weight, reduction="sum", **rest)
    each = loss(prediction, target, weight=weight, reduction="none", **rest)
    assert isinstance(mean, float)
    assert isinstance(summed, float)
    assert each.shape == (rows,)
    assert_allclose(mean, summed / weight.sum(), rtol=1e-14)
    assert_allclose(each.sum(), summed, rtol=1e-12)
    assert loss.total(prediction, target, weight=weight, **rest).sum == summed
    bare = loss(prediction, target, reduction="none", **rest)
    assert_allclose(each, bare * weight, rtol=1e-12)
    assert_allclose(loss(prediction, target, **rest), bare.mean(), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_value_is_the_same_however_it_is_asked_for(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 50, 3)
    rest = {"weight": weights(50, 3), **beside(loss, 50, 3)}
    by_call = loss(prediction, target, **rest)
    value, gradient = loss.value_and_grad(prediction, target, **rest)
    third, again, *_ = derivatives(loss, prediction, target, **rest)
    assert_allclose([value, third], by_call, rtol=1e-14)
    assert_allclose(again, gradient, rtol=1e-13, atol=1e-300)


# --- derivatives

STEP = 1e-5


@pytest.mark.parametrize("name", ALL)
def test_gradient_and_curvature_are_those_of_the_value(name: str) -> None:
    """Central differences in float64: a cross-check that owes nothing to SymPy."""
    loss = ls.get(name)
    prediction, target = batch(loss, 60, 11)
    rest = () if loss.structure == "activation" else (target,)
    options = {"reduction": "none", **beside(loss, 60, 11)}
    _, gradient, *curvature = derivatives(loss, prediction, *rest, **options)
    columns = range(prediction.shape[-1]) if prediction.ndim == 2 else [None]
    for column in columns:
        shift = np.zeros_like(prediction)
        shift[..., slice(None) if column is None else column] = STEP
        right = loss.value_and_grad(prediction + shift, *rest, **options)
        left = loss.value_and_grad(prediction - shift, *rest, **options)
        here = (...,) if column is None else (..., column)
        assert_allclose((right[0] - left[0]) / (2 * STEP), gradient[here], rtol=2e-7, atol=2e-8)
        for bend in curvature:
            assert_allclose((right[1][here] - left[1][here]) / (2 * STEP), bend[here], rtol=2e-6, atol=2e-8)


def chained(name: str, activation: str) -> bool:
    domain = ls.get(name).entry.prediction.name
    if ls.get(name).entry.inside == activation:
        return False  # once more would be twice: refused
    return domain == "real" or ls.get(activation).entry.output.name == domain


@pytest.mark.parametrize(
    ("name", "activation"),
    [(name, each) for name in ELEMENTWISE for each in ACTIVATIONS if chained(name, each)],
)
def test_through_an_activation_is_the_chain_rule(name: str, activation: str) -> None:
    loss, inner = ls.get(name), ls.get(activation)
    both = loss.through(activation)
    score, target = batch(both, 80, 5)
    a, da, d2a = reference.pointwise(inner, score, score)
    value, slope, bend = reference.pointwise(loss, a, target)
    found = reference.pointwise(both, score, target)
    for got, expected in zip(found, (value, slope * da, bend * da**2 + slope * d2a)):
        assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "activation"),
    [(name, each) for name in ELEMENTWISE for each in ACTIVATIONS if chained(name, each)],
)
def test_through_an_activation_nan_in_is_nan_out(name: str, activation: str) -> None:
    """Also where the activation is relu, whose branches do not look at its score."""
    both = ls.get(name).through(activation)
    score, target = batch(both, 6, 5)
    score[0] = target[1] = nan
    for found in reference.pointwise(both, score, target):
        assert_array_equal(np.isnan(found)[:2], True)
        assert not np.isnan(found[2:]).any()


THROUGH = [(name, "sigmoid") for name in ELEMENTWISE if ls.get(name).entry.inside != "sigmoid"] + [
    ("squared_error", each) for each in ACTIVATIONS
]


@pytest.mark.parametrize(("name", "activation"), sorted(set(THROUGH)))
def test_through_an_activation_in_a_kernel(name: str, activation: str) -> None:
    both = ls.get(name).through(activation)
    score, target = batch(both, 80, 6)
    computed = both.value_grad_curvature(score, target, reduction="none")
    for got, expected in zip(computed, reference.evaluate(both, score, target)):
        assert_allclose(got, expected, rtol=1e-11, atol=1e-13)


# --- kernels against plain array operations


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_kernel_equals_reference(name: str, dtype: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 300, 7, dtype)
    near = {"float32": {"rtol": 2e-5, "atol": 2e-6}, "float64": {"rtol": 1e-11, "atol": 1e-13}}[dtype]
    if loss.structure == "activation":
        computed, expected = (
            loss.value_grad_curvature(prediction),
            reference.pointwise(loss, prediction, prediction),
        )
    else:
        rest = {name: each.astype(dtype) for name, each in beside(loss, 300, 7).items()}
        computed = derivatives(loss, prediction, target, reduction="none", **rest)
        expected = reference.evaluate(loss, prediction, target, **rest)
        weight = weights(300, 7).astype(dtype)
        weighed = loss.value_and_grad(prediction, target, weight=weight, reduction="none", **rest)
        for got, wanted in zip(weighed, reference.evaluate(loss, prediction, target, weight, **rest)):
            assert_allclose(got, wanted, **near)
    for got, wanted in zip(computed, expected, strict=True):
        assert got.dtype == dtype
        assert_allclose(got, wanted, **near)


OPTIONS = [
    {"class_weight": [0.5, 2.0, 0.0, 1.0]},
    {"label_smoothing": 0.1},
    {"label_smoothing": 1.0},
    {"ignore_index": 2},
    {"ignore_index": 1, "class_weight": [0.5, 2.0, 0.0, 1.0], "label_smoothing": 0.3},
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [1, 2, 15, 16, 17, 64, 65, 100, 255, 256, 257, 2048, 5000])
def test_rows_of_logits_do_not_see_each_other(classes: int, dtype: str) -> None:
    """Kernels take rows together or alone, by their classes: with the same bits, and as the reference has it."""
    rng = np.random.default_rng(classes)
    logits = rng.normal(scale=5, size=(21, classes)).astype(dtype)
    target = rng.integers(0, classes, 21)
    weight = weights(21, 3).astype(dtype)
    usual = np.setdiff1d(np.arange(21), [2, 5, 6, 11])[
        :: 1 if classes < 1000 else 17
    ]  # the reference takes its time
    expected = reference.evaluate(ls.cross_entropy, logits[usual], target[usual], weight[usual])
    target[[2, 11]] = -100
    logits[11], logits[5, 0], logits[6] = nan, inf, -inf
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    for call in (ls.cross_entropy.value_grad_curvature, ls.cross_entropy.value_and_grad, values_alone):
        together = call(logits, target, weight=weight, reduction="none")
        for row in range(21):
            part = slice(row, row + 1)
            alone = call(logits[part], target[part], weight=weight[part], reduction="none")
            for one, each in zip(alone, together, strict=True):
                assert_array_equal(one[0], each[row])
        for got, wanted in zip(together, expected, strict=False):
            assert_allclose(got[usual], wanted, **near)


def values_alone(*arguments: object, **options: object) -> tuple:
    return (ls.cross_entropy(*arguments, **options),)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda each: "+".join(each))
@pytest.mark.parametrize("kind", ["index", "rows"])
@pytest.mark.parametrize("name", SOFTMAX)
def test_softmax_kernel_equals_reference(name: str, kind: str, options: dict) -> None:
    loss = ls.get(name)
    logits, target = batch(loss, 40, 8)
    if kind == "rows":
        options = {key: value for key, value in options.items() if key != "ignore_index"}
        target = np.random.default_rng(8).dirichlet(np.ones(CLASSES), 40)
    weight = weights(40, 8)
    computed = loss.value_grad_curvature(logits, target, weight=weight, reduction="none", **options)
    expected = reference.evaluate(loss, logits, target, weight, **options)
    for got, wanted in zip(computed, expected, strict=True):
        assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


# --- identities


@law
@given(seed=seeds, delta=st.floats(0.05, 20))
def test_huber_is_delta_times_smooth_l1(seed: int, delta: float) -> None:
    prediction, target = batch(ls.huber, 40, seed)
    huber = ls.huber.value_and_grad(prediction, target, delta=delta, reduction="none")
    smooth = ls.smooth_l1.value_and_grad(prediction, target, beta=delta, reduction="none")
    for got, expected in zip(huber, smooth):
        assert_allclose(got, delta * expected, rtol=1e-12, atol=1e-14)


@law
@given(seed=seeds)
def test_identities_between_regression_losses(seed: int) -> None:
    prediction, target = batch(ls.mse, 40, seed)

    def both(loss: ls.Loss, **parameters: float) -> tuple:
        return loss.value_and_grad(prediction, target, reduction="none", **parameters)

    for one, other, factor in [
        (both(ls.squared_error), both(ls.half_squared_error), 2),
        (both(ls.pinball), both(ls.absolute_error), 0.5),
        (both(ls.smooth_l1, beta=0), both(ls.absolute_error), 1),
        (both(ls.huber, delta=1e6), both(ls.half_squared_error), 1),
    ]:
        assert_allclose(one[0], factor * other[0], rtol=1e-13)
        assert_allclose(one[1], factor * other[1], rtol=1e-13)


@law
@given(seed=seeds)
def test_identities_between_binary_losses(seed: int) -> None:
    logits, label = batch(ls.bce, 40, seed)
    bce = ls.bce.value_grad_curvature(logits, label, reduction="none")
    through = ls.bce_of_probability.through("sigmoid").value_grad_curvature(logits, label, reduction="none")
    focal = ls.binary_focal.value_grad_curvature(logits, label, gamma=0, reduction="none")
    for got, other, expected in zip(through, focal, bce):
        assert_allclose(got, expected, rtol=1e-11, atol=1e-14)
        assert_allclose(other, expected, rtol=1e-11, atol=1e-14)
    # Two classes: the margin is the difference of the logits.
    two = np.stack([np.zeros_like(logits), logits], -1)
    rows = np.stack([1 - label, label], -1)
    value, gradient, curvature = ls.cross_entropy.value_grad_curvature(two, rows, reduction="none")
    for got, expected in zip((value, gradient[:, 1], curvature[:, 1]), bce):
        assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


@law
@given(seed=seeds)
def test_cross_entropy_is_entropy_plus_divergence(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(5), (2, 30))
    h = ls.entropy(p)
    cross = ls.cross_entropy_of_probability(q, p, reduction="none")
    divergence = ls.kl_divergence(q, p, reduction="none")
    assert_allclose(cross, h + divergence, rtol=1e-11)
    assert (divergence >= 0).all()
    assert_allclose(ls.kl_divergence(p, p, reduction="none"), 0, atol=1e-300)


@law
@given(seed=seeds, smoothing=st.sampled_from([0.0, 0.1, 1.0]), weighted=st.booleans())
def test_one_hot_rows_are_index_targets(seed: int, smoothing: float, weighted: bool) -> None:
    logits, index = batch(ls.cross_entropy, 25, seed)
    options = {"label_smoothing": smoothing}
    if weighted:
        options["class_weight"] = np.random.default_rng(seed).uniform(0.1, 3, CLASSES)
    options["reduction"] = "sum"  # what a mean is over differs where classes are weighed
    by_index = ls.cross_entropy.value_and_grad(logits, index, **options)
    by_row = ls.cross_entropy.value_and_grad(logits, ls.one_hot(index, CLASSES), **options)
    assert_allclose(by_row[0], by_index[0], rtol=1e-12)
    assert_allclose(by_row[1], by_index[1], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", SOFTMAX)
@law
@given(seed=seeds, constant=st.sampled_from([-1024.0, -3.5, 0.25, 64.0, 8192.0]))
def test_a_constant_added_to_the_logits_changes_nothing(name: str, seed: int, constant: float) -> None:
    loss = ls.get(name)
    logits, target = batch(loss, 20, seed)
    logits = np.round(logits * 2**20) / 2**20  # so that adding the constant rounds nothing
    value, gradient = loss.value_and_grad(logits, target, reduction="none")
    moved, moved_gradient = loss.value_and_grad(logits + constant, target, reduction="none")
    assert_array_equal(moved, value)
    assert_array_equal(moved_gradient, gradient)
    assert_allclose(gradient.sum(-1), 0, atol=1e-14)


# --- inputs of every kind


@pytest.mark.parametrize("name", ALL)
def test_layout_does_not_matter(name: str) -> None:
    loss = ls.get(name)
    alone = loss.structure == "activation"
    flat, flat_target = batch(loss, 24, 9)
    shape = (4, 3, 2, CLASSES) if flat.ndim == 2 else (4, 3, 2)
    prediction = flat.reshape(shape)
    target = flat_target.reshape(shape if flat_target.ndim == flat.ndim else (4, 3, 2))

    options = {
        name: each.reshape(shape if each.ndim == 2 else (4, 3, 2))
        for name, each in beside(loss, 24, 9).items()
    }

    def run(prediction: object, target: object, change: object = lambda a: a) -> tuple:
        rest = {name: change(each) for name, each in options.items()}
        return loss.value_and_grad(prediction, *(() if alone else (target,)), reduction="none", **rest)

    expected = run(prediction, target)
    assert expected[1].shape == shape
    assert expected[0].shape == (4, 3, 2)
    for change in (
        np.asfortranarray,
        lambda a: np.repeat(a, 2, 0)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.tolist(),
    ):
        for got, wanted in zip(run(change(prediction), change(target), change), expected):
            assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", ["huber", "cross_entropy", "cosine_embedding"])
def test_read_only_and_unaligned_inputs(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 24, 9)
    expected = loss.value_and_grad(prediction, target, reduction="none")
    unaligned = np.frombuffer(b"x" + prediction.tobytes(), "u1")[1:].view("f8").reshape(prediction.shape)
    assert not unaligned.flags.aligned
    fixed = prediction.copy()
    fixed.flags.writeable = False
    for odd in (unaligned, fixed):
        for got, wanted in zip(loss.value_and_grad(odd, target, reduction="none"), expected):
            assert_array_equal(got, wanted)


class Subclass(np.ndarray):
    pass


@pytest.mark.parametrize("change", [np.asmatrix, np.ma.asarray, lambda a: a.view(Subclass)])
def test_subclasses_of_arrays_are_arrays(change: object) -> None:
    prediction, target = np.array([[1.0, 2.0]]), np.array([[0.0, 5.0]])
    value, gradient = ls.mse.value_and_grad(change(prediction), change(target))
    assert value == 5
    assert type(gradient) is np.ndarray


@pytest.mark.parametrize("name", ALL)
def test_single_numbers_and_nothing(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 1, 10)
    arguments = [prediction] if loss.structure == "activation" else [prediction, target]
    rest = beside(loss, 1, 10)
    value, gradient = loss.value_and_grad(*arguments, reduction="none", **rest)
    alone = {name: each[0] for name, each in rest.items()}
    first = loss.value_and_grad(*(each[0] for each in arguments), reduction="none", **alone)
    assert first[0].shape == ()
    assert_array_equal(first[0], value[0])
    assert_array_equal(first[1], gradient[0])
    nothing, rest = [each[:0] for each in arguments], {name: each[:0] for name, each in rest.items()}
    value, gradient = loss.value_and_grad(*nothing, reduction="none", **rest)
    assert value.shape == (0,)
    assert gradient.shape == nothing[0].shape
    if loss.structure != "activation":
        assert loss.value_and_grad(*nothing, reduction="sum", **rest)[0] == 0
        assert loss.total(*nothing, **rest) == ls.Total(0.0, 0.0)
        assert np.isnan(loss.total(*nothing, **rest).mean())


HALVES = ["float16"]
try:
    import ml_dtypes

    HALVES.append(ml_dtypes.bfloat16)
except ImportError:
    pass


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_halves_are_computed_in_float32_and_returned_in_kind(name: str, dtype: object) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 30, 12, dtype)
    arguments = [prediction] if loss.structure == "activation" else [prediction, target]
    wide = [each if each.dtype.kind == "i" else each.astype("float32") for each in arguments]
    rest = {name: each.astype(dtype) for name, each in beside(loss, 30, 12).items()}
    narrow = derivatives(loss, *arguments, reduction="none", **rest)
    rest = {name: each.astype("float32") for name, each in rest.items()}
    for got, expected in zip(narrow, derivatives(loss, *wide, reduction="none", **rest)):
        assert got.dtype == dtype
        assert_array_equal(got, expected.astype(dtype))


@pytest.mark.parametrize("name", ALL)
def test_whole_numbers_are_numbers(name: str) -> None:
    loss = ls.get(name)
    prediction = np.array([[0, 1], [1, 1]])
    if loss.structure == "softmax":
        target, real_target = np.array([1, 0]), np.array([1, 0])
    else:
        target = np.array([[1, 1], [1, 1]])
        real_target = target.astype(float)
    arguments = [prediction] if loss.structure == "activation" else [prediction, target]
    expected = [prediction.astype(float)] + ([] if loss.structure == "activation" else [real_target])
    options = {"negative": np.array([[3, 1], [1, 1]])} if loss.entry.measure == "triplet" else {}
    found = loss.value_and_grad(*arguments, reduction="none", **options)
    options = {name: each.astype(float) for name, each in options.items()}
    for got, wanted in zip(found, loss.value_and_grad(*expected, reduction="none", **options)):
        assert got.dtype == "float64"
        assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("name", ALL)
def test_out_is_used_and_returned(name: str, dtype: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 30, 13, dtype)
    arguments = [prediction] if loss.structure == "activation" else [prediction, target]
    rest = {name: each.astype(dtype) for name, each in beside(loss, 30, 13).items()}
    _, expected = loss.value_and_grad(*arguments, reduction="none", **rest)
    for kind in (np.ndarray, Subclass, np.ma.MaskedArray):  # a memory map is a subclass, too
        out = np.full_like(prediction, 77).view(kind)
        _, gradient = loss.value_and_grad(*arguments, reduction="none", out=out, **rest)
        assert gradient is out
        assert_array_equal(np.asarray(out), expected)


# --- NaN, infinity, the very large and the very small


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_nan_in_is_nan_out(name: str, dtype: str) -> None:
    loss = ls.get(name)
    rows = 37  # the vectorised part of a loop and its remainder
    prediction, target = batch(loss, rows, 14, dtype)
    rest = {name: each.astype(dtype) for name, each in beside(loss, rows, 14).items()}
    alone = loss.structure == "activation"
    for which in ("prediction",) if alone else ("prediction", "target"):
        p, t = prediction.copy(), target.copy()
        if loss.structure == "softmax" and which == "target":
            t = ls.one_hot(t, CLASSES, dtype)
        array = p if which == "prediction" else t
        bad = np.zeros(array.shape, bool)
        bad.reshape(-1)[[0, 5, 16, bad.size - 1]] = True
        array[bad] = nan
        outputs = derivatives(loss, p, *(() if alone else (t,)), reduction="none", **rest)
        rowwise = bad.any(-1) if bad.ndim == 2 else bad
        assert_array_equal(np.isnan(outputs[0]), rowwise)
        for derivative in outputs[1:]:
            spread = bad
            if loss.structure in ("softmax", "distance"):
                spread = np.broadcast_to(rowwise[:, None], derivative.shape)
            assert_array_equal(np.isnan(derivative), spread)
        if not alone:
            assert np.isnan(loss(p, t, **rest))


@pytest.mark.parametrize("classes", [1, 2, 3, 20, 40])
@pytest.mark.parametrize("kind", ["index", "rows", "smoothed"])
def test_one_nan_logit_spoils_its_row_wherever_it_stands(kind: str, classes: int) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(classes + 1, classes))
    logits[np.arange(classes), np.arange(classes)] = nan
    for t in range(classes):
        target = np.full(classes + 1, t)
        options = {"label_smoothing": 0.1} if kind == "smoothed" else {}
        if kind == "rows":
            target = ls.one_hot(target, classes)
        for output in ls.cross_entropy.value_grad_curvature(logits, target, reduction="none", **options):
            assert np.isnan(output[:classes]).all()
            assert not np.isnan(output[classes]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in ALL if name not in DISTANCE])
def test_the_smallest_numbers_are_numbers(name: str, dtype: type) -> None:
    loss = ls.get(name)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    values = np.array([0.0, tiny, 3 * tiny, float(np.finfo(dtype).tiny)], dtype)
    if loss.structure == "softmax":
        logits = np.stack([values, -values], -1)
        value, gradient, curvature = loss.value_grad_curvature(logits, [0, 1, 0, 1], reduction="none")
        at_no_margin, slope, _ = reference.along(loss, np.zeros(1))
        assert_allclose(value, np.full(4, at_no_margin), rtol=1e-6)
        assert_allclose(gradient, np.array([[-1, 1], [1, -1]] * 2) * slope, rtol=1e-6)
        return
    target = np.zeros(4, dtype) if loss.entry.target.name != "sign" else np.ones(4, dtype)
    if loss.entry.over == "rows":
        values, target = values[:, None], target[:, None]
    rest = () if loss.structure == "activation" else (target,)
    value, gradient, curvature = loss.value_grad_curvature(values, *rest, reduction="none")
    for out in (value, gradient, curvature):
        assert np.isfinite(out).all()
        if loss.entry.name not in (
            "relu",
            "leaky_relu",
            "absolute_error",
            "pinball",
            "zero_one",
        ):  # a kink at 0
            assert_allclose(out.reshape(-1), out.reshape(-1)[0], rtol=1e-6, atol=1e-6)


def test_a_class_that_is_ruled_out_says_nothing() -> None:
    """A logit of -inf (a mask) has no share and no pull."""
    logits = np.array([[1.0, -inf, 0.5], [0.0, -inf, -inf]])
    value, gradient, curvature = ls.cross_entropy.value_grad_curvature(logits, [0, 0], reduction="none")
    kept = ls.cross_entropy.value_and_grad(logits[:1, [0, 2]], [0], reduction="none")
    assert_allclose(value, [kept[0][0], 0])
    assert_allclose(gradient, [[kept[1][0, 0], 0, kept[1][0, 1]], [0, 0, 0]], atol=1e-300)
    assert np.isfinite(curvature).all()
    rows = ls.cross_entropy.value_and_grad(logits, ls.one_hot([0, 0], 3), reduction="none")
    assert_allclose(rows[0], value)
    assert_allclose(rows[1], gradient, atol=1e-300)


INFINITE = [
    ([0.5, inf, 1.0], 0, inf, [-1.0, 1.0, 0.0]),
    ([inf, 2.0, -inf], 2, inf, [1.0, 0.0, -1.0]),
    ([0.5, inf, 1.0], 1, 0.0, [0.0, 0.0, 0.0]),
    ([inf, inf, 0.0], 2, inf, [0.5, 0.5, -1.0]),
    ([inf, inf, 0.0], 0, nan, [nan, nan, nan]),  # infinity against infinity: anything between 0 and inf
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("row", "right", "loss", "slopes"), INFINITE)
def test_an_infinite_logit_takes_all(row: list, right: int, loss: float, slopes: list, dtype: str) -> None:
    """The limit of softmax is one-hot at it; those of equal infinity share. By index and by a row alike."""
    logits = np.array([row], dtype)
    index, hot = np.array([right]), ls.one_hot([right], 3, dtype)
    for target in (index, hot):
        value, gradient, curvature = ls.cross_entropy.value_grad_curvature(logits, target)
        assert_array_equal(value, loss)
        assert_array_equal(gradient, [slopes])
        shares = np.abs(slopes) * (np.arange(3) != right)
        assert_array_equal(curvature, [shares * (1 - shares)])
        assert_array_equal(ls.cross_entropy(logits, target), loss)
    expected = reference.evaluate(ls.cross_entropy, logits, index)
    assert_array_equal(expected[0], [loss])
    assert_array_equal(expected[1], [slopes])


# --- rows that do not count


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ignored_rows_count_nothing(smoothing: float) -> None:
    logits, target = batch(ls.cross_entropy, 20, 15)
    target[[3, 7]] = -100
    logits[7] = nan  # not even this is looked at
    options = {"label_smoothing": smoothing}
    value, gradient = ls.cross_entropy.value_and_grad(logits, target, **options)
    kept = target != -100
    expected, kept_gradient = ls.cross_entropy.value_and_grad(logits[kept], target[kept], **options)
    assert_allclose(value, expected, rtol=1e-13)
    assert_allclose(gradient[kept], kept_gradient, rtol=1e-13)
    assert not gradient[~kept].any()
    assert ls.cross_entropy.total(logits, target, **options).weight == 18
    one = ls.cross_entropy(logits, target, reduction="none", **options)
    assert not one[~kept].any()


def test_all_rows_ignored_is_nan_with_no_gradient() -> None:
    value, gradient = ls.cross_entropy.value_and_grad(np.ones((3, 4)), [-100, -100, -100])
    assert np.isnan(value)
    assert not gradient.any()
    assert ls.cross_entropy.total(np.ones((3, 4)), [-100] * 3) == ls.Total(0.0, 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e30, 1e-310])
@pytest.mark.parametrize("name", ["huber", "kl_divergence", "cross_entropy"])
def test_a_mean_does_not_depend_on_the_scale_of_its_weights(name: str, scale: float, dtype: str) -> None:
    """Not even where 1/sum(weight), or weight times loss, is no number of the dtype."""
    loss = ls.get(name)
    prediction, target = batch(loss, 20, 17, dtype)
    weight = weights(20, 17)
    expected = loss.value_grad_curvature(prediction, target, weight=weight)
    got = loss.value_grad_curvature(prediction, target, weight=weight * scale)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    for one, other in zip(got, expected):
        assert_allclose(one, other, rtol=rtol, atol=1e-8 if dtype == "float32" else 0)
    if name == "cross_entropy":
        options = {"class_weight": np.array([0.5, 2.0, 0.1, 1.0])}
        expected = loss.value_and_grad(prediction, target, weight=weight, **options)
        got = loss.value_and_grad(
            prediction, target, weight=weight * scale, class_weight=options["class_weight"] * 1e-38
        )
        assert_allclose(got[0], expected[0], rtol=rtol)
        assert_allclose(got[1], expected[1], rtol=rtol, atol=1e-8 if dtype == "float32" else 0)


def test_weights_of_no_common_scale_are_refused() -> None:
    with pytest.raises(ls.LossError, match="too small beside the others"):
        ls.cross_entropy(np.zeros((2, 2), "f4"), [1, 1], class_weight=[1, 1e-42])


@pytest.mark.parametrize("name", LOSSES)
def test_no_weight_at_all_is_nan_with_no_gradient(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 5, 16)
    value, gradient = loss.value_and_grad(prediction, target, weight=np.zeros(5), **beside(loss, 5, 16))
    assert np.isnan(value)
    assert not gradient.any()


@pytest.mark.parametrize("name", LOSSES)
def test_weight_multiplies_values_and_derivatives(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 30, 17)
    weight, rest = weights(30, 17), beside(loss, 30, 17)
    bare = loss.value_and_grad(prediction, target, reduction="none", **rest)
    weighed = loss.value_and_grad(prediction, target, weight=weight, reduction="none", **rest)
    assert_allclose(weighed[0], bare[0] * weight, rtol=1e-13)
    assert_allclose(weighed[1], bare[1] * per_row(loss, weight), rtol=1e-13, atol=1e-300)


def test_totals_add_up() -> None:
    parts = [ls.Total(1.0, 2.0), ls.Total(3.0, 1.0), ls.Total(0.0, 0.0)]
    assert sum(parts) == ls.Total(4.0, 3.0)
    assert sum(parts).mean() == 4 / 3
    with pytest.raises(TypeError):
        ls.Total(1.0, 2.0) + 1.5

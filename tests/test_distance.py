"""Losses of distances: exact where PyTorch's are not, right at the edges, and clear about what they are given."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from numpy.testing import assert_allclose, assert_array_equal

import losscope as ls
from conftest import CLASSES, DISTANCE, batch, beside

law = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 10**6)
DTYPES = [np.float32, np.float64]
ULPS = 8
nan, inf = float("nan"), float("inf")


# --- the truth


def wide(vector: np.ndarray) -> list:
    return [mpf(float(each)) for each in vector]


def length(vector: list) -> object:
    return mpmath.sqrt(mpmath.fsum(each**2 for each in vector))


def minus(a: list, b: list) -> list:
    return [x - y for x, y in zip(a, b, strict=True)]


def true_cosine(a: list, b: list, label: float = 1.0, margin: float = 0.0) -> tuple[object, list]:
    """Value and gradient in `a` of the cosine embedding loss."""
    one, other = length(a), length(b)
    cosine = mpmath.fdot(a, b) / (one * other)
    turn = [(y / other - cosine * x / one) / one for x, y in zip(a, b, strict=True)]
    if label > 0:
        return 1 - cosine, [-each for each in turn]
    active = cosine >= mpf(margin)
    return (cosine - mpf(margin), turn) if active else (mpf(0), [mpf(0)] * len(a))


def true_contrastive(a: list, b: list, label: float = 1.0, margin: float = 1.0) -> tuple[object, list]:
    apart = minus(a, b)
    d = length(apart)
    if label > 0:
        return d**2 / 2, apart
    lack = max(mpf(margin) - d, mpf(0))
    return lack**2 / 2, [-lack * each / d for each in apart]


def true_triplet(a: list, p: list, n: list, margin: float = 1.0, swap: bool = False) -> tuple[object, list]:
    near, far, other = minus(a, p), minus(a, n), minus(p, n)
    swapped = swap and length(other) < length(far)
    value = length(near) - length(other if swapped else far) + mpf(margin)
    if value < 0:
        return mpf(0), [mpf(0)] * len(a)
    pull = [each / length(near) for each in near]
    return value, pull if swapped else minus(pull, [each / length(far) for each in far])


WIDTHS = [1, 2, 3, 16, 37, 300]
SCALES = [1.0, 1e17, 1e-17]
EPS, DENORMAL = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).smallest_subnormal)


def vectors(width: int, scale: float) -> np.ndarray:
    """Three times six float32 vectors: any, and nearly the same, nearly parallel, nearly opposite."""
    rng = np.random.default_rng(width)
    a, b, n = rng.normal(size=(3, 6, width)) * scale
    b[1] = a[1] * (1 + 1e-7 * rng.normal(size=width))
    b[2] = 3 * a[2] * (1 + 1e-4 * rng.normal(size=width))
    b[3] = a[3] + 1e-3 * scale * rng.normal(size=width)
    b[4] = -a[4] * (1 + 1e-3 * rng.normal(size=width))
    return np.stack([a, b, n]).astype(np.float32)


def close(got: np.ndarray, truth: list, size: float) -> None:
    """Within 8 units in the last place, or the rounding of double precision in numbers as large as `size`."""
    for computed, true in zip(np.atleast_1d(got), truth, strict=True):
        assert abs(mpf(float(computed)) - true) <= ULPS * EPS * abs(true) + 1e-15 * size + DENORMAL, (
            computed,
            true,
        )


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_cosines_are_exact(width: int, scale: float) -> None:
    a, b, _ = vectors(width, scale)
    for label in (1, -1):
        labels = np.full(6, label)
        value, gradient = ls.cosine_embedding.value_and_grad(a, b, label=labels, reduction="none")
        with mpmath.workdps(60):
            for row in range(6):
                true, slope = true_cosine(wide(a[row]), wide(b[row]), label)
                # Half the square of an angle: its own rounding is that of the angle.
                size = mpmath.sqrt(2 * abs(true)) + mpf("1e-15") if label > 0 else 1
                close(value[row], [true], size)
                close(gradient[row], slope, 4 / length(wide(a[row])))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_distances_are_exact(width: int, scale: float) -> None:
    a, b, _ = vectors(width, scale)
    loss = ls.contrastive.bind(margin=100 * scale)
    for label in (1, -1):
        labels = np.full(6, label)
        value, gradient = loss.value_and_grad(a, b, label=labels, reduction="none")
        with mpmath.workdps(60):
            for row in range(6):
                true, slope = true_contrastive(
                    wide(a[row]), wide(b[row]), label, float(np.float32(100 * scale))
                )
                close(value[row], [true], 0)
                close(gradient[row], slope, 0)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("width", WIDTHS)
def test_triplets_are_exact(width: int, scale: float, swap: bool) -> None:
    """Without a margin: one is added in float32, after the difference of the distances is right."""
    a, p, n = vectors(width, scale)
    p, n = p[[2, 3, 4, 0, 1, 5]], n[[0, 1, 2, 3, 4, 4]]
    value, gradient = ls.triplet_margin.value_and_grad(
        a, p, negative=n, margin=0, swap=swap, reduction="none"
    )
    with mpmath.workdps(60):
        for row in range(6):
            true, slope = true_triplet(wide(a[row]), wide(p[row]), wide(n[row]), 0, swap)
            close(value[row], [true], 10 * length(wide(a[row])))
            close(gradient[row], slope, 10)


@pytest.mark.parametrize("scale", [1.0, 1e160, 1e-160, 1e300, 1e-300])
@pytest.mark.parametrize("name", DISTANCE)
def test_float64_neither_overflows_nor_vanishes(name: str, scale: float) -> None:
    margin = 0.1 if name == "cosine_embedding" else 3.0
    loss = ls.get(name).bind(margin=margin)
    a, b, n = np.random.default_rng(4).normal(size=(3, 8, 5))
    label = np.where(np.arange(8) % 2, 1.0, -1.0)
    if name == "contrastive":
        label = -np.ones(8)  # the square of a distance of 1e160 is infinite, rightly
        scale = min(scale, 1e150) if scale > 1 else max(scale, 1e-150)
    rest = {"negative": n} if name == "triplet_margin" else {"label": label}
    value, gradient = loss.value_and_grad(a, b, reduction="none", **rest)
    power = {"cosine_embedding": 0, "triplet_margin": 1, "contrastive": 2}[name]
    if power:
        loss = loss.bind(margin=margin * scale)
        rest = {key: each * scale if key == "negative" else each for key, each in rest.items()}
    scaled = loss.value_and_grad(a * scale, b * scale, reduction="none", **rest)
    assert_allclose(scaled[0] / scale**power, value, rtol=1e-13, atol=1e-15)
    assert_allclose(scaled[1] / scale ** (power - 1), gradient, rtol=1e-12, atol=1e-15)


def test_where_pytorch_loses_all_digits() -> None:
    """Nearly parallel, and identical but short: 5e-9 and 0, where float32 arithmetic on a cosine gives 0 and 0.99."""
    a, b = np.array([[1.0, 0.0]], np.float32), np.array([[1.0, 1e-4]], np.float32)
    assert ls.cosine_embedding(a, b) == pytest.approx(5e-9, rel=1e-6)
    short = np.full((1, 2), 1e-7, np.float32)
    assert ls.cosine_embedding(short, short) < 1e-30
    assert ls.cosine_embedding(short * 1e-20, short * 1e27) < 1e-30
    assert ls.triplet_margin(a, a, negative=b, margin=0.0) == 0


# --- laws


@pytest.mark.parametrize("dtype", DTYPES)
@law
@given(seed=seeds, power=st.integers(-20, 20))
def test_a_cosine_does_not_see_lengths(dtype: type, seed: int, power: int) -> None:
    loss = ls.cosine_embedding
    a, b = batch(loss, 12, seed, dtype)
    label = beside(loss, 12, seed)["label"]
    value, gradient = loss.value_and_grad(a, b, label=label, reduction="none")
    factor = dtype(2.0**power)
    longer = loss.value_and_grad(a * factor, b / factor, label=label, reduction="none")
    assert_array_equal(longer[0], value)
    assert_allclose(longer[1] * factor, gradient, rtol=1e-6 if dtype is np.float32 else 1e-14)
    assert_allclose((gradient * a).sum(-1), 0, atol=1e-6 if dtype is np.float32 else 1e-14)


@law
@given(seed=seeds)
def test_pairs_are_the_same_either_way(seed: int) -> None:
    for name in ("cosine_embedding", "contrastive"):
        loss = ls.get(name)
        a, b = batch(loss, 12, seed)
        rest = beside(loss, 12, seed)
        there, back = (loss(*pair, reduction="none", **rest) for pair in ((a, b), (b, a)))
        assert_allclose(there, back, rtol=1e-14)
        alike = loss(a, b, reduction="none")
        assert_array_equal(loss(a, b, label=np.ones(12), reduction="none"), alike)


@law
@given(seed=seeds, shift=st.sampled_from([-8.0, 0.5, 64.0]))
def test_only_differences_count(seed: int, shift: float) -> None:
    for name in ("triplet_margin", "contrastive"):
        loss = ls.get(name)
        a, b = (np.round(each * 2**20) / 2**20 for each in batch(loss, 12, seed))
        rest = beside(loss, 12, seed)
        moved = dict(rest)
        if "negative" in rest:
            rest["negative"] = np.round(rest["negative"] * 2**20) / 2**20
            moved["negative"] = rest["negative"] + shift
        here = loss.value_and_grad(a, b, **rest)
        there = loss.value_and_grad(a + shift, b + shift, **moved)
        assert here[0] == there[0]
        assert_array_equal(here[1], there[1])


@law
@given(seed=seeds)
def test_half_the_squared_distance_is_half_the_squared_error(seed: int) -> None:
    a, b = batch(ls.contrastive, 20, seed)
    value, gradient = ls.contrastive.value_and_grad(a, b)
    expected, slope = ls.half_squared_error.value_and_grad(a, b)
    assert_allclose(value, CLASSES * expected, rtol=1e-13)
    assert_allclose(gradient, CLASSES * slope, rtol=1e-12, atol=1e-16)


@law
@given(seed=seeds)
def test_a_swap_takes_the_nearer_negative(seed: int) -> None:
    loss = ls.triplet_margin
    a, p = batch(loss, 40, seed)
    n = beside(loss, 40, seed)["negative"]
    plain, swapped = (loss(a, p, negative=n, swap=swap, reduction="none") for swap in (False, True))
    nearer = np.linalg.norm(p - n, axis=-1) < np.linalg.norm(a - n, axis=-1)
    assert (swapped >= plain).all()
    assert_array_equal(swapped[~nearer], plain[~nearer])
    assert loss.bind(swap=True)(a, p, negative=n) == loss(a, p, negative=n, swap=True)
    assert ls.get(loss.bind(swap=True).name) == loss.bind(swap=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DISTANCE)
def test_the_bits_do_not_depend_on_the_threads(name: str, dtype: type) -> None:
    loss = ls.get(name)
    rng = np.random.default_rng(1)
    a, b, n = rng.normal(size=(3, 9000, 40)).astype(dtype)
    rest = {"negative": n} if name == "triplet_margin" else {"label": rng.choice([-1, 1], 9000)}
    threads = ls.get_num_threads()
    try:
        found = []
        for count in (1, 2, 5):
            ls.set_num_threads(count)
            found.append(loss.value_and_grad(a, b, **rest))
    finally:
        ls.set_num_threads(threads)
    for value, gradient in found[1:]:
        assert value == found[0][0]
        assert_array_equal(gradient, found[0][1])


# --- edges


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_vector_of_zeros_has_no_direction(dtype: type) -> None:
    zero, one = np.zeros((1, 3), dtype), np.ones((1, 3), dtype)
    for pair in ((zero, one), (one, zero), (zero, zero)):
        for label, expected in ((1, 1.0), (-1, 0.0)):
            value, gradient = ls.cosine_embedding.value_and_grad(*pair, label=[label])
            assert value == expected
            assert not gradient.any()
    below = np.full((1, 3), np.finfo(np.float64).smallest_subnormal)
    assert ls.cosine_embedding(below, np.ones((1, 3))) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_distance_has_no_gradient(dtype: type) -> None:
    a = np.ones((2, 3), dtype)
    value, gradient = ls.contrastive.value_and_grad(a, a, label=[1, -1], reduction="none")
    assert_array_equal(value, [0, 0.5])
    assert not gradient.any()
    value, gradient = ls.triplet_margin.value_and_grad(a, a, negative=a, reduction="none")
    assert_array_equal(value, [1, 1])
    assert not gradient.any()


@pytest.mark.parametrize("name", DISTANCE)
def test_an_infinite_vector_gives_what_is_stated(name: str) -> None:
    a, b = np.ones((2, 3)), np.full((2, 3), 2.0)
    a[0, 1] = inf
    rest = {"negative": b + 3} if name == "triplet_margin" else {}
    value, gradient = ls.get(name).value_and_grad(a, b, reduction="none", **rest)
    assert np.isfinite([value[1], *gradient[1]]).all()
    assert "NaN" in ls.get(name).entry.infinite
    assert np.isnan(gradient[0]).any()


def test_opposite_vectors_are_2_apart() -> None:
    a = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    value, gradient = ls.cosine_embedding.value_and_grad(a, -a, reduction="none")
    assert_array_equal(value, 2)
    assert np.abs(gradient).max() < 1e-6


# --- errors


def refused(call: object, *words: str) -> None:
    with pytest.raises(ls.LossError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)


A = np.ones((3, 4))


def test_errors() -> None:
    refused(lambda: ls.triplet_margin(A, A), "the vectors to keep away from are missing", "negative=negative")
    refused(lambda: ls.triplet_margin(A, A, negative=A[:2]), "prediction and negative differ", "(2, 4)")
    refused(lambda: ls.triplet_margin(A, A, negative=A, label=[1, 1, 1]), "has no label")
    refused(lambda: ls.triplet_margin(A, A, negative=A, swap=2), "swap is yes or no", "Got: 2")
    refused(lambda: ls.contrastive(A, A, negative=A), "contrastive is of pairs", "has no negative")
    refused(lambda: ls.contrastive(A, A, swap=True), "contrastive is of pairs", "has no swap")
    refused(lambda: ls.contrastive(A, A, label=[1, 0, 1]), "label[1]", "Got: 0", "2*label - 1")
    refused(lambda: ls.contrastive(A, A, label=[1, 2, 1]), "label[1]", "Got: 2", "-1 or 1")
    refused(lambda: ls.contrastive(A, A, label=[1, 1]), "one number per row", "(2,)", "(3,)")
    refused(lambda: ls.contrastive(A, A, label=1), "one number per row", "numpy.full((3,), label)")
    refused(lambda: ls.contrastive(A, A[0]), "differ in shape", "broadcasting would have made")
    refused(lambda: ls.contrastive(1.0, 2.0), "of vectors", "last axis")
    refused(lambda: ls.contrastive(A[:, :0], A[:, :0]), "of vectors", "(3, 0)")
    refused(lambda: ls.contrastive(A, A, margin=0), "margin is out of its domain")
    refused(lambda: ls.contrastive.value_grad_curvature(A, A), "no curvature", "value_and_grad")
    refused(lambda: ls.contrastive.through("sigmoid"), "its own way")
    out = A + 1
    refused(lambda: ls.triplet_margin.value_and_grad(A, A, negative=out, out=out), "out overlaps an input")


def test_facts_are_in_the_distance() -> None:
    assert ls.contrastive.facts.convex
    assert ls.contrastive.facts.lipschitz is None
    assert ls.triplet_margin.facts.lipschitz == 1
    assert ls.triplet_margin.facts.kinks == (-1.0,)
    assert ls.cosine_embedding.bind(margin=0.5).facts.kinks == (0.5,)
    assert len(ls.contrastive.plot(span=(0, 2)).panels) == 3
    refused(lambda: ls.contrastive.plot(span=(-2, -1)), "meets 0 to inf")
    refused(lambda: ls.contrastive.plot(target=0.0), "has no label 0")

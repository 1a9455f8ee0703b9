"""The distance loops, called with addresses: against the judge, PyTorch, and what must hold of any row."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy
import pytest

import losscope as ls
from losscope.catalogue import entries
from losscope.kernels import reference, threads
from losscope.kernels.compiled import compiled
from losscope.kernels.loops import distance as loop

DISTANCES = [entry for entry in entries().values() if entry.structure == "distance"]
WIDTHS = (1, 3, 16, 63, 64, 65, 130)
GRADIENTS = tuple(loop.GRADIENTS)


def run(
    entry: Any, vectors: Any, label: Any = None, weight: Any = None, *, swap: int = 0, offset: float = 0.0,
    scale: float = 1.0, wanted: Any = GRADIENTS, stored: str = "", parameters: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """One call: values, gradients, the sum and the result. `stored` names a dtype that NumPy does not have."""
    dtype = vectors[0].dtype
    computed = numpy.dtype("float64" if dtype == "float64" else "float32")
    rows, features = vectors[0].shape
    negative = vectors[2] if len(vectors) == 3 else None
    names = [name for name in GRADIENTS[: len(vectors)] if name in wanted]
    wants = loop.MEASURES[entry.measure] | sum(loop.GRADIENTS[name] for name in names)
    outputs: dict[str, Any] = {name: numpy.full((rows, features), 7, dtype) for name in names}
    outputs |= {"values": numpy.full(rows, 7, computed), "result": numpy.full(1, 7, dtype)}
    label, weight = (None if each is None else numpy.asarray(each, computed) for each in (label, weight))
    kernel = compiled(entry).kernel("distance", stored or str(dtype), wants)
    wholes = (
        *vectors[:2], negative, label, weight, outputs["values"], *(outputs.get(name) for name in GRADIENTS),
        outputs["result"], rows, features, swap,
    )  # fmt: skip
    numbers = parameters or tuple(each.default for each in entry.parameters.values())
    status, total, _ = threads.run(kernel, rows * features, wholes, (scale, offset, *map(float, numbers)))
    assert status == 0
    return outputs | {"sum": total}


def drawn(entry: Any, rows: int, features: int, dtype: str, size: float = 1.0, seed: int = 0) -> Any:
    rng = numpy.random.default_rng(seed)
    count = 3 if entry.measure == "triplet" else 2
    vectors = [(rng.normal(size=(rows, features)) * size).astype(dtype) for _ in range(count)]
    label = None if count == 3 else numpy.where(rng.random(rows) < 0.5, -1, 1).astype(dtype)
    return vectors, label, rng.random(rows).astype(dtype)


def test_every_measure_has_an_entry() -> None:
    assert {entry.measure for entry in DISTANCES} == set(loop.MEASURES)


@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_the_judge(entry: Any, dtype: str) -> None:
    near = {"float32": 4e-6, "float64": 2e-14}[dtype]
    loss = getattr(ls, entry.name)
    for features, swap in product(WIDTHS, (0, 1) if entry.measure == "triplet" else (0,)):
        vectors, label, weight = drawn(entry, 37, features, dtype, seed=features)
        got = run(entry, vectors, label, weight, swap=swap)
        options: dict[str, Any] = {"swap": swap} if len(vectors) == 3 else {"label": label}
        if len(vectors) == 3:
            options["negative"] = vectors[2].astype("float64")
        value, gradient = reference.evaluate(loss, *vectors[:2], weight, **options)
        numpy.testing.assert_allclose(got["values"], value, near, near)
        numpy.testing.assert_allclose(got["gradient"], gradient, near, near)
        assert got["sum"] == pytest.approx(value.sum(), rel=near, abs=near)
        if entry.measure != "cosine":  # what is added to all vectors changes nothing
            others = sum(got[name].astype("float64") for name in GRADIENTS[1 : len(vectors)])
            numpy.testing.assert_allclose(got["gradient"], -others, near, near)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
def test_it_is_pytorch(entry: Any, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    real = getattr(torch, dtype)
    vectors, label, _ = drawn(entry, 19, 70, "float64")
    stored = [torch.tensor(each).to(real) for each in vectors]
    exact = [each.double().clone().requires_grad_() for each in stored]
    if entry.measure == "triplet":
        value = torch.nn.functional.triplet_margin_loss(
            *exact, margin=1.0, eps=1e-6, swap=True, reduction="none"
        )
    elif entry.measure == "cosine":
        value = torch.nn.functional.cosine_embedding_loss(*exact, torch.tensor(label), reduction="none")
    else:
        length = torch.nn.functional.pairwise_distance(*exact, eps=1e-6)
        value = torch.where(torch.tensor(label) > 0, length**2, (1 - length).clamp_min(0) ** 2) / 2
    value.sum().backward()
    arrays = [(each.view(torch.int16) if dtype == "bfloat16" else each).numpy() for each in stored]
    offset = 0.0 if entry.measure == "cosine" else 1e-6
    got = run(entry, arrays, label, swap=1, offset=offset, stored=dtype, scale=1.0)
    near = {"float32": 1e-5, "float64": 1e-13, "float16": 2e-3, "bfloat16": 8e-3}[dtype]
    numpy.testing.assert_allclose(
        got["values"], value.detach(), max(1e-5 if dtype != "float64" else 0, 1e-13), 1e-5
    )
    for name, each in zip(GRADIENTS, exact, strict=False):
        found = torch.tensor(got[name]).view(real) if dtype == "bfloat16" else torch.tensor(got[name])
        numpy.testing.assert_allclose(found.double(), each.grad, near, near * 0.1)
    result = torch.tensor(got["result"]).view(real) if dtype == "bfloat16" else torch.tensor(got["result"])
    assert float(result) == pytest.approx(float(value.detach().sum()), rel=near)


@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_of_weight_0_is_not_there(entry: Any, dtype: str) -> None:
    vectors, label, weight = drawn(entry, 12, 21, dtype)
    weight[::3] = 0
    clean = run(entry, vectors, label, weight)
    for each, bad in zip(vectors, (numpy.nan, numpy.inf, -numpy.inf), strict=False):
        each[::3] = bad
    got = run(entry, vectors, label, weight)
    for name, numbers in clean.items():
        numpy.testing.assert_array_equal(got[name], numbers)
    assert not got["gradient"][::3].any()
    assert not got["values"][::3].any()


@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
def test_what_is_not_wanted_changes_nothing(entry: Any) -> None:
    vectors, label, weight = drawn(entry, 9, 33, "float32")
    whole = run(entry, vectors, label, weight)
    for wanted in ((), ("gradient",), ("target_gradient",), ("gradient", "negative_gradient")):
        for name, numbers in run(entry, vectors, label, weight, wanted=wanted).items():
            numpy.testing.assert_array_equal(numbers, whole[name])
    ones = numpy.ones(9, "float32")
    for one, other in zip(
        run(entry, vectors).values(), run(entry, vectors, ones, ones).values(), strict=True
    ):
        numpy.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
def test_threads_and_neighbours_leave_the_bits_alone(entry: Any) -> None:
    vectors, label, weight = drawn(entry, 4000, 130, "float32")
    before, found = threads.get_num_threads(), []
    try:
        for number in (1, 4):
            threads.set_num_threads(number)
            found.append(run(entry, vectors, label, weight))
    finally:
        threads.set_num_threads(before)
    for name in found[0]:
        numpy.testing.assert_array_equal(found[0][name], found[1][name])
    part = slice(1001, 1404)
    some = run(entry, [each[part] for each in vectors], None if label is None else label[part], weight[part])
    for name in ("values", "gradient", "target_gradient"):
        numpy.testing.assert_array_equal(some[name], found[0][name][part])


@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e-140, 1e140, 1e200, 1e306])
def test_no_square_leaves_the_range(entry: Any, size: float) -> None:
    """Against long double, whose exponents are as wide as those of the squares."""
    if numpy.finfo(numpy.longdouble).maxexp <= 1024:
        pytest.skip("no wider exponents here")
    vectors, _, _ = drawn(entry, 8, 20, "float64", size)
    a, b, *n = (each.astype(numpy.longdouble) for each in vectors)
    length = lambda x: numpy.sqrt((x**2).sum(-1))
    if entry.measure == "cosine":
        if size < 1e-300:
            pytest.skip("shorter than the smallest normal number: as good as no vector")
        expected = 1 - (a * b).sum(-1) / length(a) / length(b)
    elif entry.measure == "triplet":
        expected = numpy.maximum(length(a - b) - length(a - n[0]) + 1, 0)
    else:
        expected = length(a - b) ** 2 / 2
    got = run(entry, vectors)
    # What overflows in the formula itself (a square of 1e200) is infinite.
    with numpy.errstate(over="ignore"):
        numpy.testing.assert_allclose(got["values"], expected.astype("float64"), 1e-13, 1e-13)
    assert not numpy.isnan(got["gradient"]).any()


@pytest.mark.parametrize("entry", DISTANCES, ids=lambda each: each.name)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e30, 1e200])
def test_equal_vectors_and_those_of_zeros(entry: Any, dtype: str, size: float) -> None:
    if dtype == "float32" and size > 1e38:
        size = 3e38
    a = numpy.full((3, 17), size, dtype)
    got = run(entry, [a] * (3 if entry.measure == "triplet" else 2))
    expected = {"euclidean": 0.0, "cosine": 1.0 if size == 0 else 0.0, "triplet": 1.0}[entry.measure]
    numpy.testing.assert_allclose(got["values"], expected, atol=1e-15)
    for name in GRADIENTS:
        if name in got:
            numpy.testing.assert_allclose(got[name].astype("float64") * max(size, 1), 0, atol=1e-6)


def test_no_rows() -> None:
    for entry in DISTANCES:
        vectors, _, _ = drawn(entry, 0, 5, "float32")
        got = run(entry, vectors)
        assert got["sum"] == 0
        assert got["result"][0] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e30])
def test_the_offset_is_added_to_the_difference(dtype: str, size: float) -> None:
    """After the subtraction: of equal vectors, however large, it is all that is left."""
    a = numpy.full((3, 25), size, dtype)
    got = run(entries()["contrastive"], [a, a], offset=1e-3)
    numpy.testing.assert_allclose(got["values"], 25e-6 / 2, 1e-6)
    numpy.testing.assert_allclose(got["gradient"], 1e-3, 1e-6)

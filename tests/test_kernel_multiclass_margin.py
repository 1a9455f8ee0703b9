"""The loop of margins between classes, called with addresses: against PyTorch, the judge, and what must hold of any row."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

torch = pytest.importorskip("torch")

from losscope.kernels import reference, threads  # noqa: E402
from losscope.kernels.compiled import compiled  # noqa: E402
from losscope.kernels.loops import multiclass_margin as loop  # noqa: E402
from losscope.torch import forms  # noqa: E402

ENTRIES = [each for each in vars(forms).values() if getattr(each, "structure", "") == "rivals"]
CLASSES = (1, 2, 5, 16, 63, 64, 65, 300)
NEAR = {"float32": 2e-6, "float64": 1e-14}
parametrize = pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: each.name)
dtypes = pytest.mark.parametrize("dtype", list(NEAR))


def run(
    entry: Any, scores: Any, target: Any, weight: Any = None, *, scale: float = 1.0, margin: float = 1.0,
    gradient: bool = True, values: bool = True,
) -> dict[str, Any]:  # fmt: skip
    rows, classes = scores.shape
    lists = target.ndim == 2
    wants = (loop.GRADIENT if gradient else 0) | (loop.LISTS if lists else 0)
    out: dict[str, Any] = {"result": numpy.full(1, 7, scores.dtype)}
    if gradient:
        out["gradient"] = numpy.full(scores.shape, 7, scores.dtype)
    if values:
        out["values"] = numpy.full(rows, 7, scores.dtype)
    wholes = (
        scores, target, weight, out.get("values"), out.get("gradient"), out["result"], rows, classes,
        target.shape[1] if lists else 1,
    )  # fmt: skip
    kernel = compiled(entry).kernel("multiclass_margin", str(scores.dtype), wants)
    status, total, _ = threads.run(kernel, scores.size, wholes, (scale, margin))
    return out | {"status": status, "sum": total}


def drawn(rows: int, classes: int, dtype: str, lists: bool, seed: int = 0) -> Any:
    rng = numpy.random.default_rng(seed)
    scores = rng.normal(size=(rows, classes)).astype(dtype)
    target = rng.integers(0, classes, rows)
    if lists:  # classes in any order, some named twice, and behind the end of the list whatever is an index
        target = rng.integers(-1, classes, (rows, classes))
        target[0] = -1
        target[-1] = numpy.arange(classes)
    return scores, target, rng.random(rows).astype(dtype)


def by_the_book(entry: Any, scores: Any, target: Any, weight: Any, margin: float) -> Any:
    """A row, a right class and another class at a time."""
    order1 = reference.orders(entry, None)[1]
    values, gradient = numpy.zeros(len(scores)), numpy.zeros(scores.shape)
    for row, z in enumerate(scores.astype("float64")):
        named = numpy.atleast_1d(target[row])
        named = named[: (named < 0).argmax()] if (named < 0).any() else named
        share = weight[row] / scores.shape[1]
        for t in named:
            for r in sorted(set(range(scores.shape[1])) - set(named.tolist())):
                value, slope = order1(z[r] - z[t], margin)
                values[row] += share * value
                gradient[row, r] += share * slope
                gradient[row, t] -= share * slope
    return values, gradient


def test_there_are_entries() -> None:
    assert len(ENTRIES) >= 2


@parametrize
@dtypes
@pytest.mark.parametrize("lists", [False, True])
def test_it_is_the_book(entry: Any, dtype: str, lists: bool) -> None:
    for classes in CLASSES[:-1]:
        scores, target, weight = drawn(4, classes, dtype, lists, classes)
        values, gradient = by_the_book(entry, scores, target, weight, 0.75)
        got = run(entry, scores, target, weight, margin=0.75)
        near = NEAR[dtype]
        assert got["status"] == -1
        numpy.testing.assert_allclose(got["values"], values, near, near)
        numpy.testing.assert_allclose(got["gradient"], gradient, near, near * classes)
        assert got["sum"] == pytest.approx(values.sum(), rel=near, abs=near)


@dtypes
@pytest.mark.parametrize("classes", CLASSES)
def test_it_is_pytorch(dtype: str, classes: int) -> None:
    near = NEAR[dtype]
    for power, entry in ((1, forms.weston_watkins), (2, forms.squared_weston_watkins)):
        scores, target, _ = drawn(31, classes, dtype, False, classes)
        z = torch.tensor(scores.astype("float64"), requires_grad=True)
        value = torch.nn.functional.multi_margin_loss(
            z, torch.tensor(target), p=power, margin=0.5, reduction="none"
        )
        value.sum().backward()
        got = run(entry, scores, target, margin=0.5, scale=3.0)
        numpy.testing.assert_allclose(got["values"], value.detach(), near * 4, near)
        numpy.testing.assert_allclose(got["gradient"], 3 * z.grad, near, near)
        assert got["result"][0] == pytest.approx(3 * float(value.detach().sum()), rel=near, abs=near)
    scores, target, _ = drawn(31, classes, dtype, True, classes)
    z = torch.tensor(scores.astype("float64"), requires_grad=True)
    value = torch.nn.functional.multilabel_margin_loss(z, torch.tensor(target), reduction="none")
    value.sum().backward()
    got = run(forms.weston_watkins, scores, target)
    numpy.testing.assert_allclose(got["values"], value.detach(), near * 4, near)
    numpy.testing.assert_allclose(got["gradient"], z.grad, near, near * 4)


@parametrize
@pytest.mark.parametrize("lists", [False, True])
def test_a_number_that_is_no_class_stops_it(entry: Any, lists: bool) -> None:
    for bad in (5, -2, 2**62, -(2**62)):
        scores, target, weight = drawn(100, 5, "float32", lists)
        target.reshape(100, -1)[[41, 77], -1] = bad
        got = run(entry, scores, target, weight)
        assert got["status"] == 41
        assert (got["gradient"] == 7).all()
        assert (got["values"] == 7).all()
    scores, target, _ = drawn(100, 5, "float32", False)
    target[99] = -1
    assert run(entry, scores, target)["status"] == 99


@parametrize
@dtypes
@pytest.mark.parametrize("lists", [False, True])
def test_a_row_of_weight_0_is_not_there(entry: Any, dtype: str, lists: bool) -> None:
    scores, target, weight = drawn(12, 40, dtype, lists)
    weight[::3] = 0
    clean = run(entry, scores, target, weight)
    scores[::3], scores[3], scores[6] = numpy.nan, numpy.inf, -numpy.inf
    got = run(entry, scores, target, weight)
    for name, numbers in clean.items():
        numpy.testing.assert_array_equal(got[name], numbers)
    assert not got["gradient"][::3].any()
    assert not got["values"][::3].any()


@parametrize
@pytest.mark.parametrize("lists", [False, True])
def test_what_is_not_wanted_changes_nothing(entry: Any, lists: bool) -> None:
    scores, target, _ = drawn(30, 37, "float32", lists)
    whole = run(entry, scores, target, numpy.ones(30, "float32"))
    for gradient in (False, True):
        for values in (False, True):
            for name, numbers in run(entry, scores, target, gradient=gradient, values=values).items():
                numpy.testing.assert_array_equal(numbers, whole[name])


@parametrize
@pytest.mark.parametrize("lists", [False, True])
def test_threads_and_neighbours_leave_the_bits_alone(entry: Any, lists: bool) -> None:
    scores, target, weight = drawn(2000, 300, "float32", lists)
    before, found = threads.get_num_threads(), []
    try:
        for number in (1, 4):
            threads.set_num_threads(number)
            found.append(run(entry, scores, target, weight))
    finally:
        threads.set_num_threads(before)
    for name in found[0]:
        numpy.testing.assert_array_equal(found[0][name], found[1][name])
    part = slice(501, 704)
    some = run(entry, scores[part], target[part], weight[part])
    for name in ("values", "gradient"):
        numpy.testing.assert_array_equal(some[name], found[0][name][part])


@parametrize
def test_nan_stays_in_its_row(entry: Any) -> None:
    scores, target, _ = drawn(3, 20, "float32", False)
    scores[1, (target[1] + 1) % 20] = numpy.nan
    got = run(entry, scores, target)
    assert numpy.isnan(got["values"]).tolist() == [False, True, False]
    assert numpy.isnan(got["gradient"]).any(1).tolist() == [False, True, False]


@parametrize
def test_no_rows(entry: Any) -> None:
    for lists in (False, True):
        target = numpy.zeros((0, 5) if lists else 0, "int64")
        got = run(entry, numpy.zeros((0, 5), "float32"), target)
        assert got["status"] == -1
        assert got["sum"] == 0
        assert got["result"][0] == 0

"""The engine by itself: lanes, memory, control, threads, entrance and object files, on x + y and the like."""

from __future__ import annotations

import ctypes
import math
import mmap
import operator
import re
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir
from mpmath import mp, mpf

from losscope.engine import entrance, lanes, machine
from losscope.engine.arrays import STORED, Stored
from losscope.engine.function import Function, larger, smaller
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import F32, F64, I16, I32, I64, LANES, POINTER, Lanes, converted, fma, where
from losscope.kernels.loops import sums
from traced import Traced, address, assert_same_bits, compiled, dtype_of, fresh

FLOATS = ["float32", "float64"]
WHOLES = ["int32", "int64"]
WIDTHS = [1, LANES]
inf, nan = math.inf, math.nan
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.0,
    inf,
    -inf,
    nan,
    1e-310,
    -1e-310,
    1e-40,
    1e30,
    -7.25,
]


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Every special number beside every other, and random ones at all exponents; of a length that leaves a rest."""
    rng = np.random.default_rng(1)
    if dtype in WHOLES:
        info = np.iinfo(dtype)
        points = [0, 1, -1, 2, 5, -7, 63, info.max, info.min, *rng.integers(info.min, info.max, 20)]
    else:
        info = np.finfo(dtype)
        points = [
            *SPECIAL,
            float(info.max),
            float(info.smallest_subnormal),
            *np.ldexp(rng.uniform(-2, 2, 20), rng.integers(-120, 120, 20)),
        ]
    with np.errstate(over="ignore"):
        x, y = (each.ravel()[:-1] for each in np.meshgrid(np.array(points, dtype), np.array(points, dtype)))
    assert x.size % LANES
    return x, y


# --- operators

OF_FLOATS = {
    "x + y": (lambda x, y: x + y,) * 2,
    "x - y": (lambda x, y: x - y,) * 2,
    "x * y": (lambda x, y: x * y,) * 2,
    "x / y": (lambda x, y: x / y,) * 2,
    "x + number": (lambda x, y: x + 0.1, lambda x, y: x + x.dtype.type(0.1)),
    "number + x": (lambda x, y: 0.1 + x, lambda x, y: x.dtype.type(0.1) + x),
    "number - x": (lambda x, y: 1 - x, lambda x, y: 1 - x),
    "number * x": (lambda x, y: 3 * x, lambda x, y: 3 * x),
    "number / x": (lambda x, y: 1.0 / x, lambda x, y: 1 / x),
    "+x": (lambda x, y: +x,) * 2,
    "-x": (lambda x, y: -x,) * 2,
    "magnitude": (lambda x, y: lanes.magnitude(x), lambda x, y: np.abs(x)),
    "square root": (lambda x, y: lanes.square_root(x), lambda x, y: np.sqrt(x)),
    "rounded": (lambda x, y: lanes.rounded(x), lambda x, y: np.rint(x)),
    "sign of another": (lambda x, y: lanes.with_sign_of(x, y), lambda x, y: np.copysign(x, y)),
    "sign of a number": (lambda x, y: lanes.with_sign_of(x.constant(2.0), y), lambda x, y: np.copysign(2, y)),
    "where": (lambda x, y: where(x < y, x, y), lambda x, y: np.where(x < y, x, y)),
    "where, numbers": (lambda x, y: where(x < y, 1.0, -1.0), lambda x, y: np.where(x < y, 1, -1)),
    "where, one number": (lambda x, y: where(x < y, 0.5, y), lambda x, y: np.where(x < y, 0.5, y)),
    "where, decided": (lambda x, y: where(True, x, y), lambda x, y: x),
    "bits": (lambda x, y: lanes.from_bits(lanes.bits(x)), lambda x, y: x),
}
CONDITIONS = {
    "<": (lambda x, y: x < y,) * 2,
    "<=": (lambda x, y: x <= y,) * 2,
    ">": (lambda x, y: x > y,) * 2,
    ">=": (lambda x, y: x >= y,) * 2,
    "==": (lambda x, y: x == y,) * 2,
    "!=": (lambda x, y: x != y,) * 2,
    "< number": (lambda x, y: x < 1,) * 2,
    "> number": (lambda x, y: x > 1,) * 2,
    "and": (lambda x, y: (x < y) & (y > 0),) * 2,
    "or": (lambda x, y: (x < y) | (y > 0),) * 2,
    "not": (lambda x, y: ~(x < y),) * 2,
}
OF_WHOLES = {
    "x + y": (lambda x, y: x + y,) * 2,
    "x - y": (lambda x, y: x - y,) * 2,
    "x * y": (lambda x, y: x * y,) * 2,
    "number - x": (lambda x, y: 5 - x,) * 2,
    "-x": (lambda x, y: -x,) * 2,
    "~x": (lambda x, y: ~x,) * 2,
    "x & y": (lambda x, y: x & y,) * 2,
    "x | y": (lambda x, y: x | y,) * 2,
    "number & x": (lambda x, y: 6 & x,) * 2,
    "number | x": (lambda x, y: 6 | x,) * 2,
    "x << number": (lambda x, y: x << 3,) * 2,
    "x >> number": (lambda x, y: x >> 3, lambda x, y: (x.view(f"u{x.itemsize}") >> 3).view(x.dtype)),
    "x // y": (lambda x, y: (x & 0x7FFF) // ((y & 0xFF) + 1),) * 2,
    "x % y": (lambda x, y: (x & 0x7FFF) % ((y & 0xFF) + 1),) * 2,
    "where": (lambda x, y: where(x < y, x, y), lambda x, y: np.where(x < y, x, y)),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS + WHOLES)
def test_operators_do_what_numpy_does_to_the_last_bit(dtype, width):
    table = OF_FLOATS if dtype in FLOATS else OF_WHOLES
    x, y = pairs(dtype)
    found = Traced(
        lambda x, y: [each(x, y) for each, _ in table.values()], [dtype] * 2, [dtype] * len(table), width
    )(x, y)
    with np.errstate(all="ignore"):
        for (name, (_, expected)), result in zip(table.items(), found, strict=True):
            assert_same_bits(result, np.broadcast_to(expected(x, y), x.shape).astype(dtype), name)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS + WHOLES)
def test_comparisons_do_what_numpy_does(dtype, width):
    x, y = pairs(dtype)
    results = ["int32"] * len(CONDITIONS)
    found = Traced(lambda x, y: [each(x, y) for each, _ in CONDITIONS.values()], [dtype] * 2, results, width)(
        x, y
    )
    for (name, (_, expected)), result in zip(CONDITIONS.items(), found, strict=True):
        np.testing.assert_array_equal(result, expected(x, y).astype("int32"), err_msg=name)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_fma_is_rounded_once_and_nothing_else_is_fused(dtype, width):
    rng = np.random.default_rng(2)
    a, b = (rng.normal(size=999).astype(dtype) for _ in range(2))
    c = (-a * b * (1 + rng.integers(-2, 3, a.size) * np.finfo(dtype).eps)).astype(dtype)  # all but cancels
    bodies = lambda a, b, c: [fma(a, b, c), a * b + c, fma(2.0, b, c), fma(a, b, 0.5)]
    once, twice, *numbers = Traced(bodies, [dtype] * 3, [dtype] * 4, width)(a, b, c)
    exactly = lambda a, b, c: [
        float(Fraction(x) * Fraction(y) + Fraction(z)) for x, y, z in zip(a.tolist(), b.tolist(), c.tolist())
    ]
    if dtype == "float32":  # the exact result, rounded to 24 bits at once

        def exactly(a, b, c):
            with mp.workprec(400):
                exact = [mpf(x) * mpf(y) + mpf(z) for x, y, z in zip(a.tolist(), b.tolist(), c.tolist())]
            with mp.workprec(24):
                return [float(+each) for each in exact]

    np.testing.assert_array_equal(once, np.array(exactly(a, b, c), dtype))
    np.testing.assert_array_equal(twice, a * b + c)
    assert (once != twice).any()
    np.testing.assert_array_equal(numbers[0], np.array(exactly(np.full_like(b, 2), b, c), dtype))
    np.testing.assert_array_equal(numbers[1], np.array(exactly(a, b, np.full_like(b, 0.5)), dtype))


@pytest.mark.parametrize("width", WIDTHS)
def test_conversions(width):
    x = np.array(
        [0.0, -0.0, 1.5, -2.5, 16777217.0, 1e300, -1e300, 1e-60, inf, -inf, nan, 0.1, 2.0**-149 * 1.5]
    )
    narrow = Traced(lambda x: x, ["float64"], ["float32"], width)
    with np.errstate(over="ignore"):
        assert_same_bits(narrow(x), x.astype("float32"))
    wide = Traced(lambda x: x, ["float32"], ["float64"], width)
    assert_same_bits(wide(narrow(x)), narrow(x).astype("float64"))
    whole = np.array([0, 1, -1, 2**31 - 1, -(2**31), 2**40 + 5, -(2**40)], "int64")
    assert_same_bits(Traced(lambda x: x, ["int64"], ["int32"], width)(whole), whole.astype("int32"))
    assert_same_bits(Traced(lambda x: x, ["int64"], ["float64"], width)(whole), whole.astype("float64"))
    small = whole[:5].astype("int32")
    assert_same_bits(Traced(lambda x: x, ["int32"], ["int64"], width)(small), small.astype("int64"))
    cut = np.array([0.0, 1.9, -1.9, 1e6])
    assert_same_bits(Traced(lambda x: x, ["float64"], ["int32"], width)(cut), cut.astype("int32"))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_single_number_beside_lanes_is_in_each_of_them(dtype):
    k = Kernel(fresh("beside"), Signature(("x", "out"), ("scale",)))
    scale = converted(k.real("scale"), STORED[dtype].computed)
    x = k.numbers_at("x", dtype).load(0)
    out = k.numbers_at("out", dtype)
    out.store(0, scale - x)
    out.store(16, x - scale)
    out.store(32, where(scale > 0.0, x, scale))
    out.store(48, fma(scale, x, scale))
    k.finish()
    x, out = np.arange(16, dtype=dtype), np.zeros(64, dtype)
    compiled(k)(address(x), address(out), 0, 1, 1.5)
    np.testing.assert_array_equal(out, np.concatenate([1.5 - x, x - 1.5, x, 1.5 * x + 1.5]))


@pytest.mark.parametrize(
    "operation",
    [operator.floordiv, operator.mod, operator.and_, operator.or_, operator.lshift, operator.rshift],
)
def test_an_operator_of_whole_numbers_refuses_floats(operation):
    f = Function(ir.Module("refused"), "refused", [F32, F32])
    with pytest.raises(TypeError, match="whole numbers"):
        operation(*f.given)


@pytest.mark.parametrize("other", ["1", None, [1.0]])
def test_lanes_refuse_what_is_no_number(other):
    f = Function(ir.Module("refused"), "refused", [F32])
    with pytest.raises(TypeError):
        f.given[0] + other
    with pytest.raises(TypeError):
        operator.lt(f.given[0], other)


def test_lanes_of_different_elements_do_not_mix():
    f = Function(ir.Module("refused"), "refused", [F32, F64])
    with pytest.raises(TypeError, match="converted"):
        f.given[0] + f.given[1]


def test_a_sum_of_lanes_is_that_of_their_halves_again_and_again():
    k = Kernel(fresh("folded"), Signature(("x", "out"), ()))
    x = k.numbers_at("x", "float32").load(0)
    k.numbers_at("out", "float32").put(0, lanes.folded(x, lambda a, b: a + b))
    holds = lanes.any_of(x > 14.0)
    k.numbers_at("out", "float32").put(1, converted(holds, F32))
    k.finish()
    x, out = np.random.default_rng(3).normal(size=16).astype("float32"), np.zeros(2, "float32")
    compiled(k)(address(x), address(out), 0, 1)
    expected = x
    while expected.size > 1:
        expected = expected[: expected.size // 2] + expected[expected.size // 2 :]
    assert out.tolist() == [expected[0], 0]
    x[7] = 15
    compiled(k)(address(x), address(out), 0, 1)
    assert out[1] == 1


# --- memory


class Fenced:
    """Room whose end is the end of what the process may touch, and whose beginning is the beginning."""

    def __init__(self, size: int):
        libc = ctypes.CDLL(None, use_errno=True)
        page = mmap.PAGESIZE
        inner = -(-size // page) * page
        self.map = mmap.mmap(-1, inner + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        for fence in (start, start + page + inner):
            assert libc.mprotect(ctypes.c_void_p(fence), page, 0) == 0
        self.first, self.end = page, page + inner

    def at_end(self, dtype: np.dtype, count: int) -> np.ndarray:
        return np.frombuffer(self.map, dtype, count, self.end - count * dtype.itemsize)

    def at_start(self, dtype: np.dtype, count: int) -> np.ndarray:
        return np.frombuffer(self.map, dtype, count, self.first)


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect is POSIX's")
@pytest.mark.parametrize("stored", list(STORED))
def test_what_lies_outside_is_never_touched(stored):
    """At the end of a page whose neighbours may not be touched, a wrong load or store ends the process."""
    double = Traced(lambda x: x + x, [stored], [stored])
    dtype = dtype_of(stored)
    given, found = Fenced(70 * dtype.itemsize), Fenced(70 * dtype.itemsize)
    for count in range(70):
        for ends in ("at_end", "at_start"):
            x, y = getattr(given, ends)(dtype, count), getattr(found, ends)(dtype, count)
            x[:], y[:] = np.arange(count) % 50, 77
            double.run(address(x), address(y), count, 0, 1)
            np.testing.assert_array_equal(y.astype("float64"), 2 * (np.arange(count) % 50.0))


@pytest.mark.parametrize("stored", list(STORED))
def test_a_masked_store_leaves_its_neighbours(stored):
    double, dtype = Traced(lambda x: x + x, [stored], [stored]), dtype_of(stored)
    for count in range(40):
        x, y = np.ones(64, dtype), np.full(64, 77, dtype)
        double.run(address(x), address(y[1:]), count, 0, 1)
        np.testing.assert_array_equal(y.astype("float64"), [77, *[2] * count, *[77] * (63 - count)])


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect is POSIX's")
@pytest.mark.parametrize("stored", ["float32", "float64", "float16", "bfloat16"])
def test_numbers_are_gathered_from_where_the_mask_holds(stored):
    dtype = dtype_of(stored)
    k = Kernel(fresh("gathered"), Signature(("x", "places", "out"), ()))
    at = k.numbers_at("places", "int64").load(0)
    array = k.numbers_at("x", stored)
    k.numbers_at("out", stored).store(0, array.gather(at, at >= 0))
    k.numbers_at("out", stored).store(16, array.gather(where(at >= 0, at, 0)))
    k.finish()
    x = Fenced(64 * dtype.itemsize).at_end(dtype, 50)
    x[:] = np.arange(50)
    places = np.array([49, -1, 0, 3, -(2**40), 49, 48, 7, 7, 7, -3, 20, 21, 22, 2, 1])
    out = np.full(32, 77, dtype)
    compiled(k)(address(x), address(places), address(out), 0, 1)
    np.testing.assert_array_equal(out[:16].astype(int), np.where(places >= 0, places, 0))
    np.testing.assert_array_equal(out[16:].astype(int), np.where(places >= 0, places, 0))


@pytest.mark.parametrize("stored", ["float32", "float64", "float16", "bfloat16"])
def test_streaming_stores_write_what_others_write(stored):
    k = Kernel(fresh("streamed"), Signature(("x", "out", "size"), ()))
    x, out = k.numbers_at("x", stored), replace(k.numbers_at("out", stored), streaming=True)

    def body(at, mask, _):
        out.store(at, x.load(at, mask) * 3.0, mask)
        return []

    k.across(k.whole(0), k.integer("size"), [], body)
    k.builder.fence("seq_cst")
    k.finish()
    run, dtype = compiled(k), dtype_of(stored)
    assert "nontemporal" in str(k.module)
    if (
        "x86_64" in machine.host().triple and stored != "float16"
    ):  # which LLVM writes through the caches all the same
        assert "vmovnt" in machine.assembly(k.module)
    for size in (0, 1, 16, 63, 64, 65, 130, 1000):
        room = np.full(1200, 77, dtype)
        start = -address(room) % 64 // dtype.itemsize
        given = (np.arange(size) % 40).astype(dtype)
        run(address(given), address(room[start:]), size, 0, 1)
        np.testing.assert_array_equal(room[start : start + size].astype(int), 3 * (np.arange(size) % 40))
        assert (room[:start] == 77).all()
        assert (room[start + size :] == 77).all()


def test_rooms_begin_with_a_cache_line_and_hold_what_is_left_in_them():
    k = Kernel(fresh("rooms"), Signature(("out", "size"), ()))
    out = k.numbers_at("out", "int64")
    local = k.local(16, "float64")
    with k.room(k.integer("size"), "float64") as room:
        room.put(k.integer("size") - 1, k.number(1.5))
        local.put(15, room.one(k.integer("size") - 1) + 1.0)
        out.put(0, Lanes(k.builder, k.builder.ptrtoint(room.address, I64)))
        out.put(1, Lanes(k.builder, k.builder.ptrtoint(local.address, I64)))
        out.from_(1).put(1, converted(local.one(15) * 2.0, I64))
    k.finish()
    out = np.zeros(3, "int64")
    for size in (1, 7, 100_000):
        compiled(k)(address(out), size, 0, 1)
        assert (out[:2] % 64 == 0).all()
        assert out[2] == 5


# --- halves

# float16 twice: as this processor converts it, and as others must, by way of its bits.
HALVES = [STORED["float16"], Stored("float16", I16, F32, 2), STORED["bfloat16"]]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("stored", HALVES, ids=["float16", "float16 by its bits", "bfloat16"])
def test_every_half_is_read_exactly(stored, width):
    every = np.arange(65536, dtype="uint16").view(dtype_of(stored))
    assert_same_bits(Traced(lambda x: x, [stored], ["float32"], width)(every), every.astype("float32"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("stored", HALVES, ids=["float16", "float16 by its bits", "bfloat16"])
def test_every_half_is_written_as_it_was_read(stored, width):
    every = np.arange(65536, dtype="uint16").view(dtype_of(stored))
    assert_same_bits(Traced(lambda x: x, [stored], [stored], width)(every), every)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("stored", HALVES, ids=["float16", "float16 by its bits", "bfloat16"])
def test_halves_are_rounded_once_to_even(stored, width):
    """At every half, halfway to the next, and at the floats on either side; and anywhere."""
    dtype = dtype_of(stored)
    finite = np.arange(0x7F80 if stored.name == "bfloat16" else 0x7C00, dtype="uint16")
    low = finite.view(dtype).astype("float64")
    high = np.append(low[1:], 2 * low[-1] - low[-2])  # beyond the largest, where infinity would be the next
    with np.errstate(over="ignore"):
        middle = ((low + high) / 2).astype("float32")
        near = [
            low.astype("float32"),
            middle,
            np.nextafter(middle, np.float32(0)),
            np.nextafter(middle, np.float32(inf)),
        ]
    rng = np.random.default_rng(4)
    anywhere = rng.integers(0, 2**32, 200_000, dtype="uint32").view("float32")
    x = np.concatenate(
        [*near, *(-each for each in near), anywhere, np.array([inf, -inf, nan, 0.0, -0.0], "float32")]
    )
    with np.errstate(over="ignore", invalid="ignore"):
        assert_same_bits(Traced(lambda x: x, ["float32"], [stored], width)(x), x.astype(dtype))
    # NaN whose payload is all in the bits that go
    hidden = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF] * 5, "uint32").view("float32")
    assert np.isnan(Traced(lambda x: x, ["float32"], [stored], width)(hidden).astype("float32")).all()


def test_what_halves_are_compared_with_rounds_to_even():
    """The judge itself: 1 + 2**-8 lies halfway between two bfloat16."""
    assert np.float32(1 + 2**-8).astype(ml_dtypes.bfloat16) == 1
    assert np.float32(1 + 3 * 2**-8).astype(ml_dtypes.bfloat16) == 1 + 4 * 2**-8


# --- sums


def summed(dtype: str, block: int = 2048, once: bool = False):
    """The sum of an array by `loops.sums`, block by block, as a loss's loop does it."""
    k = Kernel(fresh("summed"), Signature(("x", "size"), ()))
    blocks = (k.integer("size") + (block - 1)) // block
    element = STORED[dtype].computed

    with k.room(blocks * 2, "float64") as room:
        k.leave(room)

        def work(first, last, _):
            x, size = k.numbers_at("x", dtype), k.integer("size")

            def each(i):
                step = lambda at, mask, carried: sums.add(carried, x.load(at, mask), mask)
                end = smaller(i * block + block, size)
                groups = k.across(i * block, end, sums.start(k, element), step, once=once)
                sums.keep(k.left("float64"), i, sums.total(groups))
                return []

            k.loop(first, last, 1, [], each)

        k.parallel(blocks, work)
        k.set("sum", sums.of_blocks(k, room, blocks))
    k.finish()
    run = compiled(k)
    return lambda x, team=0, threads=1: run(address(x), x.size, team, threads)[1]


@pytest.fixture(scope="module")
def sum_of():
    return {dtype: summed(dtype) for dtype in FLOATS}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9000), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 8]), st.booleans())
def test_a_sum_in_double_precision_is_rounded_once(sum_of, size, seed, decades, signs):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1 if signs else 0.1, 1, size) * 10.0 ** rng.uniform(-decades, decades, size)
    assert sum_of["float64"](x) == math.fsum(x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_body_written_once_adds_in_the_same_order(sum_of, dtype):
    again = summed(dtype, once=True)
    for size in (0, 1, 16, 63, 64, 65, 200, 2047, 2049, 9001):
        x = np.random.default_rng(size).normal(size=size).astype(dtype)
        assert again(x) == sum_of[dtype](x)


def test_a_sum_in_double_precision_survives_cancellation(sum_of):
    rng = np.random.default_rng(5)
    x = rng.normal(size=5000) * 1e6
    x = rng.permutation(np.concatenate([x, -x, rng.uniform(0, 1e-6, 77)]))
    assert sum_of["float64"](x) == math.fsum(x)
    assert sum_of["float64"](x) != x.sum()  # or this says nothing


@pytest.mark.parametrize("size", [1, 15, 16, 17, 64, 2047, 2049, 100_001])
def test_a_sum_in_single_precision_loses_at_most_thirty_additions(sum_of, size):
    x = np.random.default_rng(size).normal(size=size).astype("float32")
    bound = 32 * 2.0**-24 * math.fsum(np.abs(x))
    assert abs(sum_of["float32"](x) - math.fsum(x)) <= bound


@pytest.mark.parametrize("dtype", FLOATS)
def test_infinities_and_nan_stay_in_a_sum(sum_of, dtype):
    for place in (0, 16, 64, 2047, 2048, 4999):
        x = np.ones(5000, dtype)
        x[place] = inf
        assert sum_of[dtype](x) == inf
        x[place] = -inf
        assert sum_of[dtype](x) == -inf
        x[4000] = inf
        assert math.isnan(sum_of[dtype](x))
        x[:], x[place] = 1, nan
        assert math.isnan(sum_of[dtype](x))


def test_a_sum_of_nothing_is_nought(sum_of):
    assert all(sum_of[dtype](np.empty(0, dtype)) == 0 for dtype in FLOATS)


# --- control


def test_loops_carry_and_choose():
    """The steps of Collatz's problem, and a sum over a triangle."""
    k = Kernel(fresh("control"), Signature(("out", "start", "count"), ()))
    out = k.numbers_at("out", "int64")

    def step(i, n, steps):
        even = (n % 2) == 0
        following = k.choose(even, lambda: [n // 2], lambda: [n * 3 + 1])[0]
        done = n == 1
        return [where(done, n, following), where(done, steps, steps + 1)]

    _, steps = k.loop(k.whole(0), k.integer("count"), 1, [k.integer("start"), k.whole(0)], step)
    out.put(0, steps)
    inner = lambda i, total: k.loop(k.whole(0), i, k.whole(2), [total], lambda j, total: [total + j])
    out.put(1, k.loop(k.whole(0), k.integer("count"), 1, [k.whole(0)], inner)[0])
    k.when(steps > 100, lambda: out.put(2, k.whole(1)))
    out.put(3, larger(smaller(steps, 50), 7))
    k.finish()
    run = compiled(k)
    for start, expected in ((1, 0), (6, 8), (27, 111)):
        found = np.full(4, -1)
        run(address(found), start, 200, 0, 1)
        triangle = sum(j for i in range(200) for j in range(0, i, 2))
        assert found.tolist() == [expected, triangle, 1 if expected > 100 else -1, max(min(expected, 50), 7)]


def test_a_loop_over_nothing_runs_never():
    k = Kernel(fresh("never"), Signature(("low", "high"), ()))
    k.set("status", k.loop(k.integer("low"), k.integer("high"), 3, [k.whole(0)], lambda i, n: [n + 1])[0])
    k.finish()
    run = compiled(k)
    for low, high in ((0, 0), (5, 2), (0, 7), (-4, 5)):
        assert run(low, high, 0, 1)[0] == len(range(low, high, 3))


@pytest.mark.parametrize("unrolled", [1, 2, 4])
def test_across_goes_once_through_every_element(unrolled):
    k = Kernel(fresh("across"), Signature(("x", "low", "high"), ()))
    x = k.numbers_at("x", "int32")

    def body(at, mask, carried):
        x.store(at, x.load(at, mask) + 1, mask)
        return [carried[0] + where(mask, 1, k.many(0, I32)) if mask is not None else carried[0] + 1]

    groups = k.across(k.integer("low"), k.integer("high"), [k.many(0, I32)], body, unrolled)
    assert len(groups) == unrolled
    total = groups[0][0]
    for each in groups[1:]:
        total = total + each[0]
    k.set("status", converted(lanes.folded(total, lambda a, b: a + b), I64))
    k.finish()
    run = compiled(k)
    for low, high in ((0, 0), (3, 4), (0, 64), (5, 69), (1, 200), (7, 5)):
        found = np.zeros(256, "int32")
        assert run(address(found), low, high, 0, 1)[0] == max(0, high - low)
        assert found.tolist() == [int(low <= i < high) for i in range(256)]


# --- threads

REGION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
def gomp_parallel(function, data, threads, flags):
    """GNU OpenMP's GOMP_parallel, with Python's threads."""
    region = REGION(function)
    team = [threading.Thread(target=region, args=(data,)) for _ in range(threads - 1)]
    for each in team:
        each.start()
    region(data)
    for each in team:
        each.join()


TEAM = ctypes.cast(gomp_parallel, ctypes.c_void_p).value


@pytest.mark.parametrize("dtype", FLOATS)
def test_any_number_of_threads_gives_the_same_bits(sum_of, dtype):
    x = np.random.default_rng(6).normal(size=300_001).astype(dtype)
    alone = sum_of[dtype](x)
    for threads in range(1, 9):
        assert sum_of[dtype](x, TEAM, threads) == alone


@pytest.mark.parametrize("blocks", [0, 1, 7, 1000])
def test_every_block_is_run_once(blocks):
    k = Kernel(fresh("blocks"), Signature(("done", "entered", "blocks"), ()))

    @contextmanager
    def around():
        one = I64(1)
        k.builder.atomic_rmw("add", k.builder.inttoptr(k.integer("entered").value, POINTER), one, "monotonic")
        yield "room"

    def block(first, last, room):
        assert room == "room"
        done = k.numbers_at("done", "int64")

        def mark(i):
            done.put(i, done.one(i) + 1)
            return []

        k.loop(first, last, 1, [], mark)

    k.parallel(k.integer("blocks"), block, around)
    k.finish()
    run = compiled(k)
    for team, threads in ((0, 1), (TEAM, 1), (TEAM, 3), (TEAM, 8)):
        done, entered = np.zeros(1001, "int64"), np.zeros(1, "int64")
        run(address(done), address(entered), blocks, team, threads)
        assert done.tolist() == [1] * blocks + [0] * (1001 - blocks)
        assert entered[0] == threads


# --- the entrance


@pytest.fixture(scope="module")
def entrance_kernel():
    k = Kernel(fresh("entrance"), Signature(("n",), ("a", "b")))
    k.set("status", k.integer("n") * 2)
    k.set("sum", k.real("a") + k.real("b"))
    k.set("weight_sum", k.real("a") - k.real("b"))
    k.finish()
    return compiled(k)


def test_a_kernel_takes_its_words_and_gives_status_sum_and_weight(entrance_kernel):
    assert entrance_kernel(21, 0, 1, 1.5, 0.25) == (42, 1.75, 1.25)
    assert entrance_kernel(-3, 0, 1, 1, True) == (-6, 2.0, 0.0)
    assert entrance_kernel(2**62 - 1, 0, 1, inf, 1.0) == (2**63 - 2, inf, inf)
    assert entrance_kernel(np.int64(5), 0, 1, np.float32(0.5), np.float64(2)) == (10, 2.5, -1.5)


@pytest.mark.parametrize("words", [(), (1,), (1, 0, 1, 1.0), (1, 0, 1, 1.0, 1.0, 1.0)])
def test_another_number_of_words_is_refused(entrance_kernel, words):
    with pytest.raises(TypeError, match="number of words"):
        entrance_kernel(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("1", 0, 1, 1.0, 1.0),
        (1.5, 0, 1, 1.0, 1.0),
        (1, 0, 1, "1", 1.0),
        (1, 0, 1, None, 1.0),
        (1, 0, 1, 1.0, 1j),
        ([], {}, (), "", b""),
    ],
)
def test_words_of_another_kind_are_refused(entrance_kernel, words):
    with pytest.raises(TypeError):
        entrance_kernel(*words)
    assert entrance_kernel(21, 0, 1, 1.5, 0.25) == (42, 1.75, 1.25)


@pytest.mark.parametrize(
    "words", [(2**63, 0, 1, 1.0, 1.0), (-(2**63) - 1, 0, 1, 1.0, 1.0), (1, 0, 1, 10**400, 1.0)]
)
def test_words_that_do_not_fit_are_refused(entrance_kernel, words):
    with pytest.raises(OverflowError):
        entrance_kernel(*words)


def test_an_array_is_its_address_and_none_is_nought(entrance_kernel):
    rng = np.random.default_rng(0)
    for array in (
        rng.normal(size=5),
        np.empty(0, "float32"),
        rng.normal(size=(4, 4))[1:, 1:],
        np.array(3, "int8"),
    ):
        assert entrance_kernel(array, None, 1, 0.0, 0.0)[0] == 2 * address(array)
    assert entrance_kernel(None, None, None, 0.0, 0.0)[0] == 0


@pytest.mark.parametrize("word", [memoryview(b"1"), [1.0], np.ma.masked_array([1.0]), np.float64(1)])
def test_what_is_like_an_array_is_refused(entrance_kernel, word):
    with pytest.raises(TypeError):
        entrance_kernel(word, 0, 1, 0.0, 0.0)


def test_an_array_is_no_number(entrance_kernel):
    with pytest.raises(TypeError):
        entrance_kernel(1, 0, 1, np.ones(3), 0.0)


def test_names_of_words_are_refused(entrance_kernel):
    with pytest.raises(TypeError):
        entrance_kernel(1, 0, 1, a=1.0, b=1.0)


def test_arguments_are_not_leaked(entrance_kernel):
    number, real = 10**15, 3.25e100
    before = sys.getrefcount(number), sys.getrefcount(real)
    for _ in range(1000):
        entrance_kernel(number, 0, 1, real, real)
        with pytest.raises(TypeError):
            entrance_kernel(number, 0, 1, real)
    assert (sys.getrefcount(number), sys.getrefcount(real)) == before


@pytest.mark.skipif(sys.platform == "win32", reason="usleep is POSIX's")
def test_other_threads_run_while_a_kernel_does():
    """The kernel sleeps, in C, until a thread of Python's has written what it waits for, or for half a minute."""
    k = Kernel(fresh("patient"), Signature(("flag",), ()))
    flag = k.builder.inttoptr(k.integer("flag").value, POINTER)

    def wait(_, waited):
        seen = Lanes(k.builder, k.builder.load_atomic(flag, "monotonic", 8, typ=I64))
        k.when(seen == 0, lambda: k.call("usleep", I32, I32(10_000)))
        return [waited + where(seen == 0, 1, k.whole(0))]

    k.set("status", k.loop(k.whole(0), k.whole(3000), 1, [k.whole(0)], wait)[0])
    k.finish()
    run, word = compiled(k), np.zeros(1, "int64")
    started = threading.Event()

    def write():
        started.wait()
        word[0] = 1

    other = threading.Thread(target=write)
    other.start()
    started.set()
    waited = run(address(word), 0, 1)[0]
    other.join()
    assert waited < 3000


def test_results_that_a_kernel_does_not_set_are_nought():
    k = Kernel(fresh("idle"), Signature((), ()))
    k.finish()
    assert compiled(k)(0, 1) == (0, 0.0, 0.0)


def test_the_readmes_example_runs():
    text = (Path(machine.__file__).parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(example, names)
    size = 100_003
    x, y = np.random.default_rng(0).normal(size=(2, size)).astype("float32")
    for threads in (1, 3):
        out = np.zeros(size, "float32")
        names["add"](x, y, out, size, TEAM, threads, 0.5)
        assert_same_bits(out, np.float32(0.5) * (x + y))


# --- object files


def addition(name: str) -> Kernel:
    k = Kernel(name, Signature((), ("a", "b")))
    k.set("sum", k.real("a") + k.real("b"))
    k.finish()
    return k


def test_code_is_the_same_bytes_each_time():
    name = fresh("again")
    assert machine.object_file(addition(name).module) == machine.object_file(addition(name).module)


def test_a_damaged_object_file_is_refused():
    name = fresh("damaged")
    code = machine.object_file(addition(name).module)
    for size in range(len(code)):
        with pytest.raises(ValueError, match="damaged"):
            machine.load(code[:size], name)
    for place in range(len(code)):
        with pytest.raises(ValueError, match="damaged"):
            machine.load(code[:place] + bytes([code[place] ^ 1]) + code[place + 1 :], name)
    for other in (b"", b"\0" * 100, b"\x7fELF" + bytes(200), code + b"\0", name.encode() * 10):
        with pytest.raises(ValueError, match="damaged"):
            machine.load(other, name)
    assert machine.load(code, name)


def test_an_object_file_for_another_processor_is_refused():
    name = fresh("foreign")
    other = machine.X86_64_V3 if machine.host().architecture == "aarch64" else machine.AARCH64
    with pytest.raises(ValueError, match="for this processor"):
        machine.load(machine.object_file(addition(name).module, other), name)


def test_a_function_that_is_not_there_is_refused():
    name = fresh("absent")
    code = machine.object_file(addition(name).module)
    for other in ("nobody", name + "x", name[:-1], "x" + name):
        with pytest.raises(ValueError, match="no function"):
            machine.load(code, other)


def test_an_object_file_outlives_what_made_it():
    name = fresh("kept")
    code = bytes(machine.object_file(addition(name).module))
    run = entrance.callable_for(machine.load(code, name), Signature((), ("a", "b")))
    del code
    assert run(0, 1, 2.0, 0.5)[1] == 2.5


@pytest.mark.skipif(sys.platform != "linux", reason="reserves addresses without memory as Linux does")
def test_object_files_may_lie_anywhere_among_large_arrays():
    """An instruction reaches 2 GB, so that code must be near its own constants, wherever the next free addresses are."""
    code = textwrap.dedent("""
        import mmap
        from losscope.catalogue import entries
        from losscope.engine import machine
        from losscope.kernels.compiled import compiled
        from losscope.kernels.loops import elementwise
        kernel = compiled(entries()["binary_cross_entropy"]).traced(elementwise, "kernel_000", "float64", 1)
        code = machine.kernel_file(kernel.module)[: -len(machine._seal(b"", machine.host()))]
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
        held, addresses = [], set()
        for number in range(200):
            name = f"kernel_{number:03}"
            named = code.replace(b"kernel_000", name.encode())
            addresses.add(machine.load(named + machine._seal(named, machine.host()), name))
            held.append(mmap.mmap(-1, (1 << 30) if number % 2 else 3 * mmap.PAGESIZE, flags=flags))
        print(len(addresses))
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "200\n"

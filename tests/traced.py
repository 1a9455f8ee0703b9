"""Small kernels for tests: a function over lanes, compiled and run over arrays."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest

from losscope.engine import entrance, machine
from losscope.engine.arrays import STORED, Stored
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import LANES, Lanes, converted
from losscope.engine.machine import X86_64_V3, X86_64_V4

_numbers = count()
PAIR = [X86_64_V3, X86_64_V4]


def fresh(name: str) -> str:
    """A name that no other kernel of this process has."""
    return f"{name}_{next(_numbers)}"


def compiled(k: Kernel, processor: Any = None) -> Callable[..., tuple[int, float, float]]:
    """A finished kernel as a function of its words."""
    code = machine.object_file(k.module, processor)
    return entrance.callable_for(machine.load(code, k.function.name), k.signature)


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def traced(
    body: Callable[..., Any],
    given: Sequence[str | Stored],
    results: Sequence[str | Stored],
    width: int = LANES,
) -> Kernel:
    """A kernel that puts `body`, over lanes, between arrays: one for each argument, one for each result.

    `given` and `results` name how their numbers are stored; `width` is LANES or 1: sixteen numbers at a time, or one.
    """
    names = (*(f"in{i}" for i in range(len(given))), *(f"out{i}" for i in range(len(results))))
    k = Kernel(fresh("traced"), Signature((*names, "size"), ()))
    inputs = [k.numbers_at(f"in{i}", each) for i, each in enumerate(given)]
    outputs = [k.numbers_at(f"out{i}", each) for i, each in enumerate(results)]

    def found(*lanes: Lanes) -> list[Lanes]:
        made = body(*lanes)
        made = made if isinstance(made, tuple | list) else [made]
        made = [each if isinstance(each, Lanes) else lanes[0].constant(each) for each in made]
        return [converted(each, stored(kind).computed) for each, kind in zip(made, results, strict=True)]

    def many(at: Lanes, mask: Lanes | None, _: Any) -> list[Lanes]:
        for out, value in zip(outputs, found(*(each.load(at, mask) for each in inputs)), strict=True):
            out.store(at, value, mask)
        return []

    def one(at: Lanes) -> list[Lanes]:
        for out, value in zip(outputs, found(*(each.one(at) for each in inputs)), strict=True):
            out.put(at, value)
        return []

    if width == LANES:
        k.across(k.whole(0), k.integer("size"), [], many, unrolled=1)
    else:
        k.loop(k.whole(0), k.integer("size"), 1, [], one)
    k.finish()
    return k


class Traced:
    """`body`, over lanes, as a function of arrays: see `traced`."""

    def __init__(
        self,
        body: Callable[..., Any],
        given: Sequence[str | Stored],
        results: Sequence[str | Stored],
        width: int = LANES,
        processor: Any = None,
    ):
        self.given, self.results = given, results
        self.run = compiled(traced(body, given, results, width), processor)

    def __call__(self, *arrays: Any) -> Any:
        given = [
            np.ascontiguousarray(each, dtype_of(kind)) for each, kind in zip(arrays, self.given, strict=True)
        ]
        found = [np.full(given[0].size, 99, dtype_of(kind)) for kind in self.results]
        self.run(*map(address, [*given, *found]), given[0].size, 0, 1)
        return found[0] if len(found) == 1 else found


def stored(kind: str | Stored) -> Stored:
    """How numbers are stored, by its name or as it is."""
    return STORED[kind] if isinstance(kind, str) else kind


def dtype_of(kind: str | Stored) -> Any:
    """NumPy's dtype of numbers that are stored so."""
    name = stored(kind).name
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def same_bits(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Where two arrays agree to the last bit; one NaN is as good as another."""
    whole = f"u{one.dtype.itemsize}"
    with np.errstate(invalid="ignore"):
        nan = (one != one) & (two != two)
    return (one.view(whole) == two.view(whole)) | nan


def assert_same_bits(one: np.ndarray, two: np.ndarray, what: str = "") -> None:
    assert one.dtype == two.dtype, what
    differ = np.flatnonzero(~same_bits(one, two))
    assert not differ.size, (
        f"{what}: {differ.size} differ, the first at {differ[0]}: {one[differ[0]]} and {two[differ[0]]}"
    )


def needs(processor: Any) -> None:
    """Skip a test where this machine cannot run code made for a processor."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("code for x86-64 does not run here")
    features = dict(
        each.split("+")[-1:] * 2 for each in machine.host().features.split(",") if each.startswith("+")
    )
    wanted = {"avx2", "fma", "f16c"} | (
        {"avx512f", "avx512vl", "avx512dq"} if processor == X86_64_V4 else set()
    )
    if missing := wanted - set(features):
        pytest.skip(f"this processor has no {', '.join(sorted(missing))}")

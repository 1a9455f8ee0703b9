"""The loop of margins between classes: scores (rows, classes), each right class of a row against each that is not.

    value_i     = weight_i / classes  sum over the right classes t, and the others r, of l(z_r - z_t)
    dvalue_i/dz_r = weight_i / classes  sum over t of l'(z_r - z_t)
    dvalue_i/dz_t = - weight_i / classes  sum over r of l'(z_r - z_t), for each time that t is named

A row has one right class, or a list of them that a negative index ends: an empty list has no terms, and a class that is
named twice counts twice. The classes are looked at before anything is written: where one is none, nothing is. A row of
weight 0 is not there, whatever scores stand in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from losscope.engine.arrays import STORED, Array
from losscope.engine.function import larger
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import F64, I32, I64, Lanes, converted, folded, in_lanes, places, where
from losscope.kernels.loops.rows import each_row, is_at, one_of_row, run_blocks

GRADIENT, LISTS = (1 << i for i in range(2))

WHOLE = ("scores", "target", "weight", "values", "gradient", "result", "rows", "classes", "listed")
NUMBERS = ("scale",)


def signature(parameters: tuple[str, ...]) -> Signature:
    """The words of a call; the dtype is float32 or float64.

    scores, gradient: (rows, classes) in the dtype of the kernel; target: (rows, listed) int64, of one class each (rows,)
    weight (absent: all 1), values (absent: not wanted): (rows,)
    result: one number, `scale` times the sum
    """
    return Signature(WHOLE, (*NUMBERS, *(f"parameter {name}" for name in parameters)))


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> Kernel:
    """The loop of a loss: `formula` has its functions `order0` and `order1` of a difference of scores, over lanes.
    The status is the first row one of whose classes is none, or -1."""
    k = Kernel(name, signature(parameters))
    wrong = first_wrong(k, lists=bool(wants & LISTS))
    k.set("status", wrong)
    k.set("weight_sum", k.number(0.0))
    rows = where(wrong < 0, k.integer("rows"), k.whole(0))
    loop = Loop(k, formula, dtype, wants)
    run_blocks(k, rows, larger(k.integer("classes"), 1), dtype, loop.blocks, loop.room)
    return k


def first_wrong(k: Kernel, *, lists: bool) -> Lanes:
    """The first row with a number that is no class (nor -1, in a list, behind its end too), or -1."""
    target, classes = k.numbers_at("target", "int64"), k.integer("classes")
    listed = larger(k.integer("listed"), 1) if lists else k.whole(1)
    lowest = -1 if lists else 0
    numbers = k.integer("rows") * (k.integer("listed") if lists else 1)
    found = first_where(k, target, numbers, lambda t: (t < lowest) | (t >= classes))
    return where(found == numbers, k.whole(-1), found // listed)


def first_where(k: Kernel, numbers: Array, count: Lanes, holds: Callable[[Lanes], Lanes]) -> Lanes:
    """The first of so many whole numbers of which a condition holds; of none, the count."""
    least = lambda a, b: where(a < b, a, b)

    def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
        found = holds(numbers.load(at, mask))
        if mask is not None:
            found = found & mask
        return [where(found, least(places(k.builder, I64) + at, carried[0]), carried[0])]

    (a,), (b,) = k.across(k.whole(0), count, [in_lanes(count)], step, unrolled=2)
    return folded(least(a, b), least)


class Loop:
    """One row at a time, and of a row one right class at a time."""

    def __init__(self, k: Kernel, formula: Mapping[str, Callable[..., Any]], dtype: str, wants: int):
        self.k, self.formula, self.dtype, self.wants = k, formula, dtype, wants
        self.computed = STORED[dtype].computed

    @contextmanager
    def room(self) -> Any:
        """A thread's own memory for which classes of a row are not named."""
        if not self.wants & LISTS:
            yield None
            return
        with self.k.room(self.k.integer("classes"), "int32") as unnamed:
            yield unnamed

    def blocks(self, first: Lanes, last: Lanes, unnamed: Array | None) -> None:
        k = self.k
        self.unnamed, self.classes, self.scale = unnamed, k.integer("classes"), k.real("scale")
        self.listed = k.integer("listed")
        self.scores, self.target = k.numbers_at("scores", self.dtype), k.numbers_at("target", "int64")
        self.parameters = [
            converted(k.real(name), self.computed) for name in k.signature.numbers[len(NUMBERS) :]
        ]
        each_row(k, first, last, larger(self.classes, 1), self.row)

    def row(self, row: Lanes) -> Lanes:
        """A row's weighted value; its gradient is written."""
        k = self.k
        weight = converted(one_of_row(k, "weight", self.dtype, row, 1.0), F64)
        of_row = self.by_list if self.wants & LISTS else self.by_class

        def absent() -> list[Lanes]:
            self.clear(row)
            return [k.number(0.0)]

        def present() -> list[Lanes]:
            share = weight / converted(self.classes, F64)
            return [of_row(row, converted(self.scale * share, self.computed)) * share]

        (value,) = k.choose(weight == 0.0, absent, present)
        k.when(
            ~k.is_absent("values"),
            lambda: k.numbers_at("values", self.dtype).put(row, converted(value, self.computed)),
        )
        return value

    def gradient_of(self, row: Lanes) -> Array:
        return self.k.numbers_at("gradient", self.dtype).from_(row * self.classes)

    def clear(self, row: Lanes) -> None:
        """A gradient of zeros."""
        k = self.k
        if self.wants & GRADIENT:
            out, zeros = self.gradient_of(row), k.many(0.0, self.computed)

            def step(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
                out.store(at, zeros, mask)
                return []

            k.across(k.whole(0), self.classes, [], step, unrolled=1)

    def by_class(self, row: Lanes, factor: Lanes) -> Lanes:
        """The terms of a row of one right class."""
        t = self.target.one(row)
        return self.against(row, t, factor, lambda at, mask: ~is_at(self.k, at, t))

    def by_list(self, row: Lanes, factor: Lanes) -> Lanes:
        """The terms of a row of a list of right classes."""
        k, unnamed, named = self.k, self.unnamed, self.target.from_(row * self.listed)
        assert unnamed is not None
        self.clear(row)
        ones, none = k.many(1, I32), k.number(0, I32)

        def mark(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
            unnamed.store(at, ones, mask)
            return []

        k.across(k.whole(0), self.classes, [], mark, unrolled=1)

        count = first_where(k, named, self.listed, lambda t: t < 0)

        def strike(i: Lanes) -> list[Lanes]:
            unnamed.put(named.one(i), none)
            return []

        k.loop(k.whole(0), count, 1, [], strike)
        others = lambda at, mask: unnamed.load(at, mask) != 0
        against = lambda i, total: [total + self.against(row, named.one(i), factor, others)]
        return k.loop(k.whole(0), count, 1, [k.number(0.0)], against)[0]

    def against(
        self, row: Lanes, t: Lanes, factor: Lanes, is_other: Callable[[Lanes, Lanes | None], Lanes]
    ) -> Lanes:
        """The sum of the terms of one right class, in double precision; factor times their slopes is in the gradient."""
        k, z = self.k, self.scores.from_(row * self.classes)
        own, gradient = z.one(t), self.gradient_of(row) if self.wants & GRADIENT else None

        def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            difference, other = z.load(at, mask) - own, is_other(at, mask)
            if mask is not None:
                other = other & mask
            order = "order0" if gradient is None else "order1"
            found = self.formula[order](difference, *self.parameters)
            lifted = [
                in_lanes(each) if isinstance(each, Lanes) else difference.constant(each)
                for each in (found if gradient is not None else (found,))
            ]
            terms = [where(other, each, 0.0) for each in lifted]
            if gradient is not None:
                step_down = factor * terms[1]
                gradient.store(
                    at, gradient.load(at, mask) + step_down if self.wants & LISTS else step_down, mask
                )
            return [so_far + converted(each, F64) for so_far, each in zip(carried, terms, strict=True)]

        groups = k.across(k.whole(0), self.classes, [k.many(0.0)] * (1 if gradient is None else 2), step)
        totals = [folded((a + b) + (c + d), lambda x, y: x + y) for a, b, c, d in zip(*groups, strict=True)]
        if gradient is not None:
            of_others = gradient.one(t) if self.wants & LISTS else k.number(0.0, self.computed)
            gradient.put(t, of_others - factor * converted(totals[1], self.computed))
        return totals[0]

"""The softmax loop for rows judged by a class: logits (rows, classes) against target (rows,).

    margin  m = log(sum of exp(z_c) over the other classes c) - z_t
    loss    weight class_weight_t l(m)
    dloss/dz_c = l'(m) exp(z_c)/sum of exp over the others,  dloss/dz_t = -l'(m)

The class's own logit never enters the sum, and the sum is taken relative to its own largest term, so nothing cancels or
underflows for a confident row. A row whose target is `ignore`, or whose weight is 0, is not there.

Up to sixteen rows are taken together: pass by pass through a row for its largest logit, its exponentials and its gradient,
but the logarithm and the formula once for all of them, a row in each lane.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from losscope.engine.arrays import STORED, Array
from losscope.engine.function import smaller
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import F64, I64, LANES, Lanes, converted, folded, in_lanes, places, where
from losscope.kernels.loops import sums
from losscope.kernels.loops.rows import in_block, is_at, row_sum, run_blocks, survey
from losscope.kernels.primitives.exponential import exp_nonpositive
from losscope.kernels.primitives.logarithm import log

NEAR = (
    4096  # logits of the rows that are taken together: with their exponentials they stay in the first cache
)

GRADIENT, CURVATURE, VALUES, WEIGHTED, CLASS_WEIGHTED = (1 << i for i in range(5))

WHOLE = (
    "logits", "target", "weight", "class_weight", "values", "gradient", "curvature", "result", "rows", "classes", "ignore",
    "mean",
)  # fmt: skip
NUMBERS = ("scale",)


def signature(parameters: tuple[str, ...]) -> Signature:
    """The words of a call.

    logits, gradient, curvature: (rows, classes) in the dtype of the kernel; target: (rows,) int64
    weight, values: (rows,), class_weight: (classes,), in the dtype that is computed in
    result: one number, the scaled sum; mean: whether the scale is divided by the summed weight
    """
    return Signature(WHOLE, (*NUMBERS, *(f"parameter {name}" for name in parameters)))


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> Kernel:
    """The loop of a loss: `formula` has its functions `order0..2` of the margin, over lanes."""
    k = Kernel(name, signature(parameters))
    wrong, weighs = survey(
        k, dtype, weighted=bool(wants & WEIGHTED), class_weighted=bool(wants & CLASS_WEIGHTED), by_class=True
    )
    begin(k, wrong, weighs)
    loop = Loop(k, formula, dtype, wants)
    finish(k, wrong, dtype, loop.blocks, loop.room)
    return k


def begin(k: Kernel, wrong: Lanes, weighs: Lanes) -> None:
    """Say what was found of the rows, and make of the scale that of a mean, where one is wanted."""
    k.set("status", wrong)
    k.set("weight_sum", weighs)
    scale = k.real("scale")
    of_mean = where(weighs == 0.0, math.nan, scale / weighs)  # over no weight there is none
    k.set("scale", where(k.integer("mean") != 0, of_mean, scale))


def finish(
    k: Kernel, wrong: Lanes, dtype: str, blocks_of: Callable[..., None], room: Callable[[], Any]
) -> None:
    """Run the blocks, unless a class is none; add their sums, and write the scaled sum where it is wanted."""
    rows = where(wrong < 0, k.integer("rows"), k.whole(0))
    run_blocks(k, rows, k.integer("classes"), dtype, blocks_of, room)


class Loop:
    """Rows of logits, sixteen at most together."""

    def __init__(self, k: Kernel, formula: Mapping[str, Callable[..., Any]], dtype: str, wants: int):
        self.k, self.formula, self.dtype, self.wants = k, formula, dtype, wants
        self.computed, self.of_row = STORED[dtype].computed, STORED[dtype].computed_name
        # Exponentials are kept where the gradient will be, if that holds numbers as they are computed.
        self.in_place = self.of_row == dtype and not wants & CURVATURE
        self.kept = bool(wants & (GRADIENT | CURVATURE))

    @contextmanager
    def room(self) -> Any:
        """A thread's own memory for the exponentials of the rows that are taken together."""
        if not self.kept or self.in_place:
            yield None
            return
        classes = self.k.integer("classes")
        with self.k.room(self.together(classes) * classes, self.of_row) as exponentials:
            yield exponentials

    def together(self, classes: Lanes) -> Lanes:
        fits = smaller(classes.constant(NEAR) // classes, LANES)
        return where(fits < 1, self.k.whole(1), fits)

    def blocks(self, first: Lanes, last: Lanes, room: Array | None) -> None:
        k = self.k
        self.classes, self.ignore = k.integer("classes"), k.integer("ignore")
        self.logits, self.target = k.numbers_at("logits", self.dtype), k.numbers_at("target", "int64")
        self.scale = converted(k.real("scale"), self.computed)
        self.parameters = [
            converted(k.real(name), self.computed) for name in k.signature.numbers[len(NUMBERS) :]
        ]
        self.exponentials = room
        # Of each of the rows together: its own logit, the largest of the others, the sum of theirs, and then its slopes.
        self.own, self.top, self.others, self.slope, self.factor, self.own_curvature = (
            k.local(LANES, self.of_row) for _ in range(6)
        )
        rows, fits, step = k.integer("rows"), in_block(self.classes), self.together(self.classes)
        of_blocks = k.left("float64")

        def block(i: Lanes) -> list[Lanes]:
            low = i * fits
            high = smaller(low + fits, rows)
            high_sum, low_sum = k.loop(
                low,
                high,
                step,
                [k.number(0.0), k.number(0.0)],
                lambda row, *so_far: self.group(row, smaller(step, high - row), so_far),
            )
            sums.keep(of_blocks, i, (high_sum, low_sum))
            return []

        k.loop(first, last, 1, [], block)

    def group(self, row: Lanes, count: Lanes, so_far: tuple[Lanes, ...]) -> list[Lanes]:
        """`count` rows from `row` on, and the sum with their loss."""
        k = self.k
        k.loop(k.whole(0), count, 1, [], lambda i: self.look(row, i))
        value = self.judge(row, count)
        if self.wants & CURVATURE:
            k.loop(k.whole(0), count, 1, [], lambda i: self.curve(row, i))
        if self.wants & GRADIENT:
            k.loop(k.whole(0), count, 1, [], lambda i: self.descend(row, i))
        total = folded(converted(value, F64), lambda a, b: a + b)
        high, lost = sums.two_sum(so_far[0], total)
        return [high, so_far[1] + lost]

    def own_class(self, row: Lanes) -> Lanes:
        """The class of a row; of one that is ignored, any that there is."""
        t = self.target.one(row)
        return where(t == self.ignore, self.k.whole(0), t)

    def kept_of(self, row: Lanes, i: Lanes) -> Array | None:
        """Where the exponentials of the i-th of the rows are kept."""
        if not self.kept:
            return None
        if self.in_place:
            return self.k.numbers_at("gradient", self.dtype).from_(row * self.classes)
        assert self.exponentials is not None
        return self.exponentials.from_(i * self.classes)

    def look(self, first: Lanes, i: Lanes) -> list[Lanes]:
        """One row's own logit, the largest of the others, and the sum of exp(others - largest)."""
        k, row = self.k, first + i
        t, z = self.own_class(row), self.logits.from_(row * self.classes)

        def larger(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            x = z.load(at, mask)
            seen = ~is_at(k, at, t) if mask is None else mask & ~is_at(k, at, t)
            return [where((x > carried[0]) & seen, x, carried[0])]  # of NaN, the exponentials will tell

        largest = lambda a, b: where(a > b, a, b)
        groups = k.across(k.whole(0), self.classes, [k.many(-math.inf, self.computed)], larger)
        (a,), (b,), (c,), (d,) = groups
        top = folded(largest(largest(a, b), largest(c, d)), largest)
        top = where(top == -math.inf, 0.0, top)  # -inf - -inf would be NaN
        tops, kept = in_lanes(top), self.kept_of(row, i)

        def exponential(at: Lanes, mask: Lanes | None) -> Lanes:
            x = z.load(at, mask)
            # What equals an infinite top has a share, too: all of it, or an equal one.
            e = exp_nonpositive(where(x == tops, 0.0, x - tops))
            e = where(is_at(k, at, t), 0.0, e)
            if kept is not None:
                kept.store(at, e, mask)
            return e

        others = row_sum(k, self.classes, self.computed, exponential)
        self.own.put(i, z.one(t))
        self.top.put(i, top)
        self.others.put(i, converted(others, self.computed))
        return []

    def judge(self, row: Lanes, count: Lanes) -> Lanes:
        """The formula of all rows together, a row in each lane: their weighed values, 0 of those that are not there."""
        k = self.k
        rows_here = places(k.builder, I64) < in_lanes(count)
        own, top, others = (each.load(0) for each in (self.own, self.top, self.others))
        margin = log(others) + (top - own)
        if self.wants & CURVATURE:
            value, slope, own_curvature = self.formula["order2"](margin, *self.parameters)
        elif self.wants & GRADIENT:
            value, slope = self.formula["order1"](margin, *self.parameters)
        else:
            value = self.formula["order0"](margin, *self.parameters)
        t = self.target.load(row, rows_here)
        there = rows_here & (t != self.ignore)
        weight: Any = k.many(1.0, self.computed)
        if self.wants & WEIGHTED:
            weight = weight * k.numbers_at("weight", self.of_row).load(row, there)
        if self.wants & CLASS_WEIGHTED:
            weight = weight * k.numbers_at("class_weight", self.of_row).gather(t, there)
        there = there & (weight != 0.0)
        lift = lambda each: in_lanes(each) if isinstance(each, Lanes) else margin.constant(each)
        value = where(there, lift(value) * weight, 0.0)
        if self.wants & VALUES:
            k.numbers_at("values", self.of_row).store(row, value, rows_here)
        if self.wants & GRADIENT:
            slope = where(there, lift(slope) * weight * self.scale, 0.0)
            self.slope.store(0, slope)
            # Of no other class with a share: 0/1, not 0/0.
            self.factor.store(0, slope / where(others == 0.0, 1.0, others))
        if self.wants & CURVATURE:
            self.own_curvature.store(0, where(there, lift(own_curvature) * weight * self.scale, 0.0))
            self.top.store(0, where(there, margin.constant(1.0), 0.0))
        return value

    def descend(self, first: Lanes, i: Lanes) -> list[Lanes]:
        """One row's gradient, of its exponentials."""
        k, row = self.k, first + i
        gradient, kept = k.numbers_at("gradient", self.dtype).from_(row * self.classes), self.kept_of(row, i)
        assert kept is not None
        factor, slope = in_lanes(self.factor.one(i)), self.slope.one(i)
        none = in_lanes(slope) == 0.0  # of a row that is not there, whatever stands in it

        def step(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
            gradient.store(at, where(none, 0.0, kept.load(at, mask) * factor), mask)
            return []

        k.across(k.whole(0), self.classes, [], step)
        gradient.put(self.own_class(row), 0.0 - slope)
        return []

    def curve(self, first: Lanes, i: Lanes) -> list[Lanes]:
        """One row's diagonal of the Hessian: l'' q^2 + l' q (1 - q) of another class with the share q = e/sum of e, and l''
        of the row's own. 1 - q of the leader, whose e is 1, is the share of the rest, added up without it."""
        k, row = self.k, first + i
        t, e = self.own_class(row), self.kept_of(row, i)
        assert e is not None
        out = k.numbers_at("curvature", self.dtype).from_(row * self.classes)
        slope, own_curvature, others, there = (
            in_lanes(each.one(i)) for each in (self.slope, self.own_curvature, self.others, self.top)
        )
        others = where(others == 0.0, 1.0, others)
        nowhere = k.many(2**62, I64)

        def leading(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            here = places(k.builder, I64) + at
            found = (e.load(at, mask) == 1.0) & (here < carried[0])
            return [where(found if mask is None else found & mask, here, carried[0])]

        least = lambda a, b: where(a < b, a, b)
        (a,), (b,), (c,), (d,) = k.across(k.whole(0), self.classes, [nowhere], leading)
        leader = folded(least(least(a, b), least(c, d)), least)

        def but_leader(at: Lanes, mask: Lanes | None) -> Lanes:
            return where(places(k.builder, I64) + at == leader, 0.0, e.load(at, mask))

        rest = in_lanes(converted(row_sum(k, self.classes, self.computed, but_leader), self.computed))

        def step(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
            q = e.load(at, mask) / others
            left = where(places(k.builder, I64) + at == leader, rest / others, 1.0 - q)
            found = own_curvature * q * q + slope * q * left
            out.store(at, where(there == 0.0, 0.0, found), mask)
            return []

        k.across(k.whole(0), self.classes, [], step)
        out.put(t, self.own_curvature.one(i))
        return []

"""The softmax loop for rows judged by probabilities, or by a class that is smoothed: every class has a share of its row's loss.

    p_c     the share of class c: its probability (or 1 of the row's class), smoothed, times class_weight_c
    m_c     = log(sum of exp(z_j) over the other classes j) - z_c
    loss    weight sum_c p_c l(m_c)

As for rows of one class, no class's own logit enters the sum that it is compared with. All is relative to the leader k, the
class of the largest logit, and the runner-up, that of the largest of the rest: e_c = exp(z_c - z_runner_up), 0 of the
leader; x = exp(z_runner_up - z_k); others of c in units of exp(z_k): 1 + x (sum of e - e_c).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from losscope.engine.arrays import STORED, Array
from losscope.engine.function import smaller
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import (
    F64,
    I32,
    I64,
    Lanes,
    any_of,
    converted,
    folded,
    in_lanes,
    places,
    where,
    widened,
)
from losscope.kernels.loops import softmax, sums
from losscope.kernels.loops.rows import in_block, is_at, survey
from losscope.kernels.primitives.exponential import exp_nonpositive
from losscope.kernels.primitives.logarithm import log, log1p

GRADIENT, CURVATURE, VALUES, WEIGHTED, CLASS_WEIGHTED, BY_CLASS = (1 << i for i in range(6))

WHOLE = (
    "logits", "target", "probabilities", "weight", "class_weight", "values", "gradient", "curvature", "result", "rows",
    "classes", "ignore", "mean",
)  # fmt: skip
NUMBERS = ("scale", "smoothing")
KEPT = ("share", "exponential", "slope", "curvature")  # of each class of the row at hand


def signature(parameters: tuple[str, ...]) -> Signature:
    """The words of a call.

    logits, probabilities, gradient, curvature: (rows, classes) in the dtype of the kernel; target: (rows,) int64
    weight, values: (rows,), class_weight: (classes,), in the dtype that is computed in
    result: one number, the scaled sum; mean: whether the scale is divided by the summed weight (of rows of probabilities
    that of the rows alone, as in PyTorch)
    """
    return Signature(WHOLE, (*NUMBERS, *(f"parameter {name}" for name in parameters)))


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> Kernel:
    """The loop of a loss: `formula` has its functions `order0..2` of the margin, over lanes and over single numbers."""
    k = Kernel(name, signature(parameters))
    by_class = bool(wants & BY_CLASS)
    wrong, weighs = survey(
        k,
        dtype,
        weighted=bool(wants & WEIGHTED),
        class_weighted=bool(wants & CLASS_WEIGHTED) and by_class,
        by_class=by_class,
    )
    softmax.begin(k, wrong, weighs)
    loop = Loop(k, formula, dtype, wants)
    softmax.finish(k, wrong, dtype, loop.blocks, loop.room)
    return k


@dataclass
class Row:
    """What is known of the row at hand."""

    logits: Array
    leader: Lanes
    runner_up: Lanes
    top: Lanes  # the logit of the leader
    second: Lanes  # that of the runner-up; for -inf another number that is not above the top
    x: Lanes  # exp(second - top)
    beyond: Lanes  # the sum of e of all but leader and runner-up, in double precision
    rest: Lanes  # with the runner-up's

    @property
    def alone(self) -> Lanes:
        """Whether there is no class but the leader."""
        return (self.runner_up == self.leader) & (self.top > -math.inf)


class Loop:
    """Rows of logits, one at a time, in passes over its classes."""

    def __init__(self, k: Kernel, formula: Mapping[str, Callable[..., Any]], dtype: str, wants: int):
        self.k, self.formula, self.dtype, self.wants = k, formula, dtype, wants
        self.computed, self.of_row = STORED[dtype].computed, STORED[dtype].computed_name
        self.at_once = bool(formula["OF_LOGSUMEXP"]) and not wants & CURVATURE

    @contextmanager
    def room(self) -> Any:
        """A thread's own memory, a number of each kind for every class."""
        with ExitStack() as stack:
            classes = self.k.integer("classes")
            yield {name: stack.enter_context(self.k.room(classes, self.of_row)) for name in KEPT}

    def blocks(self, first: Lanes, last: Lanes, room: dict[str, Array]) -> None:
        k = self.k
        self.share, self.e, self.slope, self.own_curvature = (room[name] for name in KEPT)
        self.classes, rows = k.integer("classes"), k.integer("rows")
        self.scale, self.smoothing = (
            converted(k.real(each), self.computed) for each in ("scale", "smoothing")
        )
        self.parameters = [
            converted(k.real(name), self.computed) for name in k.signature.numbers[len(NUMBERS) :]
        ]
        self.gradient, self.curvature = (
            k.numbers_at(each, self.dtype) if self.wants & wanted else None
            for each, wanted in (("gradient", GRADIENT), ("curvature", CURVATURE))
        )
        fits, of_blocks = in_block(self.classes), k.left("float64")

        def block(i: Lanes) -> list[Lanes]:
            low = i * fits
            zero = k.number(0.0)
            found = k.loop(low, smaller(low + fits, rows), 1, [zero, zero], self.row)
            sums.keep(of_blocks, i, (found[0], found[1]))
            return []

        k.loop(first, last, 1, [], block)

    def row(self, row: Lanes, high: Lanes, low: Lanes) -> list[Lanes]:
        """One row, and the sum with its loss."""
        k = self.k
        weight = k.number(1.0, self.computed)
        if self.wants & WEIGHTED:
            weight = k.numbers_at("weight", self.of_row).one(row)
        there = weight != 0.0
        if self.wants & BY_CLASS:
            there = there & (k.numbers_at("target", "int64").one(row) != k.integer("ignore"))
        (value,) = k.choose(there, lambda: [self.loss(row, weight)], lambda: [self.absent(row)])
        if self.wants & VALUES:
            k.numbers_at("values", self.of_row).put(row, value)
        total, lost = sums.two_sum(high, converted(value, F64))
        return [total, low + lost]

    def absent(self, row: Lanes) -> Lanes:
        """A row that counts nothing."""
        zeros = self.k.many(0.0, self.computed)
        for out in (self.gradient, self.curvature):
            if out is not None:
                clear = partial(out.from_(row * self.classes).store, numbers=zeros)
                self.through(lambda at, mask, clear=clear: clear(at, mask=mask))  # type: ignore[misc]
        return self.k.number(0.0, self.computed)

    def loss(self, row: Lanes, weight: Lanes) -> Lanes:
        """One row's weighed loss; its derivatives are written."""
        shared = self.shares(row)

        def shared_loss() -> list[Lanes]:
            found = self.look(self.k.numbers_at("logits", self.dtype).from_(row * self.classes))
            each = self.of_logsumexp if self.at_once else self.of_each_class
            return [converted(each(found, row, self.scale * weight), self.computed) * weight]

        if not self.wants & CLASS_WEIGHTED:
            return shared_loss()[0]
        return self.k.choose(shared, shared_loss, lambda: [self.absent(row)])[0]

    # -- passes

    def through(self, body: Callable[[Lanes, Lanes | None], Any]) -> None:
        """body(at, mask) for all classes, sixteen at a time."""

        def step(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
            body(at, mask)
            return []

        self.k.across(self.k.whole(0), self.classes, [], step, unrolled=1)

    def summed(
        self, *, of: Callable[[Lanes, Lanes | None], Lanes | tuple[Lanes, ...]], count: int = 1
    ) -> list[Lanes]:
        """The sums over all classes of what of(at, mask) gives, each number added in double precision."""
        k = self.k

        def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            terms = of(at, mask)
            terms = terms if isinstance(terms, tuple) else (terms,)
            terms = tuple(converted(each if mask is None else where(mask, each, 0.0), F64) for each in terms)
            return [so_far + each for so_far, each in zip(carried, terms, strict=True)]

        (found,) = k.across(k.whole(0), self.classes, [k.many(0.0)] * count, step, unrolled=1)
        return [folded(each, lambda a, b: a + b) for each in found]

    def shares(self, row: Lanes) -> Lanes:
        """What each class has of the row's loss; whether one has any (NaN is some)."""
        k, share = self.k, self.share
        each = self.smoothing / converted(self.classes, self.computed)
        kept = 1.0 - self.smoothing
        of_class = k.numbers_at("class_weight", self.of_row) if self.wants & CLASS_WEIGHTED else None
        own: Any = k.numbers_at("target", "int64").one(row) if self.wants & BY_CLASS else None
        given = (
            None if own is not None else k.numbers_at("probabilities", self.dtype).from_(row * self.classes)
        )

        def body(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            if given is None:
                p = where(is_at(k, at, own), in_lanes(each + kept), in_lanes(each))
            else:
                p = given.load(at, mask) * kept + each
            if of_class is not None:
                p = p * of_class.load(at, mask)
            share.store(at, p, mask)
            some = p != 0.0 if mask is None else (p != 0.0) & mask
            return [carried[0] | widened(some, I32)]

        ((some,),) = k.across(k.whole(0), self.classes, [k.many(0, I32)], body, unrolled=1)
        return any_of(some != 0)

    def largest(self, z: Array, but: Lanes | None, otherwise: Lanes) -> Lanes:
        """The first place of the largest of a row, but for one place; `otherwise` where all is -inf or NaN."""
        k = self.k

        def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            x = z.load(at, mask)
            seen = x > carried[0]
            for condition in (mask, None if but is None else ~is_at(k, at, but)):
                seen = seen if condition is None else seen & condition
            return [where(seen, x, carried[0]), where(seen, places(k.builder, I64) + at, carried[1])]

        start = [k.many(-math.inf, self.computed), in_lanes(otherwise)]
        ((best, place),) = k.across(k.whole(0), self.classes, start, step, unrolled=1)
        top = folded(best, lambda a, b: where(a > b, a, b))
        return folded(where(best == top, place, 2**62), lambda a, b: where(a < b, a, b))

    def look(self, z: Array) -> Row:
        """Leader and runner-up of a row, and the exponentials of the others."""
        k, zero = self.k, self.k.whole(0)
        leader = self.largest(z, None, zero)
        second_place = where((leader == 0) & (self.classes > 1), k.whole(1), zero)
        runner_up = self.largest(z, leader, second_place)
        top, second = z.one(leader), z.one(runner_up)
        # -inf - -inf would be NaN; and exp(second - top) has to be one of a number that is not positive.
        second = where(second == -math.inf, where((top < 0.0) & (top > -math.inf), top, 0.0), second)
        x = exp_nonpositive(where(second == top, 0.0, second - top))  # 1 of two that are infinite

        def body(at: Lanes, mask: Lanes | None) -> Lanes:
            logit = z.load(at, mask)
            e = exp_nonpositive(where(logit == second, 0.0, logit - second))
            e = where(is_at(k, at, leader), 0.0, e)
            self.e.store(at, e, mask)
            return where(is_at(k, at, runner_up), 0.0, e)

        (beyond,) = self.summed(of=body)
        return Row(
            z, leader, runner_up, top, second, x, beyond, beyond + converted(self.e.one(runner_up), F64)
        )

    def of_logsumexp(self, r: Row, row: Lanes, factor: Lanes) -> Lanes:
        """A row's loss where the formula of a margin is log(1 + exp(margin)), and so that of a class logsumexp(z) - z_c:
        one logarithm for all classes, and no term that cancels."""
        k, single = self.k, lambda number: converted(number, self.computed)
        of_leader = self.share.one(r.leader)

        def apart(at: Lanes, mask: Lanes | None) -> tuple[Lanes, Lanes]:
            p, z = self.share.load(at, mask), r.logits.load(at, mask)
            others = ~is_at(k, at, r.leader)
            # A class without a share says nothing, be its logit -inf.
            silent = (p == 0.0) & (z == z)
            return where(silent | ~others, 0.0, p * (r.top - z)), where(others, p, 0.0)

        below, of_others = self.summed(of=apart, count=2)
        # Of an infinite leader 0, if no other is, as where it is alone; of two it is anything, NaN.
        tied = (r.second == r.top) & (of_leader != 0.0) & ~r.alone
        below = below + converted(where(tied, of_leader * (r.second - r.top), 0.0), F64)
        near, of_others = r.x * single(r.rest), single(of_others)
        if self.gradient is not None:
            g = self.gradient.from_(row * self.classes)
            slope = where(below == below, factor / (1.0 + near), math.nan)
            together, in_sum, beyond = of_others + of_leader, single(r.rest), single(r.beyond)

            def body(at: Lanes, mask: Lanes | None) -> None:
                p, e = self.share.load(at, mask), self.e.load(at, mask)
                # Without the leader, the runner-up's others may be as good as nothing.
                rest = where(is_at(k, at, r.runner_up), beyond, in_sum - e)
                g.store(at, slope * (r.x * e * (together - p) - p * (1.0 + r.x * rest)), mask)

            self.through(body)
            g.put(r.leader, slope * (of_others - of_leader * near))
        return converted(of_others + of_leader, F64) * converted(log1p(near), F64) + below

    def of_each_class(self, r: Row, row: Lanes, factor: Lanes) -> Lanes:
        """A row's loss by the margin of each class."""
        k, single = self.k, lambda number: converted(number, self.computed)
        of_leader = log(single(r.rest)) + where(r.alone, 0.0, r.second - r.top)
        order = "order2" if self.wants & CURVATURE else "order1" if self.wants & GRADIENT else "order0"

        def near(at: Lanes, mask: Lanes | None) -> Lanes:
            return r.x * converted(r.rest - converted(self.e.load(at, mask), F64), self.computed)

        def judge(at: Lanes, mask: Lanes | None) -> Lanes:
            p, z = self.share.load(at, mask), r.logits.load(at, mask)
            margin = where(is_at(k, at, r.leader), of_leader, log1p(near(at, mask)) + (r.top - z))
            found = self.formula[order](margin, *self.parameters)
            found = found if isinstance(found, tuple) else (found,)
            silent = (p == 0.0) & (z == z)
            terms = [where(silent, 0.0, p * each) for each in found]
            for out, each in zip((self.slope, self.own_curvature), terms[1:], strict=False):
                out.store(at, each, mask)
            return terms[0]

        (value,) = self.summed(of=judge)
        rest = where(r.rest == 0.0, 1.0, r.rest)  # no other class has a share: 0/1, not 0/0
        if self.gradient is not None:
            leader_slope = self.slope.one(r.leader)
            self.slope.put(r.leader, k.number(0.0, self.computed))

            def divided(at: Lanes, mask: Lanes | None) -> Lanes:
                return self.slope.load(at, mask) / (1.0 + near(at, mask))

            (all_slopes,) = self.summed(of=divided)
            of_leader_slope = leader_slope / single(rest)
            g = self.gradient.from_(row * self.classes)

            def descend(at: Lanes, mask: Lanes | None) -> None:
                others = converted(all_slopes - converted(divided(at, mask), F64), self.computed)
                share = r.x * others + of_leader_slope
                g.store(at, factor * (self.e.load(at, mask) * share - self.slope.load(at, mask)), mask)

            self.through(descend)
            g.put(r.leader, factor * (single(all_slopes) - leader_slope))
            if self.curvature is not None:
                self.curve(r, row, factor, near, all_slopes, leader_slope, rest)
        return value

    def curve(
        self,
        r: Row,
        row: Lanes,
        factor: Lanes,
        near: Callable[..., Lanes],
        all_slopes: Lanes,
        leader_slope: Lanes,
        rest: Lanes,
    ) -> None:
        """The diagonal of the Hessian of one row: through each class's own margin, through those of the others, and through
        the leader's."""
        k, single = self.k, lambda number: converted(number, self.computed)
        assert self.curvature is not None
        out = self.curvature.from_(row * self.classes)
        leader_curvature = self.own_curvature.one(r.leader)

        def of_others(at: Lanes, mask: Lanes | None) -> tuple[Lanes, Lanes]:
            own_curvature, slope, n = (
                self.own_curvature.load(at, mask),
                self.slope.load(at, mask),
                near(at, mask),
            )
            o, others = 1.0 + n, ~is_at(k, at, r.leader)
            return where(others, (own_curvature - slope) / (o * o), 0.0), where(
                others, (own_curvature + slope * n) / (o * o), 0.0
            )

        together, of_leader = self.summed(of=of_others, count=2)

        def body(at: Lanes, mask: Lanes | None) -> None:
            own_curvature, slope, e = (
                each.load(at, mask) for each in (self.own_curvature, self.slope, self.e)
            )
            o = 1.0 + near(at, mask)
            others = converted(all_slopes - converted(slope / o, F64), self.computed)
            squares = converted(together - converted((own_curvature - slope) / (o * o), F64), self.computed)
            q = r.x * e
            through_others = others * q + squares * q * q
            q = e / single(rest)
            left = where(is_at(k, at, r.runner_up), single(r.beyond / rest), 1.0 - q)
            through_leader = leader_curvature * q * q + leader_slope * q * left
            out.store(at, factor * (own_curvature + through_others + through_leader), mask)

        self.through(body)
        out.put(r.leader, factor * (single(of_leader) + leader_curvature))

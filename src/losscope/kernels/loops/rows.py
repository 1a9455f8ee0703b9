"""What the loops over rows of logits share: which rows count and what they weigh, and sums along a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from losscope.engine.arrays import STORED
from losscope.engine.function import smaller
from losscope.engine.kernel import Kernel
from losscope.engine.lanes import F64, I32, I64, Lanes, converted, folded, in_lanes, places, where
from losscope.kernels.loops import sums

ELEMENTS = 16384  # a block holds as many rows as make about this many logits
CHUNK = 2048  # numbers of a row that are added in lanes of their own dtype before they join a sum in double precision


def in_block(classes: Lanes) -> Lanes:
    """How many rows make a block."""
    fits = classes.constant(ELEMENTS) // classes
    return where(fits < 1, classes.constant(1), fits)


def run_blocks(
    k: Kernel,
    rows: Lanes,
    width: Lanes,
    dtype: str,
    blocks_of: Callable[..., None],
    room: Callable[[], Any] | None = None,
) -> None:
    """Run the blocks of rows of so many numbers each, add their sums, write the scaled sum where it is wanted, and end."""
    fits = in_block(width)
    blocks = (rows + fits - 1) // fits
    with k.room(blocks * 2, "float64") as of_blocks:
        k.leave(of_blocks)
        k.parallel(blocks, blocks_of, room)
        total = sums.of_blocks(k, of_blocks, blocks)
    k.set("sum", total)
    result = converted(total * k.real("scale"), STORED[dtype].computed)
    k.when(~k.is_absent("result"), lambda: k.numbers_at("result", dtype).put(0, result))
    k.finish()


def each_row(k: Kernel, first: Lanes, last: Lanes, width: Lanes, value_of: Callable[[Lanes], Lanes]) -> None:
    """Go through the rows of blocks first..last one by one; of each block, the sum of value_of(row) is kept."""
    rows, fits, of_blocks = k.integer("rows"), in_block(width), k.left("float64")

    def row(i: Lanes, high: Lanes, low: Lanes) -> list[Lanes]:
        high, lost = sums.two_sum(high, converted(value_of(i), F64))
        return [high, low + lost]

    def block(i: Lanes) -> list[Lanes]:
        low = i * fits
        high_sum, low_sum = k.loop(low, smaller(low + fits, rows), 1, [k.number(0.0), k.number(0.0)], row)
        sums.keep(of_blocks, i, (high_sum, low_sum))
        return []

    k.loop(first, last, 1, [], block)


def one_of_row(k: Kernel, name: str, stored: str, row: Lanes, otherwise: float) -> Lanes:
    """A row's own number of the array that a word is the address of; of an absent array, another."""
    element = STORED[stored].computed
    present, absent = (
        (lambda: [k.numbers_at(name, stored).one(row)]),
        (lambda: [k.number(otherwise, element)]),
    )
    return k.choose(k.is_absent(name), absent, present)[0]


def survey(
    k: Kernel, dtype: str, *, weighted: bool, class_weighted: bool, by_class: bool
) -> tuple[Lanes, Lanes]:
    """The first row whose class is none (-1: there is none), and the summed weight of the rows that count: what a mean is
    over. Of rows of probabilities (not `by_class`) all count, each by its own weight."""
    rows, classes, ignore = k.integer("rows"), k.integer("classes"), k.integer("ignore")
    of_row = STORED[dtype].computed_name
    weight = k.numbers_at("weight", of_row) if weighted else None
    of_class = k.numbers_at("class_weight", of_row) if class_weighted else None
    target = k.numbers_at("target", "int64") if by_class else None
    nowhere = k.many(2**62, I64)

    def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
        wrong_row, *so_far = carried
        weighs: Any = k.many(1.0, F64)
        if target is not None:
            t = target.load(at, mask)
            counts = t != ignore
            wrong = counts & ((t < 0) | (t >= classes))
            if mask is not None:
                wrong = wrong & mask
            here = places(k.builder, I64) + at
            wrong_row = where(wrong, where(here < wrong_row, here, wrong_row), wrong_row)
            if of_class is not None:
                known = counts & ~wrong if mask is None else counts & ~wrong & mask
                weighs = converted(of_class.gather(t, known), F64)
            weighs = where(counts, weighs, 0.0)
        if weight is not None:
            of_rows = converted(weight.load(at, mask), F64)
            weighs = where(weighs == 0.0, 0.0, weighs * of_rows)
        return [wrong_row, *sums.add(so_far, weighs, mask)]

    groups = k.across(k.whole(0), rows, [nowhere, *sums.start(k, F64)], step, unrolled=2)
    least = folded(_least(groups[0][0], groups[1][0]), _least)
    high, low = sums.total([each[1:] for each in groups])
    return where(least == 2**62, k.whole(-1), least), where(low == low, high + low, high)


def _least(a: Lanes, b: Lanes) -> Lanes:
    return where(a < b, a, b)


def row_sum(k: Kernel, count: Lanes, element: Any, term: Callable[[Lanes, Lanes | None], Lanes]) -> Lanes:
    """The sum of term(at, mask) over `count` numbers, in double precision: added in lanes of `element`, in chunks."""

    def chunk(low: Lanes, so_far: Lanes) -> list[Lanes]:
        def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            x = term(at, mask)
            return [carried[0] + (x if mask is None else where(mask, x, 0.0))]

        groups = k.across(low, smaller(low + CHUNK, count), [k.many(0.0, element)], step)
        one, two = (converted(a[0] + b[0], F64) for a, b in ((groups[0], groups[1]), (groups[2], groups[3])))
        return [so_far + folded(one + two, lambda a, b: a + b)]

    return k.loop(k.whole(0), count, CHUNK, [k.number(0.0)], chunk)[0]


def is_at(k: Kernel, at: Lanes, place: Lanes) -> Lanes:
    """In which of the sixteen lanes from `at` on a place lies."""
    apart = converted(place - at, I32)
    return places(k.builder) == in_lanes(apart)

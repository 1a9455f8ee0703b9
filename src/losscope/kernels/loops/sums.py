"""Sums whose order is written down: the same bits for any number of threads, on every processor.

Numbers of float32 are added in lanes, some 32 a lane, and those sums in double precision. Of float64 each addition's own
error is kept and added in the end, so that the sum is that of the given numbers, rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence

from losscope.engine.arrays import Array
from losscope.engine.kernel import Kernel
from losscope.engine.lanes import F32, F64, Lanes, converted, halved, where

Pair = tuple[Lanes, Lanes]  # a sum, and what its additions have rounded off


def two_sum(a: Lanes, b: Lanes) -> Pair:
    """a + b rounded, and what was rounded off, exactly (D. E. Knuth, TAOCP 2, 4.2.2)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def start(k: Kernel, element: object) -> list[Lanes]:
    """What a step carries before anything is added."""
    return [k.many(0.0, element)] * (1 if element == F32 else 2)


def add(carried: Sequence[Lanes], value: Lanes, mask: Lanes | None) -> list[Lanes]:
    """The sums with one more number in each lane; where the mask does not hold, without."""
    if mask is not None:
        value = where(mask, value, 0.0)
    if len(carried) == 1:
        return [carried[0] + value]
    total, lost = two_sum(carried[0], value)
    return [total, carried[1] + lost]


def total(groups: Sequence[Sequence[Lanes]]) -> Pair:
    """One sum of all lanes of all groups of `Function.across`, in double precision, and what it has rounded off."""
    pairs = []
    for group in groups:
        high = converted(group[0], F64)
        pairs.append((high, group[1] if len(group) > 1 else high.constant(0.0)))
    while len(pairs) > 1:
        pairs = [_joined(one, two) for one, two in zip(pairs[::2], pairs[1::2], strict=True)]
    (high, low) = pairs[0]
    while high.width:
        (a, b), (c, d) = halved(high), halved(low)
        high, low = _joined((a, c), (b, d))
    return high, low


def _joined(one: Pair, two: Pair) -> Pair:
    high, lost = two_sum(one[0], two[0])
    return high, (one[1] + two[1]) + lost


def keep(sums: Array, block: Lanes, of_block: Pair) -> None:
    """Leave a block's sum where `of_blocks` finds it."""
    high, low = of_block
    sums.put(block * 2, high)
    sums.put(block * 2 + 1, low)


def of_blocks(k: Kernel, sums: Array, blocks: Lanes) -> Lanes:
    """The sum of what all blocks have left, one after the other."""
    zero = k.number(0.0)
    high, low = k.loop(
        k.whole(0), blocks, 1, [zero, zero], lambda i, *so_far: _joined((so_far[0], so_far[1]), (sums.one(i * 2), sums.one(i * 2 + 1)))
    )
    # What an infinite sum has rounded off is NaN.
    return where(low == low, high + low, high)

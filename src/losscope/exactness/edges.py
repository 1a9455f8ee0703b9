"""Where a computed number ends: the edges between ordinary results, zeros, and what is no finite number.

A form may overflow before the truth does, in a range that points drawn at random hardly meet. Between a point where it
gives a number and one where it gives none there is an edge, and halving finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy

from losscope.exactness.places import floor
from losscope.exactness.samples import NAMED

PAIRS = 4  # of points with an edge of one sort between them, for each argument and each of the results
KINDS = 4  # of a result: ordinary, as good as zero, infinite, none
HALVINGS = 16  # leaves 1/128 of a power of two between float32s of the same sign, 1/16 between float64s

At = Mapping[str, numpy.ndarray]


def between(domain: str) -> bool:
    """Whether a domain holds what is between two of its numbers."""
    return domain not in NAMED


def edges(
    compute: Callable[..., Any], at: At, moving: Sequence[str], sorts: numpy.ndarray
) -> dict[str, numpy.ndarray]:
    """Points on both sides of edges that lie along one of the moving arguments, the others as they are at some point: as
    often at points of each sort (0, 1 ...) as at those of every other, and of edges between each two kinds of result."""
    rng, here = numpy.random.default_rng(0), _kinds(compute, at)
    rows: list[int] = []
    places: list[tuple[str, int, float]] = []
    for name in moving:
        other = at[name][rng.permutation(here.shape[1])]
        there = _kinds(compute, {**at, name: other})
        for order, (one, another) in enumerate(zip(here, there, strict=True)):
            sort = numpy.where(one != another, 1 + one + KINDS * (another + KINDS * sorts), 0)
            of_each = [numpy.flatnonzero(sort == each)[:PAIRS] for each in numpy.unique(sort[sort > 0])]
            for row in chain.from_iterable(of_each):
                rows.append(int(row))
                places.append((name, order, other[row]))
    found = {name: numbers[rows] for name, numbers in at.items()}
    if not rows:
        return found
    kind = here[[order for _, order, _ in places], rows]
    low = _ordinal(numpy.array([at[name][row] for (name, _, _), row in zip(places, rows, strict=True)]))
    high = _ordinal(numpy.array([end for _, _, end in places], at[places[0][0]].dtype))
    orders, pair = [order for _, order, _ in places], numpy.arange(len(rows))
    moved = {name: numpy.array([each == name for each, _, _ in places]) for name in moving}

    def placed(where: numpy.ndarray) -> dict[str, numpy.ndarray]:
        numbers = _number(where, found[moving[0]].dtype)
        return found | {name: numpy.where(moved[name], numbers, found[name]) for name in moving}

    for _ in range(HALVINGS):
        middle = (low >> 1) + (high >> 1)
        same = _kinds(compute, placed(middle))[orders, pair] == kind
        low, high = numpy.where(same, middle, low), numpy.where(same, high, middle)
    sides = placed(low), placed(high)
    return {name: numpy.concatenate([side[name] for side in sides]) for name in at}


def _kinds(compute: Callable[..., Any], at: At) -> numpy.ndarray:
    """Of each result at each point: an ordinary number, one as good as zero, infinity, or none."""
    with numpy.errstate(all="ignore"):
        results = compute(*at.values())
    count = len(next(iter(at.values())))
    each = [
        numpy.broadcast_to(result, count)
        for result in (results if isinstance(results, tuple) else (results,))
    ]
    nothing = floor(next(iter(at.values())).dtype)
    return numpy.array(
        [numpy.where(numpy.isfinite(x), numpy.abs(x) < nothing, 2 + numpy.isnan(x)) for x in each]
    )


def _ordinal(x: numpy.ndarray) -> numpy.ndarray:
    """Which number of its dtype each is, counted from 0 up and down."""
    bits = x.view(f"int{8 * x.itemsize}").astype("int64")
    lowest = numpy.int64(-(2 ** (8 * x.itemsize - 1)))
    return numpy.where(bits < 0, lowest - bits, bits)


def _number(ordinal: numpy.ndarray, dtype: numpy.dtype) -> numpy.ndarray:
    lowest = numpy.int64(-(2 ** (8 * dtype.itemsize - 1)))
    bits = numpy.where(ordinal < 0, lowest - ordinal, ordinal)
    return bits.astype(f"int{8 * dtype.itemsize}").view(dtype)

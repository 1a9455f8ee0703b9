"""Labels along an edge: as near to where they belong as they can be without overlapping."""

from __future__ import annotations

from collections.abc import Sequence


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float] | None:
    """Centres for labels of the given heights, inside [low, high], none overlapping, in the order of
    `wanted`.

    Minimises the sum of squared moves (pool adjacent violators). None where they do not fit at all.

    >>> spread([5.0, 5.0, 20.0], [4.0, 4.0, 4.0], 0.0, 30.0)
    [3.0, 7.0, 20.0]
    >>> spread([1.0, 1.0], [4.0, 4.0], 0.0, 6.0) is None
    True
    """
    if sum(heights) > high - low + 1e-9:
        return None
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    # Without gaps between the labels the problem is to keep their lower edges, less all that lies below,
    # ascending.
    pools: list[tuple[float, list[int]]] = []  # (mean offset, members)
    offsets: dict[int, float] = {}
    below = 0.0
    for index in order:
        offsets[index] = below
        pools.append((wanted[index] - heights[index] / 2 - below, [index]))
        below += heights[index]
        while len(pools) > 1 and pools[-1][0] <= pools[-2][0]:
            (later, tail), (earlier, head) = pools.pop(), pools.pop()
            mean = (later * len(tail) + earlier * len(head)) / (len(tail) + len(head))
            pools.append((mean, head + tail))
    centres = [0.0] * len(wanted)
    for start, members in pools:
        # Clipping the pooled solution to the bounds is the exact bounded one: the problem is
        # one-dimensional isotonic.
        start = min(max(start, low), high - below)
        for index in members:
            centres[index] = start + offsets[index] + heights[index] / 2
    return centres

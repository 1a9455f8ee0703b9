"""Fewer points, the same picture: what a screen cannot show is left out before it becomes megabytes of
SVG.
"""

from __future__ import annotations

import numpy as np

LINE_POINTS = 2000
SCATTER_POINTS = 3000


def line_indices(*curves: np.ndarray, most: int = LINE_POINTS) -> np.ndarray:
    """Indices to keep of curves drawn together: in each bucket the first, the last, every minimum and
    maximum.

    Peaks and gaps (NaN) therefore survive. Returns about `most` indices, ascending; all of them if there
    are fewer.

    >>> import numpy as np
    >>> y = np.zeros(100_000); y[54_321] = 9.0
    >>> kept = line_indices(y)
    >>> len(kept) <= 2000, 54_321 in kept
    (True, True)
    """
    length = len(curves[0])
    if length <= most:
        return np.arange(length)
    keep = {0, length - 1}
    for bucket in np.array_split(np.arange(length), max(most // (3 + 2 * len(curves)), 1)):
        keep.update((int(bucket[0]), int(bucket[-1])))
        for curve in curves:
            values = curve[bucket]
            finite = np.isfinite(values)
            if not finite.all():  # one missing value stands for the gap
                keep.add(int(bucket[np.argmin(finite)]))
            if finite.any():
                keep.add(int(bucket[np.argmin(np.where(finite, values, np.inf))]))
                keep.add(int(bucket[np.argmax(np.where(finite, values, -np.inf))]))
    return np.fromiter(sorted(keep), dtype=np.int64)


def scatter_indices(x: np.ndarray, y: np.ndarray, most: int = SCATTER_POINTS) -> np.ndarray:
    """Indices to keep of a scatter: evenly spaced ones and the four extremes, so that the axes stay what
    they were.
    """
    if len(x) <= most:
        return np.arange(len(x))
    even = np.linspace(0, len(x) - 1, most - 4).astype(np.int64)
    extremes = [np.argmin(x), np.argmax(x), np.argmin(y), np.argmax(y)]
    return np.unique(np.concatenate([even, np.array(extremes, dtype=np.int64)]))

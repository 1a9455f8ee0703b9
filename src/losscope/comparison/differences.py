"""How large is a difference, and how sure is that? Intervals for paired differences over splits, and for shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences and half the width of its 95% interval (infinite where that is unknown)."""

    mean: float
    half: float

    @property
    def clear(self) -> bool:
        """Whether the difference is larger than its uncertainty."""
        return abs(self.mean) > self.half

    @property
    def interval(self) -> tuple[float, float]:
        return self.mean - self.half, self.mean + self.half


def over_splits(differences: np.ndarray, test_rows: int, other_rows: int) -> Difference:
    """The mean difference over random splits of the same rows.

    The splits share training rows, so their differences are not independent and their mean is less certain than the
    square root of their number says: its variance is (1/J + test/other) times that of one difference (Nadeau and
    Bengio, Inference for the generalization error, Machine Learning 52 (2003), doi:10.1023/A:1024068626366).

    >>> over_splits(np.array([1.0, 1.2, 0.8, 1.1, 0.9]), 20, 80).clear
    True
    >>> over_splits(np.array([1.0, -1.2, 0.8, -0.7, 0.9]), 20, 80).clear
    False
    """
    count = len(differences)
    mean = float(np.mean(differences))
    if count < 2:
        return Difference(mean, math.inf)
    variance = (1 / count + test_rows / other_rows) * float(np.var(differences, ddof=1))
    return Difference(mean, float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * math.sqrt(variance))


def over_rows(differences: np.ndarray, resampled: np.ndarray) -> Difference:
    """The mean difference where every split is tested on the same rows (or there is but one split).

    `differences` (splits,); `resampled` (draws,): the mean difference on test rows drawn again with replacement. The
    rows' part and the training sets' part of the variance are added.
    """
    mean = float(np.mean(differences))
    training = float(np.var(differences, ddof=1)) / len(differences) if len(differences) > 1 else 0.0
    # Few splits estimate their part badly, so the quantile is theirs where that part is the larger one.
    rows = float(np.var(resampled, ddof=1))
    freedom = (
        (training + rows) ** 2 / (training**2 / max(len(differences) - 1, 1) or math.inf) if training else 1e6
    )
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, min(max(freedom, 1), 1e6)))
    return Difference(mean, quantile * math.sqrt(training + rows))


def of_share(share: float, rows: int) -> tuple[float, float]:
    """The exact binomial interval of a share of rows (Clopper and Pearson, The use of confidence or fiducial limits,
    Biometrika 26 (1934), doi:10.1093/biomet/26.4.404).

    >>> [round(bound, 3) for bound in of_share(1.0, 13)]
    [0.753, 1.0]
    """
    successes = round(share * rows)
    outside = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(outside, successes, rows - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - outside, successes + 1, rows - successes)) if successes < rows else 1.0
    return low, high

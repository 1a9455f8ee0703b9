"""How large is a difference, and how sure is that? Intervals for paired differences over splits, and for shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, chi2, t

CONFIDENCE = 0.95
# What splits differ by beyond the part of their test rows counts where chance would not give it this often.
BY_CHANCE = 0.9
MOST_BLOCKS = 20


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
    def known(self) -> bool:
        """Whether there is an uncertainty to hold it against."""
        return math.isfinite(self.half)

    @property
    def interval(self) -> tuple[float, float]:
        return self.mean - self.half, self.mean + self.half


def over_splits(
    differences: np.ndarray, left_out: np.ndarray, test_rows: int, other_rows: int, shared_test: bool = False
) -> Difference:
    """The mean difference over splits of the same rows, and how sure it is.

    `differences` (splits,); `left_out` (splits, blocks): the same with one block of the test rows left out; NaN where
    that is not known, and then neither is how sure it is.

    What one split's difference varies by has two parts. That of the test rows is taken from the rows themselves (a
    jackknife over blocks), of which there are many; what the splits differ by beyond it and beyond chance, from the
    splits, of which there are few: the quantile is Student's, its degrees of freedom those of the two parts together (Satterthwaite). The
    splits share training rows, so their mean is less certain than the square root of their number says: its variance is
    (1/J + test/other) times their sample variance (Nadeau and Bengio, Inference for the generalization error, Machine
    Learning 52 (2003), doi:10.1023/A:1024068626366), which is (rho + (1 - rho)/J) times the variance of one, their
    correlation rho being test/(test + other). Where all splits are tested on the same rows, averaging them does
    nothing to the part of the rows.

    >>> left_out = np.array([[1.01, 0.99, 1.0]] * 5) * 1.0
    >>> over_splits(np.array([1.0, 1.2, 0.8, 1.1, 0.9]), left_out, 20, 80).clear
    True
    >>> over_splits(np.array([1.0, -1.2, 0.8, -0.7, 0.9]), left_out, 20, 80).clear
    False
    """
    count, blocks = left_out.shape
    if shared_test:
        of_rows = float(np.var(left_out.mean(axis=0)) * (blocks - 1))
        between = float(np.var(differences, ddof=1)) / count if count > 1 else 0.0
        parts = ((of_rows, blocks - 1), (between, count - 1))
    else:
        alike = test_rows / (test_rows + other_rows) if count > 1 else 0.0  # the correlation of two splits
        of_rows = float(np.mean(np.var(left_out, axis=1)) * (blocks - 1))
        between = float(np.var(differences, ddof=1)) if count > 1 else 0.0
        expected = (1 - alike) * of_rows  # what correlated splits scatter by because of their test rows
        # Fewer than a dozen splits scatter widely by chance alone.
        by_chance = chi2.ppf(BY_CHANCE, count - 1) / (count - 1) if count > 1 else 1.0
        beyond = between - expected if between > by_chance * expected else 0.0
        parts = (
            ((alike + (1 - alike) / count) * of_rows, count * (blocks - 1)),
            ((1 / count + test_rows / other_rows) * beyond, count - 1),
        )
    variance = sum(part for part, _ in parts)
    if not variance > 0:
        return Difference(float(np.mean(differences)), 0.0 if variance == 0 else math.inf)
    return _within(
        differences, variance, variance**2 / sum(part**2 / degrees for part, degrees in parts if part)
    )


def over_folds(differences: np.ndarray, test_rows: int, other_rows: int) -> Difference:
    """The mean difference over folds, each tested on a group of its own: one group does not show what another would
    change, but folds do together. The variance is that of `over_splits`, all of it from the folds.

    >>> over_folds(np.array([1.0, 1.2, 0.8, 1.1, 0.9]), 20, 80).clear
    True
    """
    count = len(differences)
    variance = (1 / count + test_rows / other_rows) * float(np.var(differences, ddof=1))
    return _within(differences, variance, count - 1)


def _within(differences: np.ndarray, variance: float, freedom: float) -> Difference:
    """Their mean, which has that variance, known to so many degrees of freedom."""
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, freedom))
    return Difference(float(np.mean(differences)), quantile * math.sqrt(variance))


def blocks_of(rows: int, groups: np.ndarray | None = None, most: int = MOST_BLOCKS) -> list[np.ndarray]:
    """The places of each block of rows to leave out: neighbours together, as rows near each other may be alike, and
    rows of one group together.

    >>> [block.tolist() for block in blocks_of(5, most=2)], [block.tolist() for block in blocks_of(3, np.array([1, 2, 1]))]
    ([[0, 1, 2], [3, 4]], [[0, 2], [1]])
    """
    if groups is None:
        return np.array_split(np.arange(rows), min(most, rows))
    _, group = np.unique(groups, return_inverse=True)
    parts = np.array_split(np.arange(group.max() + 1), min(most, int(group.max()) + 1))
    return [np.flatnonzero(np.isin(group, part)) for part in parts]


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

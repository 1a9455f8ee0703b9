"""What did the loss do? Measured on the same training rows after each epoch, for every loss alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from losscope.comparison.forecast import log_probabilities, output_probabilities
from losscope.comparison.task import Encoding, Task
from losscope.comparison.weighted import Weight, median

# Enough rows that a share of 1% is 20 of them; few enough that looking costs less than training.
MOST_ROWS = 2_000
SATURATED_WITHIN = 0.01
LARGEST_SHARE = 0.01
# 95% efficiency where the noise is Gaussian (Huber 1964, doi 10.1214/aoms/1177703732).
HUBER_EFFICIENCY = 1.345
# The median absolute deviation of a Gaussian is 0.6745 of its standard deviation.
MAD_TO_SIGMA = 1.4826
SEAMS = ("delta", "beta")


def rows_to_watch(train: np.ndarray) -> np.ndarray:
    """Up to 2,000 of the training rows, the same for every loss and seed."""
    if len(train) <= MOST_ROWS:
        return train
    return np.sort(np.random.default_rng(0).choice(train, MOST_ROWS, replace=False))


def saturation(outputs: np.ndarray, one_hot: np.ndarray, encoding: Encoding) -> tuple[float, float] | None:
    """Shares of outputs p below 0.01 or above 0.99: all, and those on the wrong side (|p - y| > 0.99).

    A saturated output on the right side is a good answer; on the wrong side it is where squared error
    through a sigmoid has no gradient left and cross-entropy has its largest.
    """
    p = output_probabilities(outputs, encoding)
    if p is None:
        return None
    wrong = np.abs(p - one_hot) > 1 - SATURATED_WITHIN
    return float(np.mean((p < SATURATED_WITHIN) | (p > 1 - SATURATED_WITHIN))), float(np.mean(wrong))


def residuals(outputs: np.ndarray, target: np.ndarray, task: Task, encoding: Encoding) -> np.ndarray:
    """How wrong each row is, for ordering: |prediction - target|, -log p(true class), or minus the margin."""
    if task.numeric:
        prediction = np.exp(outputs) if encoding.link == "exp" else outputs
        return np.abs(prediction - target)[:, 0]
    rows = np.arange(len(target))
    log_p = log_probabilities(outputs, task, encoding)
    if log_p is not None:
        return -log_p[rows, target]
    if task.kind == "binary":
        centre = 0.5 if encoding.target == "one" else 0.0
        return -(outputs[:, 0] - centre) * (2 * target - 1)
    others = outputs.copy()
    others[rows, target] = -np.inf
    return others.max(axis=1) - outputs[rows, target]


def share_of_largest(gradient: np.ndarray, size: np.ndarray) -> float | None:
    """The share of sum(|gradient|) carried by the 1% of rows with the largest residuals; 0.01 is equal."""
    per_row = np.abs(gradient.astype(np.float64)).reshape(len(gradient), -1).sum(axis=1)
    total = per_row.sum()
    if not total > 0:
        return None
    largest = np.argsort(size, kind="stable")[-max(1, math.ceil(LARGEST_SHARE * len(size))) :]
    return float(per_row[largest].sum() / total)


def seam(loss: Any, task: Task, encoding: Encoding) -> tuple[str, float] | None:
    """The parameter where a Huber-like loss turns from quadratic to linear, and its value; else None."""
    if not task.numeric or loss.judges != "numbers" or encoding.target != "standardised":
        return None
    for name in SEAMS:
        if name in loss.parameters:
            return name, float(loss.parameters[name])
    return None


def suggested_seam(residual: np.ndarray, weight: Weight = None) -> tuple[float, float]:
    """(1.345 sigma, sigma) with sigma = 1.4826 MAD: the seam that keeps 95% efficiency on the Gaussian bulk.

    >>> delta, sigma = suggested_seam(np.random.default_rng(0).normal(size=100_000))
    >>> bool(abs(sigma - 1) < 0.01), bool(abs(delta - 1.345) < 0.02)
    (True, True)
    """
    residual = np.asarray(residual, dtype=np.float64)
    sigma = MAD_TO_SIGMA * float(median(np.abs(residual - median(residual, weight)), weight))
    return HUBER_EFFICIENCY * sigma, sigma

"""What a model's outputs say about rows: a number in the target's units, or a class with its score and probability."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logsumexp

from losscope.comparison.task import Encoding, Task


@dataclass(frozen=True)
class Forecast:
    """Of each row. `prediction`: a number. `log_probability` (rows, classes), natural logarithms, where the outputs
    are probabilities; `score` (rows,) rises with the second class of two; `chosen` is the class index;
    `threshold` the score that was best on validation rows."""

    prediction: np.ndarray | None = None
    log_probability: np.ndarray | None = None
    score: np.ndarray | None = None
    chosen: np.ndarray | None = None
    threshold: float | None = None

    def of(self, rows: Any) -> Forecast:
        """The forecast of some of its rows."""
        arrays = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays)


def forecast(outputs: np.ndarray, task: Task, encoding: Encoding, centre: float, scale: float) -> Forecast:
    """A model's outputs, read as the loss meant them."""
    if not task.labels:
        return Forecast(in_units(outputs, encoding, centre, scale))
    log_p = log_probabilities(outputs, task, encoding)
    chosen = chosen_class(outputs, task, encoding)
    score = None
    if len(task.labels) == 2:
        z = np.asarray(outputs, dtype=np.float64)
        score = z[:, 0] if z.shape[1] == 1 else z[:, 1] - z[:, 0]
    return Forecast(None, log_p, score, chosen)


def constant(value: float | np.ndarray, rows: int) -> Forecast:
    """The same number, or the same shares of the classes, for each row."""
    if np.ndim(value) == 0:
        return Forecast(np.full(rows, float(value)))
    shares = np.asarray(value, dtype=np.float64)
    with np.errstate(divide="ignore"):
        log_p = np.tile(np.log(shares), (rows, 1))
    score = np.full(rows, shares[1]) if len(shares) == 2 else None
    return Forecast(
        None, log_p, score, np.full(rows, int(np.argmax(shares))), score[0] if score is not None else None
    )


def from_probabilities(shares: np.ndarray) -> Forecast:
    """What a classifier's probabilities (rows, classes) say."""
    with np.errstate(divide="ignore"):
        log_p = np.log(np.asarray(shares, dtype=np.float64))
    score = shares[:, 1] if shares.shape[1] == 2 else None
    return Forecast(None, log_p, score, np.argmax(shares, axis=1))


def in_units(outputs: np.ndarray, encoding: Encoding, centre: float, scale: float) -> np.ndarray:
    """Predictions of a number in the target's own units, float64 (rows,)."""
    z = np.asarray(outputs, dtype=np.float64)[:, 0]
    with np.errstate(over="ignore"):
        if encoding.target == "log":  # the standardised logarithm
            return np.exp(z * scale + centre)
        if encoding.target == "log1p":
            return np.expm1(z * scale + centre)
        if encoding.link == "exp":
            return np.exp(z) * scale
        if encoding.link == "softplus":
            return np.logaddexp(0.0, z) * scale
    return z * scale + centre


def chosen_class(outputs: np.ndarray, task: Task, encoding: Encoding) -> np.ndarray:
    """The class with the largest output; for one output, by the threshold its encoding implies."""
    if outputs.shape[1] > 1:
        return np.argmax(outputs, axis=1)
    threshold = 0.5 if encoding.target == "one" and encoding.link == "score" else 0.0
    return (outputs[:, 0] > threshold).astype(np.int64)


def log_probabilities(outputs: np.ndarray, task: Task, encoding: Encoding) -> np.ndarray | None:
    """log p of every class, float64 (rows, classes); None for scores that are no probabilities.

    One sigmoid per class does not sum to 1 over the classes: the row is divided by its sum.
    """
    z = np.asarray(outputs, dtype=np.float64)
    if encoding.link == "softmax":
        return log_softmax(z, axis=1)
    if encoding.link != "sigmoid":
        return None
    if z.shape[1] == 1:
        return np.concatenate([log_expit(-z), log_expit(z)], axis=1)
    log_each = log_expit(z)
    return log_each - logsumexp(log_each, axis=1, keepdims=True)


def output_probabilities(outputs: np.ndarray, encoding: Encoding) -> np.ndarray | None:
    """What the sigmoid or softmax gives for every output, unnormalised: what can saturate."""
    z = np.asarray(outputs, dtype=np.float64)
    if encoding.link == "softmax":
        return np.exp(log_softmax(z, axis=1))
    return expit(z) if encoding.link == "sigmoid" else None

"""By what is every loss judged? Metrics that belong to the task, not to a loss."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logsumexp

from losscope.comparison.task import Encoding, Task


def regression(prediction: np.ndarray, target: np.ndarray) -> dict[str, float | None]:
    """Errors in the target's own units.

    >>> regression(np.array([1.0, 2.0, 5.0]), np.array([1.0, 1.0, 1.0]))["median_absolute_error"]
    1.0
    """
    error = np.abs(prediction - target)
    return {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "median_absolute_error": float(np.median(error)),
    }


def classification(
    outputs: np.ndarray, target: np.ndarray, task: Task, encoding: Encoding
) -> dict[str, float | None]:
    """Accuracy; log loss and Brier score where the outputs are probabilities, else None.

    log loss: mean of -log p(true class), in float64 from the logits, nothing clipped. Brier: mean of
    (p - y)^2 for two classes, of its sum over the classes for more (Brier 1950, doi 10.1175/1520-0493).
    """
    accuracy = float(np.mean(chosen_class(outputs, task, encoding) == target))
    log_p = log_probabilities(outputs, task, encoding)
    if log_p is None:
        return {"accuracy": accuracy, "log_loss": None, "brier": None}
    rows = np.arange(len(target))
    wrong = np.exp(log_p)
    wrong[rows, target] -= 1.0
    squares = wrong[:, 1] ** 2 if task.kind == "binary" else np.sum(wrong**2, axis=1)
    return {
        "accuracy": accuracy,
        "log_loss": float(-np.mean(log_p[rows, target])),
        "brier": float(np.mean(squares)),
    }


def chosen_class(outputs: np.ndarray, task: Task, encoding: Encoding) -> np.ndarray:
    """The class with the largest output; for one output, by the threshold its encoding implies."""
    if task.kind == "classes":
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
    if task.kind == "binary":
        return np.concatenate([log_expit(-z), log_expit(z)], axis=1)
    log_each = log_expit(z)
    return log_each - logsumexp(log_each, axis=1, keepdims=True)


def output_probabilities(outputs: np.ndarray, encoding: Encoding) -> np.ndarray | None:
    """What the sigmoid or softmax gives for every output, unnormalised: what can saturate."""
    z = np.asarray(outputs, dtype=np.float64)
    if encoding.link == "softmax":
        return np.exp(log_softmax(z, axis=1))
    return expit(z) if encoding.link == "sigmoid" else None

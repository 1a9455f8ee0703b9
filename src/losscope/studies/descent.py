"""Gradient descent on a linear model: coefficients at every step, and the curvature that bounds the rate.

`design` has shape (n, k), `target` shape (n,), as in lines.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import losscope as ls


def descend(
    loss: ls.Loss, design: np.ndarray, target: np.ndarray, rates: Iterable[float], start: np.ndarray
) -> np.ndarray:
    """The coefficients before each step and after the last, shape (steps + 1, k); one step for each rate."""
    now = np.asarray(start, "float64")
    found = [now]
    for rate in rates:
        now = now - rate * design.T @ loss.value_and_grad(design @ now, target)[1]
        found.append(now)
    return np.array(found)


def curvature(loss: ls.Loss, design: np.ndarray, target: np.ndarray, at: np.ndarray) -> float:
    """The largest curvature of the mean loss at these coefficients: descent needs a rate below 2 over it."""
    bend = loss.value_grad_curvature(design @ at, target, reduction="none")[2]
    return float(np.linalg.eigvalsh(design.T @ (design * np.asarray(bend)[:, None]) / len(target))[-1])

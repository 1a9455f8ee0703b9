"""Problems with two classes, linear models trained on any loss of a margin, and the metrics that judge them.

The margin of a row is its score times its label of -1 or 1: below 0 it is an error.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from sklearn import datasets

import losscope as ls
from losscope.one_thread import one_thread
from losscope.studies import lines
from losscope.studies.text import say

CROSS, EXPONENTIAL = "binary_cross_entropy", "exponential loss"
ROWS = 600  # of a set at most

Rows = tuple[str, np.ndarray, np.ndarray]  # a name, inputs with a column of ones, labels of -1 and 1


@cache
def loss_of(name: str) -> Any:
    if name == EXPONENTIAL:
        return ls.define("exponential_loss", "exp(-prediction*target)", target="sign")
    return ls.get(name)


def at(name: str, margin: Any) -> tuple[np.ndarray, np.ndarray]:
    """Value and slope at each margin, the score times the label of -1 or 1: the loss for the label 1."""
    margin = np.asarray(margin, "float64")
    value, slope = loss_of(name).value_and_grad(margin, np.ones_like(margin), reduction="none")
    return np.asarray(value), np.asarray(slope)


def bundled(seed: int) -> list[Rows]:
    """Problems with two classes: name, standardised inputs with a column of ones, labels of -1 and 1."""
    cells, iris, wine, digits, patients = (
        load() for load in (datasets.load_breast_cancer, datasets.load_iris, datasets.load_wine, datasets.load_digits, datasets.load_diabetes)
    )  # fmt: skip
    pair, random = np.isin(digits.target, (3, 8)), np.random.default_rng(seed)
    made = random.normal(size=(ROWS, 5))
    odds, rare = made @ [2.0, -1.0, 0.5, 0, 0], made @ [1.0, 1.0, 0, 0, 0] - 3
    chance = random.uniform(size=(2, ROWS))
    found = [
        (say("breast cancer"), cells.data, cells.target == 1), (say("iris: versicolor or virginica"), iris.data[50:], iris.target[50:] == 2),
        (say("wine: grower 2"), wine.data, wine.target == 1), (say("digits: 3 or 8"), digits.data[pair], digits.target[pair] == 8),
        (say("diabetes: above the median"), patients.data, patients.target > np.median(patients.target)), (say("made, known truth"), made, chance[0] < 1 / (1 + np.exp(-odds))),
        (say("digits: 8 or another"), digits.data, digits.target == 8), (say("digits: 1 or another"), digits.data, digits.target == 1),
        (say("digits: 5 or another"), digits.data, digits.target == 5), (say("breast cancer: largest tenth"), cells.data[:, 4:10], cells.data[:, 0] > np.quantile(cells.data[:, 0], 0.9)),
        (say("diabetes: worst tenth"), patients.data, patients.target > np.quantile(patients.target, 0.9)), (say("made, rare class"), made, chance[1] < 1 / (1 + np.exp(-rare))),
    ]  # fmt: skip
    ready: list[Rows] = []
    for name, x, right in found:
        rows = random.permutation(len(x))[:ROWS]
        x, spread = x[rows], x[rows].std(0)
        scaled = (x - x.mean(0)) / np.where(spread > 0, spread, 1)
        ready.append((name, lines.with_ones(scaled), np.where(right[rows], 1.0, -1.0)))
    return ready


@one_thread()
def fit(name: str, x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """The linear model with the least mean loss plus the penalty; the intercept (first column) is free."""
    free = np.r_[0.0, np.ones(x.shape[1] - 1)] * penalty

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = at(name, y * (x @ w))
        return float(value.mean() + (free * w**2).sum() / 2), x.T @ (slope * y) / len(y) + free * w

    return minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x


def best_score(name: str, chance: float) -> float:
    """The score with the least mean loss where the label is 1 with this chance."""

    def mean(score: float) -> float:
        return float(chance * at(name, [score])[0][0] + (1 - chance) * at(name, [-score])[0][0])

    return float(minimize_scalar(mean, bounds=(-8, 8), method="bounded", options={"xatol": 1e-7}).x)


def stratified(y: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """A half and two quarters, each with both classes in their shares."""
    parts: list[list[np.ndarray]] = [[], [], []]
    for label in (-1, 1):
        rows = random.permutation(np.flatnonzero(y == label))
        for part, some in zip(parts, np.split(rows, [len(rows) // 2, len(rows) * 3 // 4])):
            part.append(some)
    return [np.concatenate(part) for part in parts]


def metrics(score: np.ndarray, y: np.ndarray, cut: float, line: tuple[float, float]) -> dict[str, float]:
    """Every metric of these scores, with a threshold and a calibration that other rows have chosen."""
    right, cross, (slope, shift) = y > 0, ls.get(CROSS), line
    return {
        "accuracy": float(((score > 0) == right).mean()),
        "F1": f1(right, score > 0),
        "F1, threshold": f1(right, score > cut),
        "log loss": float(cross(score, right.astype(float))),
        "log loss, calibrated": float(cross(slope * score + shift, right.astype(float))),
    }


def f1(right: np.ndarray, said: np.ndarray) -> float:
    """2 hits over hits, misses and false alarms, hits counted twice; 0 where nothing is found.

    >>> f1(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    return float(2 * (right & said).sum() / max(right.sum() + said.sum(), 1))


def best_cut(score: np.ndarray, y: np.ndarray) -> float:
    """The threshold with the largest F1."""
    cuts = np.quantile(score, np.linspace(0, 1, 41)[:-1])
    return float(max(cuts, key=lambda cut: f1(y > 0, score > cut)))


def calibration(score: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Platt's: the sigmoid of a line through the scores that has the least cross-entropy, with a slight penalty."""
    spread = max(float(score.std()), 1e-9)
    shift, slope = fit(CROSS, lines.with_ones(score[:, None] / spread), y, 1e-3)
    return float(slope) / spread, float(shift)

"""Problems to try losses on: numbers and classes of scikit-learn's real data, made ones of known truth, and your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import datasets

from losscope.comparison.data import load
from losscope.comparison.preparation import prepare
from losscope.comparison.task import decide
from losscope.errors import LossError, complain
from losscope.studies.datasets import Data

ROWS = 600  # of a problem at most
SHAPES = slice(
    4, 10
)  # of the breast cancer's columns: per cell, smoothness and what follows, none of them a size


def real_numbers() -> list[Data]:
    """Twelve targets of the bundled sets, each from columns that do not define it."""
    patients, iris, wine, cells = (
        load() for load in (datasets.load_diabetes, datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer)
    )  # fmt: skip
    shapes, sizes = cells.data[:, SHAPES], cells.data[:, [*range(10), 13]]
    columns: list[tuple[str, np.ndarray, int]] = [
        ("diabetes: blood sugar", patients.data, 9), ("iris: petal width", iris.data, 3), ("wine: proline", wine.data, 12),
        ("wine: colour", wine.data, 9), ("breast cancer: concavity", shapes, 2), ("diabetes: body mass", patients.data, 2),
        ("iris: sepal length", iris.data, 0), ("wine: alcohol", wine.data, 0), ("breast cancer: symmetry", shapes, 4),
        ("breast cancer: fractal dimension", shapes, 5), ("breast cancer: spread of area", sizes, 10),
    ]  # fmt: skip
    return [
        Data("diabetes: progression", patients.data, patients.target),
        *(Data(name, np.delete(table, column, 1), table[:, column]) for name, table, column in columns),
    ]


def regressions(seed: int) -> list[Data]:
    """The real ones, and four whose noise is known."""
    random = np.random.default_rng([seed, 1])
    x, u = random.normal(size=(ROWS, 5)), random.uniform(size=(ROWS, 5))
    line = x @ [2.0, -1.0, 0.5, 0.0, 0.0]
    # Friedman's first function (Ann. Statist. 19, 1991).
    curve = 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
    made = [
        Data("made: line, Gaussian noise", x, line + random.normal(size=ROWS)),
        Data("made: line, Laplace noise", x, line + random.laplace(size=ROWS)),
        Data("made: curve, Gaussian noise", u, curve + random.normal(size=ROWS)),
        Data("made: curve, skewed noise", u, curve + 2 * random.exponential(size=ROWS)),
    ]
    return [few(each, seed) for each in (*real_numbers(), *made)]


def classifications(seed: int) -> list[Data]:
    """Fourteen real ones, from two classes to ten, and two whose chances are known."""
    patients, iris, wine, cells, digits = (
        load() for load in (datasets.load_diabetes, datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_digits)
    )  # fmt: skip
    random = np.random.default_rng([seed, 2])
    pair, x = np.isin(digits.target, (3, 8)), random.normal(size=(ROWS, 5))
    two, four = x[:, :1] * [0.0, 2.0], x[:, :4] * 1.5
    found = [
        ("breast cancer", cells.data, cells.target), ("breast cancer: shapes only", cells.data[:, SHAPES], cells.target),
        ("iris", iris.data, iris.target), ("iris: sepals only", iris.data[:, :2], iris.target),
        ("wine", wine.data, wine.target), ("wine: five columns", wine.data[:, :5], wine.target),
        ("digits", digits.data, digits.target), ("digits: 3 or 8", digits.data[pair], digits.target[pair] == 8),
        ("digits: even or odd", digits.data, digits.target % 2), ("digits: every fourth pixel", digits.data[:, ::4], digits.target),
        ("breast cancer: first five columns", cells.data[:, :5], cells.target), ("diabetes: worst fifth", patients.data, patients.target > np.quantile(patients.target, 0.8)),
        ("diabetes: above the median", patients.data, patients.target > np.median(patients.target)),
        ("diabetes: thirds", patients.data, np.searchsorted(np.quantile(patients.target, [1 / 3, 2 / 3]), patients.target)),
        ("made: two classes", x, drawn(two, random)), ("made: four classes", x, drawn(four, random)),
    ]  # fmt: skip
    return [few(Data(name, x, y.astype("int64"), int(y.max()) + 1), seed) for name, x, y in found]


def drawn(logits: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A class for each row, by the softmax of its logits."""
    return np.argmax(logits + random.gumbel(size=logits.shape), 1)


def few(data: Data, seed: int) -> Data:
    """The same with ROWS rows at most, in any order."""
    rows = np.random.default_rng([seed, 3]).permutation(len(data.target))[:ROWS]
    return replace(data, features=data.features[rows], target=data.target[rows])


def own(tables: Sequence[str], targets: Sequence[str], seed: int) -> list[Data]:
    """A reader's tables, read as `losscope compare` does: a target of numbers, or of classes."""
    if len(tables) != len(targets):
        got = f"{len(tables)} of --data, {len(targets)} of --target"
        raise LossError(complain("Every table needs its target", got=got, next_step="Give as many of both"))
    found = []
    for path, column in zip(tables, targets):
        table: Any = load(path, column)
        task = decide(table, None, [])
        ready = prepare(table, task)
        classes = 0 if task.numeric else len(task.labels)
        found.append(few(Data(f"{table.name}: {column}", ready.features, ready.target, classes), seed))
    return found

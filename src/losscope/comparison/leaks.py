"""Does one feature, or a sum or difference of two, give the target away? Then it is most often not known when the
target is to be predicted: the two parts of a total, a decision that follows from the answer.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from losscope.comparison.columns import doubles
from losscope.comparison.data import Dataset
from losscope.comparison.task import Task

# Rows looked at: what holds in these holds.
ROWS = 5_000
# Above this, a feature and the target are one thing: correlation of values or of ranks, and share of rows whose class
# the feature's best rule tells right (of those that the largest class does not).
ALIKE = 0.9999
TOLD = 0.995
# Numbers of two features are tried for all pairs of so many.
MOST_IN_PAIRS = 300


def leaks(dataset: Dataset, task: Task) -> list[str]:
    """A sentence where a feature, or a sum or difference of two, gives the target away; else none.

    >>> from losscope.comparison.data import load
    >>> from losscope.comparison.task import decide
    >>> total = pd.DataFrame({"a": np.arange(50) ** 2, "b": np.arange(50) % 7 * 300, "c": np.arange(50) % 5})
    >>> made = load(total.assign(sum=total.a + total.b), "sum")
    >>> leaks(made, decide(made, None, []))
    ['a + b is sum in every row: are they known before it is? If not, give --drop a --drop b']
    """
    if dataset.pixels is not None:
        return []
    count = len(dataset.target)
    rows = np.arange(count) if count <= ROWS else np.random.default_rng(0).choice(count, ROWS, replace=False)
    frame = dataset.features.iloc[rows]
    numeric = [dtype.kind in "iufb" for dtype in frame.dtypes]
    names, target = list(frame.columns[numeric]), task.encode(dataset.target)[rows]
    values = doubles(frame.loc[:, numeric])
    whole = (
        np.isfinite(values).all(axis=0) & (values.max(axis=0) > values.min(axis=0))
        if values.size
        else np.zeros(0, dtype=bool)
    )
    names, values = [name for name, usable in zip(names, whole) if usable], values[:, whole]
    words = frame.loc[:, [dtype.kind == "O" for dtype in frame.dtypes]]
    if not task.numeric:
        return _told(values, names, words, target, task)
    alone = _alike(values, names, target, task.target)
    return alone or _sums(values, names, target, task.target)


def _advice(names: list[str]) -> str:
    know = "is it known" if len(names) == 1 else "are they known"
    return f"{know} before it is? If not, give {' '.join(f'--drop {name}' for name in names)}"


def _alike(values: np.ndarray, names: list[str], target: np.ndarray, word: str) -> list[str]:
    """Features that are the target in other units, or in another order of growing."""
    said = []
    measured = target - target.mean()
    ranked = _ranks(target)
    for name, column in zip(names, values.T):
        with np.errstate(all="ignore"):
            alike = abs(_correlation(column - column.mean(), measured))
            if not alike > ALIKE:  # the ranks of one that is not even near are not worth the sorting
                alike = abs(_correlation(_ranks(column), ranked)) if alike > 0.5 else 0.0
        if alike > ALIKE:
            said.append(f"{name} alone gives {word} away (correlation {alike:.5g}): {_advice([name])}")
    return said[:3]


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = pd.Series(values).rank()
    return (ranks - ranks.mean()).to_numpy()


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def _sums(values: np.ndarray, names: list[str], target: np.ndarray, word: str) -> list[str]:
    """Two features whose sum or difference is the target, to rounding."""
    if not 2 <= len(names) <= MOST_IN_PAIRS or len(target) < 3:
        return []
    few = np.random.default_rng(0).choice(len(target), min(12, len(target)), replace=False)
    close = 1e-9 * np.abs(values[few]).max(axis=0) + 1e-9 * np.abs(target[few]).max()
    for sign, symbol in ((1, "+"), (-1, "-")):
        near = np.ones((len(names), len(names)), dtype=bool)
        for row in few:
            near &= (
                np.abs(values[row][:, None] + sign * values[row][None, :] - target[row])
                <= close + close[:, None]
            )
        for one, other in np.argwhere(near):
            if one == other or (sign > 0 and one > other):
                continue
            gap = np.abs(values[:, one] + sign * values[:, other] - target)
            if (gap <= 1e-9 * np.abs(target).max()).all():
                pair = [names[one], names[other]]
                return [f"{names[one]} {symbol} {names[other]} is {word} in every row: {_advice(pair)}"]
    return []


def _told(
    values: np.ndarray, names: list[str], words: pd.DataFrame, target: np.ndarray, task: Task
) -> list[str]:
    """Features that tell the class of (nearly) every row: by one range of values, or one set of words, for each."""
    counts = np.bincount(target, minlength=len(task.labels))
    others = len(target) - counts.max()
    said = []
    for name, column in zip(names, values.T):
        right = _by_ranges(column, target, len(task.labels))
        if others and (right - counts.max()) / others >= TOLD:
            said.append((right, name))
    for name in map(str, words):
        levels = pd.factorize(words[name].astype(str))[0]
        table = np.zeros((levels.max() + 1, len(task.labels)), dtype=np.int64)
        np.add.at(table, (levels, target), 1)
        right = int(table.max(axis=1).sum())
        # With hardly more rows than levels, every level tells its own rows.
        if len(table) * 5 <= len(target) and others and (right - counts.max()) / others >= TOLD:
            said.append((right, name))
    return [
        f"{name} alone tells the class of {right:,} of {len(target):,} rows: {_advice([name]).replace('it is', 'the class is')}"
        for right, name in said[:3]
    ]


def _by_ranges(column: np.ndarray, target: np.ndarray, classes: int) -> int:
    """How many rows are told right where each class has one range of values."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_leaf_nodes=max(classes, 2), random_state=0)
    return int((tree.fit(column[:, None], target).predict(column[:, None]) == target).sum())

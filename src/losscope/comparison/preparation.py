"""From a table to arrays: which rows are for what, and what is done to the columns.

Everything fitted (medians, means, scales, categories, the target's own mean and scale) is fitted on the
training rows alone, by scikit-learn's own pipeline pieces, and each step is put into words in `steps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from losscope.comparison.data import DataError, Dataset, counted, listed
from losscope.comparison.features import learn
from losscope.comparison.leaks import leaks
from losscope.comparison.learned import Columns
from losscope.comparison.mistakes import LONG
from losscope.comparison.splits import Split, described, splits
from losscope.comparison.task import Task
from losscope.comparison.weighted import mean, of_rows, spread

CAPPED_ABOVE = 0.01


@dataclass(frozen=True)
class Prepared:
    """Arrays ready for training. `features` float32 (rows, columns); `target` as the task encodes it.

    Numbers stay in original units (float64) in `target`; `centre` and `scale` standardise them. Classes are their
    index (int64). `weight`: float64 (rows,), above 0, or None. `train`, `validation` and `test` are row numbers. `leaks`:
    features that give the target away, in words. `learned`: what turns other rows into the same features (None for
    pixels).
    """

    features: np.ndarray
    target: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    steps: tuple[str, ...]
    columns: int
    centre: float = 0.0
    scale: float = 1.0
    weight: np.ndarray | None = None
    leaks: tuple[str, ...] = ()
    learned: Columns | None = None

    def trained_on(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The values of the training rows, and what each counts."""
        return values[self.train], of_rows(self.train, self.weight)


def prepare(dataset: Dataset, task: Task, split_seed: int = 0, split: Split | None = None) -> Prepared:
    """Turn the features into float32 columns with what the training rows of `split` (else of the first) teach.

    >>> from losscope.comparison.data import load
    >>> from losscope.comparison.task import decide
    >>> digits = load("digits")
    >>> prepare(digits, decide(digits, None, [])).features.shape
    (1797, 64)
    """
    target = task.encode(dataset.target)
    split = split or splits(dataset, task, 1, seed=split_seed)[0]
    train = split.train
    leaking = leaks(dataset, task)
    steps = [*dataset.notes, described(dataset, task, split)]
    if task.merged:
        rows = counted(int(np.sum(target == len(task.labels) - 1)))
        steps.append(
            f"rare classes merged into {task.labels[-1]!r}: {listed(list(map(str, task.merged)))} ({rows})"
        )
    columns = None
    if dataset.pixels is not None:
        features = dataset.features.to_numpy(np.float32) / np.float32(dataset.pixels)
        steps.append(f"{features.shape[1]} pixels divided by {dataset.pixels:g}, their largest value")
    else:
        columns, done = learn(dataset, train)
        features = columns.apply(dataset.features)
        steps.extend(done)
    centre, scale = 0.0, 1.0
    if task.numeric:
        _refuse_lost_digits(dataset.target, target)
        with np.errstate(over="ignore", under="ignore"):
            known = target[train], of_rows(train, dataset.weight)
            centre, scale = mean(*known), spread(*known)
        if not (np.isfinite(scale) and scale > 0) and np.ptp(target[train]) > 0:
            raise DataError(
                f"the target {dataset.target.name!r} is too {'small' if scale == 0 else 'large'} to compute with "
                f"(from {target.min():.3g} to {target.max():.3g}): give it in other units"
            )
        steps.append(
            f"target standardised by the training rows: losses see "
            f"{_standardised(str(dataset.target.name), centre, scale)} unless they say otherwise, metrics are in the "
            "original units"
        )
        steps.extend(_piled_up(target, str(dataset.target.name)))
    return Prepared(
        features=np.ascontiguousarray(features, dtype=np.float32),
        target=target,
        train=train,
        validation=split.validation,
        test=split.test,
        steps=tuple(steps),
        columns=features.shape[1],
        centre=centre,
        scale=scale,
        weight=dataset.weight,
        leaks=tuple(leaking),
        learned=columns,
    )


def _refuse_lost_digits(given: pd.Series, target: np.ndarray) -> None:
    """A target of whole numbers so long that some which differ are the same to a double."""
    if np.abs(target).max() >= LONG and len(np.unique(target)) < given.nunique():
        raise DataError(
            f"the target {given.name!r} has whole numbers of more digits than can be computed with: some that differ are the "
            f"same here. Subtract {given.min()}, the least, from all of them"
        )


def _standardised(name: str, centre: float, scale: float) -> str:
    """The formula, with 4 digits.

    >>> _standardised("y", -0.0974947, 2.37642), _standardised("price", 206855.8, 115000)
    ('(y + 0.09749) / 2.376', '(price - 206,856) / 115,000')
    """
    if centre == 0:
        return f"{name} / {_short(scale)}"
    return f"({name} {'-' if centre > 0 else '+'} {_short(abs(centre))}) / {_short(scale)}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1e3 <= value < 1e9 else f"{value:.4g}"


def _piled_up(target: np.ndarray, name: str) -> list[str]:
    """Says when many rows share the largest or smallest target, as in capped data; nothing is done to it."""
    said = []
    for word, value in (("largest", target.max()), ("smallest", target.min())):
        count = int(np.sum(target == value))
        if count >= 10 and count > CAPPED_ABOVE * len(target):
            said.append(
                f"{counted(count)} ({count / len(target):.1%}) have the {word} {name}, "
                f"{value:,.10g}: left as is"
            )
    return said

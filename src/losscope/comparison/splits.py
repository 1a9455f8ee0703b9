"""Which rows are for training, for validation and for test? As often as asked, and as the data demands.

Rows of one group stay together, classes keep their shares, and where time matters the past predicts the future.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from losscope.comparison.data import DataError, Dataset, counted
from losscope.comparison.mistakes import to_digits
from losscope.comparison.task import Task

# A fifth of the rows is for testing, a quarter of the others for validation: 60%, 20%, 20%.
TEST_PARTS, VALIDATION_PARTS = 5, 4
FEWEST_TESTED = 2
# The test rows of all splits by time together are at most half of the rows: the first half is always trained on.
MOST_TESTED_BY_TIME = 0.5


@dataclass(frozen=True)
class Split:
    """Row numbers, rising. No row is in two of them, and every row is in one unless splits are by time."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def splits(
    dataset: Dataset, task: Task, repeats: int = 5, folds: int | None = None, seed: int = 0
) -> list[Split]:
    """`repeats` splits with other test rows each, or `folds` whose test rows are all rows, once each.

    Data that comes with a test set keeps it; then the validation rows differ. By time, the test rows of each split
    come after all it trains on, and the last split is tested on the last rows. Raises DataError where rows, groups,
    classes or moments are too few.

    >>> from losscope.comparison.data import load
    >>> from losscope.comparison.task import decide
    >>> iris = load("iris")
    >>> [np.bincount(decide(iris, None, []).encode(iris.target)[each.test]).tolist()
    ...  for each in splits(iris, decide(iris, None, []), repeats=2)]
    [[10, 10, 10], [10, 10, 10]]
    """
    if repeats < 1:
        raise DataError(f"--splits {repeats} is too few: give 1 or more")
    if folds is not None and not 2 <= folds <= len(dataset.target):
        raise DataError(
            f"--folds {folds} cannot be made of {counted(len(dataset.target))}: give 2 or more, such as 5"
        )
    classes = None if task.numeric else task.encode(dataset.target)
    if dataset.time is not None:
        found = list(_by_time(dataset.time, repeats if folds is None else folds))
    else:
        found = list(_shuffled(dataset, classes, repeats, folds, seed))
    for each in found:
        _refuse_unlearnable(each, task, classes, dataset)
    return found


def described(dataset: Dataset, task: Task, split: Split) -> str:
    """One split in words."""
    used, every = sum(map(len, (split.train, split.validation, split.test))), len(dataset.target)
    sizes = (
        f"split into {len(split.train):,} for training, {len(split.validation):,} for validation and {len(split.test):,} for "
        "testing"
    )
    if dataset.time is not None:
        of = counted(used) if used == every else f"in the first split {used:,} of {counted(every)}"
        later = "" if used == every else "; each later one takes more"
        return f"{of} {sizes}, in the order of {dataset.time_name}: the last rows are the test{later}"
    sizes = f"{counted(used)} {sizes}"
    ways = []
    if dataset.test_rows is not None:
        sizes += " (the test set the data came with)"
    if dataset.groups is not None:
        ways.append(f"all rows of one {dataset.group_name} in the same part")
    if not task.numeric:
        which = "the first two" if dataset.test_rows is not None else "each"
        about = "nearly " if dataset.groups is not None else ""
        ways.append(f"{which} with {about}the same shares of classes")
    return ", ".join([sizes, *ways])


def _shuffled(
    dataset: Dataset, classes: np.ndarray | None, repeats: int, folds: int | None, seed: int
) -> Iterator[Split]:
    rows = np.arange(len(dataset.target))
    if dataset.test_rows is not None:
        rest, test = rows[~dataset.test_rows], rows[dataset.test_rows]
        for which in range(repeats if folds is None else folds):
            train, validation = _parts(dataset, classes, rest, TEST_PARTS, seed + which)[0]
            yield Split(train, validation, test)
        return
    if folds is None:
        tested = [_parts(dataset, classes, rows, TEST_PARTS, seed + which)[0] for which in range(repeats)]
    else:
        tested = _parts(dataset, classes, rows, folds, seed, exactly=True)
    for which, (rest, test) in enumerate(tested):
        train, validation = _parts(dataset, classes, rest, VALIDATION_PARTS, seed + which)[0]
        yield Split(train, validation, test)


def _parts(
    dataset: Dataset,
    classes: np.ndarray | None,
    rows: np.ndarray,
    parts: int,
    seed: int,
    exactly: bool = False,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`rows` cut into parts, as (the others, the part) for each; fewer where there are fewer groups."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    of_group = None if dataset.groups is None else dataset.groups[rows]
    of_class = None if classes is None else classes[rows]
    if of_group is not None and dataset.groups is not None:
        there = len(np.unique(of_group))
        if there < (parts if exactly else 2):
            wanted = f"{parts} parts" if exactly else "training, validation and test"
            every = len(np.unique(dataset.groups))
            raise DataError(
                f"--group {dataset.group_name} has too few groups ({every}) for {wanted}: "
                "a group is never on two sides; choose a finer column"
            )
        parts = min(parts, there)
    if of_class is not None:
        fewest = int(np.unique(of_class, return_counts=True)[1].min())
        if exactly and fewest < parts:
            raise DataError(
                f"--folds {parts} needs as many rows of each class, and one has {counted(fewest)}: give --folds "
                f"{max(fewest, 2)} or --merge-rare-classes"
            )
        if of_group is None:
            parts = min(parts, fewest)
    if of_group is not None and of_class is not None:
        part_of = _parts_of_groups(of_group, of_class, parts, seed)
        return [(rows[part_of != part], rows[part_of == part]) for part in range(parts)]
    kind = GroupKFold if of_group is not None else KFold if of_class is None else StratifiedKFold
    cut = kind(n_splits=parts, shuffle=True, random_state=seed).split(rows, of_class, of_group)
    return [(rows[others], rows[part]) for others, part in cut]


def _parts_of_groups(groups: np.ndarray, classes: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """The part of each row, so that all parts have nearly the same shares of classes: one group after the other, in an order of
    chance, goes where it leaves them most alike. (scikit-learn's StratifiedGroupKFold goes through them in an order of their own,
    and cuts the same parts for every seed.)

    >>> groups, classes = np.repeat(np.arange(12), 10), np.arange(120) % 3
    >>> [np.bincount(_parts_of_groups(groups, classes, 4, seed)).tolist() for seed in range(2)]
    [[30, 30, 30, 30], [30, 30, 30, 30]]
    """
    names, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), int(classes.max()) + 1))
    np.add.at(counts, (group, classes), 1)
    share = counts / np.maximum(counts.sum(0), 1)
    place, holds = np.empty(len(names), int), np.zeros((parts, share.shape[1]))
    order = np.random.default_rng(seed).permutation(len(names))
    for done, each in enumerate(order):
        empty = ~holds.any(1)
        open_parts = np.flatnonzero(empty if empty.sum() >= len(names) - done else np.ones(parts, bool))
        with_it = holds + np.eye(parts)[open_parts, :, None] * share[each]
        unlike = with_it.std(axis=1).sum(axis=1).round(12)
        place[each] = open_parts[np.lexsort((holds[open_parts].sum(axis=1), unlike))[0]]
        holds[place[each]] += share[each]
    return place[group]


def _by_time(time: np.ndarray, repeats: int) -> Iterator[Split]:
    """From the earliest test rows to the last; rows of one moment stay together."""
    order = np.argsort(time, kind="stable")
    starts = np.flatnonzero(np.r_[True, time[order][1:] != time[order][:-1]])  # where each moment begins
    share = min(1 / TEST_PARTS, MOST_TESTED_BY_TIME / repeats)
    ends = [_moment(starts, len(time) * (1 - share * (repeats - which))) for which in range(repeats)]
    ends.append(len(time))
    for begin, end in pairwise(ends):
        middle = _moment(starts[starts < begin], begin * (1 - 1 / VALIDATION_PARTS))
        if not 0 < middle < begin < end:
            raise DataError(
                f"--time has {len(starts):,} different values, too few for {repeats} test "
                f"part{'s' * (repeats != 1)} after the rows that are trained on: give fewer --splits, or a finer column"
            )
        yield Split(*(np.sort(part) for part in (order[:middle], order[middle:begin], order[begin:end])))


def _moment(starts: np.ndarray, row: float) -> int:
    """The beginning of the moment that is nearest to a row."""
    return int(starts[np.argmin(np.abs(starts - row))]) if len(starts) else 0


def _refuse_unlearnable(split: Split, task: Task, classes: np.ndarray | None, dataset: Dataset) -> None:
    """A class that no training row has cannot be learnt; a number that never varies teaches nothing; a single
    row tests nothing."""
    if len(split.test) < FEWEST_TESTED:
        raise DataError(
            f"a split has {counted(len(split.test))} to test on, and one has no spread to judge a difference by: give fewer --folds"
        )
    if classes is None:
        if np.ptp(task.encode(dataset.target)[split.train]) == 0:
            raise DataError(
                f"the target {task.target!r} is the same in all training rows of a split{to_digits(dataset.target)}: "
                "there is nothing to learn; "
                "choose another --target"
            )
        return
    seen = np.bincount(classes[split.train], minlength=len(task.labels))
    if (seen == 0).any():
        kept = "come in one order" if dataset.time is not None else "of a group stay together"
        raise DataError(
            f"class {task.labels[int(seen.argmin())]!r} of the target {task.target!r} is in no training row of a split, "
            f"as rows {kept}: drop its rows, give --merge-rare-classes, or another column"
        )

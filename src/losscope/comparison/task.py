"""Which task is it, which losses fit it, and how is the target put to each of them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import losscope as ls
from losscope.catalogue import entries
from losscope.comparison.data import DataError, Dataset, counted
from losscope.comparison.lookalikes import looks_like
from losscope.errors import did_you_mean
from losscope.kernels.reference import pointwise

TASKS = ("regression", "count", "binary", "classes")
# Whole numbers with few values, each seen often, are codes of classes more often than they are amounts.
MOST_CODES = 20
ROWS_PER_CODE = 10
MOST_CLASSES = 200
# A class needs this many rows, so that some are trained on, some validated with and some tested on.
LEAST_OF_A_CLASS = 5
RARE = "rare"

DEFAULT_LOSSES = {
    "regression": ("squared_error", "huber", "absolute_error", "log_cosh"),
    "count": ("poisson", "squared_error", "absolute_error"),
    "binary": ("squared_error@sigmoid", "binary_cross_entropy", "hinge"),
    "classes": ("squared_error@sigmoid", "binary_cross_entropy", "cross_entropy"),
}


@dataclass(frozen=True)
class Task:
    """What is predicted. `labels` are the classes, in the order of their index; empty where numbers are predicted.
    `merged`: rare classes that count as one, the label `RARE`."""

    kind: str
    target: str
    reason: str
    labels: tuple[Any, ...] = ()
    merged: tuple[Any, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether a number is predicted (a regression or a count), not a class."""
        return self.kind in ("regression", "count")

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a row."""
        return len(self.labels) if self.kind == "classes" else 1

    def encode(self, target: pd.Series) -> np.ndarray:
        """The target as one array: float64 in original units, or int64 class index."""
        if self.numeric:
            return target.to_numpy(dtype=np.float64)
        index = {label: position for position, label in enumerate(self.labels)}
        index.update(dict.fromkeys(self.merged, len(self.labels) - 1))
        return np.array([index[value] for value in target.tolist()], dtype=np.int64)


@dataclass(frozen=True)
class Encoding:
    """How one loss sees the task.

    `target`: "standardised" (regression), "count" (divided by the training rows' mean: an output of 0 then starts at
    the log of that mean, and a learning rate means the same whatever the unit), "one" (0/1), "sign" (-1/1) or "index" (softmax).
    `link`: how an output becomes a prediction: "identity", "exp", "sigmoid", "softmax", or "score" when
    the output orders the classes but is no probability.
    """

    target: str
    link: str
    notes: tuple[str, ...] = field(default=())


def decide(dataset: Dataset, asked: str | None, losses: Sequence[Any], merge_rare: bool = False) -> Task:
    """The task, from `asked`, else from the target and, where it could be two things, from the losses.
    `merge_rare`: classes of fewer than 5 rows become one.

    >>> from losscope.comparison.data import load
    >>> decide(load("diabetes"), None, []).kind
    'regression'
    """
    if asked is not None and asked not in TASKS:
        raise DataError(f"--task {asked!r} is not known. {did_you_mean(asked, TASKS)}")
    kind, reason = asked or dataset.kind, "given" if asked else ""
    if kind is None:
        kind, reason = _infer(dataset, losses)
    if kind in ("regression", "count"):
        if not _is_number(dataset.target):
            _refuse_text(dataset)
        if kind == "count":
            _refuse_no_count(dataset)
        return Task(kind, str(dataset.target.name), reason or "the target is a number")
    return _classes(dataset, kind, reason, losses, merge_rare)


def _infer(dataset: Dataset, losses: Sequence[Any]) -> tuple[str | None, str]:
    """A number or a count, and why; (None, "") for classes, which are counted later."""
    target = dataset.target
    distinct = int(target.nunique())
    if not _is_number(target):
        if _mostly_numbers(target):
            return "regression", ""
        if distinct > _most_labels(len(target)):
            _refuse_lookalike(target, dataset.source)
        return None, ""
    wanted = {_kind_of_loss(loss) for loss in losses}
    whole = _whole(target)
    if wanted & {"classes", "binary"} and whole and distinct <= MOST_CLASSES:
        return None, ""
    rarest = int(target.value_counts().min())
    codes = distinct == 2 or (
        whole
        and distinct <= MOST_CODES
        and len(target) >= ROWS_PER_CODE * distinct
        and rarest >= LEAST_OF_A_CLASS
    )
    if ("count" in wanted and whole and target.min() >= 0) or (
        distinct > 2 and whole and (not codes or wanted == {"regression"}) and _counts(target)
    ):
        return "count", f"the target has {distinct:,} different whole numbers from {target.min():g} up"
    if not codes or (wanted == {"regression"} and distinct > 2):
        what = "whole numbers, and the losses named are for numbers" if codes else "numbers"
        return "regression", f"the target has {distinct:,} different {what}"
    return None, ""


def _classes(
    dataset: Dataset, kind: str | None, reason: str, losses: Sequence[Any], merge_rare: bool
) -> Task:
    """Two classes or more, and whether each has a row to train on, one to validate with and one to test on."""
    target = dataset.target
    name, number = str(target.name), _is_number(target)
    counts = target.value_counts()
    rare = tuple(counts.index[counts < LEAST_OF_A_CLASS]) if merge_rare else ()
    if rare and counts[list(rare)].sum() < LEAST_OF_A_CLASS and len(rare) < len(counts):
        rare = (*rare, counts[~counts.index.isin(rare)].idxmin())
    labels = _labels([label for label in counts.index if label not in rare], target, dataset.source)
    if rare:
        labels = (*labels, RARE if RARE not in labels else f"{RARE} (merged)")
    if len(labels) < 2:
        raise DataError(
            f"the target {name!r} of {dataset.source} has no two classes of {LEAST_OF_A_CLASS} rows or more: choose "
            "another --target"
        )
    if kind == "binary" and len(labels) != 2:
        raise DataError(
            f"--task binary needs a target with 2 values, {name!r} has {len(labels):,}: give --task classes"
            + (" or regression" if number else "")
        )
    rarest = counts.index[[int(counts.argmin())]].tolist()[0]  # as Python's own number, not NumPy's
    if not rare and counts.min() < LEAST_OF_A_CLASS:
        raise DataError(
            f"class {rarest!r} of the target {name!r} has {counted(int(counts.min()))}: at least {LEAST_OF_A_CLASS} "
            "are needed to train, validate and test on it; give --merge-rare-classes"
            + (", or --task regression to take them as numbers" if number else "")
        )
    softmax_named = any(loss.judges == "classes" for loss in losses)
    if len(labels) == 2 and kind != "classes" and not softmax_named:
        return Task("binary", name, reason or "the target has 2 values", labels, rare)
    if len(labels) == 2 and kind is None:
        reason = "2 values, one output for each because a softmax loss was named"
    elif not reason:
        reason = f"the target has {len(labels)} different values"
        if number and kind is None and len(labels) > 2:
            reason += "; --task regression takes them as numbers"
    return Task("classes", name, reason, labels, rare)


def _is_number(target: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(target.dtype) and not pd.api.types.is_bool_dtype(target.dtype)


def _counts(target: pd.Series) -> bool:
    """Whole numbers that count something: they start at 0 or 1, come again, and have no common divisor (as hundreds
    of dollars have)."""
    numbers = target.to_numpy(dtype=float)
    if not 0 <= numbers.min() <= 1 or numbers.max() >= 2**31 or target.nunique() > len(target) / 2:
        return False
    return int(np.gcd.reduce(numbers.astype(np.int64))) == 1


def _refuse_no_count(dataset: Dataset) -> None:
    target = dataset.target
    numbers = target.to_numpy(dtype=float)
    wrong = np.flatnonzero((numbers < 0) | (numbers != np.floor(numbers)))
    if len(wrong):
        raise DataError(
            f"--task count needs whole numbers of 0 or more, and {target.name!r} has {numbers[wrong[0]]:g} in row "
            f"{dataset.row_numbers[wrong[0]]}: give --task regression"
        )


def _labels(values: list[Any], target: pd.Series, source: str) -> tuple[Any, ...]:
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"the target {target.name!r} of {source} has {len(values):,} different values in "
            f"{len(target):,} rows, too many for classes (at most {MOST_CLASSES}): choose another --target"
            + (", or give --task regression" if pd.api.types.is_numeric_dtype(target.dtype) else "")
        )
    try:
        return tuple(sorted(values))
    except TypeError:
        return tuple(sorted(values, key=str))


def _whole(target: pd.Series) -> bool:
    numbers = target.to_numpy(dtype=float)
    return bool(np.array_equal(numbers, np.floor(numbers)))


def _mostly_numbers(target: pd.Series) -> bool:
    """Text of which more than half reads as numbers: a numeric target with something wrong in it."""
    if pd.api.types.is_bool_dtype(target.dtype):
        return False
    return bool(pd.to_numeric(target, errors="coerce").notna().mean() > 0.5)


def _most_labels(rows: int) -> int:
    """More different texts than this are hardly names of classes."""
    return max(min(MOST_CODES, rows // ROWS_PER_CODE), 2)


def _refuse_lookalike(target: pd.Series, source: str) -> None:
    """A text target that was meant as numbers or dates: as classes it would make no sense."""
    looks = looks_like(target)
    if looks:
        what, mend = looks
        raise DataError(
            f"the target {target.name!r} of {source} is text that looks like {what} "
            f"(first: {str(target.iloc[0])!r}), so it cannot be used as a number: {mend}, or choose another "
            "--target"
        )


def _refuse_text(dataset: Dataset) -> None:
    target, source = dataset.target, dataset.source
    if not _mostly_numbers(target):
        _refuse_lookalike(target, source)
    wrong = pd.to_numeric(target, errors="coerce").isna().to_numpy()
    if not wrong.any():  # booleans among objects, which pandas takes for numbers
        wrong = np.ones_like(wrong)
    row = int(np.flatnonzero(wrong)[0])
    raise DataError(
        f"the target {target.name!r} of {source} is not a number in {int(wrong.sum()):,} of {len(target):,} "
        f"rows (first: {str(target.iloc[row])!r} in row {dataset.row_numbers[row]}): mend those rows, or give --task classes"
    )


def _kind_of_loss(loss: Any) -> str:
    if loss.judges == "classes":
        return "classes"
    if activation_of(loss) == "sigmoid":
        return "either"
    return {"regression": "regression", "count": "count"}.get(loss.entry.task, "binary")


def activation_of(loss: Any) -> str:
    """The activation the loss was composed with ("sigmoid" for `squared_error@sigmoid`), or ""."""
    return "" if loss.activation is None else str(loss.activation.name)


def encoding_of(loss: Any, task: Task, target: np.ndarray) -> Encoding:
    """How `loss` sees the task; a `DataError` that names the losses which fit when it does not."""
    found = _encoding(loss, task, target)
    if isinstance(found, str):
        fitting = [name for name in ls.losses() if not isinstance(_encoding(ls.get(name), task, target), str)]
        raise DataError(
            f"{loss.name} does not fit --task {task.kind}: {found}. These fit: {', '.join(fitting)}"
        )
    return found


def _encoding(loss: Any, task: Task, target: np.ndarray) -> Encoding | str:
    """The encoding, or the reason why there is none."""
    activation = activation_of(loss)
    needs = loss.entry.prediction.name
    wanted = loss.entry.target.name
    if loss.judges == "classes":
        if task.kind != "classes":
            return "it compares classes, one output each" + (
                " (give --task classes)" if task.kind == "binary" else ""
            )
        return Encoding("index", "softmax")
    if loss.judges == "nothing":
        return "it is an activation, not a loss"
    if loss.judges != "numbers":
        return "it compares whole vectors, not one prediction with one target"
    if loss.gradient_formula == 0:
        return "its gradient is 0 everywhere, so a model cannot learn from it"
    if loss.entry.task == "distribution" or loss.entry.task == "classes":
        return "it compares whole distributions"
    if needs == "probability" and activation not in ("sigmoid",):
        if task.numeric:
            return "it is for probabilities"
        return f"it needs a probability where a model gives any number; {_to_be_put_through(loss, 'sigmoid')}"
    if task.numeric:
        return _for_regression(loss, activation, needs, wanted, target)
    return _for_classification(loss, activation, wanted)


def _to_be_put_through(loss: Any, activation: str) -> str:
    """What to write; the name of a user's own formula stands for no loss until it is defined."""
    if loss.entry.name in entries():
        return f"write {loss.name}@{activation}"
    return (
        f'give activation = "{activation}" beside its formula in a file of --losses, or {loss.name}.through("{activation}") '
        "from Python"
    )


def _for_regression(
    loss: Any, activation: str, needs: str, wanted: str, target: np.ndarray
) -> Encoding | str:
    if (
        loss.entry.task == "binary"
        or wanted in ("sign", "label", "probability")
        or activation in ("sigmoid", "tanh")
    ):
        return "it is for a target with two values, or for outputs within bounds"
    if loss.entry.task == "count" or wanted in ("count", "nonnegative", "positive"):
        inside = np.asarray(loss.entry.target.contains(target))
        if not inside.all():
            row = int(np.flatnonzero(~inside)[0])
            return f"its target is a {wanted}, and a target here is {target[row]:g}"
        if activation in ("", "identity") and needs == "real":
            scale = "exp" if loss.entry.name in entries() else _scale_of(loss)
            if not scale:
                return (
                    "it is least neither where the prediction is the target nor where it is its logarithm: write it of "
                    'prediction = "positive", and ' + _to_be_put_through(loss, "exp")
                )
            if scale == "identity":
                return Encoding("count", "identity", ("sees the target divided by its mean",))
            return Encoding(
                "count", "exp", ("sees the target divided by its mean; its output is the log of a mean",)
            )
        if activation in ("exp", "softplus"):
            return Encoding("count", activation, ("sees the target divided by its mean",))
        return f"its prediction must be {needs}; {_to_be_put_through(loss, 'exp')}"
    if needs != "real" and not activation:
        return f"its prediction must be {needs}, and a standardised target is any number"
    if activation not in ("", "identity"):
        return f"a standardised target is any number, {activation} bounds the output; leave @{activation} out"
    return Encoding("standardised", "identity")


def _scale_of(loss: Any) -> str:
    """How outputs of a model are to be taken by a user's formula of targets above 0: as they are ("identity"), if it is least
    where the prediction is the target; "exp" of them, if it is where the prediction is the target's logarithm; else ""."""
    target = np.array([0.3, 1.0, 2.5])
    for link, best in (("identity", target), ("exp", np.log(target))):
        with np.errstate(all="ignore"):
            there, *beside = (pointwise(loss, best + step, target)[0] for step in (0.0, -1e-3, 1e-3))
        if all((there <= each).all() for each in beside):
            return link
    return ""


def _for_classification(loss: Any, activation: str, wanted: str) -> Encoding | str:
    if loss.entry.task == "count":
        return "it is for counts"
    if activation == "sigmoid":
        return Encoding("one", "sigmoid")
    if activation not in ("", "identity"):
        return f"an output through {activation} is no probability; use @sigmoid"
    if loss.entry.task == "binary":
        if wanted == "sign":
            return Encoding("sign", "score", ("its output is a score, not a probability",))
        return Encoding("one", "sigmoid")
    if wanted != "real":
        return f"its target is {wanted}"
    return Encoding("one", "score", ("regresses 0 and 1 directly; its output is a score, not a probability",))

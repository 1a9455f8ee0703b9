"""Which task is it, which losses fit it, and how is the target put to each of them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import losscope as ls
from losscope.comparison.data import DataError, Dataset
from losscope.comparison.lookalikes import looks_like

TASKS = ("regression", "binary", "classes")
# Whole numbers with few values, each seen often, are codes of classes more often than they are amounts.
MOST_CODES = 20
ROWS_PER_CODE = 10
MOST_CLASSES = 200

DEFAULT_LOSSES = {
    "regression": ("squared_error", "huber", "absolute_error", "log_cosh"),
    "binary": ("squared_error@sigmoid", "binary_cross_entropy", "hinge"),
    "classes": ("squared_error@sigmoid", "binary_cross_entropy", "cross_entropy"),
}


@dataclass(frozen=True)
class Task:
    """What is predicted. `labels` are the classes, in the order of their index; empty for regression."""

    kind: str
    target: str
    reason: str
    labels: tuple[Any, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether a number is predicted (a regression or a count), not a class."""
        return self.kind in ("regression", "counts")

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a row."""
        return len(self.labels) if self.kind == "classes" else 1

    def encode(self, target: pd.Series) -> np.ndarray:
        """The target as one array: float64 in original units, or int64 class index."""
        if self.kind == "regression":
            return target.to_numpy(dtype=np.float64)
        index = {label: position for position, label in enumerate(self.labels)}
        return np.array([index[value] for value in target.tolist()], dtype=np.int64)


@dataclass(frozen=True)
class Encoding:
    """How one loss sees the task.

    `target`: "standardised" (regression), "count", "one" (0/1), "sign" (-1/1) or "index" (softmax).
    `link`: how an output becomes a prediction: "identity", "exp", "sigmoid", "softmax", or "score" when
    the output orders the classes but is no probability.
    """

    target: str
    link: str
    notes: tuple[str, ...] = field(default=())


def decide(dataset: Dataset, asked: str | None, losses: Sequence[Any]) -> Task:
    """The task, from `asked`, else from the target and, where it could be two things, from the losses.

    >>> from losscope.comparison.data import load
    >>> decide(load("diabetes"), None, []).kind
    'regression'
    """
    target: pd.Series = dataset.target
    name = str(target.name)
    if asked is not None and asked not in TASKS:
        raise DataError(f"--task {asked!r} is not known: give one of {', '.join(TASKS)}")
    given, asked = asked is not None, asked or dataset.kind
    numeric = pd.api.types.is_numeric_dtype(target.dtype) and not pd.api.types.is_bool_dtype(target.dtype)
    distinct = target.nunique()
    if asked == "regression" or (asked is None and not numeric and _mostly_numbers(target)):
        if not numeric:
            _refuse_text(target, dataset.source)
        return Task("regression", name, "given" if given else "the target is a number")
    if asked is None and not numeric and distinct > _most_labels(len(target)):
        _refuse_lookalike(target, dataset.source)
    softmax_named = any(loss.structure == "softmax" for loss in losses)
    if asked is None:
        wanted = {_kind_of_loss(loss) for loss in losses}
        codes = (
            not numeric
            or distinct == 2
            or (distinct <= MOST_CODES and len(target) >= ROWS_PER_CODE * distinct and _whole(target))
        )
        if numeric and (not codes or (wanted == {"regression"} and distinct > 2)):
            what = "numbers" if not codes else "whole numbers, and the losses named are for numbers"
            return Task("regression", name, f"the target has {distinct:,} different {what}")
    labels = _labels(target, dataset.source)
    if asked == "binary" and len(labels) != 2:
        raise DataError(
            f"--task binary needs a target with 2 values, {name!r} has {len(labels):,}: give --task classes"
            + (" or regression" if numeric else "")
        )
    if len(labels) == 2 and asked != "classes" and not softmax_named:
        reason = "given" if given else "the target has 2 values"
        return Task("binary", name, reason, labels)
    if len(labels) == 2 and asked is None:
        reason = "2 values, one output for each because a softmax loss was named"
    else:
        reason = "given" if given else f"the target has {len(labels)} different values"
    if numeric and asked is None and len(labels) > 2:
        reason += "; --task regression takes them as numbers"
    return Task("classes", name, reason, labels)


def _labels(target: pd.Series, source: str) -> tuple[Any, ...]:
    values = target.unique().tolist()
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


def _refuse_text(target: pd.Series, source: str) -> None:
    if not _mostly_numbers(target):
        _refuse_lookalike(target, source)
    wrong = pd.to_numeric(target, errors="coerce").isna().to_numpy()
    if not wrong.any() and not pd.api.types.is_bool_dtype(target.dtype):
        wrong[:] = True
    row = int(np.flatnonzero(wrong)[0]) if wrong.any() else 0
    raise DataError(
        f"the target {target.name!r} of {source} is not a number in {int(wrong.sum()):,} of {len(target):,} "
        f"rows (first: {str(target.iloc[row])!r} in row {row + 1}): mend those rows, or give --task classes"
    )


def _kind_of_loss(loss: Any) -> str:
    if loss.structure == "softmax":
        return "classes"
    if activation_of(loss) == "sigmoid":
        return "either"
    return "regression" if loss.entry.task in ("regression", "count") else "binary"


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
    if loss.structure == "softmax":
        if task.kind != "classes":
            return "it compares classes, one output each" + (
                " (give --task classes)" if task.kind == "binary" else ""
            )
        return Encoding("index", "softmax")
    if loss.structure == "activation":
        return "it is an activation, not a loss"
    if loss.structure != "elementwise":
        return "it compares whole vectors, not one prediction with one target"
    if loss.gradient_formula == 0:
        return "its gradient is 0 everywhere, so a model cannot learn from it"
    if loss.entry.task == "distribution" or loss.entry.task == "classes":
        return "it compares whole distributions"
    if needs == "probability" and activation not in ("sigmoid",):
        if task.kind == "regression":
            return "it is for probabilities"
        return f"it needs a probability where a model gives any number; write {loss.name}@sigmoid"
    if task.kind == "regression":
        return _for_regression(loss, activation, needs, wanted, target)
    return _for_classification(loss, activation, wanted)


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
            return Encoding(
                "count", "exp", ("sees the target in its own units; its output is the log of the mean",)
            )
        if activation in ("exp", "softplus"):
            return Encoding("count", activation, ("sees the target in its own units",))
        return f"its prediction must be {needs}; write {loss.name}@exp"
    if needs != "real" and not activation:
        return f"its prediction must be {needs}, and a standardised target is any number"
    if activation not in ("", "identity"):
        return f"a standardised target is any number, {activation} bounds the output; leave @{activation} out"
    return Encoding("standardised", "identity")


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

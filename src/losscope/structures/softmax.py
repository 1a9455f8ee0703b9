"""Softmax: logits over the last axis, and for each row a class index or a row of probabilities.

A formula may use `margin` (short: `m`) = logsumexp(logits of the other classes) - logit of the target, the
one number by which a softmax loss judges a row. With a row of probabilities the loss is their mean of the
formula over the classes. The target's own logit stays out of the sum, so nothing cancels for a confident row.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy

from losscope import domain
from losscope.entry import Entry
from losscope.errors import LossError, LossTypeError, complain, shown
from losscope.structures import arrays
from losscope.structures.structure import Structure

ROW_SUM_TOLERANCE = 2.0**-8  # a row of probabilities may be rounded, even to bfloat16


@dataclass(slots=True)
class Batch:
    """Logits as a matrix, one judgement for each row of it."""

    prediction: Any  # (rows, classes)
    target: Any  # int64 class of each row, or None
    probabilities: Any  # (rows, classes), or None
    weight: Any  # one per row, or None
    class_weight: Any  # one per class, or None
    smoothing: float
    ignore: int
    given: Any
    shape: tuple[int, ...]  # of the unreduced values
    total_weight: float | None  # None: the kernel finds it
    dtype: Any


def prepare(
    entry: Entry,
    logits: Any,
    target: Any,
    weight: Any,
    class_weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Batch:
    """Check and convert; raises LossError."""
    given = arrays.as_array(logits, "prediction")
    target = arrays.as_array(target, "target")
    check_logits(given)
    shape, classes = given.shape[:-1], given.shape[-1]
    spread = target.shape == given.shape and (arrays.is_floating(target) or target.shape != shape)
    dtype = arrays.computing_dtype(prediction=given, **({"target": target} if spread else {}))
    check_options(ignore_index, label_smoothing)
    rows = math.prod(shape)
    gone: Any = False  # rows of weight 0, which are not looked at
    if weight is not None:
        weight = arrays.ready_weight(weight, shape, dtype, "row")
        gone = weight == 0
        weight = weight.reshape(rows)
    if class_weight is not None:
        class_weight = arrays.ready_weight(class_weight, (classes,), dtype, "class", "class_weight")
    index, probabilities = None, None
    if spread:
        check_probabilities(target, gone=gone)
        probabilities = arrays.ready(target, dtype).reshape(rows, classes)
    elif target.shape == shape:
        weighed = weight is not None or class_weight is not None
        index = _class_index(target, classes, ignore_index, weighed, gone).reshape(rows)
    else:
        raise LossError(
            complain(
                "target fits neither as class indices nor as rows of probabilities",
                got=f"prediction {given.shape}, target {target.shape}",
                expected=f"target {shape} of class indices, or {given.shape} of probabilities",
                next_step="Use target.squeeze(-1)"
                if target.shape == (*shape, 1)
                else "The class axis is the last one: move it there with numpy.moveaxis(prediction, 1, -1)"
                if given.ndim > 2
                else "",
            )
        )
    return Batch(
        arrays.ready(given, dtype).reshape(rows, classes), index, probabilities, weight, class_weight, float(label_smoothing),
        int(ignore_index), given, shape, _total_weight(rows, index, probabilities, weight, class_weight, ignore_index), dtype,
    )  # fmt: skip


def check_logits(prediction: Any) -> None:
    if not prediction.ndim or not prediction.shape[-1]:
        raise LossError(
            complain(
                "prediction must hold a row of logits, one per class, along its last axis",
                got=f"shape {tuple(prediction.shape)}",
            )
        )


def check_options(ignore_index: int, label_smoothing: float) -> None:
    if not isinstance(label_smoothing, numbers.Real):
        raise LossTypeError(
            complain(
                "label_smoothing must be a plain number",
                got=shown(label_smoothing),
                expected="one between 0 and 1",
            )
        )
    if not 0 <= label_smoothing <= 1:
        raise LossError(
            complain(
                "label_smoothing is out of its domain", got=shown(label_smoothing), expected="between 0 and 1"
            )
        )
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, numbers.Integral):
        raise LossTypeError(complain("ignore_index must be a whole number", got=shown(ignore_index)))
    if not -(2**63) <= ignore_index < 2**63:
        raise LossError(complain("ignore_index does not fit in 64 bits", got=shown(ignore_index)))


def _total_weight(
    rows: int, index: Any, probabilities: Any, weight: Any, class_weight: Any, ignore: int
) -> float | None:
    """What a mean is over: the rows that count, each by its weight and the weight of its class. Of rows of probabilities
    it is the weight of the rows alone, as in PyTorch. None where nothing is weighed: the kernel counts as it goes."""
    if index is None:
        return float(rows) if weight is None else arrays.sum_of(weight)
    if weight is None and class_weight is None:
        return None
    counts = index != ignore
    each = counts if class_weight is None else counts * class_weight[numpy.where(counts, index, 0)]
    return arrays.sum_of(each if weight is None else each * weight)


def _class_index(target: Any, classes: int, ignore_index: int, weighed: bool, gone: Any) -> Any:
    """Class indices as int64. Whether every one is within its row, the kernel looks before it reads; what is weighed or
    converted is looked at here. Rows that are `gone` are ignored."""
    if target.dtype.kind not in "iu":
        missing = numpy.isnan(target) if arrays.is_floating(target) else numpy.zeros(0, bool)
        if missing.any() and not missing.all():
            raise LossTypeError(
                complain(
                    "target has rows without a class",
                    got=f"{numpy.sum(missing):,} of {missing.size:,}, the first is target[{int(numpy.argmax(missing.ravel()))}]",
                    next_step=f"Leave them out, or write ignore_index ({ignore_index}) there and use target.astype('int64')",
                )
            )
        raise no_class_index(target.dtype)
    if (
        weighed or target.dtype != "int64"
    ):  # as they came: a large uint64 would turn negative, perhaps into ignore_index
        check_classes(target, classes, ignore_index, gone)
    index = numpy.ascontiguousarray(target, "int64")
    return numpy.where(gone, ignore_index, index) if numpy.any(gone) else index


def no_class_index(dtype: Any) -> LossTypeError:
    convert = "target.long()" if str(dtype).startswith("torch.") else "target.astype('int64')"
    return LossTypeError(
        complain(
            "target must hold class indices of an integer dtype",
            got=f"{dtype}",
            expected="int64",
            next_step=f"Use {convert} if these are classes; rows of probabilities have the logits' shape",
        )
    )


def check_classes(target: Any, classes: int, ignore_index: int, gone: Any = False) -> None:
    """Raise for the first that is no class."""
    wrong = ((target < 0) | (target >= classes)) & (target != ignore_index) & numpy.logical_not(gone)
    if wrong.any():
        where = tuple(int(i) for i in numpy.argwhere(wrong)[0])
        raise LossError(
            complain(
                f"{arrays.place('target', where)} is no class",
                got=f"{int(target[where])}",
                expected=f"0 to {classes - 1}, or ignore_index ({ignore_index})",
                next_step="Classes are counted from 0: subtract 1 if yours start at 1"
                if int(target[where]) == classes
                else "",
            )
        )


def check_probabilities(rows: Any, name: str = "target", gone: Any = False) -> None:
    """Every number a probability, every row (along the last axis) a distribution, but for rows that are `gone`."""
    hint = (
        "Rows of the logits' shape are read as probabilities; of a teacher's logits take the softmax first"
        if name == "target"
        else ""
    )
    there = numpy.logical_not(gone)
    arrays.check_domain(name, rows, domain.probability, hint, there[..., None])
    with numpy.errstate(invalid="ignore"):
        sums = numpy.asarray(rows.sum(-1, dtype="float64"))
    wrong = (numpy.abs(sums - 1) > ROW_SUM_TOLERANCE) & there
    if wrong.any():
        where = tuple(int(i) for i in numpy.argwhere(wrong)[0])
        raise LossError(
            complain(
                f"{arrays.place(name, where)} does not sum to 1",
                got=f"{sums[where]:.6g}",
                expected="a distribution over the classes",
                next_step=f"Use {name}/{name}.sum(-1, keepdims=True)",
            )
        )


def check_domains(entry: Entry, batch: Batch, through: bool) -> None:
    """Find and report the class that is none, which the kernel met."""
    check_classes(batch.target.reshape(batch.shape), batch.prediction.shape[1], batch.ignore)


class Softmax(Structure):
    name, kernel = "softmax", "rows"
    judges = "classes"
    arguments = ("margin",)
    variable = "margin"
    short = {"margin": "margin", "m": "margin"}
    options = {"class_weight": None, "ignore_index": -100, "label_smoothing": 0.0}
    defaults = {"task": "classes", "target": domain.class_index}
    prepare = staticmethod(prepare)
    check_domains = staticmethod(check_domains)

    def meaning(self, entry: Entry) -> str:
        return "margin = logsumexp(logits of the other classes) - logit of the target"

    def shapes(self, entry: Entry) -> str:
        return "prediction (..., classes) of logits; target (...) of class indices, or (..., classes) of probabilities"

    def options_in_words(self, entry: Entry) -> str:
        return (
            "class_weight (one per class; a mean over class indices divides by the weights of the classes, one over rows of "
            "probabilities by the number of rows), ignore_index (-100), label_smoothing (0)"
        )

    def example(self, entry: Entry, through: Entry | None) -> str:
        return "[[2.0, 0.0, -1.0]], [0]"

    def axis(self, entry: Entry, through: Entry | None, judged: float, of_residual: bool) -> str:
        return "margin (logsumexp of the others - logit)"

    def letters(self, through: Entry | None) -> dict[str, str]:
        return {"margin": "m"}


STRUCTURE = Softmax()
softmax = STRUCTURE.entry

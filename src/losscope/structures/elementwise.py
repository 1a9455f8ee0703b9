"""Elementwise: one scalar loss for each pair of a prediction and a target.

A formula may use `prediction`, `target` (short: `z`, `y`) and the residual `r` = prediction - target. The
residual is a name of its own, so that derivation keeps it whole: spread out, it would cancel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy

from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.structures import arrays
from losscope.structures.structure import Structure

# Targets by which a loss shows what it is, by their domain; of the residual alone, one is enough.
TYPICAL = {
    "real": [-2.0, -1.0, 0.0, 1.0, 2.0],
    "sign": [-1.0, 1.0],
    "count": [0.0, 1.0, 5.0],
    "probability": [0.0, 0.25, 1.0],
    "label": [0.0, 1.0],
}
# Predictions and targets to try a loss with, by the domain of the target.
EXAMPLES = {
    "real": ("[2.0, 0.5]", "[1.0, 0.0]"), "sign": ("[2.0, -0.5]", "[1.0, 1.0]"), "count": ("[0.0, 1.0]", "[1.0, 3.0]"),
    "label": ("[2.0, -0.5]", "[1.0, 0.0]"), "probability": ("[2.0, -0.5]", "[1.0, 0.0]"),
    "positive": ("[2.0, 0.5]", "[1.0, 0.25]"), "fraction": ("[2.0, 0.5]", "[0.75, 0.25]"),
}  # fmt: skip
# The same predictions, where not all numbers are some.
WITHIN = {
    "probability": "[0.75, 0.25]", "fraction": "[0.75, 0.25]", "sign": "[1.0, -1.0]", "label": "[1.0, 0.0]", "count": "[2.0, 1.0]",
    "positive": "[2.0, 0.5]", "nonnegative": "[2.0, 0.5]", "exponent": "[2.0, 0.5]",
}  # fmt: skip


@dataclass(slots=True)
class Batch:
    """Arrays ready to run on: flat or not, contiguous, of one dtype."""

    prediction: Any
    target: Any
    weight: Any  # one per element, or None
    given: Any  # the prediction as it came: its shape and dtype are the gradient's
    shape: tuple[int, ...]  # of the unreduced values
    total_weight: float
    dtype: Any


def prepare(entry: Entry, prediction: Any, target: Any, weight: Any) -> Batch:
    """Check and convert; raises LossError."""
    given = arrays.as_array(prediction, "prediction")
    target = arrays.as_array(target, "target")
    arrays.same_shape(given, target)
    dtype = arrays.computing_dtype(prediction=given, target=target)
    rows = entry.over == "rows"
    check_rows(entry, given)
    shape = given.shape[:-1] if rows else given.shape
    total = float(given.size // given.shape[-1] if rows and given.size else given.size)
    if weight is not None:
        weight = arrays.ready_weight(weight, shape, dtype, "row" if rows else "element")
        total = arrays.sum_of(weight)
        if rows:
            weight = numpy.ascontiguousarray(numpy.broadcast_to(weight[..., None], given.shape))
    return Batch(arrays.ready(given, dtype), arrays.ready(target, dtype), weight, given, shape, total, dtype)


def check_rows(entry: Entry, prediction: Any) -> None:
    if entry.over == "rows" and not prediction.ndim:
        raise LossError(
            complain(
                f"{entry.name} is summed over the last axis, and a single number has none",
                next_step="Give arrays of shape (classes,) or (rows, classes)",
            )
        )


def check_domains(entry: Entry, batch: Batch, through: bool) -> None:
    """Find and report what the kernel saw outside its domain."""
    for name in ("target",) if through else ("prediction", "target"):
        array, domain = getattr(batch, name), getattr(entry, name)
        hint = _as_rows(entry, name, array) if entry.over == "rows" else _as_numbers(domain.name, name, array)
        arrays.check_domain(name, array, domain, hint, batch.weight)


def _as_rows(entry: Entry, name: str, array: Any) -> str:
    """What the rows may be that are no probabilities, and what then to do."""
    if array.max() <= 0:
        return f"If these are log-probabilities, use numpy.exp({name})"
    hint = f"If these are raw scores (logits), {entry.name} needs their softmax: scipy.special.softmax({name}, -1)"
    if (array >= 0).all():
        return f"{hint}; if they are amounts of a whole, {name}/{name}.sum(-1, keepdims=True)"
    if name == "prediction":
        return f"{hint}; or use cross_entropy, which takes logits and has the same gradient"
    return hint


def _as_numbers(domain: str, name: str, array: Any) -> str:
    """What the numbers may be that lie outside, and what then to do."""
    if name == "prediction":
        return (
            "If these are raw scores (logits), use binary_cross_entropy, or .through('sigmoid')"
            if domain == "probability"
            else ""
        )
    if domain == "sign" and (array == 0).any():
        return "Turn labels 0 and 1 into -1 and 1 with 2*target - 1"
    if domain in ("probability", "label") and (array == -1).any():
        return "Turn labels -1 and 1 into 0 and 1 with (target + 1)/2"
    return (
        "Counts, classes and amounts need another loss" if domain in ("sign", "probability", "label") else ""
    )


class Elementwise(Structure):
    name = kernel = "elementwise"
    judges = "numbers"
    arguments = ("prediction", "target")
    variable, second = "prediction", "target"
    short = {
        "prediction": "prediction", "z": "prediction", "target": "target", "y": "target", "r": "r", "residual": "r",
    }  # fmt: skip
    moving = {"r": 1}
    activated = True
    prepare = staticmethod(prepare)
    check_domains = staticmethod(check_domains)

    def domains(self, entry: Entry, through: Entry | None) -> dict[str, str]:
        return {"prediction": _domain(entry, through), "target": entry.target.name}

    def span(self, entry: Entry, through: Entry | None) -> tuple[float, float]:
        spans = {"probability": (0.0, 1.0), "nonnegative": (0.0, math.inf)}
        return spans.get(_domain(entry, through), (-math.inf, math.inf))

    def typical(self, entry: Entry, of_residual: bool) -> list[float | None]:
        return [0.0] if of_residual else [*TYPICAL.get(entry.target.name, [0.5, 1.0])]

    def judged(self, entry: Entry, target: float | None, of_residual: bool) -> float:
        if of_residual:
            return 0.0
        chosen = target if target is not None else 2.0 if entry.target.name == "count" else 1.0
        if entry.target.excludes(chosen):
            raise LossError(complain(f"{entry.name} has no target {chosen:g}", expected=entry.target.words))
        return chosen

    def along(self, x: Any, judged: Any) -> tuple[Any, ...]:
        return x, numpy.full_like(x, judged)

    def shapes(self, entry: Entry) -> str:
        if entry.over == "rows":
            return "prediction and target (..., classes), the same; the loss of a row is summed over its last axis"
        return "prediction and target any, but the same"

    def inputs_in_words(self, entry: Entry, through: Entry | None) -> list[tuple[str, str]]:
        where = (
            f"any real number: it goes through {through.name}"
            if through is not None
            else entry.prediction.words
        )
        return [("Prediction", where), ("Target", entry.target.words)]

    def example(self, entry: Entry, through: Entry | None) -> str:
        prediction, target = EXAMPLES.get(entry.target.name, EXAMPLES["real"])
        if entry.over == "rows":
            target = "[0.5, 0.5]"
        return f"{WITHIN.get(_domain(entry, through), prediction)}, {target}"

    def axis(self, entry: Entry, through: Entry | None, judged: float, of_residual: bool) -> str:
        if of_residual:
            return "residual r = prediction - target"
        what = "probability" if _domain(entry, through) == "probability" else "score"
        return f"{what}, for target {judged:g}"

    def letters(self, through: Entry | None) -> dict[str, str]:
        return {"prediction": r"\hat{y}" if through is None else "z", "target": "y"}


def _domain(entry: Entry, through: Entry | None) -> str:
    """The name of the domain of the raw prediction."""
    return entry.prediction.name if through is None else "real"


STRUCTURE = Elementwise()
elementwise = STRUCTURE.entry

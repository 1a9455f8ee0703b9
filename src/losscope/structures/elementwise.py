"""Elementwise: one scalar loss for each pair of a prediction and a target.

A formula may use `prediction`, `target` (short: `z`, `y`) and the residual `r` = prediction - target. The
residual is a name of its own, so that derivation keeps it whole: spread out, it would cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.structures import arrays

KERNEL = "elementwise"  # the module of losscope.kernels that runs its calls
ARGUMENTS = ("prediction", "target")
VARIABLE = "prediction"
SHORT = {
    "prediction": "prediction",
    "z": "prediction",
    "target": "target",
    "y": "target",
    "r": "r",
    "residual": "r",
}
OPTIONS: dict[str, Any] = {}


def elementwise(name: str, formula: str, **facts: Any) -> Entry:
    """An entry of this structure."""
    return Entry(name, "elementwise", formula, **facts)


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
    if rows and not given.ndim:
        raise LossError(
            complain(
                f"{entry.name} is summed over the last axis, and a single number has none",
                next_step="Give arrays of shape (classes,) or (rows, classes)",
            )
        )
    shape = given.shape[:-1] if rows else given.shape
    total = float(given.size // given.shape[-1] if rows and given.size else given.size)
    if weight is not None:
        weight = arrays.ready_weight(weight, shape, dtype, "row" if rows else "element")
        total = arrays.sum_of(weight)
        if rows:
            weight = numpy.ascontiguousarray(numpy.broadcast_to(weight[..., None], given.shape))
    return Batch(arrays.ready(given, dtype), arrays.ready(target, dtype), weight, given, shape, total, dtype)


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

"""Overlap: two sets over the last axis, as degrees of membership; one loss for each row.

A formula may use `intersection` (short: `i`) = sum(prediction*target) and `sizes` (short: `s`) = sum(prediction + target).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from losscope import domain
from losscope.structures import arrays
from losscope.structures.structure import Structure


@dataclass(slots=True)
class Batch:
    prediction: Any  # (rows, places), and so is target
    target: Any
    weight: Any  # (rows,), or None
    given: Any
    shape: tuple[int, ...]
    total_weight: float
    dtype: Any


def prepare(entry: Any, prediction: Any, target: Any, weight: Any) -> Batch:
    given, target = arrays.as_array(prediction, "prediction"), arrays.as_array(target, "target")
    arrays.same_shape(given, target)
    dtype = arrays.computing_dtype(prediction=given, target=target)
    shape = given.shape[:-1]
    rows = math.prod(shape)
    total, there = float(rows), None
    if weight is not None:
        weight = arrays.ready_weight(weight, shape, dtype, "row")
        total, there, weight = arrays.sum_of(weight), weight[..., None], weight.reshape(rows)
    for name, array in (("prediction", given), ("target", target)):
        arrays.check_domain(name, array, domain.probability, "", there)
    matrices = [arrays.ready(each, dtype).reshape(rows, given.shape[-1]) for each in (given, target)]
    return Batch(*matrices, weight, given, shape, total, dtype)


def check_domains(entry: Any, batch: Batch, through: bool) -> None:
    """Nothing is left to find: all was checked before the kernel ran."""


class Overlap(Structure):
    name = kernel = "overlap"
    judges = "sets"
    arguments = ("intersection", "sizes")
    variable, second = "intersection", "sizes"
    short = {"intersection": "intersection", "i": "intersection", "sizes": "sizes", "s": "sizes"}
    defaults = {"task": "overlap", "prediction": domain.probability, "target": domain.probability}
    no_curvature = "its Hessian couples all numbers of a row"
    prepare = staticmethod(prepare)
    check_domains = staticmethod(check_domains)

    def domains(self, entry: Any, through: Any) -> dict[str, str]:
        return {"intersection": "probability", "sizes": "positive"}

    def span(self, entry: Any, through: Any) -> tuple[float, float]:
        return 0.0, 1.0

    def typical(self, entry: Any, of_residual: bool) -> list[float | None]:
        return [2.0, 3.0]

    def judged(self, entry: Any, target: float | None, of_residual: bool) -> float:
        return 2.0 if target is None else target

    def along(self, x: Any, judged: Any) -> tuple[Any, ...]:
        return x, x * 0 + judged

    def meaning(self, entry: Any) -> str:
        return "intersection = sum(prediction*target), sizes = sum(prediction + target)"

    def shapes(self, entry: Any) -> str:
        return "prediction and target (..., places), the same; one loss for each row"

    def example(self, entry: Any, through: Any) -> str:
        return "[[0.5, 0.25]], [[1.0, 0.0]]"

    def axis(self, entry: Any, through: Any, judged: float, of_residual: bool) -> str:
        return f"intersection, for sizes {judged:g}"

    def letters(self, through: Any) -> dict[str, str]:
        return {"intersection": "I", "sizes": "S"}


STRUCTURE = Overlap()
overlap = STRUCTURE.entry

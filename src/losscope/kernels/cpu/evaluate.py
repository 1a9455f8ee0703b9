"""A prepared batch -> sum, values, gradient, curvature, by the compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy

from losscope.entry import Entry
from losscope.kernels import memory
from losscope.kernels.cpu import distance, elementwise, softmax
from losscope.kernels.cpu.build import kernels


def evaluate(
    entry: Entry,
    through: Entry | None,
    batch: Any,
    parameters: tuple[float, ...],
    scale: float,
    order: int,
    with_values: bool,
    out: numpy.ndarray | None = None,
) -> tuple[float, dict[str, Any], bool]:
    """Returns the weighted sum of the values; values, gradient (times `scale`) and curvature as asked, in the
    batch's own flat or matrix shape; and whether all inputs were inside their domain."""
    real = batch.dtype.type
    constants = tuple(real(each) for each in parameters)
    prediction = batch.prediction
    shape, dtype = prediction.shape, batch.dtype
    outputs: dict[str, Any] = {}
    if order >= 1:
        outputs["gradient"] = memory.empty(shape, dtype) if out is None else out.reshape(prediction.shape)
    if order >= 2:
        outputs["curvature"] = memory.empty(shape, dtype)
    loops = kernels(entry, through, batch.dtype)
    if with_values and entry.structure in ("softmax", "distance"):
        outputs["values"] = numpy.empty(len(prediction), dtype)
    if entry.structure == "distance":
        judged = batch.label if batch.negative is None else batch.swap
        gradients = (outputs.get("gradient"), *(None for _ in batch.vectors[1:]))
        kernel, values = loops[f"{entry.measure}_loop"], outputs.get("values")
        total = distance.run(
            kernel, batch.vectors, judged, batch.weight, values, gradients, real(scale), 0.0, constants
        )
        return total, outputs, True
    if entry.structure == "softmax":
        if batch.probabilities is None and not batch.smoothing:
            kernel = loops["loop"]
            rows: tuple = (batch.target,)
        else:
            target = numpy.empty(0, "int64") if batch.target is None else batch.target  # typed, if never read
            kernel = loops["spread_loop"]
            rows = (target, batch.probabilities, real(batch.smoothing))
        total = softmax.run(
            kernel,
            prediction,
            rows,
            batch.weight,
            batch.class_weight,
            outputs,
            batch.ignore,
            real(scale),
            constants,
        )
        return total, outputs, True
    if with_values:
        outputs["values"] = memory.empty(shape, dtype)
    flat = {name: each.reshape(-1) for name, each in outputs.items()}
    weight = None if batch.weight is None else batch.weight.reshape(-1)
    total, inside = elementwise.run(
        loops["loop"], prediction.reshape(-1), batch.target.reshape(-1), weight, flat, real(scale), constants
    )
    return total, outputs, inside

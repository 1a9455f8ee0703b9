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
    prediction, target, weight = _typed(batch.prediction), _typed(batch.target), _typed(batch.weight)
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
            rows: tuple = (target,)
        else:
            target = numpy.empty(0, "int64") if target is None else target  # typed, if never read
            kernel = loops["spread_loop"]
            rows = (target, _typed(batch.probabilities), real(batch.smoothing))
        total = softmax.run(
            kernel,
            prediction,
            rows,
            weight,
            _typed(batch.class_weight),
            outputs,
            batch.ignore,
            real(scale),
            constants,
        )
        return total, outputs, True
    if with_values:
        outputs["values"] = memory.empty(shape, dtype)
    flat = {name: each.reshape(-1) for name, each in outputs.items()}
    weight = None if weight is None else weight.reshape(-1)
    total, inside = elementwise.run(
        loops["loop"], prediction.reshape(-1), target.reshape(-1), weight, flat, real(scale), constants
    )
    return total, outputs, inside


def _typed(array: Any) -> Any:
    """An input as Numba knows it. To Numba, read-only is another type: each combination of such inputs would be
    compiled anew. No kernel writes into an input, so that one of the same memory may say that it is writable."""
    if array is None or array.flags.writeable:
        return array
    return numpy.asarray(_Writable(array))


class _Writable:
    """What NumPy reads as a writable array over the memory of another, which it keeps alive."""

    def __init__(self, array: numpy.ndarray):
        self.array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}

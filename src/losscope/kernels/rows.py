"""A call of a softmax loss: rows of logits, what each is judged by, and the kernel that runs over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from losscope.kernels import threads
from losscope.kernels.compiled import CompiledLoss
from losscope.kernels.loops import soft_targets, softmax
from losscope.kernels.memory import made
from losscope.reduction import MEAN, NONE, scale_of
from losscope.structures.arrays import NAMES


@dataclass(slots=True)
class Call:
    """Inputs as arrays or addresses; what is absent is None. A row is judged by its class, or by probabilities."""

    loss: CompiledLoss
    dtype: str
    rows: int
    classes: int
    parameters: tuple[float, ...]
    logits: Any  # (rows, classes)
    target: Any = None  # (rows,) int64
    probabilities: Any = None  # (rows, classes)
    weight: Any = None  # (rows,)
    class_weight: Any = None  # (classes,)
    ignore: int = -100
    smoothing: float = 0.0

    def run(
        self,
        scale: float,
        mean: bool,
        values: Any = None,
        gradient: Any = None,
        curvature: Any = None,
        result: Any = None,
    ) -> tuple[int, float, float]:
        """Write what is given room for, derivatives times `scale` (over the summed weight, for a mean); returns the first
        row whose class is none, or -1; the sum; and the summed weight. `result` is room for the sum times the scale."""
        loop: Any = softmax if self.probabilities is None and not self.smoothing else soft_targets
        wants = (
            (loop.GRADIENT if gradient is not None else 0)
            | (loop.VALUES if values is not None else 0)
            | (loop.CURVATURE if curvature is not None else 0)
            | (loop.WEIGHTED if self.weight is not None else 0)
            | (loop.CLASS_WEIGHTED if self.class_weight is not None else 0)
        )
        judged: tuple[Any, ...] = (self.target,)
        numbers: tuple[float, ...] = (scale, *self.parameters)
        name = "softmax"
        if loop is soft_targets:
            wants |= loop.BY_CLASS if self.probabilities is None else 0
            judged, numbers, name = (
                (self.target, self.probabilities),
                (scale, self.smoothing, *self.parameters),
                "soft_targets",
            )
        kernel = self.loss.kernels.get((name, self.dtype, wants)) or self.loss.kernel(name, self.dtype, wants)
        wholes = (
            self.logits, *judged, self.weight, self.class_weight, values, gradient, curvature, result, self.rows, self.classes,
            self.ignore, 1 if mean else 0,
        )  # fmt: skip
        found: tuple[int, float, float] = threads.run(kernel, self.rows * self.classes, wholes, numbers)
        return found


def evaluate(
    loss: CompiledLoss,
    batch: Any,
    parameters: tuple[float, ...],
    reduction: Any,
    order: int,
    out: Any,
) -> tuple[float, dict[str, Any], bool]:
    """The sum over a batch of arrays, its values and derivatives as asked, and whether every class is one."""
    shape, dtype = batch.prediction.shape, batch.dtype
    outputs = made(shape, dtype, order, out)
    if reduction == NONE:
        outputs["values"] = numpy.empty(shape[0], dtype)
    call = Call(
        loss, NAMES[dtype], shape[0], shape[1], parameters, batch.prediction, batch.target, batch.probabilities, batch.weight,
        batch.class_weight, batch.ignore, batch.smoothing,
    )  # fmt: skip
    known = batch.total_weight is not None
    wrong, total, weighs = call.run(
        scale_of(reduction, batch.total_weight), reduction == MEAN and not known, **outputs
    )
    if not known:
        batch.total_weight = weighs
    return total, outputs, wrong < 0

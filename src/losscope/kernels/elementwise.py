"""A call of an elementwise loss: what it reads, and the kernel that runs over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from losscope.engine.arrays import PIECE, STORED
from losscope.kernels import threads
from losscope.kernels.compiled import CompiledLoss, address_of
from losscope.kernels.loops import elementwise as loop
from losscope.kernels.memory import empty, made
from losscope.reduction import NONE, scale_of
from losscope.structures.arrays import NAMES


@dataclass(slots=True)
class Call:
    """Inputs as arrays or addresses, flat and of one dtype; what is absent is None."""

    loss: CompiledLoss
    dtype: str
    size: int
    parameters: tuple[float, ...]
    prediction: Any  # (size,), and so are target and weight
    target: Any
    weight: Any = None
    varying: Any = None  # (period + 64,): the last parameter along each row of `period` elements, and on from its beginning
    period: int = 1
    watched: bool = False  # whether numbers outside the loss's domain are looked for

    def run(
        self,
        scale: float,
        values: Any = None,
        gradient: Any = None,
        target_gradient: Any = None,
        curvature: Any = None,
        result: Any = None,
    ) -> tuple[int, float]:
        """Write what is given room for, derivatives times `scale`; returns whether a number lies outside the domain, and
        the weighed sum. `result` is room for one number, the sum times `scale`."""
        wants = (
            (loop.GRADIENT if gradient is not None else 0)
            | (loop.VALUES if values is not None else 0)
            | (loop.WEIGHTED if self.weight is not None else 0)
            | (loop.TARGET_GRADIENT if target_gradient is not None else 0)
            | (loop.CURVATURE if curvature is not None else 0)
            | (loop.VARYING if self.varying is not None else 0)
            | (loop.WATCHED if self.watched else 0)
        )
        dtype, size = self.dtype, self.size
        if size >= loop.STREAMED // 8 and size * STORED[dtype].size >= loop.STREAMED:
            outputs = (values, gradient, target_gradient, curvature)
            if all(each is None or address_of(each) % PIECE == 0 for each in outputs):
                wants |= loop.STREAMING
        kernel = self.loss.kernels.get(("elementwise", dtype, wants)) or self.loss.kernel(
            "elementwise", dtype, wants
        )
        wholes = (
            self.prediction, self.target, self.weight, self.varying, values, gradient, target_gradient, curvature, result,
            size, self.period,
        )  # fmt: skip
        status, total, _ = threads.run(kernel, size, wholes, (scale, *self.parameters))
        return status, total


def evaluate(
    loss: CompiledLoss,
    batch: Any,
    parameters: tuple[float, ...],
    reduction: Any,
    order: int,
    out: Any,
) -> tuple[float, dict[str, Any], bool]:
    """The weighed sum over a batch of arrays, its values and derivatives as asked, and whether all was in its domain."""
    prediction = batch.prediction
    outputs = made(prediction.shape, batch.dtype, order, out)
    if reduction == NONE:
        outputs["values"] = empty(prediction.shape, batch.dtype)
    call = Call(
        loss,
        NAMES[batch.dtype],
        prediction.size,
        parameters,
        prediction,
        batch.target,
        batch.weight,
        watched=loss.has_domain,
    )
    outside, total = call.run(scale_of(reduction, batch.total_weight), **outputs)
    return total, outputs, not outside

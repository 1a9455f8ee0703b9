"""A call of a loss of the margins between classes: rows of scores, their right classes, and the kernel that runs over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from losscope.kernels import threads
from losscope.kernels.compiled import CompiledLoss
from losscope.kernels.loops import multiclass_margin as loop


@dataclass(slots=True)
class Call:
    """Inputs as addresses; what is absent is None."""

    loss: CompiledLoss
    dtype: str
    rows: int
    classes: int
    listed: int  # how many classes a row names at most
    parameters: tuple[float, ...]
    scores: Any  # (rows, classes)
    target: Any  # (rows,) int64, or (rows, listed), of which a negative ends each
    weight: Any = None  # (rows,)
    lists: bool = False

    def run(self, scale: float, values: Any = None, gradient: Any = None, result: Any = None) -> tuple[int, float]:
        """Write what is given room for, the gradient times `scale`; returns the first row with a class that is none, or -1,
        and the sum. `result` is room for one number, the sum times the scale."""
        wants = (loop.GRADIENT if gradient is not None else 0) | (loop.LISTS if self.lists else 0)
        name = "multiclass_margin"
        kernel = self.loss.kernels.get((name, self.dtype, wants)) or self.loss.kernel(name, self.dtype, wants)
        wholes = (self.scores, self.target, self.weight, values, gradient, result, self.rows, self.classes, self.listed)
        status, total, _ = threads.run(kernel, self.rows * self.classes, wholes, (scale, *self.parameters))
        return status, total

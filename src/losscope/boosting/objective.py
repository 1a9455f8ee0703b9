"""What every library of boosted trees needs of a loss: gradient and curvature of each row, and where to start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import losscope as ls
from losscope.boosting.curvature import Curvature, curvature_of, falls_without_end
from losscope.constant import best_constant
from losscope.errors import LossError, LossTypeError, complain, shown
from losscope.structures.arrays import as_array, ready_weight

Own = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Objective:
    """A loss as trees take it. `curvature` and `start` stand for those that are derived (see `losscope.boosting`)."""

    def __init__(self, loss: Any, curvature: Own | None = None, start: Any = None) -> None:
        self.loss: ls.Loss = ls.get(loss)
        if self.loss.judges not in ("numbers", "classes") or self.loss.entry.over != "elements":
            raise LossError(
                complain(
                    f"{self.loss.name} compares vectors or whole distributions, and trees predict one number at a time",
                    next_step="Give an elementwise loss, or one over classes",
                )
            )
        if self.loss.gradient_formula == 0:
            raise LossError(complain(f"{self.loss.name} has no gradient, so trees cannot learn from it"))
        prediction = self.loss.entry.prediction
        if prediction.outside and self.loss.activation is None:
            raise LossError(
                complain(
                    f"{self.loss.name} takes a number {prediction.words}, and trees give any number",
                    next_step=f"Put an activation before it, as in {self.loss.name}@"
                    + ("sigmoid" if prediction.name == "probability" else "exp"),
                )
            )
        if falls_without_end(self.loss):
            raise LossError(
                complain(
                    f"{self.loss.name} falls without end on one side, and trees would follow it",
                    next_step=f"Keep predictions within its domain, as in {self.loss.name}@softplus",
                )
            )
        if curvature is not None and not callable(curvature):
            raise LossTypeError(
                complain("curvature must be a function (score, target) -> h", got=shown(curvature))
            )
        self.own, self.given_start = curvature, start
        if start is not None:
            self.given_start = as_array(start, "start").astype(np.float64)
            if not np.isfinite(self.given_start).all():
                raise LossError(
                    complain("start is no score to begin from", got=start, expected="finite numbers")
                )
        self.curvature: Curvature = curvature_of(self.loss)

    @property
    def how(self) -> str:
        """Which curvature it has, in words."""
        return self.curvature.how if self.own is None else "as given"

    @property
    def of_classes(self) -> bool:
        return self.loss.judges == "classes"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} objective of {self.loss.name}>"

    def start(self, target: Any, weight: Any = None, classes: int | None = None) -> Any:
        """The score to start from: the given one, or the constant that minimises the loss on these targets."""
        if self.given_start is not None:
            return self.given_start
        return np.asarray(best_constant(self.loss, self.targets(target), weight, classes))

    def targets(self, target: Any) -> np.ndarray:
        """The labels as the loss takes them: class indices are whole numbers, whatever they were kept as."""
        labels = np.asarray(target)
        if not self.of_classes:
            return labels.astype(np.float64)
        index = labels.astype(np.int64)
        if not np.array_equal(index, labels):
            row = int(np.flatnonzero(index != labels)[0])
            raise LossError(complain(f"label {row} is no class", got=labels[row], expected="0, 1, 2 ..."))
        return index

    def derivatives(self, score: Any, target: Any, weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and curvature of each row's loss in its score, times its weight; float64, of the score's shape."""
        z, y = np.ascontiguousarray(score, dtype=np.float64), self.targets(target)
        _, gradient = self.loss.value_and_grad(z, y, reduction="sum")
        curvature = self.own(z, y) if self.own is not None else self.curvature.of(self.loss, z, y)
        if weight is None:
            return gradient, np.asarray(curvature, dtype=np.float64)
        w = ready_weight(weight, y.shape[:1], z.dtype, "row").reshape(-1, *[1] * (z.ndim - 1))
        return gradient * w, curvature * w

    def mean(self, score: Any, target: Any, weight: Any = None) -> float:
        """The weighted mean loss."""
        w = None if weight is None else np.asarray(weight, dtype=np.float64)
        return float(self.loss(np.ascontiguousarray(score, dtype=np.float64), self.targets(target), weight=w))

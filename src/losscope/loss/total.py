"""Total: a sum of losses and its weight, from which a mean is made last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from losscope.errors import LossError, complain


@dataclass(frozen=True)
class Total:
    """A sum of losses and the weight it stands for: what makes splitting a batch exact.

    >>> Total(3.0, 2.0) + Total(1.0, 2.0)
    Total(sum=4.0, weight=4.0)
    >>> (Total(3.0, 2.0) + Total(1.0, 2.0)).mean()
    1.0
    """

    sum: Any
    weight: Any

    def __add__(self, other: Total) -> Total:
        if not isinstance(other, Total):
            return NotImplemented
        return Total(self.sum + other.sum, self.weight + other.weight)

    def __radd__(self, other: Any) -> Total:
        # sum(totals) starts from 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def mean(self) -> Any:
        """The sum over the weight; NaN of nothing."""
        if not self.weight:
            return self.sum + float("nan")  # of nothing: the gradient is that of the sum, 0, as everywhere
        if getattr(self.sum, "is_floating_point", bool)():
            # A tensor is divided as a float64, which the weight is: so has forward mode's tangent the dtype of the sum.
            return (self.sum.double() / self.weight).to(self.sum.dtype)
        return self.sum / self.weight


def finite(total_weight: float) -> float:
    """The weight of a total, which is a number to divide by."""
    if total_weight == float("inf"):
        raise LossError(
            complain(
                "The weights are too large to be added up",
                got="a sum beyond the largest float64",
                next_step="Divide all weights by the largest",
            )
        )
    return total_weight

"""The result: how exact the numbers of a formula are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BOUND = 8.0  # ulp, times the condition


@dataclass(frozen=True)
class Worst:
    """The point where a form is furthest from the truth, in ulp over the condition of the problem there."""

    error: float
    order: int
    dtype: str
    at: Mapping[str, float]
    computed: float
    truth: float


@dataclass(frozen=True)
class Certificate:
    """How exact the numbers of a formula are: the worst of its value, gradient and curvature over `points` points. `forms`:
    what was computed, where that was found and not written."""

    worst: Worst
    points: int
    forms: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether all are within 8 ulp, times the condition of the problem."""
        return self.worst.error <= BOUND

    def __str__(self) -> str:
        if self.exact:
            return f"exact to {max(self.worst.error, 0.5):.1f} ulp on {self.points:,} points"
        return f"not exact: {self.where()}"

    def where(self) -> str:
        """The worst point in words."""
        worst = self.worst
        at = ", ".join(f"{name} = {value + 0:.9g}" for name, value in worst.at.items())
        order = ("value", "gradient", "curvature")[worst.order]
        digits = next(
            (
                digits
                for digits in range(6, 17)
                if f"{worst.computed:.{digits}g}" != f"{worst.truth:.{digits}g}"
            ),
            17,
        )
        computed, truth = worst.computed + 0, worst.truth + 0  # no -0
        return f"at {at} the {order} is {computed:.{digits}g} in {worst.dtype}, true {truth:.{digits}g}"

"""A polynomial by Horner's rule, over the numbers of any package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def polynomial(x: Any, coefficients: Sequence[Any]) -> Any:
    """Of the coefficients the highest comes first.

    >>> polynomial(2.0, (3.0, 0.0, 1.0))
    13.0
    """
    total = coefficients[0]
    for each in coefficients[1:]:
        total = total * x + each
    return total

"""What every primitive shares: numbers of Python's among its arguments, and Horner's rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from losscope.engine.lanes import Lanes, fma
from losscope.kernels.primitives.tables import Polynomial


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function over lanes. Of numbers of Python's alone it is a number, computed in double precision; beside lanes they
    are rounded to the dtype of those."""

    @wraps(function)
    def over_lanes(*arguments: Any) -> Any:
        lanes = [each for each in arguments if isinstance(each, Lanes)]
        if not lanes:
            return _of_numbers(function.__name__, arguments)
        if len(lanes) < len(arguments):
            arguments = tuple(each if isinstance(each, Lanes) else lanes[0].constant(each) for each in arguments)
        return function(*arguments)

    return over_lanes


def _of_numbers(name: str, arguments: tuple[float, ...]) -> float:
    import numpy

    from losscope.kernels.reference import NAMESPACE

    with numpy.errstate(all="ignore"):
        return float(NAMESPACE[name](*(numpy.float64(each) for each in arguments)))


def polynomial(x: Lanes, coefficients: Polynomial) -> Lanes:
    """Horner's rule, each step rounded once."""
    total: Any = x.constant(coefficients[0])
    for each in coefficients[1:]:
        total = fma(total, x, each)
    return total



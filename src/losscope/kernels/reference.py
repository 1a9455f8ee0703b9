"""The same formulas by plain array operations: slow, simple, and the judge of the compiled kernels.

Runs the same generated text as every target, with NumPy and SciPy as its namespace. It serves any
floating dtype, and compiles nothing.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy
from scipy import special

from losscope import structures
from losscope.entry import Entry
from losscope.kernels import special as made_of_others
from losscope.kernels.polynomial import polynomial


def _series(x: Any, first: int, coefficient: Any) -> Any:
    """sum of coefficient(n) x^n from `first`, for |x| <= 1/2."""
    x = numpy.where(numpy.abs(x) <= 0.5, x, 0)
    total = numpy.zeros_like(x)
    for n in range(first + 50, first - 1, -1):
        total = total * x + coefficient(n)
    return total * x**first


def log1pmx(x: Any) -> Any:
    return numpy.where(
        numpy.abs(x) <= 0.5, _series(x, 2, lambda n: (-1.0) ** (n + 1) / n), numpy.log1p(x) - x
    )


def expm1mx(x: Any) -> Any:
    return numpy.where(
        numpy.abs(x) <= 0.5, _series(x, 2, lambda n: 1 / special.gamma(n + 1.0)), numpy.expm1(x) - x
    )


def log_cosh(x: Any) -> Any:
    x = numpy.abs(x)
    small = numpy.minimum(x, 1)
    return numpy.where(
        x < 1, numpy.log1p(2 * numpy.sinh(small / 2) ** 2), x + numpy.log1p(numpy.exp(-2 * x)) - numpy.log(2)
    )


def sech2(x: Any) -> Any:
    u = numpy.exp(-2 * numpy.abs(x))
    return 4 * u / (1 + u) ** 2


def sqrt1px2m1(x: Any) -> Any:
    root = numpy.hypot(1, x)
    return numpy.where(numpy.isinf(x), numpy.abs(x), x * (x / (1 + root)))


def xdivy(x: Any, y: Any) -> Any:
    return numpy.where((x == 0) & ~numpy.isnan(y), 0, x / y)


def xmuly(x: Any, y: Any) -> Any:
    return numpy.where((x == 0) & ~numpy.isnan(y), 0, x * y)


NAMESPACE: dict[str, Any] = {
    "real": lambda x: x, "abs": numpy.abs, "sign": numpy.sign, "exp": numpy.exp, "log": numpy.log, "sqrt": numpy.sqrt,
    "log1p": numpy.log1p, "expm1": numpy.expm1, "log1pmx": log1pmx, "expm1mx": expm1mx, "tanh": numpy.tanh,
    "softplus": lambda x: numpy.logaddexp(0, x), "sigmoid": special.expit, "sech2": sech2, "log_cosh": log_cosh,
    "sqrt1px2m1": sqrt1px2m1, "sin_arctan": lambda x: numpy.where(numpy.isinf(x), numpy.sign(x), x / numpy.hypot(1, x)),
    "cos_arctan": lambda x: 1 / numpy.hypot(1, x), "xlogy": special.xlogy, "xlog1py": special.xlog1py, "xdivy": xdivy, "xmuly": xmuly,
    "minimum": numpy.minimum, "maximum": numpy.maximum, "where": numpy.where, "power": numpy.power,
    "unless_nan": lambda x, result: numpy.where(numpy.isnan(x), numpy.nan, result),
    "sinh": numpy.sinh, "cosh": numpy.cosh, "asinh": numpy.arcsinh, "acosh": numpy.arccosh, "atan": numpy.arctan,
    "sin": numpy.sin, "cos": numpy.cos, "erf": special.erf, "erfc": special.erfc, "hypot": numpy.hypot,
    "log_ndtr": special.log_ndtr, "mills": lambda x: numpy.sqrt(2 / numpy.pi) / special.erfcx(-x / numpy.sqrt(2)),
    "lgamma": lambda x: numpy.where(x < 0, numpy.nan, special.gammaln(x)),
    "digamma": lambda x: special.digamma(numpy.where(x < 0, numpy.nan, x)),
    "polygamma1": lambda x: special.polygamma(1, numpy.where(x < 0, numpy.nan, x)),
    "polygamma2": lambda x: special.polygamma(2, numpy.where(x < 0, numpy.nan, x)),
    "absolute": numpy.abs, "polynomial": polynomial, "nearest": numpy.rint,
}  # fmt: skip
made_of_others.over(NAMESPACE)


@lru_cache(512)
def orders(entry: Entry, through: Entry | None) -> tuple[Any, Any, Any]:
    """The formula as three functions of arrays: value; and gradient; and curvature."""
    from losscope.derive import derive
    from losscope.emit.python import functions

    parameters = [*entry.parameters, *(through.parameters if through else ())]
    namespace = dict(NAMESPACE)
    exec(functions(derive(entry, through), structures.get(entry.structure).arguments, parameters), namespace)
    return tuple(_of_floats(namespace[f"order{order}"]) for order in range(3))  # type: ignore[return-value]


def _of_floats(function: Any) -> Any:
    """The same, parameters as NumPy's numbers: what is divided by a 0 of Python's is an error, not infinite."""
    return lambda *arguments: function(
        *(numpy.float64(each) if isinstance(each, int | float) else each for each in arguments)
    )


def pointwise(loss: Any, *arguments: Any) -> tuple[Any, Any, Any]:
    """Value, gradient and curvature of the formula at each element, in float64, unreduced."""
    order2 = orders(loss.entry, loss.activation)[2]
    with numpy.errstate(all="ignore"):
        arrays = [numpy.asarray(each, "float64") for each in arguments]
        results = order2(*arrays, *loss.parameters.values())
        shape = numpy.broadcast_shapes(*(each.shape for each in arrays))
        return tuple(numpy.broadcast_to(numpy.asarray(each, "float64"), shape) for each in results)  # type: ignore[return-value]


def along(loss: Any, x: Any, judged: float | None = None) -> tuple[Any, Any, Any]:
    """Value, gradient and curvature over what the loss is a function of: the prediction for one target, the margin,
    or the distance for one label."""
    return pointwise(
        loss, *structures.get(loss.structure).along(numpy.asarray(x), 1.0 if judged is None else judged)
    )


def evaluate(loss: Any, prediction: Any, target: Any, weight: Any = None, **options: Any) -> tuple[Any, ...]:
    """Unreduced value, gradient and curvature by the book, in float64 (see `losscope.kernels.judge`)."""
    kernel = structures.get(loss.structure).kernel
    found: tuple[Any, ...] = import_module(f"losscope.kernels.judge.{kernel}").evaluate(
        loss, prediction, target, weight, **options
    )
    return found

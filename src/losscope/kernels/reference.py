"""The same formulas by plain array operations: slow, simple, and the judge of the compiled kernels.

Runs the same generated text as every target, with NumPy and SciPy as its namespace. It serves any
floating dtype, and compiles nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy
from scipy import special

from losscope import structures
from losscope.entry import Entry
from losscope.kernels import special as made_of_others


def polynomial(x: Any, coefficients: Any) -> Any:
    total = coefficients[0]
    for each in coefficients[1:]:
        total = total * x + each
    return total


def _series(x: Any, first: int, coefficient: Any) -> Any:
    """sum of coefficient(n) x^n from `first`, for |x| <= 1/2."""
    x = numpy.where(numpy.abs(x) <= 0.5, x, 0)
    return sum(coefficient(n) * x**n for n in range(first + 50, first - 1, -1))


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
    "lgamma": lambda x: numpy.where(x < 0, numpy.nan, special.gammaln(x)),
    "digamma": lambda x: numpy.where(x < 0, numpy.nan, special.digamma(x)),
    "polygamma1": lambda x: numpy.where(x < 0, numpy.nan, special.polygamma(1, x)),
    "polygamma2": lambda x: numpy.where(x < 0, numpy.nan, special.polygamma(2, x)),
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
    exec(functions(derive(entry, through), structures.get(entry.structure).ARGUMENTS, parameters), namespace)
    return namespace["order0"], namespace["order1"], namespace["order2"]


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
    if judged is None:
        judged = 1.0
    if loss.structure == "softmax":
        return pointwise(loss, x)
    rest = (1 - x,) if loss.structure == "distance" else ()
    return pointwise(loss, x, numpy.full_like(x, judged), *rest)


def evaluate(loss: Any, prediction: Any, target: Any, weight: Any = None, **options: Any) -> tuple[Any, ...]:
    """Unreduced value, gradient and curvature by the book: elementwise, or row by row for softmax and distance (which
    has no curvature)."""
    if loss.structure == "distance":
        vectors = (numpy.asarray(each, "float64") for each in (prediction, target))
        value, gradient = _distance(loss, *vectors, **options)
        by_row = numpy.ones_like(value) if weight is None else numpy.asarray(weight, "float64")
        return value * by_row, gradient * by_row[..., None]
    if loss.structure != "softmax":
        value, gradient, curvature = pointwise(loss, prediction, prediction if target is None else target)
        if loss.entry.over == "rows":
            value = value.sum(-1)
        weights: Any = 1.0 if weight is None else numpy.asarray(weight, "float64")
        spread = weights[..., None] if loss.entry.over == "rows" and weight is not None else weights
        return value * weights, gradient * spread, curvature * spread
    return _softmax(loss, numpy.asarray(prediction, "float64"), numpy.asarray(target), weight, **options)


def _distance(
    loss: Any, a: Any, b: Any, label: Any = None, negative: Any = None, swap: Any = 0
) -> tuple[Any, Any]:
    def apart(one: Any, other: Any) -> tuple[Any, Any]:
        """The length of the difference, and the direction it grows in."""
        length = numpy.sqrt(((one - other) ** 2).sum(-1))
        return length, (one - other) / numpy.where(length == 0, 1, length)[..., None]

    cosine = None
    if loss.entry.measure == "cosine":
        sizes = [numpy.sqrt((each**2).sum(-1, keepdims=True)) for each in (a, b)]
        a, b = (each / numpy.where(size == 0, 1, size) for each, size in zip((a, b), sizes, strict=True))
        cosine = (a * b).sum(-1)
        none = ((sizes[0] == 0) | (sizes[1] == 0))[..., 0]
        distance = numpy.where(none, 1, ((a - b) ** 2).sum(-1) / 2)
        growth = (cosine[..., None] * a - b) / numpy.where(sizes[0] == 0, 1, sizes[0])
        growth = numpy.where(none[..., None], 0, growth)
    else:
        distance, growth = apart(a, b)
    if loss.entry.measure == "triplet":
        far, other = apart(a, negative)
        between = apart(b, negative)[0]
        swapped = bool(swap) & (between < far)
        distance = distance - numpy.where(swapped, between, far)
        growth = growth - numpy.where(swapped[..., None], 0, other)
    judged = numpy.ones_like(distance) if label is None else label
    value, slope, _ = pointwise(loss, distance, judged, 1 - distance if cosine is None else cosine)
    return value, slope[..., None] * growth


def _softmax(
    loss: Any,
    logits: Any,
    target: Any,
    weight: Any,
    class_weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> tuple[Any, Any, Any]:
    classes = logits.shape[-1]
    if target.shape == logits.shape:
        p, valid = target.astype("float64"), numpy.ones(logits.shape[:-1], bool)
    else:
        valid = target != ignore_index
        p = numpy.eye(classes)[numpy.where(valid, target, 0)]
    p = p * (1 - label_smoothing) + label_smoothing / classes
    if class_weight is not None:
        p = p * numpy.asarray(class_weight, "float64")
    p = p * (valid if weight is None else valid * numpy.asarray(weight, "float64"))[..., None]
    value, gradient, curvature = (
        numpy.zeros(logits.shape[:-1]),
        numpy.zeros(logits.shape),
        numpy.zeros(logits.shape),
    )
    for c in range(classes):
        others = numpy.delete(numpy.arange(classes), c)
        lse = (
            special.logsumexp(logits[..., others], -1)
            if classes > 1
            else numpy.full(logits.shape[:-1], -numpy.inf)
        )
        # A class without a share says nothing, be its margin NaN.
        with numpy.errstate(invalid="ignore"):
            margin = lse - logits[..., c]
        v, d, h = (numpy.where(p[..., c] == 0, 0, each) for each in pointwise(loss, margin))
        share = numpy.zeros(logits.shape)
        share[..., others] = _shares(logits[..., others]) if classes > 1 else 0
        share[..., c] = -1
        spread = share * (1 - share)
        spread[..., c] = 0
        value += p[..., c] * v
        gradient += (p[..., c] * d)[..., None] * share
        curvature += (p[..., c] * h)[..., None] * share**2 + (p[..., c] * d)[..., None] * spread
    return value, gradient, curvature


def _shares(logits: Any) -> Any:
    """softmax; where logits are infinite its limit, all of it to them."""
    infinite = numpy.isposinf(logits)
    finite = numpy.where(infinite.any(-1, keepdims=True), -numpy.inf, logits)
    return special.softmax(numpy.where(infinite, 0, finite), -1)

"""A softmax loss by the book."""

from __future__ import annotations

from typing import Any

import numpy
from scipy import special

from losscope.kernels.reference import pointwise


def evaluate(
    loss: Any,
    prediction: Any,
    target: Any,
    weight: Any = None,
    class_weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> tuple[Any, Any, Any]:
    """Value of each row, gradient and curvature of each of its logits."""
    logits, target = numpy.asarray(prediction, "float64"), numpy.asarray(target)
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

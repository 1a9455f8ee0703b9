"""A softmax loss of tensors: classes along the last axis, class indices or probabilities as targets."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.loss import Loss
from losscope.reduction import MEAN, NONE, scale_of
from losscope.structures.softmax import check_logits, check_options, no_class_index
from losscope.torch import margin
from losscope.torch.distance import computed
from losscope.torch.eligibility import HALVES, Outside
from losscope.torch.rows import Logits, Rows
from losscope.torch.strict import weights
from losscope.torch.strict.tensors import constant, elsewhere, prepared, unsupported


@lru_cache(256)
def _rows(entry: Entry) -> Rows:
    return Rows(entry)


def evaluate(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[torch.Tensor, Any]:
    target = constant(target, "target", prediction)
    class_weight = options.get("class_weight")
    if class_weight is not None:
        options = {**options, "class_weight": constant(class_weight, "class_weight", prediction)}
    given = prediction.dtype if prediction.is_floating_point() else torch.float64
    if class_weight is not None and given in HALVES:  # which would not hold the weights
        prediction = prediction.float()
    if prediction.ndim and target.shape == prediction.shape[:-1] and _no_index(target):
        raise no_class_index(target.dtype)
    evaluated = by_operations if elsewhere(prediction) else by_kernel
    value, weighed = evaluated(loss, prediction, target, weight, reduction, parameters, options)
    return value.to(given), weighed


def _no_index(target: Tensor) -> bool:
    return target.is_floating_point() or target.dtype is torch.bool


def by_kernel(
    loss: Loss,
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[Tensor, Any]:
    ready_batch, weight, options = prepared(loss, prediction, target, weight, options, reduction)
    class_weight = options.get("class_weight")
    weighed = ready_batch.total_weight
    if not prediction.is_floating_point():
        prediction = prediction.double()
    if ready_batch.probabilities is not None:
        target = target.to(prediction.dtype).reshape(-1, prediction.shape[-1])
    else:
        target = target.long().reshape(-1)
    if class_weight is not None:
        class_weight = class_weight.to(prediction.dtype)
    logits = prediction.reshape(-1, prediction.shape[-1])
    if not logits.shape[0]:
        return (prediction * 0).sum() if reduction != NONE else (prediction * 0).sum(-1), weighed or 0.0
    if weight is not None:
        weight = weight.to(computed(prediction.dtype)).reshape(-1).contiguous()
        if ready_batch.probabilities is None:  # a row of weight 0 may hold what is no class
            target = torch.where(weight == 0, ready_batch.ignore, target)
    row_call = Logits(
        _rows(loss.entry), (logits, target, class_weight, weight), parameters, scale_of(reduction, weighed), reduction == NONE,
        ready_batch.ignore, ready_batch.smoothing, reduction == MEAN and weighed is None,
    )  # fmt: skip
    if not row_call.fits():
        raise unsupported(prediction, "prediction")
    try:
        value = row_call.result()
    except Outside:
        loss._structure.check_domains(loss.entry, ready_batch, False)
        raise
    weighed = row_call.weighed if weighed is None else weighed
    return value.reshape(ready_batch.shape) if reduction == NONE else value, weighed


def by_operations(
    loss: Loss,
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> weights.Weighed:
    """The same by torch operations."""
    check_logits(prediction)
    ignore, smoothing = options.get("ignore_index", -100), options.get("label_smoothing", 0.0)
    check_options(ignore, smoothing)
    shape = prediction.shape[:-1]
    indices = target.shape == shape if not target.is_floating_point() else False
    if target.shape != (shape if indices else prediction.shape):
        raise LossError(
            complain(
                "target fits neither as class indices nor as rows of probabilities",
                got=f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)} of {target.dtype}",
                expected=f"target {tuple(shape)} of class indices, or {tuple(prediction.shape)} of probabilities",
            )
        )
    if not prediction.is_floating_point():
        prediction = prediction.double()
    classes = prediction.shape[-1]
    class_weight = options.get("class_weight")
    if class_weight is not None:
        weights.check_shape("class_weight", class_weight, prediction.shape[-1:], "class")
        if reduction == MEAN and indices:
            class_weight = weights.moderate(class_weight)
        class_weight = class_weight.to(prediction.dtype)
    logits = prediction.reshape(-1, classes)
    judged = target.long().reshape(-1) if indices else target.to(prediction.dtype).reshape(-1, classes)
    if weight is not None:
        there = weights.there(weight, shape).reshape(-1)
        logits = margin.of_rows(there, logits)
        judged = torch.where(there, judged, int(ignore)) if indices else margin.of_rows(there, judged)
    try:
        values, counted = margin.rows(
            loss.entry,
            parameters,
            logits,
            judged,
            class_weight,
            int(ignore),
            float(smoothing),
            reduction == MEAN,
        )
    except RuntimeError as error:
        if "out of bounds" not in str(error):
            raise
        raise LossError(
            complain("target holds a class that is none", expected=f"0 to {classes - 1}, or {ignore}")
        ) from None
    return weights.reduced(values.view(shape), counted.view(shape), weight, reduction, prediction.dtype)

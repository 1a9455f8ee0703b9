"""The front-end's losses of tensors that no kernel can read: on another device, under torch.func, in forward mode.

There they are torch operations. Shapes are as strict as everywhere, but what would have to be looked at number by
number (domains, rows that sum to 1, negative weights) is not checked: under vmap there is nothing to look at.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losscope.errors import LossError, complain
from losscope.loss import Loss
from losscope.torch import margin
from losscope.torch.distances import Distances

Weighed = tuple[Tensor, Tensor]  # the reduced loss, and the weight that a mean is over


def rows(
    loss: Loss,
    prediction: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> Weighed:
    """A softmax loss: classes along the last axis, class indices or probabilities as targets."""
    shape, indices = prediction.shape[:-1], not target.is_floating_point()
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
    class_weight = options.get("class_weight")
    if class_weight is not None:
        class_weight = class_weight.to(prediction.dtype)
    ignore, smoothing = options.get("ignore_index", -100), options.get("label_smoothing", 0.0)
    classes = prediction.shape[-1]
    logits = prediction.reshape(-1, classes)
    judged = target.long().reshape(-1) if indices else target.to(prediction.dtype).reshape(-1, classes)
    if weight is not None:
        there = weighed(weight, shape, logits).reshape(-1) != 0
        logits = margin.of_rows(there, logits)
        judged = torch.where(there, judged, int(ignore)) if indices else margin.of_rows(there, judged)
    try:
        values, weights = margin.rows(
            loss.entry, parameters, logits, judged, class_weight, int(ignore), float(smoothing)
        )
    except RuntimeError as error:
        if "out of bounds" not in str(error):
            raise
        raise LossError(
            complain("target holds a class that is none", expected=f"0 to {classes - 1}, or {ignore}")
        ) from None
    return _reduced(values.view(shape), weights.view(shape), weight, reduction, prediction.dtype)


def vectors(
    loss: Distances,
    given: tuple[Tensor, ...],
    label: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    swap: bool,
) -> Weighed:
    """A loss of distances: vectors of one shape along the last axis."""
    for each in given[1:]:
        if each.shape != given[0].shape:
            raise LossError(
                complain(
                    "The vectors differ in shape",
                    got=", ".join(str(tuple(each.shape)) for each in given),
                    expected="the same shape for all",
                )
            )
    if label is not None and label.shape != given[0].shape[:-1]:
        raise LossError(
            complain(
                "label must be one number for each pair",
                got=f"shape {tuple(label.shape)}",
                expected=f"shape {tuple(given[0].shape[:-1])}",
            )
        )
    if weight is not None:
        there = weighed(weight, given[0].shape[:-1], given[0]) != 0
        given = tuple(margin.of_rows(there, each) for each in given)
        label = None if label is None else torch.where(there, label, 1)
    values = loss.values(given, label, parameters, swap)
    return _reduced(values, torch.ones_like(values), weight, reduction, given[0].dtype)


def weighed(weight: Tensor | None, shape: torch.Size, like: Tensor) -> Tensor:
    """The weights of the elements or rows of a batch, each 1 where there are none."""
    if weight is None:
        return like.new_ones(()).expand(shape)
    if weight.shape != shape:
        raise LossError(
            complain(
                "weight must be one number for each element or row",
                got=f"shape {tuple(weight.shape)}",
                expected=f"shape {tuple(shape)}",
            )
        )
    return weight.to(like.dtype)


def _reduced(
    values: Tensor, weights: Tensor, weight: Tensor | None, reduction: str, dtype: torch.dtype
) -> Weighed:
    of_rows = weighed(weight, values.shape, values)
    values, total = values * of_rows, (weights * of_rows).sum()
    if reduction != "none":
        values = values.sum() if reduction == "sum" else values.sum() / total
    return values.to(dtype), total

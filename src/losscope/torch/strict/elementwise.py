"""An elementwise loss of tensors, and an activation."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from losscope.entry import Entry
from losscope.loss import Loss
from losscope.reduction import MEAN, NONE
from losscope.structures.elementwise import check_rows
from losscope.torch.elementwise import Pointwise
from losscope.torch.eligibility import HALVES, Outside
from losscope.torch.strict import weights
from losscope.torch.strict.tensors import alike, elsewhere, out_of_domain, prepared, same_shape, unsupported


@lru_cache(1024)
def pointwise(entry: Entry, through: Entry | None) -> Pointwise:
    """A loss or an activation, and how torch runs it."""
    return Pointwise(entry, through, refuses=True)


def evaluate(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    _: dict[str, Any],
) -> tuple[torch.Tensor, Any]:
    dtype = prediction.dtype
    if target.dtype != dtype or not prediction.is_floating_point():
        dtype, (prediction, target) = alike(prediction=prediction, target=target)
    if weight is not None and prediction.dtype in HALVES:  # which would not hold the weights
        prediction, target = prediction.float(), target.float()
    per_row = loss.entry.over == "rows"
    weighed: Any
    if elsewhere(prediction):
        same_shape(prediction, target)
        check_rows(loss.entry, prediction)
        batch_shape = prediction.shape[:-1] if per_row else prediction.shape
        weighed = weights.weighed(weight, batch_shape, prediction).sum()
    else:
        batch, weight, _ = prepared(loss, prediction, target, weight, {}, reduction)
        batch_shape, weighed = torch.Size(batch.shape), batch.total_weight
    if weight is not None:
        weight = weight.to(prediction.dtype)[..., None] if per_row else weight.to(prediction.dtype)
    if not prediction.numel():
        empty = prediction * 0
        if reduction != NONE:
            empty = empty.sum()
        elif per_row:
            empty = empty.sum(-1)
        return empty.to(dtype), weighed
    if loss.activation is not None and not torch.compiler.is_compiling():
        loss._tell()
    this = pointwise(loss.entry, loss.activation)
    try:
        if reduction == MEAN:
            divisor = weighed if isinstance(weighed, torch.Tensor) else weighed or 1.0
            value = this(prediction, target, MEAN, parameters, weight, divisor)
        else:
            value = this(prediction, target, reduction, parameters, weight)
    except Outside:
        if elsewhere(prediction):
            raise out_of_domain(loss) from None
        loss._structure.check_domains(loss.entry, batch, loss.activation is not None)
        raise
    if value is None:
        raise unsupported(prediction, "prediction")
    if per_row and reduction == NONE:
        value = value.sum(-1)
    return value.to(dtype), weighed

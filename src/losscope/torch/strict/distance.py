"""A loss of distances of tensors: vectors of one shape along the last axis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.loss import Loss
from losscope.reduction import NONE, scale_of
from losscope.structures.distance import check_options, check_vectors
from losscope.torch import margin
from losscope.torch.distance import Distances, Vectors, computed
from losscope.torch.strict import weights
from losscope.torch.strict.tensors import alike, constant, elsewhere, prepared


@lru_cache(256)
def _distances(entry: Entry) -> Distances:
    return Distances(entry)


def evaluate(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[torch.Tensor, Any]:
    negative, label = options.get("negative"), options.get("label")
    if label is not None:
        label = constant(label, "label", prediction)
    options = {**options, "label": label}
    named = {"prediction": prediction, "target": target} | (
        {} if negative is None else {"negative": negative}
    )
    if elsewhere(prediction):
        swap = options.get("swap", False)
        check_options(loss.entry, negative, label, swap)
        check_vectors(loss.entry, prediction)
        _, given = alike(**named)
        return by_operations(_distances(loss.entry), given, label, weight, reduction, parameters, bool(swap))
    batch, weight, _ = prepared(loss, prediction, target, weight, options, reduction)
    given_dtype, vectors = alike(**named)
    weighed = batch.total_weight
    if not batch.prediction.size:
        empty = (vectors[0] * 0).sum(-1)
        return empty if reduction == NONE else empty.sum(), weighed
    dtype = computed(vectors[0].dtype)
    label, weight = (None if each is None else each.to(dtype) for each in (label, weight))
    this, unreduced = _distances(loss.entry), reduction == NONE
    call = Vectors(
        this, vectors, label, weight, parameters, scale_of(reduction, weighed), unreduced, batch.swap
    )
    return call.result().to(given_dtype), weighed


def by_operations(
    loss: Distances,
    given: tuple[Tensor, ...],
    label: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    swap: bool,
) -> weights.Weighed:
    """The same by torch operations."""
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
        there = weights.there(weight, given[0].shape[:-1])
        given = tuple(margin.of_rows(there, each) for each in given)
        label = None if label is None else torch.where(there, label, 1)
    values = loss.values(given, label, parameters, swap)
    return weights.reduced(values, torch.ones_like(values), weight, reduction, given[0].dtype)

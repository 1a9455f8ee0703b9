"""A loss of the catalogue, or a user's own, on torch tensors: the front-end behind `losscope.huber(tensor, tensor)`.

Shapes are as strict as everywhere in losscope, where `losscope.torch.functional` has PyTorch's. Prediction and
target are differentiable, as often as wanted.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any

import torch

from losscope.entry import Entry
from losscope.errors import LossError, LossTypeError, complain
from losscope.loss import REDUCTIONS, Loss, Total
from losscope.torch import ready
from losscope.torch.distances import Call, Distances, computed
from losscope.torch.pointwise import Outside, Pointwise
from losscope.torch.rows import Batch, Rows


def call(
    loss: Loss,
    prediction: torch.Tensor,
    target: Any,
    *,
    weight: Any = None,
    reduction: str = "mean",
    **options: Any,
) -> torch.Tensor:
    """The loss as a tensor: 0-d for "mean" and "sum", one value per element or row for "none"."""
    if reduction not in REDUCTIONS:
        raise LossError(
            complain("Unknown reduction", got=repr(reduction), expected=" or ".join(map(repr, REDUCTIONS)))
        )
    return _evaluate(loss, prediction, target, weight, reduction, options)[0]


def total(loss: Loss, prediction: torch.Tensor, target: Any, *, weight: Any = None, **options: Any) -> Total:
    """A differentiable sum, and the weight it stands for."""
    return Total(*_evaluate(loss, prediction, target, weight, "sum", options))


def activate(loss: Loss, score: torch.Tensor) -> torch.Tensor:
    """An activation of a tensor: no activation looks at a target, and the score itself stands for it."""
    _refuse_unusual(score, "score")
    value = (
        _pointwise(loss.entry, None)(score, score.detach(), "none", tuple(loss.parameters.values()))
        if score.numel()
        else score.clone()
    )
    if value is None:
        raise _unsupported(score, "score")
    return value


@lru_cache(1024)
def _pointwise(entry: Entry, through: Entry | None) -> Pointwise:
    return Pointwise(entry, through, refuses=True)


@lru_cache(256)
def _rows(entry: Entry) -> Rows:
    return Rows(entry)


@lru_cache(256)
def _distances(entry: Entry) -> Distances:
    return Distances(entry)


def _evaluate(
    loss: Loss, prediction: torch.Tensor, target: Any, weight: Any, reduction: str, options: dict[str, Any]
) -> tuple[torch.Tensor, float]:
    """The reduced loss, and the weight that a mean is over."""
    parameters, rest = loss._split(options)
    for tensor, name in ((prediction, "prediction"), (target, "target"), (weight, "weight")):
        _refuse_unusual(tensor, name)
    if not isinstance(target, torch.Tensor):
        target = torch.as_tensor(target, device=prediction.device)
        if loss.structure != "softmax" or target.is_floating_point():
            target = target.to(prediction.dtype)
    if loss.structure == "softmax":
        return _evaluate_rows(loss, prediction, target, weight, reduction, parameters, rest)
    if loss.structure == "distance":
        return _evaluate_vectors(loss, prediction, target, weight, reduction, parameters, rest)
    if target.dtype != prediction.dtype or not prediction.is_floating_point():
        target, prediction = _alike(target, prediction)
    per_row = loss.entry.over == "rows"
    if ready.transforming() or not prediction.is_cpu:
        _same_shape(prediction, target)
        weights = (
            None
            if weight is None
            else torch.as_tensor(weight, dtype=prediction.dtype, device=prediction.device)
        )
        batch_shape = prediction.shape[:-1] if per_row else prediction.shape
        weighed = float(batch_shape.numel()) if weights is None else float(weights.sum(dtype=torch.float64))
    else:
        batch = loss._structure.prepare(
            loss.entry, _array(prediction, "prediction"), _array(target, "target"), _array(weight, "weight")
        )
        _refuse_mean_of_nothing(prediction, reduction)
        batch_shape, weighed = torch.Size(batch.shape), batch.total_weight
        weights = None if weight is None else torch.as_tensor(weight).to(prediction.dtype)
    if weights is not None and per_row:
        weights = weights[..., None]
    if not prediction.numel():
        empty = (prediction * 0).sum() if reduction != "none" else (prediction * 0).reshape(batch_shape)
        return empty, weighed
    this = _pointwise(loss.entry, loss.activation)
    try:
        if reduction == "mean":
            value = this(prediction, target, "mean", parameters, weights, weighed or float("nan"))
        else:
            value = this(prediction, target, reduction, parameters, weights)
    except Outside:
        loss._structure.check_domains(
            loss.entry,
            loss._structure.prepare(
                loss.entry, _array(prediction, "prediction"), _array(target, "target"), None
            ),
            loss.activation is not None,
        )
        raise
    if value is None:
        raise _unsupported(prediction, "prediction")
    if per_row and reduction == "none":
        value = value.sum(-1)
    return value, weighed


def _evaluate_rows(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: Any,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[torch.Tensor, float]:
    arrays = {name: _array(each, name) for name, each in options.items()}
    ready_batch = loss._structure.prepare(
        loss.entry,
        _array(prediction, "prediction"),
        _array(target, "target"),
        _array(weight, "weight"),
        **arrays,
    )
    _refuse_mean_of_nothing(prediction, reduction)
    if not prediction.is_floating_point():
        prediction = prediction.double()
    if ready_batch.probabilities is not None:
        target = target.to(prediction.dtype).reshape(-1, prediction.shape[-1])
    else:
        target = target.long().reshape(-1)
    class_weight = options.get("class_weight")
    if class_weight is not None:
        class_weight = torch.as_tensor(class_weight).to(prediction.dtype)
    logits = prediction.reshape(-1, prediction.shape[-1])
    if not logits.shape[0]:
        return (prediction * 0).sum() if reduction != "none" else (prediction * 0).sum(-1), 0.0
    batch = Batch.of(logits, target, class_weight, ready_batch.ignore, ready_batch.smoothing)
    if batch is None:
        raise _unsupported(prediction, "prediction")
    weights = None if weight is None else torch.as_tensor(weight).to(batch.computed).reshape(-1).contiguous()
    weighed = ready_batch.total_weight
    scale = 1.0 if reduction != "mean" else 1.0 / weighed if weighed else float("inf")
    value = _rows(loss.entry).apply(
        logits, target, class_weight, weights, batch, parameters, scale, reduction == "none"
    )
    return value.reshape(ready_batch.shape) if reduction == "none" else value, weighed


def _evaluate_vectors(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: Any,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[torch.Tensor, float]:
    for name, each in options.items():
        _refuse_unusual(each, name)
    batch = loss._structure.prepare(
        loss.entry,
        _array(prediction, "prediction"),
        _array(target, "target"),
        _array(weight, "weight"),
        **{name: _array(each, name) for name, each in options.items()},
    )
    _refuse_mean_of_nothing(prediction, reduction)
    negative = () if batch.negative is None else (torch.as_tensor(options["negative"]),)
    vectors = _alike(prediction, target, *negative)
    if not batch.prediction.size:
        empty = (vectors[0] * 0).sum(-1)
        return empty if reduction == "none" else empty.sum(), 0.0
    if vectors[0].dtype not in ready.NAMES:
        raise _unsupported(prediction, "prediction")
    dtype = computed(vectors[0].dtype)
    label, weights = (
        None if each is None else torch.as_tensor(each).to(dtype) for each in (options.get("label"), weight)
    )
    weighed = batch.total_weight
    scale = 1.0 if reduction != "mean" else 1.0 / weighed if weighed else float("nan")
    how = Call(_distances(loss.entry), scale, reduction == "none", parameters, batch.swap)
    return how.loss.apply(how, vectors, label, weights), weighed


def _refuse_mean_of_nothing(prediction: torch.Tensor, reduction: str) -> None:
    if reduction == "mean" and not prediction.numel():
        raise LossError(
            complain(
                "There is no mean of nothing: the input is empty",
                got=f"shape {tuple(prediction.shape)}",
                next_step='Use reduction="sum", or skip the empty batch',
            )
        )


def _refuse_unusual(tensor: Any, name: str) -> None:
    """Say which tensor it is that no kernel takes, and what to do with it."""
    if not isinstance(tensor, torch.Tensor):
        return
    what = None
    if tensor.is_complex():
        what = (f"is complex ({tensor.dtype})", f"Use {name}.abs(), .real or .imag")
    elif tensor.layout is not torch.strided:
        what = (f"is sparse ({tensor.layout})", f"Use {name}.to_dense()")
    elif tensor.is_meta:
        what = ("is on the device meta, and holds no numbers", "")
    elif name == "weight" and tensor.requires_grad:
        what = ("requires a gradient, and a loss gives none for weights", "Use weight.detach()")
    if what is not None:
        raise LossTypeError(complain(f"{name} {what[0]}", next_step=what[1]))


def _alike(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All in one floating dtype: the widest of theirs, float64 where none is floating."""
    floating = [each.dtype for each in tensors if each.is_floating_point()]
    dtype = reduce(torch.promote_types, floating) if floating else torch.float64
    return tuple(each.to(dtype) for each in tensors)


def _same_shape(prediction: torch.Tensor, target: torch.Tensor) -> None:
    if prediction.shape != target.shape:
        raise LossError(
            complain(
                "prediction and target differ in shape",
                got=f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)}",
                expected="the same shape for both",
            )
        )


def _array(tensor: Any, name: str) -> Any:
    """The memory of a tensor as an array; bfloat16, which NumPy does not know, as float32."""
    if not isinstance(tensor, torch.Tensor):
        return tensor
    if tensor.device.type != "cpu":
        raise LossTypeError(
            complain(
                f"{name} is on {tensor.device}", expected="a tensor on the CPU", next_step=f"Use {name}.cpu()"
            )
        )
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _unsupported(tensor: torch.Tensor, name: str) -> LossTypeError:
    return LossTypeError(
        complain(
            f"{name} is a tensor that losscope does not compute with",
            got=f"{type(tensor).__name__}, {tensor.dtype}, {tensor.layout}",
            expected="a dense tensor of float32, float64, bfloat16 or float16",
        )
    )

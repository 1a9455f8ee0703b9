"""A loss of the catalogue, or a user's own, on torch tensors: the front-end behind `losscope.huber(tensor, tensor)`.

Shapes are as strict as everywhere in losscope, where `losscope.torch.functional` has PyTorch's. The prediction is
differentiable, as often as wanted, and so is the target of an elementwise loss; what has no gradient (weights, the
target of a softmax loss) is refused where one is wanted. A tensor that is not plain numbers is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, reduce, wraps
from typing import Any

import numpy
import torch

from losscope.entry import Entry
from losscope.errors import LossError, LossTypeError, complain
from losscope.loss import REDUCTIONS, Loss, Total, finite
from losscope.structures import arrays, mean
from losscope.torch import elsewhere, ready
from losscope.torch.distances import Distances, Vectors, computed
from losscope.torch.pointwise import Pointwise
from losscope.torch.ready import Outside
from losscope.torch.rows import Logits, Rows


def _eager(function: Callable[..., Any]) -> Callable[..., Any]:
    """Interrupts a graph that is being compiled: numbers are checked, and a graph has none. And torch's function
    modes, such as a default device, have no say in what a kernel does."""

    @wraps(function)
    def run(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*arguments)
        if ready.function_modes():
            with torch._C.DisableTorchFunction():
                return function(*arguments)
        return function(*arguments)

    return run


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
    value, weighed = _evaluate(loss, prediction, target, weight, "sum", options)
    return Total(value, finite(float(weighed)))


@_eager
def activate(loss: Loss, score: torch.Tensor) -> torch.Tensor:
    """An activation of a tensor: no activation looks at a target, and the score itself stands for it."""
    score = _tensor(score, "score")
    if not score.is_floating_point():
        score = score.double()
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


@_eager
def _evaluate(
    loss: Loss, prediction: torch.Tensor, target: Any, weight: Any, reduction: str, options: dict[str, Any]
) -> tuple[torch.Tensor, Any]:
    """The reduced loss, and the weight that a mean is over."""
    parameters, rest = loss._split(options)
    prediction = _tensor(prediction, "prediction")
    as_given = isinstance(target, torch.Tensor)
    target = _tensor(target, "target", prediction)
    if not as_given and target.is_floating_point():
        target = target.to(prediction.dtype)
    if weight is not None:
        weight = _constant(weight, "weight", prediction)
    if ready.autocasting():
        prediction, target = ready.full_precision(prediction, target)
    evaluate = {"softmax": _evaluate_rows, "distance": _evaluate_vectors}.get(
        loss.structure, _evaluate_elements
    )
    if reduction == "mean":
        value, weighed = evaluate(loss, prediction, target, weight, "mean", parameters, rest)
        if not prediction.numel():
            raise LossError(
                complain(
                    "There is no mean of nothing: the input is empty",
                    got=f"shape {tuple(prediction.shape)}",
                    next_step='Use reduction="sum", or skip the empty batch',
                )
            )
        if isinstance(weighed, torch.Tensor):
            return value, weighed
        # A mean over no weight is NaN, and its gradient the sum's: 0.
        return (value if weighed else value + float("nan")), weighed
    return evaluate(loss, prediction, target, weight, reduction, parameters, rest)


def _evaluate_elements(
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
        dtype, (prediction, target) = _alike(prediction=prediction, target=target)
    per_row = loss.entry.over == "rows"
    weighed: Any
    if _elsewhere(prediction):
        _same_shape(prediction, target)
        batch_shape = prediction.shape[:-1] if per_row else prediction.shape
        weighed = elsewhere.weighed(weight, batch_shape, prediction).sum()
    else:
        batch, weight, _ = _prepared(loss, prediction, target, weight, {}, reduction)
        batch_shape, weighed = torch.Size(batch.shape), batch.total_weight
    if weight is not None:
        weight = weight.to(prediction.dtype)[..., None] if per_row else weight.to(prediction.dtype)
    if not prediction.numel():
        empty = (prediction * 0).sum() if reduction != "none" else (prediction * 0).reshape(batch_shape)
        return empty, weighed
    this = _pointwise(loss.entry, loss.activation)
    try:
        if reduction == "mean":
            divisor = weighed if isinstance(weighed, torch.Tensor) else weighed or 1.0
            value = this(prediction, target, "mean", parameters, weight, divisor)
        else:
            value = this(prediction, target, reduction, parameters, weight)
    except Outside:
        loss._structure.check_domains(
            loss.entry,
            batch,
            loss.activation is not None,
        )
        raise
    if value is None:
        raise _unsupported(prediction, "prediction")
    if per_row and reduction == "none":
        value = value.sum(-1)
    return value.to(dtype), weighed


def _evaluate_rows(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[torch.Tensor, Any]:
    target = _constant(target, "target", prediction)
    class_weight = options.get("class_weight")
    if class_weight is not None:
        options = {**options, "class_weight": _constant(class_weight, "class_weight", prediction)}
    if _elsewhere(prediction):
        return elsewhere.rows(loss, prediction, target, weight, reduction, parameters, options)
    ready_batch, weight, options = _prepared(loss, prediction, target, weight, options, reduction)
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
        return (prediction * 0).sum() if reduction != "none" else (prediction * 0).sum(-1), weighed or 0.0
    if weight is not None:
        weight = weight.to(computed(prediction.dtype)).reshape(-1).contiguous()
        if ready_batch.probabilities is None:  # a row of weight 0 may hold what is no class
            target = torch.where(weight == 0, ready_batch.ignore, target)
    scale = 1.0 / (weighed or 1.0) if reduction == "mean" else 1.0
    row_call = Logits(
        _rows(loss.entry), (logits, target, class_weight, weight), parameters, scale, reduction == "none",
        ready_batch.ignore, ready_batch.smoothing, reduction == "mean" and weighed is None,
    )  # fmt: skip
    if not row_call.fits():
        raise _unsupported(prediction, "prediction")
    try:
        value = row_call.result()
    except Outside:
        loss._structure.check_domains(loss.entry, ready_batch, False)
        raise
    weighed = row_call.weighed if weighed is None else weighed
    return value.reshape(ready_batch.shape) if reduction == "none" else value, weighed


def _evaluate_vectors(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    reduction: str,
    parameters: tuple[float, ...],
    options: dict[str, Any],
) -> tuple[torch.Tensor, Any]:
    negative, label = options.get("negative"), options.get("label")
    if negative is not None:
        negative = _tensor(negative, "negative", prediction)
    if label is not None:
        label = _constant(label, "label", prediction)
    options = {**options, "negative": negative, "label": label}
    named = {"prediction": prediction, "target": target} | (
        {} if negative is None else {"negative": negative}
    )
    if _elsewhere(prediction):
        _, given = _alike(**named)
        swap = bool(options.get("swap", False))
        return elsewhere.vectors(_distances(loss.entry), given, label, weight, reduction, parameters, swap)
    batch, weight, _ = _prepared(loss, prediction, target, weight, options, reduction)
    given_dtype, vectors = _alike(**named)
    weighed = batch.total_weight
    if not batch.prediction.size:
        empty = (vectors[0] * 0).sum(-1)
        return empty if reduction == "none" else empty.sum(), weighed
    dtype = computed(vectors[0].dtype)
    label, weight = (None if each is None else each.to(dtype) for each in (label, weight))
    scale = 1.0 / (weighed or 1.0) if reduction == "mean" else 1.0
    this, unreduced = _distances(loss.entry), reduction == "none"
    call = Vectors(this, vectors, label, weight, parameters, scale, unreduced, batch.swap)
    return call.result().to(given_dtype), weighed


def _elsewhere(prediction: torch.Tensor) -> bool:
    """Whether there are no numbers that a kernel could read."""
    return ready.transformed() or not prediction.is_cpu


def _prepared(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    options: dict[str, Any],
    reduction: str,
) -> tuple[Any, torch.Tensor | None, dict[str, Any]]:
    """All of it looked at as arrays: the batch, and the weights and options as they are to be used."""
    given = _array(prediction, "prediction"), _array(target, "target"), _array(weight, "weight")
    options = {
        name: _array(each, name) if isinstance(each, torch.Tensor) else each for name, each in options.items()
    }
    if reduction == "mean":
        batch, weighing, options = mean.prepare(loss._structure, loss.entry, *given, options)
    else:
        batch, weighing = loss._structure.prepare(loss.entry, *given, **options), given[2]
    if options.get("class_weight") is not None:
        options = {**options, "class_weight": torch.as_tensor(options["class_weight"])}
    return batch, None if weighing is None else torch.as_tensor(weighing), options


def _tensor(value: Any, name: str, beside: torch.Tensor | None = None) -> torch.Tensor:
    """What was given as a plain tensor beside another on its device, or an error that says what it is instead, and
    what to do with it."""
    if not isinstance(value, torch.Tensor):
        array = arrays.as_array(value, name)
        known = "float32" if array.dtype.name == "bfloat16" else array.dtype.newbyteorder("=")
        # Writable and without negative strides, as torch wants it.
        array = numpy.require(array.astype(known, copy=False), requirements=["C", "W"])
        return torch.as_tensor(array, device=None if beside is None else beside.device)
    what = None
    if value.is_nested:
        what = ("is nested", f"Use {name}.to_padded_tensor(0.0) and weights, or {name}.values()")
    elif type(value) not in ready.PLAIN:
        kind = type(value).__name__
        what = (f"is a {kind}, which may be more than its numbers", f"Use {name}.as_subclass(torch.Tensor)")
    elif value.is_complex():
        what = (f"is complex ({value.dtype})", f"Use {name}.abs(), .real or .imag")
    elif value.is_quantized:
        what = (f"is quantized ({value.dtype})", f"Use {name}.dequantize()")
    elif value.layout is not torch.strided:
        what = (f"is {_LAYOUTS.get(value.layout, 'not dense')} ({value.layout})", f"Use {name}.to_dense()")
    elif value.is_meta:
        what = ("is on the device meta, and holds no numbers", "")
    elif value.is_floating_point() and value.dtype not in ready.NAMES:
        what = (f"is of {value.dtype}, which no kernel takes", f"Use {name}.float()")
    elif beside is not None and value.device != beside.device:
        what = (f"is on {value.device}, the prediction on {beside.device}", f"Use {name}.to({beside.device})")
    elif ready.recorded():
        what = ("is looked on by a mode of torch or traced, which would not see a kernel", "")
    if what is not None:
        raise LossTypeError(complain(f"{name} {what[0]}", next_step=what[1]))
    return value.resolve_neg() if value.is_neg() else value


_LAYOUTS = {
    torch.sparse_coo: "sparse", torch.sparse_csr: "sparse", torch.sparse_csc: "sparse",
    torch.sparse_bsr: "sparse", torch.sparse_bsc: "sparse",
}  # fmt: skip


def _constant(value: Any, name: str, beside: torch.Tensor) -> torch.Tensor:
    """A tensor in which a loss has no gradient."""
    tensor = _tensor(value, name, beside)
    if (tensor.requires_grad and torch.is_grad_enabled()) or ready.has_tangent(tensor):
        raise LossTypeError(
            complain(
                f"{name} requires a gradient, and this loss gives none for it",
                next_step=f"Use {name}.detach()",
            )
        )
    return tensor.detach()


def _alike(**tensors: torch.Tensor) -> tuple[torch.dtype, tuple[torch.Tensor, ...]]:
    """The widest of their floating dtypes, float64 where none is floating; and all of them in it, or in one that holds
    their whole numbers. Raises LossError for those that none holds."""
    floating = [each.dtype for each in tensors.values() if each.is_floating_point()]
    dtype = wide = reduce(torch.promote_types, floating) if floating else torch.float64
    for name, each in tensors.items():
        if not each.is_floating_point() and not _elsewhere(each):
            largest = arrays.largest_whole(name, _array(each, name))
            wide = next(
                of
                for of in (wide, torch.float32, torch.float64)
                if largest <= _HELD[of] or of == torch.float64
            )
    return dtype, tuple(each.to(wide) for each in tensors.values())


_HELD = {torch.bfloat16: 2**8, torch.float16: 2**11, torch.float32: 2**24, torch.float64: 2**53}


def _same_shape(prediction: torch.Tensor, target: torch.Tensor) -> None:
    if prediction.shape != target.shape:
        raise LossError(
            complain(
                "prediction and target differ in shape",
                got=f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)}",
                expected="the same shape for both",
            )
        )


def _array(tensor: torch.Tensor | None, name: str) -> Any:
    """The memory of a tensor as an array; bfloat16, which NumPy does not know, as float32."""
    if tensor is None:
        return None
    if not tensor.is_cpu:
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

"""A loss of the catalogue, or a user's own, on torch tensors: the front-end behind `losscope.huber(tensor, tensor)`.

Shapes are as strict as everywhere in losscope, where `losscope.torch.functional` has PyTorch's. The prediction is
differentiable, as often as wanted, and so is the target of an elementwise loss; what has no gradient (weights, the
target of a softmax loss) is refused where one is wanted. A tensor that is not plain numbers is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy
import torch

from losscope.errors import LossError, LossTypeError, complain
from losscope.loss import Loss
from losscope.loss.parameters import check_held
from losscope.loss.total import Total, finite
from losscope.reduction import MEAN, NONE, SUM, check
from losscope.structures.arrays import FLOAT32, FLOAT64
from losscope.torch import eligibility
from losscope.torch.strict.elementwise import pointwise
from losscope.torch.strict.tensors import beside, constant, elsewhere, tensor_of, unsupported
from losscope.torch.strict.weights import moderate


def _eager(function: Callable[..., Any]) -> Callable[..., Any]:
    """Interrupts a graph that is being compiled: numbers are checked, and a graph has none. And torch's function
    modes, such as a default device, have no say in what a kernel does."""

    @wraps(function)
    def run(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*arguments)
        if eligibility.function_modes():
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
    reduction: str = MEAN,
    **options: Any,
) -> torch.Tensor:
    """The loss as a tensor: 0-d for "mean" and "sum", one value per element or row for "none"."""
    check(reduction)
    return _evaluate(loss, prediction, target, weight, reduction, options)[0]


def total(loss: Loss, prediction: torch.Tensor, target: Any, *, weight: Any = None, **options: Any) -> Total:
    """A differentiable sum, and the weight it stands for; of halves in float32, as it is to be added up."""
    prediction = tensor_of(prediction, "prediction")
    if prediction.dtype in eligibility.HALVES:
        prediction = prediction.float()
    value, weighed = _evaluate(loss, prediction, target, weight, SUM, options)
    if isinstance(weighed, torch.Tensor) and eligibility.of_many(weighed):
        raise LossTypeError(
            complain(
                "The weight of a total is one number, and under vmap there may be many",
                next_step="Make the total outside of vmap, of what it returns",
            )
        )
    return Total(value, finite(float(weighed)))


@_eager
def activate(loss: Loss, score: torch.Tensor) -> torch.Tensor:
    """An activation of a tensor: no activation looks at a target, and the score itself stands for it."""
    score = tensor_of(score, "score")
    if not score.is_floating_point():
        score = score.double()
    check_held(loss.parameters, tuple(loss.parameters.values()), _computed(score))
    value = (
        pointwise(loss.entry, None)(score, score.detach(), NONE, tuple(loss.parameters.values()))
        if score.numel()
        else score.clone()
    )
    if value is None:
        raise unsupported(score, "score")
    return value


@cache
def _evaluating(kernel: str) -> Callable[..., tuple[torch.Tensor, Any]]:
    """How the structures of a kernel run on tensors: as `losscope.torch.strict` says, or else by way of arrays."""
    known = find_spec(f"losscope.torch.strict.{kernel}") is not None
    found: Callable[..., tuple[torch.Tensor, Any]] = import_module(
        f"losscope.torch.strict.{kernel if known else 'by_arrays'}"
    ).evaluate
    return found


def _computed(*tensors: torch.Tensor) -> numpy.dtype:
    """What a loss of tensors is computed in, but where their whole numbers are larger than float32 holds."""
    floating = [each.dtype for each in tensors if each.is_floating_point()]
    return FLOAT64 if torch.float64 in floating or not floating else FLOAT32


@_eager
def _evaluate(
    loss: Loss, prediction: torch.Tensor, target: Any, weight: Any, reduction: str, options: dict[str, Any]
) -> tuple[torch.Tensor, Any]:
    """The reduced loss, and the weight that a mean is over."""
    parameters, rest = loss._split(options)
    prediction = tensor_of(prediction, "prediction")
    if weight is not None:
        weight = constant(weight, "weight", prediction)
    if eligibility.autocasting():
        prediction, target = eligibility.full_precision(prediction, target)
    given = prediction.dtype
    prediction, target = beside(prediction, target, "target")
    if rest.get("negative") is not None:
        prediction, rest["negative"] = beside(prediction, rest["negative"], "negative")
    check_held(loss.parameters, parameters, _computed(prediction, target))
    evaluate = _evaluating(loss._structure.kernel)
    if reduction == MEAN and weight is not None and weight.numel() and elsewhere(prediction):
        weight = moderate(weight)
    value, weighed = evaluate(loss, prediction, target, weight, reduction, parameters, rest)
    if reduction == MEAN:
        if not prediction.numel():
            raise LossError(
                complain(
                    "There is no mean of nothing: the input is empty",
                    got=f"shape {tuple(prediction.shape)}",
                    next_step='Use reduction="sum", or skip the empty batch',
                )
            )
        if not isinstance(weighed, torch.Tensor) and not weighed:
            value = value + float("nan")  # a mean over no weight is NaN, and its gradient the sum's: 0
    # Numbers of a list may have widened the prediction: as of arrays, the result has the dtype that was given.
    return value if prediction.dtype is given else value.to(given), weighed

"""Numbers judged by numbers, element by element, and by a Gaussian whose variance is given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losscope.torch import eligibility, two_input_losses
from losscope.torch.elementwise import Pointwise
from losscope.torch.functional.pytorchs import number, reduced_by, torchs

_SQUARED = Pointwise("squared_error")
_ABSOLUTE = Pointwise("absolute_error")
_SMOOTH = Pointwise("smooth_l1")
_HUBER = Pointwise("huber")


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared error, (input - target)^2, reduced; `weight` weighs each element, and a mean is then over its sum.

    Shapes: input, target and weight (*). Errors and warnings are those of `torch.nn.functional.mse_loss`.

    >>> mse_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    tensor(5.)
    """
    if size_average is None and reduce is None:
        ours = _weighted(_SQUARED, input, target, reduction, weight)
        if ours is not None:
            return ours
    return torchs["mse_loss"](input, target, size_average, reduce, reduction, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Absolute error, |input - target|, reduced; its slope at 0 is 0. `weight` is as in `mse_loss`.

    Shapes: input, target and weight (*). Errors and warnings are those of `torch.nn.functional.l1_loss`.

    >>> l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    tensor(2.)
    """
    if size_average is None and reduce is None:
        # PyTorch's own of weights is a product of tensors, to which autocast does nothing.
        mixed = weight is not None and eligibility.mixed_by_autocast(input, target, weight)
        ours = None if mixed else _weighted(_ABSOLUTE, input, target, reduction, weight)
        if ours is not None:
            return ours
    if not isinstance(weight, Tensor):
        return torchs["l1_loss"](input, target, size_average, reduce, reduction, weight)
    return _weighted_absolute(input, target, size_average, reduce, reduction, weight)


def _weighted_absolute(
    input: Tensor,
    target: Tensor,
    size_average: bool | None,
    reduce: bool | None,
    reduction: str,
    weight: Tensor,
) -> Tensor:
    """PyTorch's own of a weight, which PyTorch forgets as soon as a function mode (`torch.device`, a compiler's) or a
    subclass of tensors is asked (2.13)."""
    if (
        isinstance(input, Tensor) and weight.size() != input.size()
    ):  # not of a proxy, of which a graph is made
        raise ValueError("Weights and input must have the same size.")
    if eligibility.mixed_by_autocast(input, target, weight):
        each = torch.abs(input - target)
    else:
        each = torchs["l1_loss"](input, target, reduction="none")
    reduction = reduced_by(size_average, reduce, reduction, warn=True)
    each = each * weight
    if reduction == "mean":
        return each.sum() / weight.sum()
    if reduction not in ("sum", "none"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    return each.sum() if reduction == "sum" else each


def _weighted(
    loss: Pointwise, input: Tensor, target: Tensor, reduction: str, weight: Tensor | None
) -> Tensor | None:
    """A mean over the sum of the weights, one for each element, where there are any."""
    if weight is None:
        return loss(input, target, reduction)
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor) or weight.shape != input.shape:
        return None
    weight = eligibility.in_dtype_of(input, weight)
    if torch.compiler.is_compiling():
        ours = loss(input, target, "sum" if reduction == "mean" else reduction, weight=weight)
        return ours / weight.sum() if ours is not None and reduction == "mean" else ours
    divisor: Any = None
    if reduction == "mean":
        if eligibility.by_operations(input, weight):
            divisor = weight.sum()
        elif eligibility.plain(weight) and not weight.requires_grad:
            divisor = float(weight.sum(dtype=torch.float64))
        if divisor is None:
            return None
    return loss(input, target, reduction, weight=weight, divisor=divisor)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """r^2/(2 beta) where |r| < beta, |r| - beta/2 beyond; r = input - target. beta = 0 is the absolute error.

    Shapes: input and target (*). Errors and warnings are those of `torch.nn.functional.smooth_l1_loss`.

    >>> smooth_l1_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]), reduction="none")
    tensor([0.5000, 2.5000])
    """
    if size_average is None and reduce is None and number(beta, input):
        if beta > 0:
            ours = _SMOOTH(input, target, reduction, (float(beta),))
        else:
            ours = _ABSOLUTE(input, target, reduction) if beta == 0 else None
        if ours is not None:
            return ours
    return torchs["smooth_l1_loss"](input, target, size_average, reduce, reduction, beta)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """r^2/2 where |r| <= delta, delta (|r| - delta/2) beyond. A mean with `weight` is over the number of elements.

    Shapes: input, target and weight (*). Errors and warnings are those of `torch.nn.functional.huber_loss`.

    >>> huber_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]), delta=2.0, reduction="none")
    tensor([0.5000, 4.0000])
    """
    if (
        number(delta, input)
        and delta > 0
        and (
            weight is None
            or (isinstance(weight, Tensor) and isinstance(input, Tensor) and weight.shape == input.shape)
        )
    ):
        ours = _HUBER(input, target, reduction, (float(delta),), weight)
        if ours is not None:
            return ours
    return torchs["huber_loss"](input, target, reduction, delta, weight)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (input - target)^2 / v) / 2, and log(2 pi) / 2 with it if `full`, of a variance v not below `eps`.

    Shapes: input and target (*); var (*), or with a last axis, or any one axis, of 1 or left out; or a float. A
    variance that was raised to `eps` has the gradient of one that was `eps`. Errors, ValueError for a negative
    variance among them, are those of `torch.nn.functional.gaussian_nll_loss`.

    >>> gaussian_nll_loss(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(2.)
    """
    if number(eps, input):
        ours = two_input_losses.gaussian(input, target, var, full, eps, reduction)
        if ours is not None:
            return ours
    return torchs["gaussian_nll_loss"](input, target, var, full, eps, reduction)

"""Labels, probabilities, counts and distributions, element by element."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from losscope.reduction import REDUCTIONS
from losscope.torch import eligibility
from losscope.torch.elementwise import Pointwise
from losscope.torch.eligibility import Outside
from losscope.torch.functional.pytorchs import flag, number, torchs
from losscope.torch.variants import (
    clamped_binary_cross_entropy,
    kl_divergence_of_log,
    kl_divergence_of_logs,
    poisson_full,
    poisson_of_rate,
    poisson_of_rate_full,
)

_BINARY = Pointwise("binary_cross_entropy")
_BINARY_WEIGHTED = Pointwise("weighted_binary_cross_entropy")
_CLAMPED = Pointwise(clamped_binary_cross_entropy, refuses=True)
_POISSON = Pointwise("poisson")
_POISSON_OF_RATE = Pointwise(poisson_of_rate)
# PyTorch's slope in a count of 0 is NaN there: it is left to PyTorch.
_POISSON_FULL = Pointwise(poisson_full, to_target=False)
_POISSON_OF_RATE_FULL = Pointwise(poisson_of_rate_full, to_target=False)
_KL = Pointwise(kl_divergence_of_log)
_KL_OF_LOGS = Pointwise(kl_divergence_of_logs)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(y log p + (1 - y) log(1 - p)) of a probability p, its logarithms not below -100, its slope not beyond 1e12.

    Shapes: input and target (*), `weight` expands to it and does not change what a mean is over. Raises as
    `torch.nn.functional.binary_cross_entropy` does, RuntimeError for input outside 0 to 1 among others.

    >>> binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    if size_average is None and reduce is None and not _removes_strays(input, target, weight):
        try:
            ours = _CLAMPED(input, target, reduction, weight=weight)
        except Outside:
            ours = None
        if ours is not None:
            return ours
    return torchs["binary_cross_entropy"](input, target, weight, size_average, reduce, reduction)


def _removes_strays(input: Any, target: Any, weight: Any) -> bool:
    """Whether a weight of 0 may stand beside numbers that are no probabilities: a kernel then does not look at them, and
    PyTorch refuses them all the same."""
    if (
        not isinstance(weight, Tensor)
        or torch.compiler.is_compiling()
        or eligibility.how(input, target) != eligibility.KERNEL
        or not eligibility.plain(weight)
    ):
        return False
    ends = [end for each in (input, target) if each.numel() for end in each.detach().aminmax()]
    return bool((weight == 0).any()) and not all(0 <= float(end) <= 1 for end in ends)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """y softplus(-z) + (1 - y) softplus(z) of a logit z: exact, gradient included, however confident it is.

    Shapes: input and target (*), `weight` expands to it; `pos_weight` expands to it too, and multiplies the
    first part. Errors are those of `torch.nn.functional.binary_cross_entropy_with_logits`.

    >>> binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    if size_average is None and reduce is None:
        if pos_weight is None:
            ours = _BINARY(input, target, reduction, (), weight)
        elif (
            not torch.compiler.is_compiling()
            and not eligibility.transforming()
            and eligibility.usual(pos_weight)
            and isinstance(input, Tensor)
            and _one_number(pos_weight, input)
        ):
            ours = _BINARY_WEIGHTED(input, target, reduction, (float(pos_weight),), weight)
        elif isinstance(pos_weight, Tensor):
            ours = _BINARY_WEIGHTED(input, target, reduction, (), weight, varying=pos_weight)
        else:
            ours = None
        if ours is not None:
            return ours
        if isinstance(pos_weight, Tensor) and isinstance(weight, Tensor) and eligibility.transforming():
            # PyTorch's of a weight of 0 beside what is infinite, or NaN, is NaN.
            gone = weight == 0
            input, target = torch.where(gone, 0.5, input), torch.where(gone, 1.0, target)
            pos_weight = torch.where(gone, 1.0, pos_weight)
    return torchs["binary_cross_entropy_with_logits"](
        input, target, weight, size_average, reduce, reduction, pos_weight
    )


def _one_number(pos_weight: Tensor, input: Tensor) -> bool:
    """Whether it weighs all classes alike, in a loss of the input's dtype."""
    return (
        pos_weight.numel() == 1
        and pos_weight.ndim <= input.ndim
        and input.dtype in eligibility.NAMES
        and (pos_weight.dtype in eligibility.NAMES or _is_whole(pos_weight))
        and (pos_weight.dtype is input.dtype or torch.result_type(pos_weight, input) is input.dtype)
    )


def _is_whole(numbers: Tensor) -> bool:
    """Whether they are of an integer dtype."""
    of_others = numbers.is_floating_point() or numbers.is_complex() or numbers.is_quantized
    return not of_others and numbers.dtype is not torch.bool


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy on logits, the mean over the last axis; the rest is reduced.

    Shapes: input and target (*, classes), `weight` expands to it; "none" gives (*). Errors
    are those of `torch.nn.functional.multilabel_soft_margin_loss`.

    >>> multilabel_soft_margin_loss(torch.zeros(2, 3), torch.ones(2, 3))
    tensor(0.6931)
    """
    if (
        size_average is None
        and reduce is None
        and reduction in REDUCTIONS
        and isinstance(input, Tensor)
        and input.ndim
        and not eligibility.mixed_by_autocast(input, target)
    ):
        divisor = input.shape[-1] if reduction == "sum" else None
        ours = _BINARY(input, target, reduction, (), weight, divisor)
        if ours is not None:
            return ours.sum(-1) / input.shape[-1] if reduction == "none" else ours
    return torchs["multilabel_soft_margin_loss"](input, target, weight, size_average, reduce, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(z) - y z of a log-rate z; for `log_input=False` z - y log(z + eps) of a rate. `full`
    adds Stirling's y log y - y + log(2 pi y)/2 where y > 1.

    Shapes: input and target (*). Errors are those of `torch.nn.functional.poisson_nll_loss`.

    >>> poisson_nll_loss(torch.tensor([0.0]), torch.tensor([2.0]))
    tensor(1.)
    """
    if size_average is None and reduce is None and flag(log_input) and flag(full) and number(eps, input):
        counts = _counts(input, target)
        # Halves hold whole numbers to 256 or 2048.
        if counts is not target and input.dtype in eligibility.HALVES:
            wide = input.float(), target.float()
            return poisson_nll_loss(*wide, log_input, full, eps=eps, reduction=reduction).to(input.dtype)
        if log_input:
            ours = (_POISSON_FULL if full else _POISSON)(input, counts, reduction)
        else:
            of_rate = _POISSON_OF_RATE_FULL if full else _POISSON_OF_RATE
            ours = of_rate(input, counts, reduction, (float(eps),))
        if ours is not None:
            return ours
    return torchs["poisson_nll_loss"](input, target, log_input, full, size_average, eps, reduce, reduction)


def _counts(input: Any, target: Any) -> Any:
    """Counts are whole by nature: those of an integer dtype, as numbers of the input's."""
    plain = type(target) in eligibility.PLAIN and type(input) in eligibility.PLAIN
    if plain and _is_whole(target) and input.is_floating_point():
        return target.to(input.dtype)
    return target


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """p (log p - input) for a log-probability `input` and a probability p, or its logarithm (`log_target`).

    Shapes: input and target (*); "batchmean" is the sum over the first dimension's size. Warnings (that "mean" is
    not the mathematical one) and errors are those of `torch.nn.functional.kl_div`.

    >>> kl_div(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.5, 0.5]), reduction="sum")
    tensor(0.)
    """
    if size_average is not None or reduce is not None or not flag(log_target):
        pass
    elif reduction in ("batchmean", "sum", "none"):
        loss = _KL_OF_LOGS if log_target else _KL
        if reduction != "batchmean":
            ours = loss(input, target, reduction)
        else:
            ours = (
                loss(input, target, "sum", divisor=input.shape[0] if input.ndim else 1)
                if isinstance(input, Tensor)
                else None
            )
        if ours is not None:
            return ours
    elif reduction == "mean":
        ours = (_KL_OF_LOGS if log_target else _KL)(input, target, reduction)
        if ours is not None:
            if not torch.compiler.is_compiling():  # it would break the graph
                warnings.warn(eligibility.MEAN_IS_NOT_BATCHMEAN, stacklevel=2)
            return ours
    return torchs["kl_div"](input, target, size_average, reduce, reduction, log_target)

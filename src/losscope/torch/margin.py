"""A softmax loss as torch operations, differentiable as often as wanted.

The margin of a class, logsumexp(the other classes) - its logit, is formed as in the kernel: the class's own logit
never enters the sum, so that nothing cancels for a confident row.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from losscope.entry import Entry
from losscope.reduction import MEAN, REDUCTIONS, SUM
from losscope.torch import formula
from losscope.torch.eligibility import HALVES, NAMES


def loss(
    entry: Entry,
    parameters: tuple[float, ...],
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    ignore: int,
    reduction: str,
    smoothing: float,
) -> Tensor | None:
    """The reduced loss with torch's meaning of every argument, or None where it is not ours to compute."""
    if (
        reduction not in REDUCTIONS
        or not 0.0 <= smoothing <= 1.0
        or input.dtype not in NAMES
        or not input.numel()
        or not input.ndim
    ):
        return None
    if target.dtype is torch.int64:
        if target.shape != (input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()):
            return None
    elif target.dtype is not input.dtype or target.shape != input.shape:
        return None
    if class_weight is not None and (
        class_weight.shape != input.shape[input.ndim > 1 :][:1]
        or class_weight.dtype is not input.dtype
        or class_weight.requires_grad
    ):
        return None
    values, weights = rows(entry, parameters, input, target, class_weight, ignore, smoothing)
    if reduction == MEAN:
        values = over(formula.total(values), formula.total(weights))
    elif reduction == SUM:
        values = formula.total(values)
    return values.to(input.dtype)


def gradient(
    entry: Entry,
    parameters: tuple[float, ...],
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    ignore: int,
    smoothing: float,
    scale: float,
    upstream: Tensor,
) -> Tensor:
    """The gradient of the scaled sum over rows (or of each row, by its own upstream), itself differentiable."""
    with torch.enable_grad():
        values = rows(entry, parameters, input, target, class_weight, ignore, smoothing)[0]
        weights = upstream.to(values.dtype).expand(values.shape) * scale
        return torch.autograd.grad(values, input, weights, create_graph=True)[0]


def rows(
    entry: Entry,
    parameters: tuple[float, ...],
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    ignore: int,
    smoothing: float,
) -> tuple[Tensor, Tensor]:
    """The unreduced loss, differentiable in logits and probabilities, and what each row weighs in a mean; classes
    along axis 1 (or along the only one). Halves are computed in float32. A class that is none is an error of torch's."""
    if input.ndim == 1:  # as a row: of a number without an axis, forward mode makes a tangent of float64
        values, weights = rows(entry, parameters, input[None], target[None], class_weight, ignore, smoothing)
        return values[0], weights[0]
    logits = input.float() if input.dtype in HALVES else input
    if class_weight is not None:
        class_weight = class_weight.to(logits.dtype)
    if logits.ndim > 2:
        logits = logits.movedim(1, -1)
    classes = logits.shape[-1]
    if target.shape == input.shape:
        share = target.to(logits.dtype)
        share = share.movedim(1, -1) if share.ndim > 2 else share
        share = share * (1 - smoothing) + smoothing / classes
        if class_weight is not None:
            share = share * class_weight
            logits = of_rows((share != 0).any(-1) | logits.isfinite().all(-1), logits)
        values = spread(entry, parameters, logits, share)
        return nan_of_whole_rows(values, logits), torch.ones_like(share[..., 0])
    counts = target != ignore
    right = torch.where(counts, target, 0)
    weights = (
        torch.ones_like(logits[..., 0])
        if class_weight is None
        else of_class(class_weight.expand_as(logits), right)
    )
    weights = torch.where(counts, weights, 0)
    own = torch.arange(classes, device=target.device) == right[..., None]
    if smoothing:
        share = own.to(logits.dtype) * (1 - smoothing) + smoothing / classes
        if class_weight is not None:
            share = share * class_weight
        there = counts & (share != 0).any(-1)
        logits = of_rows(there, logits)
        values = spread(entry, parameters, logits, share)
    else:
        there = weights != 0
        logits = of_rows(there, logits)
        margin = torch.where(counts, others_above(of_class(logits, right), logits, own), 0)
        values = weights * formula.values(entry, None, parameters, margin, margin.detach())
    return torch.where(there, nan_of_whole_rows(values, logits), 0), weights


def over(total: Tensor, weight: Tensor) -> Tensor:
    """A mean: over no weight it is no number, whatever was added up."""
    return total / torch.where(weight == 0, math.nan, weight)


def of_rows(there: Tensor, logits: Tensor) -> Tensor:
    """The logits of the rows that are `there`; those of the others count nothing, whatever they are."""
    return torch.where(there.unsqueeze(-1), logits, 0)


def nan_of_whole_rows(values: Tensor, *of: Tensor) -> Tensor:
    """The values of rows of numbers, but where the value is NaN every slope is, too."""
    nan = values.isnan()
    # Summed up of those rows alone, so that no other meets 0 times NaN on the way back.
    everything = sum(torch.where(nan, each.sum(-1), 0) for each in of)
    return torch.where(nan, everything * math.nan, values)


def of_class(numbers: Tensor, right: Tensor) -> Tensor:
    """What each row has for its class."""
    return numbers.gather(-1, right[..., None]).squeeze(-1)


def spread(entry: Entry, parameters: tuple[float, ...], logits: Tensor, share: Tensor) -> Tensor:
    """The loss of each class, by the share it has."""
    margins = margins_of_all(logits)
    # A class without a share says nothing, be its logit infinite, even one of two that are inf, whose margin is NaN; its
    # share has a slope all the same.
    silent = (share == 0) & (margins.isinf() | (logits == math.inf))
    margins = torch.where(silent, 0, margins)
    return (share * formula.values(entry, None, parameters, margins, margins.detach())).sum(-1)


def others_above(number: Tensor, logits: Tensor, own: Tensor) -> Tensor:
    """By how much logsumexp of the logits that are not `own` is above a number; not first added to a large one of them, so that
    nothing is lost."""
    others = torch.where(own, -math.inf, logits.detach())
    top = others.amax(-1, keepdim=True)
    infinite = top == math.inf
    top = torch.where(top.isinf(), 0, top)
    rest = torch.where(own, 0, torch.exp(torch.where(own | infinite, 0, logits - top))).sum(-1)
    alone = rest == 0  # no other class has a share: log(0), whose slope of infinity nobody wants
    above = torch.log(torch.where(alone, 1, rest)) + (top.squeeze(-1) - number)
    above = torch.where(alone, -math.inf - number, above)
    return torch.where(infinite.squeeze(-1), mean_of_infinite(logits, others) - number, above)


def margins_of_all(logits: Tensor) -> Tensor:
    """The margin of every class: relative to the leader, whose own is formed from the rest."""
    leader = torch.arange(logits.shape[-1], device=logits.device) == logits.detach().argmax(-1, keepdim=True)
    top = torch.where(leader, logits, 0).sum(-1, keepdim=True)
    of_leader = others_above(top.squeeze(-1), logits, leader)[..., None]
    infinite = top.detach() == math.inf
    apart = torch.where(leader, 0, torch.exp(torch.where(leader | infinite, 0, logits - top)))
    near = apart.sum(-1, keepdim=True) - apart
    above = torch.log1p(torch.where(leader, 0, near)) + (top - logits)
    above = torch.where(infinite, mean_of_infinite(logits, logits.detach())[..., None] - logits, above)
    return torch.where(leader, of_leader, above)


def mean_of_infinite(logits: Tensor, seen: Tensor) -> Tensor:
    """logsumexp where some of what is `seen` is +inf: infinite, and its slope goes to them alone, in equal shares."""
    infinite = seen == math.inf
    return torch.where(infinite, logits, 0).sum(-1) / infinite.sum(-1).clamp(min=1)

"""A softmax loss as torch operations, differentiable as often as wanted.

The margin of a class, logsumexp(the other classes) - its logit, is formed as in the kernel: the class's own logit
never enters the sum, so that nothing cancels for a confident row.
"""

from __future__ import annotations

import math
from functools import lru_cache

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
    of_mean = reduction == MEAN
    values, weights = rows(entry, parameters, input, target, class_weight, ignore, smoothing, of_mean)
    if of_mean:
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
        of_mean = math.isnan(scale)  # over no weight
        values = rows(entry, parameters, input, target, class_weight, ignore, smoothing, of_mean)[0]
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
    of_mean: bool = False,
) -> tuple[Tensor, Tensor]:
    """The unreduced loss, differentiable in logits and probabilities, and what each row weighs in a mean; classes
    along axis 1 (or along the only one). Halves are computed in float32. A class that is none is an error of torch's. Of
    what a mean is over (`of_mean`) there are no numbers if nothing weighs."""
    if input.ndim == 1:  # as a row: of a number without an axis, forward mode makes a tangent of float64
        values, weights = rows(
            entry, parameters, input[None], target[None], class_weight, ignore, smoothing, of_mean
        )
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
    weighed = weights.sum() != 0
    own = torch.arange(classes, device=target.device) == right[..., None]
    if smoothing:
        share = own.to(logits.dtype) * (1 - smoothing) + smoothing / classes
        if class_weight is not None:
            share = share * class_weight
        finite = logits.isfinite().all(-1) & (weighed if of_mean else True)
        there = counts & ((share != 0).any(-1) | finite)
        logits = of_rows(there, logits)
        values = spread(entry, parameters, logits, share)
    else:
        # A row of weight 0 may say what it would cost if it had some; not over no weight, nor where that is no number.
        finite = (logits < math.inf).all(-1) & of_class(logits, right).isfinite()
        finite = finite & (weighed if of_mean else True)
        there = counts & ((weights != 0) | finite)
        logits = of_rows(there, logits)
        values = weights * of_class(
            torch.where(own & counts[..., None], losses(entry, parameters, logits, own), 0), right
        )
    if of_mean:
        values = torch.where(weighed, values, math.nan)
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
    return (share * losses(entry, parameters, logits, share=share)).sum(-1)


def losses(
    entry: Entry,
    parameters: tuple[float, ...],
    logits: Tensor,
    own: Tensor | None = None,
    share: Tensor | None = None,
) -> Tensor:
    """The loss of every class, or that of the class which is a row's `own`. One without a share says nothing, be its logit
    infinite, even one of two that are inf, whose loss is NaN; its share has a slope all the same."""
    found = surprises_of(logits) if of_logsumexp(entry) else margins_of(logits, own)
    if share is not None:
        found = torch.where((share == 0) & (found.isinf() | (logits == math.inf)), 0, found)
    return found if of_logsumexp(entry) else formula.values(entry, None, parameters, found, found.detach())


@lru_cache(512)
def of_logsumexp(entry: Entry) -> bool:
    """As `Derived.of_logsumexp`."""
    from losscope.derive import derive

    return derive(entry).of_logsumexp


def surprises_of(logits: Tensor) -> Tensor:
    """log(1 + exp(margin)) of every class, which is logsumexp(logits) less its logit: nothing cancels, in no derivative."""
    leader, top, infinite, apart = relative(logits)
    near = torch.where(infinite, 0, apart.sum(-1, keepdim=True))
    above = torch.log1p(near) + torch.where(leader, 0, top - logits)
    several = (logits == math.inf).sum(-1, keepdim=True) > 1
    of_infinite = mean_of_infinite(logits, logits.detach())[..., None] - logits
    above = torch.where(top > -math.inf, above, math.nan)  # of NaN, and of a row of -inf alone
    return torch.where(infinite & (several | ~leader), of_infinite, above)


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


def margins_of(logits: Tensor, own: Tensor | None = None) -> Tensor:
    """The margin of every class, or that of the class which is a row's `own`: relative to the leader, whose own is formed from
    the rest. So what is left of a leading class is never the difference of 1 and its share, in no derivative."""
    leader, top, infinite, apart = relative(logits)
    of_leader = others_above(top.squeeze(-1), logits, leader)[..., None]
    if own is None:
        near = apart.sum(-1, keepdim=True) - apart
    else:
        near = torch.where(own, 0, apart).sum(-1, keepdim=True)
    above = torch.log1p(torch.where(leader, 0, near)) + (top - logits)
    above = torch.where(infinite, mean_of_infinite(logits, logits.detach())[..., None] - logits, above)
    return torch.where(leader, of_leader, above)


def relative(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which class leads; its logit; whether that is infinite; and the exponentials of what the others are above it, 0 for it."""
    leader = torch.arange(logits.shape[-1], device=logits.device) == logits.detach().argmax(-1, keepdim=True)
    top = torch.where(leader, logits, 0).sum(-1, keepdim=True)
    infinite = top.detach() == math.inf
    apart = torch.where(leader, 0, torch.exp(torch.where(leader | infinite, 0, logits - top)))
    return leader, top, infinite, apart


def mean_of_infinite(logits: Tensor, seen: Tensor) -> Tensor:
    """logsumexp where some of what is `seen` is +inf: infinite, and its slope goes to them alone, in equal shares."""
    infinite = seen == math.inf
    return torch.where(infinite, logits, 0).sum(-1) / infinite.sum(-1).clamp(min=1)

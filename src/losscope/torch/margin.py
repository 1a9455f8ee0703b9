"""A softmax loss as torch operations, differentiable as often as wanted.

The margin of a class, logsumexp(the other classes) - its logit, is formed as in the kernel: the class's own logit
never enters the sum, so that nothing cancels for a confident row.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from losscope.entry import Entry
from losscope.torch import formula
from losscope.torch.ready import HALVES


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
        values = row_values(entry, parameters, input, target, class_weight, ignore, smoothing)
        weights = upstream.to(values.dtype).expand(values.shape) * scale
        return torch.autograd.grad(values, input, weights, create_graph=True)[0]


def row_values(
    entry: Entry,
    parameters: tuple[float, ...],
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    ignore: int,
    smoothing: float,
) -> Tensor:
    """The unreduced loss; classes along axis 1 (or along the only one). Halves are computed in float32."""
    logits = input.float() if input.dtype in HALVES else input
    if logits.ndim > 2:
        logits = logits.movedim(1, -1)
    classes = logits.shape[-1]
    spread = target.shape == input.shape
    if spread:
        share = target.detach().to(logits.dtype)
        share = share.movedim(1, -1) if share.ndim > 2 else share
        counts = torch.ones(share.shape[:-1], dtype=torch.bool, device=share.device)
    else:
        counts = target != ignore
        share = (torch.arange(classes, device=target.device) == target[..., None]).to(logits.dtype)
    if smoothing:
        share = share * (1 - smoothing) + smoothing / classes
    if class_weight is not None:
        share = share * class_weight.to(logits.dtype)
    if spread or smoothing:
        margins = margins_of_all(logits)
        # A class without a share says nothing, be its logit -inf.
        margins = torch.where((share == 0) & ~logits.isnan(), 0, margins)
        terms = share * formula.values(entry, None, parameters, margins, margins.detach())
        return torch.where(counts, terms.sum(-1), 0)
    own = torch.arange(classes, device=target.device) == target[..., None]
    margin = margin_of(logits, own)
    margin = torch.where(counts, margin, 0)
    value = formula.values(entry, None, parameters, margin, margin.detach())
    return torch.where(counts, share.sum(-1) * value, 0)


def margin_of(logits: Tensor, own: Tensor) -> Tensor:
    """logsumexp of the logits that are not `own`, less the one that is."""
    others = torch.where(own, -math.inf, logits.detach())
    top = others.amax(-1, keepdim=True)
    infinite = top == math.inf
    top = torch.where(top.isinf(), 0, top)
    rest = torch.where(own, 0, torch.exp(torch.where(own | infinite, 0, logits - top))).sum(-1)
    alone = rest == 0  # no other class has a share: log(0), whose slope of infinity nobody wants
    summed = torch.where(alone, -math.inf, torch.log(torch.where(alone, 1, rest)) + top.squeeze(-1))
    summed = torch.where(infinite.squeeze(-1), mean_of_infinite(logits, others), summed)
    return summed - torch.where(own, logits, 0).sum(-1)


def margins_of_all(logits: Tensor) -> Tensor:
    """The margin of every class: relative to the leader, whose own is formed from the rest."""
    leader = torch.arange(logits.shape[-1], device=logits.device) == logits.detach().argmax(-1, keepdim=True)
    of_leader = margin_of(logits, leader)[..., None]
    top = torch.where(leader, logits, 0).sum(-1, keepdim=True)
    infinite = top.detach() == math.inf
    apart = torch.where(leader, 0, torch.exp(torch.where(leader | infinite, 0, logits - top)))
    near = apart.sum(-1, keepdim=True) - apart
    summed = torch.log1p(torch.where(leader, 0, near)) + top
    summed = torch.where(infinite, mean_of_infinite(logits, logits.detach())[..., None], summed)
    return torch.where(leader, of_leader, summed - logits)


def mean_of_infinite(logits: Tensor, seen: Tensor) -> Tensor:
    """logsumexp where some of what is `seen` is +inf: infinite, and its slope goes to them alone, in equal shares."""
    infinite = seen == math.inf
    return torch.where(infinite, logits, 0).sum(-1) / infinite.sum(-1).clamp(min=1)

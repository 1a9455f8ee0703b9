"""Vectors judged by their distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from losscope.torch import eligibility
from losscope.torch.distance import Distances
from losscope.torch.functional.pytorchs import flag, number, torchs

_COSINE = Distances("cosine_embedding")
_TRIPLET = Distances("triplet_margin")


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cosine of two vectors for y = 1, max(0, cosine - margin) for y = -1; exact for nearly parallel vectors.

    Shapes: input1 and input2 (N, D) or (D), target (N) or (). Nothing is added to the lengths: a vector of 1e-7 has a
    direction like any other, one of zeros has cosine 0 and gradient 0. Errors are those of
    `torch.nn.functional.cosine_embedding_loss`.

    >>> cosine_embedding_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1e-4]]), torch.tensor([1]))
    tensor(5.0000e-09)
    """
    if (
        size_average is None
        and reduce is None
        and number(margin, input1)
        and isinstance(target, Tensor)
        and target.ndim <= 1
    ):
        ours = _COSINE(
            (_with_a_feature(input1), _with_a_feature(input2)), target, reduction, (float(margin),)
        )
        if ours is not None:
            return ours
    return torchs["cosine_embedding_loss"](input1, input2, target, margin, size_average, reduce, reduction)


def _with_a_feature(vectors: Any) -> Any:
    """Vectors of no features as vectors of zeros, of which there is a cosine: PyTorch's float16 has NaN."""
    if not eligibility.dense(vectors) or not vectors.ndim or vectors.shape[-1]:
        return vectors
    return pad(vectors, (0, 1))


# The arguments are PyTorch's.
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, |anchor - positive + eps| - |anchor - negative + eps| + margin), gradients of all three in one pass.

    Shapes: all three (*, D); with `swap`, |positive - negative + eps| counts where it is the shorter. Errors
    (ValueError for a margin of 0 or less) are those of `torch.nn.functional.triplet_margin_loss`.

    >>> triplet_margin_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]))
    tensor(4.0000)
    """
    if (
        size_average is None
        and reduce is None
        and number(margin, anchor)
        and margin > 0
        and number(p, anchor)
        and p == 2
        and number(eps, anchor)
        and flag(swap)
    ):
        triplet = (anchor, positive, negative)
        ours = _TRIPLET(triplet, None, reduction, (float(margin),), swap, float(eps))
        if ours is not None:
            return ours
    return torchs["triplet_margin_loss"](
        anchor, positive, negative, margin, p, eps, swap, size_average, reduce, reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` of the Euclidean distance (the default; `torch.nn.PairwiseDistance()`, too); any other
    `distance_function` runs in PyTorch.

    Shapes: all three (*, D). Errors are those of `torch.nn.functional.triplet_margin_with_distance_loss`.

    >>> near, far = torch.zeros(1, 2), torch.ones(1, 2)
    >>> triplet_margin_with_distance_loss(near, near, far, margin=2.0, reduction="sum")
    tensor(0.5858)
    """
    eps = _euclidean(distance_function)
    if eps is not None and number(eps, anchor) and number(margin, anchor) and margin > 0:
        ours = _TRIPLET((anchor, positive, negative), None, reduction, (float(margin),), bool(swap), eps)
        if ours is not None:
            return ours
    return torchs["triplet_margin_with_distance_loss"](
        anchor, positive, negative, distance_function=distance_function, margin=margin, swap=swap, reduction=reduction
    )  # fmt: skip


def _euclidean(distance: Any) -> float | None:
    """What a distance function adds to each difference, if it is PyTorch's Euclidean distance and nothing more."""
    if distance is None or distance is torch.pairwise_distance:
        return 1e-6
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if type(distance) is not torch.nn.PairwiseDistance or any(getattr(distance, each) for each in hooks):
        return None
    return float(distance.eps) if distance.norm == 2 and not distance.keepdim else None

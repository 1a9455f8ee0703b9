"""Scores that should be right by a margin."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losscope.reduction import MEAN, NONE, SUM
from losscope.torch import eligibility, two_input_losses
from losscope.torch.elementwise import Pointwise
from losscope.torch.functional.pytorchs import number, reduced_by, torchs
from losscope.torch.multiclass_margin import MulticlassMargin
from losscope.torch.variants import squared_weston_watkins, weston_watkins

# PyTorch has no derivative in the target of these two, and says so.
_SOFT_MARGIN = Pointwise("soft_margin", to_target=False)
_HINGE_EMBEDDING = Pointwise("hinge_embedding", to_target=False)
_MULTICLASS_MARGIN = {1: MulticlassMargin(weston_watkins), 2: MulticlassMargin(squared_weston_watkins)}


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-y z)) for y of -1 and 1; finite where PyTorch's overflows.

    Shapes: input and target (*). Errors are those of `torch.nn.functional.soft_margin_loss`.

    >>> soft_margin_loss(torch.tensor([-100.0]), torch.tensor([1.0]))
    tensor(100.)
    """
    if size_average is None and reduce is None:
        ours = _SOFT_MARGIN(input, target, reduction)
        if ours is not None:
            return ours
    return torchs["soft_margin_loss"](input, target, size_average, reduce, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The distance `input` for y = 1, max(0, margin - input) for y = -1.

    Shapes: input and target (*). Errors are those of `torch.nn.functional.hinge_embedding_loss`.

    >>> hinge_embedding_loss(torch.tensor([0.25, 0.25]), torch.tensor([1.0, -1.0]), reduction="none")
    tensor([0.2500, 0.7500])
    """
    if size_average is None and reduce is None and number(margin, input):
        ours = _HINGE_EMBEDDING(input, target, reduction, (float(margin),))
        if ours is not None:
            return ours
    return torchs["hinge_embedding_loss"](input, target, margin, size_average, reduce, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - y (input1 - input2)) for y = 1 where input1 should be the higher, -1 where input2 should.

    Shapes: input1, input2 and target (*). Errors are those of `torch.nn.functional.margin_ranking_loss`.

    >>> margin_ranking_loss(torch.tensor([2.0]), torch.tensor([1.5]), torch.tensor([1.0]), margin=1.0)
    tensor(0.5000)
    """
    if size_average is None and reduce is None and number(margin, input1):
        ours = two_input_losses.margin_ranking(input1, input2, target, margin, reduction)
        if ours is not None:
            return ours
    return torchs["margin_ranking_loss"](input1, input2, target, margin, size_average, reduce, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over the other classes of max(0, margin - their distance below the right one)^p, over the classes.

    Shapes: input (C) or (N, C), target () or (N), weight (C). The mean is over N, whatever the weights. It has a
    second derivative, where PyTorch's, which serves up to 20,000 scores, has none. Errors are those of `torch.nn.functional.multi_margin_loss`.

    >>> multi_margin_loss(torch.tensor([[2.0, 1.5]]), torch.tensor([0]))
    tensor(0.2500)
    """
    if size_average is None and reduce is None and number(p, input) and p in (1, 2) and number(margin, input):
        ours = _MULTICLASS_MARGIN[p](input, target, weight, reduction, margin, lists=False)
        if ours is not None:
            return ours
    theirs = partial(torchs["multi_margin_loss"], input, target, p, margin, weight)
    return _reduced(theirs, input, reduced_by(size_average, reduce, reduction, warn=True))


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over right classes and wrong ones of max(0, 1 - the distance of their scores), over the classes.

    Shapes: input (C) or (N, C); target the same, the indices of a row's right classes and then -1. It has a second
    derivative, where PyTorch's, which serves up to 20,000 scores, has none. Errors are those of `torch.nn.functional.multilabel_margin_loss`.

    >>> multilabel_margin_loss(torch.tensor([2.0, 1.5, 0.0]), torch.tensor([0, -1, -1]))
    tensor(0.1667)
    """
    if size_average is None and reduce is None:
        ours = _MULTICLASS_MARGIN[1](input, target, None, reduction, 1.0, lists=True)
        if ours is not None:
            return ours
    theirs = partial(torchs["multilabel_margin_loss"], input, target)
    return _reduced(theirs, input, reduced_by(size_average, reduce, reduction, warn=True))


def _reduced(theirs: Callable[..., Tensor], input: Any, reduction: str) -> Tensor:
    """PyTorch's value, but of an empty batch, of which its own sum and mean are memory that nobody has written. A graph
    cannot ask whether a batch will be empty: there, all are reduced from the values."""
    in_a_graph = torch.compiler.is_compiling() or eligibility.watched()
    if reduction in (SUM, MEAN) and isinstance(input, Tensor) and (in_a_graph or not input.numel()):
        values = theirs(reduction=NONE)
        return values.sum() if reduction == SUM else values.mean()
    return theirs(reduction=reduction)

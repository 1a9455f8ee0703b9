"""Rows of logits judged by classes or by probabilities, and sequences of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losscope.torch.functional.pytorchs import number, torchs
from losscope.torch.linear import linear_rows
from losscope.torch.rows import Rows

_CROSS_ENTROPY = Rows("cross_entropy")
_LOWEST, _HIGHEST = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target]: exact, gradient included, however confident the prediction is.

    Shapes: input (C), (N, C) or (N, C, d...); target without the axis of C as class indices (int64), or in the
    shape of input as probabilities; weight (C). A mean over indices is over the summed weight of the targets that
    are not `ignore_index`, NaN if none is left; a mean over probabilities over the number of rows. Errors
    (IndexError for a class that is none) are those of `torch.nn.functional.cross_entropy`.

    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    """
    if (
        size_average is None
        and reduce is None
        and type(ignore_index) is int
        and number(label_smoothing, input)
        and (_LOWEST <= ignore_index < 0 or _holds_indices(target, ignore_index))
    ):
        ours = _CROSS_ENTROPY(input, target, weight, ignore_index, reduction, label_smoothing)
        if ours is not None:
            return ours
    return torchs["cross_entropy"](
        input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing
    )


def _holds_indices(target: Any, ignore: int) -> bool:
    """Whether a target may have the index that is ignored: rows of probabilities have none, and PyTorch refuses it."""
    return isinstance(target, Tensor) and not target.is_floating_point() and _LOWEST <= ignore <= _HIGHEST


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)` that never holds all the logits.

    Shapes: input (F) or (N, F), linear_weight (C, F), linear_bias (C), target as in `cross_entropy`. Gradients,
    second ones too, for input, weight and bias. PyTorch's `options` for its own chunks, and weights of more axes,
    run in PyTorch. Errors are those of `torch.nn.functional.linear_cross_entropy`.

    >>> linear_cross_entropy(torch.zeros(2, 3), torch.zeros(4, 3), torch.tensor([0, 1]))
    tensor(1.3863)
    """
    ignores = ignore_index is None or (type(ignore_index) is int and _holds_indices(target, ignore_index))
    if (
        options is None
        and not torch.compiler.is_compiling()
        and ignores
        and number(label_smoothing, input)
        and isinstance(input, Tensor)
        and isinstance(linear_weight, Tensor)
    ):
        ours = linear_rows(
            _CROSS_ENTROPY,
            input,
            linear_weight,
            linear_bias,
            target,
            weight,
            -100 if ignore_index is None else ignore_index,
            reduction,
            label_smoothing,
        )
        if ours is not None:
            return ours
    return torchs["linear_cross_entropy"](
        input, linear_weight, target, linear_bias=linear_bias, weight=weight, reduction=reduction, ignore_index=ignore_index,
        label_smoothing=label_smoothing, options=options,
    )  # fmt: skip


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """PyTorch's own connectionist temporal classification, which reads targets with steps between them wrongly
    where they are concatenated: here they are laid out first.

    Shapes: log_probs (T, N, C) or (T, C), targets (N, S) or concatenated, lengths (N). Errors are those of
    `torch.nn.functional.ctc_loss`. Source: A. Graves et al., ICML (2006). doi:10.1145/1143844.1143891

    >>> ctc_loss(torch.zeros(3, 1, 2).log_softmax(-1), torch.tensor([[1]]), torch.tensor([3]), torch.tensor([1]))
    tensor(0.2877)
    """
    if isinstance(targets, Tensor) and targets.layout is torch.strided:
        targets = targets.contiguous()
    return torchs["ctc_loss"](
        log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity
    )


nll_loss = torchs["nll_loss"]  # for which there is no kernel of ours

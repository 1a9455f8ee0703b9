"""The losses of `torch.nn.functional`, with PyTorch's names, signatures, defaults, reductions and errors.

    from losscope.torch import functional as F

    F.cross_entropy(logits, target)

Where a kernel of ours fits the call, it computes value and gradient in one pass: tensors on the CPU of one dtype
and shape (float32, float64, bfloat16, float16), whatever their layout. Everything else is handed to PyTorch's own
function as it came: other devices, broadcasting (with PyTorch's warning), complex numbers, wrong arguments (with
PyTorch's errors), subclasses, tracing. `losscope.torch.table` says which is which.

    >>> import torch
    >>> from losscope.torch import functional as F
    >>> logits = torch.tensor([[20.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> F.cross_entropy(logits, torch.tensor([0, 1]), reduction="sum").backward()
    >>> bool(logits.grad[0, 1] > 0)  # 2e-9, where float32 arithmetic on probabilities gives 0
    True
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as _F
from torch import Tensor

from losscope.reduction import REDUCTIONS
from losscope.torch import eligibility, operators, two_input_losses
from losscope.torch.distance import Distances
from losscope.torch.elementwise import Pointwise
from losscope.torch.eligibility import Outside
from losscope.torch.linear import linear_rows
from losscope.torch.multiclass_margin import MulticlassMargin
from losscope.torch.rows import Rows
from losscope.torch.variants import (
    clamped_binary_cross_entropy,
    kl_divergence_of_log,
    kl_divergence_of_logs,
    poisson_full,
    poisson_of_rate,
    poisson_of_rate_full,
    squared_weston_watkins,
    weston_watkins,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# PyTorch's own, held here because losscope.torch.patch() puts ours in their place.
torchs: dict[str, Callable[..., Any]] = {name: getattr(_F, name) for name in __all__ if hasattr(_F, name)}

_SQUARED = Pointwise("squared_error")
_ABSOLUTE = Pointwise("absolute_error")
_SMOOTH = Pointwise("smooth_l1")
_HUBER = Pointwise("huber")
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
_SOFT_MARGIN = Pointwise(
    "soft_margin", to_target=False
)  # PyTorch has no derivative in the target, and says so
_HINGE_EMBEDDING = Pointwise("hinge_embedding", to_target=False)
_CROSS_ENTROPY = Rows("cross_entropy")
_COSINE = Distances("cosine_embedding")
_TRIPLET = Distances("triplet_margin")
_MULTICLASS_MARGIN = {1: MulticlassMargin(weston_watkins), 2: MulticlassMargin(squared_weston_watkins)}

for _loss in list(globals().values()):
    if isinstance(_loss, Pointwise | Rows):
        operators.register(_loss)


def _number(value: Any) -> bool:
    """Whether a keyword is a number. What is not (a text, a tensor, NaN) is PyTorch's to take or to refuse."""
    return isinstance(value, float | int) and value == value


def _flag(value: Any) -> bool:
    """Whether a keyword is True or False, where PyTorch takes nothing else for it."""
    return value is True or value is False


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
        if weight is None:
            ours = _SQUARED(input, target, reduction)
        else:
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
        if weight is None:
            ours = _ABSOLUTE(input, target, reduction)
        else:
            ours = _weighted(_ABSOLUTE, input, target, reduction, weight)
        if ours is not None:
            return ours
    return torchs["l1_loss"](input, target, size_average, reduce, reduction, weight)


def _weighted(
    loss: Pointwise, input: Tensor, target: Tensor, reduction: str, weight: Tensor
) -> Tensor | None:
    """A mean over the sum of the weights, one for each element."""
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor) or weight.shape != input.shape:
        return None
    if torch.compiler.is_compiling():  # PyTorch's absolute error then forgets the weight (2.13)
        ours = loss(input, target, "sum" if reduction == "mean" else reduction, weight=weight)
        return ours / weight.sum() if ours is not None and reduction == "mean" else ours
    divisor: Any = None
    if reduction == "mean":
        if eligibility.by_operations(input, weight):
            divisor = weight.sum()
        elif eligibility.usual(weight):
            divisor = float(weight.sum(dtype=torch.float64))
        if divisor is None or (isinstance(divisor, float) and divisor == 0):
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
    if size_average is None and reduce is None and _number(beta):
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
        _number(delta)
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
        or not eligibility.plain(input, target, weight)
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
            and pos_weight.numel() == 1
            and isinstance(input, Tensor)
            and pos_weight.ndim <= input.ndim
        ):
            ours = _BINARY_WEIGHTED(input, target, reduction, (float(pos_weight),), weight)
        elif isinstance(pos_weight, Tensor):
            ours = _BINARY_WEIGHTED(input, target, reduction, (), weight, varying=pos_weight)
        else:
            ours = None
        if ours is not None:
            return ours
    return torchs["binary_cross_entropy_with_logits"](
        input, target, weight, size_average, reduce, reduction, pos_weight
    )


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
    if size_average is None and reduce is None and _flag(log_input) and _flag(full) and _number(eps):
        counts = _counts(input, target)
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
    whole = type(target) in eligibility.PLAIN and not (target.is_floating_point() or target.is_complex())
    if (
        whole
        and target.dtype is not torch.bool
        and type(input) in eligibility.PLAIN
        and input.is_floating_point()
    ):
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
    if size_average is not None or reduce is not None or not _flag(log_target):
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
    elif reduction == "mean" and not torch.compiler.is_compiling():
        ours = (_KL_OF_LOGS if log_target else _KL)(input, target, reduction)
        if ours is not None:
            warnings.warn(eligibility.MEAN_IS_NOT_BATCHMEAN, stacklevel=2)
            return ours
    return torchs["kl_div"](input, target, size_average, reduce, reduction, log_target)


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
    if size_average is None and reduce is None and _number(margin):
        ours = _HINGE_EMBEDDING(input, target, reduction, (float(margin),))
        if ours is not None:
            return ours
    return torchs["hinge_embedding_loss"](input, target, margin, size_average, reduce, reduction)


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
        and _number(label_smoothing)
        and (_LOWEST <= ignore_index < 0 or _holds_indices(target, ignore_index))
    ):
        ours = _CROSS_ENTROPY(input, target, weight, ignore_index, reduction, label_smoothing)
        if ours is not None:
            return ours
    return torchs["cross_entropy"](
        input, target, weight, size_average, ignore_index, reduce, reduction, label_smoothing
    )


_LOWEST, _HIGHEST = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max


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
        and _number(label_smoothing)
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
        and _number(margin)
        and isinstance(target, Tensor)
        and target.ndim <= 1
    ):
        ours = _COSINE((input1, input2), target, reduction, (float(margin),))
        if ours is not None:
            return ours
    return torchs["cosine_embedding_loss"](input1, input2, target, margin, size_average, reduce, reduction)


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
        and _number(margin)
        and margin > 0
        and _number(p)
        and p == 2
        and _number(eps)
        and _flag(swap)
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
    if eps is not None and _number(margin) and margin > 0:
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


def _as_it_is(name: str) -> Callable[..., Any]:
    """PyTorch's own function, for which there is no kernel of ours (yet)."""
    return torchs[name]


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
    if size_average is None and reduce is None and _number(margin):
        ours = two_input_losses.margin_ranking(input1, input2, target, margin, reduction)
        if ours is not None:
            return ours
    return torchs["margin_ranking_loss"](input1, input2, target, margin, size_average, reduce, reduction)


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
    if _number(eps):
        ours = two_input_losses.gaussian(input, target, var, full, eps, reduction)
        if ours is not None:
            return ours
    return torchs["gaussian_nll_loss"](input, target, var, full, eps, reduction)


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
    if size_average is None and reduce is None and _number(p) and p in (1, 2) and _number(margin):
        ours = _MULTICLASS_MARGIN[p](input, target, weight, reduction, margin, lists=False)
        if ours is not None:
            return ours
    value = torchs["multi_margin_loss"](input, target, p, margin, weight, size_average, reduce, reduction)
    return _of_nothing(input, value, reduction)


def _of_nothing(input: Any, value: Tensor, reduction: str) -> Tensor:
    """PyTorch's value, but of an empty batch, of which it is memory that nobody has written: a sum of 0, a mean of NaN."""
    if not isinstance(input, Tensor) or input.numel() or value.ndim or not value.numel():
        return value
    return input.sum() if reduction == "sum" else input.sum() + float("nan")


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
    value = torchs["multilabel_margin_loss"](input, target, size_average, reduce, reduction)
    return _of_nothing(input, value, reduction)


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


nll_loss = _as_it_is("nll_loss")

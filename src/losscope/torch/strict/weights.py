"""Weights of tensors that no kernel can read (on another device, under torch.func, in forward mode), and what is reduced
by them. What would have to be looked at number by number is not checked: under vmap there is nothing to look at."""

from __future__ import annotations

import torch
from torch import Tensor

from losscope.errors import LossError, complain
from losscope.reduction import NONE, SUM
from losscope.torch import formula
from losscope.torch.eligibility import widest
from losscope.torch.margin import over

Weighed = tuple[Tensor, Tensor]  # the reduced loss, and the weight that a mean is over


def weighed(weight: Tensor | None, shape: torch.Size, like: Tensor) -> Tensor:
    """The weights of the elements or rows of a batch, each 1 where there are none."""
    if weight is None:
        return like.new_ones(()).expand(shape)
    check_shape("weight", weight, shape, "element or row")
    return weight.to(like.dtype)


def moderate(weight: Tensor) -> Tensor:
    """Weights over the largest of them, which a mean does not see: of any size, the dtype of a prediction holds them."""
    wide = weight.to(widest(weight.device))
    largest = wide.amax()
    return wide / torch.where(largest > 0, largest, 1)


def there(weight: Tensor, shape: torch.Size) -> Tensor:
    """Which elements or rows are not removed by a weight of 0."""
    check_shape("weight", weight, shape, "element or row")
    return weight != 0


def check_shape(name: str, weight: Tensor, shape: torch.Size, per: str) -> None:
    if weight.shape != shape:
        raise LossError(
            complain(
                f"{name} must have one number per {per}",
                got=f"shape {tuple(weight.shape)}",
                expected=f"shape {tuple(shape)}",
            )
        )


def reduced(
    values: Tensor, weights: Tensor, weight: Tensor | None, reduction: str, dtype: torch.dtype
) -> Weighed:
    of_rows = weighed(weight, values.shape, values)
    values, total = values * of_rows, formula.total(weights * of_rows)
    if reduction != NONE:
        values = formula.total(values) if reduction == SUM else over(formula.total(values), total)
    return values.to(dtype), total.to(of_rows.dtype)

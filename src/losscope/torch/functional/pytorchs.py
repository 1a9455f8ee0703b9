"""PyTorch's own functions, held here because `losscope.torch.patch()` puts ours in their place; and its kinds of keywords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn._reduction as _Reduction
import torch.nn.functional as _F

from losscope.errors import complain, did_you_mean
from losscope.structures.arrays import in_float32

torchs: dict[str, Callable[..., Any]] = {name: each for name, each in vars(_F).items() if callable(each)}


def no_loss(ours: str, theirs: Any, name: str, known: Sequence[str]) -> AttributeError:
    """Of a name that a module of ours does not have, though PyTorch's may."""
    return AttributeError(
        complain(
            f"{ours} has the losses of {theirs.__name__} and nothing else; it has no {name!r}",
            next_step=f"Take {theirs.__name__}.{name}"
            if hasattr(theirs, name)
            else did_you_mean(name, known),
        )
    )


def number(value: Any, input: Any) -> bool:
    """Whether a keyword is a number that a loss of the input is computed with. What is none (a text, a tensor, NaN), or
    none in float32 that has all its digits, is PyTorch's to take or to refuse."""
    if not isinstance(value, float | int):
        return False
    return in_float32(value) or (value == value and getattr(input, "dtype", None) is torch.float64)


def reduced_by(size_average: bool | None, reduce: bool | None, reduction: str, warn: bool = False) -> str:
    """The reduction; or what is said in the words that came before it, of which PyTorch warns."""
    if size_average is None and reduce is None:
        return reduction
    said: str = _Reduction.legacy_get_string(size_average, reduce, warn)
    return said


def flag(value: Any) -> bool:
    """Whether a keyword is True or False, where PyTorch takes nothing else for it."""
    return value is True or value is False

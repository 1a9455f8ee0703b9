"""PyTorch's own functions, held here because `losscope.torch.patch()` puts ours in their place; and its kinds of keywords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn._reduction as _Reduction
import torch.nn.functional as _F

torchs: dict[str, Callable[..., Any]] = {name: each for name, each in vars(_F).items() if callable(each)}


def number(value: Any) -> bool:
    """Whether a keyword is a number. What is not (a text, a tensor, NaN) is PyTorch's to take or to refuse."""
    return isinstance(value, float | int) and value == value


def reduced_by(size_average: bool | None, reduce: bool | None, reduction: str, warn: bool = False) -> str:
    """The reduction; or what is said in the words that came before it, of which PyTorch warns."""
    if size_average is None and reduce is None:
        return reduction
    said: str = _Reduction.legacy_get_string(size_average, reduce, warn)
    return said


def flag(value: Any) -> bool:
    """Whether a keyword is True or False, where PyTorch takes nothing else for it."""
    return value is True or value is False

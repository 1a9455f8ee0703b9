"""What a rewriting is: a function from an expression to an equal one, marked for whoever tries them all."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from losscope.expression import symbol

PREDICTION, TARGET, RESIDUAL = (symbol(name) for name in ("prediction", "target", "r"))
MOST_OPERATIONS = 600  # of an expression that is still worth the trouble

Rewriting = Callable[[Any], Any]
FOUND: dict[str, Rewriting] = {}


def rewriting(function: Rewriting) -> Rewriting:
    """Marks a function as one that a search may try."""
    FOUND[function.__name__] = function
    return function


def small(e: Any) -> bool:
    return operations(e) <= MOST_OPERATIONS


@lru_cache(8192)
def operations(e: Any) -> int:
    """How many there are in an expression; a search asks again and again."""
    count: int = e.count_ops()
    return count

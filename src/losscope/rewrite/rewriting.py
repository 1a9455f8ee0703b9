"""What a rewriting is: a function from an expression to an equal one, marked for whoever tries them all."""

from __future__ import annotations

from collections.abc import Callable
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
    return e.count_ops() <= MOST_OPERATIONS

"""What a rewriting is: a function from an expression to an equal one, marked for whoever tries them all."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sympy import Add, Mul

from losscope.expression import symbol

PREDICTION, TARGET, RESIDUAL = (symbol(name) for name in ("prediction", "target", "r"))
MOST_OPERATIONS = 600  # of an expression that is still worth the trouble

Rewriting = Callable[[Any], Any]
FOUND: dict[str, Rewriting] = {}


def rewriting(function: Rewriting) -> Rewriting:
    """Marks a function as one that a search may try."""
    FOUND[function.__name__] = function
    return function


def terms_with(total: Any, *kinds: Any) -> list[tuple[Any, Any]]:
    """The terms of a sum that have a factor of these kinds, each with that factor.

    >>> from sympy import exp
    >>> terms_with(2 * exp(TARGET) + RESIDUAL, exp)
    [(2*exp(target), exp(target))]
    """
    return [
        (term, factor)
        for term in Add.make_args(total)
        for factor in Mul.make_args(term)
        if isinstance(factor, kinds)
    ]


def small(e: Any) -> bool:
    return operations(e) <= MOST_OPERATIONS


@lru_cache(8192)
def operations(e: Any) -> int:
    """How many there are in an expression; a search asks again and again."""
    count: int = e.count_ops()
    return count

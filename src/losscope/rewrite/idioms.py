"""What a formula was read with, where it has come out again: the residual, and the idioms that do not cancel."""

from __future__ import annotations

from typing import Any

import sympy

from losscope.expression.everywhere import everywhere
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting
from losscope.stable import stable


@rewriting
@everywhere
def of_residual(e: Any) -> Any:
    """prediction - target, where it has come out again, is the residual."""
    if not e.is_Add or not e.has(PREDICTION) or not e.has(TARGET):
        return e
    difference = PREDICTION - TARGET
    for sign in (1, -1):
        rest = e - sign * difference
        if not rest.has(PREDICTION, TARGET):
            return sign * RESIDUAL + rest
    k = e.coeff(PREDICTION)
    if k != 0 and not k.has(PREDICTION, TARGET) and sympy.expand(e - k * difference) == 0:
        return k * RESIDUAL
    return e


@rewriting
@everywhere
def of_target(e: Any) -> Any:
    """prediction - r is the target, and target + r the prediction, known before r was rounded.

    >>> of_target(RESIDUAL**2 + 2 * PREDICTION - 2 * RESIDUAL), of_target(-3 * TARGET - 3 * RESIDUAL)
    (r**2 + 2*target, -3*prediction)
    """
    if not e.is_Add or not e.has(RESIDUAL):
        return e
    shares = [term / RESIDUAL for term in e.args if RESIDUAL in sympy.Mul.make_args(term)]
    for share in shares:
        for other, same, whole in ((PREDICTION, -1, TARGET), (TARGET, 1, PREDICTION)):
            if same * share * other in e.args:
                return e - share * RESIDUAL - same * share * other + same * share * whole
    return e


@rewriting
def again(expression: Any) -> Any:
    """The idioms that every formula is read with."""
    return stable(expression)

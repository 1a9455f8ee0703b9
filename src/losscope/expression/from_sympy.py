"""What SymPy brings in by itself, in words of the language."""

from __future__ import annotations

from typing import Any

import sympy

from losscope.expression.choices import absolute, sign
from losscope.expression.exponential import log


def in_our_words(expression: Any) -> Any:
    """SymPy's own functions, which it brings in by itself (sqrt(r**2) is |r|, 2**r has a logarithm in its
    slope), as the primitives that every target knows."""
    changes = (
        (sympy.Abs, absolute),
        (sympy.log, log),
        (sympy.sign, sign),
        (sympy.ITE, _either),
        (sympy.Not, opposite),
    )
    for theirs, ours in changes:
        if expression.has(theirs):
            expression = expression.replace(theirs, ours)
    return expression


def _either(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` if the condition, else `no`, of conditions: what a comparison with a where(...) becomes."""
    return sympy.Or(sympy.And(condition, yes), sympy.And(opposite(condition), no))


def opposite(condition: Any) -> Any:
    """Where a condition does not hold, as comparisons: no target has a word for `not`."""
    if isinstance(condition, sympy.And | sympy.Or):
        swapped = sympy.Or if isinstance(condition, sympy.And) else sympy.And
        return swapped(*(opposite(each) for each in condition.args))
    return opposite(condition.args[0]) if isinstance(condition, sympy.Not) else sympy.Not(condition)

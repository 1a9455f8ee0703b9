"""Products of sums as sums of products, of which some may then cancel."""

from __future__ import annotations

from math import prod
from typing import Any

from sympy import Add, Mul

from losscope.expression.everywhere import everywhere

MOST_TERMS = 256  # of a product that is multiplied out


@everywhere
def multiplied_out(e: Any) -> Any:
    """What SymPy's expand_mul does but for denominators, which are left as they are, and a good deal faster.

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> multiplied_out((x + 1) * (x - 1) / (x + y)), multiplied_out(x * (y + 1) - x)
    (x**2/(x + y) - 1/(x + y), x*y)
    """
    sums = [factor for factor in e.args if factor.is_Add] if e.is_Mul else []
    if not sums or prod(len(each.args) for each in sums) > MOST_TERMS:
        return e
    terms = [Mul(*(factor for factor in e.args if not factor.is_Add))]
    for each in sums:
        terms = [term * other for term in terms for other in each.args]
    return Add(*terms)

"""Cross-entropy as textbooks simplify it, written out again: what is left of a certain label is lost in a difference."""

from __future__ import annotations

from typing import Any

from sympy import Add

from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import sigmoid, softplus
from losscope.rewrite.rewriting import rewriting


@rewriting
@everywhere
def both_sides(e: Any) -> Any:
    """softplus(x) - a x as (1 - a) softplus(x) + a softplus(-x), and sigmoid(x) - a as (1 - a) sigmoid(x) - a sigmoid(-x).

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> both_sides(softplus(x) - x * y), both_sides(sigmoid(x) - y)
    (y*softplus(-x) + (1 - y)*softplus(x), -y*sigmoid(-x) + (1 - y)*sigmoid(x))
    """
    if not e.is_Add:
        return e
    for term in e.args:
        rest = e - term
        if isinstance(term, softplus):
            (x,) = term.args
            share = Add(*(-each / x for each in Add.make_args(rest.expand())))
            if not share.has(x) and not share.is_number:
                return (1 - share) * term + share * softplus(-x)
        if isinstance(term, sigmoid) and not rest.has(*term.args) and not rest.is_number:
            return (1 + rest) * term + rest * sigmoid(-term.args[0])
    return e

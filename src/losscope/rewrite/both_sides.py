"""Cross-entropy as textbooks simplify it, written out again: what is left of a certain label is lost in a difference."""

from __future__ import annotations

from typing import Any

from sympy import Add

from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import sigmoid, softplus
from losscope.rewrite.rewriting import PREDICTION, rewriting


@rewriting
@everywhere
def both_sides(e: Any) -> Any:
    """softplus(x) - a x as (1 - a) softplus(x) + a softplus(-x), and sigmoid(x) - a as (1 - a) sigmoid(x) - a sigmoid(-x).

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> both_sides(softplus(x) - x * y), both_sides(sigmoid(x) - y)
    (y*softplus(-x) + (1 - y)*softplus(x), -y*sigmoid(-x) + (1 - y)*sigmoid(x))
    >>> both_sides((1 + y) * softplus(PREDICTION + x) - y * PREDICTION)  # of the negative binomial distribution
    x*y + y*softplus(-prediction - x) + softplus(prediction + x)
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
        coefficient, soft = term.as_independent(softplus, as_Add=False)
        if (
            isinstance(soft, softplus)
            and coefficient != 1
            and (found := _of_share(rest, coefficient, soft)) is not None
        ):
            return found
        if isinstance(term, sigmoid) and not rest.has(*term.args) and not rest.is_number:
            return (1 + rest) * term + rest * sigmoid(-term.args[0])
    return e


def _of_share(rest: Any, coefficient: Any, soft: Any) -> Any:
    """b softplus(z + c) - s z and more, for s and b without z, as (b - s) softplus(z + c) + s softplus(-z - c) and more."""
    (x,) = soft.args
    shift, expanded = x - PREDICTION, rest.expand()
    share = -expanded.coeff(PREDICTION, 1)
    if share.is_number or any(each.has(PREDICTION) for each in (shift, coefficient, share)):
        return None
    more = (expanded + share * PREDICTION + share * shift).expand()
    return (coefficient - share).expand() * soft + share * softplus(-x) + more

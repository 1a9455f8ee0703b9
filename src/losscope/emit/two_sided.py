"""a softplus(x) + (c - a) softplus(-x) and a sigmoid(x) - b sigmoid(-x), each as one function: a kernel then makes both
sides of one exponential, one logarithm and one division. Binary cross-entropy consists of them."""

from __future__ import annotations

import sympy
from sympy import Add, Function, Mul, S

from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import sigmoid, softplus
from losscope.expression.products import xmuly


class two_sided_softplus(Function):
    """a softplus(x) + b softplus(-x), of x, a, b and the number that a + b is."""


class two_sided_sigmoid(Function):
    """a sigmoid(x) - b sigmoid(-x), of x, a and b."""


@everywhere
def two_sided(e: sympy.Basic) -> sympy.Basic:
    """The same expression, such sums gathered. (Where a + b is no number, to compute it may cancel.)

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> two_sided(y * softplus(-x) + (1 - y) * softplus(x)), two_sided(3 * y * sigmoid(x) - 2 * sigmoid(-x) + y)
    (two_sided_softplus(x, 1 - y, y, 1), y + two_sided_sigmoid(x, 3*y, 2))
    """
    return _gathered(e) if e.is_Add else e


def _gathered(total: sympy.Add) -> sympy.Expr:
    for function in (softplus, sigmoid):
        for up in sorted(total.atoms(function), key=str):
            (x,) = up.args
            if x.is_number or x.could_extract_minus_sign():
                continue
            a, b, rest = _parts(total, up, function(-x))
            if a == 0 or b == 0:
                continue
            if function is sigmoid:
                total = rest + two_sided_sigmoid(x, a, -b)
            elif a + b == 0:  # softplus(x) - softplus(-x) is x
                total = rest + a * x
            elif (a + b).is_number:
                total = rest + two_sided_softplus(x, a, b, a + b)
    return total


def _as_product(term: sympy.Expr, *functions: sympy.Expr) -> sympy.Expr:
    """The share of one of the functions as a plain factor: gathered, a side without a share is 0 all the same."""
    return term.replace(
        lambda e: isinstance(e, xmuly) and e.args[1] in functions, lambda e: Mul(*e.args, evaluate=False)
    )


def _parts(total: sympy.Expr, up: sympy.Expr, down: sympy.Expr) -> list[sympy.Expr]:
    """a, b and the rest of a up + b down + rest, where neither stands in a or b."""
    parts = [S.Zero, S.Zero, S.Zero]
    for term in Add.make_args(total):
        if term.has(xmuly):
            term = _as_product(term, up, down)
        for i, factor in enumerate((up, down)):
            if factor in Mul.make_args(term) and not (term / factor).has(up, down):
                parts[i] += term / factor
                break
        else:
            parts[2] += term
    return parts

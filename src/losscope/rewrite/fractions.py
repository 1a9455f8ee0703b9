"""Fractions: a common denominator, common factors, and quotients that have a word of their own."""

from __future__ import annotations

from itertools import combinations
from math import comb, prod
from typing import Any

import sympy
from sympy import Mul, Piecewise
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import sring

from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import log
from losscope.expression.from_sympy import in_our_words
from losscope.expression.hyperbolic import cosh, log_cosh, sech2, sinh, tanh
from losscope.rewrite.cancellation import fewer
from losscope.rewrite.multiplied_out import multiplied_out
from losscope.rewrite.rewriting import operations, rewriting, small

HIGHEST_DEGREE = 32  # of a polynomial that is factored: one of degree 1,000 takes SymPy minutes
FEW = 4  # terms of a sum, of which all pairs are looked at
LARGEST = 100  # variables times terms of one: 7 times 31 may take it an hour
MOST_PRODUCTS = 1000  # of which one may be laid out to see how large it is


@rewriting
@everywhere
def other_share(e: Any) -> Any:
    """1 - a/(a + b) as b/(a + b): of two shares of a whole the other one.

    >>> x, m = sympy.symbols("x m")
    >>> other_share(3 - 3 * (1 - x) ** 2 / (m**2 + (1 - x) ** 2))
    3*m**2/(m**2 + (1 - x)**2)
    """
    for term in e.args if e.is_Add else ():
        rest = e - term
        for factor in Mul.make_args(term):
            whole, exponent = factor.as_base_exp()
            if exponent == -1 and whole.is_Add:
                other = whole + term / factor / rest
                if not other.is_Add or len(other.args) < len(whole.args):
                    return rest * other / whole
    return e


@rewriting
@everywhere
def factored(e: Any) -> Any:
    """Sums over a common denominator, what is common taken out: the differences that a quotient's derivative is."""
    if not e.is_Add or not small(e):
        return e
    if e.has(Piecewise):
        return sympy.factor_terms(e)
    together = sympy.together(e)
    above, below = together.as_numer_denom()
    try:
        if _takes_long(above):
            return together
        above = sympy.factor(above)
    except (BasePolynomialError, NotImplementedError):
        return together
    result = above / below
    return result if operations(result) <= 2 * operations(e) else e


def _takes_long(e: Any) -> bool:
    """Whether a polynomial that is to be factored has a high degree, or many terms in many variables. To SymPy, exp(r/1000) is
    the variable of one, and exp(r) has the degree 1000."""
    sums = [each.as_base_exp()[0] for each in Mul.make_args(e)]
    if any(_products(each) > MOST_PRODUCTS for each in sums):
        return True
    # Of rings, whose polynomials keep the terms that there are: another form of them has a place for every degree.
    found = [
        sring(each) for each in sums if each.is_Add and each.has(sympy.Pow, sympy.Function, sympy.Symbol)
    ]
    return any(
        max(each.degrees()) > HIGHEST_DEGREE or ring.ngens * len(each) > LARGEST for ring, each in found
    )


def _products(e: Any) -> int:
    """Of how many products an expression is the sum, once its brackets are multiplied out.

    >>> x, y = sympy.symbols("x y")
    >>> _products((x + y) * (x + y + 1) + 1), _products((x + 1) ** 40)
    (7, 41)
    """
    if e.is_Add:
        return sum(map(_products, e.args))
    if e.is_Mul:
        return prod(map(_products, e.args))
    if e.is_Pow and e.exp.is_Integer and e.exp > 0 and e.base.is_Add:
        terms, times = _products(e.base), min(int(e.exp), MOST_PRODUCTS)
        return comb(terms + times - 1, times)
    return 1


@rewriting
def collected(expression: Any) -> Any:
    """What is common to all terms of a sum taken out, and what is left regrouped."""
    return in_our_words(_collected(expression))


@everywhere
def _collected(e: Any) -> Any:
    if not e.is_Add or not small(e):
        return e
    taken = sympy.factor_terms(e)
    if taken.is_Add:
        return _of_pairs(fewer(taken))
    return Mul(*(fewer(multiplied_out(each)) if each.is_Add else each for each in Mul.make_args(taken)))


def _of_pairs(e: Any) -> Any:
    """A sum in which two terms come to one when what is common to them is taken out."""
    if not e.is_Add or not 2 < len(e.args) <= FEW:
        return e
    for one, other in combinations(e.args, 2):
        if (both := _collected(one + other)).is_Mul:
            return both + (e - one - other)
    return e


@rewriting
@everywhere
def ratios(e: Any) -> Any:
    """sinh/cosh is tanh, 1/cosh^2 sech2; a power of a product is the product of powers."""
    if e.is_Mul or e.is_Pow:
        for factor in Mul.make_args(e):
            base, exponent = factor.as_base_exp()
            if isinstance(base, cosh) and exponent.is_Integer and exponent < 0:
                x = base.args[0]
                m = sum(
                    each.as_base_exp()[1] for each in Mul.make_args(e) if each.as_base_exp()[0] == sinh(x)
                )
                k = min(m, -exponent) if m > 0 else 0
                left = -exponent - k
                if k and left % 2 == 0:
                    return e / factor / sinh(x) ** k * tanh(x) ** k * sech2(x) ** (left / 2)
                if left % 2 == 0:
                    return e / factor * sech2(x) ** (left / 2)
    if isinstance(e, log) and isinstance(e.args[0], cosh):
        return log_cosh(e.args[0].args[0])
    return e

"""Roots of what is not negative: of quotients, whose powers overflow by themselves, and of products beside a mean."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Mul, S

from losscope.expression.everywhere import everywhere
from losscope.rewrite.rewriting import rewriting, terms_with


@rewriting
@everywhere
def roots_of_ratios(e: Any) -> Any:
    """sqrt(y)/x^(3/2) and sqrt(x y)/x^2 as sqrt(y/x)/x: what is below need not be as small, and y close to x is seen.

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> roots_of_ratios(sympy.sqrt(y) / x ** sympy.Rational(3, 2)), roots_of_ratios(sympy.sqrt(x * y) / x**2)
    (sqrt(y/x)/x, sqrt(y/x)/x)
    """
    roots = [each for each in e.args if each.is_Pow and each.exp == S.Half] if e.is_Mul else []
    for root in roots:
        for factor in e.args:
            base, exponent = factor.as_base_exp()
            if not (exponent.is_Rational and exponent < 0) or base.is_number:
                continue
            if exponent.q == 2:
                return e / root / factor * sympy.sqrt(root.base / base) * base ** (exponent + S.Half)
            if exponent.is_Integer and base in Mul.make_args(root.base):
                return e / root / factor * sympy.sqrt(root.base / base**2) * base ** (exponent + 1)
    return e


@rewriting
@everywhere
def squares_of_roots(e: Any) -> Any:
    """x + y - 2 sqrt(x y), of the means of two numbers, as (sqrt(x) - sqrt(y))^2.

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> squares_of_roots((x + y) / 2 - sympy.sqrt(x * y))
    (sqrt(x) - sqrt(y))**2/2
    """
    for term, factor in terms_with(e, sympy.Pow) if e.is_Add and len(e.args) == 3 else ():
        if factor.exp != S.Half:
            continue
        one, other = (e - term).args
        k = -term / factor / 2
        if k.is_number and sympy.expand(one * other - k**2 * factor.base) == 0:
            return k * (sympy.sqrt(one / k) - sympy.sqrt(other / k)) ** 2
    return e

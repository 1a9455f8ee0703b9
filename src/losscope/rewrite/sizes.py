"""Sums in which a number stands beside its size: |x| is x sign(x), and x^2 is that of |x|."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, S

from losscope.expression.choices import absolute, sign
from losscope.expression.everywhere import everywhere
from losscope.expression.from_sympy import in_our_words
from losscope.expression.trigonometric import cos, sin
from losscope.rewrite.cancellation import terms
from losscope.rewrite.fractions import factored
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting


@rewriting
def by_size(e: Any) -> Any:
    """A derivative of what is made of |x|, in |x| and sign(x) alone, over a common denominator.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> by_size(3 * x**2 / (1 + absolute(x)) ** 2 - 4 * x * sign(x) / (1 + absolute(x)) + 1)
    (1 - 2*absolute(x))/(absolute(x) + 1)**2
    """
    for size in sorted(e.atoms(absolute), key=str):
        (x,) = size.args
        if not x.is_Symbol:
            continue
        a, s = sympy.Dummy("a", positive=True), sympy.Dummy("s", real=True)
        of_size = _signs(e.xreplace({size: a, sign(x): s, x: s * a}), s)
        e = _signs(factored(of_size), s).xreplace({a: size, s: sign(x)}).replace(sign(x) * size, x)
    return e


@rewriting
@everywhere
def sizes_apart(e: Any) -> Any:
    """|r| as sign(r) (z - y), where |z| and the sign of z are there, too: what |z| + |y| - |r| comes to is 2 |y|, if z is above
    y and both above 0.

    >>> size = absolute(PREDICTION) + absolute(TARGET)
    >>> sizes_apart(sign(RESIDUAL) * size - absolute(RESIDUAL) * sign(PREDICTION))
    (target*sign(prediction) + absolute(target))*sign(r)
    """
    size, of_sign = absolute(PREDICTION), sign(PREDICTION)
    if not e.is_Add or not (e.has(absolute(RESIDUAL)) and e.has(of_sign) and e.has(size)):
        return e
    apart = sympy.expand(e.xreplace({absolute(RESIDUAL): sign(RESIDUAL) * (PREDICTION - TARGET)}))
    products = Add(*(_signs(term, of_sign).subs(PREDICTION * of_sign, size) for term in Add.make_args(apart)))
    return sympy.factor_terms(products) if terms(products) < terms(apart) else e


@rewriting
def half_angles(expression: Any) -> Any:
    """The sine and the cosine of an angle by those of half the angle, where that is there, too.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> half_angles((cos(x) - cos(x / 2) ** 2) / absolute(sin(x / 2)))
    -absolute(sin(x/2))
    """
    e = in_our_words(expression)
    for x in sorted({each.args[0] for each in e.atoms(sin, cos)}, key=str):
        if not e.has(sin(x / 2)):
            continue
        s, c = sympy.Symbol("sine", real=True), sympy.Symbol("cosine", real=True)
        e = e.xreplace({sin(x / 2): s, cos(x / 2): c}).xreplace({sin(x): 2 * s * c, cos(x): 1 - 2 * s**2})
        e = by_size(e.xreplace({c**2: 1 - s**2})).xreplace({s: sin(x / 2), c: cos(x / 2)})
    return e


def _signs(e: Any, s: Any) -> Any:
    """Powers of a sign: 1 or the sign itself."""
    return e.replace(
        lambda each: each.is_Pow and each.base == s and each.exp.is_Integer,
        lambda each: s if each.exp % 2 else S.One,
    )

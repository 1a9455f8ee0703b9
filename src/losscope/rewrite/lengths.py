"""Squares that overflow: a root of their sum is a length."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Lt, Mul, Piecewise, S

from losscope.expression.choices import absolute, maximum
from losscope.expression.differences import pow1pm1, pow1px2m1
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import log, log1p
from losscope.expression.lengths import hypot, log1px2, unit
from losscope.expression.trigonometric import cos_arctan, sin_arctan
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, rewriting, terms_with


def square_root(x: Any) -> Any:
    """y where x is surely y^2; None where that is not to be seen. The root of a number, or of what is positive, is one."""
    halves = []
    for factor in Mul.make_args(sympy.powdenest(x)):
        base, exponent = factor.as_base_exp()
        if exponent.is_Integer and exponent % 2 == 0:
            halves.append(base ** (exponent / 2))
        elif factor.is_nonnegative or isinstance(base, absolute):
            halves.append(sympy.sqrt(factor))
        else:
            return None
    return Mul(*halves)


@rewriting
@everywhere
def lengths(e: Any) -> Any:
    """A^2 + B^2 below a root, a fraction or in a logarithm is a length, whose squares need not be formed."""
    if e.is_Pow and not (e.exp.is_Integer and e.exp > 0):
        pair = _two_squares(e.base)
        if pair:
            return hypot(*pair) ** (2 * e.exp)
    if isinstance(e, log):
        pair = _two_squares(e.args[0])
        if pair:
            return log1px2(pair[1]) if pair[0] == 1 else 2 * log(hypot(*pair))
    if isinstance(e, log1p):
        root = square_root(e.args[0])
        if root is not None and root.free_symbols:
            return log1px2(root)
    if isinstance(e, pow1pm1):
        root = square_root(e.args[0])
        if root is not None:
            return pow1px2m1(root, e.args[1])
    if e.is_Mul:
        return _parts_of_length(e)
    return e


def _two_squares(e: Any) -> tuple[Any, Any] | None:
    terms = Add.make_args(e)
    if len(terms) != 2:
        return None
    roots = [square_root(each) for each in terms]
    if None in roots:
        return None
    numbers = [each for each in roots if each.is_number]
    others = [each for each in roots if not each.is_number]
    if not others:
        return None
    first, second = (
        (*numbers, *others) if numbers else sorted(others, key=lambda each: each.has(PREDICTION, RESIDUAL))
    )
    return first, second


def _parts_of_length(e: Any) -> Any:
    """x^m over hypot(x, c)^n has parts of a vector of length 1 in it."""
    for factor in Mul.make_args(e):
        base, exponent = factor.as_base_exp()
        whole = exponent.as_coeff_Add()[0]
        if not isinstance(base, hypot) or not whole.is_negative:
            continue
        for x, other in (base.args, base.args[::-1]):
            if x.is_Add and (found := _power_of_sum(e, x)) is not None:
                sum_, times = found
                k = min(times, sympy.floor(-whole))
                return e / sum_**k * base**k * unit(sum_, other) ** k if k else e
            variable = min(x.free_symbols, key=_what_moves_first, default=None)
            if variable is None or (not x.is_Mul and not x.is_Symbol and not x.is_Pow):
                continue
            m = _power_of(e, variable) / _power_of(x, variable) if _power_of(x, variable) else 0
            if not (m.is_number if hasattr(m, "is_number") else False) or m < 1:
                continue
            k = min(sympy.floor(m), sympy.floor(-whole))
            if k >= 1:
                others = Mul(*(each for each in Mul.make_args(e) if each is not factor))
                rest = others / x**k * base ** (exponent + k)
                return (
                    _parts_of_length(rest) * unit(x, other) ** k
                    if rest.is_Mul
                    else rest * unit(x, other) ** k
                )
    return e


@rewriting
def conjugates(expression: Any) -> Any:
    """sqrt(a^2 + x^2) - x as a^2/(sqrt(a^2 + x^2) + |x|) + (|x| - x), in which nothing cancels for
    either sign of x, and 1 - x/sqrt(a^2 + x^2) likewise above 1/2.

    >>> from losscope.expression import symbol
    >>> a, x = symbol("a"), symbol("x")
    >>> conjugates(hypot(a, 1 - x) - 1 + x)
    a*unit(a, x - 1)/(absolute(unit(x - 1, a)) + 1) + 2*maximum(x - 1, 0)
    >>> conjugates(3 - 3 * unit(x, a))
    3*Piecewise((1 - unit(x, a), unit(x, a) < 1/2), (unit(a, x)**2/(unit(x, a) + 1), True))
    """
    return _conjugated(lengths(expression))


@everywhere
def _conjugated(e: Any) -> Any:
    if not e.is_Add:
        return e
    for term, factor in terms_with(e, hypot, unit, sin_arctan):
        rest, k = e - term, term / factor
        if isinstance(factor, hypot):
            for a, x in (factor.args, factor.args[::-1]):
                for sign in (1, -1):
                    if sympy.expand(rest + sign * k * x) == 0:
                        left = a * unit(a, x) / (1 + absolute(unit(x, a)))
                        return k * left + 2 * k * maximum(-sign * x, 0)
        elif rest in (k, -k):
            other = unit(*factor.args[::-1]) if isinstance(factor, unit) else cos_arctan(*factor.args)
            share = -k / rest * factor
            small = Lt(share, S.Half, evaluate=False)
            return rest * Piecewise((1 - share, small), (other**2 / (1 + share), True), evaluate=False)
    return e


def _what_moves_first(variable: Any) -> tuple[bool, str]:
    """An order of variables: the same in every process, as that of a set is not."""
    return variable not in (PREDICTION, RESIDUAL), str(variable)


def _power_of_sum(e: Any, x: Any) -> tuple[Any, Any] | None:
    """The factor x^m or (-x)^m of a product, as its base and m."""
    powers = (factor.as_base_exp() for factor in Mul.make_args(e))
    return next((each for each in powers if each[0] in (x, -x) and each[1].is_Integer and each[1] > 0), None)


def _power_of(e: Any, variable: Any) -> Any:
    for factor in Mul.make_args(e):
        base, exponent = factor.as_base_exp()
        if base == variable or (isinstance(base, absolute) and base.args[0] == variable):
            return exponent
    return S.Zero

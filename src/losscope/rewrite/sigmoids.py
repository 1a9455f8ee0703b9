"""Sigmoids and softplus: differences of them, and sums beside an exponential that are one."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Mul, exp

from losscope.expression.choices import absolute, maximum
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import expm1, log, log1p, sigmoid, softplus
from losscope.expression.hyperbolic import tanh
from losscope.rewrite.multiplied_out import multiplied_out
from losscope.rewrite.rates import lacking
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting, terms_with


@rewriting
def between_sigmoids(expression: Any) -> Any:
    """sigmoid(x) - sigmoid(y) as tanh((x - y)/2) (sigmoid(x) sigmoid(-y) + sigmoid(y) sigmoid(-x)), and its logarithm, of what
    lies between two cuts of a scale, by those of its factors.

    >>> from losscope.expression import symbol
    >>> x, a, b = symbol("x"), symbol("a"), symbol("b")
    >>> between_sigmoids(sigmoid(x - 1) - sigmoid(-x - 1))
    (sigmoid(1 - x)*sigmoid(-x - 1) + sigmoid(x - 1)*sigmoid(x + 1))*tanh(x)
    >>> between_sigmoids(log(sigmoid(b - x) - sigmoid(a - x)))
    Piecewise((log(-expm1(a - b)), a - b > -1), (log1p(-exp(a - b)), True)) - softplus(a - x) - softplus(-b + x)
    """
    return _difference_of_sigmoids(_logarithm_of_difference(expression))


@everywhere
def _logarithm_of_difference(e: Any) -> Any:
    pair = _two_sigmoids(e.args[0]) if isinstance(e, log) else None
    if pair is None or pair[0] != 1:
        return e
    _, x, y = pair
    return lacking(log(-expm1(sympy.expand(y - x)))) - softplus(-x) - softplus(y)


@everywhere
def _difference_of_sigmoids(e: Any) -> Any:
    pair = _two_sigmoids(e)
    if pair is None:
        return e
    k, x, y = pair
    apart = sympy.expand(x - y) / 2
    fixed = Add(*(each for each in Add.make_args(apart) if not each.has(PREDICTION, TARGET, RESIDUAL)))
    # Sums are computed with what is added first: then a and b meet before they meet x.
    rise = -tanh(-apart) if fixed.could_extract_minus_sign() else tanh(apart)
    return k * rise * (sigmoid(x) * sigmoid(-y) + sigmoid(y) * sigmoid(-x))


def _two_sigmoids(e: Any) -> tuple[Any, Any, Any] | None:
    """k, x and y of k sigmoid(x) - k sigmoid(y)."""
    found = terms_with(e, sigmoid) if e.is_Add and len(e.args) == 2 else []
    if len(found) != 2:
        return None
    (one, of_one), (other, of_other) = sorted(
        found, key=lambda each: bool(each[0].could_extract_minus_sign())
    )
    if one / of_one != -other / of_other:
        return None
    return one / of_one, of_one.args[0], of_other.args[0]


@rewriting
@everywhere
def softened_beside(e: Any) -> Any:
    """log(k + a exp(x)) as log(k) + softplus(x + log(a/k)), for positive k and a, and 1/(k + a exp(x)) as such a sigmoid.

    >>> from losscope.expression import symbol
    >>> x, k = symbol("x"), sympy.Symbol("k", positive=True)
    >>> softened_beside(log(k + exp(x)))
    softplus(x - log(k)) + log(k)
    """
    if e.is_Pow and e.exp.is_Integer and e.exp < 0 and (pair := _beside_exponential(e.base)) is not None:
        return (sigmoid(-pair[1]) / pair[0]) ** -e.exp
    if e.is_Mul:
        return _exponential_into_sigmoid(e)
    if isinstance(e, log | log1p):
        whole = e.args[0] + int(isinstance(e, log1p))
        pair = _beside_exponential(whole.replace(expm1, lambda x: exp(x) - 1))
        return e if pair is None else log(pair[0]) + softplus(pair[1])
    return e


def _exponential_into_sigmoid(e: Any) -> Any:
    """exp(x) sigmoid(c - x) is exp(c) sigmoid(x - c)."""
    for grown in (each for each in e.args if isinstance(each, exp)):
        for factor in e.args:
            base, times = factor.as_base_exp()
            if not isinstance(base, sigmoid) or not (times.is_Integer and times > 0):
                continue
            c = sympy.expand(grown.args[0] + base.args[0])
            if not c.has(PREDICTION, TARGET, RESIDUAL):
                parts = [each.as_coeff_Mul() for each in Add.make_args(c)]
                outside = [x.args[0] ** k if isinstance(x, log) else exp(k * x) for k, x in parts]
                return e / grown / base * sigmoid(-base.args[0]) * Mul(*outside)
    return e


def _beside_exponential(e: Any) -> tuple[Any, Any] | None:
    """k and x of k + k exp(x), for a positive k."""
    for term in e.args if e.is_Add and e.has(exp) else ():
        found = _exponential(e - term)
        if found is not None and term.is_positive and not term.has(exp):
            return term, found - log(term)
    return None


@rewriting
@everywhere
def larger_out(e: Any) -> Any:
    """softplus(x) - c as max(x - c, -c) + softplus(-|x|), as the logarithm of a sum of exponentials is that of the larger and more.

    >>> from losscope.expression import symbol
    >>> x, c = symbol("x"), symbol("c")
    >>> larger_out(softplus(c - x**2) - c)
    maximum(-x**2, -c) + softplus(-absolute(c - x**2))
    """
    for term, soft in terms_with(e, softplus) if e.is_Add else ():
        k, (x,) = term / soft, soft.args
        c = multiplied_out((term - e) / k)
        if not c.has(PREDICTION, TARGET, RESIDUAL):
            return k * (maximum(x - c, -c) + softplus(-absolute(x)))
    return e


@rewriting
@everywhere
def softened(e: Any) -> Any:
    """log(1 + a exp(x)) is softplus(x + log a), for a positive a; what its derivative becomes, a sigmoid."""
    if isinstance(e, log1p):
        found = _exponential(e.args[0])
        return softplus(found) if found is not None else e
    if e.is_Pow and e.exp.is_Integer and e.exp < 0:
        number, rest = e.base.as_coeff_Add()
        found = _exponential(rest) if number == 1 else None
        return sigmoid(-found) ** -e.exp if found is not None else e
    if e.is_Mul:
        for factor in e.args:
            base, exponent = factor.as_base_exp()
            if isinstance(base, sigmoid) and exponent.is_Integer and exponent > 0:
                inner = -base.args[0]
                grown = [
                    each
                    for each in e.args
                    if isinstance(each, exp)
                    and sympy.expand(exponent * inner - each.args[0]).is_number is not None
                ]
                for each in grown:
                    rest = sympy.expand(each.args[0] - exponent * inner)
                    if not rest.has(PREDICTION, RESIDUAL):
                        return e / factor / each * sigmoid(inner) ** exponent * exp(rest)
    return e


def _exponential(x: Any) -> Any:
    """y with x = exp(y), of products of exponentials and what is positive."""
    parts: list[Any] = []
    rest: list[Any] = []
    for factor in Mul.make_args(x):
        (parts if isinstance(factor, exp) else rest).append(factor)
    if not parts or not all(each.is_positive for each in rest):
        return None
    return Add(*(each.args[0] for each in parts), *(log(each) for each in rest))

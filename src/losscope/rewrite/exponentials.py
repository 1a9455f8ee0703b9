"""Exponentials: powers of them, products that overflow or are 0 times infinity, and sums that are a softplus."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Mul, exp

from losscope.expression.differences import expm1mx, log1pmx
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import expm1, log, log1p, sigmoid, softplus
from losscope.expression.hyperbolic import cosh, sech2, sinh, tanh
from losscope.expression.products import xdivy, xlog1py, xlogy, xmuly
from losscope.rewrite.cancellation import fewer, terms
from losscope.rewrite.multiplied_out import multiplied_out
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting, terms_with

MOST_FACTORS = 6  # of a power that is taken apart
PLAINLY = {
    xmuly: lambda x, y: x * y,
    xlogy: lambda x, y: x * log(y),
    xlog1py: lambda x, y: x * log1p(y),
    xdivy: lambda x, y: x / y,
}


@rewriting
@everywhere
def as_exponential(e: Any) -> Any:
    """A power of a sigmoid, of which little may be left, by its logarithm."""
    if e.is_Pow and not (e.exp.is_Integer and e.exp > 0):
        if isinstance(e.base, sigmoid):
            return exp(-e.exp * softplus(-e.base.args[0]))
        if isinstance(e.base, exp):
            return exp(e.exp * e.base.args[0])
    return e


@rewriting
@everywhere
def guarded(e: Any) -> Any:
    """x^2 exp(-x) as a product that is 0 where exp(-x) is, though x^2 be infinite."""
    if not e.is_Mul:
        return e
    vanishing = [
        each
        for each in e.args
        if each.as_base_exp()[0].func in (exp, sigmoid, sech2) or isinstance(each, exp)
    ]
    rest = [each for each in e.args if each not in vanishing]
    number = Mul(*(each for each in rest if not each.has(PREDICTION, TARGET, RESIDUAL)))
    rest = [each for each in rest if each.has(PREDICTION, TARGET, RESIDUAL)]
    return number * xmuly(Mul(*vanishing), Mul(*rest)) if vanishing and rest else e


@rewriting
def unguarded(expression: Any) -> Any:
    """Products as products, for others to rewrite."""
    for guarded_, plainly in PLAINLY.items():
        expression = expression.replace(guarded_, plainly)
    return expression


@rewriting
@everywhere
def halved(e: Any) -> Any:
    """y exp(x) as (y exp(x/2)) exp(x/2), which does not overflow before it must."""
    exponential = next((each for each in e.args if isinstance(each, exp)), None) if e.is_Mul else None
    if exponential is None:
        return e
    half = exp(exponential.args[0] / 2)
    number = Mul(*(each for each in e.args if each.is_number))
    rest = Mul(*(each for each in e.args if each is not exponential and not each.is_number))
    return number * xmuly(xmuly(rest, half), half) if rest != 1 else e


@rewriting
@everywhere
def shares(e: Any) -> Any:
    """y exp(x) as a product that is 0 where the target's share y is, though exp(x) be infinite; and x^2 exp(u) as a square of
    x exp(u/2), with each term of a polynomial by itself: so no power overflows that exp(u) makes small.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> shares((1 - TARGET) * exp(x)), shares(TARGET**2 * exp(4 * x))
    (xmuly(1 - target, exp(x)), xmuly(xmuly(target, exp(x)), exp(x))**2)
    """
    exponential = next((each for each in e.args if isinstance(each, exp)), None) if e.is_Mul else None
    if exponential is None:
        return e
    number, share = (e / exponential).as_independent(PREDICTION, TARGET, RESIDUAL, as_Add=False)
    if share.has(RESIDUAL) or any(each.is_Pow for each in Mul.make_args(share)):
        parts = [_in_halves(each, exponential.args[0]) for each in Add.make_args(share)]
        return number * Add(*parts)
    return number * xmuly(share, exponential) if share != 1 and not share.has(PREDICTION) else e


def _in_halves(x: Any, u: Any) -> Any:
    """x exp(u) as a product of two, of which each has half of the factors of x."""
    number, rest = x.as_coeff_Mul()
    factors = [
        factor
        for base, times in (each.as_base_exp() for each in Mul.make_args(rest))
        for factor in (
            [base] * int(times) if times.is_Integer and 0 < times <= MOST_FACTORS else [base**times]
        )
    ]
    quarter = exp(u / 4)
    first, other = Mul(*factors[::2]), Mul(*factors[1::2])
    return number * Mul(*(xmuly(xmuly(each, quarter), quarter) for each in (first, other)))


@rewriting
@everywhere
def exponential_out(e: Any) -> Any:
    """1 - (1 + x) exp(-x) as exp(-x) (exp(x) - 1 - x), whose sum may then be regrouped."""
    if not e.is_Add or not e.has(exp):
        return e
    whole = multiplied_out(e)
    for found in sorted(whole.atoms(exp), key=sympy.default_sort_key):
        inside = Add(*(term / found for term in Add.make_args(whole)))
        regrouped_ = fewer(multiplied_out(inside))
        if terms(regrouped_) < terms(whole):
            return found * regrouped_
    return e


@rewriting
@everywhere
def paired(e: Any) -> Any:
    """a exp(x) + a exp(-x) as 2 a cosh(x), and a difference as 2 a sinh(x)."""
    if not e.is_Add:
        return e
    for term, found in terms_with(e, exp):
        x, a = found.args[0], term / found
        for function, other in ((cosh, a * exp(-x)), (sinh, -a * exp(-x))):
            if other in e.args:
                return e - term - other + 2 * a * function(x)
    return e


@rewriting
@everywhere
def deviance(e: Any) -> Any:
    """exp(z) - y z + y log(y) - y, as deviances on a scale of logarithms are, is y (exp(u) - u - 1) of u = z - log(y).

    >>> from losscope.expression import symbol
    >>> y, z = symbol("y"), symbol("z")
    >>> deviance(exp(z) - y * z + y * log(y) - y), deviance(y * exp(-z) + z - log(y) - 1)
    (y*expm1mx(z - log(y)), expm1mx(-z + log(y)))
    """
    for term, grown in terms_with(e, exp) if e.is_Add else ():
        a, x = term / grown, grown.args[0]
        for logarithm in sorted(e.atoms(log), key=str):
            (t,) = logarithm.args
            for share, u in ((a * t, x - logarithm), (a / t, x + logarithm)):
                rest = multiplied_out(e - term + share * (1 + u))
                if terms(rest) < terms(e) - 2:
                    return rest + share * expm1mx(u)
    return e


@rewriting
@everywhere
def quotients(e: Any) -> Any:
    """sinh(x)/cosh(x) as tanh(x), which does not overflow; `ratios` makes sech2 of cosh(x)^-2 before it sees the sine. And
    (exp(x) - 1)/(exp(x) + 1) as tanh(x/2).

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> quotients(3 * sinh(x) / cosh(x) ** 2), quotients(2 * expm1(x) * sigmoid(-x))
    (3*tanh(x)/cosh(x), 2*tanh(x/2))
    """
    for grown in sorted(e.atoms(expm1), key=str) if e.is_Mul else ():
        share = sigmoid(-grown.args[0])
        if grown in e.args and share in e.args:
            return e / grown / share * tanh(grown.args[0] / 2)
    for sine in sorted(e.atoms(sinh), key=str) if e.is_Mul else ():
        below = cosh(*sine.args)
        powers = dict(each.as_base_exp() for each in e.args)
        up, down = powers.get(sine, 0), -powers.get(below, 0)
        if all(sympy.sympify(each).is_Integer and each > 0 for each in (up, down)):
            both = min(up, down)
            return e * (below / sine * tanh(*sine.args)) ** both
    return e


@rewriting
@everywhere
def far_rate(e: Any) -> Any:
    """log(softplus(x)) as x + log1p(w), and sigmoid(x)/softplus(x) as sigmoid(-x)/(1 + w), with w = log1p(u)/u - 1 of u = exp(x):
    far on the left, where both rates are exp(x), or no number.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> far_rate(log(softplus(x)))
    x + log1p(xdivy(log1pmx(exp(x)), exp(x)))
    """
    if isinstance(e, log) and isinstance(e.args[0], softplus):
        (x,) = e.args[0].args
        return x + log1p(_beyond_one(x))
    for rate in sorted(e.atoms(softplus), key=str) if e.is_Mul else ():
        (x,) = rate.args
        powers = dict(each.as_base_exp() for each in e.args)
        up, down = powers.get(sigmoid(x), 0), -powers.get(rate, 0)
        if all(sympy.sympify(each).is_Integer and each > 0 for each in (up, down)):
            both = min(up, down)
            return e * (rate / sigmoid(x) * sigmoid(-x) / (1 + _beyond_one(x))) ** both
    return e


def _beyond_one(x: Any) -> Any:
    return xdivy(log1pmx(exp(x)), exp(x))

"""Exponentials: powers of them, products that overflow or are 0 times infinity, and sums that are a softplus."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Gt, Lt, Mul, Piecewise, exp

from losscope.expression.choices import absolute, maximum
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


@rewriting
def lacking(expression: Any) -> Any:
    """log(1 - exp(x)) by exp(x) - 1 where x is near 0, and by exp(x) far from there; of x = -exp(z), which may underflow, by what
    is left of exp(x) - 1 beside x. And log(exp(x) - 1), of x = exp(z), as x + log(1 - exp(-x)).

    >>> from losscope.expression import symbol
    >>> x, z = symbol("x"), symbol("z")
    >>> lacking(log1p(-exp(x)))
    Piecewise((log(-expm1(x)), x > -1), (log1p(-exp(x)), True))
    >>> lacking(log(-expm1(-exp(z))))
    Piecewise((z + log1p(-xdivy(expm1mx(-exp(z)), exp(z))), -exp(z) > -1), (log1p(-exp(-exp(z))), True))
    """
    return _lacking(_undivided(expression))


@everywhere
def _undivided(e: Any) -> Any:
    """log(1 - exp(x)) where it has been taken on either side."""
    logs = [value for value, _ in e.args] if isinstance(e, Piecewise) else []
    if len(logs) == 2 and all(isinstance(each, log | log1p) for each in logs) and logs[1].has(exp):
        x = (-logs[1].args[0]).args[0]
        return logs[0] if logs[0] == log(-expm1(x)) else e
    return e


@everywhere
def _lacking(e: Any) -> Any:
    if not isinstance(e, log | log1p) or not e.has(exp, expm1):
        return e
    share = -e.args[0]
    if isinstance(e, log) and isinstance(-share, expm1) and (z := _log_of_grown(*(-share).args)) is not None:
        (x,) = (-share).args
        above = z + log1p(xdivy(expm1mx(x), x))
        return Piecewise((above, Lt(x, 1, evaluate=False)), (x + log1p(-exp(-x)), True), evaluate=False)
    if not isinstance(share, expm1 if isinstance(e, log) else exp):
        return e
    (x,) = share.args
    z = _log_of_grown(-x)
    near = log(-expm1(x)) if z is None else z + log1p(-xdivy(expm1mx(x), -x))
    return Piecewise((near, Gt(x, -1, evaluate=False)), (log1p(-exp(x)), True), evaluate=False)


def _log_of_grown(x: Any) -> Any:
    """z + log(t) of x = t exp(z), which is more than 0 wherever log(1 - exp(-x)) is a number."""
    t, grown = x.as_independent(exp, as_Add=False)
    return (
        grown.args[0] + log(t) if isinstance(grown, exp) and not t.has(PREDICTION, TARGET, RESIDUAL) else None
    )


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

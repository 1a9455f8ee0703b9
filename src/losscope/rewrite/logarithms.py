"""Logarithms of quotients, and the divergences that they make."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Gt, Lt, Mul, Piecewise, S, exp

from losscope.expression.choices import absolute
from losscope.expression.differences import log1pmx
from losscope.expression.error_function import erf, erfc, log_ndtr
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import log, log1p, softplus
from losscope.rewrite.cancellation import fewer, terms
from losscope.rewrite.idioms import of_residual
from losscope.rewrite.multiplied_out import multiplied_out
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting, terms_with


@rewriting
@everywhere
def near(e: Any) -> Any:
    """log(a) - log(b) near a = b is log1p((a - b)/b); far from it, it is itself."""
    if isinstance(e, log) and e.args[0].has(PREDICTION) and e.args[0].has(TARGET):
        above, below = sympy.fraction(e.args[0])
        return _near(above, below) if not below.is_number else e
    if e.is_Add:
        for kind, more in ((log, 0), (log1p, 1)):
            logs = terms_with(e, kind)
            for term, factor in logs:
                for other, partner in logs:
                    if term is not other and sympy.expand(term / factor + other / partner) == 0:
                        a, b = factor.args[0] + more, partner.args[0] + more
                        if (a.has(PREDICTION) and b.has(TARGET)) or (b.has(PREDICTION) and a.has(TARGET)):
                            return e - term - other + term / factor * _near(a, b)
    return e


def _near(a: Any, b: Any) -> Any:
    return log1p(of_residual(sympy.expand(a - b)) / b)


@rewriting
@everywhere
def beside_a_number(e: Any) -> Any:
    """log(2) - log(1 + f) near f = 1 is -log1p((f - 1)/2), and log(2) + log_ndtr(x) near x = 0 log1p(erf(x/sqrt(2))).

    >>> from losscope.expression import symbol
    >>> from losscope.expression.exponential import sigmoid
    >>> x = symbol("x")
    >>> beside_a_number(log(sympy.Integer(2)) - log1p(sigmoid(x))), beside_a_number(softplus(x) - log(sympy.Integer(2)))
    (-log1p(-sigmoid(-x)/2), log1p(expm1(x)/2))
    """
    if not e.is_Add:
        return e
    numbers = [(term, factor) for term, factor in terms_with(e, log) if factor.is_number]
    for term, logarithm in numbers:
        for other, factor in terms_with(e, log_ndtr):
            if other / factor == term / logarithm and logarithm.args[0] == 2:
                return e - term - other + other / factor * log1p(erf(factor.args[0] / sympy.sqrt(2)))
        for other, factor in terms_with(e, log1p, softplus):
            if other / factor == -term / logarithm:
                (number,), (x,) = logarithm.args, factor.args
                more = (exp(x) if isinstance(factor, softplus) else x) - (number - 1)
                return e - term - other + other / factor * log1p(fewer(more) / number)
    return e


@rewriting
@everywhere
def complements(e: Any) -> Any:
    """log(a + a erf(x)), log(a erfc(-x)) and log(2 a - a erfc(x)) by the logarithm of the normal distribution function, which
    keeps what is left of 0 and of 1.

    >>> from losscope.expression import symbol
    >>> x, half = symbol("x"), sympy.Rational(1, 2)
    >>> complements(log(half - half * erf(x))), complements(log(erfc(x) / 2)), complements(log1p(erf(x)))
    (log_ndtr(-sqrt(2)*x), log_ndtr(-sqrt(2)*x), log_ndtr(sqrt(2)*x) + log(2))
    """
    if not isinstance(e, log | log1p):
        return e
    number, rest = (e.args[0] + int(isinstance(e, log1p))).as_coeff_Add()
    size, function = rest.as_coeff_Mul()
    if isinstance(function, erf) and number == abs(size):
        x, share = function.args[0] * sympy.sign(size), number
    elif isinstance(function, erfc) and number == abs(size) - size:
        x, share = -function.args[0] * sympy.sign(size), abs(size)
    else:
        return e
    return log(2 * share) + log_ndtr(sympy.sqrt(2) * x)


@rewriting
@everywhere
def joined(e: Any) -> Any:
    """log(a) - log(b) as log(a/b)."""
    if not e.is_Add:
        return e
    logs = terms_with(e, log, log1p)
    for term, factor in logs:
        for other, partner in logs:
            if term is not other and sympy.expand(term / factor + other / partner) == 0:
                a, b = (each.args[0] + int(isinstance(each, log1p)) for each in (factor, partner))
                return e - term - other + term / factor * log(a / b)
    return e


@rewriting
@everywhere
def of_one_more(e: Any) -> Any:
    """log((c^2 + r^2)/c^2) as log1p(r^2/c^2).

    >>> from losscope.expression import symbol
    >>> c, r = symbol("c"), symbol("r")
    >>> of_one_more(log((c**2 + r**2) / c**2))
    log1p(r**2/c**2)
    """
    if not isinstance(e, log) or not e.args[0].is_Mul:
        return e
    number, rest = multiplied_out(e.args[0]).as_coeff_Add()
    return log1p(rest) if number == 1 else e


@rewriting
@everywhere
def of_one_less(e: Any) -> Any:
    """log(s), for s above 1/2, as log1p(s - 1), if that has fewer terms: log(exp(x) + c) is log1p(expm1(x) + c).

    >>> from losscope.expression import symbol
    >>> x, c = symbol("x"), symbol("c")
    >>> of_one_less(log(exp(x) + c))
    Piecewise((log1p(c + expm1(x)), c + exp(x) > 1/2), (log(c + exp(x)), True))
    """
    if not isinstance(e, log) or not e.args[0].is_Add:
        return e
    whole = multiplied_out(e.args[0]) - 1
    rest = fewer(whole)
    if terms(rest) >= terms(whole):
        return e
    return Piecewise((log1p(rest), Gt(e.args[0], S.Half, evaluate=False)), (e, True), evaluate=False)


@rewriting
@everywhere
def number_out(e: Any) -> Any:
    """log(c + x) as log(c) + log1p(x/c), for a positive number c: it may be 1, or nearly so.

    >>> from losscope.expression import symbol
    >>> x, c = symbol("x"), sympy.Symbol("c", positive=True)
    >>> number_out(log(c + x**2))
    log(c) + log1p(x**2/c)
    """
    for term in e.args[0].args if isinstance(e, log) and e.args[0].is_Add else ():
        if term.is_positive and not term.has(PREDICTION, TARGET, RESIDUAL):
            return log(term) + log1p((e.args[0] - term) / term)
    return e


@rewriting
@everywhere
def apart(e: Any) -> Any:
    """log(a/b) as 2 log(sqrt(a)/sqrt(b)), for the quotient may overflow, and log(1/b) as -log(b)."""
    if isinstance(e, log):
        above, below = sympy.fraction(e.args[0])
        if below != 1 and not below.is_number:
            return (
                log(above) - log(below) if above.is_number else 2 * log(sympy.sqrt(above) / sympy.sqrt(below))
            )
    return e


@rewriting
@everywhere
def divergence(e: Any) -> Any:
    """k log(y/z) + k (z - y)/y, as divergences have them, is -k log1pmx((z - y)/y): nothing of first order is left."""
    if not e.is_Add or not e.has(log):
        return e
    whole = multiplied_out(e)
    for term in whole.args if whole.is_Add else ():
        for factor in Mul.make_args(term):
            if not isinstance(factor, log) or not (factor.has(PREDICTION) and factor.has(TARGET)):
                continue
            above, below = sympy.fraction(factor.args[0])
            k = term / factor
            for a, b, sign in ((above, below, 1), (below, above, -1)):
                # k log(a/b) = sign k [log1pmx(w) + w], w = (a - b)/b
                rest = multiplied_out(
                    of_residual(sympy.expand(whole - term)).subs(RESIDUAL, PREDICTION - TARGET)
                    + sign * k * (a - b) / b
                )
                if terms(rest) < terms(whole) - 1 and (rest == 0 or rest.is_number):
                    return sign * k * log1pmx(of_residual(a - b) / b) + rest
    return e


@rewriting
@everywhere
def divergences(e: Any) -> Any:
    """a log(a/b) and more such, whose first orders cancel against each other, as sums of a log(a/b) + b - a, of which each is
    positive: -a log1pmx((b - a)/a) for a close to b.

    >>> y, z = TARGET, PREDICTION
    >>> divergences(y * log(y / z) - y + z)
    Piecewise((-target*log1pmx(r/target), absolute(r) < target/2), (r + target*log(target/prediction), True))
    """
    if not e.is_Add or not e.has(log):
        return e
    rest, found = e, S.Zero
    for term, factor in terms_with(e, log):
        above, below = sympy.fraction(factor.args[0])
        k = sympy.cancel(term / factor / above)
        if below.is_number or k.has(PREDICTION, TARGET, RESIDUAL):
            continue
        more = of_residual(sympy.expand(below - above))
        near = Lt(absolute(more), above / 2, evaluate=False)
        found += k * Piecewise(
            (-above * log1pmx(more / above), near), (term / k + more, True), evaluate=False
        )
        rest -= term + k * (below - above)
    rest = sympy.expand(of_residual(rest).subs(RESIDUAL, PREDICTION - TARGET))
    return found + rest if found != 0 and rest.is_number else e


@rewriting
@everywhere
def beside_a_square(e: Any) -> Any:
    """log(a/b) + (b^2/a^2 - 1)/2, as divergences between spreads have it, as -log1pmx(b^2/a^2 - 1)/2 for a close to b.

    >>> x, y = PREDICTION, TARGET
    >>> beside_a_square(-log(x) + (x**2 + y**2) / 2 - sympy.Rational(1, 2)) - y**2 / 2
    Piecewise((-log1pmx((prediction - 1)*(prediction + 1))/2, absolute((prediction - 1)*(prediction + 1)) < 1/2), ((prediction - 1)*(prediction + 1)/2 - log(prediction), True))
    """
    for term, factor in terms_with(e, log) if e.is_Add else ():
        above, below = sympy.fraction(factor.args[0])
        rest, share = multiplied_out(e - term), term / factor
        for a, b, k in ((above, below, share), (below, above, -share)):
            more = rest - k * sympy.expand(b**2 / a**2 - 1) / 2
            if terms(more) < terms(rest) - 1:
                w = (b - a) * (b + a) / a**2
                near = Lt(absolute(w), S.Half, evaluate=False)
                either = Piecewise((-k * log1pmx(w) / 2, near), (term + k * w / 2, True), evaluate=False)
                return either + more
    return e

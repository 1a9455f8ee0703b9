"""log(1 - exp(-x)), and x/(exp(x) - 1), its slope in log(x): 1 - x/2 and more near x = 0, which may underflow, and 0 far from
it."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Dummy, Gt, Lt, Piecewise, exp

from losscope.expression.differences import expm1mx, log1pmx
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import expm1, log, log1p
from losscope.expression.hyperbolic import tanh
from losscope.expression.products import xdivy, xmuly
from losscope.rewrite.cancellation import terms
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting

# x, its rate, and what is left near 0 of x - 1 + rate and of 1 - rate.
X, RATE, MORE, LESS = (Dummy(name, positive=True) for name in ("x", "rate", "more", "less"))


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
def by_rate(expression: Any) -> Any:
    """What has exp(x) - 1 in a denominator by the rate x/(exp(x) - 1), and by 1 - rate and x - 1 + rate, of which x/2 is left
    near 0.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> in_rates = (TARGET / expm1(-exp(x)) + 1) * exp(x)
    >>> by_rate(in_rates).args[1]
    xmuly(1 - target, exp(x))
    """
    for below in sorted(expression.atoms(sympy.Pow), key=str):
        if isinstance(below.base, expm1) and below.exp.is_negative:
            (x,) = below.base.args
            return _written(_in_rates(expression, -x if x.could_extract_minus_sign() else x))
    return expression


def _in_rates(e: Any, x: Any) -> tuple[Any, Any]:
    """The expression in X, RATE and MORE, and x."""
    scale, grown = x.as_independent(exp, as_Add=False)
    bases = [(x, 1 + X / RATE)]
    if isinstance(grown, exp):  # x is scale exp(z)
        bases.append((*grown.args, X / scale))
    e = e.xreplace({expm1(x): X / RATE, expm1(-x): -X / (X + RATE)})
    for argument, base in bases:
        powers = {each: each.args[0] / argument for each in e.atoms(exp)}
        e = e.xreplace({each: base**times for each, times in powers.items() if times.is_Integer})
    e = e.xreplace({x: X})
    whole = sympy.expand(sympy.cancel(e))
    none, one = whole.coeff(TARGET, 0), whole.coeff(TARGET, 1)
    all_ = sympy.expand(none + one)
    if one != 0 and terms(none) + terms(all_) < terms(whole) and not (whole - none - TARGET * one).expand():
        return xmuly(1 - TARGET, _shortest(none)) + xmuly(TARGET, _shortest(all_)), x
    return _shortest(whole), x


def _shortest(e: Any) -> Any:
    """A polynomial in X and RATE factored, with MORE or LESS in sums that they make no longer."""
    return _with_more(sympy.factor(e))


@everywhere
def _with_more(e: Any) -> Any:
    if not e.is_Add or not e.has(RATE):
        return e
    others = [sympy.expand(e.xreplace({RATE: each})) for each in (MORE + 1 - X, 1 - LESS)]
    return min(*others, e, key=terms)


def _written(found: tuple[Any, Any]) -> Any:
    e, x = found
    near = Lt(x, 1, evaluate=False)
    half, t = x / 2, tanh(x / 2)
    beyond = xdivy(log1pmx(t) - log1pmx(-t), 2 * t)  # x/2 coth(x/2) - 1
    far = xmuly(exp(-x), x) / -expm1(-x)
    rate = Piecewise((1 / (1 + xdivy(expm1mx(x), x)), near), (far, True), evaluate=False)
    more = Piecewise((half + beyond, near), (x - 1 + far, True), evaluate=False)
    less = Piecewise((half - beyond, near), (1 - far, True), evaluate=False)
    e = e.replace(
        lambda each: each.is_Mul and RATE in each.args,
        lambda each: xmuly(RATE, each / RATE) if (each / RATE).has(X, MORE) else each,
    )
    return e.xreplace({RATE: rate, MORE: more, LESS: less, X: x})

"""The angle whose tangent is x: lengths beside 1 by its sine and cosine, and their squares."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Gt, Lt, Piecewise, S

from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import log, log1p
from losscope.expression.lengths import hypot, unit
from losscope.expression.trigonometric import atan, cos_arctan, sin_arctan
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, operations, rewriting, terms_with


@everywhere
def as_angles(e: Any) -> Any:
    """Lengths beside 1 in the words for them."""
    if isinstance(e, unit):
        a, b = e.args
        return sin_arctan(a) if b == 1 else cos_arctan(b) if a == 1 else e
    if e.is_Pow and isinstance(e.base, hypot) and S.One in e.base.args and e.exp.is_Integer and e.exp < 0:
        x = next((each for each in e.base.args if each != 1), S.One)
        return cos_arctan(x) ** -e.exp
    return e


@rewriting
@everywhere
def evened(e: Any) -> Any:
    """Even powers of cos_arctan(x) and of unit(c, x) by 1 + x^2: fewer roundings, and their squares may overflow to
    infinity, below which all is 0 as it should be."""
    if e.is_Pow and e.exp.is_Integer and isinstance(e.base, cos_arctan):
        odd = e.exp % 2
        return e.base**odd * (1 + e.base.args[0] ** 2) ** (-(e.exp - odd) / 2)
    if e.is_Pow and e.exp.is_Integer and e.exp % 2 == 0:
        if isinstance(e.base, unit) and not e.base.args[0].has(PREDICTION, TARGET, RESIDUAL):
            c, x = e.base.args
            return (1 + (x / c) ** 2) ** (-e.exp / 2)
        if isinstance(e.base, hypot) and not e.base.args[0].has(PREDICTION, TARGET, RESIDUAL):
            c, x = e.base.args
            return (c**2 + x**2) ** (e.exp / 2)
    return e


@rewriting
@everywhere
def of_sines(e: Any) -> Any:
    """x cos_arctan(x) as sin_arctan(x), in products that get shorter by it.

    >>> from losscope.expression import symbol
    >>> x, c = symbol("x"), symbol("c")
    >>> of_sines(x * cos_arctan(x / c) * sin_arctan(x / c))
    c*sin_arctan(x/c)**2
    """
    for cosine in sorted(e.atoms(cos_arctan), key=str) if e.is_Mul else ():
        other = e / cosine * sin_arctan(*cosine.args) / cosine.args[0]
        if not other.has(cosine) and operations(other) < operations(e):
            return other
    return e


@rewriting
def other_angle(expression: Any) -> Any:
    """pi/2 - atan(x), for x above 1, as atan(1/x), and the logarithm of 1/2 + atan(x)/pi by what that lacks of 1.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> other_angle(sympy.pi - 2 * atan(x))
    Piecewise((2*atan(1/x), x > 1), (pi - 2*atan(x), True))
    >>> other_angle(log(sympy.Rational(1, 2) + atan(x) / sympy.pi)).args[0]
    (log1p(-atan(1/x)/pi), x > 1)
    """
    return _of_other_angle(_lacking_of_one(expression))


@everywhere
def _lacking_of_one(e: Any) -> Any:
    found = _atan_beside_half_pi(e.args[0]) if isinstance(e, log) else None
    if found is None or found[0] * sympy.pi != 1:
        return e
    k, x = found
    return Piecewise((log1p(-k * atan(-1 / x)), Lt(x, -1, evaluate=False)), (e, True), evaluate=False)


@everywhere
def _of_other_angle(e: Any) -> Any:
    found = _atan_beside_half_pi(e)
    if found is None:
        return e
    k, x = found
    return Piecewise((k * atan(1 / x), Gt(x, 1, evaluate=False)), (e, True), evaluate=False)


def _atan_beside_half_pi(e: Any) -> tuple[Any, Any] | None:
    """k and x of k (pi/2 - atan(x))."""
    for term, angle in terms_with(e, atan) if e.is_Add else ():
        k, rest = term / angle, e - term
        for sign in (1, -1):
            if rest == sign * k * sympy.pi / 2:
                return sign * k, -sign * angle.args[0]
    return None


@rewriting
def pythagoras(expression: Any) -> Any:
    """n + k sin^2 as n cos^2 + (k + n) sin^2, of the angle whose tangent is x: where k is nearly -n, nothing cancels.

    >>> from losscope.expression import symbol
    >>> x, c = symbol("x"), symbol("c")
    >>> pythagoras(c - c * sin_arctan(x) ** 2)
    c*cos_arctan(x)**2
    """
    return _of_one_angle(as_angles(expression))


@everywhere
def _of_one_angle(e: Any) -> Any:
    if not e.is_Add:
        return e
    number, rest = e.as_coeff_Add()
    for sine in sorted(e.atoms(sin_arctan), key=sympy.default_sort_key):
        k: Any = rest.coeff(sine, 2) if number != 0 else 0
        if k != 0 and not k.has(sin_arctan) and sympy.expand(rest - k * sine**2) == 0:
            return number * cos_arctan(*sine.args) ** 2 + (k + number) * sine**2
        for term in e.args:
            if -term * sine**2 in e.args:
                return e - term + term * sine**2 + term * cos_arctan(*sine.args) ** 2
    return e

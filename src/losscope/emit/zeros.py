"""0 log 0 is 0, as in every book on entropy: products that vanish with a factor, however infinite the other.

A formula as people write it, y log(z) + (1 - y) log(1 - z), is no number at its labels of 0 and 1, where one logarithm
is infinite. As computed it has its limit there; everywhere else it is the same arithmetic. So have the derivatives of a
power of |r| at r = 0, where p - 1 or the sign of r is 0 beside an infinite power.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy
from sympy import Mul

from losscope.expression import symbol
from losscope.expression.choices import absolute, sign
from losscope.expression.exponential import log, log1p
from losscope.expression.products import xdivy, xlog1py, xlogy, xmuly

# Any other symbol is a parameter.
ARGUMENTS = tuple(map(symbol, ("prediction", "target", "r", "margin")))


def with_limits(expression: sympy.Expr, zeros: Sequence[sympy.Expr]) -> sympy.Expr:
    """The same expression, in which products of what may be 0 with logarithms, reciprocals and powers are 0 there.

    >>> from losscope.expression import symbol
    >>> y, z = symbol("y"), symbol("z")
    >>> with_limits(-y * log(z) - (1 - y) * log1p(-z) + y / z, [y, 1 - y])
    xdivy(y, z) - xlog1py(1 - y, -z) - xlogy(y, z)
    >>> with_limits((2 - 2 * y) / z, [y, 1 - y])
    2*xdivy(1 - y, z)
    >>> with_limits(y * (y - 1) * absolute(z) ** (y - 2), [])
    xmuly(y*(y - 1), absolute(z)**(y - 2))
    """
    return expression.replace(lambda e: isinstance(e, Mul), lambda e: _vanishing(e, zeros))


def _vanishing(product: Mul, zeros: Sequence[sympy.Expr]) -> sympy.Expr:
    zero, others = _with_a_zero(product, zeros)
    if zero is None:
        return _of_power(product)
    for other in others:
        rest = [each for each in others if each is not other]
        if isinstance(other, log):
            return Mul(*rest, xlogy(zero, *other.args))
        if isinstance(other, log1p):
            return Mul(*rest, xlog1py(zero, *other.args))
        if other.is_Add and any(term.has(log, log1p) for term in other.args):
            # Of y (log y - log z) each logarithm may be infinite, and then their difference is no number.
            same = [each for each in other.atoms(log, log1p) if each.has(*zero.free_symbols)]
            known = {each: sympy.Piecewise((each, zero > 0), (0, True)) for each in same}
            return Mul(*rest, xmuly(zero, other.xreplace(known)))
        if other.is_Pow and other.exp in (-1, -2) and not any(each.has(*ARGUMENTS) for each in rest):
            quotient = xdivy(zero, other.base)
            return Mul(*rest, quotient if other.exp == -1 else xdivy(quotient, other.base))
    return product


def _with_a_zero(product: Mul, zeros: Sequence[sympy.Expr]) -> tuple[sympy.Expr | None, list[sympy.Expr]]:
    """One of what may be 0 that is a factor, or a multiple of which is, as 2 - 2 y is of 1 - y; and the other factors."""
    for factor in product.args:
        times, primitive = factor.as_content_primitive() if factor.is_Add else (1, factor)
        for k, zero in ((times, primitive), (-times, -primitive)):
            if zero in zeros:
                others = [each for each in product.args if each is not factor]
                return zero, others if k == 1 else [sympy.sympify(k), *others]
    return None, []


def _steps(share: sympy.Expr, exponent: sympy.Expr, way: int) -> bool:
    """Whether a factor, p - 1 or 1 - p, is what an exponent was, a whole number of derivatives before."""
    steps = way * share - exponent
    return bool(steps.is_Integer and steps != 0)


def _of_power(product: Mul) -> sympy.Expr:
    """A power that may be infinite, beside a share that differentiation took from its exponent; or one of a size, beside the
    sign of what it is the size of."""
    for power in product.args:
        if not power.is_Pow or power.exp.is_nonnegative or power.base.is_positive:
            continue
        sizes = [each for each in Mul.make_args(power.base) if isinstance(each, absolute)]
        zeros = [
            each
            for each in product.args
            if (each.func is sign and any(each.args == size.args for size in sizes))
            or (not power.exp.is_number and any(_steps(each, power.exp, way) for way in (1, -1)))
        ]
        if zeros:
            rest = [each for each in product.args if each is not power and each not in zeros]
            return Mul(*rest, xmuly(Mul(*zeros), power))
    return product

"""The words of the language of formulas: functions, each of which knows its derivative.

A derivative is stated in a form that does not cancel (`sigmoid(x)*sigmoid(-x)`, never `s*(1 - s)`), so that plain
symbolic differentiation of a well-chosen formula stays exact in float32. `parse` reads text made of them.

At a kink the derivative is a decision: `abs` has slope 0 at 0 (so has `sign`), `maximum(a, b)` and
`minimum(a, b)` take the slope of `b` where both are equal, and `where` the slope of the branch taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy
from sympy import Function, Piecewise, Rational, S


class Primitive(Function):
    """A function of real numbers that every target knows how to compute."""

    is_real = True

    def _eval_evalf(self, prec):
        from losscope.truth import constant

        if not all(each.is_number for each in self.args):
            return None
        return constant(self, prec)


class sigmoid(Primitive):
    r"""1 / (1 + exp(-x)). Derivative sigmoid(x) sigmoid(-x)."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return sigmoid(x) * sigmoid(-x)

    @classmethod
    def eval(cls, x):
        return Rational(1, 2) if x.is_zero else None


class softplus(Primitive):
    """log(1 + exp(x)). Derivative sigmoid(x)."""

    def fdiff(self, argindex=1):
        return sigmoid(self.args[0])


class log(Primitive):
    """Natural logarithm, which undoes exp and turns log(sigmoid(x)) into -softplus(-x)."""

    def fdiff(self, argindex=1):
        return 1 / self.args[0]

    @classmethod
    def eval(cls, x):
        if isinstance(x, sympy.exp):
            return x.args[0]
        if isinstance(x, sigmoid):
            return -softplus(-x.args[0])
        return S.Zero if x == 1 else None


class log1p(Primitive):
    """log(1 + x). Derivative 1 / (1 + x)."""

    def fdiff(self, argindex=1):
        return 1 / (1 + self.args[0])

    @classmethod
    def eval(cls, x):
        if isinstance(x, sympy.exp):
            return softplus(x.args[0])
        if isinstance(-x, sigmoid):
            return -softplus((-x).args[0])
        return S.Zero if x.is_zero else None


class expm1(Primitive):
    """exp(x) - 1. Derivative exp(x)."""

    def fdiff(self, argindex=1):
        return sympy.exp(self.args[0])

    @classmethod
    def eval(cls, x):
        return S.Zero if x.is_zero else None


class log1pmx(Primitive):
    """log(1 + x) - x, right for small x. Derivative -x / (1 + x)."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -x / (1 + x)


class expm1mx(Primitive):
    """exp(x) - 1 - x, right for small x. Derivative expm1(x)."""

    def fdiff(self, argindex=1):
        return expm1(self.args[0])


class xlogy(Primitive):
    """x log(y), and 0 where x is 0."""

    def fdiff(self, argindex=1):
        x, y = self.args
        return log(y) if argindex == 1 else xdivy(x, y)

    @classmethod
    def eval(cls, x, y):
        logarithm = log(y)
        return None if isinstance(logarithm, log) else x * logarithm


class xlog1py(Primitive):
    """x log(1 + y), and 0 where x is 0."""

    def fdiff(self, argindex=1):
        x, y = self.args
        return log1p(y) if argindex == 1 else xdivy(x, 1 + y)

    @classmethod
    def eval(cls, x, y):
        logarithm = log1p(y)
        return None if isinstance(logarithm, log1p) else x * logarithm


class xdivy(Primitive):
    """x / y, and 0 where x is 0."""

    def fdiff(self, argindex=1):
        x, y = self.args
        return 1 / y if argindex == 1 else -xdivy(xdivy(x, y), y)


class xmuly(Primitive):
    """x y, and 0 where x is 0, be y infinite; its derivative, too, has none of y where x does not move."""

    def _eval_derivative(self, s):
        x, y = self.args
        return xmuly(x.diff(s), y) + x * y.diff(s)

    @classmethod
    def eval(cls, x, y):
        return x * y if x.is_number or y.is_number else None


class tanh(Primitive):
    """Hyperbolic tangent. Derivative sech2(x)."""

    def fdiff(self, argindex=1):
        return sech2(self.args[0])

    @classmethod
    def eval(cls, x):
        return S.Zero if x.is_zero else None


class sech2(Primitive):
    """1 / cosh(x)^2. Derivative -2 tanh(x) sech2(x)."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -2 * tanh(x) * sech2(x)


class log_cosh(Primitive):
    """log(cosh(x)), right for small and for large x. Derivative tanh(x)."""

    def fdiff(self, argindex=1):
        return tanh(self.args[0])


class sign(Primitive):
    """-1, 0 or 1. Derivative 0 (the jump at 0 carries no slope)."""

    def fdiff(self, argindex=1):
        return S.Zero


class absolute(Primitive):
    """|x|. Derivative sign(x): 0 at the kink."""

    def fdiff(self, argindex=1):
        return sign(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_nonnegative:
            return x
        return absolute(-x) if x.could_extract_minus_sign() else None


class maximum(Primitive):
    """The larger of two; NaN if either is. Slope of the second where both are equal."""

    def fdiff(self, argindex=1):
        a, b = self.args
        return Piecewise(
            (S.One if argindex == 1 else S.Zero, a > b), (S.Zero if argindex == 1 else S.One, True)
        )


class minimum(Primitive):
    """The smaller of two; NaN if either is. Slope of the second where both are equal."""

    def fdiff(self, argindex=1):
        a, b = self.args
        return Piecewise(
            (S.One if argindex == 1 else S.Zero, a < b), (S.Zero if argindex == 1 else S.One, True)
        )


class sqrt1px2m1(Primitive):
    """sqrt(1 + x^2) - 1, right for small and for large x. Derivative sin_arctan(x)."""

    def fdiff(self, argindex=1):
        return sin_arctan(self.args[0])


class sin_arctan(Primitive):
    """x / sqrt(1 + x^2). Derivative cos_arctan(x)^3."""

    def fdiff(self, argindex=1):
        return cos_arctan(self.args[0]) ** 3


class cos_arctan(Primitive):
    """1 / sqrt(1 + x^2). Derivative -sin_arctan(x) cos_arctan(x)^2."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -sin_arctan(x) * cos_arctan(x) ** 2


class hypot(Primitive):
    """sqrt(a^2 + b^2), whose squares do not overflow. Derivatives unit(a, b) and unit(b, a)."""

    is_nonnegative = True

    def fdiff(self, argindex=1):
        a, b = self.args
        return unit(a, b) if argindex == 1 else unit(b, a)

    @classmethod
    def eval(cls, a, b):
        if a.is_zero or b.is_zero:
            return absolute(a + b)
        plain = [-each if each.could_extract_minus_sign() else each for each in (a, b)]
        plain.sort(key=sympy.default_sort_key)
        return cls(*plain) if plain != [a, b] else None


class unit(Primitive):
    """a / hypot(a, b), the first part of (a, b) brought to length 1; 0 at (0, 0)."""

    def fdiff(self, argindex=1):
        a, b = self.args
        if argindex == 1:
            return unit(b, a) ** 2 / hypot(a, b)
        return -unit(a, b) * unit(b, a) / hypot(a, b)

    @classmethod
    def eval(cls, a, b):
        if b.is_zero:
            return sign(a)
        if a.is_zero:
            return S.Zero
        if b.could_extract_minus_sign():
            return cls(a, -b)
        return -cls(-a, b) if a.could_extract_minus_sign() else None


class log1px2(Primitive):
    """log(1 + x^2), right for small and for large x. Derivative 2 sin_arctan(x) cos_arctan(x)."""

    is_nonnegative = True

    def fdiff(self, argindex=1):
        (x,) = self.args
        return 2 * sin_arctan(x) * cos_arctan(x)


class pow1pm1(Primitive):
    """(1 + x)^q - 1, right for small x and for small q."""

    def fdiff(self, argindex=1):
        x, q = self.args
        return q * (1 + x) ** (q - 1) if argindex == 1 else (1 + x) ** q * log1p(x)


class pow1px2m1(Primitive):
    """(1 + x^2)^q - 1, right for small x, for large x and for small q."""

    def fdiff(self, argindex=1):
        x, q = self.args
        if argindex == 1:
            return 2 * q * x * hypot(1, x) ** (2 * q - 2)
        return hypot(1, x) ** (2 * q) * log1px2(x)


class sinh(Primitive):
    """Hyperbolic sine. Derivative cosh(x)."""

    def fdiff(self, argindex=1):
        return cosh(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.Zero
        return -cls(-x) if x.could_extract_minus_sign() else None


class cosh(Primitive):
    """Hyperbolic cosine. Derivative sinh(x)."""

    is_positive = True

    def fdiff(self, argindex=1):
        return sinh(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.One
        return cls(-x) if x.could_extract_minus_sign() else None


class asinh(Primitive):
    """The number whose sinh is x: log(x + sqrt(1 + x^2)). Derivative cos_arctan(x)."""

    def fdiff(self, argindex=1):
        return cos_arctan(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.Zero
        return -cls(-x) if x.could_extract_minus_sign() else None


class acosh(Primitive):
    """The number from 0 whose cosh is x: log(x + sqrt(x^2 - 1)). Derivative 1 / (sqrt(x - 1) sqrt(x + 1))."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return 1 / (sympy.sqrt(x - 1) * sympy.sqrt(x + 1))


class atan(Primitive):
    """The angle between -pi/2 and pi/2 whose tangent is x. Derivative cos_arctan(x)^2."""

    def fdiff(self, argindex=1):
        return cos_arctan(self.args[0]) ** 2

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.Zero
        return -cls(-x) if x.could_extract_minus_sign() else None


class sin(Primitive):
    """Sine of x radians. Derivative cos(x)."""

    def fdiff(self, argindex=1):
        return cos(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.Zero
        return -cls(-x) if x.could_extract_minus_sign() else None


class cos(Primitive):
    """Cosine of x radians. Derivative -sin(x)."""

    def fdiff(self, argindex=1):
        return -sin(self.args[0])

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.One
        return cls(-x) if x.could_extract_minus_sign() else None


class erf(Primitive):
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x. Derivative 2/sqrt(pi) exp(-x^2)."""

    def fdiff(self, argindex=1):
        return 2 / sympy.sqrt(sympy.pi) * sympy.exp(-(self.args[0] ** 2))

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.Zero
        return -cls(-x) if x.could_extract_minus_sign() else None


class erfc(Primitive):
    """1 - erf(x), right for large x. Derivative -2/sqrt(pi) exp(-x^2)."""

    def fdiff(self, argindex=1):
        return -2 / sympy.sqrt(sympy.pi) * sympy.exp(-(self.args[0] ** 2))

    @classmethod
    def eval(cls, x):
        return S.One if x.is_zero else None


class lgamma(Primitive):
    """log(Gamma(x)) for x > 0; NaN below. Derivative digamma(x)."""

    def fdiff(self, argindex=1):
        return digamma(self.args[0])

    @classmethod
    def eval(cls, x):
        return S.Zero if x in (1, 2) else None


class digamma(Primitive):
    """The slope of lgamma, for x > 0; NaN below. Derivative polygamma1(x)."""

    def fdiff(self, argindex=1):
        return polygamma1(self.args[0])


class polygamma1(Primitive):
    """The slope of digamma (trigamma), for x > 0; NaN below. Derivative polygamma2(x)."""

    def fdiff(self, argindex=1):
        return polygamma2(self.args[0])


class polygamma2(Primitive):
    """The slope of trigamma, for x > 0; NaN below. The language goes no further: it has no derivative."""

    def fdiff(self, argindex=1):
        raise NoDerivative("polygamma2")


class NoDerivative(ArithmeticError):
    """Where the language ends."""


def where(condition, yes, no):
    """`yes` where the condition holds, else `no`."""
    return Piecewise((yes, condition), (no, True))


PRIMITIVES: dict[str, tuple[int, Any]] = {
    "abs": (1, absolute), "sign": (1, sign), "exp": (1, sympy.exp), "log": (1, log), "sqrt": (1, sympy.sqrt),
    "log1p": (1, log1p), "expm1": (1, expm1), "log1pmx": (1, log1pmx), "expm1mx": (1, expm1mx),
    "softplus": (1, softplus), "sigmoid": (1, sigmoid), "tanh": (1, tanh), "sech2": (1, sech2),
    "log_cosh": (1, log_cosh), "sqrt1px2m1": (1, sqrt1px2m1), "sin_arctan": (1, sin_arctan),
    "cos_arctan": (1, cos_arctan), "log1px2": (1, log1px2), "sinh": (1, sinh), "cosh": (1, cosh), "asinh": (1, asinh),
    "acosh": (1, acosh), "atan": (1, atan), "sin": (1, sin), "cos": (1, cos), "erf": (1, erf), "erfc": (1, erfc),
    "lgamma": (1, lgamma), "digamma": (1, digamma), "polygamma1": (1, polygamma1), "polygamma2": (1, polygamma2),
    "xlogy": (2, xlogy), "xlog1py": (2, xlog1py), "xdivy": (2, xdivy), "xmuly": (2, xmuly), "minimum": (2, minimum),
    "maximum": (2, maximum), "hypot": (2, hypot), "unit": (2, unit), "pow1pm1": (2, pow1pm1),
    "pow1px2m1": (2, pow1px2m1), "where": (3, where),
}  # fmt: skip

# Other words for the same, and functions that are made of those above. They take no name from a parameter: `gamma`
# may be both.
SPELLINGS: dict[str, tuple[int, Callable[..., Any]]] = {
    "max": (2, maximum), "min": (2, minimum), "absolute": (1, absolute), "fabs": (1, absolute), "arctan": (1, atan),
    "arcsinh": (1, asinh), "arccosh": (1, acosh), "ln": (1, log), "logcosh": (1, log_cosh), "relu": (1, lambda x: maximum(x, 0)),
    "gammaln": (1, lgamma), "loggamma": (1, lgamma), "psi": (1, digamma), "trigamma": (1, polygamma1),
    "gamma": (1, lambda x: sympy.exp(lgamma(x))), "square": (1, lambda x: x**2), "pow": (2, lambda x, y: x**y),
    "log2": (1, lambda x: log(x) / log(2)), "log10": (1, lambda x: log(x) / log(10)),
    "atanh": (1, lambda x: (log1p(x) - log1p(-x)) / 2), "arctanh": (1, lambda x: (log1p(x) - log1p(-x)) / 2),
    "logaddexp": (2, lambda x, y: x + softplus(y - x)), "log_sigmoid": (1, lambda x: -softplus(-x)),
    "logsigmoid": (1, lambda x: -softplus(-x)), "tan": (1, lambda x: sin(x) / cos(x)),
}  # fmt: skip


def symbol(name: str) -> sympy.Symbol:
    """The real symbol that a name stands for.

    >>> symbol("r") ** 2 >= 0
    True
    """
    return sympy.Symbol(name, real=True)


def in_our_words(expression: Any) -> Any:
    """SymPy's own functions, which it brings in by itself (sqrt(r**2) is |r|, 2**r has a logarithm in its
    slope), as the primitives that every target knows."""
    changes = (
        (sympy.Abs, absolute),
        (sympy.log, log),
        (sympy.sign, sign),
        (sympy.ITE, _either),
        (sympy.Not, opposite),
    )
    for theirs, ours in changes:
        if expression.has(theirs):
            expression = expression.replace(theirs, ours)
    return expression


def _either(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` if the condition, else `no`, of conditions: what a comparison with a where(...) becomes."""
    return sympy.Or(sympy.And(condition, yes), sympy.And(opposite(condition), no))


def opposite(condition: Any) -> Any:
    """Where a condition does not hold, as comparisons: no target has a word for `not`."""
    if isinstance(condition, sympy.And | sympy.Or):
        swapped = sympy.Or if isinstance(condition, sympy.And) else sympy.And
        return swapped(*(opposite(each) for each in condition.args))
    return opposite(condition.args[0]) if isinstance(condition, sympy.Not) else sympy.Not(condition)

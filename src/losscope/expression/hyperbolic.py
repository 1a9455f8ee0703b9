"""Hyperbolic functions, and their inverses."""

from __future__ import annotations

import sympy
from sympy import S

from losscope.expression.primitive import Primitive
from losscope.expression.trigonometric import cos_arctan


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

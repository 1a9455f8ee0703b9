"""Trigonometric functions, and those of the angle whose tangent is x."""

from __future__ import annotations

from sympy import S

from losscope.expression.primitive import Primitive


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


class atan(Primitive):
    """The angle between -pi/2 and pi/2 whose tangent is x. Derivative cos_arctan(x)^2."""

    def fdiff(self, argindex=1):
        return cos_arctan(self.args[0]) ** 2

    @classmethod
    def eval(cls, x):
        if x.is_zero:
            return S.Zero
        return -cls(-x) if x.could_extract_minus_sign() else None


class sin_arctan(Primitive):
    """x / sqrt(1 + x^2). Derivative cos_arctan(x)^3."""

    def fdiff(self, argindex=1):
        return cos_arctan(self.args[0]) ** 3


class cos_arctan(Primitive):
    """1 / sqrt(1 + x^2). Derivative -sin_arctan(x) cos_arctan(x)^2."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -sin_arctan(x) * cos_arctan(x) ** 2

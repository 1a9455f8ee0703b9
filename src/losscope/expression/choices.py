"""Choices between numbers, and the kinks that they make: sign, abs, maximum, minimum, where."""

from __future__ import annotations

from sympy import Piecewise, S

from losscope.expression.primitive import Primitive


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

    takes = 2

    def fdiff(self, argindex=1):
        a, b = self.args
        return Piecewise(
            (S.One if argindex == 1 else S.Zero, a > b), (S.Zero if argindex == 1 else S.One, True)
        )


class minimum(Primitive):
    """The smaller of two; NaN if either is. Slope of the second where both are equal."""

    takes = 2

    def fdiff(self, argindex=1):
        a, b = self.args
        return Piecewise(
            (S.One if argindex == 1 else S.Zero, a < b), (S.Zero if argindex == 1 else S.One, True)
        )


def where(condition, yes, no):
    """`yes` where the condition holds, else `no`."""
    return Piecewise((yes, condition), (no, True))

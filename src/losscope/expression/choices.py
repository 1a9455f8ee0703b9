"""Choices between numbers, and the kinks that they make: sign, abs, maximum, minimum, where."""

from __future__ import annotations

from sympy import Piecewise, S, StrictGreaterThan, StrictLessThan, Symbol

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
        return _slope(argindex, compared(StrictGreaterThan, *self.args))


class minimum(Primitive):
    """The smaller of two; NaN if either is. Slope of the second where both are equal."""

    takes = 2

    def fdiff(self, argindex=1):
        return _slope(argindex, compared(StrictLessThan, *self.args))


def _slope(argindex, first):
    """The slope in one of two arguments, of which one is chosen."""
    return Piecewise((S.One if argindex == 1 else S.Zero, first), (S.Zero if argindex == 1 else S.One, True))


def compared(relation, a, b, evaluate=True):
    """The comparison of two expressions. Of two sums, or of one and a choice, it is one with 0: SymPy would move their terms
    from side to side, without end."""
    return relation(a - b, 0) if _is_sum(a) and _is_sum(b) else relation(a, b, evaluate=evaluate)


def _is_sum(e):
    e = e.as_coeff_Mul()[1]
    return e.is_Add or isinstance(e, Piecewise) or e == Symbol("r", real=True)  # prediction - target


def where(condition, yes, no):
    """`yes` where the condition holds, else `no`."""
    return Piecewise((yes, condition), (no, True))

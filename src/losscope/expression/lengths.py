"""Lengths, whose squares do not overflow, and the parts of a vector brought to length 1."""

from __future__ import annotations

import sympy
from sympy import S

from losscope.expression.choices import absolute, sign
from losscope.expression.primitive import Primitive
from losscope.expression.trigonometric import cos_arctan, sin_arctan


class hypot(Primitive):
    """sqrt(a^2 + b^2), whose squares do not overflow. Derivatives unit(a, b) and unit(b, a)."""

    takes = 2
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

    takes = 2

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

"""Small differences: what is left of log(1 + x), exp(x) or a power of 1 + x when its first terms are taken away."""

from __future__ import annotations

from losscope.expression.exponential import expm1, log1p
from losscope.expression.lengths import hypot, log1px2
from losscope.expression.primitive import Primitive
from losscope.expression.trigonometric import sin_arctan


class log1pmx(Primitive):
    """log(1 + x) - x, right for small x. Derivative -x / (1 + x)."""

    def fdiff(self, argindex=1):
        (x,) = self.args
        return -x / (1 + x)


class expm1mx(Primitive):
    """exp(x) - 1 - x, right for small x. Derivative expm1(x)."""

    def fdiff(self, argindex=1):
        return expm1(self.args[0])


class sqrt1px2m1(Primitive):
    """sqrt(1 + x^2) - 1, right for small and for large x. Derivative sin_arctan(x)."""

    def fdiff(self, argindex=1):
        return sin_arctan(self.args[0])


class pow1pm1(Primitive):
    """(1 + x)^q - 1, right for small x and for small q."""

    takes = 2

    def fdiff(self, argindex=1):
        x, q = self.args
        return q * (1 + x) ** (q - 1) if argindex == 1 else (1 + x) ** q * log1p(x)


class pow1px2m1(Primitive):
    """(1 + x^2)^q - 1, right for small x, for large x and for small q."""

    takes = 2

    def fdiff(self, argindex=1):
        x, q = self.args
        if argindex == 1:
            return 2 * q * x * hypot(1, x) ** (2 * q - 2)
        return hypot(1, x) ** (2 * q) * log1px2(x)

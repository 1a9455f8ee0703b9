"""The logarithm of the gamma function, and its derivatives as far as the language goes."""

from __future__ import annotations

from sympy import S

from losscope.expression.primitive import NoDerivative, Primitive


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

"""The error function, what it lacks of 1, and the logarithm of the normal distribution function with its slopes."""

from __future__ import annotations

import sympy
from sympy import S

from losscope.expression.primitive import Primitive


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


class log_ndtr(Primitive):
    """The logarithm of the normal distribution function, log(erfc(-x/sqrt(2))/2), right where that is as good as 0 and
    where it is as good as 1. Derivative mills(x)."""

    def fdiff(self, argindex=1):
        return mills(self.args[0])

    @classmethod
    def eval(cls, x):
        return -sympy.log(2) if x.is_zero else None


class mills(Primitive):
    """The slope of log_ndtr, the density over the distribution function (the inverse of Mills' ratio at -x). Derivative
    -mills(x) mills_excess(x)."""

    def fdiff(self, argindex=1):
        return -mills(self.args[0]) * mills_excess(self.args[0])

    @classmethod
    def eval(cls, x):
        return sympy.sqrt(2 / sympy.pi) if x.is_zero else None


class mills_excess(Primitive):
    """x + mills(x), about -1/x for x far below 0, without the two terms that cancel there. Derivative
    1 - mills(x) mills_excess(x)."""

    def fdiff(self, argindex=1):
        return 1 - mills(self.args[0]) * mills_excess(self.args[0])

    @classmethod
    def eval(cls, x):
        return sympy.sqrt(2 / sympy.pi) if x.is_zero else None

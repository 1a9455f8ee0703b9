"""The error function and what it lacks of 1."""

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

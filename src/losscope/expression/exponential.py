"""Exponentials and logarithms, which undo one another, and what is made of both: sigmoid, softplus."""

from __future__ import annotations

import sympy
from sympy import Rational, S

from losscope.expression.primitive import Primitive


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

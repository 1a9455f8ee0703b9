"""Products and quotients that are 0 where their first factor is, though the other be infinite."""

from __future__ import annotations

from losscope.expression.exponential import log, log1p
from losscope.expression.primitive import Primitive


class xlogy(Primitive):
    """x log(y), and 0 where x is 0."""

    takes = 2

    def fdiff(self, argindex=1):
        x, y = self.args
        return log(y) if argindex == 1 else xdivy(x, y)

    @classmethod
    def eval(cls, x, y):
        logarithm = log(y)
        return None if isinstance(logarithm, log) else x * logarithm


class xlog1py(Primitive):
    """x log(1 + y), and 0 where x is 0."""

    takes = 2

    def fdiff(self, argindex=1):
        x, y = self.args
        return log1p(y) if argindex == 1 else xdivy(x, 1 + y)

    @classmethod
    def eval(cls, x, y):
        logarithm = log1p(y)
        return None if isinstance(logarithm, log1p) else x * logarithm


class xdivy(Primitive):
    """x / y, and 0 where x is 0."""

    takes = 2

    def fdiff(self, argindex=1):
        x, y = self.args
        return 1 / y if argindex == 1 else -xdivy(xdivy(x, y), y)


class xmuly(Primitive):
    """x y, and 0 where x is 0, be y infinite; its derivative, too, has none of y where x does not move."""

    takes = 2

    def _eval_derivative(self, s):
        x, y = self.args
        return xmuly(x.diff(s), y) + x * y.diff(s)

    @classmethod
    def eval(cls, x, y):
        return x * y if x.is_number or y.is_number else None

"""What every word of the language of formulas is: a function of real numbers, which knows its derivative."""

from __future__ import annotations

from sympy import Function


class Primitive(Function):
    """A function of real numbers that every target knows how to compute."""

    takes = 1  # numbers
    is_real = True

    def _eval_evalf(self, prec):
        from losscope.truth import constant

        if not all(each.is_number for each in self.args):
            return None
        return constant(self, prec)


class NoDerivative(ArithmeticError):
    """Where the language ends."""

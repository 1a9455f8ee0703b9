"""Expressions -> plain text, in the language of formulas itself: what is printed can be given to `define`."""

from __future__ import annotations

from typing import Any

from sympy.printing.printer import Printer
from sympy.printing.str import StrPrinter

from losscope.expression.products import xmuly

MANY = 6  # zeros of a whole number, which are counted rather than written


class SubtractedLast(Printer):
    """abs(r) - delta/2, not -delta/2 + abs(r)."""

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
        terms = super()._as_ordered_terms(expr, order)
        # A term is not printed to see its sign: each bracket in brackets would be printed twice as often as the one around it.
        return sorted(terms, key=lambda term: bool(term.as_coeff_Mul()[0].is_negative))


class _Printer(SubtractedLast, StrPrinter):
    def _print_Piecewise(self, expr: Any) -> str:
        (value, condition), *rest = expr.args
        if not rest:
            return self._print(value)
        return f"where({self._print(as_written(condition))}, {self._print(value)}, {self._print(expr.func(*rest, evaluate=False)) if len(rest) > 1 else self._print(rest[0][0])})"

    def _print_And(self, expr: Any) -> str:
        return " & ".join(f"({self._print(as_written(each))})" for each in expr.args)

    def _print_Or(self, expr: Any) -> str:
        return " | ".join(f"({self._print(as_written(each))})" for each in expr.args)

    def _print_Integer(self, expr: Any) -> str:
        return _with_exponent(expr.p)

    def _print_Rational(self, expr: Any) -> str:
        return f"{_with_exponent(expr.p)}/{_with_exponent(expr.q)}"

    def _print_absolute(self, expr: Any) -> str:
        return f"abs({self._print(expr.args[0])})"


def _with_exponent(number: int) -> str:
    """A whole number with its zeros counted, if there are many.

    >>> _with_exponent(-12 * 10**30), _with_exponent(120000)
    ('-12e30', '120000')
    """
    digits = str(number).rstrip("0")
    zeros = len(str(number)) - len(digits)
    return f"{digits}e{zeros}" if zeros >= MANY else str(number)


def plain(expression: Any) -> str:
    """One expression as text.

    >>> import losscope as ls
    >>> plain(ls.huber._derived.gradient)
    'where(abs(r) <= delta, r, delta*sign(r))'
    """
    return _Printer().doprint(expression.replace(xmuly, lambda x, y: x * y))  # read back, it is one again


def exactly(expression: Any) -> str:
    """One expression as text that is read back as it is, by `parse(..., ours=True)`."""
    return _Printer().doprint(expression)


def as_written(condition: Any) -> Any:
    """A condition as people write it: what varies on the left."""
    left, right = condition.args if condition.is_Relational else (condition, None)
    return (
        condition.reversed
        if right is not None and left.is_Symbol and not right.is_Symbol and not right.is_number
        else condition
    )

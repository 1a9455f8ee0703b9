"""The judge of exactness: SymPy expressions evaluated by mpmath, to as many digits as the numbers need."""

from __future__ import annotations

from typing import Any

import mpmath
import sympy
from mpmath import mpf

from losscope.expression import PRIMITIVES

DIGITS = 60


def _wide(x: Any) -> int:
    """Digits enough for a difference of numbers as far apart as 1 and x^4."""
    return DIGITS + (min(3000, int(4 * abs(mpmath.log10(abs(x))))) if x else 0)


def _deep(function: Any) -> Any:
    def evaluated(x: Any) -> Any:
        with mpmath.workdps(_wide(x)):
            return function(mpf(x))

    return evaluated


def _softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x)) if x < 0 else x + mpmath.log1p(mpmath.exp(-x))


def _mills(x: Any) -> Any:
    return mpmath.exp(-x * x / 2) * mpmath.sqrt(2 / mpmath.pi) / mpmath.erfc(-x / mpmath.sqrt(2))


FUNCTIONS: dict[str, Any] = {
    "abs": abs, "sign": mpmath.sign, "exp": mpmath.exp, "log": mpmath.log, "sqrt": mpmath.sqrt, "log1p": mpmath.log1p,
    "expm1": mpmath.expm1, "log1pmx": _deep(lambda x: mpmath.log1p(x) - x), "expm1mx": _deep(lambda x: mpmath.expm1(x) - x),
    "softplus": _softplus, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "tanh": _deep(mpmath.tanh),
    "sech2": lambda x: mpmath.sech(x) ** 2, "log_cosh": _deep(lambda x: mpmath.log1p(2 * mpmath.sinh(x / 2) ** 2)),
    "sqrt1px2m1": lambda x: x * x / (1 + mpmath.sqrt(1 + x * x)), "sin_arctan": lambda x: x / mpmath.sqrt(1 + x * x),
    "cos_arctan": lambda x: 1 / mpmath.sqrt(1 + x * x), "xlogy": lambda x, y: x * mpmath.log(y) if x else mpf(0),
    "xlog1py": lambda x, y: x * mpmath.log1p(y) if x else mpf(0), "xdivy": lambda x, y: x / y if x else mpf(0),
    "xmuly": lambda x, y: x * y if x else mpf(0),
    "log1px2": _deep(lambda x: mpmath.log1p(x * x)), "sinh": _deep(mpmath.sinh), "cosh": mpmath.cosh,
    "asinh": lambda x: mpmath.sign(x) * mpmath.log1p(abs(x) + x * x / (1 + mpmath.sqrt(1 + x * x))),
    "acosh": mpmath.acosh, "atan": mpmath.atan, "sin": mpmath.sin, "cos": mpmath.cos, "erf": mpmath.erf, "erfc": mpmath.erfc,
    "log_ndtr": _deep(lambda x: mpmath.log1p(-mpmath.erfc(x / mpmath.sqrt(2)) / 2) if x > 0 else mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2)),
    "mills": _deep(_mills), "mills_excess": _deep(lambda x: x + _mills(x)),
    "lgamma": mpmath.loggamma, "digamma": mpmath.digamma, "polygamma1": lambda x: mpmath.polygamma(1, x),
    "polygamma2": lambda x: mpmath.polygamma(2, x), "hypot": lambda a, b: mpmath.sqrt(a * a + b * b),
    "unit": lambda a, b: a / mpmath.sqrt(a * a + b * b) if a else mpf(0),
    "pow1pm1": lambda x, q: mpmath.expm1(q * mpmath.log1p(x)), "pow1px2m1": lambda x, q: mpmath.expm1(q * mpmath.log1p(x * x)),
    "minimum": min, "maximum": max,
}  # fmt: skip
_NAMES = {primitive: name for name, (_, primitive) in PRIMITIVES.items()} | {sympy.exp: "exp"}


def evaluate(expression: Any, values: dict[str, Any]) -> Any:
    """The true value of an expression where its symbols have these values."""
    if expression.is_Symbol:
        return values[str(expression)]
    if expression.is_Rational:
        return mpf(expression.p) / expression.q
    if isinstance(expression, sympy.Piecewise):
        for branch, condition in expression.args:
            if holds(condition, values):
                return evaluate(branch, values)
        raise AssertionError("no branch holds")
    arguments = [evaluate(each, values) for each in expression.args]
    if expression.is_Add:
        with mpmath.workdps(max(_wide(each) for each in arguments)):
            return sum(arguments[1:], arguments[0])
    if expression.is_Mul:
        return mpmath.fprod(arguments)
    if expression.is_Pow:
        return arguments[0] ** arguments[1]
    return FUNCTIONS[_NAMES[expression.func]](*arguments)


def holds(condition: Any, values: dict[str, Any]) -> bool:
    if condition in (sympy.true, sympy.false):
        return bool(condition)
    left, right = (evaluate(each, values) for each in condition.args)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[condition.rel_op]

"""Expressions -> ordinary mathematics: each primitive as a textbook writes it. For reading, not for computing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import sympy

from losscope.expression import PRIMITIVES


def _mills(x: Any) -> Any:
    return sympy.sqrt(2 / sympy.pi) * sympy.exp(-(x**2) / 2) / sympy.erfc(-x / sympy.sqrt(2))


MEANING: dict[str, Callable[..., Any]] = {
    "abs": sympy.Abs,
    "cos_arctan": lambda x: 1 / sympy.sqrt(1 + x**2),
    "expm1": lambda x: sympy.exp(x) - 1,
    "expm1mx": lambda x: sympy.exp(x) - 1 - x,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "log1pmx": lambda x: sympy.log(1 + x) - x,
    "log_cosh": lambda x: sympy.log(sympy.cosh(x)),
    "maximum": sympy.Max,
    "minimum": sympy.Min,
    "sech2": lambda x: sympy.sech(x) ** 2,
    "sigmoid": lambda x: 1 / (1 + sympy.exp(-x)),
    "sign": sympy.sign,
    "sin_arctan": lambda x: x / sympy.sqrt(1 + x**2),
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "sqrt1px2m1": lambda x: sympy.sqrt(1 + x**2) - 1,
    "tanh": sympy.tanh,
    "xdivy": lambda x, y: x / y,
    "xmuly": lambda x, y: x * y,
    "hypot": lambda a, b: sympy.sqrt(a**2 + b**2),
    "unit": lambda a, b: a / sympy.sqrt(a**2 + b**2),
    "log1px2": lambda x: sympy.log(1 + x**2),
    "pow1pm1": lambda x, q: (1 + x) ** q - 1,
    "pow1px2m1": lambda x, q: (1 + x**2) ** q - 1,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "asinh": sympy.asinh,
    "acosh": sympy.acosh,
    "atan": sympy.atan,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "log_ndtr": lambda x: sympy.log(sympy.erfc(-x / sympy.sqrt(2)) / 2),
    "mills": _mills,
    "mills_excess": lambda x: x + _mills(x),
    "lgamma": sympy.loggamma,
    "digamma": sympy.digamma,
    "polygamma1": lambda x: sympy.polygamma(1, x),
    "polygamma2": lambda x: sympy.polygamma(2, x),
    "xlog1py": lambda x, y: x * sympy.log(1 + y),
    "xlogy": lambda x, y: x * sympy.log(y),
}


def textbook(expression: Any, keep: Collection[str] = ("sigmoid", "softplus")) -> Any:
    """The same in ordinary functions, but for those to `keep` by name.

    >>> import losscope as ls
    >>> textbook(ls.bce_of_probability.gradient_formula)
    (1 - target)/(1 - prediction) - target/prediction
    """
    for name, meaning in MEANING.items():
        if name not in keep:
            expression = expression.replace(PRIMITIVES[name][1], meaning)
    return expression

"""Other words for the same, and functions that are made of the others. They take no name from a parameter: `gamma` may be
both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from losscope.expression.choices import absolute, maximum, minimum
from losscope.expression.error_function import erfc
from losscope.expression.exponential import log, log1p, softplus
from losscope.expression.gamma import digamma, lgamma, polygamma1
from losscope.expression.hyperbolic import acosh, asinh, log_cosh
from losscope.expression.trigonometric import atan, cos, sin

SPELLINGS: dict[str, tuple[int, Callable[..., Any]]] = {
    "max": (2, maximum), "min": (2, minimum), "absolute": (1, absolute), "fabs": (1, absolute), "arctan": (1, atan),
    "arcsinh": (1, asinh), "arccosh": (1, acosh), "ln": (1, log), "logcosh": (1, log_cosh), "relu": (1, lambda x: maximum(x, 0)),
    "gammaln": (1, lgamma), "loggamma": (1, lgamma), "psi": (1, digamma), "trigamma": (1, polygamma1),
    "gamma": (1, lambda x: sympy.exp(lgamma(x))), "square": (1, lambda x: x**2), "pow": (2, lambda x, y: x**y),
    "log2": (1, lambda x: log(x) / log(2)), "log10": (1, lambda x: log(x) / log(10)),
    "atanh": (1, lambda x: (log1p(x) - log1p(-x)) / 2), "arctanh": (1, lambda x: (log1p(x) - log1p(-x)) / 2),
    "logaddexp": (2, lambda x, y: x + softplus(y - x)), "log_sigmoid": (1, lambda x: -softplus(-x)),
    "logsigmoid": (1, lambda x: -softplus(-x)), "ndtr": (1, lambda x: erfc(-x / sympy.sqrt(2)) / 2), "tan": (1, lambda x: sin(x) / cos(x)),
}  # fmt: skip

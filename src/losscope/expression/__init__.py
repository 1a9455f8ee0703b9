"""The words of the language of formulas: functions, each of which knows its derivative.

A derivative is stated in a form that does not cancel (`sigmoid(x)*sigmoid(-x)`, never `s*(1 - s)`), so that plain
symbolic differentiation of a well-chosen formula stays exact in float32. `parse` reads text made of them.

At a kink the derivative is a decision: `abs` has slope 0 at 0 (so has `sign`), `maximum(a, b)` and
`minimum(a, b)` take the slope of `b` where both are equal, and `where` the slope of the branch taken.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

import sympy

from losscope.expression.choices import absolute, where
from losscope.expression.primitive import Primitive

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

# Word -> how many arguments it takes, and what it stands for: each class of these modules by its name, but for Python's `abs`.
PRIMITIVES: dict[str, tuple[int, Any]] = {
    "abs": (1, absolute), "exp": (1, sympy.exp), "sqrt": (1, sympy.sqrt), "where": (3, where),
    **{each.__name__: (each.takes, each) for each in Primitive.__subclasses__() if each is not absolute},
}  # fmt: skip


def symbol(name: str) -> sympy.Symbol:
    """The real symbol that a name stands for.

    >>> symbol("r") ** 2 >= 0
    True
    """
    return sympy.Symbol(name, real=True)

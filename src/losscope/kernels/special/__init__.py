"""Primitives made of others by arithmetic alone, once for every dtype and every target: `over` gives them over the words
of a namespace (`real`, `where`, `log`, `polynomial`, `nearest` ...), be it NumPy's, torch's or that of lanes.

The coefficients are minimax fits (Remez exchange at 60 digits) of the quotient that each comment names, good to a
float64; float32 takes the same.
"""

import builtins
import pkgutil
from importlib import import_module
from types import FunctionType


def over(namespace):
    """These functions added to a namespace which has none of its own by their names, each in that namespace's words."""
    namespace.setdefault(
        "__builtins__", builtins
    )  # without which nothing that is called there could import in C
    for each in written():
        there = FunctionType(each.__code__, namespace, each.__name__)
        there.__doc__ = each.__doc__
        namespace.setdefault(each.__name__, there)
    return namespace


def written():
    """The functions of these modules; those with a leading underscore are parts of others."""
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, FunctionType) and each.__module__ == module.__name__
    ]

"""Structures: over what a formula runs.

Each module holds one, as `STRUCTURE`: which names its formulas may use, what its calls look like, which loops run them,
and all of it in words (see `structure.Structure`). Everything else asks it, and knows none by name. A new structure is a
new module here and one in `losscope.kernels`.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from losscope.structures.structure import Structure


def names() -> list[str]:
    """The names of all structures: the modules here that hold one.

    >>> names()
    ['activation', 'distance', 'elementwise', 'multiclass_margin', 'softmax']
    """
    modules = sorted(each.name for each in pkgutil.iter_modules(__path__))
    return [name for name in modules if hasattr(import_module(f"{__name__}.{name}"), "STRUCTURE")]


@cache
def get(name: str) -> Structure:
    """A structure, by its name.

    >>> get("softmax").variable
    'margin'
    """
    found: Structure = import_module(f"losscope.structures.{name}").STRUCTURE
    return found

"""Structures: over what a formula runs.

Each module says which names its formulas may use, which of them stand for the raw prediction, and which module of
loops they run in; everything below (derivation, source, kernels) asks it. A new structure is a new module here and one per target.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def get(name: str) -> ModuleType:
    """The module of a structure, by its name."""
    return import_module(f"losscope.structures.{name}")

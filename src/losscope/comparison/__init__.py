"""Data in -> models trained under several losses -> comparison out.

>>> from losscope.comparison import compare
>>> result = compare(["mse", "huber"], "diabetes", model="linear", epochs=2, seeds=1, grid=1)
>>> result.losses
('squared_error', 'huber')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losscope.comparison.comparison import Comparison, Summary, compare
    from losscope.comparison.data import DataError

__all__ = ["Comparison", "DataError", "Summary", "compare"]

# Loaded when asked for: torch takes seconds, and a mistake in the data is found without it.
_HOME = {"Comparison": "comparison", "DataError": "data", "Summary": "comparison", "compare": "comparison"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

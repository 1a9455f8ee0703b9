"""Data in -> models trained under several losses, on several splits -> which differences are larger than their
uncertainty.

>>> import losscope as ls
>>> result = ls.compare("diabetes", losses=["mse", "huber"], model="linear", splits=2)
>>> result.losses
('squared_error', 'huber')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losscope.comparison.comparison import Comparison, compare
    from losscope.comparison.data import DataError

__all__ = ["Comparison", "DataError", "compare"]

# Loaded when asked for: a mistake in the data is found without all that a comparison needs.
_HOME = {"Comparison": "comparison", "DataError": "data", "compare": "comparison"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

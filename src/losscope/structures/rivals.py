"""Rivals: rows of scores, some of whose classes are right; one term for each right class and each that is not.

A formula may use `difference` (short: `d`) = score of the rival - score of the right class. The loss of a row is the
sum of its terms over the number of classes. Entries so far are PyTorch's own (`losscope.torch.forms`): the
catalogue has none.
"""

from __future__ import annotations

from typing import Any

from losscope import domain
from losscope.entry import Entry

KERNEL = "multiclass_margin"  # the module of losscope.kernels that runs its calls
ARGUMENTS = ("difference",)
VARIABLE = "difference"
SHORT = {"difference": "difference", "d": "difference"}
OPTIONS: dict[str, Any] = {}


def rivals(name: str, formula: str, **facts: Any) -> Entry:
    """An entry of this structure."""
    return Entry(name, "rivals", formula, **{"task": "classes", "target": domain.class_index, **facts})

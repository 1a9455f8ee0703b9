"""Activation: a function of one raw score, applied to each element before a loss sees it."""

from __future__ import annotations

from typing import Any

from losscope.entry import Entry
from losscope.structures import elementwise

KERNEL = "elementwise"  # the module of losscope.kernels that runs its calls
ARGUMENTS = ("prediction", "target")
VARIABLE = "prediction"
SHORT = {"x": "prediction"}
OPTIONS: dict[str, Any] = {}
Batch = elementwise.Batch
check_domains = elementwise.check_domains


def activation(name: str, formula: str, **facts: Any) -> Entry:
    """An entry of this structure; its formula is over `x`, its `residual` over `x` and `y` (the target)."""
    return Entry(name, "activation", formula, task="activation", **facts)


def prepare(entry: Entry, score: Any, target: Any, weight: Any) -> elementwise.Batch:
    """A score alone: it stands for the target too, which no activation looks at."""
    return elementwise.prepare(entry, score, score, weight)

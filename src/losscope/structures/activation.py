"""Activation: a function of one raw score, applied to each element before a loss sees it.

Its formula is over `x`, its `residual` over `x` and `y` (the target).
"""

from __future__ import annotations

from typing import Any

from losscope.entry import Entry
from losscope.structures import elementwise
from losscope.structures.elementwise import Elementwise


def prepare(entry: Entry, prediction: Any, target: Any, weight: Any) -> elementwise.Batch:
    """A score alone: it stands for the target too, which no activation looks at."""
    return elementwise.prepare(entry, prediction, prediction, weight)


class Activation(Elementwise):
    name = "activation"
    judges = "nothing"
    short = {"x": "prediction"}
    moving = {}
    defaults = {"task": "activation"}
    definable = activated = False
    prepare = staticmethod(prepare)

    def domains(self, entry: Entry, through: Entry | None) -> dict[str, str]:
        return {"prediction": "real", "target": entry.target.name}

    def typical(self, entry: Entry, of_residual: bool) -> list[float | None]:
        return [0.0]

    def shapes(self, entry: Entry) -> str:
        return "any; one number out for each number in"

    def inputs_in_words(self, entry: Entry, through: Entry | None) -> list[tuple[str, str]]:
        return []

    def example(self, entry: Entry, through: Entry | None) -> str:
        return "[-1.0, 0.0, 1.0]"

    def axis(self, entry: Entry, through: Entry | None, judged: float, of_residual: bool) -> str:
        return "score x"

    def letters(self, through: Entry | None) -> dict[str, str]:
        return {"prediction": "x", "target": "y"}


STRUCTURE = Activation()
activation = STRUCTURE.entry

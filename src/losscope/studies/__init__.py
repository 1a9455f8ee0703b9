"""The studies: what is said about these losses, measured. One file a question; they are found by themselves.

A study is a module that begins with `\"\"\"Study 3: Does it ...?` and has a function `experiment`. To list
the studies, only these first lines are read; nothing is imported.
"""

from __future__ import annotations

import re
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from losscope.errors import LossError, complain, did_you_mean
from losscope.studies.study import Claim, Mistake, Result, Study

__all__ = ["Claim", "Mistake", "Result", "Study", "get", "studies"]

_FIRST_LINE = re.compile(r'"""Study (\d+): (.+\?)')


@cache
def studies() -> dict[str, Study]:
    """Every study by its name, in reading order."""
    found = []
    for path in Path(__file__).parent.glob("*.py"):
        with path.open(encoding="utf-8") as source:
            begins = _FIRST_LINE.match(source.readline())
        if begins:
            name = path.stem.replace("_", "-")
            found.append(Study(name, int(begins[1]), begins[2], partial(_experiment, path.stem)))
    return {each.name: each for each in sorted(found, key=lambda each: each.order)}


def _experiment(module: str) -> Any:
    return import_module(f"{__name__}.{module}").experiment


def get(name: str) -> Study:
    """A study by its name; raises LossError with the nearest ones if there is none."""
    known = studies()
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted not in known:
        raise LossError(complain(f"There is no study named {name!r}", next_step=did_you_mean(wanted, known)))
    return known[wanted]

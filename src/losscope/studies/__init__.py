"""The studies: what is said about these losses, measured. One file a question; they are found by themselves."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from losscope.studies.study import Claim, Result, Study

__all__ = ["Claim", "Result", "Study", "get", "studies"]


@cache
def studies() -> dict[str, Study]:
    """Every study by its name, in reading order."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        found += [
            each
            for each in vars(import_module(f"{__name__}.{module.name}")).values()
            if isinstance(each, Study)
        ]
    return {each.name: each for each in sorted(set(found), key=lambda each: each.order)}


def get(name: str) -> Study:
    """A study by its name; raises LossError with the nearest ones if there is none."""
    from losscope.errors import LossError, complain, did_you_mean

    known = studies()
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    if wanted not in known:
        raise LossError(complain(f"There is no study named {name!r}", next_step=did_you_mean(wanted, known)))
    return known[wanted]

"""The catalogue: one entry per loss and activation, in files by family. Entries are found by themselves."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from losscope.entry import Entry


@cache
def entries() -> dict[str, Entry]:
    """Every entry by its name, in the order of the files and of the lines in them."""
    found: dict[str, Entry] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Entry):
                if value.name in found:
                    raise RuntimeError(f"two entries are named {value.name!r}")
                found[value.name] = value
    return found


@cache
def names() -> dict[str, str]:
    """Every name and alias -> the entry's name."""
    known = {name: name for name in entries()}
    for entry in entries().values():
        for alias in entry.aliases:
            if known.setdefault(alias, entry.name) != entry.name:
                raise RuntimeError(f"{alias!r} names both {known[alias]!r} and {entry.name!r}")
    return known

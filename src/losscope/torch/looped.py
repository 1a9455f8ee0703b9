"""What every loss with a kernel is: an entry, and its loops for each dtype, compiled when they are first used."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from losscope.entry import Entry
from losscope.forks import undisturbed


class Looped:
    """An entry of the catalogue, by its name, or one of one's own; `through` an activation, if any."""

    def __init__(self, entry: str | Entry, through: Entry | None = None):
        self._given = entry
        self.name = entry if isinstance(entry, str) else entry.name
        self.through = through
        self._loops: dict[str, Any] = {}

    @cached_property
    def entry(self) -> Entry:
        if isinstance(self._given, Entry):
            return self._given
        from losscope.catalogue import entries

        return entries()[self._given]

    def loops(self, dtype: str) -> Any:
        """Those for tensors of a dtype ("float32", "float64" or "bfloat16"), by name."""
        found = self._loops.get(dtype)
        if found is None:
            with undisturbed:
                found = self._loops[dtype] = self.made(dtype)
        return found

    def made(self, dtype: str) -> Any:
        from losscope.torch.loops import loops

        return loops(self.entry, self.through, dtype)

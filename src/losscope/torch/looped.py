"""What every loss with a kernel is: an entry of the catalogue (or one of one's own), compiled when it is first used."""

from __future__ import annotations

from functools import cached_property

from losscope.entry import Entry
from losscope.forks import undisturbed
from losscope.kernels.compiled import CompiledLoss, compiled


class Looped:
    """An entry of the catalogue, by its name, or one of one's own; `through` an activation, if any."""

    def __init__(self, entry: str | Entry, through: Entry | None = None):
        self._given = entry
        self.name = entry if isinstance(entry, str) else entry.name
        self.through = through

    @cached_property
    def entry(self) -> Entry:
        if isinstance(self._given, Entry):
            return self._given
        with undisturbed:
            from losscope.catalogue import entries

            return entries()[self._given]

    @cached_property
    def compiled(self) -> CompiledLoss:
        return compiled(self.entry, self.through)

"""What every loss with a kernel is: an entry of the catalogue (or one of one's own), compiled when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from losscope.entry import Entry
from losscope.forks import once, undisturbed
from losscope.kernels.compiled import CompiledLoss, compiled


class KernelLoss:
    """An entry of the catalogue, by its name, or one of one's own; `through` an activation, if any."""

    def __init__(self, entry: str | Entry, through: Entry | None = None):
        self._given = entry
        self.name = entry if isinstance(entry, str) else entry.name
        self.through = through
        self.in_a_graph: Callable[..., Any] | None = (
            None  # what a compiler is given, of one that `operators` registers
        )

    @once
    def entry(self) -> Entry:
        if isinstance(self._given, Entry):
            return self._given
        with undisturbed:
            from losscope.catalogue import entries

            return entries()[self._given]

    @once
    def compiled(self) -> CompiledLoss:
        return compiled(self.entry, self.through)

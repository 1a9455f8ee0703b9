"""Which colour, dash pattern and marker a label has: a loss the same one everywhere, anything else the same one
all over a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .naming import turn_of
from .theme import SERIES

T = TypeVar("T")

# In units of the line width. Seven colours against eight patterns: as 7 and 8 share no factor, the pair
# repeats only after 56 labels.
DASHES: tuple[tuple[float, ...] | None, ...] = (
    None,
    (5.0, 2.0),
    (1.2, 1.6),
    (7.0, 1.8, 1.4, 1.8),
    (3.0, 1.4),
    (9.0, 2.2),
    (5.0, 1.6, 1.2, 1.6, 1.2, 1.6),
    (2.2, 2.8),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "p")


@dataclass(frozen=True)
class Look:
    """How one label is drawn. `colour` is the light theme's hex value; SVG output turns it into a
    variable.
    """

    colour: str
    dashes: tuple[float, ...] | None
    marker: str


class Looks:
    """Hands out looks to labels: a loss has its own, others go by order of first appearance; pass one to
    several charts to keep them in step.

    >>> looks = Looks(["houses", "mse"])
    >>> looks["mse"] == Looks(["mse"])["mse"], looks["houses"].colour == looks["mse"].colour
    (True, False)
    >>> looks["mse"] == looks["mse"], "mae" in looks
    (True, False)
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._given: dict[str, Look] = {}
        self.introduce(labels)

    def __contains__(self, label: object) -> bool:
        return label in self._given

    def __getitem__(self, label: str) -> Look:
        if label not in self._given:
            self.introduce([label])
        return self._given[label]

    def introduce(self, labels: Iterable[str]) -> None:
        """Give looks to those `labels` that have none. They are seen together, so none takes another's
        colour,
        dashes or marker while there are others left: more than seven on a page may share, in one panel they
        do not.
        """
        together = list(dict.fromkeys(labels))
        # Losses first: what is none of them gives way.
        for label in sorted(together, key=lambda label: turn_of(label) is None):
            if label in self._given:
                continue
            own = turn_of(label)
            index = len(self._given) if own is None else own
            beside = [self._given[other] for other in together if other in self._given]
            # What is no loss takes no loss's look while another is free.
            losses = [
                look for other, look in self._given.items() if own is None and turn_of(other) is not None
            ]
            self._given[label] = Look(
                _next(SERIES, index, [look.colour for look in beside], [look.colour for look in losses]),
                _next(DASHES, index, [look.dashes for look in beside], [look.dashes for look in losses]),
                _next(MARKERS, index, [look.marker for look in beside], [look.marker for look in losses]),
            )

    def introduce_all(self, panels: Iterable[Sequence[str]]) -> None:
        """The labels of many panels: the losses of all of them first."""
        panels = list(panels)
        for labels in panels:
            self.introduce(label for label in labels if turn_of(label) is not None)
        for labels in panels:
            self.introduce(labels)

    def labels(self) -> list[str]:
        """The labels known so far, in order."""
        return list(self._given)


def _next(choices: Sequence[T], index: int, taken: list[T], losses: list[T]) -> T:
    """The choice whose turn it is, or the next one that is used least often in `taken`, then among `losses`."""
    turns = [choices[(index + step) % len(choices)] for step in range(len(choices))]
    return min(turns, key=lambda choice: (taken.count(choice), losses.count(choice)))

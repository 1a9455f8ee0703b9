"""The options of a study, read from its experiment's annotations and checked by them."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from losscope.errors import LossError, complain

OF_EVERY_STUDY = ("quick", "seed", "progress")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `above`: greater than `low`, not equal.

    >>> 0 in Range(0, 1), 0 in Range(0, 1, above=True), float("nan") in Range()
    (True, False, False)
    """

    low: float = -inf
    high: float = inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and abs(value) < inf and not (self.above and value == self.low)

    def __str__(self) -> str:
        if self.high == inf and self.low == -inf:
            return "a number"
        if self.high == inf:
            return f"more than {self.low:g}" if self.above else f"{self.low:g} or more"
        return f"{'more than ' if self.above else ''}{self.low:,.10g} to {self.high:,.10g}"


@dataclass(frozen=True)
class Option:
    """One option: `kind` is the type of one word of it; `several`: it takes more than one."""

    name: str
    kind: type
    several: bool
    default: Any
    words: str
    within: Range | None = None

    def check(self, value: Any) -> None:
        """Raises LossError where a value is out of its domain."""
        if value is None and self.default is None:
            return
        for each in (
            value if self.several and isinstance(value, Sequence) and not isinstance(value, str) else [value]
        ):
            number = self.kind in (int, float)
            fits = (
                isinstance(each, int | float) and not isinstance(each, bool)
                if number
                else isinstance(each, self.kind)
            )
            if self.kind is int and fits:
                fits = each == int(each) if abs(each) < inf else False
            if not fits or (number and each not in (self.within or Range())):
                expected = self.within or {int: "a whole number", float: "a number"}.get(self.kind, "text")
                raise LossError(
                    complain(f"{self.name} is out of its domain", got=repr(each), expected=expected)
                )


def options_of(experiment: Callable[..., Any]) -> Mapping[str, Option]:
    """An experiment's own options by name: Annotated[float, Range(0, 1), "what it is"] with a default."""
    hints = typing.get_type_hints(experiment, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(experiment).parameters.items():
        if name in OF_EVERY_STUDY or parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        kind, notes = hints.get(name, str), list[Any]()
        if typing.get_origin(kind) is typing.Annotated:
            kind, *notes = typing.get_args(kind)
        words = next((each for each in notes if isinstance(each, str)), "")
        within = next((each for each in notes if isinstance(each, Range)), None)
        found[name] = Option(name, *_scalar(kind), parameter.default, words, within)
    return found


def _scalar(kind: Any) -> tuple[type, bool]:
    """A type -> the type of one word of it, and whether it takes several."""
    origin = typing.get_origin(kind)
    inside = [each for each in typing.get_args(kind) if each not in (type(None), Ellipsis)]
    if origin in (typing.Union, types.UnionType):
        return _scalar(inside[0])
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _scalar(inside[0])[0], True
    return (kind if kind in (int, float, bool, str, Path) else str), False

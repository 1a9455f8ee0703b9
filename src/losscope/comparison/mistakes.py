"""What is said where data or a setting cannot be used, in words that no terminal or page can be broken by."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from losscope.errors import visible


class DataError(ValueError):
    """The data, or a setting, cannot be used: one sentence that says what, where, and what to do."""

    user_error = True

    def __init__(self, text: str) -> None:
        super().__init__(visible(text))


TO_DIGITS = ", to the 15 digits that numbers have here"
LONG = 2.0**53  # from which on a double does not hold every whole number


def to_digits(numbers: Any) -> str:
    """What is to be said of numbers that are the same here, and may not be where they come from."""
    return TO_DIGITS if numbers.dtype.kind in "iuf" and abs(float(numbers.iloc[0])) >= LONG else ""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The nearest known word, in brackets; nothing where none is near."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def cut(text: str, most: int = 40) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else f"{text[:most]}..."


def listed(names: Sequence[str], most: int = 12) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(map(cut, names[:most]))
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def counted(count: int) -> str:
    """A number of rows in words: "1 row", "20 rows"."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"

"""What is said where data or a setting cannot be used, in words that no terminal or page can be broken by."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence

# Signs that turn the direction of what follows: a name with one shows other words than it has.
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class DataError(ValueError):
    """The data, or a setting, cannot be used: one sentence that says what, where, and what to do."""

    user_error = True

    def __init__(self, text: str) -> None:
        super().__init__(visible(text))


def visible(text: str) -> str:
    r"""The text with every control character, and every byte of a file's name that is no text, written out.

    >>> print(visible("a\x1b[31mred"), visible("größe"))
    a\x1b[31mred größe
    """
    if text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode()
        if unicodedata.category(sign) in ("Cc", "Cs") or sign in _TURNS
        else sign
        for sign in text
    )


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

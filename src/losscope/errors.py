"""The errors a user sees: what, where, got, expected, next step."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterable

# Signs that turn the direction of what follows: a name with one shows other words than it has.
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


LONGEST_SHOWN = 60  # signs of a value in a message
LONGEST_NAME = 255  # of a file, in bytes, almost everywhere


class LossError(ValueError):
    """A mistake in a call to losscope: the message says what, where, got, expected and the next step."""

    user_error = True


class LossTypeError(LossError, TypeError):
    """A LossError about a type or dtype, so that `except TypeError` catches it too."""


def complain(what: str, *, got: object = None, expected: object = None, next_step: str = "") -> str:
    """One message in the house's form; parts that are not given are left out."""
    parts = [what.rstrip(".") + "."]
    if got is not None:
        parts.append(f"Got: {got}.")
    if expected is not None:
        parts.append(f"Expected: {expected}.")
    if next_step:
        parts.append(next_step if next_step.endswith("?") else next_step.rstrip(".") + ".")
    return " ".join(parts)


def shown(value: object) -> str:
    """A value as a message shows it: as Python writes it, in part where that is long, in words where Python refuses to.

    >>> print(shown("a"), shown(10**5000))
    'a' a whole number of some 5,001 digits
    """
    try:
        text = repr(value)
    except Exception:  # a number of thousands of digits; or a class of a user's, of which nothing is known
        if isinstance(value, int):
            return f"a whole number of some {int(value.bit_length() * math.log10(2)) + 1:,} digits"
        return f"a {type(value).__name__} that cannot be written out"
    if len(text) <= LONGEST_SHOWN:
        return text
    return f"{text[: LONGEST_SHOWN - 10]}... ({len(text):,} characters)"


def no_end(formula: str) -> str:
    """What is said where Python's stack has ended in a formula: why, it does not say."""
    return complain(
        "This formula was not read to its end: it asks for more calls within calls than Python allows",
        got=shown(formula),
        next_step="Perhaps it is nested too deeply, or one of its comparisons is better written as one of a difference "
        "with 0, or it is defined where the stack of calls is nearly full",
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "Did you mean ...?" for the closest known names, or a plain list of all of them."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(repr(each) for each in close) + "?"
    return "Known: " + ", ".join(known) if known else "There are none"


def too_long(name: str) -> str:
    """What is said of a path with a name that no file can have."""
    return complain(
        "The name of a file or folder is too long",
        got=f"{name[:40]}..., {len(name)} signs",
        expected=f"at most {LONGEST_NAME} bytes between two slashes",
    )


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


def visible_lines(text: str) -> str:
    """The same of a text whose line breaks are meant."""
    return "\n".join(map(visible, text.split("\n")))

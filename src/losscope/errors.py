"""The errors a user sees: what, where, got, expected, next step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "Did you mean ...?" for the closest known names, or a plain list of all of them."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(repr(each) for each in close) + "?"
    return "Known: " + ", ".join(known) if known else "There are none"

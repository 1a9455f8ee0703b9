"""A function of one part of an expression, made one of the whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

REMEMBERED = 4096  # parts of expressions; those of one formula's forms are far fewer


def everywhere(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`one` done to every part of an expression but its symbols and numbers, innermost first. What becomes of a part is
    remembered: the forms of a formula share most of theirs."""

    @lru_cache(REMEMBERED)
    @wraps(one)
    def rewritten(e: Any) -> Any:
        if not e.args:
            return e
        args = tuple(rewritten(each) for each in e.args)
        return one(e if args == e.args else e.func(*args))

    return rewritten

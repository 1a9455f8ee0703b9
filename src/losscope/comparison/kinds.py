"""Is an argument of the kind that its annotation says? Asked where Python calls; a command line gives the right kinds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from losscope.comparison.mistakes import DataError, cut
from losscope.errors import LONGEST_NAME, too_long

# What is taken for each kind of an annotation, and how it is called.
KINDS: dict[Any, tuple[Any, str]] = {
    int: (Integral, "whole number"),
    float: (Real, "number"),
    bool: (bool | np.bool_, "truth value (True or False)"),
    str: (str, "text"),
    Path: (os.PathLike, "path"),
    Sequence: (Iterable, "list"),
}


def refuse_other_kinds(function: Any, arguments: Mapping[str, Any]) -> None:
    """DataError for the first argument that is not of the kind that the function, or the class, says of it, and for a path
    that no file can have."""
    said = get_type_hints(function)
    for name, value in arguments.items():
        either = get_args(said[name]) if get_origin(said[name]) in (Union, UnionType) else (said[name],)
        kinds = [get_origin(kind) or kind for kind in either]
        if Any not in kinds and not any(_is_of(value, kind) for kind in kinds):
            words = [KINDS[kind][1] for kind in kinds if kind in KINDS]
            raise DataError(
                f"{name} {cut(repr(value))} is no {' or '.join(words) or kinds[0].__name__}: give one, or leave {name} out"
            )
        if Path in kinds and isinstance(value, str | os.PathLike):
            refuse_long_name(value)


def refuse_long_name(path: str | os.PathLike[str]) -> None:
    """DataError for a path with a name that no file can have, before a system call meets it."""
    text = os.fspath(path)
    if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in Path(text).parts):
        raise DataError(too_long(text))


def _is_of(value: Any, kind: Any) -> bool:
    if isinstance(value, bool | np.bool_):  # which Python counts among the numbers
        return kind is bool
    if isinstance(value, bytes) or (
        isinstance(value, str) and "\0" in value
    ):  # no text, nor the name of a file
        return False
    return isinstance(value, KINDS[kind][0] if kind in KINDS else kind)

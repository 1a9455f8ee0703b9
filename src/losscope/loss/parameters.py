"""Parameters of a loss's formula and options of its structure, as they are given: checked, or refused with what there is."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from losscope.entry import Entry
from losscope.errors import LossError, complain, did_you_mean, shown
from losscope.structures import arrays
from losscope.structures.structure import Structure

IN_THE_CALL = ("weight", "reduction", "out")


def parameter(entry: Entry, structure: Structure, known: Mapping[str, Any], name: str, value: Any) -> float:
    """A parameter's value; LossError if there is no such parameter among those that are `known`, or it is out of its domain."""
    if name not in known:
        raise _unknown(entry, structure, known, name)
    if getattr(value, "requires_grad", False):
        raise LossError(
            complain(
                f"{name} requires a gradient, and parameters are constants",
                next_step=f"Use {name}.item()",
            )
        )
    found, domain = number(name, value), known[name].domain
    if not math.isfinite(found) or domain.excludes(found):
        raise LossError(
            complain(
                f"{name} is out of its domain", got=shown(value), expected=f"a finite number, {domain.words}"
            )
        )
    return found


def number(what: str, value: Any) -> float:
    """The float that is meant by a real number of Python's or NumPy's, or by an array or tensor of no dimension; LossError for
    what is none: a bool, text, a Decimal, a complex number."""
    if type(value) is float:  # as in almost every call
        return value
    try:
        return float(_real(what, value))
    except OverflowError:
        raise LossError(
            complain(
                f"{what} must be a number that a float holds",
                got=shown(value),
                expected=f"a finite number, at most {sys.float_info.max:.3g}",
            )
        ) from None


def _real(what: str, value: Any) -> Any:
    kind = getattr(getattr(value, "dtype", None), "kind", "f")  # a span of time is a whole number to NumPy
    inner = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    if isinstance(inner, bool) or not isinstance(inner, numbers.Real) or kind not in "iufV":
        raise LossError(
            complain(
                f"{what} must be a number",
                got=shown(value),
                expected="an int, a float, a Fraction, or a real number of NumPy's",
            )
        )
    return inner


def read_number(name: str, text: str) -> int | float:
    """A number that stands as text behind the name of a loss."""
    for kind in (int, float):  # a float would round a long whole number
        try:
            return kind(text)
        except ValueError:
            continue
    raise LossError(complain(f"{name} must be a number", got=shown(text)))


def check_held(parameters: Mapping[str, Any], numbers: Sequence[float], dtype: Any) -> None:
    """Raise LossError for a number among those of the parameters that a kernel which computes in `dtype` does not hold."""
    for name, number in zip(parameters, numbers, strict=True):
        if dtype != arrays.FLOAT64 and not arrays.in_float32(number):
            raise LossError(
                complain(
                    f"{name} is a number that {dtype} does not hold, in which this is computed",
                    got=f"{name}={number:g}",
                    expected=f"0, or a size from {arrays.LEAST:.3g} to {arrays.MOST:.3g}",
                    next_step="Give the prediction in float64",
                )
            )


def is_option(structure: Structure, name: str) -> bool:
    """Whether it is an option that can be made part of a loss, such as label_smoothing."""
    return isinstance(structure.options.get(name), int | float)


def option(structure: Structure, name: str, value: Any) -> Any:
    """Such an option's value, of the type of its default; it is checked when the loss is called."""
    kind = type(structure.options[name])
    if kind is float:
        return number(name, value)
    given = value if isinstance(value, bool) else _real(name, value)  # yes and no are 1 and 0
    if not -(2**63) <= given < 2**63 or given != int(given):  # or NaN
        raise LossError(complain(f"{name} must be a whole number of 64 bits", got=shown(value)))
    return int(given)


def _unknown(entry: Entry, structure: Structure, known: Mapping[str, Any], name: str) -> LossError:
    options = structure.options
    if name in options or name in IN_THE_CALL:
        return LossError(complain(f"{name} belongs in a call of {entry.name} and cannot be bound to it"))
    close = did_you_mean(name, [*known, *options, *IN_THE_CALL])
    return LossError(
        complain(
            f"{entry.name} has no parameter {name!r}",
            expected=", ".join([*known, *options]) or "none",
            next_step=close if close.startswith("Did") else "Leave it out",
        )
    )

"""Parameters of a loss's formula and options of its structure, as they are given: checked, or refused with what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from losscope.entry import Entry
from losscope.errors import LossError, complain, did_you_mean
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
    number: float = _number(float, name, value)
    domain = known[name].domain
    if number != number or abs(number) == float("inf") or domain.excludes(number):
        raise LossError(
            complain(f"{name} is out of its domain", got=value, expected=f"a finite number, {domain.words}")
        )
    return number


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
    number = _number(kind, name, value)
    if kind is int and not isinstance(value, str) and number != value:
        raise LossError(complain(f"{name} must be a whole number", got=repr(value)))
    return number


def _number(kind: type, name: str, value: Any) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError) as error:
        got = repr(value)
        got = got if len(got) <= 60 else f"{got[:50]}... ({len(got)} characters)"
        what = "a number that a float holds" if isinstance(error, OverflowError) else "a number"
        raise LossError(complain(f"{name} must be {what}", got=got)) from None


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

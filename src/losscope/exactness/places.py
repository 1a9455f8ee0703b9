"""What errors are counted in, and of what sort points are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy

from losscope.entry import Parameter
from losscope.exactness.samples import BETWEEN, MARGIN

# A last-place change that moves the truth by this much of itself leaves nothing to be right or wrong.
NOTHING = 1 / 64
NO_SIGN = 13.0  # the error of an infinity that is none, or of the other sign: out of bounds, but digits are worth more
LOST = 16  # smallest normal numbers: a step may underflow or overflow on the way, and a term of about that size be 0
CLOSE = 1e-3  # to a whole number: what vanishes there is then so small that it hides an overflow


def floor(dtype: str | numpy.dtype) -> float:
    """The size below which results count as nothing: what is lost on the way would show in their digits.

    >>> f"{floor('float32'):.0e} {floor('float64'):.0e}"
    '2e-30 2e-291'
    """
    info = numpy.finfo(dtype)
    return LOST * float(info.tiny) / float(info.eps)


def last_place(size: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """The unit in the last place of numbers of these sizes."""
    info = numpy.finfo(dtype)
    within = numpy.clip(size, floor(dtype), float(info.max) / 2)
    return numpy.spacing(within.astype(dtype)).astype("float64")


def as_good_as_zero(at: Mapping[str, numpy.ndarray], dtype: str, in_units_of: str = "") -> numpy.ndarray:
    """Of what size a result is no longer told from 0, at each point: in units of an argument that is large, if one is named. Its
    factor in a result may be the slope of a saturated sigmoid, and that is then itself no number of the dtype."""
    units = numpy.ones(len(next(iter(at.values()))))
    if in_units_of:
        units = numpy.fmax(1, numpy.abs(at[in_units_of].astype("float64")))
    return floor(dtype) * units


def ulps(
    computed: numpy.ndarray, high: Any, low: Any, least: numpy.ndarray, dtype: str, margin: int = MARGIN
) -> numpy.ndarray:
    """How far computed numbers are off the truth, high + low, in units in the last place. 0 where that is unknown, or both are
    as good as zero; where it is within the margin of the dtype's end, nothing but a lost infinity or sign counts, without end."""
    size = numpy.abs(high)
    with numpy.errstate(all="ignore"):
        errors = numpy.abs((computed.astype("float64") - high) - low) / last_place(size, dtype)
        errors[numpy.isnan(errors)] = numpy.inf
        lost = numpy.isnan(computed) | (numpy.sign(computed) * numpy.sign(high) < 0)
        beyond = is_beyond(size, dtype, margin)
        errors[beyond] = numpy.where(lost, numpy.inf, 0)[beyond]
        errors[numpy.isnan(high) | ((size < least) & (numpy.abs(computed) <= 2 * least))] = 0
    return errors


def is_beyond(size: numpy.ndarray, dtype: str, margin: int = MARGIN) -> numpy.ndarray:
    """Where a number of this size is none of the dtype, or hardly one."""
    return size > float(numpy.finfo(dtype).max) / 2**margin


def overflows(computed: numpy.ndarray, truth: numpy.ndarray) -> numpy.ndarray:
    """Where a computed number is infinite, to the side of the truth. A derivative may be where the value is, too: of a loss
    that is infinite nobody takes a step."""
    return numpy.isinf(computed) & (numpy.sign(computed) == numpy.sign(truth))


def has_last_place(
    name: str,
    numbers: numpy.ndarray,
    dtype: str,
    arguments: Mapping[str, str],
    parameters: Mapping[str, Parameter],
) -> numpy.ndarray:
    """Which numbers of an input might be others by a last place. A parameter at its default is what the formula is; at any
    other value it is one more input."""
    if name in parameters:
        return (numbers != numpy.dtype(dtype).type(parameters[name].default)) & (numbers != 0)
    return ~is_end(arguments[name], numbers)


def is_end(domain: str, numbers: numpy.ndarray) -> numpy.ndarray:
    """Where an argument is exactly what it says: a label, one of the ends of its domain, 0."""
    if domain in ("sign", "label"):
        return numpy.ones(len(numbers), bool)
    return numpy.isin(numbers, [0.0, *BETWEEN.get(domain, ())])


def sorts(at: Mapping[str, numpy.ndarray], parameters: Collection[str]) -> numpy.ndarray:
    """2 where a parameter lies close to a whole number, but not on it, as powers do that almost vanish; 1 where an argument
    does, whose logarithm almost vanishes; else 0."""
    found = numpy.zeros(len(next(iter(at.values()))), int)
    for name, x in at.items():
        off = numpy.abs(x - numpy.rint(x))
        close = (off > 0) & (off < CLOSE) & (numpy.abs(x) > CLOSE)
        found = numpy.maximum(found, close * (2 if name in parameters else 1))
    return found

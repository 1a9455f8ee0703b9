"""What errors are counted in, and of what sort points are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy

from losscope.exactness.samples import BETWEEN, FLOOR

# A last-place change that moves the truth by this much of itself leaves nothing to be right or wrong.
NOTHING = 1 / 64
NO_SIGN = 13.0  # the error of an infinity that is none, or of the other sign: out of bounds, but digits are worth more
CLOSE = 1e-3  # to a whole number: what vanishes there is then so small that it hides an overflow


def last_place(size: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """The unit in the last place of numbers of these sizes."""
    info = numpy.finfo(dtype)
    within = numpy.clip(size, FLOOR * float(info.tiny), float(info.max) / 2)
    return numpy.spacing(within.astype(dtype)).astype("float64")


def as_good_as_zero(at: Mapping[str, numpy.ndarray], dtype: str, in_units_of: str = "") -> numpy.ndarray:
    """Of what size a result is no longer told from 0, at each point: in units of an argument that is large, if one is named. Its
    factor in a result may be the slope of a saturated sigmoid, and that is then itself no number of the dtype."""
    units = numpy.ones(len(next(iter(at.values()))))
    if in_units_of:
        units = numpy.fmax(1, numpy.abs(at[in_units_of].astype("float64")))
    return FLOOR * float(numpy.finfo(dtype).tiny) * units


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

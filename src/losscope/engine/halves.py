"""Halves as the bits of whole numbers, for processors that do not convert them: read exactly, written with one rounding, ties
to even, denormals kept, NaN as NaN.
"""

from __future__ import annotations

from collections.abc import Callable

from losscope.engine.lanes import I16, I32, Lanes, bits, converted, from_bits, where

_SIGN, _INFINITY = 0x80000000, 0x7F800000  # of float32


def _wide(half: Lanes) -> Lanes:
    return converted(half, I32) & 0xFFFF


def _nearest(whole: Lanes, dropped: int) -> Lanes:
    """The bits but the last `dropped` of them, rounded to the nearest, ties to even."""
    return (whole + ((1 << (dropped - 1)) - 1) + ((whole >> dropped) & 1)) >> dropped


def read_bfloat16(half: Lanes) -> Lanes:
    """The upper half of a float32."""
    return from_bits(_wide(half) << 16)


def write_bfloat16(x: Lanes) -> Lanes:
    """The upper half of a float32, rounded."""
    return converted(where(x != x, bits(x).constant(0x7FC0), _nearest(bits(x), 16)), I16)


def read_float16(half: Lanes) -> Lanes:
    """Its bits where those of a float32 are, times what its exponents are counted from less."""
    whole = _wide(half)
    size = (whole & 0x7FFF) << 13
    finite = bits(from_bits(size) * 2.0**112)
    return from_bits(where(size >= 0x7C00 << 13, size | _INFINITY, finite) | ((whole & 0x8000) << 16))


def write_float16(x: Lanes) -> Lanes:
    """From 2**-14 on its bits are those of a float32, rounded; below, the sum with 1/2 rounds to the denormals' unit."""
    size = bits(x) & (_SIGN - 1)
    normal = _nearest(size - (112 << 23), 13)
    denormal = bits(from_bits(size) + 0.5) - (126 << 23)
    half = where(from_bits(size) < 2.0**-14, denormal, normal)
    half = where(
        from_bits(size) >= 65520.0, half.constant(0x7C00), half
    )  # halfway between the largest and 2**16
    half = where(x != x, half.constant(0x7E00), half)
    return converted(half | ((bits(x) >> 16) & 0x8000), I16)


READ: dict[str, Callable[[Lanes], Lanes]] = {"bfloat16": read_bfloat16, "float16": read_float16}
WRITE: dict[str, Callable[[Lanes], Lanes]] = {"bfloat16": write_bfloat16, "float16": write_float16}

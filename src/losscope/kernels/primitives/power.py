"""x**y for real y: float32 by way of float64, float64 with a logarithm in two parts."""

from __future__ import annotations

import math

from losscope.engine.lanes import (
    F32,
    F64,
    Lanes,
    bits,
    converted,
    fma,
    from_bits,
    magnitude,
    rounded,
    where,
    with_sign_of,
)
from losscope.kernels.primitives.exponential import LOG2E
from losscope.kernels.primitives.logarithm import normal_parts, parts
from losscope.kernels.primitives.primitive import polynomial, primitive
from losscope.kernels.primitives.tables import ATANH_SHORT, DOUBLE, SINGLE

_LOW, _HIGH = -749.0, 720.0  # exp of less is 0, of more infinite, in double precision
_TWO_THIRDS, _TWO_THIRDS_LOW = 0.6666666666666666, 3.700743415417188e-17


@primitive
def power(x: Lanes, y: Lanes) -> Lanes:
    """x**y for x >= 0, and for x < 0 where y is an integer (else NaN); at most 1.0 ulp."""
    return _limits(x, y, (_single if x.element == F32 else _double)(magnitude(x), y))


def _single(x: Lanes, y: Lanes) -> Lanes:
    """In float64: y*log2(x) needs 8 bits more than float32 holds, and emulating them costs more than the lanes."""
    wide, exponent = converted(x, F64), converted(y, F64)
    biased, mantissa = parts(wide)
    e = from_bits(biased + 0x4330000000000000) - (2.0**52 + 1023)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    # log2(|x|) = e + (2s + s**3 P(s**2))/log(2)
    product = exponent * fma(fma(s * z, polynomial(z, ATANH_SHORT), s + s), LOG2E, e)
    product = where(product < -200.0, -200.0, product)
    product = where(product > 200.0, 200.0, product)
    shifter = DOUBLE.round + DOUBLE.bias
    shifted = product + shifter
    r = (product - (shifted - shifter)) * math.log(2)
    return converted(polynomial(r, SINGLE.exp) * from_bits(bits(shifted) << 52), F32)


def _log_two_parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """log(x) = high + low for x > 0, to about 2**-64 of it: 11 bits more, as y*log(x) goes up to 745."""
    e, mantissa = normal_parts(x)
    # s = (mantissa - 1)/(mantissa + 1), the remainder of the division in s_low
    f, d = mantissa - 1.0, mantissa + 1.0
    d_low = mantissa - (d - 1.0)
    inverse = 1.0 / d
    s = f * inverse
    s_low = fma(-s, d_low, fma(-s, d, f)) * inverse
    z = s * s
    z_low = fma(s + s, s_low, fma(s, s, -z))
    # p = 2/3 + 2/5 z + ..., then log(mantissa) = 2s + s*z*p
    above = z * polynomial(z, DOUBLE.log_tail[:-1])
    p = _TWO_THIRDS + above
    p_low = ((_TWO_THIRDS - p) + above) + _TWO_THIRDS_LOW
    t = z * p
    t_low = fma(z, p, -t) + fma(z, p_low, z_low * p)
    w = s * t
    w_low = fma(s, t, -w) + fma(s, t_low, s_low * t)
    twice = s + s
    part = twice + w
    part_low = ((twice - part) + w) + fma(2.0, s_low, w_low)
    whole = e * DOUBLE.ln2[0]
    high = whole + part
    return high, ((whole - high) + part) + fma(e, DOUBLE.ln2[1], part_low)


def _double(x: Lanes, y: Lanes) -> Lanes:
    t = DOUBLE
    high, low = _log_two_parts(x)
    product = y * high
    product_low = fma(y, low, fma(y, high, -product))
    product_low = where(magnitude(product) < -_LOW, product_low, 0.0)
    product = where(product < _LOW, _LOW, product)
    product = where(product > _HIGH, _HIGH, product)
    down = product < 0.0
    shifter = where(down, x.constant(t.round + t.bias + t.raised), t.round + t.bias - t.raised)
    shifted = fma(product, LOG2E, shifter)
    k = shifted - shifter
    high, low = fma(k, -t.ln2[0], product), fma(k, -t.ln2[1], product_low)
    r = high + low
    tail = fma(r * r, polynomial(r, t.exp_tail), low)
    scale = from_bits(bits(shifted) << t.mantissa_bits)
    return (1.0 + (high + tail)) * scale * where(down, x.constant(2.0**-t.raised), 2.0**t.raised)


def _limits(x: Lanes, y: Lanes, result: Lanes) -> Lanes:
    """`result` = |x|**y, mended for the sign of x and where an argument is 0, 1, infinite or NaN."""
    size = magnitude(x)
    # 0**y and inf**y are 0 or inf, by the sign of y.
    rises = y > 0.0
    vanishes = ((size == 0.0) & rises) | (~(size == 0.0) & ~rises)
    at_ends = where(vanishes, result.constant(0.0), math.inf)
    result = where((size == 0.0) | (size == math.inf), at_ends, result)
    result = where((size == 1.0) | (y == 0.0), 1.0, result)
    half = y * 0.5
    odd = (rounded(y) == y) & (rounded(half) != half)
    signed = where(odd, with_sign_of(result, x), result)
    no_number = (x < 0.0) & (rounded(y) != y) & (x != -math.inf)
    signed = where(no_number, math.nan, signed)
    return where((x == x) & (y == y), signed, x + y)

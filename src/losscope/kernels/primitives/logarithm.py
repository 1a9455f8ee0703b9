"""log and what is built from it: branchless, for float32 and float64, in lanes or one number.

On errors and how they are found, see `exponential.py`.
"""

from __future__ import annotations

import math

from losscope.engine.lanes import F32, Lanes, bits, fma, from_bits, magnitude, where
from losscope.kernels.primitives.exponential import exp_nonpositive
from losscope.kernels.primitives.primitive import polynomial, primitive
from losscope.kernels.primitives.tables import table


def _whole_to_float(x: Lanes, offset: float) -> Lanes:
    """A small whole number as a float, less an offset: no conversion, which for 64 bits AVX2 does not have."""
    t = table(from_bits(x))
    integer_shifter = (t.bias + t.mantissa_bits) << t.mantissa_bits
    return from_bits(x + integer_shifter) - (2.0**t.mantissa_bits + offset)


def parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """Biased e, mantissa m of x = 2**e m, sqrt(1/2) <= m < sqrt(2), for normal x > 0."""
    t = table(x)
    one = t.bias << t.mantissa_bits
    whole = bits(x) + (one - t.sqrt_half)
    mantissa = from_bits((whole & ((1 << t.mantissa_bits) - 1)) + t.sqrt_half)
    return whole >> t.mantissa_bits, mantissa


def normal_parts(x: Lanes) -> tuple[Lanes, Lanes]:
    """e, mantissa m of x = 2**e m, sqrt(1/2) <= m < sqrt(2), for any x > 0, denormals too."""
    t = table(x)
    denormal = x < 2.0 ** (1 - t.bias)
    biased, mantissa = parts(where(denormal, x * 2.0**t.to_normal, x))
    base = 2.0**t.mantissa_bits + t.bias
    offset = where(denormal, x.constant(base + t.to_normal), base)
    integer_shifter = (t.bias + t.mantissa_bits) << t.mantissa_bits
    return from_bits(biased + integer_shifter) - offset, mantissa


def _tail_factors(f: Lanes) -> tuple[Lanes, Lanes]:
    """Two factors of log1p(f) - f, sqrt(1/2) <= 1 + f <= sqrt(2): the caller's fma takes the product."""
    t = table(f)
    if f.element == F32:
        return f * f, polynomial(f, t.log_tail)
    s = f / (2.0 + f)
    z = s * s
    return -s, fma(-z, polynomial(z, t.log_tail), f)


def _limits(argument: Lanes, result: Lanes) -> Lanes:
    """`result`, mended where the argument of log is 0, negative, infinite or NaN."""
    result = where(argument < math.inf, result, argument)
    at_most_zero = where(argument < 0.0, result.constant(math.nan), -math.inf)
    return where(argument <= 0.0, at_most_zero, result)


@primitive
def log(x: Lanes) -> Lanes:
    """log(x); at most 1.0 ulp."""
    e, mantissa = normal_parts(x)
    high, low = table(x).ln2
    f = mantissa - 1.0
    a, b = _tail_factors(f)
    return _limits(x, fma(e, high, f + fma(a, b, e * low)))


def _log1p_reduced(x: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """1 + x, and e, f, low with 1 + x = 2**e (1 + f) and low = what f was rounded by, plus e times log(2)'s low part."""
    t = table(x)
    u = 1.0 + x
    # What the sum rounded off, exactly.
    v = u - 1.0
    lost = (1.0 - (u - v)) + (x - v)
    biased, mantissa = parts(u)
    e = _whole_to_float(biased, t.bias)
    # 2**-e; where that is denormal, 0 does as well.
    inverse = from_bits((-biased + 2 * t.bias) << t.mantissa_bits)
    scale = where(e < float(t.bias), inverse, 0.0)
    f = fma(lost, scale, mantissa - 1.0)
    low = fma(lost, scale, (mantissa - 1.0) - f)
    return u, e, f, fma(e, t.ln2[1], low)


@primitive
def log1p(x: Lanes) -> Lanes:
    """log(1 + x); at most 1.1 ulp."""
    u, e, f, low = _log1p_reduced(x)
    a, b = _tail_factors(f)
    result = fma(e, table(x).ln2[0], f + fma(a, b, low))
    return where(magnitude(x) < table(x).tiny, x, _limits(u, result))


@primitive
def log1pmx(x: Lanes) -> Lanes:
    """log(1 + x) - x; at most 3.5 ulp."""
    u, e, f, low = _log1p_reduced(x)
    a, b = _tail_factors(f)
    # log1p(x) - x = (e log(2) - x + f) + (log1p(f) - f): near x = 0 the first part vanishes exactly.
    result = fma(a, b, (fma(e, table(x).ln2[0], -x) + f) + low)
    return where(x == math.inf, -math.inf, _limits(u, result))


@primitive
def log1p_unit(u: Lanes) -> Lanes:
    """log1p(u) for 0 <= u <= 1; at most 1.6 ulp."""
    coefficients = table(u).log1p_unit
    if u.element == F32:
        return fma(u * u, polynomial(u, coefficients), u)
    # With s = u/(2 + u) it is 2 atanh(s), and 2s = u - s*u. A plain polynomial would take 20 terms here.
    s = u / (2.0 + u)
    z = s * s
    return fma(-s, fma(-z, polynomial(z, coefficients), u), u)


@primitive
def softplus(x: Lanes) -> Lanes:
    """log(1 + exp(x)); at most 2.2 ulp."""
    return where(x > 0.0, x, 0.0) + log1p_unit(exp_nonpositive(-magnitude(x)))


@primitive
def log_cosh(x: Lanes) -> Lanes:
    """log(cosh(x)); at most 2.1 ulp."""
    y = magnitude(x)
    high, low = table(x).ln2
    small = y * y * polynomial(y * y, table(x).log_cosh)
    # y - log(2) is exact in its first part where it cancels.
    large = (y - high) + (log1p_unit(exp_nonpositive(-(y + y))) - low)
    return where(y < 0.75, small, large)


@primitive
def xlogy(x: Lanes, y: Lanes) -> Lanes:
    """x*log(y), 0 at x = 0 whatever y but NaN; at most 1.9 ulp."""
    return where((x == 0.0) & (y == y), 0.0, x * log(y))


@primitive
def xlog1py(x: Lanes, y: Lanes) -> Lanes:
    """x log(1 + y), 0 at x = 0 whatever y but NaN; at most 3 ulp."""
    return where((x == 0.0) & (y == y), 0.0, x * log1p(y))

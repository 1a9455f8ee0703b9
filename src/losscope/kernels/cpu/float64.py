"""The primitives of generated kernels in float64: branchless scalar functions that vectorise in a loop.

Every function is inlined into its caller by LLVM (`forceinline`), under its own floating point flags: none,
so that error-free steps stay error-free whatever flags the caller compiles with. Each reduces its argument,
runs a short polynomial (`coefficients.py` prints them) and mends the special cases with selects; no tables,
no calls. Arguments are float64 (`real(...)` makes them); where two must agree, another dtype is an error or
cast, never a promotion.

The stated errors bound the largest found, in units in the last place (ulp) of the true value, a denormal one
in denormal units: over some 10**7 random points where the functions bend, and the sweep of all exponents in
`tests/test_primitives.py`, which holds them to it.
"""

import numpy as np
from numba import njit

from losscope.kernels.cpu.instructions import (
    bits_add,
    bits_and,
    bits_negate,
    bits_to_float,
    copysign,
    fabs,
    float_to_bits,
    fma,
    polynomial,
    rint,
    select,
    shift_left,
    shift_right,
    square_root,
)

__all__ = [
    "absolute",
    "exp",
    "exp_nonpositive",
    "expm1",
    "expm1mx",
    "log",
    "log1p",
    "log1p_unit",
    "log1pmx",
    "log_cosh",
    "maximum",
    "minimum",
    "power",
    "real",
    "sech2",
    "sigmoid",
    "sign",
    "softplus",
    "sqrt",
    "tanh",
    "where",
    "xlogy",
]

# fastmath=False must be said: unsaid, the flags of the caller that compiles a function first are inherited.
primitive = njit(forceinline=True, fastmath=False, error_model="numpy")


def _constants(values):
    return tuple(np.float64(value) for value in values)


_ZERO, _HALF, _ONE, _TWO = _constants((0.0, 0.5, 1.0, 2.0))
_INF, _NAN = _constants((np.inf, np.nan))
_LOG2E = np.float64(1.4426950408889634)
# log(2) in two parts; the first has 40 bits, so that k*_LN2_HI and x - k*_LN2_HI are exact.
_LN2_HI, _LN2_LO = _constants((0.6931471805592082, 7.371002565167799e-13))

# x + _ROUND is x rounded to an integer, which then stands in the low bits of the sum, ready to be shifted
# into an exponent: no conversion to int. An offset added to it is added to that exponent.
_ROUND = 6755399441055744.0  # 1.5 * 2**52
_MANTISSA_BITS = 52
_BIAS = 1023

# (exp(r) - 1 - r)/r**2 for |r| <= log(2)/2
_EXP_TAIL = _constants(
    (
        2.49783858508884e-08,
        2.762518989503759e-07,
        2.755764086201335e-06,
        2.4801508675668876e-05,
        0.0001984126946620955,
        0.0013888888926801082,
        0.008333333333500047,
        0.04166666666660395,
        0.16666666666666433,
        0.5,
    )
)
_EXP = (*_EXP_TAIL, _ONE, _ONE)
# the same for |x| <= 1
_EXPM1MX = _constants(
    (
        7.759332065148473e-13,
        1.163705537791664e-11,
        1.6057256959433317e-10,
        2.0874504735281918e-09,
        2.5052122897668303e-08,
        2.7557334210420064e-07,
        2.7557319160870397e-06,
        2.480158725119598e-05,
        0.0001984126984141003,
        0.001388888888896677,
        0.0083333333333332,
        0.04166666666666627,
        0.16666666666666666,
        0.5,
    )
)
# (2 atanh(s) - 2s)/s**3 at s**2, for 0 <= s <= 1/3
_ATANH_UNIT = _constants(
    (
        0.1560709633630773,
        0.0750646351546068,
        0.10841427458106424,
        0.11734830267101917,
        0.13335128845176528,
        0.15384546811490415,
        0.18181819795704895,
        0.22222222200448624,
        0.2857142857157381,
        0.39999999999999664,
        0.6666666666666666,
    )
)
# the same for |s| <= 3 - 2 sqrt(2)
_ATANH = _constants(
    (
        0.13074311120882426,
        0.13270135713975864,
        0.15386179414316595,
        0.1818179699765525,
        0.22222222375370979,
        0.28571428570904206,
        0.4000000000000061,
        0.6666666666666666,
    )
)
# (tanh(x)/x - 1)/x**2 at x**2 <= 81/256
_TANH = _constants(
    (
        -2.0133151377580066e-05,
        8.443871064720163e-05,
        -0.00023422646695026107,
        0.0005888007066585975,
        -0.0014556351306776777,
        0.003592107194358531,
        -0.008863234175656279,
        0.021869488485463256,
        -0.05396825396731298,
        0.13333333333332728,
        -0.3333333333333333,
    )
)
# log(cosh(x))/x**2 at x**2 <= 9/16
_LOG_COSH = _constants(
    (
        1.728981690958019e-07,
        -1.0932374090216544e-06,
        3.961541715026719e-06,
        -1.1710011563897482e-05,
        3.268449734074818e-05,
        -9.096428400174201e-05,
        0.000256575901226082,
        -0.0007386023834690037,
        0.002186948808026086,
        -0.006746031743916869,
        0.02222222222217294,
        -0.08333333333333293,
        0.5,
    )
)


# --- exp and what is built from it

# 2**k of a result is made in two factors, 2**(k + 60) and 2**-60, as float64 has no exponent for k < -1022:
# the product with the first is exact, and the second rounds once, into the denormal range too.
_RAISE = 60
_SHIFTER_RAISED = np.float64(_ROUND + _BIAS + _RAISE)
_SHIFTER_LOWERED = np.float64(_ROUND + _BIAS - _RAISE)
_RAISED, _LOWERED = _constants((2.0**_RAISE, 2.0**-_RAISE))
_EXP_LOW, _EXP_HIGH = _constants((-749.0, 710.0))  # exp is 0 below (4 exp, too), inf above


@primitive
def _exp_raised(x):
    """2**60 exp(x) for x <= 0."""
    x = select(x < _EXP_LOW, _EXP_LOW, x)
    shifted = fma(x, _LOG2E, _SHIFTER_RAISED)
    k = shifted - _SHIFTER_RAISED
    r = fma(k, -_LN2_LO, fma(k, -_LN2_HI, x))
    return polynomial(r, _EXP) * bits_to_float(shift_left(float_to_bits(shifted), _MANTISSA_BITS))


@primitive
def exp_nonpositive(x):
    """exp(x) for x <= 0, cheaper than `exp`; at most 0.9 ulp."""
    return _exp_raised(x) * _LOWERED


@primitive
def exp(x):
    """exp(x); at most 0.9 ulp."""
    x = select(x < _EXP_LOW, _EXP_LOW, x)
    x = select(x > _EXP_HIGH, _EXP_HIGH, x)
    shifter = select(x < _ZERO, _SHIFTER_RAISED, _SHIFTER_LOWERED)
    shifted = fma(x, _LOG2E, shifter)
    k = shifted - shifter
    r = fma(k, -_LN2_LO, fma(k, -_LN2_HI, x))
    scale = bits_to_float(shift_left(float_to_bits(shifted), _MANTISSA_BITS))
    return polynomial(r, _EXP) * scale * select(x < _ZERO, _LOWERED, _RAISED)


_SHIFTER_HALVED = np.float64(_ROUND + _BIAS - 1)
_EXPM1_LOW = np.float64(-38.0)  # expm1 is -1 below
_TINY = np.float64(2.0**-60)


@primitive
def expm1(x):
    """exp(x) - 1; at most 1.3 ulp."""
    y = select(x < _EXPM1_LOW, _EXPM1_LOW, x)
    y = select(y > _EXP_HIGH, _EXP_HIGH, y)
    # Half of 2**k: 2**1024 itself is no float64.
    shifted = fma(y, _LOG2E, _SHIFTER_HALVED)
    k = shifted - _SHIFTER_HALVED
    scale = bits_to_float(shift_left(float_to_bits(shifted), _MANTISSA_BITS))
    # The low part of the reduction joins the tail: as part of r its rounding would be seen where 2**k - 1
    # cancels half of r.
    high, low = fma(k, -_LN2_HI, y), k * -_LN2_LO
    r = high + low
    tail = fma(r * r, polynomial(r, _EXP_TAIL), low)
    half = fma(scale, tail, fma(scale, high, scale - _HALF))
    return select(fabs(x) < _TINY, x, half + half)


@primitive
def log1p_unit(u):
    """log1p(u) for 0 <= u <= 1; at most 1.0 ulp."""
    # With s = u/(2 + u) it is 2 atanh(s), and 2s = u - s*u. A plain polynomial would take 20 terms here.
    s = u / (_TWO + u)
    z = s * s
    return fma(-s, fma(-z, polynomial(z, _ATANH_UNIT), u), u)


@primitive
def sigmoid(x):
    """1/(1 + exp(-x)); at most 2.1 ulp."""
    u = exp_nonpositive(-fabs(x))
    upper = _ONE / (_ONE + u)
    # u/(1 + u) as u - u*u/(1 + u): that takes less of the error of 1/(1 + u) than a product with it.
    return select(x < _ZERO, fma(-u, u * upper, u), upper)


@primitive
def softplus(x):
    """log(1 + exp(x)); at most 2.0 ulp."""
    return select(x > _ZERO, x, _ZERO) + log1p_unit(exp_nonpositive(-fabs(x)))


_TANH_SMALL = np.float64(0.5625)  # tanh is above 1/2 beyond
_DOUBLED = np.float64(2.0 ** (1 - _RAISE))


@primitive
def _one_minus_tanh_raised(y):
    """2**59 (1 - tanh(y)) for y >= 0; with u = exp(-2y) that is 2u/(1 + u)."""
    raised = _exp_raised(-(y + y))
    return raised / (_ONE + raised * _LOWERED)


@primitive
def tanh(x):
    """tanh(x); at most 1.6 ulp."""
    y = fabs(x)
    z = y * y
    small = fma(y * z, polynomial(z, _TANH), y)
    large = _ONE - _one_minus_tanh_raised(y) * _DOUBLED
    return copysign(select(y < _TANH_SMALL, small, large), x)


@primitive
def sech2(x):
    """1/cosh(x)**2, the derivative of tanh; at most 3.6 ulp."""
    # With t = 1 - |tanh(x)| it is t*(2 - t); t is used before it can be denormal.
    raised = _one_minus_tanh_raised(fabs(x))
    return raised * (_TWO - raised * _DOUBLED) * _DOUBLED


_LOG_COSH_SMALL = np.float64(0.75)


@primitive
def log_cosh(x):
    """log(cosh(x)); at most 2.1 ulp."""
    y = fabs(x)
    small = y * y * polynomial(y * y, _LOG_COSH)
    # y - log(2) is exact in its first part where it cancels.
    large = (y - _LN2_HI) + (log1p_unit(exp_nonpositive(-(y + y))) - _LN2_LO)
    return select(y < _LOG_COSH_SMALL, small, large)


@primitive
def expm1mx(x):
    """exp(x) - 1 - x; at most 2.5 ulp."""
    small = x * x * polynomial(x, _EXPM1MX)
    large = expm1(x) - x
    return select(fabs(x) < _ONE, small, select(x == _INF, _INF, large))


# --- log and what is built from it

_LEAST_NORMAL = np.float64(2.0**-1022)
_TO_NORMAL = np.float64(2.0**54)
_INTEGER_SHIFTER_BITS = 0x4330000000000000  # 2**52: an integer in its low bits is added to it
_MANTISSA_MASK = 0x000FFFFFFFFFFFFF
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_ONE_MINUS_SQRT_HALF_BITS = 0x3FF0000000000000 - 0x3FE6A09E667F3BCD
_GREATEST_EXPONENT = np.float64(_BIAS)
_EXPONENT_OFFSET = np.float64(2.0**52 + _BIAS)
_EXPONENT_OFFSET_DENORMAL = np.float64(2.0**52 + _BIAS + 54)


@primitive
def _exponent(x):
    """Biased e, mantissa m of x = 2**e m, sqrt(1/2) <= m < sqrt(2), for normal x > 0."""
    bits = bits_add(float_to_bits(x), _ONE_MINUS_SQRT_HALF_BITS)
    mantissa = bits_to_float(bits_add(bits_and(bits, _MANTISSA_MASK), _SQRT_HALF_BITS))
    return shift_right(bits, _MANTISSA_BITS), mantissa


@primitive
def _log1pmx_factors(f):
    """Two factors of log1p(f) - f, sqrt(1/2) <= 1 + f <= sqrt(2): the caller's fma takes the product."""
    s = f / (_TWO + f)
    z = s * s
    return -s, fma(-z, polynomial(z, _ATANH), f)


@primitive
def _log_limits(argument, result):
    """`result`, mended where the argument of log is 0, negative, infinite or NaN."""
    result = select(argument < _INF, result, argument)
    return select(argument <= _ZERO, select(argument < _ZERO, _NAN, -_INF), result)


@primitive
def log(x):
    """log(x); at most 1.0 ulp."""
    denormal = x < _LEAST_NORMAL
    biased, mantissa = _exponent(select(denormal, x * _TO_NORMAL, x))
    offset = select(denormal, _EXPONENT_OFFSET_DENORMAL, _EXPONENT_OFFSET)
    e = bits_to_float(bits_add(biased, _INTEGER_SHIFTER_BITS)) - offset
    f = mantissa - _ONE
    a, b = _log1pmx_factors(f)
    return _log_limits(x, fma(e, _LN2_HI, f + fma(a, b, e * _LN2_LO)))


@primitive
def _log1p_reduced(x):
    """1 + x, and e, f, low with 1 + x = 2**e (1 + f) and low = what f was rounded by, plus e*_LN2_LO."""
    u = _ONE + x
    # What the sum rounded off, exactly.
    v = u - _ONE
    lost = (_ONE - (u - v)) + (x - v)
    biased, mantissa = _exponent(u)
    e = bits_to_float(bits_add(biased, _INTEGER_SHIFTER_BITS)) - _EXPONENT_OFFSET
    # 2**-e; where that is denormal, 0 does as well.
    inverse = bits_to_float(shift_left(bits_add(bits_negate(biased), 2 * _BIAS), _MANTISSA_BITS))
    scale = select(e < _GREATEST_EXPONENT, inverse, _ZERO)
    f = fma(lost, scale, mantissa - _ONE)
    low = fma(lost, scale, (mantissa - _ONE) - f)
    return u, e, f, fma(e, _LN2_LO, low)


@primitive
def log1p(x):
    """log(1 + x); at most 1.0 ulp."""
    u, e, f, low = _log1p_reduced(x)
    a, b = _log1pmx_factors(f)
    result = fma(e, _LN2_HI, f + fma(a, b, low))
    return select(fabs(x) < _TINY, x, _log_limits(u, result))


@primitive
def log1pmx(x):
    """log(1 + x) - x; at most 2.9 ulp."""
    u, e, f, low = _log1p_reduced(x)
    a, b = _log1pmx_factors(f)
    # log1p(x) - x = (e log(2) - x + f) + (log1p(f) - f): near x = 0 the first part vanishes exactly.
    result = fma(a, b, (fma(e, _LN2_HI, -x) + f) + low)
    return select(x == _INF, -_INF, _log_limits(u, result))


@primitive
def xlogy(x, y):
    """x*log(y), 0 at x = 0 whatever y but NaN; at most 1.9 ulp."""
    x, y = real(x), real(y)
    return select((x == _ZERO) & (y == y), _ZERO, x * log(y))


# --- real powers

_POWER_LOW, _POWER_HIGH = _constants((-749.0, 720.0))
_ATANH_ABOVE = _ATANH[:-1]
_TWO_THIRDS, _TWO_THIRDS_LOW = _constants((0.6666666666666666, 3.700743415417188e-17))


@primitive
def _log_two_parts(x):
    """log(x) = high + low for x > 0, to about 2**-64 of it: 11 bits more, as y*log(x) goes up to 745."""
    denormal = x < _LEAST_NORMAL
    biased, mantissa = _exponent(select(denormal, x * _TO_NORMAL, x))
    offset = select(denormal, _EXPONENT_OFFSET_DENORMAL, _EXPONENT_OFFSET)
    e = bits_to_float(bits_add(biased, _INTEGER_SHIFTER_BITS)) - offset
    # s = (mantissa - 1)/(mantissa + 1), the remainder of the division in s_low
    f, d = mantissa - _ONE, mantissa + _ONE
    d_low = mantissa - (d - _ONE)
    inverse = _ONE / d
    s = f * inverse
    s_low = fma(-s, d_low, fma(-s, d, f)) * inverse
    z = s * s
    z_low = fma(s + s, s_low, fma(s, s, -z))
    # p = 2/3 + 2/5 z + ..., then log(mantissa) = 2s + s*z*p
    above = z * polynomial(z, _ATANH_ABOVE)
    p = _TWO_THIRDS + above
    p_low = ((_TWO_THIRDS - p) + above) + _TWO_THIRDS_LOW
    t = z * p
    t_low = fma(z, p, -t) + fma(z, p_low, z_low * p)
    w = s * t
    w_low = fma(s, t, -w) + fma(s, t_low, s_low * t)
    twice = s + s
    part = twice + w
    part_low = ((twice - part) + w) + fma(_TWO, s_low, w_low)
    whole = e * _LN2_HI
    high = whole + part
    return high, ((whole - high) + part) + fma(e, _LN2_LO, part_low)


@primitive
def power(x, y):
    """x**y for x >= 0, and for x < 0 where y is an integer (else NaN); at most 1.0 ulp."""
    x, y = real(x), real(y)
    high, low = _log_two_parts(fabs(x))
    product = y * high
    product_low = fma(y, low, fma(y, high, -product))
    product_low = select(fabs(product) < -_POWER_LOW, product_low, _ZERO)
    product = select(product < _POWER_LOW, _POWER_LOW, product)
    product = select(product > _POWER_HIGH, _POWER_HIGH, product)
    shifter = select(product < _ZERO, _SHIFTER_RAISED, _SHIFTER_LOWERED)
    shifted = fma(product, _LOG2E, shifter)
    k = shifted - shifter
    high, low = fma(k, -_LN2_HI, product), fma(k, -_LN2_LO, product_low)
    r = high + low
    tail = fma(r * r, polynomial(r, _EXP_TAIL), low)
    scale = bits_to_float(shift_left(float_to_bits(shifted), _MANTISSA_BITS))
    result = (_ONE + (high + tail)) * scale * select(product < _ZERO, _LOWERED, _RAISED)
    return _power_limits(x, y, result)


@primitive
def _power_limits(x, y, result):
    """`result` = |x|**y, mended for the sign of x and where an argument is 0, 1, infinite or NaN."""
    magnitude = fabs(x)
    # 0**y and inf**y are 0 or inf, by the sign of y.
    vanishes = (magnitude == _ZERO) == (y > _ZERO)
    result = select((magnitude == _ZERO) | (magnitude == _INF), select(vanishes, _ZERO, _INF), result)
    result = select((magnitude == _ONE) | (y == _ZERO), _ONE, result)
    half = y * _HALF
    odd = (rint(y) == y) & (rint(half) != half)
    signed = select(odd, copysign(result, x), result)
    finite = (x < _ZERO) & (rint(y) != y) & (x != -_INF)
    signed = select(finite, _NAN, signed)
    return select((x == x) & (y == y), signed, x + y)


# --- the rest


@primitive
def real(x):
    """x as float64."""
    return np.float64(x)


@primitive
def sqrt(x):
    """The square root, correctly rounded (0.5 ulp); NaN below 0."""
    return square_root(x)


@primitive
def absolute(x):
    """|x|, exact."""
    return fabs(x)


@primitive
def sign(x):
    """-1, 0 or 1, exact; NaN at NaN."""
    return select(x > _ZERO, _ONE, select(x < _ZERO, -_ONE, x))


@primitive
def minimum(a, b):
    """The smaller, exact; NaN if either is."""
    a, b = real(a), real(b)
    return select((a < b) | (a != a), a, b)


@primitive
def maximum(a, b):
    """The larger, exact; NaN if either is."""
    a, b = real(a), real(b)
    return select((a > b) | (a != a), a, b)


@primitive
def where(condition, a, b):
    """a where the condition holds, else b; both are evaluated."""
    return select(condition, real(a), real(b))

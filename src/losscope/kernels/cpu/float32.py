"""The primitives of generated kernels in float32: branchless scalar functions that vectorise in a loop.

Every function is inlined into its caller by LLVM (`forceinline`), under its own floating point flags: none,
so that error-free steps stay error-free whatever flags the caller compiles with. Each reduces its argument,
runs a short polynomial (`coefficients.py` prints them) and mends the special cases with selects; no tables,
no calls. Arguments are float32 (`real(...)` makes them); where two must agree, another dtype is an error or
cast, never a promotion.

The stated errors bound the largest found, in units in the last place (ulp) of the true value, a denormal one
in denormal units: over every 12th float32 with 2**-26 < |x| < 128, and the sweep of all exponents in
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
    return tuple(np.float32(value) for value in values)


_ZERO, _HALF, _ONE, _TWO = _constants((0.0, 0.5, 1.0, 2.0))
_INF, _NAN = _constants((np.inf, np.nan))
_LOG2E = np.float32(1.4426950408889634)
# log(2) in two parts; the first has 9 bits, so that k*_LN2_HI and x - k*_LN2_HI are exact.
_LN2_HI, _LN2_LO = _constants((0.693359375, -0.00021219444170128554))

# x + _ROUND is x rounded to an integer, which then stands in the low bits of the sum, ready to be shifted
# into an exponent: no conversion to int. An offset added to it is added to that exponent.
_ROUND = 12582912.0  # 1.5 * 2**23
_MANTISSA_BITS = 23
_BIAS = 127

# (exp(r) - 1 - r)/r**2 for |r| <= log(2)/2
_EXP_TAIL = _constants(
    (
        0.0013863780768588185,
        0.00836748257279396,
        0.041667237877845764,
        0.16666534543037415,
        0.5,
    )
)
_EXP = (*_EXP_TAIL, _ONE, _ONE)
# the same for |x| <= 1
_EXPM1MX = _constants(
    (
        2.817530685206293e-06,
        2.5336486942251213e-05,
        0.0001983619440579787,
        0.0013885777443647385,
        0.008333348669111729,
        0.04166671633720398,
        0.1666666716337204,
        0.5,
    )
)
# (log1p(u) - u)/u**2 for 0 <= u <= 1
_LOG1P_UNIT = _constants(
    (
        -0.003677468979731202,
        0.02187543362379074,
        -0.06092149764299393,
        0.11025132238864899,
        -0.155695378780365,
        0.1977432370185852,
        -0.2497509866952896,
        0.3333224952220917,
        -0.5,
    )
)
# the same for sqrt(1/2) - 1 <= f <= sqrt(2) - 1
_LOG_TAIL = _constants(
    (
        -0.08082127571105957,
        0.12867441773414612,
        -0.13042005896568298,
        0.14180804789066315,
        -0.16633513569831848,
        0.20002363622188568,
        -0.25000545382499695,
        0.33333316445350647,
        -0.5,
    )
)
# (tanh(x)/x - 1)/x**2 at x**2 <= 81/256
_TANH = _constants(
    (
        -0.006588049232959747,
        0.021306438371539116,
        -0.053911518305540085,
        0.1333315372467041,
        -0.3333333432674408,
    )
)
# log(cosh(x))/x**2 at x**2 <= 9/16
_LOG_COSH = _constants(
    (
        -0.0004345691413618624,
        0.002021454507485032,
        -0.00670265406370163,
        0.022217145189642906,
        -0.08333314210176468,
        0.5,
    )
)


# --- exp and what is built from it

# 2**k of a result is made in two factors, 2**(k + 30) and 2**-30, as float32 has no exponent for k < -126:
# the product with the first is exact, and the second rounds once, into the denormal range too.
_RAISE = 30
_SHIFTER_RAISED = np.float32(_ROUND + _BIAS + _RAISE)
_SHIFTER_LOWERED = np.float32(_ROUND + _BIAS - _RAISE)
_RAISED, _LOWERED = _constants((2.0**_RAISE, 2.0**-_RAISE))
_EXP_LOW, _EXP_HIGH = _constants((-107.0, 89.0))  # exp is 0 below (4 exp, too), inf above


@primitive
def _exp_raised(x):
    """2**30 exp(x) for x <= 0."""
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


_SHIFTER_HALVED = np.float32(_ROUND + _BIAS - 1)
_EXPM1_LOW = np.float32(-20.0)  # expm1 is -1 below
_TINY = np.float32(2.0**-40)


@primitive
def expm1(x):
    """exp(x) - 1; at most 1.3 ulp."""
    y = select(x < _EXPM1_LOW, _EXPM1_LOW, x)
    y = select(y > _EXP_HIGH, _EXP_HIGH, y)
    # Half of 2**k: 2**128 itself is no float32.
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
    """log1p(u) for 0 <= u <= 1; at most 1.6 ulp."""
    return fma(u * u, polynomial(u, _LOG1P_UNIT), u)


@primitive
def sigmoid(x):
    """1/(1 + exp(-x)); at most 2.1 ulp."""
    u = exp_nonpositive(-fabs(x))
    upper = _ONE / (_ONE + u)
    # u/(1 + u) as u - u*u/(1 + u): that takes less of the error of 1/(1 + u) than a product with it.
    return select(x < _ZERO, fma(-u, u * upper, u), upper)


@primitive
def softplus(x):
    """log(1 + exp(x)); at most 2.2 ulp."""
    return select(x > _ZERO, x, _ZERO) + log1p_unit(exp_nonpositive(-fabs(x)))


_TANH_SMALL = np.float32(0.5625)  # tanh is above 1/2 beyond
_DOUBLED = np.float32(2.0 ** (1 - _RAISE))


@primitive
def _one_minus_tanh_raised(y):
    """2**29 (1 - tanh(y)) for y >= 0; with u = exp(-2y) that is 2u/(1 + u)."""
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
    """1/cosh(x)**2, the derivative of tanh; at most 3.5 ulp."""
    # With t = 1 - |tanh(x)| it is t*(2 - t); t is used before it can be denormal.
    raised = _one_minus_tanh_raised(fabs(x))
    return raised * (_TWO - raised * _DOUBLED) * _DOUBLED


_LOG_COSH_SMALL = np.float32(0.75)


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

_LEAST_NORMAL = np.float32(2.0**-126)
_TO_NORMAL = np.float32(2.0**24)
_INTEGER_SHIFTER_BITS = 0x4B000000  # 2**23: an integer in its low bits is added to it
_MANTISSA_MASK = 0x007FFFFF
_SQRT_HALF_BITS = 0x3F3504F3
_ONE_MINUS_SQRT_HALF_BITS = 0x3F800000 - 0x3F3504F3
_GREATEST_EXPONENT = np.float32(_BIAS)
_EXPONENT_OFFSET = np.float32(2.0**23 + _BIAS)
_EXPONENT_OFFSET_DENORMAL = np.float32(2.0**23 + _BIAS + 24)


@primitive
def _exponent(x):
    """Biased e, mantissa m of x = 2**e m, sqrt(1/2) <= m < sqrt(2), for normal x > 0."""
    bits = bits_add(float_to_bits(x), _ONE_MINUS_SQRT_HALF_BITS)
    mantissa = bits_to_float(bits_add(bits_and(bits, _MANTISSA_MASK), _SQRT_HALF_BITS))
    return shift_right(bits, _MANTISSA_BITS), mantissa


@primitive
def _log1pmx_factors(f):
    """Two factors of log1p(f) - f, sqrt(1/2) <= 1 + f <= sqrt(2): the caller's fma takes the product."""
    return f * f, polynomial(f, _LOG_TAIL)


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
    """log(1 + x); at most 1.1 ulp."""
    u, e, f, low = _log1p_reduced(x)
    a, b = _log1pmx_factors(f)
    result = fma(e, _LN2_HI, f + fma(a, b, low))
    return select(fabs(x) < _TINY, x, _log_limits(u, result))


@primitive
def log1pmx(x):
    """log(1 + x) - x; at most 3.5 ulp."""
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

# In float64: y*log2(x) needs 8 bits more than float32 holds, and emulating them costs more than the lanes.
_LOG2E_64 = 1.4426950408889634
_LN2_64 = 0.6931471805599453
_ROUND_64 = 6755399441055744.0 + 1023  # 1.5 * 2**52, and the bias of the exponent
_OFFSET_64 = 4503599627370496.0 + 1023
_ATANH_64 = (
    0.23287355123273296,
    0.28553024318717196,
    0.4000008993083612,
    0.6666666666666666,
)
_EXP_64 = (*(float(c) for c in _EXP_TAIL), 1.0, 1.0)


@primitive
def power(x, y):
    """x**y for x >= 0, and for x < 0 where y is an integer (else NaN); at most 0.6 ulp."""
    x, y = real(x), real(y)
    wide, exponent = np.float64(fabs(x)), np.float64(y)
    bits = bits_add(float_to_bits(wide), 0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
    mantissa = bits_to_float(bits_add(bits_and(bits, 0x000FFFFFFFFFFFFF), 0x3FE6A09E667F3BCD))
    e = bits_to_float(bits_add(shift_right(bits, 52), 0x4330000000000000)) - _OFFSET_64
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    # log2(|x|) = e + (2s + s**3 P(s**2))/log(2)
    product = exponent * fma(fma(s * z, polynomial(z, _ATANH_64), s + s), _LOG2E_64, e)
    product = select(product < -200.0, -200.0, product)
    product = select(product > 200.0, 200.0, product)
    shifted = product + _ROUND_64
    r = (product - (shifted - _ROUND_64)) * _LN2_64
    scale = bits_to_float(shift_left(float_to_bits(shifted), 52))
    result = np.float32(polynomial(r, _EXP_64) * scale)
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
    """x as float32."""
    return np.float32(x)


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

"""exp and what is built from it: branchless, for float32 and float64, in lanes or one number.

Each reduces its argument, runs a short polynomial and mends the special cases with selections: no tables, no calls. The
stated errors bound the largest found, in units in the last place (ulp) of the true value, a denormal one in denormal units
(float32, float64 where two are given): over every 12th float32 with 2**-26 < |x| < 128, some 10**7 random float64 where the
functions bend, and the sweep of all exponents in `tests/test_primitives.py`, which holds them to it.
"""

from __future__ import annotations

import math
from typing import Any

from losscope.engine.lanes import Lanes, bits, fma, from_bits, magnitude, where, with_sign_of
from losscope.kernels.primitives.primitive import polynomial, primitive
from losscope.kernels.primitives.tables import table

LOG2E = 1 / math.log(2)
_TANH_SMALL = 0.5625  # tanh is above 1/2 beyond


def _reduced(x: Lanes, shifter: Any) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """x = k log(2) + high + low: 2**(k + offset), k, high and low, for a shifter of `round` + the offset."""
    t = table(x)
    shifted = fma(x, LOG2E, shifter)
    k = shifted - shifter
    power = from_bits(bits(shifted) << t.mantissa_bits)
    return power, k, fma(k, -t.ln2[0], x), k * -t.ln2[1]


def exp_raised(x: Lanes) -> Lanes:
    """exp(x) for x <= 0, times the power of two by which its dtype raises results."""
    t = table(x)
    x = where(x < t.exp_range[0], t.exp_range[0], x)
    power, k, high, _ = _reduced(x, t.round + t.bias + t.raised)
    return polynomial(fma(k, -t.ln2[1], high), t.exp) * power


@primitive
def exp_nonpositive(x: Lanes) -> Lanes:
    """exp(x) for x <= 0, cheaper than `exp`; at most 0.9 ulp."""
    return exp_raised(x) * 2.0 ** -table(x).raised


@primitive
def exp(x: Lanes) -> Lanes:
    """exp(x); at most 0.9 ulp."""
    t = table(x)
    low, high = t.exp_range
    x = where(x < low, low, x)
    x = where(x > high, high, x)
    down = x < 0.0
    shifter = where(down, x.constant(t.round + t.bias + t.raised), t.round + t.bias - t.raised)
    power, k, reduced, _ = _reduced(x, shifter)
    r = fma(k, -t.ln2[1], reduced)
    return polynomial(r, t.exp) * power * where(down, x.constant(2.0**-t.raised), 2.0**t.raised)


@primitive
def expm1(x: Lanes) -> Lanes:
    """exp(x) - 1; at most 1.3 ulp."""
    t = table(x)
    y = where(x < t.expm1_low, t.expm1_low, x)
    y = where(y > t.exp_range[1], t.exp_range[1], y)
    # Half of 2**k: 2**(bias + 1) itself is no float.
    power, _, high, low = _reduced(y, t.round + t.bias - 1)
    # The low part of the reduction joins the tail: as part of r its rounding would be seen where 2**k - 1
    # cancels half of r.
    r = high + low
    tail = fma(r * r, polynomial(r, t.exp_tail), low)
    half = fma(power, tail, fma(power, high, power - 0.5))
    return where(magnitude(x) < t.tiny, x, half + half)


@primitive
def expm1mx(x: Lanes) -> Lanes:
    """exp(x) - 1 - x; at most 2.5 ulp."""
    small = x * x * polynomial(x, table(x).expm1mx)
    large = expm1(x) - x
    return where(magnitude(x) < 1.0, small, where(x == math.inf, math.inf, large))


@primitive
def sigmoid(x: Lanes) -> Lanes:
    """1/(1 + exp(-x)); at most 2.1 ulp."""
    u = exp_nonpositive(-magnitude(x))
    upper = 1.0 / (1.0 + u)
    # u/(1 + u) as u - u*u/(1 + u): that takes less of the error of 1/(1 + u) than a product with it.
    return where(x < 0.0, fma(-u, u * upper, u), upper)


def _one_minus_tanh_raised(y: Lanes) -> Lanes:
    """1 - tanh(y) for y >= 0, raised and halved; with u = exp(-2y) it is 2u/(1 + u)."""
    raised = exp_raised(-(y + y))
    return raised / (1.0 + raised * 2.0 ** -table(y).raised)


@primitive
def tanh(x: Lanes) -> Lanes:
    """tanh(x); at most 1.6 ulp."""
    y = magnitude(x)
    z = y * y
    small = fma(y * z, polynomial(z, table(x).tanh), y)
    large = 1.0 - _one_minus_tanh_raised(y) * 2.0 ** (1 - table(x).raised)
    return with_sign_of(where(y < _TANH_SMALL, small, large), x)


@primitive
def sech2(x: Lanes) -> Lanes:
    """1/cosh(x)**2, the derivative of tanh; at most 3.6 ulp."""
    # With t = 1 - |tanh(x)| it is t*(2 - t); t is used before it can be denormal.
    raised, doubled = _one_minus_tanh_raised(magnitude(x)), 2.0 ** (1 - table(x).raised)
    return raised * (2.0 - raised * doubled) * doubled

"""Primitives of an instruction or two, and those composed of others."""

from __future__ import annotations

from losscope.engine.lanes import Lanes, fma, magnitude, square_root, where
from losscope.kernels.primitives.exponential import exp_nonpositive
from losscope.kernels.primitives.logarithm import log1p_unit
from losscope.kernels.primitives.primitive import primitive

_LARGE = 2.0**56  # beyond, even of |x| - 1 the 1 is lost, and x**2 may overflow


def real(x: float) -> float:
    """A number of a formula. It is rounded where it meets lanes: what is made of numbers alone is made in double precision."""
    return x


@primitive
def sqrt(x: Lanes) -> Lanes:
    """The square root, correctly rounded (0.5 ulp); NaN below 0."""
    return square_root(x)


@primitive
def abs(x: Lanes) -> Lanes:
    """|x|, exact."""
    return magnitude(x)


@primitive
def sign(x: Lanes) -> Lanes:
    """-1, 0 or 1, exact; NaN at NaN."""
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x))


@primitive
def minimum(a: Lanes, b: Lanes) -> Lanes:
    """The smaller, exact; NaN if either is."""
    return where((a < b) | (a != a), a, b)


@primitive
def maximum(a: Lanes, b: Lanes) -> Lanes:
    """The larger, exact; NaN if either is."""
    return where((a > b) | (a != a), a, b)


@primitive
def unless_nan(x: Lanes, result: Lanes) -> Lanes:
    """The result, or NaN where x is."""
    return where(x == x, result, x)


@primitive
def xdivy(x: Lanes, y: Lanes) -> Lanes:
    """x / y, 0 at x = 0 whatever y but NaN; 0.5 ulp."""
    return where((x == 0.0) & (y == y), 0.0, x / y)


@primitive
def xmuly(x: Lanes, y: Lanes) -> Lanes:
    """x y, 0 at x = 0 whatever y but NaN; 0.5 ulp."""
    return where((x == 0.0) & (y == y), 0.0, x * y)


@primitive
def cos_arctan(x: Lanes) -> Lanes:
    """1 / sqrt(1 + x^2); at most 2 ulp."""
    return where(magnitude(x) > _LARGE, 1.0 / magnitude(x), 1.0 / square_root(fma(x, x, 1.0)))


@primitive
def sin_arctan(x: Lanes) -> Lanes:
    """x / sqrt(1 + x^2); at most 2 ulp."""
    return where(magnitude(x) > _LARGE, sign(x), x / square_root(fma(x, x, 1.0)))


@primitive
def sqrt1px2m1(x: Lanes) -> Lanes:
    """sqrt(1 + x^2) - 1, as x^2 / (1 + sqrt(1 + x^2)); at most 3 ulp."""
    return where(magnitude(x) > _LARGE, magnitude(x), x * (x / (1.0 + square_root(fma(x, x, 1.0)))))


@primitive
def two_sided_softplus(x: Lanes, a: Lanes, b: Lanes, both: Lanes) -> Lanes:
    """a softplus(x) + b softplus(-x), where `both` is a + b; at most 4.5 ulp of the larger term. 0 times infinity is 0: at an
    infinite x, a term without a share is not there."""
    u = exp_nonpositive(-magnitude(x))
    side = where(x > 0.0, a, -b)
    return fma(both, log1p_unit(u), xmuly(side, x))


@primitive
def two_sided_sigmoid(x: Lanes, a: Lanes, b: Lanes) -> Lanes:
    """a sigmoid(x) - b sigmoid(-x); at most 3.5 ulp of the larger term."""
    u = exp_nonpositive(-magnitude(x))
    up = x > 0.0
    return fma(where(up, -b, a), u, where(up, a, -b)) / (1.0 + u)

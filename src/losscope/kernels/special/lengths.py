"""Lengths, whose squares do not overflow, and the parts of a vector brought to length 1."""


def _finite(x):
    """Whether x is neither infinite nor NaN."""
    return x - x == real(0)


def hypot(a, b):
    """sqrt(a^2 + b^2) without the squares' overflow: the larger side, and what the other adds; 1.5 ulp."""
    x, y = absolute(a), absolute(b)
    large, small = maximum(x, y), minimum(x, y)
    ratio = small / where(large > real(0), large, real(1))
    more = small * (ratio / (real(1) + sqrt(real(1) + ratio * ratio)))
    return where(_finite(large), large + more, large)


def unit(a, b):
    """a / hypot(a, b), 0 at (0, 0); 2 ulp."""
    length = hypot(a, b)
    return where(
        (length > real(0)) & _finite(a), a / where(length > real(0), length, real(1)), sign(a + real(0) * b)
    )


def log1px2(x):
    """log(1 + x^2); 3 ulp. Beyond 1e9, twice log(x)."""
    a = absolute(x)
    far = a > real(1e9)
    return where(far, real(2) * log(where(far, a, real(1))), log1p(where(far, real(0), a * a)))

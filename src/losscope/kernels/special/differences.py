"""Small differences: what is left of a power of 1 + x or of 1 + x^2 when 1 is taken away."""


def pow1pm1(x, q):
    """(1 + x)^q - 1; 4 ulp, times q x/(1 + x) where that is large."""
    t = q * log1p(x)
    near = (absolute(t) < real(0.5)) | ((x > real(-1)) & (x < real(1)))
    return where(near, expm1(where(near, t, real(0))), power(real(1) + x, q) - real(1))


def pow1px2m1(x, q):
    """(1 + x^2)^q - 1; 5 ulp, times 2q where that is large."""
    a = absolute(x)
    t = where(a < real(1e-9), (q * x) * x, q * log1px2(x))  # x^2 may be nothing where q x^2 is not
    near = (absolute(t) < real(0.5)) | (a < real(1))
    return where(near, expm1(where(near, t, real(0))), power(hypot(real(1), x), real(2) * q) - real(1))

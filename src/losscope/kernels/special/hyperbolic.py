"""Hyperbolic functions, and their inverses."""


def sinh(x):
    """The hyperbolic sine; 4 ulp. Far out it is made of two factors, each of which is finite as long as it is."""
    a = absolute(x)
    far = a > real(20)
    t = expm1(where(far, real(0), a))
    half = exp(real(0.5) * where(far, a, real(0)))
    size = where(far, (real(0.5) * half) * half, real(0.5) * (t + t / (real(1) + t)))
    return where(x < real(0), -size, size)


def cosh(x):
    """The hyperbolic cosine; 4 ulp."""
    a = absolute(x)
    far = a > real(20)
    t = exp(where(far, real(0), a))
    half = exp(real(0.5) * where(far, a, real(0)))
    return where(far, (real(0.5) * half) * half, real(0.5) * (t + real(1) / t))


def asinh(x):
    """log(x + sqrt(1 + x^2)); 3 ulp. Beyond 1e9, log(2x)."""
    a = absolute(x)
    far = a > real(1e9)
    w = where(far, real(0), a * a)
    near = log1p(where(far, real(0), a) + w / (real(1) + sqrt(real(1) + w)))
    size = where(far, log(where(far, a, real(1))) + real(0.6931471805599453), near)
    return where(x < real(0), -size, size)


def acosh(x):
    """log(x + sqrt(x^2 - 1)) for x >= 1; 3 ulp."""
    far = x > real(1e9)
    t = where(far, real(0), x) - real(1)
    under = where(t < real(0), real(-1), t * (t + real(2)))  # below -1 that is more than 0 again
    near = log1p(t + sqrt(where(far, real(0), under)))
    return where(far, log(where(far, x, real(1))) + real(0.6931471805599453), near)

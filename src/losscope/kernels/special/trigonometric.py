"""Trigonometric functions."""


def atan(x):
    """The angle whose tangent is x; 2 ulp. Beyond tan(3 pi/8) it is pi/2 less that of 1/x, beyond tan(pi/8) pi/4 more
    than that of (x - 1)/(x + 1)."""
    a = absolute(x)
    high, middle = a > real(2.414213562373095), a > real(0.41421356237309503)
    z = where(
        high, real(-1) / where(high, a, real(1)), where(middle & _finite(a), (a - real(1)) / (a + real(1)), a)
    )
    z = where(_finite(a), z, real(0))
    w = z * z
    # (atan(z)/z - 1)/z^2 at w
    tail = polynomial(
        w,
        (
            real(-0.01400639191372685),
            real(0.030728518668529544),
            real(-0.041087260348377855),
            real(0.04720538983458015),
            real(-0.05258236100444826),
            real(0.05881947268873069),
            real(-0.0666664369892416),
            real(0.07692306821495752),
            real(-0.09090909069829932),
            real(0.1111111111081154),
            real(-0.14285714285712148),
            real(0.19999999999999996),
            real(-0.3333333333333333),
        ),
    )
    base = where(high, real(1.5707963267948966), where(middle, real(0.7853981633974483), real(0)))
    size = base + (z + z * (w * tail))
    return where(x < real(0), -size, where(x == x, size, x))


def _quarter_turns(x):
    """k, a whole number, and x - k pi/2 within about pi/4. Of the five parts of pi/2 the first have so few digits that k
    times each is exact: to k = 8,192 in float32, 2^20 in float64. Beyond, rounding is less than a last place of x."""
    k = nearest(x * real(0.6366197723675814))
    rest = (x - k * real(1.5703125)) - k * real(0.0004837512969970703)
    rest = (rest - k * real(7.549533620476723e-08)) - k * real(2.5633441512663184e-12)
    rest = rest - k * real(3.2820035428735005e-22)
    # Beyond what is a whole number apart an angle means nothing, but stays an angle.
    return k, minimum(maximum(rest, real(-0.8)), real(0.8))


def _sine_of(k, rest):
    """sin(rest + k pi/2)."""
    k = k - real(4) * nearest(k * real(0.25))
    w = rest * rest
    # (sin(x)/x - 1)/x^2 and (cos(x) - 1 + x^2/2)/x^4 at w
    sine = rest + rest * (
        w
        * polynomial(
            w,
            (
                real(-7.587461557288627e-13),
                real(1.6058546871442654e-10),
                real(-2.505210634925576e-08),
                real(2.7557319219767097e-06),
                real(-0.00019841269841265822),
                real(0.008333333333333331),
                real(-0.16666666666666666),
            ),
        )
    )
    cosine = (real(1) - real(0.5) * w) + w * (
        w
        * polynomial(
            w,
            (
                real(4.7462966657469675e-14),
                real(-1.1470469363036155e-11),
                real(2.0876755855991084e-09),
                real(-2.755731922164064e-07),
                real(2.480158730158507e-05),
                real(-0.0013888888888888887),
                real(0.041666666666666664),
            ),
        )
    )
    odd = (k == real(1)) | (k == real(-1))
    size = where(odd, cosine, sine)
    return where((k == real(2)) | (k == real(-2)) | (k == real(-1)), -size, size)


def sin(x):
    """Sine; 2 ulp up to 10,000 in float32 and a million in float64, and further on times x/tan(x)."""
    k, rest = _quarter_turns(x)
    return _sine_of(k, rest)


def cos(x):
    """Cosine; 2 ulp up to 10,000 in float32 and a million in float64, and further on times x tan(x)."""
    k, rest = _quarter_turns(x)
    return _sine_of(k + real(1), rest)

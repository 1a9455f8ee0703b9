"""Primitives made of others by arithmetic alone, once for every dtype and every target: `over` gives them over the words
of a namespace (`real`, `where`, `log`, `polynomial`, `nearest` ...), be it NumPy's, torch's or that of lanes.

The coefficients are minimax fits (Remez exchange at 60 digits) of the quotient that each comment names, good to a
float64; float32 takes the same.
"""

from types import FunctionType


def over(namespace):
    """These functions added to a namespace which has none of its own by their names, each in that namespace's words."""
    for each in written():
        there = FunctionType(each.__code__, namespace, each.__name__)
        there.__doc__ = each.__doc__
        namespace.setdefault(each.__name__, there)
    return namespace


def written():
    """The functions of this file, in its order; those with a leading underscore are parts of others."""
    here = [
        each for each in globals().values() if isinstance(each, FunctionType) and each.__module__ == __name__
    ]
    return [each for each in here if each not in (over, written)]


def _finite(x):
    """Whether x is neither infinite nor NaN."""
    return x - x == real(0)


def hypot(a, b):
    """sqrt(a^2 + b^2) without the squares' overflow; 2 ulp."""
    x, y = absolute(a), absolute(b)
    large = maximum(x, y)
    ratio = minimum(x, y) / where(large > real(0), large, real(1))
    return where(_finite(large), large * sqrt(real(1) + ratio * ratio), large)


def unit(a, b):
    """a / hypot(a, b), 0 at (0, 0); 3 ulp."""
    length = hypot(a, b)
    return where(
        (length > real(0)) & _finite(a), a / where(length > real(0), length, real(1)), sign(a + real(0) * b)
    )


def log1px2(x):
    """log(1 + x^2); 3 ulp. Beyond 1e9, twice log(x)."""
    a = absolute(x)
    far = a > real(1e9)
    return where(far, real(2) * log(where(far, a, real(1))), log1p(where(far, real(0), a * a)))


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
    near = log1p(t + sqrt(where(far, real(0), t * (t + real(2)))))
    return where(far, log(where(far, x, real(1))) + real(0.6931471805599453), near)


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
    """k, a whole number, and x - k pi/2 within about pi/4. Its rounding is that of a last place of x."""
    k = nearest(x * real(0.6366197723675814))
    rest = x - k * real(1.5707963267948966)
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
    """Sine; 2 ulp, times x/tan(x) where that is large."""
    k, rest = _quarter_turns(x)
    return _sine_of(k, rest)


def cos(x):
    """Cosine; 2 ulp, times x tan(x) where that is large."""
    k, rest = _quarter_turns(x)
    return _sine_of(k + real(1), rest)


def _erfc_above(x):
    """erfc(x) for x >= 1/2, of (1 + 2x) exp(x^2) erfc(x), which is flat; 4 ulp, times x^2."""
    t = real(1) - real(7.5) / (x + real(3.75))
    flat = polynomial(
        t,
        (
            real(-2.749880125694475e-09),
            real(2.4727873464071866e-08),
            real(2.1939725686167965e-08),
            real(-2.407750036864499e-07),
            real(-5.629065256852186e-08),
            real(1.7383575974747444e-06),
            real(-9.739008458094405e-07),
            real(-1.143799581303619e-05),
            real(2.23842795300358e-05),
            real(5.164727606719369e-05),
            real(-0.0002901540637230701),
            real(0.00029371400868939365),
            real(0.0017556258448786167),
            real(-0.009746579597456605),
            real(0.028362277420397233),
            real(-0.058693398587094985),
            real(0.09230432116025347),
            real(-0.10880393014182589),
            real(0.08227673849014981),
            real(0.0035854154854650924),
            real(-0.14024059858554702),
            real(1.2375126308378275),
        ),
    )
    return exp(-(x * x)) * (flat / (real(1) + real(2) * x))


def erf(x):
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x; 3 ulp."""
    a = absolute(x)
    w = where(a < real(0.75), a * a, real(0))
    # erf(x)/x at w
    near = a * polynomial(
        w,
        (
            real(-9.515528289917168e-10),
            real(1.4417945992807107e-08),
            real(-1.633379543558188e-07),
            real(1.6460428063629488e-06),
            real(-1.4925591611407995e-05),
            real(0.00012055331617259865),
            real(-0.0008548327002655409),
            real(0.00522397762524271),
            real(-0.026866170645120126),
            real(0.11283791670955094),
            real(-0.37612638903183754),
            real(1.1283791670955126),
        ),
    )
    size = where(a < real(0.75), near, real(1) - _erfc_above(maximum(a, real(0.5))))
    return where(x < real(0), -size, where(x == x, size, x))


def erfc(x):
    """1 - erf(x); 5 ulp, times x^2 for x above 1."""
    above = _erfc_above(maximum(x, real(0.5)))
    return where(x > real(0.5), above, real(1) - erf(where(x > real(0.5), real(0), x)))


# Longer than others by its coefficients, which stand where they are used.
def lgamma(x):
    """log(Gamma(x)) for x > 0 (NaN below); 8 ulp of x digamma(x), or 3. From 1 to 3 it is (x - 1)(x - 2) times a
    polynomial; below and above that is reached by Gamma(x + 1) = x Gamma(x); from 10 on it is Stirling's series."""
    low, far = x < real(1), x >= real(10)
    z, product = where(low, x + real(1), where(far, real(2), x)), where(low, x, real(1))
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    product, z = where(z >= real(3), product * (z - real(1)), product), where(z >= real(3), z - real(1), z)
    t = z - real(2)
    # log(Gamma(2 + t))/(t (1 + t))
    near = t * (
        (t + real(1))
        * polynomial(
            t,
            (
                real(-2.3521572601302734e-10),
                real(4.225262803226871e-10),
                real(8.85814788094329e-10),
                real(-1.3753764568807764e-09),
                real(-3.0693911390914604e-09),
                real(4.88056166999446e-09),
                real(1.6954358828773897e-09),
                real(-6.693876724018695e-10),
                real(-1.4249022889024962e-08),
                real(2.6132335132011934e-08),
                real(-4.026490903684635e-08),
                real(8.756018302853887e-08),
                real(-1.9342146376587092e-07),
                real(4.0550112815156383e-07),
                real(-8.522653561746242e-07),
                real(1.8074870230076952e-06),
                real(-3.847518336235463e-06),
                real(8.222338978041122e-06),
                real(-1.7661638206045607e-05),
                real(3.816886466051978e-05),
                real(-8.309513133758831e-05),
                real(0.00018255264171074327),
                real(-0.00040570739709231904),
                real(0.0009153769220847587),
                real(-0.0021081308339750576),
                real(0.004998641164702648),
                real(-0.012384192193370874),
                real(0.03296500062115577),
                real(-0.10031730167435392),
                real(0.42278433509846713),
            ),
        )
    )
    near = where(low, near - log(product), near + log(product))
    y = where(far, x, real(10))
    w = real(1) / (y * y)
    series = polynomial(
        w,
        (
            real(0.17964437236883057),
            real(-0.029550653594771242),
            real(0.00641025641025641),
            real(-0.0019175269175269176),
            real(0.0008417508417508417),
            real(-0.0005952380952380953),
            real(0.0007936507936507937),
            real(-0.002777777777777778),
            real(0.08333333333333333),
        ),
    )
    stirling = (y - real(0.5)) * (log(y) - real(1)) + (real(0.4189385332046727) + series / y)
    return where(far, stirling, near)


def digamma(x):
    """The slope of lgamma for x > 0 (NaN below); 8 ulp of x polygamma1(x), or 3. Up to 10 by psi(x) = psi(x + 1) - 1/x."""
    z, sum_ = x, real(0)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / z, sum_), where(z < real(10), z + real(1), z)
    w = real(1) / (z * z)
    series = polynomial(
        w,
        (
            real(3.0539543302701198),
            real(-0.4432598039215686),
            real(0.08333333333333333),
            real(-0.021092796092796094),
            real(0.007575757575757576),
            real(-0.004166666666666667),
            real(0.003968253968253968),
            real(-0.008333333333333333),
            real(0.08333333333333333),
        ),
    )
    return log(z) - (real(0.5) / z + w * series) - sum_ + where(x < real(0), sqrt(x), real(0))


def polygamma1(x):
    """The slope of digamma for x > 0 (NaN below); 5 ulp."""
    z, sum_ = x, real(0)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(1) / (z * z), sum_), where(z < real(10), z + real(1), z)
    w = real(1) / (z * z)
    series = polynomial(
        w,
        (
            real(54.971177944862156),
            real(-7.092156862745098),
            real(1.1666666666666667),
            real(-0.2531135531135531),
            real(0.07575757575757576),
            real(-0.03333333333333333),
            real(0.023809523809523808),
            real(-0.03333333333333333),
            real(0.16666666666666666),
        ),
    )
    return (real(1) / z + (real(0.5) * w + (w / z) * series)) + sum_ + where(x < real(0), sqrt(x), real(0))


def polygamma2(x):
    """The slope of trigamma for x > 0 (NaN below); 6 ulp."""
    z, sum_ = x, real(0)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    sum_, z = where(z < real(10), sum_ + real(2) / (z * z * z), sum_), where(z < real(10), z + real(1), z)
    w = real(1) / (z * z)
    series = polynomial(
        w,
        (
            real(1044.452380952381),
            real(-120.56666666666666),
            real(17.5),
            real(-3.2904761904761903),
            real(0.8333333333333334),
            real(-0.3),
            real(0.16666666666666666),
            real(-0.16666666666666666),
            real(0.5),
        ),
    )
    return -(w + (w / z + (w * w) * series)) - sum_ + where(x < real(0), sqrt(x), real(0))

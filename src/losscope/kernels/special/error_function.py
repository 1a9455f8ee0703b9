"""The error function, what it lacks of 1, and the logarithm of the normal distribution function with its slopes."""


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


def _excess_below(s):
    """mills(x) + x at x = -s, s >= 0, of (1.25 + s) times it, which is flat."""
    t = real(1) - real(8) / (s + real(4))
    flat = polynomial(
        t,
        (
            real(6.153295934016611e-09),
            real(2.790459099610764e-09),
            real(-6.754962087337201e-08),
            real(-2.2069880100438386e-09),
            real(3.8378400590410326e-07),
            real(-2.0930034524306686e-07),
            real(-1.5395924194310557e-06),
            real(2.042892431839674e-06),
            real(4.875790430588766e-06),
            real(-1.184776427730227e-05),
            real(-1.2051890103001478e-05),
            real(5.284790724129305e-05),
            real(1.7180749123461575e-05),
            real(-0.00019809565043695592),
            real(3.890635841987614e-05),
            real(0.0006412121123393073),
            real(-0.00046411397440879973),
            real(-0.001759721016890752),
            real(0.002491568737638462),
            real(0.003681723238261603),
            real(-0.010095793216229111),
            real(-0.0027683668116408535),
            real(0.03236023191588967),
            real(-0.025396637048681683),
            real(-0.06750053480954152),
            real(0.18248125713271846),
            real(-0.14259871052441345),
            real(-0.15540205677598162),
            real(1.1844375085697232),
        ),
    )
    return flat / (s + real(1.25))


def _mills_above(x):
    """mills(x) for x >= 0."""
    return real(0.7978845608028654) * exp(real(-0.5) * x * x) / (real(2) - erfc(x * real(0.7071067811865476)))


def log_ndtr(x):
    """The logarithm of the normal distribution function, log(erfc(-x/sqrt(2))/2); 6 ulp."""
    s = maximum(-x, real(0))
    below = real(-0.5) * s * s - log(real(2.5066282746310002) * (s + _excess_below(s)))
    above = log1p(real(-0.5) * erfc(maximum(x, real(0)) * real(0.7071067811865476)))
    return where(x < real(0), below, where(x == x, above, x))


def mills(x):
    """The slope of log_ndtr, exp(-x^2/2) sqrt(2/pi)/erfc(-x/sqrt(2)); 4 ulp, times x^2 for x above 1."""
    s = maximum(-x, real(0))
    return where(x < real(0), s + _excess_below(s), where(x == x, _mills_above(maximum(x, real(0))), x))


def mills_excess(x):
    """x + mills(x), whose terms cancel for x far below 0; 4 ulp."""
    above = maximum(x, real(0))
    return where(x < real(0), _excess_below(maximum(-x, real(0))), where(x == x, x + _mills_above(above), x))

"""The error function and what it lacks of 1."""


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

"""The logarithm of the gamma function, and its derivatives as far as the language goes."""


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
    """The slope of lgamma for x > 0 (NaN below); 6 ulp. From 1 to 2 it is (x - its root) times a polynomial; below and above,
    up to 3, and from there to 10 by psi(x + 1) = psi(x) + 1/x; beyond it is Stirling's series."""
    low, second = x < real(1), x < real(2)
    u = where(low, x + real(1), where(second, x, minimum(x, real(3)) - real(1)))
    near = ((u - real(1.4616317749023438)) - real(3.7006601859126265e-07)) * polynomial(
        u - real(1.5),
        (
            real(0.00012241591000024265),
            real(-0.00017837342400462423),
            real(9.158816882117e-05),
            real(-0.00014460384609240088),
            real(0.00032689316473621455),
            real(-0.00048606417050412354),
            real(0.0006899428514219089),
            real(-0.0010364227247828023),
            real(0.0015635739915515125),
            real(-0.0023455016279107115),
            real(0.0035180792717028125),
            real(-0.0052799364178857415),
            real(0.007927024136843637),
            real(-0.011908220169786002),
            real(0.01790724819228875),
            real(-0.02697579665686472),
            real(0.040760833944741226),
            real(-0.06192213327556183),
            real(0.09498872445282817),
            real(-0.14840492305388006),
            real(0.24054248424078736),
            real(-0.4236274212814606),
            real(0.9510558760318328),
        ),
    )
    near = near + where(second, real(0), real(1) / u)
    near = near - where(low, real(1) / where(low, x, real(1)), real(0))
    z, sum_ = maximum(x, real(3)), real(0)
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
    beyond = log(z) - (real(0.5) / z + w * series) - sum_
    return where(x < real(3), near, beyond) + where(x >= real(0), real(0), sqrt(x))


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

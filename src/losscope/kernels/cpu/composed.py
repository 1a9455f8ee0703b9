"""Primitives made of others, the same for both dtypes: written into every generated module, where `real`, `log`,
`log1p`, `exp_nonpositive` ... are those of its dtype. They are never called here."""


def unless_nan(x, result):
    """The result, or NaN where x is."""
    return where(x == x, result, x)


def xlog1py(x, y):
    """x log(1 + y), 0 at x = 0 whatever y but NaN; 3 ulp."""
    return where((x == real(0)) & (y == y), real(0), x * log1p(y))


def xdivy(x, y):
    """x / y, 0 at x = 0 whatever y but NaN; half an ulp."""
    return where((x == real(0)) & (y == y), real(0), x / y)


def xmuly(x, y):
    """x y, 0 at x = 0 whatever y but NaN; half an ulp."""
    return where((x == real(0)) & (y == y), real(0), x * y)


def cos_arctan(x):
    """1 / sqrt(1 + x^2); 2 ulp. Beyond `large`, x^2 drowns the 1 and may overflow."""
    large = absolute(x) > real(1e15)
    return where(large, real(1) / absolute(x), real(1) / sqrt(real(1) + x * x))


def sin_arctan(x):
    """x / sqrt(1 + x^2); 2 ulp."""
    large = absolute(x) > real(1e15)
    return where(large, sign(x), x / sqrt(real(1) + x * x))


def sqrt1px2m1(x):
    """sqrt(1 + x^2) - 1, as x^2 / (1 + sqrt(1 + x^2)); 3 ulp."""
    large = absolute(x) > real(1e15)
    return where(large, absolute(x), x * (x / (real(1) + sqrt(real(1) + x * x))))


def two_sided_softplus(x, a, b, both):
    """a softplus(x) + b softplus(-x), where `both` is a + b; 3 ulp of the larger term. A side without a share is 0
    there, be x infinite."""
    u = exp_nonpositive(-absolute(x))
    side = where(x > real(0), a, -b)
    return where(side == real(0), real(0), side * x) + both * log1p_unit(u)


def two_sided_sigmoid(x, a, b):
    """a sigmoid(x) - b sigmoid(-x); 3 ulp of the larger term."""
    u = exp_nonpositive(-absolute(x))
    up = x > real(0)
    return (where(up, a, -b) + where(up, -b, a) * u) / (real(1) + u)


def scaled(x, unit):
    """x in other units, rounded here: a loop that may regroup its products will not regroup this one."""
    return x * unit

"""The primitives of kernels: error in ulp over the whole range, special values, one lane as sixteen, within a formula.

The bound that each must keep is the one its docstring states.
"""

import math
import re
from functools import cache

import numpy as np
import pytest
from llvmlite import ir
from mpmath import mp, mpf

from losscope.engine.function import Function
from losscope.engine.lanes import F16, I32, LANES, VOID
from losscope.entry import Parameter
from losscope.exactness.bench import Bench
from losscope.expression import PRIMITIVES, symbol
from losscope.kernels import special
from losscope.kernels.primitives import NAMESPACE
from losscope.kernels.reference import NAMESPACE as REFERENCE
from traced import Traced, assert_same_bits

DTYPES = ["float32", "float64"]
UNARY = ["exp", "exp_nonpositive", "log", "log1p", "expm1", "sqrt", "tanh", "sigmoid", "softplus"]
UNARY += ["log_cosh", "sech2", "log1pmx", "expm1mx", "log1p_unit", "cos_arctan", "sin_arctan", "sqrt1px2m1"]
BINARY = ["power", "xlogy", "xlog1py", "xdivy", "xmuly"]
TWO_SIDED = ["two_sided_softplus", "two_sided_sigmoid"]
EXACTLY = ["abs", "sign", "minimum", "maximum", "unless_nan", "where", "real", "xmuly"]  # no error to bound
# Their error is bounded over the condition of the problem: an angle of 1e30 says nothing of its sine.
MADE_OF_OTHERS = [each.__name__ for each in special.written() if not each.__name__.startswith("_")]
inf, nan = math.inf, math.nan


def arguments_of(name):
    function = getattr(NAMESPACE[name], "__wrapped__", NAMESPACE[name])
    return function.__code__.co_argcount


@cache
def loop(name, dtype, width=LANES):
    """The primitive over arrays, as a kernel uses it."""
    function = NAMESPACE[name]
    compiled = Traced(function, [dtype] * arguments_of(name), [dtype], width)
    return lambda *arguments: compiled(*(np.atleast_1d(np.asarray(a, dtype)) for a in arguments))


def bound(name):
    return float(re.search(r"([\d.]+) ulp", NAMESPACE[name].__doc__)[1])


def test_every_primitive_is_looked_at_here():
    assert set(NAMESPACE) == {*UNARY, *BINARY, *TWO_SIDED, *EXACTLY, *MADE_OF_OTHERS}


# --- arguments


def log_uniform(rng, dtype, count):
    """Random mantissas at every exponent, denormals among them, both signs."""
    info = np.finfo(dtype)
    exponents = np.repeat(np.arange(info.minexp - info.nmant, info.maxexp), count)
    x = np.ldexp(rng.uniform(1, 2, exponents.size), exponents)
    return np.concatenate([x, -x])


def neighbours(points, dtype):
    """Each point and the floats next to it, both signs."""
    p = np.asarray(points, dtype)
    with np.errstate(over="ignore"):
        p = np.concatenate([p, np.nextafter(p, dtype(inf)), np.nextafter(p, dtype(-inf))])
    p = p[np.isfinite(p)]
    return np.concatenate([p, -p])


def sweep(dtype, seed=0):
    """Arguments over the whole finite range, dense where functions bend and reductions change branch."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype).type
    short = dtype is np.float32
    dense = 60_000 if short else 800
    limit = 110 if short else 760
    log2 = math.log(2)
    root = math.sqrt(2)
    edges = [2.0**-40, 2.0**-60, 0.5625, 0.75, 1, root - 1, 1 - 1 / root, 1 / root, root, 2]
    edges += [88.72284, 87.33655, 103.97208, 709.782712893384, 708.3964185322641, 745.1332191019411, 20, 38]
    edges += [(k + 0.5) * log2 * scale for k in range(4) for scale in (1, 0.5)]
    edges += [np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal]
    parts = [
        log_uniform(rng, dtype, 100 if short else 1),
        *(rng.uniform(-width, width, dense) for width in (0.5, 1, 2, 20, limit)),
        1 + rng.uniform(-0.02, 0.02, dense),
        rng.choice([-1, 1], dense) * 2.0 ** rng.uniform(-30 if short else -60, 1, dense),
    ]
    return np.concatenate([np.concatenate(parts).astype(dtype), neighbours(edges, dtype), np.zeros(1, dtype)])


# --- the judge


def series(x, terms):
    return x * x * mp.polyval([mpf(t) for t in terms[::-1]], x)


def small_or(threshold, terms, otherwise):
    return lambda x: series(x, terms) if abs(x) < threshold else otherwise(x)


EXACT = {
    "exp": mp.exp,
    "exp_nonpositive": mp.exp,
    "log": mp.log,
    "log1p": mp.log1p,
    "log1p_unit": mp.log1p,
    "expm1": mp.expm1,
    "sqrt": mp.sqrt,
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x))),
    "log_cosh": lambda x: mp.log1p(2 * mp.sinh(x / 2) ** 2) if abs(x) < 50 else abs(x) - mp.ln2,
    "sech2": lambda x: 1 / mp.cosh(x) ** 2,
    "power": lambda x, y: mp.exp(y * mp.log(x)),
    "xlogy": lambda x, y: x * mp.log(y),
    "log1pmx": small_or(1e-6, [(-1) ** (n + 1) / mpf(n) for n in range(2, 10)], lambda x: mp.log1p(x) - x),
    "expm1mx": small_or(1e-6, [1 / mp.factorial(n) for n in range(2, 10)], lambda x: mp.expm1(x) - x),
    "xlog1py": lambda x, y: x * mp.log1p(y),
    "xdivy": lambda x, y: x / y,
    "xmuly": lambda x, y: x * y,
    "cos_arctan": lambda x: 1 / mp.sqrt(1 + x * x),
    "sin_arctan": lambda x: x / mp.sqrt(1 + x * x),
    "sqrt1px2m1": lambda x: x * x / (1 + mp.sqrt(1 + x * x)),
}


def series_or(threshold, first, second, third, direct):
    """In doubles: three terms of a series below the threshold, where `direct` would cancel."""
    return lambda x: np.where(abs(x) < threshold, x * x * (first + x * (second + x * third)), direct(x))


# In doubles, right to 1e-12: far below the ulp of float32, and fast enough for a dense sweep.
DOUBLE = {
    "exp": np.exp,
    "exp_nonpositive": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "log1p_unit": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "log_cosh": lambda x: np.where(
        abs(x) < 2,
        np.log1p(2 * np.sinh(np.clip(x, -2, 2) / 2) ** 2),
        abs(x) + np.log1p(np.exp(-2 * abs(x))) - np.log(2),
    ),
    "sech2": lambda x: 4 * np.exp(-2 * abs(x)) / (1 + np.exp(-2 * abs(x))) ** 2,
    "power": np.power,
    "xlogy": lambda x, y: x * np.log(y),
    "log1pmx": series_or(1e-4, -1 / 2, 1 / 3, -1 / 4, lambda x: np.log1p(x) - x),
    "expm1mx": series_or(1e-4, 1 / 2, 1 / 6, 1 / 24, lambda x: np.expm1(x) - x),
    "xlog1py": lambda x, y: x * np.log1p(y),
    "xdivy": lambda x, y: x / y,
    "xmuly": lambda x, y: x * y,
    "cos_arctan": lambda x: 1 / np.hypot(1, x),
    "sin_arctan": lambda x: x / np.hypot(1, x),
    "sqrt1px2m1": lambda x: x * (x / (1 + np.hypot(1, x))),
}


def ulps(result, exact):
    """Errors in units in the last place of the true value (doubles or mpf), at least a denormal."""
    dtype = result.dtype.type
    with np.errstate(all="ignore"):
        rounded = np.array([float(v) for v in exact]).astype(dtype)
        overflow = ~np.isfinite(rounded)
        unit = np.spacing(np.abs(np.where(overflow, 1, rounded))).astype(np.float64)
        if isinstance(exact, np.ndarray):
            errors = np.abs(result - exact) / unit
        else:
            triples = zip(result.tolist(), exact, unit.tolist())
            errors = np.array([float(abs(mpf(r) - v) / mpf(u)) for r, v, u in triples])
    # Where the true value overflows, the largest float is as close as infinity.
    nearly = result == np.sign(rounded) * np.finfo(dtype).max
    return np.where(overflow, np.where((result == rounded) | nearly, 0, inf), errors)


def truth_in_doubles(name, *arguments):
    with np.errstate(all="ignore"):
        return DOUBLE[name](*(x.astype(np.float64) for x in arguments))


def truth(name, *arguments):
    """The true values: doubles for float32 arguments, else mpf."""
    if arguments[0].dtype == np.float32:
        return truth_in_doubles(name, *arguments)
    with mp.workprec(160):
        return [EXACT[name](*map(mpf, values)) for values in zip(*(x.tolist() for x in arguments))]


def domain(name, x):
    if name in ("log", "sqrt"):
        return x[x > 0]
    if name in ("log1p", "log1pmx"):
        return x[x > -1]
    if name == "log1p_unit":
        return x[(x >= 0) & (x <= 1)]
    return x[x <= 0] if name == "exp_nonpositive" else x


def worst(name, dtype, seed=0):
    """The largest error of the sweep and where it is."""
    x = domain(name, sweep(dtype, seed))
    errors = ulps(loop(name, dtype)(x), truth(name, x))
    at = int(np.argmax(np.where(np.isnan(errors), inf, errors)))
    return errors[at], x[at]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_error_is_within_the_stated_bound(name, dtype):
    error, at = worst(name, dtype)
    assert error <= bound(name), f"{name} is {error:.3f} ulp off at {at!r}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MADE_OF_OTHERS)
def test_error_over_the_condition_is_within_the_stated_bound(name, dtype):
    count, primitive = PRIMITIVES[name]
    names = ["margin", "prediction"][:count]
    domain = "nonnegative" if name in ("lgamma", "digamma", "polygamma1", "polygamma2") else "real"
    value = primitive(*map(symbol, names))
    slope = value.diff(symbol(names[0])) if name != "polygamma2" else value
    bench = Bench([value, slope], dict.fromkeys(names, domain), dict[str, Parameter](), 3000)
    worst = bench.worst(0, dtype, loop(name, dtype)(*(bench.at[dtype][each] for each in names)))
    assert worst.error <= bound(name), worst


def powers(dtype, seed=0):
    """x > 0 and y with x**y over the whole range; bases near 1 and integer powers among them."""
    rng = np.random.default_rng(seed)
    count = 100_000 if dtype == "float32" else 1500
    limit = 104 if dtype == "float32" else 746
    info = np.finfo(dtype)
    x = np.concatenate(
        [
            2.0 ** rng.uniform(info.minexp - info.nmant, info.maxexp, count),
            rng.uniform(0, 3, count),
            1 + rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-info.nmant, -1, count),
        ]
    ).astype(dtype)
    x = x[(x > 0) & np.isfinite(x)]
    with np.errstate(all="ignore"):
        y = rng.uniform(-limit, limit, x.size) / np.log(x.astype(np.float64))
        y = np.where(rng.uniform(size=x.size) < 0.3, rng.choice([-2, -1, 0.5, 1.5, 2, 3, 0.1], x.size), y)
    y = y.astype(dtype)
    keep = np.isfinite(y)
    return x[keep], y[keep]


def worst_binary(name, dtype, seed=0):
    pairs = powers(dtype, seed)[:: 1 if name == "power" else -1]
    if name != "power":  # a product that is denormal is no longer one rounding off
        keep = abs(truth_in_doubles(name, *pairs)) > float(np.finfo(dtype).tiny)
        pairs = tuple(each[keep] for each in pairs)
    errors = ulps(loop(name, dtype)(*pairs), truth(name, *pairs))
    at = int(np.argmax(np.where(np.isnan(errors), inf, errors)))
    return errors[at], (pairs[0][at], pairs[1][at])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_error_in_two_arguments_is_within_the_stated_bound(name, dtype):
    error, at = worst_binary(name, dtype)
    assert error <= bound(name), f"{name} is {error:.3f} ulp off at {at!r}"


# --- limits


LIMITS = {
    # at          -inf, -1, -0.0, 0.0, 1, inf; None: not special
    "exp": (0, None, 1, 1, None, inf),
    "log": (nan, nan, -inf, -inf, 0, inf),
    "log1p": (nan, -inf, -0.0, 0, None, inf),
    "expm1": (-1, None, -0.0, 0, None, inf),
    "sqrt": (nan, nan, -0.0, 0, 1, inf),
    "tanh": (-1, None, -0.0, 0, None, 1),
    "sigmoid": (0, None, 0.5, 0.5, None, 1),
    "softplus": (0, None, None, None, None, inf),
    "log_cosh": (inf, None, 0, 0, None, inf),
    "sech2": (0, None, 1, 1, None, 0),
    "log1pmx": (nan, -inf, 0, 0, None, -inf),
    "expm1mx": (inf, None, 0, 0, None, inf),
    "cos_arctan": (0, None, 1, 1, None, 0),
    "sin_arctan": (-1, None, -0.0, 0, None, 1),
    "sqrt1px2m1": (inf, None, 0, 0, None, inf),
    "abs": (inf, 1, 0, 0, 1, inf),
    "sign": (-1, -1, -0.0, 0, 1, 1),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LIMITS)
def test_limits(name, dtype):
    points = np.array([-inf, -1, -0.0, 0.0, 1, inf, nan], dtype)
    result = loop(name, dtype)(points)
    assert np.isnan(result[-1])
    for at, value, expected in zip(points, result, LIMITS[name]):
        if expected is None:
            assert np.isfinite(value)
        else:
            np.testing.assert_equal(value, points.dtype.type(expected), err_msg=f"{name}({at})")
            if expected == 0 and name in ("log1p", "expm1", "sqrt", "tanh", "sign", "sin_arctan"):
                assert np.signbit(value) == np.signbit(at)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_overflow_only_where_the_true_value_does(name, dtype):
    info = np.finfo(dtype)
    with mp.workprec(120):
        last = np.array(float(mp.log(mpf(float(info.max)))), dtype)
    points = np.array([np.nextafter(last, -last), last + 4 * np.spacing(last), info.max], dtype)
    result = loop(name, dtype)(points)
    assert np.isfinite(result[0])
    assert result[1] == result[2] == inf


@pytest.mark.parametrize("dtype", DTYPES)
def test_power_at_its_limits(dtype):
    """What C's pow gives, except that NaN in is always NaN out."""
    points = [-inf, -3, -2.5, -1, -0.5, -0.0, 0.0, 0.5, 1, 2, 2.5, 3, inf, nan]
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(points, points))
    result = loop("power", dtype)(x, y)
    with np.errstate(all="ignore"):
        expected = np.where(np.isnan(x) | np.isnan(y), nan, np.power(x, y))
    np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps)
    zero = expected == 0
    np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_xlogy_at_its_limits(dtype):
    xlogy = loop("xlogy", dtype)
    np.testing.assert_array_equal(xlogy([0, 0, 0, 0, -0.0], [0, 1, inf, -1, 0]), 0)
    result = xlogy([0, nan, nan, 1, 1, 2], [nan, 0, 1, -1, 0, inf])
    np.testing.assert_array_equal(result, [nan, nan, nan, nan, -inf, inf])


@pytest.mark.parametrize("dtype", DTYPES)
def test_minimum_and_maximum_keep_nan(dtype):
    points = [-inf, -1, 0, 2, inf, nan]
    a, b = (x.ravel().astype(dtype) for x in np.meshgrid(points, points))
    np.testing.assert_array_equal(loop("minimum", dtype)(a, b), np.minimum(a, b))
    np.testing.assert_array_equal(loop("maximum", dtype)(a, b), np.maximum(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "sigmoid", "softplus", "sech2"])
def test_denormal_results_decrease_to_zero(name, dtype):
    low, high = (-110, -86) if dtype == "float32" else (-755, -700)
    x = np.linspace(low, high, 20_001).astype(dtype)
    result = loop(name, dtype)(x / 2 if name == "sech2" else x)
    assert (np.diff(result) >= 0).all()
    assert result[0] == 0 < result[-1]


# --- two-sided forms: a f(x) + b f(-x), one term of which may cancel the other


def two_sided(name, x, a, b):
    """The true value and the larger of its terms."""
    if name == "two_sided_softplus":
        terms = [a * EXACT["softplus"](x), b * EXACT["softplus"](-x)]
    else:
        terms = [a * EXACT["sigmoid"](x), -b * EXACT["sigmoid"](-x)]
    return terms[0] + terms[1], max(map(abs, terms))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TWO_SIDED)
def test_two_sided_forms_are_within_the_stated_bound(name, dtype):
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=400) * 10.0 ** rng.integers(-3, 2, 400), [0.0]]).astype(dtype)
    a, b = (rng.integers(-1024, 1025, x.size) / 1024 for _ in range(2))  # whose sum is exact
    a[::3], b[::5] = 0, 0
    arguments = [x, a, b, a + b][: arguments_of(name)]
    result = loop(name, dtype)(*arguments)
    with mp.workprec(160):
        for at, *shares, value in zip(x.tolist(), a.tolist(), b.tolist(), result.tolist()):
            exact, larger = two_sided(name, mpf(at), *map(mpf, shares))
            unit = np.spacing(np.array(float(larger), dtype))
            assert abs(mpf(value) - exact) <= bound(name) * mpf(float(unit)), (at, shares)


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_sided_softplus_at_infinity_has_no_term_without_a_share(dtype):
    x, a, b = [inf, inf, -inf, -inf, nan, inf, nan], [0, 1, 0, 1, 0, nan, 0], [1, 0, 1, 0, 0, 0, 1]
    result = loop("two_sided_softplus", dtype)(x, a, b, np.add(a, b))
    np.testing.assert_array_equal(result, [0, inf, inf, 0, nan, nan, nan])


# --- exact ones


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_nought_and_unless_nan_at_their_limits(dtype):
    result = loop("xmuly", dtype)([0, 0, -0.0, 0, nan, 1, inf], [0, inf, -inf, nan, 0, 0, 2])
    np.testing.assert_array_equal(result, [0, 0, 0, nan, nan, 0, inf])
    np.testing.assert_array_equal(
        loop("unless_nan", dtype)([nan, 1, inf, -0.0], [2, 3, nan, 4]), [nan, 3, nan, 4]
    )
    result = loop("xdivy", dtype)([0, 0, -0.0, 0, nan, 1, 1, inf], [0, inf, 5, nan, 1, 0, inf, inf])
    np.testing.assert_array_equal(result, [0, 0, 0, nan, nan, inf, 0, nan])


# --- in sixteen lanes or one, beside numbers, within a formula


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(NAMESPACE) - {"real", "where"}))
def test_one_lane_gives_the_bits_of_sixteen(name, dtype):
    """A thread of a GPU has one."""
    x = np.concatenate(
        [sweep(dtype)[:: 97 if dtype == "float32" else 7], [inf, -inf, nan, 0.0, -0.0]]
    ).astype(dtype)
    arguments = [np.roll(x, 31 * k) for k in range(arguments_of(name))]
    assert_same_bits(loop(name, dtype, 1)(*arguments), loop(name, dtype)(*arguments), name)


@pytest.mark.parametrize("name", sorted(set(NAMESPACE) & set(REFERENCE) - {"where", "real"}))
def test_of_numbers_alone_a_primitive_is_a_number(name):
    arguments = [0.3, 0.5, 0.25, 0.75][: arguments_of(name)]
    result = NAMESPACE[name](*arguments)
    assert type(result) is float
    assert result == pytest.approx(
        float(REFERENCE[name](*map(np.float64, arguments))), rel=1e-15, nan_ok=True
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*BINARY, "minimum", "maximum"])
def test_a_number_beside_lanes_is_rounded_to_their_dtype(name, dtype):
    x = np.array([0.3, 1.5, 2.0, 0.1], dtype)
    both = Traced(lambda x: [NAMESPACE[name](x, 0.1), NAMESPACE[name](0.1, x)], [dtype], [dtype] * 2)(x)
    tenth = np.full_like(x, 0.1)
    assert_same_bits(both[0], loop(name, dtype)(x, tenth))
    assert_same_bits(both[1], loop(name, dtype)(tenth, x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_within_a_formula_a_primitive_gives_the_bits_it_gives_alone(dtype):
    """Cross-entropy of a logit, value and slope: nothing is fused or regrouped that is not written so."""
    softplus, sigmoid, where = (NAMESPACE[each] for each in ("softplus", "sigmoid", "where"))

    def entropy(z, y):
        value = y * softplus(-z) + (1.0 - y) * softplus(z)
        return value, where(z == z, -y * sigmoid(-z) + (1.0 - y) * sigmoid(z), 0.5)

    rng = np.random.default_rng(1)
    z, y = (8 * rng.standard_normal(1003)).astype(dtype), rng.random(1003).astype(dtype)
    value, slope = Traced(entropy, [dtype] * 2, [dtype] * 2)(z, y)
    part = {name: loop(name, dtype) for name in ("softplus", "sigmoid")}
    assert_same_bits(value, y * part["softplus"](-z) + (1 - y) * part["softplus"](z))
    assert_same_bits(slope, -y * part["sigmoid"](-z) + (1 - y) * part["sigmoid"](z))


@pytest.mark.parametrize("name", ["exp", "log", "power", "tanh"])
@pytest.mark.parametrize("element", [F16, I32])
def test_another_dtype_is_refused(name, element):
    f = Function(ir.Module("refused"), "refused", [element], VOID)
    with pytest.raises(TypeError, match="float32 or float64"):
        NAMESPACE[name](*f.given * arguments_of(name))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_an_angle_of_many_turns_keeps_its_digits(name, dtype):
    """Beside the roots, too, where an error in pi would be all that is left."""
    most = 10_000 if dtype == "float32" else 1_000_000
    rng = np.random.default_rng(0)
    turns = np.round(rng.uniform(-most, most, 1000) / (np.pi / 2)) * (np.pi / 2)
    x = np.concatenate([rng.uniform(-most, most, 1000), turns]).astype(dtype)
    with mp.workprec(160):
        exact = [getattr(mp, name)(mpf(float(each))) for each in x]
    assert np.max(ulps(loop(name, dtype)(x), exact)) <= bound(name)

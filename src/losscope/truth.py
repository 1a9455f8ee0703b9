"""The true value of an expression, to as many digits as it takes.

Arithmetic is that of balls (Arb): a number and a bound of its error. Where a ball is too wide to tell the digits that a
float64 has, or on which side of a comparison it lies, the same is done again with more digits. So a truth is never a
guess: it is known to more than the last place of a double, or said to be unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy
import sympy
from flint import arb, ctx
from sympy import Piecewise, S

PRECISIONS = (128, 400, 1300, 3000, 6000)  # bits; the last tells 1 from 1 + 1e-308**5
# Functions of which a thousand, to more bits than these, take a second: what is left unknown is hardly known with more.
SLOW = {"lgamma": 400, "digamma": 400, "polygamma1": 400, "polygamma2": 400, "erf": 1300, "erfc": 1300}
ENOUGH = 75  # bits of a result
LARGEST_EXPONENT = (
    arb(2) ** 2100
)  # of which all digits are looked at: those of larger ones memory may not hold
NOTHING = 1e-320  # what is surely less in size is as good as 0
NAN, ZERO, HALF, ONE, MINUS_ONE = arb.nan(), arb(0), arb("0.5"), arb(1), arb(-1)
INFINITY, MINUS_INFINITY = arb.pos_inf(), arb.neg_inf()


class Undecided(ArithmeticError):
    """A comparison of balls that overlap."""


class Incomparable(ArithmeticError):
    """A comparison with what is surely no number: neither side of it is the formula's, which has no value."""


class _Digits:
    """Whether there are more, and whether more are needed."""

    last = False  # then undecided comparisons are answered as of equals
    wanted = False  # a ball lies across the border of a domain, or is all numbers: NaN may become a number


def _less(a: Any, b: Any) -> bool:
    if a < b:
        return True
    return False if a >= b else _undecided(a, b, of_equals=False)


def _at_most(a: Any, b: Any) -> bool:
    if a <= b:
        return True
    return False if a > b else _undecided(a, b, of_equals=True)


def _undecided(a: Any, b: Any, of_equals: bool) -> bool:
    if not _Digits.last and (_Digits.wanted or not (a.is_nan() or b.is_nan())):
        raise Undecided
    if a.is_nan() or b.is_nan():
        raise Incomparable
    return of_equals


def _beside(x: Any, border: Any) -> Any:
    """A ball, after a look at whether it lies on one side of a border, or exactly on it."""
    if not (x > border or x < border or x.is_exact() or x.is_nan()):
        _Digits.wanted = True
    return x


def _sign(x: Any) -> Any:
    if x.is_nan():
        return NAN
    return ONE if _less(ZERO, x) else -ONE if _less(x, ZERO) else ZERO


def _where(condition: bool, yes: Any, no: Any) -> Any:
    return yes if condition else no


def _larger(a: Any, b: Any) -> Any:
    return NAN if a.is_nan() or b.is_nan() else a.max(b)


def _smaller(a: Any, b: Any) -> Any:
    return NAN if a.is_nan() or b.is_nan() else a.min(b)


def _bounded(x: Any) -> Any:
    """A ball, after a look at whether it has bounds: an exponential may need more digits for that."""
    if not x.is_finite():
        _Digits.wanted = True
    return x


def _growing(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: x if x.is_nan() else _bounded(function(x))


_exp, _expm1 = _growing(arb.exp), _growing(arb.expm1)


def _log(x: Any) -> Any:
    return MINUS_INFINITY if x.is_zero() else _beside(x, ZERO).log()


def _log1p(x: Any) -> Any:
    return MINUS_INFINITY if x.is_exact() and x == MINUS_ONE else _beside(x, MINUS_ONE).log1p()


def _root(x: Any) -> Any:
    return _beside(x, ZERO).sqrt()


def _over(a: Any, b: Any) -> Any:
    return a / _beside(b, ZERO)


def _whole_power(x: Any, n: int) -> Any:
    if n == 2 and (x > ZERO or x < ZERO):
        return x * x  # faster, and no wider, of a ball on one side of 0
    power = _arbs_power(x, n)
    if not power.is_nan() or x.is_nan():
        return power
    power = ONE  # Arb has no power of a ball whose middle is 0, but its products
    for bit in f"{n:b}":
        power = power * power * (x if bit == "1" else ONE)
    return power


def _arbs_power(x: Any, y: Any) -> Any:
    """Arb's own, of which that of infinity +/- infinity ends the process."""
    return x**y if x.is_finite() else NAN


def _power(x: Any, y: Any) -> Any:
    if x.is_nan() or y.is_nan():
        return NAN
    if x > ZERO:
        return _bounded(x**y)
    if x.is_zero() and y < ZERO:
        return INFINITY
    if y.is_exact() and y.is_integer() and abs(y) < LARGEST_EXPONENT:
        n = int(y.unique_fmpz())
        return _whole_power(x, n) if n >= 0 else _over(ONE, _whole_power(x, -n))
    if x.is_zero():
        return ZERO if y > 0 else NAN
    _Digits.wanted |= not y.is_finite() or (
        y.contains_integer() and not y.is_exact()
    )  # it may be a whole number
    return _arbs_power(_beside(x, ZERO), y)


def _softplus(x: Any) -> Any:
    return x.exp().log1p() if x < 0 else x + (-x).exp().log1p()


def _sigmoid(x: Any) -> Any:
    return ONE / (ONE + (-x).exp()) if x > 0 else x.exp() / (ONE + x.exp())


def _hypot(a: Any, b: Any) -> Any:
    return _root(a * a + b * b)


def _log_cosh(x: Any) -> Any:
    x = abs(x)
    return x + (-2 * x).exp().log1p() - arb(2).log()


def _positive(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: function(x) if _beside(x, ZERO) > 0 else NAN


def _sech2(x: Any) -> Any:
    t = (-2 * abs(x)).exp()
    return 4 * t / (1 + t) ** 2


# Below, the normal distribution is taken by its asymptotic series: it is too small, and its terms cancel.
FAR = arb(-30)


def _log_ndtr(x: Any) -> Any:
    if x < FAR:
        w = x * x / 2
        return (_tricomi(HALF, w) / arb.pi().sqrt() / 2).log() - w
    u = x / arb(2).sqrt()
    return (-u.erfc() / 2).log1p() if x > ZERO else ((-u).erfc() / 2).log()


def _mills(x: Any) -> Any:
    if x < FAR:
        return arb(2).sqrt() / _tricomi(HALF, x * x / 2)
    return (-x * x / 2).exp() * (2 / arb.pi()).sqrt() / (-x / arb(2).sqrt()).erfc()


def _mills_excess(x: Any) -> Any:
    if x < FAR:
        w = x * x / 2
        return _tricomi(ONE, w) / _tricomi(HALF, w) / arb(2).sqrt()
    return x + _mills(x)


def _tricomi(a: Any, w: Any) -> Any:
    """U(a, 1/2, w): erfc(sqrt(w)) is exp(-w)/sqrt(pi) of it for a = 1/2, its integral half of it for a = 1."""
    return w.hypgeom_u(a, HALF)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "sign": _sign, "exp": _exp, "log": _log, "sqrt": _root, "log1p": _log1p,
    "expm1": _expm1, "log1pmx": lambda x: _log1p(x) - x, "expm1mx": lambda x: _expm1(x) - x, "softplus": _softplus,
    "sigmoid": _sigmoid, "tanh": arb.tanh, "sech2": _sech2, "log_cosh": _log_cosh,
    "sqrt1px2m1": lambda x: x * x / (ONE + _hypot(ONE, x)), "sin_arctan": lambda x: x / _hypot(ONE, x),
    "cos_arctan": lambda x: ONE / _hypot(ONE, x), "log1px2": lambda x: (x * x).log1p(), "sinh": _growing(arb.sinh),
    "cosh": _growing(arb.cosh), "asinh": arb.asinh, "acosh": lambda x: _beside(x, ONE).acosh(), "atan": arb.atan, "sin": arb.sin, "cos": arb.cos,
    "erf": arb.erf, "erfc": arb.erfc, "lgamma": _positive(arb.lgamma), "digamma": _positive(arb.digamma),
    "log_ndtr": _log_ndtr, "mills": _mills, "mills_excess": _mills_excess,
    "polygamma1": _positive(lambda x: arb(2).zeta(x)), "polygamma2": _positive(lambda x: -2 * arb(3).zeta(x)),
    "xlogy": lambda x, y: ZERO if x.is_zero() and not y.is_nan() else x * _log(y),
    "xlog1py": lambda x, y: ZERO if x.is_zero() and not y.is_nan() else x * _log1p(y),
    "xdivy": lambda x, y: ZERO if x.is_zero() and not y.is_nan() else _over(x, y),
    "xmuly": lambda x, y: ZERO if x.is_zero() and not y.is_nan() else x * y,
    "minimum": _smaller, "maximum": _larger, "hypot": _hypot,
    "unit": lambda a, b: ZERO if a.is_zero() else _over(a, _hypot(a, b)),
    "pow1pm1": lambda x, q: _expm1(q * x.log1p()) if x > -1 else _power(1 + x, q) - 1,
    "pow1px2m1": lambda x, q: _expm1(q * (x * x).log1p()), "where": _where,
}  # fmt: skip


def _name(function: Any) -> str:
    """What a primitive, or SymPy's exp, is called among the FUNCTIONS."""
    return {"absolute": "abs"}.get(function.__name__, function.__name__)


class _Wholes(dict[int, Any]):
    """Whole numbers as balls, each made once: they are the same to any number of digits."""

    def __missing__(self, number: int) -> Any:
        return self.setdefault(number, arb(number))


_WHOLE = _Wholes()


@lru_cache(256)
def compiled(expressions: tuple[Any, ...], symbols: tuple[Any, ...]) -> Callable[..., tuple[Any, ...]]:
    """Expressions as one function of balls; parts that they share are computed once."""
    names = {each: f"v{index}" for index, each in enumerate(symbols)}
    steps: Any = []
    results = expressions  # constants as they stand: to rebuild one, SymPy may ask for its value, and so on
    if symbols:
        steps, results = sympy.cse(list(expressions), sympy.numbered_symbols("t", real=True))
    lines = [f"def f({', '.join(names.values())}):"]
    for left, right in steps:
        lines.append(f"    {left} = {_text(right, names)}")
        names[left] = str(left)
    lines.append("    return (" + "".join(_text(each, names) + ", " for each in results) + ")")
    namespace: dict[str, Any] = {f"f_{name}": function for name, function in FUNCTIONS.items()}
    namespace |= {
        "less": _less,
        "at_most": _at_most,
        "power": _power,
        "whole_power": _whole_power,
        "over": _over,
        "arb": arb,
        "whole": _WHOLE,
    }
    exec("\n".join(lines), namespace)  # of our own making: names of ours, numbers, and FUNCTIONS
    return namespace["f"]


def _text(e: Any, names: dict[Any, str]) -> str:
    if e in names:
        return names[e]
    if e.is_Rational:
        return f"whole[{e.p}]" if e.q == 1 else f"(whole[{e.p}]/{e.q})"
    if e.is_NumberSymbol:
        return {sympy.pi: "arb.pi()", sympy.E: "arb.const_e()"}[e]
    if e.is_Float:
        return _text(sympy.Rational(e), names)
    if e.is_Number or e is S.ImaginaryUnit:  # there is no real value
        return "arb.nan()"
    if isinstance(e, Piecewise):
        (value, condition), *rest = e.args
        if condition == sympy.true or not rest:
            return _text(value, names)
        others = _text(e.func(*rest, evaluate=False), names) if len(rest) > 1 else _text(rest[0][0], names)
        return f"({_text(value, names)} if {_text(condition, names)} else {others})"
    if e.is_Relational:
        left, right = (_text(each, names) for each in e.args)
        return {"<": f"less({left}, {right})", "<=": f"at_most({left}, {right})", ">": f"less({right}, {left})", ">=": f"at_most({right}, {left})"}[e.rel_op]  # fmt: skip
    if isinstance(e, sympy.And | sympy.Or):
        return (
            "("
            + (" and " if isinstance(e, sympy.And) else " or ").join(_text(each, names) for each in e.args)
            + ")"
        )
    if e in (sympy.true, sympy.false):
        return str(bool(e))
    parts = [_text(each, names) for each in e.args]
    if e.is_Add:
        return f"({' + '.join(parts)})"
    if e.is_Mul:
        return f"({'*'.join(parts)})"
    if e.is_Pow:
        if e.exp.is_Integer and e.exp > 0:
            return f"whole_power({parts[0]}, {int(e.exp)})"
        if e.exp == -1:
            return f"over(whole[1], {parts[0]})"
        if e.exp == S.Half:
            return f"f_sqrt({parts[0]})"
        return f"power({parts[0]}, {parts[1]})"
    if _name(e.func) not in FUNCTIONS:
        raise NotImplementedError(f"no truth is known of {e.func}")
    return f"f_{_name(e.func)}({', '.join(parts)})"


def evaluate(
    function: Callable[..., tuple[Any, ...]], point: Sequence[Any], precisions: Sequence[int] = PRECISIONS
) -> tuple[Any, ...]:
    """The balls at one point, narrow enough for a double wherever they can be."""
    before, results = ctx.prec, ()
    try:
        for precision in precisions:
            ctx.prec, _Digits.last, _Digits.wanted = precision, precision == precisions[-1], False
            try:
                results = function(*point)
            except Undecided:
                continue
            except ZeroDivisionError:
                return ()
            if all(map(_settled, results)):
                break
        return results
    finally:
        ctx.prec = before


def _narrow(ball: Any) -> bool:
    return ball.rel_accuracy_bits() >= ENOUGH or (ball.is_finite() and abs(ball) < NOTHING)


def _settled(ball: Any) -> bool:
    """Whether more digits would tell no more."""
    return _narrow(ball) or (ball.is_nan() and not _Digits.wanted)


def _in_two_parts(ball: Any) -> tuple[float, float]:
    """A ball as the sum of two doubles. What is smaller than any double is 0; what is no number is NaN and 0, what is
    unknown NaN twice."""
    if not _narrow(ball) or not ball.is_finite():
        return (math.nan, 0.0 if _settled(ball) else math.nan)
    high = float(ball)
    return (high, float(ball - high)) if math.isfinite(high) else (high, 0.0)


def truths(expressions: Sequence[Any], symbols: Sequence[Any], points: Any) -> numpy.ndarray:
    """Array (points, expressions, 2): each true value as the sum of two doubles; NaN and 0 where it has none, NaN twice
    where it is unknown."""
    function = compiled(tuple(expressions), tuple(symbols))
    more = _more(tuple(expressions))
    unknown = [(math.nan, math.nan)] * len(expressions)
    found = []
    before, ctx.prec = ctx.prec, PRECISIONS[0]
    try:
        for row in numpy.asarray(points, "float64").reshape(len(points), len(symbols)).tolist():
            try:
                balls = _balls(function, [arb(x) for x in row], more)
            except Incomparable:
                found.append([_alone(each, symbols, row) for each in expressions])
                continue
            found.append([_in_two_parts(ball) for ball in balls] or unknown)
    finally:
        ctx.prec = before
    return numpy.array(found).reshape(len(points), len(expressions), 2)


def surely_none(pairs: numpy.ndarray) -> numpy.ndarray:
    """Where there is surely no value, of true values as pairs of two doubles along the last axis."""
    return numpy.isnan(pairs[..., 0]) & ~numpy.isnan(pairs[..., 1])


def _balls(
    function: Callable[..., tuple[Any, ...]], point: Sequence[Any], more: Sequence[int]
) -> tuple[Any, ...]:
    """Those at one point: of the first precision, which is set, or of as many digits as it takes."""
    _Digits.last, _Digits.wanted = False, False
    try:
        balls = function(*point)
        if all(map(_settled, balls)):
            return balls
    except Undecided:
        pass
    except ZeroDivisionError:
        return ()
    return evaluate(function, point, more)


def _alone(expression: Any, symbols: Sequence[Any], point: Sequence[float]) -> tuple[float, float]:
    """The truth of one expression at a point where not all of them have a value."""
    function = compiled((expression,), tuple(symbols))
    try:
        balls = evaluate(function, [arb(x) for x in point], (PRECISIONS[0], *_more((expression,))))
    except Incomparable:
        return math.nan, 0.0
    return _in_two_parts(balls[0]) if balls else (math.nan, math.nan)


@lru_cache(256)
def _more(expressions: tuple[Any, ...]) -> tuple[int, ...]:
    """The precisions that may be needed beyond the first."""
    functions = {_name(each.func) for expression in expressions for each in expression.atoms(sympy.Function)}
    most = min((SLOW[each] for each in functions if each in SLOW), default=PRECISIONS[-1])
    return tuple(each for each in PRECISIONS[1:] if each <= most) or PRECISIONS


def constant(expression: Any, precision: int) -> Any:
    """A constant of the language as a SymPy number: what SymPy asks for when it compares one."""
    try:
        (ball,) = evaluate(compiled((expression,), ()), ()) or (NAN,)
    except Incomparable:
        ball = NAN
    if not ball.is_finite():
        return S.NaN
    return sympy.Float(ball.mid().str(int(precision / 3.3) + 5, radius=False), precision=precision)

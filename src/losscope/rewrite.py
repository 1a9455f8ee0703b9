"""Ways to write an expression anew: each a function from an expression to an equal one, which may keep more digits.

Which of them helps is not decided here: `mend` tries them and measures. What is assumed is that symbols are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sympy
from sympy import Add, Mul, Piecewise, S, exp
from sympy.core.traversal import bottom_up

from losscope.expression import (
    absolute,
    cos,
    cos_arctan,
    cosh,
    erf,
    erfc,
    expm1,
    expm1mx,
    hypot,
    log,
    log1p,
    log1pmx,
    log1px2,
    log_cosh,
    maximum,
    minimum,
    pow1pm1,
    pow1px2m1,
    sech2,
    sigmoid,
    sin,
    sin_arctan,
    sinh,
    softplus,
    sqrt1px2m1,
    symbol,
    tanh,
    unit,
    xmuly,
)
from losscope.stable import stable

PREDICTION, TARGET, RESIDUAL = (symbol(name) for name in ("prediction", "target", "r"))
MOST_OPERATIONS = 600  # of an expression that is still worth the trouble


# --- sums: what cancels in them is taken out

LOG2 = log(sympy.Integer(2))
# Function -> sums that it is equal to. Put in its place, one of a sum's terms may go.
IDENTITIES: dict[Any, Callable[..., list[Any]]] = {
    exp: lambda x: [1 + expm1(x)],
    expm1: lambda x: [x + expm1mx(x)],
    log1p: lambda x: [x + log1pmx(x)],
    sigmoid: lambda x: [1 - sigmoid(-x), sigmoid(-x) + tanh(x / 2), (1 + tanh(x / 2)) / 2],
    tanh: lambda x: [1 - 2 * sigmoid(-2 * x), 2 * sigmoid(2 * x) - 1],
    softplus: lambda x: [x + softplus(-x), x / 2 + LOG2 + log_cosh(x / 2)],
    cosh: lambda x: [1 + 2 * sinh(x / 2) ** 2],
    cos: lambda x: [1 - 2 * sin(x / 2) ** 2],
    erf: lambda x: [1 - erfc(x), erfc(-x) - 1],
    erfc: lambda x: [1 - erf(x)],
    sech2: lambda x: [1 - tanh(x) ** 2],
    cos_arctan: lambda x: [sin_arctan(x) / x],
    sin_arctan: lambda x: [x * cos_arctan(x)],
    hypot: lambda a, b: [absolute(b) * (1 + sqrt1px2m1(a / b)), absolute(a) * (1 + sqrt1px2m1(b / a))],
}


def regrouped(expression: Any) -> Any:
    """Sums with fewer terms, by the identities above: exp(r) - r - 1 is expm1(r) - r is expm1mx(r)."""
    return bottom_up(expression, lambda e: _fewer(e) if e.is_Add else e)


def spread(expression: Any) -> Any:
    """The same, after sums and products are multiplied out."""
    return bottom_up(expression, lambda e: _fewer(sympy.expand_mul(e)) if e.is_Add and _small(e) else e)


def _fewer(e: Any) -> Any:
    for _ in range(6):
        better = next((each for each in _substituted(e) if _terms(each) < _terms(e)), None)
        if better is None:
            return e
        e = better
        if not e.is_Add:
            break
    return e


def _terms(e: Any) -> int:
    return len(Add.make_args(e)) if e != 0 else 0


def _substituted(e: Any) -> Iterator[Any]:
    parts = sorted(_factors_of_terms(e), key=sympy.default_sort_key)
    for part in parts:
        for k, other in enumerate(_equal(part)):
            change = {part: other}
            yield sympy.expand_mul(e.xreplace(change))
            for term in e.args:  # in one term alone
                if part in Mul.make_args(term) and _terms(e) <= 6:
                    yield e - term + sympy.expand_mul(term.xreplace(change))
            if part.is_Function and len(part.args) == 1 and part.func(-part.args[0]) in parts:
                mirrored = part.func(-part.args[0])
                yield sympy.expand_mul(e.xreplace({**change, mirrored: _equal(mirrored)[k]}))


def _factors_of_terms(e: Any) -> set[Any]:
    """The functions and powers that stand as factors in the terms of a sum."""
    return {
        factor for term in e.args for factor in Mul.make_args(term) if factor.is_Function or factor.is_Pow
    }


def _equal(part: Any) -> list[Any]:
    """Sums that a function or a power is equal to."""
    if part.func in IDENTITIES:
        return IDENTITIES[part.func](*part.args)
    if not part.is_Pow:
        return []
    base, exponent = part.args
    if isinstance(base, tanh) and exponent == 2:
        return [1 - sech2(*base.args)]
    if base.func in (sin_arctan, cos_arctan) and exponent == 2:
        return [1 - (cos_arctan if isinstance(base, sin_arctan) else sin_arctan)(*base.args) ** 2]
    if isinstance(base, unit) and exponent == 2:
        return [1 - unit(*base.args[::-1]) ** 2]
    return _less_one(base, exponent)


def _less_one(base: Any, exponent: Any) -> list[Any]:
    """(1 + w)^q is 1 and what is more than 1; (c + w)^q that of 1 + w/c, times c^q."""
    if exponent.is_Integer and exponent > 0:
        return []
    if isinstance(base, hypot) and S.One in base.args:
        x = next((each for each in base.args if each != 1), S.One)
        return [1 + pow1px2m1(x, exponent / 2)]
    found = []
    for term in Add.make_args(base):
        rest = base - term
        if not (
            term.is_positive and rest != 0 and (term.is_number or not term.has(PREDICTION, TARGET, RESIDUAL))
        ):
            continue
        root = square_root(rest / term)
        if exponent == S.Half and root is not None:
            more = sqrt1px2m1(root)
        elif root is not None:
            more = pow1px2m1(root, exponent)
        else:
            more = pow1pm1(rest / term, exponent)
        found.append(term**exponent * (1 + more))
    return found


def square_root(x: Any) -> Any:
    """y where x is surely y^2; None where that is not to be seen. The root of a number, or of what is positive, is one."""
    halves = []
    for factor in Mul.make_args(sympy.powdenest(x)):
        base, exponent = factor.as_base_exp()
        if exponent.is_Integer and exponent % 2 == 0:
            halves.append(base ** (exponent / 2))
        elif factor.is_nonnegative or isinstance(base, absolute):
            halves.append(sympy.sqrt(factor))
        else:
            return None
    return Mul(*halves)


def _small(e: Any) -> bool:
    return e.count_ops() <= MOST_OPERATIONS


# --- fractions


def factored(expression: Any) -> Any:
    """Sums over a common denominator, what is common taken out: the differences that a quotient's derivative is."""
    return bottom_up(expression, lambda e: _factored(e) if e.is_Add and _small(e) else e)


def _factored(e: Any) -> Any:
    if e.has(Piecewise):
        return sympy.factor_terms(e)
    together = sympy.together(e)
    above, below = together.as_numer_denom()
    try:
        above = sympy.factor(above)
    except (sympy.PolynomialError, NotImplementedError):
        return together
    result = above / below
    return result if result.count_ops() <= 2 * e.count_ops() else e


def collected(expression: Any) -> Any:
    """What is common to all terms of a sum taken out, and what is left regrouped."""

    def one(e: Any) -> Any:
        if not e.is_Add or not _small(e):
            return e
        taken = sympy.factor_terms(e)
        if taken.is_Add:
            return _fewer(taken)
        return Mul(
            *(_fewer(sympy.expand_mul(each)) if each.is_Add else each for each in Mul.make_args(taken))
        )

    return bottom_up(expression, one)


def of_residual(expression: Any) -> Any:
    """prediction - target, where it has come out again, is the residual."""
    difference = PREDICTION - TARGET

    def one(e: Any) -> Any:
        if not e.is_Add or not e.has(PREDICTION) or not e.has(TARGET):
            return e
        for sign in (1, -1):
            rest = e - sign * difference
            if not rest.has(PREDICTION, TARGET):
                return sign * RESIDUAL + rest
        k = e.coeff(PREDICTION)
        if k != 0 and not k.has(PREDICTION, TARGET) and sympy.expand(e - k * difference) == 0:
            return k * RESIDUAL
        return e

    return bottom_up(expression, one)


# --- squares that overflow


def lengths(expression: Any) -> Any:
    """A^2 + B^2 below a root, a fraction or in a logarithm is a length, whose squares need not be formed."""
    return bottom_up(expression, _length)


def _length(e: Any) -> Any:
    if e.is_Pow and not (e.exp.is_Integer and e.exp > 0):
        pair = _two_squares(e.base)
        if pair:
            return hypot(*pair) ** (2 * e.exp)
    if isinstance(e, log):
        pair = _two_squares(e.args[0])
        if pair:
            return log1px2(pair[1]) if pair[0] == 1 else 2 * log(hypot(*pair))
    if isinstance(e, log1p):
        root = square_root(e.args[0])
        if root is not None and root.free_symbols:
            return log1px2(root)
    if isinstance(e, pow1pm1):
        root = square_root(e.args[0])
        if root is not None:
            return pow1px2m1(root, e.args[1])
    if e.is_Mul:
        return _parts_of_length(e)
    return e


def _two_squares(e: Any) -> tuple[Any, Any] | None:
    terms = Add.make_args(e)
    if len(terms) != 2:
        return None
    roots = [square_root(each) for each in terms]
    if None in roots:
        return None
    numbers = [each for each in roots if each.is_number]
    others = [each for each in roots if not each.is_number]
    if not others:
        return None
    first, second = (
        (*numbers, *others) if numbers else sorted(others, key=lambda each: each.has(PREDICTION, RESIDUAL))
    )
    return first, second


def _parts_of_length(e: Any) -> Any:
    """x^m over hypot(x, c)^n has parts of a vector of length 1 in it."""
    for factor in Mul.make_args(e):
        base, exponent = factor.as_base_exp()
        whole = exponent.as_coeff_Add()[0]
        if not isinstance(base, hypot) or not whole.is_negative:
            continue
        for x, other in (base.args, base.args[::-1]):
            variable = next(iter(x.free_symbols), None)
            if variable is None or (not x.is_Mul and not x.is_Symbol and not x.is_Pow):
                continue
            m = _power_of(e, variable) / _power_of(x, variable) if _power_of(x, variable) else 0
            if not (m.is_number if hasattr(m, "is_number") else False) or m < 1:
                continue
            k = min(sympy.floor(m), sympy.floor(-whole))
            if k >= 1:
                others = Mul(*(each for each in Mul.make_args(e) if each is not factor))
                rest = others / x**k * base ** (exponent + k)
                return (
                    _parts_of_length(rest) * unit(x, other) ** k
                    if rest.is_Mul
                    else rest * unit(x, other) ** k
                )
    return e


def _power_of(e: Any, variable: Any) -> Any:
    for factor in Mul.make_args(e):
        base, exponent = factor.as_base_exp()
        if base == variable or (isinstance(base, absolute) and base.args[0] == variable):
            return exponent
    return S.Zero


def as_angles(expression: Any) -> Any:
    """Lengths beside 1 in the words for them."""

    def one(e: Any) -> Any:
        if isinstance(e, unit):
            a, b = e.args
            return sin_arctan(a) if b == 1 else cos_arctan(b) if a == 1 else e
        if e.is_Pow and isinstance(e.base, hypot) and S.One in e.base.args and e.exp.is_Integer and e.exp < 0:
            x = next((each for each in e.base.args if each != 1), S.One)
            return cos_arctan(x) ** -e.exp
        return e

    return bottom_up(expression, one)


# --- products and powers


def as_exponential(expression: Any) -> Any:
    """A power of a sigmoid, of which little may be left, by its logarithm."""

    def one(e: Any) -> Any:
        if e.is_Pow and not (e.exp.is_Integer and e.exp > 0):
            if isinstance(e.base, sigmoid):
                return exp(-e.exp * softplus(-e.base.args[0]))
            if isinstance(e.base, exp):
                return exp(e.exp * e.base.args[0])
        return e

    return bottom_up(expression, one)


def guarded(expression: Any) -> Any:
    """x^2 exp(-x) as a product that is 0 where exp(-x) is, though x^2 be infinite."""

    def one(e: Any) -> Any:
        if not e.is_Mul:
            return e
        vanishing = [
            each
            for each in e.args
            if each.as_base_exp()[0].func in (exp, sigmoid, sech2) or isinstance(each, exp)
        ]
        rest = [each for each in e.args if each not in vanishing]
        number = Mul(*(each for each in rest if not each.has(PREDICTION, TARGET, RESIDUAL)))
        rest = [each for each in rest if each.has(PREDICTION, TARGET, RESIDUAL)]
        return number * xmuly(Mul(*vanishing), Mul(*rest)) if vanishing and rest else e

    return bottom_up(expression, one)


def unguarded(expression: Any) -> Any:
    """Products as products, for others to rewrite."""
    return expression.replace(xmuly, lambda x, y: x * y)


def halved(expression: Any) -> Any:
    """y exp(x) as (y exp(x/2)) exp(x/2), which does not overflow before it must."""

    def one(e: Any) -> Any:
        exponential = next((each for each in e.args if isinstance(each, exp)), None) if e.is_Mul else None
        if exponential is None:
            return e
        half = exp(exponential.args[0] / 2)
        number = Mul(*(each for each in e.args if each.is_number))
        rest = Mul(*(each for each in e.args if each is not exponential and not each.is_number))
        return number * xmuly(xmuly(rest, half), half)

    return bottom_up(expression, one)


def exponential_out(expression: Any) -> Any:
    """1 - (1 + x) exp(-x) as exp(-x) (exp(x) - 1 - x), whose sum may then be regrouped."""

    def one(e: Any) -> Any:
        if not e.is_Add:
            return e
        whole = sympy.expand_mul(e)
        for found in sorted(whole.atoms(exp), key=sympy.default_sort_key):
            inside = Add(*(term / found for term in Add.make_args(whole)))
            regrouped_ = _fewer(sympy.expand_mul(inside))
            if _terms(regrouped_) < _terms(whole):
                return found * regrouped_
        return e

    return bottom_up(expression, one)


def evened(expression: Any) -> Any:
    """Even powers of cos_arctan(x) and of unit(c, x) by 1 + x^2: fewer roundings, and their squares may overflow to
    infinity, below which all is 0 as it should be."""

    def one(e: Any) -> Any:
        if e.is_Pow and e.exp.is_Integer and isinstance(e.base, cos_arctan):
            odd = e.exp % 2
            return e.base**odd * (1 + e.base.args[0] ** 2) ** (-(e.exp - odd) / 2)
        if e.is_Pow and e.exp.is_Integer and e.exp % 2 == 0:
            if isinstance(e.base, unit) and not e.base.args[0].has(PREDICTION, TARGET, RESIDUAL):
                c, x = e.base.args
                return (1 + (x / c) ** 2) ** (-e.exp / 2)
            if isinstance(e.base, hypot) and not e.base.args[0].has(PREDICTION, TARGET, RESIDUAL):
                c, x = e.base.args
                return (c**2 + x**2) ** (e.exp / 2)
        return e

    return bottom_up(expression, one)


def ratios(expression: Any) -> Any:
    """sinh/cosh is tanh, 1/cosh^2 sech2; a power of a product is the product of powers."""

    def one(e: Any) -> Any:
        if e.is_Mul or e.is_Pow:
            for factor in Mul.make_args(e):
                base, exponent = factor.as_base_exp()
                if isinstance(base, cosh) and exponent.is_Integer and exponent < 0:
                    x = base.args[0]
                    m = sum(
                        each.as_base_exp()[1] for each in Mul.make_args(e) if each.as_base_exp()[0] == sinh(x)
                    )
                    k = min(m, -exponent) if m > 0 else 0
                    left = -exponent - k
                    if k and left % 2 == 0:
                        return e / factor / sinh(x) ** k * tanh(x) ** k * sech2(x) ** (left / 2)
                    if left % 2 == 0:
                        return e / factor * sech2(x) ** (left / 2)
        if isinstance(e, log) and isinstance(e.args[0], cosh):
            return log_cosh(e.args[0].args[0])
        return e

    return bottom_up(expression, one)


# --- logarithms of quotients, and the divergences that they make


def near(expression: Any) -> Any:
    """log(a) - log(b) near a = b is log1p((a - b)/b); far from it, it is itself."""

    def one(e: Any) -> Any:
        if isinstance(e, log) and e.args[0].has(PREDICTION) and e.args[0].has(TARGET):
            above, below = sympy.fraction(e.args[0])
            return _near(above, below) if not below.is_number else e
        if e.is_Add:
            for kind, more in ((log, 0), (log1p, 1)):
                logs = [
                    (term, factor)
                    for term in e.args
                    for factor in Mul.make_args(term)
                    if isinstance(factor, kind)
                ]
                for term, factor in logs:
                    for other, partner in logs:
                        if term is not other and sympy.expand(term / factor + other / partner) == 0:
                            a, b = factor.args[0] + more, partner.args[0] + more
                            if (a.has(PREDICTION) and b.has(TARGET)) or (b.has(PREDICTION) and a.has(TARGET)):
                                return e - term - other + term / factor * _near(a, b)
        return e

    return bottom_up(expression, one)


def _near(a: Any, b: Any) -> Any:
    return log1p(of_residual(sympy.expand(a - b)) / b)


def joined(expression: Any) -> Any:
    """log(a) - log(b) as log(a/b)."""

    def one(e: Any) -> Any:
        if not e.is_Add:
            return e
        logs = [
            (term, factor)
            for term in e.args
            for factor in Mul.make_args(term)
            if isinstance(factor, log | log1p)
        ]
        for term, factor in logs:
            for other, partner in logs:
                if term is not other and sympy.expand(term / factor + other / partner) == 0:
                    a, b = (each.args[0] + isinstance(each, log1p) for each in (factor, partner))
                    return e - term - other + term / factor * log(a / b)
        return e

    return bottom_up(expression, one)


def pythagoras(expression: Any) -> Any:
    """n + k sin^2 as n cos^2 + (k + n) sin^2, of the angle whose tangent is x: where k is nearly -n, nothing cancels."""

    def one(e: Any) -> Any:
        if not e.is_Add:
            return e
        number, rest = e.as_coeff_Add()
        for sine in sorted(e.atoms(sin_arctan), key=sympy.default_sort_key):
            k: Any = rest.coeff(sine, 2) if number != 0 else 0
            if k != 0 and not k.has(sin_arctan) and sympy.expand(rest - k * sine**2) == 0:
                return number * cos_arctan(*sine.args) ** 2 + (k + number) * sine**2
        return e

    return bottom_up(as_angles(expression), one)


def apart(expression: Any) -> Any:
    """log(a/b) as log(a) - log(b): the quotient may overflow."""

    def one(e: Any) -> Any:
        if isinstance(e, log):
            above, below = sympy.fraction(e.args[0])
            if below != 1 and not below.is_number:
                return log(above) - log(below)
        return e

    return bottom_up(expression, one)


def divergence(expression: Any) -> Any:
    """k log(y/z) + k (z - y)/y, as divergences have them, is -k log1pmx((z - y)/y): nothing of first order is left."""

    def one(e: Any) -> Any:
        if not e.is_Add:
            return e
        whole = sympy.expand_mul(e)
        for term in whole.args if whole.is_Add else ():
            for factor in Mul.make_args(term):
                if not isinstance(factor, log) or not (factor.has(PREDICTION) and factor.has(TARGET)):
                    continue
                above, below = sympy.fraction(factor.args[0])
                k = term / factor
                for a, b, sign in ((above, below, 1), (below, above, -1)):
                    # k log(a/b) = sign k [log1pmx(w) + w], w = (a - b)/b
                    rest = sympy.expand_mul(
                        of_residual(sympy.expand(whole - term)).subs(RESIDUAL, PREDICTION - TARGET)
                        + sign * k * (a - b) / b
                    )
                    if _terms(rest) < _terms(whole) - 1 and (rest == 0 or rest.is_number):
                        return sign * k * log1pmx(of_residual(a - b) / b) + rest
        return e

    return bottom_up(expression, one)


def softened(expression: Any) -> Any:
    """log(1 + a exp(x)) is softplus(x + log a), for a positive a; what its derivative becomes, a sigmoid."""

    def one(e: Any) -> Any:
        if isinstance(e, log1p):
            found = _exponential(e.args[0])
            return softplus(found) if found is not None else e
        if e.is_Pow and e.exp.is_Integer and e.exp < 0:
            number, rest = e.base.as_coeff_Add()
            found = _exponential(rest) if number == 1 else None
            return sigmoid(-found) ** -e.exp if found is not None else e
        if e.is_Mul:
            for factor in e.args:
                base, exponent = factor.as_base_exp()
                if isinstance(base, sigmoid) and exponent.is_Integer and exponent > 0:
                    inner = -base.args[0]
                    grown = [
                        each
                        for each in e.args
                        if isinstance(each, exp)
                        and sympy.expand(exponent * inner - each.args[0]).is_number is not None
                    ]
                    for each in grown:
                        rest = sympy.expand(each.args[0] - exponent * inner)
                        if not rest.has(PREDICTION, RESIDUAL):
                            return e / factor / each * sigmoid(inner) ** exponent * exp(rest)
        return e

    return bottom_up(expression, one)


def _exponential(x: Any) -> Any:
    """y with x = exp(y), of products of exponentials and what is positive."""
    parts: list[Any] = []
    rest: list[Any] = []
    for factor in Mul.make_args(x):
        (parts if isinstance(factor, exp) else rest).append(factor)
    if not parts or not all(each.is_positive for each in rest):
        return None
    return Add(*(each.args[0] for each in parts), *(log(each) for each in rest))


# --- conditions


def moved(expression: Any) -> Any:
    """Comparisons with as little arithmetic as there is: 1 - x > 1 is x < 0; a sum that rounds would decide wrongly."""

    def one(e: Any) -> Any:
        if not e.is_Relational:
            return e
        left, right = e.args
        for side in (0, 1):
            chosen, other = e.args[side], e.args[1 - side]
            if isinstance(chosen, maximum | minimum) and other.is_number:
                number = next((each for each in chosen.args if each.is_number), None)
                if number is not None and (
                    (number < other) if isinstance(chosen, maximum) else (number > other)
                ):
                    inner = next(each for each in chosen.args if each is not number)
                    pair = (inner, other) if side == 0 else (other, inner)
                    return e.func(*pair, evaluate=False)
        a, rest = left.as_coeff_Add()
        b, others = right.as_coeff_Add()
        return e.func(rest, others + (b - a), evaluate=False) if a != 0 and b - a == 0 else e

    return bottom_up(expression, one)


def again(expression: Any) -> Any:
    """The idioms that every formula is read with."""
    return stable(expression)


REWRITES: tuple[Callable[[Any], Any], ...] = (
    unguarded, regrouped, collected, factored, spread, lengths, as_exponential, guarded, halved, exponential_out, evened, ratios, near,
    joined, pythagoras, apart, divergence, softened, moved, of_residual, again,
)  # fmt: skip

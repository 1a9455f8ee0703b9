"""Idioms that overflow or cancel -> the primitives that do not.

People write log(1 + exp(-y*z)), 1 - exp(-x), 1/(1 + exp(-x)), sqrt(1 + x**2) - 1. As numbers these lose their digits
or overflow; as symbols they are the same as softplus, expm1, sigmoid ..., so a formula is read as those.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Mul, Piecewise, Pow, S, exp

from losscope.expression import symbol
from losscope.expression.choices import absolute, sign
from losscope.expression.differences import expm1mx, log1pmx, sqrt1px2m1
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import expm1, log, log1p, sigmoid, softplus
from losscope.expression.hyperbolic import acosh, asinh, cosh, log_cosh, tanh
from losscope.expression.products import xmuly

# What a product may be 0 by, where another of its factors grows without end.
DATA = {symbol(name) for name in ("prediction", "target", "r", "margin")}
PREDICTION, TARGET, RESIDUAL = (symbol(name) for name in ("prediction", "target", "r"))


@everywhere
def stable(e: Any) -> Any:
    """The same expression, its idioms replaced, innermost first.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> stable(log(1 + exp(x))), stable(1 / (1 + exp(-x))), stable(1 - sigmoid(x))
    (softplus(x), sigmoid(x), sigmoid(-x))
    """
    if e.is_Add:
        return _sum(e)
    if e.is_Mul:
        return _product(e)
    if e.is_Pow:
        return _power(e)
    if isinstance(e, log):
        return _logarithm(e.args[0])
    if isinstance(e, exp) and isinstance(-e.args[0], softplus):
        return sigmoid(-(-e.args[0]).args[0])
    if isinstance(e, expm1) and isinstance(-e.args[0], softplus):
        return -sigmoid((-e.args[0]).args[0])
    if isinstance(e, log1p):
        return _logarithm_of_one_more(e.args[0])
    if e.is_Relational:
        return _comparison(e)
    if isinstance(e, acosh):  # acosh(1 + 2 y^2) is 2 asinh(|y|)
        y = _root((e.args[0] - 1) / 2)
        return e if y is None else 2 * asinh(absolute(y))
    return e


def _sum(e: Any) -> Any:
    """c - c sigmoid(x), c - c tanh(x); exp(x) - 1 (- x), log1p(x) - x, sqrt(1 + x^2) - 1, and their negatives."""
    e = _of_inputs(e)
    if not e.is_Add:
        return e
    number, rest = e.as_coeff_Add()
    if number != 0 and (left := _left_of_one(rest / number)) is not None:
        return number * left
    for whole in (e, -e):
        number, rest = whole.as_coeff_Add()
        found: Any = None
        if number == -1 and isinstance(rest, exp):
            found = stable(expm1(rest.args[0]))
        elif number == -1 and rest.is_Pow and rest.exp == S.Half:
            under, root = rest.base.as_coeff_Add()
            x = _root(root)
            found = sqrt1px2m1(x) if under == 1 and x is not None else None
        elif number == 0:
            found = _first_order_gone(whole)
        if found is not None:
            return found if whole is e else -found
    return e


def _of_inputs(total: Any) -> Any:
    """r + target is the prediction, and r - prediction minus the target, to the last digit."""
    for term in total.args:
        a, x = term.as_coeff_Mul()
        for other, whole in (
            ((a * TARGET, a * PREDICTION), (-a * PREDICTION, -a * TARGET)) if x == RESIDUAL else ()
        ):
            if other in total.args:
                return total - term - other + whole
    return total


def _left_of_one(x: Any) -> Any:
    """1 + x, of minus a sigmoid, a tanh, and minus a tanh."""
    if isinstance(-x, sigmoid):
        return sigmoid(-(-x).args[0])
    for sign_, function in ((1, x), (-1, -x)):
        if isinstance(function, tanh):
            return 2 * sigmoid(2 * sign_ * function.args[0])
    return None


def _first_order_gone(whole: Any) -> Any:
    """expm1(x) - x and log1p(x) - x."""
    for term in whole.args:
        for function, without in ((expm1, expm1mx), (log1p, log1pmx)):
            if isinstance(term, function) and whole - term == -term.args[0]:
                return without(term.args[0])
    return None


def _comparison(e: Any) -> Any:
    """tanh(x) < 1, which always holds, and y exp(x) > 0, which is y > 0: of which a rounding may say otherwise."""
    for function, other, relation in ((e.lhs, e.rhs, e), (e.rhs, e.lhs, e.reversed)):
        if isinstance(function, tanh | sigmoid) and other.is_Rational:
            low, high = (-1, 1) if isinstance(function, tanh) else (0, 1)
            if other >= high or other <= low:
                return S.true if (other >= high) == (relation.rel_op in ("<", "<=")) else S.false
        factors = function.args if isinstance(function, Mul | xmuly) else ()
        rest = [each for each in factors if not isinstance(each, exp | sigmoid | softplus)]
        if other == 0 and len(rest) < len(factors):
            return relation.func(Mul(*rest), 0)
    return e


def _product(e: Any) -> Any:
    """exp(x)/(1 + exp(x)), which has become exp(x) sigmoid(-x)."""
    for factor in e.args:
        if isinstance(factor, exp):
            partner = sigmoid(-factor.args[0])
            if partner in e.args:
                return Mul(
                    *(each for each in e.args if each not in (factor, partner)), sigmoid(factor.args[0])
                )
    return _share_of_the_infinite(e)


def _share_of_the_infinite(e: Any) -> Any:
    """y softplus(z), sigmoid(-z) softplus(z): of an infinite z, what has no share in it is 0 and not NaN."""
    growing = [each for each in e.args if each.has(softplus) and not each.is_number]
    share = Mul(*(each for each in e.args if not each.has(softplus) and not each.is_number))
    if not growing or not (share.has(sigmoid) or share.free_symbols & DATA):
        return e
    return Mul(*(each for each in e.args if each.is_number), xmuly(share, Mul(*growing)))


def _power(e: Any) -> Any:
    """1/(1 + exp(x))."""
    if e.exp.is_Integer and e.exp < 0:
        number, rest = e.base.as_coeff_Add()
        if number == 1 and isinstance(rest, exp):
            return sigmoid(-rest.args[0]) ** -e.exp
    return e


def _logarithm(x: Any) -> Any:
    """log(1 + x), log of a power, of a quotient by one, and of a sum of two exponentials."""
    if isinstance(x, Pow) and x.base.is_positive:
        return x.exp * _logarithm(x.base)
    if isinstance(x, cosh):
        return log_cosh(x.args[0])
    if x.is_Add and (inverse := _inverse_sine(x)) is not None:
        return inverse
    if isinstance(x, Mul) and all(isinstance(each, exp | sigmoid) or each.is_positive for each in x.args):
        parts = [_logarithm(each) for each in x.args if isinstance(each, exp | sigmoid | Pow)]
        rest = Mul(*(each for each in x.args if not isinstance(each, exp | sigmoid | Pow)))
        return Add(*parts) + (log(rest) if parts else log(x))
    number, rest = x.as_coeff_Add()
    if number == 1:
        return _logarithm_of_one_more(rest)
    if x.is_Add and len(x.args) == 2:
        (c, first), (d, second) = (each.as_coeff_Mul() for each in x.args)
        if isinstance(first, exp) and isinstance(second, exp) and c > 0 and d > 0:
            a, b = first.args[0], second.args[0]
            if c == d and a == -b:
                return log_cosh(a) + log(2 * c)
            return log(c) + a + softplus(b - a + log(d / c))
    return log(x)


def _inverse_sine(x: Any) -> Any:
    """log(y + sqrt(1 + y^2)) is asinh(y)."""
    for term in x.args:
        if term.is_Pow and term.exp == S.Half and sympy.expand(term.base - (x - term) ** 2) == 1:
            return asinh(x - term)
    return None


def _logarithm_of_one_more(x: Any) -> Any:
    """log(1 + x): of exp(x) it is softplus(x), of c exp(x) softplus(x + log c)."""
    coefficient, rest = x.as_coeff_Mul()
    if isinstance(rest, exp) and coefficient > 0:
        return softplus(rest.args[0] + log(coefficient))
    return log1p(x)


def _root(x: Any) -> Any:
    """y where x is y^2, written without a root; else None."""
    halves = []
    for factor in Mul.make_args(x):
        base, exponent = factor.as_base_exp()
        if factor.is_Rational:
            half = sympy.sqrt(factor)
            if not half.is_Rational:
                return None
            halves.append(half)
        elif exponent.is_Integer and exponent % 2 == 0:
            halves.append(base ** (exponent / 2))
        else:
            return None
    return Mul(*halves)


def beside_kinks(slope: Any) -> Any:
    """A derivative in which sign(x)^2 is 1 at 0, too, as it is on both sides: |x|^2 is bent there, and min(|x|, 1)^2.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> chosen = Piecewise((sign(x), x < 1), (0, True))
    >>> beside_kinks(chosen**2), beside_kinks(chosen * (x * sign(x) - sign(x)))
    (Piecewise((1, x < 1), (0, True)), (x - 1)*Piecewise((1, x < 1), (0, True)))
    """
    return _without_squares(slope)


@everywhere
def _without_squares(e: Any) -> Any:
    for one in sorted(e.atoms(sign), key=str) if e.is_Pow or e.is_Mul else ():
        if e.is_Pow:
            share = _over(e.base, one) if e.exp.is_even else None
            e = e if share is None else share**e.exp
        elif e.is_Mul:  # without one sign it may be a sum or a choice
            shares = {factor: _over(factor, one) for factor in e.args}
            have = [factor for factor in e.args if shares[factor] is not None]
            pairs = have[: len(have) // 2 * 2]
            e = Mul(*(shares[factor] if factor in pairs else factor for factor in e.args))
    return e


def _over(e: Any, one: Any) -> Any:
    """An expression without its factor sign(x), if it has that, in all terms and branches; else None."""
    if e == one:
        return S.One
    if e.is_Mul:
        found = next(((each, share) for each in e.args if (share := _over(each, one)) is not None), None)
        return None if found is None else Mul(found[1], *(each for each in e.args if each is not found[0]))
    if e.is_Add:
        shares = [_over(term, one) for term in e.args]
        return None if None in shares else Add(*shares)
    if isinstance(e, Piecewise) and e.has(one):
        shares = [value if value == 0 else _over(value, one) for value, _ in e.args]
        return None if None in shares else Piecewise(*zip(shares, (at for _, at in e.args), strict=True))
    return None


@everywhere
def tidy(e: Any) -> Any:
    """What SymPy's derivatives leave undone.

    >>> from losscope.expression import symbol
    >>> x, y, c = symbol("x"), symbol("y"), symbol("c")
    >>> tidy(x**c / x), tidy(y * exp(x) + (1 - y) * exp(x))
    (x**(c - 1), exp(x))
    """
    if e.is_Mul:
        return _tidy_product(e)
    return _common(e) if e.is_Add else _chosen_once(e) if isinstance(e, Piecewise) else e


def _tidy_product(e: Any) -> Any:
    power = _whole_power(e)
    return _into_choice(_share_of_the_infinite(power)) if power.is_Mul else power


def _into_choice(e: Any) -> Any:
    """x where(c, 1, 0) is where(c, x, 0): no NaN where x is infinite and not chosen."""
    for choice in e.args if e.is_Mul else ():
        if isinstance(choice, Piecewise) and sum(value != 0 for value, _ in choice.args) == 1:
            rest = Mul(*(factor for factor in e.args if factor is not choice))
            if not rest.is_number:
                folded = [
                    (_into_choice(rest * value) if value != 0 else value, at) for value, at in choice.args
                ]
                return _chosen_once(Piecewise(*folded))
    return e


def _chosen_once(e: Any) -> Any:
    """A choice within a branch of the same choice is settled there."""
    if not isinstance(e, Piecewise):  # it has been settled altogether
        return e
    conditions = [condition for _, condition in e.args]
    branches = []
    for k, (value, condition) in enumerate(e.args):
        same = [each for each in value.atoms(Piecewise) if [at for _, at in each.args] == conditions]
        branches.append((value.xreplace({each: each.args[k][0] for each in same}), condition))
    return Piecewise(*branches)


def _common(e: Any) -> Any:
    """y s + (1 - y) s is s."""
    first, *others = (Mul.make_args(term) for term in e.args)
    shared = [factor for factor in first if not factor.is_number and all(factor in each for each in others)]
    rest = Add(*(term / Mul(*shared) for term in e.args))
    return rest * Mul(*shared) if rest.is_number else e


def _whole_power(e: Any) -> Any:
    """x^c / x, as a power with a symbol above is differentiated, is x^(c - 1): at x = 0 a number, not 0/0. So is what is left of
    (x^2/a)^c / x."""
    for power in e.args:
        if not power.is_Pow or power.exp.is_number:
            continue
        for under in e.args:
            if not under.is_Pow or not (under.exp.is_Integer and under.exp < 0):
                continue
            rest = [factor for factor in e.args if factor is not power and factor is not under]
            if under.base in (power.base, -power.base):
                sign = 1 if under.base == power.base else S.NegativeOne**under.exp
                return Mul(sign, *rest, Pow(power.base, power.exp + under.exp, evaluate=False))
            for factor in Mul.make_args(power.base):
                x, times = factor.as_base_exp()
                if x == under.base and times.is_Integer and times > 0:
                    fewer = sympy.ceiling(-under.exp / times)
                    left = x ** (fewer * times + under.exp) * (power.base / factor) ** fewer
                    return Mul(*rest, left, Pow(power.base, power.exp - fewer, evaluate=False))
    return e

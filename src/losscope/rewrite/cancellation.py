"""Sums in which terms cancel: what cancels is taken out by an identity, before it is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Mul, S, exp

from losscope.expression.choices import absolute
from losscope.expression.differences import expm1mx, log1pmx, pow1pm1, pow1px2m1, sqrt1px2m1
from losscope.expression.error_function import erf, erfc
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import expm1, log, log1p, sigmoid, softplus
from losscope.expression.hyperbolic import cosh, log_cosh, sech2, sinh, tanh
from losscope.expression.lengths import hypot, unit
from losscope.expression.trigonometric import cos, cos_arctan, sin, sin_arctan
from losscope.rewrite.lengths import square_root
from losscope.rewrite.multiplied_out import multiplied_out
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, rewriting, small

MOST_TERMS = 12  # of a sum in which terms that cancel are looked for
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


@rewriting
@everywhere
def regrouped(e: Any) -> Any:
    """Sums with fewer terms, by the identities above: exp(r) - r - 1 is expm1(r) - r is expm1mx(r)."""
    return fewer(e) if e.is_Add else e


@rewriting
@everywhere
def spread(e: Any) -> Any:
    """The same, after sums and products are multiplied out."""
    return fewer(multiplied_out(e)) if e.is_Add and small(e) else e


@lru_cache(4096)
def fewer(e: Any) -> Any:
    for _ in range(6 if terms(e) <= MOST_TERMS else 0):
        better = next((each for each in _substituted(e) if terms(each) < terms(e)), None)
        if better is None:
            return e
        e = better
        if not e.is_Add:
            break
    return e


def terms(e: Any) -> int:
    return len(Add.make_args(e)) if e != 0 else 0


def _substituted(e: Any) -> Iterator[Any]:
    parts = sorted(_factors_of_terms(e), key=sympy.default_sort_key)
    for part in parts:
        for k, other in enumerate(_equal(part)):
            change = {part: other}
            yield multiplied_out(e.xreplace(change))
            for term in e.args:  # in one term alone
                if part in Mul.make_args(term) and terms(e) <= 6:
                    yield e - term + multiplied_out(term.xreplace(change))
            if part.is_Function and len(part.args) == 1 and part.func(-part.args[0]) in parts:
                mirrored = part.func(-part.args[0])
                yield multiplied_out(e.xreplace({**change, mirrored: _equal(mirrored)[k]}))
    for kind in (exp, expm1):  # in all terms, beside what is of first order
        same = [part for part in parts if isinstance(part, kind)]
        if len(same) > 1 and any(not term.is_number and not term.has(*same) for term in e.args):
            yield multiplied_out(e.xreplace({part: _equal(part)[0] for part in same}))


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

"""Where a comparison is decided by a rounding of its sides: atan(r) >= c beside r = tan(c). On which side of such a border
a point lies no form can tell, as little as what a last-place change of the inputs would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from losscope.expression.choices import absolute

SHIFT = sympy.Symbol("shift", real=True)  # of a border, as a share of what its sides are made of
# Which way the borders of several comparisons are shifted.
TOGETHER, IN_TURN, IN_PAIRS = (1,), (1, -1), (1, 1, -1, -1)


def shifted(expression: Any, ways: Sequence[int] = TOGETHER) -> Any:
    """The expression, its comparisons decided a little too early or too late; itself where all sides are exact numbers.

    >>> from losscope.expression import symbol
    >>> x, y = symbol("x"), symbol("y")
    >>> shifted(sympy.Piecewise((x, x < 1), (y, True))) == sympy.Piecewise((x, x < 1), (y, True))
    True
    >>> shifted(x**2 < y)
    shift*x**2 + x**2 < y
    """
    changes: dict[Any, Any] = {}
    for each, rounded in _comparisons(expression):
        size = sum(_off_by(term) for side in rounded for term in sympy.Add.make_args(side))
        way = ways[len(changes) % len(ways)]
        changes[each] = each.func(each.args[0] + way * SHIFT * size, each.args[1], evaluate=False)
    return expression.xreplace(changes)


def apart_at(expression: Any) -> list[Any]:
    """By how much the sides of each comparison that a rounding may decide are apart: of either sign on either side."""
    return [each.args[0] - each.args[1] for each, _ in _comparisons(expression)]


def _comparisons(expression: Any) -> list[tuple[Any, list[Any]]]:
    """The comparisons in which a rounding matters, each with the sides that are rounded."""
    found = []
    for each in sorted(expression.atoms(sympy.core.relational.Relational), key=str):
        left, right = each.args
        rounded = [side for side, other in ((left, right), (right, left)) if not _exact(side, other)]
        if rounded:
            found.append((each, rounded))
    return found


def _off_by(term: Any) -> Any:
    """The size of a term, and as many times as there are in an exponent: a power is off by what its base is, so many times."""
    exponents = [
        factor.exp for factor in sympy.Mul.make_args(term) if factor.is_Pow and not factor.exp.is_number
    ]
    return absolute(term) * (1 + sum(absolute(each) for each in exponents))


def _exact(side: Any, other: Any) -> bool:
    """Whether a side is computed without a rounding that could matter: an input or a number, its size, or a sum of two where
    it is compared with 0, and its sign is all that is asked."""
    if side.is_Add:
        return len(side.args) == 2 and other == 0 and all(_exact(term, 1) for term in side.args)
    if side.is_number:
        return bool(side.is_Rational and side.q & (side.q - 1) == 0)  # a whole number of halves, quarters ...
    factors = [each for each in sympy.Mul.make_args(side) if not each.is_number]
    return (
        all(
            each.is_Symbol or (isinstance(each, absolute) and _exact(each.args[0], 1)) for each in factors[:1]
        )
        and len(factors) < 2
    )

"""Comparisons, which a sum that rounds would decide wrongly."""

from __future__ import annotations

from typing import Any

from sympy import Piecewise, S, StrictGreaterThan, StrictLessThan, default_sort_key

from losscope.expression.choices import absolute, compared, maximum, minimum
from losscope.expression.everywhere import everywhere
from losscope.rewrite.fractions import factored
from losscope.rewrite.rewriting import rewriting


@rewriting
@everywhere
def moved(e: Any) -> Any:
    """Comparisons with as little arithmetic as there is: 1 - x > 1 is x < 0; a sum that rounds would decide wrongly."""
    if not e.is_Relational:
        return e
    left, right = e.args
    for side in (0, 1):
        chosen, other = e.args[side], e.args[1 - side]
        if isinstance(chosen, maximum | minimum) and other.is_number:
            number = next((each for each in chosen.args if each.is_number), None)
            if number is not None and ((number < other) if isinstance(chosen, maximum) else (number > other)):
                inner = next(each for each in chosen.args if each is not number)
                pair = (inner, other) if side == 0 else (other, inner)
                return e.func(*pair, evaluate=False)
    a, rest = left.as_coeff_Add()
    b, others = right.as_coeff_Add()
    return e.func(rest, others + (b - a), evaluate=False) if a != 0 and b - a == 0 else e


@rewriting
@everywhere
def touching(e: Any) -> Any:
    """|r| > (r^2 + c^2)/(2 c) is never so for a positive c: the sides only touch, as their difference is a square.

    >>> from sympy import Symbol
    >>> from losscope.expression import symbol
    >>> r, c = symbol("r"), Symbol("c", positive=True)
    >>> touching(absolute(r) > (r**2 + c**2) / (2 * c)), touching(2 * r <= 1 + r**2)
    (False, True)
    """
    if not e.is_Relational:
        return e
    above = factored(_in_sizes(e.args[0] - e.args[1]))
    if isinstance(e, StrictLessThan | StrictGreaterThan):
        never = above.is_nonnegative if isinstance(e, StrictLessThan) else above.is_nonpositive
        return S.false if never else e
    always = above.is_nonnegative if e.rel_op == ">=" else above.is_nonpositive
    return S.true if always else e


def _in_sizes(e: Any) -> Any:
    """r^2 as |r|^2, where |r| is there, too."""
    for size in sorted(e.atoms(absolute), key=str):
        (x,) = size.args
        e = e.replace(lambda p: p.is_Pow and p.base == x and p.exp.is_even, lambda p: size**p.exp)  # noqa: B023
    return e


@rewriting
@everywhere
def into_choices(e: Any) -> Any:
    """A sum with a choice in it as a choice between sums, in each of which terms may cancel.

    >>> from losscope.expression import symbol
    >>> x = symbol("x")
    >>> into_choices(1 - maximum(0, x) ** 2)
    Piecewise((1, x < 0), (1 - x**2, True))
    """
    if not e.is_Add or not e.has(maximum, minimum, Piecewise):
        return e
    choice = min(e.atoms(maximum, minimum, Piecewise), key=default_sort_key)
    if isinstance(choice, Piecewise):
        branches = choice.args
    else:
        relation = StrictGreaterThan if isinstance(choice, maximum) else StrictLessThan
        one, other = choice.args
        branches = ((one, compared(relation, one, other)), (other, True))
    return Piecewise(*((e.xreplace({choice: value}), condition) for value, condition in branches))

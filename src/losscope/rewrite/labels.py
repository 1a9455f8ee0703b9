"""What is known of a label that is one of two numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

from sympy import Dummy, Mul, S

from losscope.expression.choices import absolute
from losscope.expression.error_function import erf
from losscope.expression.everywhere import everywhere
from losscope.expression.exponential import sigmoid
from losscope.expression.hyperbolic import tanh
from losscope.rewrite.rewriting import PREDICTION, TARGET
from losscope.stable import stable

FLIP = 1 - 2 * TARGET  # 1 of a label of 0, -1 of one of 1
ODD = (tanh, erf)  # and of a limit, whose distance is then known


@everywhere
def of_margin(e: Any) -> Any:
    """y tanh(x) as tanh(y x), whose distance to 1 may be asked for, whatever the label -1 or 1; and so tanh(x) - y.

    >>> from losscope.expression import symbol
    >>> z = symbol("prediction")
    >>> of_margin(1 - TARGET * tanh(z)), of_margin(tanh(z) - TARGET)
    (1 - tanh(prediction*target), -target*(1 - tanh(prediction*target)))
    """
    if e.is_Add:
        return _beside_label(e)
    if not e.is_Mul or TARGET not in e.args:
        return e
    if (of_both := _of_both(e)) is not None:
        return of_both
    odd = next((each for each in e.args if isinstance(each, ODD)), None)
    if odd is None:
        return e
    return Mul(*(each for each in e.args if each not in (odd, TARGET)), odd.func(TARGET * odd.args[0]))


def _of_both(e: Any) -> Any:
    """y z/sqrt(z^2 + c) by the margin x = y z alone: put in the place of z, y x leaves only even powers of the label, which are 1."""
    margin = Dummy("margin", real=True)
    label = {TARGET**power: S.One for power in (2, -2, 4, -4)}
    whole = e.xreplace({PREDICTION: TARGET * margin}).xreplace(label)
    return None if whole.has(TARGET) else whole.xreplace({margin: TARGET * PREDICTION})


def _beside_label(total: Any) -> Any:
    for odd in sorted(total.atoms(*ODD), key=str):
        for one, label in product((odd, -odd), (TARGET, -TARGET)):
            if one in total.args and label in total.args:
                sign = one / odd * label / TARGET
                return total - one - label + label * (1 + sign * odd.func(TARGET * odd.args[0]))
    return total


@everywhere
def of_label(e: Any) -> Any:
    """What a label of 0 or 1 has of a probability, y p + (1 - y)(1 - p), and what it lacks, y - p, for p = sigmoid(x): a
    sigmoid of x or -x with a sign, in which nothing is taken from 1. A square and a size have no sign.

    >>> from losscope.expression import symbol
    >>> p = sigmoid(symbol("z"))
    >>> of_label(TARGET - p), of_label(TARGET * p + (1 - TARGET) * (1 - p))
    ((2*target - 1)*sigmoid(z*(1 - 2*target)), sigmoid(-z*(1 - 2*target)))
    >>> of_label((TARGET - p) ** 2)
    sigmoid(z*(1 - 2*target))**2
    >>> of_label(absolute(TARGET - p))
    sigmoid(z*(1 - 2*target))
    """
    if e.is_Mul:
        return Mul(
            *(
                each
                for each in e.args
                if not (each.is_Pow and each.exp.is_even and each.base in (FLIP, -FLIP))
            )
        )
    if isinstance(e, absolute):
        size = Mul(*(each for each in Mul.make_args(*e.args) if each not in (FLIP, -FLIP)))
        return size if isinstance(size, sigmoid) else absolute(size)
    if not e.is_Add or not e.has(TARGET):
        return e
    (one, x), (other, z) = (_signed_sigmoid(stable(e.xreplace({TARGET: label}))) for label in (S.Zero, S.One))
    if x is None or z is None or x not in (z, -z) or one not in (other, -other):
        return e
    return (one if one == other else one * FLIP) * sigmoid(x if x == z else x * FLIP)


def _signed_sigmoid(e: Any) -> tuple[Any, Any]:
    """a and x of a sigmoid(x), for a number a."""
    a, rest = e.as_coeff_Mul()
    return (a, rest.args[0]) if isinstance(rest, sigmoid) else (a, None)

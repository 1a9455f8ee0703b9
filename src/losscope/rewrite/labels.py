"""What is known of a label that is -1 or 1."""

from __future__ import annotations

from itertools import product
from typing import Any

from sympy import Mul

from losscope.expression.error_function import erf
from losscope.expression.everywhere import everywhere
from losscope.expression.hyperbolic import tanh
from losscope.rewrite.rewriting import TARGET

ODD = (tanh, erf)  # and of a limit, whose distance is then known


@everywhere
def of_margin(e: Any) -> Any:
    """y tanh(x) as tanh(y x), whose distance to 1 may be asked for, whatever the label; and so tanh(x) - y.

    >>> from losscope.expression import symbol
    >>> z = symbol("prediction")
    >>> of_margin(1 - TARGET * tanh(z)), of_margin(tanh(z) - TARGET)
    (1 - tanh(prediction*target), -target*(1 - tanh(prediction*target)))
    """
    if e.is_Add:
        return _beside_label(e)
    if not e.is_Mul or TARGET not in e.args:
        return e
    odd = next((each for each in e.args if isinstance(each, ODD)), None)
    if odd is None:
        return e
    return Mul(*(each for each in e.args if each not in (odd, TARGET)), odd.func(TARGET * odd.args[0]))


def _beside_label(total: Any) -> Any:
    for odd in sorted(total.atoms(*ODD), key=str):
        for one, label in product((odd, -odd), (TARGET, -TARGET)):
            if one in total.args and label in total.args:
                sign = one / odd * label / TARGET
                return total - one - label + label * (1 + sign * odd.func(TARGET * odd.args[0]))
    return total

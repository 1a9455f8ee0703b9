"""What is known of a label that is -1 or 1."""

from __future__ import annotations

from typing import Any

from sympy import Mul

from losscope.expression.error_function import erf
from losscope.expression.everywhere import everywhere
from losscope.expression.hyperbolic import tanh
from losscope.rewrite.rewriting import TARGET

ODD = (tanh, erf)  # and of a limit, whose distance is then known


@everywhere
def of_margin(e: Any) -> Any:
    """y tanh(x) as tanh(y x), whose distance to 1 may be asked for, whatever the label.

    >>> from losscope.expression import symbol
    >>> of_margin(1 - TARGET * tanh(symbol("prediction")))
    1 - tanh(prediction*target)
    """
    if not e.is_Mul or TARGET not in e.args:
        return e
    odd = next((each for each in e.args if isinstance(each, ODD)), None)
    if odd is None:
        return e
    return Mul(*(each for each in e.args if each not in (odd, TARGET)), odd.func(TARGET * odd.args[0]))

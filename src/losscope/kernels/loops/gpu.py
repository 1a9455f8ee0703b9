"""The elementwise loop on a GPU: a thread takes one pair of numbers after another.

    values_i    = weight_i l(prediction_i, target_i)
    gradient_i  = scale weight_i dl/dprediction (prediction_i, target_i)        and so in the target, and the curvature

An element of weight 0 is not there. Adding up the values is left to who launches it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from losscope.engine.arrays import STORED
from losscope.engine.gpu import ThreadKernel
from losscope.engine.lanes import I64, POINTER, Lanes
from losscope.kernels.loops.elementwise import OUTPUTS, WEIGHTED, scaled, slopes

ARRAYS = ("prediction", "target", "weight", *OUTPUTS)


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> ThreadKernel:
    """The kernel of a loss; what it wants is said as in `elementwise`, and what it has none to do with may be null.

    prediction, target, weight, values, gradient, target_gradient, curvature: (size,) in the dtype of the kernel
    size: a whole number of 64 bits; scale, and each of the parameters: a number of the dtype that is computed in
    """
    computed = STORED[dtype].computed
    numbers = ("scale", *(f"parameter {each}" for each in parameters))
    k = ThreadKernel(
        name, {**dict.fromkeys(ARRAYS, POINTER), "size": I64, **dict.fromkeys(numbers, computed)}
    )
    arrays = {each: k.array(k[each], dtype) for each in ARRAYS}
    given = [k[each] for each in numbers[1:]]

    def element(i: Lanes) -> None:
        value, found = slopes(formula, wants, arrays["prediction"].one(i), arrays["target"].one(i), given)
        weight = arrays["weight"].one(i) if wants & WEIGHTED else None
        value, found = scaled(value, found, k["scale"], weight)
        for each, result in {"values": value, **found}.items():
            if wants & OUTPUTS[each]:
                arrays[each].put(i, result)

    k.each(k["size"], element)
    k.finish()
    return k

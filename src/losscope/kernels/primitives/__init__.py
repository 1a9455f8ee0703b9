"""Primitives: exp, log, softplus ... once, over lanes, for both dtypes; in sixteen lanes or in one, as a GPU's thread has.

`NAMESPACE` is what the text of a formula runs over in a kernel.
"""

from __future__ import annotations

from typing import Any

from losscope.engine.lanes import rounded, where
from losscope.kernels import special
from losscope.kernels.primitives import exponential, logarithm, power, simple
from losscope.kernels.primitives.primitive import polynomial, primitive

NAMESPACE: dict[str, Any] = {
    name: function
    for module in (exponential, logarithm, power, simple)
    for name, function in vars(module).items()
    if getattr(function, "__module__", "") == module.__name__ and hasattr(function, "__wrapped__")
} | {"real": simple.real, "where": where}
MADE_OF_OTHERS = special.over(
    {**NAMESPACE, "absolute": NAMESPACE["abs"], "polynomial": polynomial, "nearest": rounded}
)
NAMESPACE |= {
    each.__name__: primitive(MADE_OF_OTHERS[each.__name__])
    for each in special.written()
    if not each.__name__.startswith("_")
}

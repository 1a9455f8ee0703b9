"""Primitives: exp, log, softplus ... once, over lanes, for both dtypes; in sixteen lanes or in one, as a GPU's thread has.

`NAMESPACE` is what the text of a formula runs over in a kernel.
"""

from __future__ import annotations

from typing import Any

from losscope.engine.lanes import rounded, where
from losscope.kernels import special
from losscope.kernels.primitives import exponential, logarithm, power, simple
from losscope.kernels.primitives.primitive import polynomial

NAMESPACE: dict[str, Any] = {
    name: function
    for module in (exponential, logarithm, power, simple)
    for name, function in vars(module).items()
    if getattr(function, "__module__", "") == module.__name__ and hasattr(function, "__wrapped__")
} | {"real": simple.real, "where": where}
NAMESPACE |= {"absolute": NAMESPACE["abs"], "polynomial": polynomial, "nearest": rounded}
special.over(NAMESPACE)

"""What kernels compute, by NumPy: the text of a formula run operation by operation in a kernel's own dtype."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

import numpy

from losscope.kernels import special as made_of_others
from losscope.kernels.polynomial import polynomial
from losscope.kernels.primitives import simple
from losscope.kernels.reference import NAMESPACE


def _sigmoid(x: Any) -> Any:
    u = numpy.exp(-numpy.abs(x))  # scipy's is 0 where it is denormal
    return numpy.where(x < 0, u, 1) / (1 + u)


# What a kernel has of its own, each within about an ulp; all else is made of these, in the kernel's dtype.
_OWN = (
    "exp", "log", "log1p", "expm1", "sqrt", "log1pmx", "expm1mx", "tanh", "softplus", "sigmoid", "sech2", "log_cosh",
    "xlogy", "xlog1py", "power", "log1p_unit", "exp_nonpositive",
)  # fmt: skip


@cache
def kernels_arithmetic(dtype: str) -> dict[str, Any]:
    """The namespace in which a formula's text gives what its kernels give, but for the last place of a primitive:
    each operation rounds to the dtype in the order that is written, fused where the kernel's is."""
    doubles = {**NAMESPACE, "log1p_unit": numpy.log1p, "exp_nonpositive": numpy.exp, "sigmoid": _sigmoid}

    def cast(array: Any) -> Any:
        return numpy.asarray(array, dtype)[()]

    def once(function: Any) -> Any:
        return lambda *arguments: cast(function(*(numpy.asarray(each, "float64") for each in arguments)))

    namespace: dict[str, Any] = {**vars(simple), **{name: once(doubles[name]) for name in _OWN}}
    namespace |= {"real": numpy.dtype(dtype).type, "polynomial": polynomial, "nearest": numpy.rint}
    namespace |= {"absolute": numpy.abs, "magnitude": numpy.abs, "square_root": numpy.sqrt}
    namespace["where"] = lambda condition, yes, no: cast(numpy.where(condition, yes, no))
    namespace["fma"] = once(lambda a, b, c: a * b + c)
    for name, function in vars(simple).items():
        written = getattr(function, "__wrapped__", function)
        if isinstance(written, FunctionType) and written.__module__ == simple.__name__ and name != "real":
            namespace[name] = FunctionType(written.__code__, namespace, name)
    namespace |= {"abs": numpy.abs, "sign": numpy.sign, "minimum": numpy.minimum, "maximum": numpy.maximum}
    namespace["sqrt"] = once(numpy.sqrt)
    return made_of_others.over(namespace)

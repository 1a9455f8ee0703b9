"""Memory by its address, for kernels: what a tensor gives in a tenth of the time of an array.

`array_at(address, size, like)` is an array over memory that is not its own, or None where the address is None.
"""

from __future__ import annotations

import numpy
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic, overload

from losscope.kernels.cpu.bfloat16 import rounded


@intrinsic
def _pointer(typingctx, address, like):
    """An integer as a pointer to numbers of the dtype of `like`."""
    pointer = types.CPointer(like.dtype)

    def build(context, builder, signature, arguments):
        wide = builder.zext(arguments[0], ir.IntType(64)) if arguments[0].type.width < 64 else arguments[0]
        return builder.inttoptr(wide, context.get_value_type(pointer))

    return pointer(address, like), build


def array_at(address, size, like):
    """An array of `size` numbers of the dtype of `like` at an address; None at None."""
    raise NotImplementedError("called from compiled code only")


@overload(array_at, inline="always")
def _array_at(address, size, like):
    if isinstance(address, types.NoneType):
        return lambda address, size, like: None
    return lambda address, size, like: carray(_pointer(address, like), (size,))


def matrix_at(address, rows, columns, like):
    """A matrix of numbers of the dtype of `like` at an address; None at None."""
    raise NotImplementedError("called from compiled code only")


@overload(matrix_at)
def _matrix_at(address, rows, columns, like):
    if isinstance(address, types.NoneType):
        return lambda address, rows, columns, like: None
    return lambda address, rows, columns, like: carray(_pointer(address, like), (rows, columns))


def write(number, address, like):
    """Write one number, rounded to the dtype of `like`, at an address; nothing at None."""
    raise NotImplementedError("called from compiled code only")


@overload(write, inline="always")
def _write(number, address, like):
    if isinstance(address, types.NoneType):
        return lambda number, address, like: None

    def put_there(number, address, like):
        out = array_at(address, 1, like)
        out[0] = rounded(number, out)

    return put_there


def strays_at(watched, blocks, like):
    """Where each block leaves how many of its elements are outside the domain; None, and nobody looks, at None."""
    raise NotImplementedError("called from compiled code only")


@overload(strays_at, inline="always")
def _strays_at(watched, blocks, like):
    if isinstance(watched, types.NoneType):
        return lambda watched, blocks, like: None
    return lambda watched, blocks, like: numpy.empty(blocks, like.dtype)


def found(strays):
    """Whether an element is outside the domain, of those that were looked at."""
    raise NotImplementedError("called from compiled code only")


@overload(found, inline="always")
def _found(strays):
    if isinstance(strays, types.NoneType):
        return lambda strays: False
    return lambda strays: strays.any()


def address_of(array):
    """The address of an array; None of None."""
    raise NotImplementedError("called from compiled code only")


@overload(address_of, inline="always")
def _address_of(array):
    if isinstance(array, types.NoneType):
        return lambda array: None
    return lambda array: array.ctypes.data

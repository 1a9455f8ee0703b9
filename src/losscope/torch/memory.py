"""Memory by its address, for kernels: what a tensor gives in a tenth of the time of an array.

`array_at(address, size, like)` is an array over memory that is not its own, or None where the address is None. Rows
of bfloat16, over which several passes go, are `widened` into float32 and `put` back, block by block.
"""

from __future__ import annotations

import numpy
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic, overload

from losscope.kernels.cpu.bfloat16 import number, rounded


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


def widened(bits, low, high, room):
    """bits[low:high] as float32 in `room`; None of None."""
    raise NotImplementedError("called from compiled code only")


@overload(widened)
def _widened(bits, low, high, room):
    if isinstance(bits, types.NoneType):
        return lambda bits, low, high, room: None

    def of_bits(bits, low, high, room):
        out = room[: high - low]
        for i in range(out.size):
            out[i] = number(bits[low + i])
        return out

    return of_bits


def room_for(bits, low, high, room):
    """As much of `room` as bits[low:high] take; None for None."""
    raise NotImplementedError("called from compiled code only")


@overload(room_for)
def _room_for(bits, low, high, room):
    if isinstance(bits, types.NoneType):
        return lambda bits, low, high, room: None
    return lambda bits, low, high, room: room[: high - low]


def put(source, bits, low, high):
    """Round `source` into bits[low:high]; nothing where there are none."""
    raise NotImplementedError("called from compiled code only")


@overload(put)
def _put(source, bits, low, high):
    if isinstance(bits, types.NoneType):
        return lambda source, bits, low, high: None

    def to_bits(source, bits, low, high):
        for i in range(high - low):
            bits[low + i] = rounded(source[i], bits)

    return to_bits


def matrix_at(address, rows, columns, like):
    """A matrix of numbers of the dtype of `like` at an address; None at None."""
    raise NotImplementedError("called from compiled code only")


@overload(matrix_at)
def _matrix_at(address, rows, columns, like):
    if isinstance(address, types.NoneType):
        return lambda address, rows, columns, like: None
    return lambda address, rows, columns, like: carray(_pointer(address, like), (rows, columns))


def part(array, low, high):
    """array[low:high]; None of None."""
    raise NotImplementedError("called from compiled code only")


@overload(part)
def _part(array, low, high):
    if isinstance(array, types.NoneType):
        return lambda array, low, high: None
    return lambda array, low, high: array[low:high]


def shaped(array, rows, columns):
    """A flat array as a matrix; None of None."""
    raise NotImplementedError("called from compiled code only")


@overload(shaped)
def _shaped(array, rows, columns):
    if isinstance(array, types.NoneType):
        return lambda array, rows, columns: None
    return lambda array, rows, columns: array.reshape(rows, columns)


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


def sums_at(address, blocks):
    """Where the blocks leave their sums: at an address, or in memory of its own at None."""
    raise NotImplementedError("called from compiled code only")


@overload(sums_at, inline="always")
def _sums_at(address, blocks):
    if isinstance(address, types.NoneType):
        return lambda address, blocks: numpy.empty(blocks)
    return lambda address, blocks: carray(_pointer(address, numpy.zeros(0)), (blocks,))


def finish(sums, scale, address, result, like):
    """The scaled total, written to `result`, of sums that are all there: those whose memory is our own."""
    raise NotImplementedError("called from compiled code only")


@overload(finish, inline="always")
def _finish(sums, scale, address, result, like):
    if not isinstance(address, types.NoneType):
        return lambda sums, scale, address, result, like: 0.0

    def all_there(sums, scale, address, result, like):
        total = sums.sum() * scale
        write(total, result, like)
        return total

    return all_there

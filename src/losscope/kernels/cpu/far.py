"""Stores past the caches, for results too large to be found there afterwards.

An ordinary store reads its cache line from memory first: a loss that reads two arrays and writes a third then moves
four. What is far is made piece by piece in a room that stays in the nearest cache, and each piece is put where it
belongs in whole lines that nothing reads first. The pieces are short, so that reading goes on between them; and no
references are counted, since a count waits for all stores before it.
"""

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from losscope.kernels.memory import LINE

FAR = 1 << 24  # bytes of one array (of several that are gone through): more than most caches hold
PIECE = 256  # elements
COSTLY = 2  # functions in a formula (exp, log, ...) from which on it takes longer than memory does, lines read and all


@intrinsic
def borrowed(typingctx, array):
    """The same array, which the caller keeps alive: what is made of it counts no references. None is None."""
    if not isinstance(array, types.Array):
        return array(array), lambda context, builder, signature, arguments: arguments[0]

    def build(context, builder, signature, arguments):
        kind = make_array(array)
        same = kind(context, builder, value=arguments[0])
        for owner in ("meminfo", "parent"):
            setattr(same, owner, ir.Constant(getattr(same, owner).type, None))
        return same._getvalue()

    return array(array), build


@intrinsic(prefer_literal=True)
def room_for(typingctx, count, like):
    """An array of a constant number of elements of a dtype (or that of an array) that lives as long as the call, on whole
    lines. No references to it are counted."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    kind = types.Array(like.dtype, 1, "C")

    def build(context, builder, signature, arguments):
        element = context.get_data_type(like.dtype)
        memory = cgutils.alloca_once(builder, ir.ArrayType(element, count.literal_value))
        memory.align = LINE
        size = ir.Constant(ir.IntType(64), context.get_abi_sizeof(element))
        room = make_array(kind)(context, builder)
        populate_array(
            room, builder.bitcast(memory, element.as_pointer()), [context.get_constant(types.intp, count.literal_value)],
            [size], size, None,
        )  # fmt: skip
        return room._getvalue()

    return kind(count, like), build


@intrinsic
def put_line(typingctx, source, place):
    """Copy a line from one address to another, which must be a multiple of LINE, past the caches."""

    def build(context, builder, signature, arguments):
        line = ir.VectorType(ir.IntType(32), LINE // 4).as_pointer()
        numbers = builder.load(builder.inttoptr(arguments[0], line))
        numbers.align = 1
        store = builder.store(numbers, builder.inttoptr(arguments[1], line))
        store.align = LINE
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), build


@intrinsic
def settle(typingctx):
    """Wait until what was put past the caches is there for every thread."""

    def build(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), build


@njit(forceinline=True, error_model="numpy")
def on_a_line(array):
    """Whether an array begins with a whole line."""
    return array.ctypes.data % LINE == 0


@njit(forceinline=True, error_model="numpy")
def put(made, to, lined):
    """Copy what was made in a room to where it belongs: past the caches, if that begins with a line and ends with one."""
    size = made.size * made.itemsize
    if lined and size % LINE == 0:
        for byte in range(0, size, LINE):
            put_line(made.ctypes.data + byte, to.ctypes.data + byte)
    else:
        for i in range(made.size):
            to[i] = made[i]

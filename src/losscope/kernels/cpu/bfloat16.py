"""bfloat16, which neither NumPy nor Numba knows, as the bits it is made of: the upper half of a float32's.

Loops read each element through `number` and write it through `rounded`, so that one loop serves all dtypes.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def number(typingctx, x):
    """An element as the number that it is: of bits a float32, exactly; any other itself."""
    if x != types.uint16:
        return x(x), lambda context, builder, signature, arguments: arguments[0]

    def widen(context, builder, signature, arguments):
        bits = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(bits, ir.Constant(ir.IntType(32), 16)), ir.FloatType())

    return types.float32(x), widen


@intrinsic
def rounded(typingctx, x, array):
    """A number as an element of `array`: as bits to the nearest, ties to even, NaN as NaN; else itself."""
    if array.dtype != types.uint16:
        return x(x, array), lambda context, builder, signature, arguments: arguments[0]

    def narrow(context, builder, signature, arguments):
        wide = ir.IntType(32)
        value = context.cast(builder, arguments[0], x, types.float32)
        bits = builder.bitcast(value, wide)
        odd = builder.and_(builder.lshr(bits, ir.Constant(wide, 16)), ir.Constant(wide, 1))
        up = builder.add(builder.add(bits, ir.Constant(wide, 0x7FFF)), odd)
        is_nan = builder.fcmp_unordered("uno", value, value)
        upper = builder.select(is_nan, ir.Constant(wide, 0x7FC00000), up)
        return builder.trunc(builder.lshr(upper, ir.Constant(wide, 16)), ir.IntType(16))

    return types.uint16(x, array), narrow


def row_for(gradient, row, room):
    """Where the numbers of a row of the gradient are made: there; in `room` if it is bits, or None."""
    raise NotImplementedError("called from compiled code only")


@overload(row_for, inline="always")
def _row_for(gradient, row, room):
    if isinstance(gradient, types.NoneType) or gradient.dtype == types.uint16:
        return lambda gradient, row, room: room
    return lambda gradient, row, room: gradient[row]


def put_scaled(made, factor, gradient, row):
    """gradient[row] = made * factor, of numbers made where `row_for` said."""
    raise NotImplementedError("called from compiled code only")


@overload(put_scaled, inline="always")
def _put_scaled(made, factor, gradient, row):
    if gradient.dtype == types.uint16:

        def round_each(made, factor, gradient, row):
            g = gradient[row]
            for i in range(g.size):
                g[i] = rounded(made[i] * factor, g)

        return round_each

    def in_place(made, factor, gradient, row):
        for i in range(made.size):
            made[i] = made[i] * factor

    return in_place

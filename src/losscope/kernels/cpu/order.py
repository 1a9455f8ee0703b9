"""Floats as integers of the same order: a maximum over integers vectorises, one over floats with NaN does not."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_BITS_OF = {types.float32: types.int32, types.float64: types.int64}
_FLOAT_OF = {bits: real for real, bits in _BITS_OF.items()}


def _flip_negative(builder, bits):
    """Negative floats run backwards as integers: turn all but the sign bit over. Its own inverse."""
    width = bits.type.width
    negative = builder.ashr(bits, ir.Constant(bits.type, width - 1))
    return builder.xor(bits, builder.and_(negative, ir.Constant(bits.type, 2 ** (width - 1) - 1)))


@intrinsic
def order_key(typingctx, x):
    """An integer that is larger for a larger float; beyond the infinities for NaN."""
    if x not in _BITS_OF:
        return None
    bits = _BITS_OF[x]

    def build(context, builder, signature, arguments):
        return _flip_negative(builder, builder.bitcast(arguments[0], context.get_value_type(bits)))

    return bits(x), build


@intrinsic
def from_order_key(typingctx, key):
    """The float that has this key."""
    if key not in _FLOAT_OF:
        return None
    real = _FLOAT_OF[key]

    def build(context, builder, signature, arguments):
        return builder.bitcast(_flip_negative(builder, arguments[0]), context.get_value_type(real))

    return real(key), build

"""Machine instructions for generated kernels: Numba intrinsics of one vectorisable LLVM instruction each.

All are pure (`readnone` in LLVM), so equal calls merge, and typed strictly: arguments of two dtypes are a
typing error instead of a silent promotion that would halve the vector width. Integer arithmetic keeps its
width too, where Numba's own `int32 + int32` is int64. Without FMA hardware `llvm.fma` calls the C library:
slow, still right. Callable from `@njit` functions only; safe under `cache=True`.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_BITS_OF = {types.float32: types.int32, types.float64: types.int64}
_FLOAT_OF = {bits: real for real, bits in _BITS_OF.items()}


def _call(builder, name, arguments):
    """Call the LLVM intrinsic `name`, overloaded on the (one) type of its arguments."""
    kind = arguments[0].type
    suffix = "f32" if isinstance(kind, ir.FloatType) else "f64"
    signature = ir.FunctionType(kind, [kind] * len(arguments))
    declared = builder.module.globals.get(f"{name}.{suffix}")
    function = declared or ir.Function(builder.module, signature, f"{name}.{suffix}")
    return builder.call(function, arguments)


def _one_float(name):
    def typed(typingctx, x):
        if x not in _BITS_OF:
            return None
        return x(x), lambda context, builder, signature, arguments: _call(builder, name, arguments)

    return typed


@intrinsic
def fma(typingctx, a, b, c):
    """a*b + c, rounded once."""
    if a not in _BITS_OF or a != b or b != c:
        return None
    return a(a, b, c), lambda context, builder, signature, arguments: _call(builder, "llvm.fma", arguments)


@intrinsic
def copysign(typingctx, magnitude, sign):
    """|magnitude| with the sign bit of `sign`."""
    if magnitude not in _BITS_OF or magnitude != sign:
        return None
    return magnitude(magnitude, sign), lambda context, builder, signature, arguments: _call(
        builder, "llvm.copysign", arguments
    )


@intrinsic
def rint(typingctx, x):
    """x rounded to the nearest integer, ties to even."""
    return _one_float("llvm.rint")(typingctx, x)


@intrinsic
def fabs(typingctx, x):
    """|x|; clears the sign bit, of NaN too."""
    return _one_float("llvm.fabs")(typingctx, x)


@intrinsic
def square_root(typingctx, x):
    """sqrt(x), correctly rounded; NaN below zero."""
    return _one_float("llvm.sqrt")(typingctx, x)


@intrinsic
def select(typingctx, condition, a, b):
    """a where the condition holds, else b: both are evaluated, there is no branch."""
    if condition != types.boolean or a != b:
        return None

    def build(context, builder, signature, arguments):
        condition = context.cast(builder, arguments[0], types.boolean, types.boolean)
        return builder.select(condition, arguments[1], arguments[2])

    return a(condition, a, b), build


@intrinsic
def float_to_bits(typingctx, x):
    """The bits of a float as a signed integer of the same width."""
    if x not in _BITS_OF:
        return None
    bits = _BITS_OF[x]
    return bits(x), lambda context, builder, signature, arguments: builder.bitcast(
        arguments[0], context.get_value_type(bits)
    )


@intrinsic
def bits_to_float(typingctx, bits):
    """The float of the same width that has these bits."""
    if bits not in _FLOAT_OF:
        return None
    real = _FLOAT_OF[bits]
    return real(bits), lambda context, builder, signature, arguments: builder.bitcast(
        arguments[0], context.get_value_type(real)
    )


def _integer_operation(method):
    """Wrapping integer operation in the width of the first operand; the second is cast to it."""

    def typed(typingctx, a, b):
        if a not in _FLOAT_OF or not isinstance(b, types.Integer):
            return None

        def build(context, builder, signature, arguments):
            other = context.cast(builder, arguments[1], signature.args[1], signature.args[0])
            return getattr(builder, method)(arguments[0], other)

        return a(a, b), build

    return typed


@intrinsic
def bits_add(typingctx, a, b):
    """a + b, modulo the width of a."""
    return _integer_operation("add")(typingctx, a, b)


@intrinsic
def bits_negate(typingctx, a):
    """-a, modulo the width of a."""
    if a not in _FLOAT_OF:
        return None
    return a(a), lambda context, builder, signature, arguments: builder.neg(arguments[0])


@intrinsic
def bits_and(typingctx, a, b):
    """a & b in the width of a."""
    return _integer_operation("and_")(typingctx, a, b)


@intrinsic
def shift_left(typingctx, a, count):
    """a << count in the width of a."""
    return _integer_operation("shl")(typingctx, a, count)


@intrinsic
def shift_right(typingctx, a, count):
    """a >> count in the width of a, zeros shifted in (AVX2 has no arithmetic shift of 64 bits)."""
    return _integer_operation("lshr")(typingctx, a, count)


@intrinsic
def polynomial(typingctx, x, coefficients):
    """Horner's rule by fma; the coefficients are a constant tuple, highest power first."""
    if x not in _BITS_OF or not isinstance(coefficients, types.UniTuple) or coefficients.dtype != x:
        return None

    def build(context, builder, signature, arguments):
        value, table = arguments
        terms = [builder.extract_value(table, i) for i in range(signature.args[1].count)]
        result = terms[0]
        for term in terms[1:]:
            result = _call(builder, "llvm.fma", [result, value, term])
        return result

    return x(x, coefficients), build

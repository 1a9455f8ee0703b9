"""Lanes: sixteen numbers at once, or one number, whose operators emit LLVM instructions.

A kernel is an ordinary Python function. Called once with lanes, it leaves behind the instructions that do what it
says: exactly those, in that order. Nothing is fused, regrouped or left out unless it is written so (`fma`), which is why
the results are the same bits on every processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

LANES = 16  # on every processor: one register of AVX-512, two of AVX2, four of NEON; the order of sums is then the same

F16, F32, F64, VOID = ir.HalfType(), ir.FloatType(), ir.DoubleType(), ir.VoidType()
I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
POINTER = ir.PointerType()
INTEGER_OF = {F16: I16, F32: I32, F64: I64}  # of the same width
FLOATS = (F16, F32, F64)
_SUFFIX = {F16: "f16", F32: "f32", F64: "f64", I1: "i1", I16: "i16", I32: "i32", I64: "i64"}


class Lanes:
    """A number in each lane, or a single one, or conditions (of one bit each).

    Operators take another of the same element, a single one beside many, or a number of Python's.

    >>> from losscope.engine.function import Function
    >>> f = Function(ir.Module("example"), "example", [kind_of(F32, LANES), F32], kind_of(F32, LANES))
    >>> many, one = f.given
    >>> (many.width, one.width), (many * one).width, (many < 0.5).element == I1
    ((16, 0), 16, True)
    >>> f.finish(where(many < 0.5, fma(many, many, one), 2.0 * many - one))
    >>> [name for name in ("llvm.fma.v16f32", "fmul", "fsub", "select") if name in str(f.module)]
    ['llvm.fma.v16f32', 'fmul', 'fsub', 'select']
    """

    __slots__ = ("builder", "compared", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, builder: ir.IRBuilder, value: Any, compared: Any = None):
        self.builder, self.value = builder, value
        self.compared = compared  # of conditions: the element that was compared

    @property
    def element(self) -> Any:
        """The LLVM type of one lane."""
        kind = self.value.type
        return kind.element if isinstance(kind, ir.VectorType) else kind

    @property
    def width(self) -> int:
        """How many lanes; 0 for a single number."""
        kind = self.value.type
        return kind.count if isinstance(kind, ir.VectorType) else 0

    def constant(self, number: float) -> Lanes:
        """A number of Python's in every lane, rounded once."""
        return Lanes(self.builder, constant(number, self.element, self.width), self.compared)

    def _do(self, operations: tuple[str, str], other: Any, swapped: bool = False) -> Any:
        if not isinstance(other, Lanes | int | float):
            return NotImplemented
        pair = agreed(self, other)
        name = operations[self.element not in FLOATS]
        if not name:
            raise TypeError(f"this operator is one of whole numbers, not of {self.element}")
        one, two = (each.value for each in (pair[::-1] if swapped else pair))
        return Lanes(self.builder, getattr(self.builder, name)(one, two), self.compared)

    def _compare(self, sign: str, other: Any) -> Any:
        if not isinstance(other, Lanes | int | float):
            return NotImplemented
        one, two = (each.value for each in agreed(self, other))
        if self.element not in FLOATS:
            found = self.builder.icmp_signed(sign, one, two)
        elif sign == "!=":  # NaN differs from everything, and compares with nothing
            found = self.builder.fcmp_unordered(sign, one, two)
        else:
            found = self.builder.fcmp_ordered(sign, one, two)
        return Lanes(self.builder, found, self.element)

    def __add__(self, other: Any) -> Any:
        return self._do(("fadd", "add"), other)

    def __radd__(self, other: Any) -> Any:
        return self._do(("fadd", "add"), other, True)

    def __sub__(self, other: Any) -> Any:
        return self._do(("fsub", "sub"), other)

    def __rsub__(self, other: Any) -> Any:
        return self._do(("fsub", "sub"), other, True)

    def __mul__(self, other: Any) -> Any:
        return self._do(("fmul", "mul"), other)

    def __rmul__(self, other: Any) -> Any:
        return self._do(("fmul", "mul"), other, True)

    def __truediv__(self, other: Any) -> Any:
        return self._do(("fdiv", "sdiv"), other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._do(("fdiv", "sdiv"), other, True)

    def __floordiv__(self, other: Any) -> Any:
        return self._do(("", "sdiv"), other)  # of whole numbers that are not negative

    def __mod__(self, other: Any) -> Any:
        return self._do(("", "srem"), other)

    def __and__(self, other: Any) -> Any:
        return self._do(("", "and_"), other)

    def __rand__(self, other: Any) -> Any:
        return self._do(("", "and_"), other, True)

    def __or__(self, other: Any) -> Any:
        return self._do(("", "or_"), other)

    def __ror__(self, other: Any) -> Any:
        return self._do(("", "or_"), other, True)

    def __lshift__(self, other: Any) -> Any:
        return self._do(("", "shl"), other)

    def __rshift__(self, other: Any) -> Any:
        return self._do(("", "lshr"), other)  # zeros come in

    def __invert__(self) -> Lanes:
        return Lanes(self.builder, self.builder.not_(self.value), self.compared)

    def __neg__(self) -> Lanes:
        negate = self.builder.fneg if self.element in FLOATS else self.builder.neg
        return Lanes(self.builder, negate(self.value))

    def __pos__(self) -> Lanes:
        return self

    def __lt__(self, other: Any) -> Any:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Any:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(">=", other)

    def __eq__(self, other: Any) -> Any:
        return self._compare("==", other)

    def __ne__(self, other: Any) -> Any:
        return self._compare("!=", other)


def kind_of(element: Any, width: int) -> Any:
    """The LLVM type of so many lanes; of 0, a single number's."""
    return ir.VectorType(element, width) if width else element


def constant(number: float, element: Any, width: int = 0) -> ir.Constant:
    """A constant in every lane."""
    number = float(number) if element in FLOATS else int(number)
    return ir.Constant(kind_of(element, width), [number] * width if width else number)


def agreed(one: Any, two: Any) -> tuple[Lanes, Lanes]:
    """Two operands in the same number of lanes."""
    if not isinstance(one, Lanes):
        return two.constant(one), two
    if not isinstance(two, Lanes):
        return one, one.constant(two)
    if one.element != two.element:
        raise TypeError(f"{one.element} beside {two.element}: one of them is to be converted first")
    if one.width == two.width:
        return one, two
    return (one, in_lanes(two, one.width)) if one.width else (in_lanes(one, two.width), two)


def in_lanes(x: Lanes, width: int = LANES) -> Lanes:
    """A single number in every lane; lanes as they are."""
    if x.width or not width:
        return x
    kind = ir.VectorType(x.element, width)
    undefined = ir.Constant(kind, ir.Undefined)
    first = x.builder.insert_element(undefined, x.value, I32(0))
    zeros = ir.Constant(ir.VectorType(I32, width), [0] * width)
    return Lanes(x.builder, x.builder.shuffle_vector(first, undefined, zeros), x.compared)


def declared(
    module: ir.Module, name: str, result: Any, arguments: Sequence[Any], var_arg: bool = False
) -> Any:
    """A function of LLVM's or of the process's, by its name."""
    found = module.globals.get(name)
    return found or ir.Function(module, ir.FunctionType(result, list(arguments), var_arg), name)


def intrinsic(name: str, *operands: Lanes) -> Lanes:
    """An instruction of LLVM's that is written as a function, over operands of one kind."""
    builder, kind = operands[0].builder, operands[0].value.type
    suffix = suffix_of(kind)
    function = declared(builder.module, f"llvm.{name}.{suffix}", kind, [kind] * len(operands))
    return Lanes(builder, builder.call(function, [each.value for each in operands]))


def suffix_of(kind: Any) -> str:
    """How LLVM names a kind within the names of its functions: v16f32."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{_SUFFIX[kind.element]}"
    return _SUFFIX[kind]


def where(condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`; both are computed. A condition known beforehand decides here."""
    if not isinstance(condition, Lanes):
        return yes if condition else no
    if not isinstance(yes, Lanes) and not isinstance(no, Lanes):  # of the element that was compared
        yes = Lanes(condition.builder, constant(yes, condition.compared, condition.width))
    yes, no = agreed(yes, no)
    if condition.width and not yes.width:
        yes, no = in_lanes(yes, condition.width), in_lanes(no, condition.width)
    elif yes.width and not condition.width:
        condition = in_lanes(condition, yes.width)
    return Lanes(yes.builder, yes.builder.select(condition.value, yes.value, no.value))


def fma(a: Any, b: Any, c: Any) -> Lanes:
    """a*b + c, rounded once."""
    like = next(each for each in (a, b, c) if isinstance(each, Lanes))
    widest = max((each for each in (a, b, c) if isinstance(each, Lanes)), key=lambda each: each.width)
    lifted = (each if isinstance(each, Lanes) else like.constant(each) for each in (a, b, c))
    return intrinsic("fma", *(in_lanes(each, widest.width) for each in lifted))


def magnitude(x: Lanes) -> Lanes:
    """|x|; clears the sign bit, of NaN too."""
    return intrinsic("fabs", x)


def square_root(x: Lanes) -> Lanes:
    """sqrt(x), correctly rounded; NaN below zero."""
    return intrinsic("sqrt", x)


def rounded(x: Lanes) -> Lanes:
    """x rounded to the nearest whole number, ties to even."""
    return intrinsic("rint", x)


def with_sign_of(size: Lanes, sign: Lanes) -> Lanes:
    """|size| with the sign bit of `sign`."""
    return intrinsic("copysign", *agreed(size, sign))


def bits(x: Lanes) -> Lanes:
    """The bits of a float as a whole number of the same width."""
    return Lanes(x.builder, x.builder.bitcast(x.value, kind_of(INTEGER_OF[x.element], x.width)))


def from_bits(x: Lanes) -> Lanes:
    """The float of the same width that has these bits."""
    element = next(real for real, whole in INTEGER_OF.items() if whole == x.element)
    return Lanes(x.builder, x.builder.bitcast(x.value, kind_of(element, x.width)))


def converted(x: Lanes, element: Any) -> Lanes:
    """The same numbers as another element: floats rounded to the nearest, whole numbers cut off or lengthened."""
    if x.element == element:
        return x
    kind, b = kind_of(element, x.width), x.builder
    if x.element in FLOATS and element in FLOATS:
        wider = FLOATS.index(element) > FLOATS.index(x.element)
        return Lanes(b, (b.fpext if wider else b.fptrunc)(x.value, kind))
    if x.element in FLOATS:
        return Lanes(b, b.fptosi(x.value, kind))
    if element in FLOATS:
        return Lanes(b, (b.uitofp if x.element == I1 else b.sitofp)(x.value, kind))
    if element.width < x.element.width:
        return Lanes(b, b.trunc(x.value, kind))
    return Lanes(b, (b.zext if x.element == I1 else b.sext)(x.value, kind))


def places(builder: ir.IRBuilder, element: Any = I32) -> Lanes:
    """0, 1, 2 ... in the lanes."""
    return Lanes(builder, ir.Constant(ir.VectorType(element, LANES), list(range(LANES))))


def halved(x: Lanes) -> tuple[Lanes, Lanes]:
    """The first and the second half of the lanes; of two lanes, two numbers."""
    half, b = x.width // 2, x.builder
    if half == 1:
        return tuple(Lanes(b, b.extract_element(x.value, I32(i))) for i in (0, 1))  # type: ignore[return-value]
    undefined = ir.Constant(x.value.type, ir.Undefined)
    parts = (ir.Constant(ir.VectorType(I32, half), list(range(low, low + half))) for low in (0, half))
    return tuple(Lanes(b, b.shuffle_vector(x.value, undefined, each)) for each in parts)  # type: ignore[return-value]


def folded(x: Lanes, operation: Any) -> Lanes:
    """One number of all lanes: the halves under the operation, again and again, in this order on every processor."""
    while x.width:
        x = operation(*halved(x))
    return x


def widened(condition: Lanes, element: Any) -> Lanes:
    """All bits of a whole number where the condition holds, none where not: cheaper than conditions to carry along."""
    kind = kind_of(element, condition.width)
    return Lanes(condition.builder, condition.builder.sext(condition.value, kind))


def any_of(condition: Lanes) -> Lanes:
    """Whether the condition holds in some lane."""
    whole = condition.builder.bitcast(condition.value, ir.IntType(condition.width))
    return Lanes(condition.builder, condition.builder.icmp_unsigned("!=", whole, ir.Constant(whole.type, 0)))

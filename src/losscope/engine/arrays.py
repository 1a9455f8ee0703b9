"""Arrays in memory as a kernel sees them: an address, how the numbers are stored, and in what they are computed.

Halves (float16, bfloat16) are read exactly into float32 and written with one rounding, ties to even.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llvmlite import ir

from losscope.engine import machine
from losscope.engine.halves import READ, WRITE
from losscope.engine.lanes import (
    F16,
    F32,
    F64,
    I16,
    I32,
    I64,
    LANES,
    POINTER,
    VOID,
    Lanes,
    constant,
    converted,
    declared,
    kind_of,
    suffix_of,
)

PIECE = 16  # bytes of a store past the caches: what every malloc aligns to, and every processor can write


@dataclass(frozen=True)
class Stored:
    """How numbers lie in memory: the element that is loaded, and the one it is computed in.

    >>> STORED["bfloat16"].size, STORED["bfloat16"].computed == F32, STORED["bfloat16"].computed_name
    (2, True, 'float32')
    """

    name: str
    element: Any
    computed: Any
    size: int  # bytes

    @property
    def as_bits(self) -> bool:
        """Whether they are converted by way of their bits."""
        return bool(self.element == I16)

    @property
    def computed_name(self) -> str:
        """The name of numbers as they are computed: weights of rows, what is kept between passes over memory."""
        return {F32: "float32", F64: "float64"}.get(self.computed, self.name)


STORED = {
    each.name: each
    for each in (
        Stored("float32", F32, F32, 4),
        Stored("float64", F64, F64, 8),
        Stored("float16", F16 if machine.host().has_halves else I16, F32, 2),
        Stored("bfloat16", I16, F32, 2),
        Stored("int64", I64, I64, 8),
        Stored("int32", I32, I32, 4),
    )
}


@dataclass(frozen=True)
class Array:
    """Numbers from an address on. `streaming` says that they are written past the caches; the address must then be a
    multiple of PIECE bytes, and so must the distance of every store from it.

    >>> from losscope.engine.function import Function
    >>> f = Function(ir.Module("example"), "example", [POINTER, I64])
    >>> address, i = f.given
    >>> halves = f.array(address, "float16")
    >>> halves.store(i, halves.load(i) * 0.5)  # sixteen, read into float32 and rounded once
    >>> halves.put(0, halves.one(i))  # one
    >>> f.finish()
    >>> "fptrunc <16 x float>" in str(f.module)
    True
    """

    builder: ir.IRBuilder
    address: Any
    stored: Stored
    streaming: bool = False

    def from_(self, start: Lanes | int) -> Array:
        """The array from the element `start` on."""
        return replace(self, address=self._at(start))

    def one(self, i: Lanes | int) -> Lanes:
        """The i-th number."""
        return self._read(self.builder.load(self._at(i), typ=self.stored.element, align=self.stored.size))

    def load(self, i: Lanes | int, mask: Lanes | None = None) -> Lanes:
        """Sixteen numbers from the i-th on; where the mask does not hold, nothing is read, and the number is 0."""
        kind, place = kind_of(self.stored.element, LANES), self._at(i)
        if mask is None:
            return self._read(self.builder.load(place, typ=kind, align=self.stored.size))
        name = f"llvm.masked.load.{suffix_of(kind)}.p0"
        function = declared(self.builder.module, name, kind, [POINTER, I32, mask.value.type, kind])
        zeros = constant(0, self.stored.element, LANES)
        return self._read(self.builder.call(function, [place, I32(self.stored.size), mask.value, zeros]))

    def gather(self, at: Lanes, mask: Lanes | None = None) -> Lanes:
        """The numbers at sixteen places."""
        kind, places = kind_of(self.stored.element, LANES), ir.VectorType(POINTER, LANES)
        addresses = self.builder.gep(self.address, [at.value], source_etype=self.stored.element)
        addresses.type = places
        name = f"llvm.masked.gather.{suffix_of(kind)}.v{LANES}p0"
        holds = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES) if mask is None else mask.value
        function = declared(self.builder.module, name, kind, [places, I32, holds.type, kind])
        zeros = constant(0, self.stored.element, LANES)
        return self._read(self.builder.call(function, [addresses, I32(self.stored.size), holds, zeros]))

    def put(self, i: Lanes | int, number: Lanes) -> None:
        """Write the i-th number."""
        self.builder.store(self._written(number).value, self._at(i), align=self.stored.size)

    def store(self, i: Lanes | int, numbers: Lanes, mask: Lanes | None = None) -> None:
        """Write sixteen numbers from the i-th on; nothing where the mask does not hold."""
        numbers, place = self._written(numbers), self._at(i)
        if mask is None and self.streaming:
            self._stream(numbers, place)
            return
        if mask is None:
            self.builder.store(numbers.value, place, align=self.stored.size)
            return
        kind = numbers.value.type
        name = f"llvm.masked.store.{suffix_of(kind)}.p0"
        function = declared(self.builder.module, name, VOID, [kind, POINTER, I32, mask.value.type])
        self.builder.call(function, [numbers.value, place, I32(self.stored.size), mask.value])

    def _stream(self, numbers: Lanes, start: Any) -> None:
        """Past the caches, PIECE bytes at a time: the processor gathers them into lines, and any malloc's memory will do."""
        size = PIECE // self.stored.size
        for first in range(0, LANES, size):
            mask = ir.Constant(ir.VectorType(I32, size), list(range(first, first + size)))
            piece = self.builder.shuffle_vector(
                numbers.value, ir.Constant(numbers.value.type, ir.Undefined), mask
            )
            place = self.builder.gep(start, [I64(first)], source_etype=self.stored.element)
            store = self.builder.store(piece, place, align=PIECE)
            # LLVM writes float16 through the caches all the same
            store.set_metadata("nontemporal", self.builder.module.add_metadata([I32(1)]))

    def _at(self, i: Lanes | int) -> Any:
        index = I64(i) if isinstance(i, int) else i.value
        return self.builder.gep(self.address, [index], source_etype=self.stored.element)

    def _read(self, value: Any) -> Lanes:
        x = Lanes(self.builder, value)
        return READ[self.stored.name](x) if self.stored.as_bits else converted(x, self.stored.computed)

    def _written(self, x: Lanes) -> Lanes:
        if self.stored.as_bits:
            return WRITE[self.stored.name](converted(x, self.stored.computed))
        return converted(x, self.stored.element)

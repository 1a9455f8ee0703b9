"""A function under construction: its arguments, loops and branches, in LLVM's instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from losscope.engine.arrays import STORED, Array, Stored
from losscope.engine.lanes import (
    F64,
    I32,
    I64,
    LANES,
    POINTER,
    VOID,
    Lanes,
    constant,
    declared,
    in_lanes,
    places,
)

UNROLLED = 4  # vectors a step: enough sums under way that none waits for its own last addition


class Function:
    """What a kernel is written with. `builder` stands where the next instruction goes.

    >>> from losscope.engine.lanes import F64
    >>> f = Function(ir.Module("doubled"), "doubled", [F64], F64)
    >>> x, = f.given
    >>> f.finish(x + x)
    >>> "fadd double" in str(f.module)
    True
    """

    def __init__(self, module: ir.Module, name: str, arguments: Sequence[Any], result: Any = VOID):
        self.module = module
        self.function = ir.Function(module, ir.FunctionType(result, list(arguments)), name)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.given = [Lanes(self.builder, each) for each in self.function.args]

    # -- values

    def number(self, value: float, element: Any = F64) -> Lanes:
        """A single number."""
        return Lanes(self.builder, constant(value, element))

    def whole(self, value: int) -> Lanes:
        """A single whole number of 64 bits: a size, an index."""
        return Lanes(self.builder, I64(value))

    def many(self, value: float, element: Any = F64) -> Lanes:
        """The same number in all lanes."""
        return Lanes(self.builder, constant(value, element, LANES))

    def array(self, address: Lanes, stored: Stored | str) -> Array:
        """The numbers from an address (a whole number, or a pointer) on."""
        stored = STORED[stored] if isinstance(stored, str) else stored
        pointer = address.value
        if pointer.type == I64:
            pointer = self.builder.inttoptr(pointer, POINTER)
        return Array(self.builder, pointer, stored)

    def call(self, name: str, result: Any, *arguments: Any) -> Lanes:
        """Call a function of the process (`malloc`) with values of LLVM's."""
        values = [each.value if isinstance(each, Lanes) else each for each in arguments]
        function = declared(self.module, name, result, [each.type for each in values])
        return Lanes(self.builder, self.builder.call(function, values))

    @contextmanager
    def room(self, count: Lanes, stored: str) -> Any:
        """Memory of its own for so many numbers, given back in the end."""
        size = count * STORED[stored].size
        # From a cache line on, and one more: what is gone through in lanes never shares its ends.
        address = self.call("malloc", POINTER, size + 128)
        start = self.builder.add(self.builder.ptrtoint(address.value, I64), I64(63))
        yield self.array(Lanes(self.builder, self.builder.and_(start, I64(-64))), stored)
        self.call("free", VOID, address)

    def local(self, count: int, stored: str) -> Array:
        """Memory for a constant number of numbers that lives as long as the call."""
        kind = ir.ArrayType(STORED[stored].element, count)
        with self.builder.goto_entry_block():
            memory = self.builder.alloca(kind)
        memory.align = 64
        pointer = memory
        pointer.type = POINTER
        return Array(self.builder, pointer, STORED[stored])

    # -- control

    def loop(
        self,
        start: Lanes,
        stop: Lanes,
        step: int | Lanes,
        carried: Sequence[Lanes],
        body: Callable[..., Sequence[Lanes]],
    ) -> list[Lanes]:
        """for i in range(start, stop, step): carried = body(i, *carried); returns what is carried in the end."""
        b = self.builder
        before = b.block
        head, inside, after = (self.function.append_basic_block(name) for name in ("head", "body", "after"))
        b.branch(head)
        b.position_at_end(head)
        phis = [b.phi(each.value.type) for each in (start, *carried)]
        i, values = Lanes(b, phis[0]), [Lanes(b, each) for each in phis[1:]]
        b.cbranch((i < stop).value, inside, after)
        b.position_at_end(inside)
        results = list(body(i, *values))
        following = b.add(i.value, step.value if isinstance(step, Lanes) else I64(step), flags=("nsw",))
        for phi, first, again in zip(phis, (start, *carried), (Lanes(b, following), *results), strict=True):
            phi.add_incoming(first.value, before)
            phi.add_incoming(again.value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return values

    def when(self, condition: Lanes, then: Callable[[], None]) -> None:
        """if condition: then()"""
        with self.builder.if_then(condition.value):
            then()

    def choose(
        self, condition: Lanes, yes: Callable[[], Sequence[Lanes]], no: Callable[[], Sequence[Lanes]]
    ) -> list[Lanes]:
        """yes() if condition else no(): only one of them is run, and both give values of the same kinds."""
        b = self.builder
        ends: list[tuple[list[Lanes], Any]] = []
        with b.if_else(condition.value) as (on_yes, on_no):
            for branch, make in ((on_yes, yes), (on_no, no)):
                with branch:
                    ends.append((list(make()), b.block))
        found = []
        for values in zip(*(each for each, _ in ends), strict=True):
            phi = b.phi(values[0].value.type)
            for value, (_, block) in zip(values, ends, strict=True):
                phi.add_incoming(value.value, block)
            found.append(Lanes(b, phi))
        return found

    def across(
        self,
        low: Lanes,
        high: Lanes,
        carried: Sequence[Lanes],
        body: Callable[[Lanes, Lanes | None, list[Lanes]], Sequence[Lanes]],
        unrolled: int = UNROLLED,
        once: bool = False,
    ) -> list[list[Lanes]]:
        """Go through the elements low..high in lanes: body(at, mask, carried) -> carried, for the sixteen elements from
        `at` on, all of them where the mask is None, those where it holds in what is left at the end.

        Each of the vectors of a step carries its own: returned is what each of them carries in the end. A long body is
        written `once` for all of them, who then take turns: the same bits, and less to compile.
        """
        whole = high - (high - low) % (LANES * unrolled)
        width = len(carried)
        written = 1 if once else unrolled

        def full(i: Lanes, *values: Lanes) -> list[Lanes]:
            turning = list(values)
            for k in range(written):
                turning = [*turning[width:], *body(i + k * LANES, None, turning[:width])]
            return turning

        def rest(i: Lanes, *values: Lanes) -> list[Lanes]:
            left = Lanes(self.builder, self.builder.trunc((high - i).value, I32))
            mask = places(self.builder) < in_lanes(left)
            return [*body(i, mask, list(values[:width])), *values[width:]]

        values = self.loop(low, whole, LANES * written, list(carried) * unrolled, full)
        values = self.loop(whole, high, LANES, values, rest)
        return [values[k * width : (k + 1) * width] for k in range(unrolled)]

    def finish(self, result: Lanes | None = None) -> None:
        """The end of the function."""
        if result is None:
            self.builder.ret_void()
        else:
            self.builder.ret(result.value)


def smaller(a: Lanes, b: Lanes | int) -> Lanes:
    """The smaller of two whole numbers."""
    condition = a < b
    other = b if isinstance(b, Lanes) else a.constant(b)
    return Lanes(a.builder, a.builder.select(condition.value, a.value, other.value))


def larger(a: Lanes, b: Lanes | int) -> Lanes:
    """The larger of two whole numbers."""
    condition = a > b
    other = b if isinstance(b, Lanes) else a.constant(b)
    return Lanes(a.builder, a.builder.select(condition.value, a.value, other.value))

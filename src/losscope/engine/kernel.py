"""A kernel: a function with one argument, the address of its words, that runs blocks of work on one thread or many.

The words of a call are 8 bytes each: first the results (a status, a sum, a weight) and a place for what a kernel leaves its
threads, then whole numbers (addresses and sizes; what is absent is 0), then numbers. So arrays, tensors and whatever comes
next call the same machine code.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from losscope.engine.arrays import Array
from losscope.engine.function import Function, larger, smaller
from losscope.engine.lanes import F64, I32, I64, POINTER, VOID, Lanes

RESULTS = ("status", "sum", "weight_sum")
SHARED = "shared"  # an address that the threads of a call find here
PARALLEL = ("parallel", "threads")  # the last whole numbers: who runs it
PARTS = 8  # for each thread: one that comes late leaves the rest of its share to the others


@dataclass(frozen=True)
class Signature:
    """The names of a call's words, in their order.

    >>> Signature(("x", "size"), ("scale",)).words
    ('status', 'sum', 'weight_sum', 'shared', 'x', 'size', 'parallel', 'threads', 'scale')
    """

    whole: tuple[str, ...]  # addresses and sizes
    numbers: tuple[str, ...]

    @property
    def wholes(self) -> tuple[str, ...]:
        return (*self.whole, *PARALLEL)

    @property
    def words(self) -> tuple[str, ...]:
        return (*RESULTS, SHARED, *self.wholes, *self.numbers)


class Kernel(Function):
    """A kernel under construction. Words are read afresh where they are used: within `parallel`, by another thread.

    README.md has an example with blocks and threads.

    >>> from losscope.engine import entrance, machine
    >>> k = Kernel("ratio", Signature(("n",), ("a", "b")))
    >>> k.set("sum", k.real("a") / k.real("b"))
    >>> k.set("status", k.integer("n") + 1)
    >>> k.finish()
    >>> ratio = entrance.callable_for(machine.load(machine.object_file(k.module), "ratio"), k.signature)
    >>> ratio(5, 0, 1, 3.0, 4.0)  # n; no parallel region, one thread; a and b
    (6, 0.75, 0.0)
    """

    def __init__(self, name: str, signature: Signature):
        super().__init__(ir.Module(name), name, [POINTER])
        self.signature = signature
        self.words = self.function.args[0]

    def address_of(self, name: str) -> Any:
        return self.builder.gep(self.words, [I64(self.signature.words.index(name))], source_etype=I64)

    def integer(self, name: str) -> Lanes:
        """A word that is an address or a size."""
        return Lanes(self.builder, self.builder.load(self.address_of(name), typ=I64))

    def real(self, name: str) -> Lanes:
        """A word that is a number, in double precision."""
        return Lanes(self.builder, self.builder.load(self.address_of(name), typ=F64))

    def set(self, name: str, value: Lanes) -> None:
        self.builder.store(value.value, self.address_of(name))

    def numbers_at(self, name: str, stored: str) -> Array:
        """The array whose address a word holds."""
        return self.array(self.integer(name), stored)

    def is_absent(self, name: str) -> Lanes:
        return self.integer(name) == 0

    def leave(self, array: Array) -> None:
        """Let all threads of the call find an array's address, by `left`."""
        self.builder.store(self.builder.ptrtoint(array.address, I64), self.address_of(SHARED))

    def left(self, stored: str) -> Array:
        return self.numbers_at(SHARED, stored)

    def parallel(
        self,
        blocks: Lanes,
        block: Callable[[Lanes, Lanes, Any], None],
        around: Callable[[], Any] | None = None,
    ) -> None:
        """Run block(first, last, room) for all of the blocks, a part of them at a time, on the threads that the words
        `parallel` and `threads` name; or all at once on this one, if `parallel` is 0.

        `around` is a context that every thread enters once (its own memory, say), and what it gives is `room`. The work
        is cut into the same blocks whatever the number of threads.
        """
        counter, end, step, words = range(4)
        b, kind = self.builder, ir.LiteralStructType([I64, I64, I64, POINTER])
        with b.goto_entry_block():
            shared = b.alloca(kind)
        shared.type = POINTER
        region_address, threads = self.integer("parallel"), self.integer("threads")
        alone = region_address == 0
        part = larger(blocks // larger(threads * PARTS, 1), 1)
        part = Lanes(b, b.select(alone.value, blocks.value, part.value))

        def place(builder: Any, data: Any, which: int) -> Any:
            return builder.gep(data, [I32(0), I32(which)], source_etype=kind)

        for which, value in ((counter, I64(0)), (end, blocks.value), (step, part.value), (words, self.words)):
            b.store(value, place(b, shared, which))
        region = ir.Function(self.module, ir.FunctionType(VOID, [POINTER]), f"{self.function.name}.region")
        region.linkage = "internal"
        with b.if_else(alone.value) as (on_one, on_many):
            with on_one:
                b.call(region, [shared])
            with on_many:
                function = ir.FunctionType(VOID, [region.type, POINTER, I32, I32])
                run = b.inttoptr(region_address.value, function.as_pointer())
                b.call(run, [region, shared, b.trunc(threads.value, I32), I32(0)])
        with self._inside(region):
            b = self.builder
            data = region.args[0]
            self.words = b.load(place(b, data, words), typ=POINTER)
            last_of_all = Lanes(b, b.load(place(b, data, end), typ=I64))
            size = b.load(place(b, data, step), typ=I64)
            with around() if around else _nothing() as room:
                take, run, done = (region.append_basic_block(name) for name in ("take", "run", "done"))
                b.branch(take)
                b.position_at_end(take)
                first = Lanes(b, b.atomic_rmw("add", place(b, data, counter), size, "monotonic"))
                b.cbranch((first >= last_of_all).value, done, run)
                b.position_at_end(run)
                block(first, smaller(first + Lanes(b, size), last_of_all), room)
                b.branch(take)
                b.position_at_end(done)
            b.ret_void()

    @contextmanager
    def _inside(self, region: Any) -> Any:
        """What is written goes into another function of the module for a while."""
        outside = self.function, self.builder, self.words
        self.function, self.builder = region, ir.IRBuilder(region.append_basic_block("entry"))
        yield
        self.function, self.builder, self.words = outside


@contextmanager
def _nothing() -> Any:
    yield None

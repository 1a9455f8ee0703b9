"""Kernels of a GPU: a thread goes through numbers one at a time, in the same words as a kernel in lanes; PTX comes of it.

PTX is NVIDIA's assembly, which the driver makes machine code of. Every operation in it is rounded to the nearest, and only
what is written as `fma` is fused, as on other processors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llvmlite import ir

from losscope.engine import machine
from losscope.engine.function import Function
from losscope.engine.lanes import I32, I64, Lanes, converted


class ThreadKernel(Function):
    """A kernel under construction as one of its threads sees it. `arguments` are its names and LLVM's types of them.

    >>> from losscope.engine.lanes import POINTER
    >>> k = ThreadKernel("doubled", {"x": POINTER, "out": POINTER, "size": I64})
    >>> x, out = k.array(k["x"], "float32"), k.array(k["out"], "float32")
    >>> k.each(k["size"], lambda i: out.put(i, x.one(i) * 2.0))
    >>> k.finish()
    >>> ".visible .entry doubled" in ptx(k.module, "sm_90")
    True
    """

    def __init__(self, name: str, arguments: Mapping[str, Any]):
        super().__init__(ir.Module(name), name, list(arguments.values()))
        self.function.calling_convention = "ptx_kernel"
        self.named = dict(zip(arguments, self.given, strict=True))

    def __getitem__(self, name: str) -> Lanes:
        """An argument, by its name."""
        return self.named[name]

    def each(self, size: Lanes, body: Callable[[Lanes], Any]) -> None:
        """body(i) for the elements of this thread out of so many: the first by its place in the grid, then on by as many
        as the grid has threads. So any grid goes through all of them."""
        per_block = self._register("ntid.x")
        first = self._register("ctaid.x") * per_block + self._register("tid.x")

        def step(i: Lanes) -> list[Lanes]:
            body(i)
            return []

        self.loop(first, size, self._register("nctaid.x") * per_block, [], step)

    def _register(self, name: str) -> Lanes:
        """A register that says where the thread is, and in how large a grid: below 2**31, by NVIDIA's limits."""
        return converted(self.call(f"llvm.nvvm.read.ptx.sreg.{name}", I32), I64)


def ptx(module: Any, processor: str) -> str:
    """The PTX of a module, for "sm_80" and the like."""
    return machine.assembly(module, machine.gpu(processor))

"""A loop on several threads as one C function, so that none of them has to ask for the interpreter.

The function finds the arguments of a call in memory, eight bytes for each number, after the next block, the block to
end before, and how many blocks are taken at a time. Each thread takes blocks until none is left. PyTorch's own threads
do so where they may (`losscope.torch.openmp`), those of our pool elsewhere. Each block leaves its own sum: the bits do
not depend on who took it.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from functools import lru_cache
from typing import Any

from llvmlite import ir
from numba import carray, types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from losscope.kernels import threads
from losscope.kernels.cpu.build import KernelCache
from losscope.torch import openmp
from losscope.torch.loops import Loops

PARTS = 8  # for each thread: one that comes late leaves the rest of its share to the others
NEXT, END, STEP, ARGUMENTS = range(4)  # places in the memory of a call


@intrinsic
def take(typingctx, counter, number):
    """Add a number to the one at an address, which other threads add to as well, and return what was there."""

    def build(context, builder, signature, arguments):
        place = builder.bitcast(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", place, arguments[1], "monotonic")

    return types.int64(types.voidptr, types.int64), build


def share(loops: Loops, name: str, blocks: int, least: int, *arguments: Any) -> None:
    """Run the blocks 0..blocks of a loop, on this thread and, if there are more than `least`, on others."""
    if blocks <= least:
        loops[name](*arguments, 0, blocks)
        return
    kinds, numbers = described(arguments)
    entrance = loops.entrances.get((name, kinds))
    if entrance is None:
        entrance = loops.entrances[name, kinds] = compiled(loops, name, kinds)
    data = array("q", struct.pack(layout(kinds), 0, blocks, blocks, *numbers))
    place = data.buffer_info()[0]
    everyone = openmp.everyone()
    if 1 < everyone <= blocks:
        data[STEP] = max(1, blocks // (everyone * PARTS))
        openmp.on_all(entrance, place)
        return

    def some(first: int, last: int) -> None:
        part = array("q", data)
        part[NEXT], part[END] = first, last
        entrance(part.buffer_info()[0])

    threads.share(blocks, some, 1)


def described(arguments: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The kinds of the arguments, a letter for each number, and the numbers."""
    kinds, numbers = [], []
    for each in arguments:
        kind = KINDS.get(type(each), "r")
        if kind == "n":
            kinds.append(kind)
        elif kind == "(":
            kinds.append(f"({'r' * len(each)})")
            numbers.extend(each)
        else:
            kinds.append(kind)
            numbers.append(each)
    return "".join(kinds), numbers


KINDS: dict[type, str] = {type(None): "n", int: "i", bool: "b", float: "d", tuple: "("}
# How `struct` packs an argument of each kind, and how the loop is given what was packed.
PACKED_AND_READ = {
    "n": ("", "None, "),
    "i": ("q", "i[{0}], "),
    "b": ("q", "i[{0}] != 0, "),
    "d": ("d", "d[{0}], "),
    "r": ("d", "real(d[{0}]), "),
    "(": ("", "("),
    ")": ("", "), "),
}


@lru_cache(256)
def layout(kinds: str) -> str:
    """How `struct` packs the three numbers of the blocks, and those of the arguments."""
    return "qqq" + "".join(PACKED_AND_READ[kind][0] for kind in kinds)


def compiled(loops: Loops, name: str, kinds: str) -> Any:
    """The loop as a C function of the address of its data."""
    text, place = "", ARGUMENTS
    for kind in kinds:
        packed, read = PACKED_AND_READ[kind]
        text += read.format(place)
        place += len(packed)
    text = f"""
def entrance(data):
    i, d = carray(data, ({place},), numpy.int64), carray(data, ({place},), numpy.float64)
    while True:
        first = take(data, i[{STEP}])
        if first >= i[{END}]:
            break
        {name}({text} first, min(first + i[{STEP}], i[{END}]))
"""
    space = loops.space | {"take": take, "carray": carray}
    exec(compile(text, f"<losscope.torch {name} {kinds}>", "exec"), space)
    function: Any = CFunc(
        space["entrance"], ((types.voidptr,), types.void), {}, {"nopython": True, "error_model": "numpy"}
    )
    function._cache = KernelCache(f"{loops.key}-{name}-{kinds}")
    function.compile()
    found: Any = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function.address)
    found.compiled = function  # which owns the code
    return found

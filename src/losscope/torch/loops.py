"""The compiled loops of a loss, called with addresses of tensors instead of arrays.

At a thousand elements a call is worth a microsecond; an array made of a tensor costs as much. So the loops of
the generated module (`losscope.kernels.cpu`) are wrapped once more, in compiled code.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
from numba import typeof

from losscope import structures
from losscope.entry import Entry
from losscope.kernels.cpu.build import KernelCache, fingerprint, kernels
from losscope.torch import memory, team, wrappers

COMPUTED_IN: dict[str, Any] = {
    "float32": numpy.dtype("float32"),
    "float64": numpy.dtype("float64"),
    "bfloat16": numpy.dtype("float32"),
}


class Loop:
    """One wrapped loop. Numba's own way to call it looks at each argument and what was compiled for such: at a thousand
    elements that takes a microsecond, and another because of what it drives out of the processor's caches. Here the
    caller tells kinds of arguments apart by what it knows of them: of one loss and dtype, they differ in which are None."""

    def __init__(self, dispatcher: Any):
        self.dispatcher = dispatcher
        self.compiled: dict[Any, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        return self.dispatcher(*arguments)

    def compiled_for(self, which: Any, arguments: tuple[Any, ...]) -> Any:
        """Compile for arguments like these, which go by the name of `which` from now on."""
        kinds = tuple(typeof(each) for each in arguments)
        self.dispatcher.compile(kinds)
        found = self.compiled[which] = self.dispatcher.overloads[kinds].entry_point
        return found


@lru_cache(1024)
def loops(entry: Entry, through: Entry | None, dtype: str) -> dict[str, Loop]:
    """The wrapped loops of a loss for tensors of a dtype ("float32", "float64" or "bfloat16")."""
    computed = COMPUTED_IN[dtype]
    key = hashlib.sha256(
        f"{fingerprint(entry, through, computed.name)} {dtype} {_own_code()}".encode()
    ).hexdigest()[:40]
    # Compiled code finds its globals by the module's name when it is loaded again.
    module = sys.modules[f"losscope_generated_{key}"] = ModuleType(f"losscope_generated_{key}")
    generated = kernels(entry, through, computed)["loop"].py_func.__globals__
    space = vars(module)
    space |= {name: value for name, value in generated.items() if not name.startswith("__")}
    space |= {
        name: each
        for name, each in vars(memory).items()
        if inspect.isfunction(each) and each.__module__ == memory.__name__ and not name.startswith("_")
    }
    space |= {
        "on_all": team.on_all,
        "REALS": numpy.zeros(0, computed),
        "DOUBLES": numpy.zeros(0),
        "NUMBERS": numpy.zeros(0, "uint16" if dtype == "bfloat16" else computed),
        "INTEGERS": numpy.zeros(0, "int64"),
    }
    # Within one another the loops are inlined: see losscope.kernels.cpu.build on why nothing may be compiled twice.
    for name in ("loop", "spread_loop"):
        if name in space:
            space[name] = space["inlined"](space[name].py_func)
    own = dict(inspect.getmembers(wrappers, inspect.isfunction))
    text = "\n\n".join("@inlined\n" + inspect.getsource(each) for each in own.values())
    exec(compile(text, f"<losscope.torch {entry.name} {dtype}>", "exec"), space)
    modules = structures.get(entry.structure).LOOPS
    found = {}
    for name in own:
        if name.partition("_")[0] in modules and not name.endswith("_blocks"):
            dispatcher = space["looping"](space[name].py_func)
            dispatcher._cache = KernelCache(f"{key}-{name}")
            found[name] = Loop(dispatcher)
    return found


@cache
def _own_code() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(
        b"".join((here / f"{each}.py").read_bytes() for each in ("memory", "team", "wrappers"))
    ).hexdigest()

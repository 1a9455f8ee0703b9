"""A loss and its kernels: each is traced, compiled and kept on disk when it is first wanted.

What is stored is the text of the formulas and, for each kernel, an object file, under a hash of everything that determines
them: the entry, the code that derives, writes and traces it, the versions of what compiles it, and the processor.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import losscope
from losscope import structures
from losscope.engine import machine
from losscope.entry import Entry
from losscope.forks import once, undisturbed, wait_for
from losscope.kernels import store

wait_for(machine, "lock")

Run = Callable[..., tuple[int, float, float]]


class CompiledLoss:
    """A loss as machine code. `kernels` holds what is compiled, by the loop's name, the dtype, and what is wanted."""

    def __init__(self, entry: Entry, through: Entry | None = None):
        self.entry, self.through = entry, through
        self.parameters = (*entry.parameters, *(through.parameters if through else ()))
        self.has_domain = bool(entry.target.outside or (entry.prediction.outside and not through))
        self.kernels: dict[tuple[str, str, int], Run] = {}

    def kernel(self, loop: str, dtype: str, wants: int) -> Run:
        """The kernel of a loop (a module of `losscope.kernels.loops`) for numbers stored as `dtype`."""
        found = self.kernels.get((loop, dtype, wants))
        if found is None:
            with undisturbed:
                found = self.kernels[loop, dtype, wants] = self._made(loop, dtype, wants)
        return found

    def _made(self, loop: str, dtype: str, wants: int) -> Run:
        from losscope.engine import entrance

        module = import_module(f"losscope.kernels.loops.{loop}")
        name = f"{loop}_{self.fingerprint}_{dtype}_{wants}"
        processor = hashlib.sha256(machine.host().describe().encode()).hexdigest()[:16]
        file = f"{name}-{processor}.o"
        address, stored = None, store.read(file)
        if stored is not None:
            with suppress(ValueError):  # whatever is wrong with it, it can be made anew
                address = machine.load(stored, name)
        if address is None:
            code = machine.kernel_file(self.traced(module, name, dtype, wants).module)
            store.write(file, code)
            address = machine.load(code, name)
        return entrance.callable_for(address, module.signature(self.parameters))

    def traced(self, module: ModuleType, name: str, dtype: str, wants: int) -> Any:
        """The kernel as instructions."""
        return module.trace(name, self.formula, self.parameters, dtype, wants)

    @once
    def formula(self) -> dict[str, Any]:
        """The functions of the formula's text, over lanes."""
        from losscope.kernels.primitives import NAMESPACE

        namespace = dict(NAMESPACE)
        exec(compile(self.text, f"<losscope {self.entry.name}>", "exec"), namespace)
        return namespace

    @once
    def text(self) -> str:
        """The source of `order0..2`, `both` and `outside`, kept on disk: to derive them takes SymPy."""
        file = f"{self.fingerprint}.py"
        stored = store.read(file)
        if stored is not None:
            return stored.decode()
        text = source(self.entry, self.through)
        store.write(file, text.encode())
        return text

    @once
    def fingerprint(self) -> str:
        """A hash of all that determines the text and, with the processor, the machine code."""
        parts = [toolchain()]
        for each in (self.entry, self.through):
            if each is not None:
                parts.append(
                    repr(
                        (
                            each.structure,
                            each.name,
                            each.forms,
                            each.target_gradient,
                            each.computed,
                            each.residual,
                            list(each.parameters),
                            each.prediction,
                            each.target,
                        )
                    )
                )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@lru_cache(1024)
def compiled(entry: Entry, through: Entry | None = None) -> CompiledLoss:
    """The one compiled loss of an entry, after an activation where one is given."""
    return CompiledLoss(entry, through)


def address_of(memory: Any) -> int:
    """The address of an array, or of what is an address already."""
    return memory if isinstance(memory, int) else int(memory.ctypes.data)


def source(entry: Entry, through: Entry | None) -> str:
    """The text of a formula: its value and derivatives in the prediction, of two numbers also in the target, and what is
    outside its domain."""
    from losscope.derive import derive
    from losscope.emit.python import function
    from losscope.emit.two_sided import two_sided
    from losscope.expression import symbol

    structure = structures.get(entry.structure)
    parameters = [*entry.parameters, *(through.parameters if through else ())]
    derived = derive(entry, through)
    parts = [formulas(derived, structure.arguments, parameters)]
    if structure.second:
        in_second = derived.in_second(symbol(structure.second))
        slopes = tuple(map(two_sided, (derived.value, derived.gradient, in_second)))
        parts.append(
            function("both", structure.arguments, parameters, slopes, derived.residual, zeros=derived.zeros)
        )
    parts.append(_outside(entry, through))
    parts.append(f"OF_LOGSUMEXP = {derived.of_logsumexp}\n")  # one logarithm then serves all classes
    return "\n\n".join(parts)


def formulas(derived: Any, arguments: Sequence[str], parameters: Sequence[str]) -> str:
    """The text of `order0..2`, in which what a kernel computes of value, gradient and curvature is written."""
    from losscope.emit.python import functions
    from losscope.emit.two_sided import two_sided

    gathered = replace(
        derived,
        value=two_sided(derived.value),
        gradient=two_sided(derived.gradient),
        curvature=two_sided(derived.curvature),
    )
    return functions(gathered, arguments, parameters)


def _outside(entry: Entry, through: Entry | None) -> str:
    """Source of `outside`: whether one of a pair's two numbers lies outside its domain."""
    prediction = "" if through else entry.prediction.outside
    tests = [
        f"({test.replace('x', name)})"
        for name, test in (("prediction", prediction), ("target", entry.target.outside))
        if test
    ]
    return f"def outside(prediction, target):\n    return {' | '.join(tests) or 'None'}\n"


@cache
def toolchain() -> str:
    """A hash of the code that derives, writes, traces and compiles, ours and others'."""
    package = Path(losscope.__file__).parent
    files = [package / f"{name}.py" for name in ("parse", "stable", "derive", "truth")]
    for folder in ("expression", "rewrite", "emit", "structures", "engine", "kernels"):
        files += sorted((package / folder).rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    digest.update(repr([sys.version, *(version(each) for each in ("llvmlite", "sympy"))]).encode())
    return digest.hexdigest()

"""Processors: a module of instructions -> optimised machine code, as the bytes of an object file, and its loading.

Only what is loaded runs on this machine. Code for other processors (another x86-64, AArch64, a GPU) is made the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from threading import RLock
from types import MappingProxyType
from typing import Any

from llvmlite import binding as llvm

# Where both are to be had, vectors of 512 bits: one register for sixteen lanes.
WIDE = "-prefer-256-bit"
compiled = 0  # how many object files this process has made to be loaded
lock = RLock()  # LLVM's, while it compiles or loads: milliseconds, and nothing is imported under it


@dataclass(frozen=True)
class Processor:
    """What code is made for.

    >>> host().triple.count("-") >= 2
    True
    """

    triple: str
    name: str
    features: str = ""

    @property
    def architecture(self) -> str:
        """x86_64, aarch64, nvptx64 ..."""
        return self.triple.partition("-")[0]

    @property
    def has_halves(self) -> bool:
        """Whether it converts float16 by itself; elsewhere LLVM would call a library that may not be there, and
        `halves` does it."""
        return "x86" not in self.triple or "+f16c" in self.features

    def describe(self) -> str:
        """Words that name it, for a cache."""
        return " ".join((self.triple, self.name, self.features))


@cache
def host() -> Processor:
    """The processor that this process runs on."""
    with lock:
        features = llvm.get_host_cpu_features()
        features["prefer-256-bit"] = False
        return Processor(llvm.get_process_triple(), llvm.get_host_cpu_name(), features.flatten())


X86_64_V3 = Processor("x86_64-unknown-linux-gnu", "x86-64-v3", "+f16c," + WIDE)
X86_64_V4 = Processor("x86_64-unknown-linux-gnu", "x86-64-v4", "+f16c," + WIDE)
AARCH64 = Processor("aarch64-unknown-linux-gnu", "generic", "+neon")


def gpu(name: str) -> Processor:
    """An NVIDIA GPU: "sm_80", "sm_90"."""
    return Processor("nvptx64-nvidia-cuda", name)


@cache
def _targets(everything: bool) -> None:
    if everything:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()


@cache
def _target_machine(processor: Processor) -> Any:
    _targets(processor != host())
    target = llvm.Target.from_triple(processor.triple)
    options = {} if "nvptx" in processor.triple else {"reloc": "pic", "codemodel": "small"}
    return target.create_target_machine(cpu=processor.name, features=processor.features, opt=3, **options)


def _optimised(text: str, processor: Processor) -> Any:
    module = llvm.parse_assembly(text)
    module.triple = processor.triple
    machine = _target_machine(processor)
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False  # it is vectors already
    options.loop_unrolling = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return module, machine


def object_file(module: Any, processor: Processor | None = None) -> bytes:
    """Machine code for a processor (default: this one), as the bytes of an object file and a seal."""
    processor = processor or host()
    with lock:
        optimised, machine = _optimised(str(module), processor)
        code = bytes(machine.emit_object(optimised))
    return code + _seal(code, processor)


def _seal(code: bytes, processor: Processor) -> bytes:
    """What follows an object file: LLVM takes its bytes on trust, and a damaged or foreign one would end the process."""
    return hashlib.sha256(processor.architecture.encode() + code).digest()


def assembly(module: Any, processor: Processor | None = None) -> str:
    """The same as text: for a GPU, PTX."""
    with lock:
        optimised, machine = _optimised(str(module), processor or host())
        return str(machine.emit_assembly(optimised))


@cache
def _linker() -> Any:
    """What loads object files. Each has its code and its constants in one stretch of memory: an instruction reaches 2 GB, and
    what lies between two stretches may be more (a process with large arrays, say). It lives as long as the process."""
    _targets(False)
    return llvm.create_lljit_compiler(use_jit_link=True, suppress_errors=True)


def kernel_file(module: Any) -> bytes:
    """Machine code for this processor, counted."""
    global compiled
    code = object_file(module)
    compiled += 1
    return code


_libraries = count()


def load(sealed: bytes, name: str, imports: Mapping[str, int] = MappingProxyType({})) -> int:
    """The address of a function of an object file, good for ever; ValueError if that is damaged, for another processor, or
    has no such function. `imports`: addresses of what it calls by name and this process does not export."""
    code = sealed[: -hashlib.sha256().digest_size]
    if sealed != code + _seal(code, host()):
        raise ValueError("damaged, or no object file for this processor")
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(name)
    for symbol, address in imports.items():
        library.import_symbol(symbol, address)
    with lock:
        try:
            linked = library.link(_linker(), f"{name} {next(_libraries)}")
        except RuntimeError as error:
            raise ValueError(f"the object file has no function {name!r}, or lacks another: {error}") from None
        linked.detach()  # never to be unloaded
    return int(linked[name])

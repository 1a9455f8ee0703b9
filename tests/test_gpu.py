"""Kernels for a GPU's thread: PTX of every elementwise formula and every primitive, and the bits of the CPU's kernels.

No GPU is needed: what a thread does is run here, thread after thread of a grid, from the same instructions.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from conftest import ACTIVATIONS, ELEMENTWISE
from losscope.catalogue import entries
from losscope.engine import machine
from losscope.engine.arrays import STORED
from losscope.engine.gpu import ThreadKernel, ptx
from losscope.engine.lanes import I64, POINTER
from losscope.kernels import compiled as losses
from losscope.kernels.loops import elementwise, gpu
from losscope.kernels.loops.elementwise import CURVATURE, GRADIENT, OUTPUTS, TARGET_GRADIENT, VALUES, WEIGHTED
from losscope.kernels.primitives import NAMESPACE
from traced import address, assert_same_bits, compiled, dtype_of, fresh

PROCESSORS = ["sm_80", "sm_90"]
DTYPES = ["float32", "float64"]
NAMES = [*ELEMENTWISE, *ACTIVATIONS]
PRIMITIVES = sorted(set(NAMESPACE) - {"real", "where"})
EVERYTHING = VALUES | GRADIENT | CURVATURE | WEIGHTED


def thread_kernel(name: str, dtype: str, wants: int = EVERYTHING) -> ThreadKernel:
    return losses.compiled(entries()[name]).traced(gpu, fresh(name), dtype, wants)


def of_primitive(name: str, dtype: str) -> ThreadKernel:
    """out_i = the primitive of x_i, or of x_i and its neighbours."""
    count = NAMESPACE[name].__wrapped__.__code__.co_argcount
    k = ThreadKernel(fresh(name), {**{f"in{i}": POINTER for i in range(count)}, "out": POINTER, "size": I64})
    given, out = [k.array(k[f"in{i}"], dtype) for i in range(count)], k.array(k["out"], dtype)
    k.each(k["size"], lambda i: out.put(i, NAMESPACE[name](*(each.one(i) for each in given))))
    k.finish()
    return k


# --- the text

ROUNDED = re.compile(r"\b(add|sub|mul|fma|div|sqrt|rcp)\.(?!rn\.)[\w.]*f(32|64)\b")


def check(text: str, name: str, processor: str) -> None:
    """One entry, numbers in global memory, every operation rounded to the nearest, no calls and no memory of its own."""
    assert f".target {processor}" in text
    assert re.search(rf"\.visible \.entry {name}\(", text)
    assert re.search(r"\bld\.global", text)
    assert re.search(r"\bst\.global", text)
    assert not re.search(r"\b(ld|st)\.(?!global|param)", text), "memory that is not known to be global"
    assert not re.search(r"\bcall\b|\.local\b|\.approx|\.ftz|\.full", text)
    assert not ROUNDED.search(text), "ptxas may fuse an operation that does not say how it is rounded"


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_elementwise_formula_is_traced_to_ptx(name, dtype, processor):
    k = thread_kernel(name, dtype)
    check(ptx(k.module, processor), k.function.name, processor)


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_is_traced_to_ptx(name, dtype, processor):
    k = of_primitive(name, dtype)
    text = ptx(k.module, processor)
    check(text, k.function.name, processor)
    assert text.count("fma.rn") == text.count("fma."), "fused, and rounded to the nearest"


@pytest.mark.parametrize("stored", list(STORED))
def test_halves_and_whole_numbers_are_read_and_written(stored):
    k = ThreadKernel(fresh("twice"), {"x": POINTER, "out": POINTER, "size": I64})
    x, out = k.array(k["x"], stored), k.array(k["out"], stored)
    k.each(k["size"], lambda i: out.put(i, x.one(i) + x.one(i)))
    k.finish()
    check(ptx(k.module, "sm_80"), k.function.name, "sm_80")


# --- the bits


class Grid:
    """A kernel of a GPU, run on this processor: every thread of a grid in its turn."""

    PLACES = ("tid.x", "ntid.x", "ctaid.x", "nctaid.x")

    def __init__(self, k: ThreadKernel):
        self.place = (ctypes.c_int32 * 4)()
        text = str(k.module).replace("ptx_kernel ", "")
        for i, each in enumerate(self.PLACES):
            name = f"llvm.nvvm.read.ptx.sreg.{each}"
            at = f"inttoptr (i64 {ctypes.addressof(self.place) + 4 * i} to ptr)"
            here = f'define i32 @"at.{each}"() {{\n  %x = load volatile i32, ptr {at}\n  ret i32 %x\n}}'
            assert text.count(f'declare i32 @"{name}"()') == 1
            text = text.replace(f'declare i32 @"{name}"()', here).replace(f'@"{name}"', f'@"at.{each}"')
        kinds = {
            "ptr": ctypes.c_void_p,
            "i64": ctypes.c_int64,
            "float": ctypes.c_float,
            "double": ctypes.c_double,
        }
        arguments = [kinds[str(each.value.type)] for each in k.given]
        where = machine.load(machine.object_file(text), k.function.name)
        self.thread = ctypes.CFUNCTYPE(None, *arguments)(where)

    def __call__(self, blocks: int, threads: int, *arguments: float) -> None:
        for block in range(blocks):
            for thread in range(threads):
                self.place[:] = (thread, threads, block, blocks)
                self.thread(*arguments)


def test_any_grid_goes_once_through_every_element():
    k = ThreadKernel(fresh("once"), {"x": POINTER, "size": I64})
    x = k.array(k["x"], "int64")
    k.each(k["size"], lambda i: x.put(i, x.one(i) + i * 2 + 1))
    k.finish()
    grid = Grid(k)
    for blocks, threads in ((1, 1), (1, 5), (3, 4), (40, 8)):
        for size in (0, 1, 12, 13, 100):
            found = np.zeros(200, "int64")
            grid(blocks, threads, address(found), size)
            assert found.tolist() == [2 * i + 1 if i < size else 0 for i in range(200)]


def numbers(stored: str, count: int = 1003) -> list[np.ndarray]:
    """Predictions, targets and weights, what is no number among them."""
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, count)) * 3
    x[::3], y[::4] = np.abs(x[::3]), rng.integers(0, 2, y[::4].size)
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, 1e30]
    x[100:181], y[100:181] = (each.ravel() for each in np.meshgrid(special, special))
    with np.errstate(over="ignore"):
        return [each.astype(dtype_of(stored)) for each in (x, y, rng.choice([0, 0.25, 1, 2.75], count))]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_a_thread_gives_the_bits_of_the_lanes(name, dtype):
    x, y, weight = numbers(dtype)
    parameters = [each.default for each in entries()[name].parameters.values()]
    for wants in (EVERYTHING, GRADIENT | TARGET_GRADIENT):
        if name in ACTIVATIONS and wants & TARGET_GRADIENT:
            continue  # of one number
        found = {}
        for loop in (elementwise, gpu):
            out = {each: np.full(x.size, 77, x.dtype) for each, wanted in OUTPUTS.items() if wants & wanted}
            at = {"prediction": x, "target": y, "weight": weight, **out}
            at = {each: address(array) for each, array in at.items()}
            k = losses.compiled(entries()[name]).traced(loop, fresh(name), dtype, wants)
            if loop is gpu:
                Grid(k)(2, 16, *(at.get(each, 0) for each in gpu.ARRAYS), x.size, 0.375, *parameters)
            else:
                at |= {"size": x.size, "threads": 1}
                words = [at.get(each, 0) for each in k.signature.wholes]
                compiled(k)(*words, 0.375, *parameters)
            found[loop] = out
        assert found[gpu]
        for each, array in found[gpu].items():
            assert_same_bits(array, found[elementwise][each], f"{name} {each}")


# --- NVIDIA's assembler


def assembler() -> str | None:
    """ptxas of the toolkit, or of a package that brings it."""
    folders = [
        ("nvidia.cuda_nvcc", "bin/ptxas"),
        ("nvidia.cu13", "bin/ptxas"),
        ("triton", "backends/nvidia/bin/ptxas"),
    ]
    for package, file in folders:
        try:
            found = find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in (found.submodule_search_locations or []) if found else []:
            if (path := Path(folder) / file).exists():
                return str(path)
    return shutil.which("ptxas")


@pytest.mark.skipif(assembler() is None, reason="no ptxas: pip install nvidia-cuda-nvcc-cu12 brings it")
@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_ptxas_makes_code_that_spills_no_register(dtype, processor, tmp_path):
    kernels = [thread_kernel(name, dtype) for name in NAMES]
    kernels += [thread_kernel(name, dtype, GRADIENT | TARGET_GRADIENT) for name in ELEMENTWISE]
    kernels += [of_primitive(name, dtype) for name in PRIMITIVES]
    texts = [ptx(k.module, processor) for k in kernels]
    head = re.match(r"(?s).*?\.address_size 64\n", texts[0])[0]
    assert all(each.startswith(head) for each in texts)
    file = tmp_path / "kernels.ptx"
    file.write_text(head + "".join(each.removeprefix(head) for each in texts))
    command = [assembler(), f"-arch={processor}", "-v", str(file), "-o", str(tmp_path / "kernels.cubin")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = re.findall(
        r"properties for (\w+)\n\s+(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", done.stderr
    )
    assert {name for name, *_ in said} == {k.function.name for k in kernels}
    assert [each for each in said if each[1:] != ("0", "0", "0")] == []

"""One kernel, several processors: the same bits from code for AVX2 and AVX-512, vectors and no library on AArch64."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import ACTIVATIONS, DISTANCE, ELEMENTWISE, SOFTMAX
from losscope.catalogue import entries
from losscope.engine import machine
from losscope.engine.kernel import Kernel
from losscope.engine.lanes import LANES, Lanes, fma
from losscope.kernels import compiled as losses
from losscope.kernels.loops import distance, elementwise, multiclass_margin, soft_targets, softmax
from losscope.kernels.loops.elementwise import CURVATURE, GRADIENT, TARGET_GRADIENT, VALUES, WATCHED, WEIGHTED
from losscope.kernels.primitives import NAMESPACE
from traced import PAIR, Traced, address, assert_same_bits, compiled, fresh, needs, traced

DTYPES = ["float32", "float64"]
NAMES = [*ELEMENTWISE, *ACTIVATIONS]
OUTPUTS = {"values": VALUES, "gradient": GRADIENT, "target_gradient": TARGET_GRADIENT, "curvature": CURVATURE}
EVERYTHING = VALUES | GRADIENT | CURVATURE | WEIGHTED | WATCHED


def test_there_is_something_to_look_at():
    assert len(ELEMENTWISE) > 10
    assert len(ACTIVATIONS) > 3


def kernel_of(name: str, dtype: str, wants: int):
    """The kernel of a loss of the catalogue."""
    entry = entries()[name]
    loss = losses.compiled(entry)
    if not loss.has_domain:
        wants &= ~WATCHED  # there is nothing outside to look for
    return loss.traced(elementwise, fresh(name), dtype, wants)


def numbers(dtype: str, count: int = 4777) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, targets and weights: ordinary ones, ones at every exponent, and those that are no numbers."""
    rng = np.random.default_rng(7)
    low, high = (-150, 128) if dtype == "float32" else (-1074, 1023)
    x, y = rng.normal(size=(2, count)) * 3
    x[::3] = np.ldexp(rng.uniform(-1, 1, x[::3].size), rng.integers(low, high, x[::3].size))
    x[::5], y[::4] = np.abs(x[::5]), rng.integers(0, 2, y[::4].size)
    y[::7] = rng.choice([-1, 0.5, 3, 1], y[::7].size)
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, -1e-320]
    x[100:181], y[100:181] = (each.ravel() for each in np.meshgrid(special, special))
    with np.errstate(over="ignore"):
        return tuple(each.astype(dtype) for each in (x, y, rng.choice([0, 0.25, 1, 2.7], count)))


def results(name: str, dtype: str, wants: int, processor: machine.Processor) -> dict[str, np.ndarray]:
    """What a loss's kernel gives, compiled for a processor."""
    x, y, weight = numbers(dtype)
    k = kernel_of(name, dtype, wants)
    given = {
        "prediction": address(x),
        "target": address(y),
        "weight": address(weight),
        "size": x.size,
        "threads": 1,
    }
    found = {output: np.zeros(x.size, dtype) for output, wanted in OUTPUTS.items() if wants & wanted}
    given |= {output: address(array) for output, array in found.items()}
    given |= {"result": address(found.setdefault("result", np.zeros(1, dtype)))}
    parameters = {f"parameter {each}": found.default for each, found in entries()[name].parameters.items()}
    reals = {"scale": 0.3} | parameters
    words = [
        *(given.get(each, 0) for each in k.signature.wholes),
        *(reals[each] for each in k.signature.numbers),
    ]
    status, total, weights = compiled(k, processor)(*words)
    return found | {"sums": np.array([status, total, weights])}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_code_for_avx2_and_for_avx512_gives_the_same_bits(name, dtype):
    for processor in PAIR:
        needs(processor)
    for wants in (EVERYTHING, GRADIENT | TARGET_GRADIENT):
        if name in ACTIVATIONS and wants & TARGET_GRADIENT:
            continue  # of one number
        one, two, here = (results(name, dtype, wants, each) for each in (*PAIR, machine.host()))
        assert one.keys() >= {"gradient", "result", "sums"}
        for each in one:
            assert_same_bits(one[each], two[each], f"{name} {each}, v3 and v4")
            assert_same_bits(one[each], here[each], f"{name} {each}, v3 and this processor")
        assert np.isfinite(one["gradient"]).sum() > 1000  # or it compares NaN with NaN


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(NAMESPACE) - {"real", "where"}))
def test_primitives_give_the_same_bits(name, dtype):
    for processor in PAIR:
        needs(processor)
    function = NAMESPACE[name]
    count = function.__wrapped__.__code__.co_argcount
    arguments = [np.roll(numbers(dtype)[0], 31 * k) for k in range(count)]
    one, two = (Traced(function, [dtype] * count, [dtype], LANES, each)(*arguments) for each in PAIR)
    assert_same_bits(one, two, name)


STRUCTURES = sorted({entry.structure for entry in entries().values()})


@pytest.mark.parametrize("structure", STRUCTURES)
def test_what_users_call_gives_the_same_bits(structure):
    """Arrays in, value and derivatives out, every loss of the structure, one process for each processor."""
    found = []
    for processor in PAIR:
        needs(processor)
        command = [sys.executable, Path(__file__).with_name("bits_example.py"), structure, processor.name]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert len(found[0]) == 2 * sum(entry.structure == structure for entry in entries().values()) > 0
    assert found[0] == found[1]


# --- what the code is made of

# Of the C library: memory, and what LLVM makes of a loop that writes nothing but nought.
MEMORY = {"malloc", "free", "memset"}


def calls(assembly: str, instruction: str) -> set[str]:
    """The functions that are called by name, those of the kernel's own module left out."""
    own = set(re.findall(r"^([\w.]+):", assembly, re.M))
    return {each.split("@")[0] for each in re.findall(rf"\t{instruction}\t([\w.@]+)", assembly)} - own


def check_aarch64(k: Kernel, dtype: str) -> str:
    text = machine.assembly(k.module, machine.AARCH64)
    assert calls(text, "bl") <= MEMORY
    shape = "4s" if dtype == "float32" else "2d"
    assert len(re.findall(rf"\tf\w+\tv\d+\.{shape}", text)) > 20, "arithmetic of vectors"
    return text


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_aarch64_has_vectors_and_no_library(name, dtype):
    text = check_aarch64(kernel_of(name, dtype, VALUES | GRADIENT | CURVATURE), dtype)
    assert not re.search(r"\tfn?m(add|sub)\t", text), (
        "a fused step of a single number: a lane that was taken out"
    )


def test_a_call_of_the_library_would_be_seen():
    """Or the tests beside it say nothing: `frem` is a call of fmod."""
    remainder = lambda x, y: Lanes(x.builder, x.builder.frem(x.value, y.value))
    k = traced(remainder, ["float32"] * 2, ["float32"])
    assert calls(machine.assembly(k.module, machine.AARCH64), "bl") == {"fmodf"}
    assert calls(machine.assembly(k.module, machine.X86_64_V4), "callq") == {"fmodf"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loop", [softmax, soft_targets])
@pytest.mark.parametrize("name", SOFTMAX)
def test_aarch64_has_vectors_and_no_library_for_rows(name, loop, dtype):
    wants = loop.VALUES | loop.GRADIENT | loop.CURVATURE | loop.WEIGHTED | loop.CLASS_WEIGHTED
    check_aarch64(losses.compiled(entries()[name]).traced(loop, fresh(name), dtype, wants), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DISTANCE)
def test_aarch64_has_vectors_and_no_library_for_distances(name, dtype):
    entry = entries()[name]
    wants = distance.GRADIENT | distance.TARGET_GRADIENT
    wants |= {"cosine": distance.COSINE, "triplet": distance.TRIPLET | distance.NEGATIVE_GRADIENT}.get(
        entry.measure, 0
    )
    k = losses.compiled(entry).traced(distance, fresh(name), dtype, wants)
    check_aarch64(k, "float64")  # in which sums are, whatever is given


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lists", [0, multiclass_margin.LISTS])
def test_aarch64_has_vectors_and_no_library_for_margins_between_classes(lists, dtype):
    pytest.importorskip("torch")
    from losscope.torch import variants

    entry = variants.weston_watkins
    wants = multiclass_margin.GRADIENT | lists
    check_aarch64(losses.compiled(entry).traced(multiclass_margin, fresh(entry.name), dtype, wants), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_x86_64_has_vectors_and_no_library(name, dtype):
    text = machine.assembly(kernel_of(name, dtype, VALUES | GRADIENT).module, machine.X86_64_V4)
    assert calls(text, "callq") <= MEMORY
    assert len(re.findall(rf"\tv\w+p{'s' if dtype == 'float32' else 'd'}\t.*%zmm", text)) > 5


@pytest.mark.parametrize(
    "processor", [*PAIR, machine.AARCH64], ids=lambda each: f"{each.architecture} {each.name}"
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_fused_steps_are_those_that_are_written(dtype, processor):
    """x*y + z is two roundings on every processor, fma(x, y, z) one."""
    pattern = r"\t(vfn?m\w+|fml[as]|fn?madd|fn?msub)\b"
    apart = traced(lambda x, y, z: x * y + z, [dtype] * 3, [dtype]).module
    assert not re.search(pattern, machine.assembly(apart, processor))
    once = traced(fma, [dtype] * 3, [dtype]).module
    assert re.search(pattern, machine.assembly(once, processor))

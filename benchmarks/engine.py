"""What a kernel costs before it runs: from the text of a formula to machine code, and a call of it.

Run `python benchmarks/engine.py`. Times are CPU times of this process, so what else the machine does matters less.
"""

from __future__ import annotations

import gc
import statistics
import timeit
from time import process_time

import numpy

from losscope.catalogue import entries
from losscope.engine import entrance, machine
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import converted
from losscope.kernels.compiled import compiled
from losscope.kernels.loops import elementwise

GRADIENT = elementwise.GRADIENT
EVERYTHING = GRADIENT | elementwise.CURVATURE | elementwise.VALUES | elementwise.WEIGHTED


def made(name: str, dtype: str, wants: int) -> tuple[float, float, int]:
    """Seconds to trace a loss's kernel, and to optimise and write it; bytes of the object file."""
    loss = compiled(entries()[name])
    loss.text, loss.formula  # noqa: B018  (derived once, and kept on disk)
    gc.collect()  # else one kernel or another pays 0.1 s for a look through all that SymPy keeps
    begun = process_time()
    kernel = loss.traced(elementwise, f"kernel_{name}", dtype, wants)
    traced = process_time()
    code = machine.object_file(kernel.module)
    return traced - begun, process_time() - traced, len(code)


def call(words: int) -> float:
    """Seconds of a call of a kernel that does nothing, with so many addresses of arrays."""
    name = f"nothing_{words}"
    k = Kernel(name, Signature(tuple(f"x{i}" for i in range(words)), ("scale",)))
    k.set("sum", converted(k.real("scale"), k.real("scale").element))
    k.finish()
    run = entrance.callable_for(machine.load(machine.object_file(k.module), name), k.signature)
    arrays = [numpy.empty(4)] * words
    timed = timeit.repeat(lambda: run(*arrays, 0, 1, 1.0), number=20_000, repeat=7)
    return min(timed) / 20_000


def main() -> None:
    """Print a table of losses, and one of calls."""
    trace, compile, _ = made("squared_error", "float32", GRADIENT)
    print(f"the first kernel of a process, which wakes LLVM: {trace + compile:.3f} s\n")
    losses = [name for name, entry in entries().items() if entry.structure == "elementwise"]
    print("kernel                                  trace   compile     total   object file")
    for what, wants in (("value, gradient", GRADIENT), ("and curvature, weights, values", EVERYTHING)):
        for dtype in ("float32", "float64"):
            costs = {name: made(name, dtype, wants) for name in losses}
            total = {name: trace + compile for name, (trace, compile, _) in costs.items()}
            ordered = sorted(losses, key=total.__getitem__)
            print(f"{what}, {dtype}: median {statistics.median(total.values()):.3f} s of {len(losses)}")
            for name in dict.fromkeys(["huber", "binary_cross_entropy", *ordered[-2:]]):
                trace, compile, size = costs[name]
                print(
                    f"  {name:36}{trace:7.3f} s {compile:7.3f} s {trace + compile:7.3f} s {size / 1024:8.1f} kB"
                )
    print()
    for words in (1, 9):
        print(f"a call with {words} arrays: {call(words) * 1e6:.2f} us")


if __name__ == "__main__":
    main()

"""How fast, against PyTorch, on this machine: `python benchmarks/speed.py` prints the tables of benchmarks/README.md.

Value and gradient together, against torch eager's forward and backward and torch.compile's, as ratios within one
process: the contestants take turns, once untimed and once timed; each case is the median of its rounds. Two modes, each in its own process:
*default* malloc, where large arrays are fresh pages on every call; and *retained heap* (no mmap, no trim), which
compares the work alone. `losscope` is a plain call: its gradient's memory is used again once the caller has dropped
the last one, as a training loop does. `fresh` gives that memory back before every call, as if all were kept.
`--quick` is for a look.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

RETAINED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 28)}

# What is promised, as a ratio to torch eager: (default, retained).
PROMISED = {
    "squared_error 16M": (0.25, 0.45), "huber 16M": (0.25, 0.45), "binary_cross_entropy 16M": (0.12, 0.20),
    "cross_entropy 1024x32000": (0.20, 0.55), "cross_entropy 4096x1000": (0.5, 0.6),
    "squared_error 1000": (0.5, None), "huber 1000": (0.5, None), "binary_cross_entropy 1000": (0.5, None),
}  # fmt: skip


def contest(
    contestants: dict[str, Callable[[], object]],
    rounds: int,
    inner: int = 1,
    before: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Median seconds of each, taking turns; the order is another in every round, so that none always follows the same.
    `before` each call something else may happen, which is not timed."""
    names, order = list(contestants), random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in names}
    for each in contestants.values():
        each()
        each()
    for _ in range(rounds):
        for name in order.sample(names, len(names)):
            run = contestants[name]
            run()  # not timed: PyTorch's idle threads go on spinning for some ms, on the core of whoever comes next
            seconds = 0.0
            for _ in range(inner):
                before()
                start = time.perf_counter()
                run()
                seconds += time.perf_counter() - start
            times[name].append(seconds / inner)
    return {name: statistics.median(each) for name, each in times.items()}


def fresh(run: Callable[[], object]) -> Callable[[], object]:
    """The same, in memory that was never written before."""
    import losscope as ls

    def from_nothing() -> None:
        ls.release_memory()
        run()

    return from_nothing


def elementwise(name: str, size: int, compiled: bool) -> dict[str, Callable[[], object]]:
    import numpy as np
    import torch
    import torch.nn.functional as F

    import losscope as ls

    functions = {
        "squared_error": F.mse_loss,
        "huber": F.huber_loss,
        "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    }
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(size, generator=generator), torch.rand(size, generator=generator)
    leaf = prediction.clone().requires_grad_()
    ours, p, t, out = ls.get(name), prediction.numpy(), target.numpy(), np.empty(size, np.float32)
    into = torch.empty(size)

    def through_torch(function: Callable[..., torch.Tensor]) -> Callable[[], object]:
        def run() -> None:
            leaf.grad = None
            function(leaf, target).backward()

        return run

    found: dict[str, Callable[[], object]] = {
        "torch eager": through_torch(functions[name]),
        "losscope": lambda: ours.value_and_grad(p, t),
        "fresh": fresh(lambda: ours.value_and_grad(p, t)),
        "losscope, out=": lambda: ours.value_and_grad(p, t, out=out),
    }
    if size > 100_000:
        found["torch.add(out=)"] = lambda: torch.add(prediction, target, out=into)
    if compiled:
        found["torch.compile"] = through_torch(torch.compile(functions[name]))
    return found


def softmax(rows: int, classes: int, compiled: bool) -> dict[str, Callable[[], object]]:
    import numpy as np
    import torch
    import torch.nn.functional as F

    import losscope as ls

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, classes, generator=generator)
    target = torch.randint(0, classes, (rows,), generator=generator)
    leaf = logits.clone().requires_grad_()
    z, t, out = logits.numpy(), target.numpy(), np.empty((rows, classes), np.float32)

    def through_torch(function: Callable[..., torch.Tensor]) -> Callable[[], object]:
        def run() -> None:
            leaf.grad = None
            function(leaf, target).backward()

        return run

    found: dict[str, Callable[[], object]] = {
        "torch eager": through_torch(F.cross_entropy),
        "losscope": lambda: ls.cross_entropy.value_and_grad(z, t),
        "fresh": fresh(lambda: ls.cross_entropy.value_and_grad(z, t)),
        "losscope, out=": lambda: ls.cross_entropy.value_and_grad(z, t, out=out),
    }
    if compiled:
        found["torch.compile"] = through_torch(torch.compile(F.cross_entropy))
    return found


FIRST_CALL = """
import time; start = time.perf_counter()
import numpy, losscope
p, t = numpy.ones(1000, "float32"), numpy.zeros(1000, "float32")
losscope.huber.value_and_grad(p, t)
print(time.perf_counter() - start)
"""


def measure(rounds: int, compiled: bool, only: str) -> None:
    """All cases of one mode, as rows of a Markdown table."""
    mode = os.environ.get("LOSSCOPE_BENCHMARK_MODE", "default")
    cases: dict[str, tuple[Callable[[], dict], int, int]] = {}
    for name in ("squared_error", "huber", "binary_cross_entropy"):
        cases[f"{name} 16M"] = (lambda name=name: elementwise(name, 16_000_000, compiled), rounds, 1)
    cases["cross_entropy 1024x32000"] = (lambda: softmax(1024, 32000, compiled), rounds, 1)
    cases["cross_entropy 4096x1000"] = (lambda: softmax(4096, 1000, compiled), rounds, 16)
    if mode == "default":
        for name in ("squared_error", "huber", "binary_cross_entropy"):
            cases[f"{name} 1000"] = (lambda name=name: elementwise(name, 1000, False), rounds, 500)
    for case, (make, turns, inner) in cases.items():
        if only not in case:
            continue
        median = contest(make(), turns, inner)
        eager = median["torch eager"]
        promised = PROMISED[case][mode != "default"]
        cells = [case, mode, f"{eager * 1e3:.3g} ms"]
        for name in ("losscope", "fresh", "losscope, out=", "torch.compile", "torch.add(out=)"):
            cells.append(f"{median[name] / eager:.3f}" if name in median else "")
        cells.append(
            ""
            if promised is None
            else f"{promised} {'met' if median['losscope'] / eager <= promised else 'MISSED'}"
        )
        add = median.get("torch.add(out=)")
        cells.append(f"{median['losscope, out='] / add:.2f}" if add else "")
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=21)
    options.add_argument("--quick", action="store_true", help="5 rounds, no torch.compile")
    options.add_argument("--only", default="", help="only cases whose name contains this")
    options.add_argument("--mode", choices=["default", "retained"], help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.mode:
        measure(args.rounds, not args.quick, args.only)
        return
    rounds = 5 if args.quick else args.rounds
    print(
        "| case (float32) | mode | torch eager | losscope | fresh | losscope, out= | torch.compile | torch.add(out=) | promised | out= over add |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for mode, extra in (("default", {}), ("retained", RETAINED)):
        command = [
            sys.executable,
            __file__,
            "--mode",
            mode,
            "--rounds",
            str(rounds),
            "--only",
            args.only,
            *(["--quick"] if args.quick else []),
        ]
        subprocess.run(command, env={**os.environ, **extra, "LOSSCOPE_BENCHMARK_MODE": mode}, check=True)
    if not args.only:
        seconds = [
            float(
                subprocess.run(
                    [sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(max(5, rounds // 2))
        ]
        print(
            f"\nFirst call in a fresh process, warm cache, imports included: median {statistics.median(seconds[1:]):.2f} s (promised: under 0.8 s)."
        )


if __name__ == "__main__":
    main()

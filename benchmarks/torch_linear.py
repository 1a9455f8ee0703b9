"""Linear cross-entropy on the CPU, forward and backward: time and peak memory against PyTorch's ways.

    python benchmarks/torch_linear.py [--rows 2048] [--features 1024] [--classes 32000] [--rounds 15] [--dtype float32]

Time: the contestants take turns in one process, ratio of medians to `cross_entropy(linear(...))`. Peak: each in a
process of its own, resident memory above what it was after a small warm-up; the gradients themselves are in it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from speed import contest

WAYS = ("plain", "losscope", "torch chunked, auto", "torch chunked, 512", "three products")


def ways(rows: int, features: int, classes: int, dtype_name: str) -> dict[str, Callable[[], object]]:
    import torch
    from torch.nn import LinearCrossEntropyOptions as Options

    from losscope.torch import functional

    dtype = getattr(torch, dtype_name)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, features, generator=generator).to(dtype).requires_grad_()
    w = (torch.randn(classes, features, generator=generator) / features**0.5).to(dtype).requires_grad_()
    t = torch.randint(0, classes, (rows,), generator=generator)
    torchs = functional.torchs["linear_cross_entropy"]

    def step(function: Callable, **keywords) -> Callable[[], object]:
        def run() -> None:
            x.grad = w.grad = None
            function(x, w, t, **keywords).backward()

        return run

    def products() -> None:
        with torch.no_grad():
            z = x @ w.t()
            z @ w
            z.t() @ x

    return {
        "plain": step(torchs), "losscope": step(functional.linear_cross_entropy),
        "torch chunked, auto": step(torchs, options=Options()), "torch chunked, 512": step(torchs, options=Options(batch_chunk_size=512)),
        "three products": products,
    }  # fmt: skip


def peak(way: str, *size) -> int:
    """MB by which the process grows."""
    ways(64, size[1], 64, size[3])[way]()
    run = ways(*size)[way]
    # Not ru_maxrss, which a process inherits from the one that started it. Writing 5 makes the peak start anew.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = peak_memory()
    run()
    return (peak_memory() - before) // 1024


def peak_memory() -> int:
    """kB, of this process."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 2048), ("features", 1024), ("classes", 32000), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--skip", nargs="*", default=[])
    parser.add_argument("--peak")
    given = parser.parse_args()
    size = (given.rows, given.features, given.classes, given.dtype)
    if given.peak:
        print(peak(given.peak, *size))
        return
    chosen = {name: run for name, run in ways(*size).items() if name not in given.skip}
    times = contest(chosen, given.rounds) if given.rounds else dict.fromkeys(chosen, float("nan"))
    for name in chosen:
        grown = subprocess.run(
            [sys.executable, *sys.argv, "--peak", name], capture_output=True, text=True, check=True
        ).stdout.strip()
        print(
            f"{size} {name:20} {times[name] * 1e3:9.1f} ms  {times[name] / times['plain']:.3f} of plain  peak +{grown} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()

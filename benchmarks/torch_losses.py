"""losscope.torch against PyTorch, forward and backward through autograd, end to end.

    python benchmarks/torch_losses.py [--quick] [--compile] [--mode default|retained] [--only NAME]

Contestants take turns in one process, the order rotating from round to round; a figure is the ratio of medians
(of `--rounds`, default 15). Two modes, each in its own process: *default* malloc, where large tensors are fresh
pages at every call, and *retained heap* (no mmap, no trim), which compares the work alone. Peaks of memory are
measured apart, each contestant in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

from speed import RETAINED, contest
from torch_linear import peak_memory

# What is promised, as a ratio to torch eager: loss -> (default, retained), at 16M float32.
PROMISED = {
    "mse_loss": (0.20, 0.45), "huber_loss": (0.20, 0.45), "binary_cross_entropy_with_logits": (0.10, 0.20),
    "l1_loss": (0.25, 0.6), "smooth_l1_loss": (0.25, 0.6), "binary_cross_entropy": (0.25, 0.6), "poisson_nll_loss": (0.25, 0.6),
    "soft_margin_loss": (0.25, 0.6), "hinge_embedding_loss": (0.25, 0.6), "kl_div": (0.25, 0.6), "multilabel_soft_margin_loss": (0.25, 0.6),
    "cross_entropy 1024x32000": (0.20, 0.55), "cross_entropy 4096x1000": (0.5, 0.6),
}  # fmt: skip
SMALL = 1.1  # of eager's time, at 1000 elements
LARGE = 16_000_000


def step(function: Callable, x, y, **keywords) -> Callable[[], object]:
    def run() -> None:
        x.grad = None
        function(x, y, **keywords).backward()

    return run


def inputs(name: str, size: int, dtype):
    import torch

    generator = torch.Generator().manual_seed(0)
    if name.startswith("cross_entropy"):
        rows, classes = (int(each) for each in name.split()[1].split("x"))
        x = torch.randn(rows, classes, generator=generator).to(dtype)
        return x.requires_grad_(), torch.randint(0, classes, (rows,), generator=generator)
    shape = (size // 10, 10) if name in ("multilabel_soft_margin_loss", "kl_div") else (size,)
    x, y = torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)
    if name == "binary_cross_entropy":
        x = x.sigmoid()
    if name in ("soft_margin_loss", "hinge_embedding_loss"):
        y = torch.where(y > 0.5, 1.0, -1.0)
    return x.to(dtype).requires_grad_(), y.to(dtype)


def contestants(name: str, size: int, dtype, compiled: bool) -> dict[str, Callable[[], object]]:
    import torch

    from losscope.torch import functional

    function = name.split()[0]
    keywords = {"reduction": "batchmean"} if function == "kl_div" else {}
    eager, ours = functional.torchs[function], getattr(functional, function)
    x, y = inputs(name, size, dtype)
    found = {"eager": step(eager, x, y, **keywords), "losscope": step(ours, x, y, **keywords)}
    if compiled:
        found["torch.compile"] = step(torch.compile(eager), x, y, **keywords)
    return found


def cases(quick: bool):
    import torch

    names = [name for name in PROMISED if not name.startswith("cross_entropy")]
    for name in names:
        yield name, 1000, torch.float32
    yield "cross_entropy 100x10", 1000, torch.float32
    large = LARGE // 16 if quick else LARGE
    for name in names:
        yield name, large, torch.float32
    for name in ("mse_loss", "huber_loss", "binary_cross_entropy_with_logits"):
        for dtype in (torch.float64, torch.bfloat16):
            yield name, large, dtype
    for name in ("cross_entropy 4096x1000", "cross_entropy 1024x32000"):
        for dtype in (torch.float32, torch.bfloat16):
            yield name, 0, dtype


def measure(mode: str, rounds: int, quick: bool, compiled: bool, only: str) -> None:
    import losscope

    for name, size, dtype in cases(quick):
        if only and only not in name:
            continue
        small = size == 1000
        times = contest(
            contestants(name, size, dtype, compiled), rounds * (3 if small else 1), 300 if small else 1
        )
        eager = times.pop("eager")
        ratios = "  ".join(f"{each} {seconds / eager:.3f}" for each, seconds in times.items())
        goal = (
            SMALL
            if small
            else PROMISED.get(name, (None, None))[mode == "retained"]
            if str(dtype) == "torch.float32"
            else None
        )
        missed = "" if goal is None or times["losscope"] / eager <= goal else "  MISSED"
        label = f"{name} {size or ''}".strip()
        print(
            f"{mode:9} {label:46} {str(dtype)[6:]:9} eager {eager * 1e3:9.3f} ms  {ratios}  goal {goal}{missed}",
            flush=True,
        )
        losscope.release_memory()


def peak(name: str, who: str) -> None:
    """Prints by how many MB the process grew at its peak over two steps."""
    import torch

    run = contestants(name, LARGE, torch.float32, False)[who]
    warm = contestants(
        "cross_entropy 100x10" if name.startswith("cross") else name, 1000, torch.float32, False
    )[who]
    warm()
    # Not ru_maxrss, which a process inherits from the one that started it. Writing 5 makes the peak start anew.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = peak_memory()
    run()
    run()
    print((peak_memory() - before) // 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--mode", choices=("default", "retained"))
    parser.add_argument("--only", default="")
    parser.add_argument(
        "--peak",
        nargs=2,
        metavar=("NAME", "WHO"),
        help="print the peak of memory of eager or losscope, and stop",
    )
    given = parser.parse_args()
    if given.peak:
        peak(*given.peak)
    elif given.mode:
        measure(given.mode, given.rounds, given.quick, given.compile, given.only)
    else:
        for mode in ("default", "retained"):
            environment = os.environ | (RETAINED if mode == "retained" else {})
            subprocess.run(
                [sys.executable, __file__, "--mode", mode, *sys.argv[1:]], env=environment, check=True
            )
        for name in ("mse_loss", "binary_cross_entropy_with_logits", "cross_entropy 1024x32000"):
            grown = [
                subprocess.run(
                    [sys.executable, __file__, "--peak", name, who],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.strip()
                for who in ("eager", "losscope")
            ]
            print(f"peak      {name:46} eager {grown[0]} MB  losscope {grown[1]} MB")


if __name__ == "__main__":
    main()

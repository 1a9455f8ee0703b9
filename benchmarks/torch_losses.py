"""losscope.torch against PyTorch, forward and backward through autograd, end to end.

    python benchmarks/torch_losses.py [--quick] [--compile] [--rounds N] [--mode default|retained] [--only NAME] [--model]

Prints a table in Markdown: ratios of medians to PyTorch eager. What is named `none` is not reduced, and summed before
its backward. Contestants take turns in one process (see `speed.contest`): torch.compile with `--compile`, and
scikit-learn's `_loss` for what it has, whose loss and gradient come without a graph. Two modes, each in its own
process: *default* malloc, where large tensors are fresh pages at every call, and *retained* heap (no mmap, no trim),
which compares the work alone. `fresh` is losscope with the memory of its last gradient given back first. With
`--model` PyTorch multiplies two matrices before each call, which is not timed: its threads are then awake, as they
are after a model. Peaks of memory are measured apart, each contestant in a process of its own.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from speed import RETAINED, contest, fresh
from torch_linear import peak_memory

# What is promised, as a ratio to torch eager, at 16M float32: loss -> (default, retained).
PROMISED = {
    "mse_loss": (0.20, 0.45), "huber_loss": (0.20, 0.45), "binary_cross_entropy_with_logits": (0.10, 0.20),
    "cross_entropy 1024x32000": (0.20, 0.55), "cross_entropy 4096x1000": (0.5, 0.6),
}  # fmt: skip
OTHERS = (0.25, 0.6)  # every other elementwise loss
SMALL = 1.1  # of eager's time, at 1,000 elements
LARGE = 16_000_000
MODES = ("default", "retained")
MODE = "LOSSCOPE_BENCHMARK_MODE"  # by which the process of a mode knows that it is the one

ELEMENTWISE = (
    "mse_loss", "huber_loss", "binary_cross_entropy_with_logits", "l1_loss", "smooth_l1_loss", "binary_cross_entropy", "poisson_nll_loss",
    "soft_margin_loss", "hinge_embedding_loss", "kl_div", "multilabel_soft_margin_loss", "margin_ranking_loss", "gaussian_nll_loss",
)  # fmt: skip
ROWS = ("cross_entropy 4096x1000", "cross_entropy 1024x32000")
SCIKIT = {
    "mse_loss": "HalfSquaredError", "l1_loss": "AbsoluteError", "huber_loss": "HuberLoss", "poisson_nll_loss": "HalfPoissonLoss",
    "binary_cross_entropy_with_logits": "HalfBinomialLoss", "cross_entropy": "HalfMultinomialLoss",
}  # fmt: skip


def step(function: Callable, arguments: tuple, **keywords: Any) -> Callable[[], object]:
    leaves = [each for each in arguments if each.requires_grad]

    def run() -> None:
        for each in leaves:
            each.grad = None
        value = function(*arguments, **keywords)
        (value.sum() if value.ndim else value).backward()

    return run


def of_rows(name: str, dtype: Any) -> tuple[tuple, dict]:
    """The tensors of a loss "function ROWSxCOLUMNS how", and its keywords."""
    import torch

    generator = torch.Generator().manual_seed(0)
    function, _, *how = name.split()
    rows, columns = shape_of(name)

    def matrix() -> Any:
        return torch.randn(rows, columns, generator=generator).to(dtype).requires_grad_()

    x = matrix()
    keywords = {"reduction": "none"} if how == ["none"] else {}
    if function in ("cross_entropy", "multi_margin_loss") and how in ([], ["none"]):
        return (x, torch.randint(0, columns, (rows,), generator=generator)), keywords
    if function == "mse_loss":
        return (x, matrix().detach()), keywords
    if function == "triplet_margin_loss":
        return (x, matrix(), matrix()), {}
    if function == "cosine_embedding_loss":
        return (x, matrix(), 1 - 2 * torch.randint(0, 2, (rows,), generator=generator)), {}
    chances = torch.rand(rows, columns, generator=generator).to(dtype)
    if how == ["pos_weight"]:
        return (x, chances), {"pos_weight": (0.5 + torch.rand(columns, generator=generator)).to(dtype)}
    return (x, (chances / chances.sum(1, keepdim=True)).to(dtype)), {}


def inputs(name: str, size: int, dtype: Any) -> tuple[tuple, dict]:
    if not size:
        return of_rows(name, dtype)
    import torch

    generator = torch.Generator().manual_seed(0)
    shape = (size // 10, 10) if name in ("multilabel_soft_margin_loss", "kl_div") else (size,)
    x, y = torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)
    if name == "binary_cross_entropy":
        x = x.sigmoid()
    if name in ("soft_margin_loss", "hinge_embedding_loss", "margin_ranking_loss"):
        y = torch.where(y > 0.5, 1.0, -1.0)
    x, y = x.to(dtype).requires_grad_(), y.to(dtype)
    other = (0.1 + torch.rand(shape, generator=generator)).to(dtype).requires_grad_()
    if name == "margin_ranking_loss":
        return (x, other, y), {}
    keywords = {"reduction": "batchmean"} if name == "kl_div" else {}
    return ((x, y, other) if name == "gaussian_nll_loss" else (x, y)), keywords


def shape_of(name: str) -> tuple[int, int]:
    rows, classes = name.split()[1].split("x")
    return int(rows), int(classes)


def contestants(name: str, size: int, dtype: Any, compiled: bool) -> dict[str, Callable[[], object]]:
    import torch

    from losscope.torch import functional

    function = name.split()[0]
    eager, ours = functional.torchs[function], getattr(functional, function)
    given, keywords = inputs(name, size, dtype)
    found = {"eager": step(eager, given, **keywords), "losscope": step(ours, given, **keywords)}
    if given[0].numel() > 100_000:
        found["fresh"] = fresh(step(ours, given, **keywords))
    if compiled:
        torch._dynamo.reset()
        found["torch.compile"] = step(torch.compile(eager), given, **keywords)
    how = name.split()[2:]  # what scikit-learn does not have
    if function in SCIKIT and dtype in (torch.float32, torch.float64) and not how:
        found["scikit-learn"] = scikit_learn(SCIKIT[function], given[0].detach().numpy(), given[1].numpy())
    return found


def scikit_learn(name: str, x: Any, y: Any) -> Callable[[], object]:
    import sklearn._loss.loss as sk

    loss = getattr(sk, name)(**({"n_classes": x.shape[1]} if name == "HalfMultinomialLoss" else {}))
    y = y.astype(x.dtype)

    def run() -> None:
        values, _ = loss.loss_gradient(y_true=y, raw_prediction=x, n_threads=os.cpu_count())
        values.mean()

    return run


def cases(quick: bool) -> Iterator[tuple[str, int, str]]:
    for size in (1000, 100_000, 1_000_000, LARGE):
        if quick and size not in (1000, 1_000_000):
            continue
        for name in ELEMENTWISE:
            yield name, size, "float32"
    for name in ELEMENTWISE[:3]:
        for dtype in ("float64", "bfloat16"):
            for size in (1000, 1_000_000, LARGE):
                if size != LARGE or not quick:
                    yield name, size, dtype
    for name in (
        "cross_entropy 100x10",
        "cross_entropy 10x100",
        "cross_entropy 60000x10",
        "cross_entropy 1000x100",
        "cross_entropy 256x1000",
        *ROWS,
        "cross_entropy 100x10 none",
        "cross_entropy 4096x1000 none",
        "mse_loss 100x10 none",
        "mse_loss 1000x1000 none",
        "cross_entropy 100x10 probabilities",
        "cross_entropy 4096x1000 probabilities",
        "binary_cross_entropy_with_logits 100x10 pos_weight",
        "binary_cross_entropy_with_logits 1600000x10 pos_weight",
        "cosine_embedding_loss 100x10",
        "cosine_embedding_loss 65536x128",
        "triplet_margin_loss 100x10",
        "triplet_margin_loss 65536x128",
        "multi_margin_loss 60000x10",
    ):
        yield name, 0, "float32"
    for name in ROWS:
        for dtype in ("float64", "bfloat16"):
            yield name, 0, dtype


def goal(name: str, size: int, dtype: str, mode: str) -> float | None:
    if dtype != "float32" or name.endswith(" none"):
        return None
    if size == 1000 or (not size and math.prod(shape_of(name)) == 1000):
        return SMALL
    if size == LARGE or not size:
        pair = PROMISED.get(name, OTHERS if size else None)
        return pair and pair[mode == "retained"]
    return None


def measure(mode: str, rounds: int, quick: bool, compiled: bool, only: str, model: bool) -> None:
    import torch

    import losscope

    square = torch.randn(500, 500)

    def before() -> None:
        if model:
            torch.relu(square @ square)

    for name, size, dtype in cases(quick):
        if only and only not in f"{name} {size} {dtype}":
            continue
        elements = size or math.prod(shape_of(name))
        inner = max(1, min(300, 20_000_000 // elements))  # some 20 ms and more, so that one hiccup is not all
        times = contest(contestants(name, size, getattr(torch, dtype), compiled), rounds, inner, before)
        eager = times.pop("eager")
        cells = [f"{name}{f' {size:,}' if size else ''}", dtype, mode, f"{eager * 1e3:.3g} ms"]
        cells += [f"{times[each] / eager:.3f}" if each in times else "" for each in COLUMNS]
        promised = goal(name, size, dtype, mode)
        ratio = times["losscope"] / eager
        cells.append("" if promised is None else f"{promised} {'met' if ratio <= promised else 'MISSED'}")
        print("| " + " | ".join(cells) + " |", flush=True)
        losscope.release_memory()


COLUMNS = ("losscope", "fresh", "torch.compile", "scikit-learn")


def peak(name: str, who: str) -> None:
    """Prints by how many MB the process grew at its peak over two steps."""
    import torch

    by_rows = len(name.split()) > 1
    run = contestants(name, 0 if by_rows else LARGE, torch.float32, False)[who]
    warm = contestants(
        "cross_entropy 100x10" if by_rows else name, 0 if by_rows else 1000, torch.float32, False
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
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--only", default="")
    parser.add_argument("--model", action="store_true")
    parser.add_argument(
        "--peak",
        nargs=2,
        metavar=("NAME", "WHO"),
        help="print the peak of memory of eager or losscope, and stop",
    )
    given = parser.parse_args()
    if given.peak:
        peak(*given.peak)
    elif MODE in os.environ:
        measure(os.environ[MODE], given.rounds, given.quick, given.compile, given.only, given.model)
    else:
        print("| loss | dtype | mode | eager | " + " | ".join(COLUMNS) + " | promised |")
        print("|" + " --- |" * (5 + len(COLUMNS)), flush=True)
        for mode in [given.mode] if given.mode else MODES:
            environment = os.environ | {MODE: mode} | (RETAINED if mode == "retained" else {})
            subprocess.run([sys.executable, __file__, *sys.argv[1:]], env=environment, check=True)
        if given.mode:
            return
        print("\n| peak of memory of two steps | eager | losscope |\n| --- | --- | --- |")
        for name in (*ELEMENTWISE, "cross_entropy 1024x32000"):
            if given.only not in name:
                continue
            grown = [
                subprocess.run(
                    [sys.executable, __file__, "--peak", name, who],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.strip()
                for who in ("eager", "losscope")
            ]
            print(f"| {name} | +{grown[0]} MB | +{grown[1]} MB |", flush=True)


if __name__ == "__main__":
    main()

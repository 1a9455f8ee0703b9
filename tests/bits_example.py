"""Prints a hash of what every loss of a structure gives, by its public face, in code made for a processor.

    python bits_example.py softmax x86-64-v3

A program of its own, as a process keeps one code for a kernel.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import losscope as ls
from conftest import batch, beside, derivatives, weights
from losscope.catalogue import entries
from losscope.engine import machine


def given(loss: Any, dtype: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments and options of calls, for each way that a loop may take."""
    rng = np.random.default_rng(2)
    if loss.structure == "softmax":
        for rows, classes in ((3, 2), (300, 7), (40, 130), (3, 9000)):
            logits = (rng.normal(size=(rows, classes)) * 4).astype(dtype)
            yield (logits, rng.integers(0, classes, rows)), {}
            yield (logits, rng.dirichlet(np.ones(classes), rows).astype(dtype)), {}
        return
    for rows in (3, 5000):
        prediction, target = batch(loss, rows, seed=rows, dtype=dtype)
        options = {name: np.asarray(each, dtype) for name, each in beside(loss, rows).items()}
        yield (prediction,) if loss.structure == "activation" else (prediction, target), options


def numbers(loss: Any, dtype: str) -> Iterator[Any]:
    """Values of each observation, their mean and its derivatives; and with weights, nought among them."""
    for arguments, options in given(loss, dtype):
        if loss.structure == "activation":
            yield loss(*arguments)
            yield from derivatives(loss, *arguments)
            continue
        yield loss(*arguments, reduction="none", **options)
        rows = len(arguments[0])
        weight = np.where(np.arange(rows) % 5, weights(rows, 3), 0).astype(dtype)
        for each in (None, weight):
            yield from derivatives(loss, *arguments, weight=each, **options)


def main() -> None:
    structure, processor = sys.argv[1:]
    chosen = {each.name: each for each in (machine.X86_64_V3, machine.X86_64_V4)}[processor]
    machine.host = lambda: chosen
    found = {}
    for name, entry in entries().items():
        for dtype in ("float32", "float64") if entry.structure == structure else ():
            digest = hashlib.sha256()
            for each in numbers(getattr(ls, name), dtype):
                digest.update(np.asarray(each).tobytes())
            found[f"{name} {dtype}"] = digest.hexdigest()
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""PyTorch's threads for kernels: lent where its wheel brings GNU OpenMP, as those for Linux do.

After an operation its threads go on spinning for a millisecond or more, each on its core. A pool of our own would share the
cores with them just when a loss is computed, right after the model.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch

from losscope.kernels import threads


def lend() -> None:
    """Let kernels run on PyTorch's threads from now on, if they are those of GNU OpenMP."""
    threads.lend(found(), torch.get_num_threads)


def found() -> int:
    """The address of GOMP_parallel in the library that PyTorch has loaded, or 0. (One of another file would have threads of
    its own.)"""
    for file in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            return ctypes.cast(ctypes.CDLL(str(file)).GOMP_parallel, ctypes.c_void_p).value or 0
        except (OSError, AttributeError):
            continue
    return 0

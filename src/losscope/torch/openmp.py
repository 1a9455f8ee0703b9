"""PyTorch's threads, lent to our kernels.

After an operation OpenMP's threads go on spinning for a millisecond or more, each on its core. A pool of our own would
share the cores with them just when a loss is computed, right after the model. So where PyTorch brings GNU OpenMP, as
its wheels for Linux do, work is handed to the threads that are spinning already.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch

from losscope.kernels import threads

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_numbers = count(1)
_work: dict[int, Callable[[], None]] = {}  # of the calls under way, by their numbers


def lend() -> None:
    """Let kernels run on PyTorch's threads from now on, if they are those of GNU OpenMP."""
    parallel = _parallel()
    if parallel is not None:
        threads.borrow(lambda work, number: _run(parallel, work, number))


def _parallel() -> Any:
    """GOMP_parallel of the library that PyTorch has loaded: one of another file would have threads of its own."""
    for file in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            found = ctypes.CDLL(str(file)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        found.argtypes, found.restype = [_Callback, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
        return found
    return None


def _run(parallel: Any, work: Callable[[], None], number: int) -> bool:
    """Call `work` on all of PyTorch's threads; False, and nothing done, where we may not use as many, or `number`, which
    the work is worth, is not half of them. (A team of another size would end threads, and begin them again.)"""
    everyone = torch.get_num_threads()
    if everyone != threads.get_num_threads() or 2 * number < everyone:
        return False
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # what leaves a callback is lost
            raised.append(error)

    key = next(_numbers)
    _work[key] = guarded
    try:
        parallel(_in_each, key, everyone, 0)
    finally:
        del _work[key]
    if raised:
        raise raised[0]
    return True


@_Callback
def _in_each(key: int) -> None:
    _work[key]()

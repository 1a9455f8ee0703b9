"""PyTorch's threads, lent to our kernels.

After an operation OpenMP's threads go on spinning for a millisecond or more, each on its core. A pool of our own would
share the cores with them just when a loss is computed, right after the model. So where PyTorch brings GNU OpenMP, as
its wheels for Linux do, work is handed to the threads that are spinning already.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch

from losscope.kernels import threads

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_numbers = count(1)
_work: dict[int, Callable[[], None]] = {}  # of the calls under way, by their numbers
_parallel: Any = None  # GOMP_parallel, where it may be used


def lend() -> None:
    """Let kernels run on PyTorch's threads from now on, if they are those of GNU OpenMP."""
    global _parallel
    _parallel = found()
    if _parallel is not None:
        threads.borrow(_run)


def found() -> Any:
    """GOMP_parallel of the library that PyTorch has loaded: one of another file would have threads of its own."""
    for file in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            parallel = ctypes.CDLL(str(file)).GOMP_parallel
        except (OSError, AttributeError):
            continue
        parallel.argtypes, parallel.restype = [_Callback, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
        return parallel
    return None


def everyone() -> int:
    """How many threads PyTorch has, if they may be used, and as many as ours; else 0."""
    number = torch.get_num_threads()
    return number if _parallel is not None and number == threads.get_num_threads() else 0


def on_all(function: Any, argument: int) -> None:
    """Call a C function of one number on everyone's thread. (A team of another size would end threads, and begin them
    again.)"""
    _parallel(function, argument, torch.get_num_threads(), 0)


def _run(work: Callable[[], None], number: int) -> bool:
    """Call a function of Python on everyone's thread; False, and nothing done, where we may not, or where `number`, the
    threads that the work is worth, is not half of them."""
    available = everyone()
    if not available or 2 * number < available:
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
        on_all(_in_each, key)
    finally:
        del _work[key]
    if raised:
        raise raised[0]
    return True


@_Callback
def _in_each(key: int) -> None:
    _work[key]()


def _after_fork() -> None:
    global _parallel
    _parallel = None  # its threads do not exist in a forked child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

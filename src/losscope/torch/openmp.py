"""Who runs a kernel: PyTorch's threads, which are lent to it, or those of our pool.

After an operation OpenMP's threads go on spinning for a millisecond or more, each on its core. A pool of our own would
share the cores with them just when a loss is computed, right after the model. So where PyTorch brings GNU OpenMP, as
its wheels for Linux do, work is handed to the threads that are spinning already.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from losscope.kernels import threads

if TYPE_CHECKING:
    from losscope.torch.loops import Loop

GRAIN = 1 << 15  # elements up to which one thread is as quick as all: it is PyTorch's own, whose threads spin
POOL_GRAIN = 1 << 18  # the same of our pool's, which sleep

_Region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Parallel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
_numbers = count(1)
_work: dict[int, Callable[[], None]] = {}  # of the calls under way, by their numbers
_parallel = 0  # the address of GOMP_parallel, where it may be used
_here = threading.local()


def lend() -> None:
    """Let kernels run on PyTorch's threads from now on, if they are those of GNU OpenMP."""
    global _parallel
    _parallel = found()
    if _parallel:
        threads.borrow(_run)


def found() -> int:
    """The address of GOMP_parallel in the library that PyTorch has loaded, or 0. (One of another file would have threads of
    its own.)"""
    for file in (Path(torch.__file__).parent / "lib").glob("libgomp*.so*"):
        try:
            return address_of(ctypes.CDLL(str(file)).GOMP_parallel)
        except (OSError, AttributeError):
            continue
    return 0


def address_of(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def everyone() -> int:
    """How many threads PyTorch has, if they may be used, and as many as ours; else 0. (A team of another size would end
    threads, and begin them again.)"""
    number = torch.get_num_threads()
    return number if _parallel and number == threads.get_num_threads() else 0


def run(loop: Loop, which: Any, size: int, *arguments: Any) -> Any:
    """Call a loop, of so many elements, with who is to run it; `which` tells the kinds of its arguments apart."""
    kernel = loop.compiled.get(which) or loop.compiled_for(which, (*arguments, 0, 1))
    if size <= GRAIN or (number := threads.get_num_threads()) == 1:
        return kernel(*arguments, 0, 1)
    if everyone():
        return kernel(*arguments, _parallel, number)
    if size <= POOL_GRAIN:
        return kernel(*arguments, 0, 1)
    _here.raised = KeyboardInterrupt()  # in the callback it may come at any time
    result = kernel(*arguments, _POOL, number)
    if _here.raised is not None:
        raise _here.raised
    return result


@_Parallel
def _on_pool(region: int, data: int, number: int, flags: int) -> None:
    """What GOMP_parallel does, by the threads of our pool."""
    try:
        part = _Region(region)
        threads.on_pool(lambda: part(data), number)
        _here.raised = None
    except BaseException as error:  # what leaves a callback is lost
        _here.raised = error


_POOL = address_of(_on_pool)


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
        _Parallel(_parallel)(_in_each, key, available, 0)
    finally:
        del _work[key]
    if raised:
        raise raised[0]
    return True


@_Region
def _in_each(key: int) -> None:
    _work[key]()


def _after_fork() -> None:
    global _parallel
    _parallel = 0  # its threads do not exist in a forked child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

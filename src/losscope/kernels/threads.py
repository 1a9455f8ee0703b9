"""Threads: who runs a kernel whose work is worth more than one.

A kernel cuts its work into the same blocks whatever the number of threads, each block leaves its own sum, and the sums are
added in order, so the bits never change. A parallel region is a function of C that calls another on so many threads at
once, as GNU OpenMP's GOMP_parallel does. It is PyTorch's where that is at hand (`lend`: its threads go on spinning after
an operation, and ours would have to share the cores with them), but never in a forked child; elsewhere it is our pool's.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any

from losscope.errors import LossError, complain, shown

MOST_THREADS = 1024  # more than any machine is quicker with
GRAIN = (
    1 << 15
)  # elements up to which one thread is as quick as all, where the others spin (measured with PyTorch's, 2 cores)
POOL_GRAIN = 1 << 18  # the same of our pool's, which sleep

_threads: int | None = None
_pool: ThreadPoolExecutor | None = None
_lent: tuple[int, Callable[[], int]] | None = (
    None  # the address of a parallel region, and how many threads it has
)
_lock = Lock()
_here = threading.local()


def usable_cores() -> int:
    """The cores this process may use: its affinity, its control group's quota, and LOKY_MAX_CPU_COUNT, by which
    users of joblib say it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    said = os.environ.get("LOKY_MAX_CPU_COUNT", "").strip()
    limits = [_quota(), int(said) if said.isdecimal() else cores]
    return max(1, min(cores, *limits))


CONTROL_GROUP = Path("/sys/fs/cgroup")


def _quota() -> int:
    """Whole cores that the control group leaves this process; more than any machine has where there is no limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # versions 2 and 1
        with suppress(OSError, ValueError):
            quota, period = " ".join((CONTROL_GROUP / file).read_text() for file in files).split()
            if quota not in ("max", "-1"):
                return int(quota) // int(period)
    return sys.maxsize


def set_num_threads(n: int) -> None:
    """Use `n` threads in kernels from now on (also: the environment variable LOSSCOPE_NUM_THREADS).

    Results do not depend on it, to the last bit.
    """
    global _threads, _pool
    if isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= n <= MOST_THREADS:
        raise LossError(
            complain(
                "The number of threads must be a whole number",
                got=shown(n),
                expected=f"1 to {MOST_THREADS:,}",
            )
        )
    with _lock:
        _threads, _pool = int(n), None  # a running pool finishes what it was given


def get_num_threads() -> int:
    """How many threads kernels use."""
    global _threads
    if _threads is None:
        chosen = os.environ.get("LOSSCOPE_NUM_THREADS", "").strip()
        if not chosen:
            _threads = usable_cores()
        elif chosen.isdecimal() and 1 <= int(chosen) <= MOST_THREADS:
            _threads = int(chosen)
        else:
            raise LossError(
                complain(
                    "LOSSCOPE_NUM_THREADS must be a whole number",
                    got=shown(chosen),
                    expected=f"1 to {MOST_THREADS:,}",
                )
            )
    return _threads


def run(kernel: Callable[..., Any], size: int, wholes: tuple[Any, ...], numbers: tuple[float, ...]) -> Any:
    """Call a kernel whose work is that of so many elements, with who is to run it."""
    if size <= GRAIN or (number := get_num_threads()) == 1:
        return kernel(*wholes, 0, 1, *numbers)
    if (
        _lent is not None and _lent[1]() == number
    ):  # a team of another size would end threads, and begin them again
        return kernel(*wholes, _lent[0], number, *numbers)
    if size <= POOL_GRAIN:
        return kernel(*wholes, 0, 1, *numbers)
    _here.raised = KeyboardInterrupt()  # in the callback it may come at any time
    result = kernel(*wholes, _POOL, number, *numbers)
    if _here.raised is not None:
        raise _here.raised
    return result


_Region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Parallel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)


@_Parallel
def _on_pool(region: int, data: int, number: int, flags: int) -> None:
    """A parallel region on the threads of our pool."""
    try:
        part = _Region(region)
        on_pool(lambda: part(data), number)
        _here.raised = None
    except BaseException as error:  # what leaves a callback is lost
        _here.raised = error


_POOL = ctypes.cast(_on_pool, ctypes.c_void_p).value or 0


def on_pool(work: Callable[[], None], threads: int) -> None:
    """Call work() on so many threads, this one among them. None is still at it when this returns, or raises."""
    others, raised = [], []
    try:
        for _ in range(threads - 1):
            others.append(_get_pool().submit(work))
        work()
    except BaseException as error:
        raised.append(error)
    for other in others:
        while not (other.cancel() or other.done()):  # one that has not started has nothing left to do
            try:
                other.exception()
            except BaseException as error:  # an interrupt, while we wait
                raised.append(error)
        if not other.cancelled() and (failure := other.exception()) is not None:
            raised.append(failure)
    if raised:
        raise raised[0]


def lend(address: int, threads: Callable[[], int]) -> None:
    """Run kernels by the parallel region at an address from now on, whenever threads() is the number of ours."""
    global _lent
    _lent = (address, threads) if address else None


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, get_num_threads() - 1), thread_name_prefix="losscope")
        return _pool


def _after_fork() -> None:
    # The parent's threads do not exist in a forked child, and its lock may be held by one of them.
    global _pool, _lock, _lent
    _pool, _lock, _lent = None, Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

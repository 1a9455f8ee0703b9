"""Threads: fixed blocks of work over a pool of our own.

Numba's own pools are not used: GNU OpenMP kills a forked child, and its result may depend on the split. (PyTorch's
threads are borrowed where they are at hand, but never in a forked child: `losscope.torch.openmp`.) Here a kernel is
serial and releases the GIL; the work is cut into the same blocks whatever the number of threads, each block leaves its
own partial sum, and the partial sums are added in order, so the bits never change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from numbers import Integral
from pathlib import Path
from threading import Lock
from time import perf_counter

from losscope.errors import LossError, complain

WAKING = 150e-6  # seconds of work for which it pays to wake another thread, and in the end to be woken by it
PART = 25e-6  # seconds below which handing out a part of the work costs too much of it
PARTS_PER_THREAD = 16  # a thread whose core is shared with another program is then waited for a moment only

_threads: int | None = None
_pool: ThreadPoolExecutor | None = None
_borrowed: Callable[[Callable[[], None], int], bool] | None = None
_lock = Lock()


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
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise LossError(
            complain("The number of threads must be a whole number", got=repr(n), expected="1 or more")
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
        elif chosen.isdecimal() and int(chosen) >= 1:
            _threads = int(chosen)
        else:
            raise LossError(
                complain(
                    "LOSSCOPE_NUM_THREADS must be a whole number", got=repr(chosen), expected="1 or more"
                )
            )
    return _threads


def share(blocks: int, run: Callable[[int, int], None], least: int) -> None:
    """Call run(start, end) until the blocks 0..blocks are done, on this thread and, where it pays, those of the pool.

    `least` blocks are never worth it. Of more, this thread does some, and how long they take says what the rest will.
    """
    available = get_num_threads()
    if blocks <= least or available == 1:
        run(0, blocks)
        return
    first = max(1, least // 4)
    begun = perf_counter()
    run(0, first)
    seconds = (perf_counter() - begun) * (blocks - first) / first
    threads = min(available, 1 + int(seconds / WAKING))
    if threads == 1:
        run(first, blocks)
        return
    parts = max(threads, min(threads * PARTS_PER_THREAD, int(seconds / PART)))
    step = -(-(blocks - first) // parts)
    starts = count(first, step)
    task = [run]

    def work() -> None:
        while (start := next(starts)) < blocks:  # next() on a count is atomic
            task[0](start, min(start + step, blocks))

    try:
        if _borrowed is None or not _borrowed(work, threads):
            on_pool(work, threads)
    finally:
        task.clear()  # the pool may hold `work` for a while yet, and must not hold the caller's arrays


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


def borrow(team: Callable[[Callable[[], None], int], bool]) -> None:
    """Have team(work, n) call work() on n threads or more at once, this one among them, instead of our pool; where it
    returns False, having done nothing, the pool does. In a forked child there is no team."""
    global _borrowed
    _borrowed = team


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, get_num_threads() - 1), thread_name_prefix="losscope")
        return _pool


def _after_fork() -> None:
    # The parent's threads do not exist in a forked child, and its lock may be held by one of them.
    global _pool, _lock, _borrowed
    _pool, _lock, _borrowed = None, Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

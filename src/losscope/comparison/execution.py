"""Where do the runs happen? In this process, on this machine's cores, or on a Dask cluster; through joblib.

Results come back in the order they finish, and are written by this process as they come.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import current_process
from typing import Any

import joblib

from losscope.comparison.data import DataError
from losscope.comparison.preparation import Prepared
from losscope.comparison.rival import Rival
from losscope.comparison.settings import Settings
from losscope.comparison.task import Task
from losscope.comparison.training import Judging, train
from losscope.comparison.tuning import Job
from losscope.kernels.threads import usable_cores

DASK_TIMEOUT_S = 10


# A worker looks this often whether the process that started it is still there.
LOOK_FOR_PARENT_S = 1.0


@dataclass(frozen=True)
class Work:
    """What every run of one comparison shares: the data of each split, the rivals, and how runs are judged."""

    settings: Settings
    task: Task
    prepared: tuple[Prepared, ...]
    rivals: Mapping[str, Rival]
    judging: Judging

    def arguments(self, job: Job) -> tuple[Any, ...]:
        return job, self.settings, self.prepared[job.split], self.task, self.rivals[job.loss], self.judging


Done = tuple[str, dict[str, Any]]


def run_jobs(jobs: Mapping[str, Job], work: Work, *, workers: int, dask: str | None = None) -> Iterator[Done]:
    """(key, run) of every job, as each finishes."""
    if not jobs:
        return
    if dask is None and (workers == 1 or len(jobs) == 1):
        for key, job in jobs.items():
            yield key, train(*work.arguments(job))[0]
        return
    if dask is not None:
        with _dask_client(dask), joblib.parallel_config(backend="dask"):
            parallel = joblib.Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered")
            yield from _stream(parallel, jobs, work)
        return
    with joblib.parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        parallel = joblib.Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch="2*n_jobs")
        try:
            yield from _stream(parallel, jobs, work)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            stop_workers()
            raise


def _stream(parallel: Callable[..., Any], jobs: Mapping[str, Job], work: Work) -> Iterator[Done]:
    call = joblib.delayed(_one)
    yield from parallel(call(key, work.arguments(job), os.getpid()) for key, job in jobs.items())


def _one(key: str, arguments: tuple[Any, ...], parent: int) -> Done:
    if os.getpid() != parent and threading.current_thread() is threading.main_thread():
        # Ctrl-C reaches every process of the terminal: the parent alone answers it, the workers stay quiet.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_with(parent)
    return key, train(*arguments)[0]


@cache
def _end_with(parent: int) -> None:
    """End this worker when its parent is gone: killed, it can tell nobody."""
    if os.getppid() != parent:
        if current_process().name.startswith("Loky"):  # it was gone before this worker's first run
            os._exit(1)
        return  # a worker of Dask's, which has its own nanny

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_FOR_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="losscope-parent").start()


def stop_workers() -> None:
    """End the worker processes now; what they were at is not kept."""
    from joblib.externals.loky import get_reusable_executor

    with suppress(Exception):
        get_reusable_executor().shutdown(wait=False, kill_workers=True)


def _dask_client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise DataError(
            "--dask needs the package distributed: pip install '.[dask]' in a clone of losscope"
        ) from None
    try:
        return Client(address, timeout=DASK_TIMEOUT_S, set_as_default=True)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"no Dask scheduler answers at --dask {address!r} ({reason}): start one with `dask scheduler`, "
            "and give the address it prints"
        ) from None


def workers_asked(workers: int | None) -> int:
    """How many processes to use: those asked for, else the cores this process may use."""
    if workers is None:
        return usable_cores()
    if workers < 1:
        raise DataError(
            f"--workers {workers} is too few: give 1 or more (this process may use {usable_cores()})"
        )
    return min(workers, max(64, 4 * (os.cpu_count() or 1)))

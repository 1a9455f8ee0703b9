"""Where do the runs happen? In this process, on this machine's cores, or on a Dask cluster; through joblib.

Results come back in the order they finish, and are written by this process as they come.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from losscope.comparison import worker
from losscope.comparison.data import DataError
from losscope.comparison.preparation import Prepared
from losscope.comparison.rival import Rival
from losscope.comparison.settings import Settings
from losscope.comparison.task import Task
from losscope.comparison.training import Judging, train
from losscope.comparison.tuning import Job
from losscope.kernels.threads import usable_cores

DASK_TIMEOUT_S = 10


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


class WorkerEnded(Exception):
    """A worker process ended before its run did: killed where memory ran out, or crashed."""


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
    start = {"initializer": worker.end_with, "initargs": (os.getpid(),)}
    with joblib.parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1, **start):
        parallel = joblib.Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch="2*n_jobs")
        try:
            yield from _stream(parallel, jobs, work)
        except TerminatedWorkerError as error:
            how = ", ".join(re.findall(r"SIG\w+", str(error)))
            raise WorkerEnded(
                f"one of {workers} worker processes was killed or crashed{how and f' ({how})'}, probably for want of memory"
            ) from None


def _stream(parallel: Callable[..., Any], jobs: Mapping[str, Job], work: Work) -> Iterator[Done]:
    call = joblib.delayed(_one)
    with worker.deaf():
        running = parallel(call(key, work.arguments(job)) for key, job in jobs.items())
    yield from running


def _one(key: str, arguments: tuple[Any, ...]) -> Done:
    return key, train(*arguments)[0]


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

"""Where do the runs happen? In this process, on this machine's cores, or on a Dask cluster; through joblib.

Results come back in the order they finish, and are written by this process as they come.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import joblib

from losscope.compare.data import DataError
from losscope.compare.preparation import Prepared
from losscope.compare.settings import Settings
from losscope.compare.task import Task
from losscope.compare.training import Job, train
from losscope.kernels.threads import usable_cores

DASK_TIMEOUT_S = 10


def run_jobs(
    jobs: Sequence[tuple[str, Job, Any]],
    settings: Settings,
    prepared: Prepared,
    task: Task,
    *,
    workers: int,
    dask: str | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, run) of every job, as each finishes. `jobs` are (key, job, loss)."""
    if not jobs:
        return
    if dask is None and (workers == 1 or len(jobs) == 1):
        for key, job, loss in jobs:
            yield key, train(job, settings, prepared, task, loss)
        return
    if dask is not None:
        with _dask_client(dask), joblib.parallel_config(backend="dask"):
            yield from _stream(joblib.Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered"),
                               jobs, settings, prepared, task)  # fmt: skip
        return
    with joblib.parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        parallel = joblib.Parallel(batch_size=1, return_as="generator_unordered", pre_dispatch="2*n_jobs")
        try:
            yield from _stream(parallel, jobs, settings, prepared, task)
        except (KeyboardInterrupt, GeneratorExit):
            stop_workers()
            raise


def _stream(
    parallel: Callable[..., Any],
    jobs: Sequence[tuple[str, Job, Any]],
    settings: Settings,
    prepared: Prepared,
    task: Task,
) -> Iterator[tuple[str, dict[str, Any]]]:
    call = joblib.delayed(_one)
    yield from parallel(
        call(key, job, loss, settings, prepared, task, os.getpid()) for key, job, loss in jobs
    )


def _one(
    key: str, job: Job, loss: Any, settings: Settings, prepared: Prepared, task: Task, parent: int
) -> tuple[str, dict[str, Any]]:
    if os.getpid() != parent and threading.current_thread() is threading.main_thread():
        # Ctrl-C reaches every process of the terminal: the parent alone answers it, the workers stay quiet.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    return key, train(job, settings, prepared, task, loss)


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

"""Runs what the searches of all losses in all splits ask for, until each loss has its choice in each."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np

from losscope.comparison import tuning
from losscope.comparison.data import DataError
from losscope.comparison.encode import seen
from losscope.comparison.execution import Work, WorkerEnded, run_jobs
from losscope.comparison.preparation import Prepared
from losscope.comparison.progress import Progress, about
from losscope.comparison.results import Store
from losscope.comparison.training import train
from losscope.comparison.tuning import Job, Search
from losscope.comparison.weighted import of_rows, spread
from losscope.kernels.compiled import compiled

COMPILING = 2.0  # seconds: a whole run that takes more is hardly compiling, and is not rehearsed again


class Hunt:
    """Runs what the searches of all losses in all splits ask for, until each has its choice. Each finished run is
    stored at once."""

    def __init__(self, work: Work, chosen_by: Mapping[str, Any], store: Store, progress: Progress) -> None:
        self.work, self.chosen_by, self.store, self.progress = work, chosen_by, store, progress
        self.runs: dict[Job, dict[str, Any]] = {}
        self.found = 0
        self.splits = [_rows(prepared) for prepared in work.prepared]
        self.formulas = {name: formula_of(each.loss) + each.transform for name, each in work.rivals.items()}
        self.grids = [self._grids(prepared) for prepared in work.prepared]

    def search(self, name: str, split: int) -> Search:
        """How far one loss has come in one split."""
        rival, metric = self.work.rivals[name], self.chosen_by[name]
        return tuning.search(rival, split, metric, self.grids[split][name], self.work.settings, self.runs)

    def run(self, workers: int, dask: str | None) -> None:
        """Until nothing is left to do. Each finished run is stored at once."""
        planned, told = 0, False
        while pending := self._wanted():
            planned += len(pending)
            keys = {
                self.store.key(job, self.formulas[job.loss], self.splits[job.split]): job for job in pending
            }
            stored = {key: known for key in keys if (known := self.store.load(key)) is not None}
            self.runs.update({keys[key]: known for key, known in stored.items()})
            self.found += len(stored)
            self.progress.ran(len(self.runs), planned, self.found)
            to_do = {key: job for key, job in keys.items() if key not in stored}
            if to_do and not told:
                told = True
                self._announce(to_do, workers, dask)
            try:
                for key, done in run_jobs(to_do, self.work, workers=workers, dask=dask):
                    self.store.save(key, done)
                    self.runs[keys[key]] = done
                    self.progress.ran(len(self.runs), planned, self.found)
            except WorkerEnded as error:
                raise DataError(f"{error}; {self._kept()}") from None

    def _kept(self) -> str:
        """Where the finished runs are, and what to do next."""
        finished = f"{len(self.runs)} finished run{'s' * (len(self.runs) != 1)}"
        if self.store.folder is None:
            return f"{finished} lost, as no folder was given for them: workers=1 takes less memory"
        where = f"saved in {str(self.store.folder.parent)!r}"
        return f"{finished} {where}: the same with --workers 1 takes less memory, and goes on from there"

    def _announce(self, to_do: Mapping[str, Job], workers: int, dask: str | None) -> None:
        """Compile each loss's kernels, once and here, and say how long the runs will take about."""
        first = {job.loss: job for job in reversed(list(to_do.values()))}
        self.progress.say(f"compiling {len(first)} loss{'es' * (len(first) != 1)}")
        seconds = 0.0
        for name, job in first.items():
            each = self._rehearsal(job)
            seconds += each * sum(other.loss == name for other in to_do.values())
        open_ended = self.work.settings.tunes_rate or any(rival.open for rival in self.work.rivals.values())
        share = 1.15 if open_ended else 1.0  # searches that reach the end of a grid go on beyond it
        where = "on the cluster" if dask else f"on {workers} process{'es' * (workers != 1)}"
        self.progress.announce(
            f"{len(to_do)} run{'s' * (len(to_do) != 1)}{' or a few more' * open_ended}, {where}: "
            f"{about(share * seconds / (workers if dask is None else 1))}"
        )
        self.progress.say("training")

    def _rehearsal(self, job: Job) -> float:
        """The seconds that one run takes, from one epoch of it; of a model without epochs, from a whole run."""
        settings = self.work.settings
        arguments = list(self.work.arguments(job))
        arguments[1] = replace(settings, epochs=1)

        def seconds() -> float:
            began = time.perf_counter()
            train(*arguments)
            return time.perf_counter() - began

        first = seconds()  # with compiling
        if settings.tunes_rate:
            return seconds() * settings.epochs
        return first if first > COMPILING else seconds()

    def _wanted(self) -> list[Job]:
        """Losses alternate, so that two workers do not compile the same kernel at the same time."""
        splits = range(len(self.work.prepared))
        jobs = [
            [job for split in splits for job in self.search(name, split).wanted] for name in self.work.rivals
        ]
        return [job for group in zip_longest(*jobs) for job in group if job is not None]

    def _grids(self, prepared: Prepared) -> dict[str, dict[str, list[float]]]:
        """What is tried for the open parameters of each loss, by the scale of one split's training rows."""
        found: dict[str, dict[str, list[float]]] = {}
        for name, each in self.work.rivals.items():
            spread = (
                _residual_spread(prepared, seen(prepared, self.work.task, each.encoding))
                if each.open
                else 1.0
            )
            found[name] = {parameter: tuning.grid_of(each.loss, parameter, spread) for parameter in each.open}
        return found


def _residual_spread(prepared: Prepared, target: Any) -> float:
    """The robust spread of what least squares leaves of the target as losses see it, on training rows."""
    from sklearn.linear_model import Ridge

    from losscope.comparison.observation import suggested_seam

    values = np.asarray(target.values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 1:
        return 1.0
    features, values = prepared.features[prepared.train], values[prepared.train, 0]
    weight = of_rows(prepared.train, prepared.weight)
    left = values - Ridge(1e-3).fit(features, values, weight).predict(features)
    return suggested_seam(left, weight)[1] or spread(left, weight) or 1.0


def _rows(prepared: Prepared) -> str:
    """A hash of which rows are for what."""
    digest = hashlib.sha256()
    for rows in (prepared.train, prepared.validation, prepared.test):
        digest.update(np.asarray(rows, dtype="<i8").tobytes() + b"|")
    return digest.hexdigest()[:16]


def formula_of(loss: Any) -> str:
    """What a loss computes, beyond its name: one of a user's own may change its formula, or a default."""
    return f"{compiled(loss.entry, loss.activation).fingerprint} {loss.parameters}"

"""The comparison itself: data -> task -> jobs -> runs -> each loss's own best -> what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import losscope as ls
from losscope.compare import plan
from losscope.compare.data import DataError, Dataset, load
from losscope.compare.execution import run_jobs, workers_asked
from losscope.compare.preparation import Prepared, prepare
from losscope.compare.results import Store, bearing_on_a_run
from losscope.compare.settings import METRICS, Settings, check, settle
from losscope.compare.task import DEFAULT_LOSSES, Encoding, Task, decide, encoding_of
from losscope.compare.training import Job
from losscope.kernels.compiled import compiled

if TYPE_CHECKING:
    from losscope.report import Table

# (finished, planned so far, how many of the finished were found on disk)
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Summary:
    """One loss at one learning rate on the test data: each metric's mean and spread over the seeds.

    The spread is the standard deviation with n - 1; None for a single seed.
    """

    loss: str
    learning_rate: float
    seeds: int
    diverged: int
    metrics: Mapping[str, tuple[float, float | None] | None]
    values: Mapping[str, list[float | None]]


@dataclass(frozen=True)
class Comparison:
    """What `compare` gives back: every run, each loss's own best rate, and ways to look at them."""

    dataset: Dataset
    task: Task
    prepared: Prepared
    settings: Settings
    losses: tuple[str, ...]
    encodings: Mapping[str, Encoding]
    parameters: Mapping[str, Mapping[str, float]]
    runs: Mapping[Job, dict[str, Any]]
    choices: Mapping[str, plan.Choice | None]
    found: int
    seconds: float
    steps_tried: Mapping[str, list[int]] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()  # losses that were named more than once

    @property
    def metrics(self) -> tuple[str, ...]:
        """The task's metrics, and "own": the loss's own mean value."""
        return (*METRICS[self.task.kind], "own")

    def runs_of(self, loss: str, learning_rate: float) -> list[dict[str, Any]]:
        """The runs of one loss at one rate, one for each seed."""
        return [self.runs[Job(loss, learning_rate, seed)] for seed in self.settings.seeds]

    def at(self, loss: str, learning_rate: float) -> Summary:
        """One loss at one of the rates tried."""
        runs = self.runs_of(loss, learning_rate)
        means: dict[str, tuple[float, float | None] | None] = {}
        values: dict[str, list[float | None]] = {}
        for metric in self.metrics:
            values[metric] = [run["test"][metric] if run["test"] else None for run in runs]
            known = [value for value in values[metric] if value is not None]
            spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
            means[metric] = (float(np.mean(known)), spread) if known else None
        diverged = sum(run["status"] == "diverged" for run in runs)
        return Summary(loss, learning_rate, len(runs), diverged, means, values)

    def at_same_rate(self, loss: str) -> Summary:
        """The loss at the learning rate all losses share."""
        return self.at(loss, self.settings.learning_rate)

    def at_own_best(self, loss: str) -> Summary | None:
        """The loss at the rate that was best for it on validation data; None if every rate diverged."""
        choice = self.choices[loss]
        return None if choice is None else self.at(loss, choice.learning_rate)

    def tables(self) -> list[Table]:
        """The two tables: every loss at the shared rate, and each at its own best."""
        from losscope.compare.presentation import metric_tables

        return metric_tables(self)

    def findings(self) -> list[str]:
        """What the numbers say, in sentences computed from them."""
        from losscope.compare.findings import findings

        return findings(self)

    def as_data(self) -> dict[str, Any]:
        """Everything, as plain JSON data (the schema of `results.json`)."""
        from losscope.compare.presentation import as_data

        return as_data(self)

    def save(self, folder: str | Path, command: str = "") -> Path:
        """Write `results.json`, `results.csv` and `report.html` to a folder; gives the report's path."""
        from losscope.compare.presentation import save

        return save(self, Path(folder).expanduser(), command)

    def __str__(self) -> str:
        from losscope.compare.presentation import as_text

        return as_text(self)


def compare(
    losses: Sequence[Any] | None = None,
    data: Any = "digits",
    *,
    target: str | None = None,
    task: str | None = None,
    data_dir: str | Path | None = None,
    model: str = "mlp",
    hidden: int = 64,
    optimizer: str = "sgd",
    batch_size: int = 64,
    epochs: int | None = None,
    learning_rate: float | None = None,
    grid: int = 5,
    seeds: int = 3,
    split_seed: int = 0,
    choose_by: str | None = None,
    out: str | Path | None = None,
    workers: int | None = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train the same model from the same start with several losses, and measure what each does.

    `losses`: names such as "huber:delta=2" or "mse@sigmoid", or losses; None takes a set that fits the task.
    `data`: a CSV or Parquet file, a DataFrame, "mnist" (with `data_dir`) or a bundled set's name.
    `out`: a folder to which each finished run is written at once; the same call resumes from it.
    `workers`: processes; None takes the cores this process may use. Raises DataError for data and settings,
    LossError for losses.

    >>> result = compare(["mse", "mae"], "diabetes", model="linear", epochs=2, seeds=1, grid=1)
    >>> result.at_same_rate("squared_error").diverged
    0
    """
    started = time.perf_counter()
    check(model=model, hidden=hidden, optimizer=optimizer, batch_size=batch_size, epochs=epochs,
          learning_rate=learning_rate, grid=grid, seeds=seeds)  # fmt: skip
    workers = workers_asked(workers)
    named = [_resolve(loss) for loss in losses or ()]
    dataset = load(data, target, data_dir)
    decided = decide(dataset, task, named)
    chosen = _distinct(named or [ls.get(name) for name in DEFAULT_LOSSES[decided.kind]])
    encoded = decided.encode(dataset.target)
    encodings = {loss.name: encoding_of(loss, decided, encoded) for loss in chosen}
    prepared = prepare(dataset, decided, split_seed)
    settings = settle(
        kind=decided.kind, training_rows=len(prepared.train), model=model, hidden=hidden, optimizer=optimizer,
        batch_size=batch_size, epochs=epochs, learning_rate=learning_rate, grid=grid, seeds=seeds,
        split_seed=split_seed, choose_by=choose_by,
    )  # fmt: skip
    context = {
        "data": dataset.fingerprint(),
        "task": [decided.kind, [str(label) for label in decided.labels]],
        "settings": bearing_on_a_run(settings),
    }
    by_name = {loss.name: loss for loss in chosen}
    store = Store(out, context)

    def run(to_do: Sequence[tuple[str, Job, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        return run_jobs(to_do, settings, prepared, decided, workers=workers, dask=dask)

    runs, found = _train_all(by_name, settings, store, run, progress or (lambda *_: None))
    return Comparison(
        dataset=dataset,
        task=decided,
        prepared=prepared,
        settings=settings,
        losses=tuple(by_name),
        encodings=encodings,
        parameters={name: dict(loss.parameters) for name, loss in by_name.items()},
        runs=runs,
        choices={name: plan.choose(name, settings, runs) for name in by_name},
        found=found,
        seconds=time.perf_counter() - started,
        repeated=_repeated(named),
        steps_tried={name: sorted(plan.scores(name, settings, runs)) for name in by_name},
    )


def _train_all(
    losses: Mapping[str, ls.Loss],
    settings: Settings,
    store: Store,
    run: Callable[[Sequence[tuple[str, Job, Any]]], Iterator[tuple[str, dict[str, Any]]]],
    progress: Progress,
) -> tuple[dict[Job, dict[str, Any]], int]:
    """The planned runs, then those that their results ask for, until none is left to do; and how many of them
    were found done from earlier. Each finished run is stored at once."""
    formulas = {name: _formula(loss) for name, loss in losses.items()}
    runs: dict[Job, dict[str, Any]] = {}
    found = planned = 0
    # Losses alternate, so that two workers do not compile the same kernel at the same time.
    pending = _alternating([plan.jobs(name, plan.first_steps(settings), settings) for name in losses])
    while pending:
        planned += len(pending)
        keys = {store.key(job, formulas[job.loss]): job for job in pending}
        stored = {key: known for key in keys if (known := store.load(key)) is not None}
        runs.update({keys[key]: known for key, known in stored.items()})
        found += len(stored)
        progress(len(runs), planned, found)
        for key, done in run(
            [(key, job, losses[job.loss]) for key, job in keys.items() if key not in stored]
        ):
            store.save(key, done)
            runs[keys[key]] = done
            progress(len(runs), planned, found)
        further = _alternating(
            [plan.jobs(name, plan.next_steps(name, settings, runs), settings) for name in losses]
        )
        pending = [job for job in further if job not in runs]
    return runs, found


def _alternating(jobs: Sequence[Sequence[Job]]) -> list[Job]:
    """The first of each, then the second of each ..."""
    return [job for group in zip_longest(*jobs) for job in group if job is not None]


def _resolve(loss: Any) -> ls.Loss:
    if isinstance(loss, str | ls.Loss):
        return ls.get(loss)
    raise DataError(
        f"{loss!r} is not a loss: give a name, or a loss such as losscope.huber or losscope.define(...)"
    )


def _formula(loss: ls.Loss) -> str:
    """What a loss computes, beyond its name: one of a user's own may change its formula, or a default."""
    return f"{compiled(loss.entry, loss.activation).fingerprint} {loss.parameters}"


def _repeated(losses: Sequence[Any]) -> tuple[str, ...]:
    names = [loss.name for loss in losses]
    return tuple(name for name in dict.fromkeys(names) if names.count(name) > 1)


def _in_words(loss: ls.Loss) -> str:
    return ", ".join([loss.entry.formula, *(f"{name}={value:g}" for name, value in loss.parameters.items())])


def _distinct(losses: Sequence[Any]) -> list[Any]:
    """The losses in order, each once: "mse" and "l2" are the same loss. Two of one name are refused."""
    by_name: dict[str, Any] = {}
    for loss in losses:
        namesake = by_name.setdefault(loss.name, loss)
        if _formula(namesake) != _formula(loss):
            raise DataError(
                f"two different losses are named {loss.name!r} ({_in_words(namesake)}; {_in_words(loss)}): "
                "define one of them under another name"
            )
    if not by_name:
        raise DataError("no loss to compare: name at least one, or none for a set that fits the task")
    return list(by_name.values())

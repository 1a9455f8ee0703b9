"""The comparison itself: data -> task -> splits -> runs -> each loss's own best -> what came out, and ways to see it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import losscope as ls
from losscope.comparison import presentation, questions, rival
from losscope.comparison.data import DataError, Dataset, load
from losscope.comparison.execution import Work, workers_asked
from losscope.comparison.findings import findings
from losscope.comparison.hunt import Hunt, formula_of
from losscope.comparison.kinds import refuse_other_kinds
from losscope.comparison.outcome import Outcome
from losscope.comparison.preparation import Prepared, prepare
from losscope.comparison.progress import Progress, Silence
from losscope.comparison.results import Store, bearing_on_a_run, older_runs
from losscope.comparison.rival import Rival
from losscope.comparison.settings import Asked, settle
from losscope.comparison.splits import splits
from losscope.comparison.task import DEFAULT_LOSSES, Task, decide
from losscope.comparison.training import Judging
from losscope.comparison.weighted import shares
from losscope.errors import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from losscope.report import Chart, Table


class Comparison(Outcome):
    """What `compare` gives back: all that was found, as tables, figures, sentences, files, and in a notebook."""

    def findings(self) -> list[str]:
        """What the numbers say, in sentences computed from them; the first answers the question."""
        return findings(self)

    def tables(self) -> list[Table]:
        """The tables of the report, the first with every loss and what to compare it with."""
        return presentation.tables(self)

    def table(self) -> pd.DataFrame:
        """Each loss (and the references), with mean and spread over the splits of every metric."""
        return presentation.frame(self)

    @property
    def figures(self) -> dict[str, Chart]:
        """The report's figures by name; each has `.svg()` and `.save(path)`."""
        return presentation.charts(self)

    def as_data(self) -> dict[str, Any]:
        """Everything, as plain JSON data (the schema of `results.json`)."""
        return presentation.as_data(self)

    def save(self, folder: str | Path, command: str = "") -> Path:
        """Write `results.json`, `results.csv` and `report.html` to a folder; gives the report's path."""
        refuse_other_kinds(Comparison.save, {"folder": folder})
        return presentation.save(self, Path(folder).expanduser(), command)

    def __str__(self) -> str:
        return presentation.as_text(self)

    def __repr__(self) -> str:
        return f"<losscope comparison of {', '.join(self.losses)} on {self.dataset.name}>"

    def _repr_html_(self) -> str:
        return presentation.as_html(self)


def compare(
    data: Any = "digits",
    target: str | None = None,
    losses: Sequence[Any] | str | ls.Loss | None = None,
    *,
    out: str | Path | None = None,
    workers: int | None = 1,
    dask: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Comparison:
    """Train the same model from the same start with several losses, on several splits of the same rows, and say which
    differences between the losses are larger than their uncertainty.

    `data`: a data frame (pandas, polars, Arrow), a CSV or Parquet file, "mnist" (with `data_dir`) or a bundled set's
    name. `losses`: names such as "huber:delta=2", "huber:delta=?" (chosen on validation rows) or "mse@sigmoid",
    formulas such as "cauchy = log(1 + (r/c)**2) : c=1", "log(target)", or losses; None takes a set that fits the task.
    `out`: a folder to which each finished run is written at once; the same call resumes from it. `workers`:
    processes; None takes the cores this process may use.

    `options`: `task`, `model`, `metric`, `splits`, `folds`, `tune` and the others of `settings.Asked`; of the columns
    `drop`, `keep`, `weights`, `time` and `group`. Raises DataError for data and options, LossError for losses.

    >>> import losscope as ls
    >>> result = ls.compare("diabetes", losses=["mse", "mae"], model="linear", splits=3)
    >>> result.losses
    ('squared_error', 'absolute_error')
    """
    started = time.perf_counter()
    given = {"losses": losses, "out": out, "workers": workers, "dask": dask, "progress": progress}
    refuse_other_kinds(compare, given)
    asked, columns = _sorted_out(options)
    workers = workers_asked(workers)
    named = rival.read(_listed(losses), asked.losses_file, asked.tune)
    dataset = load(data, target, **columns)
    decided = decide(dataset, asked.task, [each.loss for each in named], asked.merge_rare_classes)
    rivals = _competitors(named, dataset, decided, asked.tune)
    parts = _prepared(dataset, decided, asked)
    settings = settle(asked, decided.numeric, len(parts[0].train), parts[0].columns, len(parts))
    asks = questions.Asks(decided.kind, asked.metric, _majority(decided, parts[0]))
    to_ask = questions.questions(asks, tuple(rivals.values()))
    chosen_by = {name: questions.own_metric(asks, each) for name, each in rivals.items()}
    judging = Judging(
        questions.at_levels(rivals.values(), to_ask, chosen_by.values()),
        tuple(dict.fromkeys(question.metric.name for question in to_ask)),
    )
    work = Work(settings, decided, parts, rivals, judging)
    progress = progress or Silence()
    if older := older_runs(out):
        progress.announce(
            f"{older} runs of an earlier version lie in {out}: they are left alone, and not mixed in"
        )
    hunt = Hunt(work, chosen_by, Store(out, _context(dataset, work)), progress)
    hunt.run(workers, dask)
    searches = {name: [hunt.search(name, split) for split in range(len(parts))] for name in rivals}
    return Comparison(
        dataset=dataset,
        task=decided,
        prepared=parts,
        settings=settings,
        rivals=rivals,
        questions=to_ask,
        chosen_by=chosen_by,
        runs=hunt.runs,
        choices={name: tuple(search.choice for search in found) for name, found in searches.items()},
        tried={name: tuple(search.tried for search in found) for name, found in searches.items()},
        found=hunt.found,
        seconds=time.perf_counter() - started,
        repeated=_repeated(named),
    )


def _listed(losses: Any) -> list[Any]:
    """One loss or several, or None, as a list."""
    if losses is None:
        return []
    named = [losses] if isinstance(losses, str | ls.Loss) else list(losses)
    if not named:
        raise DataError("losses is empty: name one or more, or leave it out for a set that fits the task")
    return named


def _context(dataset: Dataset, work: Work) -> dict[str, Any]:
    """What determines the numbers of every run, beside its job."""
    return {
        "data": dataset.fingerprint(),
        "task": [work.task.kind, [str(label) for label in work.task.labels]],
        "settings": bearing_on_a_run(work.settings),
        "judging": [list(work.judging.at_levels), list(work.judging.curves)],
    }


def _sorted_out(options: Mapping[str, Any]) -> tuple[Asked, dict[str, Any]]:
    """Options of the comparison, and those of the columns (which `load` takes)."""
    asked = {each.name for each in fields(Asked)}
    of_columns = [name for name in signature(load).parameters if name not in ("data", "target")]
    for name in options:
        if name not in asked and name not in of_columns:
            raise DataError(f"compare has no option {name!r}. {did_you_mean(name, [*asked, *of_columns])}")
    columns = {name: value for name, value in options.items() if name in of_columns}
    return Asked(**{name: value for name, value in options.items() if name in asked}), columns


def _competitors(named: Sequence[Rival], dataset: Dataset, task: Task, tune: bool) -> dict[str, Rival]:
    """Those named, or a set that fits the task; each once, and seated at the task. Two of one name are refused."""
    chosen = named or [rival.of_loss(ls.get(name), tune) for name in DEFAULT_LOSSES[task.kind]]
    target = task.encode(dataset.target)
    by_name: dict[str, Rival] = {}
    for each in chosen:
        namesake = by_name.setdefault(each.name, each)
        if formula_of(namesake.loss) != formula_of(each.loss):
            raise DataError(
                f"two different losses are named {each.name!r} ({_in_words(namesake.loss)}; {_in_words(each.loss)}): "
                "define one of them under another name"
            )
    return {name: rival.seated(each, task, target, dataset.row_numbers) for name, each in by_name.items()}


def _prepared(dataset: Dataset, task: Task, asked: Asked) -> tuple[Prepared, ...]:
    """The data of each split; pixels, which no split changes, are held once."""
    found: list[Prepared] = []
    for split in splits(dataset, task, asked.splits, asked.folds, asked.split_seed):
        part = prepare(dataset, task, split=split)
        if dataset.pixels is not None and found:
            part = replace(part, features=found[0].features)
        found.append(part)
    return tuple(found)


def _majority(task: Task, prepared: Prepared) -> float:
    """The share of the largest class among the training rows; 0 for numbers."""
    return float(shares(*prepared.trained_on(prepared.target)).max()) if task.labels else 0.0


def _repeated(named: Sequence[Rival]) -> tuple[str, ...]:
    names = [each.name for each in named]
    return tuple(name for name in dict.fromkeys(names) if names.count(name) > 1)


def _in_words(loss: ls.Loss) -> str:
    return ", ".join([loss.entry.formula, *(f"{name}={value:g}" for name, value in loss.parameters.items())])

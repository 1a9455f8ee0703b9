"""Results -> tables, figures, one page, JSON and CSV."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscope.comparison import figures, words
from losscope.comparison.comparison import Comparison, Summary
from losscope.comparison.results import versions
from losscope.comparison.settings import HIGHER_IS_BETTER, METRIC_WORDS, METRICS
from losscope.report import Code, Page, Section, Table, write_csv, write_json

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = "losscope.compare/1"


def metric_tables(result: Comparison, narrow: bool = False) -> list[Table]:
    """Every loss at the shared rate, and each at its own best; test data, mean and spread over the seeds.

    `narrow` leaves out the column of own best rates, which 80 columns have no room for.
    """
    columns = METRICS[result.task.kind]
    heads = [_head(metric) for metric in columns]
    best = {_head(metric): "max" if metric in HIGHER_IS_BETTER else "min" for metric in columns}
    same = [[_name(s), *_cells(s, columns)] for s in map(result.at_same_rate, result.losses)]
    caption = f"Every loss at the same learning rate, {result.settings.learning_rate:g}"
    tables = [Table(["loss", *heads], same, caption=caption, best=best)]
    if result.settings.grid > 1:
        own: list[list[Any]] = []
        for name in result.losses:
            summary = result.at_own_best(name)
            rate = [] if narrow else [summary and f"{summary.learning_rate:g}"]
            if summary is None:
                own.append([f"{name} (diverged at every rate)", *rate, *[None] * len(columns)])
            else:
                own.append([_name(summary), *rate, *_cells(summary, columns)])
        caption = "Each loss at its own best learning rate, chosen on validation data"
        tables.append(Table(["loss", *([] if narrow else ["rate"]), *heads], own, caption=caption, best=best))
    return tables


def own_values(result: Comparison) -> Table:
    """Each loss's own mean value on the test data; a table apart, as those of two losses do not compare."""
    heads = ["loss", f"at {result.settings.learning_rate:g}"]
    if result.settings.grid > 1:
        heads.append("at its own best")
    rows: list[list[Any]] = []
    for name in result.losses:
        row: list[Any] = [name, *_cells(result.at_same_rate(name), ["own"])]
        if result.settings.grid > 1:
            summary = result.at_own_best(name)
            row += [None] if summary is None else _cells(summary, ["own"])
        rows.append(row)
    return Table(heads, rows, caption="Each loss's own value (not comparable between losses)")


def _head(metric: str) -> str:
    return "accuracy %" if metric == "accuracy" else METRIC_WORDS[metric]


def _name(summary: Summary) -> str:
    if not summary.diverged:
        return summary.loss
    return f"{summary.loss} (diverged with {summary.diverged} of {summary.seeds} seeds)"


def _cells(summary: Summary, columns: Sequence[str]) -> list[Any]:
    """A cell a metric; none where a seed diverged, as a mean over the survivors would flatter the loss."""
    cells: list[Any] = []
    for metric in columns:
        found = summary.metrics[metric]
        if found is None or summary.diverged:
            cells.append(None)
            continue
        factor = 100.0 if metric == "accuracy" else 1.0
        mean, spread = found
        cells.append(factor * mean if spread is None else (factor * mean, factor * spread))
    return cells


def print_tables(result: Comparison, console: Console) -> None:
    """The tables on a terminal of any width."""
    from rich.text import Text

    unbounded = console.options.update(max_width=10_000)
    widths = [console.measure(table.rich(), options=unbounded).maximum for table in metric_tables(result)]
    narrow = max(widths) > console.width
    for table in metric_tables(result, narrow):
        table.print(console)
    chosen = [f"{name} {choice.learning_rate:g}" for name, choice in result.choices.items() if choice]
    if narrow and result.settings.grid > 1 and chosen:
        console.print(Text(f"Own best rates: {', '.join(chosen)}.\n"))
    own_values(result).print(console)
    for note in words.under_the_tables(result):
        console.print(Text(note, style="dim"))


def as_text(result: Comparison, width: int = 80) -> str:
    """The tables as plain text."""
    from rich.console import Console

    file = io.StringIO()
    print_tables(result, Console(file=file, width=width, color_system=None))
    return file.getvalue()


def as_data(result: Comparison) -> dict[str, Any]:
    """Everything as plain data: what was asked, what was done to the data, summaries, findings, every run."""
    settings = result.settings
    return {
        "asked": {
            "losses": list(result.losses),
            "data": result.dataset.source,
            "target": result.task.target,
            "task": result.task.kind,
            "task_reason": result.task.reason,
            "classes": [str(label) for label in result.task.labels],
            "model": settings.model,
            "hidden": settings.hidden,
            "optimizer": settings.optimizer,
            "momentum": settings.momentum,
            "batch_size": settings.batch_size,
            "epochs": settings.epochs,
            "learning_rate": settings.learning_rate,
            "seeds": list(settings.seeds),
            "split_seed": settings.split_seed,
            "choose_by": settings.choose_by,
        },
        "data": {
            "rows": len(result.prepared.target),
            "training_rows": len(result.prepared.train),
            "validation_rows": len(result.prepared.validation),
            "test_rows": len(result.prepared.test),
            "columns": result.prepared.columns,
            "target_centre": result.prepared.centre,
            "target_scale": result.prepared.scale,
            "steps": list(result.prepared.steps),
        },
        "losses": [_loss_data(result, name) for name in result.losses],
        "findings": result.findings(),
        "runs": [
            result.runs[job]
            for job in sorted(result.runs, key=lambda job: (job.loss, job.learning_rate, job.seed))
        ],
        "runs_found_done": result.found,
        "seconds": round(result.seconds, 3),
        "versions": versions(),
    }


def _loss_data(result: Comparison, name: str) -> dict[str, Any]:
    from losscope.comparison import plan

    encoding, choice = result.encodings[name], result.choices[name]
    own = result.at_own_best(name)
    tried = plan.scores(name, result.settings, result.runs)
    return {
        "name": name,
        "parameters": dict(result.parameters[name]),
        "target_seen": encoding.target,
        "link": encoding.link,
        "own_best_learning_rate": None if choice is None else choice.learning_rate,
        "own_best_at_grid_end": bool(choice and choice.end),
        "tried": [
            {"learning_rate": result.settings.rate(step), "validation": score}
            for step, score in sorted(tried.items())
        ],
        "at_same_rate": _summary_data(result.at_same_rate(name)),
        "at_own_best": None if own is None else _summary_data(own),
    }


def _summary_data(summary: Summary) -> dict[str, Any]:
    test = {}
    for metric, found in summary.metrics.items():
        test[metric] = {
            "mean": None if found is None else found[0],
            "spread": None if found is None else found[1],
            "values": summary.values[metric],
        }
    return {
        "learning_rate": summary.learning_rate,
        "seeds": summary.seeds,
        "diverged": summary.diverged,
        "test": test,
    }


def records(result: Comparison) -> list[dict[str, Any]]:
    """One flat record a run, for CSV."""
    rows = []
    for job, run in sorted(
        result.runs.items(), key=lambda item: (item[0].loss, item[0].learning_rate, item[0].seed)
    ):
        choice = result.choices[job.loss]
        record: dict[str, Any] = {
            "loss": job.loss,
            "learning_rate": job.learning_rate,
            "seed": job.seed,
            "status": run["status"],
            "shared_rate": job.learning_rate == result.settings.learning_rate,
            "own_best": choice is not None and job.learning_rate == choice.learning_rate,
        }
        for part in ("validation", "test"):
            for metric in result.metrics:
                record[f"{part}_{metric}"] = run[part][metric] if run[part] else None
        record["seconds"] = run["seconds"]
        rows.append(record)
    return rows


def page(result: Comparison, command: str = "") -> Page:
    """The report: what was asked, what was found, what each loss did, how it was done."""
    sections = [
        Section(
            "Findings",
            [*result.findings(), *metric_tables(result), own_values(result), *words.under_the_tables(result)],
        ),
        Section(
            "Learning",
            [words.LEARNING, figures.learning(result), words.TRAINING_CURVE, figures.training_loss(result)],
        ),
        Section("The gradient", _gradient(result)),
    ]
    saturation = figures.saturation(result)
    if saturation is not None:
        sections.append(Section("Saturated outputs", [words.SATURATION, saturation]))
    seam = figures.beyond_the_seam(result)
    if seam is not None:
        sections.append(Section("Quadratic or linear", [words.SEAM, seam]))
    if result.settings.grid > 1:
        sections.append(Section("The learning rate", [words.rates(result), figures.rates(result)]))
    sections.append(
        Section("What was done to the data", [*(f"{step}." for step in _capital(result.prepared.steps))])
    )
    sections.append(Section("What makes it fair", [*words.method(result)]))
    if command:
        sections.append(
            Section("How to repeat this", ["The same command gives the same numbers.", Code(command)])
        )
    return Page(words.title(result), words.lead(result), sections)


def _gradient(result: Comparison) -> list[Any]:
    return [words.GRADIENT_NORM, figures.gradient_norm(result), words.LARGEST, figures.largest_share(result)]


def _capital(steps: tuple[str, ...]) -> list[str]:
    return [step[:1].upper() + step[1:] for step in steps]


def save(result: Comparison, folder: Path, command: str = "") -> Path:
    """`results.json`, `results.csv`, `report.html`; each is whole or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "results.json", {"command": command, **as_data(result)}, SCHEMA)
    write_csv(folder / "results.csv", records(result))
    return page(result, command).save(folder / "report.html")

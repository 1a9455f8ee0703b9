"""Results -> tables, figures, one page, JSON and CSV."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscope.comparison import figures, words
from losscope.comparison.findings import answer, findings
from losscope.comparison.metrics import Metric
from losscope.comparison.outcome import Outcome, Summary
from losscope.comparison.results import versions
from losscope.comparison.verdict import verdicts
from losscope.report import Chart, Code, Page, Section, Table, write_csv, write_json

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

SCHEMA = "losscope.compare/2"
FILES = ("results.json", "results.csv", "report.html")
# A table of the page has this many metrics at most; those that are asked about come first.
IN_A_TABLE = 4
# The page opens with these, then comes the picture that shows them.
FIRST_SENTENCES = 2


def competitors(outcome: Outcome) -> list[Summary]:
    """Losses, best first by the first question (those that cannot be ranked after them), then what to compare with."""
    metric = outcome.answer.metric

    def place(summary: Summary) -> tuple[bool, float]:
        mean = summary.mean(metric.name)
        ranked = summary.name in outcome.answer.rivals and mean is not None
        return not ranked, metric.sign * mean if mean is not None else 0.0

    losses = sorted(outcome.summaries.values(), key=place)
    return [*losses, outcome.constants, *outcome.reference_summaries.values()]


def tables(outcome: Outcome) -> list[Table]:
    """Every metric, the questions' own first, in as many tables as they need; then the rates."""
    metrics = outcome.metrics
    parts = [metrics[at : at + IN_A_TABLE] for at in range(0, len(metrics), IN_A_TABLE)]
    found = [metric_table(outcome, part, estimates=at == 0) for at, part in enumerate(parts)]
    return [*found, *(table for table in (rate_table(outcome), own_values(outcome)) if table)]


def metric_table(
    outcome: Outcome, metrics: Sequence[Metric], estimates: bool = False, caption: str = ""
) -> Table:
    """A row a competitor, a column a metric. Only a winner has a star: none among ties."""
    rows: list[list[Any]] = []
    for summary in competitors(outcome):
        rival = outcome.rivals.get(summary.name)
        kind = [rival.estimand.short if rival else ""] if estimates else []
        rows.append([summary.name, *kind, *(_cell(summary, metric) for metric in metrics)])
    heads = ["loss", *(["estimates"] if estimates else []), *map(_head, metrics)]
    return Table(heads, rows, caption=caption, best=_stars(outcome, metrics))


def _stars(outcome: Outcome, metrics: Sequence[Metric]) -> dict[str, str]:
    """The columns whose best number is a winner's: better than every other row by more than the uncertainty."""
    stars = {}
    for found in verdicts(outcome):
        metric = found.question.metric
        if metric not in metrics or found.winner is None or not found.beats_constant:
            continue
        means = {s.name: mean for s in competitors(outcome) if (mean := s.mean(metric.name)) is not None}
        if min(means, key=lambda name: metric.sign * means[name]) == found.winner:
            stars[_head(metric)] = "max" if metric.higher else "min"
    return stars


def rate_table(outcome: Outcome) -> Table | None:
    """Every loss at the rate that all share, beside its own best: how much of it all is the rate."""
    settings = outcome.settings
    if not settings.tunes_rate or settings.grid == 1:
        return None
    metric = outcome.answer.metric
    rows = []
    for name in outcome.losses:
        rates = sorted(choice.rate for choice in outcome.choices[name] if choice and choice.rate is not None)
        chosen = (
            "-" if not rates else f"{rates[0]:g}" + (f" to {rates[-1]:g}" if rates[-1] > rates[0] else "")
        )
        shared = outcome.at_rate(name, settings.learning_rate)
        rows.append([name, _cell(shared, metric), _cell(outcome.summaries[name], metric), chosen])
    heads = ["loss", f"all at {settings.learning_rate:g}", "own best", "own best rate"]
    return Table(
        heads, rows, caption=f"{metric.words} at the shared learning rate, and at each loss's own best"
    )


def own_values(outcome: Outcome) -> Table:
    """Each loss's own mean value on the test rows, which those of two losses do not compare."""
    rows = []
    for name in outcome.losses:
        summary = outcome.summaries[name]
        mean, spread = summary.mean("own"), summary.spread("own")
        rows.append([name, mean if mean is None or spread is None else (mean, spread)])
    return Table(
        ["loss", "its own value"], rows, caption="Each loss's own value (not comparable between losses)"
    )


def _head(metric: Metric) -> str:
    return f"{metric.words} %" if metric.percent else metric.words


def _cell(summary: Summary, metric: Metric) -> Any:
    """None where a split diverged, as a mean over the survivors would flatter the loss."""
    mean, spread = summary.mean(metric.name), summary.spread(metric.name)
    factor = 100.0 if metric.percent else 1.0
    if mean is None:
        return None
    return factor * mean if spread is None else (factor * mean, factor * spread)


def frame(outcome: Outcome) -> pd.DataFrame:
    """A row a competitor, with mean and spread over the splits of every metric."""
    import pandas as pd

    rows = []
    for summary in competitors(outcome):
        rival = outcome.rivals.get(summary.name)
        row: dict[str, Any] = {"loss": summary.name, "estimates": rival.estimand.words if rival else None}
        for metric in outcome.metrics:
            row[metric.name] = summary.mean(metric.name)
            row[f"{metric.name}_spread"] = summary.spread(metric.name)
        rows.append(row)
    return pd.DataFrame(rows).set_index("loss")


def charts(outcome: Outcome) -> dict[str, Chart]:
    """Every figure there is something to show in, by name."""
    made = {name: getattr(figures, name)(outcome) for name in
            ("differences", "learning", "gradient", "saturation", "seam", "rates")}  # fmt: skip
    return {name: chart for name, chart in made.items() if chart is not None}


def print_tables(outcome: Outcome, console: Console) -> None:
    """The main table on a terminal of any width: as many metrics as fit, those that are asked about first."""
    from rich.text import Text

    asked = len({question.metric.name for question in outcome.questions})
    metrics = list(outcome.metrics[: max(asked, 3)])
    while len(metrics) > 1 and metric_table(outcome, metrics).least_width() > console.width:
        metrics.pop()
    metric_table(outcome, metrics).print(console)
    for note in words.under_the_tables(outcome):
        console.print(Text(note, style="dim"))


def as_text(outcome: Outcome, width: int = 80) -> str:
    """The answer and the main table as plain text."""
    from rich.console import Console

    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    for sentence in answer(outcome):
        console.print(plain(sentence), highlight=False, markup=False)
    print_tables(outcome, console)
    return file.getvalue()


def plain(sentence: str) -> str:
    """A sentence without the marks of a page."""
    return sentence.replace("**", "").replace("`", "")


def as_html(outcome: Outcome) -> str:
    """For a notebook: the answer, the picture of the differences, the main table."""
    from losscope.report.prose import html_of

    said = [f"<p>{html_of(sentence)}</p>" for sentence in answer(outcome)]
    picture = figures.differences(outcome)
    parts = [*said[:FIRST_SENTENCES], *([picture._repr_html_()] if picture else []), *said[FIRST_SENTENCES:]]
    parts.append(metric_table(outcome, outcome.metrics[:IN_A_TABLE], estimates=True).html())
    notes = " ".join(escape(note) for note in words.under_the_tables(outcome))
    return "".join([*parts, f"<p><small>{notes}</small></p>"])


def as_data(outcome: Outcome) -> dict[str, Any]:
    """Everything as plain data: what was asked, what was done to the data, answers, findings, every run."""
    from dataclasses import asdict

    settings, first = outcome.settings, outcome.prepared[0]
    return {
        "asked": {
            "losses": list(outcome.losses),
            "data": outcome.dataset.source,
            "target": outcome.task.target,
            "task": outcome.task.kind,
            "task_reason": outcome.task.reason,
            "classes": [str(label) for label in outcome.task.labels],
            **asdict(settings),
        },
        "data": {
            "rows": len(first.target),
            "columns": first.columns,
            "target_centre": first.centre,
            "target_scale": first.scale,
            "steps": list(first.steps),
            "splits": [
                {
                    "training_rows": len(p.train),
                    "validation_rows": len(p.validation),
                    "test_rows": len(p.test),
                }
                for p in outcome.prepared
            ],
        },
        "answers": [_answer_data(outcome, at) for at in range(len(outcome.questions))],
        "losses": [_loss_data(outcome, name) for name in outcome.losses],
        "references": [
            {"name": summary.name, "test": _values(outcome, summary)}
            for summary in (outcome.constants, *outcome.reference_summaries.values())
        ],
        "findings": findings(outcome),
        "runs": [{k: v for k, v in run.items() if k != "outputs"} for _, run in _in_order(outcome)],
        "runs_found_done": outcome.found,
        "seconds": round(outcome.seconds, 3),
        "versions": versions(),
    }


def _in_order(outcome: Outcome) -> list[tuple[Any, dict[str, Any]]]:
    return sorted(
        outcome.runs.items(),
        key=lambda item: (item[0].loss, item[0].split, item[0].rate or 0, item[0].parameters, item[0].seed),
    )


def _answer_data(outcome: Outcome, at: int) -> dict[str, Any]:
    found = verdicts(outcome)[at]
    return {
        "metric": found.question.metric.name,
        "about": found.question.about,
        "ranked": list(found.ranked),
        "winner": found.winner,
        "beats_constant": found.beats_constant,
        "behind_the_first": {
            name: {"difference": gap.mean, "half_interval": gap.half, "clear": gap.clear}
            for name, gap in found.behind.items()
        },
        "without": list(found.without),
    }


def _values(outcome: Outcome, summary: Summary) -> dict[str, Any]:
    return {
        metric.name: {
            "mean": summary.mean(metric.name),
            "spread": summary.spread(metric.name),
            "values": summary.values[metric.name],
        }
        for metric in outcome.metrics
    }


def _loss_data(outcome: Outcome, name: str) -> dict[str, Any]:
    rival, metric, summary = outcome.rivals[name], outcome.chosen_by[name], outcome.summaries[name]
    return {
        "name": name,
        "formula": rival.loss.entry.formula,
        "parameters": dict(rival.loss.parameters),
        "open": list(rival.open),
        "estimates": rival.estimand.words,
        "target_seen": rival.encoding.target,
        "link": rival.encoding.link,
        "chosen_by": metric.name if metric else "own",
        "choices": [
            choice
            and {"rate": choice.rate, "parameters": dict(choice.parameters), "validation": choice.score}
            for choice in outcome.choices[name]
        ],
        "diverged": summary.diverged,
        "test": {
            **_values(outcome, summary),
            "own": {"mean": summary.mean("own"), "values": summary.values["own"]},
        },
    }


def records(outcome: Outcome) -> list[dict[str, Any]]:
    """One flat record a run, for CSV."""
    rows = []
    for job, run in _in_order(outcome):
        choice = outcome.choices[job.loss][job.split]
        record: dict[str, Any] = {
            "loss": job.loss,
            "split": job.split,
            "seed": job.seed,
            "learning_rate": job.rate,
            "parameters": " ".join(f"{name}={value:g}" for name, value in job.parameters),
            "status": run["status"],
            "finished": run["finished"],
            "own_best": choice is not None and (choice.rate, choice.parameters) == (job.rate, job.parameters),
        }
        for part in ("validation", "test"):
            for name in (*(metric.name for metric in outcome.metrics), "own"):
                record[f"{part}_{name}"] = run[part].get(name) if run[part] else None
        record["seconds"] = run["seconds"]
        rows.append(record)
    return rows


def page(outcome: Outcome, command: str = "") -> Page:
    """The report: the answer, the picture that shows it, then what each loss did and how it was done."""
    made = charts(outcome)
    answered = answer(outcome)
    rest = [sentence for sentence in findings(outcome) if sentence not in answered]
    first: list[Any] = [*answered[:FIRST_SENTENCES]]
    if "differences" in made:
        first += [made["differences"], words.DIFFERENCES]
    first += answered[FIRST_SENTENCES:]
    every = tables(outcome)
    sections = [
        Section("The answer", [*first, every[0], *words.under_the_tables(outcome)]),
        Section("What else was found", rest) if rest else None,
        Section("Every metric", [*every[1:]]),
    ]
    for title, text, name in (
        ("Learning", words.LEARNING, "learning"),
        ("The gradient", words.GRADIENT, "gradient"),
        ("Saturated outputs", words.SATURATION, "saturation"),
        ("Quadratic or linear", words.SEAM, "seam"),
        ("The learning rate", "Each loss by the metric that chose its rate, on validation rows: mean over the splits, "
         "and from the lowest to the highest split.", "rates"),
    ):  # fmt: skip
        if name in made:
            sections.append(Section(title, [text, made[name]]))
    steps = [f"{step[:1].upper()}{step[1:]}." for step in outcome.prepared[0].steps]
    sections += [
        Section("What was done to the data", steps),
        Section("What makes it fair", words.method(outcome)),
    ]
    if command:
        sections.append(
            Section("How to repeat this", ["The same command gives the same numbers.", Code(command)])
        )
    return Page(words.title(outcome), words.lead(outcome), [section for section in sections if section])


def save(outcome: Outcome, folder: Path, command: str = "") -> Path:
    """`results.json`, `results.csv`, `report.html`; each is whole or not there."""
    data, rows, report = (folder / name for name in FILES)
    write_json(data, {"command": command, **as_data(outcome)}, SCHEMA)
    write_csv(rows, records(outcome))
    return page(outcome, command).save(report)

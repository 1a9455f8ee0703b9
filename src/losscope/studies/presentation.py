"""What studies found -> a page, JSON, one SVG per figure, and words on a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Result, Study

if TYPE_CHECKING:
    from losscope.report import Chart, Page, Section, Table

SCHEMA = "losscope.study/1"
TITLE = "Claims about losses, put to the test"
LEAD = (
    "Textbooks and blog posts make claims about loss functions. Here each claim becomes an experiment on"
    " this library's own losses. Every verdict is computed from the numbers of the run, and a claim that"
    " turns out false is reported as false."
)


@dataclass(frozen=True)
class Run:
    """One run of a study: what it found, or what was missing, and the command that repeats it."""

    study: Study
    result: Result | None
    command: str
    quick: bool = False
    seed: int = 0
    missing: str = ""

    @property
    def charts(self) -> list[tuple[str, Chart]]:
        """The figures and the names of their files."""
        charts = list(self.result.charts) if self.result else []
        return [
            (f"{self.study.name}-{_word(chart.name, number)}", chart)
            for number, chart in enumerate(charts, 1)
        ]


def _word(name: str, number: int) -> str:
    """A file's name from a chart's; a chart that was given none goes by its number."""
    return (
        str(number) if name == "chart" else re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or str(number)
    )


def page(runs: Sequence[Run], command: str = "") -> Page:
    """The article: one study is a page of its own, several are sections, with all verdicts at the top."""
    from losscope.report import Page

    if len(runs) == 1:
        run = runs[0]
        return Page(run.study.question, _quick_note(runs), _parts(run), command=command or run.command)
    lead = f"{LEAD} {_quick_note(runs)}".strip()
    return Page(TITLE, lead, [_glance(runs), *(_section(run) for run in runs)], command=command)


def _quick_note(runs: Sequence[Run]) -> str:
    return (
        "**This is a quick look**: runs may be smaller than the studies' own defaults."
        if any(run.quick for run in runs)
        else ""
    )


def _glance(runs: Sequence[Run]) -> Section:
    from losscope.report import Section, Table

    found = [claim for run in runs if run.result for claim in run.result.claims]
    held = sum(claim.verdict == HOLDS for claim in found)
    failed = sum(claim.verdict == DOES_NOT_HOLD for claim in found)
    words = (
        f"Of {len(found)} claims, **{held} hold**, **{len(found) - held - failed} hold under a condition**,"
        f" **{failed} do not hold**."
    )
    rows = [
        [run.study.name if first else "", plain_words(claim.claim), claim.verdict]
        for run in runs
        if run.result
        for claim, first in zip(run.result.claims, [True] + [False] * len(run.result.claims))
    ]
    left_out = [f"Not run: {run.study.name}; {run.missing}." for run in runs if run.result is None]
    return Section("At a glance", [words, *left_out, Table(["study", "claim", "verdict"], rows)])


def _section(run: Run) -> Section:
    """A study as one section of the article."""
    from losscope.report import Code, Section, Verdict

    if run.result is None:
        return Section(run.study.question, [f"Not run: {run.missing}.", Code(run.command)])
    found = run.result
    verdicts = [Verdict(each.claim, each.verdict, each.evidence) for each in found.claims]
    return Section(
        run.study.question, [*found.done, *found.charts, *found.tables, *verdicts, Code(run.command)]
    )


def _parts(run: Run) -> list[Section]:
    """A study as a page: the same in sections of its own."""
    from losscope.report import Section, Verdict

    if run.result is None:
        return [Section("Not run", [f"{run.missing}."])]
    found = run.result
    parts = [
        Section("What was done", list(found.done)),
        Section("What came out", [*found.charts, *found.tables]),
        Section("What holds", [Verdict(each.claim, each.verdict, each.evidence) for each in found.claims]),
    ]
    return [part for part in parts if part.body]


def as_data(runs: Sequence[Run], command: str = "") -> dict[str, Any]:
    """Everything as plain data; the same for the same command, to the last digit."""
    return {
        "command": command or (runs[0].command if len(runs) == 1 else ""),
        "quick": any(run.quick for run in runs),
        "seed": runs[0].seed if runs else 0,
        "versions": _versions(),
        "studies": [_study_data(run) for run in runs],
    }


def _study_data(run: Run) -> dict[str, Any]:
    data: dict[str, Any] = {"name": run.study.name, "question": run.study.question, "command": run.command}
    if run.result is None:
        return {**data, "missing": run.missing}
    found = run.result
    return {
        **data,
        "done": list(found.done),
        "claims": [
            {"claim": each.claim, "verdict": each.verdict, "evidence": each.evidence} for each in found.claims
        ],
        "tables": [{"caption": table.caption, "records": table.records()} for table in found.tables],
        "figures": [f"{name}.svg" for name, _ in run.charts],
        "numbers": found.numbers,
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    import losscope

    found = {"losscope": losscope.__version__}
    for name in ("numpy", "scipy", "sympy", "llvmlite", "scikit-learn", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def json_text(runs: Sequence[Run], command: str = "") -> str:
    """The results as JSON text, as `save` writes them."""
    from losscope.report.write import plain

    return json.dumps(
        {"schema": SCHEMA, **plain(as_data(runs, command))}, indent=2, ensure_ascii=False, allow_nan=False
    )


def save(runs: Sequence[Run], folder: Path, command: str = "") -> Path:
    """Write `report.html`, `results.json` and one SVG per figure; the path of the report."""
    from losscope.report import write_json

    write_json(folder / "results.json", as_data(runs, command), SCHEMA)
    for run in runs:
        for name, chart in run.charts:
            chart.save(folder / f"{name}.svg")
    return page(runs, command).save(folder / "report.html")


def plain_words(text: str) -> str:
    """Without the page's markup."""
    return re.sub(r"\$([^$]+)\$", r"\1", text.replace("**", "").replace("`", ""))


def show(run: Run, console: Any, brief: bool = False) -> None:
    """On a terminal: the question, what was done, the tables, the claims; `brief`: question and verdicts."""
    from rich.text import Text

    console.print()
    console.print(Text(run.study.question, style="bold"))
    if run.result is None:
        console.print(Text(f"Not run: {run.missing}."))
        return
    if not brief:
        for paragraph in run.result.done:
            # A formula in LaTeX is for the page; where it matters, the tables have it in plain text.
            if not _leads_to_formula(paragraph):
                console.print()
                console.print(Text(plain_words(paragraph)))
        for table in run.result.tables:
            console.print()
            _show_table(table, console)
    console.print()
    for claim in run.result.claims:
        _show_claim(claim, console, brief)


def _leads_to_formula(paragraph: str) -> bool:
    return paragraph.startswith("$") or paragraph.endswith((":", ",", "gives"))


def _show_table(table: Table, console: Any) -> None:
    table.print(console)


def _show_claim(claim: Claim, console: Any, brief: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    mark, style = {HOLDS: ("+", "green"), DOES_NOT_HOLD: ("x", "red")}.get(claim.verdict, ("~", "yellow"))
    words = Text(plain_words(claim.claim))
    words.append("\n" + plain_words(claim.verdict), style=f"bold {style}")
    if not brief:
        words.append("\n" + plain_words(claim.evidence), style="dim")
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style=f"bold {style}"), words)
    console.print(grid)

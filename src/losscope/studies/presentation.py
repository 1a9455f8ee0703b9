"""What studies found -> pages, JSON, one SVG per figure, and words on a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscope.studies import claims
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Claim, Result, Study
from losscope.studies.text import in_words, say, template_of, words_of

if TYPE_CHECKING:
    from losscope.report import Chart, Page, Table

SCHEMA = "losscope.study/2"
TITLE = "What people say about losses, and what is so"
LEAD = (
    "Each claim is an experiment on this library's own losses. Every verdict is computed from the numbers of the run,"
    " and a claim that turns out false is reported as false. A claim leads to the study that tests it."
)
QUICK = "**This is a quick look**: runs may be smaller than the studies' own defaults."
COUNTS = (
    "Of {all} claims, **{held} hold**, **{conditional} hold under a condition**, **{failed} do not hold**, and"
    " **{undecided} these runs do not decide**."
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
    language: str = "en"

    @property
    def charts(self) -> list[tuple[str, Chart]]:
        """The figures and the names of their files."""
        charts = list(self.result.charts) if self.result else []
        return [
            (f"{self.study.name}-{_word(chart.name, number)}", chart)
            for number, chart in enumerate(charts, 1)
        ]

    def say(self, words: str) -> str:
        """A page's own words in the language of the run."""
        return str(in_words(words, words_of(self.language, self.study.name)))

    def translated(self) -> Run:
        """The same in its language; what it lacks words for stays English."""
        if self.result is None or self.language == "en":
            return self
        return replace(self, result=in_words(self.result, words_of(self.language, self.study.name)))


def _word(name: str, number: int) -> str:
    """A file's name from a chart's; a chart that was given none goes by its number."""
    return (
        str(number) if name == "chart" else re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or str(number)
    )


def page(run: Run) -> Page:
    """A study's page: the answer, the picture, what is said and what is so; then all that most do not need."""
    from losscope.report import Fold, Page, Prose, Section, Table, Verdict

    run = run.translated()
    say, found = run.say, run.result
    lead = say(QUICK) if run.quick else ""
    if found is None:
        parts = [Section(say("Not run"), [f"{run.missing}."])]
    else:
        lead = f"{found.answer} {lead}".strip()
        verdicts = [
            Verdict(each.claim, each.verdict, each.evidence, f"claim-{number}")
            for number, each in enumerate(found.claims, 1)
        ]
        wrong = [list(map(Prose, (each.written, each.prints, each.right))) for each in found.mistakes]
        heads = [say("what is written"), say("what it gives"), say("what is right")]
        details = [Fold(say("How it was done"), list(found.done))]
        if found.derivation:
            details.append(Fold(say("The derivation, step by step"), list(found.derivation)))
        details += [
            Fold(table.caption or say("Numbers"), [replace(table, caption="")]) for table in found.tables
        ]
        parts = [
            Section(say("The picture"), list(found.charts[:1])),
            Section(say("What is said, and what is so"), verdicts),
            Section(say("Mistakes that circulate"), [Table(heads, wrong)] if wrong else []),
            Section(say("More pictures"), list(found.charts[1:])),
            Section(say("How, and all numbers"), details),
            Section(say("Sources"), list(found.sources)),
        ]
    parts = [part for part in parts if part.body]
    return Page(say(run.study.question), lead, parts, run.command, run.language, words_of(run.language))


def index(runs: Sequence[Run], command: str = "") -> Page:
    """The map of all claims, the mistakes that circulate, and the answer of each study, with links to the pages."""
    from losscope.report import Fold, Link, Page, Prose, Section, Table

    runs = [run.translated() for run in runs]
    language = runs[0].language if runs else "en"
    words = words_of(language)

    def here(text: str, **values: Any) -> str:
        return str(in_words(say(text, **values), words))

    found = [(run.study.name, run.result) for run in runs if run.result]
    counts = claims.counted(found)
    lead = here(LEAD) + " " + here(
        COUNTS, all=counts["all"], held=counts[HOLDS], conditional=counts["conditional"],
        failed=counts[DOES_NOT_HOLD], undecided=counts[NOT_DECIDED],
    )  # fmt: skip
    lead += " " + here(QUICK) if any(run.quick for run in runs) else ""
    parts = [
        Section(_capital(group), [_map(rows, [here("claim"), here("verdict")])])
        for group, rows in claims.by_group(found)
    ]
    wrong = [
        [*map(Prose, (each.written, each.prints, each.right)), Link(name, f"{name}.html")]
        for name, each in claims.mistakes(found)
    ]
    if wrong:
        heads = [here("what is written"), here("what it gives"), here("what is right"), here("study")]
        parts.append(Section(here("Mistakes that circulate"), [Table(heads, wrong)]))
    answers = _answers(runs, [here("study"), here("question"), here("answer")])
    parts.append(Section(here("The studies"), [Fold(here("What each asks, and its answer"), [answers])]))
    return Page(here(TITLE), lead, parts, command, language, words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _map(rows: Sequence[tuple[str, int, Claim]], heads: list[str]) -> Table:
    """Claims of one group: what is said, which leads to where it is tested, and the verdict in its colour."""
    from losscope.report import Link, Mark, Table
    from losscope.report.section import kind_of

    return Table(
        heads,
        [
            [Link(plain_words(claim.claim), f"{name}.html#claim-{number}"), Mark(plain_words(claim.verdict), kind_of(claim.verdict))]
            for name, number, claim in rows
        ],
    )  # fmt: skip


def _answers(runs: Sequence[Run], heads: list[str]) -> Table:
    from losscope.report import Link, Prose, Table

    rows = [
        [
            Link(run.study.name, f"{run.study.name}.html"),
            run.say(run.study.question),
            Prose(run.result.answer) if run.result else f"Not run: {run.missing}.",
        ]
        for run in runs
    ]
    return Table(heads, rows)


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
        "answer": found.answer,
        "done": list(found.done),
        "claims": [vars(each) for each in found.claims],
        "mistakes": [vars(each) for each in found.mistakes],
        "tables": [{"caption": table.caption, "records": table.records()} for table in found.tables],
        "figures": [f"{name}.svg" for name, _ in run.charts],
        "sources": list(found.sources),
        "numbers": found.numbers,
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    import losscope

    found = {"losscope": losscope.__version__}
    for name in (
        "numpy",
        "scipy",
        "sympy",
        "llvmlite",
        "scikit-learn",
        "torch",
        "keras",
        "tensorflow",
        "jax",
    ):
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


def save(runs: Sequence[Run], folder: Path, command: str = "", whole: bool = False) -> Path:
    """Write a page per study, `results.json` and one SVG per figure, and for the `whole` `index.html`, the map of
    their claims; the path of the page to open first."""
    from losscope.report import write_json

    write_json(folder / "results.json", as_data(runs, command), SCHEMA)
    pages = []
    for run in runs:
        for name, chart in run.translated().charts:
            chart.save(folder / f"{name}.svg")
        pages.append(page(run).save(folder / f"{run.study.name}.html"))
    return index(runs, command).save(folder / "index.html") if whole else pages[0]


def plain_words(text: str) -> str:
    """Without the page's markup."""
    return re.sub(r"\$([^$]+)\$", r"\1", text.replace("**", "").replace("`", ""))


def show(run: Run, console: Any, brief: bool = False) -> None:
    """On a terminal: the question, the answer, the claims, the tables; `brief`: question, answer and verdicts."""
    from rich.text import Text

    run = run.translated()
    console.print()
    console.print(Text(run.say(run.study.question), style="bold"))
    if run.result is None:
        console.print(Text(f"Not run: {run.missing}."))
        return
    console.print(Text(plain_words(run.result.answer)))
    console.print()
    for claim in run.result.claims:
        _show_claim(claim, console, brief)
    if brief:
        return
    for paragraph in run.result.done:
        # A formula in LaTeX is for the page; where it matters, the tables have it in plain text.
        if not _leads_to_formula(paragraph):
            console.print()
            console.print(Text(plain_words(paragraph)))
    for table in run.result.tables:
        console.print()
        table.print(console)


def _leads_to_formula(paragraph: str) -> bool:
    return paragraph.startswith("$") or paragraph.endswith((":", ",", "gives"))


def _show_claim(claim: Claim, console: Any, brief: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    marks: dict[str, tuple[str, str]] = {
        HOLDS: ("+", "green"),
        DOES_NOT_HOLD: ("x", "red"),
        NOT_DECIDED: ("?", "dim"),
    }
    mark, style = marks.get(template_of(claim.verdict), ("~", "yellow"))
    words = Text(plain_words(claim.claim))
    words.append("\n" + plain_words(claim.verdict), style=f"bold {style}")
    if not brief:
        words.append("\n" + plain_words(claim.evidence), style="dim")
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style=f"bold {style}"), words)
    console.print(grid)

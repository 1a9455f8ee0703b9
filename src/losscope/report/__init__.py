"""Results in, something to read out: charts, tables, one self-contained page, JSON and CSV.

Importing this package loads neither matplotlib, jinja2 nor rich; each arrives with the first thing that
needs it.

>>> from losscope.report import Chart, Line, Page, Panel, Section, Table
>>> panel = Panel("Learning", "epoch", "loss", [Line([1, 2, 3], [0.9, 0.4, 0.2], "huber")])
>>> table = Table(["loss", "MAE"], [["huber", (0.31, 0.02)], ["mse", (0.40, 0.05)]], best={"MAE": "min"})
>>> page = Page("A comparison", "Two losses, one model.", [Section("Result", [table, Chart([panel])])])
>>> page.html().count("<svg")
1
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chart import Chart
    from .looks import Looks
    from .naming import name_of
    from .page import Page
    from .panel import Bars, Line, Panel, Points, Region
    from .section import Code, Fold, Section, Verdict
    from .table import Link, Mark, Prose, Table
    from .write import write_csv, write_json

_HOME = {
    "Bars": "panel",
    "Chart": "chart",
    "Code": "section",
    "Fold": "section",
    "Line": "panel",
    "Link": "table",
    "Looks": "looks",
    "Mark": "table",
    "Page": "page",
    "Panel": "panel",
    "Points": "panel",
    "Prose": "table",
    "Region": "panel",
    "Section": "section",
    "Table": "table",
    "Verdict": "section",
    "name_of": "naming",
    "write_csv": "write",
    "write_json": "write",
}

__all__ = [
    "Bars",
    "Chart",
    "Code",
    "Fold",
    "Line",
    "Link",
    "Looks",
    "Mark",
    "Page",
    "Panel",
    "Points",
    "Prose",
    "Region",
    "Section",
    "Table",
    "Verdict",
    "name_of",
    "write_csv",
    "write_json",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))

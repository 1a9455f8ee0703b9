"""Runs are records (dicts of one shape); charts and tables are views of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from losscope.report import Chart, Line, Panel, Points, Table, name_of
from losscope.studies.text import Text, say

Record = dict[str, Any]


# One argument for each part of a chart: all but the runs and y are given by name.
def chart(
    runs: Iterable[Record],
    y: str,
    *,
    labels: tuple[str, str],
    name: str,
    caption: str,
    x: str = "",
    panel: str = "",
    line: str = "loss",
    title: str = "{}",
    columns: int | None = None,
    **axes: Any,
) -> Chart:
    """One panel for each value of `panel`, one curve for each of `line`; x counts up where it is not named.

    >>> runs = [{"loss": "mse", "end": [3, 2, 1]}, {"loss": "huber", "end": [2, 1, 0]}]
    >>> found = chart(runs, "end", labels=("epoch", "loss"), name="ends", caption="Ends.", title="The end")
    >>> [each.label for each in found.panels[0].items]
    ['squared error', 'Huber']
    """
    panels: dict[Any, list[Line]] = {}
    for run in runs:
        at = run[x] if x else range(len(run[y]))
        panels.setdefault(run[panel] if panel else "", []).append(Line(at, run[y], label_of(run[line])))
    drawn = [Panel(titled(title, each), *labels, lines, **axes) for each, lines in panels.items()]
    return Chart(drawn, caption=caption, name=name, columns=columns)


def titled(title: str, value: Any) -> str:
    """The title of a panel: the words of `title` with the panel's value in its braces.

    >>> titled("Start: output {:.2f}", 0.817), titled("All", "")
    ('Start: output 0.82', 'All')
    """
    return say(title.replace("{", "{value", 1), value=value) if "{" in title else say(title)


def label_of(what: Any) -> str:
    """A loss by the one name it has everywhere; anything else as it is, and so what is said: "MAE" may be a metric."""
    from losscope import LossError

    if isinstance(what, Text):
        return what

    try:
        return name_of(what)
    except (LossError, AttributeError):
        return what if isinstance(what, str) else str(what)


def pivot(
    runs: Iterable[Record],
    rows: Sequence[str],
    column: str,
    value: Callable[[Record], Any],
    *,
    caption: str,
    head: str = "{}",
    best: Mapping[str, str] | None = None,
) -> Table:
    """One row for each combination of `rows`, one column for each value of `column`.

    >>> runs = [{"loss": "mse", "seed": 0, "end": 0.5}, {"loss": "mse", "seed": 1, "end": 0.25}]
    >>> pivot(runs, ["loss"], "seed", lambda run: run["end"], caption="Ends", head="seed {}").texts()
    [['squared error', '0.5', '0.25']]
    """
    cells: dict[tuple, dict[Any, Any]] = {}
    for run in runs:
        cells.setdefault(tuple(run[each] for each in rows), {})[run[column]] = value(run)
    columns = list(dict.fromkeys(each for row in cells.values() for each in row))
    return Table(
        [*rows, *(titled(head, label_of(each) if isinstance(each, str) else each) for each in columns)],
        [[*map(label_of, key), *(row.get(each) for each in columns)] for key, row in cells.items()],
        caption=caption,
        best=best or {},
    )


def fitted(
    x: Any,
    y: Any,
    lines: Mapping[str, tuple[float, float]],
    *,
    points: str = "data",
    fan: Iterable[tuple[float, float]] = (),
) -> list[Line | Points]:
    """A scatter and the lines fitted to it, name -> (intercept, slope); `fan`: all lines that are equally good."""
    import numpy

    x = numpy.asarray(x, "float64")
    ends = numpy.array([x.min(), x.max()]) + numpy.array([-0.04, 0.04]) * max(float(numpy.ptp(x)), 1e-9)
    drawn: list[Line | Points] = [Points(x, y, points)]
    drawn += [Line(ends, a + b * ends, say("equally good"), style="faint") for a, b in fan]
    return drawn + [Line(ends, a + b * ends, label_of(name)) for name, (a, b) in lines.items()]


def tangent(at: float, value: float, slope: float, reach: float, label: str) -> list[Line | Points]:
    """A point of a curve and its tangent there, `reach` to either side."""
    import numpy

    along = numpy.linspace(-reach, reach, 33)  # so many that none of them is drawn as a marker
    return [Line(at + along, value + slope * along, label), Points([at], [value], label)]

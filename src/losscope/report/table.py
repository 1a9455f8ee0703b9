"""A table of results: for a terminal, for a page, and as records."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from .prose import html_of
from .terminal import wrapped

if TYPE_CHECKING:
    import rich.table
    from rich.console import Console

DIGITS = 4


class Link(str):
    """A cell that leads somewhere on a page: `#anchor`, or a file beside it.

    >>> Link("saturation", "saturation.html").href
    'saturation.html'
    """

    href: str

    def __new__(cls, text: str, href: str) -> Link:
        made = super().__new__(cls, text)
        made.href = href
        return made


class Mark(str):
    """A cell with a verdict, in its colour on a page. `kind`: "holds", "conditional", "fails" or "undecided"."""

    kind: str

    def __new__(cls, text: str, kind: str) -> Mark:
        made = super().__new__(cls, text)
        made.kind = kind
        return made


class Prose(str):
    """A cell of words with the markup of a paragraph: **bold**, `code`, $formula$."""


MARKS = {"holds": "✓", "conditional": "~", "fails": "✗", "undecided": "?"}
_BETWEEN = 2  # columns of a terminal between two columns of a table, and at its two ends together


def _is_number(cell: Any) -> bool:
    return isinstance(cell, numbers.Real) and not isinstance(cell, bool) and type(cell).__name__ != "bool"


def _is_spread(cell: Any) -> bool:
    return isinstance(cell, tuple) and len(cell) == 2 and all(_is_number(part) for part in cell)


def _centre(cell: Any) -> float | None:
    """The number a cell is compared by, or None where it has none."""
    if _is_spread(cell):
        cell = cell[0]
    if _is_number(cell) and not math.isnan(cell):
        return float(cell)
    return None


def _own_decimals(value: float, digits: int = DIGITS) -> int:
    """Decimals that show `digits` significant digits of `value`, after rounding to them."""
    if value == 0 or not math.isfinite(value):
        return 0
    return digits - 1 - int(f"{value:.{digits - 1}e}".split("e")[1])


def _fits(value: float) -> bool:
    """Whether a number reads well without an exponent."""
    return value == 0 or 1e-4 <= abs(value) < 1e6


def _needed_decimals(value: float) -> int:
    if not math.isfinite(value) or not _fits(value):
        return 0
    text = f"{value:.{max(_own_decimals(value), 0)}f}"
    return len(text.rstrip("0").partition(".")[2]) if "." in text else 0


def _text_of_number(value: float, decimals: int | None = None) -> str:
    if isinstance(value, numbers.Integral):
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        return str(value)
    if not _fits(value):
        return f"{value:.{DIGITS}g}"
    if value == 0:
        return f"{0.0:.{decimals or 0}f}"
    own = max(_own_decimals(value), 0)
    # A column lines up by its longest fraction, but no cell shows digits beyond its own significant ones.
    return f"{value:.{min(own, _needed_decimals(value) if decimals is None else decimals)}f}"


def shared_decimals(values: Iterable[float]) -> int:
    """Decimals that a column of numbers needs to line up."""
    return max((_needed_decimals(float(value)) for value in values), default=0)


def _text_of_spread(mean: float, spread: float) -> str:
    mean, spread = float(mean), float(spread)
    if not (math.isfinite(mean) and math.isfinite(spread)) or not (_fits(mean) and _fits(spread)):
        return f"{_text_of_number(mean)} +- {_text_of_number(float(f'{spread:.1e}'))}"
    if spread == 0:
        return f"{_text_of_number(mean)} +- 0"
    decimals = _own_decimals(mean) if mean else _own_decimals(spread, 2)
    decimals = max(min(decimals, _own_decimals(spread, 2)), 0)
    left, right = f"{mean:.{decimals}f}", f"{spread:.{decimals}f}"
    if float(right) == 0:  # smaller than the last digit of the mean: say how small instead of "0.000"
        return f"{left} +- {spread:.1g}"
    while "." in left and left.endswith("0") and right.endswith("0"):
        left, right = left[:-1].rstrip("."), right[:-1].rstrip(".")
    return f"{left} +- {right}"


def text_of(cell: Any, decimals: int | None = None) -> str:
    """A cell as text: 4 significant digits, (mean, spread) as "mean +- spread", None as a dash.

    >>> text_of(0.123456), text_of((0.1234, 0.0041)), text_of(None), text_of(True), text_of(1234567.0)
    ('0.1235', '0.1234 +- 0.0041', '-', 'yes', '1.235e+06')
    """
    if cell is None:
        return "-"
    if _is_spread(cell):
        return _text_of_spread(*cell)
    if _is_number(cell):
        return _text_of_number(cell, decimals)
    if isinstance(cell, bool) or type(cell).__name__ == "bool":
        return "yes" if cell else "no"
    return str(cell)


@dataclass(frozen=True, eq=False)
class Table:
    """Columns and rows. Cells: text, int, float (4 significant digits), None, or (mean, spread).

    `best`: {column: "min" or "max"}; the best cells of that column stand out in bold and end in "*".
    Raises ValueError for a row of another length, an unknown column or direction in `best`.

    >>> table = Table(["loss", "MAE"], [["mse", (0.40, 0.05)], ["huber", (0.31, 0.02)]], best={"MAE": "min"})
    >>> table.records()[1]
    {'loss': 'huber', 'MAE': 0.31, 'MAE spread': 0.02}
    >>> table.texts()
    [['mse', '0.40 +- 0.05'], ['huber', '0.31 +- 0.02 *']]
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    best: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = tuple(str(column) for column in self.columns)
        rows = tuple(tuple(row) for row in self.rows)
        if len(set(columns)) != len(columns):
            raise ValueError(f"Table: a column occurs twice in {list(columns)}")
        for index, row in enumerate(rows):
            if len(row) != len(columns):
                raise ValueError(
                    f"Table: row {index} has {len(row)} cells, expected {len(columns)}: {row!r:.80}"
                )
        for column, direction in self.best.items():
            if column not in columns:
                raise ValueError(f"Table: best names the column {column!r}; there are {', '.join(columns)}")
            if direction not in ("min", "max"):
                raise ValueError(f"Table: best[{column!r}] must be 'min' or 'max', got {direction!r}")
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "rows", rows)

    def _best_rows(self, index: int) -> set[int]:
        direction = self.best.get(self.columns[index])
        centres = [_centre(row[index]) for row in self.rows]
        known = [value for value in centres if value is not None]
        if direction is None or len(known) < 2:  # the only one is not a winner
            return set()
        winner = min(known) if direction == "min" else max(known)
        return {at for at, value in enumerate(centres) if value == winner}

    def _numeric(self, index: int) -> bool:
        cells = [row[index] for row in self.rows if row[index] is not None]
        return bool(cells) and all(_is_number(cell) or _is_spread(cell) for cell in cells)

    def texts(self) -> list[list[str]]:
        """Every cell as it is shown, row by row; the best ones with their mark."""
        shown: list[list[str]] = [[] for _ in self.rows]
        for index in range(len(self.columns)):
            cells = [row[index] for row in self.rows]
            fractions = [
                cell for cell in cells if _is_number(cell) and not isinstance(cell, numbers.Integral)
            ]
            decimals = shared_decimals(fractions)
            best = self._best_rows(index)
            for at, cell in enumerate(cells):
                shown[at].append(text_of(cell, decimals) + (" *" if at in best else ""))
        return shown

    def rich(self, width: int | None = None) -> rich.table.Table:
        """For `rich.console.Console().print`; `width` breaks texts and heads between words to fit it."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(
            box=box.SIMPLE_HEAD,
            title=Text(self.caption, style="bold") if self.caption else None,
            title_justify="left",
            caption=Text(self._note, style="dim") if self._note else None,
            caption_justify="left",
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        cells = self._aligned()
        widths: list[int | None] = [None] * len(self.columns)
        if width is not None:
            widths = [*self._widths(width)]
        columns = []
        for index, column in enumerate(self.columns):
            numeric = self._numeric(index)
            best = self._best_rows(index)
            table.add_column(
                Text(column, style="bold", justify="right" if numeric else "left"),
                no_wrap=numeric and width is None,
                width=widths[index],
                overflow="fold",
            )
            room = widths[index] or len(column)
            shown = [row[index] for row in cells]
            if numeric:
                longest = max([room, *map(len, shown)])
                shown = [cell.rjust(longest) for cell in shown]
            columns.append([Text(cell, style="bold" if at in best else "") for at, cell in enumerate(shown)])
        for row in zip(*columns):
            table.add_row(*row)
        return table

    def print(self, console: Console) -> None:
        """On a terminal of any width: as a table where no number and no word must be broken for it, else
        row by row."""
        from rich.text import Text

        if self.caption:
            for line in wrapped(self.caption, console.width):
                console.print(Text(line, style="bold"), soft_wrap=True)
        if self.least_width() <= console.width:
            table = self.rich(console.width)
            table.title = None  # printed above: rich breaks it to the width of the table, however narrow
            console.print(table)
            if self._note:
                console.print()
            return
        cells = self.texts()
        for at, row in enumerate(cells):
            console.print()
            for index, (column, cell) in enumerate(zip(self.columns, row)):
                for line in wrapped(f"{column}: {cell}", console.width, "  "):
                    style = "bold" if index == 0 or at in self._best_rows(index) else ""
                    console.print(Text(line, style=style), soft_wrap=True)
        console.print()
        if self._note:
            console.print(Text(f"{self._note}\n", style="dim"), soft_wrap=True)

    @property
    def _note(self) -> str:
        best = any(self._best_rows(index) for index in range(len(self.columns)))
        return "* best in its column" if best else ""

    def _aligned(self) -> list[list[str]]:
        """The texts with the two places of the mark behind unmarked numbers, so that digits stay in line."""
        cells = self.texts()
        for index in range(len(self.columns)):
            best = self._best_rows(index)
            if best and self._numeric(index):
                for at, row in enumerate(cells):
                    row[index] += "" if at in best else "  "
        return cells

    def _needs(self) -> list[tuple[int, int]]:
        """For each column the width of what must not be broken, and the width at which nothing is."""
        from rich.cells import cell_len

        cells = self._aligned()
        needs = []
        for index, column in enumerate(self.columns):
            shown = [row[index] for row in cells]
            whole = shown if self._numeric(index) else [word for cell in shown for word in cell.split()]
            least = max((cell_len(word) for word in [*column.split(), *whole]), default=1)
            needs.append((least, max(cell_len(text) for text in [column, *shown])))
        return needs

    def least_width(self) -> int:
        """The columns of a terminal below which a number or a word would have to be broken."""
        return sum(least for least, _ in self._needs()) + _BETWEEN * len(self.columns)

    def _widths(self, width: int) -> list[int]:
        """The columns' widths: what is scarce goes to the narrow ones first."""
        needs = self._needs()
        room = width - _BETWEEN * len(needs)
        level = max(most for _, most in needs)
        while level > 1 and sum(min(max(level, least), most) for least, most in needs) > room:
            level -= 1
        return [min(max(level, least), most) for least, most in needs]

    def html(self) -> str:
        """For a page: scrolls sideways where the screen is narrow. Every text is escaped."""
        numeric = [self._numeric(index) for index in range(len(self.columns))]
        bests = [self._best_rows(index) for index in range(len(self.columns))]
        kind = [' class="number"' if flag else "" for flag in numeric]
        # A column of sentences: on a narrow screen such a table reads better as one card a row.
        flows = any(len(str(cell)) > 32 for row in self.rows for cell in row)
        parts = [f'<div class="scroll" tabindex="0"><table{" class=flows" if flows else ""}>']
        note = " <small>* best in its column.</small>" if any(bests) else ""
        if self.caption or note:
            parts.append(f"<caption><span>{escape(self.caption)}{note}</span></caption>")
        heads = "".join(
            f'<th scope="col"{kind[i]}>{escape(name)}</th>' for i, name in enumerate(self.columns)
        )
        parts.append(f"<thead><tr>{heads}</tr></thead><tbody>")
        for at, row in enumerate(self.texts()):
            cells = []
            for index, cell in enumerate(row):
                given = self.rows[at][index]
                text = escape(cell.replace(" +- ", " ± ") if numeric[index] else cell)
                if at in bests[index]:
                    text = f'<strong>{text.removesuffix(" *")}</strong><span class="mark">*</span>'
                if isinstance(given, Prose):
                    text = html_of(given)
                elif isinstance(given, Link):
                    text = f'<a href="{escape(given.href)}">{text}</a>'
                elif isinstance(given, Mark):
                    text = f'<span class="badge {given.kind}"><span aria-hidden="true">{MARKS[given.kind]}</span> {text}</span>'
                column = f' data-column="{escape(self.columns[index])}"' if flows else ""
                cells.append(f"<td{kind[index]}{column}>{text}</td>")
            parts.append(f"<tr>{''.join(cells)}</tr>")
        parts.append("</tbody></table></div>")
        return "".join(parts)

    _repr_html_ = html

    def records(self) -> list[dict[str, Any]]:
        """One dict a row, for `write_csv`; a (mean, spread) becomes two keys, `column` and `column
        spread`.
        """
        spread = [any(_is_spread(row[index]) for row in self.rows) for index in range(len(self.columns))]
        records = []
        for row in self.rows:
            record: dict[str, Any] = {}
            for index, column in enumerate(self.columns):
                cell = row[index]
                record[column] = cell[0] if _is_spread(cell) else cell
                if spread[index]:
                    record[f"{column} spread"] = cell[1] if _is_spread(cell) else None
            records.append(record)
        return records

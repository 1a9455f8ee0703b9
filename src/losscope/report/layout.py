"""How much room each part of a panel takes, before anything is drawn. All in pixels.

From top to bottom: title, y label (lying, because a standing one is hard to read), notes, axes, x ticks, x
label, key. To the right of the axes stand the labels of the lines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .lettering import LEADING, width, wrap
from .looks import Looks
from .panel import Bars, Panel, counts
from .ready import Curve, Entry, Ready, bar_text, prepare, prepare_bars, to_key
from .ticks import share, ticks

PAD = 6.0
SWATCH = 34.0  # long enough to tell the longest dash pattern


@dataclass
class Row:
    """A row of the key: entries and where they start."""

    entries: list[tuple[float, Entry, str]]


def _key_rows(entries: list[Entry], room: float, size: float) -> list[Row]:
    """Entries in columns of one width, as many as there is room for."""
    texts = [(wrap(entry.text, size, room - SWATCH - 5, most=1) or [""])[0] for entry in entries]
    step = max((SWATCH + 5 + width(text, size) + 14 for text in texts), default=room)
    columns = max(int((room + 14) // step), 1)
    cells = [(at % columns * step, entry, text) for at, (entry, text) in enumerate(zip(entries, texts))]
    return [Row(cells[start : start + columns]) for start in range(0, len(cells), columns)]


@dataclass
class Layout:
    """Heights and widths of one panel's cell, in pixels."""

    ready: Ready
    width: float
    size: float
    left: float
    right: float
    above: float
    plot: float
    below: float
    title: list[str]
    y_label: list[str]
    x_label: list[str]
    notes: list[tuple[float, float, str, int]]  # x value, x pixel of the text's middle, text, row
    note_rows: int
    labels: list[tuple[Curve, list[str]]]
    key: list[Row]
    y_ticks: tuple[list[float], list[str]]
    x_ticks: tuple[list[float], list[str]]

    @property
    def height(self) -> float:
        return self.above + self.plot + self.below


def _place_notes(
    ready: Ready, left: float, plot_width: float, total: float, size: float
) -> tuple[list[tuple[float, float, str, int]], int]:
    placed: list[tuple[float, float, str, int]] = []
    ends: list[float] = []  # right end of each row, from the axes upwards
    for x, text in sorted(ready.panel.notes):
        if not math.isfinite(x) or not ready.x_limits[0] <= x <= ready.x_limits[1]:
            continue
        text = (wrap(text, size, total - 2 * PAD, most=1) or [""])[0]
        half = width(text, size) / 2
        middle = left + plot_width * share(x, ready.x_limits, ready.panel.x_scale)
        middle = min(max(middle, PAD + half), total - PAD - half)
        row = next((at for at, end in enumerate(ends) if middle - half > end + 8), len(ends))
        if row == len(ends):
            ends.append(-math.inf)
        ends[row] = middle + half
        placed.append((x, middle, text, row))
    return placed, len(ends)


def _around_bars(
    ready: Ready, bars: list[Bars], names: list[str], total: float, small: float
) -> tuple[tuple[list[float], list[str]], float, float, float]:
    """The names at the left as ticks, the room for them, the height of all bars, the room for numbers at the right."""
    lines = [wrap(name, small, total * 0.36, most=2) for name in names]
    y_ticks = ([float(i) for i in range(len(names))], ["\n".join(each) for each in lines])
    left = PAD + max((width(line, small) for each in lines for line in each), default=0) + 8
    thickness = 15.0 if len(bars) > 1 else 18.0
    tallest = max(len(each) for each in lines) * small * LEADING + 6
    plot = len(names) * max(len(bars) * thickness + 10, tallest)
    texts = [bar_text(value, ready.decimals) for bar in bars for value in bar.values]
    return y_ticks, left, plot, PAD + 8 + max((width(text, small) for text in texts), default=0)


# Longer than others: every length depends on those before it, and the last lines only hand them over.
def lay_out(panel: Panel, looks: Looks, total: float, size: float) -> Layout:
    small = size - 1
    bars = [item for item in panel.items if isinstance(item, Bars) and item.names]
    ready = prepare(panel, looks)
    title = wrap(panel.title, size + 1, total - 2 * PAD, most=2, bold=True)
    y_label = wrap(panel.y_label, small, total - 2 * PAD, most=2)
    x_label = wrap(panel.x_label, small, total - 2 * PAD, most=2)

    if bars:
        y_ticks, left, plot, right = _around_bars(ready, bars, prepare_bars(ready, bars, looks), total, small)
    else:
        y_ticks = ([], []) if ready.empty else ticks(ready.y_limits, panel.y_scale, 5)
        left = PAD + max((width(text, small) for text in y_ticks[1]), default=0) + 6
        plot = max(0.5 * total, 150.0) if total < 480 else 0.52 * total
        right = PAD + 4

    labels: list[tuple[Curve, list[str]]] = []
    if ready.direct:
        room = total * 0.34
        labels = [(curve, wrap(curve.line.label, small, room, most=4)) for curve in ready.direct]
        if sum(len(lines) * small * LEADING for _, lines in labels) > plot + small:
            labels = []
            to_key(ready)
        else:
            widest = max((width(line, small) for _, lines in labels for line in lines), default=0)
            right = max(right, PAD + widest + 16)
    elif not bars and ready.x_limits and not ready.empty:
        right = max(right, PAD + 12)
    plot_width = total - left - right
    most_x = max(int(plot_width // (3.6 * size)), 2)
    x_ticks = (
        ([], [])
        if ready.empty and not bars
        else ticks(ready.x_limits, panel.x_scale, min(most_x, 7), whole=counts(panel))
    )
    notes, note_rows = _place_notes(ready, left, plot_width, total, small)
    key = _key_rows(ready.key, total - 2 * PAD, small)
    line = small * LEADING
    above = PAD + len(title) * (size + 1) * LEADING + (len(y_label) * line + 2 if y_label else 0)
    above += note_rows * line + (4 if note_rows else 0) + 8
    below = (
        4
        + line
        + (len(x_label) * line + 3 if x_label else 0)
        + (len(key) * (line + 3) + 6 if key else 0)
        + PAD
    )
    return Layout(
        ready=ready,
        width=total,
        size=size,
        left=left,
        right=right,
        above=above,
        plot=plot,
        below=below,
        title=title,
        y_label=y_label,
        x_label=x_label,
        notes=notes,
        note_rows=note_rows,
        labels=labels,
        key=key,
        y_ticks=y_ticks,
        x_ticks=x_ticks,
    )

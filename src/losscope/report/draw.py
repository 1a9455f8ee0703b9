"""A laid-out panel onto a matplotlib figure; one point is one pixel of the SVG's viewBox."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .layout import PAD, SWATCH, Layout, lay_out
from .lettering import FAMILY, LEADING, width
from .looks import Looks
from .panel import Bars, Panel
from .ready import bar_text, last_shown
from .spread import spread
from .theme import LIGHT
from .ticks import share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "losscope",
    "font.family": [FAMILY],
    "axes.unicode_minus": True,
    "path.simplify": False,
    "pdf.fonttype": 42,
}


class _Cell:
    """Draws one laid-out panel with its top left corner at (x, y) pixels from the figure's top left."""

    def __init__(
        self, figure: Figure, layout: Layout, looks: Looks, x: float, y: float, gap: float = 0.0
    ) -> None:
        self.figure = figure
        self.layout = layout
        self.looks = looks
        self.x, self.y = x, y + gap  # gap: so that axes in one row stand level
        self.page_width, self.page_height = (float(v) * 72 for v in figure.get_size_inches())

    def text(self, x: float, y: float, text: str, size: float, colour: str, **kwargs: Any) -> None:
        """One line, its baseline y pixels below the cell's top."""
        if not text.strip():
            return
        self.figure.text(
            (self.x + x) / self.page_width,
            1 - (self.y + y) / self.page_height,
            text,
            fontsize=size,
            color=colour,
            parse_math=False,  # a label with two dollars in it is a price, not a formula
            va="baseline",
            **kwargs,
        )

    def lines(self, lines: list[str], x: float, y: float, size: float, colour: str, **kwargs: Any) -> float:
        """Lines from y pixels downwards; returns where they end."""
        for line in lines:
            # 0.93 of the size below the top of a line of 1.25: the baseline
            self.text(x, y + 0.93 * size, line, size, colour, **kwargs)
            y += size * LEADING
        return y

    def stroke(self, xs: list[float], ys: list[float], **kwargs: Any) -> None:
        """A line in the cell's pixels, outside the axes."""
        from matplotlib.lines import Line2D

        self.figure.add_artist(
            Line2D(
                [(self.x + x) / self.page_width for x in xs],
                [1 - (self.y + y) / self.page_height for y in ys],
                transform=self.figure.transFigure,
                **kwargs,
            )
        )

    def draw(self) -> None:
        layout, ready, panel = self.layout, self.layout.ready, self.layout.ready.panel
        small = layout.size - 1
        end = self.lines(layout.title, PAD, PAD, layout.size + 1, LIGHT["ink"], fontweight="bold")
        self.lines(layout.y_label, PAD, end + 1, small, LIGHT["muted"])
        plot_width = layout.width - layout.left - layout.right
        axes = self.figure.add_axes(
            (
                (self.x + layout.left) / self.page_width,
                1 - (self.y + layout.above + layout.plot) / self.page_height,
                plot_width / self.page_width,
                layout.plot / self.page_height,
            )
        )
        self._axes(axes)
        if ready.empty:
            self.text(
                layout.left + plot_width / 2,
                layout.above + layout.plot / 2,
                "no data",
                layout.size,
                LIGHT["muted"],
                ha="center",
            )
        bars = [item for item in panel.items if isinstance(item, Bars) and item.names]
        if bars:
            self._bars(axes, bars)
        else:
            self._curves(axes)
        self._notes(plot_width)
        self._labels(plot_width)
        y = layout.above + layout.plot + 4 + small * LEADING
        if layout.x_label:
            for line in layout.x_label:
                y_next = y + small * LEADING
                middle = min(max(layout.left + plot_width / 2, PAD + width(line, small) / 2), layout.width)
                middle = min(middle, layout.width - PAD - width(line, small) / 2)
                self.lines([line], middle, y, small, LIGHT["muted"], ha="center")
                y = y_next
            y += 3
        self._key(y + 6)

    def _axes(self, axes: Axes) -> None:
        from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

        layout, ready, panel = self.layout, self.layout.ready, self.layout.ready.panel
        bars = any(isinstance(item, Bars) and item.names for item in panel.items)
        small = layout.size - 1
        axes.set_facecolor("none")
        axes.set_xscale(panel.x_scale)
        axes.set_yscale("linear" if bars else panel.y_scale)
        axes.set_xlim(ready.x_limits)
        axes.set_ylim(ready.y_limits[::-1] if bars else ready.y_limits)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([]))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FixedFormatter([]))
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(LIGHT["axis"])
        axes.spines["bottom"].set_linewidth(1)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        if bars:
            axes.spines["bottom"].set_visible(False)
        # Ticks are texts of our own: matplotlib's would come back in its own font size and mathematics.
        plot_width = layout.width - layout.left - layout.right
        for tick, text in zip(*layout.x_ticks):
            x = layout.left + plot_width * share(tick, ready.x_limits, panel.x_scale)
            half = width(text, small) / 2
            middle = min(max(x, half + 1), layout.width - half - 1)
            self.lines([text], middle, layout.above + layout.plot + 4, small, LIGHT["muted"], ha="center")
            if bars:
                axes.axvline(tick, color=LIGHT["grid"], linewidth=1, zorder=0.5)
            else:
                bottom = layout.above + layout.plot
                self.stroke([x, x], [bottom, bottom + 3], color=LIGHT["axis"], linewidth=1)
        for tick, text in zip(*layout.y_ticks):
            part = share(tick, ready.y_limits, "linear" if bars else panel.y_scale)
            y = layout.above + layout.plot * (part if bars else 1 - part)
            lines = text.split("\n")
            self.lines(
                lines,
                layout.left - 6,
                y - len(lines) * small * LEADING / 2,
                small,
                LIGHT["muted"],
                ha="right",
            )
            if not bars:
                axes.axhline(tick, color=LIGHT["grid"], linewidth=1, zorder=0.5)

    def _curves(self, axes: Axes) -> None:
        ready = self.layout.ready
        for region, look in ready.regions:
            x, y, inside = region.x, region.y, region.inside
            if (inside > 0).any():
                axes.contourf(
                    x,
                    y,
                    inside,
                    levels=[0, max(float(inside.max()), 1e-300)],
                    colors=[look.colour],
                    alpha=0.2,
                    zorder=1,
                )
            if (inside > 0).any() and (inside <= 0).any():
                axes.contour(x, y, inside, levels=[0], colors=[look.colour], linewidths=1.6, zorder=1.5)
        for points, look, x, y in ready.scatters:
            many = len(x) > 200
            axes.plot(
                x,
                y,
                linestyle="none",
                marker=look.marker,
                markersize=3.0 if many else 5.0,
                markerfacecolor=look.colour,
                markeredgecolor="none",
                alpha=0.45 if many else 0.8,
                zorder=2,
                gid=points.label,
            )
        for curve in ready.curves:
            if curve.low is None or curve.high is None:
                continue
            bottom = ready.y_limits[0]
            low = np.where(np.isnan(curve.low) & np.isfinite(curve.high), bottom, curve.low)
            axes.fill_between(
                curve.x, low, curve.high, color=curve.look.colour, alpha=0.14, linewidth=0, zorder=1
            )
        for curve in ready.curves:
            style = curve.line.style
            thickness = {"auto": 2.0, "faint": 1.0, "reference": 1.4}[style]
            axes.plot(
                curve.x,
                curve.y,
                color=curve.look.colour,
                linewidth=thickness,
                linestyle="-" if curve.look.dashes is None or style == "faint" else (0, curve.look.dashes),
                marker=curve.look.marker if curve.marked else None,
                markersize=5.5 if style != "faint" else 3.5,
                markerfacecolor=curve.look.colour,
                markeredgecolor=LIGHT["paper"],
                markeredgewidth=0.8,
                alpha=0.35 if style == "faint" else 1.0,
                zorder={"auto": 4, "faint": 2.5, "reference": 3}[style],
                solid_capstyle="round",
                dash_capstyle="butt",
                clip_on=True,
            )
        self._leaving(axes)

    def _leaving(self, axes: Axes) -> None:
        """An arrow where a curve crosses the frame's top, so that what is off the scale is not overlooked."""
        top = self.layout.ready.y_limits[1]
        level = np.log if self.layout.ready.panel.y_scale == "log" else np.array
        for curve in self.layout.ready.curves:
            if curve.line.style == "faint":
                continue
            with np.errstate(all="ignore"):
                x, over = np.asarray(curve.x, dtype=float), level(curve.y) - level(top)
                crossing = np.flatnonzero(np.sign(over[:-1]) * np.sign(over[1:]) < 0)
                part = over[crossing] / (over[crossing] - over[crossing + 1])
                at = x[crossing] + part * (x[crossing + 1] - x[crossing])
            at = at[np.isfinite(at)]
            axes.plot(
                at, np.full(len(at), top), linestyle="none", marker="^", markersize=6,
                markerfacecolor=curve.look.colour, markeredgecolor="none", clip_on=False, zorder=4,
            )  # fmt: skip

    def _bars(self, axes: Axes, bars: list[Bars]) -> None:
        layout, ready, panel = self.layout, self.layout.ready, self.layout.ready.panel
        small = layout.size - 1
        names = list(dict.fromkeys(name for bar in bars for name in bar.names))
        plot_width = layout.width - layout.left - layout.right
        thick = 0.72 / len(bars)
        start = ready.x_limits[0] if panel.x_scale == "log" else 0.0
        for number, bar in enumerate(bars):
            for at, name in enumerate(bar.names):
                middle = names.index(name) + (number - (len(bars) - 1) / 2) * thick
                value = float(bar.values[at])
                # One series: a bar whose name is a curve elsewhere has that curve's colour.
                look = self.looks[name if len(bars) == 1 and name in self.looks else bar.label]
                shown = math.isfinite(value) and not (panel.x_scale == "log" and value <= 0)
                end = value
                if shown:
                    axes.barh(
                        middle,
                        value - start,
                        height=thick * 0.86,
                        left=start,
                        color=look.colour,
                        linewidth=0,
                        zorder=2,
                    )
                    if bar.low is not None and bar.high is not None:
                        low, high = float(bar.low[at]), float(bar.high[at])
                        if math.isfinite(low) and math.isfinite(high):
                            low = max(low, ready.x_limits[0])
                            # a rim of paper, as ink alone is lost on a bar that is as dark or as bright
                            for colour, thickness in ((LIGHT["paper"], 3.6), (LIGHT["ink"], 1.4)):
                                axes.plot(
                                    [low, high], [middle] * 2, color=colour, linewidth=thickness, zorder=3
                                )
                            end = max(value, high)
                text = bar_text(value, ready.decimals)
                part = share(max(end, start), ready.x_limits, panel.x_scale) if shown else 0.0
                if not shown and panel.x_scale == "linear":
                    part = share(start, ready.x_limits, "linear")
                x = layout.left + plot_width * min(max(part, 0.0), 1.0) + 4
                y = layout.above + layout.plot * share(middle, ready.y_limits, "linear")
                self.lines([text], x, y - small * LEADING / 2, small, LIGHT["ink"])
        if panel.x_scale == "linear":
            axes.axvline(0.0, color=LIGHT["axis"], linewidth=1, zorder=2.5)

    def _notes(self, plot_width: float) -> None:
        layout, ready = self.layout, self.layout.ready
        small = layout.size - 1
        line = small * LEADING
        for x, middle, text, row in layout.notes:
            at = layout.left + plot_width * share(x, ready.x_limits, ready.panel.x_scale)
            top = layout.above - 8 - (row + 1) * line
            self.stroke(
                [at, at],
                [top + line + 1, layout.above + layout.plot],
                color=LIGHT["axis"],
                linewidth=0.8,  # thin and unbroken: no curve is
            )
            self.lines([text], middle, top, small, LIGHT["ink"], ha="center")

    def _labels(self, plot_width: float) -> None:
        layout, ready = self.layout, self.layout.ready
        if not layout.labels:
            return
        small = layout.size - 1
        panel = ready.panel
        ends, wanted, heights = [], [], []
        for curve, lines in layout.labels:
            point = last_shown(curve, ready)
            assert point is not None
            x = layout.left + plot_width * share(point[0], ready.x_limits, panel.x_scale)
            y = layout.above + layout.plot * (1 - share(point[1], ready.y_limits, panel.y_scale))
            ends.append((x, y))
            wanted.append(y)
            heights.append(len(lines) * small * LEADING)
        # A little between two labels, where there is room, so that one of two lines does not read as two.
        between = min((layout.plot + small - sum(heights)) / len(heights), small / 3)
        heights = [height + between for height in heights]
        places = spread(wanted, heights, layout.above - small / 2, layout.above + layout.plot + small / 2)
        assert places is not None, "the layout has checked that they fit"
        start = layout.width - layout.right + 14
        for (curve, lines), (x, y), place, height in zip(layout.labels, ends, places, heights):
            bend = layout.width - layout.right + 3
            self.stroke(
                [min(x + 3, bend), bend, start - 2],
                [y, y, place],
                color=curve.look.colour,
                linewidth=0.8,
                alpha=0.75,
                solid_joinstyle="round",
            )
            self.lines(lines, start, place - (height - between) / 2, small, curve.look.colour)

    def _key(self, y: float) -> None:
        layout = self.layout
        small = layout.size - 1
        line = small * LEADING
        for row in layout.key:
            for left, entry, text in row.entries:
                middle = y + line / 2
                x0, x1 = PAD + left, PAD + left + SWATCH
                if entry.kind == "bar":
                    self.stroke(
                        [x0, x0 + 14],
                        [middle, middle],
                        color=entry.look.colour,
                        linewidth=9,
                        solid_capstyle="butt",
                    )
                    x1 = x0 + 14
                elif entry.kind == "points":
                    self.stroke(
                        [(x0 + x1) / 2],
                        [middle],
                        color=entry.look.colour,
                        marker=entry.look.marker,
                        markersize=5,
                        markeredgecolor="none",
                        linestyle="none",
                    )
                else:
                    self.stroke(
                        [x0, x1],
                        [middle, middle],
                        color=entry.look.colour,
                        linewidth={"faint": 1.0, "reference": 1.4}.get(entry.kind, 2.0),
                        linestyle="-"
                        if entry.look.dashes is None or entry.kind == "faint"
                        else (0, entry.look.dashes),
                        alpha=0.5 if entry.kind == "faint" else 1.0,
                        marker=entry.look.marker if entry.marked else None,
                        markersize=5,
                        markevery=[] if not entry.marked else [0],
                        markeredgecolor=LIGHT["paper"],
                    )
                self.lines([text], x1 + 5, y, small, LIGHT["ink"])
            y += line + 3


def draw(
    panels: list[Panel] | tuple[Panel, ...], looks: Looks, columns: int, panel_width: float, size: float
) -> Any:
    """A matplotlib Figure with the panels in a grid of `columns`; sizes in pixels (points)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layouts = [lay_out(panel, looks, panel_width, size) for panel in panels]
    rows = [layouts[start : start + columns] for start in range(0, len(layouts), columns)]
    gutter = 14.0
    # In a row the axes stand level: the tallest head and the tallest foot decide.
    heads = [max(layout.above for layout in row) for row in rows]
    bodies = [max(layout.plot + layout.below for layout in row) for row in rows]
    total_width = columns * panel_width + (columns - 1) * gutter
    total_height = sum(heads) + sum(bodies) + (len(rows) - 1) * gutter
    figure = Figure(figsize=(total_width / 72, total_height / 72), dpi=72)
    FigureCanvasAgg(figure)
    figure.patch.set_facecolor(LIGHT["paper"])
    y = 0.0
    for row, head, body in zip(rows, heads, bodies):
        for column, layout in enumerate(row):
            _Cell(figure, layout, looks, column * (panel_width + gutter), y, head - layout.above).draw()
        y += head + body + gutter
    return figure

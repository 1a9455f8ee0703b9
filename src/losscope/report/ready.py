"""A panel made ready to draw: masked, thinned, its limits known, its labels told from its key."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .looks import Look, Looks
from .panel import Bars, Line, Panel, Points, Region
from .table import shared_decimals, text_of
from .theme import LIGHT
from .thin import line_indices, scatter_indices

MOST_DIRECT_LABELS = 8
SPARSE = 16  # up to so many points a line shows each of them by a marker


@dataclass
class Entry:
    """One line of the key below a panel."""

    text: str
    look: Look
    kind: str  # "line", "faint", "reference", "points", "bar"
    marked: bool = False


@dataclass
class Curve:
    """A line ready to draw: thinned, with NaN wherever there is nothing to show."""

    line: Line
    look: Look
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    marked: bool


@dataclass
class Ready:
    """A panel's data as it will be drawn, its limits, and the texts around it."""

    panel: Panel
    curves: list[Curve] = field(default_factory=list)
    scatters: list[tuple[Points, Look, np.ndarray, np.ndarray]] = field(default_factory=list)
    regions: list[tuple[Region, Look]] = field(default_factory=list)
    key: list[Entry] = field(default_factory=list)
    direct: list[Curve] = field(default_factory=list)
    x_limits: tuple[float, float] = (0.0, 1.0)
    y_limits: tuple[float, float] = (0.0, 1.0)
    empty: bool = True
    decimals: int = 0  # of the numbers at the ends of bars


def bar_text(value: float, decimals: int) -> str:
    return "n/a" if math.isnan(value) else text_of(float(value), decimals).replace("-", "−")


def reference_look() -> Look:
    """Neutral, and so fine a dash that no curve has it."""
    return Look(LIGHT["reference"], (0.8, 2.2), "|")


def _masked(values: np.ndarray, scale: str) -> np.ndarray:
    shown = np.isfinite(values)
    if scale == "log":
        shown &= values > 0
    return np.where(shown, values, np.nan)


def _range(values: list[np.ndarray], scale: str, margin: float) -> tuple[float, float] | None:
    known = [part[np.isfinite(part)] for part in values]
    known = [part for part in known if part.size]
    if not known:
        return None
    low, high = min(float(part.min()) for part in known), max(float(part.max()) for part in known)
    if scale == "log":
        low, high = (min(max(end, 1e-306), 1e306) for end in (low, high))  # room for the slack
        if low == high:
            return low / 2, high * 2
        slack = margin * (math.log10(high) - math.log10(low))
        return 10.0 ** max(math.log10(low) - slack, -307.0), 10.0 ** min(math.log10(high) + slack, 307.0)
    # What lies outside runs out of the axes: beyond it, matplotlib's own arithmetic overflows.
    low, high = (min(max(end, -1e300), 1e300) for end in (low, high))
    if low == high:
        slack = abs(low) * 0.1 or 1.0
    else:
        slack = margin * (high - low)
        # Ticks need a span that can be told from its middle.
        slack = max(slack, (max(abs(low), abs(high)) * 1e-9 + 1e-290 - (high - low)) / 2)
    return low - slack, high + slack


def prepare(panel: Panel, looks: Looks) -> Ready:
    unknown = {"linear": (0.0, 1.0), "log": (1.0, 10.0)}
    ready = Ready(panel, x_limits=unknown[panel.x_scale], y_limits=unknown[panel.y_scale])
    adding: dict[type, Callable[..., Drawn | None]] = {
        Line: _add_line,
        Points: _add_points,
        Region: _add_region,
    }
    drawn = [
        found
        for item in panel.items
        if type(item) in adding and (found := adding[type(item)](ready, item, looks)) is not None
    ]
    xs, ys = [x for x, _ in drawn], [y for _, several in drawn for y in several]
    notes = np.array([x for x, _ in panel.notes], dtype=np.float64)
    if xs:
        ready.empty = False
        only_lines = not ready.scatters and not any(curve.marked for curve in ready.curves)
        found_x = _range([*xs, _masked(notes, panel.x_scale)], panel.x_scale, 0.0 if only_lines else 0.025)
        found_y = _range(ys, panel.y_scale, 0.0 if ready.regions else 0.05)
        if ready.regions:  # the filled area is the picture: no rim around it
            found_x = _range([*xs], panel.x_scale, 0.0)
        ready.x_limits, ready.y_limits = found_x or ready.x_limits, found_y or ready.y_limits
    ready.x_limits = panel.x_limits or ready.x_limits
    ready.y_limits = panel.y_limits or ready.y_limits
    _label(ready)
    return ready


Drawn = tuple[np.ndarray, list[np.ndarray]]  # the numbers along x and along y that must be in the picture


def _add_line(ready: Ready, item: Line, looks: Looks) -> Drawn | None:
    panel = ready.panel
    x, y = _masked(item.x, panel.x_scale), _masked(item.y, panel.y_scale)
    y = np.where(np.isnan(x), np.nan, y)
    low = high = None
    if item.low is not None:
        low, high = (np.where(np.isnan(x), np.nan, _masked(b, "linear")) for b in (item.low, item.high))
        if panel.y_scale == "log":  # a band that reaches zero goes down to the axis, not away
            low, high = np.where(low <= 0, np.nan, low), np.where(high <= 0, np.nan, high)
    if not np.isfinite(y).any():
        return None
    keep = line_indices(*(curve for curve in (y, low, high) if curve is not None))
    x, y = x[keep], y[keep]
    low, high = (None if b is None else b[keep] for b in (low, high))
    count = int(np.isfinite(y).sum())
    marked = count == 1 or (item.style == "auto" and count <= SPARSE)
    look = reference_look() if item.style == "reference" else looks[item.label]
    ready.curves.append(Curve(item, look, x, y, low, high, marked))
    return np.where(np.isnan(y), np.nan, x), [y] + [b for b in (low, high) if b is not None]


def _add_points(ready: Ready, item: Points, looks: Looks) -> Drawn | None:
    panel = ready.panel
    x, y = _masked(item.x, panel.x_scale), _masked(item.y, panel.y_scale)
    shown = ~(np.isnan(x) | np.isnan(y))
    if not shown.any():
        return None
    x, y = x[shown], y[shown]
    keep = scatter_indices(x, y)
    ready.scatters.append((item, looks[item.label], x[keep], y[keep]))
    if item.label and not any(isinstance(each, Line) and each.label == item.label for each in panel.items):
        thinned = "" if len(keep) == len(x) else f" ({len(keep)} of {len(x)} shown)"
        ready.key.append(Entry(item.label + thinned, looks[item.label], "points"))
    return x, [y]


def _add_region(ready: Ready, item: Region, looks: Looks) -> Drawn:
    ready.regions.append((item, looks[item.label]))
    if item.label:
        ready.key.append(Entry(item.label, looks[item.label], "bar"))
    return item.x, [item.y]


def _label(ready: Ready) -> None:
    """Which curves are named where they end, and which in the key."""
    named = {curve.line.label for curve in ready.curves if curve.line.style != "faint"}
    strong: dict[tuple[str, bool], Curve] = {}
    for curve in ready.curves:  # a label that occurs twice in a panel is written once
        if curve.line.label and curve.line.style != "faint":
            strong.setdefault((curve.line.label, curve.line.style == "reference"), curve)
    ready.direct = list(strong.values())
    faint: dict[str, Curve] = {}
    for curve in ready.curves:
        if curve.line.label and curve.line.style == "faint" and curve.line.label not in named:
            faint.setdefault(curve.line.label, curve)
    ready.key += [Entry(label, curve.look, "faint") for label, curve in faint.items()]
    if len(ready.direct) > MOST_DIRECT_LABELS:
        to_key(ready)


def to_key(ready: Ready) -> None:
    entries = [
        Entry(c.line.label, c.look, "reference" if c.line.style == "reference" else "line", c.marked)
        for c in ready.direct
    ]
    ready.key = entries + ready.key
    ready.direct = []


def last_shown(curve: Curve, ready: Ready) -> tuple[float, float] | None:
    """The last point of a curve that lies inside the axes; where none does, its last point moved to the
    edge.
    """
    (left, right), (bottom, top) = ready.x_limits, ready.y_limits
    finite = np.isfinite(curve.y)
    inside = finite & (curve.x >= left) & (curve.x <= right) & (curve.y >= bottom) & (curve.y <= top)
    if inside.any():
        # the point furthest right, which is the last one of all ordinary curves
        candidates = np.flatnonzero(inside)
        at = int(candidates[len(candidates) - 1 - np.argmax(curve.x[candidates][::-1])])
        x, y = float(curve.x[at]), float(curve.y[at])
        after = at + 1
        # A curve that leaves through the top is labelled where it leaves, not at its last sample before that.
        if after < len(curve.y) and np.isfinite(curve.y[after]) and curve.x[after] > x and x < right:
            x1, y1 = float(curve.x[after]), float(curve.y[after])
            edge = top if y1 > top else bottom if y1 < bottom else None
            if edge is not None and ready.panel.y_scale == "linear" and ready.panel.x_scale == "linear":
                x += min((edge - y) / (y1 - y), 1.0) * (x1 - x)
                return min(x, right), edge
        return x, y
    at = int(np.flatnonzero(finite)[-1])
    return min(max(float(curve.x[at]), left), right), min(max(float(curve.y[at]), bottom), top)


def prepare_bars(ready: Ready, bars: list[Bars], looks: Looks) -> list[str]:
    """Limits and key of a bar panel; returns the names down the axis, in order of first appearance."""
    panel = ready.panel
    names = list(dict.fromkeys(name for bar in bars for name in bar.names))
    ready.decimals = shared_decimals([float(value) for bar in bars for value in bar.values])
    ends = [
        _masked(part, panel.x_scale) for b in bars for part in (b.values, b.low, b.high) if part is not None
    ]
    ready.empty = not any(np.isfinite(_masked(bar.values, panel.x_scale)).any() for bar in bars)
    if panel.x_scale == "linear":
        ends.append(np.zeros(1))  # a bar's length means something only from zero
    found = _range(ends, panel.x_scale, 0.0)
    if found:
        low, high = found
        if panel.x_scale == "log":
            low /= 2  # so that the smallest bar has a length
        else:
            slack = 0.03 * (high / 2 - low / 2) * 2
            low, high = low - slack * (low < 0), high + slack * (high > 0)
        ready.x_limits = panel.x_limits or (low, high)
    ready.y_limits = (-0.5, len(names) - 0.5)
    if len(bars) > 1:
        ready.key = [Entry(bar.label, looks[bar.label], "bar") for bar in bars if bar.label]
    return names

"""What one pair of axes shows: curves, points, regions, bars. Data only; nothing is drawn here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SCALES = ("linear", "log")
STYLES = ("auto", "faint", "reference")


def _numbers(values: Any, what: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what}: expected numbers, got {values!r:.80}") from error
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one dimension, got shape {array.shape}")
    return array


def _same_length(owner: str, length: int, **others: np.ndarray | None) -> None:
    for name, values in others.items():
        if values is not None and len(values) != length:
            raise ValueError(f"{owner}: {name} has {len(values)} values, expected {length}")


def _band(owner: str, low: Any, high: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    if (low is None) != (high is None):
        raise ValueError(f"{owner}: a band needs both low and high; got only one of them")
    if low is None:
        return None, None
    return _numbers(low, f"{owner}: low"), _numbers(high, f"{owner}: high")


@dataclass(frozen=True, eq=False)
class Line:
    """A curve through (x, y), in the order given; `low` and `high` draw a band around it.

    x, y, low, high: shape (n,). NaN and infinities leave a gap. `style`: "auto" for a curve with a colour
    and a dash pattern of its own; "faint" for one of many (a single seed, say), thin and without a label of
    its own; "reference" for a neutral grey line to compare with. Same `label`, same colour and dashes, all
    over a page. Raises ValueError where lengths differ.

    >>> Line([0, 1, 2], [1.0, 0.5, 0.25], "huber", low=[0.9, 0.4, 0.2], high=[1.1, 0.6, 0.3]).label
    'huber'
    >>> Line([0, 1], [1.0], "short")
    Traceback (most recent call last):
    ValueError: Line 'short': y has 1 values, expected 2
    """

    x: Any
    y: Any
    label: str
    low: Any = None
    high: Any = None
    style: str = "auto"

    def __post_init__(self) -> None:
        owner = f"Line {self.label!r}"
        x, y = _numbers(self.x, f"{owner}: x"), _numbers(self.y, f"{owner}: y")
        low, high = _band(owner, self.low, self.high)
        _same_length(owner, len(x), y=y, low=low, high=high)
        if self.style not in STYLES:
            raise ValueError(f"{owner}: unknown style {self.style!r}; one of {', '.join(STYLES)}")
        for name, value in (("x", x), ("y", y), ("low", low), ("high", high), ("label", str(self.label))):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class Points:
    """A scatter of points. x, y: shape (n,). More than 3000 are thinned out evenly, and the key says so.

    >>> Points([1, 2], [3, 4], "houses").y.tolist()
    [3.0, 4.0]
    """

    x: Any
    y: Any
    label: str

    def __post_init__(self) -> None:
        owner = f"Points {self.label!r}"
        x, y = _numbers(self.x, f"{owner}: x"), _numbers(self.y, f"{owner}: y")
        _same_length(owner, len(x), y=y)
        for name, value in (("x", x), ("y", y), ("label", str(self.label))):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class Region:
    """Where something is so, filled: a classifier's side of its decision boundary, with the boundary drawn.

    x: shape (n,), y: shape (m,), rising; inside: shape (m, n), a score that is above 0 inside.

    >>> Region([0, 1], [0, 1, 2], [[-1, 1], [-1, 1], [-1, 1]], "class 1").inside.shape
    (3, 2)
    """

    x: Any
    y: Any
    inside: Any
    label: str

    def __post_init__(self) -> None:
        owner = f"Region {self.label!r}"
        x, y = _numbers(self.x, f"{owner}: x"), _numbers(self.y, f"{owner}: y")
        inside = np.asarray(self.inside, dtype=np.float64)
        if inside.shape != (len(y), len(x)) or min(len(x), len(y)) < 2:
            raise ValueError(
                f"{owner}: inside has shape {inside.shape}, expected {(len(y), len(x))}, 2 or more each"
            )
        if not np.isfinite(inside).all():
            raise ValueError(f"{owner}: inside has numbers that are not finite")
        for name, values in (("x", x), ("y", y)):
            if not np.all(np.diff(values) > 0):
                raise ValueError(f"{owner}: {name} must rise, got {values!r:.80}")
        for name, value in (("x", x), ("y", y), ("inside", inside), ("label", str(self.label))):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class Bars:
    """Horizontal bars, one a name; several in one panel stand grouped. `low`, `high`: the whisker at the end.

    names: n texts; values, low, high: shape (n,). NaN: no bar, and "n/a" in its place.

    >>> Bars(["mse", "mae"], [0.4, 0.3], "test MAE").names
    ('mse', 'mae')
    """

    names: Any
    values: Any
    label: str
    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        owner = f"Bars {self.label!r}"
        values = _numbers(self.values, f"{owner}: values")
        low, high = _band(owner, self.low, self.high)
        names = tuple(str(name) for name in self.names)
        if len(names) != len(values):
            raise ValueError(f"{owner}: {len(names)} names for {len(values)} values")
        if len(set(names)) != len(names):
            raise ValueError(f"{owner}: a name occurs twice in {list(names)}")
        _same_length(owner, len(names), low=low, high=high)
        pairs = (
            ("names", names),
            ("values", values),
            ("low", low),
            ("high", high),
            ("label", str(self.label)),
        )
        for name, value in pairs:
            object.__setattr__(self, name, value)


Item = Line | Points | Region | Bars

_COUNTED = re.compile(r"(?:epoch|step|iteration|update)s?\b", re.IGNORECASE)


def _limits(owner: str, name: str, limits: Any, scale: str) -> tuple[float, float] | None:
    if limits is None:
        return None
    try:
        low, high = (float(value) for value in limits)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: {name} must be two numbers (low, high), got {limits!r}") from error
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"{owner}: {name} must be finite and low < high, got {limits!r}")
    if scale == "log" and low <= 0:
        raise ValueError(f"{owner}: {name} must be positive on a log scale, got {limits!r}")
    return low, high


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes. Labels carry their unit: "error (kg)". Scales: "linear" or "log".

    `notes`: vertical marks as (x, text), the text above the axes. With Bars the x axis is the values' axis.
    No items, or none with anything to draw: the panel says "no data".

    >>> Panel("Value", "residual", "loss", [Line([-1, 0], [1, 0], "mse")], notes=[(0.0, "kink")]).x_scale
    'linear'
    >>> Panel("Value", "residual", "loss", [], y_scale="sqrt")
    Traceback (most recent call last):
    ValueError: Panel 'Value': unknown y_scale 'sqrt'; one of linear, log
    """

    title: str
    x_label: str
    y_label: str
    items: Sequence[Item]
    x_scale: str = "linear"
    y_scale: str = "linear"
    notes: Sequence[tuple[float, str]] = ()
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        owner = f"Panel {self.title!r}"
        for name, scale in (("x_scale", self.x_scale), ("y_scale", self.y_scale)):
            if scale not in SCALES:
                raise ValueError(f"{owner}: unknown {name} {scale!r}; one of {', '.join(SCALES)}")
        items = tuple(self.items)
        for item in items:
            if not isinstance(item, (Line, Points, Region, Bars)):
                raise ValueError(
                    f"{owner}: an item must be Line, Points, Region or Bars, got {type(item).__name__}"
                )
        bars = [isinstance(item, Bars) for item in items]
        if any(bars) and not all(bars):
            raise ValueError(
                f"{owner}: Bars have names on their y axis and cannot share it with Line, Points or Region"
            )
        try:
            notes = tuple((float(x), str(text)) for x, text in self.notes)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{owner}: notes must be pairs (x, text), got {self.notes!r:.80}") from error
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "notes", notes)
        for name, scale in (("x_limits", self.x_scale), ("y_limits", self.y_scale)):
            object.__setattr__(self, name, _limits(owner, name, getattr(self, name), scale))


def counts(panel: Panel) -> bool:
    """Whether the x axis counts something, such as epochs: then a tick between two of them means nothing.

    >>> counts(Panel("p", "epoch (gradient steps)", "loss", [Line([0, 1, 2], [3, 2, 1], "mse")]))
    True
    >>> counts(Panel("p", "epoch", "loss", [Line([0, 0.5], [3, 2], "mse")]))
    False
    """
    if _COUNTED.match(panel.x_label.strip()) is None:
        return False
    lines = [item.x for item in panel.items if not isinstance(item, Bars)]
    return all(bool(np.all(x[np.isfinite(x)] % 1 == 0)) for x in lines)

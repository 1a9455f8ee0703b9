"""A figure of one or more panels, and its forms: SVG, HTML, PNG, PDF."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .looks import Looks
from .panel import Bars, Line, Panel, Points, Region
from .table import text_of
from .write import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
# Panel widths and font sizes in pixels, by number of columns. In a file of its own a chart is scaled as a
# whole, so its letters are larger; in a page each panel is an SVG of its own and wraps, so it keeps its size.
_FILE = {1: (540.0, 14.0), 2: (360.0, 14.0), 3: (320.0, 14.0)}
_PAGE = {1: (350.0, 13.0), 2: (350.0, 13.0), 3: (308.0, 13.0)}
_NARROWEST = {1: "100%", 2: "22rem", 3: "17rem"}


@contextmanager
def _settings() -> Iterator[None]:
    """Our drawing settings over matplotlib's defaults, whatever the user has set; undone afterwards."""
    from matplotlib import style

    from .draw import SETTINGS

    with style.context(["default", SETTINGS]), warnings.catch_warnings():
        # A letter that DejaVu lacks is drawn by the font of the page; see lettering.py for its width.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
        yield


def _describe(panel: Panel) -> str:
    """A panel in words, for those who do not see it."""
    parts = []
    for item in panel.items:
        if isinstance(item, Region):
            parts.append(f"{item.label}: {(item.inside > 0).mean():.0%} of the area")
            continue
        values = item.values if isinstance(item, Bars) else item.y
        finite = values[abs(values) < float("inf")]
        if not finite.size:
            parts.append(f"{item.label}: no data")
        elif isinstance(item, Bars):
            shown = ", ".join(f"{name} {text_of(float(v))}" for name, v in zip(item.names, item.values))
            parts.append(f"{item.label}: {shown}")
        elif isinstance(item, Points):
            parts.append(f"{item.label}: {len(item.x)} points, {panel.y_label} {_span(finite)}")
        elif item.style != "faint":
            first, last = text_of(float(finite[0])), text_of(float(finite[-1]))
            parts.append(f"{item.label}: from {first} to {last}, range {_span(finite)}")
    what = "; ".join(parts) or "no data"
    return f"{panel.title}. {panel.y_label} against {panel.x_label}. {what}."


def _span(values: Any) -> str:
    return f"{text_of(float(values.min()))} to {text_of(float(values.max()))}"


@dataclass(frozen=True, eq=False, repr=False)
class Chart:
    """Panels side by side, at most three in a row.

    `columns`: by default 1 for one panel, 2 for more in a file (so that it can be read at 400 px). `name`:
    of the file and the anchor. `looks`: label -> colour, dashes, marker; by default by order of first
    appearance in this chart; a `Page` uses one for all its charts. The same data give the same bytes.

    >>> panel = Panel("Value", "residual (kg)", "loss", [Line([-1, 0, 1], [1, 0, 1], "mse")])
    >>> svg = Chart([panel], caption="The squared error.").svg()
    >>> svg.startswith("<svg"), svg == Chart([panel], caption="The squared error.").svg()
    (True, True)
    """

    panels: Sequence[Panel]
    caption: str = ""
    name: str = "chart"
    columns: int | None = None
    looks: Looks | None = None

    def __post_init__(self) -> None:
        panels = tuple(self.panels)
        if not panels:
            raise ValueError("Chart: no panels")
        for panel in panels:
            if not isinstance(panel, Panel):
                raise ValueError(f"Chart: expected Panel, got {type(panel).__name__}")
        if self.columns is not None and self.columns not in (1, 2, 3):
            raise ValueError(f"Chart: columns must be 1, 2 or 3, got {self.columns!r}")
        object.__setattr__(self, "panels", panels)

    def __repr__(self) -> str:
        return f"<Chart {self.name}: {', '.join(panel.title for panel in self.panels)}>"

    def labels(self) -> list[list[str]]:
        """For each panel the labels that have a look of their own, in order of first appearance."""
        found: list[list[str]] = []
        for panel in self.panels:
            here: dict[str, None] = {}
            for item in panel.items:
                if isinstance(item, Line) and item.style == "reference":
                    continue
                if isinstance(item, Bars) and sum(isinstance(other, Bars) for other in panel.items) == 1:
                    continue  # a lone series of bars may take the looks of its names: see draw.py
                here[item.label] = None
            found.append(list(here))
        return found

    def _looks(self, given: Looks | None) -> Looks:
        looks = next((each for each in (given, self.looks) if each is not None), Looks())
        looks.introduce_all(self.labels())
        return looks

    def _title(self) -> str:
        return self.caption or "; ".join(panel.title for panel in self.panels)

    def _prefix(self) -> str:
        """An id that depends on what is shown, so that two charts on one page differ."""
        digest = hashlib.sha256(repr((self.name, self.caption, self.columns)).encode())
        for panel in self.panels:
            digest.update(_describe(panel).encode())
            for item in panel.items:
                for value in vars(item).values():
                    digest.update(value.tobytes() if hasattr(value, "tobytes") else repr(value).encode())
        return f"ls{digest.hexdigest()[:10]}-"

    def _columns(self) -> int:
        return min(self.columns or 2, len(self.panels))

    def figure(self, looks: Looks | None = None) -> Figure:
        """All panels as one matplotlib Figure (no pyplot, nothing to close)."""
        from .draw import draw

        columns = self._columns()
        wide, size = _FILE[columns]
        with _settings():
            return draw(tuple(self.panels), self._looks(looks), columns, wide, size)

    def svg(self, looks: Looks | None = None) -> str:
        """One SVG that stands alone: it brings its colours for light and dark."""
        from .svg import to_svg

        described = " ".join(_describe(panel) for panel in self.panels)
        with _settings():
            return to_svg(self.figure(looks), self._prefix(), self._title(), described, standalone=True)

    def inline(self, looks: Looks | None = None, prefix: str | None = None) -> str:
        """A <figure> for a page that defines the colours: one SVG a panel, in a grid that wraps on narrow
        screens.

        `prefix` of all ids; needed only where the very same chart stands twice on one page.
        """
        from html import escape

        from .draw import draw
        from .svg import to_svg

        shared = self._looks(looks)
        prefix = prefix or self._prefix()
        columns = min(self.columns or (3 if len(self.panels) in (3, 5, 6) else 2), len(self.panels))
        wide, size = _PAGE[columns]
        drawn = []
        with _settings():
            for number, panel in enumerate(self.panels):
                figure = draw((panel,), shared, 1, wide, size)
                name = f"{prefix}{number}-" if len(self.panels) > 1 else prefix
                drawn.append(
                    to_svg(figure, name, panel.title or self._title(), _describe(panel), standalone=False)
                )
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        tracks = f"repeat(auto-fit,minmax(min(100%,{_NARROWEST[columns]}),1fr))"
        grid = f"display:grid;gap:1rem;grid-template-columns:{tracks}"
        if columns == 1:
            grid += ";max-width:27rem"  # wider, its letters would outgrow the text around it
        return f'<figure class="losscope-chart"><div style="{grid}">{"".join(drawn)}</div>{caption}</figure>'

    def save(self, path: str | os.PathLike[str], looks: Looks | None = None) -> Path:
        """Write the chart; the suffix says how: .svg, .png (at twice the size) or .pdf."""
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(
                f"cannot save a chart as {path.name!r}: unknown suffix; one of {', '.join(SUFFIXES)}"
            )
        if suffix == ".svg":
            return write_atomic(path, self.svg(looks) + "\n")
        buffer = io.BytesIO()
        metadata = (
            {"Software": None}
            if suffix == ".png"
            else {"CreationDate": None, "Creator": None, "Producer": None}
        )
        with _settings():
            self.figure(looks).savefig(buffer, format=suffix[1:], dpi=144, metadata=metadata)
        return write_atomic(path, buffer.getvalue())

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        from .theme import FONT, css

        style = css(".losscope-notebook")
        look = f"background:var(--ls-paper);color:var(--ls-ink);padding:.5rem;font-family:{FONT}".replace(
            '"', "'"
        )
        return f'<div class="losscope-notebook" style="{look}"><style>{style}</style>{self.inline()}</div>'

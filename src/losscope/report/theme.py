"""The colours, each with a name, for light and dark paper.

Figures are drawn in the light values; `svg.py` then replaces each by its variable. So the light values must
all differ. Series colours start from Okabe and Ito's colour-blind safe set (2008, "Color Universal Design");
then a search moved them until each has a contrast of at least 4.5 to 1 as text and any two differ by at least
12 in CIELAB with normal sight, deuteranopia and protanopia (Machado et al. 2009, severity 1). The dashes
differ as well.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#1b1f24",
    "muted": "#57606a",
    "reference": "#6a737d",
    "axis": "#8c959f",
    "grid": "#e4e7eb",
    "paper": "#ffffff",
    "series-0": "#0778c3",
    "series-1": "#ba4a0b",
    "series-2": "#058054",
    "series-3": "#884e86",
    "series-4": "#5b5927",
    "series-5": "#7a0d75",
    "series-6": "#254f5a",
}
DARK = {
    "ink": "#e6e9ed",
    "muted": "#a3acb6",
    "reference": "#8f99a4",
    "axis": "#6b7580",
    "grid": "#2a3037",
    "paper": "#14171b",
    "series-0": "#46b0fe",
    "series-1": "#ff8d55",
    "series-2": "#3bd9a0",
    "series-3": "#d186d2",
    "series-4": "#eda32a",
    "series-5": "#da6f9c",
    "series-6": "#d1bbc9",
}
SERIES = tuple(colour for name, colour in LIGHT.items() if name.startswith("series-"))
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'

_NAME_OF = {colour: name for name, colour in LIGHT.items()}


def variable(colour: str) -> str:
    """A light-theme hex value as a CSS variable that falls back to it.

    >>> variable("#1b1f24")
    'var(--ls-ink, #1b1f24)'
    """
    name = _NAME_OF.get(colour.lower())
    return colour if name is None else f"var(--ls-{name}, {colour.lower()})"


def css(selector: str) -> str:
    """The variables, set on `selector`, for both themes. Paper that is printed stays light."""
    light = "".join(f"--ls-{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--ls-{name}:{value};" for name, value in DARK.items())
    return f"{selector}{{{light}}}\n@media screen and (prefers-color-scheme:dark){{{selector}{{{dark}}}}}\n"

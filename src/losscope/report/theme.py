"""The colours, each with a name, for light and dark paper.

Figures are drawn in the light values; `svg.py` then replaces each by its variable. So the light values must
all differ. Series colours start from Okabe and Ito's colour-blind safe set (2008, "Color Universal Design")
and are darkened (lightened for the dark theme) until text in them has a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#1b1f24",
    "muted": "#57606a",
    "reference": "#6a737d",
    "axis": "#8c959f",
    "grid": "#e4e7eb",
    "paper": "#ffffff",
    "series-0": "#0067b1",
    "series-1": "#c04a00",
    "series-2": "#007a5a",
    "series-3": "#9a3d8f",
    "series-4": "#8a6400",
    "series-5": "#b3194f",
    "series-6": "#46525f",
}
DARK = {
    "ink": "#e6e9ed",
    "muted": "#a3acb6",
    "reference": "#8f99a4",
    "axis": "#6b7580",
    "grid": "#2a3037",
    "paper": "#14171b",
    "series-0": "#5ab0f2",
    "series-1": "#ff8a4a",
    "series-2": "#3ecfa0",
    "series-3": "#df8fd0",
    "series-4": "#e0b030",
    "series-5": "#ff7f9f",
    "series-6": "#b9c4d0",
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

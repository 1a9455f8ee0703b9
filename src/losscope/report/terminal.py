"""Words on a terminal of any width: broken between words, never within one; unbroken where nobody looks. No word carries
codes that the terminal would obey."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.segment import Segment

from losscope.errors import visible_lines


class Terminal(Console):
    """A console that writes out control characters in what it prints; its own colours and bars stay."""

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Lay out what is to be printed."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible_lines(text), style, control)


def width_of(console: Console) -> int | None:
    """The columns there are; None where it is no terminal, so that a line can be searched as a whole."""
    return console.width if console.is_terminal else None


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """Lines of at most `width`, further ones indented. A formula longer than a line is broken after its `*`; any
    other word that is longer stands alone and whole.

    >>> wrapped("one two", 5), wrapped("a doi:10.1214/aoms", 6, "  "), wrapped("one two", None)
    (['one', 'two'], ['a', '  doi:10.1214/aoms'], ['one two'])
    >>> wrapped("2*a**2*sigmoid(x)", 12)
    ['2*a**2*', 'sigmoid(x)']
    """
    if width is None:
        return [text]
    lines, line = [], ""
    for word in text.split():
        long = len(word) > width - len(indent)
        parts = re.split(r"(?<=[^*]\*)(?!\*)", word) if long else [word]
        for number, part in enumerate(parts):
            gap = " " if line.strip() and number == 0 else ""
            if line.strip() and len(line + gap + part) > width:
                lines.append(line)
                line, gap = indent, ""
            line += gap + part
    return [*lines, line]


def listing(entries: Sequence[tuple[str, str]], width: int | None, gap: int = 2) -> list[tuple[str, str]]:
    """(name, text) side by side -> lines as (name with its room, text); below each other where it is narrow.

    >>> listing([("a", "one two"), ("long", "three")], 12)
    [('a     ', 'one'), ('      ', 'two'), ('long  ', 'three')]
    >>> listing([("a", "a_long_name")], 8)
    [('a', ''), ('  ', 'a_long_name')]
    """
    left = max((len(name) for name, _ in entries), default=0) + gap
    words = max((len(word) for _, text in entries for word in re.split(r"[ *]", text)), default=0)
    below = width is not None and width - left < min(words, 20)
    lines: list[tuple[str, str]] = []
    for name, text in entries:
        if below:
            lines.append((name, ""))
            lines += [("  ", line) for line in wrapped(text, None if width is None else width - 2) if line]
            continue
        first, *further = wrapped(text, None if width is None else width - left)
        lines.append((name.ljust(left) if first else name, first))
        lines += [(" " * left, line) for line in further]
    return lines

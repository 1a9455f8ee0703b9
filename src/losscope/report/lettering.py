"""How wide a text is, and where to break it.

Measured in DejaVu Sans, which matplotlib brings along: the same on every machine, and wider than nearly every
font a browser will put in its place, so that what fits here fits there.
"""

from __future__ import annotations

import re
from functools import lru_cache

FAMILY = "DejaVu Sans"
LEADING = 1.25  # line height over font size
JOINTS = "_@:-/"  # where a name may be broken: squared_error@sigmoid


@lru_cache(maxsize=4096)
def width(text: str, size: float, bold: bool = False) -> float:
    """Width of one line in pixels, for a font size in pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    # Chinese, Japanese and Korean letters are squares; DejaVu has none of them to measure.
    squares = sum(ord(letter) >= 0x2E80 for letter in text)
    if squares:
        rest = "".join(letter for letter in text if ord(letter) < 0x2E80)
        return squares * size + width(rest, size, bold)
    font = FontProperties(family=FAMILY, size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _cut(word: str, size: float, room: float, bold: bool) -> str:
    """The longest beginning of `word` that fits (at least one letter), cut at a joint of the name if it has one."""
    end = 1
    while end < len(word) and width(word[: end + 1], size, bold) <= room:
        end += 1
    joint = max(word.rfind(mark, 0, end) for mark in JOINTS) + 1
    return word[: joint if joint > 1 and end < len(word) else end]


def wrap(text: str, size: float, room: float, most: int = 3, bold: bool = False) -> list[str]:
    """Lines of at most `room` pixels, at most `most` of them; what is left over ends in an ellipsis.

    >>> wrap("short", 12, 200)
    ['short']
    >>> len(wrap("many words " * 40, 12, 120))
    3
    """
    words = re.findall(
        r"[\u2e80-\uffff]|[^\s\u2e80-\uffff]+", text
    )  # between two square letters a line may end
    lines: list[str] = []
    line = ""
    while words:
        joint = "" if line and (line[-1] >= "\u2e80" or words[0] >= "\u2e80") else " "
        longer = f"{line}{joint}{words[0]}" if line else words[0]
        if width(longer, size, bold) <= room:
            line = longer
            words.pop(0)
        elif line:
            lines.append(line)
            line = ""
        else:  # one word wider than the room is cut
            head = _cut(words[0], size, room, bold)
            lines.append(head)
            words[0] = words[0][len(head) :]
            if not words[0]:
                words.pop(0)
        if len(lines) > most:
            break
    if line:
        lines.append(line)
    if len(lines) > most:
        last = lines[most - 1]
        while last and width(last + "…", size, bold) > room:
            last = last[:-1]
        lines = [*lines[: most - 1], last.rstrip() + "…"]
    return lines

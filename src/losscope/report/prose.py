"""A paragraph of text to HTML: **bold**, `code` and $formula$, everything else escaped.

Formulas become drawings (matplotlib's mathtext), so that a page needs no script, no font and no request. A
formula that mathtext does not know stays readable as code.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import Any

# A dollar opens a formula only before, and closes one only after, something other than a space, and not
# before a digit: "$5 and $6" are prices. (The rule is Pandoc's.)
_PIECES = re.compile(
    r"`(?P<code>[^`]+)`|(?<!\\)\$(?P<formula>\S(?:[^$]*[^\s$\\])?)\$(?!\d)|\*\*(?P<bold>.+?)\*\*"
)
# A browser may end a line after the sign of an exponent, or inside of H(p, q).
_WHOLE = re.compile(r"\b\d[\d.]*e-\d+|\w*\([\w|]{1,4}, ?[\w|]{1,4}\)")
_JOINTS = re.compile(r"(?<=[\w)][.(])(?=[A-Za-z])")  # where a line may end in code: numpy. log2( a)
_CASES = re.compile(r"\\begin\{cases\}(?P<rows>.*?)\\end\{cases\}", re.DOTALL)


def html_of(text: str) -> str:
    """A paragraph's inside as safe HTML.

    >>> html_of("a **bold** claim, `x < 1`, <script>")
    'a <strong>bold</strong> claim, <code>x &lt; 1</code>, &lt;script&gt;'
    >>> html_of("2e-08 of H(p, q), `numpy.log2(a)`")
    '<span class="whole">2e-08</span> of <span class="whole">H(p, q)</span>, <code>numpy.<wbr>log2(<wbr>a)</code>'
    >>> "<svg" in html_of(r"$\\frac{1}{2} r^2$")
    True
    """
    alone = _PIECES.fullmatch(text.strip())
    if alone and alone["formula"] is not None:
        return formula(large(alone["formula"]))
    parts = []
    end = 0
    for match in _PIECES.finditer(text):
        parts.append(_plain(text[end : match.start()]))
        end = match.end()
        if match["code"] is not None:
            parts.append(f"<code>{_JOINTS.sub('<wbr>', escape(match['code']))}</code>")
        elif match["formula"] is not None:
            parts.append(formula(match["formula"]))
        else:
            parts.append(f"<strong>{html_of(match['bold'])}</strong>")
    parts.append(_plain(text[end:]))
    return "".join(parts)


def _plain(text: str) -> str:
    text = escape(text.replace("\\$", "$"))
    return _WHOLE.sub(lambda match: f'<span class="whole">{match[0]}</span>', text)


def large(latex: str) -> str:
    """Fractions in full size: for a formula that has a line to itself."""
    return latex.replace(r"\frac", r"\dfrac")


def formula(latex: str) -> str:
    """A LaTeX formula as inline SVG in the colour of the text around it, its source as the spoken text."""
    cases = _CASES.search(latex)
    if cases:  # mathtext has one line only, so a case distinction is a small table of formulas
        before, after = latex[: cases.start()].strip(), latex[cases.end() :].strip()
        rows = [
            [_formula(large(cell.strip())) for cell in row.split("&")]
            for row in re.split(r"\\\\", cases["rows"])
            if row.strip()
        ]
        body = "".join(f"<span>{''.join(f'<span>{cell}</span>' for cell in row)}</span>" for row in rows)
        return f'{_formula(before)}<span class="cases">{body}</span>{_formula(after)}'
    return _formula(latex)


@lru_cache(maxsize=512)
def _formula(latex: str) -> str:
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    from matplotlib.textpath import text_to_path

    if not latex:
        return ""
    size = 100.0
    source = _known(latex)
    font = FontProperties(family="DejaVu Sans", math_fontfamily="stix", size=size)
    try:
        width, height, depth, *_ = MathTextParser("path").parse(f"${source}$", 72, font)
        vertices, codes = text_to_path.get_text_path(font, f"${source}$", ismath=True)
    except (ValueError, RuntimeError):
        return f"<code>{escape(latex)}</code>"
    path = _path(vertices, codes)
    em = size
    # glyphs may reach a little over the box that mathtext reports
    over = 4.0
    box = f"0 {-(height - depth) - over:.4g} {width:.5g} {height + 2 * over:.5g}"
    return (
        f'<svg class="formula" role="img" aria-label="{escape(latex)}" viewBox="{box}" '
        f'style="width:{width / em:.3f}em;height:{(height + 2 * over) / em:.3f}em;'
        f'vertical-align:{-(depth + over) / em:.3f}em"><path fill="currentColor" d="{path}"/></svg>'
    )


# LaTeX that SymPy writes and mathtext does not know, in words it does.
_SAME = (
    (r"\\(?:text|mbox|textrm)\{([^{}]*)\}", lambda m: r"\mathrm{" + m[1].replace(" ", r"\ ") + "}"),
    (r"\\([dt]?frac)\s*(\d)\s*(\d)", lambda m: f"\\{m[1]}{{{m[2]}}}{{{m[3]}}}"),
    (r"\\tfrac", lambda m: r"\frac"),
    (r"\\(le|ge|ne)(?![a-zA-Z])", lambda m: f"\\{m[1]}q"),
    (r"\\(?:big|Big|bigg|Bigg)[lr]?(?=[^a-zA-Z])", lambda m: ""),
    (r"\\lvert|\\rvert|\\left\||\\right\|", lambda m: "|"),
    (r"\\operatorname\*?\{([^{}]*)\}", lambda m: r"\mathrm{" + m[1] + "}"),
)


def _known(latex: str) -> str:
    for pattern, replacement in _SAME:
        latex = re.sub(pattern, replacement, latex)
    return latex


def _path(vertices: Any, codes: Any) -> str:
    """Matplotlib's path as SVG, upside down as SVG has it."""
    letters = {1: ("M", 1), 2: ("L", 1), 3: ("Q", 2), 4: ("C", 3), 79: ("Z", 1)}
    points = [tuple(f"{value:.1f}".removesuffix(".0") for value in (x, -y)) for x, y in vertices]
    kinds = [int(code) for code in codes]
    parts = []
    at = 0
    while at < len(kinds):
        letter, count = letters[kinds[at]]
        parts.append(
            letter if letter == "Z" else letter + " ".join(" ".join(p) for p in points[at : at + count])
        )
        at += count
    return "".join(parts)

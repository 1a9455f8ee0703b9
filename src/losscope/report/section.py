"""What a page is made of, besides tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .chart import Chart
from .prose import html_of
from .table import Table


@dataclass(frozen=True)
class Code:
    """A block of code or output, shown as it is.

    >>> Code("losscope compare --seeds 3 > out").html()
    '<pre><code>losscope compare --seeds 3 &gt; out</code></pre>'
    """

    text: str

    def html(self) -> str:
        return f"<pre><code>{escape(self.text)}</code></pre>"


@dataclass(frozen=True)
class Verdict:
    """A claim, what became of it, and why. `verdict`: "holds", "holds when ...", or "does not hold".

    >>> verdict = Verdict("Cross-entropy learns faster.", "holds when not tuned", "3 epochs against 7.")
    >>> verdict.kind
    'conditional'
    >>> Verdict("It works.", "maybe", "")
    Traceback (most recent call last):
    ValueError: a verdict is 'holds', 'holds when ...' or 'does not hold', got 'maybe'
    """

    claim: str
    verdict: str
    evidence: str

    def __post_init__(self) -> None:
        words = self.verdict.strip()
        if words not in ("holds", "does not hold") and not (
            words.startswith("holds when ") and words[11:].strip()
        ):
            raise ValueError(
                f"a verdict is 'holds', 'holds when ...' or 'does not hold', got {self.verdict!r}"
            )

    @property
    def kind(self) -> str:
        """ "holds", "conditional" or "fails"."""
        return {"holds": "holds", "does not hold": "fails"}.get(self.verdict.strip(), "conditional")

    def html(self) -> str:
        mark = {"holds": "✓", "conditional": "~", "fails": "✗"}[self.kind]
        evidence = f'<p class="evidence">{html_of(self.evidence)}</p>' if self.evidence else ""
        return (
            f'<div class="verdict {self.kind}"><p class="claim">{html_of(self.claim)}</p>'
            f'<p class="badge"><span aria-hidden="true">{mark}</span> {html_of(self.verdict.strip())}</p>'
            f"{evidence}</div>"
        )


Block = str | Table | Chart | Verdict | Code


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands under it, in order. A str is a paragraph: **bold**, `code`, $formula$.

    >>> Section("Result", ["The loss $r^2$ is **steep**.", Code("make run")]).title
    'Result'
    """

    title: str
    body: Sequence[Block]

    def __post_init__(self) -> None:
        body = (self.body,) if isinstance(self.body, str) else tuple(self.body)
        for block in body:
            if not isinstance(block, (str, Table, Chart, Verdict, Code)):
                raise ValueError(
                    f"Section {self.title!r}: expected str, Table, Chart, Verdict or Code, "
                    f"got {type(block).__name__}"
                )
        object.__setattr__(self, "body", body)

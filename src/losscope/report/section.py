"""What a page is made of, besides tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .chart import Chart
from .prose import html_of
from .table import MARKS, Table


@dataclass(frozen=True)
class Code:
    """A block of code or output, shown as it is.

    >>> Code("losscope compare --seeds 3 > out").html()
    '<pre><code>losscope compare --seeds 3 &gt; out</code></pre>'
    """

    text: str

    def html(self) -> str:
        return f"<pre><code>{escape(self.text)}</code></pre>"


_KINDS = {"holds": "holds", "does not hold": "fails", "not decided by these runs": "undecided"}


def kind_of(verdict: str) -> str:
    """ "holds", "conditional", "fails" or "undecided", also of a verdict in another language."""
    words = getattr(verdict, "template", verdict).strip()
    return _KINDS.get(words, "conditional")


@dataclass(frozen=True)
class Verdict:
    """A claim, what became of it, and why. `verdict`: "holds", "holds when ...", "does not hold", or "not decided
    by these runs". `anchor`: what a link to it is called.

    >>> verdict = Verdict("Cross-entropy learns faster.", "holds when not tuned", "3 epochs against 7.")
    >>> verdict.kind
    'conditional'
    >>> Verdict("It works.", "maybe", "")
    Traceback (most recent call last):
    ValueError: a verdict is 'holds', 'holds when ...', 'does not hold' or 'not decided by these runs', got 'maybe'
    """

    claim: str
    verdict: str
    evidence: str
    anchor: str = ""

    def __post_init__(self) -> None:
        words = getattr(self.verdict, "template", self.verdict).strip()
        if words not in _KINDS and not (words.startswith("holds when ") and words[11:].strip()):
            raise ValueError(
                "a verdict is 'holds', 'holds when ...', 'does not hold' or 'not decided by these runs',"
                f" got {self.verdict!r}"
            )

    @property
    def kind(self) -> str:
        """ "holds", "conditional", "fails" or "undecided"."""
        return kind_of(self.verdict)

    def html(self) -> str:
        evidence = f'<p class="evidence">{html_of(self.evidence)}</p>' if self.evidence else ""
        anchor = f' id="{escape(self.anchor)}"' if self.anchor else ""
        return (
            f'<div class="verdict {self.kind}"{anchor}><p class="claim">{html_of(self.claim)}</p>'
            f'<p class="badge"><span aria-hidden="true">{MARKS[self.kind]}</span> {html_of(self.verdict.strip())}</p>'
            f"{evidence}</div>"
        )


@dataclass(frozen=True, eq=False)
class Fold:
    """Blocks behind a title that opens them: for what most readers do not need.

    >>> Fold("How it was done", ["Slowly."]).title
    'How it was done'
    """

    title: str
    body: Sequence[str | Table | Chart | Verdict | Code]

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "body", _blocks(f"Fold {self.title!r}", self.body, (str, Table, Chart, Verdict, Code))
        )


Block = str | Table | Chart | Verdict | Code | Fold


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands under it, in order. A str is a paragraph: **bold**, `code`, $formula$.

    >>> Section("Result", ["The loss $r^2$ is **steep**.", Code("make run")]).title
    'Result'
    """

    title: str
    body: Sequence[Block]

    def __post_init__(self) -> None:
        kinds = (str, Table, Chart, Verdict, Code, Fold)
        object.__setattr__(self, "body", _blocks(f"Section {self.title!r}", self.body, kinds))

    def charts(self) -> list[Chart]:
        """Its charts, those that are folded away included."""
        inside = [
            each for block in self.body for each in (block.body if isinstance(block, Fold) else [block])
        ]
        return [each for each in inside if isinstance(each, Chart)]


def _blocks(owner: str, body: object, kinds: tuple[type, ...]) -> tuple:
    blocks = (body,) if isinstance(body, str) else tuple(body)  # type: ignore[arg-type]
    for block in blocks:
        if not isinstance(block, kinds):
            *most, last = (kind.__name__ for kind in kinds)
            raise ValueError(f"{owner}: expected {', '.join(most)} or {last}, got {type(block).__name__}")
    return blocks

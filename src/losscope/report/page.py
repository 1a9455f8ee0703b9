"""A page: one file that holds everything, reads like an article, and asks nobody for anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from .chart import Chart
from .looks import Looks
from .panel import Bars
from .prose import html_of
from .section import Block, Fold, Section
from .theme import FONT, css
from .write import write_atomic

CONTENTS_FROM = 4  # sections; fewer are seen at a glance


@dataclass(frozen=True, eq=False)
class Page:
    """Title, lead (a paragraph, same markup as in a `Section`), sections, and the command that repeats it.

    A label has one look in all charts of the page, by order of first appearance. The same content gives the
    same bytes.

    >>> page = Page("Report", "What was **found**.", [Section("One", ["Text."])], command="losscope compare")
    >>> html = page.html()
    >>> html.startswith("<!doctype html>"), "<h2" in html, "losscope compare" in html
    (True, True, True)
    """

    title: str
    lead: str
    sections: Sequence[Section]
    command: str = ""
    language: str = "en"
    words: Mapping[str, str] = field(default_factory=dict)  # the page's own words in that language

    def __post_init__(self) -> None:
        sections = tuple(self.sections)
        for section in sections:
            if not isinstance(section, Section):
                raise ValueError(f"Page {self.title!r}: expected Section, got {type(section).__name__}")
        object.__setattr__(self, "sections", sections)

    def _looks(self) -> Looks:
        """Known before anything is drawn, as bars take the look of a curve that may come after them."""
        charts = [chart for section in self.sections for chart in section.charts()]
        looks = Looks()
        looks.introduce_all(labels for chart in charts for labels in chart.labels())
        for chart in charts:
            for panel in chart.panels:
                for item in panel.items:
                    if isinstance(item, Bars) and not any(name in looks for name in item.names):
                        looks[item.label]
        return looks

    def html(self) -> str:
        """The whole document."""
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup

        looks = self._looks()
        number = 0

        def block(content: Block) -> Markup:
            nonlocal number
            if isinstance(content, str):
                return Markup(f"<p>{html_of(content)}</p>")
            if isinstance(content, Chart):
                number += 1
                return Markup(content.inline(looks=content.looks or looks, prefix=f"f{number}-"))
            if isinstance(content, Fold):
                inside = Markup("\n").join(block(each) for each in content.body)
                return Markup("<details><summary>{}</summary>\n{}\n</details>").format(content.title, inside)
            return Markup(content.html())

        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        template = environment.from_string(
            files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
        )
        return template.render(
            title=self.title,
            lead=Markup(html_of(self.lead)),
            sections=[
                {
                    "id": f"s{at}",
                    "title": section.title,
                    "blocks": [block(content) for content in section.body],
                }
                for at, section in enumerate(self.sections, 1)
            ],
            language=self.language,
            say=lambda words: self.words.get(words, words),
            contents=len(self.sections) >= CONTENTS_FROM,
            command=self.command,
            theme=Markup(css(":root")),
            font=Markup(FONT),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all."""
        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"cannot save a page as {Path(path).name!r}: unknown suffix; one of .html, .htm")
        return write_atomic(path, self.html())

"""Says what a comparison is doing, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any, Protocol, runtime_checkable

# Where there is no terminal, a line at most this often.
SPEAK_EVERY_S = 10.0


@runtime_checkable
class Progress(Protocol):
    """What a comparison tells of itself while it runs."""

    def say(self, what: str) -> None:
        """What is happening now."""

    def announce(self, what: str) -> None:
        """Something worth a line of its own."""

    def ran(self, done: int, planned: int, found: int) -> None:
        """So many runs are finished, of so many planned so far; `found` of them were there from earlier."""


class Silence:
    """Says nothing."""

    def say(self, what: str) -> None:
        pass

    def announce(self, what: str) -> None:
        pass

    def ran(self, done: int, planned: int, found: int) -> None:
        pass


class Bar:
    """A progress bar on stderr while runs finish; where stderr is no terminal, a line now and then."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = console
        self.done = self.found = 0
        self.spoke = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("runs"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("reading the data", total=None)

    def __enter__(self) -> Bar:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)

    def say(self, what: str) -> None:
        self.bar.update(self.task, description=what)

    def announce(self, what: str) -> None:
        self.console.print(what, highlight=False, markup=False, soft_wrap=True)

    def ran(self, done: int, planned: int, found: int) -> None:
        if found and not self.found:
            self.announce(f"{found} finished run{'s' * (found != 1)} found and not repeated")
        self.done, self.found = done, found
        self.bar.update(self.task, description="training", completed=done, total=planned)
        if not self.console.is_terminal and time.monotonic() - self.spoke > SPEAK_EVERY_S:
            self.spoke = time.monotonic()
            self.announce(f"{done} of {planned} runs")


def about(seconds: float) -> str:
    """A duration as one says it.

    >>> about(4), about(48), about(140), about(9000)
    ('a few seconds', 'about 50 seconds', 'about 2 minutes', 'about 2.5 hours')
    """
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} seconds"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"

"""What a study is, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from losscope.errors import LossError, complain, did_you_mean, shown
from losscope.studies.option import Option, Range, options_of
from losscope.studies.text import say, template_of
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, holds_when, is_verdict

__all__ = [
    "DOES_NOT_HOLD", "HOLDS", "NOT_DECIDED", "Claim", "Mistake", "Progress", "Range", "Result", "Study",
    "holds_when", "say", "silent",
]  # fmt: skip

GROUPS = (
    "squared error", "absolute error", "smooth L1", "cross-entropy", "entropy", "activations", "gradients",
)  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One thing that people say, in their words, and what the run found of it. The verdict is computed, never
    written beforehand. `group`: where it stands on the map of claims, one of GROUPS."""

    claim: str
    verdict: str
    evidence: str
    group: str

    def __post_init__(self) -> None:
        if not is_verdict(template_of(self.verdict)):
            raise ValueError(f"not a verdict: {self.verdict!r}")
        if template_of(self.group) not in GROUPS:
            raise ValueError(f"not a group of claims: {self.group!r}; one of {', '.join(GROUPS)}")


@dataclass(frozen=True)
class Mistake:
    """A formula or a piece of code that circulates and is wrong: what was run, what came out of it, what is right."""

    written: str
    prints: str
    right: str


@dataclass(frozen=True)
class Result:
    """What a run of a study found.

    `answer`: two sentences, what is so and why. `claims` with verdicts; `charts`, the first of which is *the*
    picture; `done`: how it was done; `derivation`: formulas, a step a paragraph; `mistakes` that circulate;
    `sources` with DOI; `numbers`: all of them, JSON-able, the same for the same options and seed.
    """

    answer: str
    claims: Sequence[Claim]
    charts: Sequence[Any]  # losscope.report.Chart
    done: Sequence[str]
    sources: Sequence[str]
    numbers: Mapping[str, Any]
    tables: Sequence[Any] = ()  # losscope.report.Table
    derivation: Sequence[str] = ()
    mistakes: Sequence[Mistake] = ()


Progress = Callable[[float, str], None]


def silent(fraction: float, doing: str) -> None:
    """No progress shown."""


@dataclass(frozen=True, eq=False)
class Study:
    """A question and the experiment that answers it.

    `load` gives the experiment, which is imported only when it is wanted. An experiment takes `quick` (a look,
    in seconds), `seed`, `progress(fraction, doing)` and its own options, whose annotations and defaults the
    command line reads (--learning-rate for learning_rate).
    """

    name: str
    order: int
    question: str
    load: Callable[[], Callable[..., Result]]

    @cached_property
    def experiment(self) -> Callable[..., Result]:
        return self.load()

    @cached_property
    def options(self) -> Mapping[str, Option]:
        """Its own options, by name."""
        return options_of(self.experiment)

    def __call__(
        self, *, quick: bool = False, seed: int = 0, progress: Progress = silent, **options: Any
    ) -> Result:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise LossError(
                complain("The seed must be a whole number", got=shown(seed), expected="0 or more")
            )
        for name, value in options.items():
            if name not in self.options:
                hint = did_you_mean(name, self.options)
                raise LossError(complain(f"{self.name} has no option {name!r}", next_step=hint))
            self.options[name].check(value)
        return self.experiment(quick=quick, seed=seed, progress=progress, **options)

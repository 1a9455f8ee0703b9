"""What a study is, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from losscope.errors import LossError, complain

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"


def holds_when(condition: str) -> str:
    """The third verdict: true under a condition, which it names."""
    return f"holds when {condition}"


@dataclass(frozen=True)
class Claim:
    """One thing that is said, and what the run found of it. The verdict is computed, never written beforehand."""

    claim: str
    verdict: str
    evidence: str

    def __post_init__(self) -> None:
        if self.verdict not in (HOLDS, DOES_NOT_HOLD) and not self.verdict.startswith("holds when "):
            raise ValueError(f"not a verdict: {self.verdict!r}")


@dataclass(frozen=True)
class Result:
    """What a run of a study found: plain paragraphs on what was done, claims with verdicts, pictures, tables, and
    all numbers (JSON-able, the same for the same options and seed)."""

    done: Sequence[str]
    claims: Sequence[Claim]
    charts: Sequence[Any] = ()  # losscope.report.Chart
    tables: Sequence[Any] = ()  # losscope.report.Table
    numbers: Mapping[str, Any] = field(default_factory=dict)


Progress = Callable[[float, str], None]


def silent(fraction: float, doing: str) -> None:
    """No progress shown."""


@dataclass(frozen=True, eq=False)
class Study:
    """A question and the experiment that answers it.

    `experiment` takes `quick` (a look, in seconds), `seed`, `progress(fraction, doing)` and its own keyword
    options, whose annotations and defaults the command line reads (--learning-rate for learning_rate).
    """

    name: str
    order: int
    question: str
    experiment: Callable[..., Result]

    def __call__(
        self, *, quick: bool = False, seed: int = 0, progress: Progress = silent, **options: Any
    ) -> Result:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise LossError(complain("The seed must be a whole number", got=repr(seed), expected="0 or more"))
        return self.experiment(quick=quick, seed=seed, progress=progress, **options)

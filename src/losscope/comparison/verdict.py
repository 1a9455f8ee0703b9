"""Who is best, and is the difference larger than its uncertainty? One verdict for each question."""

from __future__ import annotations

from dataclasses import dataclass

from losscope.comparison.differences import Difference
from losscope.comparison.outcome import CONSTANT, Outcome
from losscope.comparison.questions import Question

# Of the spread of the target: errors below that come from rounding and the penalty, and not from the loss.
NOTHING = 1e-4


@dataclass(frozen=True)
class Verdict:
    """The rivals that have the metric, best first; how much worse each is than the first (None for itself); and
    whether the first beats the constant. `without`: rivals that have no such metric. `exact`: the errors of all of them
    are nothing beside the spread of the target, and so none is better than another."""

    question: Question
    ranked: tuple[str, ...]
    behind: dict[str, Difference]
    over_constant: Difference | None
    without: tuple[str, ...] = ()
    exact: bool = False

    @property
    def tied(self) -> tuple[str, ...]:
        """Those that cannot be told from the first."""
        return tuple(name for name in self.ranked[1:] if name not in self.beaten)

    @property
    def beaten(self) -> tuple[str, ...]:
        """Those that are worse than the first by more than the uncertainty."""
        return tuple(name for name in self.ranked[1:] if self.behind[name].clear and not self.exact)

    @property
    def winner(self) -> str | None:
        """The one that beats every other; None among ties, and where there is but one."""
        return self.ranked[0] if len(self.ranked) > 1 and not self.tied else None

    @property
    def beats_constant(self) -> bool:
        """Whether the best is better than the best constant by more than the uncertainty."""
        return self.over_constant is not None and self.over_constant.clear and self.over_constant.mean > 0


def verdict(outcome: Outcome, question: Question) -> Verdict:
    """The verdict of one question, all differences counted so that positive is worse than the first."""
    metric = question.metric
    means = {name: outcome.summaries[name].mean(metric.name) for name in question.rivals}
    known = {name: mean for name, mean in means.items() if mean is not None}
    ranked = tuple(sorted(known, key=lambda name: metric.sign * known[name]))
    behind = {}
    for name in ranked[1:]:
        found = outcome.difference(name, ranked[0], metric)
        assert found is not None
        behind[name] = Difference(metric.sign * found.mean, found.half)
    over = outcome.difference(CONSTANT, ranked[0], metric) if ranked else None
    over = None if over is None else Difference(metric.sign * over.mean, over.half)
    without = tuple(name for name in means if name not in known)
    return Verdict(question, ranked, behind, over, without, _exact(outcome, ranked))


def _exact(outcome: Outcome, ranked: tuple[str, ...]) -> bool:
    """Whether all of these predict numbers with hardly any error. The RMSE of the best constant is the target's spread."""
    spread = outcome.constants.mean("rmse")
    errors = [outcome.summaries[name].mean("rmse") for name in ranked]
    return spread is not None and all(error is not None and error < NOTHING * spread for error in errors)


def verdicts(outcome: Outcome) -> tuple[Verdict, ...]:
    """One for each question, remembered."""
    memory = outcome.__dict__
    if "_verdicts" not in memory:
        memory["_verdicts"] = tuple(verdict(outcome, question) for question in outcome.questions)
    return memory["_verdicts"]

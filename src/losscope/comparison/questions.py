"""What can be asked of these losses? A question is a metric and the rivals it can rank: those that estimate what it
is minimised by. Losses that estimate something else are shown beside them, not ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from losscope.comparison.metrics import MAJORITY, Metric, expectile, named, pinball
from losscope.comparison.rival import Rival

NUMBERS = ("regression", "count")
CENTRES = ("mean", "median", "centre", "outer")
OF_SQUARES = ("mean", "outer")  # centres of which squared errors are the nearest metric
SCORES = ("probability", "ranking", "class")
LEVELLED = {"quantile": pinball, "expectile": expectile}


@dataclass(frozen=True)
class Question:
    """Which of these rivals is best by this metric? `about`: what they estimate."""

    metric: Metric
    rivals: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class Asks:
    """What decides the questions beside the rivals: the task's kind, the metric of `--metric`, and the share of the
    largest class among the training rows (0 for numbers)."""

    kind: str
    metric: str | None = None
    majority: float = 0.0

    def named(self, name: str) -> Metric:
        return named(name, self.kind)

    @property
    def ranking(self) -> Metric:
        """By what scores are ranked, whatever they estimate: never by accuracy where one class is the large majority."""
        rare = self.majority > MAJORITY
        if self.kind == "binary":
            return self.named("average_precision" if rare else "auc")
        return self.named("balanced_accuracy" if rare else "accuracy")


def questions(asks: Asks, rivals: Sequence[Rival]) -> tuple[Question, ...]:
    """The questions of one comparison, the first being the one its first sentence answers."""
    everyone = tuple(rival.name for rival in rivals)
    if asks.metric is not None:
        return (Question(asks.named(asks.metric), everyone, "what was asked for"),)
    if asks.kind in NUMBERS:
        return _of_numbers(asks, rivals)
    likely = tuple(rival.name for rival in rivals if rival.estimand.kind == "probability")
    found = [Question(asks.named("log_loss"), likely, "the probability")] if likely else []
    if likely != everyone or (asks.kind == "binary" and asks.majority > MAJORITY):
        found.append(
            Question(
                asks.ranking, everyone, "the order of the rows" if asks.kind == "binary" else "the class"
            )
        )
    return tuple(sorted(found, key=lambda question: len(question.rivals) < 2))


def _of_numbers(asks: Asks, rivals: Sequence[Rival]) -> tuple[Question, ...]:
    centres = [rival for rival in rivals if rival.estimand.kind in CENTRES]
    names = tuple(rival.name for rival in centres)
    kinds = {rival.estimand.kind for rival in centres}
    found = []
    if kinds & {*OF_SQUARES}:
        if asks.kind == "count" and "mean" in kinds:
            found.append(Question(asks.named("poisson_deviance"), names, "the mean"))
        about = "the mean" if "mean" in kinds else "a centre beyond the mean"
        found.append(Question(asks.named("rmse"), names, about))
    if kinds - {*OF_SQUARES}:
        found.append(Question(asks.named("mae"), names, "the median"))
    for kind, metric in LEVELLED.items():
        found += [
            Question(metric(level), who, f"the {level:.12g} {kind}")
            for level, who in _levels(rivals, kind).items()
        ]
    # Where nothing can be ranked, all are shown by the task's first metric.
    return tuple(found) or (
        Question(asks.named("mae"), tuple(rival.name for rival in rivals), "a value of its own"),
    )


def _levels(rivals: Sequence[Rival], kind: str) -> Mapping[float, tuple[str, ...]]:
    levels = sorted(
        {r.estimand.level for r in rivals if r.estimand.kind == kind and r.estimand.level is not None}
    )
    return {
        level: tuple(r.name for r in rivals if r.estimand.kind == kind and r.estimand.level == level)
        for level in levels
    }


def own_metric(asks: Asks, rival: Rival) -> Metric | None:
    """The metric that chooses a rival's rate and parameters: a proper one for what it estimates; None where only its
    own value will do."""
    if asks.metric is not None and _has(rival, asks.metric):
        return asks.named(asks.metric)
    kind, level = rival.estimand.kind, rival.estimand.level
    if asks.kind not in NUMBERS:
        return asks.named("log_loss") if kind == "probability" else asks.ranking if kind in SCORES else None
    if kind in OF_SQUARES:
        of_counts = kind == "mean" and asks.kind == "count" and rival.encoding.link == "exp"
        return asks.named("poisson_deviance" if of_counts else "rmse")
    if kind in CENTRES:
        return asks.named("mae")
    if kind in LEVELLED and level is not None:
        return LEVELLED[kind](level)
    return asks.named("mae") if rival.open else None  # its own values with other parameters do not compare


def at_levels(
    rivals: Iterable[Rival], questions: Iterable[Question], chosen_by: Iterable[Metric | None]
) -> tuple[str, ...]:
    """The metrics at a level that every run has beside the task's: pinball loss at each quantile that is estimated, and
    those that are asked about or choose; with pinball loss the coverage, too."""
    names = [pinball(level).name for level in _levels([*rivals], "quantile")]
    names += [question.metric.name for question in questions]
    names += [metric.name for metric in chosen_by if metric is not None]
    found: list[str] = []
    for word, at, level in (name.partition("@") for name in names):
        found += [word + at + level] * bool(at) + [f"coverage@{level}"] * (word == "pinball")
    return tuple(dict.fromkeys(found))


def _has(rival: Rival, metric: str) -> bool:
    """Whether a rival's outputs always have this metric: scores have no log loss, means below 0 no deviance."""
    if metric in ("log_loss", "brier"):
        return rival.encoding.link != "score"
    return metric != "poisson_deviance" or rival.encoding.link in ("exp", "softplus")

"""What can be asked of these losses? A question is a metric and the rivals it can rank: those that estimate what it
is minimised by. Losses that estimate something else are shown beside them, not ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from losscope.comparison.metrics import MAJORITY, Metric, expectile, named, pinball
from losscope.comparison.rival import Rival

CENTRES = ("mean", "median", "centre")
SCORES = ("probability", "ranking", "class")


@dataclass(frozen=True)
class Question:
    """Which of these rivals is best by this metric? `about`: what they estimate."""

    metric: Metric
    rivals: tuple[str, ...]
    about: str


def questions(kind: str, rivals: Sequence[Rival], asked: str | None, majority: float) -> tuple[Question, ...]:
    """The questions of one comparison, the first being the one its first sentence answers.

    `asked`: the metric of `--metric`; `majority`: the share of the largest class among the training rows.
    """
    everyone = tuple(rival.name for rival in rivals)
    if asked is not None:
        return (Question(named(asked, kind), everyone, "what was asked for"),)
    if kind in ("regression", "count"):
        return _of_numbers(kind, rivals)
    ranking = (
        _named(kind, "average_precision" if majority > MAJORITY else "auc") if kind == "binary" else None
    )
    likely = tuple(rival.name for rival in rivals if rival.estimand.kind == "probability")
    found = [Question(_named(kind, "log_loss"), likely, "the probability")] if likely else []
    if ranking is not None and (likely != everyone or majority > MAJORITY):
        found.append(Question(ranking, everyone, "the order of the rows"))
    elif ranking is None and likely != everyone:
        best = "balanced_accuracy" if majority > MAJORITY else "accuracy"
        found.append(Question(_named(kind, best), everyone, "the class"))
    return tuple(sorted(found, key=lambda question: len(question.rivals) < 2))


def _of_numbers(kind: str, rivals: Sequence[Rival]) -> tuple[Question, ...]:
    centres = [rival for rival in rivals if rival.estimand.kind in CENTRES]
    names = tuple(rival.name for rival in centres)
    kinds = {rival.estimand.kind for rival in centres}
    found = []
    if "mean" in kinds:
        if kind == "count":
            found.append(Question(_named(kind, "poisson_deviance"), names, "the mean"))
        found.append(Question(_named(kind, "rmse"), names, "the mean"))
    if kinds - {"mean"}:
        found.append(Question(_named(kind, "mae"), names, "the median"))
    levels = _levels(rivals, "quantile")
    found += [Question(pinball(level), names, f"the {level:g} quantile") for level, names in levels.items()]
    levels = _levels(rivals, "expectile")
    found += [
        Question(expectile(level), names, f"the {level:g} expectile") for level, names in levels.items()
    ]
    return tuple(found)


def _levels(rivals: Sequence[Rival], kind: str) -> Mapping[float, tuple[str, ...]]:
    levels = sorted(
        {r.estimand.level for r in rivals if r.estimand.kind == kind and r.estimand.level is not None}
    )
    return {
        level: tuple(r.name for r in rivals if r.estimand.kind == kind and r.estimand.level == level)
        for level in levels
    }


def _named(kind: str, name: str) -> Metric:
    return named(name, kind)


def own_metric(kind: str, rival: Rival, asked: str | None, majority: float) -> Metric | None:
    """The metric that chooses a rival's rate and parameters: a proper one for what it estimates; None where only its
    own value will do."""
    if asked is not None:
        return named(asked, kind)
    estimand = rival.estimand
    if kind in ("regression", "count"):
        if estimand.kind == "mean":
            return _named(
                kind, "poisson_deviance" if kind == "count" and rival.encoding.link == "exp" else "rmse"
            )
        if estimand.kind in CENTRES:
            return _named(kind, "mae")
        if estimand.kind == "quantile" and estimand.level is not None:
            return pinball(estimand.level)
        if estimand.kind == "expectile" and estimand.level is not None:
            return expectile(estimand.level)
        return None
    if estimand.kind == "probability":
        return _named(kind, "log_loss")
    if estimand.kind in SCORES:
        if kind == "binary":
            return _named(kind, "average_precision" if majority > MAJORITY else "auc")
        return _named(kind, "balanced_accuracy" if majority > MAJORITY else "accuracy")
    return None

"""What do the numbers say? Sentences computed from the runs; each can come out otherwise on other data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from losscope.comparison import say
from losscope.comparison.differences import Difference, of_share
from losscope.comparison.metrics import MAJORITY, Metric
from losscope.comparison.observed import observed
from losscope.comparison.outcome import CONSTANT, Outcome
from losscope.comparison.settings import Asked
from losscope.comparison.verdict import NOTHING, Verdict, verdicts
from losscope.comparison.weighted import as_many

USUAL_SPLITS = Asked.splits


def findings(outcome: Outcome) -> list[str]:
    """The findings, the answer first."""
    return [
        *answer(outcome),
        *_unfinished(outcome),
        *_chosen(outcome),
        *_coverage(outcome),
        *observed(outcome),
    ]


def answer(outcome: Outcome) -> list[str]:
    """What was asked, answered: first whether any loss is of use at all, then each question, then the references."""
    said = [f"**Look at the columns first:** {leak}." for leak in outcome.prepared[0].leaks]
    said += _useless(outcome)
    for each in verdicts(outcome):
        said += _verdict(outcome, each)
    said += _beside(outcome)
    return said + list(_references(outcome)) + _few(outcome)


def _useless(outcome: Outcome) -> Iterator[str]:
    """Whether no loss beats a constant: then nothing else matters."""
    every = [each for each in verdicts(outcome) if each.ranked]
    failed = [each for each in every if not each.beats_constant]
    if failed and len(failed) == len(every):
        yield _none_beats(outcome, failed[0])
    if outcome.task.labels and "accuracy" not in {each.question.metric.name for each in every}:
        share = float(outcome.constants.mean("accuracy") or 0.0)
        if share > MAJORITY:
            yield from _by_accuracy(outcome, share)


def _none_beats(outcome: Outcome, found: Verdict) -> str:
    metric, best = found.question.metric, found.ranked[0]
    ours, theirs = (_mean(outcome, name, metric) for name in (best, CONSTANT))
    a, b = say.told_apart(metric, [ours, theirs])
    over = found.over_constant
    if over and not over.known:
        return (
            f"**Whether any loss is better than a constant is not known** by {metric.words}, as the uncertainty is not: the "
            f"best, {best}, has {a}, the best constant {b}."
        )
    how = f", a difference of {say.difference(metric, over)}" if over else ""
    return (
        f"**No loss is clearly better than a constant** by {metric.words}: the best, {best}, has {a}, the best constant "
        f"{b}{how}."
    )


def _by_accuracy(outcome: Outcome, share: float) -> Iterator[str]:
    """Where one class is the large majority: whether anything is better than always saying it."""
    metric = next(metric for metric in outcome.metrics if metric.name == "accuracy")
    better = []
    for name in outcome.losses:
        found = outcome.difference(name, CONSTANT, metric)
        if found and found.clear and found.mean > 0:
            better.append(name)
    always = outcome.task.labels[
        int(np.argmax(np.bincount(outcome.prepared[0].target[outcome.prepared[0].train])))
    ]
    if not better:
        yield (
            f"By accuracy none is better than always saying {str(always)!r} ({100 * share:.1f}%), so accuracy says "
            "nothing here."
        )


def _verdict(outcome: Outcome, found: Verdict) -> list[str]:
    """One question in a sentence or two: who is best, which differences are larger than their uncertainty."""
    question, metric = found.question, found.question.metric
    said = []
    if len(found.ranked) >= 2:
        said.append(_ranking(outcome, found) + _no_better(outcome, found) + _places(outcome, found))
    elif len(found.ranked) == 1:
        name = found.ranked[0]
        ours, theirs = say.told_apart(metric, [_mean(outcome, each, metric) for each in (name, CONSTANT)])
        only = (
            f"{name} alone estimates {question.about}"
            if len(question.rivals) == 1
            else f"Only {name} can be judged by {metric.words}"
        )
        only = f"{name} estimates {question.about}" if len(outcome.losses) == 1 else only
        said.append(f"{only}: its {metric.words} is {ours}, that of the best constant {theirs}.")
    if found.without:
        said.append(_without(outcome, found))
    return said


def _no_better(outcome: Outcome, found: Verdict) -> str:
    """What is missing where even the best is not clearly better than a constant, and another question's best is."""
    if found.beats_constant or not any(each.beats_constant for each in verdicts(outcome)):
        return ""
    metric = found.question.metric
    ranked = [_mean(outcome, name, metric) for name in (*found.ranked, CONSTANT)]
    theirs = say.told_apart(metric, ranked)[-1]
    return f" Even {found.ranked[0]} is not clearly better than the best constant ({theirs})."


def _places(outcome: Outcome, found: Verdict) -> str:
    """Whose place may be that of a training that had not ended."""
    names = [name for name in found.ranked if _open_ended(outcome, name)[0]]
    if not names:
        return ""
    many = len(names) > 1
    return (
        f" But {say.listed(names)} {'were' if many else 'was'} not trained to the end:"
        f" {'their places' if many else 'its place'} may be the training's, and not the loss's."
    )


def _open_ended(outcome: Outcome, name: str) -> tuple[list[dict[str, Any]], int]:
    """A loss's runs that had not got to the end of their training, and of how many."""
    runs = [run for run in outcome.best_runs(name) if run["status"] == "done"]
    return [run for run in runs if not run["finished"]], len(runs)


def _ranking(outcome: Outcome, found: Verdict) -> str:
    metric, first = found.question.metric, found.ranked[0]
    by = f"By {metric.words}"
    how = (
        "with each loss at its own best rate"
        if outcome.settings.tunes_rate and outcome.settings.grid > 1
        else ""
    )
    told = dict(
        zip(found.ranked, say.told_apart(metric, [_mean(outcome, name, metric) for name in found.ranked]))
    )
    if found.exact:
        return (
            f"{by}, **every loss fits the data almost exactly**{_comma(how)}: {say.listed([f'{name} has {told[name]}' for name in found.ranked])}, "
            f"all less than {100 * NOTHING:g}% of the spread of {outcome.task.target}. What is left is rounding and the penalty, and "
            "says nothing of the losses."
        )
    if found.winner:
        gaps = [
            f"{name} ({told[name]}) by {say.difference(metric, found.behind[name])}"
            for name in found.ranked[1:]
        ]
        return f"{by}, **{first}** is best{_comma(how)}, with {told[first]}: it beats {say.listed(gaps)}."
    if not found.beaten:
        widest = max(found.tied, key=lambda name: found.behind[name].mean)
        if not found.behind[widest].known:
            return (
                f"{by}, **the uncertainty is not known**, and so not which loss is best{_comma(how)}: {first} has {told[first]}, "
                f"{widest} {told[widest]}."
            )
        who = "no difference between the losses is" if len(found.ranked) > 2 else "the difference is not"
        return (
            f"{by}, **{who} larger than its uncertainty**{_comma(how)}: {first} has {told[first]}, {widest} "
            f"{told[widest]}, a difference of {say.difference(metric, found.behind[widest])}."
        )
    together = [first, *found.tied]
    gaps = [f"{name} ({told[name]}) by {say.difference(metric, found.behind[name])}" for name in found.beaten]
    return (
        f"{by}, **{say.listed(together)} cannot be told apart**{_comma(how)} "
        f"({say.listed([told[name] for name in together])}); {first} beats {say.listed(gaps)}."
    )


def _comma(text: str) -> str:
    return f" {text}" if text else ""


def _without(outcome: Outcome, found: Verdict) -> str:
    """Why some have no such metric."""
    diverged = [name for name in found.without if outcome.summaries[name].diverged]
    other = [name for name in found.without if name not in diverged]
    metric = found.question.metric
    why_other = _too_few(outcome, metric) or f"{_they(other)} {_another_kind(metric)}"
    return " ".join(
        f"No {metric.words} for {say.listed(names)}: {why}."
        for names, why in ((diverged, f"{_they(diverged)} diverged"), (other, why_other))
        if names
    )


def _they(names: list[str]) -> str:
    return "they" if len(names) > 1 else "it"


def _another_kind(metric: Metric) -> str:
    """What kind of outputs has no such metric."""
    if metric.name == "poisson_deviance":
        return "gave means of 0 or less, where the deviance is infinite"
    return "gave scores that are no probabilities"


def _too_few(outcome: Outcome, metric: Metric) -> str:
    """In how many splits there is too little for a metric, whatever is predicted; "" where there is enough in all."""
    part = "validation" if metric.name == "f1_best" else "test"  # where its threshold comes from
    targets = [prepared.target[getattr(prepared, part)] for prepared in outcome.prepared]
    if metric.name == "r2":
        few, what = sum(len(target) < 2 for target in targets), f"a single {part} row"
    elif metric.name in ("auc", "average_precision", "f1_best"):
        few, what = sum(len(np.unique(target)) < 2 for target in targets), f"{part} rows of one class only"
    else:
        return ""
    every = say.splits(len(targets), outcome.settings.folds)
    return f"{few} of {every} {'have' if few > 1 else 'has'} {what}" if few else ""


def _beside(outcome: Outcome) -> list[str]:
    """What is shown but not ranked, because it estimates something else."""
    ranked = {name for question in outcome.questions for name in question.rivals}
    alone = [rival for rival in outcome.rivals.values() if rival.name not in ranked]
    said = []
    kinds = {rival.estimand.words for rival in outcome.rivals.values()}
    if len(kinds) > 1:
        by_kind = [
            f"{say.listed([r.name for r in outcome.rivals.values() if r.estimand.words == words])} "
            f"estimate{'s' * (sum(r.estimand.words == words for r in outcome.rivals.values()) == 1)} {words}"
            for words in dict.fromkeys(r.estimand.words for r in outcome.rivals.values())
        ]
        said.append(f"They do not all estimate the same: {'; '.join(by_kind)}.")
    if alone:
        names = say.listed([rival.name for rival in alone])
        said.append(
            f"{names} {'are' if len(alone) > 1 else 'is'} shown beside the others, not ranked with them."
        )
    return said


def _references(outcome: Outcome) -> Iterator[str]:
    """How far the losses are from what one would use without asking, by the first question that both have a metric of."""
    by_mean_first = sorted(verdicts(outcome), key=lambda found: not _of_the_mean(outcome, found))
    for name in outcome.references:
        for found in by_mean_first:
            metric = found.question.metric
            gap = outcome.difference(found.ranked[0], name, metric) if found.ranked else None
            if gap is not None:
                yield _against_reference(outcome, name, found, Difference(metric.sign * gap.mean, gap.half))
                break


def _few(outcome: Outcome) -> list[str]:
    """That there are fewer splits than by default, where losses were not told apart."""
    splits = outcome.settings.splits
    tied = [found.behind[name] for found in verdicts(outcome) if not found.exact for name in found.tied]
    if splits >= USUAL_SPLITS or not any(each.known for each in tied):
        return []
    over = say.splits(splits, outcome.settings.folds)
    return [f"That is over {over}; over more, such as the usual {USUAL_SPLITS}, uncertainties are smaller."]


def _of_the_mean(outcome: Outcome, found: Verdict) -> bool:
    """Whether a question is about what the reference models estimate."""
    return not outcome.task.numeric or found.question.about == "the mean"


def _against_reference(outcome: Outcome, name: str, found: Verdict, gap: Difference) -> str:
    metric = found.question.metric
    told, size = say.value(metric, _mean(outcome, name, metric)), say.difference(metric, gap)
    who = name if _of_the_mean(outcome, found) else f"{name}, which estimates the mean,"
    start = f"For comparison by {metric.words}, "
    if not gap.clear:
        return f"{start}{who} has {told}: no clear difference from the best loss here ({size})."
    if gap.mean < 0:
        return f"{start}{who} is worse than the best loss here, with {told}: by {size}."
    widest = max((abs(each.mean) for each in found.behind.values()), default=0.0)
    more = (
        f", {say.times(gap.mean / widest)} the widest gap between the losses"
        if gap.mean > 2 * widest > 0
        else ""
    )
    others = "all of them" if len(found.ranked) > 1 else found.ranked[0]
    return f"{start}**{who} is better than {others}**, with {told}: by {size}{more}."


def _unfinished(outcome: Outcome) -> list[str]:
    """Which losses had not got to the end of their training."""
    counts, how = {}, ""
    for name in outcome.losses:
        open_ended, runs = _open_ended(outcome, name)
        if open_ended:
            counts[name], how = f"{len(open_ended)} of {runs} runs", open_ended[0]["how"]
    if not counts:
        return []
    who = say.listed([f"{name} ({count})" for name, count in counts.items()])
    more = "More --epochs may change the order." if outcome.settings.tunes_rate else ""
    return [f"**Not trained to the end:** {who}; {how}. {more}".strip()]


def _chosen(outcome: Outcome) -> list[str]:
    """What was chosen for parameters that were left open, and whether that mattered."""
    said = []
    for name, rival in outcome.rivals.items():
        choices = [choice for choice in outcome.choices[name] if choice is not None]
        if not rival.open or not choices:
            continue
        parts = []
        for parameter in rival.open:
            values = sorted(dict(choice.parameters)[parameter] for choice in choices)
            low, high = values[0], values[-1]
            parts.append(f"{parameter} {low:.3g}" + (f" to {high:.3g}" if high > low else "") + " was chosen")
        sentence = f"{name}: {', '.join(parts)} over {say.splits(len(choices), outcome.settings.folds)}"
        metric = outcome.chosen_by[name]
        gain = outcome.gain_of_choice(name, metric) if metric else None
        if gain is not None and metric is not None:
            defaults = ", ".join(
                f"{parameter}={rival.loss.parameters[parameter]:g}" for parameter in rival.open
            )
            size = say.difference(metric, gain)
            sentence += (
                f"; against {defaults} it is better by {size} in {metric.words}"
                if gain.clear and gain.mean > 0
                else f"; that is the default, {defaults}"
                if all(
                    dict(each.parameters).items() <= dict(rival.loss.parameters).items() for each in choices
                )
                else f"; whether it mattered cannot be told: against {defaults} the {metric.words} differs by {size}"
                if not gain.clear
                else f"; it did harm: against {defaults} it is worse by {size} in {metric.words}"
            )
        said.append(sentence + ".")
    return said


def _coverage(outcome: Outcome) -> list[str]:
    """How many targets lie below each quantile: whether it is one."""
    said = []
    tested = np.unique(np.concatenate([prepared.test for prepared in outcome.prepared]))
    weight = outcome.dataset.weight
    rows = len(tested) if weight is None else as_many(weight[tested])
    for name, rival in outcome.rivals.items():
        level = rival.estimand.level
        if rival.estimand.kind != "quantile" or level is None:
            continue
        share = outcome.summaries[name].mean(f"coverage@{level:.12g}")
        if share is not None:
            low, high = of_share(share, rows)
            verdict = (
                "as it should be" if low <= level <= high else f"not the {100 * level:.12g}% it should be"
            )
            said.append(
                f"{name}: {100 * share:.1f}% of the test targets lie at or below it ({100 * low:.1f} to "
                f"{100 * high:.1f}%), {verdict}."
            )
    return said


def _mean(outcome: Outcome, name: str, metric: Metric) -> float:
    summaries = {**outcome.summaries, **outcome.reference_summaries, CONSTANT: outcome.constants}
    found = summaries[name].mean(metric.name)
    return float("nan") if found is None else found

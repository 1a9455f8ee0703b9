"""By how much one loss is better than another: paired over the splits of a data set, with an interval over the data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from losscope.studies import verdict
from losscope.studies.text import joined, say
from losscope.studies.trials import FOR_CLASSES, FOR_NUMBERS, SQUARED
from losscope.studies.verdict import Interval
from losscope.studies.views import Record, label_of

METRICS = {FOR_NUMBERS: ("RMSE", "MAE"), FOR_CLASSES: ("accuracy", "Brier score", "log loss")}
# What matters: about half of what another split of the same data changes. Errors count as a share of the other loss's.
MATTERS = {"RMSE": 0.05, "MAE": 0.05, "accuracy": 0.02, "Brier score": 0.02, "log loss": 0.05}


def gains(runs: Sequence[Record], damage: str, metric: str, one: str, other: str) -> dict[str, float]:
    """How much better `one` is than `other` on each data set, mean over its splits. Of an error the logarithm of the ratio."""
    of = {
        (run["data"], run["loss"]): np.asarray(run[metric])
        for run in runs
        if run["damage"] == damage and metric in run
    }
    found = {}
    for name in dict.fromkeys(name for name, loss in of if loss == one):
        mine, theirs = of[name, one], of[name, other]
        better = {"RMSE": np.log, "MAE": np.log, "accuracy": np.negative}.get(metric, np.positive)
        found[name] = float(np.mean(better(theirs) - better(mine)))
    return found


def gain(runs: Sequence[Record], damage: str, metric: str, one: str, other: str) -> Interval:
    """The mean over the tables that the data sets come from: several targets or columns of one table are not independent.
    A made set is a table of its own."""
    of_table: dict[str, list[float]] = {}
    for name, each in gains(runs, damage, metric, one, other).items():
        of_table.setdefault(name if name.startswith("made: ") else name.partition(":")[0], []).append(each)
    return verdict.mean([np.mean(each) for each in of_table.values()])


def least(metric: str) -> float:
    """What matters, as `gain` counts: of an error the logarithm of the ratio."""
    return -float(np.log1p(-MATTERS[metric])) if metric in METRICS[FOR_NUMBERS] else MATTERS[metric]


def pairs(losses: tuple[str, ...], metric: str) -> list[tuple[str, str]]:
    """The rule's loss against each rival that the metric can judge."""
    return [(losses[0], each) for each in losses[1:] if (metric, each) != ("log loss", SQUARED)]


def shown(metric: str, each: Interval) -> str:
    """A gain in words; that of an error as a percentage of the other's."""
    ends = np.array([each.estimate, each.low, each.high])
    if metric in METRICS[FOR_NUMBERS]:
        template, ends = "{metric} {0:+.1f}% ({1:+.1f}% to {2:+.1f}%)", np.round(percent(ends), 1)
    elif metric == "accuracy":
        template, ends = "{metric} {0:+.1f} points ({1:+.1f} to {2:+.1f})", np.round(100 * ends, 1)
    else:
        template, ends = "{metric} {0:+.3f} ({1:+.3f} to {2:+.3f})", np.round(ends, 3)
    return say(template, *map(float, ends + 0.0), metric=say(metric))  # no -0


def each_loss(found: Mapping[tuple[str, str], Interval], template: str) -> str:
    """{(loss, metric): gain} in words, a loss at a time."""
    losses = dict.fromkeys(loss for loss, _ in found)
    return joined([say(template, loss=label_of(loss), much=joined([shown(metric, each) for (other, metric), each in found.items() if other == loss], ", "))
                   for loss in losses])  # fmt: skip


def percent(gain: np.ndarray) -> np.ndarray:
    """The logarithm of a ratio of errors, as how much less the error is.

    >>> percent(np.log([2.0, 1.0])).tolist()
    [50.0, 0.0]
    """
    return 100 * (1 - np.exp(-gain))


def drawn(metric: str, gains: Any) -> np.ndarray:
    """Gains as bars show them: percent of an error, points of accuracy, hundredths; one place behind the point."""
    gains = np.asarray(gains)
    return np.round(percent(gains) if metric in METRICS[FOR_NUMBERS] else 100 * gains, 1) + 0.0  # no -0


def matters(metric: str) -> str:
    if metric in METRICS[FOR_NUMBERS]:
        return say("{share:.0%} of the {metric}", share=MATTERS[metric], metric=say(metric))
    if metric == "accuracy":
        return say("{points:g} points of accuracy", points=100 * MATTERS[metric])
    return say("{part:g} of the {metric}", part=MATTERS[metric], metric=say(metric))

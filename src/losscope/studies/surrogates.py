"""Study 13: Why does nobody train on the 0-1 loss, and which loss and metric should one take instead?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.errors import LossError, complain
from losscope.report import Chart, Line, Panel, Points
from losscope.studies import lines, verdict
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.two_classes import (
    CROSS,
    EXPONENTIAL,
    Rows,
    at,
    best_cut,
    best_score,
    bundled,
    calibration,
    fit,
    metrics,
    stratified,
)
from losscope.studies.views import Record, label_of, pivot

ZERO_ONE, SQUARED = "zero_one", "squared_error"
SURROGATES = (CROSS, "hinge", "squared_hinge", SQUARED, EXPONENTIAL)
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # of half the squared weights; for every loss alike
RARE = 0.2  # a class with less than this share
MATTERS = 0.02  # nats of log loss
METRICS = ("accuracy", "F1", "log loss", "log loss, calibrated")


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    loss: Annotated[tuple[str, ...], "more losses of a raw score to train beside the five"] = (),
    splits: Annotated[int, Range(1, 1000), "splits of each data set into training, tuning and test rows"] = 8,
) -> Result:  # fmt: skip
    """Descend on the 0-1 loss; compare surrogates with it; train linear models on each, and judge them by each metric."""
    names = tuple(dict.fromkeys((*SURROGATES, *map(_of_a_score, loss))))
    sets, runs, stuck = bundled(seed), list[Record](), list[float]()
    for number, (name, x, y) in enumerate(sets):
        progress(number / len(sets), name)
        random = np.random.default_rng([seed, number])
        stuck.append(descend(x, y, random))
        for split in range(min(splits, 2) if quick else splits):
            runs += compared(name, x, y, names, random, split)
    rows = by_set(runs)
    return Result(
        answer=joined([say("The 0-1 loss counts errors, and a count does not change when a weight moves a little: its gradient is 0, so descent stands still."
                           " A surrogate has a slope there."), advice(rows, names)], " "),
        done=DONE,
        claims=[trainable(stuck), above(names), fewest_errors(names), not_punished(names), most_accurate(rows, names),
                good_probabilities(rows, names, "log loss", say("Whichever surrogate a score was trained on, its sigmoid is as good a probability as cross-entropy's.")),
                good_probabilities(rows, names, "log loss, calibrated", say("Scores of other surrogates are as good probabilities as cross-entropy's once they are calibrated on other rows.")),
                same_order(runs), good_accuracy(sets), threshold(rows)],
        charts=[picture(names, sets[0]), trade(runs)],
        tables=[pivot([{**each, "metric": say(metric), "number": each[metric]} for each in rows for metric in METRICS if each["metric"] == metric],
                      ("data", "metric"), "loss", lambda row: row["number"], caption=say("Mean over the splits; the penalty was tuned by the metric"))],
        sources=SOURCES,
        numbers={"runs": runs, "steps_of_0_1": stuck},
    )  # fmt: skip


def _of_a_score(name: str) -> str:
    found = ls.get(name)
    if found.judges != "numbers" or found.entry.target.excludes(1.0) or (found.entry.prediction.name != "real" and found.activation is None):  # fmt: skip
        step = "Name a loss of one raw score, such as hinge or focal"
        raise LossError(complain(f"{found.name} is not a loss of a raw score and a label", next_step=step))
    return found.name


def descend(x: np.ndarray, y: np.ndarray, random: np.random.Generator, steps: int = 100) -> float:
    """How far gradient descent on the 0-1 loss gets from where it starts."""
    start = np.asarray(random.normal(size=x.shape[1]))
    w = start.copy()
    for _ in range(steps):
        w -= x.T @ (at(ZERO_ONE, y * (x @ w))[1] * y) / len(y)
    return float(np.abs(w - start).max())


def compared(name: str, x: np.ndarray, y: np.ndarray, losses: Sequence[str], random: np.random.Generator, split: int) -> list[Record]:  # fmt: skip
    """Each loss with each penalty on half of the rows, judged on a quarter for tuning and on a quarter for the test."""
    train, tune, test = stratified(y, random)
    found = []
    for loss in losses:
        for penalty in PENALTIES:
            scores = x @ fit(loss, x[train], y[train], penalty)
            chosen = best_cut(scores[tune], y[tune]), calibration(scores[tune], y[tune])
            found.append({"data": name, "split": split, "loss": loss, "penalty": penalty, "tuning": metrics(scores[tune], y[tune], *chosen),
                          "test": metrics(scores[test], y[test], *chosen), "rare": bool((y > 0).mean() < RARE)})  # fmt: skip
    return found


def by_set(runs: Sequence[Record]) -> list[Record]:
    """For each set, loss and metric: the mean over the splits on test rows, each with the penalty that tuning rows liked."""
    found = []
    for name, loss in dict.fromkeys((run["data"], run["loss"]) for run in runs):
        mine = [run for run in runs if (run["data"], run["loss"]) == (name, loss)]
        for metric in (*METRICS, "F1, threshold"):
            sign = -1 if metric.startswith("log") else 1
            best = [max((run for run in mine if run["split"] == split), key=lambda run: sign * run["tuning"][metric])
                    for split in dict.fromkeys(run["split"] for run in mine)]  # fmt: skip
            mean = float(np.mean([run["test"][metric] for run in best]))
            found.append(
                {"data": name, "loss": loss, "metric": metric, metric: mean, "rare": mine[0]["rare"]}
            )
    return found


def trainable(stuck: Sequence[float]) -> Claim:
    return Claim(
        say("Gradient descent can train on the 0-1 loss, which is what one wants to be small."),
        HOLDS if all(stuck) else DOES_NOT_HOLD if not any(stuck) else verdict.NOT_DECIDED,
        say("It is flat: the slope is 0 everywhere but at a margin of 0, where the loss jumps and has none. On {count} data sets a hundred steps moved a"
            " weight by {most:g} at most.", count=len(stuck), most=at_most(max(stuck))),
        "gradients",
    )  # fmt: skip


def above(names: Sequence[str]) -> Claim:
    margin = np.linspace(-6, 6, 2401)
    least = {label_of(name): float((at(name, margin)[0] - at(ZERO_ONE, margin)[0]).min()) for name in names}
    bits = float((at(CROSS, margin)[0] / np.log(2) - at(ZERO_ONE, margin)[0]).min())
    so = {name: verdict.theorem(each) for name, each in least.items()} | {
        say("cross-entropy in bits"): verdict.theorem(bits)
    }
    return Claim(
        say("A surrogate lies above the 0-1 loss, so a small surrogate means few errors."),
        verdict.over(so, "the loss is {which}"),
        say("At a margin of 0 cross-entropy is log 2 = {nats:.3f} in nats, below the 1 that an error costs, and 1 in bits. Least distance from the 0-1 loss:"
            " {shown}.", nats=float(at(CROSS, [0.0])[0][0]), shown=joined([say("{loss} {0:.2g}", each, loss=name) for name, each in least.items()], ", ")),
        "cross-entropy",
    )  # fmt: skip


def fewest_errors(names: Sequence[str]) -> Claim:
    chances = [each for each in np.linspace(0.02, 0.98, 49) if abs(each - 0.5) > 1e-9]
    right = {name: all(np.sign(best_score(name, each)) == np.sign(each - 0.5) for each in chances) for name in names}  # fmt: skip
    x = lines.with_ones(np.repeat([-1.0, 1.0, -30.0], [40, 40, 8])[:, None])
    y = np.repeat([-1.0, 1.0, 1.0], [40, 40, 8])
    errors = {name: int((y * (x @ fit(name, x, y, 1e-6)) <= 0).sum()) for name in names}
    return Claim(
        say("Where a surrogate is least, the errors are fewest."),
        verdict.over({say("every input may have its own score"): HOLDS if all(right.values()) else DOES_NOT_HOLD,
                      say("the model is linear"): HOLDS if max(errors.values()) <= 8 else DOES_NOT_HOLD}),
        say("At each of {count} chances of the positive class the best score has the sign of the likelier class, under {good} of {all} losses. A linear model"
            " has to compromise: for 40 points at -1, 40 at 1, and 8 far off at -30 with the wrong label, a threshold at 0 makes 8 errors; the"
            " lines that the surrogates like best make {shown}.", count=len(chances), good=sum(right.values()), all=len(right),
            shown=joined([say("{errors} ({loss})", errors=each, loss=label_of(name)) for name, each in errors.items()], ", ")),
        "cross-entropy",
    )  # fmt: skip


def not_punished(names: Sequence[str]) -> Claim:
    margin = np.linspace(1.5, 20, 371)
    slope = {name: float(at(name, margin)[1].max()) for name in names}
    x = lines.with_ones(np.repeat([-1.0, 1.0, 30.0], [60, 20, 8])[:, None])
    y = np.repeat([-1.0, 1.0, 1.0], [60, 20, 8])
    errors = {name: int((y * (x @ fit(name, x, y, 1e-6)) <= 0).sum()) for name in (SQUARED, CROSS)}
    return Claim(
        say("A loss for classes does not punish an output for being right by a wide margin."),
        verdict.over({label_of(name): HOLDS if each <= 0 else DOES_NOT_HOLD for name, each in slope.items()}, "the loss is {which}"),
        say("Squared error pulls a margin of 3 back with a slope of {0:g}. So 60 points at -1 and 20 at 1 are told apart until 8 more that"
            " are right lie far out at 30: then it misses {1} of the 88, cross-entropy {2}.", float(at(SQUARED, [3.0])[1][0]), errors[SQUARED], errors[CROSS]),
        "squared error",
    )  # fmt: skip


def _gains(rows: Sequence[Record], metric: str, rival: str, sign: float = 1.0) -> np.ndarray:
    """By how much cross-entropy is better than a rival, one number a data set."""
    of = {(row["data"], row["loss"]): row[metric] for row in rows if row["metric"] == metric}
    return np.array([sign * (value - of[data, rival]) for (data, loss), value in of.items() if loss == CROSS])


def most_accurate(rows: Sequence[Record], names: Sequence[str]) -> Claim:
    gains = {name: verdict.mean(_gains(rows, "accuracy", name)) for name in names if name != CROSS}
    found = {label_of(name): verdict.more_than(each) for name, each in gains.items()}
    return Claim(
        say("Trained on cross-entropy, a classifier has more right than on any other surrogate."),
        verdict.over(found, "the other is {which}"),
        say("Gain in accuracy over the data sets (99% interval), penalties tuned by accuracy: {shown}.", shown=_shown(gains)),
        "cross-entropy",
    )  # fmt: skip


def _shown(gains: Mapping[str, Any]) -> str:
    return joined([say("{0:+.3f} ({1:+.3f} to {2:+.3f}) against {loss}", each.estimate, each.low, each.high, loss=label_of(name)) for name, each in gains.items()])  # fmt: skip


def advice(rows: Sequence[Record], names: Sequence[str]) -> str:
    """What the runs say of the choice."""
    worse = [label_of(name) for name in names if name != CROSS and verdict.median(_gains(rows, "log loss", name, -1.0)).low > MATTERS]  # fmt: skip
    metric = say(
        "A smaller loss is no promise of a better metric, so evaluate by the metric that you care about."
    )
    if not worse:
        return metric
    return joined([say("Through a sigmoid, scores trained on cross-entropy are better probabilities as they are than those trained on {worse}.",
                       worse=joined(worse, ", ")), metric], " ")  # fmt: skip


def good_probabilities(rows: Sequence[Record], names: Sequence[str], metric: str, claim: str) -> Claim:
    """Said of all surrogates: one that is surely worse is enough against it."""
    gains = {name: verdict.median(_gains(rows, metric, name, -1.0)) for name in names if name != CROSS}
    as_good, worse = all(each.high <= MATTERS for each in gains.values()), any(each.low > MATTERS for each in gains.values())  # fmt: skip
    return Claim(
        claim,
        HOLDS if as_good else DOES_NOT_HOLD if worse else verdict.NOT_DECIDED,
        say("Median log loss more than cross-entropy's over the data sets (99% interval): {shown}. Surely at most {least:g} counts as as good.", shown=_shown(gains), least=MATTERS),
        "cross-entropy",
    )  # fmt: skip


def same_order(runs: Sequence[Record]) -> Claim:
    """Pairs of models of one split: do log loss and accuracy put them in the same order?"""
    shares = {}
    for name in dict.fromkeys(run["data"] for run in runs):
        agreed = []
        for split in dict.fromkeys(run["split"] for run in runs):
            mine = [run["test"] for run in runs if (run["data"], run["split"]) == (name, split)]
            loss, right = (np.array([each[key] for each in mine]) for key in ("log loss", "accuracy"))
            one, other = np.triu_indices(len(mine), 1)
            lower, more = np.sign(loss[one] - loss[other]), np.sign(right[other] - right[one])
            agreed += list((lower == more)[(lower != 0) & (more != 0)])
        if agreed:
            shares[name] = float(np.mean(agreed))
    every = verdict.mean(list(shares.values()))
    return Claim(
        say("Of two models, the one with the smaller loss has the better metric."),
        verdict.more_than(every, least=0.95),
        say("Of pairs of models of one data set that differ in both, the one with the smaller log loss is the more accurate in {0:.0%} (99% interval"
            " {1:.0%} to {2:.0%} over {3} sets). 95% would count as so. Log loss asks how sure a model is, accuracy on which side.",
            every.estimate, every.low, every.high, every.count),
        "cross-entropy",
    )  # fmt: skip


def good_accuracy(sets: Sequence[Rows]) -> Claim:
    always = [(name, float((y < 0).mean())) for name, _, y in sets if (y > 0).mean() < RARE]
    name, share = max(always, key=lambda each: each[1], default=("", 0.0))
    return Claim(
        say("A high accuracy means that a model is good."),
        DOES_NOT_HOLD if share >= 0.9 else verdict.NOT_DECIDED,
        say("A model that always answers no is right in {share:.1%} of the rows ({name}), and finds none of what is sought: its F1 is 0.", share=share, name=say(name)),
        "cross-entropy",
    )  # fmt: skip


def threshold(rows: Sequence[Record]) -> Claim:
    of = {(row["data"], row["loss"], row["metric"]): row[row["metric"]] for row in rows if row["rare"]}
    names = list(dict.fromkeys(name for name, _, _ in of))
    moved = verdict.mean([of[name, CROSS, "F1, threshold"] - of[name, CROSS, "F1"] for name in names])
    gain = verdict.mean([of[name, CROSS, "F1, threshold"] - max(value for (data, _, metric), value in of.items() if (data, metric) == (name, "F1")) for name in names])  # fmt: skip
    return Claim(
        say("If F1 is what counts, moving the threshold helps more than training on another surrogate."),
        verdict.more_than(gain),
        say("On the {count} sets with a rare class the threshold that tuning rows like best gives {0:+.3f} ({1:+.3f} to {2:+.3f}) over a threshold of 1/2, and"
            " {3:+.3f} ({4:+.3f} to {5:+.3f}) over the best of the surrogates at theirs.",
            *(value for each in (moved, gain) for value in (each.estimate, each.low, each.high)), count=len(names)),
        "cross-entropy",
    )  # fmt: skip


def picture(names: Sequence[str], example: Rows) -> Chart:
    """The losses over the margin, their slopes, and the mean over a data set along a line of weights."""
    margin = np.linspace(-3, 3, 601)
    curves = {name: at(name, margin) for name in (ZERO_ONE, *names)}
    value, slope = (
        [Line(margin, each[order], label_of(name)) for name, each in curves.items()] for order in (0, 1)
    )
    name, x, y = example
    shift, best = np.linspace(-4, 4, 801), fit(CROSS, x, y, 0.1)
    mean = [
        Line(shift, [at(each, y * (x @ best + by))[0].mean() for by in shift], label_of(each))
        for each in (ZERO_ONE, CROSS)
    ]
    axis = say("margin: score times label")
    return Chart(
        [Panel(say("Loss"), axis, say("loss"), value, y_limits=(-0.1, 4.0)), Panel(say("Gradient"), axis, say("slope of the loss"), slope, y_limits=(-4.0, 2.0)),
         Panel(say("Mean over a data set: {name}", name=say(name)), say("intercept moved by"), say("mean loss"), mean)],
        caption=say("The 0-1 loss is a step: no slope says which way to go, and its mean is a staircase. Each surrogate has a slope where the answer is wrong;"
                    " that of squared error turns up again where it is too right."),
        name="surrogates",
        columns=3,
    )  # fmt: skip


def trade(runs: Sequence[Record]) -> Chart:
    panels = []
    for name in list(dict.fromkeys(run["data"] for run in runs if run["rare"]))[:2]:
        mine = [run for run in runs if run["data"] == name and run["split"] == 0]
        points = [Points([run["test"]["log loss"] for run in mine if run["loss"] == loss], [run["test"]["accuracy"] for run in mine if run["loss"] == loss], label_of(loss))
                  for loss in dict.fromkeys(run["loss"] for run in mine)]  # fmt: skip
        panels.append(Panel(say(name), say("log loss on test rows"), say("accuracy on test rows"), points))
    return Chart(panels, caption=say("One point a model: each loss at each penalty, one split. If a smaller loss meant a better metric, the points would fall from left to right."), name="loss-and-metric")  # fmt: skip


DONE = [
    say("The margin of a row is its score times its label of -1 or 1: below 0 it is an error. Every loss is the library's, or defined by one formula in it"
        " (exponential loss). Linear models are trained on each, with the same four penalties, on half the rows of twelve problems with two classes; a quarter"
        " of the rows chooses penalty, threshold and calibration, each by the metric that it is then judged by, and the last quarter judges."),
    say("Differences are paired: the same rows for every loss. An interval is over the data sets."),
]  # fmt: skip
SOURCES = [
    say("P. L. Bartlett, M. I. Jordan and J. D. McAuliffe, Convexity, classification, and risk bounds (JASA 101, 2006), doi:10.1198/016214505000000907."),
    say("J. C. Platt, Probabilistic outputs for support vector machines (Advances in Large Margin Classifiers, 1999)."),
    say("T. Gneiting and A. E. Raftery, Strictly proper scoring rules, prediction, and estimation (JASA 102, 2007), doi:10.1198/016214506000001437."),
]  # fmt: skip

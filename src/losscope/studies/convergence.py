"""Study 4: Does cross-entropy converge faster than squared error, even once both are tuned?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

import losscope as ls
from losscope.one_thread import one_thread
from losscope.report import Chart, Line, Panel, Table, name_of
from losscope.studies import verdict
from losscope.studies.datasets import Data, bundled, mnist
from losscope.studies.networks import cost, forward, start
from losscope.studies.study import Claim, Progress, Range, Result, say, silent
from losscope.studies.text import joined
from losscope.studies.views import Record

# Half squared error, because its gradient in the output is the error itself, as cross-entropy's is in the
# logit: what then differs at one learning rate is the sigmoid's slope, and not a factor of two.
SQUARED, CROSS, SOFTMAX, RAW = (
    "half_squared_error@sigmoid", "binary_cross_entropy", "cross_entropy", "half_squared_error",
)  # fmt: skip
RATES = tuple(float(f"{10 ** (k / 4 - 1.5):.2g}") for k in range(11))  # 0.032 to 10, for every loss alike
STANDARDISED, UNIT = say("the inputs are standardised"), say("the inputs are pixels between 0 and 1")
LOOKS = 4  # an epoch: one look an epoch cannot tell losses apart that are there within the first
HIDDEN = 64


LEAST = 0.01  # of the mean accuracy: less is no reason to choose a loss
LOSSES = (SQUARED, CROSS, SOFTMAX, RAW)
MEAN, EARLY, LATE = (
    say("mean accuracy over the run"),
    say("epochs to 80% accuracy"),
    say("epochs to 90% accuracy"),
)
# What "faster" can mean; more is better. A rate is tuned on the validation rows by the one it is judged by.
CRITERIA: dict[str, Callable[[Sequence[float]], float]] = {
    MEAN: lambda seen: float(np.mean(seen[1:])), EARLY: lambda seen: -reached(seen, 0.8), LATE: lambda seen: -reached(seen, 0.9),
}  # fmt: skip


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    data_dir: Annotated[Path | None, "folder of MNIST's files, to learn MNIST instead of scikit-learn's digits"] = None,
    epochs: Annotated[int, Range(1, 1000), "of every training"] = 5,
    seeds: Annotated[int, Range(2, 1000), "splits and starts"] = 20,
    batch_size: Annotated[int, Range(1, 1000), "rows of a step"] = 32,
) -> Result:  # fmt: skip
    """The same networks under four losses at the same learning rates, with inputs scaled in two ways."""
    data = mnist(data_dir, 2000 if quick else 10_000) if data_dir else bundled(["digits"])[0]
    first, rates = 1000 * seed, RATES[:: 2 if quick else 1]  # another seed shares no start
    starts = range(first, first + (min(seeds, 8) if quick else seeds))
    todo = [(scaling, loss, rate) for scaling in (STANDARDISED, UNIT) for loss in LOSSES for rate in rates]
    runs: list[Record] = []
    with one_thread():
        for at, (scaling, loss, rate) in enumerate(todo):
            progress(at / len(todo), say("{loss} at learning rate {rate:g}", loss=name_of(loss), rate=rate))
            runs += learn(loss, rate, starts, data, scaling, epochs, batch_size)
    claims = [
        at_one_rate(runs),
        tuned(say("Cross-entropy converges faster than squared error through a sigmoid, each at its own best learning rate."), runs, CROSS, SQUARED),
        tuned(say("Softmax cross-entropy converges faster than squared error on raw outputs, each at its own best learning rate."), runs, SOFTMAX, RAW),
        larger_rate(runs),
    ]  # fmt: skip
    return Result(
        answer=joined([answered(claims), say("All of this is from one data set, {data}.", data=data.name)], " "),
        done=[say("A network with one hidden layer of {hidden} ReLUs learns {data} in {epochs} epochs of plain SGD with batches of {batch}, from"
                  " {seeds} splits and starts (60% of the rows for training, 20% for choosing the learning rate, 20% for testing). Inputs are"
                  " standardised, or left as pixels between 0 and 1. Every loss is summed over the ten outputs and averaged over the rows, and"
                  " squared error is halved, so that its gradient in the output is the error.", hidden=HIDDEN, data=data.name, epochs=epochs,
                  batch=batch_size, seeds=len(starts)),
              say("Every loss is tried at the same {count} rates from {low:g} to {high:g}. The best has the highest mean accuracy over the run"
                  " ({looks} looks an epoch) on the validation rows, and is judged by the same on the test rows. Losses are compared seed by"
                  " seed; a difference of less than {least:g} point counts as none. The table repeats this for two other criteria, each"
                  " tuned by itself.", count=len(rates), low=min(rates), high=max(rates), looks=LOOKS, least=100 * LEAST)],
        claims=claims,
        charts=[curves(runs), over_rates(runs)],
        tables=[differences(runs), at_their_best(runs)],
        sources=SOURCES,
        numbers={"data": data.name, "runs": [{"loss": loss, "inputs": scaling, "criterion": criterion, "best rate": best(runs, scaling, loss, criterion),
                          "test": [CRITERIA[criterion](run["test"]) for run in tuned_runs(runs, scaling, loss, criterion)]}
                          for scaling in (STANDARDISED, UNIT) for loss in LOSSES for criterion in CRITERIA]},
    )  # fmt: skip


def learn(
    loss: str, rate: float, seeds: Sequence[int], data: Data, scaling: str, epochs: int, batch: int
) -> list[Record]:
    """Plain SGD, one run a seed; a seed decides split, start and batches, the same for every loss and rate."""
    inputs = data.standardised() if scaling == STANDARDISED else data.scaled()
    features, index = torch.from_numpy(inputs), torch.from_numpy(data.target)
    order = [np.random.default_rng(seed).permutation(len(index)) for seed in seeds]
    rows = torch.from_numpy(np.stack(order))
    first, second = len(index) * 6 // 10, len(index) * 8 // 10
    parts = {"validation": rows[:, first:second], "test": rows[:, second:]}
    function = ls.get(loss)
    target = torch.nn.functional.one_hot(index).float() if function.judges == "numbers" else index
    network = start([features.shape[1], HIDDEN, data.classes], seeds)
    optimizer = torch.optim.SGD(network, lr=rate)
    seen = {part: [accuracy(network, features, index, at)] for part, at in parts.items()}
    mixed = np.random.default_rng([len(index), batch])
    steps = first // batch
    stops = {round(steps * look / LOOKS) for look in range(1, LOOKS + 1)}
    for _ in range(epochs):
        train = rows[:, mixed.permutation(first)]
        for step in range(steps):
            now = train[:, step * batch : (step + 1) * batch]
            optimizer.zero_grad()
            cost(function, forward(network, features[now]), target[now]).backward()
            optimizer.step()
            if step + 1 in stops:
                for part, at in parts.items():
                    seen[part].append(accuracy(network, features, index, at))
    return [{"loss": loss, "inputs": scaling, "learning rate": rate, "seed": seed,
             **{part: [float(look[run]) for look in looks] for part, looks in seen.items()}}
            for run, seed in enumerate(seeds)]  # fmt: skip


def accuracy(network: Any, features: torch.Tensor, index: torch.Tensor, rows: torch.Tensor) -> np.ndarray:
    """Of each run; 0 where an output is not finite: argmax would call NaN the largest, and be right at times."""
    with torch.no_grad():
        output = forward(network, features[rows])
        right = (output.argmax(-1) == index[rows]).double().mean(1)
        return np.where(output.isfinite().all(-1).all(-1).numpy(), right.numpy(), 0.0)


def reached(accuracies: Sequence[float], goal: float) -> float:
    """Epochs until the accuracy is first reached, between two looks by a straight line; all of them if it is never.

    >>> reached([0.1, 0.8, 1.0], 0.9) * LOOKS, reached([0.1, 0.2, 0.3], 0.9) * LOOKS
    (1.5, 2.0)
    """
    for at, (low, high) in enumerate(pairwise(accuracies)):
        if high >= goal:
            return (at + (goal - low) / (high - low) if high > low else at) / LOOKS
    return (len(accuracies) - 1) / LOOKS


def of(runs: Sequence[Record], scaling: str, loss: str, rate: float) -> list[Record]:
    return [
        run for run in runs if (run["inputs"], run["loss"], run["learning rate"]) == (scaling, loss, rate)
    ]


def best(runs: Sequence[Record], scaling: str, loss: str, criterion: str = MEAN) -> float:
    """The rate that is best on the validation rows, on the average of the seeds."""
    rates = dict.fromkeys(run["learning rate"] for run in runs)
    return max(
        rates,
        key=lambda rate: np.mean(
            [CRITERIA[criterion](run["validation"]) for run in of(runs, scaling, loss, rate)]
        ),
    )


def tuned_runs(runs: Sequence[Record], scaling: str, loss: str, criterion: str = MEAN) -> list[Record]:
    return of(runs, scaling, loss, best(runs, scaling, loss, criterion))


def ahead(one: Sequence[Record], other: Sequence[Record], criterion: str = MEAN) -> np.ndarray:
    """By how much `one` is better on the test rows, seed by seed."""
    judged = CRITERIA[criterion]
    return np.array([judged(a["test"]) - judged(b["test"]) for a, b in zip(one, other)])


def points(each: verdict.Interval) -> str:
    """A difference of accuracies, in points."""
    return each.shown("+.1f", lambda share: 100 * share)


def at_one_rate(runs: Sequence[Record]) -> Claim:
    found = {}
    for loss in (CROSS, SQUARED):
        at = {scaling: best(runs, scaling, loss) for scaling in (STANDARDISED, UNIT)}
        each = [ahead(of(runs, s, CROSS, rate), of(runs, s, SQUARED, rate)) for s, rate in at.items()]
        found[loss] = verdict.mean(np.mean(each, 0))
    return Claim(
        say("Cross-entropy converges faster than squared error through a sigmoid at the same learning rate."),
        verdict.over({say("the rate is the best one for cross-entropy"): verdict.more_than(found[CROSS], LEAST),
                      say("the rate is the best one for squared error"): verdict.more_than(found[SQUARED], LEAST)}),
        say("Points of mean accuracy by which cross-entropy is ahead, over both scalings (99% interval): {cross} at the rate that is best for"
            " cross-entropy, {squared} at the one that is best for squared error. Faster means by more than {least:g}.",
            cross=points(found[CROSS]), squared=points(found[SQUARED]), least=100 * LEAST),
        "cross-entropy",
    )  # fmt: skip


def tuned(said: str, runs: Sequence[Record], one: str, other: str) -> Claim:
    found = {scaling: verdict.mean(ahead(tuned_runs(runs, scaling, one), tuned_runs(runs, scaling, other)))
             for scaling in (STANDARDISED, UNIT)}  # fmt: skip
    shown = joined([say("{difference} when {scaling} (rates {one:g} and {other:g})", difference=points(each), scaling=scaling,
                        one=best(runs, scaling, one), other=best(runs, scaling, other)) for scaling, each in found.items()])  # fmt: skip
    return Claim(
        said,
        verdict.over({scaling: verdict.more_than(each, LEAST) for scaling, each in found.items()}),
        say("Points of mean accuracy by which it is ahead (99% interval), each loss at its best rate: {shown}. Faster means by more than {least:g}.",
            shown=shown, least=100 * LEAST),
        "cross-entropy",
    )  # fmt: skip


def larger_rate(runs: Sequence[Record]) -> Claim:
    """Each seed has its own best rate; the logarithms of their ratios, averaged over both scalings."""
    rates = sorted({run["learning rate"] for run in runs})
    seeds = sorted({run["seed"] for run in runs})
    score = {
        (run["inputs"], run["loss"], run["seed"], run["learning rate"]): CRITERIA[MEAN](run["validation"])
        for run in runs
    }

    def own(scaling: str, loss: str, seed: int) -> float:
        return max(rates, key=lambda rate: score[scaling, loss, seed, rate])

    ratio = verdict.mean(
        [
            np.mean([np.log(own(s, SQUARED, seed) / own(s, CROSS, seed)) for s in (STANDARDISED, UNIT)])
            for seed in seeds
        ]
    )
    return Claim(
        say("Squared error through a sigmoid needs a larger learning rate than cross-entropy."),
        verdict.more_than(ratio, float(np.log(1.5))),
        say("Its best rate is {ratio} times cross-entropy's (geometric mean and 99% interval over the seeds): the slope a(1 - a) of the sigmoid,"
            " 1/4 at most, is a factor of its gradient.", ratio=ratio.shown(".2g", np.exp)),
        "squared error",
    )  # fmt: skip


def answered(claims: Sequence[Claim]) -> str:
    """The sentences follow the verdicts on the tuned losses."""
    sigmoid, raw = (each.verdict for each in claims[1:3])
    # fmt: off
    first: Any = {
        verdict.HOLDS: say("Yes, through a sigmoid, also when both are tuned."),
        verdict.DOES_NOT_HOLD: say("No: through a sigmoid a larger learning rate makes up for squared error's small gradient."),
        verdict.NOT_DECIDED: say("Whether it does through a sigmoid when both are tuned these runs do not decide."),
    }
    second: Any = {
        verdict.HOLDS: say("Softmax cross-entropy also converges faster than squared error on raw outputs."),
        verdict.DOES_NOT_HOLD: say("On raw outputs squared error keeps up with softmax cross-entropy."),
        verdict.NOT_DECIDED: say("Against raw outputs, without the sigmoid, these runs do not decide."),
    }
    by_inputs = say("It depends on the inputs. Compared with squared error through a sigmoid, each at its best learning rate, it {verdict}.", verdict=sigmoid)
    otherwise = say("Compared with squared error on raw outputs, without the sigmoid, it {verdict}.", verdict=raw)
    # fmt: on
    return joined([first.get(sigmoid, by_inputs), second.get(raw, otherwise)], " ")


def curves(runs: Sequence[Record]) -> Chart:
    panels = []
    for scaling in (STANDARDISED, UNIT):
        lines = []
        for loss in LOSSES:
            seen = 100 * np.array([run["test"] for run in tuned_runs(runs, scaling, loss)])
            lines.append(
                Line(
                    np.arange(seen.shape[1]) / LOOKS,
                    seen.mean(0),
                    name_of(loss),
                    low=seen.min(0),
                    high=seen.max(0),
                )
            )
        panels.append(
            Panel(
                say("Each at its best rate: {scaling}", scaling=scaling),
                say("epoch"),
                say("test accuracy (%)"),
                lines,
            )
        )
    return Chart(panels, caption=say("Means over the seeds; bands: their range."), name="learning-curves")  # fmt: skip


def over_rates(runs: Sequence[Record]) -> Chart:
    rates = sorted({run["learning rate"] for run in runs})
    panels = [Panel(say("At every rate: {scaling}", scaling=scaling), say("learning rate"), say("mean test accuracy over the run (%)"),
                    [Line(rates, [100 * float(np.mean([CRITERIA[MEAN](run["test"]) for run in of(runs, scaling, loss, rate)])) for rate in rates],
                          name_of(loss)) for loss in LOSSES], x_scale="log") for scaling in (STANDARDISED, UNIT)]  # fmt: skip
    return Chart(panels, caption=say("All losses at the same rates."), name="learning-rates")


PAIRS = ((CROSS, SQUARED), (SOFTMAX, SQUARED), (SOFTMAX, RAW))


def differences(runs: Sequence[Record]) -> Table:
    """Whether the choice of criterion decides: each is tuned and judged by itself."""
    rows = [[scaling, name_of(one), name_of(other), *(
                told(verdict.mean(ahead(tuned_runs(runs, scaling, one, criterion), tuned_runs(runs, scaling, other, criterion), criterion)))
                for criterion, told in ((MEAN, points), (EARLY, verdict.Interval.shown), (LATE, verdict.Interval.shown)))]
            for scaling in (STANDARDISED, UNIT) for one, other in PAIRS]  # fmt: skip
    return Table([say("inputs"), say("loss"), say("compared with"), say("mean accuracy over the run (points)"), EARLY, LATE], rows,
                 caption=say("By how much the first is ahead, with the interval; epochs that are never reached count as all"))  # fmt: skip


def at_their_best(runs: Sequence[Record]) -> Table:
    rows = []
    for scaling in (STANDARDISED, UNIT):
        for loss in LOSSES:
            found = tuned_runs(runs, scaling, loss)
            means, ends = (
                [100 * CRITERIA[MEAN](run["test"]) for run in found],
                [100 * run["test"][-1] for run in found],
            )
            rows.append(
                [
                    scaling,
                    name_of(loss),
                    found[0]["learning rate"],
                    *((float(np.mean(v)), float(np.std(v, ddof=1))) for v in (means, ends)),
                ]
            )
    return Table([say("inputs"), say("loss"), say("learning rate"), say("mean test accuracy over the run (%)"), say("test accuracy at the end (%)")],
                 rows, caption=say("Each loss at its best rate: mean and standard deviation over the seeds"))  # fmt: skip


SOURCES = [
    say("M. A. Nielsen, Neural Networks and Deep Learning, chapter 3 (2015), neuralnetworksanddeeplearning.com."),
    say("L. Hui and M. Belkin, Evaluation of neural architectures trained with square loss vs cross-entropy (ICLR 2021),"
        " doi:10.48550/arXiv.2006.07322: tuned, squared error on raw outputs is as good on many tasks."),
    say("P. Golik, P. Doetsch and H. Ney, Cross-entropy vs. squared error training: a theoretical and experimental comparison"
        " (Interspeech 2013), doi:10.21437/Interspeech.2013-436."),
]  # fmt: skip

"""Which activation overfits less, and whether zeros are why: networks that fit a few rows equally well, on many data sets.

The cause is tested with two variants of ReLU, one without zeros and one with more of them. Neither changes the zeros alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import losscope as ls
from losscope.report import Bars, Chart, Line, Panel, Points, Table
from losscope.studies import verdict
from losscope.studies.datasets import Data
from losscope.studies.networks import HES, each_loss, forward, start
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Claim, say
from losscope.studies.text import joined
from losscope.studies.views import Record, pivot

WIDTH, STEPS = 32, 3000
FITTED = 0.05  # training log loss at which all count as equally well fitted
MATTERS = 0.05  # of the quantity itself: a logarithm of a ratio
SAME = 0.1  # from a half: what still counts as about half
AWAY, MORE = say("ReLU, a tenth of the slope below 0"), say("ReLU, one unit in eight kept")
RIVALS = ("sigmoid", "tanh")
VARIANTS = say(
    "Neither variant changes the zeros alone: a slope below 0 also lets gradient through, and keeping one unit in eight also removes positive outputs."
)

Activation = Callable[[Any], Any]


def no_zeros(z: torch.Tensor) -> torch.Tensor:
    """Nearly the same bend, and nowhere 0."""
    return ls.leaky_relu(z, slope=0.1)


def winners(z: torch.Tensor) -> torch.Tensor:
    """ReLU, of which only the largest eighth of a layer is kept."""
    least = z.topk(z.shape[-1] // 8, dim=-1).values[..., -1:]
    return torch.relu(z) * (z >= least)


def train(
    data: Data, label: str, activation: Activation, starts: Sequence[int], rows: int, rate: float
) -> list[Record]:
    """Full-batch Adam; each run is judged where its training log loss first is FITTED. Runs that never get there are left out."""
    features, target = torch.from_numpy(data.standardised()), torch.from_numpy(data.target)
    order = [np.random.default_rng(seed).permutation(len(target)) for seed in starts]
    rows = min(rows, len(target) // 2)
    few, test = torch.from_numpy(np.stack(order))[:, : rows + 500].split(
        [rows, min(500, len(target) - rows)], 1
    )
    network = start([features.shape[1], WIDTH, WIDTH, data.classes], starts, HES if "ReLU" in label else 1.0)
    optimizer, loss = torch.optim.Adam(network, lr=rate, fused=True), ls.get("cross_entropy")

    def losses(at: torch.Tensor, hidden: list[torch.Tensor] | None = None) -> torch.Tensor:
        return each_loss(loss, forward(network, features[at], activation, hidden), target[at]).mean(1)

    def look(which: Sequence[int]) -> list[Record]:
        hidden: list[torch.Tensor] = []
        with torch.no_grad():
            found = losses(test, hidden)
        zero = torch.cat([layer == 0 for layer in hidden], 2).double().mean((1, 2))
        return [{"test": float(found[run]), "zero": float(zero[run]),
                 "dependence": float(np.mean([dependence(layer[run].numpy()) for layer in hidden]))} for run in which]  # fmt: skip

    before, found = look(range(len(starts))), dict[int, Record]()
    for step in range(STEPS):
        optimizer.zero_grad()
        now = losses(few)
        reached = [run for run, value in enumerate(now.tolist()) if value <= FITTED and run not in found]
        if reached:
            found |= {run: {"data": data.name, "activation": label, "seed": starts[run], "steps": step, "zero before": before[run]["zero"], **seen}
                      for run, seen in zip(reached, look(reached))}  # fmt: skip
        if len(found) == len(starts):
            break
        now.sum().backward()
        optimizer.step()
    return [found[run] for run in sorted(found)]


def dependence(layer: np.ndarray) -> float:
    """The mean size of the correlation between two units of a layer, over rows; units that never change are left out.

    >>> dependence(np.array([[0.0, 1, 5], [1, 3, 5], [2, 5, 5]]))
    1.0
    """
    layer = layer[:, np.ptp(layer, 0) > 0].astype("float64")
    units = layer.shape[1]
    if units < 2:
        return 0.0
    return float((np.abs(np.corrcoef(layer.T)).sum() - units) / (units * (units - 1)))


# ------------------------------------------------------------------------------------------ comparisons


def ratios(runs: Sequence[Record], what: str, label: str, by: str) -> dict[str, dict[int, float]]:
    """By data set and seed, the logarithm of a quantity under one activation over that under another."""
    value = {(run["data"], run["seed"], run["activation"]): run[what] for run in runs}
    found: dict[str, dict[int, float]] = {}
    for data, seed, activation in value:
        if activation == label and (data, seed, by) in value:
            found.setdefault(data, {})[seed] = float(np.log(value[data, seed, label] / value[data, seed, by]))
    return found


def on_average(runs: Sequence[Record], what: str, label: str, by: str) -> verdict.Interval:
    """The mean over the data sets, with its interval over the seeds."""
    found = ratios(runs, what, label, by)
    seeds = sorted({seed for each in found.values() for seed in each})
    return verdict.mean([np.mean([each[seed] for each in found.values() if seed in each]) for seed in seeds])


def percent(interval: verdict.Interval) -> str:
    """A logarithm of a ratio in people's words.

    >>> percent(verdict.Interval(0.1, 0.0, 0.2, 8))
    '+10.5% (+0.0% to +22.1%)'
    """
    middle, low, high = (float(np.expm1(each)) for each in (interval.estimate, interval.low, interval.high))
    return say("{middle:+.1%} ({low:+.1%} to {high:+.1%})", middle=middle, low=low, high=high)


# ------------------------------------------------------------------------------------------ claims


def claims(runs: Sequence[Record]) -> list[Claim]:
    return [sparse(runs), depends_less(runs), overfits_less(runs), because_sparse(runs)]


def sparse(runs: Sequence[Record]) -> Claim:
    relu = [run for run in runs if run["activation"] == "ReLU"]
    found = {when: verdict.mean([np.mean([run[what] for run in relu if run["seed"] == seed]) for seed in sorted({run["seed"] for run in relu})])
             for what, when in (("zero before", say("it is not trained yet")), ("zero", say("it is trained")))}  # fmt: skip
    half = {when: HOLDS if each.low > 0.5 - SAME and each.high < 0.5 + SAME else
            DOES_NOT_HOLD if each.high < 0.5 - SAME or each.low > 0.5 + SAME else NOT_DECIDED for when, each in found.items()}  # fmt: skip
    before, after = found.values()
    return Claim(
        say("ReLU makes a network sparse: about half of its outputs are 0."),
        verdict.over(half),
        say("{before} of the outputs of hidden units are 0 before training, as weights around 0 make both signs equally likely; {after} where the"
            " rows are fitted (99% intervals over the starts). From 40% to 60% counts as half.", before=before.shown(".1%"), after=after.shown(".1%")),
        "activations",
    )  # fmt: skip


def depends_less(runs: Sequence[Record]) -> Claim:
    """Both interventions, and the rivals for comparison."""
    away, more = on_average(runs, "dependence", AWAY, "ReLU"), on_average(runs, "dependence", "ReLU", MORE)
    other = [on_average(runs, "dependence", rival, "ReLU") for rival in RIVALS]
    return Claim(
        say("The more outputs ReLU sets to 0, the less correlated the units of a layer are."),
        verdict.over({say("zeros are taken away"): verdict.more_than(away, MATTERS), say("more zeros are made"): verdict.more_than(more, MATTERS)}),
        say("The mean size of the correlation between two units of a layer, compared with ReLU's: sigmoid {0}, tanh {1}; without zeros (a tenth of the slope"
            " below 0) {away}; with more of them (one unit in eight kept) {more}. A difference of more than {least:.0%} counts. {variants}",
            *map(percent, other), away=percent(away), more=percent(on_average(runs, "dependence", MORE, "ReLU")), least=MATTERS, variants=VARIANTS),
        "activations",
    )  # fmt: skip


def sides(runs: Sequence[Record], rival: str) -> tuple[list[str], list[str]]:
    """The data sets on which ReLU surely overfits less than the rival, and those on which it surely overfits more."""
    less, more = (
        [data for data, each in ratios(runs, "test", *pair).items() if verdict.more_than(verdict.mean(list(each.values())), MATTERS) == HOLDS]
        for pair in ((rival, "ReLU"), ("ReLU", rival))
    )  # fmt: skip
    return less, more


def as_a_rule(less: int, more: int, count: int) -> str:
    """A rule holds on most data sets and is broken on none; one that is surely broken somewhere is no rule."""
    if more:
        return DOES_NOT_HOLD
    return HOLDS if less > count / 2 else NOT_DECIDED


def overfits_less(runs: Sequence[Record]) -> Claim:
    count = len({run["data"] for run in runs})
    found = {rival: sides(runs, rival) for rival in RIVALS}
    told = joined([say("compared with {rival}, surely lower on {less}, surely higher on {more}", rival=rival, less=len(less), more=len(more))
                   for rival, (less, more) in found.items()])  # fmt: skip
    return Claim(
        say("ReLU overfits less than sigmoid and tanh."),
        verdict.over({say("it is compared with {rival}", rival=rival): as_a_rule(len(less), len(more), count) for rival, (less, more) in found.items()}),
        say("ReLU's test log loss on {count} data sets, where the training log loss is {fitted:g} for all: {told}. Surely: on that data set"
            " the whole interval over the starts is beyond {least:.0%}. The claim is a rule: it holds if ReLU's is surely lower on more than half of the data sets"
            " and surely higher on none; a single one breaks it, whatever the average. On average over these data sets sigmoid's differs from ReLU's by {0},"
            " tanh's by {1}; other data sets may differ more.",
            *(percent(on_average(runs, "test", rival, "ReLU")) for rival in RIVALS), count=count, fitted=FITTED, told=told, least=MATTERS),
        "activations",
    )  # fmt: skip


def because_sparse(runs: Sequence[Record]) -> Claim:
    away, more = on_average(runs, "test", AWAY, "ReLU"), on_average(runs, "test", "ReLU", MORE)
    return Claim(
        say("A ReLU network overfits less because it is sparse."),
        verdict.over({say("zeros are taken away"): verdict.more_than(away, MATTERS), say("more zeros are made"): verdict.more_than(more, MATTERS)}),
        say("The same networks with two variants of ReLU. Test log loss at equal fit, on average over these data sets and compared with ReLU's: without zeros (a"
            " tenth of the slope below 0) {away}, with more of them (one unit in eight kept) {more}. If zeros kept a network from overfitting, the first would be"
            " above 0 and the second below; a difference of more than {least:.0%} counts. {variants}",
            away=percent(away), more=percent(on_average(runs, "test", MORE, "ReLU")), least=MATTERS, variants=VARIANTS),
        "activations",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ views


def picture(runs: Sequence[Record]) -> Chart:
    value = {(cell["data"], cell["activation"]): cell["test"] for cell in by_data(runs)}
    data = list(dict.fromkeys(run["data"] for run in runs))
    relu = [value[each, "ReLU"] for each in data]
    ends = [min(relu), max(relu)]
    points = [Points(relu, [value[each, rival] for each in data], rival) for rival in RIVALS]

    def bars(what: str, words: str) -> Bars:
        each = [on_average(runs, what, label, "ReLU") for label in (AWAY, MORE)]
        middle, low, high = (
            100 * np.expm1([getattr(one, end) for one in each]) for end in ("estimate", "low", "high")
        )
        return Bars([AWAY, MORE], np.round(middle, 1), words, low=low, high=high)  # as in the text

    return Chart(
        [Panel(say("Sigmoid and tanh against ReLU"), say("test log loss with ReLU"), say("test log loss with the other"),
               [Line(ends, ends, say("the same"), style="reference"), *points], x_scale="log", y_scale="log"),
         Panel(say("ReLU with fewer zeros, and with more"), say("compared with ReLU's (%)"), say("activation"),
               [bars("test", say("test log loss")), bars("dependence", say("correlation of units"))])],
        caption=say("All fit the training rows equally well. Left, a point is a data set: above the line ReLU overfits less, below it more. Right,"
                    " above 0 is more than with ReLU itself; whiskers: intervals over the seeds."),
        name="overfitting", columns=2)  # fmt: skip


def by_data(runs: Sequence[Record]) -> list[Record]:
    """The mean test loss over the seeds."""
    found: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        found.setdefault((run["data"], run["activation"]), []).append(run["test"])
    return [
        {"data": data, "activation": label, "test": float(np.mean(each))}
        for (data, label), each in found.items()
    ]


def tables(runs: Sequence[Record]) -> list[Table]:
    rows = []
    for label in dict.fromkeys(run["activation"] for run in runs):
        here = [run for run in runs if run["activation"] == label]
        steps, dependent, zero = (
            float(np.mean([run[what] for run in here])) for what in ("steps", "dependence", "zero")
        )
        rows.append([label, len(here), steps, dependent, 100 * zero])
    heads = [
        say("activation"),
        say("runs that fitted"),
        say("steps to fit"),
        say("correlation of units"),
        say("outputs that are 0 (%)"),
    ]
    return [pivot(by_data(runs), ("data",), "activation", lambda cell: cell["test"], caption=say("Test log loss at equal fit (nats), means over the seeds")),
            Table(heads, rows, caption=say("The networks that were compared, means over data sets and seeds"))]  # fmt: skip

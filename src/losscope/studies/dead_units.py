"""ReLU units that give 0 on every row: no gradient flows through them, so that descent has nothing to mend them with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import losscope as ls
from losscope.studies import verdict
from losscope.studies.datasets import Data
from losscope.studies.networks import HES, cost, forward, start
from losscope.studies.study import Claim, say
from losscope.studies.text import joined
from losscope.studies.views import Record

RATES = (0.1, 0.3, 1.0, 3.0)  # a sane one, and up to thirty times that
WIDTH, BATCH, EPOCHS = 64, 32, 3
MATTERS = 0.1  # of all units


def train(data: Data, rate: float, starts: Sequence[int]) -> list[Record]:
    """Two hidden layers under plain SGD at one rate, and then as long again at the smallest: the shares of dead units."""
    features, target = torch.from_numpy(data.scaled()), torch.from_numpy(data.target)
    network = start([features.shape[1], WIDTH, WIDTH, data.classes], starts, HES)
    random, loss = np.random.default_rng(len(target)), ls.get("cross_entropy")
    found = {"before": dead(network, features)}
    for when, now in (("after", rate), ("later", min(RATES))):
        optimizer = torch.optim.SGD(network, lr=now)
        for _ in range(EPOCHS):
            for rows in torch.from_numpy(random.permutation(len(target))).split(BATCH):
                optimizer.zero_grad()
                inputs, classes = (
                    each[rows].expand(len(starts), *each[rows].shape) for each in (features, target)
                )
                cost(loss, forward(network, inputs, ls.relu), classes).backward()
                optimizer.step()
        found[when] = dead(network, features)
    return [{"data": data.name, "learning rate": rate, "seed": seed, **{when: each[run] for when, each in found.items()}}
            for run, seed in enumerate(starts)]  # fmt: skip


def dead(network: Sequence[torch.Tensor], features: torch.Tensor) -> list[float]:
    """The share of each run's hidden units that are 0 on every row, or overflowed: through neither flows a gradient."""
    hidden: list[torch.Tensor] = []
    with torch.no_grad():
        forward(network, features.expand(network[0].shape[0], *features.shape), ls.relu, hidden)
    silent = torch.cat([((layer == 0) | ~layer.isfinite()).all(1) for layer in hidden], 1)
    return [float(each) for each in silent.double().mean(1)]


def share(runs: Sequence[Record], rate: float, when: str) -> np.ndarray:
    """The mean over the data sets, seed by seed."""
    here = [run for run in runs if run["learning rate"] == rate]
    return np.array([np.mean([run[when] for run in here if run["seed"] == seed])
                     for seed in sorted({run["seed"] for run in here})])  # fmt: skip


def claim(runs: Sequence[Record]) -> Claim:
    """Dead at the end, after as long again at the smallest rate: more than where that was the rate from the first step on."""
    rates = sorted({run["learning rate"] for run in runs})
    lasting = verdict.mean(share(runs, rates[-1], "later") - share(runs, rates[0], "later"))
    sets = [np.mean([run["later"] for run in runs if run["learning rate"] == rates[-1] and run["data"] == data])
            for data in {run["data"] for run in runs}]  # fmt: skip
    told = joined([say("{after:.1%} and {later:.1%} (a rate of {rate:g})", after=share(runs, rate, "after").mean(), later=share(runs, rate, "later").mean(), rate=rate)
                   for rate in rates])  # fmt: skip
    return Claim(
        say("A learning rate that is too large kills ReLU units for good."),
        verdict.more_than(lasting, MATTERS),
        say("{before:.1%} of the units are 0 on every row before training. After {epochs} epochs at each rate, and after as many more at {least:g}: {told}."
            " These are means over the data sets: in the end the largest rate leaves {low:.1%} on one and {high:.1%} on another. The mean counts if it is more than"
            " {matters:.0%} of the units above the smallest rate's. A unit that is 0 on every row has a gradient of 0, so that its own weights stay as they are.",
            before=share(runs, rates[0], "before").mean(), epochs=EPOCHS, least=rates[0], told=told, low=min(sets), high=max(sets), matters=MATTERS),
        "activations",
    )  # fmt: skip

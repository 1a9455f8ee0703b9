"""Networks that every loss trains alike: each run keeps the learning rate and the epoch at which its own loss on the
validation rows is least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from losscope.studies.networks import cost, forward, start

STEPS = 8  # an epoch, so that a set of any size costs the same


@dataclass(frozen=True)
class Plan:
    """How every loss is trained. `rates`: of Adam, each tried; `hidden`: ReLUs of the one layer, 0 for a linear model."""

    rates: tuple[float, ...]
    epochs: int
    hidden: int


def tuned(
    loss: Any, features: np.ndarray, target: np.ndarray, rows: Sequence[np.ndarray], outputs: int, seeds: Sequence[int], plan: Plan
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """What each run's best network puts out for its test rows, shape (runs, rows, outputs), and its rate (runs,).

    features: (rows, columns); target: (runs, rows) classes, or (runs, rows, outputs) numbers; rows: those of each run
    for training, validation and testing, (runs, n) each. Start and batches depend on the seeds, one a run, and on
    nothing else.
    """
    inputs, wanted = torch.from_numpy(features), torch.from_numpy(target)
    train, validation, test = map(torch.from_numpy, rows)
    run, sizes = torch.arange(len(seeds))[:, None], [features.shape[1], *[plan.hidden] * (plan.hidden > 0), outputs]
    least, rate_of = np.full(len(seeds), np.inf), np.full(len(seeds), np.nan)
    kept = np.zeros((len(seeds), test.shape[1], outputs))
    for rate in plan.rates:
        network = start(sizes, seeds)
        optimizer = torch.optim.Adam(network, lr=rate, fused=True)
        mixed = np.random.default_rng(train.shape[1])
        for _ in range(plan.epochs):
            for part in torch.from_numpy(mixed.permutation(train.shape[1])).chunk(STEPS):
                now = train[:, part]
                optimizer.zero_grad()
                cost(loss, forward(network, inputs[now]), wanted[run, now]).backward()
                optimizer.step()
            with torch.no_grad():
                own = each_mean(loss, forward(network, inputs[validation]), wanted[run, validation])
                better = own < least
                least[better], rate_of[better] = own[better], rate
                kept[better] = forward(network, inputs[test]).numpy()[better]
    return kept, rate_of


def each_mean(loss: Any, output: torch.Tensor, target: torch.Tensor) -> np.ndarray:
    """The mean loss of each run, (runs,)."""
    runs = len(output)
    if loss.structure != "elementwise":
        output, target = output.flatten(0, 1), target.flatten()
    return loss(output, target, reduction="none").reshape(runs, -1).double().mean(1).numpy()

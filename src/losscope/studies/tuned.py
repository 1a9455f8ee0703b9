"""Networks that every loss trains alike: each run keeps the learning rate and the epoch at which its own loss on the
validation rows is least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from losscope.studies.networks import cost, each_loss, forward, start

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
    for training, validation and testing, (runs, n) each. A run's start depends on its seed alone, and the batches are
    the same for every loss.
    """
    runs, tries = len(seeds), len(plan.rates)  # every rate is a run beside the others
    inputs, wanted = torch.from_numpy(features), torch.from_numpy(target)
    train, validation, test = (torch.from_numpy(each).repeat(tries, 1) for each in rows)
    run, sizes = (
        torch.arange(runs).repeat(tries)[:, None],
        [features.shape[1], *[plan.hidden] * (plan.hidden > 0), outputs],
    )
    network = start(sizes, [*seeds] * tries)
    adam = Adam(network, torch.tensor(plan.rates).repeat_interleave(runs)[:, None, None])
    least, kept = np.full(tries * runs, np.inf), np.zeros((tries * runs, test.shape[1], outputs))
    mixed = np.random.default_rng(train.shape[1])
    for _ in range(plan.epochs):
        for part in torch.from_numpy(mixed.permutation(train.shape[1])).chunk(STEPS):
            now = train[:, part]
            cost(loss, forward(network, inputs[now]), wanted[run, now]).backward()
            adam.step()
        with torch.no_grad():
            seen = each_loss(loss, forward(network, inputs[validation]), wanted[run, validation])
            own = seen.double().mean(1).numpy()
            better = own < least
            least[better] = own[better]
            kept[better] = forward(network, inputs[test]).numpy()[better]
    best = least.reshape(tries, runs).argmin(0)
    return kept[best * runs + np.arange(runs)], np.array(plan.rates)[best]


class Adam:
    """Kingma and Ba's steps with their constants, and a learning rate for each run, shape (runs, 1, 1)."""

    def __init__(self, parameters: Sequence[torch.Tensor], rate: torch.Tensor) -> None:
        self.parameters, self.rate, self.steps = parameters, rate, 0
        self.means, self.squares = ([torch.zeros_like(each) for each in parameters] for _ in range(2))

    def step(self) -> None:
        self.steps += 1
        with torch.no_grad():
            for parameter, mean, square in zip(self.parameters, self.means, self.squares):
                slope = parameter.grad
                assert slope is not None
                parameter.grad = None
                mean.lerp_(slope, 0.1)
                square.lerp_(slope * slope, 0.001)
                size = (square / (1 - 0.999**self.steps)).sqrt_().add_(1e-8)
                parameter -= self.rate / (1 - 0.9**self.steps) * mean / size

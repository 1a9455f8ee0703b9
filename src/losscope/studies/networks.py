"""Many small networks trained at once: the first dimension of every tensor is the run, so that 20 seeds cost little
more time than one, and every loss gets the same starts and the same batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

PYTORCHS = 1 / 3  # the variance of the weights times the inputs, as torch.nn.Linear starts
HES = 2.0  # which makes up for the half that ReLU cuts off


def start(
    sizes: Sequence[int], seeds: Sequence[int], variance: float = PYTORCHS, kind: torch.dtype = torch.float32
) -> list[torch.Tensor]:
    """Weights (runs, inputs, outputs) and biases (runs, 1, outputs), in turns; a run's depend on its seed alone."""
    each = [torch.Generator().manual_seed(seed) for seed in seeds]
    found = []
    for rows, columns in pairwise(sizes):
        reach = (3 * variance / rows) ** 0.5
        drawn = [torch.rand(rows, columns, generator=generator, dtype=kind) * 2 - 1 for generator in each]
        found += [torch.stack(drawn) * reach, torch.zeros(len(each), 1, columns, dtype=kind)]
    return [parameter.requires_grad_() for parameter in found]


def forward(
    parameters: Sequence[torch.Tensor],
    features: torch.Tensor,
    activation: Callable[[Any], Any] = torch.relu,
    hidden: list[torch.Tensor] | None = None,
) -> torch.Tensor:
    """features (runs, rows, inputs) -> outputs (runs, rows, outputs), linear; `hidden` collects what is in between."""
    last = len(parameters) // 2 - 1
    for layer, (weight, bias) in enumerate(zip(parameters[::2], parameters[1::2])):
        features = torch.baddbmm(bias, features, weight)
        if layer < last:
            features = activation(features)
            if hidden is not None:
                hidden.append(features)
    return features


def cost(loss: Any, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Summed over runs and outputs, averaged over rows: each run's gradient is that of its own mean over the rows.

    output: (runs, rows, outputs); target: (runs, rows) classes for a softmax, else a number for each output.
    """
    rows = output.shape[1]
    return loss(*_as_judged(loss, output, target), reduction="sum") / rows


def each_loss(loss: Any, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Every single loss, (runs, losses of a run)."""
    return loss(*_as_judged(loss, output, target), reduction="none").reshape(len(output), -1)


def _as_judged(loss: Any, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A loss over classes takes the rows of all runs as one table."""
    return (output, target) if loss.judges == "numbers" else (output.flatten(0, 1), target.flatten())

"""What several studies train: one hidden layer of ReLUs, and batches whose order no loss has a say in."""

from __future__ import annotations

from typing import Any

import numpy


def build(inputs: int, outputs: int, hidden: int, seed: int) -> Any:
    """One hidden layer of ReLUs; the start depends on the seed and the sizes alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, outputs)
        )


def batches(train: numpy.ndarray, epoch: int, seed: int, size: int) -> list[numpy.ndarray]:
    """The row numbers of each batch of an epoch.

    >>> sorted(numpy.concatenate(batches(numpy.arange(5), epoch=1, seed=0, size=2)).tolist())
    [0, 1, 2, 3, 4]
    """
    order = numpy.random.default_rng([seed, epoch]).permutation(train)
    return [order[start : start + size] for start in range(0, len(order), size)]

"""The model that every loss trains, from the same start."""

from __future__ import annotations

import torch


def build(kind: str, inputs: int, outputs: int, hidden: int, seed: int) -> torch.nn.Module:
    """A linear model, or one hidden layer of ReLUs; the start depends on `seed` and the sizes alone.

    >>> a, b = (build("mlp", 4, 2, 8, seed=3) for _ in range(2))
    >>> all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "linear":
            return torch.nn.Linear(inputs, outputs)
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, outputs)
        )


def describe(kind: str, hidden: int) -> str:
    """The model in words."""
    return "a linear model" if kind == "linear" else f"an MLP with one hidden layer of {hidden} ReLUs"

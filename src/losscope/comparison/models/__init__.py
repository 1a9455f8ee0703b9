"""The models that losses are compared on: one module each, found by its name. Each module has

    DESCRIPTION: str                     in words, for "{DESCRIPTION} predicts `price` from 8 columns"
    TUNES_RATE: bool                     whether a learning rate is tried and chosen for each loss
    fit(loss, training, validation, plan, look=None) -> Fitted
    outputs(state, features) -> array    float64 (rows, outputs), from what `Fitted.state` holds and no more

A model sees rows as a loss takes them and nothing of tasks, metrics or tables: its outputs are the numbers that go
into the loss as they are (a score, a log of a mean, a standardised prediction).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Rows to learn from, or to stop by.

    `features`: float32 (rows, columns). `seen`: the target as the loss takes it, float32 (rows, outputs), or
    int64 (rows,) for a loss over classes. `weight`: float64 (rows,) above 0, or None where all count the same.
    """

    features: np.ndarray
    seen: np.ndarray
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Plan:
    """What else a fit is told. `rate` is None for models that tune none; `seed` decides start and batch order."""

    outputs: int
    seed: int = 0
    rate: float | None = None
    hidden: int = 64
    optimizer: str = "sgd"
    momentum: float = 0.9
    batch_size: int = 64
    epochs: int = 30
    penalty: float = (
        0.0  # of the squared weights (not the intercept), added to the mean loss: penalty/2 * |w|^2
    )


@dataclass(frozen=True)
class Fitted:
    """A fitted model as plain data, that can be written to a file and read again.

    `state`: arrays, numbers and text. `finished`: False where training stopped before it got to its end (then `how`
    says why, as in "still falling after 30 epochs"); `diverged_at`: the epoch at which something was no longer
    finite. `curves`: what was seen on the way, by epoch.
    """

    kind: str
    state: Mapping[str, Any]
    finished: bool = True
    how: str = ""
    diverged_at: int | None = None
    curves: Mapping[str, list[float | None]] = field(default_factory=dict)

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Outputs for other rows, float64 (rows, outputs)."""
        return module(self.kind).outputs(self.state, features)


# Called after each epoch with a function from features to outputs; gives what to add to the curves, by name.
Look = Callable[[Callable[[np.ndarray], np.ndarray]], Mapping[str, "float | None"]]


def names() -> tuple[str, ...]:
    """The models there are, without importing any."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(__path__)))


def module(kind: str) -> Any:
    """The module of one model."""
    return import_module(f"{__name__}.{kind}")

"""What is held equal for every loss: model, optimiser, epochs, learning rates, seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from losscope.comparison.data import DataError

MODELS = ("linear", "mlp")
OPTIMIZERS = ("sgd", "adam")
METRICS = {
    "regression": ("mae", "rmse", "median_absolute_error"),
    "count": ("mae", "rmse", "median_absolute_error"),
    "binary": ("accuracy", "log_loss", "brier"),
    "classes": ("accuracy", "log_loss", "brier"),
}
HIGHER_IS_BETTER = {"accuracy"}
METRIC_WORDS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "median_absolute_error": "median |error|",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "brier": "Brier",
}
# Chosen so that the middle of the grid trains each bundled set under its default losses without diverging.
LEARNING_RATES = {("sgd", "regression"): 0.01, ("sgd", "classes"): 0.1, ("adam", "regression"): 0.003}
LARGE_DATA = 5_000
# Half a decade a step: the grid may walk three decades either way from the shared rate.
FARTHEST_STEP = 6


@dataclass(frozen=True)
class Settings:
    """One comparison's settings, complete: nothing is left to a default further down."""

    model: str
    hidden: int
    optimizer: str
    momentum: float
    batch_size: int
    epochs: int
    learning_rate: float
    grid: int
    seeds: tuple[int, ...]
    split_seed: int
    choose_by: str

    def rate(self, step: int) -> float:
        """The learning rate `step` half-decades away from the shared one: x1, x3, x10, x30 ..."""
        return float(f"{self.learning_rate * 10.0 ** (step // 2) * (3 if step % 2 else 1):.6g}")


def settle(
    *,
    kind: str,
    training_rows: int,
    model: str = "mlp",
    hidden: int = 64,
    optimizer: str = "sgd",
    batch_size: int = 64,
    epochs: int | None = None,
    learning_rate: float | None = None,
    grid: int = 5,
    seeds: int = 3,
    split_seed: int = 0,
    choose_by: str | None = None,
) -> Settings:
    """Check what was asked, fill in what was not.

    >>> settle(kind="regression", training_rows=1000).learning_rate
    0.01
    """
    check(model=model, hidden=hidden, optimizer=optimizer, batch_size=batch_size, epochs=epochs,
          learning_rate=learning_rate, grid=grid, seeds=seeds)  # fmt: skip
    choices = (*METRICS[kind], "own")
    if choose_by is not None and choose_by not in choices:
        raise DataError(
            f"--choose-by {choose_by!r} does not fit --task {kind}: give one of {', '.join(choices)}"
        )
    family = "regression" if kind in ("regression", "count") else "classes"
    default_rate = LEARNING_RATES.get((optimizer, family), LEARNING_RATES[optimizer, "regression"])
    return Settings(
        model=model,
        hidden=hidden if model == "mlp" else 0,
        optimizer=optimizer,
        momentum=0.9 if optimizer == "sgd" else 0.0,
        batch_size=batch_size,
        epochs=epochs if epochs is not None else (30 if training_rows <= LARGE_DATA else 12),
        learning_rate=learning_rate if learning_rate is not None else default_rate,
        grid=grid,
        seeds=tuple(range(seeds)),
        split_seed=split_seed,
        choose_by=choose_by or METRICS[kind][0],
    )


def check(
    *,
    model: str,
    hidden: int,
    optimizer: str,
    batch_size: int,
    epochs: int | None,
    learning_rate: float | None,
    grid: int,
    seeds: int,
) -> None:
    """Refuse a setting out of its range, before any data is read."""
    if model not in MODELS:
        raise DataError(f"--model {model!r} is not known: give one of {', '.join(MODELS)}")
    if optimizer not in OPTIMIZERS:
        raise DataError(f"--optimizer {optimizer!r} is not known: give one of {', '.join(OPTIMIZERS)}")
    for name, value, least in (
        ("--seeds", seeds, 1),
        ("--epochs", epochs, 1),
        ("--batch-size", batch_size, 1),
        ("--hidden", hidden, 1),
        ("--grid", grid, 1),
    ):
        if value is not None and value < least:
            raise DataError(f"{name} {value} is too few: give {least} or more")
    if learning_rate is not None and not (math.isfinite(learning_rate) and learning_rate > 0):
        raise DataError(
            f"--learning-rate {learning_rate:g} cannot be used: give a number above 0, such as 0.01"
        )
    if grid % 2 == 0:
        raise DataError(
            f"--grid {grid} has no middle for the shared learning rate: give an odd number, such as 5"
        )

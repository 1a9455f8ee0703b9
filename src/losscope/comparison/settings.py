"""What is held equal for every loss: splits, model, optimiser, epochs, learning rates, seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from losscope.comparison import models
from losscope.comparison.data import DataError
from losscope.comparison.kinds import refuse_other_kinds
from losscope.errors import did_you_mean

OPTIMIZERS = ("sgd", "adam")
# Chosen so that the middle of the grid trains each bundled set under its default losses without diverging.
LAST_SEED = 2**31  # each split has the next one, and NumPy takes them up to 2**32
LEARNING_RATES = {("sgd", "numbers"): 0.01, ("sgd", "classes"): 0.1, ("adam", "numbers"): 0.003}
# Epochs at most, unless asked for: so many that training sees about so many rows in all.
ROW_EPOCHS, FEWEST_EPOCHS, MOST_EPOCHS = 500_000, 12, 50
# Half a decade a step: the grid may walk three decades either way from the shared rate.
FARTHEST_STEP = 6
MOST_REPEATS = 10_000  # of splits, folds or seeds: each is a run for each loss
MOST_HIDDEN = 100_000
# Of the hidden layer: its weights, and what it gives for a batch (or for those rows on which its gradient is watched).
# Each is held six times: with its gradient, what the optimizer keeps of it, and as it was at the best epoch.
MOST_NUMBERS, LEAST_BATCH, NUMBER_TAKES = 1 << 28, 2_000, 6 * 4
LONGEST = 1_000_000  # epochs
# A rate may be tried a thousand times as large, and float32 ends at 3e38.
LARGEST = 1e30


@dataclass(frozen=True)
class Asked:
    """One comparison's settings as they were asked for; None is chosen by the data (see `settle`)."""

    model: str = "mlp"
    hidden: int = 64
    optimizer: str = "sgd"
    batch_size: int = 64
    epochs: int | None = None
    learning_rate: float | None = None
    grid: int = 5
    seeds: int = 1
    splits: int = 5
    folds: int | None = None
    split_seed: int = 0
    metric: str | None = None
    penalty: float | None = None
    task: str | None = None
    merge_rare_classes: bool = False
    tune: bool = False
    losses_file: str | Path | None = None

    def __post_init__(self) -> None:
        """Refuse a setting of another kind or out of its range, before any data is read."""
        refuse_other_kinds(Asked, vars(self))
        for option, value, known in (
            ("--model", self.model, models.names()),
            ("--optimizer", self.optimizer, OPTIMIZERS),
        ):
            if value not in known:
                raise DataError(f"{option} {value!r} is not known. {did_you_mean(str(value), known)}")
        for name, number, least, most in (
            ("--seeds", self.seeds, 1, MOST_REPEATS),
            ("--splits", self.splits, 1, MOST_REPEATS),
            ("--folds", self.folds, 2, MOST_REPEATS),
            ("--epochs", self.epochs, 1, LONGEST),
            ("--batch-size", self.batch_size, 1, math.inf),
            ("--hidden", self.hidden, 1, MOST_HIDDEN),
            ("--grid", self.grid, 1, 2 * FARTHEST_STEP + 1),
            ("--split-seed", self.split_seed, 0, math.inf),
        ):
            if number is not None and number < least:
                raise DataError(
                    f"{name} {number} is {'too few' if least else 'below 0'}: give {least} or more"
                )
            if number is not None and number > most:
                raise DataError(f"{name} {number} is too many: give {most:,} or fewer")
        rate = self.learning_rate
        if rate is not None and not 0 < rate <= LARGEST:
            raise DataError(
                f"--learning-rate {rate:g} cannot be used: give a number above 0, such as 0.01, and up to {LARGEST:g}"
            )
        if self.split_seed > LAST_SEED:
            raise DataError(
                f"--split-seed {self.split_seed} is too large: give a number from 0 to {LAST_SEED}"
            )
        if self.penalty is not None and not 0 <= self.penalty <= LARGEST:
            raise DataError(
                f"--penalty {self.penalty:g} cannot be used: give 0 or more, such as 0.001, and up to {LARGEST:g}"
            )
        if self.grid % 2 == 0:
            raise DataError(
                f"--grid {self.grid} has no middle for the shared learning rate: give an odd number, such as 5"
            )


@dataclass(frozen=True)
class Settings:
    """One comparison's settings, complete: nothing is left to a default further down. `learning_rate` is None for a
    model that has none to tune; `splits` is how many there are, whether repeated or folds."""

    model: str
    hidden: int
    optimizer: str
    momentum: float
    batch_size: int
    epochs: int
    learning_rate: float | None
    grid: int
    seeds: int
    splits: int
    folds: bool
    split_seed: int
    metric: str | None
    penalty: float

    @property
    def tunes_rate(self) -> bool:
        return self.learning_rate is not None

    def rate(self, step: int) -> float:
        """The learning rate `step` half-decades away from the shared one: x1, x3, x10, x30 ..."""
        assert self.learning_rate is not None
        return float(f"{self.learning_rate * 10.0 ** (step // 2) * (3 if step % 2 else 1):.6g}")


def settle(asked: Asked, numeric: bool, training_rows: int, columns: int, splits: int) -> Settings:
    """Fill in what was not asked for; refuse a model that takes too much memory.

    >>> settle(Asked(), numeric=True, training_rows=1000, columns=10, splits=5).learning_rate
    0.01
    """
    if asked.model == "mlp":
        _refuse_too_large(asked.hidden, columns, min(asked.batch_size, training_rows))
    family = "numbers" if numeric else "classes"
    default_rate = LEARNING_RATES.get((asked.optimizer, family), LEARNING_RATES[asked.optimizer, "numbers"])
    module = models.module(asked.model)
    return Settings(
        model=asked.model,
        hidden=asked.hidden if asked.model == "mlp" else 0,
        optimizer=asked.optimizer,
        momentum=0.9 if asked.optimizer == "sgd" else 0.0,
        batch_size=asked.batch_size,
        epochs=asked.epochs or min(max(ROW_EPOCHS // training_rows, FEWEST_EPOCHS), MOST_EPOCHS),
        learning_rate=(asked.learning_rate or default_rate) if module.TUNES_RATE else None,
        grid=asked.grid,
        seeds=asked.seeds,
        splits=splits,
        folds=asked.folds is not None,
        split_seed=asked.split_seed,
        metric=asked.metric,
        penalty=asked.penalty if asked.penalty is not None else getattr(module, "PENALTY", 0.0),
    )


def _refuse_too_large(hidden: int, columns: int, batch: int) -> None:
    each = columns + max(batch, LEAST_BATCH)
    if hidden * each > MOST_NUMBERS:
        raise DataError(
            f"--hidden {hidden} with {columns:,} columns and batches of {batch:,} rows takes "
            f"{hidden * each * NUMBER_TAKES / 2**30:.0f} GiB, more than {MOST_NUMBERS * NUMBER_TAKES / 2**30:.0f}: give "
            f"{max(MOST_NUMBERS // each, 1):,} or fewer"
            + (", or a smaller --batch-size" if batch > max(LEAST_BATCH, columns) else "")
        )

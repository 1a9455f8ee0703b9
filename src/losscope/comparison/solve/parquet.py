"""A linear model on a Parquet file that need not fit in memory: its record batches are read again for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import losscope as ls
from losscope.comparison.data import DataError
from losscope.comparison.solve.optimum import Optimum, minimise
from losscope.comparison.solve.whitened import Part
from losscope.errors import did_you_mean
from losscope.loss.total import Total

BATCH_ROWS = 131_072


@dataclass(frozen=True)
class LinearFit:
    """`coefficients` (columns, outputs) of the columns as they stand in the file, and `intercept` (outputs,);
    `mean_loss` over its `rows`, without the penalty."""

    columns: tuple[str, ...]
    coefficients: np.ndarray
    intercept: np.ndarray
    mean_loss: float
    rows: int
    finished: bool
    how: str

    def predict(self, features: Any) -> np.ndarray:
        """(rows, outputs), as the loss takes it, from an array whose columns are in the order of `columns`."""
        return np.asarray(features, dtype=np.float64) @ self.coefficients + self.intercept


def fit(
    loss: Any,
    path: str | Path,
    target: str,
    *,
    columns: Sequence[str] | None = None,
    weight: str | None = None,
    penalty: float = 0.0,
    batch_rows: int = BATCH_ROWS,
) -> LinearFit:
    """The linear model with the least mean loss (plus penalty/2 times the squared weights of standardised columns).

    `columns`: the features; None takes every column of numbers but target and weight. Memory is that of one batch
    of `batch_rows` rows, and time that of reading the file once for each step (some ten to thirty). The answer is
    the one that the same rows give in memory: sums over batches are added as Totals.

    Raises DataError for a file or column that cannot be used, with the first row at fault; LossError for a target
    outside the loss's domain.
    """
    loss = ls.get(loss)
    file = _File(Path(path).expanduser(), loss, target, weight, columns, batch_rows)
    middle, scale, classes, rows = file.moments()
    outputs = classes if loss.judges == "classes" else 1
    found: Optimum = minimise(loss, partial(file.parts, middle, scale), outputs, penalty)
    coefficients = found.weights / scale[:, None]
    squares = penalty / 2 * float((found.weights**2).sum())
    intercept = found.intercept - middle @ coefficients
    return LinearFit(
        file.columns, coefficients, intercept, found.value - squares, rows, found.finished, found.how
    )


class _File:
    """The batches of one file, as arrays that were looked at."""

    def __init__(
        self,
        path: Path,
        loss: ls.Loss,
        target: str,
        weight: str | None,
        columns: Sequence[str] | None,
        batch_rows: int,
    ) -> None:
        try:
            self.schema = pq.read_schema(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
        self.path, self.loss, self.target, self.weight, self.batch_rows = (
            path,
            loss,
            target,
            weight,
            batch_rows,
        )
        numbers = [field.name for field in self.schema if _is_number(field.type)]
        wanted = (
            [name for name in numbers if name not in (target, weight)] if columns is None else list(columns)
        )
        for name in (target, *([] if weight is None else [weight]), *wanted):
            if name not in self.schema.names:
                raise DataError(f"{path} has no column {name!r}. {did_you_mean(name, self.schema.names)}")
            if name not in numbers:
                raise DataError(
                    f"the column {name!r} of {path} is {self.schema.field(name).type}, not a number"
                )
        if not wanted:
            raise DataError(f"{path} has no column of numbers to learn from beside {target!r}")
        self.columns = tuple(wanted)

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Features (rows, columns), target and weight of each batch."""
        names = [*self.columns, self.target, *([] if self.weight is None else [self.weight])]
        first = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(self.batch_rows, columns=names):
                table = np.empty((batch.num_rows, len(names)))
                for position, name in enumerate(names):
                    table[:, position] = _numbers(batch.column(name), name, first)
                first += batch.num_rows
                if batch.num_rows:
                    width = len(self.columns)
                    yield table[:, :width], table[:, width], None if self.weight is None else table[:, -1]

    def moments(self) -> tuple[np.ndarray, np.ndarray, int, int]:
        """Each column's mean and standard deviation (1 for a constant), the number of classes, and of rows."""
        total: Any = 0
        rows, highest, origin = 0, 0.0, None
        for features, target, weight in self.batches():
            origin = features[0].copy() if origin is None else origin
            w = np.ones(len(features)) if weight is None else weight
            if w.min() < 0:
                row = rows + int(np.argmin(w))
                raise DataError(f"the weight in row {row + 1} of {self.path} is {w.min():g}: give 0 or more")
            x = features - origin
            total += Total(np.stack([w @ x, w @ x**2]), float(w.sum()))
            rows, highest = rows + len(features), max(highest, float(target.max()))
        if origin is None or not total.weight > 0:
            raise DataError(f"{self.path} has no row of weight above 0")
        mean, square = total.mean()
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        return (
            origin + mean,
            np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0),
            int(highest) + 1,
            rows,
        )

    def parts(self, middle: np.ndarray, scale: np.ndarray) -> Iterator[Part]:
        for features, target, weight in self.batches():
            seen = target.astype(np.int64) if self.loss.judges == "classes" else target[:, None]
            yield Part((features - middle) / scale, seen, weight)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _numbers(column: pa.Array, name: str, first: int) -> np.ndarray:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        row = first + int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(
            f"the column {name!r} is missing or infinite in row {row + 1}: fill or leave out such rows first"
        )
    return values

"""What training rows have taught of a table's columns, as plain data that turns other rows into the same columns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from losscope.comparison.columns import doubles


def texts_of(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Every value as text ("missing" where there is none), and which are there."""
    raw = values.to_numpy(object)
    there = ~pd.isna(raw)
    return np.where(there, raw, "missing").astype(str).astype(object), there


def counted_from(origin: int, numbers: pd.Series) -> np.ndarray:
    """By how much numbers are above the origin, whole ones to the last digit.

    >>> counted_from(10**17, pd.Series([10**17 + 1, 10**17 + 3])).tolist()
    [1.0, 3.0]
    """
    if numbers.dtype.kind in "iu":
        return np.array(
            [math.nan if each is pd.NA else each - origin for each in numbers.tolist()], np.float64
        )
    return pd.to_numeric(numbers, errors="coerce").to_numpy(np.float64) - origin


@dataclass(frozen=True)
class Numbers:
    """Columns of numbers, as plain data: what each is filled and scaled with. `first`: of a date, where its days
    start (ISO); `origin`: of whole numbers too long for a double, the least, from which they are counted; `exponents`: powers
    of two that bring far numbers within reach."""

    names: tuple[str, ...] = ()
    first: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, int] = field(default_factory=dict)
    exponents: tuple[int, ...] = ()
    fill: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def filled_with(self) -> dict[str, str]:
        """What stands for a missing value of each column, in words."""
        medians = {name: math.ldexp(*each) for name, each in zip(self.names, zip(self.fill, self.exponents))}
        return {name: self._written(name, median) for name, median in medians.items()}

    def _written(self, name: str, number: float) -> str:
        if name in self.first:
            return f"{pd.Timestamp(self.first[name]) + pd.Timedelta(days=number):%Y-%m-%d}"
        return str(self.origin[name] + round(number)) if name in self.origin else f"{number:.6g}"

    def apply(self, frame: pd.DataFrame) -> np.ndarray:
        """float64 (rows, columns)."""
        part = frame.loc[:, list(self.names)]
        if not self.first and not self.origin and all(dtype.kind in "iufb" for dtype in part.dtypes):
            values = doubles(part)
        else:
            values = self._one_by_one(part)
        values[np.isinf(values)] = np.nan
        if any(self.exponents):
            values = np.ldexp(values, -np.array(self.exponents))
        values = np.where(np.isnan(values), np.array(self.fill), values)
        return (values - np.array(self.mean)) / np.array(self.scale)

    def _one_by_one(self, frame: pd.DataFrame) -> np.ndarray:
        values = np.empty((len(frame), len(self.names)))
        for at, name in enumerate(self.names):
            column = frame.iloc[:, at]
            if name in self.first:
                dates = pd.to_datetime(column, errors="coerce")
                values[:, at] = (dates - pd.Timestamp(self.first[str(name)])).dt.total_seconds() / 86400.0
            elif name in self.origin:
                values[:, at] = counted_from(self.origin[str(name)], column)
            elif column.dtype.kind in "iufb":
                values[:, at] = column.to_numpy(np.float64, na_value=np.nan)
            else:
                values[:, at] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        return values


@dataclass(frozen=True)
class Words:
    """A column of words, as plain data: its categories, and the rarer ones, if there are any. Those and all that was
    never seen share one more column."""

    name: str
    categories: tuple[str, ...]
    rare: tuple[str, ...] = ()

    def apply(self, frame: pd.DataFrame) -> np.ndarray:
        """0/1, float64 (rows, columns)."""
        codes = pd.Index(self.categories).get_indexer(pd.Index(texts_of(frame[self.name])[0]))
        hot = np.zeros((len(frame), len(self.categories) + bool(self.rare)))
        known = codes >= 0
        hot[np.flatnonzero(known), codes[known]] = 1.0
        if self.rare:
            hot[~known, -1] = 1.0
        return hot


@dataclass(frozen=True)
class Columns:
    """What the training rows have taught of a table: enough to turn other rows of it into the same columns."""

    numbers: Numbers = field(default_factory=Numbers)
    words: tuple[Words, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.numbers.names, *(each.name for each in self.words))

    def apply(self, frame: pd.DataFrame) -> np.ndarray:
        """float32 (rows, columns); what it does not hold is infinite."""
        pieces = [self.numbers.apply(frame)] if self.numbers.names else []
        with np.errstate(over="ignore"):
            return np.concatenate(
                [*pieces, *(each.apply(frame) for each in self.words)], axis=1, dtype=np.float32
            )

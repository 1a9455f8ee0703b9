"""What single columns are for: the target, weights, time, groups; and what they must be to serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from losscope.comparison.columns import NUMBER, understood
from losscope.comparison.lookalikes import looks_like
from losscope.comparison.mistakes import LONG, DataError, counted, did_you_mean, listed, to_digits
from losscope.errors import visible

# Twenty rows leave four to test on: fewer cannot tell two losses apart, nor fit a model.
MINIMUM_ROWS = 20


@dataclass(frozen=True)
class Roles:
    """What columns are for. `drop`: not used. `keep`: never dropped, whatever they look like. `weights`: how much each
    row counts. `time`: the order in which rows came. `group`: rows that belong together."""

    target: str | None = None
    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
    weights: str | None = None
    time: str | None = None
    group: str | None = None


def _target_name(columns: list[str], target: str | None, source: str) -> str:
    if not columns:
        raise DataError(f"{source} has no columns: a target and a feature are needed")
    if target is None:
        raise DataError(
            f"which column of {source} is the target? give --target, one of: {listed(columns)}{_no_header(columns)}"
        )
    found = _column(columns, target, source)
    if len(columns) < 2:
        raise DataError(
            f"{source} has only the column {found!r}: there is nothing to predict it from; add feature "
            f"columns"
        )
    return found


def _column(columns: list[str], asked: str, source: str) -> str:
    """The column of that name, or of that name without the blanks around it."""
    asked = visible(str(asked))
    for name in (asked, asked.strip()):
        if name in columns:
            return name
    raise DataError(
        f"{source} has no column {asked!r}{did_you_mean(asked, columns)}; its columns are: "
        f"{listed(columns)}{_no_header(columns)}"
    )


def _several(columns: list[str], asked: Sequence[str], option: str, source: str) -> list[str]:
    """Each name asked for; one with commas that is no column's own is several."""
    names = [
        name
        for text in map(str, asked)
        for name in ([text] if text in columns or "," not in text else text.split(","))
    ]
    if any(not name.strip() for name in names):
        raise DataError(f"{option} names no column: give one of {listed(columns)}")
    return list(dict.fromkeys(_column(columns, name, source) for name in names))


def settled(roles: Roles, columns: list[str], source: str) -> Roles:
    """The same roles with the names of the columns as they are; refused where two of them clash."""
    target = _target_name(columns, roles.target, source)
    drop = _several(columns, roles.drop, "--drop", source)
    keep = _several(columns, roles.keep, "--keep", source)
    single = {
        role: name if name is None else _column(columns, name, source)
        for role, name in (("weights", roles.weights), ("time", roles.time), ("group", roles.group))
    }
    for role, name in single.items():
        if name == target:
            raise DataError(f"--{role} {name!r} is the target: choose another column")
    if target in (*drop, *keep):
        raise DataError(f"{target!r} is the target, not a feature: leave it out of --drop and --keep")
    both = [column for column in drop if column in keep]
    if both:
        raise DataError(f"{both[0]!r} is both in --drop and in --keep: leave it out of one of them")
    if roles.time is not None and roles.group is not None:
        raise DataError("--time and --group are two ways of splitting the rows: give one of them")
    return Roles(target, tuple(drop), tuple(keep), **single)


def that_count(frame: pd.DataFrame, weights: str | None) -> np.ndarray:
    """Which rows have another weight than 0: the others are not there, whatever stands in them."""
    values = None if weights is None else understood(frame[weights]).values
    counts = np.ones(len(frame), bool) if values is None else (values != 0).to_numpy(bool, na_value=True)
    if weights is not None and counts.sum() < MINIMUM_ROWS:
        raise DataError(
            f"--weights {weights!r} is above 0 in {counted(int(counts.sum()))}: at least {MINIMUM_ROWS} are needed to train, "
            "validate and test on different rows"
        )
    return counts


def target_of(values: pd.Series, source: str) -> tuple[pd.Series, list[str], np.ndarray]:
    """The target where there is one, what was done to it, and the rows without."""
    name = str(values.name)
    column = understood(values, remarks=False)
    if column.values is None:
        raise DataError(
            f"the target {name!r} of {source} is of {column.what}: choose a column of numbers or words"
        )
    read = column.values
    missing = read.isna().to_numpy()
    if missing.all():
        raise DataError(
            f"the target {name!r} of {source} is missing in all {len(read)} rows: choose another column"
        )
    said = [f"target {name} is a duration: taken in days"] if column.what else []
    if missing.any():
        words = f" ({listed([word for word, _ in column.words], 5)} taken as missing)" if column.words else ""
        said.append(f"{counted(int(missing.sum()))} without a target dropped{words}")
    there = np.flatnonzero(~missing)
    read = read[~missing]
    for column_of in (values[~missing], read):  # without the gaps every digit is kept
        if pd.api.types.is_integer_dtype(column_of.dtype):
            read = pd.Series(column_of.tolist(), name=name)
            break
    read = read.reset_index(drop=True)
    if len(read) < MINIMUM_ROWS:
        raise DataError(
            f"{source} has {counted(len(read))} with a target: at least {MINIMUM_ROWS} are needed to train, "
            "validate and test on different rows; add rows"
        )
    if read.dtype.kind == "M":
        what, mend = looks_like(pd.Series(["2024-01-31"])) or ("dates", "write numbers")
        raise DataError(
            f"the target {name!r} of {source} looks like {what} (first: {values.iloc[there[0]]!s}), so it cannot be "
            f"used as a number: {mend}, or choose another --target"
        )
    if read.dtype.kind == "f" and np.isinf(read).any():
        wrong = there[np.flatnonzero(np.isinf(read.to_numpy()))]
        raise DataError(
            f"the target {name!r} of {source} is infinite in {counted(len(wrong))} "
            f"(first: row {values.index[wrong[0]]}): remove or mend them"
        )
    if (
        missing.any()
        and read.dtype.kind == "f"
        and (read == np.floor(read)).all()
        and read.abs().max() < LONG
    ):
        read = read.astype(
            np.int64
        )  # whole numbers, which pandas takes for others only where some are missing
    if read.nunique() == 1:
        raise DataError(
            f"the target {name!r} of {source} is the same ({read.iloc[0]!s}) in every row{to_digits(read)}: "
            "there is nothing to learn; choose another --target"
        )
    if read.dtype == object:
        read = read.map(lambda value: visible(value) if isinstance(value, str) else value)
    return read, said, missing


@dataclass(frozen=True)
class Aside:
    """Columns that are no features. The index has the numbers of the rows in the data as given."""

    frame: pd.DataFrame

    def _read(self, option: str, name: str) -> pd.Series:
        column = understood(self.frame[name])
        if column.values is None:
            raise DataError(f"{option} {name!r} is of {column.what}: choose another column")
        missing = column.values.isna().to_numpy()
        if missing.any():
            raise DataError(
                f"{option} {name!r} is missing in {counted(int(missing.sum()))} (first: row "
                f"{self.frame.index[int(missing.argmax())]}): fill or remove them"
            )
        whole = column.values.dtype in ("Int64", "UInt64")
        return pd.Series(column.values.tolist(), column.values.index) if whole else column.values

    def weights(self, name: str | None) -> np.ndarray | None:
        if name is None:
            return None
        values = self._read("--weights", name)
        if values.dtype.kind not in "iufb":
            raise DataError(f"--weights {name!r} is no column of numbers: weights are numbers of 0 or more")
        weight = values.to_numpy(np.float64)
        wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
        if len(wrong):
            raise DataError(
                f"--weights {name!r} is {weight[wrong[0]]:g} in row {self.frame.index[wrong[0]]}: weights are numbers of "
                "0 or more"
            )
        # Only what they are of each other counts. Boosters have thresholds of their own for sums of them, and float32 an end.
        weight = np.ldexp(weight, -np.frexp(weight.max())[1])
        weight = np.ldexp(weight, -np.frexp(weight.mean())[1])
        return np.fmax(weight, np.finfo(np.float32).tiny)

    def time(self, name: str | None) -> np.ndarray | None:
        if name is None:
            return None
        values = self._read("--time", name)
        if values.dtype.kind not in "iufM":
            raise DataError(
                f"--time {name!r} is neither numbers nor dates (first: {values.iloc[0]!r}): write dates as 2024-01-31"
            )
        return (
            values.to_numpy("datetime64[us]").astype(np.int64)
            if values.dtype.kind == "M"
            else values.to_numpy()
        )

    def groups(self, name: str | None) -> np.ndarray | None:
        """As they were given: numbers that floating-point ones do not tell apart may be of different groups."""
        if name is None:
            return None
        self._read("--group", name)
        return pd.factorize(self.frame[name].astype(str))[0]


def _no_header(columns: list[str]) -> str:
    """What the names of the columns look like where they are none."""
    if len(columns) == 1 and len(columns[0].split()) > 1:
        return " (one column: fields are separated by a comma, a semicolon, a tab or a |, not by blanks)"
    if all(NUMBER.fullmatch(name) for name in columns):
        return " (all of them numbers: is the header line missing, which names the columns?)"
    return ""

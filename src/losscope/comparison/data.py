"""Which data, and is it fit to be compared on? A bundled set, a file, a data frame: one kind of table comes out.

Everything that a person can get wrong about data ends here as one `DataError`: what is wrong, where,
what was expected, and what to do next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from losscope.comparison.columns import NUMBER, tidied, understood
from losscope.comparison.delimited import refuse_columns
from losscope.comparison.images import read_folder
from losscope.comparison.lookalikes import looks_like
from losscope.comparison.mistakes import DataError, counted, did_you_mean, listed
from losscope.comparison.tables import from_arrow, is_arrow, read_table
from losscope.errors import visible

__all__ = ["DataError", "Dataset", "Roles", "counted", "from_frame", "listed", "load"]

# Twenty rows leave four to test on: fewer cannot tell two losses apart, nor fit a model.
MINIMUM_ROWS = 20

BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes")
KNOWN = (*BUNDLED, "mnist")


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


@dataclass(frozen=True)
class Dataset:
    """Rows as they were read: features and target, nothing scaled, encoded or thrown away but empty targets.

    `pixels` is the largest value of a pixel when every feature is one (then they are divided by it and
    nothing else is done). `test_rows` marks the test set of data that comes with one. `kind` is the task of
    data that is known, such as "classes" for digits. `weight`, `time` and `groups` are None where no column was
    named for them: how much each row counts, when it was, and whom it belongs to. `keep`: features that are never
    dropped.
    """

    name: str
    features: pd.DataFrame
    target: pd.Series
    source: str
    pixels: float | None = None
    test_rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    kind: str | None = None
    weight: np.ndarray | None = None
    time: np.ndarray | None = None
    time_name: str = ""
    groups: np.ndarray | None = None
    group_name: str = ""
    keep: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """A hash of every value: two data sets with one fingerprint give the same runs."""
        digest = hashlib.sha256()
        digest.update("\x1f".join(map(str, self.features.columns)).encode())
        plain = self.features.select_dtypes(["number", "bool"])
        digest.update(np.ascontiguousarray(plain.to_numpy(np.float64)).tobytes())
        others = self.features.drop(columns=plain.columns)
        digest.update(pd.util.hash_pandas_object(others, index=False).to_numpy().tobytes())
        digest.update(pd.util.hash_pandas_object(self.target, index=False).to_numpy().tobytes())
        for name in ("test_rows", "weight", "time", "groups"):
            values = getattr(self, name)
            if values is not None:
                digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        digest.update("\x1f".join(self.keep).encode())
        return digest.hexdigest()[:32]


def load(
    data: Any,
    target: str | None = None,
    data_dir: str | Path | None = None,
    *,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    weights: str | None = None,
    time: str | None = None,
    group: str | None = None,
) -> Dataset:
    """Read `data`: a bundled set's name, "mnist" (with `data_dir`), a CSV or Parquet file, or a data frame of
    pandas, polars, pyarrow or any other library that speaks Arrow. The names of columns are as `Roles` says.

    >>> load("digits").features.shape
    (1797, 64)
    """
    if isinstance(data, Dataset):
        return data
    roles = Roles(target, _names(drop), _names(keep), weights, time, group)
    if isinstance(data, pd.DataFrame):
        return from_frame(data, roles, name="data frame", source="a data frame")
    if is_arrow(data):
        return from_frame(from_arrow(data, "the data frame"), roles, name="data frame", source="a data frame")
    if not isinstance(data, str | Path):
        raise DataError(
            f"data is a {type(data).__name__}: give a data frame, the path of a .csv or .parquet file, or one of "
            f"{', '.join(KNOWN)}"
        )
    text = str(data)
    if not text.strip():
        raise DataError(f"--data is empty: give a .csv or .parquet file, or one of {', '.join(KNOWN)}")
    if text in KNOWN:
        return _with_own_target(text, data_dir, roles)
    if "://" in text:
        raise DataError(f"--data {text!r} is an address: download the file, and give its path")
    path = Path(text).expanduser()
    if not path.exists() and path.suffix == "" and path.parent == Path("."):
        raise DataError(
            f"--data {text!r} is neither a file here nor a bundled data set{did_you_mean(text, KNOWN)}; "
            f"give a .csv or .parquet file, or one of {', '.join(KNOWN)}"
        )
    frame, notes = read_table(path)
    return from_frame(frame, roles, name=visible(path.stem), source=visible(str(path)), notes=notes)


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _with_own_target(name: str, data_dir: str | Path | None, roles: Roles) -> Dataset:
    if roles.target is not None:
        own = "target, the digit: leave --target out" if name == "mnist" else (
            "target: leave --target out, or give your own table to --data"
        )  # fmt: skip
        raise DataError(f"--data {name} has its own {own}")
    dataset = _mnist(data_dir) if name == "mnist" else _bundled(name)
    if replace(roles) == Roles():
        return dataset
    if dataset.pixels is not None:
        raise DataError(
            f"--data {name} is of pixels: --drop, --keep, --weights, --time and --group are for tables"
        )
    whole = dataset.features.assign(**{str(dataset.target.name): dataset.target})
    made = from_frame(whole, replace(roles, target=str(dataset.target.name)), name, dataset.source)
    return replace(made, kind=dataset.kind)


# ------------------------------------------------------------------------------------------------- roles


def from_frame(
    frame: pd.DataFrame,
    roles: Roles | str | None,
    name: str,
    source: str,
    notes: Sequence[str] = (),
) -> Dataset:
    """Take the target, and whatever else has a role, out of a table, drop rows without a target, and refuse what
    cannot be used."""
    if not isinstance(roles, Roles):
        roles = Roles(roles)
    frame = frame.copy(deep=False)
    frame.columns = [visible(str(column)) for column in frame.columns]
    columns = list(frame.columns)
    refuse_columns(columns, source)
    target = _target_of(columns, roles.target, source)
    if len(frame) == 0:
        raise DataError(f"{source} has a header but no rows: at least {MINIMUM_ROWS} are needed")
    values, said, missing = _target(frame[target], source)
    drop, keep = (
        _several(columns, asked, f"--{word}", source)
        for word, asked in (("drop", roles.drop), ("keep", roles.keep))
    )
    _refuse_clashes(target, drop, keep, roles)
    extra = _Extra(frame.loc[~missing], columns, source, np.flatnonzero(~missing))
    weight = extra.weights(roles.weights)
    time, groups = extra.time(roles.time), extra.groups(roles.group)
    aside = {target, *drop, *(column for column in (roles.weights, roles.group) if column is not None)}
    features = frame.loc[~missing, [column for column in columns if column not in aside]].reset_index(
        drop=True
    )
    if features.shape[1] == 0:
        raise DataError(
            f"{source} has only the column {target!r}" + (" left" if len(columns) > 1 else "")
            + ": there is nothing to predict it from; add feature columns"
        )  # fmt: skip
    features, done = tidied(features)
    notes = [*notes, *said, *([f"dropped as asked: {listed(drop)}"] if drop else []), *done]
    if weight is not None:
        notes.append(f"each row counts as {roles.weights} says, in training and in every metric")
    return Dataset(
        name=name,
        features=features,
        target=values.rename(target),
        source=source,
        notes=tuple(notes),
        weight=weight,
        time=time,
        time_name=roles.time or "",
        groups=groups,
        group_name=roles.group or "",
        keep=tuple(keep),
    )


def _target_of(columns: list[str], target: str | None, source: str) -> str:
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
        name for text in asked for name in ([text] if text in columns or "," not in text else text.split(","))
    ]
    if any(not name.strip() for name in names):
        raise DataError(f"{option} names no column: give one of {listed(columns)}")
    return list(dict.fromkeys(_column(columns, name, source) for name in names))


def _refuse_clashes(target: str, drop: list[str], keep: list[str], roles: Roles) -> None:
    for what, name in (("--weights", roles.weights), ("--time", roles.time), ("--group", roles.group)):
        if name == target:
            raise DataError(f"{what} {name!r} is the target: choose another column")
    for column in (*drop, *keep):
        if column == target:
            raise DataError(f"{column!r} is the target, not a feature: leave it out of --drop and --keep")
    both = [column for column in drop if column in keep]
    if both:
        raise DataError(f"{both[0]!r} is both in --drop and in --keep: leave it out of one of them")
    if roles.time is not None and roles.group is not None:
        raise DataError("--time and --group are two ways of splitting the rows: give one of them")


def _target(values: pd.Series, source: str) -> tuple[pd.Series, list[str], np.ndarray]:
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
    read = read[~missing].reset_index(drop=True)
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
            f"(first: row {wrong[0] + 1}): remove or mend them"
        )
    if read.nunique() == 1:
        raise DataError(
            f"the target {name!r} of {source} is the same ({read.iloc[0]!s}) in every row: "
            "there is nothing to learn; choose another --target"
        )
    if read.dtype == object:
        read = read.map(lambda value: visible(value) if isinstance(value, str) else value)
    return read, said, missing


@dataclass(frozen=True)
class _Extra:
    """Columns that are no features; `rows` are the row numbers of the file that are left."""

    frame: pd.DataFrame
    columns: list[str]
    source: str
    rows: np.ndarray

    def _read(self, option: str, name: str) -> pd.Series:
        name = _column(self.columns, name, self.source)
        column = understood(self.frame[name])
        if column.values is None:
            raise DataError(f"{option} {name!r} is of {column.what}: choose another column")
        missing = column.values.isna().to_numpy()
        if missing.any():
            raise DataError(
                f"{option} {name!r} is missing in {counted(int(missing.sum()))} (first: row "
                f"{self.rows[int(missing.argmax())] + 1}): fill or remove them"
            )
        return column.values

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
                f"--weights {name!r} is {weight[wrong[0]]:g} in row {self.rows[wrong[0]] + 1}: weights are numbers of "
                "0 or more"
            )
        if not weight.any():
            raise DataError(f"--weights {name!r} is 0 in every row: nothing counts")
        return weight

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
        return None if name is None else pd.factorize(self._read("--group", name).astype(str))[0]


def _no_header(columns: list[str]) -> str:
    """What the names of the columns look like where they are none."""
    if len(columns) == 1 and len(columns[0].split()) > 1:
        return " (one column: fields are separated by a comma, a semicolon, a tab or a |, not by blanks)"
    if all(NUMBER.fullmatch(name) for name in columns):
        return " (all of them numbers: is the header line missing, which names the columns?)"
    return ""


# ---------------------------------------------------------------------------------------- with their own target


def _bundled(name: str) -> Dataset:
    """One of scikit-learn's bundled sets, which need no download."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")(
        as_frame=True, **({"scaled": False} if name == "diabetes" else {})
    )
    target = loaded.target.rename({"digits": "digit", "diabetes": "progression"}.get(name, "class"))
    if name in ("breast_cancer", "wine", "iris"):
        target = pd.Series(np.asarray(loaded.target_names, dtype=object)[loaded.target], name="class")
    return Dataset(
        name=name,
        features=loaded.data,
        target=target,
        source=f"scikit-learn's bundled {name}",
        pixels=16.0 if name == "digits" else None,
        kind={"digits": "classes", "diabetes": "regression"}.get(name),
    )


def _mnist(folder: str | Path | None) -> Dataset:
    pixels, labels, test_rows = read_folder(folder)
    return Dataset(
        name="mnist",
        features=pd.DataFrame(pixels, columns=[f"pixel_{i}" for i in range(pixels.shape[1])]),
        target=pd.Series(labels, name="digit"),
        source=visible(str(folder)),
        pixels=255.0,
        kind="classes",
        test_rows=test_rows,
    )

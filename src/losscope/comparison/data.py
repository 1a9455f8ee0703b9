"""Which data, and is it fit to be compared on? A bundled set, a file, a data frame: one kind of table comes out.

Everything that a person can get wrong about data ends here as one `DataError`: what is wrong, where,
what was expected, and what to do next.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from losscope.comparison.columns import tidied, too_long, with_whole_characters
from losscope.comparison.delimited import refuse_columns
from losscope.comparison.images import read_folder
from losscope.comparison.kinds import refuse_long_name, refuse_other_kinds
from losscope.comparison.mistakes import DataError, counted, did_you_mean, listed
from losscope.comparison.roles import MINIMUM_ROWS, Aside, Roles, settled, target_of, that_count
from losscope.comparison.tables import from_arrow, is_arrow, read_table
from losscope.errors import visible

__all__ = ["DataError", "Dataset", "Roles", "counted", "from_frame", "listed", "load", "named"]

BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes")
KNOWN = (*BUNDLED, "mnist")


@dataclass(frozen=True)
class Dataset:
    """Rows as they were read: features and target, nothing scaled, encoded or thrown away but empty targets.

    `pixels` is the largest value of a pixel when every feature is one (then they are divided by it and
    nothing else is done). `test_rows` marks the test set of data that comes with one. `kind` is the task of
    data that is known, such as "classes" for digits. `weight`, `time` and `groups` are None where no column was
    named for them: how much each row counts (more than 0), when it was, and whom it belongs to. `keep`: features that are never
    dropped. `formats`: how columns were written, where other rows of them might not tell. `rows`: of each row its
    number in the data as given, from 1; None where none was left out.
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
    formats: Mapping[str, str] = field(default_factory=dict)
    rows: np.ndarray | None = None

    @property
    def row_numbers(self) -> np.ndarray:
        """By what number rows are named: the first below the header is 1."""
        return np.arange(1, len(self.target) + 1) if self.rows is None else self.rows

    def fingerprint(self) -> str:
        """A hash of every value: two data sets with one fingerprint give the same runs."""
        digest = hashlib.sha256()
        digest.update("\x1f".join(map(str, self.features.columns)).encode())
        plain = self.features.select_dtypes(["number", "bool"])
        plain = plain.drop(columns=too_long(plain))
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
    refuse_other_kinds(load, {"data_dir": data_dir, "drop": drop, "keep": keep})
    roles = Roles(target, _names(drop), _names(keep), weights, time, group)
    if isinstance(data, Dataset):
        if roles != Roles() or data_dir is not None:
            raise DataError(
                "data is a Dataset, whose columns have their parts already: give target, drop, keep, weights, time, group "
                "and data_dir to load, which makes it"
            )
        return data
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
    refuse_long_name(text)
    path = Path(text).expanduser()
    if not os.path.lexists(path) and path.suffix == "" and path.parent == Path("."):
        raise DataError(
            f"--data {text!r} is neither a file here nor a bundled data set{did_you_mean(text, KNOWN)}; "
            f"give a .csv or .parquet file, or one of {', '.join(KNOWN)}"
        )
    frame, notes, formats = read_table(path)
    return from_frame(frame, roles, visible(path.stem), visible(str(path)), notes, formats)


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


def named(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """The same table, its columns named by text that can be seen and is said of one column alone, and its words of characters
    that there are."""
    frame = frame.copy(deep=False)
    frame.columns = [visible(str(column)) for column in frame.columns]
    refuse_columns(list(frame.columns), source)
    for place in np.flatnonzero(
        [isinstance(dtype, np.dtype) and dtype.kind == "O" for dtype in frame.dtypes]
    ).tolist():
        frame.isetitem(place, with_whole_characters(frame.iloc[:, place]).array)
    return frame


def from_frame(
    frame: pd.DataFrame,
    roles: Roles | str | None,
    name: str,
    source: str,
    notes: Sequence[str] = (),
    formats: Mapping[str, str] | None = None,
) -> Dataset:
    """Take the target, and whatever else has a role, out of a table, drop rows without a target, and refuse what
    cannot be used."""
    if not isinstance(roles, Roles):
        roles = Roles(roles)
    frame = named(frame, source)
    columns = list(frame.columns)
    roles = settled(roles, columns, source)
    target = str(roles.target)
    if len(frame) == 0:
        raise DataError(f"{source} has a header but no rows: at least {MINIMUM_ROWS} are needed")
    frame = frame.set_axis(range(1, len(frame) + 1))  # the numbers that rows are named by
    counts = that_count(frame, roles.weights)
    values, said, missing = target_of(frame.loc[counts, target], source)
    frame = frame.iloc[np.flatnonzero(counts)[~missing]]
    aside = Aside(frame)
    weight, time, groups = aside.weights(roles.weights), aside.time(roles.time), aside.groups(roles.group)
    gone = {target, *roles.drop, roles.weights, roles.group}
    features = frame[[column for column in columns if column not in gone]].reset_index(drop=True)
    if features.shape[1] == 0:
        raise DataError(f"{source} has only the column {target!r} left: there is nothing to predict it from")
    features, done, dates = tidied(features)
    if features.shape[1] == 0:
        raise DataError(
            f"{source} has no feature that a model can take ({'; '.join(done)}): add columns of numbers, words or dates"
        )
    notes = [*notes, *said, *([f"dropped as asked: {listed(roles.drop)}"] if roles.drop else []), *done]
    if weight is not None:
        notes.append(f"each row counts as {roles.weights} says, in training and in every metric")
    if not counts.all():
        notes.append(f"{counted(int(np.sum(~counts)))} of weight 0 dropped")
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
        keep=tuple(roles.keep),
        formats={**(formats or {}), **dates},
        rows=frame.index.to_numpy(),
    )


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

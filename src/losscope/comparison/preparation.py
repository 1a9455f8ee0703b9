"""From a table to arrays: which rows are for what, and what is done to the columns.

Everything fitted (medians, means, scales, categories, the target's own mean and scale) is fitted on the
training rows alone, by scikit-learn's own pipeline pieces, and each step is put into words in `steps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from losscope.comparison.data import DataError, Dataset, counted, listed
from losscope.comparison.lookalikes import looks_like
from losscope.comparison.splits import Split, described, splits
from losscope.comparison.task import Task

# Rarer categories share one column: thousands of columns would make the comparison one of memorising.
MOST_CATEGORIES = 30
# Text that differs in more than half of the rows names the row; it does not describe it.
NAMES_ROWS_ABOVE = 0.5
NAMES_ROWS = "text that differs in most rows"
CAPPED_ABOVE = 0.01


@dataclass(frozen=True)
class Prepared:
    """Arrays ready for training. `features` float32 (rows, columns); `target` as the task encodes it.

    Numbers stay in original units (float64) in `target`; `centre` and `scale` standardise them. Classes are their
    index (int64). `weight`: float64 (rows,), or None. `train`, `validation` and `test` are row numbers.
    """

    features: np.ndarray
    target: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    steps: tuple[str, ...]
    columns: int
    centre: float = 0.0
    scale: float = 1.0
    weight: np.ndarray | None = None


def prepare(dataset: Dataset, task: Task, split_seed: int = 0, split: Split | None = None) -> Prepared:
    """Turn the features into float32 columns with what the training rows of `split` (else of the first) teach.

    >>> from losscope.comparison.data import load
    >>> from losscope.comparison.task import decide
    >>> digits = load("digits")
    >>> prepare(digits, decide(digits, None, [])).features.shape
    (1797, 64)
    """
    target = task.encode(dataset.target)
    split = split or splits(dataset, task, 1, seed=split_seed)[0]
    train = split.train
    steps = [*dataset.notes, described(dataset, task, split)]
    if task.merged:
        rows = counted(int(np.sum(target == len(task.labels) - 1)))
        steps.append(
            f"rare classes merged into {task.labels[-1]!r}: {listed(list(map(str, task.merged)))} ({rows})"
        )
    if dataset.pixels is not None:
        features = dataset.features.to_numpy(np.float32) / np.float32(dataset.pixels)
        steps.append(f"{features.shape[1]} pixels divided by {dataset.pixels:g}, their largest value")
    else:
        features, done = _columns(dataset.features, train, dataset.source)
        steps.extend(done)
    centre, scale = 0.0, 1.0
    if task.numeric:
        with np.errstate(over="ignore", under="ignore"):
            centre, scale = float(np.mean(target[train])), float(np.std(target[train]))
        if not (np.isfinite(scale) and scale > 0) and np.ptp(target[train]) > 0:
            raise DataError(
                f"the target {dataset.target.name!r} is too {'small' if scale == 0 else 'large'} to compute with "
                f"(from {target.min():.3g} to {target.max():.3g}): give it in other units"
            )
        steps.append(
            f"target standardised by the training rows: losses see "
            f"{_standardised(str(dataset.target.name), centre, scale)}, metrics are in the original units"
        )
        steps.extend(_piled_up(target, str(dataset.target.name)))
    return Prepared(
        features=np.ascontiguousarray(features, dtype=np.float32),
        target=target,
        train=train,
        validation=split.validation,
        test=split.test,
        steps=tuple(steps),
        columns=features.shape[1],
        centre=centre,
        scale=scale,
        weight=dataset.weight,
    )


def _columns(frame: pd.DataFrame, train: np.ndarray, source: str) -> tuple[np.ndarray, list[str]]:
    """Impute, encode and scale; what is dropped or filled is decided on the training rows alone."""
    frame = frame.copy()
    steps: list[str] = []
    infinite: list[str] = []
    dates: set[str] = set()
    for column in frame.columns:
        values = frame[column]
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            seconds = (values - values.iloc[train].min()).dt.total_seconds()
            frame[column] = seconds / 86400.0
            dates.add(column)
            steps.append(f"date {column} turned into days")
        elif pd.api.types.is_bool_dtype(values.dtype):
            frame[column] = values.astype(float)
        elif pd.api.types.is_numeric_dtype(values.dtype):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            if np.isinf(numbers).any():
                infinite.append(column)
            frame[column] = _within_reach(np.where(np.isinf(numbers), np.nan, numbers))
        else:
            frame[column] = values.astype(object).where(values.notna(), None)
    if infinite:
        steps.append(f"infinite values in {listed(infinite)} taken as missing")

    seen = frame.iloc[train]
    dropped: dict[str, list[str]] = {}
    numeric: list[str] = []
    categorical: list[str] = []
    for column in frame.columns:
        values = seen[column].dropna()
        is_number = pd.api.types.is_numeric_dtype(frame[column].dtype)
        distinct = values.astype(str).nunique() if not is_number else values.nunique()
        if len(values) == 0:
            dropped.setdefault("every value missing", []).append(column)
        elif distinct == 1 and (len(values) == len(seen) or is_number):
            dropped.setdefault("constant", []).append(column)
        elif is_number and column not in dates and _counts_rows(frame[column], column):
            dropped.setdefault("a row number", []).append(column)
        elif is_number:
            numeric.append(column)
        elif distinct > max(MOST_CATEGORIES, NAMES_ROWS_ABOVE * len(values)):
            dropped.setdefault(NAMES_ROWS, []).append(column)
        else:
            categorical.append(column)
    steps.extend(f"dropped {listed(columns)}: {reason}" for reason, columns in dropped.items())
    steps.extend(_lookalikes(frame, [*dropped.get(NAMES_ROWS, []), *categorical]))
    if not numeric and not categorical:
        raise DataError(
            f"no usable feature is left in {source} ({'; '.join(steps) or 'no columns'}): add columns that "
            "vary and describe the rows"
        )
    filled = [(column, int(frame[column].isna().sum())) for column in numeric if frame[column].isna().any()]
    if filled:
        words = listed([f"{column} ({count:,})" for column, count in filled])
        steps.append(f"missing values filled with the training median: {words}")
    if numeric:
        steps.append(
            f"{len(numeric)} numeric column{'s' * (len(numeric) > 1)} standardised by the training rows"
        )
    if categorical:
        described = listed([f"{column} ({seen[column].nunique(dropna=False)})" for column in categorical])
        steps.append(f"one-hot columns for {described}; an unseen category is all zeros")

    pieces = ColumnTransformer(
        [
            (
                "numbers",
                Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())]),
                numeric,
            ),
            (
                "categories",
                Pipeline(
                    [
                        (
                            "fill",
                            SimpleImputer(strategy="constant", fill_value="missing", missing_values=None),
                        ),
                        ("text", _AsText()),
                        (
                            "encode",
                            OneHotEncoder(
                                handle_unknown="ignore"
                                if _few_levels(seen, categorical)
                                else "infrequent_if_exist",
                                max_categories=None if _few_levels(seen, categorical) else MOST_CATEGORIES,
                                sparse_output=False,
                            ),
                        ),
                    ]
                ),
                categorical,
            ),
        ]
    )
    pieces.fit(seen)
    return np.asarray(pieces.transform(frame), dtype=np.float32), steps


def _within_reach(numbers: np.ndarray) -> np.ndarray:
    """Numbers whose squares are numbers, too, or else those times a power of two: standardised they are the same."""
    largest = np.nanmax(np.abs(numbers), initial=0.0)
    return numbers if 1e-150 < largest < 1e150 else np.ldexp(numbers, -np.frexp(largest)[1])


class _AsText:
    """Every category as text, so that 1, "1" and True in one column do not stop the encoder."""

    def fit(self, features: np.ndarray, target: object = None) -> _AsText:
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(features, dtype=object).astype(str).astype(object)

    def fit_transform(self, features: np.ndarray, target: object = None) -> np.ndarray:
        return self.transform(features)


def _standardised(name: str, centre: float, scale: float) -> str:
    """The formula, with 4 digits.

    >>> _standardised("y", -0.0974947, 2.37642), _standardised("price", 206855.8, 115000)
    ('(y + 0.09749) / 2.376', '(price - 206,856) / 115,000')
    """
    if centre == 0:
        return f"{name} / {_short(scale)}"
    return f"({name} {'-' if centre > 0 else '+'} {_short(abs(centre))}) / {_short(scale)}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1e3 <= value < 1e9 else f"{value:.4g}"


def _piled_up(target: np.ndarray, name: str) -> list[str]:
    """Says when many rows share the largest or smallest target, as in capped data; nothing is done to it."""
    said = []
    for word, value in (("largest", target.max()), ("smallest", target.min())):
        count = int(np.sum(target == value))
        if count >= 10 and count > CAPPED_ABOVE * len(target):
            said.append(
                f"{counted(count)} ({count / len(target):.1%}) have the {word} {name}, "
                f"{value:,.10g}: left as is"
            )
    return said


def _lookalikes(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    """Says which columns of text look like numbers or dates; they are not guessed at."""
    found: dict[tuple[str, str], list[str]] = {}
    for column in columns:
        looks = looks_like(frame[column])
        if looks:
            found.setdefault(looks, []).append(column)
    return [
        f"{listed(columns)} look{'s' * (len(columns) == 1)} like {what}, but {'is' if len(columns) == 1 else 'are'} "
        f"text: to use {'it' if len(columns) == 1 else 'them'} as a number, {mend}"
        for (what, mend), columns in found.items()
    ]


def _few_levels(seen: pd.DataFrame, categorical: list[str]) -> bool:
    return all(seen[column].nunique(dropna=False) <= MOST_CATEGORIES for column in categorical)


def _counts_rows(values: pd.Series, column: str) -> bool:
    """Whole numbers that rise by one from row to row, or all-different ones named as an identifier."""
    if values.isna().any() or values.nunique() != len(values):
        return False
    numbers = values.to_numpy(dtype=float)
    if not np.array_equal(numbers, np.floor(numbers)):
        return False
    named = column.strip().lower() in (
        "id",
        "index",
        "row",
        "row_id",
        "unnamed: 0",
    ) or column.lower().endswith("_id")
    return named or bool(np.all(np.diff(numbers) == 1))

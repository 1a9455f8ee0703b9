"""From columns to numbers: what is filled in, scaled, spread over columns of its own, or dropped, and in which words.

Everything is learned from the training rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from losscope.comparison.columns import doubles, too_long
from losscope.comparison.data import DataError, Dataset, listed
from losscope.comparison.learned import Columns, Numbers, Words, counted_from, texts_of
from losscope.comparison.lookalikes import looks_like
from losscope.comparison.mistakes import LONG, TO_DIGITS
from losscope.comparison.weighted import Weight, median, of_rows, shares

# Rarer categories share one column: thousands of columns would make the comparison one of memorising.
MOST_CATEGORIES = 30
# Text that differs in more than half of the rows names the row; it does not describe it.
NAMES_ROWS_ABOVE = 0.5
NAMES_ROWS = "text that differs in most rows"
ROW_NAMES = ("id", "index", "row", "row_id", "unnamed: 0")


def learn(dataset: Dataset, train: np.ndarray) -> tuple[Columns, list[str]]:
    """What the training rows teach, and what is done."""
    frame, keep = dataset.features, dataset.keep
    isnumber = np.array([dtype.kind in "iufbM" for dtype in frame.dtypes], dtype=bool)
    numbers, dropped, said = _numbers(frame.loc[:, isnumber], train, dataset)
    categories, names_rows, levels = _categories(frame.loc[:, ~isnumber], train, keep)
    dropped = {
        reason: [*dropped.get(reason, []), *names_rows.get(reason, [])]
        for reason in {**dropped, **names_rows}
    }
    steps = [
        *said,
        *(f"dropped {listed(columns)}: {reason}" for reason, columns in dropped.items() if columns),
    ]
    steps += _lookalikes(frame, [*dropped.get(NAMES_ROWS, []), *levels])
    if not numbers.names and not levels:
        raise DataError(
            f"no usable feature is left in {dataset.source} ({'; '.join(steps) or 'no columns'}): add columns that "
            "vary and describe the rows, or give --keep COLUMN for one that was dropped"
        )
    return Columns(numbers, _one_hot(categories, levels, train, dataset.weight, steps)), steps


# ---------------------------------------------------------------------------------------------- numbers


def _numbers(
    frame: pd.DataFrame, train: np.ndarray, dataset: Dataset
) -> tuple[Numbers, dict[str, list[str]], list[str]]:
    """The columns of numbers that say something; those that do not, by reason; and what was done."""
    said = []
    dates = [name for name, dtype in zip(frame.columns, frame.dtypes) if dtype.kind == "M"]
    first = {name: frame[name].iloc[train].min() for name in dates}
    days = {name: (frame[name] - first[name]).dt.total_seconds() / 86400.0 for name in dates}
    if dates:
        frame = pd.concat([frame.drop(columns=dates), pd.DataFrame(days)], axis=1)[list(frame.columns)]
        said.append(f"date{'s' * (len(dates) > 1)} {listed(dates)} turned into days since the first")
    values = doubles(frame)
    numbers_of_rows = _count_rows(values, dataset.row_numbers)
    # By their differences, which a double holds: its own digits would be gone.
    origin = {name: int(frame[name].iloc[train].min()) for name in too_long(frame)}
    for name, least in origin.items():
        values[:, frame.columns.get_loc(name)] = counted_from(least, frame[name])
    infinite = np.isinf(values)
    if infinite.any():
        said.append(
            f"infinite values in {listed(list(frame.columns[infinite.any(axis=0)]))} taken as missing"
        )
        values = np.where(infinite, np.nan, values)
    exponents = _out_of_reach(values)
    values = np.ldexp(values, -exponents) if exponents.any() else values
    seen = values[train]
    empty = np.isnan(seen).all(axis=0)
    low, high = np.fmin.reduce(seen, axis=0), np.fmax.reduce(seen, axis=0)
    kept = np.isin(frame.columns, [*dataset.keep])
    constant = ~empty & ~kept & (low == high)
    row_number = (
        ~empty
        & ~kept
        & ~constant
        & ~np.isin(frame.columns, dates)
        & (numbers_of_rows | _name_rows(frame.columns, values))
    )
    long = np.abs(np.where(empty, 0, low)) >= LONG
    reasons = {
        "every value missing": empty, "constant": constant & ~long, "constant" + TO_DIGITS: constant & long, "a row number": row_number,
    }  # fmt: skip
    dropped = {reason: list(frame.columns[which]) for reason, which in reasons.items() if which.any()}
    useful = ~(empty | constant | row_number)
    if not useful.any():
        return Numbers(), dropped, said
    names = tuple(frame.columns[useful])
    values, infinite = values[:, useful], infinite[:, useful]
    seen, weight = values[train], of_rows(train, dataset.weight)
    fill = median(seen, weight)
    scaler = StandardScaler().fit(np.where(np.isnan(seen), fill, seen), sample_weight=weight)
    said += _filled("missing", names, np.isnan(values) & ~infinite) + _filled("infinite", names, infinite)
    said.append(f"{len(names):,} numeric column{'s' * (len(names) > 1)} standardised by the training rows")
    taught = Numbers(
        names, {name: each.isoformat() for name, each in first.items() if name in names},
        {name: least for name, least in origin.items() if name in names},
        tuple(exponents[useful].tolist()), tuple(fill.tolist()), tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
    )  # fmt: skip
    return taught, dropped, said


def _filled(what: str, names: Sequence[str], which: np.ndarray) -> list[str]:
    counts = [f"{name} ({count:,})" for name, count in zip(names, which.sum(axis=0)) if count]
    return [f"{what} values filled with the training median: {listed(counts)}"] if counts else []


def _out_of_reach(values: np.ndarray) -> np.ndarray:
    """0 for columns whose squares are numbers, too; else the power of two to divide by: standardised they are the same."""
    largest = np.fmax.reduce(np.abs(values), axis=0, initial=0.0)
    far = ~((largest > 1e-150) & (largest < 1e150))
    return np.where(far, np.frexp(largest)[1], 0)


def _count_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The numbers of the rows in the data as given, from 0 or 1 (years start elsewhere)."""
    found: np.ndarray = np.logical_or(*((values == (rows - start)[:, None]).all(axis=0) for start in (0, 1)))
    return found


def _name_rows(names: pd.Index, values: np.ndarray) -> np.ndarray:
    """All-different whole numbers named as an identifier."""
    found = np.zeros(len(names), bool)
    named = [name.strip().lower() in ROW_NAMES or name.lower().endswith("_id") for name in names]
    for at in np.flatnonzero(named):
        column = values[:, at]
        found[at] |= bool((column == np.floor(column)).all()) and len(np.unique(column)) == len(column)
    return found


# ------------------------------------------------------------------------------------------- categories


def _categories(
    frame: pd.DataFrame, train: np.ndarray, keep: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, list[str]], dict[str, int]]:
    """Columns of words as text, the same text for 1, "1" and "1.0" apart; those that say nothing, by reason; and how
    many different ones the training rows have of each that is used."""
    texts: dict[str, np.ndarray] = {}
    dropped: dict[str, list[str]] = {}
    levels: dict[str, int] = {}
    for place, name in enumerate(frame.columns):
        text, there = texts_of(frame.iloc[:, place])
        seen, known = text[train], there[train]
        distinct = len(pd.unique(seen[known]))
        if not known.any():
            dropped.setdefault("every value missing", []).append(name)
        elif distinct == 1 and known.all() and name not in keep:
            dropped.setdefault("constant", []).append(name)
        elif distinct > max(MOST_CATEGORIES, NAMES_ROWS_ABOVE * known.sum()) and name not in keep:
            dropped.setdefault(NAMES_ROWS, []).append(name)
        else:
            texts[name], levels[name] = text, len(pd.unique(seen))
    return texts, dropped, levels


def _one_hot(
    texts: dict[str, np.ndarray], levels: dict[str, int], train: np.ndarray, weight: Weight, steps: list[str]
) -> tuple[Words, ...]:
    few = [name for name, count in levels.items() if count <= MOST_CATEGORIES]
    many = [name for name, count in levels.items() if count > MOST_CATEGORIES]
    if few:
        words = listed([f"{name} ({levels[name]})" for name in few])
        steps.append(f"one-hot columns for {words}; an unseen category is all zeros")
    if many:
        words = listed([f"{name} ({levels[name]:,})" for name in many])
        steps.append(
            f"one-hot columns for the {MOST_CATEGORIES - 1} most frequent categories of {words}; the others, and any "
            "unseen one, share one more"
        )
    return tuple(_most_frequent(name, texts[name][train], of_rows(train, weight)) for name in [*few, *many])


def _most_frequent(name: str, seen: np.ndarray, weight: Weight) -> Words:
    """All categories, or the most frequent of too many (of equals, the first in the alphabet)."""
    categories, place = np.unique(seen.astype(str), return_inverse=True)
    if len(categories) <= MOST_CATEGORIES:
        return Words(name, tuple(categories.tolist()))
    rank = np.argsort(-shares(place, weight), kind="stable")
    kept, rare = np.sort(rank[: MOST_CATEGORIES - 1]), np.sort(rank[MOST_CATEGORIES - 1 :])
    return Words(name, tuple(categories[kept].tolist()), tuple(categories[rare].tolist()))


def _lookalikes(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    """Says which columns of text look like numbers or dates and could not be read as such."""
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

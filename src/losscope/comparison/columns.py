"""What a column is, whatever it came as: numbers, dates, yes or no, words. Or nothing that a model could take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd

from losscope.comparison.formats import DAY_AND_MONTH, DAY_FIRST, MONTH_FIRST, TIME
from losscope.comparison.lookalikes import MOST
from losscope.comparison.mistakes import LONG, listed

# Words for "not known" in tables of numbers.
UNKNOWN = {
    *(
        "nil",
        "none",
        "null",
        "nan",
        "na",
        "n/a",
        "n.a.",
        "n.a",
        "#n/a",
        "missing",
        "unknown",
        "unk",
        "undefined",
    ),
    *("?", "-", "--", "---", ".", "..", "..."),
}
FIRST_YEAR, LAST_YEAR = 1, 9999  # that Python's dates have
# A handful of other words among numbers are remarks; more kinds are codes, such as 12a and 15b.
MOST_REMARKS = 5
# pandas numbers equal names: a second 0 is 0.1
NUMBER = re.compile(r"[-+]?(?:\d+[.\d]*|\.\d+)(?:[eE][-+]?\d+)?")
HALF = re.compile("[\ud800-\udfff]")  # of a character beyond 16 bits
_ISO = re.compile(rf"\d{{4}}([-/.])\d{{1,2}}\1\d{{1,2}}{TIME}")
_ZONE = re.compile(r"(?:Z|UTC|[-+]\d{2}:?\d{2})$")


@dataclass(frozen=True)
class Column:
    """`values`: numbers, booleans, dates without a time zone, or objects that are text or None; None where they are
    nothing of a table (`what` says what they are). `words`: those taken as missing, with how often each came. `form`: how
    dates are written, where that had to be found out."""

    values: pd.Series | None
    what: str = ""
    words: tuple[tuple[str, int], ...] = ()
    form: str = ""


def plain(dtype: Any) -> bool:
    """A column that is as it should be already: most are, and there may be a hundred thousand."""
    return isinstance(dtype, np.dtype) and dtype.kind in "iufb" and dtype.itemsize <= 8


def understood(values: pd.Series, remarks: bool = True) -> Column:
    """What a column holds. `remarks`: a few words of any kind among numbers are taken as missing, not only those for
    "unknown".

    >>> understood(pd.Series(["1", "2.5", "nil"] * 10 + ["7"] * 90)).words
    (('nil', 10),)
    >>> understood(pd.Series(["2024-01-31", "2024-02-01"])).values.dtype.kind
    'M'
    >>> understood(pd.Series([[1], [2]])).what
    'lists or structures'
    """
    dtype = values.dtype
    if plain(dtype):
        return Column(values)
    if isinstance(dtype, pd.ArrowDtype):
        return understood(_of_arrow(values, dtype), remarks)
    if dtype == np.longdouble:
        return Column(values.astype(np.float64))
    if isinstance(dtype, pd.CategoricalDtype):
        return understood(values.astype(object), remarks)
    if dtype.kind == "c":
        return Column(None, "complex numbers")
    if isinstance(dtype, pd.PeriodDtype):
        return _of_dates(values.dt.to_timestamp())
    if dtype.kind == "M":
        return _of_dates(values)
    if dtype.kind == "m":
        return Column(values.dt.total_seconds() / 86400.0, "durations, in days")
    if pd.api.types.is_bool_dtype(dtype):
        return _of_objects(values.astype(object), remarks)
    if pd.api.types.is_numeric_dtype(dtype):
        if not values.isna().any() and dtype.kind in "iu":
            whole = np.uint64 if dtype.kind == "u" else np.int64
            return Column(pd.Series(values.to_numpy(whole), values.index, name=values.name))
        if too_long(values.to_frame()):
            return Column(values)  # whose digits a double does not hold
        return Column(pd.Series(values.to_numpy(np.float64, na_value=np.nan), values.index, name=values.name))
    return _of_objects(values.astype(object), remarks)


def lost_digits(frame: pd.DataFrame) -> np.ndarray:
    """Which columns may be whole numbers that were made floating-point ones, as some are missing, and lost digits."""
    lost = np.array([dtype.kind == "f" for dtype in frame.dtypes], bool)
    numbers = frame.loc[:, lost]
    lost[lost] = (numbers.isna().any() & (numbers.abs().max() >= LONG)).to_numpy(bool)
    return lost


NO_CELLS = {
    "lists or structures": (list, dict, set, tuple, np.ndarray),
    "bytes": (bytes, bytearray, memoryview),
}  # fmt: skip


def no_column(values: pd.Series) -> str:
    """What the cells are where some are nothing of a table; "" where all may be.

    >>> no_column(pd.Series([None, [1]])), no_column(pd.Series(["a"]))
    ('lists or structures', '')
    """
    kinds = {type(value) for value in values.dropna()} if values.dtype.kind == "O" else set()
    return next((what for what, no in NO_CELLS.items() if any(issubclass(kind, no) for kind in kinds)), "")


def without_no_cells(values: pd.Series) -> pd.Series:
    """The column, in which cells that are nothing of a table are missing."""
    if not no_column(values):
        return values
    no = tuple(kind for kinds in NO_CELLS.values() for kind in kinds)
    return values.where(~values.map(lambda cell: isinstance(cell, no)), None)


def with_whole_characters(values: pd.Series) -> pd.Series:
    """Words, in which half of a character, that no file holds, is written as its code.

    >>> with_whole_characters(pd.Series(["a", "b\\ud800"], dtype=object)).tolist()
    ['a', 'b\\\\ud800']
    """
    if not any(isinstance(cell, str) and HALF.search(cell) for cell in values):
        return values
    return values.map(lambda cell: HALF.sub(_code, cell) if isinstance(cell, str) else cell)


def _code(half: re.Match[str]) -> str:
    return half[0].encode("utf-8", "backslashreplace").decode()


def doubles(frame: pd.DataFrame) -> np.ndarray:
    """Columns of numbers as float64 (rows, columns), NaN where there is none."""
    return np.array(frame.to_numpy(np.float64, na_value=np.nan))


def too_long(frame: pd.DataFrame) -> list[str]:
    """The columns of whole numbers of which a double does not hold every one."""
    whole = frame.loc[:, [dtype.kind in "iu" for dtype in frame.dtypes]]
    ends = zip(whole.columns, whole.min(), whole.max(), strict=True)
    return [name for name, low, high in ends if low is not pd.NA and max(-float(low), float(high)) >= LONG]


def _of_objects(values: pd.Series, remarks: bool) -> Column:
    if what := no_column(values):
        return Column(None, what)
    there = values.dropna()
    kinds = {type(value) for value in there}
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return _of_text(values, there, remarks)
    inferred = pd.api.types.infer_dtype(there, skipna=True)
    if inferred in ("decimal", "integer", "floating", "mixed-integer-float"):
        return Column(_to_their_digits(there, there.map(_float).astype(np.float64)).reindex(values.index))
    if inferred in ("date", "datetime", "datetime64"):
        return _of_dates(pd.to_datetime(values, errors="coerce", utc=True))
    if inferred in ("timedelta", "timedelta64"):
        return understood(pd.to_timedelta(values))
    if inferred == "time":  # as a CSV has them
        return understood(values.map(str, na_action="ignore"), remarks)
    if inferred == "boolean" and len(there) == len(values):
        return Column(values.astype(bool))
    if inferred == "mixed-integer" or inferred == "mixed":
        return _of_mixed(values, kinds, remarks)
    return Column(values.where(values.notna(), None))


def _of_mixed(values: pd.Series, kinds: set[type], remarks: bool) -> Column:
    """Numbers and text together: numbers, where the text is of numbers too; else objects as they are."""
    if all(issubclass(kind, (str, Number)) and kind not in (bool, np.bool_) for kind in kinds):
        texts = values.map(str, na_action="ignore")
        read = _of_text(texts, texts.dropna(), remarks)
        if read.values is not None and read.values.dtype.kind == "f":
            return read
    return Column(values.where(values.notna(), None))


def _to_their_digits(there: pd.Series, numbers: pd.Series) -> pd.Series:
    """Numbers of what was given; but whole ones of which a double does not hold every one as they were written.

    >>> texts = pd.Series(["1", "90071992547409931"])
    >>> _to_their_digits(texts, texts.astype(float)).tolist()
    [1, 90071992547409931]
    """
    if len(numbers) and numbers.abs().max() >= LONG and (numbers == np.floor(numbers)).all():
        whole = [_whole(each) for each in there]
        for dtype, low, high in ((pd.Int64Dtype(), -(2**63), 2**63), (pd.UInt64Dtype(), 0, 2**64)):
            if all(each is not None and low <= each < high for each in whole):
                return pd.Series(pd.array(whole, dtype=dtype), there.index)
    return numbers


def _whole(number: Any) -> int | None:
    """A whole number to its last digit, as far as it was written."""
    try:
        exactly = Decimal(number.strip() if isinstance(number, str) else number)
        return int(exactly) if exactly == exactly.to_integral_value() else None
    except (ArithmeticError, TypeError, ValueError):
        return None


def _of_arrow(values: pd.Series, dtype: pd.ArrowDtype) -> pd.Series:
    """A column of an Arrow dtype of pandas as one of pandas' own."""
    from pyarrow import types

    kind = dtype.pyarrow_dtype
    if types.is_integer(kind):  # pandas' own way to these takes numbers with gaps for floating-point ones
        whole = pd.array(
            values.tolist(), dtype=pd.UInt64Dtype() if types.is_unsigned_integer(kind) else pd.Int64Dtype()
        )
        return pd.Series(whole, values.index, name=values.name)
    if types.is_floating(kind):
        return values.astype("Float64")
    if types.is_date(kind) or types.is_timestamp(kind):
        return pd.to_datetime(values.astype(object), utc=getattr(kind, "tz", None) is not None)
    if types.is_duration(kind):
        return pd.to_timedelta(values.astype(object))
    if types.is_boolean(kind):
        return values.astype("boolean")
    return values.astype(object).where(values.notna(), None)


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # Python's integers have no end
        return np.inf if number > 0 else -np.inf


def _of_dates(dates: pd.Series) -> Column:
    years = dates.dropna().to_numpy("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    if len(years) and (years.min() < FIRST_YEAR or years.max() > LAST_YEAR):
        return Column(None, f"dates outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return Column(_without_zone(dates))


def _without_zone(dates: pd.Series) -> pd.Series:
    return dates.dt.tz_convert("UTC").dt.tz_localize(None) if dates.dt.tz is not None else dates


def _of_text(values: pd.Series, there: pd.Series, remarks: bool) -> Column:
    texts = there.str.strip()
    unknown = texts.str.lower().isin(UNKNOWN) | (texts == "")
    known = texts[~unknown]
    form = _order(known)
    dates = None if form is None else _parsed(known, dayfirst=form == DAY_FIRST, yearfirst=form == "")
    if form is not None and dates is not None:
        return Column(dates.reindex(values.index), "", _counted(texts[unknown]), form)
    first = pd.to_numeric(known.head(1000), errors="coerce")
    if len(known) and first.notna().mean() > 0.5:
        numbers = pd.to_numeric(known, errors="coerce")
        others = known[numbers.isna()]
        few = len(others) <= (1 - MOST) * len(known) and others.nunique() <= MOST_REMARKS
        if len(others) == 0 or (remarks and few):
            words = pd.concat([texts[unknown], others])
            there = numbers.notna()
            read = _to_their_digits(known[there], numbers[there].astype(np.float64))
            return Column(read.reindex(values.index), "", _counted(words))
    return Column(values.where(values.notna(), None))


def _counted(words: pd.Series) -> tuple[tuple[str, int], ...]:
    return tuple((str(word), int(count)) for word, count in words[words != ""].value_counts().items())


def _order(texts: pd.Series) -> str | None:
    """Which of day and month is first ("": the year), where every text may be a date and that can be told; else None."""
    if len(texts) == 0:
        return None
    if _all(texts, _ISO):
        return ""
    if not _all(texts, DAY_AND_MONTH):
        return None
    parts = texts.str.extract(DAY_AND_MONTH)
    first, second = (pd.to_numeric(parts[at]).max() for at in (0, 2))
    if (first > 12) == (second > 12) and not (parts[1] == ".").all():
        return None  # 01/02: which of them is the month?
    return DAY_FIRST if second <= 12 else MONTH_FIRST


def _all(texts: pd.Series, pattern: re.Pattern[str]) -> bool:
    return all(bool(pattern.fullmatch(text)) for text in texts.head(100)) and bool(
        texts.str.fullmatch(pattern).all()
    )


def _parsed(texts: pd.Series, dayfirst: bool, yearfirst: bool) -> pd.Series | None:
    zone = bool(texts.head(100).str.contains(_ZONE).any())
    form = "ISO8601" if texts.str.match(r"\d{4}-\d\d-\d\d(?!\d)").all() else "mixed"
    try:
        dates = pd.to_datetime(
            texts, errors="coerce", format=form, dayfirst=dayfirst, yearfirst=yearfirst, utc=zone
        )
    except (ValueError, TypeError):  # times with and without a zone
        return None
    return None if dates.isna().any() or dates.dtype.kind != "M" else _without_zone(dates)


def tidied(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], dict[str, str]]:
    """The columns as what they are, without those that are nothing of a table; what was done, in words; and how dates are
    written, where that had to be found out."""
    odd = [place for place, dtype in enumerate(frame.dtypes) if not plain(dtype)]
    if not odd:
        return frame, [], {}
    replaced: dict[str, pd.Series] = {}
    dropped: dict[str, list[str]] = {}
    notes: list[str] = []
    durations: list[str] = []
    formats: dict[str, str] = {}
    for place in odd:
        name = frame.columns[place]
        column = understood(frame.iloc[:, place])
        if column.values is None:
            dropped.setdefault(column.what, []).append(name)
            continue
        replaced[name] = column.values
        durations += [name] if column.what else []
        formats |= {name: column.form} if column.form else {}
        if column.words:
            words = listed([f"{word!r} ({count:,})" for word, count in column.words], 5)
            what = "dates" if column.values.dtype.kind == "M" else "numbers"
            notes.append(f"{name} read as {what}: {words} taken as missing")
    notes += [f"{listed(durations)} turned into days"] if durations else []
    notes += [f"dropped {listed(names)}: {what}" for what, names in dropped.items()]
    gone = {name for names in dropped.values() for name in names}
    kept = frame.drop(columns=[*replaced, *gone])
    whole = pd.concat([kept, pd.DataFrame(replaced, index=frame.index)], axis=1) if replaced else kept
    return whole[[name for name in frame.columns if name not in gone]], notes, formats

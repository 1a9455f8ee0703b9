"""How a table writes the values of a column, where a few other rows would not tell. A model keeps what it has learned from."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pandas as pd

TEXT = "text"  # words, though they may look like numbers or dates
COMMA = "decimal comma"  # and points between thousands
POINT = "decimal point"  # of a column in a file where other columns have decimal commas
QUOTED = "decimal comma in quotes"  # the same of one column, in a file whose fields are separated by commas
DAY_FIRST, MONTH_FIRST = "day first", "month first"

# With an exponent, a point would be the decimal mark: 1.234e5 has none between thousands.
WITH_COMMA = re.compile(r"[-+]?(?:(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?|\d+(?:,\d+)?[eE][-+]?\d+)")
TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|UTC|[-+]\d{2}:?\d{2})?)?"
DAY_AND_MONTH = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}})({TIME})")
_HOUR = re.compile(r"^([T ])(\d):")


def plainly(values: pd.Series, form: str) -> pd.Series:
    """The same column, its texts as they are read alike everywhere. A number that is not written in this way is missing.

    >>> plainly(pd.Series(["1.234", "0,5", "5e+05", "0.5"]), COMMA).fillna("missing").tolist()
    ['1234', '0.5', '5e+05', 'missing']
    >>> plainly(pd.Series(["2/1/2024 9:05", "2024-01-02"]), DAY_FIRST).tolist()
    ['2024-01-02 09:05', '2024-01-02']
    """
    if values.dtype.kind != "O":
        return values
    turned = _TURNED[form]
    return values.astype(object).map(lambda each: turned(each.strip()) if isinstance(each, str) else each)


def _with_point(text: str) -> str | None:
    return text.replace(".", "").replace(",", ".") if WITH_COMMA.fullmatch(text) else None


def _year_first(text: str, day: int, month: int) -> str:
    """`day`, `month`: which part of the text each is."""
    found = DAY_AND_MONTH.fullmatch(text)
    if found is None:
        return text
    return f"{found[4]}-{found[month]:0>2}-{found[day]:0>2}" + _HOUR.sub(r"\g<1>0\2:", found[5])


_TURNED: dict[str, Callable[[str], str | None]] = {
    COMMA: _with_point,
    QUOTED: _with_point,
    POINT: str,
    DAY_FIRST: partial(_year_first, day=1, month=3),
    MONTH_FIRST: partial(_year_first, day=3, month=1),
}

"""Text that was meant as numbers, dates or times: what it looks like, and how to write it so that it is read as such."""

from __future__ import annotations

import re

import pandas as pd

# Nine in ten: a few "n/a" among prices do not make them words.
MOST = 0.9
_NUMBER = r"[-+]?\d[\d.,'’\u00a0\u202f ]*"
_SIGN = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_TIME = r"(?:[T ]\d{1,2}:\d{2}.*)?"
KINDS = (
    ("amounts of money", rf"\(?[-+]?{_SIGN}\s*{_NUMBER}\)?|{_NUMBER}\s*{_SIGN}", "write plain numbers"),
    ("percentages", rf"{_NUMBER}\s*%", "write plain numbers without the %"),
    (
        "dates",
        rf"(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
        rf"|\d{{1,2}}\.? {_MONTH},? \d{{4}}|{_MONTH} \d{{1,2}},? \d{{4}}){_TIME}",
        "write numbers, such as days since the first",
    ),
    (
        "times of day",
        r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AP]M)?",
        "write numbers, such as hours since midnight",
    ),
    ("numbers", r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", "mend or empty those that are none"),
    (
        "numbers with separators",
        r"[-+]?\d{1,3}(?:[,.'’\u00a0\u202f ]\d{3})*(?:[.,]\d+)?|[-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?",
        "write them without separators of thousands and with a decimal point",
    ),
)
_KINDS = tuple((what, re.compile(pattern, re.IGNORECASE), mend) for what, pattern, mend in KINDS)


def looks_like(values: pd.Series) -> tuple[str, str] | None:
    """(what a column of text looks like, how to mend it); None for words, and for what is no text.

    >>> looks_like(pd.Series(["$1,200", "$950.50"])), looks_like(pd.Series(["3 %", "4.5%"]))
    (('amounts of money', 'write plain numbers'), ('percentages', 'write plain numbers without the %'))
    >>> looks_like(pd.Series(["red", "blue"])), looks_like(pd.Series([1.0, 2.0]))
    (None, None)
    """
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return None
    known = values.dropna().head(2000)
    texts = [value.strip() for value in known if isinstance(value, str)]
    if not texts or len(texts) < MOST * len(known):
        return None
    for what, pattern, mend in _KINDS:
        if sum(bool(pattern.fullmatch(text)) for text in texts) >= MOST * len(texts):
            return what, mend
    return None

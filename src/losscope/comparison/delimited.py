"""CSV as people write it: its separator, its encoding, its decimal mark."""

from __future__ import annotations

import csv
import io
import warnings
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pandas as pd

from losscope.comparison.columns import lost_digits
from losscope.comparison.formats import COMMA, POINT, QUOTED, WITH_COMMA
from losscope.comparison.mistakes import DataError, cut, listed
from losscope.comparison.sources import MARKS
from losscope.errors import visible

SEPARATORS = ",;\t|"
# Beyond this a "table" is most often one whose rows and columns are swapped; it also takes minutes to read.
MOST_COLUMNS = 100_000

# "1,234" may be a thousand; one such value as "0,5" or "12,25" in the file settles what its commas are.
ONLY_DECIMAL = r"[-+]?(?:0,\d+|\d{1,3}(?:\.\d{3})+,\d+|\d{4,},\d+|\d+,(?:\d{1,2}|\d{4,})|\d+,\d+[eE][-+]?\d+)"
WHOLE = r"[-+]?\d+"
THOUSANDS = r"[-+]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)"


def read_csv(
    path: Path, file: IO[bytes], known: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str], dict[str, str]]:
    """The table, what had to be assumed to read it, and what the decimal mark of its columns is. Columns whose format is
    known stay text; but where commas separate, one is a decimal mark only in quotes."""
    beginning = file.read(4)
    marked = next((encoding for mark, encoding in MARKS.items() if beginning.startswith(mark)), None)
    encoding = marked or "utf-8-sig"
    notes: list[str] = []
    formats: dict[str, str] = {}
    try:
        frame, separator = _parse(path, file, encoding)
    except UnicodeDecodeError:
        if marked:
            raise DataError(
                f"{str(path)!r} begins as {marked.upper()} text, but cannot be read as such: it is cut short or damaged; save "
                "it again, as UTF-8 CSV"
            ) from None
        # What Windows programs write where they do not write UTF-8; Latin-1 is the same but for rare signs.
        encoding = "cp1252"
        try:
            frame, separator = _parse(path, file, encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{str(path)!r} is not UTF-8 text, nor Windows-1252 (byte {error.object[error.start]:#04x} "
                f"at offset {error.start}): save it as UTF-8 CSV"
            ) from None
        notes = ["read as Windows-1252 text, as it is not UTF-8"]
    frame.columns = [str(name).strip() for name in frame.columns]
    forms = [known.get(visible(name)) for name in frame.columns]
    given = np.array([form is not None and (form != COMMA or separator != ",") for form in forms], bool)
    texts = list(frame.columns[given])
    if texts:
        frame[texts] = _parse(path, file, encoding, np.flatnonzero(given))[0].set_axis(texts, axis=1)
    long = lost_digits(frame)
    if long.any():
        _whole_again(frame, _parse(path, file, encoding, np.flatnonzero(long))[0], "Int64")
    # Beyond 2**63 pandas reads whole numbers as such only where none is missing.
    _whole_again(frame, frame.drop(columns=texts).select_dtypes(exclude=["number", "bool"]), "UInt64")
    with_commas = _decimal_commas(frame, texts, each_settled=separator == ",")
    if with_commas:
        notes.append(f"read with decimal commas (1,5 is one and a half): {listed(with_commas)}")
        told = {*with_commas, *texts}
        others = [name not in told and frame[name].dtype.kind not in "iub" for name in frame]
        written = _parse(path, file, encoding, np.flatnonzero(others))[0]
        written.columns = frame.columns[others]
        thousands = _like_thousands(written)
        if separator != ",":
            # Where a comma is the decimal mark, a point is none: pandas has read 1.234 as 1 and a bit.
            _turn(frame, thousands)
            formats = _decimal_marks(frame, written.drop(columns=[*thousands]))
        else:
            formats = {visible(name): QUOTED for name in with_commas}
        if thousands:
            read = "a decimal point" if separator == "," else "points between thousands"
            means = "one and a bit" if separator == "," else "1234"
            notes.append(f"read with {read} (1.234 is {means}): {listed([*thousands])}")
    return frame, notes, formats


def _parse(
    path: Path, file: IO[bytes], encoding: str, as_text: np.ndarray | None = None
) -> tuple[pd.DataFrame, str]:
    """The table and its separator; UnicodeDecodeError where the file is in another encoding.
    `as_text`: only the columns at these places, as the text they are."""
    first = ""
    try:
        separator, first, header = _header(file, encoding)
        refuse_columns(header, str(path))
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                file,
                sep=separator,
                encoding=encoding,
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
                usecols=as_text,
                dtype=None if as_text is None else str,
            )
    except pd.errors.ParserWarning:  # pandas's words are of its own options
        raise DataError(
            f"{str(path)!r} has more fields in a line than in its first, {cut(first)!r}: the first line must name "
            "the columns; remove a title or comment before it"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, StopIteration) as error:
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        raise DataError(
            f"{str(path)!r} is not a well-formed CSV file: {reason or 'no header line'}; mend or remove that line"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{str(path)!r} cannot be read ({error}): check the file and its permissions"
        ) from None
    return frame, separator


def _header(file: IO[bytes], encoding: str) -> tuple[str, str, list[str]]:
    """The separator, the first line that is not empty, and the names of the columns."""
    file.seek(0)
    lines = io.TextIOWrapper(file, encoding, newline="")  # type: ignore[arg-type]  # closed by nobody: see detach
    try:
        first = next(line for line in lines if line.strip("\r\n"))
        separator = max(SEPARATORS, key=first.count)
        # A name in quotes may go on in the next line.
        header = next(csv.reader(chain([first], lines), delimiter=separator, skipinitialspace=True))
    finally:
        lines.detach()
    return separator, first.strip(), [name.strip() for name in header]


def refuse_columns(columns: list[str], source: str) -> None:
    """Refuse a header that no table has: a name twice, or names without end."""
    if len(columns) > MOST_COLUMNS:
        raise DataError(
            f"{source} has {len(columns):,} columns: at most {MOST_COLUMNS:,} can be read; are rows and columns swapped?"
        )
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise DataError(
                f"{source} has two columns named {cut(column)!r}: rename one of them in its header"
            )
        seen.add(column)


def _as_texts(values: pd.Series, pattern: str, sign: str) -> pd.Series | None:
    """A column as stripped texts, without the empty ones, where each is as the pattern says and one at least has the sign."""
    texts = values.dropna().astype(str).str.strip()
    texts = texts[texts != ""]
    first = texts.head(100)  # most columns are told by their first few values
    if len(first) == 0 or not first.str.fullmatch(pattern).all() or not texts.str.fullmatch(pattern).all():
        return None
    return texts if texts.str.contains(sign, regex=False).any() else None


def _decimal_commas(frame: pd.DataFrame, texts: Collection[str], each_settled: bool) -> list[str]:
    """Turns columns of numbers with a decimal comma, but those that are to stay text, into numbers; their names.
    `each_settled`: by a value of its own, and not by one of another column."""
    found: dict[str, pd.Series] = {}
    guessed = frame.drop(columns=[*texts]).select_dtypes(exclude=["number", "bool"])
    for column in guessed:
        numbers = _as_texts(guessed[column], WITH_COMMA.pattern, ",")
        if numbers is not None:
            found[str(column)] = numbers
    settled = {name: each for name, each in found.items() if each.str.fullmatch(ONLY_DECIMAL).any()}
    if each_settled or not settled:
        found = settled
    _turn(frame, found)
    return list(found)


def _turn(frame: pd.DataFrame, found: Mapping[str, pd.Series]) -> None:
    """Makes numbers of columns whose texts have decimal commas and points between thousands."""
    for column, texts in found.items():
        pointed = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        frame[column] = pointed.astype(float).reindex(frame.index)


def _like_thousands(written: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns whose every point stands before three digits, as between thousands. `written` holds those that may be
    such, as the text they were read from."""
    found = {str(column): _as_texts(written[column], THOUSANDS, ".") for column in written}
    return {column: texts for column, texts in found.items() if texts is not None}


def _whole_again(frame: pd.DataFrame, written: pd.DataFrame, kind: Literal["Int64", "UInt64"]) -> None:
    """Makes whole numbers, with gaps, of columns that were written as such. `written` holds them as text."""
    for column in written:
        texts = _as_texts(written[column], WHOLE, "")
        if texts is not None:
            with suppress(OverflowError, ValueError):
                frame[str(column).strip()] = texts.astype(kind).reindex(frame.index)


def _decimal_marks(frame: pd.DataFrame, written: pd.DataFrame) -> dict[str, str]:
    """The format of each column of numbers in a file with decimal commas. `written` holds as text those that were read
    with a point as the decimal mark, if they have one: "45.00" is 45 there, and not 4500."""
    pointed = {
        name for name, texts in written.items() if texts.str.contains(".", regex=False, na=False).any()
    }
    numbers = [name for name, dtype in frame.dtypes.items() if dtype.kind in "iuf"]
    return {visible(str(name)): POINT if name in pointed else COMMA for name in numbers}

"""A table from a file, or from another library's data frame: pandas' own kind comes out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from losscope.comparison.columns import lost_digits
from losscope.comparison.delimited import read_csv, refuse_columns
from losscope.comparison.mistakes import DataError, did_you_mean
from losscope.comparison.sources import PARQUET_MAGIC, looks_binary, not_a_table, opened

PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = (*PARQUET_SUFFIXES, ".csv", ".gz", ".tsv", ".txt")  # by which a table's name is known
# Parquet packs a constant column of a thousand million rows into a few bytes; here each value takes eight.
MOST_VALUES = 1 << 29
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # as pandas calls it in a file


def read_table(
    path: Path, known: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, list[str], dict[str, str]]:
    """The table of one CSV or Parquet file, what had to be assumed to read it, and the formats found of its columns.
    `known`: formats of columns by name, such as a model has learned them: a CSV file has these as text."""
    if not path.exists():
        if path.is_symlink():
            raise DataError(
                f"{str(path)!r} is a link that leads nowhere (to {os.readlink(path)!r}): give the file that it should lead to"
            )
        folder = path.parent.glob("*") if path.parent.is_dir() else ()
        near = [entry.name for entry in folder if entry.suffix in SUFFIXES and entry.exists()]
        raise DataError(f"no file {str(path)!r}{did_you_mean(path.name, near)}: check the path")
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder: give one .csv or .parquet file in it")
    with opened(path) as file:
        beginning = file.read(4096)
        if not beginning:
            raise DataError(f"{str(path)!r} is empty: expected a header line and rows")
        file.seek(0)
        if beginning.startswith(PARQUET_MAGIC):
            return _read_parquet(path, file), [], {}
        if path.suffix.lower() in PARQUET_SUFFIXES:
            raise DataError(
                f"{str(path)!r} is no Parquet file (it begins with {_glimpse(beginning)}): if it holds CSV, name it "
                ".csv; else write it again"
            )
        if looks_binary(beginning):
            raise DataError(not_a_table(path))
        return read_csv(path, file, known or {})


def _read_parquet(path: Path, file: IO[bytes]) -> pd.DataFrame:
    import pyarrow.parquet

    try:
        parquet = pyarrow.parquet.ParquetFile(file)
        about, schema = parquet.metadata, parquet.schema_arrow
        refuse_columns(list(schema.names), str(path))
        size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
        if max(about.num_rows * about.num_columns, size // 8) > MOST_VALUES:
            raise DataError(
                f"{str(path)!r} has {about.num_rows:,} rows of {about.num_columns:,} columns, {size / 2**30:.2g} GiB unpacked: "
                f"at most {MOST_VALUES:,} values and {MOST_VALUES * 8 / 2**30:g} GiB can be read; take some of its rows or columns"
            )
        # A short file may hold gigabytes of one text that comes again, or of lists, which no model takes anyway.
        texts = [each.name for each in schema if _is_text(each.type)]
        parquet = pyarrow.parquet.ParquetFile(file, read_dictionary=texts)
        lists = [place for place, each in enumerate(schema) if pyarrow.types.is_nested(each.type)]
        table = parquet.read([each.name for place, each in enumerate(schema) if place not in lists])
        for place in lists:
            table = table.add_column(place, schema.names[place], _empty_lists(about.num_rows))
        return from_arrow(table, repr(str(path)))
    except DataError:
        raise
    except MemoryError:
        raise _too_large(repr(str(path))) from None
    except Exception as error:  # pyarrow has a dozen classes for "this file is broken"
        raise DataError(
            f"{str(path)!r} begins as Parquet but cannot be read ({_first_line(error)}): write it again"
        ) from None


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return any(is_one(kind) for is_one in (types.is_string, types.is_large_string, types.is_binary))


def _empty_lists(count: int) -> Any:
    """What stands for lists and structures that are not read: still a column, of which it can be said what it is."""
    import pyarrow

    return pyarrow.ListArray.from_arrays([0] * (count + 1), pyarrow.nulls(0))


def _too_large(source: str) -> DataError:
    return DataError(f"{source} takes more memory than there is: take some of its rows or columns")


def is_arrow(data: Any) -> bool:
    """Whether this is another library's table: polars, pyarrow, DuckDB ... offer their data as an Arrow stream."""
    return hasattr(data, "__arrow_c_stream__")


def from_arrow(data: Any, source: str) -> pd.DataFrame:
    """The same table in pandas: decimals as floating-point numbers, dates as dates. What pandas once kept as an index is a
    column, if it had a name."""
    import pyarrow

    try:
        table = pyarrow.table(data)
        exact = [place for place, each in enumerate(table.schema) if pyarrow.types.is_decimal(each.type)]
        for place in exact:
            numbers = _of_decimals(table.column(place))
            table = table.set_column(place, table.schema.names[place], numbers)
        table = table.drop_columns([name for name in table.schema.names if UNNAMED_INDEX.fullmatch(name)])
        frame = table.to_pandas(date_as_object=False, ignore_metadata=True)
        whole = {pyarrow.int64(): pd.Int64Dtype(), pyarrow.uint64(): pd.UInt64Dtype()}
        for place in np.flatnonzero(lost_digits(frame)).tolist():
            if table.schema.types[place] in whole:
                frame.isetitem(place, table.column(place).to_pandas(types_mapper=whole.get))
        return frame
    except MemoryError:
        raise _too_large(source) from None
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{source} cannot be turned into a table ({_first_line(error)})") from None


def _of_decimals(column: Any) -> Any:
    """Whole ones that 64 bits hold to their last digit, others as floating-point numbers."""
    import pyarrow

    for whole in (pyarrow.int64(), pyarrow.uint64()) if column.type.scale == 0 else ():
        with suppress(pyarrow.ArrowInvalid):
            return column.cast(whole)
    return column.cast(pyarrow.float64())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _glimpse(beginning: bytes) -> str:
    """The first few characters, or bytes where they are no text."""
    text = beginning[:16].decode("ascii", errors="replace").splitlines()[0]
    return repr(text) if text and text.isprintable() and "\ufffd" not in text else beginning[:4].hex(" ")

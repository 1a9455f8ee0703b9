"""Results to files that other programs read. A file is whole or not there: written aside, then moved into
place.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class WriteError(OSError):
    """A file cannot be written: the message says which, why, and what to do."""

    user_error = True

    def __str__(self) -> str:
        return str(self.args[0])


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write `content` so that a reader, or a crash half way, never sees part of it. Makes the folder."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # a byte of a file's name that is no text becomes its code, which JSON reads back
        _write(path, content.encode(errors="backslashreplace") if isinstance(content, str) else content)
    except OSError as error:
        in_the_way = file_in_the_way(path.parent)
        reason = f"{in_the_way} is a file" if in_the_way else error.strerror or error
        raise WriteError(
            f"{str(path)!r} cannot be written ({reason}): mend that and run the same again"
        ) from error
    return path


def file_in_the_way(folder: Path) -> str:
    """The file that stands where a folder, or one above it, should be, in quotes; "" where there is none.

    >>> file_in_the_way(Path("nowhere/at/all")), file_in_the_way(Path(__file__) / "runs") == repr(__file__)
    ('', True)
    """
    there = [each for each in (folder, *folder.parents) if os.path.lexists(each) and not each.is_dir()]
    return repr(str(there[-1])) if there else ""


def _write(path: Path, content: bytes) -> None:
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; a report is an ordinary file, so it gets what open() would have
        # given.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def plain(value: Any) -> Any:
    """A value as JSON knows it: NumPy to Python, mappings and sequences through and through, non-finite to
    None.

    >>> import numpy as np
    >>> plain({"a": np.float32(0.5), "b": np.array([1.0, np.nan]), 3: (True, None)})
    {'a': 0.5, 'b': [1.0, None], '3': [True, None]}
    """
    if value is None or isinstance(value, (bool, str)):
        # str() and not the value itself: numpy.str_ and string enums are strings, too
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, torch tensors, pandas series
        return plain(value.tolist())
    raise TypeError(f"cannot write a {type(value).__name__} as JSON: {value!r:.80}")


def write_json(path: str | os.PathLike[str], data: Mapping[str, Any], schema: str) -> Path:
    """Write `{"schema": schema, **data}` as JSON. NaN and infinities, which JSON lacks, become null.

    >>> import json, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_json(folder + "/results.json", {"loss": [0.5, float("nan")]}, "losscope.compare/1")
    ...     json.loads(path.read_text())
    {'schema': 'losscope.compare/1', 'loss': [0.5, None]}
    """
    if "schema" in data and data["schema"] != schema:
        raise ValueError(f"data has a 'schema' of its own, {data['schema']!r}, which differs from {schema!r}")
    whole = {"schema": schema, **{str(key): plain(value) for key, value in data.items() if key != "schema"}}
    return write_atomic(path, json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _cell(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))  # unlike JSON, CSV readers know nan and inf
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else repr(value)


def write_csv(path: str | os.PathLike[str], records: Iterable[Mapping[str, Any]]) -> Path:
    """Write records as CSV: columns in order of first appearance, a missing cell empty, floats to the last
    digit.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     records = [{"loss": "mse", "mae": 0.1}, {"loss": "huber", "seed": 3}]
    ...     path = write_csv(folder + "/results.csv", records)
    ...     print(path.read_text(), end="")
    loss,mae,seed
    mse,0.1,
    huber,,3
    """
    rows = list(records)
    columns = list(dict.fromkeys(str(key) for row in rows for key in row))
    lines = [columns] if columns else []
    for row in rows if columns else []:
        cells = {str(key): _cell(value) for key, value in row.items()}
        lines.append([cells.get(column, "") for column in columns])
    # By hand, as the csv module leaves a lone carriage return unquoted, which no reader gets back.
    text = "".join(",".join(_quoted(cell, len(columns)) for cell in line) + "\n" for line in lines)
    return write_atomic(path, text)


def _quoted(text: str, columns: int) -> str:
    if any(character in text for character in ',"\r\n') or (columns == 1 and not text):
        return '"' + text.replace('"', '""') + '"'
    return text

"""Which data, and is it fit to be compared on? CSV, Parquet, IDX images, scikit-learn's bundled sets.

Everything that a person can get wrong about data ends here as one `DataError`: what is wrong, where,
what was expected, and what to do next.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import hashlib
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

# Twenty rows leave four to test on: fewer cannot tell two losses apart, nor fit a model.
MINIMUM_ROWS = 20

BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes")

IDX_FILES = {
    "training images": "train-images-idx3-ubyte",
    "training labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}
IDX_UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# pandas numbers equal names: a second 0 is 0.1
NUMBER = re.compile(r"[-+]?(?:\d+[.\d]*|\.\d+)(?:[eE][-+]?\d+)?")
PARQUET_SUFFIXES = (".parquet", ".pq")


class DataError(ValueError):
    """The data, or a setting, cannot be used: one sentence that says what, where, and what to do."""

    user_error = True


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
        if self.pixels is not None:
            digest.update(np.ascontiguousarray(self.features.to_numpy(np.float32)).tobytes())
        else:
            digest.update(pd.util.hash_pandas_object(self.features, index=False).to_numpy().tobytes())
        digest.update(pd.util.hash_pandas_object(self.target, index=False).to_numpy().tobytes())
        for name in ("test_rows", "weight", "time", "groups"):
            values = getattr(self, name)
            if values is not None:
                digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        digest.update("\x1f".join(self.keep).encode())
        return digest.hexdigest()[:32]


def load(
    data: str | Path | pd.DataFrame | Dataset,
    target: str | None = None,
    data_dir: str | Path | None = None,
) -> Dataset:
    """Read `data`: a bundled set's name, "mnist" (with `data_dir`), a CSV or Parquet file, or a DataFrame.

    >>> load("digits").features.shape
    (1797, 64)
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, pd.DataFrame):
        return from_frame(data, target, name="data frame", source="a data frame")
    text = str(data)
    if not text.strip():
        raise DataError(
            f"--data is empty: give a .csv or .parquet file, or one of {', '.join((*BUNDLED, 'mnist'))}"
        )
    if text == "mnist":
        if target is not None:
            raise DataError("--data mnist has its own target, the digit: leave --target out")
        return read_idx_folder(data_dir)
    if text in BUNDLED:
        if target is not None:
            raise DataError(
                f"--data {text} has its own target: leave --target out, or give your own table to --data"
            )
        return read_bundled(text)
    if "://" in text:
        raise DataError(f"--data {text!r} is an address: download the file, and give its path")
    path = Path(text).expanduser()
    if not path.exists() and path.suffix == "" and path.parent == Path("."):
        known = (*BUNDLED, "mnist")
        raise DataError(
            f"--data {text!r} is neither a file here nor a bundled data set{_did_you_mean(text, known)}; "
            f"give a .csv or .parquet file, or one of {', '.join(known)}"
        )
    return read_table(path, target)


# ---------------------------------------------------------------------------------------------- tables


def read_table(path: Path, target: str | None) -> Dataset:
    """Read one CSV or Parquet file and take its target column out."""
    if not path.exists():
        folder = path.parent.glob("*") if path.parent.is_dir() else ()
        near = [entry.name for entry in folder if entry.suffix in (".csv", ".parquet", ".gz", ".tsv", ".txt")]
        raise DataError(
            f"no file {str(path)!r}{_did_you_mean(path.name, near)}: check the path given to --data"
        )
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder: give --data one .csv or .parquet file in it")
    with path.open("rb") as file:
        beginning = file.read(4096)
    if not beginning:
        raise DataError(f"{str(path)!r} is empty: expected a header line and at least {MINIMUM_ROWS} rows")
    if beginning.startswith(PARQUET_MAGIC):
        return from_frame(_read_parquet(path), target, name=path.stem, source=str(path))
    if path.suffix.lower() in PARQUET_SUFFIXES:
        raise DataError(
            f"{str(path)!r} is no Parquet file (it begins with {_glimpse(beginning)}): if it holds CSV, name it "
            ".csv; else write it again"
        )
    frame, notes = _read_csv(path, beginning)
    return from_frame(frame, target, name=path.stem, source=str(path), notes=notes)


def _glimpse(beginning: bytes) -> str:
    """The first few characters, or bytes where they are no text."""
    text = beginning[:16].decode("ascii", errors="replace").splitlines()[0]
    return repr(text) if text and text.isprintable() and "\ufffd" not in text else beginning[:4].hex(" ")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except Exception as error:  # pyarrow has a dozen classes for "this file is broken"
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{str(path)!r} begins as Parquet but cannot be read ({first_line}): write it again"
        ) from None


def _read_csv(path: Path, beginning: bytes) -> tuple[pd.DataFrame, list[str]]:
    """The table, and what had to be assumed to read it."""
    packed = beginning.startswith(GZIP_MAGIC)
    try:
        if packed:
            with gzip.open(path) as file:
                beginning = file.read(4096)
    except (OSError, EOFError, zlib.error):
        raise DataError(
            f"{str(path)!r} is a gzip file that cannot be unpacked: copy or download it again"
        ) from None
    encoding = "utf-16" if beginning.startswith(UTF16_MARKS) else "utf-8-sig"
    if b"\0" in beginning and encoding != "utf-16":
        raise DataError(
            f"{str(path)!r} is not a CSV file (it holds binary bytes): export it as CSV or Parquet, "
            "with a header line"
        )
    compression: Literal["gzip"] | None = "gzip" if packed else None
    notes = []
    try:
        frame, separator = _parse(path, beginning, compression, encoding)
    except UnicodeDecodeError:
        # What Windows programs write where they do not write UTF-8; Latin-1 is the same but for rare signs.
        encoding = "cp1252"
        try:
            frame, separator = _parse(path, beginning, compression, encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{str(path)!r} is not UTF-8 text, nor Windows-1252 (byte {error.object[error.start]:#04x} "
                f"at offset {error.start}): save it as UTF-8 CSV"
            ) from None
        notes = ["read as Windows-1252 text, as it is not UTF-8"]
    frame.columns = [str(name).strip() for name in frame.columns]
    if separator != ",":
        with_commas = _decimal_commas(frame)
        if with_commas:
            notes.append(f"read with decimal commas (1,5 is one and a half): {listed(with_commas)}")
            # Where a comma is the decimal mark, a point is none: pandas has read 1.234 as 1 and a bit.
            others = [name not in with_commas and frame[name].dtype.kind not in "iub" for name in frame]
            thousands = _thousands(
                frame, _parse(path, beginning, compression, encoding, np.flatnonzero(others))[0]
            )
            if thousands:
                notes.append(f"read with points between thousands (1.234 is 1234): {listed(thousands)}")
    return frame, notes


DECIMAL_COMMA = r"[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?"
# "1,234" may be a thousand; one such value as "0,5" or "12,25" in the file settles what its commas are.
ONLY_DECIMAL = r"[-+]?(?:0,\d+|\d{1,3}(?:\.\d{3})+,\d+|\d{4,},\d+|\d+,(?:\d{1,2}|\d{4,}))"


THOUSANDS = r"[-+]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)"


def _decimal_commas(frame: pd.DataFrame) -> list[str]:
    """Turns columns of numbers with a decimal comma into numbers; their names."""
    found: dict[str, pd.Series] = {}
    sure = False
    for column in frame.columns:
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values.dtype):
            continue
        texts = values.dropna().astype(str).str.strip()
        if len(texts) and texts.str.fullmatch(DECIMAL_COMMA).all() and texts.str.contains(",").any():
            found[column] = texts
            sure = sure or bool(texts.str.fullmatch(ONLY_DECIMAL).any())
    if not sure:
        return []
    for column, texts in found.items():
        pointed = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        frame[column] = pointed.astype(float).reindex(frame.index)
    return list(found)


def _thousands(frame: pd.DataFrame, written: pd.DataFrame) -> list[str]:
    """Turns columns whose every point stands before three digits, as between thousands, into numbers; their names.
    `written` holds those that may be such, as the text they were read from."""
    found = []
    for column in written:
        texts = written[column].dropna().str.strip()
        if texts.str.fullmatch(THOUSANDS).all() and texts.str.contains(".", regex=False).any():
            found.append(str(column).strip())
            frame[found[-1]] = texts.str.replace(".", "", regex=False).astype(float).reindex(frame.index)
    return found


def _parse(
    path: Path,
    beginning: bytes,
    compression: Literal["gzip"] | None,
    encoding: str,
    as_text: np.ndarray | None = None,
) -> tuple[pd.DataFrame, str]:
    """The table and its separator; UnicodeDecodeError where the file is in another encoding.
    `as_text`: only the columns at these places, as the text they are."""
    try:
        # Not to the end: the beginning may be cut within a letter.
        decoded = codecs.getincrementaldecoder(encoding)().decode(beginning)
        header_line = (decoded.splitlines() or [""])[0]
        separator = max(",;\t|", key=header_line.count)
        header = next(csv.reader([header_line], delimiter=separator))
        _refuse_duplicate_columns([name.strip() for name in header], str(path))
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                compression=compression,
                encoding=encoding,
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
                usecols=as_text,
                dtype=None if as_text is None else str,
            )
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        csv.Error,
        IndexError,
    ) as error:
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error: ").split())
        if isinstance(error, pd.errors.ParserWarning):  # pandas's words are of its own options
            raise DataError(
                f"{str(path)!r} has more fields in a line than in its first, {_cut(header_line)!r}: the first line "
                "must name the columns; remove a title or comment before it"
            ) from None
        raise DataError(
            f"{str(path)!r} is not a well-formed CSV file: {reason}; mend or remove that line"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{str(path)!r} cannot be read ({error}): check the file and its permissions"
        ) from None
    return frame, separator


def from_frame(
    frame: pd.DataFrame, target: str | None, name: str, source: str, notes: Sequence[str] = ()
) -> Dataset:
    """Take the target column out of a table, drop rows without one, and refuse what cannot be used."""
    frame = frame.copy(deep=False)
    frame.columns = [str(column) for column in frame.columns]
    columns = list(frame.columns)
    _refuse_duplicate_columns(columns, source)
    if target is None:
        raise DataError(
            f"which column of {source} is the target? give --target, one of: {listed(columns)}{_no_header(columns)}"
        )
    if target not in columns and target.strip() in columns:
        target = target.strip()
    if target not in columns:
        raise DataError(
            f"{source} has no column {target!r}{_did_you_mean(target, columns)}; its columns are: "
            f"{listed(columns)}{_no_header(columns)}"
        )
    if len(columns) < 2:
        raise DataError(
            f"{source} has only the column {target!r}: there is nothing to predict it from; add feature "
            f"columns"
        )
    if len(frame) == 0:
        raise DataError(f"{source} has a header but no rows: at least {MINIMUM_ROWS} are needed")
    values = frame[target]
    said = [*notes]
    missing = values.isna().to_numpy()
    if missing.all():
        raise DataError(
            f"the target {target!r} of {source} is missing in all {len(frame)} rows: choose another column"
        )
    if missing.any():
        said.append(f"{counted(int(missing.sum()))} without a target dropped")
        frame, values = frame.loc[~missing], values.loc[~missing]
    if len(frame) < MINIMUM_ROWS:
        raise DataError(
            f"{source} has {counted(len(frame))} with a target: at least {MINIMUM_ROWS} are needed to train, "
            "validate and test on different rows; add rows"
        )
    values = values.reset_index(drop=True)
    features = frame.drop(columns=[target]).reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        infinite = np.isinf(values.to_numpy(dtype=float))
        if infinite.any():
            row = int(np.flatnonzero(~missing)[int(np.flatnonzero(infinite)[0])])
            raise DataError(
                f"the target {target!r} of {source} is infinite in {counted(int(infinite.sum()))} "
                f"(first: row {row + 1}): remove or mend them"
            )
    if values.nunique() == 1:
        raise DataError(
            f"the target {target!r} of {source} is the same ({values.iloc[0]!s}) in every row: "
            "there is nothing to learn; choose another --target"
        )
    return Dataset(
        name=name, features=features, target=values.rename(target), source=source, notes=tuple(said)
    )


def _no_header(columns: list[str]) -> str:
    """What the names of the columns look like where they are none."""
    if len(columns) == 1 and len(columns[0].split()) > 1:
        return " (one column: fields are separated by a comma, a semicolon, a tab or a |, not by blanks)"
    if all(NUMBER.fullmatch(name) for name in columns):
        return " (all of them numbers: is the header line missing, which names the columns?)"
    return ""


def _refuse_duplicate_columns(columns: list[str], source: str) -> None:
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise DataError(f"{source} has two columns named {column!r}: rename one of them in its header")
        seen.add(column)


# --------------------------------------------------------------------------------------- bundled, images


def read_bundled(name: str) -> Dataset:
    """One of scikit-learn's bundled sets, which need no download.

    >>> read_bundled("wine").target.nunique()
    3
    """
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


def read_idx_folder(folder: str | Path | None) -> Dataset:
    """The four IDX files of MNIST (or of a set in its format), gzipped or not; t10k is the test set."""
    if folder is None:
        raise DataError(
            "--data mnist needs --data-dir, the folder with train-images-idx3-ubyte.gz and its three "
            "companions"
        )
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"--data-dir {str(folder)!r} is not a folder: give the one with the four IDX files")
    paths, absent = {}, []
    for what, name in IDX_FILES.items():
        found = [path for path in (folder / f"{name}.gz", folder / name) if path.exists()]
        if found:
            paths[what] = found[0]
        else:
            absent.append(f"{name}.gz")
    if absent:
        raise DataError(
            f"--data-dir {str(folder)!r} lacks {', '.join(absent)}: download the missing files into it"
        )
    arrays = {what: read_idx(path) for what, path in paths.items()}
    for part in ("training", "test"):
        images, labels = arrays[f"{part} images"], arrays[f"{part} labels"]
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise DataError(
                f"{folder}: {part} images have shape {images.shape} and labels {labels.shape}: expected "
                "(rows, height, width) and (rows,); the files do not belong together, download them again"
            )
    if arrays["training images"].shape[1:] != arrays["test images"].shape[1:]:
        raise DataError(
            f"{folder}: training and test images differ in size; the files do not belong together"
        )
    pixels = np.concatenate([arrays["training images"], arrays["test images"]])
    labels = np.concatenate([arrays["training labels"], arrays["test labels"]]).astype(np.int64)
    test_rows = np.arange(len(labels)) >= len(arrays["training labels"])
    flat = pixels.reshape(len(pixels), -1)
    return Dataset(
        name="mnist",
        features=pd.DataFrame(flat, columns=[f"pixel_{i}" for i in range(flat.shape[1])]),
        target=pd.Series(labels, name="digit"),
        source=str(folder),
        pixels=255.0,
        kind="classes",
        test_rows=test_rows,
    )


def read_idx(path: str | Path) -> np.ndarray:
    """One IDX file of unsigned bytes, gzipped or not, as an array.

    The format: two zero bytes, the type (8 = unsigned byte), the number of axes, each axis as a
    big-endian 32-bit integer, then the bytes. (LeCun, Cortes and Burges, the MNIST page.)
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        if raw.startswith(GZIP_MAGIC):
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{str(path)!r} cannot be unpacked ({error}): it is cut short; download it again"
        ) from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != IDX_UNSIGNED_BYTE or not 1 <= raw[3] <= 4:
        raise DataError(
            f"{str(path)!r} is not an IDX file of bytes: it begins with {raw[:4].hex(' ') or 'nothing'}, "
            "expected 00 00 08 and the number of axes; download it again"
        )
    axes = raw[3]
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", raw[4:start]) if len(raw) >= start else ()
    expected = int(np.prod(shape, dtype=np.int64)) if shape else -1
    if len(raw) - start != expected:
        raise DataError(
            f"{str(path)!r} holds {max(len(raw) - start, 0)} bytes after its header, expected "
            f"{max(expected, 0)} for shape {shape}: it is cut short or damaged; download it again"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)


# ----------------------------------------------------------------------------------------------- wording


def _did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def _cut(line: str, most: int = 40) -> str:
    return line if len(line) <= most else f"{line[:most]}..."


def listed(names: list[str], most: int = 12) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def counted(count: int) -> str:
    """A number of rows in words: "1 row", "20 rows"."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"

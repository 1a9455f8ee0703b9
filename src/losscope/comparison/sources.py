"""A file as bytes that can be gone through again: read once from its start (a pipe has no second time), unpacked
where it is packed, and never more of it than a table may have.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import zlib
from pathlib import Path
from typing import IO

from losscope.comparison.mistakes import DataError

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
# How text in other encodings than UTF-8 begins; the longer marks first.
MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
BLOCK = 1 << 20
# What a packed file, or a pipe, may hold: it is kept in memory. A packed file of a few megabytes can unpack to as many
# gigabytes of nothing.
MOST_BYTES = 1 << 30
MOST_PIPED = 1 << 26  # of models and descriptions, which are small


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked, at their start."""
    try:
        file: IO[bytes] = path.open("rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            with file:
                file = _kept(file, path, "holds")
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not packed:
            return file
        with file, gzip.open(file) as content:
            return _kept(content, path, "unpacks to")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(
            f"{str(path)!r} is a gzip file that cannot be unpacked: it is cut short or damaged; copy or download it "
            "again"
        ) from None
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read ({error.strerror or error}): check the file and its permissions"
        ) from None


def content_of(path: Path) -> bytes:
    """All bytes of a file that is no table. OSError where it cannot be read, or where a pipe or device, which may have no
    end, holds more than MOST_PIPED."""
    with path.open("rb") as file:
        most = max(os.fstat(file.fileno()).st_size, MOST_PIPED)
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it holds more than {MOST_PIPED / 2**20:g} MiB")
    return content


def _kept(content: IO[bytes] | gzip.GzipFile, path: Path, does: str) -> IO[bytes]:
    kept = io.BytesIO()
    while block := content.read(BLOCK):
        if kept.tell() + len(block) > MOST_BYTES:
            raise DataError(
                f"{str(path)!r} {does} more than {MOST_BYTES / 2**30:g} GiB: give a plain .csv file, or Parquet"
            )
        if not kept.tell() and looks_binary(block) and not block.startswith((GZIP_MAGIC, PARQUET_MAGIC)):
            raise DataError(not_a_table(path))  # not all of it first: there are devices without an end
        kept.write(block)
    kept.seek(0)
    return kept


def looks_binary(beginning: bytes) -> bool:
    """Whether bytes are no text of a CSV file."""
    return b"\0" in beginning[:4096] and not beginning.startswith(tuple(MARKS))


def not_a_table(path: Path) -> str:
    """What is said of a file that is neither text nor Parquet."""
    return f"{str(path)!r} is not a CSV file (it holds binary bytes): export it as CSV or Parquet, with a header line"

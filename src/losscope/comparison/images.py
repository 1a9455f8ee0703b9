"""Images and labels in IDX files, as MNIST comes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from losscope.comparison.mistakes import DataError
from losscope.comparison.sources import BLOCK, GZIP_MAGIC

FILES = {
    "training images": "train-images-idx3-ubyte",
    "training labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}
UNSIGNED_BYTE = 8
# More than any set in this format has (60,000 images of 28 x 28 are 47 million bytes).
MOST_BYTES = 1 << 31


def read_folder(folder: str | Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images, labels, which rows are the test set) from the four files of MNIST, or of a set in its format."""
    if folder is None:
        raise DataError(
            "--data mnist needs --data-dir, the folder with train-images-idx3-ubyte.gz and its three "
            "companions"
        )
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"--data-dir {str(folder)!r} is not a folder: give the one with the four IDX files")
    paths, absent = {}, []
    for what, name in FILES.items():
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
    images = np.concatenate([arrays["training images"], arrays["test images"]])
    labels = np.concatenate([arrays["training labels"], arrays["test labels"]]).astype(np.int64)
    return images.reshape(len(images), -1), labels, np.arange(len(labels)) >= len(arrays["training labels"])


def read_idx(path: str | Path) -> np.ndarray:
    """One IDX file of unsigned bytes, gzipped or not, as an array.

    The format: two zero bytes, the type (8 = unsigned byte), the number of axes, each axis as a
    big-endian 32-bit integer, then the bytes. (LeCun, Cortes and Burges, the MNIST page.) No more is read, nor
    unpacked, than the header says, and one byte that tells whether there is more.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            if not packed:
                return _read(file, path)
            with gzip.open(file) as content:
                return _read(content, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{str(path)!r} cannot be unpacked ({error}): it is cut short or damaged; download it again"
        ) from None
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read ({error.strerror or error}): give a file, and check its permissions"
        ) from None


def _read(content: IO[bytes] | gzip.GzipFile, path: Path) -> np.ndarray:
    start = content.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] != UNSIGNED_BYTE or not 1 <= start[3] <= 4:
        raise DataError(
            f"{str(path)!r} is not an IDX file of bytes: it begins with {start.hex(' ') or 'nothing'}, "
            "expected 00 00 08 and the number of axes; download it again"
        )
    sizes = content.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise DataError(
            f"{str(path)!r} ends within its header: it is cut short or damaged; download it again"
        )
    shape = struct.unpack(f">{start[3]}I", sizes)
    expected = math.prod(shape)
    if not 0 < expected <= MOST_BYTES:
        raise DataError(
            f"{str(path)!r} says that its shape is {shape}, which is {'empty' if not expected else 'too large'}: it is "
            "damaged; download it again"
        )
    values = bytearray()
    while block := content.read(min(BLOCK, expected + 1 - len(values))):
        values += block
    if len(values) != expected:
        held = f"{len(values):,}" if len(values) < expected else "more"
        raise DataError(
            f"{str(path)!r} holds {held} bytes after its header, expected {expected:,} for shape {shape}: it is cut "
            "short or damaged; download it again"
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)

"""Finished runs on disk: each written at once and whole, found again by a hash of all that determines it."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import tempfile
from contextlib import suppress
from dataclasses import asdict, fields
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from losscope.comparison.data import DataError
from losscope.comparison.sealed import sealed, unsealed
from losscope.comparison.settings import Settings
from losscope.comparison.training import PARTS
from losscope.comparison.tuning import Job
from losscope.report.write import WriteError, file_in_the_way, write_atomic

RUNS = "runs"  # a folder within that of the report
RUN_SCHEMA = "losscope.compare.run/3"
# The packages and modules whose text decides what a run's numbers are; a change in them is a different run.
DETERMINING = (
    "columns",
    "formats",
    "splits",
    "features",
    "weighted",
    "learned",
    "preparation",
    "task",
    "encode",
    "forecast",
    "metrics",
    "training",
    "observation",
    "models/*",
)


@cache
def versions() -> dict[str, str]:
    """The versions of everything that computes."""
    found = {"python": platform.python_version()}
    for name in ("losscope", "torch", "numpy", "scikit-learn", "pandas", "scipy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


@cache
def _source() -> str:
    folder = Path(__file__).parent
    files = sorted(file for name in DETERMINING for file in folder.glob(f"{name}.py"))
    texts = "".join(file.read_text(encoding="utf-8") for file in files)
    return hashlib.sha256(texts.encode()).hexdigest()[:16]


class Store:
    """The runs of one comparison. With no folder, they live in memory only."""

    def __init__(self, folder: str | Path | None, context: dict[str, Any]) -> None:
        self.folder = None if folder is None else Path(folder).expanduser() / RUNS
        self.context = {"versions": versions(), "source": _source(), **context}
        if self.folder is not None:
            claim(self.folder.parent)

    def key(self, job: Job, formula: str, split: str) -> str:
        """A hash of the data, the rows of its split, the settings that bear on one run, the loss's formula with all
        that compiles it, and the versions."""
        everything = {
            "schema": RUN_SCHEMA,
            "job": asdict(job),
            "formula": formula,
            "split": split,
            **self.context,
        }
        return hashlib.sha256(json.dumps(everything, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def load(self, key: str) -> dict[str, Any] | None:
        """The finished run of that key, or None; a file that cannot be read, was changed, lacks something, or holds another
        run, counts as not there."""
        if self.folder is None:
            return None
        run = unsealed(_content(self.folder / f"{key}.json"))
        if run is None or (run.get("schema"), run.pop("key", None)) != (RUN_SCHEMA, key):
            return None
        if not {*PARTS, *(each.name for each in fields(Job))} <= run.keys():
            return None
        with suppress(LookupError, TypeError, ValueError):  # outputs that are none
            return {**run, "outputs": _unpacked(run["outputs"])}
        return None

    def save(self, key: str, run: dict[str, Any]) -> None:
        """Write one finished run, so that a reader or a crash never sees half of it."""
        if self.folder is not None:
            about = {"schema": RUN_SCHEMA, "key": key, "versions": versions()}
            whole = {**about, **run, "outputs": _packed(run["outputs"])}
            try:
                write_atomic(self.folder / f"{key}.json", sealed(whole))
            except WriteError as error:
                raise WriteError(f"{error}; what was finished before is kept") from error


def _content(file: Path) -> bytes:
    """What a file holds; nothing where none can be read, or where it is a pipe, whose reader would wait for ever."""
    with suppress(OSError):
        if file.is_file():
            return file.read_bytes()
    return b""


def _packed(outputs: np.ndarray | None) -> dict[str, Any] | None:
    """Outputs for the test rows as text: little-endian float32, in base64."""
    if outputs is None:
        return None
    raw = np.ascontiguousarray(outputs, dtype="<f4")
    return {"shape": list(raw.shape), "float32": base64.b64encode(raw.tobytes()).decode("ascii")}


def _unpacked(packed: dict[str, Any] | None) -> np.ndarray | None:
    if packed is None:
        return None
    raw = base64.b64decode(packed["float32"], validate=True)
    return np.frombuffer(raw, dtype="<f4").reshape(packed["shape"]).astype(np.float32)


def older_runs(folder: str | Path | None) -> int:
    """How many runs of an earlier version lie in a folder: they are neither read nor mixed with new ones."""
    if folder is None:
        return 0
    heads = [_content(file)[:80] for file in (Path(folder).expanduser() / RUNS).glob("*.json")]
    return sum(b'"losscope.compare.run/' in head and RUN_SCHEMA.encode() not in head for head in heads)


def claim(folder: Path) -> None:
    """Make the output folder, and one for runs in it, or say in one sentence why it cannot be written to."""
    runs = folder / RUNS
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs):  # of this command alone: another may be at work there
            pass
    except OSError as error:
        in_the_way = file_in_the_way(runs)
        if in_the_way == repr(str(folder)):
            raise DataError(f"--out {in_the_way} is a file: give a folder") from None
        reason = f"{in_the_way} is a file" if in_the_way else error.strerror
        raise DataError(
            f"--out {str(folder)!r} cannot be written to ({reason}): give another folder"
        ) from None


def bearing_on_a_run(settings: Settings) -> dict[str, Any]:
    """The settings that change a run's numbers: not the grid, how many seeds and splits, or what chooses."""
    everything = asdict(settings)
    for name in ("grid", "seeds", "metric", "learning_rate", "splits", "folds", "split_seed"):
        del everything[name]
    return everything

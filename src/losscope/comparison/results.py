"""Finished runs on disk: each written at once and whole, found again by a hash of all that determines it."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from losscope.comparison.data import DataError
from losscope.comparison.settings import Settings
from losscope.comparison.training import Job
from losscope.report.write import write_atomic

RUN_SCHEMA = "losscope.compare.run/1"
# The modules whose text decides what a run's numbers are; a change in them is a different run.
DETERMINING = (
    "columns",
    "splits",
    "features",
    "preparation",
    "task",
    "model",
    "training",
    "observation",
    "metrics",
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
    texts = "".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in DETERMINING)
    return hashlib.sha256(texts.encode()).hexdigest()[:16]


class Store:
    """The runs of one comparison. With no folder, they live in memory only."""

    def __init__(self, folder: str | Path | None, context: dict[str, Any]) -> None:
        self.folder = None if folder is None else Path(folder).expanduser() / "runs"
        self.context = {"versions": versions(), "source": _source(), **context}
        if self.folder is not None:
            claim(self.folder.parent)
            self.folder.mkdir(exist_ok=True)

    def key(self, job: Job, formula: str) -> str:
        """A hash of the data, the settings that bear on one run, the loss's formula with all that compiles it,
        and the versions."""
        everything = {"schema": RUN_SCHEMA, "job": asdict(job), "formula": formula, **self.context}
        return hashlib.sha256(json.dumps(everything, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def load(self, key: str) -> dict[str, Any] | None:
        """The finished run of that key, or None; a file that cannot be read counts as not there."""
        if self.folder is None:
            return None
        try:
            run = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return run if isinstance(run, dict) and run.get("schema") == RUN_SCHEMA else None

    def save(self, key: str, run: dict[str, Any]) -> None:
        """Write one finished run, so that a reader or a crash never sees half of it."""
        if self.folder is not None:
            whole = {"schema": RUN_SCHEMA, "versions": versions(), **run}
            write_atomic(self.folder / f"{key}.json", json.dumps(whole, allow_nan=False) + "\n")


def claim(folder: Path) -> None:
    """Make the output folder, or say in one sentence why it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".losscope-writable"
        probe.touch()
        probe.unlink()
    except FileExistsError:
        raise DataError(f"--out {str(folder)!r} is a file: give a folder") from None
    except NotADirectoryError:
        raise DataError(f"--out {str(folder)!r} lies inside a file: give a folder") from None
    except OSError as error:
        raise DataError(
            f"--out {str(folder)!r} cannot be written to ({error.strerror}): give another folder"
        ) from None


def bearing_on_a_run(settings: Settings) -> dict[str, Any]:
    """The settings that change a run's numbers: not the grid, the number of seeds, or the choice of rates."""
    everything = asdict(settings)
    for name in ("grid", "seeds", "choose_by", "learning_rate"):
        del everything[name]
    return everything

"""The disk cache of generated sources and compiled kernels.

A blob is stored under a name that is a hash of all that determines it, behind its own checksum, in a directory that
only this user may enter, and is not read where another could have written it. Writing is atomic (a temporary file, then
a rename), so two processes may write the same blob at once. Whatever is wrong (no home, no room, read-only, foreign
owner, damaged blob) the cache is merely empty: nothing here ever raises.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

MAGIC = b"losscope-1\n"
LIMIT = 256 << 20  # bytes: some thousand kernels; beyond it those longest unused go


def write(name: str, blob: bytes) -> None:
    """Keep a blob, if that is possible."""
    folder = directory()
    if folder is None:
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(MAGIC + hashlib.sha256(blob).digest() + blob)
            os.replace(temporary, folder / name)
            prune(folder)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError:  # no room, or no right: then without
        return


def read(name: str) -> bytes | None:
    """The blob of that name; None where there is none, or none that is whole."""
    folder = directory()
    if folder is None:
        return None
    try:
        # What is no file, as a pipe that nobody writes to, must not be waited for.
        with open(folder / name, "rb", opener=_at_once) as file:
            if not _is_private(os.fstat(file.fileno()), stat.S_ISREG):
                return None
            stored = file.read()
    except OSError:
        return None
    with suppress(OSError):  # read-only: it is then nobody's to prune
        os.utime(folder / name)
    head = len(MAGIC) + 32
    blob = stored[head:]
    if stored[: len(MAGIC)] != MAGIC or hashlib.sha256(blob).digest() != stored[len(MAGIC) : head]:
        return None
    return blob


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@cache  # once a process is often enough
def prune(folder: Path) -> None:
    """Keep the cache below its limit: old versions leave blobs that nobody will ask for again."""
    with suppress(OSError):
        blobs = sorted((each.stat().st_mtime, each.stat().st_size, each) for each in folder.iterdir())
        excess = sum(size for _, size, _ in blobs) - LIMIT
        for _, size, blob in blobs:
            if excess <= 0:
                return
            blob.unlink()
            excess -= size


def directory() -> Path | None:
    """The cache directory, made if need be, or None if there is none that is safe to use."""
    return _directory(os.environ.get("LOSSCOPE_CACHE_DIR"))


@cache
def _directory(chosen: str | None) -> Path | None:
    try:
        folder = Path(chosen) if chosen else _users_cache() / "losscope"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.resolve() if _is_private(folder.stat(), stat.S_ISDIR) else None
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


def _users_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _is_private(seen: os.stat_result, is_of_kind: Callable[[int], bool]) -> bool:
    """Compiled code is run as it is read: only this user may have been able to write it, the folder and each file."""
    if not hasattr(os, "getuid"):
        return True  # Windows: the profile directory is the user's own
    return is_of_kind(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o022

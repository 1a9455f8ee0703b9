"""Forks wait for imports and compilations. A child has no thread but the one that forked: for what another was at just
then, it would wait without end."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any

undisturbed = RLock()  # held by what imports
_locks: list[Any] = [undisturbed]


def wait_for(lock: Any) -> None:
    """Let no fork happen while another thread holds this lock, which may be taken under those named before."""
    _locks.append(lock)


def _before() -> None:
    for lock in _locks:
        lock.acquire()


def _after() -> None:
    for lock in reversed(_locks):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)

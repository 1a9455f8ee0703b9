"""Forks wait for imports and compilations. A child has no thread but the one that forked: for what another was at just
then, it would wait without end.

And no fork waits without end for what may itself be waiting. Hooks before a fork run in the reverse order of their
registration, and by then another library's may have its lock, which an import on another thread is waiting for: that of
`logging` had. So ours are registered anew by whoever begins to import or compile, to run before all that there are by
then; and where one has waited for `PATIENCE` all the same, the fork goes on. Its child then has locks of its own, and
compiles by itself. What other threads were importing, ours or not, every child forgets, and imports by itself.
"""

from __future__ import annotations

import logging  # noqa: F401 (what is imported here registers its hooks before ours)
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import _bootstrap  # type: ignore[attr-defined]
from threading import RLock, get_ident
from typing import Any

PATIENCE = 30.0  # seconds: longer than a compilation takes


class Lock:
    """A lock that forks wait for; a child that could not have it gets a new one."""

    def __init__(self) -> None:
        self.held = RLock()

    def __enter__(self) -> None:
        # Its hook lets go in the parent what it took before the fork: it must not be registered between the two.
        import concurrent.futures.thread  # noqa: F401

        self.held.acquire()
        _register()

    def __exit__(self, *_: object) -> None:
        self.held.release()


class once:
    """A property that is computed when it is first asked for. That of functools has, until Python 3.12, a lock for all
    objects: in a child, of what another thread was computing when it forked, for ever."""

    def __init__(self, compute: Callable[[Any], Any]):
        self.compute, self.name = compute, compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        found = instance.__dict__[self.name] = self.compute(instance)
        return found


undisturbed = Lock()  # held by what imports
_locks: list[tuple[Any, str]] = [(undisturbed, "held")]
_had: dict[int, list[Any]] = {}  # what each thread that is forking has got of them
_modules = 0  # how many there were when the hooks were registered last


def wait_for(holder: Any, name: str) -> None:
    """Let no fork happen while another thread has the lock of that name, which may be taken under those named before."""
    _locks.append((holder, name))


def _register() -> None:
    """Register the hooks once more, if there may be others by now. Each time that there is a fork, one does the work."""
    global _modules
    if len(sys.modules) != _modules and hasattr(os, "register_at_fork"):
        _modules = len(sys.modules)
        os.register_at_fork(
            before=lambda: _before(), after_in_parent=lambda: _release(), after_in_child=lambda: _in_child()
        )


def _before() -> None:
    if get_ident() not in _had:
        locks = [getattr(holder, name) for holder, name in _locks]
        _had[get_ident()] = [lock for lock in locks if lock.acquire(timeout=PATIENCE)]


def _release() -> None:
    for lock in reversed(_had.pop(get_ident(), [])):
        lock.release()


def _in_child() -> None:
    if get_ident() not in _had:
        return
    missed = [each for each in _locks if getattr(*each) not in _had[get_ident()]]
    _release()
    _had.clear()
    for holder, name in missed:
        setattr(holder, name, RLock())
    _forget_half_imported()


def _forget_half_imported() -> None:
    """Modules that a thread was importing which is no more: whoever asked for one would wait for it. Their locks are there
    before they are among the modules."""
    locks: Any = getattr(_bootstrap, "_module_locks", {})
    for name, reference in list(locks.items()):
        with suppress(AttributeError, KeyError):  # how Python keeps its locks is its own affair
            if reference().owner not in (None, get_ident()):
                del locks[name]
                if getattr(sys.modules[name].__spec__, "_initializing", False):
                    del sys.modules[name]


_register()

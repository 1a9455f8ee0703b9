"""Memory for results: large buffers are used again once nobody holds them.

The first touch of fresh memory costs more than a whole loss does: of 64 MiB, as much as reading both inputs and
writing the gradient, and several times that from an allocator that asks for small pages. A buffer is a NumPy array;
every array, view or tensor over it keeps a reference to it, so that a buffer nobody else refers to is free.
"""

from __future__ import annotations

import math
import os
import sys
from threading import Lock
from typing import Any

import numpy

LARGE = 1 << 20  # bytes; below, an allocator's own lists serve better
KEPT = 2  # buffers: one in use as a gradient, one being written
LINE = 64  # bytes of a cache line: buffers begin with one, and are written a line at a time

_lock = Lock()
_buffers: list[numpy.ndarray] = []


def _references(buffers: list[numpy.ndarray], i: int) -> int:
    return sys.getrefcount(buffers[i])


# As many references as a buffer has that nobody else holds. Asked, not known: it differs between versions of Python.
_FREE = _references([numpy.empty(1)], 0)


def empty(shape: tuple[int, ...], dtype: Any) -> numpy.ndarray:
    """An uninitialised array."""
    dtype = numpy.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return numpy.empty(shape, dtype)
    return of_size(size).view(dtype).reshape(shape)


def made(shape: tuple[int, ...], dtype: Any, order: int, out: numpy.ndarray | None) -> dict[str, numpy.ndarray]:
    """Room for as many derivatives as `order` says, the gradient's given in `out` where it is not None."""
    room = {}
    if order >= 1:
        room["gradient"] = empty(shape, dtype) if out is None else out
    if order >= 2:
        room["curvature"] = empty(shape, dtype)
    return room


def release_memory() -> None:
    """Give back the memory that is kept for the next gradient: two large buffers at most.

    >>> import losscope as ls
    >>> ls.release_memory()
    """
    with _lock:
        _buffers.clear()


def of_size(size: int) -> numpy.ndarray:
    """That many uninitialised bytes."""
    with _lock:
        for i, room in enumerate([each.size for each in _buffers]):
            if room == size + LINE and _references(_buffers, i) == _FREE:
                return _from_a_line_on(_buffers[i])
        # Those that are free do not fit what is asked for now: they would only take up room.
        used = [_references(_buffers, i) > _FREE for i in range(len(_buffers))]
        kept = [each for each, in_use in zip(_buffers, used, strict=True) if in_use]
        buffer = numpy.empty(size + LINE, "uint8")
        _buffers[:] = [*kept, buffer][-KEPT:]
        return _from_a_line_on(buffer)


def _from_a_line_on(buffer: numpy.ndarray) -> numpy.ndarray:
    """All of the buffer but a line, beginning with a whole one."""
    skipped = -buffer.ctypes.data % LINE
    return buffer[skipped : skipped + buffer.size - LINE]


def _after_fork() -> None:
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

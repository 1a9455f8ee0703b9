"""Memory for gradients: large buffers are used again once no tensor holds them.

The first touch of fresh memory costs more than a whole loss does: at 64 MiB torch's own allocation takes three
times as long as reading both inputs and writing the gradient. A buffer is a NumPy array; every tensor over it
keeps a reference, so that a buffer nobody else refers to is free.
"""

from __future__ import annotations

import os
import sys
from threading import Lock

import numpy
import torch

LARGE = 1 << 20  # bytes; below, an allocator's own lists serve better
KEPT = 2  # buffers: one in use as a gradient, one being written

_lock = Lock()
_buffers: list[numpy.ndarray] = []


def _references(buffers: list[numpy.ndarray], i: int) -> int:
    return sys.getrefcount(buffers[i])


# As many references as a buffer has that no tensor holds. Asked, not known: it differs between versions of Python.
_FREE = _references([numpy.empty(1)], 0)


def like(tensor: torch.Tensor) -> torch.Tensor:
    """An uninitialised tensor of the same shape, dtype and layout, on the CPU."""
    if tensor.nbytes < LARGE:
        return torch.empty_like(tensor)
    memory = torch.from_numpy(_free(tensor.numel() * tensor.element_size())).view(tensor.dtype)
    if tensor.is_contiguous():
        return memory.view(tensor.shape)
    # Strides of a dense tensor; torch settles what they are for one with holes.
    return memory.as_strided(tensor.shape, torch.empty_like(tensor, device="meta").stride())


def release() -> None:
    """Give back the memory kept for gradients.

    >>> from losscope.torch import buffers
    >>> buffers.release()
    """
    with _lock:
        _buffers.clear()


def _free(size: int) -> numpy.ndarray:
    with _lock:
        for i, buffer_size in enumerate([each.size for each in _buffers]):
            if buffer_size == size and _references(_buffers, i) == _FREE:
                return _buffers[i]
        # Those that are free do not fit what is asked for now: they would only take up room.
        used = [_references(_buffers, i) > _FREE for i in range(len(_buffers))]
        kept = [each for each, in_use in zip(_buffers, used, strict=True) if in_use]
        buffer = numpy.empty(size, "uint8")
        _buffers[:] = [*kept, buffer][-KEPT:]
        return buffer


def _after_fork() -> None:
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

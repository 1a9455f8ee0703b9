"""Our losses in the place of PyTorch's, in code that is already written, and back again.

    with losscope.torch.patch():
        train()                    # torch.nn.CrossEntropyLoss, F.mse_loss ... run on our kernels

    losscope.torch.patch()         # from here on
    losscope.torch.unpatch()       # and back

What is replaced are the functions in `torch.nn.functional`: the classes of `torch.nn` look theirs up there at
every call, so that instances that exist already change too, and so does `F.cross_entropy` in any module. A module
that has said `from torch.nn.functional import cross_entropy` has taken the function itself: that name is replaced
in the module, too. `unpatch`, and the end of a `with`, put back all that was replaced.

    >>> import torch
    >>> from losscope.torch import functional, patch
    >>> with patch():
    ...     torch.nn.functional.mse_loss is functional.mse_loss
    True
    >>> torch.nn.functional.mse_loss is functional.mse_loss
    False
"""

from __future__ import annotations

import sys
from threading import RLock
from types import ModuleType, TracebackType
from typing import Any

import torch

from losscope.torch import functional

_lock = RLock()
_depth = 0
_replaced: list[tuple[ModuleType, str, Any]] = []


class Patched:
    """What `patch` gives back: leaving a `with` over it, or `unpatch`, ends it."""

    def __init__(self) -> None:
        self._open = True

    def __enter__(self) -> Patched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unpatch()

    def unpatch(self) -> None:
        """End this patch; PyTorch's own functions are back once every one has ended."""
        global _depth
        with _lock:
            if self._open and _depth:  # unpatch() may have ended it before
                _depth -= 1
                if not _depth:
                    _restore()
            self._open = False


def patch() -> Patched:
    """Put our losses in the place of PyTorch's, until the `with` ends or `unpatch` is called."""
    global _depth
    with _lock:
        if not _depth:
            _replace()
        _depth += 1
        return Patched()


def unpatch() -> None:
    """Take our losses away again, however often `patch` was called; nothing happens if it was not."""
    global _depth
    with _lock:
        _depth = 0
        _restore()


def _replace() -> None:
    ours = {
        id(original): getattr(functional, name)
        for name, original in functional.torchs.items()
        if getattr(functional, name) is not original
    }
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or not _is_a_users(module):
            continue
        for name, value in list(vars(module).items()):
            if id(value) in ours:
                _replaced.append((module, name, value))
                setattr(module, name, ours[id(value)])


def _is_a_users(module: ModuleType) -> bool:
    """Not torch's own modules, of which one alone is asked for its losses, nor ours, which hold the originals."""
    if module is torch.nn.functional:
        return True
    package = (getattr(module, "__name__", None) or "").partition(".")[0]
    return package not in ("torch", "losscope")


def _restore() -> None:
    while _replaced:
        module, name, value = _replaced.pop()
        setattr(module, name, value)

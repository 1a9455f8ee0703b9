"""PyTorch: the losses of `torch.nn` and `torch.nn.functional` over our kernels, and `patch`, which puts them there.

    from losscope.torch import functional, nn as F      # instead of torch.nn, torch.nn.functional
    with losscope.torch.patch(): ...                    # or in code that is already written

Everything but PyTorch itself is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from losscope.forks import undisturbed

with undisturbed:  # a child that is forked while another thread is half through this import may crash
    import_module("torch")

if TYPE_CHECKING:
    from losscope.torch import functional as functional
    from losscope.torch import nn as nn
    from losscope.torch.patching import patch as patch
    from losscope.torch.patching import patched as patched
    from losscope.torch.patching import unpatch as unpatch

_FROM = {"patch": "patching", "patched": "patching", "unpatch": "patching"}


def __getattr__(name: str) -> Any:
    if name in ("functional", "nn"):
        return import_module(f"losscope.torch.{name}")
    if name in _FROM:
        value = getattr(import_module(f"losscope.torch.{_FROM[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'losscope.torch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "functional", "nn", *_FROM])

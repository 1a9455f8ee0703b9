"""Our losses in the place of PyTorch's, in code that is already written, and back again.

    with losscope.torch.patch():
        train()                    # torch.nn.CrossEntropyLoss, F.mse_loss ... run on our kernels

    @losscope.torch.patch()        # while this function runs
    def train(): ...

    losscope.torch.patch()         # from here on
    losscope.torch.unpatch()       # and back

What is replaced are the functions in `torch.nn.functional`: the classes of `torch.nn` look theirs up there at
every call, so that instances that exist already change too, and so does `F.cross_entropy` in any module. A module
that has said `from torch.nn.functional import cross_entropy` has taken the function itself: that name is replaced
in the module, too. `unpatch`, and the end of a `with`, put back all that was replaced, but for names that were assigned
anew. What has taken a function before `patch` in another way (a dict of losses, a `functools.partial`, an attribute of a
class, the default of an argument) keeps it, and what takes one while it is patched keeps ours: `patched` says where.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from threading import RLock
from types import BuiltinFunctionType, FunctionType, ModuleType, TracebackType
from typing import Any

import torch

from losscope.errors import complain
from losscope.torch import functional

STEPS = 3  # how deep `patched` looks: the loss in a dict in a class
_lock = RLock()
_open: list[Patched] = []  # those that have not ended
_replaced: list[tuple[ModuleType, str, Any]] = []


@dataclass(frozen=True)
class Holders:
    """Who holds which losses, as far as it can be found: each a place, such as `train.losses['mse'] (mse_loss)`."""

    ours: tuple[str, ...]
    pytorchs: tuple[str, ...]


class Patched:
    """What `patch` gives back: leaving a `with` over it (the outermost, of several), or `unpatch`, ends it."""

    _within = 0  # how many `with` over it have not been left

    def __enter__(self) -> Patched:
        with _lock:
            self._within += 1
            if self not in _open:  # it has ended, and begins anew
                _begin(self)
        return self

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator: our losses stand in the place of PyTorch's while the function runs. TypeError of what does not run
        to its end when it is called."""
        if not self._within:  # begun for the sake of the function alone
            self.unpatch()
        goes_on = (
            iscoroutinefunction(function) or isgeneratorfunction(function) or isasyncgenfunction(function)
        )
        if goes_on or not callable(function) or isinstance(function, type):
            raise TypeError(complain(
                "patch() decorates a function that has run when it returns", got=repr(function),
                next_step="Use `with losscope.torch.patch():` around what calls the losses",
            ))  # fmt: skip

        @wraps(function)
        def within(*arguments: Any, **options: Any) -> Any:
            with patch():
                return function(*arguments, **options)

        return within

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            self._within -= self._within > 0  # 0 where only the exit was handed on, to an `ExitStack`
            if not self._within:
                self.unpatch()

    def unpatch(self) -> None:
        """End this patch; PyTorch's own functions are back once every one has ended."""
        with _lock:
            if self in _open:  # unpatch() may have ended it before
                _open.remove(self)
                if not _open:
                    _restore()


def patch() -> Patched:
    """Put our losses in the place of PyTorch's, until the `with` ends or `unpatch` is called."""
    this = Patched()
    with _lock:
        _begin(this)
    return this


def _begin(this: Patched) -> None:
    if not _open:
        _replace()
    _open.append(this)


def unpatch() -> None:
    """Take our losses away again, however often `patch` was called; nothing happens if it was not."""
    with _lock:
        _open.clear()
        _restore()


def patched() -> Holders:
    """Where code outside torch and losscope holds our losses and PyTorch's own, and `torch.nn.functional` ours: in names of modules, attributes of classes
    (static methods too), dicts, lists, tuples, sets, `functools.partial`, and the defaults of arguments.

    After `patch`, `pytorchs` is what it left as it was; after `unpatch`, `ours` is what was taken meanwhile and stays.

    >>> from losscope.torch import patch, patched
    >>> with patch():
    ...     len(patched().ours) >= len(functional.torchs) - 1  # all but nll_loss
    True
    """
    pairs = _pairs()
    ours, pytorchs = ({id(each[which]): each[0] for each in pairs} for which in (2, 1))
    found: tuple[set[str], set[str]] = (set(), set())
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and _is_a_users(module):
            for name, value in list(vars(module).items()):
                for place, held in _held(value, f"{module.__name__}.{name}", module.__name__, STEPS):
                    for wanted, places in zip((ours, pytorchs), found, strict=True):
                        at_home = wanted is pytorchs and module is torch.nn.functional
                        if id(held) in wanted and not at_home:
                            places.add(f"{place} ({wanted[id(held)]})")
    return Holders(*(tuple(sorted(places)) for places in found))


def _held(value: Any, place: str, module: str, steps: int) -> Iterator[tuple[str, Any]]:
    """The functions that a value of a module holds, each with its place, as many steps away as that."""
    if isinstance(value, FunctionType | BuiltinFunctionType):
        yield place, value
    if not steps:
        return
    inside: Iterable[tuple[str, Any]] = ()
    if isinstance(value, partial):
        inside = ((place, each) for each in (value.func, *value.args, *value.keywords.values()))
    elif isinstance(value, staticmethod | classmethod):
        inside = [(place, value.__func__)]
    # As their bases hold them: what a class of a user's makes of it may be anything.
    elif isinstance(value, dict):
        inside = ((f"{place}[{key!r}]", each) for key, each in list(dict.items(value)))
    elif isinstance(value, list | tuple | set | frozenset):
        base: Any = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        ordered = base in (list, tuple)
        inside = (
            (f"{place}[{i}]" if ordered else place, each) for i, each in enumerate(list(base.__iter__(value)))
        )
    elif isinstance(value, type) and value.__module__ == module:
        inside = ((f"{place}.{name}", each) for name, each in list(vars(value).items()))
    elif isinstance(value, FunctionType) and value.__module__ == module:
        defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        inside = ((f"{place}, a default", each) for each in defaults)
    for within, each in inside:
        yield from _held(each, within, module, steps - 1)


def _pairs() -> list[tuple[str, Any, Any]]:
    """Each loss that is replaced: its name, PyTorch's own function, and ours."""
    return [
        (name, original, getattr(functional, name))
        for name, original in functional.torchs.items()
        if getattr(functional, name) is not original
    ]


def _replace() -> None:
    ours = {id(original): ours for _, original, ours in _pairs()}
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or not _is_a_users(module):
            continue
        for name, value in list(vars(module).items()):
            if id(value) in ours:
                with suppress(AttributeError, TypeError):  # of a module that refuses: it keeps PyTorch's
                    setattr(module, name, ours[id(value)])
                    _replaced.append((module, name, value))


def _is_a_users(module: ModuleType | None) -> bool:
    """Not torch's own modules, of which one alone is asked for its losses, nor ours, which hold the originals."""
    if module is torch.nn.functional:
        return True
    package = (getattr(module, "__name__", None) or "").partition(".")[0]
    return package not in ("torch", "losscope")


def _restore() -> None:
    ours = {id(original): ours for _, original, ours in _pairs()}
    while _replaced:
        module, name, value = _replaced.pop()
        if vars(module).get(name) is ours[id(value)]:  # not assigned anew meanwhile
            setattr(module, name, value)

"""Entry -> its certificate, and for a formula of a user's the forms in which it keeps its digits. Cached on disk: it is
found once for a formula."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import RLock
from typing import Any

import numpy

from losscope.domain import Domain, nonnegative, positive
from losscope.entry import Entry
from losscope.errors import LossError, no_end
from losscope.exactness.certificate import Certificate, Worst
from losscope.kernels import store

FEW, MANY = 256, 2048  # points of each dtype: to search with, and to certify with
_at_work: dict[str, RLock] = {}  # held by the thread that is finding what the others, too, have asked for
if hasattr(os, "register_at_fork"):  # in a child there is none of these threads
    os.register_at_fork(after_in_child=_at_work.clear)


def certified(entry: Entry, through: Entry | None = None, mend: bool = False) -> tuple[Entry, Certificate]:
    """The entry's certificate; with `mend` the entry, too, in the forms that keep most of its digits."""
    name = f"{_key(entry, through, mend)}.certificate"
    known = _read(store.read(name))
    if known is None:
        with _one_thread(name):
            known = _read(store.read(name))  # another may have found it by now
            if known is None:
                known = _made(entry, through, mend)
                store.write(name, json.dumps(known).encode())
    parameters = {
        each: replace(parameter, domain=_domain(each, known) or parameter.domain)
        for each, parameter in entry.parameters.items()
    }
    entry = replace(entry, computed=tuple(known["computed"]) or entry.computed, parameters=parameters)
    found = Certificate(Worst(**known["worst"]), known["points"], tuple(known["computed"]))
    return replace(entry, certificate=found) if mend else entry, found


@lru_cache(512)
def certificate(entry: Entry, through: Entry | None = None) -> Certificate:
    """The certificate of a loss as it stands; of forms that were found, the one they were found with."""
    known = entry.certificate
    if through is None and known is not None and known.forms == entry.computed:
        return known  # type: ignore[no-any-return]
    return certified(entry, through)[1]


def _domain(name: str, known: Any) -> Domain | None:
    """Where a parameter has to lie by what was found; None where that is not said."""
    return next((domain for domain in (positive, nonnegative) if name in known[domain.name]), None)


@contextmanager
def _one_thread(name: str) -> Iterator[None]:
    """Of threads that ask for the same, the first finds it, and the others wait for it."""
    with _at_work.setdefault(name, RLock()):
        try:
            yield
        finally:
            _at_work.pop(name, None)


def _read(stored: bytes | None) -> Any:
    """What was found; None where there is nothing, or what another program has written."""
    try:
        known = json.loads(stored) if stored else None
    except (ValueError, RecursionError):
        return None
    match known:
        case {
            "computed": [] | [str(), str(), str()], "positive": [*above], "nonnegative": [*not_below], "points": int(),
            "worst": {"error": _, "order": 0 | 1 | 2, "dtype": str(), "at": {}, "computed": _, "truth": _} as worst,
        } if all(isinstance(each, str) for each in above + not_below) and len(worst) == 6:  # fmt: skip
            return known
    return None


def _made(entry: Entry, through: Entry | None, mend: bool) -> dict[str, Any]:
    """Found anew."""
    from losscope.exactness import mending
    from losscope.exactness.needed import needed

    # Numbers of all sizes are tried: infinities are to be seen, and not said.
    with numpy.errstate(all="ignore"):
        try:
            found = mending.mend(entry, FEW, MANY) if mend else mending.as_it_stands(entry, through, MANY)
            domains = needed(entry) if mend else {}
        except RecursionError:
            raise LossError(no_end(entry.formula)) from None
    above = {*found.positive, *(name for name, domain in domains.items() if domain is positive)}
    return {
        "computed": found.computed,
        "positive": sorted(above),
        "nonnegative": sorted({*domains} - above),
        "worst": asdict(found.worst),
        "points": found.points,
    }


def _key(entry: Entry, through: Entry | None, mend: bool) -> str:
    parts = [_sources(), str(mend)]
    for each in (entry, through):
        if each is not None:
            parts.append(
                repr((
                    each.structure, each.forms, each.computed, each.residual, list(each.parameters.items()),
                    each.prediction, each.target, each.measure,
                ))
            )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


@cache
def _sources() -> str:
    """A hash of the code that a certificate depends on, ours and others'."""
    package = Path(__file__).parents[1]
    files = [package / f"{name}.py" for name in ("parse", "stable", "derive", "truth")]
    files += [
        package / f"kernels/{name}.py"
        for name in ("arithmetic", "reference", "polynomial", "primitives/simple")
    ]
    for folder in ("expression", "rewrite", "structures", "emit", "exactness", "kernels/special"):
        files += sorted((package / folder).rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    digest.update(repr([version(each) for each in ("numpy", "sympy", "python-flint")]).encode())
    return digest.hexdigest()

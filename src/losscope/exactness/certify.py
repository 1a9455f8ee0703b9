"""Entry -> its certificate, and for a formula of a user's the forms in which it keeps its digits. Cached on disk: it is
found once for a formula."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy

from losscope.entry import Entry, positive
from losscope.errors import LossError, complain
from losscope.exactness.certificate import Certificate, Worst
from losscope.kernels import store

FEW, MANY = 256, 2048  # points of each dtype: to search with, and to certify with


def certified(entry: Entry, through: Entry | None = None, mend: bool = False) -> tuple[Entry, Certificate]:
    """The entry's certificate; with `mend` the entry, too, in the forms that keep most of its digits."""
    name = f"{_key(entry, through, mend)}.certificate"
    known = _read(store.read(name))
    if known is None:
        known = _made(entry, through, mend)
        store.write(name, json.dumps(known).encode())
    if known["computed"]:
        parameters = {
            each: positive(parameter.default) if each in known["positive"] else parameter
            for each, parameter in entry.parameters.items()
        }
        entry = replace(entry, computed=tuple(known["computed"]), parameters=parameters)
    found = Certificate(Worst(**known["worst"]), known["points"], tuple(known["computed"]))
    return replace(entry, certificate=found) if mend else entry, found


@lru_cache(512)
def certificate(entry: Entry, through: Entry | None = None) -> Certificate:
    """The certificate of a loss as it stands; of forms that were found, the one they were found with."""
    known = entry.certificate
    if through is None and known is not None and known.forms == entry.computed:
        return known  # type: ignore[no-any-return]
    return certified(entry, through)[1]


def _read(stored: bytes | None) -> Any:
    try:
        return json.loads(stored) if stored else None
    except ValueError:
        return None


def _made(entry: Entry, through: Entry | None, mend: bool) -> dict[str, Any]:
    """Found anew."""
    from losscope.exactness import mending

    # Numbers of all sizes are tried: infinities are to be seen, and not said.
    with numpy.errstate(all="ignore"):
        try:
            found = mending.mend(entry, FEW, MANY) if mend else mending.as_it_stands(entry, through, MANY)
        except RecursionError:  # of SymPy, where it turns a comparison round and round
            raise LossError(
                complain(
                    "SymPy finds no end with this formula", got=entry.formula,
                    next_step="Write its comparisons as ones of a difference with 0",
                )
            ) from None  # fmt: skip
    worst = asdict(found.worst)
    return {"computed": found.computed, "positive": found.positive, "worst": worst, "points": found.points}


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

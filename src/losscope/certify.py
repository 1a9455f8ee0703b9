"""Entry -> its certificate, and for a formula of a user's the forms in which it keeps its digits. Cached on disk: it is
found once for a formula."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from losscope.entry import Entry, positive
from losscope.kernels import store

FEW, MANY = 256, 2048  # points of each dtype: to search with, and to certify with


@dataclass(frozen=True)
class Worst:
    """The point where a form is furthest from the truth, in ulp over the condition of the problem there."""

    error: float
    order: int
    dtype: str
    at: Mapping[str, float]
    computed: float
    truth: float


@dataclass(frozen=True)
class Certificate:
    """How exact the numbers of a formula are: the worst of its value, gradient and curvature over `points` points."""

    worst: Worst
    points: int

    @property
    def exact(self) -> bool:
        """Whether all are within 8 ulp, times the condition of the problem."""
        from losscope.certificate import BOUND

        return self.worst.error <= BOUND

    def __str__(self) -> str:
        if self.exact:
            return f"exact to {max(self.worst.error, 0.5):.1f} ulp on {self.points:,} points"
        return f"not exact: {self.where()}"

    def where(self) -> str:
        """The worst point in words."""
        worst = self.worst
        at = ", ".join(f"{name} = {value:.9g}" for name, value in worst.at.items())
        order = ("value", "gradient", "curvature")[worst.order]
        return f"at {at} the {order} is {worst.computed:.6g} in {worst.dtype}, true {worst.truth:.6g}"


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
    return entry, Certificate(Worst(**known["worst"]), known["points"])


@lru_cache(512)
def certificate(entry: Entry, through: Entry | None = None) -> Certificate:
    """The certificate of a loss as it stands."""
    return certified(entry, through)[1]


def _read(stored: bytes | None) -> Any:
    try:
        return json.loads(stored) if stored else None
    except ValueError:
        return None


def _made(entry: Entry, through: Entry | None, mend: bool) -> dict[str, Any]:
    """Found anew."""
    from losscope import mending

    found = mending.mend(entry, FEW, MANY) if mend else mending.as_it_stands(entry, through, MANY)
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
    package = Path(__file__).parent
    names = (
        "expression",
        "parse",
        "stable",
        "derive",
        "rewrite",
        "mend",
        "mending",
        "samples",
        "truth",
        "certificate",
        "certify",
    )
    files = [package / f"{name}.py" for name in names] + sorted((package / "emit").glob("*.py"))
    files += [package / f"kernels/{name}.py" for name in ("reference", "special")]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    digest.update(repr([version(each) for each in ("numpy", "sympy", "python-flint")]).encode())
    return digest.hexdigest()

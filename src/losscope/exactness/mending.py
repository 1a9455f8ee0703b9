"""A whole entry, mended: its formula as written is the truth, and what is computed is sought among equal forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from zlib import crc32

import numpy
import sympy

from losscope import structures
from losscope.derive import (
    PREDICTION,
    RESIDUAL,
    TARGET,
    Derived,
    derive,
    formula,
    names_of,
    slope_of,
)
from losscope.emit.plain import exactly
from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.exactness.bench import DTYPES, Bench
from losscope.exactness.certificate import BOUND, Worst
from losscope.exactness.mend import ALL, Judge, Work, assumed_positive, assumed_real, mended, others
from losscope.expression import symbol
from losscope.expression.from_sympy import in_our_words
from losscope.parse import parse
from losscope.rewrite.rewriting import operations
from losscope.stable import beside_kinks
from losscope.truth import truths

ROUNDS = 2  # of searching for forms
AGAIN = ALL / 2  # steps of another round, at least
LONG = 300  # operations of value, gradient and curvature as written, beyond which fewer points are tried
SOME = 32  # points, of which one shows that a form has values


@dataclass(frozen=True)
class Mended:
    """What was found: texts of value, gradient and curvature (none: those that are derived do), the parameters that
    they need to be more than 0, the worst that is left, and over how many points."""

    computed: tuple[str, ...]
    positive: tuple[str, ...]
    worst: Worst
    points: int


def as_it_stands(entry: Entry, through: Entry | None, many: int) -> Mended:
    """The certificate of what derivation alone gives."""
    derived = derive(entry, through)
    at = bench(entry, through, many, derived)
    worst = at.certified(derived)
    if worst.error > BOUND:  # where a rounding decides a comparison, no form could do right
        at = at.with_borders()
        worst = min(worst, at.certified(derived), key=lambda each: each.error)
    if worst.error > BOUND:
        worst = at.to_tell(derived, worst)
    return Mended((), (), worst, at.count * len(DTYPES))


def mend(entry: Entry, few: int, many: int) -> Mended:
    """The forms that lose least; those that derivation gives, if they lose nothing."""
    _refuse_unused(entry)
    derived = derive(entry)
    try:
        # Of a tower of exponentials the truth at each point takes long: some are enough to see that there is none.
        at = bench(entry, None, few // 2, derived)
        _refuse_nowhere(entry, at)
        at = at.drawn_anew(many)
    except (NotImplementedError, TypeError):  # SymPy has left the real numbers
        raise LossError(complain("The formula has no real derivative", got=entry.formula)) from None
    _refuse_nowhere(entry, at)
    check, points = Judge(at, derived.residual, derived.value), at.count * len(DTYPES)
    plainly = partial(check.bench.certified, derived)
    if not _fail(replace(check, bench=check.bench.with_fewer(few), seen={}), _forms(derived)):
        worst = plainly()
        if worst.error <= BOUND / 2:
            return Mended((), (), worst, points)
    best = _searched(entry, derived, check, few, points) or Mended((), (), plainly(), points)
    return best if best.worst.error <= BOUND else _with_borders(entry, best, check.bench)


def _searched(entry: Entry, derived: Derived, check: Judge, few: int, points: int) -> Mended | None:
    """The forms that lose least; none of those that fail all the same, unless they lose half as much as the formula's own. Where
    they fail at points of their own, beside which no other was looked at, these are looked at, too, and it is searched
    once more."""
    best: Mended | None = None
    worse, place, forms = derived, None, _forms(derived)
    for _ in range(ROUNDS):
        check = Judge(
            check.bench.with_worse(worse, place),
            PREDICTION - TARGET,
            derived.value,
            Work(max(check.work.left, AGAIN)),
        )
        search = replace(check, bench=check.bench.with_fewer(few), seen={})
        found = _found(entry, derived, search, check)
        fail = _fail(check, found)
        better = 2 * _lost(check, found) <= _lost(check, forms)
        settled = _settled(entry, found, check, points) if better or not fail else None
        if settled is None:
            break
        if better or settled.worst.error <= BOUND:
            best = min(best or settled, settled, key=lambda each: each.worst.error)
        if fail or settled.worst.error <= BOUND:
            break
        worse, place = derive(replace(entry, computed=settled.computed)), settled.worst.at
    return best


def _found(entry: Entry, derived: Derived, search: Judge, check: Judge) -> list[Any]:
    forms, differentiate = _forms(derived), partial(slope_of, entry=entry)
    signs = [
        name for name, each in entry.parameters.items() if each.default > 0 and each.domain.name != "positive"
    ]
    found = mended(search, check, forms, differentiate)
    failing = [own for order, own in enumerate(forms) if check.fails(order, found[order])]
    if signs and any(_signs_matter(own, signs) for own in failing):
        other = _with_signs(search, check, found, differentiate, signs)
        found = min(found, other, key=lambda forms: _lost(check, forms))
    return found


def _signs_matter(form: Any, names: Sequence[str]) -> bool:
    """Whether a rewrite makes anything of a form only where it knows these parameters to be more than 0."""
    known = {assumed_real(each, names) for each in others(assumed_positive(form, names))}
    return bool(known - {*others(form)})


def _with_borders(entry: Entry, found: Mended, bench: Bench) -> Mended:
    """The same, where no form does better, judged without the points that no form could do right."""
    bench, derived = bench.with_borders(), derive(replace(entry, computed=found.computed))
    worst = min(found.worst, bench.certified(derived), key=lambda each: each.error)
    return replace(found, worst=worst if worst.error <= BOUND else bench.to_tell(derived, worst))


def _refuse_nowhere(entry: Entry, at: Bench) -> None:
    if at.is_nowhere():
        raise LossError(complain(
            f"The formula has no value at any of {at.count * len(DTYPES):,} points", got=entry.formula,
            next_step="Look at where its logarithms, roots and quotients have one",
        ))  # fmt: skip


def _refuse_unused(entry: Entry) -> None:
    used = {each.name for each in formula(entry).free_symbols}
    unused = [name for name in entry.parameters if name not in used]
    if unused:
        raise LossError(complain(f"The formula does not use the parameter {unused[0]!r}", got=entry.formula))
    if not used - set(entry.parameters) - {"target"}:
        raise LossError(complain("The formula does not depend on the prediction", got=entry.formula))


def _forms(derived: Derived) -> list[Any]:
    return [derived.value, derived.gradient, derived.curvature]


def _fail(judge: Judge, forms: Sequence[Any]) -> bool:
    return any(judge.fails(order, form) for order, form in enumerate(forms))


def _lost(judge: Judge, forms: Sequence[Any]) -> float:
    return sum(judge.score(order, form) for order, form in enumerate(forms))


def _settled(entry: Entry, forms: list[Any], check: Judge, points: int) -> Mended | None:
    """The forms as they are read again from their texts."""
    texts = tuple(exactly(form) for form in forms)
    try:
        again = derive(replace(entry, computed=texts))
    except LossError:  # a form that has no text, or no end
        return None
    worst = check.bench.certified(again)
    return Mended(texts, _needed_positive(entry, again, derive(entry), check.bench), worst, points)


def _with_signs(
    search: Judge, check: Judge, forms: list[Any], differentiate: Any, signs: list[str]
) -> list[Any]:
    """The search again, with parameters whose defaults are more than 0 known to be that."""
    work = Work(ALL)
    known = [
        _Signed(each.bench, each.residual, each.plain, work, each.seen, tuple(signs))
        for each in (search, check)
    ]
    assumed = [assumed_positive(each, signs) for each in forms]
    found = mended(known[0], known[1], assumed, differentiate)
    return [assumed_real(each, signs) for each in found]


@dataclass
class _Signed(Judge):
    signs: tuple[str, ...] = ()

    def lost(self, order: int, form: Any) -> Any:
        return super().lost(order, assumed_real(form, self.signs))

    def along(self, variable: Any) -> Any:
        return super().along(assumed_real(variable, self.signs))


def _needed_positive(entry: Entry, mended: Derived, plainly: Derived, bench: Bench) -> tuple[str, ...]:
    """The parameters which the forms divide by, or take the root or logarithm of, as the formula itself does not: for
    them 0 or a negative number is then refused, where it would be a NaN."""
    needed = []
    for name, parameter in entry.parameters.items():
        if parameter.default <= 0 or parameter.domain.name == "positive":
            continue
        for number in (0.0, -parameter.default):
            rows = bench.rows(DTYPES[-1])[:SOME]
            rows[:, bench.names.index(name)] = number
            lost = ~_have_values(mended, bench, rows)
            if lost.any() and (lost & _have_values(plainly, bench, rows)).any():
                needed.append(name)
                break
    return tuple(needed)


def _have_values(derived: Derived, bench: Bench, rows: numpy.ndarray) -> numpy.ndarray:
    """Whether value, gradient and curvature are real numbers at any of the points."""
    forms = [derived.expanded(order) for order in range(3)]
    return ~numpy.isnan(truths(forms, bench.symbols, rows)[..., 0]).all(0)


def bench(entry: Entry, through: Entry | None, count: int, derived: Derived, seed: int = 0) -> Bench:
    """Points of an entry with the truth there: that of its formula as it is written."""
    true = written(entry, through)
    parameters = {**entry.parameters, **(through.parameters if through else {})}
    return Bench(
        true, arguments(entry, through), parameters, count, crc32(entry.formula.encode()) + seed,
        [derived.expanded(order) for order in range(3)], through is None and derived.of_residual_alone, derived.zeros,
        min(1.0, LONG / max(1, sum(map(operations, true)))),
    )  # fmt: skip


def written(entry: Entry, through: Entry | None) -> list[Any]:
    """Value, gradient and curvature of a formula as it stands, nothing rewritten."""
    value = parse(entry.formula, names_of(entry))
    structure = structures.get(entry.structure)
    if str(RESIDUAL) in structure.moving:
        value = value.xreplace({RESIDUAL: PREDICTION - TARGET})
    if through is not None:
        value = in_our_words(value.xreplace({PREDICTION: parse(through.formula, names_of(through))}))
    result = [value]
    for _ in range(2):
        slope = sympy.diff(result[-1], symbol(structure.variable))
        for name, steps in structure.moving.items():
            slope += sympy.diff(result[-1], symbol(name)) * steps
        result.append(beside_kinks(in_our_words(slope)))
    return result


def arguments(entry: Entry, through: Entry | None) -> dict[str, str]:
    """The arguments of an entry's functions, and the names of the domains that they lie in."""
    return structures.get(entry.structure).domains(entry, through)

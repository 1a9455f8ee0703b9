"""Of equal forms of a formula, the one whose numbers keep their digits: rewritten where it is worst, measured, and kept
if that helped (P. Panchekha et al., PLDI 2015, doi:10.1145/2737924.2737959)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import permutations
from typing import Any

import numpy
import sympy

from losscope.exactness.bench import DTYPES, Bench, arithmetic
from losscope.exactness.certificate import BOUND
from losscope.expression.choices import absolute
from losscope.expression.differences import expm1mx, log1pmx
from losscope.expression.exponential import expm1, log1p
from losscope.expression.from_sympy import in_our_words
from losscope.rewrite import REWRITES
from losscope.rewrite.angles import as_angles
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET, operations

GOOD = 4.0  # ulp over the condition: a form this good is looked at no further
ALL = 3500  # steps of searching for all forms of a loss: about half a second
AT_ONCE = (
    1 / 3,
    1 / 2,
    2 / 3,
)  # of the steps that are left, which the search for the form of each order may take
LEAST = ALL / 6  # steps of which the search for the form of an order is sure
MEASURING = 40  # steps of measuring a form
REWRITING = 8  # steps, for each of its operations, of rewriting it in all ways, or of differentiating it
LONGEST = 400  # operations of a form worth measuring
BREADTH = 3  # forms of which each round makes others
MOST_CASES = 14  # forms of which two may be put side by side
FEW = 3  # quantities of a form's own in which a border may be set
ALL_BITS = 64  # that a form may lose at a point
MADE_UP = 1e6  # bits, for a value where there is none: more than any form loses altogether
ROUNDING = 1e-3  # bits, of all points together, by which nothing is better
WIDER = 1.5  # times as many points, past which a border might be moved, make up for a quantity that is less simple
SLIGHT = 4.0  # bits, of all points together, for which no form that is within bounds is split in two


@dataclass
class Work:
    """What a search may still do, in steps: counted, not timed, so that it ends the same on every machine."""

    left: float = ALL


@dataclass
class Judge:
    """Scores forms of one loss: the bits that they lose, over all points of a bench."""

    bench: Bench
    residual: Any
    plain: Any  # the value as it is written
    work: Work = field(default_factory=Work)
    seen: dict[tuple[int, Any], numpy.ndarray] = field(default_factory=dict)

    def score(self, order: int, form: Any) -> float:
        """0 if every point is good; else the sum of the bits lost beyond."""
        return float(self.lost(order, form).sum())

    def fails(self, order: int, form: Any) -> bool:
        """Whether some point is out of bounds."""
        return _fails(self.lost(order, form))

    def lost(self, order: int, form: Any) -> numpy.ndarray:
        """The bits that a form loses at each point, of both dtypes, beyond what is good."""
        if (order, form) not in self.seen:
            self.work.left -= MEASURING
            bench, found = self.bench, []
            compute = arithmetic(form, bench, self.residual)
            for dtype in DTYPES:
                computed = self._evaluated(compute[dtype], dtype)
                errors = bench.errors(order, dtype, computed, GOOD)
                with numpy.errstate(divide="ignore"):
                    lost = numpy.clip(numpy.log2(errors / GOOD), 0, ALL_BITS)
                if order == 0:
                    lost[numpy.isfinite(computed) & self._no_value[dtype]] = MADE_UP
                found.append(lost)
            self.seen[order, form] = numpy.concatenate(found)
        return self.seen[order, form]

    @cached_property
    def _no_value(self) -> dict[str, numpy.ndarray]:
        """Where the formula has no value, and says so as it is written: log(a) - log(b) of two negative numbers, of which
        log(a/b) is one."""
        written = arithmetic(self.plain, self.bench, self.residual)
        return {d: self.bench.nowhere(d) & numpy.isnan(self._evaluated(written[d], d)) for d in DTYPES}

    def along(self, variable: Any) -> numpy.ndarray:
        """What an expression comes to at each point of both dtypes, as a kernel computes it."""
        bench = self.bench
        compute = arithmetic(variable, bench, self.residual)
        return numpy.concatenate(
            [self._evaluated(compute[dtype], dtype).astype("float64") for dtype in DTYPES]
        )

    def _evaluated(self, compute: Any, dtype: str) -> numpy.ndarray:
        at = [self.bench.at[dtype][name] for name in self.bench.names]
        with numpy.errstate(all="ignore"):
            return numpy.broadcast_to(numpy.asarray(compute(*at)), len(at[0]))


def _fails(lost: numpy.ndarray) -> bool:
    return bool((lost > numpy.log2(BOUND / GOOD)).any())


@dataclass(frozen=True)
class Found:
    """A form, and the forms that it is made of: itself, or two side by side."""

    form: Any
    parts: tuple[Any, ...]


def best(search: Judge, check: Judge, order: int, starts: Sequence[Any]) -> Found:
    """The form of one order that loses least: of the given ones, and of what the rewrites make of them. It is sought on
    few points, and chosen on many."""
    work, least = search.work, search.work.left * (1 - AT_ONCE[order])
    forms = {each: search.score(order, each) for each in dict.fromkeys(starts)}
    done: set[Any] = set()
    while True:
        ranked = sorted(forms, key=lambda each: (forms[each], operations(each)))
        if forms[ranked[0]] == 0 and check.score(order, ranked[0]) == 0:
            return Found(ranked[0], (ranked[0],))
        open_forms = [each for each in ranked[: BREADTH + 1] if each not in done][:BREADTH]
        if not open_forms or work.left < least:
            return by_cases(check, order, _beside(search, order, ranked))
        for form in open_forms:
            done.add(form)
            work.left -= REWRITING * operations(form)
            for other in others(form):
                if other not in forms:
                    forms[other] = search.score(order, other)
                    if work.left < least:
                        break


def _beside(search: Judge, order: int, ranked: Sequence[Any]) -> list[Any]:
    """Forms to put side by side: some of the best, and of the others those that lose least where the very best loses."""
    best, rest = ranked[: MOST_CASES // 2], ranked[MOST_CASES // 2 :]
    worst = search.lost(order, ranked[0]) > 0
    return [*best, *sorted(rest, key=lambda form: search.lost(order, form)[worst].sum())[: MOST_CASES // 2]]


def by_cases(judge: Judge, order: int, forms: Sequence[Any]) -> Found:
    """One form where some quantity is small and another where it is large, if that loses less than the best alone; and
    so once more. Of borders that lose as little, those far from all losses come first, then those that were found first. Where
    they fail all the same, the best alone will do, unless they lose half as much."""
    chosen = _by_cases(judge, order, forms, far=True)
    if not judge.fails(order, chosen.form):
        return chosen
    other = _by_cases(judge, order, forms, far=False)
    better = min(chosen, other, key=lambda each: judge.score(order, each.form))
    alone = min(forms, key=lambda form: judge.score(order, form))
    if judge.fails(order, better.form) and 2 * judge.score(order, better.form) > judge.score(order, alone):
        return Found(alone, (alone,))
    return better


def _by_cases(judge: Judge, order: int, forms: Sequence[Any], far: bool) -> Found:
    lost = {form: judge.lost(order, form) for form in forms}
    chosen = min(forms, key=lambda form: (_fails(lost[form]), lost[form].sum(), operations(form)))
    parts: tuple[Any, ...] = (chosen,)
    for _ in range(2):
        slight = ROUNDING if _fails(lost[chosen]) else SLIGHT
        if lost[chosen].sum() <= slight:
            break
        split = _split(judge, lost, float(lost[chosen].sum()) - slight, far)
        if split is None:
            break
        one, quantity, border, other = split
        chosen = sympy.Piecewise((one, quantity < border), (other, True), evaluate=False)
        parts = tuple(
            dict.fromkeys(part for each in (one, other) for part in (parts if each not in forms else (each,)))
        )
        lost[chosen] = judge.lost(order, chosen)
    return Found(chosen, parts)


def _split(
    judge: Judge, lost: dict[Any, numpy.ndarray], least: float, far: bool
) -> tuple[Any, Any, Any, Any] | None:
    """The two forms, the quantity and the border between them that lose less than `least`; of all the least, and with `far` of
    several such the one whose border might be moved past most points."""
    found, widest = None, 0
    pairs = [
        (one, other)
        for one, other in permutations(lost, 2)
        if numpy.minimum(lost[one], lost[other]).sum() <= least  # as little as no border could do
    ]
    for quantity in _quantities(judge, [*lost]) if pairs else ():
        size = judge.along(quantity)
        turn = numpy.argsort(size)
        below = {form: numpy.concatenate([[0], numpy.cumsum(each[turn])]) for form, each in lost.items()}
        for one, other in pairs:
            both = below[one] + (below[other][-1] - below[other])
            first = int(numpy.argmin(both))
            if both[first] > least:
                continue
            width = 1
            if far:
                width = int(numpy.argmax(numpy.append(both[first:], numpy.inf) > both[first] + 1e-6))
            cut = first + (width - 1) // 2
            if not 0 < cut < len(size):
                continue
            border = _between(size[turn[cut - 1]], size[turn[cut]])
            if border is not None and (both[cut], -width) < (least, -WIDER * widest):
                least, widest, found = float(both[cut]), width, (one, quantity, border, other)
    return found


def _between(low: float, high: float) -> Any:
    """A number of few digits between two.

    >>> _between(31.0, 38.0), _between(-38.0, -31.0), _between(-1e-3, 2.0)
    (34, -34, 0)
    """
    if not numpy.isfinite([low, high]).all() or not low < high or 0 in (low, high):
        return None
    if low < 0 < high:
        return sympy.Integer(0)
    middle = numpy.sign(low) * numpy.sqrt(abs(low)) * numpy.sqrt(abs(high))
    for digits in range(1, 17):
        short = float(f"{middle:.{digits}g}")
        if low < short < high:
            return sympy.Rational(f"{short:.{digits}g}")
    return None


def _quantities(judge: Judge, forms: Sequence[Any]) -> list[Any]:
    """What a border may be set in: sizes of the arguments, by themselves and in units of a parameter, and of what a form takes
    the first orders from."""
    symbols = {str(each): each for each in forms[0].free_symbols}
    variables = [symbols[name] for name in ("r", "prediction", "margin") if name in symbols]
    mains = [*map(absolute, variables), *variables]
    if "prediction" in symbols and "target" in symbols:
        z, y = symbols["prediction"], symbols["target"]
        signs = judge.bench.arguments.get("target") == "sign"
        mains += (
            [z * y, absolute(z * y)] if signs else [absolute(RESIDUAL / y), z / y, absolute(RESIDUAL / z)]
        )
    scales = [symbols[name] for name in judge.bench.parameters if name in symbols]
    return (
        mains
        + [absolute(symbols[name]) for name in ("target",) if name in symbols]
        + [each / scale for each in mains for scale in scales]
        + [each * scale for each in mains for scale in scales]
        + _small_ones(forms)
    )


def _small_ones(forms: Sequence[Any]) -> list[Any]:
    """Sizes of what is small where a form keeps its digits: of log(y) - z where it has exp(u) - 1 - u of that."""
    found = {part.args[0] for form in forms for part in form.atoms(expm1mx, log1pmx, expm1, log1p)}
    both = [
        each
        for each in found
        if each.has(PREDICTION, RESIDUAL) and each.has(TARGET, RESIDUAL) and not each.has(sympy.Piecewise)
    ]
    return [absolute(each) for each in sorted(both, key=lambda each: (operations(each), str(each)))[:FEW]]


@lru_cache(1024)
def others(form: Any) -> tuple[Any, ...]:
    """What the rewrites make of a form."""
    found = []
    for rewrite in REWRITES if operations(form) <= LONGEST else ():
        other = attempt(rewrite, form)
        if other is not None and other != form and operations(other) <= LONGEST:
            found.append(in_our_words(as_angles(other)))
    return tuple(found)


def attempt(rewrite: Callable[[Any], Any], form: Any) -> Any:
    """What a rewrite makes of a form; None where it comes to no number."""
    try:
        other = in_our_words(rewrite(form))
    except (
        ArithmeticError,
        ValueError,
        TypeError,
        NotImplementedError,
        AttributeError,
        RecursionError,
        sympy.PolynomialError,
    ):
        return None
    return None if other.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I) else other


def mended(
    search: Judge, check: Judge, forms: Sequence[Any], differentiate: Callable[[Any], Any]
) -> list[Any]:
    """Value, gradient and curvature in the forms that lose least; each is sought among rewritings of itself and of the
    derivatives of the one before."""
    chosen: list[Found] = []
    for order, plain in enumerate(forms):
        starts = [plain]
        if chosen:
            search.work.left -= REWRITING * sum(map(operations, chosen[-1].parts))
            derived = [attempt(differentiate, each) for each in chosen[-1].parts]
            starts += [each for each in derived if each is not None]
        search.work.left = max(search.work.left, LEAST)
        chosen.append(best(search, check, order, starts))
    return [each.form for each in chosen]


def assumed_positive(form: Any, names: Sequence[str]) -> Any:
    """The form with these parameters known to be more than 0, which lets more be rewritten."""
    return form.xreplace({sympy.Symbol(name, real=True): sympy.Symbol(name, positive=True) for name in names})


def assumed_real(form: Any, names: Sequence[str]) -> Any:
    """The form with these parameters known to be real, and no more."""
    return form.xreplace({sympy.Symbol(name, positive=True): sympy.Symbol(name, real=True) for name in names})

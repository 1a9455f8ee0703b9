"""Of equal forms of a formula, the one whose numbers keep their digits: rewritten where it is worst, measured, and kept
if that helped (P. Panchekha et al., PLDI 2015, doi:10.1145/2737924.2737959)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import sympy

from losscope.certificate import BOUND, DTYPES, Bench, Worst, arithmetic
from losscope.rewrite import REWRITES, as_angles

GOOD = 4.0  # ulp over the condition: a form this good is looked at no further
LONGEST = 400  # operations of a form worth measuring
BREADTH = 3  # forms of which each round makes others


@dataclass
class Judge:
    """Scores forms of one loss: the bits that they lose, over all points of a bench."""

    bench: Bench
    residual: Any
    seen: dict[tuple[int, Any], float] = field(default_factory=dict)

    def score(self, order: int, form: Any) -> float:
        """0 if every point is within bounds; else the sum of the bits beyond them."""
        if (order, form) not in self.seen:
            self.seen[order, form] = self._score(order, form)
        return self.seen[order, form]

    def _score(self, order: int, form: Any) -> float:
        bench, lost = self.bench, 0.0
        compute = arithmetic(form, list(bench.arguments), list(bench.parameters), self.residual)
        for dtype in DTYPES:
            at = [bench.at[dtype][name] for name in bench.names]
            with numpy.errstate(all="ignore"):
                computed = numpy.broadcast_to(numpy.asarray(compute[dtype](*at)), len(at[0]))
            errors = bench.errors(order, dtype, computed)
            with numpy.errstate(divide="ignore"):
                lost += float(numpy.clip(numpy.log2(errors / GOOD), 0, 64).sum())
        return lost

    def worst(self, order: int, form: Any) -> Worst:
        bench = self.bench
        return bench.worst(order, arithmetic(form, list(bench.arguments), list(bench.parameters), self.residual))


def best(judge: Judge, order: int, starts: Sequence[Any], deadline: float) -> Any:
    """The form of one order that loses least: of the given ones, and of what the rewrites make of them."""
    forms = {each: judge.score(order, each) for each in dict.fromkeys(starts)}
    done: set[Any] = set()
    while True:
        ranked = sorted(forms, key=lambda each: (forms[each], each.count_ops()))
        if forms[ranked[0]] == 0 or time.perf_counter() > deadline:
            return ranked[0]
        open_forms = [each for each in ranked[: BREADTH + 1] if each not in done][:BREADTH]
        if not open_forms:
            return ranked[0]
        for form in open_forms:
            done.add(form)
            for other in _others(form):
                if other not in forms:
                    forms[other] = judge.score(order, other)
                    if forms[other] == 0 or time.perf_counter() > deadline:
                        break


def _others(form: Any) -> list[Any]:
    found = []
    for rewrite in REWRITES:
        other = attempt(rewrite, form)
        if other is not None and other != form and other.count_ops() <= LONGEST:
            found.append(as_angles(other))
    return found


def attempt(rewrite: Callable[[Any], Any], form: Any) -> Any:
    """What a rewrite makes of a form; None where it comes to no number."""
    try:
        other = rewrite(form)
    except (ArithmeticError, ValueError, TypeError, NotImplementedError, AttributeError, sympy.PolynomialError):
        return None
    return None if other.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I) else other


def mended(judge: Judge, forms: Sequence[Any], differentiate: Callable[[Any], Any], seconds: float) -> list[Any]:
    """Value, gradient and curvature in the forms that lose least; each is sought among rewritings of itself and of the
    derivative of the one before."""
    start = time.perf_counter()
    chosen: list[Any] = []
    for order, plain in enumerate(forms):
        starts = [plain]
        if chosen:
            derived = attempt(differentiate, chosen[-1])
            starts += [] if derived is None else [derived]
        chosen.append(best(judge, order, starts, start + seconds * (order + 1) / 3))
    return chosen


def assumed_positive(form: Any, names: Sequence[str]) -> Any:
    """The form with these parameters known to be more than 0, which lets more be rewritten."""
    return form.xreplace({sympy.Symbol(name, real=True): sympy.Symbol(name, positive=True) for name in names})


def assumed_real(form: Any, names: Sequence[str]) -> Any:
    return form.xreplace({sympy.Symbol(name, positive=True): sympy.Symbol(name, real=True) for name in names})


__all__ = ["BOUND", "Judge", "assumed_positive", "assumed_real", "mended"]

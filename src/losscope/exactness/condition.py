"""The condition of a problem: by how many units in the last place a last-place change of its inputs moves the truth. No form
can do better than that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import sympy

from losscope.entry import Parameter
from losscope.exactness.borders import IN_PAIRS, IN_TURN, SHIFT, TOGETHER, apart_at, shifted
from losscope.exactness.certificate import BOUND
from losscope.exactness.places import has_last_place, last_place
from losscope.exactness.samples import BETWEEN
from losscope.rewrite.rewriting import PREDICTION, RESIDUAL, TARGET
from losscope.truth import surely_none, truths

# As shares of the inputs: at one point, two effects of one of them may cancel. The smaller one where the larger leads to no value.
BESIDE = (2.0**-7, 2.0**-14)
NEARBY = (*BESIDE, 2.0**-20)  # as shares of the inputs: within which a border may be passed
UP, ELSEWHERE = (1,), (-0.7, 1.6)  # last-place changes: an angle may chance to be a whole turn further
# More of them, which count by their length: of three of cos(1e17), all may chance to be on the same side of a border.
FURTHER = (-2.6, 3.7, -5.3, 7.9, -11.3, 15.1, -22.7, 31.9, -45.1, 63.7)
ONE = 2.0  # last places that still count as one
ENDS = 1  # of a domain within a few last places: where it ends and begins again, as that of sqrt(sin(1e200)), no form could do right


class Condition:
    """That of some expressions in these arguments and parameters (`instead`: equal ones, for where those are unknown); with
    `borders`, it is also without end where a rounding decides a comparison."""

    def __init__(
        self,
        true: Sequence[Any],
        arguments: Mapping[str, str],
        parameters: Mapping[str, Parameter],
        instead: Sequence[Any] = (),
        borders: bool = False,
    ):
        self.instead = tuple(instead)
        self.true, self.arguments, self.parameters, self.borders = tuple(true), arguments, parameters, borders
        self.names = [*arguments, *parameters]
        self.symbols = tuple(sympy.Symbol(name, real=True) for name in self.names)
        ways = (TOGETHER, IN_TURN, IN_PAIRS) if borders else ()
        found = [{shifted(each, way) for way in ways} - {each} for each in self.true]
        self.shifted = [sorted(each, key=str) for each in found]  # of each expression
        self.sides = [apart_at(each) if borders else [] for each in self.true]
        self.powers = [_with_other_exponents(each) for each in self.true]

    def at(
        self, order: int, dtype: str, rows: numpy.ndarray, here: numpy.ndarray, sides: Sequence[float]
    ) -> numpy.ndarray:
        """At points whose truth is known."""
        return self._at(order, dtype, rows, self._moving(rows, dtype), here, sides)

    def beside(self, order: int, dtype: str, rows: numpy.ndarray) -> numpy.ndarray:
        """The larger one of a little further up and down; 0 where there is none."""
        moving, most = self._moving(rows, dtype), numpy.zeros(len(rows))
        for share in BESIDE:
            alone = most == 0
            for step in (share, -share) if alone.any() else ():
                there = self._inside(rows[alone] * numpy.where(moving[alone], 1 + step, 1))
                truth = self._truth(order, there)
                moved = self._at(order, dtype, there, moving[alone], truth, UP + ELSEWHERE)
                most[alone] = numpy.fmax(most[alone], numpy.where(numpy.isfinite(moved), moved, 0))
        return most

    def _at(
        self,
        order: int,
        dtype: str,
        rows: numpy.ndarray,
        moving: numpy.ndarray,
        here: numpy.ndarray,
        sides: Sequence[float],
    ) -> numpy.ndarray:
        eps = float(numpy.finfo(dtype).eps)
        unit = last_place(numpy.abs(here[:, 0]), dtype)
        moved = numpy.zeros(len(rows))
        for column in range(len(self.names)):
            some = numpy.flatnonzero(moving[:, column])
            last_places = numpy.zeros((len(some), len(self.names)))
            last_places[:, column] = eps * rows[some, column]
            moved[some] += self._along(order, rows[some], last_places, here[some], unit[some], sides)
        if "target" in self.names and max(map(abs, sides)) > ONE:
            # The last place of y may be whole turns, and half of it not: r is rounded by that.
            last_places = numpy.zeros_like(rows)
            last_places[:, 0] = eps * (rows[:, 0] - rows[:, self.names.index("target")])
            moved = numpy.fmax(moved, self._along(order, rows, last_places, here, unit, sides))
        if self.powers[order] != self.true[order]:
            there = numpy.insert(rows, rows.shape[1], eps, 1)
            off = _apart(truths([self.powers[order]], (*self.symbols, SHIFT), there)[:, 0], here, unit)
            moved += (
                numpy.where(numpy.isfinite(off), off, 0) / BOUND
            )  # it counts once, not as often as an input
        decided = numpy.zeros(len(rows))
        for expression in self.shifted[order]:
            for step in sides:
                there = numpy.insert(rows, rows.shape[1], step * BOUND * eps, 1)
                truth = truths([expression], (*self.symbols, SHIFT), there)[:, 0]
                decided = numpy.fmax(decided, _apart(truth, here, unit))
        doubtful = numpy.flatnonzero(decided > numpy.fmax(1, moved))
        crossed = self._crossed(order, rows[doubtful], moving[doubtful])
        moved[doubtful[crossed]] = decided[doubtful[crossed]]
        return moved

    def _along(
        self,
        order: int,
        rows: numpy.ndarray,
        last_places: numpy.ndarray,
        here: numpy.ndarray,
        unit: numpy.ndarray,
        sides: Sequence[float],
    ) -> numpy.ndarray:
        """By how many units the truth is moved by changes of so many last places."""
        most = numpy.full(len(rows), numpy.nan)
        nowhere = {0.0: numpy.zeros(len(rows), bool)}
        for step in sides:
            off = _apart(self._truth(order, self._inside(rows + step * last_places)), here, unit)
            nowhere[step] = numpy.isinf(off)
            if abs(step) > ONE:  # the end of a domain, so far away, says nothing of here
                off = numpy.where(numpy.isinf(off), 0, off) / (abs(step) / ONE)
            most = numpy.fmax(most, off)
        in_order = numpy.stack([nowhere[step] for step in sorted(nowhere)])
        most[(in_order[1:] != in_order[:-1]).sum(0) > ENDS] = numpy.inf
        return numpy.where(numpy.isnan(most), numpy.inf, most)  # nothing is known beside

    def _crossed(self, order: int, rows: numpy.ndarray, moving: numpy.ndarray) -> numpy.ndarray:
        """Whether a border is passed near each point. Of max(|r|, (r^2 + c^2)/(2 c)) the sides touch at c, and none is: a form
        that knows it need not ask."""
        found = numpy.zeros(len(rows), bool)
        for side in self.sides[order] if len(rows) else ():
            sign = numpy.sign(truths([side], self.symbols, rows)[:, 0, 0])
            for column in range(len(self.names)):
                for step in (share for size in NEARBY for share in (size, -size)):
                    there = rows.copy()
                    there[:, column] *= numpy.where(moving[:, column], 1 + step, 1)
                    other = numpy.sign(truths([side], self.symbols, self._inside(there))[:, 0, 0])
                    found |= (sign != other) & ~numpy.isnan(sign + other)
        return found

    def _truth(self, order: int, rows: numpy.ndarray) -> numpy.ndarray:
        found = truths([self.true[order]], self.symbols, rows)[:, 0]
        unknown = numpy.isnan(found).all(1)
        if self.instead and unknown.any():
            found[unknown] = truths([self.instead[order]], self.symbols, rows[unknown])[:, 0]
        return found

    def _moving(self, rows: numpy.ndarray, dtype: str) -> numpy.ndarray:
        columns = zip(self.names, rows.T, strict=True)
        found = [has_last_place(name, x, dtype, self.arguments, self.parameters) for name, x in columns]
        return numpy.stack(found, 1)

    def _inside(self, rows: numpy.ndarray) -> numpy.ndarray:
        for column, name in enumerate(self.names):
            if self.arguments.get(name) in BETWEEN:
                rows[:, column] = numpy.clip(rows[:, column], *BETWEEN[self.arguments[name]])
        return rows


def _with_other_exponents(expression: Any) -> Any:
    """The expression, its exponents that may be rounded a little larger: what x^0.7 is at 1e300, or the slope of x^a, depends on
    the last place of 0.7 or a - 1 as much as on that of x."""
    return expression.replace(
        lambda e: e.is_Pow and _may_be_rounded(e.exp), lambda e: e.base ** (e.exp * (1 + SHIFT))
    )


def _may_be_rounded(exponent: Any) -> bool:
    """Whether a dtype holds an exponent only to its last place, and it is not one that moves with the arguments."""
    if exponent.is_Rational:
        return bool(exponent.q & (exponent.q - 1))
    return not exponent.has(PREDICTION, TARGET, RESIDUAL)


def _apart(there: numpy.ndarray, here: numpy.ndarray, unit: numpy.ndarray) -> numpy.ndarray:
    """By how many units the truth at other points is off the truth here; without end where surely there is none."""
    with numpy.errstate(all="ignore"):
        off = numpy.abs((there[:, 0] - here[:, 0]) + (there[:, 1] - here[:, 1])) / unit
    return numpy.where(surely_none(there), numpy.inf, off)

"""Where a form is likely worst: its float32 is held against its float64, which takes no truth and may be asked at ten
thousand points, and then again around the worst of them. What is found there is for the truth to judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy

from losscope.entry import Parameter
from losscope.exactness.places import (
    NOTHING,
    as_good_as_zero,
    has_last_place,
    is_beyond,
    last_place,
    overflows,
    sorts,
    ulps,
)
from losscope.exactness.samples import BETWEEN, NAMED, points, usual

NARROW, WIDE = "float32", "float64"
DRAWN = 16384  # points to begin with
ROUNDS = 12  # of looking around the worst
PARENTS, CHILDREN = 48, 16  # of each round: points of each result, and others around each of them
FOUND = 12  # of each result
DOUBTFUL = 4.0  # ulp, from which the condition is asked for
STEPS = (1, -0.7)  # last-place changes of an input

At = Mapping[str, numpy.ndarray]


class Search:
    """Looks for points at which a function of several results loses most of them."""

    def __init__(
        self,
        narrow: Callable[..., Any],
        wide: Callable[..., Any],
        arguments: Mapping[str, str],
        parameters: Mapping[str, Parameter],
        in_units_of: str,
        known: At,
        seed: int,
        share: float = 1.0,
    ):
        """`known`: points to begin with beside those that are drawn. `share`: of the usual number of points."""
        self.narrow, self.wide, self.in_units_of = narrow, wide, in_units_of
        self.arguments, self.parameters = arguments, parameters
        self.rng = numpy.random.default_rng(seed)
        self.children = math.ceil(CHILDREN * share)
        drawn = points(arguments, parameters, NARROW, math.ceil(DRAWN * share), seed)
        self.drawn = usual({name: numpy.append(known[name], x) for name, x in drawn.items()}, NARROW)

    def found(self) -> dict[str, numpy.ndarray]:
        """The likely worst."""
        at, (errors, ends) = self.drawn, self.judged(self.drawn)
        for _ in range(ROUNDS):
            # Beside the ends of the dtype, too: what overflows on the way gives no sign of it elsewhere.
            parents = numpy.union1d(_largest(errors, PARENTS), _largest(ends, PARENTS // 4))
            at = {name: x[parents] for name, x in at.items()}
            children = usual(self._around(at), NARROW)
            found = self.judged(children)
            at = {name: numpy.append(x, children[name]) for name, x in at.items()}
            errors = numpy.append(errors[:, parents], found[0], 1)
            ends = numpy.append(ends[:, parents], found[1], 1)
        chosen = _largest(errors, FOUND)
        return {name: x[chosen] for name, x in at.items()}

    def judged(self, at: At) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Of each result at each point: ulp over the condition, as far as the wider dtype can tell; and how close it is to the
        ends of the dtype, to the upper one among points of each sort."""
        with numpy.errstate(all="ignore"):
            narrow = self._results(self.narrow, list(at.values()))
            exactly = [x.astype(WIDE) for x in at.values()]
            wide = self._results(self.wide, exactly)
            size = numpy.abs(wide)
            unit = last_place(size, NARROW)
            least = as_good_as_zero(at, NARROW, self.in_units_of)
            errors = ulps(narrow, numpy.where(numpy.isfinite(wide), wide, numpy.nan), 0.0, least, NARROW)
            errors[1:][is_beyond(size[0], NARROW) & overflows(narrow[1:], wide[1:])] = 0
            doubtful = numpy.flatnonzero((errors > DOUBTFUL).any(0))
            moved = self._moved([x[doubtful] for x in exactly], wide[:, doubtful], unit[:, doubtful])
            ill = moved > NOTHING / float(numpy.finfo(NARROW).eps)
            ill[1:] |= ill[:-1]
            errors[:, doubtful] = numpy.where(ill, 0, errors[:, doubtful] / numpy.fmax(1, moved))
            sort = sorts(at, self.parameters)
            beyond = numpy.isnan(size) | is_beyond(size, NARROW)
            large = numpy.where(beyond, 0, size)
            small = numpy.where(beyond | (size < least), 0, 1 / size)
        return errors, numpy.concatenate([small, *(large * (sort == each) for each in range(3))])

    def _moved(self, at: list[numpy.ndarray], here: numpy.ndarray, unit: numpy.ndarray) -> numpy.ndarray:
        """By how many ulp a last-place change of the inputs moves each result."""
        moved = numpy.zeros_like(here)
        for column, name in enumerate(self.drawn):
            moving = has_last_place(name, at[column], NARROW, self.arguments, self.parameters)
            most = numpy.zeros_like(here)
            for step in STEPS:
                beside = [*at]
                beside[column] = at[column] * (1 + step * float(numpy.finfo(NARROW).eps))
                off = numpy.abs(self._results(self.wide, beside) - here) / unit
                most = numpy.fmax(most, off)
            moved += numpy.where(moving, most, 0)
        return moved

    def _around(self, at: At) -> dict[str, numpy.ndarray]:
        """Points around each: some of its numbers a little larger or smaller, or by powers of two, or closer to a whole number,
        or another point's."""
        rng, count = self.rng, len(next(iter(at.values()))) * self.children
        together, found = rng.random(count) < 0.25, {}
        common = self._steps(count)
        for name, x in at.items():
            x = numpy.repeat(x.astype(WIDE), self.children)
            steps = numpy.where(rng.random(count) < 0.5, self._steps(count), 1)
            moved = x * numpy.where(together & (name in self.arguments), common, steps)
            whole = numpy.where(rng.random(count) < 0.1, numpy.rint(x), 0)
            moved = numpy.where(together, moved, whole + (x - whole) * steps)
            drawn = self.drawn[name].astype(WIDE)
            moved = numpy.where(~together & (rng.random(count) < 0.1), rng.choice(drawn, count), moved)
            if self.arguments.get(name) in NAMED:
                moved = x
            elif self.arguments.get(name) in BETWEEN:
                moved = numpy.clip(moved, *BETWEEN[self.arguments[name]])
            elif name in self.parameters:
                moved = numpy.clip(moved, drawn.min(), drawn.max())
            found[name] = moved.astype(NARROW)
        return found

    def _steps(self, count: int) -> numpy.ndarray:
        near = 1 + self.rng.choice([-1, 1], count) * 10 ** self.rng.uniform(-6, -0.5, count)
        return numpy.where(self.rng.random(count) < 0.3, 2 ** self.rng.uniform(-6, 6, count), near)

    def _results(self, compute: Callable[..., Any], at: list[numpy.ndarray]) -> numpy.ndarray:
        return numpy.stack([numpy.broadcast_to(each, len(at[0])).astype(WIDE) for each in compute(*at)])


def _largest(errors: numpy.ndarray, count: int) -> numpy.ndarray:
    """Where some of the largest errors of each result are."""
    return numpy.unique(numpy.concatenate([numpy.argsort(-each)[:count] for each in errors]))

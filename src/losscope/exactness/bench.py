"""How exact a formula's numbers are: what its kernels compute, beside the truth, at points of every size.

An error is counted in units in the last place (ulp) of the true value, and divided by the condition of the problem:
how many such units a last-place change of the inputs moves the truth. That is the error which the formula has of its
own, and no other form could avoid more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy
import sympy

from losscope.emit.zeros import with_limits
from losscope.entry import Parameter
from losscope.exactness.borders import SHIFT, shifted
from losscope.exactness.certificate import BOUND, Worst
from losscope.exactness.edges import between, edges
from losscope.exactness.samples import BETWEEN, FLOOR, MARGIN, around, points, usual
from losscope.truth import truths

DTYPES = ("float32", "float64")
NOTHING = (
    1 / 64
)  # a last-place change that moves the truth by this much of itself leaves nothing to be right or wrong
CLOSE = 1e-3  # to a whole number: what vanishes there is then so small that it hides an overflow
UP, ELSEWHERE = (1,), (-0.7, 1.6)  # last-place changes: an angle may chance to be a whole turn further
CLIMBS = 4  # from a point to a worse one beside it


def _last_place(size: numpy.ndarray, dtype: str) -> numpy.ndarray:
    info = numpy.finfo(dtype)
    within = numpy.clip(size, FLOOR * float(info.tiny), float(info.max) / 2)
    return numpy.spacing(within.astype(dtype)).astype("float64")


def _apart(
    expression: Any, symbols: Sequence[Any], rows: numpy.ndarray, here: numpy.ndarray, unit: numpy.ndarray
) -> numpy.ndarray:
    """By how many units the truth at other points is off the truth here; without end where surely there is none."""
    there = truths([expression], symbols, rows)[:, 0]
    with numpy.errstate(all="ignore"):
        off = numpy.abs((there[:, 0] - here[:, 0]) + (there[:, 1] - here[:, 1])) / unit
    return numpy.where(numpy.isnan(there[:, 0]) & ~numpy.isnan(there[:, 1]), numpy.inf, off)


class Bench:
    """Points of both dtypes, with the truth there of a value and its first two derivatives."""

    def __init__(
        self,
        true: Sequence[Any],
        arguments: Mapping[str, str],
        parameters: Mapping[str, Parameter],
        count: int,
        seed: int = 0,
        instead: Sequence[Any] = (),
        of_residual: bool = False,
        zeros: Sequence[Any] = (),
    ):
        """`true`: the expressions as written, without the residual. `instead`: equal ones, for where those overflow. `zeros`:
        what may be 0 at an end of its domain, where a product with it vanishes. `of_residual`: whether they look at the
        difference of prediction and target alone."""
        self.zeros = tuple(zeros)
        self.true = tuple(with_limits(each, zeros) for each in true)
        self.arguments, self.parameters = dict(arguments), dict(parameters)
        self.names = [*arguments, *parameters]
        self.symbols = tuple(sympy.Symbol(name, real=True) for name in self.names)
        self.instead = tuple(with_limits(each, zeros) for each in instead)
        self.of_residual = of_residual
        self.shifted: tuple[Any, ...] | None = None
        self._look_at(
            {dtype: points(arguments, parameters, dtype, count, seed + k) for k, dtype in enumerate(DTYPES)}
        )

    def _look_at(self, at: dict[str, dict[str, numpy.ndarray]], truth: Any = None) -> None:
        self.at = at
        self.truth = truth or {dtype: self._true(self.rows(dtype)) for dtype in DTYPES}
        self._least = {(d, k): self._least_motion(k, d) for d in DTYPES for k in range(len(self.true))}
        self._moved: dict[tuple[str, int, tuple[float, ...]], numpy.ndarray] = {}

    def rows(self, dtype: str) -> numpy.ndarray:
        return numpy.stack([self.at[dtype][name].astype("float64") for name in self.names], 1)

    def _true(self, rows: numpy.ndarray) -> numpy.ndarray:
        found = truths(self.true, self.symbols, rows)
        if self.instead:
            # Where the formula has surely no value, none is taken of a form that has one there.
            nowhere = numpy.isnan(found[:, 0, 0]) & ~numpy.isnan(found[:, 0, 1])
            unknown = numpy.flatnonzero(numpy.isnan(found[..., 0]).any(1) & ~nowhere)
            other = truths(self.instead, self.symbols, rows[unknown])
            found[unknown] = numpy.where(numpy.isnan(found[unknown][..., :1]), other, found[unknown])
        found[numpy.isnan(found[:, 0, 0])] = numpy.nan  # where there is no value there is no derivative
        return found

    def is_nowhere(self) -> bool:
        """Whether the formula, with its parameters at their defaults, has a value at none of the points."""
        for dtype, at in self.at.items():
            known = ~numpy.isnan(self.truth[dtype][:, 0, 0])
            for name, parameter in self.parameters.items():
                known &= at[name] == numpy.dtype(dtype).type(parameter.default)
            if known.any():
                return False
        return True

    def errors(self, order: int, dtype: str, computed: numpy.ndarray, good: float = 2.0) -> numpy.ndarray:
        """Errors in ulp over the condition at each point, or a bound of them that is `good`; 0 where nothing can be said.
        For a search, which asks for many: the condition is that to one side."""
        errors = self._bounds(order, dtype, computed)
        sides = UP if self.shifted is None else UP + ELSEWHERE  # a border may lie on either
        self._conditioned(order, dtype, errors, numpy.flatnonzero(errors > good), sides)
        return errors

    def _largest(self, order: int, dtype: str, computed: numpy.ndarray) -> tuple[numpy.ndarray, int]:
        """The errors, and where the largest is. The condition is asked for only where it may matter."""
        errors = self._bounds(order, dtype, computed)
        largest_first, best = numpy.argsort(-errors), 0.0
        for start in range(0, len(errors), 64):
            some = largest_first[start : start + 64]
            if errors[some[0]] <= max(best, 2):
                break
            self._conditioned(order, dtype, errors, some, UP + ELSEWHERE)
            best = max(best, float(errors[some].max()))
        settled = numpy.where(errors > best, 0, errors) if best > 2 else errors
        return errors, int(numpy.argmax(settled))

    def _off(self, order: int, dtype: str, computed: numpy.ndarray) -> numpy.ndarray:
        """Errors in ulp; 0 where the truth is unknown, or no number of the dtype."""
        info = numpy.finfo(dtype)
        high, low = self.truth[dtype][:, order, 0], self.truth[dtype][:, order, 1]
        size, most = numpy.abs(high), float(info.max)
        with numpy.errstate(all="ignore"):
            unit = _last_place(size, dtype)
            errors = numpy.abs((computed.astype("float64") - high) - low) / unit
            errors[numpy.isnan(errors)] = numpy.inf
            errors[numpy.isnan(high) | (size > most / 2**MARGIN)] = 0  # no number of the dtype, or hardly
            least = self._as_good_as_zero(dtype)
            errors[(size < least) & (numpy.abs(computed) <= 2 * least)] = 0
        return errors

    def _as_good_as_zero(self, dtype: str) -> numpy.ndarray:
        """Of what size a result is no longer told from 0: in units of a large target, whose share in it may be the slope of a
        saturated sigmoid, and that is then itself no number of the dtype."""
        units = numpy.ones(len(self.at[dtype][self.names[0]]))
        if "target" in self.arguments and not self.of_residual:
            units = numpy.fmax(1, numpy.abs(self.at[dtype]["target"].astype("float64")))
        return FLOOR * float(numpy.finfo(dtype).tiny) * units

    def _bounds(self, order: int, dtype: str, computed: numpy.ndarray) -> numpy.ndarray:
        """Errors over the least that the condition can be; of an ill-conditioned one nothing is left."""
        errors = self._off(order, dtype, computed)
        least, most = self._least[dtype, order], NOTHING / float(numpy.finfo(dtype).eps)
        with numpy.errstate(invalid="ignore"):
            ill = least > most
            if order:  # where a last place moves the value beyond recognition, no slope could be right
                ill |= self._least[dtype, order - 1] > most
            return numpy.where(ill, 0, errors / numpy.fmax(1, least))

    def _conditioned(
        self, order: int, dtype: str, errors: numpy.ndarray, doubtful: numpy.ndarray, sides: tuple[float, ...]
    ) -> None:
        """Bounds at some points, by the condition that there is."""
        least = self._least[dtype, order]
        moved = self._moved.setdefault((dtype, order, sides), numpy.full(len(errors), numpy.nan))
        unknown = doubtful[numpy.isnan(moved[doubtful])]
        if unknown.size:
            moved[unknown] = numpy.fmax(self._motion(order, dtype, unknown, sides), least[unknown])
        ill = moved[doubtful] > NOTHING / float(numpy.finfo(dtype).eps)
        with numpy.errstate(invalid="ignore"):
            more = numpy.maximum(1, moved[doubtful]) / numpy.fmax(1, least[doubtful])
            errors[doubtful] = numpy.where(ill, 0, errors[doubtful] / more)

    def _motion(
        self, order: int, dtype: str, which: numpy.ndarray, sides: tuple[float, ...]
    ) -> numpy.ndarray:
        """By how many ulp a last-place change of the arguments moves the truth."""
        rows, info = self.rows(dtype)[which], numpy.finfo(dtype)
        here = self.truth[dtype][which, order]
        unit = _last_place(numpy.abs(here[:, 0]), dtype)
        moved = numpy.zeros(len(which))
        for column, name in enumerate(self.names):
            # A parameter at its default is what the formula is; at any other value it is one more input.
            default = self.parameters[name].default if name in self.parameters else None
            given = rows[:, column] != numpy.dtype(dtype).type(default if default is not None else numpy.nan)
            moving = numpy.flatnonzero(given & ~self._is_end(name, rows[:, column]))
            most = numpy.zeros(len(moving))
            for step in sides:
                beside = rows[moving]
                beside[:, column] *= 1 + step * float(info.eps)
                if self.arguments.get(name) in BETWEEN:
                    beside[:, column] = numpy.clip(beside[:, column], *BETWEEN[self.arguments[name]])
                off = _apart(self.true[order], self.symbols, beside, here[moving], unit[moving])
                most = numpy.fmax(most, off)
            moved[moving] += most
        if self.shifted is not None and self.shifted[order] != self.true[order]:
            for step in sides:
                beside = numpy.insert(rows, rows.shape[1], step * BOUND * float(info.eps), 1)
                off = _apart(self.shifted[order], (*self.symbols, SHIFT), beside, here, unit)
                moved = numpy.fmax(moved, off)
        return moved

    def _is_end(self, name: str, numbers: numpy.ndarray) -> numpy.ndarray:
        """Where an argument is exactly what it says: a label, one of the ends of its domain, 0."""
        if self.arguments.get(name) in ("sign", "label"):
            return numpy.ones(len(numbers), bool)
        return numpy.isin(numbers, [0.0, *BETWEEN.get(self.arguments.get(name, ""), ())])

    def _least_motion(self, order: int, dtype: str) -> numpy.ndarray:
        """The same at every point by the next derivative (0 for the last), of the argument in which it is taken. It costs
        no further truth; and a last place of an angle of 1e30 may chance to be a whole turn."""
        if order == len(self.true) - 1:
            return numpy.zeros(len(self.truth[dtype]))
        here, slope = self.truth[dtype][:, order, 0], self.truth[dtype][:, order + 1, 0]
        size = numpy.abs(self.at[dtype][self.names[0]].astype("float64"))
        size[self._is_end(self.names[0], size)] = 0
        if "target" in self.names and self.of_residual:
            size = size + numpy.abs(self.at[dtype]["target"].astype("float64"))
        with numpy.errstate(all="ignore"):
            return (
                size * numpy.abs(slope) * float(numpy.finfo(dtype).eps) / _last_place(numpy.abs(here), dtype)
            )

    def worst(self, order: int, dtype: str, result: Any) -> Worst:
        """The worst of what was computed for one order at this bench's points."""
        at = self.at[dtype]
        count = len(at[self.names[0]])
        computed = numpy.broadcast_to(numpy.asarray(result), count)
        errors, i = self._largest(order, dtype, computed)
        place = {name: float(at[name][i]) for name in self.names}
        truth = float(self.truth[dtype][i, order, 0])
        return Worst(float(errors[i]), order, dtype, place, float(computed[i]), truth)

    def certified(self, derived: Any) -> Worst:
        """The worst of a loss as its kernels compute it: alone, with the gradient, and with the curvature; here, at the
        edges of what they compute, and around the worst of these where that is close to the bound, if something there is
        out of all bounds."""
        computed = self._computed(derived)
        worst = max(self._worst_of(computed), self._at_edges(computed)._worst_of(computed), key=_error)
        if not BOUND / 4 < worst.error <= BOUND:
            return worst
        beside = worst
        for attempt in range(CLIMBS):
            near = {d: usual(around(beside.at, self.arguments, d, attempt), d) for d in DTYPES}
            beside = max(beside, self._at(near)._worst_of(computed), key=_error)
        return beside if beside.error > 2 * BOUND else worst

    def with_edges(self, derived: Any) -> Bench:
        """These points, and those at the edges of what a loss's kernels compute."""
        beside = self._at_edges(self._computed(derived))
        at = {
            d: {name: numpy.append(x, beside.at[d][name]) for name, x in self.at[d].items()} for d in DTYPES
        }
        return self._at(at, {d: numpy.concatenate([self.truth[d], beside.truth[d]]) for d in DTYPES})

    def _at_edges(self, computed: Mapping[str, Sequence[Any]]) -> Bench:
        moving = [name for name, domain in self.arguments.items() if between(domain)]
        return self._at(
            {d: usual(edges(computed[d][-1], at, moving, self._sorts(at)), d) for d, at in self.at.items()}
        )

    def _sorts(self, at: Mapping[str, numpy.ndarray]) -> numpy.ndarray:
        """2 where a parameter lies close to a whole number, but not on it, as powers do that almost vanish; 1 where an
        argument does, whose logarithm almost vanishes; else 0."""
        sorts = numpy.zeros(len(at[self.names[0]]), int)
        for name, x in at.items():
            off = numpy.abs(x - numpy.rint(x))
            close = (off > 0) & (off < CLOSE) & (numpy.abs(x) > CLOSE)
            sorts = numpy.maximum(sorts, close * (2 if name in self.parameters else 1))
        return sorts

    def with_borders(self) -> Bench:
        """The same points, of which those say nothing whose side of a border a rounding decides."""
        found = copy(self)
        found.shifted, found._moved = tuple(shifted(each) for each in self.true), {}
        return found

    def _at(self, at: dict[str, dict[str, numpy.ndarray]], truth: Any = None) -> Bench:
        """The same, at other points."""
        found = copy(self)
        found._look_at(at, truth)
        return found

    def _computed(self, derived: Any) -> dict[str, list[Any]]:
        """dtype -> the functions of value, of value and gradient, and of all three, as kernels compute them."""
        from losscope.kernels.compiled import formulas

        names = [f"order{orders}" for orders in range(len(self.true))]
        return _functions(formulas(derived, list(self.arguments), list(self.parameters)), names)

    def _worst_of(self, computed: Mapping[str, Sequence[Any]]) -> Worst:
        found = [Worst(0.0, 0, DTYPES[0], {}, 0.0, 0.0)]
        for dtype, functions in computed.items():
            at = [self.at[dtype][name] for name in self.names]
            for function in functions if at[0].size else ():
                with numpy.errstate(all="ignore"):
                    results = function(*at)
                results = results if isinstance(results, tuple) else (results,)
                found += [self.worst(order, dtype, each) for order, each in enumerate(results)]
        return max(found, key=lambda worst: worst.error)


def _error(worst: Worst) -> float:
    return worst.error


def arithmetic(expression: Any, bench: Bench, residual: Any) -> dict[str, Any]:
    """dtype -> one expression as its kernels compute it."""
    from losscope.emit.python import function
    from losscope.emit.two_sided import two_sided

    source = function(
        "computed",
        list(bench.arguments),
        list(bench.parameters),
        [two_sided(expression)],
        residual,
        zeros=bench.zeros,
    )
    return {dtype: found[0] for dtype, found in _functions(source, ["computed"]).items()}


def _functions(source: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """dtype -> functions of a source, over arrays, in the arithmetic of kernels."""
    from losscope.kernels.arithmetic import kernels_arithmetic

    code, found = compile(source, "<a formula>", "exec"), {}
    for dtype in DTYPES:
        namespace = dict(kernels_arithmetic(dtype))
        exec(code, namespace)
        found[dtype] = [namespace[name] for name in names]
    return found

"""How exact a formula's numbers are: what its kernels compute, beside the truth, at points of every size.

An error is counted in units in the last place (ulp) of the true value, and divided by the condition of the problem:
how many such units a last-place change of the inputs moves the truth. That is the error which the formula has of its
own, and no other form could avoid more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import Any

import numpy
import sympy

from losscope.emit.zeros import with_limits
from losscope.entry import Parameter
from losscope.exactness.certificate import BOUND, Worst
from losscope.exactness.condition import ELSEWHERE, FURTHER, UP, Condition
from losscope.exactness.edges import between, edges
from losscope.exactness.places import (
    NO_SIGN,
    NOTHING,
    as_good_as_zero,
    is_beyond,
    is_end,
    last_place,
    overflows,
    sorts,
    ulps,
)
from losscope.exactness.samples import MARGIN, points, usual
from losscope.exactness.worse import Search
from losscope.truth import surely_none, truths

DTYPES = ("float32", "float64")
SEARCHES = 3  # of which one may miss a narrow place
MORE_SEARCHES = 8  # where one has come close to the limit
ORDINARY = (1e-3, 1e3)  # sizes of numbers that nobody is surprised at
OUT = 1.5  # bounds, beyond which an error counts that was sought: among so many, chance adds to some


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
        share: float = 1.0,
    ):
        """`true`: the expressions as written, without the residual. `instead`: equal ones, for where those overflow. `zeros`:
        what may be 0 at an end of its domain, where a product with it vanishes. `of_residual`: whether they look at the
        difference of prediction and target alone. `share`: of `count` and of all other points that are tried."""
        self.zeros, self.seed, self.share = tuple(zeros), seed, share
        self.margin = MARGIN  # within which of its end a result is hardly a number of the dtype
        self.true = tuple(with_limits(each, zeros) for each in true)
        self.arguments, self.parameters = dict(arguments), dict(parameters)
        self.names = [*arguments, *parameters]
        self.symbols = tuple(sympy.Symbol(name, real=True) for name in self.names)
        self.instead = tuple(with_limits(each, zeros) for each in instead)
        self.of_residual = of_residual
        self.condition = Condition(self.true, self.arguments, self.parameters, self.instead)
        self._draw(count)

    def _draw(self, count: int) -> None:
        self.count = math.ceil(count * self.share)
        self._look_at(
            {
                dtype: points(self.arguments, self.parameters, dtype, self.count, self.seed + k)
                for k, dtype in enumerate(DTYPES)
            }
        )

    def drawn_anew(self, count: int) -> Bench:
        """The same with so many points, drawn anew."""
        found = copy(self)
        found._draw(count)
        return found

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
            nowhere = surely_none(found[:, 0])
            unknown = numpy.flatnonzero(numpy.isnan(found[..., 0]).any(1) & ~nowhere)
            other = truths(self.instead, self.symbols, rows[unknown])
            found[unknown] = numpy.where(numpy.isnan(found[unknown][..., :1]), other, found[unknown])
        found[numpy.isnan(found[:, 0, 0]), 1:] = numpy.nan  # where there is no value there is no derivative
        return found

    def nowhere(self, dtype: str) -> numpy.ndarray:
        """Where the formula has surely no value."""
        return surely_none(self.truth[dtype][:, 0])

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
        sides = UP + ELSEWHERE if self.condition.borders else UP  # a border may lie on either
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
            best = max(best, self._largest_of(order, dtype, errors, some))
        settled = numpy.where(errors > best, 0, errors) if best > 2 else errors
        return errors, int(numpy.argmax(settled))

    def _largest_of(self, order: int, dtype: str, errors: numpy.ndarray, some: numpy.ndarray) -> float:
        """The largest error at some points; of those out of bounds over the condition beside, too, if that is larger."""
        largest_first, best = some[numpy.argsort(-errors[some])], 0.0
        for start in range(0, len(some), 4):
            group = largest_first[start : start + 4]
            if errors[group[0]] <= best:
                break
            out = group[(errors[group] > BOUND) & ~self.beyond(order, dtype)[group]]
            if out.size:
                here, rows = self._moved[dtype, order, UP + ELSEWHERE][out], self.rows(dtype)[out]
                beside = numpy.fmax(here, self.condition.beside(order, dtype, rows))
                further = self.condition.at(order, dtype, rows, self.truth[dtype][out, order], FURTHER)
                with numpy.errstate(invalid="ignore"):
                    errors[out] *= numpy.fmax(1, here) / numpy.fmax(1, beside)
                # Of sin(1e63) a last place may chance to be whole turns.
                ill = numpy.fmax(beside, further) > NOTHING / float(numpy.finfo(dtype).eps)
                errors[out[ill | self._of_no_value(order, dtype, out)]] = 0
            best = max(best, float(errors[group].max()))
        return best

    def _of_no_value(self, order: int, dtype: str, some: numpy.ndarray) -> numpy.ndarray:
        """At which of some points a last place moves the derivative before beyond recognition: then no slope could be right, even
        if it chances to be much the same beside, as that of cos(1e30)."""
        if order == 0:
            return numpy.zeros(len(some), bool)
        here = self.truth[dtype][some, order - 1]
        moved = self.condition.at(order - 1, dtype, self.rows(dtype)[some], here, UP + ELSEWHERE + FURTHER)
        return numpy.asarray(moved > NOTHING / float(numpy.finfo(dtype).eps))

    def _off(self, order: int, dtype: str, computed: numpy.ndarray) -> numpy.ndarray:
        """Errors in ulp; 0 where the truth is unknown, or no number of the dtype."""
        high, low = self.truth[dtype][:, order, 0], self.truth[dtype][:, order, 1]
        least = as_good_as_zero(self.at[dtype], dtype, self._large())
        errors = ulps(computed, high, low, least, dtype, self.margin)
        if order:
            errors[self.beyond(0, dtype) & overflows(computed, high)] = 0
        return errors

    def beyond(self, order: int, dtype: str) -> numpy.ndarray:
        """Where the truth is no number of the dtype, or hardly one."""
        return is_beyond(numpy.abs(self.truth[dtype][:, order, 0]), dtype, self.margin)

    def _large(self) -> str:
        """The argument in units of which a result may be as good as zero."""
        return "target" if "target" in self.arguments and not self.of_residual else ""

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
            here = self.truth[dtype][unknown, order]
            found = self.condition.at(order, dtype, self.rows(dtype)[unknown], here, sides)
            moved[unknown] = numpy.fmax(found, least[unknown])
        ill = moved[doubtful] > NOTHING / float(numpy.finfo(dtype).eps)
        with numpy.errstate(invalid="ignore"):
            more = numpy.maximum(1, moved[doubtful]) / numpy.fmax(1, least[doubtful])
            errors[doubtful] = numpy.where(ill, 0, errors[doubtful] / more)
            no_sign = doubtful[self.beyond(order, dtype)[doubtful]]
            errors[no_sign] = numpy.minimum(errors[no_sign], NO_SIGN)

    def _least_motion(self, order: int, dtype: str) -> numpy.ndarray:
        """The same at every point by the next derivative (0 for the last), of the argument in which it is taken. It costs
        no further truth; and a last place of an angle of 1e30 may chance to be a whole turn."""
        if order == len(self.true) - 1:
            return numpy.zeros(len(self.truth[dtype]))
        here, slope = self.truth[dtype][:, order, 0], self.truth[dtype][:, order + 1, 0]
        size = numpy.abs(self.at[dtype][self.names[0]].astype("float64"))
        size[is_end(self.arguments[self.names[0]], size)] = 0
        if "target" in self.names and self.of_residual:
            size = size + numpy.abs(self.at[dtype]["target"].astype("float64"))
        with numpy.errstate(all="ignore"):
            return (
                size * numpy.abs(slope) * float(numpy.finfo(dtype).eps) / last_place(numpy.abs(here), dtype)
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

    def certified(self, derived: Any, searches: int = SEARCHES) -> Worst:
        """The worst of a loss as its kernels compute it: alone, with the gradient, and with the curvature; here, at the
        edges of what they compute, and where they are likely worst if something there is out of all bounds."""
        computed = self._computed(derived)
        edges = self._at_edges(computed)
        worst = max(self._worst_of(computed), edges._worst_of(computed), key=_error)
        if worst.error > BOUND:
            return worst
        search = 0
        while search < searches:
            beside = edges._at_worse(computed, search)._worst_of(computed)
            if beside.error > OUT * BOUND:
                return beside
            if beside.error > BOUND and searches == SEARCHES:
                searches = MORE_SEARCHES
            search += 1
        return worst

    def to_tell(self, derived: Any, worst: Worst) -> Worst:
        """The place that a user is told of: the worst with the parameters at their defaults, if there is one, of ordinary numbers
        if they do; else the worst of all."""
        computed = self._computed(derived)
        for sizes in (ORDINARY, (0.0, numpy.inf)):
            some = {dtype: self._usual(dtype, *sizes) for dtype in DTYPES}
            at = {d: {name: x[some[d]] for name, x in self.at[d].items()} for d in DTYPES}
            found = self._at(at, {d: self.truth[d][some[d]] for d in DTYPES})._worst_of(computed)
            if found.error > BOUND:
                return found
        return worst

    def _usual(self, dtype: str, least: float, most: float) -> numpy.ndarray:
        """Where the parameters are at their defaults, and the arguments 0 or of these sizes."""
        at = self.at[dtype]
        found = numpy.ones(len(at[self.names[0]]), bool)
        for name, x in at.items():
            if name in self.parameters:
                found &= x == numpy.dtype(dtype).type(self.parameters[name].default)
            else:
                found &= (x == 0) | ((numpy.abs(x) >= least) & (numpy.abs(x) <= most))
        return found

    def with_worse(self, derived: Any, place: Mapping[str, float] | None = None) -> Bench:
        """These points, those at the edges of what a loss's kernels compute, and those where they are likely worst; and one
        more, if it is given."""
        computed = self._computed(derived)
        edges = self._at_edges(computed)
        benches = [self, edges, edges._at_worse(computed, 0)]
        if place:
            at = {d: {name: numpy.array([x]).astype(d) for name, x in place.items()} for d in DTYPES}
            benches.append(self._at(at))
        at = {
            d: {name: numpy.concatenate([each.at[d][name] for each in benches]) for name in self.at[d]}
            for d in DTYPES
        }
        return self._at(at, {d: numpy.concatenate([each.truth[d] for each in benches]) for d in DTYPES})

    def with_fewer(self, count: int) -> Bench:
        """Of the points that were drawn no more than so many, and all that were added."""
        left_out = slice(math.ceil(count * self.share), self.count)
        at = {d: {name: numpy.delete(x, left_out) for name, x in self.at[d].items()} for d in DTYPES}
        return self._at(at, {d: numpy.delete(self.truth[d], left_out, 0) for d in DTYPES})

    def _at_worse(self, computed: Mapping[str, Sequence[Any]], search: int) -> Bench:
        narrow, wide = (computed[each][-1] for each in DTYPES)
        known, seed = self.at[DTYPES[0]], self.seed + search
        units = self._large()
        at = Search(narrow, wide, self.arguments, self.parameters, units, known, seed, self.share).found()
        return self._at({d: {name: x.astype(d) for name, x in at.items()} for d in DTYPES})

    def _at_edges(self, computed: Mapping[str, Sequence[Any]]) -> Bench:
        moving = [name for name, domain in self.arguments.items() if between(domain)]
        return self._at(
            {
                d: usual(edges(computed[d][-1], at, moving, sorts(at, self.parameters)), d)
                for d, at in self.at.items()
            }
        )

    def with_borders(self) -> Bench:
        """The same points, of which those say nothing whose side of a border a rounding decides."""
        found = copy(self)
        found.condition = Condition(self.true, self.arguments, self.parameters, self.instead, borders=True)
        found._moved = {}
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
    return _arithmetic(expression, tuple(bench.arguments), tuple(bench.parameters), residual, bench.zeros)


@lru_cache(512)
def _arithmetic(
    expression: Any,
    arguments: tuple[str, ...],
    parameters: tuple[str, ...],
    residual: Any,
    zeros: tuple[Any, ...],
) -> dict[str, Any]:
    from losscope.emit.python import function
    from losscope.emit.two_sided import two_sided

    source = function("computed", arguments, parameters, [two_sided(expression)], residual, zeros=zeros)
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

"""The overlap loop: rows of places, twice: once for the sums, once for the gradient.

I, S      = sum p t, sum (p + t)
sum       = sum over the rows of weight l(I, S)
gradient  = scale weight (dl/dI t + dl/dS)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from losscope.engine.arrays import STORED
from losscope.engine.function import larger
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import Lanes, converted, where
from losscope.kernels.loops.rows import each_row, one_of_row, row_sum, run_blocks

GRADIENT = 1
WHOLE = ("prediction", "target", "weight", "values", "gradient", "result", "rows", "places")


def signature(parameters: tuple[str, ...]) -> Signature:
    """prediction, target, gradient: (rows, places); weight, values: (rows,); result: one number."""
    return Signature(WHOLE, ("scale", *(f"parameter {name}" for name in parameters)))


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> Kernel:
    k = Kernel(name, signature(parameters))
    k.set("status", k.whole(0))
    k.set("weight_sum", k.number(0.0))
    computed, of_row = STORED[dtype].computed, STORED[dtype].computed_name

    def row(i: Lanes) -> Lanes:
        places = k.integer("places")
        p, t, out = (
            k.numbers_at(each, dtype).from_(i * places) for each in ("prediction", "target", "gradient")
        )
        weight = one_of_row(k, "weight", of_row, i, 1.0)
        intersection, sizes = (
            converted(row_sum(k, places, computed, term), computed)
            for term in (
                lambda at, mask: p.load(at, mask) * t.load(at, mask),
                lambda at, mask: p.load(at, mask) + t.load(at, mask),
            )
        )
        numbers = [converted(k.real(f"parameter {each}"), computed) for each in parameters]
        value, in_first, in_second = formula["both"](intersection, sizes, *numbers)
        there, factor = weight != 0.0, converted(k.real("scale"), computed) * weight

        def step(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
            slope = (t.load(at, mask) * in_first + in_second) * factor
            out.store(at, where(there, slope, 0.0), mask)
            return []

        if wants & GRADIENT:
            k.across(k.whole(0), places, [], step, unrolled=1)
        value = where(there, value * weight, 0.0)
        k.when(~k.is_absent("values"), lambda: k.numbers_at("values", of_row).put(i, value))
        return value

    def blocks(first: Lanes, last: Lanes, _: Any) -> None:
        each_row(k, first, last, larger(k.integer("places"), 1), row)

    run_blocks(k, k.integer("rows"), larger(k.integer("places"), 1), dtype, blocks)
    return k

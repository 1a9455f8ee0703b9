"""The elementwise loop: one pass over memory for value, gradient and curvature of each pair of numbers.

    sum     = sum_i weight_i l(prediction_i, target_i)
    gradient_i  = scale weight_i dl/dprediction (prediction_i, target_i)        and so in the target, and the curvature

An element of weight 0 is not there: it counts nothing, whatever stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from losscope.engine.arrays import STORED, Array
from losscope.engine.function import smaller
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import F32, INTEGER_OF, Lanes, any_of, converted, in_lanes, where, widened
from losscope.kernels.loops import sums

BLOCK = (
    2048  # elements: a sum over 64 lanes is then 32 terms long, and the blocks are added in double precision
)
STREAMED = 1 << 24  # bytes of an output from which it is written past the caches: more than most of them hold

# What a kernel reads and writes is part of which kernel it is.
GRADIENT, TARGET_GRADIENT, CURVATURE, VALUES, WEIGHTED, VARYING, WATCHED, STREAMING = (
    1 << i for i in range(8)
)
OUTPUTS = {"values": VALUES, "gradient": GRADIENT, "target_gradient": TARGET_GRADIENT, "curvature": CURVATURE}

WHOLE = (
    "prediction", "target", "weight", "varying", "values", "gradient", "target_gradient", "curvature", "result", "size",
    "period",
)  # fmt: skip
NUMBERS = ("scale",)


def signature(parameters: tuple[str, ...]) -> Signature:
    """The words of a call.

    prediction, target, values, gradient, target_gradient, curvature: (size,) in the dtype of the kernel; weight: (size,)
    varying: (period + 64,), the last parameter of each element of a row of `period`, and on from its beginning
    result: one number, `scale` times the sum
    """
    return Signature(WHOLE, (*NUMBERS, *(f"parameter {name}" for name in parameters)))


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> Kernel:
    """The loop of a loss: `formula` has its functions `order0..2`, `both` and `outside`, over lanes."""
    k = Kernel(name, signature(parameters))
    loop = Loop(k, formula, dtype, wants)
    blocks = (k.integer("size") + (BLOCK - 1)) // BLOCK
    k.set("status", k.whole(0))
    k.set("weight_sum", k.number(0.0))
    with k.room(blocks * 2, "float64") as of_blocks:
        k.leave(of_blocks)
        k.parallel(blocks, loop.blocks)
        total = sums.of_blocks(k, of_blocks, blocks)
    k.set("sum", total)
    result = converted(total * k.real("scale"), STORED[dtype].computed)
    k.when(~k.is_absent("result"), lambda: k.numbers_at("result", dtype).put(0, result))
    k.finish()
    return k


class Loop:
    """Which numbers are read and written, and what is done with sixteen of them."""

    def __init__(self, k: Kernel, formula: Mapping[str, Callable[..., Any]], dtype: str, wants: int):
        self.k, self.formula, self.dtype, self.wants = k, formula, dtype, wants
        self.computed = STORED[dtype].computed
        # Side by side, four bodies run 8% faster in float64, no faster in float32, and compile for twice as long; of powers
        # that would be half a second (measured with AVX-512: binary cross-entropy, Poisson, log-cosh, focal).
        raises = any("power" in formula[each].__code__.co_names for each in ("order0", "order1", "order2"))
        self.once = self.computed == F32 or raises

    def array(self, name: str, wanted: int, *, written: bool = True) -> Array | None:
        """The array of a word, or None if this kernel has none to do with it."""
        if not self.wants & wanted:
            return None
        found = self.k.numbers_at(name, self.dtype)
        return replace(found, streaming=written and bool(self.wants & STREAMING))

    def blocks(self, first: Lanes, last: Lanes, _: Any) -> None:
        k = self.k
        self.prediction, self.target = (k.numbers_at(each, self.dtype) for each in ("prediction", "target"))
        self.weight = self.array("weight", WEIGHTED, written=False)
        self.outputs = {name: self.array(name, wanted) for name, wanted in OUTPUTS.items()}
        self.scale = converted(k.real("scale"), self.computed)
        self.parameters = [
            converted(k.real(name), self.computed) for name in k.signature.numbers[len(NUMBERS) :]
        ]
        self.size, of_blocks = k.integer("size"), k.left("float64")

        def block(i: Lanes) -> list[Lanes]:
            low = i * BLOCK
            flags = [k.many(0, INTEGER_OF[self.computed])] if self.wants & WATCHED else []
            carried = [*flags, *sums.start(k, self.computed)]
            groups = k.across(low, smaller(low + BLOCK, self.size), carried, self.step, once=self.once)
            if flags:
                outside = groups[0][0] | groups[1][0] | groups[2][0] | groups[3][0]
                k.when(any_of(outside != 0), lambda: k.set("status", k.whole(1)))
            sums.keep(of_blocks, i, sums.total([each[len(flags) :] for each in groups]))
            return []

        k.loop(first, last, 1, [], block)
        if self.wants & STREAMING:
            k.builder.fence("seq_cst")  # what went past the caches is there before anyone is told that it is

    def step(self, at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
        """Sixteen elements from `at` on."""
        k = self.k
        x, y = self.prediction.load(at, mask), self.target.load(at, mask)
        numbers = list(self.parameters)
        if self.wants & VARYING:
            period = k.integer("period")
            numbers[-1] = k.numbers_at("varying", STORED[self.dtype].computed_name).load(at % period)
        flags = []
        weight = self.weight.load(at, mask) if self.weight is not None else None
        if self.wants & WATCHED:
            outside = self.formula["outside"](x, y)
            for condition in (mask, None if weight is None else weight != 0.0):
                outside = outside if condition is None else outside & condition
            flags = [carried.pop(0) | widened(outside, INTEGER_OF[self.computed])]
        value, found = scaled(*slopes(self.formula, self.wants, x, y, numbers), self.scale, weight)
        for name, numbers_of in {"values": value, **found}.items():
            out = self.outputs[name]
            if out is not None:
                out.store(at, in_lanes(numbers_of), mask)
        return [*flags, *sums.add(carried, value, mask)]


def slopes(
    formula: Mapping[str, Callable[..., Any]], wants: int, x: Lanes, y: Lanes, numbers: Sequence[Any]
) -> tuple[Lanes, dict[str, Lanes]]:
    """The value, and the derivatives that are wanted, by the names of their outputs; in as many lanes as x has."""
    if wants & CURVATURE:
        value, *found = formula["order2"](x, y, *numbers)
        names = ["gradient", "curvature"]
    elif wants & TARGET_GRADIENT:
        value, *found = formula["both"](x, y, *numbers)
        names = ["gradient", "target_gradient"]
    elif wants & GRADIENT:
        value, *found = formula["order1"](x, y, *numbers)
        names = ["gradient"]
    else:
        value, found, names = formula["order0"](x, y, *numbers), [], []
    lift = lambda each: in_lanes(each, x.width) if isinstance(each, Lanes) else x.constant(each)
    return lift(value), dict(zip(names, map(lift, found), strict=True))


def scaled(
    value: Lanes, slopes: Mapping[str, Lanes], scale: Lanes, weight: Lanes | None
) -> tuple[Lanes, dict[str, Lanes]]:
    """The value times its weight, the slopes times weight and scale. Of weight 0 there is nothing, whatever they are."""
    if weight is None:
        return value, {name: slope * scale for name, slope in slopes.items()}
    there, scale = weight != 0.0, scale * weight
    found = {name: where(there, slope * scale, 0.0) for name, slope in slopes.items()}
    return where(there, value * weight, 0.0), found

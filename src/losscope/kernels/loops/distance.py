"""The distance loops: rows of features, a vector and another (or an anchor, a positive and a negative) at a time.

    euclidean   d = |a - b + offset|                      dd/da = (a - b + offset) / d
    cosine      d = 1 - a.b / (|a| |b|)                   dd/da = (cosine a/|a| - b/|b|) / |a|
    triplet     d = |a - p + offset| - |a - n + offset|, or with `swap` - |p - n + offset| where that is shorter
    sum         = sum over the rows of weight l(d, label, cosine)
    gradients   = scale weight l'(d, label, cosine) dd/da, and so for the other vectors

1 - cosine is half the squared distance of the normalised vectors, and is computed so where it is small. The gradient of a
length of 0 is 0, and a vector of zeros has cosine 0 with any other. A row of weight 0 is not there, whatever stands in it.

Of two lengths that are nearly the same, |x| - |y| is (x - y).(x + y) / (|x| + |y|), and the difference of their directions,
x/|x| - y/|y|, is ((x - y) - x (|x| - |y|)/|x|) / |y|. There x - y (with `swap` x + y) is a difference of two of the vectors.

Lengths and cosines are computed in double precision, also of float32 and halves, whose squares never leave its range. Of
float64 a square may leave it: such a row is multiplied by a power of two first (its unit), which rounds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from losscope.engine.arrays import STORED, Array
from losscope.engine.function import larger
from losscope.engine.kernel import Kernel, Signature
from losscope.engine.lanes import F32, F64, Lanes, converted, fma, folded, magnitude, square_root, where
from losscope.kernels.loops.rows import each_row, one_of_row, run_blocks

# What is measured (of neither: the length of a difference), and which gradients are written.
COSINE, TRIPLET, GRADIENT, TARGET_GRADIENT, NEGATIVE_GRADIENT = (1 << i for i in range(5))
MEASURES = {"euclidean": 0, "cosine": COSINE, "triplet": TRIPLET}
GRADIENTS = {"gradient": GRADIENT, "target_gradient": TARGET_GRADIENT, "negative_gradient": NEGATIVE_GRADIENT}

WHOLE = (
    "prediction", "target", "negative", "label", "weight", "values", "gradient", "target_gradient", "negative_gradient",
    "result", "rows", "features", "swap",
)  # fmt: skip
NUMBERS = ("scale", "offset")

SAFE = (1e-270, 1e300)  # sums of squares between which no square that matters has left the range of float64
UP, DOWN = 2.0**600, 2.0**-600
# The share of two lengths below which their difference has too few digits left.
CLOSE = {F32: 2.0**-24, F64: 0.25}

Vector = Callable[[Lanes, Lanes | None], Lanes]  # sixteen features at a time
Term = tuple[Lanes, Lanes, Vector]  # a slope, the coefficient that it makes, and the vector


def signature(parameters: tuple[str, ...]) -> Signature:
    """The words of a call.

    prediction, target, negative and their gradients: (rows, features) in the dtype of the kernel; negative: of triplets only
    label (1 or -1; absent: all 1), weight (absent: all 1), values (absent: not wanted): (rows,), in the dtype computed in
    result: one number in the dtype of the kernel, `scale` times the sum; swap: 0 or 1
    offset: what is added to each difference of features; the cosine has none
    """
    return Signature(WHOLE, (*NUMBERS, *(f"parameter {name}" for name in parameters)))


def trace(
    name: str, formula: Mapping[str, Callable[..., Any]], parameters: tuple[str, ...], dtype: str, wants: int
) -> Kernel:
    """The loop of a loss: `formula` has its function `order1` of distance, label and cosine, over single numbers."""
    k = Kernel(name, signature(parameters))
    k.set("status", k.whole(0))
    k.set("weight_sum", k.number(0.0))
    loop = Loop(k, formula, dtype, wants)
    run_blocks(k, k.integer("rows"), larger(k.integer("features"), 1), dtype, loop.blocks)
    return k


@dataclass(frozen=True)
class Difference:
    """before (a - b + offset) after, of which `before` and `after` are powers of two, and its length. Where numbers are
    huge the factor comes before the subtraction, where the difference is tiny after it: so neither overflows."""

    a: Array
    b: Array
    offset: Lanes
    before: Lanes | None = None  # None: neither factor is needed
    after: Lanes | None = None
    length: Lanes | None = None

    def load(self, at: Lanes, mask: Lanes | None) -> Lanes:
        """Sixteen features of it."""
        x, y = converted(self.a.load(at, mask), F64), converted(self.b.load(at, mask), F64)
        if self.before is None:
            return x - y + self.offset
        return (x * self.before - y * self.before + self.offset * self.before) * self.after

    def distance(self) -> Lanes:
        """The length of a - b + offset itself."""
        assert self.length is not None
        return self.length if self.before is None else self.length / (self.before * self.after)

    def term(self, slope: Lanes) -> Term:
        """What a slope in the length adds to a gradient."""
        return slope, over(slope, self.length), self.load


class Loop:
    """One row at a time: its distance, the formula of it, the gradients of its vectors."""

    def __init__(self, k: Kernel, formula: Mapping[str, Callable[..., Any]], dtype: str, wants: int):
        self.k, self.formula, self.dtype, self.wants = k, formula, dtype, wants
        self.computed, self.of_row = STORED[dtype].computed, STORED[dtype].computed_name

    def blocks(self, first: Lanes, last: Lanes, _: Any) -> None:
        k = self.k
        self.features, self.offset, self.scale = k.integer("features"), k.real("offset"), k.real("scale")
        self.parameters = [
            converted(k.real(name), self.computed) for name in k.signature.numbers[len(NUMBERS) :]
        ]
        each_row(k, first, last, larger(self.features, 1), self.row)

    def row(self, row: Lanes) -> Lanes:
        """A row's weighted value; its gradients are written."""
        k = self.k
        weight = one_of_row(k, "weight", self.of_row, row, 1.0)
        of_measure = (
            self.cosine if self.wants & COSINE else self.triplet if self.wants & TRIPLET else self.euclidean
        )
        (value,) = k.choose(weight == 0.0, lambda: [self.absent(row)], lambda: [of_measure(row, weight)])
        k.when(~k.is_absent("values"), lambda: k.numbers_at("values", self.of_row).put(row, value))
        return value

    def absent(self, row: Lanes) -> Lanes:
        """A row that is not there."""
        for name in GRADIENTS:
            self.write(name, row, [])
        return self.k.number(0.0, self.computed)

    def euclidean(self, row: Lanes, weight: Lanes) -> Lanes:
        between = self.difference(self.vector("prediction", row), self.vector("target", row))
        value, slope = self.loss(row, weight, between.distance())
        self.write("gradient", row, [between.term(slope)])
        self.write("target_gradient", row, [between.term(-slope)])
        return value

    def cosine(self, row: Lanes, weight: Lanes) -> Lanes:
        k = self.k
        a, b = self.vector("prediction", row), self.vector("target", row)
        (by_a, by_b), cosine = self.angle(a, b)

        def half_squared_chord() -> list[Lanes]:
            def chord(at: Lanes, mask: Lanes | None) -> Lanes:
                return converted(a.load(at, mask), F64) * by_a - converted(b.load(at, mask), F64) * by_b

            (square,) = self.products(lambda at, mask: [(chord(at, mask),) * 2], 1)
            return [0.5 * square, 1.0 - 0.5 * square]

        def of_cosine() -> list[Lanes]:
            opposite = cosine < -1.0  # by a rounding
            return [where(opposite, 2.0, 1.0 - cosine), where(opposite, -1.0, cosine)]

        distance, cosine = k.choose(cosine > 0.5, half_squared_chord, of_cosine)
        value, slope = self.loss(row, weight, distance, cosine)

        def towards(a: Array, b: Array, by_a: Lanes, by_b: Lanes) -> Term:
            def beside(at: Lanes, mask: Lanes | None) -> tuple[Lanes, Lanes]:
                """The direction of a, and what is left of that of b beside it."""
                one, other = converted(a.load(at, mask), F64) * by_a, converted(b.load(at, mask), F64) * by_b
                return one, other - one * cosine

            # Where little is left, it is made orthogonal to a, which it is to rounding only.
            none = k.number(0.0)
            leaning = lambda: self.products(lambda at, mask: [beside(at, mask)], 1)
            wide = self.computed == F64
            (lean,) = k.choose(magnitude(cosine) > 0.5, leaning, lambda: [none]) if wide else [none]

            def load(at: Lanes, mask: Lanes | None) -> Lanes:
                one, left = beside(at, mask)
                return left - one * lean

            return slope * by_a, -slope * by_a, load

        if self.wants & GRADIENT:
            self.write("gradient", row, [towards(a, b, by_a, by_b)])
        if self.wants & TARGET_GRADIENT:
            self.write("target_gradient", row, [towards(b, a, by_b, by_a)])
        return value

    def triplet(self, row: Lanes, weight: Lanes) -> Lanes:
        k = self.k
        swapped, to_positive, to_negative, between = self.differences(row)
        near, far = to_positive.distance(), to_negative.distance()
        is_close = magnitude(near - far) < CLOSE[self.computed] * near
        factors = (to_positive.before, to_negative.before), (to_positive.after, to_negative.after)
        for x, y in factors:
            is_close = is_close if x is None or y is None else is_close & (x == y)

        def of_squares() -> list[Lanes]:
            def factors(at: Lanes, mask: Lanes | None) -> Sequence[tuple[Lanes, Lanes]]:
                x, y = to_positive.load(at, mask), to_negative.load(at, mask)
                return [(between.load(at, mask), where(swapped, x - y, x + y))]

            assert to_positive.length is not None
            assert to_negative.length is not None
            lengths = to_positive.length + to_negative.length
            return [replace(between, length=self.products(factors, 1)[0] / lengths).distance()]

        (apart,) = k.choose(is_close, of_squares, lambda: [near - far])
        value, slope = self.loss(row, weight, apart)
        other = replace(
            to_negative,
            a=self.one_of(is_close, between.a, to_negative.a),
            b=self.one_of(is_close, between.b, to_negative.b),
            offset=where(is_close, between.offset, self.offset),
        )

        def pull(slope: Lanes, of_both: Lanes) -> list[Term]:
            """The gradient of the anchor or the positive, which may stand in both lengths."""
            first = where(is_close & of_both, -slope * (apart / far), slope)
            second = where(is_close | swapped, slope, -slope)
            return [to_positive.term(first), other.term(where(of_both, second, 0.0))]

        self.write("gradient", row, pull(slope, ~swapped))
        self.write("target_gradient", row, pull(-slope, swapped))
        self.write("negative_gradient", row, [to_negative.term(slope)])
        return value

    def differences(self, row: Lanes) -> tuple[Lanes, Difference, Difference, Difference]:
        """Whether the positive is closer to the negative than the anchor is, and that counts; the difference to the positive,
        that to the negative, and what the first is more than the second (if swapped, their sum)."""
        k = self.k
        anchor, positive, negative = (self.vector(name, row) for name in ("prediction", "target", "negative"))
        to_positive, from_anchor = self.difference(anchor, positive), self.difference(anchor, negative)

        measured = lambda each: [each.length, *([] if each.before is None else [each.before, each.after])]

        def shorter() -> list[Lanes]:
            other = self.difference(positive, negative)
            is_shorter = other.distance() < from_anchor.distance()
            pairs = zip(measured(other), measured(from_anchor), strict=True)
            return [is_shorter, *(where(is_shorter, one, two) for one, two in pairs)]

        never = k.whole(0) != 0
        swapped, length, *factors = k.choose(
            k.integer("swap") != 0, shorter, lambda: [never, *measured(from_anchor)]
        )
        start, (before, after) = self.one_of(swapped, positive, anchor), factors or (None, None)
        to_negative = Difference(start, negative, self.offset, before, after, length)
        a, b = self.one_of(swapped, anchor, negative), self.one_of(swapped, negative, positive)
        between = replace(to_negative, a=a, b=b, offset=where(swapped, 2.0 * self.offset, 0.0))
        return swapped, to_positive, to_negative, between

    def one_of(self, condition: Lanes, yes: Array, no: Array) -> Array:
        return replace(yes, address=self.k.builder.select(condition.value, yes.address, no.address))

    def loss(
        self, row: Lanes, weight: Lanes, distance: Lanes, cosine: Lanes | None = None
    ) -> tuple[Lanes, Lanes]:
        """The weighted value of a row, and the slope in its distance: weighted, scaled, in double precision."""
        distance = converted(distance, self.computed)
        cosine = 1.0 - distance if cosine is None else converted(cosine, self.computed)
        label = one_of_row(self.k, "label", self.of_row, row, 1.0)
        found = self.formula["order1"](distance, label, cosine, *self.parameters)
        value, slope = (each if isinstance(each, Lanes) else distance.constant(each) for each in found)
        return value * weight, self.scale * converted(slope, F64) * converted(weight, F64)

    def vector(self, name: str, row: Lanes) -> Array:
        return self.k.numbers_at(name, self.dtype).from_(row * self.features)

    def products(
        self, factors: Callable[[Lanes, Lanes | None], Sequence[tuple[Lanes, Lanes]]], count: int
    ) -> list[Lanes]:
        """The sums over the features of `count` products of pairs of factors."""
        k = self.k

        def step(at: Lanes, mask: Lanes | None, carried: list[Lanes]) -> list[Lanes]:
            found = [fma(x, y, so_far) for (x, y), so_far in zip(factors(at, mask), carried, strict=True)]
            if mask is None:
                return found
            return [where(mask, total, so_far) for total, so_far in zip(found, carried, strict=True)]

        groups = k.across(k.whole(0), self.features, [k.many(0.0)] * count, step)
        return [folded((a + b) + (c + d), lambda x, y: x + y) for a, b, c, d in zip(*groups, strict=True)]

    def difference(self, a: Array, b: Array) -> Difference:
        """a - b + offset, and its length."""
        k, plain = self.k, Difference(a, b, self.offset)
        square_of = lambda each: self.products(lambda at, mask: [(each.load(at, mask),) * 2], 1)[0]
        total = square_of(plain)
        if self.computed != F64:
            return replace(plain, length=square_root(total))
        one = k.number(1.0)

        def scaled() -> list[Lanes]:
            huge = total > 1.0
            before, after = where(huge, k.number(DOWN), one), where(huge, one, k.number(UP))
            return [square_of(replace(plain, before=before, after=after)), before, after]

        square, before, after = k.choose(safe(total), lambda: [total, one, one], scaled)
        return replace(plain, before=before, after=after, length=square_root(square))

    def angle(self, a: Array, b: Array) -> tuple[tuple[Lanes, Lanes], Lanes]:
        """1/|a| and 1/|b|, 0 of a vector that has no direction; and the cosine of the angle between them."""
        k, one = self.k, self.k.number(1.0)

        def moments(unit_a: Lanes | None, unit_b: Lanes | None) -> list[Lanes]:
            def factors(at: Lanes, mask: Lanes | None) -> Sequence[tuple[Lanes, Lanes]]:
                x, y = converted(a.load(at, mask), F64), converted(b.load(at, mask), F64)
                if unit_a is not None:
                    x, y = x * unit_a, y * unit_b
                return [(x, x), (y, y), (x, y)]

            return self.products(factors, 3)

        aa, bb, ab = moments(None, None)
        units: Sequence[Lanes] = (one, one)
        if self.computed == F64:
            plain = [aa, bb, ab, one, one]

            def scaled() -> list[Lanes]:
                unit_a, unit_b = (
                    where(safe(each), one, where(each > 1.0, k.number(DOWN), k.number(UP)))
                    for each in plain[:2]
                )
                return [*moments(unit_a, unit_b), unit_a, unit_b]

            aa, bb, ab, *units = k.choose(safe(aa) & safe(bb), lambda: plain, scaled)
        inverses, by_vector = [], []
        for square, unit in zip((aa, bb), units, strict=True):
            inverse = over(one, square_root(square))
            none = inverse * unit == float(
                "inf"
            )  # shorter than the smallest normal number: as good as no vector
            inverses.append(where(none, 0.0, inverse))
            by_vector.append(where(none, 0.0, inverse * unit))
        return (by_vector[0], by_vector[1]), ab * inverses[0] * inverses[1]

    def write(self, name: str, row: Lanes, terms: Sequence[Term]) -> None:
        """Write a gradient, the sum of coefficients times vectors. What has the slope 0 is not there; a coefficient of 0
        alone is that of an infinite length, whose direction no number tells: 0 times infinity."""
        if not self.wants & GRADIENTS[name]:
            return
        k, out = self.k, self.vector(name, row)

        def step(at: Lanes, mask: Lanes | None, _: list[Lanes]) -> list[Lanes]:
            total = k.many(0.0)
            for slope, coefficient, vector in terms:
                total = total + where(slope == 0.0, 0.0, coefficient * vector(at, mask))
            out.store(at, converted(total, self.computed), mask)
            return []

        k.across(k.whole(0), self.features, [], step, unrolled=1)


def safe(total: Lanes) -> Lanes:
    """Whether a sum of squares can be taken as it is: none of its squares overflowed, or vanished and would matter."""
    return (total > SAFE[0]) & (total < SAFE[1])


def over(slope: Lanes, length: Lanes | None) -> Lanes:
    """slope/length; of a length of 0 it is 0, unless the slope is NaN."""
    assert length is not None
    return where(length == 0.0, 0.0 * slope, slope / length)

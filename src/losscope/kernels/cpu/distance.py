"""The distance loops: one row (a vector and another, or an anchor and two) at a time, in passes that stay in cache.

Lengths and cosines are computed in double precision, also of float32: there nothing cancels that float32 could
tell, and no square leaves the range. Of float64 a square may leave it: such a row is multiplied by a power of two
first (its `unit`), which rounds nothing. 1 - cosine is half the squared distance of the normalised vectors.

The loops are written into every generated module, beside the formula's `order0..2`; they share their arguments:
vectors and gradients are matrices of rows, whatever is None is neither read nor written, `offset` is added to each
difference (PyTorch's eps), and sums[block] is the weighted sum of the values of a block of rows.
"""

from __future__ import annotations

from typing import Any

import numpy

from losscope.kernels.threads import share

ELEMENTS = 16384  # a block holds as many rows as make about this many numbers of one input
SERIAL = 4


def unit_for(total):
    """What to multiply vectors by whose squares summed up to `total`, so that they neither overflow nor vanish."""
    if 1e-270 < total < 1e300:
        return 1.0
    return 2.0**-600 if total > 1.0 else 2.0**600


def square_of_difference(a, b, offset, unit):
    """The squared length of a - b + offset, in units."""
    total = 0.0
    shift = offset * unit
    for i in range(a.size):
        x = a[i] * unit - b[i] * unit + shift
        total += x * x
    return total


def length_of_difference(a, b, offset):
    """The length of a - b + offset in units, and the unit."""
    total = square_of_difference(a, b, offset, 1.0)
    unit = unit_for(total)
    if unit != 1.0:
        total = square_of_difference(a, b, offset, unit)
    return numpy.sqrt(total), unit


def moments(a, b):
    """The sums of a a, b b and a b."""
    aa, bb, ab = 0.0, 0.0, 0.0
    for i in range(a.size):
        x, y = numpy.float64(a[i]), numpy.float64(b[i])
        aa += x * x
        bb += y * y
        ab += x * y
    return aa, bb, ab


def product(a, b, unit_a, unit_b):
    """The sum of a b, in units of each."""
    total = 0.0
    for i in range(a.size):
        total += scaled(a[i], unit_a) * scaled(b[i], unit_b)
    return total


def half_square_of_chord(a, b, by_a, by_b):
    """Half the squared distance of the vectors, each times its own factor."""
    total = 0.0
    for i in range(a.size):
        x = a[i] * by_a - b[i] * by_b
        total += x * x
    return 0.5 * total


def judged(distance, cosine, label, weight, row, scale, parameters):
    """A row's loss by its distance, and its slope times the scale; both weighed."""
    belongs = real(1) if label is None else label[row]
    value, slope = order1(distance, belongs, cosine, *parameters)
    slope = numpy.float64(scale) * slope
    if weight is not None:
        value, slope = value * weight[row], slope * weight[row]
    return value, slope


def per_length(push, length):
    """push/length, 0 of a length of 0."""
    return push / length if length != 0.0 else 0.0


def along(out, a, b, offset, unit, push):
    """out = push times (a - b + offset) in units."""
    if push == 0.0:
        out[:] = real(0)
        return
    shift = offset * unit
    for i in range(out.size):
        out[i] = real(push * (a[i] * unit - b[i] * unit + shift))


def along_both(out, a, b, unit, push, c, d, other_unit, other_push, offset):
    """out = push times (a - b + offset) in units + other_push times (c - d + offset) in other units."""
    if push == 0.0 and other_push == 0.0:
        out[:] = real(0)
        return
    shift, other_shift = offset * unit, offset * other_unit
    for i in range(out.size):
        x = push * (a[i] * unit - b[i] * unit + shift)
        out[i] = real(x + other_push * (c[i] * other_unit - d[i] * other_unit + other_shift))


def towards(out, a, b, by_a, by_b, push):
    """out = push times (b, times its factor, - a, times its factor)."""
    if push == 0.0:
        out[:] = real(0)
        return
    for i in range(out.size):
        out[i] = real(push * (b[i] * by_b - a[i] * by_a))


def absent(row, values, gradient):
    """A row of weight 0 is not there, whatever it holds."""
    if values is not None:
        values[row] = real(0)
    if gradient is not None:
        gradient[row, :] = real(0)


def euclidean_loop(
    prediction,
    target,
    label,
    weight,
    values,
    gradient,
    target_gradient,
    sums,
    first,
    last,
    rows_in_block,
    scale,
    offset,
    parameters,
):
    """Pairs and the length of their difference: blocks first..last."""
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, prediction.shape[0])):
            if weight is not None and weight[row] == 0:
                absent(row, values, gradient)
                absent(row, values, target_gradient)
                continue
            a, b = prediction[row], target[row]
            length, unit = length_of_difference(a, b, offset)
            distance = real(length / unit)
            value, slope = judged(distance, real(1) - distance, label, weight, row, scale, parameters)
            push = per_length(slope, length)
            if gradient is not None:
                along(gradient[row], a, b, offset, unit, push)
            if target_gradient is not None:
                along(target_gradient[row], a, b, offset, unit, -push)
            if values is not None:
                values[row] = value
            total += value
        sums[block] = total


def cosine_loop(
    prediction,
    target,
    label,
    weight,
    values,
    gradient,
    target_gradient,
    sums,
    first,
    last,
    rows_in_block,
    scale,
    offset,
    parameters,
):
    """Pairs and the cosine of the angle between them: blocks first..last. There is no offset."""
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, prediction.shape[0])):
            if weight is not None and weight[row] == 0:
                absent(row, values, gradient)
                absent(row, values, target_gradient)
                continue
            a, b = prediction[row], target[row]
            aa, bb, ab = moments(a, b)
            unit_a, unit_b = unit_for(aa), unit_for(bb)
            if unit_a != 1.0 or unit_b != 1.0:
                aa, bb = product(a, a, unit_a, unit_a), product(b, b, unit_b, unit_b)
                ab = product(a, b, unit_a, unit_b)
            one_a, one_b = per_length(1.0, numpy.sqrt(aa)), per_length(1.0, numpy.sqrt(bb))
            by_a, by_b = unit_a * one_a, unit_b * one_b
            if by_a == numpy.inf:
                one_a, by_a = 0.0, 0.0  # shorter than the smallest normal number: as good as no vector
            if by_b == numpy.inf:
                one_b, by_b = 0.0, 0.0
            cosine = ab * one_a * one_b
            if cosine > 0.5:
                distance = half_square_of_chord(a, b, by_a, by_b)
                cosine = 1.0 - distance
            elif cosine < -1.0:
                distance, cosine = 2.0, -1.0
            else:
                distance = 1.0 - cosine
            value, slope = judged(real(distance), real(cosine), label, weight, row, scale, parameters)
            push = -slope
            if gradient is not None:
                towards(gradient[row], a, b, cosine * by_a, by_b, push * by_a)
            if target_gradient is not None:
                towards(target_gradient[row], b, a, cosine * by_b, by_a, push * by_b)
            if values is not None:
                values[row] = value
            total += value
        sums[block] = total


def triplet_loop(
    prediction,
    target,
    negative,
    swap,
    weight,
    values,
    gradient,
    target_gradient,
    negative_gradient,
    sums,
    first,
    last,
    rows_in_block,
    scale,
    offset,
    parameters,
):
    """Anchors (the prediction), positives (the target) and negatives: blocks first..last."""
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, prediction.shape[0])):
            if weight is not None and weight[row] == 0:
                absent(row, values, gradient)
                absent(row, values, target_gradient)
                absent(row, values, negative_gradient)
                continue
            a, p, n = prediction[row], target[row], negative[row]
            near, near_unit = length_of_difference(a, p, offset)
            far, far_unit = length_of_difference(a, n, offset)
            swapped = False
            if swap:
                other, other_unit = length_of_difference(p, n, offset)
                if other / other_unit < far / far_unit:
                    swapped, far, far_unit = True, other, other_unit
            distance = real(near / near_unit - far / far_unit)
            value, slope = judged(distance, real(1) - distance, None, weight, row, scale, parameters)
            pull, push = per_length(slope, near), per_length(slope, far)
            if gradient is not None:
                if swapped:
                    along(gradient[row], a, p, offset, near_unit, pull)
                else:
                    along_both(gradient[row], a, p, near_unit, pull, a, n, far_unit, -push, offset)
            if target_gradient is not None:
                if swapped:
                    along_both(target_gradient[row], a, p, near_unit, -pull, p, n, far_unit, -push, offset)
                else:
                    along(target_gradient[row], a, p, offset, near_unit, -pull)
            if negative_gradient is not None:
                if swapped:
                    along(negative_gradient[row], p, n, offset, far_unit, push)
                else:
                    along(negative_gradient[row], a, n, offset, far_unit, push)
            if values is not None:
                values[row] = value
            total += value
        sums[block] = total


def run(
    kernel: Any,
    vectors: tuple,
    judged: Any,
    weight: Any,
    values: Any,
    gradients: tuple,
    scale: Any,
    offset: float,
    parameters: tuple,
) -> float:
    """Run a compiled loop over matrices of vectors; returns the weighted sum. `judged` is the label of each pair, or
    whether triplets swap; `gradients` are to be written, one for each of the vectors, or None."""
    rows, width = vectors[0].shape
    rows_in_block = max(1, ELEMENTS // max(1, width))
    blocks = -(-rows // rows_in_block)
    sums = numpy.empty(blocks)

    def part(first: int, last: int) -> None:
        kernel(
            *vectors, judged, weight, values, *gradients, sums, first, last, rows_in_block, scale, offset, parameters
        )  # fmt: skip

    share(blocks, part, SERIAL)
    return float(sums.sum())

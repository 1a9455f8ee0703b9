"""The softmax loops: a few rows of logits at a time, in passes that stay in the processor's cache.

A formula sees the margin of a class, logsumexp(the other classes) - its logit. The class's own logit never enters
the sum, and each sum is taken relative to its own largest term, so nothing cancels or underflows for a
confident row. Rows of class indices are here, rows of probabilities in `spread.py`; both loops are written into
every generated module, beside the formula's `order0..2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from losscope.kernels.threads import share

ELEMENTS = 16384  # a block holds as many rows as make about this many logits
SERIAL = 4
FEW = 24  # classes up to which rows are turned
MANY = 512  # classes from which a row is worth going through alone
ROWS = 128  # at most that are taken together
NEAR = 2048  # elements that stay in the processor's nearest cache, with what is made of them
ROOM = 4096  # elements: what is made of NEAR, and of the lanes by which rows are lengthened
LANES = 16  # numbers, a whole number of any processor's steps


def largest(row):
    """The largest of a row; -inf of none. Compared as integers of the same order, which vectorises; NaN is
    met by the exponentials that follow."""
    top = order_key(real(-numpy.inf))
    for i in range(row.size):
        top = max(top, order_key(number(row[i])))
    return from_order_key(top)


def exponentials(row, top, but, out):
    """out[i] = exp(row[i] - top), for a top that none exceeds, and 0 at `but`; returns their sum. Of an infinite top,
    too, what equals it has 1: the share goes to it, or is divided among those that are infinite."""
    for i in range(row.size):
        x = number(row[i])
        out[i] = exp_nonpositive(real(0) if x == top else x - top)
    out[but] = real(0)
    return total_of(out)


def total_of(row):
    """In double precision; in the loop that makes the numbers, it would halve the lanes."""
    total = 0.0
    for i in range(row.size):
        total += row[i]
    return total


def weigh(target, weight, class_weight, ignore, low, n, factors):
    """The weight of each of the rows low..low+n: 0 of one that is ignored, as of any that is not there."""
    for i in range(n):
        t = target[low + i]
        factor = real(0)
        if t != ignore:
            factor = real(1)
            if weight is not None:
                factor = factor * weight[low + i]
            if class_weight is not None:
                factor = factor * class_weight[t]
        factors[i] = factor


def turned(logits, target, factors, low, n, e, own, top, others):
    """e[c, i] = exp(z_c - top) of row low + i, their sum, and its own logit apart. Of rows of so few classes that a loop
    over them is all beginning and end: turned, class by class, each step is taken for all rows at once."""
    classes = logits.shape[1]
    z, t = logits[low : low + n], target[low : low + n]
    for c in range(classes):
        x = e[c]
        for i in range(n):
            x[i] = number(z[i, c])
    for i in range(n):
        if factors[i] == 0:
            own[i] = real(0)
            for c in range(classes):
                e[c, i] = real(0)
        else:
            own[i] = e[t[i], i]
            e[t[i], i] = real(-numpy.inf)  # has no part in what follows
    for i in range(n):
        top[i] = e[0, i]
        others[i] = 0.0
    for c in range(1, classes):
        x = e[c]
        for i in range(n):
            top[i] = x[i] if x[i] > top[i] or top[i] != top[i] else top[i]
    for i in range(n):
        top[i] = real(0) if top[i] == -numpy.inf else top[i]  # -inf - -inf would be NaN
    for c in range(classes):
        x = e[c]
        for i in range(n):
            x[i] = exp_nonpositive(real(0) if x[i] == top[i] else x[i] - top[i])
        for i in range(n):  # apart: in one loop the double precision would halve the lanes
            others[i] += x[i]


def lengthwise(logits, target, factors, low, n, e, own, top, others):
    """The same of longer rows, e[i, c]: lengthened to whole steps of the processor by classes that have no part. One step
    for all rows, then the next: what has just been written in pieces cannot be read as a whole at once."""
    classes = logits.shape[1]
    steps = -(-classes // LANES)
    for i in range(n):
        t = target[low + i]
        z, x = logits[low + i], e[i]
        if factors[i] == 0:
            x[:] = real(0)
            own[i] = real(0)
        else:
            for c in range(LANES):
                x[LANES * steps - LANES + c] = real(-numpy.inf)
            for c in range(classes):
                x[c] = number(z[c])
            own[i] = number(z[t])
            x[t] = real(-numpy.inf)
    for i in range(n):
        x = e[i]
        key = order_key(real(-numpy.inf))
        for c in range(LANES * steps):
            key = max(key, order_key(x[c]))
        top[i] = from_order_key(key)
    for i in range(n):
        top[i] = real(0) if top[i] == -numpy.inf else top[i]  # -inf - -inf would be NaN
    for i in range(n):
        x, first = e[i], top[i]
        for c in range(LANES * steps):
            x[c] = exp_nonpositive(real(0) if x[c] == first else x[c] - first)
    for i in range(n):
        x = e[i]
        total = 0.0
        for c in range(LANES * steps):
            total += x[c]
        others[i] = total


def alone(z, t, factor, e, own, top, others):
    """The same of one row of many classes, which is read where it is."""
    if factor == 0:
        e[:] = real(0)
        own[0], top[0], others[0] = real(0), real(0), 1.0
        return
    highest = max(largest(z[:t]), largest(z[t + 1 :]))
    if highest == -numpy.inf:
        highest = real(0)  # -inf - -inf would be NaN
    own[0], top[0] = number(z[t]), highest
    others[0] = exponentials(z, highest, t, e)


def judge(
    values, gradient, curvature, low, n, scale, parameters, own, top, factors, push, bend, others
):  # fmt: skip
    """The formula of n rows at once. Returns the sum of their values; leaves their slopes and bends, scaled and weighed,
    and in `top` what makes gradients of the exponentials."""
    for i in range(n):
        own[i] = log(real(others[i])) + (top[i] - own[i])  # the margin
    total = 0.0
    for i in range(n):
        if curvature is not None:
            value, slope, bent = order2(own[i], *parameters)
            push[i] = scale * factors[i] * slope
            bend[i] = scale * factors[i] * bent
        elif gradient is not None:
            value, slope = order1(own[i], *parameters)
            push[i] = scale * factors[i] * slope
        else:
            value = order0(own[i], *parameters)
        own[i] = value * factors[i]
    for i in range(n):
        if factors[i] == 0:  # 0, be the formula NaN at a margin of none
            own[i] = real(0)
            push[i] = real(0)
        total += own[i]
    if values is not None:
        for i in range(n):
            values[low + i] = own[i]
    if gradient is not None:
        for i in range(n):
            # Of no other class with a share: 0/1, not 0/0.
            top[i] = push[i] / (real(1) if others[i] == 0 else real(others[i]))
    return total


def bend_of_row(e, t, push, bend, others, curvature):
    """Of the diagonal: q (1 - q), where 1 - q of the leader is the share of the rest, summed apart."""
    if others == 0:
        others = 1.0
    leader = -1
    rest = 0.0
    for c in range(curvature.size):
        if leader < 0 and e[c] == 1:
            leader = c
        else:
            rest += e[c]
    for c in range(curvature.size):
        q = real(e[c] / others)
        left = real(1) - q if c != leader else real(rest / others)
        curvature[c] = bend * q * q + push * q * left
    curvature[t] = bend


def loop(
    logits,
    target,
    weight,
    class_weight,
    values,
    gradient,
    curvature,
    sums,
    ignore,
    first,
    last,
    rows_in_block,
    scale,
    parameters,
):
    """Rows of class indices: blocks first..last. A row that is ignored or of weight 0 counts nothing, whatever it is."""
    classes = logits.shape[1]
    few, many = curvature is None and 1 < classes <= FEW, classes >= MANY
    together = min(ROWS if few else 1 if many else NEAR // max(1, classes), ROWS, rows_in_block)
    long = -(-classes // LANES) * LANES
    room = room_for(ROOM, dtype)
    if many:
        e = numpy.empty((1, long), dtype)
    elif few:
        e = room[: classes * together].reshape(classes, together)
    else:
        e = room[: together * long].reshape(together, long)
    own, top, factors = room_for(ROWS, dtype), room_for(ROWS, dtype), room_for(ROWS, dtype)
    push, bend, others = room_for(ROWS, dtype), room_for(ROWS, dtype), room_for(ROWS, numpy.float64)
    z, t = borrowed(logits), borrowed(target)
    if gradient is not None:
        all_g = borrowed(gradient)
    for block in range(first, last):
        total = 0.0
        bottom = min((block + 1) * rows_in_block, logits.shape[0])
        for low in range(block * rows_in_block, bottom, together):
            n = min(together, bottom - low)
            weigh(t, weight, class_weight, ignore, low, n, factors)
            if few:
                turned(z, t, factors, low, n, e, own, top, others)
            elif many:
                alone(z[low], t[low], factors[0], row_for(gradient, low, e[0, :classes]), own, top, others)
            else:
                lengthwise(z, t, factors, low, n, e, own, top, others)
            total += judge(
                values, gradient, curvature, low, n, scale, parameters, own, top, factors, push, bend, others
            )  # fmt: skip
            if curvature is not None:
                for i in range(n):
                    if factors[i] == 0:
                        curvature[low + i, :] = real(0)
                    else:
                        x = row_for(gradient, low, e[0, :classes]) if many else e[i]
                        bend_of_row(x, t[low + i], push[i], bend[i], others[i], curvature[low + i])
            if gradient is not None:
                g = all_g[low : low + n]
                if few:
                    for c in range(classes):
                        x = e[c]
                        for i in range(n):
                            g[i, c] = rounded(x[i] * top[i], g)
                elif many:
                    put_scaled(row_for(gradient, low, e[0, :classes]), top[0], gradient, low)
                else:
                    for i in range(n):
                        row = g[i]
                        for c in range(classes):
                            row[c] = rounded(e[i, c] * top[i], g)
                for i in range(n):
                    if factors[i] != 0:
                        g[i, t[low + i]] = rounded(-push[i], g)
        sums[block] = total


def run(
    kernel: Any,
    logits: Any,
    rows: tuple,
    weight: Any,
    class_weight: Any,
    outputs: Mapping[str, Any],
    ignore: int,
    scale: Any,
    parameters: tuple,
) -> float:
    """Run a compiled loop over a matrix of logits; returns the weighted sum. `rows` says what each row is
    judged by: (target,) for `loop`; (target, probabilities, smoothing) for `spread_loop`."""
    values, gradient, curvature = outputs.get("values"), outputs.get("gradient"), outputs.get("curvature")
    rows_in_block = max(1, ELEMENTS // max(1, logits.shape[1]))
    blocks = -(-logits.shape[0] // rows_in_block)
    sums = numpy.empty(blocks)

    def part(first: int, last: int) -> None:
        kernel(
            logits,
            *rows,
            weight,
            class_weight,
            values,
            gradient,
            curvature,
            sums,
            ignore,
            first,
            last,
            rows_in_block,
            scale,
            parameters,
        )

    share(blocks, part, SERIAL)
    return float(numpy.add.reduce(sums))

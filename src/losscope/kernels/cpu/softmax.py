"""The softmax loops: a few rows of logits at a time, in passes that stay in the processor's cache.

A formula sees the margin of a class, logsumexp(the other classes) - its logit. The class's own logit never enters
the sum, and each sum is taken relative to its own largest term, so nothing cancels or underflows for a
confident row. Both loops are written into every generated module, beside the formula's `order0..2`.
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
LANES = 16  # numbers, a whole number of any processor's steps


def largest(row):
    """The largest of a row; -inf of none. Compared as integers of the same order, which vectorises; NaN is
    met by the exponentials that follow."""
    top = order_key(real(-numpy.inf))
    for i in range(row.size):
        top = max(top, order_key(number(row[i])))
    return from_order_key(top)


def place_of_largest(row, but):
    """The first place of the largest of a row, but for one place."""
    lowest = order_key(real(-numpy.inf))
    top = lowest
    for i in range(row.size):
        top = max(top, order_key(number(row[i])) if i != but else lowest)
    place = row.size - 1  # of nothing but NaN whose sign is negative, it is as good as any
    for i in range(row.size):
        place = min(place, i if i != but and order_key(number(row[i])) == top else row.size)
    return place


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


def clear(row, values, gradient, curvature):
    """A row that counts nothing."""
    if values is not None:
        values[row] = real(0)
    if gradient is not None:
        gradient[row, :] = rounded(real(0), gradient)
    if curvature is not None:
        curvature[row, :] = real(0)


def weigh(target, weight, class_weight, ignore, low, n, factors):
    """The weight of each of the rows low..low+n: 0 of one that is ignored."""
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


def turned(logits, target, ignore, low, n, e, own, top, others):
    """e[c, i] = exp(z_c - top) of row low + i, their sum, and its own logit apart. Of rows of so few classes that a loop
    over them is all beginning and end: turned, class by class, each step is taken for all rows at once."""
    classes = logits.shape[1]
    z, t = logits[low : low + n], target[low : low + n]
    for c in range(classes):
        x = e[c]
        for i in range(n):
            x[i] = number(z[i, c])
    for i in range(n):
        if t[i] == ignore:
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


def lengthwise(logits, target, ignore, low, n, e, own, top, others):
    """The same of longer rows, e[i, c]: lengthened to whole steps of the processor by classes that have no part. One step
    for all rows, then the next: what has just been written in pieces cannot be read as a whole at once."""
    classes = logits.shape[1]
    steps = -(-classes // LANES)
    for i in range(n):
        t = target[low + i]
        z, x = logits[low + i], e[i]
        if t == ignore:
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


def alone(z, t, ignore, e, own, top, others):
    """The same of one row of many classes, which is read where it is."""
    if t == ignore:
        e[:] = real(0)
        own[0], top[0], others[0] = real(0), real(0), 1.0
        return
    highest = max(largest(z[:t]), largest(z[t + 1 :]))
    if highest == -numpy.inf:
        highest = real(0)  # -inf - -inf would be NaN
    own[0], top[0] = number(z[t]), highest
    others[0] = exponentials(z, highest, t, e)


def judge(
    target, values, gradient, curvature, ignore, low, n, scale, parameters, own, top, factors, push, bend, others
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
        if target[low + i] == ignore:  # 0, be the formula NaN at a margin of none
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
    """Rows of class indices: blocks first..last. A row whose target is `ignore` counts nothing."""
    classes = logits.shape[1]
    few, many = curvature is None and 1 < classes <= FEW, classes >= MANY
    together = min(ROWS if few else 1 if many else NEAR // max(1, classes), ROWS, rows_in_block)
    e = numpy.empty((classes, together) if few else (together, -(-classes // LANES) * LANES), dtype)
    of_rows, others = numpy.empty((5, together), dtype), numpy.empty(together)
    own, top, factors, push, bend = of_rows[0], of_rows[1], of_rows[2], of_rows[3], of_rows[4]
    for block in range(first, last):
        total = 0.0
        bottom = min((block + 1) * rows_in_block, logits.shape[0])
        for low in range(block * rows_in_block, bottom, together):
            n = min(together, bottom - low)
            weigh(target, weight, class_weight, ignore, low, n, factors)
            if few:
                turned(logits, target, ignore, low, n, e, own, top, others)
            elif many:
                alone(
                    logits[low], target[low], ignore, row_for(gradient, low, e[0, :classes]), own, top, others
                )
            else:
                lengthwise(logits, target, ignore, low, n, e, own, top, others)
            total += judge(
                target, values, gradient, curvature, ignore, low, n, scale, parameters, own, top, factors, push, bend, others
            )  # fmt: skip
            if curvature is not None:
                for i in range(n):
                    t = target[low + i]
                    if t == ignore:
                        curvature[low + i, :] = real(0)
                    else:
                        x = row_for(gradient, low, e[0, :classes]) if many else e[i]
                        bend_of_row(x, t, push[i], bend[i], others[i], curvature[low + i])
            if gradient is not None:
                if few:
                    g = gradient[low : low + n]
                    for c in range(classes):
                        x = e[c]
                        for i in range(n):
                            g[i, c] = rounded(x[i] * top[i], g)
                elif many:
                    put_scaled(row_for(gradient, low, e[0, :classes]), top[0], gradient, low)
                else:
                    for i in range(n):
                        g = gradient[low + i]
                        for c in range(classes):
                            g[c] = rounded(e[i, c] * top[i], g)
                for i in range(n):
                    t = target[low + i]
                    if t != ignore:
                        gradient[low + i, t] = rounded(-push[i], gradient)
        sums[block] = total


def shares(probabilities, row, t, smoothing, class_weight, p):
    """What each class of a row has of the loss: its probability or, of the class t, 1, smoothed and weighed."""
    each, kept = smoothing / real(p.size), real(1) - smoothing
    if probabilities is None:
        for c in range(p.size):
            p[c] = each
        p[t] += kept
    else:
        given = probabilities[row]
        for c in range(p.size):
            p[c] = number(given[c]) * kept + each
    if class_weight is not None:
        for c in range(p.size):
            p[c] = p[c] * class_weight[c]


def of_logsumexp(z, p, e, k, runner_up, top, second, x, beyond, room, gradient, row, factor):
    """A row's loss where the formula of a margin is log(1 + exp(margin)), and so that of a class logsumexp(z) - z_c:
    one logarithm for all classes, and no term that cancels. The arguments are those of `of_each_class`."""
    for c in range(p.size):
        zc = number(z[c])
        # A class without a share says nothing, be its logit -inf.
        room[c] = where((p[c] == 0) & (zc == zc), real(0), p[c] * (top - zc))
    of_leader = p[k]
    # Of an infinite leader 0, if no other is; of two it is anything, NaN.
    room[k] = of_leader * (second - top) if second == top and of_leader != 0 else real(0)
    apart = total_of(room)
    p[k] = real(0)
    of_others = total_of(p)
    rest = beyond + e[runner_up]
    near = x * real(rest)
    if gradient is not None:
        g = gradient[row]
        push = factor / (real(1) + near) if apart == apart else real(numpy.nan)
        together, in_sum = real(of_others + of_leader), real(rest)
        for c in range(p.size):
            share = x * e[c] * (together - p[c])
            g[c] = rounded(push * (share - p[c] * (real(1) + x * (in_sum - e[c]))), g)
        c = runner_up  # whose others, without the leader, may be as good as nothing
        if c != k:
            share = x * e[c] * (together - p[c])
            g[c] = rounded(push * (share - p[c] * (real(1) + x * real(beyond))), g)
        g[k] = rounded(push * (real(of_others) - of_leader * near), g)
    return (of_others + of_leader) * log1p(near) + apart


def of_each_class(
    z, p, e, k, runner_up, top, second, x, beyond, of_classes, gradient, curvature, row, factor, parameters
):
    """A row's loss by the margin of each class: p is the class's share, k the leader, e_c = exp(z_c - second) but 0 of
    the leader, `beyond` the sum of those of all but the runner-up, x = exp(second - top)."""
    classes = p.size
    near, margins, pull, bends, through = (
        of_classes[0], of_classes[1], of_classes[2], of_classes[3], of_classes[4],
    )  # fmt: skip
    rest = beyond + e[runner_up]
    # One step at a time for all classes: what is summed in double precision would halve the lanes of the rest.
    for c in range(classes):
        near[c] = x * real(rest - e[c])
    for c in range(classes):
        margins[c] = log1p(near[c]) + (top - number(z[c]))
    margins[k] = log(real(rest)) + (second - top)
    for c in range(classes):
        # A class without a share says nothing, be its logit -inf.
        silent = (p[c] == 0) & (z[c] == z[c])
        if curvature is not None:
            value, slope, bend = order2(margins[c], *parameters)
            bends[c] = where(silent, real(0), p[c] * bend)
        elif gradient is not None:
            value, slope = order1(margins[c], *parameters)
        else:
            value = order0(margins[c], *parameters)
        if gradient is not None:
            pull[c] = where(silent, real(0), p[c] * slope)
        margins[c] = where(silent, real(0), p[c] * value)
    if rest == 0:
        rest = 1.0  # no other class has a share: 0/1, not 0/0
    if gradient is not None:
        leader_pull = pull[k]
        pull[k] = real(0)
        for c in range(classes):
            through[c] = pull[c] / (real(1) + near[c])
        pulled = total_of(through)
        g = gradient[row]
        for c in range(classes):
            share = x * real(pulled - through[c]) + leader_pull / real(rest)
            g[c] = rounded(factor * (e[c] * share - pull[c]), g)
        g[k] = rounded(factor * (real(pulled) - leader_pull), g)
    if curvature is not None:
        bent = 0.0
        leader_bend = 0.0
        for c in range(classes):
            if c != k:
                o = real(1) + near[c]
                bent += (bends[c] - pull[c]) / (o * o)
                leader_bend += (bends[c] + pull[c] * near[c]) / (o * o)
        for c in range(classes):
            if c == k:
                curvature[row, c] = factor * (real(leader_bend) + bends[c])
            else:
                o = real(1) + near[c]
                q = x * e[c]
                through_others = (
                    real(pulled - pull[c] / o) * q + real(bent - (bends[c] - pull[c]) / (o * o)) * q * q
                )
                q = e[c] / real(rest)
                left = real(beyond / rest) if c == runner_up else real(1) - q
                through_leader = bends[k] * q * q + leader_pull * q * left
                curvature[row, c] = factor * (bends[c] + through_others + through_leader)
    return total_of(margins)


def spread_loop(
    logits,
    target,
    probabilities,
    smoothing,
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
    """Rows of probabilities (given, or a class index smoothed): the mean of the formula over the classes.

    Relative to the leader k (the largest logit) and the largest of the rest: e_c = exp(z_c - second),
    x = exp(second - z_k), and each class's own others o_c = 1 + x (sum of e - e_c), in units of exp(z_k).
    """
    classes = logits.shape[1]
    p, e = numpy.empty(classes, dtype), numpy.empty(classes, dtype)
    of_classes = numpy.empty((5, classes), dtype)
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, logits.shape[0])):
            t = 0
            if probabilities is None:
                t = target[row]
                if t == ignore:
                    clear(row, values, gradient, curvature)
                    continue
            shares(probabilities, row, t, smoothing, class_weight, p)
            z = logits[row]
            k = place_of_largest(z, -1)
            runner_up = place_of_largest(z, k) if classes > 1 else k
            top, second = number(z[k]), number(z[runner_up])
            if second == -numpy.inf:
                second = real(0)  # -inf - -inf would be NaN
            x = exp(real(0) if second == top else second - top)  # 1 of two that are infinite
            exponentials(z, second, k, e)  # the leader is apart
            of_runner_up = e[runner_up]
            e[runner_up] = real(0)
            beyond = total_of(e)
            e[runner_up] = of_runner_up
            factor = scale
            if weight is not None:
                factor = factor * weight[row]
            if OF_LOGSUMEXP and curvature is None:
                loss = of_logsumexp(
                    z, p, e, k, runner_up, top, second, x, beyond, of_classes[0], gradient, row, factor
                )
            else:
                loss = of_each_class(
                    z, p, e, k, runner_up, top, second, x, beyond, of_classes, gradient, curvature, row, factor, parameters
                )  # fmt: skip
            value = real(loss)
            if weight is not None:
                value = value * weight[row]
            if values is not None:
                values[row] = value
            total += value
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

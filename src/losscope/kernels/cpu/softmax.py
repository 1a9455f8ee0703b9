"""The softmax loops: one row of logits at a time, in two or three passes that stay in the processor's cache.

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


def largest(row):
    """The largest of a row; -inf of none. Compared as integers of the same order, which vectorises; NaN is
    met by the exponentials that follow."""
    top = order_key(real(-numpy.inf))
    for i in range(row.size):
        top = max(top, order_key(row[i]))
    return from_order_key(top)


def exponentials(row, top, out):
    """out[i] = exp(row[i] - top), for a top that none exceeds; returns their sum in double precision. Of an infinite
    top, too, what equals it has 1: the share goes to it, or is divided among those that are infinite."""
    total = 0.0
    for i in range(row.size):
        e = exp_nonpositive(real(0) if row[i] == top else row[i] - top)
        if out is not None:
            out[i] = e
        total += e
    return total


def rescale(row, factor):
    for i in range(row.size):
        row[i] = row[i] * factor


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
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, logits.shape[0])):
            t = target[row]
            if t == ignore:
                if values is not None:
                    values[row] = real(0)
                if gradient is not None:
                    gradient[row, :] = real(0)
                if curvature is not None:
                    curvature[row, :] = real(0)
                continue
            z = logits[row]
            before, after = z[:t], z[t + 1 :]
            top = max(largest(before), largest(after))
            if top == -numpy.inf:
                top = real(0)  # -inf - -inf would be NaN
            if gradient is not None:
                g = gradient[row]
                others = exponentials(before, top, g[:t]) + exponentials(after, top, g[t + 1 :])
            else:
                others = exponentials(before, top, None) + exponentials(after, top, None)
            margin = log(real(others)) + (top - z[t])
            if curvature is not None:
                value, slope, bend = order2(margin, *parameters)
            elif gradient is not None:
                value, slope = order1(margin, *parameters)
            else:
                value = order0(margin, *parameters)
            factor = scale
            if weight is not None:
                factor = factor * weight[row]
                value = value * weight[row]
            if class_weight is not None:
                factor = factor * class_weight[t]
                value = value * class_weight[t]
            if others == 0:
                others = 1.0  # no other class has a share: 0/1, not 0/0
            if curvature is not None:
                # Of the diagonal: q (1 - q), where 1 - q of the leader is the share of the rest, summed apart.
                h = curvature[row]
                leader = -1
                rest = 0.0
                for i in range(classes):
                    if i != t and leader < 0 and z[i] == top:
                        leader = i
                    elif i != t:
                        rest += g[i]
                for i in range(classes):
                    q = real(g[i] / others)
                    left = real(1) - q if i != leader else real(rest / others)
                    h[i] = factor * (bend * q * q + slope * q * left)
                h[t] = factor * bend
            if gradient is not None:
                push = factor * (slope / real(others))
                rescale(g[:t], push)
                rescale(g[t + 1 :], push)
                g[t] = -factor * slope
            if values is not None:
                values[row] = value
            total += value
        sums[block] = total


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
    p, e, pull, own = numpy.empty((4, classes), logits.dtype)
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, logits.shape[0])):
            if probabilities is None:
                t = target[row]
                if t == ignore:
                    if values is not None:
                        values[row] = real(0)
                    if gradient is not None:
                        gradient[row, :] = real(0)
                    if curvature is not None:
                        curvature[row, :] = real(0)
                    continue
                p[:] = smoothing / real(classes)
                p[t] += real(1) - smoothing
            else:
                for c in range(classes):
                    p[c] = probabilities[row, c] * (real(1) - smoothing) + smoothing / real(classes)
            if class_weight is not None:
                for c in range(classes):
                    p[c] = p[c] * class_weight[c]
            z = logits[row]
            k = 0
            for c in range(classes):
                if z[c] > z[k] or z[c] != z[c]:
                    k = c
            runner_up = -1
            for c in range(classes):
                if c != k and (runner_up < 0 or z[c] > z[runner_up]):
                    runner_up = c
            top = z[k]
            second = z[runner_up] if runner_up >= 0 else top
            if second == -numpy.inf:
                second = real(0)  # -inf - -inf would be NaN
            x = exp(real(0) if second == top else second - top)  # 1 of two that are infinite
            exponentials(z, second, e)
            e[k] = real(0)  # it may have overflowed; the leader is apart
            beyond = 0.0
            for c in range(classes):  # e[k] is 0
                if c != runner_up:
                    beyond += e[c]
            rest = beyond + (e[runner_up] if runner_up >= 0 else real(0))
            factor = scale
            if weight is not None:
                factor = factor * weight[row]
            loss = 0.0
            pulled = 0.0
            bent = 0.0
            leader_bend = 0.0
            leader_pull = real(0)
            for c in range(classes):
                pull[c] = real(0)
                own[c] = real(0)
                if p[c] == 0 and z[c] == z[c]:
                    continue  # a class without a share says nothing, be its logit -inf
                if c == k:
                    margin = log(real(rest)) + (second - top)
                    near = real(0)
                else:
                    near = x * real(rest - e[c])
                    margin = log1p(near) + (top - z[c])
                if curvature is not None:
                    value, slope, bend = order2(margin, *parameters)
                elif gradient is not None:
                    value, slope = order1(margin, *parameters)
                else:
                    value = order0(margin, *parameters)
                loss += p[c] * value
                o = real(1) + near
                if gradient is not None:
                    pull[c] = p[c] * slope
                    if c == k:
                        leader_pull = pull[c]
                    else:
                        pulled += pull[c] / o
                if curvature is not None:
                    own[c] = p[c] * bend
                    if c != k:
                        bent += (own[c] - pull[c]) / (o * o)
                        leader_bend += (own[c] + pull[c] * near) / (o * o)
            if rest == 0:
                rest = 1.0  # no other class has a share: 0/1, not 0/0
            if gradient is not None:
                for c in range(classes):
                    if c == k:
                        gradient[row, c] = factor * (real(pulled) - pull[c])
                    else:
                        o = real(1) + x * real(rest - e[c])
                        share = x * real(pulled - pull[c] / o) + leader_pull / real(rest)
                        gradient[row, c] = factor * (e[c] * share - pull[c])
            if curvature is not None:
                for c in range(classes):
                    if c == k:
                        curvature[row, c] = factor * (real(leader_bend) + own[c])
                    else:
                        o = real(1) + x * real(rest - e[c])
                        q = x * e[c]
                        through_others = (
                            real(pulled - pull[c] / o) * q + real(bent - (own[c] - pull[c]) / (o * o)) * q * q
                        )
                        q = e[c] / real(rest)
                        left = real(beyond / rest) if c == runner_up else real(1) - q
                        through_leader = own[k] * q * q + leader_pull * q * left
                        curvature[row, c] = factor * (own[c] + through_others + through_leader)
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

"""The loop of softmax losses whose rows are judged by probabilities, or by a class that is smoothed.

Every class has a share of its row's loss, and a margin of its own. As in `softmax.py`, whose functions serve here
too, no class's own logit enters the sum that it is compared with.
"""

import numpy


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


def clear(row, values, gradient, curvature):
    """A row that counts nothing."""
    if values is not None:
        values[row] = real(0)
    if gradient is not None:
        gradient[row, :] = rounded(real(0), gradient)
    if curvature is not None:
        curvature[row, :] = real(0)


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
            if (weight is not None and weight[row] == 0) or (class_weight is not None and not p.any()):
                clear(row, values, gradient, curvature)
                continue
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

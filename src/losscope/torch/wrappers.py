"""What is compiled around the loops of a generated module; nothing here is ever called as it stands.

All names that stand for tensors are addresses, or None for what is not there. Each function is named for the module of
its loops, and takes as its last two arguments who runs it (`losscope.torch.openmp.run`); what runs some of its blocks is
named so. Free names are the generated module's, and those that `losscope.torch.loops` puts beside them: NUMBERS is of
the dtype of the tensors, REALS of the one it is computed in.
"""

# mypy: ignore-errors
# ruff: noqa: F821

import numpy


def elementwise_blocks(
    prediction, target, weight, varying, values, gradient, target_gradient, sums, strays,
    size, period, scale, parameters, first, last,
):  # fmt: skip
    blocks = (size + BLOCK - 1) // BLOCK
    loop(
        array_at(prediction, size, NUMBERS), array_at(target, size, NUMBERS), array_at(weight, size, NUMBERS),
        array_at(varying, period, REALS), array_at(values, size, NUMBERS), array_at(gradient, size, NUMBERS),
        array_at(target_gradient, size, NUMBERS), None, array_at(sums, blocks, DOUBLES), array_at(strays, blocks, REALS),
        first, last, scale, parameters,
    )  # fmt: skip


def elementwise(
    prediction, target, weight, varying, values, gradient, target_gradient, result, watched,
    size, period, scale, value_scale, parameters, parallel, threads,
):  # fmt: skip
    """What is returned: whether an element is outside the domain, if `watched` is not None."""
    blocks = (size + BLOCK - 1) // BLOCK
    sums, strays = numpy.empty(blocks), strays_at(watched, blocks, REALS)
    arguments = (
        prediction, target, weight, varying, values, gradient, target_gradient, sums.ctypes.data, address_of(strays),
        size, period, real(scale), parameters,
    )  # fmt: skip
    on_all(elementwise_blocks, arguments, blocks, parallel, threads)
    write(sums.sum() * value_scale, result, NUMBERS)
    return found(strays)


def softmax_survey(target, class_weight, rows, classes, ignore):
    """The first row whose class is none (-1: there is none), and the summed weight of the rows that count."""
    t, c = array_at(target, rows, INTEGERS), array_at(class_weight, classes, REALS)
    total = 0.0
    for row in range(rows):
        k = t[row]
        if k != ignore:
            if k < 0 or k >= classes:
                return row, total
            if class_weight is None:
                total += 1.0
            else:
                total += c[k]
    return -1, total


def counted(target, class_weight, rows, classes, ignore, scale, mean):
    """The first row whose class is none, or -1; and the scale, of a mean over the weight of the rows that count."""
    wrong, weighed = softmax_survey(target, class_weight, rows, classes, ignore)
    return wrong, scale / weighed if mean else scale


def softmax_blocks(
    logits, target, weight, class_weight, values, gradient, sums, blocks,
    rows, classes, rows_in_block, ignore, scale, parameters, first, last,
):  # fmt: skip
    loop(
        matrix_at(logits, rows, classes, NUMBERS), array_at(target, rows, INTEGERS), array_at(weight, rows, REALS), array_at(class_weight, classes, REALS),
        array_at(values, rows, REALS), matrix_at(gradient, rows, classes, NUMBERS), None, array_at(sums, blocks, DOUBLES),
        ignore, first, last, rows_in_block, scale, parameters,
    )  # fmt: skip


def softmax(
    logits, target, weight, class_weight, values, gradient, result,
    rows, classes, rows_in_block, ignore, scale, mean, parameters, parallel, threads,
):  # fmt: skip
    """What is returned: the first row whose class is none, or -1; the total, and the scale that is in it."""
    wrong, scale = counted(target, class_weight, rows, classes, ignore, scale, mean)
    if wrong >= 0:
        return wrong, 0.0, scale
    blocks = (rows + rows_in_block - 1) // rows_in_block
    sums = numpy.empty(blocks)
    arguments = (
        logits, target, weight, class_weight, values, gradient, sums.ctypes.data, blocks,
        rows, classes, rows_in_block, ignore, real(scale), parameters,
    )  # fmt: skip
    on_all(softmax_blocks, arguments, blocks, parallel, threads)
    total = sums.sum() * scale
    write(total, result, NUMBERS)
    return wrong, total, scale


def softmax_mean(logits, target, gradient, result, rows, classes, ignore, parameters):
    """The mean over the rows of one block, by their classes and nothing weighed: most calls, with half as many arguments.
    What is returned: the scale that is in the mean, or 0 if a class is none."""
    wrong, _, scale = softmax(
        logits, target, None, None, None, gradient, result,
        rows, classes, rows, ignore, 1.0, True, parameters, 0, 1,
    )  # fmt: skip
    return scale if wrong < 0 else 0.0


def weigh_blocks(gradient, upstream, target, rows, classes, ignore, rows_in_block, first, last):
    g, by, t = (
        matrix_at(gradient, rows, classes, NUMBERS),
        array_at(upstream, rows, REALS),
        array_at(target, rows, INTEGERS),
    )
    for row in range(first * rows_in_block, min(last * rows_in_block, rows)):
        if target is None or t[row] != ignore:
            for c in range(classes):
                g[row, c] *= by[row]


def softmax_weigh(gradient, upstream, target, rows, classes, ignore, rows_in_block, parallel, threads):
    """Each row of the gradient times its upstream; of a row that is ignored it stays 0, whatever that is."""
    blocks = (rows + rows_in_block - 1) // rows_in_block
    arguments = (gradient, upstream, target, rows, classes, ignore, rows_in_block)
    on_all(weigh_blocks, arguments, blocks, parallel, threads)


def spread_blocks(
    logits, target, probabilities, smoothing, weight, class_weight, values, gradient, sums, blocks,
    rows, classes, rows_in_block, ignore, scale, parameters, first, last,
):  # fmt: skip
    spread_loop(
        matrix_at(logits, rows, classes, NUMBERS), array_at(target, rows, INTEGERS), matrix_at(probabilities, rows, classes, NUMBERS), smoothing,
        array_at(weight, rows, REALS), array_at(class_weight, classes, REALS), array_at(values, rows, REALS),
        matrix_at(gradient, rows, classes, NUMBERS), None, array_at(sums, blocks, DOUBLES),
        ignore, first, last, rows_in_block, scale, parameters,
    )  # fmt: skip


def spread(
    logits, target, probabilities, smoothing, weight, class_weight, values, gradient, result,
    rows, classes, rows_in_block, ignore, scale, mean, parameters, parallel, threads,
):  # fmt: skip
    wrong = -1
    if probabilities is None:
        wrong, scale = counted(target, class_weight, rows, classes, ignore, scale, mean)
    elif mean:
        scale = scale / rows
    if wrong >= 0:
        return wrong, 0.0, scale
    blocks = (rows + rows_in_block - 1) // rows_in_block
    sums = numpy.empty(blocks)
    arguments = (
        logits, target, probabilities, smoothing, weight, class_weight, values, gradient, sums.ctypes.data, blocks,
        rows, classes, rows_in_block, ignore, real(scale), parameters,
    )  # fmt: skip
    on_all(spread_blocks, arguments, blocks, parallel, threads)
    total = sums.sum() * scale
    write(total, result, NUMBERS)
    return wrong, total, scale


def rivals_blocks(
    scores, target, weight, values, gradient, sums, blocks, rows, classes, right, rows_in_block, scale, parameters, first, last
):  # fmt: skip
    loop(
        matrix_at(scores, rows, classes, REALS), matrix_at(target, rows, right, INTEGERS), array_at(weight, rows, REALS),
        array_at(values, rows, REALS), matrix_at(gradient, rows, classes, REALS), array_at(sums, blocks, DOUBLES),
        first, last, rows_in_block, scale, parameters,
    )  # fmt: skip


def rivals(
    scores, target, weight, values, gradient, rows, classes, right, rows_in_block, scale, parameters, parallel, threads
):  # fmt: skip
    """The scaled total."""
    blocks = (rows + rows_in_block - 1) // rows_in_block
    sums = numpy.empty(blocks)
    arguments = (
        scores, target, weight, values, gradient, sums.ctypes.data, blocks, rows, classes, right, rows_in_block,
        real(scale), parameters,
    )  # fmt: skip
    on_all(rivals_blocks, arguments, blocks, parallel, threads)
    return sums.sum() * scale


def rivals_are_classes(target, size, lowest, classes):
    """Whether every class lies between `lowest` and the number of classes."""
    t = array_at(target, size, INTEGERS)
    wrong = 0
    for i in range(size):
        wrong += (t[i] < lowest) | (t[i] >= classes)
    return wrong == 0

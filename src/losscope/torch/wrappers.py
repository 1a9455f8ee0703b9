"""What is compiled around the loops of a generated module; nothing here is ever called as it stands.

All names that stand for tensors are addresses, or None for what is not there. `at`, `rows` and `spread` run blocks
first..last, `whole` all of a small input in one call. Each is named for the module of its loops. Free names are the generated module's, and those that
`losscope.torch.loops` puts beside them: NUMBERS is of the dtype of the tensors, REALS of the one it is computed in.
"""

# mypy: ignore-errors
# ruff: noqa: F821

import numpy


def elementwise_at(
    prediction, target, weight, varying, values, gradient, target_gradient, sums, strays,
    size, period, first, last, scale, parameters,
):  # fmt: skip
    blocks = (size + BLOCK - 1) // BLOCK
    loop(
        array_at(prediction, size, NUMBERS), array_at(target, size, NUMBERS), array_at(weight, size, NUMBERS),
        array_at(varying, period, REALS), array_at(values, size, NUMBERS), array_at(gradient, size, NUMBERS),
        array_at(target_gradient, size, NUMBERS), None, array_at(sums, blocks, DOUBLES), array_at(strays, blocks, REALS),
        first, last, real(scale), parameters,
    )  # fmt: skip


def elementwise_whole(
    prediction, target, weight, varying, values, gradient, target_gradient, result,
    size, period, scale, value_scale, parameters,
):  # fmt: skip
    blocks = (size + BLOCK - 1) // BLOCK
    sums, strays = numpy.empty(blocks), numpy.empty(blocks, REALS.dtype)
    loop(
        array_at(prediction, size, NUMBERS), array_at(target, size, NUMBERS), array_at(weight, size, NUMBERS),
        array_at(varying, period, REALS), array_at(values, size, NUMBERS), array_at(gradient, size, NUMBERS),
        array_at(target_gradient, size, NUMBERS), None, sums, strays, 0, blocks, real(scale), parameters,
    )  # fmt: skip
    write(sums.sum() * value_scale, result, NUMBERS)
    return strays.any()


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


def scaled(sums, target, class_weight, rows, classes, ignore, scale, mean):
    """The first row whose class is none, or -1; and the scale, of a mean over the weight of the rows that count. Rows
    that leave their sums with the caller have been looked at."""
    if sums is not None:
        return -1, scale
    wrong, weighed = softmax_survey(target, class_weight, rows, classes, ignore)
    return wrong, scale / weighed if mean else scale


def softmax_rows(
    logits, target, weight, class_weight, values, gradient, sums, result,
    rows, classes, rows_in_block, ignore, first, last, scale, mean, parameters,
):  # fmt: skip
    """What is returned: the first row whose class is none, or -1; the total, and the scale that is in it."""
    wrong, scale = scaled(sums, target, class_weight, rows, classes, ignore, scale, mean)
    if wrong >= 0:
        return wrong, 0.0, scale
    s = sums_at(sums, (rows + rows_in_block - 1) // rows_in_block)
    loop(
        matrix_at(logits, rows, classes, NUMBERS), array_at(target, rows, INTEGERS), array_at(weight, rows, REALS), array_at(class_weight, classes, REALS),
        array_at(values, rows, REALS), matrix_at(gradient, rows, classes, NUMBERS), None, s,
        ignore, first, last, rows_in_block, real(scale), parameters,
    )  # fmt: skip
    return wrong, finish(s, scale, sums, result, NUMBERS), scale


def softmax_spread(
    logits, target, probabilities, smoothing, weight, class_weight, values, gradient, sums, result,
    rows, classes, rows_in_block, ignore, first, last, scale, mean, parameters,
):  # fmt: skip
    wrong = -1
    if probabilities is None:
        wrong, scale = scaled(sums, target, class_weight, rows, classes, ignore, scale, mean)
    elif mean:
        scale = scale / rows
    if wrong >= 0:
        return wrong, 0.0, scale
    s = sums_at(sums, (rows + rows_in_block - 1) // rows_in_block)
    spread_loop(
        matrix_at(logits, rows, classes, NUMBERS), array_at(target, rows, INTEGERS), matrix_at(probabilities, rows, classes, NUMBERS), smoothing,
        array_at(weight, rows, REALS), array_at(class_weight, classes, REALS), array_at(values, rows, REALS),
        matrix_at(gradient, rows, classes, NUMBERS), None, s,
        ignore, first, last, rows_in_block, real(scale), parameters,
    )  # fmt: skip
    return wrong, finish(s, scale, sums, result, NUMBERS), scale


def rivals_rows(
    scores,
    target,
    weight,
    values,
    gradient,
    sums,
    rows,
    classes,
    right,
    rows_in_block,
    first,
    last,
    scale,
    parameters,
):
    blocks = (rows + rows_in_block - 1) // rows_in_block
    loop(
        matrix_at(scores, rows, classes, REALS), matrix_at(target, rows, right, INTEGERS), array_at(weight, rows, REALS),
        array_at(values, rows, REALS), matrix_at(gradient, rows, classes, REALS), array_at(sums, blocks, DOUBLES),
        first, last, rows_in_block, real(scale), parameters,
    )  # fmt: skip


def rivals_are_classes(target, size, lowest, classes):
    """Whether every class lies between `lowest` and the number of classes."""
    t = array_at(target, size, INTEGERS)
    wrong = 0
    for i in range(size):
        wrong += (t[i] < lowest) | (t[i] >= classes)
    return wrong == 0

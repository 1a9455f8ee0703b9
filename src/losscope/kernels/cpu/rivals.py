"""The loop over rivals: each right class of a row against each class that is not.

Written into every generated module of that structure, beside the formula's `order0..2`; never called here.
"""

from __future__ import annotations

import numpy

ELEMENTS = 16384  # a block holds as many rows as make about this many scores
SERIAL = 8


def against(scores, own, rival, factor, gradient, parameters):
    """One right class, of score `own`, against the rivals: the sum of the terms, and that of their slopes, each of
    which is added to the rival's gradient times `factor`."""
    total = 0.0
    pull = 0.0
    for i in range(scores.size):
        if gradient is not None:
            value, slope = order1(scores[i] - own, *parameters)
            slope = where(rival[i] > 0, slope, real(0))
            gradient[i] += factor * slope
            pull += slope
        else:
            value = order0(scores[i] - own, *parameters)
        total += where(rival[i] > 0, value, real(0))
    return total, pull


def loop(scores, target, weight, values, gradient, sums, first, last, rows_in_block, scale, parameters):
    """Blocks of rows first..last. target[row] holds the right classes, up to the first that is negative."""
    classes = scores.shape[1]
    rival = numpy.empty(classes, scores.dtype)  # 1 or 0, in lanes as wide as the scores'
    for block in range(first, last):
        total = 0.0
        for row in range(block * rows_in_block, min((block + 1) * rows_in_block, scores.shape[0])):
            if weight is not None and weight[row] == 0:  # not there, whatever it holds
                if values is not None:
                    values[row] = real(0)
                if gradient is not None:
                    gradient[row, :] = real(0)
                continue
            z = scores[row]
            rival[:] = real(1)
            for t in target[row]:
                if t < 0:
                    break
                rival[t] = real(0)
            share = real(1) / real(classes)
            if weight is not None:
                share = share * weight[row]
            factor = scale * share
            if gradient is not None:
                g = gradient[row]
                g[:] = real(0)
            loss = 0.0
            for t in target[row]:
                if t < 0:
                    break
                if gradient is not None:
                    terms, pull = against(z, z[t], rival, factor, g, parameters)
                    g[t] -= factor * real(pull)
                else:
                    terms, pull = against(z, z[t], rival, factor, None, parameters)
                loss += terms
            loss *= share
            if values is not None:
                values[row] = real(loss)
            total += loss
        sums[block] = total

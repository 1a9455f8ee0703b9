"""The elementwise loop: one pass over memory for value, gradient and curvature.

`loop` is the loop as written into every generated module, beside the formula's `order0..2` and `outside`; it is
never called here. `run` is what a loss calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from losscope.kernels.threads import share

BLOCK = 2048  # elements: a sum over 64 lanes is then 32 terms long, and the blocks are added in float64
SERIAL = 64  # blocks up to which waking another thread costs more than it saves, even of the costliest loss


def repeat(row, start, out):
    """The numbers of a row from `start` on, and the whole row again and again, as many as `out` holds."""
    done = min(row.size - start, out.size)
    for i in range(done):
        out[i] = row[start + i]
    more = min(start, out.size - done)
    for i in range(more):
        out[done + i] = row[i]
    done += more
    while done < out.size:  # whole turns, twice as many each time
        more = min(done, out.size - done)
        for i in range(more):
            out[done + i] = out[i]
        done += more


def loop(
    prediction,
    target,
    weight,
    varying,
    values,
    gradient,
    target_gradient,
    curvature,
    sums,
    strays,
    first,
    last,
    scale,
    parameters,
):
    """Blocks first..last of flat arrays. Whatever is None is neither read nor written, at compile time.

    sums[block] is the weighted sum of the values; strays[block] the number of elements outside the domain. A block is gone
    through at once or, of far arrays (`losscope.kernels.cpu.far`), in pieces: which, the size alone decides.
    `varying` stands for the last parameter where it differs along a row: its numbers are those of each row.
    """
    far = prediction.size * prediction.itemsize >= FAR
    step = PIECE if far else BLOCK
    lined = far
    all_z, all_y = borrowed(prediction), borrowed(target)
    if weight is not None:
        all_w = borrowed(weight)
    if varying is not None:
        e = numpy.empty(BLOCK, varying.dtype)
    if values is not None:
        all_v, v_room = borrowed(values), room_for(PIECE, values)
        lined = lined and on_a_line(values)
    if gradient is not None:
        all_g, g_room = borrowed(gradient), room_for(PIECE, gradient)
        lined = lined and on_a_line(gradient)
    if target_gradient is not None:
        all_t, t_room = borrowed(target_gradient), room_for(PIECE, target_gradient)
        lined = lined and on_a_line(target_gradient)
    if curvature is not None:
        all_c, c_room = borrowed(curvature), room_for(PIECE, curvature)
        lined = lined and on_a_line(curvature)
    for block in range(first, last):
        sums[block] = 0.0
        if strays is not None:
            strays[block] = real(0)
        end = min(block * BLOCK + BLOCK, prediction.size)
        for low in range(block * BLOCK, end, step):
            high = min(low + step, end)
            z = all_z[low:high]
            y = all_y[low:high]
            if weight is not None:
                w = all_w[low:high]
            if varying is not None:
                repeat(varying, low % varying.size, e[: high - low])
            if values is not None:
                v = all_v[low:high]
            if gradient is not None:
                g = all_g[low:high]
            if target_gradient is not None:
                t = all_t[low:high]
            if curvature is not None:
                c = all_c[low:high]
            # Where what is written begins close to what is read, LLVM's code takes another path, and adds in another
            # order. So close begin only short arrays.
            apart = lined or z.size < PIECE
            if apart:
                if values is not None:
                    v = v_room[: z.size]
                if gradient is not None:
                    g = g_room[: z.size]
                if target_gradient is not None:
                    t = t_room[: z.size]
                if curvature is not None:
                    c = c_room[: z.size]
            total = real(0)
            stray = real(0)
            for i in range(z.size):
                x, against = number(z[i]), number(y[i])
                gone = False  # of weight 0: not there, whatever it is
                if weight is not None:
                    gone = number(w[i]) == real(0)
                if strays is not None:
                    stray += where(gone, real(0), outside(x, against))
                numbers = parameters
                if varying is not None:
                    numbers = parameters[:-1] + (e[i],)  # noqa: RUF005 (Numba cannot unpack here)
                if curvature is not None:
                    value, slope, bend = order2(x, against, *numbers)
                elif target_gradient is not None:
                    value, slope, pull = both(x, against, *numbers)
                elif gradient is not None:
                    value, slope = order1(x, against, *numbers)
                else:
                    value = order0(x, against, *numbers)
                if weight is None:
                    factor = scale
                else:
                    factor = scale * number(w[i])
                    value = where(gone, real(0), value * number(w[i]))
                    if gradient is not None:
                        slope = where(gone, real(0), slope)
                    if target_gradient is not None:
                        pull = where(gone, real(0), pull)
                    if curvature is not None:
                        bend = where(gone, real(0), bend)
                if gradient is not None:
                    g[i] = rounded(slope * factor, g)
                if target_gradient is not None:
                    t[i] = rounded(pull * factor, t)
                if curvature is not None:
                    c[i] = rounded(bend * factor, c)
                if values is not None:
                    v[i] = rounded(value, v)
                total += value
            if apart:
                if values is not None:
                    put(v, all_v[low:high], lined)
                if gradient is not None:
                    put(g, all_g[low:high], lined)
                if target_gradient is not None:
                    put(t, all_t[low:high], lined)
                if curvature is not None:
                    put(c, all_c[low:high], lined)
            sums[block] += total
            if strays is not None:
                strays[block] += stray
    if lined:
        settle()


def run(
    kernel: Any,
    prediction: Any,
    target: Any,
    weight: Any,
    outputs: Mapping[str, Any],
    scale: Any,
    parameters: tuple,
) -> tuple[float, bool]:
    """Run a compiled loop over flat arrays; returns the weighted sum, and whether all was inside the domain."""
    values, gradient, curvature = outputs.get("values"), outputs.get("gradient"), outputs.get("curvature")
    blocks = -(-prediction.size // BLOCK)
    sums, strays = numpy.empty(blocks), numpy.empty(blocks, prediction.dtype)

    def part(first: int, last: int) -> None:
        kernel(
            prediction,
            target,
            weight,
            None,
            values,
            gradient,
            None,
            curvature,
            sums,
            strays,
            first,
            last,
            scale,
            parameters,
        )

    share(blocks, part, SERIAL)
    # NumPy's pairwise sum, in a fixed order. (As functions, where methods would cost a microsecond each.)
    return float(numpy.add.reduce(sums)), not numpy.count_nonzero(strays)

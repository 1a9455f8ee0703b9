"""What goes past the caches arrives: large results are, bit for bit, those of their parts."""

import itertools

import numpy as np
import pytest

import losscope as ls
from losscope.kernels.loops.elementwise import BLOCK, STREAMED
from losscope.kernels.memory import LINE


def far_pair(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """A pair of arrays that are far, and neither a whole number of pieces nor of lines."""
    size = STREAMED // np.dtype(dtype).itemsize + 3 * BLOCK + 5
    prediction = np.linspace(-9, 9, size, dtype=dtype)
    return prediction, np.roll(np.linspace(0, 1, size, dtype=dtype), size // 3)


def parts(size: int) -> list[slice]:
    """A few slices that are near, and together all of it."""
    edges = [0, 1000, size // 3, size // 2 + 1, size]
    return [slice(low, high) for low, high in itertools.pairwise(edges)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("before", [0, 1, 4, LINE // 4])  # numbers before it: of 4, it begins within a line
def test_a_far_gradient_is_that_of_its_parts(dtype, before):
    x, y = far_pair(dtype)
    room = np.full(before + len(x) + LINE, 7, dtype)
    start = -room.ctypes.data % LINE // room.itemsize + before
    value, gradient = ls.poisson.value_and_grad(x, y, reduction="sum", out=room[start : start + len(x)])
    total = 0.0
    for part in parts(len(x)):
        summed, expected = ls.poisson.value_and_grad(x[part], y[part], reduction="sum")
        np.testing.assert_array_equal(gradient[part], expected)
        total += float(summed)
    assert value == pytest.approx(total, rel=1e-6)
    assert (room[:start] == 7).all()
    assert (room[start + len(x) :] == 7).all()


def test_far_values_and_curvatures_are_those_of_their_parts():
    x, y = far_pair("float32")
    weight = np.linspace(1, 2, len(x), dtype="float32")
    values = ls.huber(x, y, weight=weight, reduction="none")
    curvature = ls.poisson.value_grad_curvature(x, y, weight=weight, reduction="sum")[2]
    for part in parts(len(x)):
        here = (x[part], y[part])
        np.testing.assert_array_equal(values[part], ls.huber(*here, weight=weight[part], reduction="none"))
        np.testing.assert_array_equal(
            curvature[part],
            ls.poisson.value_grad_curvature(*here, weight=weight[part], reduction="sum")[2],
        )


def test_a_far_value_depends_neither_on_threads_nor_on_the_gradient():
    x, y = far_pair("float32")
    threads = ls.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3):
            ls.set_num_threads(n)
            found += [ls.huber(x, y), ls.huber.value_and_grad(x, y)[0]]
    finally:
        ls.set_num_threads(threads)
    assert len(set(map(float, found))) == 1


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_far_gradients_of_tensors_are_those_of_their_parts(name):
    torch = pytest.importorskip("torch")
    from losscope.torch import functional

    dtype = getattr(torch, name)
    size = STREAMED // dtype.itemsize + 3 * BLOCK + 5
    x = torch.linspace(-3, 3, size).to(dtype).requires_grad_()
    y = x.detach().flip(0).requires_grad_()
    functional.smooth_l1_loss(x, y, reduction="sum").backward()
    for part in parts(size):
        x_part, y_part = (each.detach()[part].clone().requires_grad_() for each in (x, y))
        functional.smooth_l1_loss(x_part, y_part, reduction="sum").backward()
        assert torch.equal(x.grad[part], x_part.grad)
        assert torch.equal(y.grad[part], y_part.grad)

"""Memory that is used again must never be memory that somebody still holds."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import losscope as ls
from losscope.kernels import memory

SIZE = memory.LARGE // 4 + 7  # of float32: large enough to be kept


def gradients(target: float) -> np.ndarray:
    prediction = np.zeros(SIZE, "float32")
    return ls.half_squared_error.value_and_grad(
        prediction, np.full_like(prediction, target), reduction="sum"
    )[1]


def test_a_gradient_that_is_held_is_never_written_again():
    held = [gradients(float(i)) for i in range(5)]
    for i, each in enumerate(held):
        assert (each == -i).all()


@pytest.mark.parametrize(
    "keep", [lambda g: g[3:10], lambda g: g.reshape(1, -1), memoryview, lambda g: g.view("int32")]
)
def test_a_view_holds_it_too(keep):
    ls.release_memory()
    view = keep(gradients(1.0))
    before = bytes(view)
    for i in range(4):
        gradients(2.0 + i)
    assert bytes(view) == before


def test_dropped_memory_is_used_again_and_given_back_on_request():
    ls.release_memory()
    first = gradients(1.0).ctypes.data
    assert gradients(2.0).ctypes.data == first
    held = gradients(3.0)
    ls.release_memory()
    assert not memory._buffers
    gradients(4.0)
    assert (held == -3.0).all()


def test_no_more_than_two_buffers_are_kept():
    ls.release_memory()
    held = [gradients(float(i)) for i in range(6)]
    assert len(memory._buffers) <= memory.KEPT
    del held
    gc.collect()
    ls.huber.value_and_grad(np.zeros(2 * SIZE, "float32"), np.ones(2 * SIZE, "float32"))
    assert [each.size - memory.LINE for each in memory._buffers] == [8 * SIZE]  # what does not fit is let go


def test_threads_do_not_share_a_buffer():
    with ThreadPoolExecutor(4) as pool:
        for i, each in enumerate(pool.map(lambda i: (gradients(float(i)) == -i).all(), range(40))):
            assert each, i


def test_a_buffer_begins_with_a_whole_line():
    ls.release_memory()
    assert all(memory.of_size(size).ctypes.data % memory.LINE == 0 for size in range(2**20, 2**20 + 99, 7))


def test_a_torch_tensor_holds_it():
    torch = pytest.importorskip("torch")
    ls.release_memory()
    tensor = torch.from_numpy(gradients(1.0))
    for i in range(4):
        gradients(2.0 + i)
    assert bool((tensor == -1).all())

"""Kernels on PyTorch's own threads: all of the work is done, failures arrive, and a forked child has its own."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

import losscope as ls
from losscope.kernels import threads
from losscope.torch import functional as L
from losscope.torch import openmp

pytestmark = pytest.mark.skipif(
    not openmp.found(), reason="this PyTorch brings no GNU OpenMP, and nothing is borrowed"
)


@pytest.fixture(autouse=True)
def _three_threads_each() -> Iterator[None]:
    before = torch.get_num_threads(), ls.get_num_threads()
    torch.set_num_threads(3)
    ls.set_num_threads(3)
    yield
    torch.set_num_threads(before[0])
    ls.set_num_threads(before[1])


ROWS = torch.randn(3000, 100, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(3000) % 100
LOSSES = {
    "rows": lambda x: L.cross_entropy(x, CLASSES),
    "unreduced rows": lambda x: L.cross_entropy(x, CLASSES, reduction="none").square().sum(),
    "weights and smoothing": lambda x: L.cross_entropy(x, CLASSES, torch.arange(100.0), label_smoothing=0.1),
    "elements": lambda x: L.huber_loss(x, ROWS.flip(0)),
    "halves": lambda x: L.mse_loss(x.bfloat16(), ROWS.flip(0).bfloat16()),
    "a number for each class": lambda x: L.binary_cross_entropy_with_logits(
        x, ROWS.sigmoid(), pos_weight=torch.arange(100.0)
    ),
    "rivals": lambda x: L.multi_margin_loss(x, CLASSES),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_bits_on_borrowed_threads_on_one_and_on_the_pool(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, parallel = [], threads._Parallel(openmp.found())
    counted = threads._Parallel(lambda *given: begun.append(1) or parallel(*given))
    address = ctypes.cast(counted, ctypes.c_void_p).value
    monkeypatch.setattr(threads, "_lent", (address, torch.get_num_threads))
    found = []
    for count in (3, 1, 2):  # PyTorch has 3
        ls.set_num_threads(count)
        leaf = ROWS.clone().requires_grad_()
        value = LOSSES[name](leaf)
        value.backward()
        found.append((value.item(), leaf.grad.numpy().tobytes()))
        assert bool(begun) == (count == 3)
        begun.clear()
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_what_is_raised_on_the_pool_arrives_when_all_is_done(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    ls.set_num_threads(2)  # PyTorch has 3
    on_pool = threads.on_pool

    def interrupted(work: Callable[[], None], number: int) -> None:
        on_pool(work, number)
        raise error("lost")

    monkeypatch.setattr(threads, "on_pool", interrupted)
    with pytest.raises(error, match="lost"):
        L.mse_loss(torch.ones(1_000_000), torch.zeros(1_000_000))
    monkeypatch.undo()
    assert L.mse_loss(torch.ones(1_000_000), torch.zeros(1_000_000)).item() == 1.0


def _child(numbers: np.ndarray, expected: float, answer: object) -> None:
    tensor = torch.from_numpy(numbers)
    torch.set_num_threads(1)  # or PyTorch itself would wait for threads that are not there
    answer.send(
        (
            threads._lent is None,
            ls.squared_error(numbers, numbers + 1) == expected,
            L.mse_loss(tensor, tensor + 1).item() == pytest.approx(expected, rel=1e-14),
        )
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_borrows_nothing() -> None:
    numbers = np.linspace(-3, 3, 1_000_000)
    expected = ls.squared_error(numbers, numbers + 1)  # on the parent's OpenMP threads
    torch.ones(2_000_000).exp()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_child, args=(numbers, expected, there))
    child.start()
    try:
        assert here.poll(60), "the child hangs"
        assert here.recv() == (True, True, True)
    finally:
        child.kill()
        child.join()

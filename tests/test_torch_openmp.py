"""Kernels on PyTorch's own threads: all of the work is done, failures arrive, and a forked child has its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
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


@pytest.fixture
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("the pool is asked")

    monkeypatch.setattr(threads, "_get_pool", refuse)


@pytest.mark.usefixtures("no_pool")
def test_several_threads_share_the_work_and_do_all_of_it_once() -> None:
    seen, together = set(), threading.Barrier(3, timeout=20)
    times = np.zeros(1000, int)

    def part(first: int, last: int) -> None:
        times[first:last] += 1
        if first and threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            together.wait()  # passes only when three threads are at work at once

    threads.share(1000, part, 1)
    assert len(seen) == 3
    assert (times == 1).all()


@pytest.mark.usefixtures("no_pool")
@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_a_failure_is_not_lost(error: type[BaseException]) -> None:
    def part(first: int, last: int) -> None:
        if last > 900:
            raise error("lost")

    with pytest.raises(error, match="lost"):
        threads.share(1000, part, 1)
    assert not openmp._work


@pytest.mark.usefixtures("no_pool")
def test_calls_from_several_threads_at_once() -> None:
    sums: dict[int, int] = {}

    def call(number: int) -> None:
        parts = []
        threads.share(500, lambda first, last: parts.append(last - first), 1)
        sums[number] = sum(parts)

    others = [threading.Thread(target=call, args=(number,)) for number in range(5)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert sums == dict.fromkeys(range(5), 500)


def test_another_number_of_threads_is_left_to_the_pool() -> None:
    torch.set_num_threads(2)
    done: list[int] = []
    assert threads._borrowed is not None
    assert not threads._borrowed(lambda: done.append(1), 3)
    assert not done
    times = np.zeros(100, int)

    def part(first: int, last: int) -> None:
        times[first:last] += 1

    threads.share(100, part, 1)
    assert (times == 1).all()


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
    begun, parallel = [], openmp._Parallel(openmp._parallel)
    counted = openmp._Parallel(lambda *given: begun.append(1) or parallel(*given))
    monkeypatch.setattr(openmp, "_parallel", openmp.address_of(counted))
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
            threads._borrowed is None and not openmp.everyone(),
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

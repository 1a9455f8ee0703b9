"""What the tests of every loss share: the names of all entries, and batches that fit them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import losscope as ls
import quick
from losscope.catalogue import entries
from losscope.kernels import threads
from losscope.loss.activated import check_fit

ALL = list(entries())
LOSSES = [name for name, entry in entries().items() if entry.structure != "activation"]
ACTIVATIONS = [name for name, entry in entries().items() if entry.structure == "activation"]
ELEMENTWISE = [name for name, entry in entries().items() if entry.structure == "elementwise"]
DISTANCE = [name for name, entry in entries().items() if entry.structure == "distance"]
SOFTMAX = [name for name, entry in entries().items() if entry.structure == "softmax"]
CLASSES = 4


def fits(loss: ls.Loss, activation: str) -> bool:
    """Whether a loss goes through an activation."""
    try:
        check_fit(loss, entries()[activation])
    except ls.LossError:
        return False
    return True


# Studies and comparisons make millions of small calls, and say nothing of threads.
TRAINING = ("test_studies", "test_study", "test_compare", "test_boosting", "test_constant", "test_report")


@pytest.fixture(autouse=True, scope="session")
def _what_processes_share(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    quick.folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(autouse=True)
def _work_is_shared_however_short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.module.__name__.startswith(TRAINING):
        return
    monkeypatch.setattr(threads, "GRAIN", 0)
    monkeypatch.setattr(threads, "POOL_GRAIN", 0)


def batch(loss: Any, rows: int, seed: int = 0, dtype: Any = "float64") -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a target of `rows` observations, inside the loss's domains, away from their edges."""
    rng = np.random.default_rng(seed)
    entry = loss.entry
    if entry.structure == "softmax":
        return rng.normal(size=(rows, CLASSES)).astype(dtype) * 2, rng.integers(0, CLASSES, rows)
    shape = (rows, CLASSES) if entry.over == "rows" or entry.structure == "distance" else (rows,)
    prediction = rng.normal(size=shape) * 2
    if entry.prediction.name == "probability" and loss.activation is None:
        prediction = rng.uniform(0.05, 0.95, shape)
        if entry.over == "rows":
            prediction /= prediction.sum(-1, keepdims=True)
    elif entry.prediction.name in ("nonnegative", "positive", "count") and loss.activation is None:
        prediction = np.abs(prediction) + 0.1
    return prediction.astype(dtype), target_of(entry, shape, rng).astype(dtype)


def beside(loss: Any, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """What a call is given beside a batch of that many rows: labels of pairs, the negatives of triplets."""
    rng = np.random.default_rng(seed + 2)
    if loss.entry.measure == "triplet":
        return {"negative": rng.normal(size=(rows, CLASSES)) * 2}
    return {"label": rng.choice([-1.0, 1.0], rows)} if loss.structure == "distance" else {}


def derivatives(loss: Any, *arguments: Any, **options: Any) -> tuple:
    """Value, gradient and, where there is one, curvature."""
    if loss.structure == "distance":
        return loss.value_and_grad(*arguments, **options)
    return loss.value_grad_curvature(*arguments, **options)


def target_of(entry: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if entry.target.name == "sign":
        return rng.choice([-1.0, 1.0], shape)
    if entry.target.name == "count":
        return rng.integers(0, 6, shape).astype(float)
    if entry.target.name == "label":
        return rng.integers(0, 2, shape).astype(float)
    if entry.target.name == "probability":
        target = rng.uniform(0.05, 0.95, shape)
        return target / target.sum(-1, keepdims=True) if entry.over == "rows" else target
    target = rng.normal(size=shape) * 2
    return np.abs(target) + 0.1 if entry.target.name in ("nonnegative", "positive") else target


def weights(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).uniform(0.1, 3, rows)


def per_row(loss: Any, array: np.ndarray) -> np.ndarray:
    """One number per observation, spread over the elements of its gradient."""
    by_row = loss.structure in ("softmax", "distance") or loss.entry.over == "rows"
    return array[:, None] if by_row else array

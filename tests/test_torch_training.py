"""A training script that knows nothing of losscope, with and without `patch()`; and losses in forked workers."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from losscope.torch import functional  # noqa: E402

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

SCRIPT = Path(__file__).with_name("digits_example.py")
MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist"

# Runs a script as it is, under patch(), and says how often our kernel of rows of logits ran in it.
UNDER_PATCH = """
import runpy, sys
import losscope.torch
from losscope.torch.rows import Logits

ran, value = [], Logits.value
Logits.value = lambda *arguments: ran.append(1) or value(*arguments)
losscope.torch.patch()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
print(len(ran), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Noise around ten templates, in MNIST's format: for where MNIST is not."""
    folder, rng = tmp_path_factory.mktemp("digits"), np.random.default_rng(7)
    templates = rng.uniform(0, 255, (10, 28, 28))
    for part in ("train", "t10k"):
        labels = rng.integers(0, 10, 1024)
        images = np.clip(templates[labels] + rng.normal(0, 150, (1024, 28, 28)), 0, 255)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = b"".join(size.to_bytes(4, "big") for size in (0x800 + array.ndim, *array.shape))
            with gzip.open(folder / f"{part}-{kind}-ubyte.gz", "wb", 1) as file:
                file.write(header + array.astype(np.uint8).tobytes())
    return folder


def trained(folder, model, loss, *launcher):
    """What the script prints, and what was printed about it."""
    done = subprocess.run(
        [sys.executable, *launcher, SCRIPT, folder, "--model", model, "--loss", loss],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return json.loads(done.stdout), done.stderr


NEEDS_MNIST = pytest.mark.skipif(not MNIST.is_dir(), reason="needs ../shared/data/mnist")


@pytest.mark.parametrize(
    ("data", "model", "loss"),
    [
        pytest.param(
            "made up",
            "cnn",
            "cross_entropy",
            marks=pytest.mark.skipif(MNIST.is_dir(), reason="MNIST itself is here"),
        ),
        ("made up", "mlp", "nll"),
        pytest.param("mnist", "cnn", "cross_entropy", marks=NEEDS_MNIST),
        pytest.param("mnist", "mlp", "cross_entropy", marks=NEEDS_MNIST),
    ],
)
def test_the_learning_curve_is_the_same_with_and_without_patch(data, model, loss, made_up):
    folder = MNIST if data == "mnist" else made_up
    theirs, _ = trained(folder, model, loss)
    ours, ran = trained(folder, model, loss, "-c", UNDER_PATCH)
    # Every batch of the tests ran on our kernel, as many as there were steps; and every step, if not by nll_loss.
    assert int(ran) == len(ours["curve"]) * (2 if loss == "cross_entropy" else 1)
    assert theirs["tests"][-1][1] > 0.8  # it learns at all
    # Rounding grows from step to step: the first steps agree to float32's digits, the last to a percent.
    np.testing.assert_allclose(ours["curve"][:8], theirs["curve"][:8], rtol=1e-4)
    np.testing.assert_allclose(ours["curve"], theirs["curve"], rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(ours["tests"], theirs["tests"], rtol=0.02, atol=2e-3)


class Rated(torch.utils.data.Dataset):
    """Logits of a row, and its loss by a call in the worker."""

    def __init__(self, rows):
        self.logits = torch.randn(rows, 40_000, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.logits)

    def __getitem__(self, i):
        return self.logits[i], functional.cross_entropy(self.logits[i], torch.tensor(i))


def graded(rows):
    """A batch with each number's loss, its gradient, and that of the rows: large enough for all threads, and for
    memory that is used again."""
    logits, losses = (torch.stack(each) for each in zip(*rows, strict=True))
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(functional.mse_loss(logits, torch.zeros_like(logits)), logits)
    elements = functional.huber_loss(logits.detach(), torch.zeros_like(logits), reduction="none")
    return losses, gradient, elements


def test_workers_forked_from_a_parent_that_has_used_its_threads():
    data = Rated(32)
    here = [graded([data[i] for i in range(first, first + 8)]) for first in range(0, 32, 8)]
    loader = torch.utils.data.DataLoader(
        data, 8, num_workers=2, collate_fn=graded, multiprocessing_context="fork"
    )
    for _ in range(2):
        for got, expected in zip(loader, here, strict=True):
            for mine, theirs in zip(got, expected, strict=True):
                assert torch.equal(mine, theirs)
        # And the parent goes on.
        assert torch.equal(graded([data[i] for i in range(8)])[1], here[0][1])
    torch.testing.assert_close(
        here[0][0], F.cross_entropy(data.logits[:8], torch.arange(8), reduction="none")
    )

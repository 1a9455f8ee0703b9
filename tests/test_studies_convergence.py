"""The study `convergence`: its measures recomputed, every loss tuned alike, and each judge able to give each verdict."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

import losscope as ls
from losscope.studies import convergence, networks
from losscope.studies.convergence import CROSS, RATES, SQUARED, STANDARDISED, UNIT
from losscope.studies.datasets import bundled
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED

DIGITS = bundled(["digits"])[0]


def test_epochs_to_an_accuracy_lie_on_the_line_between_two_looks() -> None:
    looks = convergence.LOOKS
    assert convergence.reached([0.1, 0.8, 1.0], 0.9) == pytest.approx(1.5 / looks)
    assert convergence.reached([0.1, 0.8, 0.7], 0.8) == pytest.approx(1 / looks)
    assert convergence.reached([0.9, 0.9], 0.9) == 0
    assert convergence.reached([0.1, 0.8, 0.7], 0.9) == 2 / looks, "never: all of them"


def made(means: dict[str, dict[str, float]], noise: float, seeds: int = 20) -> list[dict]:
    """Runs of one rate, whose accuracies are `means` by scaling and loss, and noise."""
    random = np.random.default_rng(0)
    return [
        {"inputs": scaling, "loss": loss, "seed": seed, "learning rate": 0.1,
         "validation": [0, mean], "test": [0, mean + noise * random.normal()]}
        for scaling, each in means.items() for loss, mean in each.items() for seed in range(seeds)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gaps", "noise", "expected"),
    [
        ((0.1, 0.1), 0.01, HOLDS),
        ((-0.1, 0.0), 0.001, DOES_NOT_HOLD),
        ((0.1, 0.0), 0.001, f"holds when {STANDARDISED}"),
        ((0.0, 0.1), 0.001, f"holds when {UNIT}"),
        ((0.02, 0.02), 0.1, NOT_DECIDED),
    ],
)
def test_tuned_losses_are_compared_under_both_scalings(gaps, noise, expected) -> None:
    runs = made({STANDARDISED: {CROSS: 0.8 + gaps[0], SQUARED: 0.8}, UNIT: {CROSS: 0.8 + gaps[1], SQUARED: 0.8}}, noise)  # fmt: skip
    assert convergence.tuned("It is faster.", runs, CROSS, SQUARED).verdict == expected


def test_a_rate_is_chosen_on_the_validation_rows_and_judged_on_the_test_rows() -> None:
    runs = [
        {"inputs": UNIT, "loss": CROSS, "seed": seed, "learning rate": rate, "validation": [0, rate], "test": [0, 1 - rate]}
        for rate in (0.1, 0.3) for seed in (0, 1)
    ]  # fmt: skip
    assert convergence.best(runs, UNIT, CROSS) == 0.3
    assert all(run["test"][1] == 0.7 for run in convergence.tuned_runs(runs, UNIT, CROSS))


def test_every_loss_is_tried_at_the_same_rates_and_none_is_best_at_an_end() -> None:
    runs = [
        each
        for loss in convergence.LOSSES
        for rate in RATES[::2]
        for each in convergence.learn(loss, rate, range(2), DIGITS, STANDARDISED, 2, 32)
    ]
    for loss in convergence.LOSSES:
        assert RATES[0] < convergence.best(runs, STANDARDISED, loss) < RATES[-1], loss


def test_a_training_is_the_same_twice_and_differs_by_seed() -> None:
    one, other = convergence.learn(CROSS, 0.3, (0, 1), DIGITS, UNIT, 1, 64)
    assert convergence.learn(CROSS, 0.3, (0, 1), DIGITS, UNIT, 1, 64) == [one, other]
    assert one["test"] != other["test"]


def test_a_training_that_overflows_names_no_class() -> None:
    (run,) = convergence.learn("half_squared_error", 1e4, (0,), DIGITS, STANDARDISED, 1, 64)
    assert run["test"][-1] == run["validation"][-1] == 0.0


@pytest.mark.parametrize("loss", [SQUARED, "cross_entropy"])
def test_many_networks_at_once_are_the_same_networks_one_by_one(loss: str) -> None:
    """Gradients of PyTorch's own layers and losses, network by network."""
    networks_ = networks.start([5, 7, 3], (0, 1, 2))
    generator = torch.Generator().manual_seed(9)
    features = torch.randn(3, 11, 5, generator=generator)
    index = torch.randint(0, 3, (3, 11), generator=generator)
    softmax = loss == "cross_entropy"
    one_hot = torch.nn.functional.one_hot(index, 3).float()
    networks.cost(
        ls.get(loss), networks.forward(networks_, features), index if softmax else one_hot
    ).backward()
    for run in range(3):
        weights = [each.detach()[run].clone().requires_grad_() for each in networks_]
        output = torch.relu(features[run] @ weights[0] + weights[1]) @ weights[2] + weights[3]
        if softmax:
            value = torch.nn.functional.cross_entropy(output, index[run])
        else:
            value = 0.5 * (torch.sigmoid(output) - one_hot[run]).square().sum() / 11
        value.backward()
        for ours, theirs in zip(networks_, weights):
            torch.testing.assert_close(ours.grad[run], theirs.grad, rtol=1e-4, atol=1e-6)

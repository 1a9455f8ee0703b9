"""XOR and two circles, which no straight line solves; and what networks make of them, with activations and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import make_circles

import losscope as ls
from losscope.report import Chart, Panel, Points, Region, Table
from losscope.studies import verdict
from losscope.studies.networks import cost, forward, start
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, say
from losscope.studies.views import Record, pivot

XOR, CIRCLES = say("XOR"), say("two circles")
NONE = say("none")
STEPS, RATE = 150, 0.03
FAILED, SOLVED = 0.75, 0.99  # accuracy: a line has at most 3 of XOR's 4 corners right

Activation = Callable[[Any], Any]


def puzzle(name: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """XOR: the four corners of a square; two circles: one ring within another. Features, and 0 or 1."""
    if name == XOR:
        return torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]), torch.tensor([0.0, 1, 1, 0])
    points, inside = make_circles(200, noise=0.05, factor=0.5, random_state=seed)
    return torch.from_numpy(points).float(), torch.from_numpy(inside).float()


def train(
    name: str, activation: Activation, hidden: int, starts: Sequence[int], seed: int
) -> list[torch.Tensor]:
    """Networks of 16 units a layer trained by Adam on cross-entropy, one for each start."""
    features, target = (each.expand(len(starts), *each.shape) for each in puzzle(name, seed))
    network, loss = start([2, *[16] * hidden, 1], starts, variance=1.0), ls.get("binary_cross_entropy")
    optimizer = torch.optim.Adam(network, lr=RATE, fused=True)
    for _ in range(STEPS):
        optimizer.zero_grad()
        cost(loss, forward(network, features, activation)[..., 0], target).backward()
        optimizer.step()
    return network


def solve(
    name: str, label: str, activation: Activation, hidden: int, starts: Sequence[int], seed: int
) -> Record:
    """The accuracy from each start."""
    network = train(name, activation, hidden, starts, seed)
    features, target = puzzle(name, seed)
    with torch.no_grad():
        output = forward(network, features.expand(len(starts), *features.shape), activation)[..., 0]
    right = (output > 0) == (target > 0.5)
    return {
        "puzzle": name,
        "activation": label,
        "hidden layers": hidden,
        "accuracy": right.double().mean(1).tolist(),
    }


def measure(
    activations: Mapping[str, Activation], depths: Sequence[int], starts: Sequence[int], seed: int
) -> list[Record]:
    return [solve(name, label, each, hidden, starts, seed)
            for name in (XOR, CIRCLES) for label, each in activations.items() for hidden in depths]  # fmt: skip


def claim(runs: Sequence[Record]) -> Claim:
    best: dict[str, dict[str, float]] = {}
    for run in runs:
        of = best.setdefault(run["activation"], {})
        of[run["puzzle"]] = max(*run["accuracy"], of.get(run["puzzle"], 0.0))
    without = best.pop(NONE)
    solved = {label: HOLDS if min(each.values()) >= SOLVED else DOES_NOT_HOLD for label, each in best.items()}
    least = [min(each[name] for each in best.values()) for name in (XOR, CIRCLES)]
    return Claim(
        say("Without a non-linearity a network of any depth fails on XOR and on two circles; with one it does not."),
        verdict.over(solved, "the activation is {which}") if max(without.values()) <= FAILED else DOES_NOT_HOLD,
        say("Its boundary is a straight line, which has at most 3 of the 4 corners on their right sides. Best accuracy without: {0:.0%} on XOR and {1:.0%} on"
            " the circles; with any of the others: {2:.0%} and {3:.0%}. {solved:.0%} or more counts as solved, {failed:.0%} or less as failed.",
            without[XOR], without[CIRCLES], *least, solved=SOLVED, failed=FAILED),
        "activations",
    )  # fmt: skip


def picture(activations: Mapping[str, Activation], seed: int) -> Chart:
    """What the same network calls inside, without and with an activation."""
    across, up = (
        np.linspace(-2.8, 2.8, 141),
        np.linspace(-1.6, 1.6, 81),
    )  # as a panel is wide, circles look round
    grid = torch.from_numpy(np.stack(np.meshgrid(across, up), -1).reshape(1, -1, 2)).float()
    features, target = puzzle(CIRCLES, seed)
    x, inside = features.numpy(), target.numpy() > 0.5
    panels = []
    for label in (NONE, "tanh", "ReLU"):
        network = train(CIRCLES, activations[label], 2, [seed], seed)
        with torch.no_grad():
            scores = forward(network, grid, activations[label]).reshape(len(up), -1).double().numpy()
        drawn: list[Region | Points] = [Region(across, up, scores, say("called inside"))]
        for rows, words in ((inside, say("inner circle")), (~inside, say("outer circle"))):
            drawn.append(Points(x[rows, 0], x[rows, 1], words))
        panels.append(
            Panel(say("Activation: {label}", label=label), say("first input"), say("second input"), drawn)
        )
    return Chart(panels, name="boundaries", columns=3,
                 caption=say("Two hidden layers of 16 units. Without a non-linearity the boundary is a straight line, however deep the network."))  # fmt: skip


def table(runs: Sequence[Record]) -> Table:
    return pivot(runs, ("puzzle", "activation"), "hidden layers", lambda run: 100 * max(run["accuracy"]), head="hidden layers: {}",
                 caption=say("Best accuracy over the starts (%)"))  # fmt: skip

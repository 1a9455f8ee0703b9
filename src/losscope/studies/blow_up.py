"""What may make gradients explode, one at a time: a wild target, depth, the time steps of a recurrent network. The gradient
before the first step, and plain SGD until it breaks.

Networks of ReLU layers in float32, as one trains them, one for each seed, all at once: see networks.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

import losscope as ls
from losscope.studies.networks import HES, forward, start
from losscope.studies.study import say
from losscope.studies.views import Record

WIDTH, INPUTS, ROWS = 32, 8, 64
TARGET, DEPTH, TIME = say("a wild target"), say("depth"), say("the length of a sequence")
CAUSES = (TARGET, DEPTH, TIME)
Case = Mapping[str, Any]


def wild(size: float) -> Case:
    """One hidden layer; the first target is `size` further up."""
    words = say("one target off by {size:,.0f}", size=size)
    return {"case": words, "cause": TARGET, "length": 2, "variance": HES, "outlier": size}


def extended(cause: str, length: int, variance: float) -> Case:
    """`length` layers (DEPTH), or one that is used at every of `length` time steps (TIME); weights of this variance over a
    layer's inputs."""
    words = (
        say("{length} layers, variance {variance:g}", length=length, variance=variance)
        if cause == DEPTH
        else say("{length} time steps, variance {variance:g}", length=length, variance=variance)
    )
    return {"case": words, "cause": cause, "length": length, "variance": variance, "outlier": 0.0}


def network(case: Case, seeds: Sequence[int]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The parameters, and the layers that they are used in: a recurrent network uses some of them at every step."""
    steps = case["length"] - 1 if case["cause"] == TIME else 1
    between = 1 if case["cause"] == TIME else max(case["length"] - 2, 0)
    parameters = start([INPUTS, *[WIDTH] * (between + 1), 1], seeds, case["variance"])
    return parameters, [*parameters[:2], *parameters[2:-2] * steps, *parameters[-2:]]


def data(case: Case, seeds: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs, and a linear target of size 1 with a little noise, (runs, rows, inputs) and (runs, rows, 1)."""
    found = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(1_000_003 + seed)
        x = torch.randn(ROWS, INPUTS, generator=generator)
        slopes = torch.randn(INPUTS, 1, generator=generator) / INPUTS**0.5
        y = x @ slopes + 0.1 * torch.randn(ROWS, 1, generator=generator)
        y[0] += case["outlier"]
        found.append((x, y))
    return torch.stack([x for x, _ in found]), torch.stack([y for _, y in found])


def gradient(
    parameters: Sequence[torch.Tensor], layers: Sequence[torch.Tensor], x: torch.Tensor, y: torch.Tensor, loss: ls.Loss
) -> tuple[torch.Tensor, Sequence[torch.Tensor], torch.Tensor]:  # fmt: skip
    """Each run's loss, its gradient, and the norm of the whole gradient (in float64: a square overflows float32 sooner)."""
    value = loss(forward(layers, x), y, reduction="none").mean((1, 2))
    slopes = torch.autograd.grad(value.sum(), parameters)
    squares = torch.stack([each.double().square().sum((1, 2)) for each in slopes])
    return value.detach(), slopes, squares.sum(0).sqrt()


def first_norms(case: Case, loss: str, seeds: Sequence[int]) -> list[float]:
    """The norm of each run's whole gradient before the first step."""
    found = gradient(*network(case, seeds), *data(case, seeds), ls.get(loss))[2]
    return [float(each) for each in found]


def train(
    case: Case, loss: str, seeds: Sequence[int], steps: int, rates: Sequence[float], clip: bool = False
) -> list[Record]:
    """Plain SGD on all rows at once, one record for each rate and seed.

    `first`: the norm of the gradient before the first step; `broke`: the step at which a loss or a gradient was no longer
    finite, or None; `error`: the median error on the rows whose targets were left alone, infinite where it broke.
    """
    runs = [(rate, seed) for rate in rates for seed in seeds]
    starts, rate = [seed for _, seed in runs], torch.tensor([rate for rate, _ in runs])
    parameters, layers = network(case, starts)
    x, y = data(case, starts)
    used, broke, first = ls.get(loss), np.zeros(len(runs), int), np.zeros(len(runs))
    for step in range(1, steps + 1):
        value, slopes, norm = gradient(parameters, layers, x, y, used)
        first = norm.numpy() if step == 1 else first
        broke[(broke == 0) & ~(value.isfinite() & norm.isfinite()).numpy()] = step
        if broke.all():
            break
        length = (rate / norm.clamp(min=1) if clip else rate).float()[:, None, None]
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes):
                parameter -= length * slope
    with torch.no_grad():
        error = (forward(layers, x) - y).abs()[:, 1:, 0].median(1).values.double().numpy()
    error[(broke > 0) | np.isnan(error)] = np.inf
    return [{**case, "loss": loss, "seed": seed, "clipped": clip, "learning rate": rate, "first": float(first[run]),
             "broke": int(broke[run]) or None, "error": float(error[run])} for run, (rate, seed) in enumerate(runs)]  # fmt: skip

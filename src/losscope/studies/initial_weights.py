"""The weights that a deep network starts from, and by what each layer then multiplies the gradient on its way back.

Variances are given times the width, the number of a layer's inputs: `networks.HES` (2) keeps what goes through ReLUs
at its size, Glorot's (1) what goes through tanh, and `networks.PYTORCHS` (1/3) is what `torch.nn.Linear` starts with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

import losscope as ls
from losscope.report import Line, Panel, Table
from losscope.studies import verdict
from losscope.studies.networks import HES, PYTORCHS, forward, start
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Claim, Mistake, say
from losscope.studies.text import joined
from losscope.studies.views import Record, pivot

DEPTH, WIDTH, ROWS = 50, 64, 8
DEEPER = (200, 500)  # more layers of ReLU, with the variance that is said to let any number through
# A thousandfold over 50 layers counts as exploded, a thousandth as vanished: so much a layer. Within KEPT times counts as let
# through, over all layers.
EXPLODED, KEPT = 1000 ** (1 / DEPTH), 100
VARIANCES = (PYTORCHS, 0.5, 0.7, 0.85, 1.0, 1.4, 1.6, HES, 2.5, 4.0, 8.0, 16.0, 32.0, 48.0, 64.0, 90.0, 110.0, 128.0, 256.0)  # fmt: skip
ACTIVATIONS = {"sigmoid": ls.sigmoid, "tanh": ls.tanh, "ReLU": ls.relu}


def pytorchs(sizes: Sequence[int], seeds: Sequence[int]) -> list[torch.Tensor]:
    """Weights and biases as `torch.nn.Linear` draws them by default, in the shapes of `networks.start`."""
    each = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            layers = [torch.nn.Linear(*pair, dtype=torch.float64) for pair in pairwise(sizes)]
            each.append([part for layer in layers for part in (layer.weight.T, layer.bias[None])])
    return [torch.stack(parts).detach().requires_grad_() for parts in zip(*each)]


def factors(
    activation: Callable[[Any], Any], variance: float | None, seeds: Sequence[int], depth: int = DEPTH
) -> np.ndarray:
    """By what each of `depth` layers multiplies the norm of the gradient, shape (runs, depth), the last layer first.

    A gradient of random numbers is sent back from the outputs; a variance of None: PyTorch's default. The same seed has the
    same weights at every variance, times a number.
    """
    sizes = [WIDTH] * (depth + 3)  # as many layers between the first hidden state and the last
    network = pytorchs(sizes, seeds) if variance is None else start(sizes, seeds, variance, torch.float64)
    drawn = [torch.Generator().manual_seed(1_000_003 + seed) for seed in seeds]
    features, upstream = (
        torch.stack([torch.randn(ROWS, WIDTH, generator=each, dtype=torch.float64) for each in drawn])
        for _ in range(2)
    )
    hidden: list[torch.Tensor] = []
    output = forward(network, features, activation, hidden)
    arrived = torch.autograd.grad(output, hidden, upstream)
    norms = np.array([each.flatten(1).norm(dim=1).numpy() for each in reversed(arrived)])
    return (norms[1:] / norms[:-1]).T


def variances_in_pytorch(seed: int) -> tuple[float, float]:
    """The variance of `torch.nn.Linear`'s weights, times their inputs: as they start, and after `kaiming_normal_`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = torch.nn.Linear(512, 512, dtype=torch.float64)
        own = float(layer.weight.detach().var()) * layer.in_features
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        return own, float(layer.weight.detach().var()) * layer.in_features


def factor(found: Any, depth: int = 1) -> verdict.Interval:
    """The logarithm of what so many layers multiply by, over the runs."""
    return verdict.mean(depth * np.log(found))


def geometric(found: np.ndarray) -> list[float]:
    """The mean factor over the layers, for each run."""
    return [float(each) for each in np.exp(np.log(found).mean(1))]


def measure(seeds: Sequence[int]) -> list[Record]:
    """Every activation with weights of every variance, and with PyTorch's default (None)."""
    return [{"activation": name, "variance": variance, "factors": geometric(factors(activation, variance, seeds))}
            for name, activation in ACTIVATIONS.items() for variance in (*VARIANCES, None)]  # fmt: skip


def measure_deeper(weights: Sequence[Record], seeds: Sequence[int]) -> list[Record]:
    """ReLU at He's variance through more and more layers, the first of which `weights` have."""
    first = {"layers": DEPTH, "factors": factors_of(weights, "ReLU")[HES].tolist()}
    return [
        first,
        *({"layers": depth, "factors": geometric(factors(ls.relu, HES, seeds, depth))} for depth in DEEPER),
    ]


def claims(weights: Sequence[Record], deeper: Sequence[Record]) -> list[Claim]:
    return [vanishes(weights, "sigmoid"), vanishes(weights, "tanh"), lets_through(weights, deeper), default(weights), suitable(weights)]  # fmt: skip


def factors_of(weights: Sequence[Record], activation: str) -> dict[float | None, np.ndarray]:
    """By variance; None: PyTorch's default."""
    return {run["variance"]: np.array(run["factors"]) for run in weights if run["activation"] == activation}  # fmt: skip


def listed(weights: Sequence[Record], activation: str, shown: Sequence[float]) -> str:
    """The factor a layer at some of the variances, the first of which is a third."""
    means = {
        variance: float(np.exp(factor(factors_of(weights, activation)[variance]).estimate))
        for variance in shown
    }
    return joined([say("{factor:.3f} at {variance:.3g}", factor=factor, variance=variance) for variance, factor in means.items()], ", ")  # fmt: skip


def kept(found: np.ndarray, depth: int = DEPTH) -> str:
    """Within a factor of a hundred over so many layers, either way."""
    left = factor(found, depth)
    sides = [verdict.more_than(each, -np.log(KEPT)) for each in (left, -left)]
    return DOES_NOT_HOLD if DOES_NOT_HOLD in sides else HOLDS if sides == [HOLDS, HOLDS] else NOT_DECIDED


def vanishes(weights: Sequence[Record], activation: str) -> Claim:
    found = factors_of(weights, activation)
    lost = {variance: verdict.more_than(-factor(found[variance]), np.log(EXPLODED)) for variance in VARIANCES}
    return Claim(
        say("The gradient vanishes through many layers of sigmoid.") if activation == "sigmoid" else
        say("The gradient vanishes through many layers of tanh."),
        verdict.along(lost, "the variance of the weights times the width is {at:.3g} or more", "the variance of the weights times the width is {at:.3g} or less"),
        say("Factor a layer by the variance of the weights times the width: {told}. A layer that takes off {least:.0%} or more counts, a thousandfold over 50 layers; surely, by the intervals of 99% in the table.",
            told=listed(weights, activation, (PYTORCHS, 0.5, 1.0, 2.0, 16.0, 64.0, 256.0)), least=1 - 1 / EXPLODED),
        "activations",
    )  # fmt: skip


def lets_through(weights: Sequence[Record], deeper: Sequence[Record]) -> Claim:
    """At the variance that suits ReLU best; at others it is stopped sooner."""
    found = {run["layers"]: np.array(run["factors"]) for run in deeper}
    left = joined([say("{left} after {depth}", left=factor(each, depth).shown(".2g", np.exp), depth=depth) for depth, each in found.items()], ", ")  # fmt: skip
    return Claim(
        say("ReLU lets the gradient through any number of layers."),
        verdict.along({depth: kept(each, depth) for depth, each in found.items()}, "there are {at:g} layers or more, of {width} units, and the variance of the weights is 2 over the width", "there are {at:g} layers or less, of {width} units, and the variance of the weights is 2 over the width", width=WIDTH),
        say("Factor a layer by the variance of the weights times the width: {told}. ReLU cuts half of what flows, and a variance of 2 makes up for it (He et al.): it keeps the mean"
            " square of the gradient. The typical gradient of layers this narrow shrinks all the same; of it is left {left} layers (means and 99% intervals over the starts). Within a factor of a hundred counts as through.",
            told=listed(weights, "ReLU", (PYTORCHS, 0.5, 1.0, 1.6, 2.0, 2.5, 4.0)), left=left),
        "activations",
    )  # fmt: skip


def default(weights: Sequence[Record]) -> Claim:
    found = {name: factors_of(weights, name)[None] for name in ACTIVATIONS}
    return Claim(
        say("PyTorch's default weights let the gradient through 50 layers of 64 units."),
        verdict.over({name: kept(each) for name, each in found.items()}, "the activation is {which}"),
        say("`nn.Linear` draws weights with a variance of 1/3 over the width. A layer then multiplies the gradient by {0:.3f} (sigmoid), {1:.3f} (tanh) or {2:.3f} (ReLU); of it is left"
            " {3}, {4} or {5} after 50 layers (99% intervals over the starts). More than a hundredth counts as through. Layers that normalise, or that a shortcut goes round, are another matter.", *(float(np.exp(factor(each).estimate)) for each in found.values()),
            *(factor(each, DEPTH).shown(".0e", np.exp) for each in found.values())),
        "gradients",
    )  # fmt: skip


def suitable(weights: Sequence[Record]) -> Claim:
    found = {
        name: {variance: kept(each) for variance, each in factors_of(weights, name).items() if variance}
        for name in ACTIVATIONS
    }
    best = {
        name: [variance for variance, each in tried.items() if each == HOLDS] for name, tried in found.items()
    }
    told = [say("{activation} at {variances}", activation=name, variances=joined([say("{variance:.3g}", variance=variance) for variance in each], ", "))
            for name, each in best.items() if each]  # fmt: skip
    return Claim(
        say("With suitable initial weights the gradient gets through 50 layers of sigmoid, tanh or ReLU."),
        verdict.over({name: HOLDS if best[name] else DOES_NOT_HOLD if NOT_DECIDED not in tried.values() else NOT_DECIDED for name, tried in found.items()},
                     "the activation is {which}"),
        say("Variances times the width, of {count} tried, that let it through: {told}. Glorot's is 1, He's 2. Within a factor of a hundred counts as through.", count=len(VARIANCES), told=joined(told)),
        "activations",
    )  # fmt: skip


def named_after_he(seed: int, weights: Sequence[Record]) -> Mistake:
    own, hes = variances_in_pytorch(seed)
    return Mistake(
        say("`nn.Linear` starts with He's weights, since it calls `kaiming_uniform_`"),
        say("a variance of {own:.3f} over the width, as it passes `a=sqrt(5)`: a ReLU layer multiplies the gradient by {factor:.3f}", own=own, factor=float(np.exp(factor(factors_of(weights, "ReLU")[None]).estimate))),
        say("`nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')`, a variance of {hes:.2f}: the factor is {factor:.3f}", hes=hes, factor=float(np.exp(factor(factors_of(weights, "ReLU")[HES]).estimate))),
    )  # fmt: skip


def picture(weights: Sequence[Record]) -> Panel:
    drawn = [Line(VARIANCES, [factors_of(weights, name)[variance].mean() for variance in VARIANCES], name) for name in ACTIVATIONS]  # fmt: skip
    one = Line((VARIANCES[0], VARIANCES[-1]), (1, 1), say("kept"), style="reference")
    return Panel(say("The initial weights decide"), say("variance of the weights x width"), say("factor a layer"), [*drawn, one], "log", "log",
                 notes=[(PYTORCHS, "PyTorch"), (1.0, "Glorot"), (HES, "He")])  # fmt: skip


def table(weights: Sequence[Record]) -> Table:
    shown = [
        {
            "activation": run["activation"],
            "variance": f"{run['variance']:.3g}" if run["variance"] else say("PyTorch's default"),
            "factor": factor(run["factors"]).shown(".4f", np.exp),
        }
        for run in weights
    ]
    return pivot(shown, ("variance",), "activation", lambda run: run["factor"], caption=say("By what a layer multiplies the gradient, by the variance of its weights times the width: means and 99% intervals over the starts"))  # fmt: skip

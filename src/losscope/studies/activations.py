"""Study 11: What does a non-linearity buy, what does it cost, and does a sparse one overfit less?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from sklearn.datasets import make_circles

import losscope as ls
from losscope.report import Table
from losscope.studies.datasets import Data, bundled
from losscope.studies.networks import HES, PYTORCHS, cost, forward, one_thread, start
from losscope.studies.study import (
    Progress,
    Range,
    Result,
    say,
    silent,
)
from losscope.studies.views import Record, chart, pivot

WIDTH, DEEP = 64, 20
NONE = say("none")
CURVED = {"sigmoid": ls.sigmoid, "tanh": ls.tanh, "ReLU": ls.relu}
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {NONE: ls.identity, **CURVED}
NO_ZEROS, WINNERS = say("ReLU, 0.01 of the slope below 0"), say("ReLU, one unit in eight kept")
PUZZLES = say("XOR"), say("two circles")
FITTED = 0.05  # training log loss at which all count as equally well fitted
MATTERS = 0.02  # of the test log loss, in nats
MUCH = 0.1  # of the time of a step
# Operations of an exponential and a division, from a table look-up to a careful library.
CHEAP, DEAR = 10, 100


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    seeds: Annotated[int, Range(2, 100), "starts of every network"] = 16,
    rows: Annotated[int, Range(20, 1000), "digits to overfit"] = 200,
    timing: Annotated[bool, "measure on this machine what share of a step the activation takes"] = False,
) -> Result:  # fmt: skip
    """One linear map, two puzzles, approximation, scale, cost, zero units and overfitting."""
    starts = range(seed, seed + (min(seeds, 8) if quick else seeds))
    digits = bundled(["digits"])[0]
    with one_thread():
        collapsed = [collapse(depth, each) for depth in (1, 2, 5, 10, 50) for each in starts]
        solved = [
            solve(name, label, hidden, starts, seed)
            for name in PUZZLES
            for label in ACTIVATIONS
            for hidden in (1, 2, 4)
        ]
        progress(0.2, say("approximation"))
        near = [approximate(label, width, seed) for label in ACTIVATIONS for width in (4, 16, 64, 256)]
        spreads = [
            spread(label, variance, starts) for label in ACTIVATIONS for variance in (PYTORCHS, 1.0, HES)
        ]
        progress(0.3, say("zero and dead units"))
        dead = [each for rate in (0.1, 1.0, 3.0) for each in units(digits, rate, starts, 3 if quick else 10)]
        fits = []
        for at, (label, activation) in enumerate(OVERFITTED.items()):
            progress(0.5 + at / 12, say("overfitting: {label}", label=label))
            fits += overfit(digits, label, activation, starts, rows)
        timed = [Table(*times(15))] if timing else []
    return Result(
        answer=say("Without a non-linearity any depth is one linear map, and draws one straight boundary. Any of them that is not"
                   " a polynomial lets a wide layer come close to any continuous function on a bounded range. What else is said of"
                   " ReLU is a matter of scale: its cost shows in narrow layers only, and its zeros are not why it overfits less"
                   " where it does."),
        done=[DONE, MORE],
        claims=[one_map(collapsed), fails(solved), any_function(near), bounded(spreads), saves_time(), sparse(dead), kills(dead),
                overfits_less(fits), because_sparse(fits)],
        charts=[boundaries(seed), approximations(near), overfitting(fits),
                chart([each for each in spreads if each["inputs"]], "inputs", panel="activation", line="variance of the weights",
                      labels=(say("layer"), say("spread between inputs")), name="spread", title="Activation: {}", y_scale="log",
                      caption=say("How much of the difference between inputs is left after each layer, before training."))],
        tables=[pivot(solved, ("puzzle", "activation"), "hidden layers", lambda run: 100 * max(run["accuracy"]), head="{} hidden layers",
                      caption=say("Best accuracy over the starts (%)")), fitted_table(fits), *timed],
        sources=SOURCES,
        numbers={"collapse": collapsed, "puzzles": solved, "approximation": [{k: v for k, v in each.items() if k != "drawn"} for each in near],
                 "spread": spreads, "units": dead, "overfitting": fits},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ what it buys


def collapse(depth: int, seed: int) -> Record:
    """How far a deep network without a non-linearity is from its one linear map, relative to its output."""
    network = start([8, *[WIDTH] * depth, 3], [seed], variance=1.0, kind=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 100, 8, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        for bias in network[1::2]:
            bias.normal_(generator=generator)
        output = forward(network, features, ls.identity)
        matrix, offset = network[0], network[1]
        for weight, bias in zip(network[2::2], network[3::2]):
            matrix, offset = matrix @ weight, offset @ weight + bias
        apart = (output - features @ matrix - offset).abs().max() / output.abs().max()
    return {"hidden layers": depth, "seed": seed, "apart": float(apart)}


def puzzle(name: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """XOR: the four corners of a square; two circles: one ring within another. Features, and 0 or 1."""
    if name == PUZZLES[0]:
        return torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]), torch.tensor([0.0, 1, 1, 0])
    points, inside = make_circles(200, noise=0.05, factor=0.5, random_state=seed)
    return torch.from_numpy(points).float(), torch.from_numpy(inside).float()


def trained(name: str, label: str, hidden: int, starts: Sequence[int], seed: int) -> Any:
    """Networks of 16 units a layer after 150 steps of Adam on cross-entropy, with their features and targets."""
    features, target = puzzle(name, seed)
    features, target = (each.expand(len(starts), *each.shape) for each in (features, target))
    network = start([2, *[16] * hidden, 1], starts, variance=1.0)
    optimizer = torch.optim.Adam(network, lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        cost(
            ls.get("binary_cross_entropy"), forward(network, features, ACTIVATIONS[label])[..., 0], target
        ).backward()
        optimizer.step()
    return network, features, target


def solve(name: str, label: str, hidden: int, starts: Sequence[int], seed: int) -> Record:
    network, features, target = trained(name, label, hidden, starts, seed)
    with torch.no_grad():
        right = (forward(network, features, ACTIVATIONS[label])[..., 0] > 0) == (target > 0.5)
    return {
        "puzzle": name,
        "activation": label,
        "hidden layers": hidden,
        "accuracy": right.double().mean(1).tolist(),
    }


def wave(x: np.ndarray) -> np.ndarray:
    """A function with a bend, a kink and two bumps, to be approximated on [-3, 3]."""
    return np.sin(2 * x) + np.abs(x) / 2


def approximate(label: str, width: int, seed: int) -> Record:
    """One hidden layer with random weights, its output layer by least squares: no training to blame."""
    random = np.random.default_rng([seed, width])
    slopes, places = random.normal(0, 2, width), random.uniform(-3, 3, width)

    def layer(x: np.ndarray) -> np.ndarray:
        return np.column_stack(
            [np.asarray(ACTIVATIONS[label](slopes * (x[:, None] - places))), np.ones(len(x))]
        )

    inside, beyond = np.linspace(-3, 3, 601), np.linspace(3, 6, 301)
    found = np.linalg.lstsq(layer(inside), wave(inside), rcond=1e-10)[0]
    drawn = np.linspace(-4.5, 4.5, 301)
    return {"activation": label, "width": width, "within": rms(layer(inside) @ found - wave(inside)),
            "beyond": rms(layer(beyond) @ found - wave(beyond)), "drawn": (drawn, layer(drawn) @ found)}  # fmt: skip


def rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def spread(label: str, variance: float, starts: Sequence[int]) -> Record:
    """The standard deviation over inputs, of each layer's units: what a later layer can still tell apart."""
    network = start([WIDTH] * (DEEP + 2), starts, variance, torch.float64)
    features = torch.stack(
        [
            torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(each), dtype=torch.float64)
            for each in starts
        ]
    )
    hidden: list[torch.Tensor] = []
    with torch.no_grad():
        forward(network, features, ACTIVATIONS[label], hidden)
    left = [float(layer.std(1).square().mean().sqrt()) for layer in hidden]
    size = [float(layer.abs().max()) for layer in hidden]
    return {"activation": label, "variance of the weights": say("{variance:.2g}/width", variance=variance), "variance": variance,
            "inputs": left, "largest": max(size), "a layer": (left[-1] / left[0]) ** (1 / (DEEP - 1))}  # fmt: skip


# ------------------------------------------------------------------------------------------ zeros and overfitting


def no_zeros(z: torch.Tensor) -> torch.Tensor:
    """The same bend, and nowhere 0: the intervention that takes sparsity away and leaves all else."""
    return ls.leaky_relu(z, slope=0.01)


def winners(z: torch.Tensor) -> torch.Tensor:
    """ReLU, of which only the largest eighth of a layer is kept: the intervention that adds sparsity."""
    least = z.topk(z.shape[-1] // 8, dim=-1).values[..., -1:]
    return torch.relu(z) * (z >= least)


OVERFITTED = {"sigmoid": ls.sigmoid, "tanh": ls.tanh, "ReLU": ls.relu, NO_ZEROS: no_zeros, WINNERS: winners}


def units(data: Data, rate: float, starts: Sequence[int], epochs: int) -> list[Record]:
    """Two hidden layers of ReLU under plain SGD: shares of outputs that are 0, and of units that are 0 on every row."""
    features, target = torch.from_numpy(data.scaled()), torch.from_numpy(data.target)
    network = start([features.shape[1], WIDTH, WIDTH, data.classes], starts, HES)

    def look() -> tuple[torch.Tensor, torch.Tensor]:
        hidden: list[torch.Tensor] = []
        with torch.no_grad():
            forward(network, features.expand(len(starts), *features.shape), ls.relu, hidden)
        # Through a unit that overflowed nothing flows: it counts as dead.
        zero = torch.cat([(layer == 0) | ~layer.isfinite() for layer in hidden], 2)
        return zero.double().mean((1, 2)), zero.all(1).double().mean(1)

    before = look()
    optimizer = torch.optim.SGD(network, lr=rate)
    random = np.random.default_rng(0)
    for _ in range(epochs):
        order = [random.permutation(len(target)) for _ in starts]
        for now in torch.from_numpy(np.stack(order)).split(32, 1):
            optimizer.zero_grad()
            cost(ls.get("cross_entropy"), forward(network, features[now], ls.relu), target[now]).backward()
            optimizer.step()
    after = look()
    return [{"learning rate": rate, "seed": seed, "zero before": float(before[0][at]), "dead before": float(before[1][at]),
             "zero": float(after[0][at]), "dead": float(after[1][at])} for at, seed in enumerate(starts)]  # fmt: skip


def overfit(
    data: Data, label: str, activation: Callable[[Any], Any], starts: Sequence[int], rows: int
) -> list[Record]:
    """Full-batch Adam on a few rows; each run is judged where its training log loss first is FITTED."""
    features, target = torch.from_numpy(data.scaled()), torch.from_numpy(data.target)
    order = torch.from_numpy(
        np.stack([np.random.default_rng(seed).permutation(len(target)) for seed in starts])
    )
    few, test = order[:, :rows], order[:, -500:]
    network = start([features.shape[1], WIDTH, WIDTH, data.classes], starts, HES if "ReLU" in label else 1.0)
    optimizer = torch.optim.Adam(network, lr=0.003)

    def losses(at: torch.Tensor, hidden: list[torch.Tensor] | None = None) -> torch.Tensor:
        output = forward(network, features[at], activation, hidden)
        return (
            ls.get("cross_entropy")(output.flatten(0, 1), target[at].flatten(), reduction="none")
            .view(at.shape)
            .mean(1)
        )

    found: dict[int, Record] = {}
    for step in range(1500):
        optimizer.zero_grad()
        now = losses(few)
        reached = [at for at, value in enumerate(now.tolist()) if value <= FITTED and at not in found]
        if reached:
            hidden: list[torch.Tensor] = []
            with torch.no_grad():
                then = losses(test, hidden)
            zero = torch.cat([layer == 0 for layer in hidden], 2).double().mean((1, 2))
            found |= {at: {"activation": label, "seed": starts[at], "steps": step, "test": float(then[at]), "zero": float(zero[at])}
                      for at in reached}  # fmt: skip
        if len(found) == len(starts):
            break
        now.sum().backward()
        optimizer.step()
    return [found[at] for at in sorted(found)]

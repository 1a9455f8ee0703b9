"""Study 11: What does a non-linearity buy, what does it cost, and does a sparse one overfit less?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
from sklearn.datasets import make_circles

import losscope as ls
from losscope.report import Bars, Chart, Line, Panel, Points, Region, Table
from losscope.studies import verdict
from losscope.studies.datasets import Data, bundled
from losscope.studies.networks import HES, PYTORCHS, cost, forward, one_thread, start
from losscope.studies.study import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_DECIDED,
    Claim,
    Progress,
    Range,
    Result,
    say,
    silent,
)
from losscope.studies.text import joined
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
        timed = [times(15)] if timing else []
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


# ------------------------------------------------------------------------------------------ what is said


def one_map(runs: Sequence[Record]) -> Claim:
    apart = [run["apart"] for run in runs]
    return Claim(
        say("Without a non-linearity, a network of any depth is one linear map."),
        verdict.theorem(-np.array(apart), 1e-10),
        say("A product of matrices is a matrix. {count} networks of 1 to 50 hidden layers differ from their product by at most"
            " {worst:.1g} of the output, in float64.", count=len(apart), worst=max(apart)),
        "activations",
    )  # fmt: skip


def fails(runs: Sequence[Record]) -> Claim:
    def most(puzzle: str, curved: bool) -> float:
        return max(
            max(run["accuracy"])
            for run in runs
            if run["puzzle"] == puzzle and (run["activation"] != NONE) == curved
        )

    (xor, circles), (other, rings) = (
        [most(puzzle, curved) for puzzle in PUZZLES] for curved in (False, True)
    )
    return Claim(
        say("Without a non-linearity a network of any depth fails on XOR and on two circles; with one it does not."),
        HOLDS if xor <= 0.75 and circles <= 0.75 and min(other, rings) >= 0.99 else DOES_NOT_HOLD,
        say("Its boundary is a straight line, which has at most 3 of the 4 corners on their right sides. Best accuracy without:"
            " {xor:.0%} on XOR and {circles:.0%} on the circles; with one: {other:.0%} and {rings:.0%}.",
            xor=xor, circles=circles, other=other, rings=rings),
        "activations",
    )  # fmt: skip


def any_function(runs: Sequence[Record]) -> Claim:
    widest = max(run["width"] for run in runs)
    curved = [run for run in runs if run["activation"] in CURVED and run["width"] == widest]
    flat = next(run for run in runs if run["activation"] == NONE and run["width"] == widest)
    within, beyond = max(run["within"] for run in curved), min(run["beyond"] for run in curved)
    return Claim(
        say("A network with a non-linearity approximates any function."),
        verdict.over({say("the function is continuous and the inputs stay in a bounded range"): HOLDS if within < 0.01 < flat["within"] else DOES_NOT_HOLD,
                      say("the inputs leave that range"): HOLDS if beyond < 0.01 else DOES_NOT_HOLD}),
        say("Cybenko and Hornik proved it: one hidden layer is enough if it is wide enough. With {width} units the root mean squared error on"
            " [-3, 3] is at most {within:.1g} (without a non-linearity {flat:.2g}, at every width), on [3, 6] at least {beyond:.1g}. That a"
            " network exists does not say that training finds it.", width=widest, within=within, flat=flat["within"], beyond=beyond),
        "activations",
    )  # fmt: skip


def bounded(runs: Sequence[Record]) -> Claim:
    """Bounded outputs would suit the next layer if they kept inputs apart, and unbounded ones did not."""
    kept = {
        (run["activation"], run["variance"]): 0.8 <= run["a layer"] <= 1.25
        for run in runs
        if run["activation"] != NONE
    }
    suits = all(kept[label, HES] for label in ("sigmoid", "tanh")) and not kept["ReLU", HES]
    shown = joined([say("{label} {factors}", label=label, factors=", ".join(f"{run['a layer']:.2f}" for run in runs if run["activation"] == label))
                    for label in CURVED])  # fmt: skip
    return Claim(
        say("Sigmoid and tanh suit the next layer, because their outputs are bounded."),
        HOLDS if suits else DOES_NOT_HOLD if kept["ReLU", HES] and not kept["sigmoid", HES] else NOT_DECIDED,
        say("It is a matter of scale. The difference between inputs is multiplied by this at each layer, for weights of variance 1/3, 1 and"
            " 2 over the width: {shown}. The unbounded ReLU keeps inputs apart at a variance of 2/width; the bounded sigmoid, whose slope is"
            " 1/4 at most, does not at any of them.", shown=shown),
        "activations",
    )  # fmt: skip


def share_of_a_step(width: int, operations: float) -> float:
    """Of a dense layer's step: each unit takes 2 operations a weight, forward, for the inputs and for the weights."""
    return operations / (6 * width + operations)


def saves_time() -> Claim:
    """Counted, not timed: much on every machine, or on none."""

    def much(width: int) -> str:
        least, most = share_of_a_step(width, CHEAP), share_of_a_step(width, DEAR)
        return HOLDS if least > MUCH else DOES_NOT_HOLD if most < MUCH else NOT_DECIDED

    return Claim(
        say("ReLU saves a network much computing time, because sigmoid and tanh need exponentials and divisions."),
        verdict.over({say("a layer has 8 units"): much(8), say("a layer has 512 units"): much(512)}),
        say("A dense layer n wide takes 6n operations for each of its activations (forward, and back to inputs and weights). An exponential and"
            " a division are worth {cheap} to {dear} operations on any machine: {few:.0%} to {some:.0%} of a step at 8 units, {least:.1%} to"
            " {most:.1%} at 512. More than {much:.0%} counts as much. `--timing` measures it on yours.", cheap=CHEAP, dear=DEAR,
            few=share_of_a_step(8, CHEAP), some=share_of_a_step(8, DEAR), least=share_of_a_step(512, CHEAP), most=share_of_a_step(512, DEAR), much=MUCH),
        "activations",
    )  # fmt: skip


def sparse(runs: Sequence[Record]) -> Claim:
    before, after = (
        verdict.mean([run[when] for run in runs if run["learning rate"] == 0.1])
        for when in ("zero before", "zero")
    )
    inside = [each.low > 0.35 and each.high < 0.65 for each in (before, after)]
    outside = [each.high < 0.35 or each.low > 0.65 for each in (before, after)]
    return Claim(
        say("ReLU makes a network sparse: about half of its outputs are 0."),
        verdict.over({when: HOLDS if yes else DOES_NOT_HOLD if no else NOT_DECIDED
                      for when, yes, no in zip((say("it is not trained yet"), say("it is trained")), inside, outside)}),
        say("{before} of the outputs before training, {after} after it, at a learning rate of 0.1. From 35% to 65% counts as half.",
            before=str(before), after=str(after)),
        "activations",
    )  # fmt: skip


def kills(runs: Sequence[Record]) -> Claim:
    rates = dict.fromkeys(run["learning rate"] for run in runs)
    more = {
        rate: verdict.mean([run["dead"] - run["dead before"] for run in runs if run["learning rate"] == rate])
        for rate in rates
    }
    return Claim(
        say("A learning rate that is too large kills ReLU units for good."),
        verdict.more_than(verdict.mean([a["dead"] - b["dead"] for a, b in zip(
            [run for run in runs if run["learning rate"] == max(rates)], [run for run in runs if run["learning rate"] == min(rates)])]), 0.1),
        say("Units that are 0 on every row, and so have no gradient, more than before training: {shown}.",
            shown=joined([say("{share} at a rate of {rate:g}", share=str(each), rate=rate) for rate, each in more.items()])),
        "activations",
    )  # fmt: skip


def beaten(runs: Sequence[Record], label: str, by: str) -> verdict.Interval:
    """By how much the test log loss of `label` is above that of `by`, seed by seed."""
    one, other = (
        {run["seed"]: run["test"] for run in runs if run["activation"] == each} for each in (label, by)
    )
    return verdict.mean([one[seed] - other[seed] for seed in one if seed in other])


def overfits_less(runs: Sequence[Record]) -> Claim:
    found = {label: beaten(runs, label, "ReLU") for label in ("sigmoid", "tanh")}
    return Claim(
        say("ReLU overfits less than sigmoid and tanh."),
        verdict.over({say("it is compared with sigmoid"): verdict.more_than(found["sigmoid"], MATTERS),
                      say("it is compared with tanh"): verdict.more_than(found["tanh"], MATTERS)}),
        say("At the same training log loss of {fitted:g}, the test log loss of sigmoid is above ReLU's by {sigmoid}, that of tanh by {tanh};"
            " {least:g} counts.", fitted=FITTED, least=MATTERS, **{label: str(each) for label, each in found.items()}),
        "activations",
    )  # fmt: skip


def because_sparse(runs: Sequence[Record]) -> Claim:
    """An intervention on one network: its zeros taken away, and more of them made."""
    away, more = beaten(runs, NO_ZEROS, "ReLU"), beaten(runs, "ReLU", WINNERS)
    return Claim(
        say("A ReLU network overfits less because it is sparse."),
        verdict.over({say("zeros are taken away"): verdict.more_than(away, MATTERS), say("more zeros are made"): verdict.more_than(more, MATTERS)}),
        say("One network, and only its zeros changed. Without any (a slope of 0.01 below 0) the test log loss rises by {away}; with one unit in"
            " eight kept it falls by {more}. {least:g} counts: sparsity would have to make a difference on one side at least.",
            away=str(away), more=str(more), least=MATTERS),
        "activations",
    )  # fmt: skip


def times(repeats: int) -> Table:
    """Share of a whole training step that an activation takes: the step with it, less the step without, interleaved."""
    rows = []
    for width in (16, 128, 1024):
        features = torch.randn(1, 256, width)
        network = start([width] * 4, [0])
        taken: dict[str, list[float]] = {label: [] for label in ("", "sigmoid", "tanh", "ReLU")}
        for repeat in range(repeats + 1):
            for label, seen in taken.items():
                apply = {"": lambda z: z, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}[
                    label
                ]
                began = perf_counter()
                forward(network, features, apply).sum().backward()
                if repeat:  # the first warms up
                    seen.append(perf_counter() - began)
        for label in CURVED:
            share = 1 - np.array(taken[""]) / np.array(taken[label])
            rows.append([width, label, *(100 * float(each) for each in np.percentile(share, [50, 5, 95]))])
    columns = [say("units of a layer"), say("activation"), say("share of a step (%)"), say("from"), say("to")]
    return Table(
        columns, rows, caption=say("Measured on this machine with PyTorch: the median and 90% of the repeats")
    )


# ------------------------------------------------------------------------------------------ pictures


def boundaries(seed: int) -> Chart:
    """What the same network calls inside, without and with an activation."""
    side = np.linspace(-1.6, 1.6, 81)
    grid = torch.from_numpy(np.stack(np.meshgrid(side, side), -1).reshape(1, -1, 2)).float()
    panels = []
    for label in (NONE, "tanh", "ReLU"):
        network, features, target = trained(PUZZLES[1], label, 2, [seed], seed)
        with torch.no_grad():
            scores = forward(network, grid, ACTIVATIONS[label]).reshape(len(side), -1).double().numpy()
        x, inside = features[0].numpy(), target[0].numpy() > 0.5
        panels.append(
            Panel(
                say("Activation: {label}", label=label),
                say("first input"),
                say("second input"),
                [
                    Region(side, side, scores, say("called inside")),
                    Points(*x[inside].T, say("inner circle")),
                    Points(*x[~inside].T, say("outer circle")),
                ],
            )
        )
    return Chart(panels, caption=say("Two hidden layers of 16 units. Without a non-linearity the boundary is a straight line, however deep the network."),
                 name="boundaries", columns=3)  # fmt: skip


def approximations(runs: Sequence[Record]) -> Chart:
    x = np.linspace(-4.5, 4.5, 301)
    panels = [Panel(say("{label}, one hidden layer", label=label), say("input"), say("output"),
                    [Line(x, wave(x), say("the function"), style="reference"),
                     *(Line(*run["drawn"], say("{width} units", width=run["width"])) for run in runs if run["activation"] == label and run["width"] in (4, 16, 256))],
                    y_limits=(-2.0, 4.0), notes=[(-3, ""), (3, "3")]) for label in ("tanh", "ReLU")]  # fmt: skip
    return Chart(
        panels,
        caption=say("Fitted on [-3, 3]: the wider, the closer. Outside of it no network knows anything."),
        name="approximation",
        columns=2,
    )


def overfitting(runs: Sequence[Record]) -> Chart:
    losses = {label: [run["test"] for run in runs if run["activation"] == label] for label in OVERFITTED}
    losses = {label: each for label, each in losses.items() if each}
    bars = Bars(list(losses), [np.mean(each) for each in losses.values()], say("test log loss"),
                low=[min(each) for each in losses.values()], high=[max(each) for each in losses.values()])  # fmt: skip
    return Chart([Panel(say("Test loss at equal fit"), say("test log loss (nats)"), say("activation"), [bars])],
                 caption=say("All trained to the same training loss. Means over the starts; whiskers: their range."), name="overfitting")  # fmt: skip


def fitted_table(runs: Sequence[Record]) -> Table:
    rows = []
    for label in OVERFITTED:
        here = [run for run in runs if run["activation"] == label]
        if here:
            rows.append(
                [
                    label,
                    len(here),
                    float(np.mean([run["steps"] for run in here])),
                    100 * float(np.mean([run["zero"] for run in here])),
                    (
                        float(np.mean([run["test"] for run in here])),
                        float(np.std([run["test"] for run in here])),
                    ),
                ]
            )
    columns = [
        say("activation"),
        say("starts"),
        say("steps to fit"),
        say("outputs that are 0 (%)"),
        say("test log loss (nats)"),
    ]
    return Table(columns, rows, caption=say("Trained on few digits to one training log loss"))


DONE = say(
    "Networks without a non-linearity are multiplied out to one matrix, and trained on two puzzles that no straight line solves. One hidden layer of"
    " random units, its outputs fitted by least squares, approximates a function. Before training, the spread between inputs is followed through"
    " 20 layers of 64 units. Costs are counted in operations, so that the verdict is not that of one machine."
)
MORE = say(
    "On scikit-learn's digits two hidden layers of 64 units are trained, all activations from the same starts. Overfitting is judged at one training"
    " log loss, so that all fit equally well. Whether sparsity is the cause is tested by an intervention: ReLU without zeros, and with more of them."
)
SOURCES = [
    say("G. Cybenko, Approximation by superpositions of a sigmoidal function (1989), doi:10.1007/BF02551274."),
    say("K. Hornik, Approximation capabilities of multilayer feedforward networks (Neural Networks, 1991), doi:10.1016/0893-6080(91)90009-T."),
    say("X. Glorot, A. Bordes and Y. Bengio, Deep sparse rectifier neural networks (AISTATS 2011)."),
    say("K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers (ICCV 2015), doi:10.1109/ICCV.2015.123."),
]  # fmt: skip

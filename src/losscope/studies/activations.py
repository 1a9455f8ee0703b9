"""Study 11: What does a non-linearity buy, what does it cost, and does a sparse one overfit less?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

import losscope as ls
from losscope.errors import LossError, complain
from losscope.one_thread import one_thread
from losscope.report import Table, name_of
from losscope.studies import (
    approximation,
    computation,
    dead_units,
    overfitting,
    puzzles,
    two_classes,
    verdict,
)
from losscope.studies.datasets import Data, bundled, mnist
from losscope.studies.networks import HES, PYTORCHS, forward, start
from losscope.studies.puzzles import NONE
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
from losscope.studies.text import at_most, joined
from losscope.studies.views import Record, chart, pivot

CURVED = {"sigmoid": ls.sigmoid, "tanh": ls.tanh, "ReLU": ls.relu}
BOUNDED = ("sigmoid", "tanh")
WIDTH, DEEP = 64, 20
ROUNDING = 1e-10  # of the output, through up to 50 layers
# Of the weights times the width: PyTorch's default, Glorot's, He's, and twice that.
VARIANCES = (PYTORCHS, 1.0, HES, 2 * HES)
KEPT = 10 ** (1 / DEEP)  # a layer: a factor of ten over all of them, either way
FLOOR = 1e-12  # a smaller spread may be float64's rounding, and is left out of the factor a layer


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    seeds: Annotated[int, Range(2, 100), "starts of every network"] = 16,
    rows: Annotated[int, Range(20, 1000), "of each data set to fit, half of it at most"] = 200,
    learning_rate: Annotated[float, Range(0, 1, above=True), "of the networks that overfit (Adam)"] = 0.01,
    activation: Annotated[tuple[str, ...], "more activations of the catalogue to try beside the three"] = (),
    data_dir: Annotated[Path | None, "folder of MNIST's files, to learn MNIST instead of scikit-learn's digits"] = None,
    timing: Annotated[bool, "also measure on this machine how much time ReLU saves"] = False,
) -> Result:  # fmt: skip
    """One linear layer, two puzzles, approximation, scale, computation, zeros and overfitting."""
    curved = CURVED | {name_of(name): _checked(name) for name in activation}
    starts = range(seed, seed + (min(seeds, 8) if quick else seeds))
    problems = data_sets(data_dir, seed)[: 6 if quick else None]
    trained = curved | {overfitting.AWAY: overfitting.no_zeros, overfitting.MORE: overfitting.winners}
    with one_thread():
        collapsed = [collapse(depth, each) for depth in (1, 2, 5, 10, 50) for each in starts]
        progress(0.02, say("XOR and two circles"))
        solved = puzzles.measure({NONE: ls.identity, **curved}, (2,) if quick else (1, 2, 4), starts, seed)
        first = puzzles.picture({NONE: ls.identity, **curved}, seed)
        near = approximation.measure({NONE: ls.identity, **curved}, seed)
        spreads = [
            spread(label, each, v, starts)
            for label, each in {NONE: ls.identity, **curved}.items()
            for v in VARIANCES
        ]
        dead, fits = list[Record](), list[Record]()
        for at, data in enumerate(problems):
            progress(0.2 + 0.8 * at / len(problems), say("zeros and overfitting: {data}", data=data.name))
            for rate in dead_units.RATES[:: 3 if quick else 1]:
                dead += dead_units.train(data, rate, starts)
            for label, each in trained.items():
                fits += overfitting.train(data, label, each, starts, rows, learning_rate)
        timed = computation.measure() if timing else []
    counts = computation.count()
    claims = [one_map(collapsed), puzzles.claim(solved), approximation.claim(near, list(curved)), suit_the_next_layer(spreads),
              computation.claim(counts), *([computation.timed(timed)] if timed else []), *overfitting.claims(fits), dead_units.claim(dead)]  # fmt: skip
    shown = [each for each in spreads if each["activation"] in CURVED]
    return Result(
        answer=answered(claims),
        done=[DONE, say("{count} data sets with classes, and {starts} starts of each network. {more}", count=len(problems), starts=len(starts), more=MORE)],
        claims=claims,
        charts=[first, approximation.picture(near),
                chart(shown, "spread", x="layer", panel="activation", line="weights", title="Activation: {}", y_scale="log", columns=3, name="spread",
                      labels=(say("layer"), say("spread between inputs")),
                      caption=say("How much of the difference between inputs is left after each layer, before training, for weights of these variances"
                                  " times the width: PyTorch's default, Glorot's, He's, and twice that. Near 1e-16 it is float64's rounding.")),
                overfitting.picture(fits)],
        tables=[puzzles.table(solved), a_layer(shown), *overfitting.tables(fits), *([computation.table(timed)] if timed else [])],
        sources=SOURCES,
        numbers={"collapse": collapsed, "puzzles": solved, "approximation": [{**each, "curve": each["curve"].tolist()} for each in near],
                 "spread": spreads, "operations": counts, "dead": dead, "overfitting": fits, **({"timed": timed} if timed else {})},
    )  # fmt: skip


def _checked(name: str) -> Callable[[Any], Any]:
    found = ls.get(name)
    if found.judges != "nothing":
        known = ", ".join(ls.activations())
        raise LossError(complain(f"{found.name} is not an activation", expected=f"one of {known}"))
    return found


def data_sets(folder: Path | None, seed: int) -> list[Data]:
    """Digits of ten classes, and problems with two classes: real ones, and made ones whose truth is known."""
    digits = mnist(folder) if folder else bundled(["digits"])[0]
    return [
        digits,
        *(
            Data(name, x[:, 1:], (label > 0).astype("int64"), 2)
            for name, x, label in two_classes.bundled(seed)
        ),
    ]


# ------------------------------------------------------------------------------------------ one linear layer


def collapse(depth: int, seed: int) -> Record:
    """How far a deep network without a non-linearity is from the one layer it amounts to, relative to its output."""
    network = start([8, *[WIDTH] * depth, 3], [seed], 1.0, torch.float64)
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 100, 8, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        for bias in network[1::2]:
            bias.normal_(generator=generator)
        matrix, offset = multiplied_out(network)
        output = forward(network, features, ls.identity)
        apart = (output - features @ matrix - offset).abs().max() / output.abs().max()
    return {"hidden layers": depth, "seed": seed, "apart": float(apart)}


def multiplied_out(network: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The one weight matrix and the one bias that a network without a non-linearity amounts to."""
    matrix, offset = network[0], network[1]
    for weight, bias in zip(network[2::2], network[3::2]):
        matrix, offset = matrix @ weight, offset @ weight + bias
    return matrix, offset


def one_map(runs: Sequence[Record]) -> Claim:
    apart = np.array([run["apart"] for run in runs])
    return Claim(
        say("Without a non-linearity, a network of any depth is one linear layer."),
        verdict.theorem(-apart, ROUNDING),
        say("A product of matrices is a matrix: without biases the network is a linear map, with biases an affine one, which adds a constant. {count} networks of"
            " 1 to 50 hidden layers differ from their one matrix and one bias by at most {worst:.1g} of the output, in float64; {least:g} counts as rounding.",
            count=len(apart), worst=at_most(apart.max()), least=ROUNDING),
        "activations",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ bounded outputs


def spread(label: str, activation: Callable[[Any], Any], variance: float, starts: Sequence[int]) -> Record:
    """The standard deviation over inputs of each layer's units: what a later layer can still tell apart; and the largest output."""
    network = start([WIDTH] * (DEEP + 2), starts, variance, torch.float64)
    drawn = [torch.Generator().manual_seed(1_000_003 + each) for each in starts]
    features = torch.stack([torch.randn(64, WIDTH, generator=each, dtype=torch.float64) for each in drawn])
    hidden: list[torch.Tensor] = []
    with torch.no_grad():
        forward(network, features, activation, hidden)
    left = np.array([layer.std(1).square().mean(1).sqrt().numpy() for layer in hidden])  # (layers, runs)
    last = max(int((left.min(1) > FLOOR).sum()) - 1, 1)
    return {"activation": label, "variance": variance, "weights": say("variance {variance:.2g}", variance=variance), "layer": list(range(1, DEEP + 1)),
            "spread": left.mean(1).tolist(), "a layer": ((left[last] / left[0]) ** (1 / last)).tolist(),
            "largest": max(float(layer.abs().max()) for layer in hidden)}  # fmt: skip


def keeps_apart(run: Record) -> str:
    """Whether the difference between inputs stays within a factor of ten, either way, over DEEP such layers."""
    return verdict.more_than(verdict.mean(np.log(KEPT) - np.abs(np.log(run["a layer"]))))


def suit_the_next_layer(runs: Sequence[Record]) -> Claim:
    """Outputs would suit the next layer because they are bounded, if bounded ones always did, and unbounded ones never."""
    kept = {label: {run["variance"]: keeps_apart(run) for run in runs_of(runs, label)} for label in CURVED}
    sides = [
        {label: list(each.values()) for label, each in kept.items() if (label in BOUNDED) == side}
        for side in (True, False)
    ]
    at = {
        label: [say("{variance:.2g}", variance=v) for v, each in tried.items() if each == HOLDS]
        for label, tried in kept.items()
    }
    return Claim(
        say("Sigmoid and tanh suit the next layer, because their outputs are bounded."),
        because_bounded(*sides),
        say("It is a matter of scale. By this a layer multiplies the difference between inputs, for weights of variance {variances} over the width"
            " (as long as it is above {floor:g}): {shown}. From {low:.2f} to {high:.2f}, a factor of ten over {layers} layers, counts as kept apart;"
            " a table has the intervals. So inputs are surely kept apart by {kept}. The slope of a sigmoid is 1/4 at most. Bounded outputs cannot grow: the largest after {layers} layers at a variance of 4 is {bounded:.0f} with tanh and {unbounded:.0f} with ReLU.",
            variances=joined([say("{variance:.2g}", variance=each) for each in VARIANCES], ", "), layers=DEEP, floor=FLOOR, low=1 / KEPT, high=KEPT,
            shown=joined([say("{label} {factors}", label=label, factors=", ".join(f"{np.mean(run['a layer']):.2f}" for run in runs if run["activation"] == label)) for label in CURVED]),
            kept=joined([say("{activation} at {variances}", activation=label, variances=joined(each, ", ")) if each else say("{activation} at none of these", activation=label)
                         for label, each in at.items()]), bounded=runs_of(runs, "tanh")[-1]["largest"], unbounded=runs_of(runs, "ReLU")[-1]["largest"]),
        "activations",
    )  # fmt: skip


def a_layer(runs: Sequence[Record]) -> Table:
    return pivot(runs, ("weights",), "activation", lambda run: verdict.mean(np.log(run["a layer"])).shown(of=np.exp),
                 caption=say("By what a layer multiplies the difference between inputs: means and 99% intervals over the starts"))  # fmt: skip


def runs_of(runs: Sequence[Record], label: str) -> list[Record]:
    return [run for run in runs if run["activation"] == label]


def because_bounded(bounded: Mapping[str, Sequence[str]], unbounded: Mapping[str, Sequence[str]]) -> str:
    """From whether each activation keeps inputs apart, at each variance."""
    if any(set(each) == {DOES_NOT_HOLD} for each in bounded.values()) and any(
        HOLDS in each for each in unbounded.values()
    ):
        return DOES_NOT_HOLD  # bounded outputs are neither enough nor needed
    never = all(set(each) == {DOES_NOT_HOLD} for each in unbounded.values())
    return HOLDS if never and all(HOLDS in each for each in bounded.values()) else NOT_DECIDED


# ------------------------------------------------------------------------------------------ words


def answered(claims: Sequence[Claim]) -> str:
    """The sentences on zeros follow their verdicts."""
    found = {str(each.claim): each.verdict for each in claims}
    less = found["ReLU overfits less than sigmoid and tanh."]
    because = found["A ReLU network overfits less because it is sparse."]
    rule = say(
        "ReLU makes a network sparse, but as a rule it does not overfit less than sigmoid or tanh: that depends on the data."
    )
    zeros = say(
        "A variant of ReLU without zeros does not overfit more than ReLU does, nor does one with more zeros overfit less."
    )
    open_ = say("Whether ReLU overfits less, and whether its zeros are why, is in the verdicts below.")
    rest = (
        [rule, zeros]
        if less == because == DOES_NOT_HOLD
        else [zeros]
        if because == DOES_NOT_HOLD
        else [open_]
    )
    return joined([
        say("Without a non-linearity any depth is one linear layer, whose boundary is a straight line; with one that is no polynomial a wide layer comes close"
            " to any continuous function on a bounded range."), *rest], " ")  # fmt: skip


DONE = say(
    "Networks without a non-linearity are multiplied out to one matrix and one bias, and trained on two puzzles that no straight line solves. One hidden layer of"
    " random units, its outputs fitted by least squares, approximates a function. Before training, the spread between inputs is followed through"
    " 20 layers of 64 units. Operations are counted in this library's own kernels, and not timed, so that the verdict is not that of one machine."
)
MORE = say(
    "For overfitting, networks of two hidden layers of 32 units learn some rows by Adam at one rate, until the training log loss is 0.05 for all: there"
    " their test losses are compared, whatever number of steps each took. Whether zeros are the cause is tested with two variants: ReLU with a tenth of its"
    " slope below 0, which has no zeros, and ReLU of which only the largest eighth of a layer's units is kept. Intervals are over the starts, each with"
    " its own training rows, for these data sets: other data sets may differ more. For dead units, ReLU networks are trained by plain SGD at one rate, and"
    " then as long again at a small one."
)
SOURCES = [
    say("G. Cybenko, Approximation by superpositions of a sigmoidal function (1989), doi:10.1007/BF02551274."),
    say("K. Hornik, Approximation capabilities of multilayer feedforward networks (Neural Networks, 1991), doi:10.1016/0893-6080(91)90009-T."),
    say("M. Leshno, V. Lin, A. Pinkus and S. Schocken, Multilayer feedforward networks with a nonpolynomial activation function can approximate any function"
        " (Neural Networks, 1993), doi:10.1016/S0893-6080(05)80131-5."),
    say("X. Glorot, A. Bordes and Y. Bengio, Deep sparse rectifier neural networks (AISTATS 2011), proceedings.mlr.press/v15/glorot11a.html."),
    say("K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers (ICCV 2015), doi:10.1109/ICCV.2015.123."),
]  # fmt: skip

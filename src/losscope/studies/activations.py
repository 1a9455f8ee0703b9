"""Study 11: What does a non-linearity buy, what does it cost, and which one lets gradients through?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, isfinite, log
from statistics import fmean, median, stdev
from typing import Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when

# Label: the name in the catalogue, and the variance of the weights times the width that suits it: 1 keeps
# the size of what goes through a linear layer, 2 makes up for the half that ReLU cuts off (He et al. 2015).
ACTIVATIONS = {
    "none": ("identity", 1.0),
    "sigmoid": ("sigmoid", 1.0),
    "tanh": ("tanh", 1.0),
    "ReLU": ("relu", 2.0),
}
CURVED = ("sigmoid", "tanh", "ReLU")
DEPTHS = (1, 2, 5, 10, 20, 30, 40, 50)
WIDTH = 64
EXACT = 1e-10  # relative, in float64: rounding of some 50 products
VANISHING, KEPT = 0.8, (0.9, 1.1)  # a layer: 0.8^50 is 1e-5, 0.9^50 is 0.005
CHEAPER = 1.1  # times as long: less is within what a busy machine adds
RATES = (0.01, 0.1, 1.0, 3.0)
FITTED = 0.05  # training log loss at which all count as equally well fitted


class _Network:
    """Dense layers with one activation between them, none after the last; keeps what each hidden one gave."""

    def __init__(
        self, sizes: Sequence[int], activation: str, variance: float, seed: int, exact: bool = False
    ) -> None:
        import torch

        import losscope as ls

        generator = torch.Generator().manual_seed(seed)
        kind = torch.float64 if exact else torch.float32
        self.activation = getattr(ls, activation)
        self.weights = [
            torch.randn(rows, columns, generator=generator, dtype=kind).mul_((variance / rows) ** 0.5)
            for rows, columns in pairwise(sizes)
        ]
        self.biases = [torch.zeros(columns, dtype=kind) for columns in sizes[1:]]
        for parameter in self.parameters():
            parameter.requires_grad_()
        self.hidden: list[Any] = []

    def parameters(self) -> list[Any]:
        return [*self.weights, *self.biases]

    def __call__(self, features: Any) -> Any:
        self.hidden, through = [], features
        for weight, bias in zip(self.weights[:-1], self.biases[:-1]):
            through = self.activation(through @ weight + bias)
            self.hidden.append(through)
        return through @ self.weights[-1] + self.biases[-1]


# ------------------------------------------------------------------------------------ one linear map


def multiplied_out(network: Any) -> tuple[Any, Any]:
    """The one weight matrix and bias that a network without a non-linearity amounts to."""
    matrix, offset = network.weights[0], network.biases[0]
    for weight, bias in zip(network.weights[1:], network.biases[1:]):
        matrix, offset = matrix @ weight, offset @ weight + bias
    return matrix, offset


def collapse(depth: int, seed: int) -> float:
    """How far a deep network without a non-linearity is from its one linear map, relative to its output."""
    import torch

    name, variance = ACTIVATIONS["none"]
    network = _Network([8, *[WIDTH] * depth, 3], name, variance, seed, exact=True)
    generator = torch.Generator().manual_seed(seed + 1)
    features = torch.randn(100, 8, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        for bias in network.biases:
            bias.normal_(generator=generator)
        output = network(features)
        matrix, offset = multiplied_out(network)
        return float((output - features @ matrix - offset).abs().max() / output.abs().max())


def puzzle(name: str, seed: int) -> tuple[Any, Any]:
    """XOR: the four corners of a square; two circles: one ring within another. Features, and 0 or 1."""
    import torch

    if name == "XOR":
        corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
        return corners, torch.tensor([0.0, 1.0, 1.0, 0.0])
    from sklearn.datasets import make_circles

    points, inside = make_circles(200, noise=0.05, factor=0.5, random_state=seed)
    return torch.from_numpy(points).float(), torch.from_numpy(inside).float()


def solve(name: str, label: str, hidden: int, seed: int, steps: int) -> float:
    """Accuracy on a puzzle after full-batch Adam on cross-entropy."""
    import torch

    import losscope as ls

    features, target = puzzle(name, seed)
    network = _Network([2, *[16] * hidden, 1], *ACTIVATIONS[label], seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        ls.get("binary_cross_entropy")(network(features)[:, 0], target).backward()
        optimizer.step()
    with torch.no_grad():
        return float(((network(features)[:, 0] > 0) == (target > 0.5)).double().mean())


def verdict_on_collapse(differences: Mapping[int, float]) -> str:
    """The same map at every depth, up to rounding."""
    same = [depth for depth, difference in differences.items() if difference <= EXACT]
    if len(same) == len(differences):
        return HOLDS
    return holds_when(f"the depth is {', '.join(map(str, same))}") if same else DOES_NOT_HOLD


def verdict_on_puzzles(solved: Mapping[str, Mapping[str, float]]) -> str:
    """By puzzle and activation the best accuracy: a straight line must fail (3 of 4 corners at most) and the
    others succeed (19 of 20); names those that do."""
    if any(each["none"] > 0.75 for each in solved.values()):
        return DOES_NOT_HOLD
    able = [label for label in CURVED if all(each[label] >= 0.95 for each in solved.values())]
    if len(able) == len(CURVED):
        return HOLDS
    return holds_when(f"the activation is {' or '.join(able)}") if able else DOES_NOT_HOLD


# ---------------------------------------------------------------------------------------------- cost


def cost(elements: int, repeats: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Nanoseconds per element by implementation, pass and activation: the least of interleaved repeats."""
    from time import perf_counter

    import numpy
    import torch

    import losscope as ls

    scores = numpy.random.default_rng(seed).standard_normal(elements).astype("float32")
    tensor = torch.from_numpy(scores)
    leaf, upstream = tensor.clone().requires_grad_(), torch.ones(elements)

    def both(activation: Any) -> None:
        leaf.grad = None
        activation(leaf).backward(upstream)

    jobs: dict[tuple[str, str, str], Any] = {}
    for label in CURVED:
        ours, theirs = getattr(ls, ACTIVATIONS[label][0]), getattr(torch, ACTIVATIONS[label][0])
        jobs["losscope", "forward", label] = lambda each=ours: each(scores)
        jobs["losscope", "forward and backward", label] = lambda each=ours: each.value_and_grad(scores)
        jobs["PyTorch", "forward", label] = lambda each=theirs: each(tensor)
        jobs["PyTorch", "forward and backward", label] = lambda each=theirs: both(each)
    times: dict[tuple[str, str, str], list[float]] = {key: [] for key in jobs}
    for repeat in range(repeats + 1):
        for key, job in jobs.items():
            started = perf_counter()
            job()
            if repeat:  # the first one compiles and warms up
                times[key].append(perf_counter() - started)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (library, which, label), each in times.items():
        # The least: what else runs on the machine only ever adds.
        found.setdefault(library, {}).setdefault(which, {})[label] = 1e9 * min(each) / elements
    return found


def verdict_on_cost(times: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """ReLU must be cheaper than both others in every implementation and pass; else names where it is."""
    cells = {
        f"{which} in {library}": min(each["sigmoid"], each["tanh"]) >= CHEAPER * each["ReLU"]
        for library, passes in times.items()
        for which, each in passes.items()
    }
    cheaper = [cell for cell, is_cheaper in cells.items() if is_cheaper]
    if len(cheaper) == len(cells):
        return HOLDS
    return holds_when(f"it is run {', or '.join(cheaper)}") if cheaper else DOES_NOT_HOLD


# --------------------------------------------------------------------------------- gradient and depth


def signal(depth: int, activation: str, variance: float, seed: int) -> float:
    """The norm of the gradient that arrives at the input through `depth` layers, over the one that left."""
    import torch

    # In float64, where 50 sigmoids do not underflow.
    network = _Network([WIDTH] * (depth + 2), activation, variance, seed, exact=True)
    generator = torch.Generator().manual_seed(seed + 1)
    features = torch.randn(32, WIDTH, generator=generator, dtype=torch.float64).requires_grad_()
    network(features)
    last = network.hidden[-1]
    upstream = torch.randn(last.shape, generator=generator, dtype=torch.float64)
    last.backward(upstream)
    assert features.grad is not None
    return float(features.grad.norm() / upstream.norm())


def factor(depths: Sequence[int], norms: Sequence[float]) -> float:
    """By what a further layer multiplies the gradient: the slope of its logarithm over depth."""
    x, logs = fmean(depths), [log(max(norm, 1e-300)) for norm in norms]
    rise = sum((depth - x) * (value - fmean(logs)) for depth, value in zip(depths, logs))
    return exp(rise / sum((depth - x) ** 2 for depth in depths))


def verdict_on_vanishing(factors: Mapping[str, float]) -> str:
    """Sigmoid and tanh must both let the gradient vanish; else names the one that does."""
    gone = [label for label in ("sigmoid", "tanh") if factors[label] <= VANISHING]
    if len(gone) == 2:
        return HOLDS
    return holds_when(f"the activation is {gone[0]}") if gone else DOES_NOT_HOLD


def verdict_on_kept(by_variance: Mapping[float, float]) -> str:
    """ReLU must neither shrink nor grow the gradient: at every variance of the weights, or names at which."""
    kept = [variance for variance, value in by_variance.items() if KEPT[0] <= value <= KEPT[1]]
    if len(kept) == len(by_variance):
        return HOLDS
    return holds_when(f"the weights' variance is {kept[0]:g}/width") if kept else DOES_NOT_HOLD


# ------------------------------------------------------------------------- zero units and overfitting


@dataclass(frozen=True)
class Units:
    """Shares under ReLU: of outputs that are 0, and of units that are 0 for every row."""

    zero: float
    dead: float
    accuracy: float


def _digits() -> Any:
    from losscope.comparison.data import load
    from losscope.comparison.preparation import prepare
    from losscope.comparison.task import decide

    dataset = load("digits")
    return prepare(dataset, decide(dataset, None, []))


def units(prepared: Any, rate: float, seed: int, epochs: int) -> tuple[Units, Units]:
    """ReLU units before and after plain SGD on the digits, two hidden layers, measured on all rows."""
    import torch

    import losscope as ls
    from losscope.studies.network import batches

    features, target = torch.from_numpy(prepared.features), torch.from_numpy(prepared.target)
    network = _Network([features.shape[1], WIDTH, WIDTH, 10], *ACTIVATIONS["ReLU"], seed)

    def look() -> Units:
        with torch.no_grad():
            right = network(features).argmax(1) == target
        # A unit that overflowed is neither zero nor alive: it counts as dead, as nothing flows through it.
        zero = torch.cat([(layer == 0) | ~layer.isfinite() for layer in network.hidden], 1)
        accuracy = float(right[prepared.test].double().mean())
        return Units(float(zero.double().mean()), float(zero.all(0).double().mean()), accuracy)

    before = look()
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    for epoch in range(epochs):
        for rows in batches(prepared.train, epoch, seed, 32):
            optimizer.zero_grad()
            ls.get("cross_entropy")(network(features[rows]), target[rows]).backward()
            optimizer.step()
    return before, look()


def verdict_on_sparsity(before: float, after: float) -> str:
    """About half of the outputs 0 (0.4 to 0.6), before training and after; else names when."""
    states = {"before training": before, "after training": after}
    about_half = [words for words, share in states.items() if 0.4 <= share <= 0.6]
    if len(about_half) == 2:
        return HOLDS
    return holds_when(f"measured {about_half[0]}") if about_half else DOES_NOT_HOLD


def verdict_on_dying(dead: Mapping[float, float], at_start: float) -> str:
    """The largest rate must kill a tenth of the units more than the smallest, which must kill none."""
    rates = sorted(dead)
    harmless = dead[rates[0]] - at_start <= 0.02
    return HOLDS if harmless and dead[rates[-1]] - dead[rates[0]] >= 0.1 else DOES_NOT_HOLD


@dataclass(frozen=True)
class Fit:
    """A network that was trained until it fits its few rows: steps that took, and the test's verdict."""

    steps: int
    train_loss: float
    test_loss: float
    test_accuracy: float


def overfit(prepared: Any, label: str, seed: int, rows: int, most: int) -> Fit:
    """Full-batch Adam on a few rows until the training log loss is FITTED, so that all fit equally well."""
    import numpy
    import torch

    import losscope as ls

    loss = ls.get("cross_entropy")
    few = numpy.random.default_rng(seed).choice(prepared.train, rows, replace=False)
    features, target = torch.from_numpy(prepared.features), torch.from_numpy(prepared.target)
    network = _Network([features.shape[1], WIDTH, WIDTH, 10], *ACTIVATIONS[label], seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    value, step = float("inf"), 0
    while value > FITTED and step < most:
        step += 1
        optimizer.zero_grad()
        now = loss(network(features[few]), target[few])
        now.backward()
        optimizer.step()
        value = float(now.detach())
    with torch.no_grad():
        output, truth = network(features[prepared.test]), target[prepared.test]
        accuracy = float((output.argmax(1) == truth).double().mean())
        return Fit(step, value, float(loss(output, truth)), accuracy)


def verdict_on_overfitting(losses: Mapping[str, Sequence[float]]) -> str:
    """ReLU's test loss, at one training loss, must be lower than the other's in every seed; names which."""
    beaten = [
        label for label in ("sigmoid", "tanh") if all(a < b for a, b in zip(losses["ReLU"], losses[label]))
    ]
    if len(beaten) == 2:
        return HOLDS
    return holds_when(f"compared with {beaten[0]}") if beaten else DOES_NOT_HOLD


# ------------------------------------------------------------------------------------------ the study


@dataclass
class _Found:
    """All that was measured."""

    collapse: dict[int, float]
    solved: dict[str, dict[str, list[float]]]  # puzzle, activation: accuracy of each depth and start
    cost: dict[str, dict[str, dict[str, float]]]
    depths: tuple[int, ...]
    signal: dict[str, dict[float, list[float]]]  # activation, variance: by depth
    before: Units
    after: dict[float, Units]
    fits: dict[str, list[Fit]]
    rows: int


def experiment(
    *,
    quick: bool,
    seed: int,
    progress: Progress,
    seeds: int = 5,
    rows: int = 200,
    elements: int = 1_000_000,
    timing: bool = True,
) -> Result:
    """Collapse, cost, gradient through depth, zero units and overfitting of four activations."""
    import torch

    import losscope as ls
    from losscope.errors import LossError, complain

    if min(seeds, elements) < 1 or not 20 <= rows <= 1000:
        got = f"seeds {seeds}, elements {elements}, rows {rows}"
        raise LossError(complain("seeds and elements must be 1 or more, and rows 20 to 1000", got=got))
    seeds, elements = (min(seeds, 2), min(elements, 200_000)) if quick else (seeds, elements)
    threads, ours = torch.get_num_threads(), ls.get_num_threads()
    torch.set_num_threads(1)  # one thread adds up in one order, and costs are per core
    ls.set_num_threads(1)
    try:
        found = _measure(range(seed, seed + seeds), quick, rows, elements if timing else 0, progress)
    finally:
        torch.set_num_threads(threads)
        ls.set_num_threads(ours)
    progress(1.0, "done")
    return Result(
        done=_done(found, seeds, elements),
        claims=_claims(found),
        charts=_charts(found),
        tables=_tables(found),
        numbers=_numbers(found),
    )


def _measure(starts: range, quick: bool, rows: int, elements: int, progress: Progress) -> _Found:
    depths = DEPTHS[:5] if quick else DEPTHS
    progress(0.0, "multiplying the weights out")
    collapsed = {depth: max(collapse(depth, seed) for seed in starts) for depth in depths}
    progress(0.05, "XOR and two circles")
    steps, layers, few = (150, (2,), starts[:1]) if quick else (300, (1, 2, 4), starts)
    solved = {
        name: {
            label: [solve(name, label, hidden, seed, steps) for hidden in layers for seed in few]
            for label in ACTIVATIONS
        }
        for name in ("XOR", "two circles")
    }
    progress(0.35, "cost per element")
    times = cost(elements, 5 if quick else 25, starts[0]) if elements else {}
    progress(0.4, "gradient through the layers")
    signals = {
        label: {
            variance: [median(signal(depth, name, variance, seed) for seed in starts) for depth in depths]
            for variance in ((1.0, 2.0) if label == "ReLU" else (own,))
        }
        for label, (name, own) in ACTIVATIONS.items()
    }
    progress(0.5, "zero and dead units")
    prepared = _digits()
    each = {rate: [units(prepared, rate, seed, 3 if quick else 10) for seed in starts] for rate in RATES}
    before = _mean_units([first for runs in each.values() for first, _ in runs])
    after = {rate: _mean_units([last for _, last in runs]) for rate, runs in each.items()}
    progress(0.8, "overfitting a few rows")
    fits = {label: [overfit(prepared, label, seed, rows, 600) for seed in starts] for label in ACTIVATIONS}
    return _Found(collapsed, solved, times, depths, signals, before, after, fits, rows)


def _mean_units(each: Sequence[Units]) -> Units:
    return Units(fmean(u.zero for u in each), fmean(u.dead for u in each), fmean(u.accuracy for u in each))


def _done(found: _Found, seeds: int, elements: int) -> list[str]:
    timed = (
        f" The cost is the time one core takes for {elements:,} float32 elements, the least "
        "of interleaved repeats. It is the one part of this study that differs from run to run."
    )
    return [
        f"Networks without a non-linearity, of 1 to {found.depths[-1]} hidden layers with random weights "
        "and biases, are multiplied out to one matrix and one bias, and the two are compared in float64. "
        f"Then small networks with and without a non-linearity are trained, from {seeds} starts, on two "
        "puzzles that no straight line solves: XOR and two circles.",
        f"A gradient is sent back through 1 to {found.depths[-1]} layers of {WIDTH} units: sigmoid and tanh "
        "with weights of variance 1/width, ReLU with that and with 2/width, which makes up for the half "
        "that it cuts off." + (timed if found.cost else ""),
        f"On scikit-learn's bundled digits, two hidden layers of {WIDTH} ReLUs are trained by plain SGD on "
        "cross-entropy, and the units that give 0 are counted on all rows, before and after. For "
        f"overfitting, networks with each activation are trained on {found.rows} rows until the training "
        f"log loss is {FITTED:g}: all then fit equally well, and only the test loss differs.",
    ]


def _claims(found: _Found) -> list[Claim]:
    claims = [_on_collapse(found), _on_puzzles(found)]
    if found.cost:
        claims.append(_on_cost(found))
    return [*claims, *_on_depth(found), *_on_units(found), _on_overfitting(found)]


def _on_collapse(found: _Found) -> Claim:
    worst = max(found.collapse.values())
    return Claim(
        "Without a non-linearity, a network of any depth is one linear map.",
        verdict_on_collapse(found.collapse),
        f"Largest relative difference between {min(found.collapse)} to {max(found.collapse)} hidden layers "
        f"and their product: {worst:.1e}, in float64, whose rounding is 1e-16 a step.",
    )


def _on_puzzles(found: _Found) -> Claim:
    best = {name: {label: max(each) for label, each in by.items()} for name, by in found.solved.items()}
    told = "; ".join(
        f"{name}: " + ", ".join(f"{label} {value:.0%}" for label, value in by.items())
        for name, by in best.items()
    )
    return Claim(
        "Without a non-linearity a network of any depth fails on XOR and on two circles; with one it "
        "does not.",
        verdict_on_puzzles(best),
        f"Best accuracy over all depths and starts, {told}.",
    )


def _on_cost(found: _Found) -> Claim:
    told = []
    for library, passes in found.cost.items():
        for which, each in passes.items():
            ratios = ", ".join(f"{label} {each[label] / each['ReLU']:.2f}" for label in ("sigmoid", "tanh"))
            told.append(f"{library}, {which}: {ratios}")
    return Claim(
        "ReLU costs less per element than sigmoid and tanh.",
        verdict_on_cost(found.cost),
        f"Time as a multiple of ReLU's, on this machine. {'; '.join(told)}.",
    )


def _on_depth(found: _Found) -> list[Claim]:
    factors = {
        label: {variance: factor(found.depths, norms) for variance, norms in by.items()}
        for label, by in found.signal.items()
    }
    bounded = {label: factors[label][1.0] for label in ("sigmoid", "tanh")}
    told = ", ".join(f"{label} {value:.3g}" for label, value in bounded.items())
    relu = ", ".join(f"{value:.3g} at variance {each:g}/width" for each, value in factors["ReLU"].items())
    ends = ", ".join(f"{label} {found.signal[label][1.0][-1]:.1e}" for label in bounded)
    return [
        Claim(
            "The gradient vanishes through many layers of sigmoid or tanh.",
            verdict_on_vanishing(bounded),
            f"Each layer multiplies it by {told}; what is left after {found.depths[-1]} layers: {ends}.",
        ),
        Claim(
            "ReLU lets the gradient through any number of layers.",
            verdict_on_kept(factors["ReLU"]),
            f"Each layer multiplies it by {relu}. ReLU's slope is 1 or 0: the half that is 0 costs a factor "
            "of 0.71 that the weights must make up for.",
        ),
    ]


def _on_units(found: _Found) -> list[Claim]:
    sane = found.after[0.1]
    told = ", ".join(f"{each.dead:.1%} at {rate:g}" for rate, each in found.after.items())
    return [
        Claim(
            "ReLU makes a network sparse: about half of its outputs are 0.",
            verdict_on_sparsity(found.before.zero, sane.zero),
            f"{found.before.zero:.1%} before training, {sane.zero:.1%} after, at learning rate 0.1.",
        ),
        Claim(
            "A learning rate that is too large kills ReLU units for good.",
            verdict_on_dying({rate: each.dead for rate, each in found.after.items()}, found.before.dead),
            f"Units that are 0 for every row: {found.before.dead:.1%} before training; after it {told}.",
        ),
    ]


def _on_overfitting(found: _Found) -> Claim:
    told = ", ".join(
        f"{label} {fmean(fit.test_loss for fit in fits):.3f} ({fmean(fit.test_accuracy for fit in fits):.1%})"
        for label, fits in found.fits.items()
    )
    losses = {label: [fit.test_loss for fit in fits] for label, fits in found.fits.items()}
    return Claim(
        "ReLU overfits less than sigmoid and tanh, because it is sparse.",
        verdict_on_overfitting(losses),
        f"Test log loss (and accuracy), means over the starts, when the training log loss is {FITTED:g}: "
        f"{told}. Only the order was measured: that sparsity is the cause does not follow.",
    )


def _charts(found: _Found) -> list[Any]:
    from losscope.report import Bars, Chart, Line, Panel

    lines = []
    for label, by in found.signal.items():
        for variance, norms in by.items():
            more = f", variance {variance:g}/width" if len(by) > 1 else ""
            lines.append(Line(found.depths, norms, label + more))
    axes = ("number of layers", "share of the gradient that arrives")
    depth = Panel("Gradient through layers", *axes, lines, y_scale="log")
    puzzles = [
        Bars(list(by), [100 * max(each) for each in by.values()], name) for name, by in found.solved.items()
    ]
    charts = [
        Chart([Panel("Solving XOR and two circles", "best accuracy (%)", "activation", puzzles)],
              "Two answers are possible: 50% is chance.", "puzzles"),
        Chart([depth], "Before training, medians over the starts.", "depth"),
    ]  # fmt: skip
    if found.cost:
        panels = []
        for library, passes in found.cost.items():
            bars = [Bars(list(each), list(each.values()), which) for which, each in passes.items()]
            panels.append(Panel(library, "time per element (ns)", "activation", bars))
        charts.append(Chart(panels, "One core, float32; the least of the repeats.", "cost"))
    rates = list(found.after)
    dying = [
        Line(rates, [100 * each.zero for each in found.after.values()], "outputs that are 0"),
        Line(rates, [100 * each.dead for each in found.after.values()], "units that are 0 for every row"),
    ]
    zero = Panel("ReLU units after training", "learning rate", "share (%)", dying, x_scale="log")
    losses = {label: [fit.test_loss for fit in fits] for label, fits in found.fits.items()}
    over = Panel("Test loss at equal fit", "test log loss (nats)", "activation", [
        Bars(list(losses), [fmean(each) for each in losses.values()], "test log loss",
             low=[min(each) for each in losses.values()], high=[max(each) for each in losses.values()])
    ])  # fmt: skip
    caption = f"Left: means over starts. Right: trained on {found.rows} rows; whiskers: range over starts."
    charts.append(Chart([zero, over], caption, "units"))
    return charts


def _tables(found: _Found) -> list[Any]:
    from losscope.report import Table

    def spread(values: list[float]) -> tuple[float, float]:
        return fmean(values), stdev(values) if len(values) > 1 else 0.0

    columns = ["activation", "steps to fit", "test log loss", "test accuracy (%)"]
    rows = [
        [label, fmean(fit.steps for fit in fits), spread([fit.test_loss for fit in fits]),
         spread([100 * fit.test_accuracy for fit in fits])]
        for label, fits in found.fits.items()
    ]  # fmt: skip
    caption = f"Trained on {found.rows} digits until the training log loss is {FITTED:g} (or for 600 steps)."
    return [Table(columns, rows, caption, best={"test log loss": "min"})]


def _numbers(found: _Found) -> dict[str, Any]:
    def of_units(each: Units) -> dict[str, float]:
        return {"zero": each.zero, "dead": each.dead, "test_accuracy": each.accuracy}

    return {
        "collapse": {str(depth): value for depth, value in found.collapse.items()},
        "accuracy": found.solved,
        "depths": list(found.depths),
        "gradient_that_arrives": {
            label: {f"{variance:g}/width": norms for variance, norms in by.items()}
            for label, by in found.signal.items()
        },
        "units_before": of_units(found.before),
        "units_after": {f"{rate:g}": of_units(each) for rate, each in found.after.items()},
        "overfitting": {
            label: [
                {"steps": fit.steps, "train": fit.train_loss, "test_accuracy": fit.test_accuracy,
                 "test": fit.test_loss if isfinite(fit.test_loss) else None}
                for fit in fits
            ]
            for label, fits in found.fits.items()
        },
        **({"nanoseconds_per_element": found.cost} if found.cost else {}),
    }  # fmt: skip

"""Study 8: What makes gradients explode: the loss, one wild target, or depth? And does clipping help?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from statistics import fmean, median
from typing import Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when

LOSSES = {"squared error": "squared_error", "absolute error": "absolute_error", "smooth L1": "smooth_l1"}
BOUNDED = ("absolute error", "smooth L1")
WIDTH, INPUTS, ROWS = 32, 8, 64
# Weights drawn with variance gain^2 * 2/width: at gain 1 a ReLU layer keeps the size of what goes through
# it (He et al. 2015), above 1 every layer multiplies it.
GAINS = (1.0, 1.2, 1.5)
ENDS = (GAINS[0], GAINS[-1])  # trained and drawn
OUTLIERS = (0.0, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
DEPTHS = (2, 5, 10, 20, 30, 40, 50)
GROWING = 1.05  # a layer: tenfold over 50 layers
CLIPPED_TO = 1.0


@dataclass(frozen=True)
class Case:
    """What is trained: `kind` "outlier", "deep" or "recurrent"; its layers or time steps; gain; outlier."""

    kind: str
    length: int
    gain: float = 1.0
    outlier: float = 0.0

    @property
    def words(self) -> str:
        if self.kind == "outlier":
            return f"one target off by {self.outlier:,.0f}"
        unit = "layers" if self.kind == "deep" else "time steps"
        return f"{self.kind}, {self.length} {unit}, gain {self.gain:g}"


class _Network:
    """ReLU layers from INPUTS numbers to one: `length` weight matrices, or one used `length` times."""

    def __init__(self, case: Case, seed: int) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)

        def drawn(rows: int, columns: int, gain: float) -> Any:
            return torch.randn(rows, columns, generator=generator) * (gain * (2 / rows) ** 0.5)

        inner = 1 if case.kind == "recurrent" else max(case.length - 2, 0)
        self.length, self.recurrent = case.length, case.kind == "recurrent"
        self.weights = [drawn(INPUTS, WIDTH, 1.0)]
        self.weights += [drawn(WIDTH, WIDTH, case.gain) for _ in range(inner)]
        self.weights += [drawn(WIDTH, 1, 0.5**0.5)]  # no ReLU follows
        for weight in self.weights:
            weight.requires_grad_()
        self.states: list[Any] = []

    def __call__(self, features: Any) -> Any:
        import losscope as ls

        first, *inner, last = self.weights
        self.states = [ls.relu(features @ first)]
        for weight in inner * (self.length - 1 if self.recurrent else 1):
            self.states.append(ls.relu(self.states[-1] @ weight))
        return self.states[-1] @ last

    def gradient_norm(self) -> float:
        # In float64: the square of a large float32 gradient overflows before the gradient does.
        return float(sum(weight.grad.double().square().sum() for weight in self.weights)) ** 0.5


def _data(outlier: float, seed: int) -> tuple[Any, Any]:
    """A linear target with a little noise; the first row's target is `outlier` further up."""
    import torch

    generator = torch.Generator().manual_seed(1_000_003 + seed)
    features = torch.randn(ROWS, INPUTS, generator=generator)
    slopes = torch.randn(INPUTS, 1, generator=generator) / INPUTS**0.5
    target = features @ slopes + 0.1 * torch.randn(ROWS, 1, generator=generator)
    target[0] += outlier
    return features, target


def first_gradient(case: Case, loss: Any, seed: int) -> tuple[float, list[float]]:
    """At the start of training: the norm over all weights, and by layer (deep) or time step (recurrent)."""
    network = _Network(case, seed)
    features, target = _data(case.outlier, seed)
    output = network(features)
    for state in network.states:
        state.retain_grad()
    loss(output, target).backward()
    each = network.states if network.recurrent else network.weights
    return network.gradient_norm(), [float(part.grad.double().norm()) for part in each]


@dataclass(frozen=True)
class Training:
    """How a training ended: the step at which it was no longer finite, or None; the error on the clean rows
    before and after; in how many steps clipping set the gradient to 0 because its norm overflowed."""

    broke_at: int | None
    error_before: float
    error_after: float
    lost_steps: int


def train(case: Case, loss: Any, seed: int, steps: int, rate: float, clip: bool) -> Training:
    """Plain SGD on all rows at once."""
    import torch

    network = _Network(case, seed)
    features, target = _data(case.outlier, seed)
    optimizer = torch.optim.SGD(network.weights, lr=rate)
    before, lost, broke_at = inf, 0, None
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        output = network(features)
        if step == 1:
            before = _clean_error(output, target)
        value = loss(output, target)
        if not isfinite(value.item()):
            broke_at = step
            break
        value.backward()
        if clip:
            norm = torch.nn.utils.clip_grad_norm_(network.weights, CLIPPED_TO)
            lost += not isfinite(float(norm))
        optimizer.step()
        if not all(bool(weight.isfinite().all()) for weight in network.weights):
            broke_at = step
            break
    after = inf if broke_at is not None else _clean_error(network(features), target)
    return Training(broke_at, before, after, lost)


def _clean_error(output: Any, target: Any) -> float:
    error = float((output - target).detach().abs()[1:].median())
    return error if isfinite(error) else inf


def growth(lengths: Sequence[int], norms: Sequence[float]) -> float:
    """By what each further layer multiplies the gradient: the slope of log norm over length."""
    x, y = fmean(lengths), [log(max(norm, 1e-300)) for norm in norms]
    above = sum((length - x) * (value - fmean(y)) for length, value in zip(lengths, y))
    return exp(above / sum((length - x) ** 2 for length in lengths))


def verdict_on_outliers(rise: Mapping[str, float]) -> str:
    """Squared error must rise without bound (a thousandfold here), and the bounded ones must not."""
    bounded = all(rise[name] <= 10 for name in BOUNDED)
    return HOLDS if bounded and rise["squared error"] >= 1e3 else DOES_NOT_HOLD


def verdict_on_breaking(broke: Mapping[float, Mapping[str, bool]]) -> str:
    """Squared error must break and the bounded ones must not: at every outlier, at some, or at none."""
    if any(each[name] for each in broke.values() for name in BOUNDED):
        return DOES_NOT_HOLD
    sizes = sorted(size for size, each in broke.items() if each["squared error"])
    if not sizes:
        return DOES_NOT_HOLD
    if len(sizes) == len(broke):
        return HOLDS
    onwards = sizes == [size for size in sorted(broke) if size >= sizes[0]]
    words = f"{sizes[0]:,.0f} or larger" if onwards else " or ".join(f"{size:,.0f}" for size in sizes)
    return holds_when(f"the outlier is {words}")


def verdict_on_growth(by_gain: Mapping[float, Mapping[str, float]]) -> str:
    """The bounded losses must keep the gradient from growing: at every gain of the weights, some, or none."""
    tame = [gain for gain, each in by_gain.items() if all(each[name] <= GROWING for name in BOUNDED)]
    if len(tame) == len(by_gain):
        return HOLDS
    return holds_when(f"the weights' gain is {max(tame):g} or less") if tame else DOES_NOT_HOLD


def verdict_on_clipping(unclipped: Mapping[str, int], clipped: Mapping[str, int]) -> str:
    """By kind of case, how many trainings broke: clipping must leave none of those there were."""
    broken = [kind for kind, count in unclipped.items() if count]
    saved = [kind for kind in broken if not clipped[kind]]
    if not broken or not saved:
        return DOES_NOT_HOLD
    if not any(clipped.values()):
        return HOLDS
    return holds_when(f"the cause is {' or '.join(CAUSES[kind] for kind in saved)}")


CAUSES = {"outlier": "an outlier", "deep": "depth", "recurrent": "the length of a sequence"}


@dataclass
class _Found:
    """All that was measured."""

    by_outlier: dict[str, list[float]]
    by_length: dict[str, dict[float, dict[str, list[float]]]]  # kind, gain, loss: a norm for each length
    profile: dict[str, dict[float, dict[str, list[float]]]]  # kind, gain, loss: a norm for each layer
    trainings: dict[tuple[Case, str, bool], list[Training]]
    lengths: tuple[int, ...]

    def growth(self, kind: str) -> dict[float, dict[str, float]]:
        return {
            gain: {name: growth(self.lengths, norms) for name, norms in each.items()}
            for gain, each in self.by_length[kind].items()
        }


def experiment(
    *,
    quick: bool,
    seed: int,
    progress: Progress,
    steps: int = 200,
    seeds: int = 3,
    learning_rate: float = 0.01,
) -> Result:
    """Gradients at the start, by outlier, by layer and by time step; then plain SGD until it breaks."""
    import torch

    import losscope as ls
    from losscope.errors import LossError, complain

    if min(steps, seeds) < 1 or learning_rate <= 0:
        got = f"steps {steps}, seeds {seeds}, learning_rate {learning_rate:g}"
        raise LossError(complain("steps and seeds must be 1 or more, and learning_rate positive", got=got))
    steps, seeds = (min(steps, 60), 1) if quick else (steps, seeds)
    starts = range(seed, seed + seeds)
    outliers = (1e2, 1e6) if quick else (1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e8)
    cases = [Case("outlier", 2, outlier=size) for size in outliers]
    lengths = (20,) if quick else (5, 20, 50)
    for kind in ("deep", "recurrent"):
        cases += [Case(kind, length, gain) for length in lengths for gain in ENDS]
    threads, ours = torch.get_num_threads(), ls.get_num_threads()
    torch.set_num_threads(1)  # one thread adds up in one order
    ls.set_num_threads(1)
    try:
        found = _measure(starts, DEPTHS[:4] if quick else DEPTHS, progress)
        _train_all(found, cases, starts, steps, learning_rate, progress)
    finally:
        torch.set_num_threads(threads)
        ls.set_num_threads(ours)
    progress(1.0, "done")
    return Result(
        done=_done(steps, seeds, learning_rate),
        claims=_claims(found, cases, steps),
        charts=_charts(found),
        tables=[_table(found, cases)],
        numbers=_numbers(found),
    )


def _measure(starts: range, lengths: tuple[int, ...], progress: Progress) -> _Found:
    """Norms at the start: medians over the starts."""
    import losscope as ls

    found = _Found({}, {}, {}, {}, lengths)
    for at, (name, loss) in enumerate((label, ls.get(each)) for label, each in LOSSES.items()):
        progress(0.1 * at, f"gradients under {name}")

        def norms(case: Case, loss: Any = loss) -> tuple[float, list[float]]:
            each = [first_gradient(case, loss, seed) for seed in starts]
            layers = zip(*(layers for _, layers in each))
            return median(norm for norm, _ in each), [median(layer) for layer in layers]

        found.by_outlier[name] = [norms(Case("outlier", 2, outlier=size))[0] for size in OUTLIERS]
        for kind in ("deep", "recurrent"):
            for gain in GAINS:
                each = [norms(Case(kind, length, gain)) for length in lengths]
                found.by_length.setdefault(kind, {}).setdefault(gain, {})[name] = [norm for norm, _ in each]
                found.profile.setdefault(kind, {}).setdefault(gain, {})[name] = each[-1][1]
    return found


def _train_all(
    found: _Found, cases: Sequence[Case], starts: range, steps: int, rate: float, progress: Progress
) -> None:
    import losscope as ls

    for at, case in enumerate(cases):
        progress(0.3 + 0.7 * at / len(cases), case.words)
        for name, each in LOSSES.items():
            for clip in (False, True):
                runs = [train(case, ls.get(each), seed, steps, rate, clip) for seed in starts]
                found.trainings[case, name, clip] = runs


def _done(steps: int, seeds: int, rate: float) -> list[str]:
    return [
        f"Networks of ReLU layers, {WIDTH} wide, fit {ROWS} rows of a linear target with a little noise "
        f"(targets are about 1 in size) under squared error, absolute error and smooth L1, from {seeds} "
        f"{'start' if seeds == 1 else 'starts'}. Three things are increased: how far one target is off, the "
        "number of layers, and the number of time steps of a recurrent network.",
        "Weights are drawn with a gain: at 1 a layer keeps the size of what goes through it, above 1 it "
        "multiplies it by about that much. The norm of the gradient is taken at the start, before any step.",
        f"Then plain SGD runs for {steps} steps at learning rate {rate:g}, on all rows at once, with and "
        f"without clipping the norm of the whole gradient to {CLIPPED_TO:g}. It breaks when a loss or a "
        "weight is no longer finite.",
    ]


def _claims(found: _Found, cases: Sequence[Case], steps: int) -> list[Claim]:
    return [
        _on_outliers(found),
        _on_breaking(found, cases),
        _on_growth(found, "deep", "layer"),
        _on_growth(found, "recurrent", "time step"),
        _on_order(found, cases, steps),
        _on_clipping(found, cases),
        _on_learning(found, cases),
    ]


def _on_outliers(found: _Found) -> Claim:
    rise = {name: norms[-1] / norms[0] for name, norms in found.by_outlier.items()}
    told = ", ".join(f"{name} by a factor of {factor:.3g}" for name, factor in rise.items())
    return Claim(
        "One wild target makes the gradient of squared error explode; those of L1 and smooth L1 stay "
        "bounded.",
        verdict_on_outliers(rise),
        f"With one target of {ROWS} off by {OUTLIERS[-1]:,.0f}, the norm of the gradient changes: {told}.",
    )


def _broke(runs: Sequence[Training]) -> bool:
    return any(run.broke_at is not None for run in runs)


def _on_breaking(found: _Found, cases: Sequence[Case]) -> Claim:
    outliers = [case for case in cases if case.kind == "outlier"]
    broke = {
        case.outlier: {name: _broke(found.trainings[case, name, False]) for name in LOSSES}
        for case in outliers
    }
    told = "; ".join(
        f"off by {size:,.0f}: " + (", ".join(name for name in each if each[name]) or "none")
        for size, each in broke.items()
    )
    return Claim(
        "One wild target drives training to NaN under squared error, and not under L1 or smooth L1.",
        verdict_on_breaking(broke),
        f"Losses under which plain SGD broke from at least one start: {told}.",
    )


def _on_growth(found: _Found, kind: str, unit: str) -> Claim:
    by_gain = found.growth(kind)
    told = "; ".join(
        f"at gain {gain:g}: " + ", ".join(f"{name} {factor:.2f}" for name, factor in each.items())
        for gain, each in by_gain.items()
    )
    return Claim(
        f"A loss whose own gradient is bounded keeps the gradient of a {kind} network from exploding.",
        verdict_on_growth(by_gain),
        f"Factor by which each further {unit} multiplies the norm of the gradient, {told}.",
    )


def _first_break(runs: Sequence[Training], steps: int) -> float:
    return fmean(steps + 1 if run.broke_at is None else run.broke_at for run in runs)


def verdict_on_order(pairs: Sequence[tuple[float, float]], steps: int) -> str:
    """Steps until a break under squared error and under the best bounded loss, by case. Always sooner: holds;
    sooner or at the same step: holds where they are no ties; later anywhere, or no break at all: does not."""
    telling = _telling(pairs, steps)
    if not telling:
        return DOES_NOT_HOLD
    if all(squared < bounded for squared, bounded in telling):
        return HOLDS
    if any(squared > bounded for squared, bounded in telling):
        return DOES_NOT_HOLD
    sooner = sum(squared < bounded for squared, bounded in telling)
    return holds_when(f"ties are left out ({sooner} of {len(telling)} cases)") if sooner else DOES_NOT_HOLD


def _telling(pairs: Sequence[tuple[float, float]], steps: int) -> list[tuple[float, float]]:
    """The cases in which something broke."""
    return [(squared, bounded) for squared, bounded in pairs if min(squared, bounded) <= steps]


def _on_order(found: _Found, cases: Sequence[Case], steps: int) -> Claim:
    pairs = []
    for case in cases:
        times = {name: _first_break(found.trainings[case, name, False], steps) for name in LOSSES}
        pairs.append((times["squared error"], max(times[name] for name in BOUNDED)))
    telling = _telling(pairs, steps)
    sooner = sum(squared < bounded for squared, bounded in telling)
    ties = sum(squared == bounded for squared, bounded in telling)
    return Claim(
        "Squared error breaks before L1 and smooth L1 have both broken.",
        verdict_on_order(pairs, steps),
        f"Plain SGD broke in {len(telling)} of {len(cases)} cases: squared error sooner in {sooner}, at the same "
        f"step in {ties}. The table has the steps.",
    )


def _on_clipping(found: _Found, cases: Sequence[Case]) -> Claim:
    counts: dict[bool, dict[str, int]] = {False: dict.fromkeys(CAUSES, 0), True: dict.fromkeys(CAUSES, 0)}
    for (case, _, clip), runs in found.trainings.items():
        counts[clip][case.kind] += sum(run.broke_at is not None for run in runs)
    lost = sum(run.lost_steps for runs in found.trainings.values() for run in runs)
    told = ", ".join(
        f"{cause} {counts[False][kind]} and {counts[True][kind]}" for kind, cause in CAUSES.items()
    )
    more = f" In {lost} steps the norm overflowed, so the clipped gradient was 0 or NaN." if lost else ""
    return Claim(
        "Clipping the norm of the gradient keeps plain SGD from NaN.",
        verdict_on_clipping(counts[False], counts[True]),
        f"Runs that broke, by what was increased, without and with clipping: {told}.{more}",
    )


def verdict_on_learning(errors: Mapping[float, tuple[float, float]]) -> str:
    """Clipped squared error against plain L1 on the clean rows, by outlier: as good if at most 1.25 times."""
    good = [size for size, (clipped, absolute) in sorted(errors.items()) if clipped <= 1.25 * absolute]
    if len(good) == len(errors):
        return HOLDS
    return holds_when(f"the outlier is {max(good):,.0f} or smaller") if good else DOES_NOT_HOLD


def _on_learning(found: _Found, cases: Sequence[Case]) -> Claim:
    errors = {}
    for case in (case for case in cases if case.kind == "outlier"):
        runs = found.trainings[case, "squared error", True], found.trainings[case, "absolute error", False]
        clipped, plain = (median(run.error_after for run in each) for each in runs)
        errors[case.outlier] = (clipped, plain)
    told = "; ".join(f"off by {size:,.0f}: {a:.3g} against {b:.3g}" for size, (a, b) in errors.items())
    return Claim(
        "With its gradient clipped, squared error learns the clean rows as well as L1 does.",
        verdict_on_learning(errors),
        "Median error on the rows whose targets were left alone, clipped squared error against unclipped L1: "
        f"{told}. Clipping shortens the step, but the outlier still decides where it goes.",
    )


def _charts(found: _Found) -> list[Any]:
    from losscope.report import Chart, Line, Panel

    sizes = OUTLIERS[1:]  # a log axis has no 0
    by_outlier = [Line(sizes, norms[1:], name) for name, norms in found.by_outlier.items()]
    axes = ("how far one target is off", "norm of the gradient")
    outlier = Panel("One wild target", *axes, by_outlier, x_scale="log", y_scale="log")
    charts = [Chart([outlier], f"One target of {ROWS}, before the first step.", "outlier")]
    by_length, by_place = [], []
    for kind, count, place, whose in (
        ("deep", "number of layers", "layer, from the input", "of a layer's weights"),
        ("recurrent", "number of time steps", "time step", "of the state"),
    ):
        for gain in ENDS:
            title = f"{kind.capitalize()}, gain {gain:g}"
            lines = [Line(found.lengths, norms, name) for name, norms in found.by_length[kind][gain].items()]
            by_length.append(Panel(title, count, "norm of the whole gradient", lines, y_scale="log"))
            profile = found.profile[kind][gain]
            lines = [Line(range(1, len(norms) + 1), norms, name) for name, norms in profile.items()]
            by_place.append(Panel(title, place, f"gradient norm {whose}", lines, y_scale="log"))
    what = "Before the first step; medians over the starts."
    charts.append(Chart(by_length, f"How the gradient grows with length. {what}", "length", 2))
    longest = (
        f"Where the gradient is large, at length {found.lengths[-1]}. {what} A layer's weights get what "
        "grew on the way forward times what grew on the way back, so above a gain of 1 all layers are hit "
        "alike; a state gets only what grew on the way back."
    )
    charts.append(Chart(by_place, longest, "place", 2))
    return charts


def _table(found: _Found, cases: Sequence[Case]) -> Any:
    from losscope.report import Table

    def cell(runs: Sequence[Training]) -> str:
        broken = [run.broke_at for run in runs if run.broke_at is not None]
        if not broken:
            return "finite"
        some = "" if len(broken) == len(runs) else f" ({len(broken)} of {len(runs)} starts)"
        return f"{median(broken):g}{some}"

    columns = ["case"] + [f"{name}{clipped}" for name in LOSSES for clipped in ("", ", clipped")]
    rows = [
        [case.words, *(cell(found.trainings[case, name, clip]) for name in LOSSES for clip in (False, True))]
        for case in cases
    ]
    return Table(columns, rows, "The step at which plain SGD broke (median over starts); finite: it did not.")


def _numbers(found: _Found) -> dict[str, Any]:
    def told(value: float) -> float | None:
        return value if isfinite(value) else None

    def by_gain(kinds: Mapping[str, Mapping[float, Any]]) -> dict[str, Any]:
        return {kind: {f"{gain:g}": each for gain, each in gains.items()} for kind, gains in kinds.items()}

    return {
        "outliers": list(OUTLIERS),
        "gradient_norm_by_outlier": found.by_outlier,
        "lengths": list(found.lengths),
        "gradient_norm_by_length": by_gain(found.by_length),
        "gradient_norm_by_place": by_gain(found.profile),
        "growth": by_gain({kind: found.growth(kind) for kind in found.by_length}),
        "trainings": [
            {
                "case": case.words, "loss": name, "clipped": clip,
                "broke_at": [run.broke_at for run in runs],
                "clean_error_after": [told(run.error_after) for run in runs],
                "steps_lost_to_overflow": [run.lost_steps for run in runs],
            }
            for (case, name, clip), runs in found.trainings.items()
        ],
    }  # fmt: skip

"""Study 4: Does cross-entropy converge faster than squared error, even once both are tuned?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from statistics import fmean
from typing import Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when

# Half squared error, because its gradient in the output is the error itself, as cross-entropy's is in the
# logit: what then differs at one learning rate is the sigmoid's slope, and not a factor of two.
LOSSES = {
    "squared error, sigmoid": "half_squared_error@sigmoid",
    "cross-entropy, sigmoid": "binary_cross_entropy",
    "cross-entropy, softmax": "cross_entropy",
    "squared error, raw outputs": "half_squared_error",
}
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
QUICK_RATES = (0.03, 0.1, 0.3, 1.0)
LARGEST_RATE, SMALLEST_RATE = 100.0, 1e-4
LOOKS = 4  # an epoch: one look an epoch cannot tell losses apart that are there within the first
HIDDEN = 64


@dataclass(frozen=True)
class Run:
    """Accuracies of one training at the times `epochs`; all zero from where it was no longer finite."""

    epochs: tuple[float, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]

    def reached(self, accuracy: float) -> float:
        """Epochs until the test accuracy is first reached, between two looks by a straight line; else inf."""
        for before, (time, value) in enumerate(zip(self.epochs[1:], self.test[1:])):
            if value >= accuracy:
                start, low = self.epochs[before], self.test[before]
                return start + (time - start) * (accuracy - low) / (value - low) if value > low else time
        return float("inf")

    def rank(self, accuracy: float) -> tuple[float, float]:
        """Smaller is faster: the epochs to the accuracy; if never reached, the mean test accuracy."""
        return self.reached(accuracy), -fmean(self.test[1:])


def faster(one: Sequence[Run], other: Sequence[Run], accuracy: float) -> int:
    """In how many of the seeds `one` is faster than `other`."""
    return sum(a.rank(accuracy) < b.rank(accuracy) for a, b in zip(one, other))


def verdict_over_rates(wins: Mapping[float, int], seeds: int) -> str:
    """The verdict from the seeds won at each learning rate: at all rates, at some, at none."""
    won = [rate for rate, count in sorted(wins.items()) if count == seeds]
    if len(won) == len(wins):
        return HOLDS
    if not won:
        return DOES_NOT_HOLD
    if won == sorted(wins)[: len(won)]:
        return holds_when(f"the learning rate is {won[-1]:g} or smaller")
    return holds_when(f"the learning rate is {_listed(f'{rate:g}' for rate in won)}")


def verdict_over_seeds(wins: int, seeds: int) -> str:
    """Faster in every seed: holds. In most: says so. Else it does not hold."""
    if wins == seeds:
        return HOLDS
    return holds_when(f"the seed is right ({wins} of {seeds})") if 2 * wins > seeds else DOES_NOT_HOLD


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + " or " + found[-1]


@dataclass(frozen=True)
class _Data:
    prepared: Any
    task: Any
    source: str


def _data(data_dir: str | None) -> _Data:
    from losscope.comparison.data import load
    from losscope.comparison.preparation import prepare
    from losscope.comparison.task import decide

    dataset = load("mnist", data_dir=data_dir) if data_dir else load("digits")
    task = decide(dataset, None, [])
    return _Data(prepare(dataset, task), task, "MNIST" if data_dir else "scikit-learn's bundled digits")


def train(loss: Any, rate: float, seed: int, data: Any, task: Any, epochs: int, batch: int) -> Run:
    """Plain SGD on the sum over outputs, mean over rows; start and batch order depend on the seed alone."""
    import torch

    from losscope.comparison.encode import seen
    from losscope.comparison.task import encoding_of
    from losscope.studies.network import batches, build

    features = torch.from_numpy(data.features)
    encoding = encoding_of(loss, task, data.target)
    target = torch.from_numpy(seen(data, task, encoding).values)
    model = build(features.shape[1], task.outputs, HIDDEN, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    truth = torch.from_numpy(data.target)

    def accuracy(rows: Any) -> float:
        with torch.no_grad():
            output = model(features[rows])
        # Outputs that overflowed name no class: argmax would call NaN the largest and be right at times.
        right = output.argmax(1) == truth[rows]
        return float(right.double().mean()) if bool(output.isfinite().all()) else 0.0

    times, validation, test = [0.0], [accuracy(data.validation)], [accuracy(data.test)]
    for epoch in range(epochs):
        order = batches(data.train, epoch, seed, batch)
        stops = {round(len(order) * look / LOOKS): epoch + look / LOOKS for look in range(1, LOOKS + 1)}
        for step, rows in enumerate(order, 1):
            optimizer.zero_grad()
            (loss(model(features[rows]), target[rows], reduction="sum") / len(rows)).backward()
            optimizer.step()
            if step in stops:
                times.append(stops[step])
                validation.append(accuracy(data.validation))
                test.append(accuracy(data.test))
    return Run(tuple(times), tuple(validation), tuple(test))


def _neighbour(rate: float, way: int) -> float:
    """The next of ... 0.1, 0.3, 1, 3, 10 ... up (1) or down (-1)."""
    half_decade = round(2 * log10(rate)) + way
    return float(f"{10.0 ** (half_decade // 2) * (3 if half_decade % 2 else 1):g}")


class _Trainings:
    """All runs of the study, each trained once: by loss and learning rate, one run a seed."""

    def __init__(self, data: _Data, epochs: int, seeds: range, batch: int, progress: Progress) -> None:
        self.data, self.epochs, self.seeds, self.batch, self.progress = data, epochs, seeds, batch, progress
        self.found: dict[str, dict[float, list[Run]]] = {label: {} for label in LOSSES}
        self.expected = 1

    def at(self, label: str, rate: float) -> list[Run]:
        import losscope as ls

        if rate not in self.found[label]:
            done = sum(map(len, self.found.values()))
            self.progress(min(done / self.expected, 0.99), f"{label} at learning rate {rate:g}")
            loss, data = ls.get(LOSSES[label]), self.data
            self.found[label][rate] = [
                train(loss, rate, seed, data.prepared, data.task, self.epochs, self.batch)
                for seed in self.seeds
            ]
        return self.found[label][rate]

    def score(self, label: str, rate: float) -> float:
        """By which a rate is chosen: the mean validation accuracy over the run, so speed counts."""
        return fmean(fmean(run.validation[1:]) for run in self.at(label, rate))

    def best_rate(self, label: str, rates: Sequence[float]) -> float:
        """The best of the grid, walked further as long as its best is its edge, then of the rates between."""
        rates = sorted(rates)
        while True:
            best = max(rates, key=lambda rate: self.score(label, rate))
            if best == rates[-1] and best < LARGEST_RATE:
                rates.append(_neighbour(best, 1))
            elif best == rates[0] and best > SMALLEST_RATE:
                rates.insert(0, _neighbour(best, -1))
            else:
                break
        between = [float(f"{best * factor:.2g}") for factor in (10**-0.25, 10**0.25)]
        return max([best, *between], key=lambda rate: self.score(label, rate))


def experiment(
    *,
    quick: bool,
    seed: int,
    progress: Progress,
    data_dir: str | None = None,
    epochs: int = 5,
    seeds: int = 3,
    learning_rate: float = 0.1,
    accuracy: float = 0.9,
    batch_size: int = 32,
) -> Result:
    """Train the same network under four losses, at the same learning rates and each at its own best."""
    import torch

    import losscope as ls
    from losscope.errors import LossError, complain

    if min(epochs, seeds, batch_size) < 1 or learning_rate <= 0 or not 0 < accuracy < 1:
        raise LossError(complain(
            "epochs, seeds and batch_size must be 1 or more, learning_rate positive, accuracy between 0 and 1",
            got=f"{epochs}, {seeds}, {batch_size}, {learning_rate:g}, {accuracy:g}",
        ))  # fmt: skip
    threads, ours = torch.get_num_threads(), ls.get_num_threads()
    torch.set_num_threads(1)  # one thread adds up in one order
    ls.set_num_threads(1)
    try:
        data = _data(data_dir)
        starts = range(seed, seed + (min(seeds, 2) if quick else seeds))
        runs = _Trainings(data, epochs, starts, batch_size, progress)
        rates = sorted({*(QUICK_RATES if quick else RATES), learning_rate})
        runs.expected = len(LOSSES) * (len(rates) + 3) * len(starts)
        best = {label: runs.best_rate(label, rates) for label in LOSSES}
    finally:
        torch.set_num_threads(threads)
        ls.set_num_threads(ours)
    progress(1.0, "done")
    return Result(
        done=_done(data, runs, rates, accuracy),
        claims=_claims(runs, rates, learning_rate, best, accuracy),
        charts=_charts(runs, rates, learning_rate, best, data.source),
        tables=[_table(runs, learning_rate, best, accuracy)],
        numbers=_numbers(runs, learning_rate, best, accuracy, data.source),
    )


def _done(data: _Data, runs: _Trainings, rates: Sequence[float], accuracy: float) -> list[str]:
    rows = data.prepared
    return [
        f"A network with one hidden layer of {HIDDEN} ReLUs learns {data.source} ({len(rows.train):,} "
        f"rows for training, {len(rows.validation):,} for choosing the learning rate, {len(rows.test):,} for "
        f"testing) in {runs.epochs} epochs of plain SGD with batches of {runs.batch}, under four losses and "
        f"from {len(runs.seeds)} starts. All losses share the same starts and the same order of batches.",
        "Every loss is summed over the ten outputs and averaged over the rows, and squared error is "
        "halved, so its gradient in the output is the error. Otherwise one learning rate would be a "
        "different step for each: a mean over all elements, as `mse` takes it, makes the step a tenth of "
        "what softmax's is.",
        f"Each loss is tried at the rates {', '.join(f'{rate:g}' for rate in rates)}. If the best lies at the "
        "edge of that grid, the grid is extended, and the rates half a step to either side of the best are "
        "tried too. The best rate is the one with the highest validation accuracy, averaged over the "
        f"{LOOKS} checks in every epoch. Faster means fewer epochs to {accuracy:.0%} test accuracy or, if "
        "neither gets there, a higher mean test accuracy over the run.",
    ]


def _claims(
    runs: _Trainings, rates: Sequence[float], shared: float, best: Mapping[str, float], accuracy: float
) -> list[Claim]:
    seeds, squared = len(runs.seeds), "squared error, sigmoid"
    claims = []
    for label in ("cross-entropy, sigmoid", "cross-entropy, softmax"):
        wins = {rate: faster(runs.at(label, rate), runs.at(squared, rate), accuracy) for rate in rates}
        said = f"Cross-entropy ({label.split()[-1]}) converges faster than squared error through a sigmoid"
        at_shared = f"{_told(runs, label, shared, accuracy)}, {_told(runs, squared, shared, accuracy)}"
        counts = ", ".join(f"{count} of {seeds} at {rate:g}" for rate, count in wins.items())
        claims.append(Claim(
            f"{said} at the same learning rate.", verdict_over_rates(wins, seeds),
            f"At {shared:g}: {at_shared}. Seeds in which cross-entropy was faster: {counts}.",
        ))  # fmt: skip
        said += ", each at its own best learning rate."
        claims.append(_tuned(said, runs, label, squared, best, accuracy))
    claims.append(_tuned(
        "Cross-entropy (softmax) converges faster than squared error on raw outputs, each at its own best "
        "learning rate.", runs, "cross-entropy, softmax", "squared error, raw outputs", best, accuracy,
    ))  # fmt: skip
    claims.append(_room(runs, best))
    return claims


def _tuned(
    said: str, runs: _Trainings, one: str, other: str, best: Mapping[str, float], accuracy: float
) -> Claim:
    seeds = len(runs.seeds)
    wins = faster(runs.at(one, best[one]), runs.at(other, best[other]), accuracy)
    told = [_told(runs, label, best[label], accuracy, at=True) for label in (one, other)]
    evidence = f"{'; '.join(told)}. Faster in {wins} of {seeds} seeds."
    return Claim(said, verdict_over_seeds(wins, seeds), evidence)


def verdict_on_rates(squared: float, others: Sequence[float]) -> str:
    """Three times is one step of the grid: a difference that the grid can see."""
    if squared >= 2.5 * max(others):
        return HOLDS
    return DOES_NOT_HOLD


def _room(runs: _Trainings, best: Mapping[str, float]) -> Claim:
    squared = best["squared error, sigmoid"]
    others = [best["cross-entropy, sigmoid"], best["cross-entropy, softmax"]]
    return Claim(
        "Squared error through a sigmoid needs a larger learning rate, because its gradient is small.",
        verdict_on_rates(squared, others),
        f"Its best rate is {squared:g}; cross-entropy's {others[0]:g} (sigmoid) and {others[1]:g} (softmax).",
    )


def _told(runs: _Trainings, label: str, rate: float, accuracy: float, at: bool = False) -> str:
    found = runs.at(label, rate)
    where = f" at {rate:g}" if at else ""
    final = f"{fmean(run.test[-1] for run in found):.1%} at the end"
    times = [run.reached(accuracy) for run in found]
    if max(times) == float("inf"):
        arrived = sum(time < float("inf") for time in times)
        reached = f"{accuracy:.0%} reached in {arrived} of {len(times)} seeds"
        return f"{label}{where}: {reached}, {final}"
    return f"{label}{where}: {accuracy:.0%} after {fmean(times):.2f} epochs, {final}"


def _table(runs: _Trainings, shared: float, best: Mapping[str, float], accuracy: float) -> Any:
    from losscope.report import Table

    rows: list[list[Any]] = []
    for label in LOSSES:
        for which, rate in (("shared", shared), ("own best", best[label])):
            found = runs.at(label, rate)
            times = [run.reached(accuracy) for run in found]
            mean = fmean(times)
            final = [100 * run.test[-1] for run in found]
            rows.append([
                label, which, rate, "never" if mean == float("inf") else f"{mean:.2f}",
                (fmean(final), _spread(final)), 100 * fmean(fmean(run.test[1:]) for run in found),
            ])  # fmt: skip
    columns = ["loss", "rate is", "learning rate", f"epochs to {accuracy:.0%}"]
    columns += ["test accuracy at the end (%)", "mean over the run (%)"]
    return Table(columns, rows, "Means over the seeds; the spread is their standard deviation.")


def _spread(values: Sequence[float]) -> float:
    from statistics import stdev

    return stdev(values) if len(values) > 1 else 0.0


def _curve(label: str, runs: Sequence[Run]) -> Any:
    from losscope.report import Line

    tests = [[100 * value for value in run.test] for run in runs]
    columns = list(zip(*tests))
    return Line(
        runs[0].epochs, [fmean(column) for column in columns], label,
        low=[min(column) for column in columns], high=[max(column) for column in columns],
    )  # fmt: skip


def _charts(
    runs: _Trainings, rates: Sequence[float], shared: float, best: Mapping[str, float], source: str
) -> list[Any]:
    from losscope.report import Chart, Line, Panel

    axes = ("epoch", "test accuracy (%)")
    same = [_curve(label, runs.at(label, shared)) for label in LOSSES]
    own = [_curve(label, runs.at(label, best[label])) for label in LOSSES]
    panels = [
        Panel(f"All at learning rate {shared:g}", *axes, same),
        Panel("Each at its own best rate", *axes, own),
    ]
    tuning = []
    for label in LOSSES:
        tried = sorted(runs.found[label])
        score = [100 * fmean(fmean(run.test[1:]) for run in runs.at(label, rate)) for rate in tried]
        tuning.append(Line(tried, score, label))
    label = "mean test accuracy over the run (%)"
    over = Panel("Accuracy by learning rate", "learning rate", label, tuning, x_scale="log")
    seeds = len(runs.seeds)
    caption = f"Training on {source}. Lines are means over {seeds} seeds, bands their range."
    return [
        Chart(panels, caption, "learning-curves"),
        Chart([over], f"Test accuracy, averaged over the whole run and {seeds} seeds.", "learning-rates"),
    ]


def _numbers(
    runs: _Trainings, shared: float, best: Mapping[str, float], accuracy: float, source: str
) -> dict[str, Any]:
    def told(label: str, rate: float) -> dict[str, Any]:
        found = runs.at(label, rate)
        times = [run.reached(accuracy) for run in found]
        return {
            "learning_rate": rate,
            "epochs_to_accuracy": [None if time == float("inf") else time for time in times],
            "test_accuracy": [list(run.test) for run in found],
        }

    first = next(iter(runs.found.values()))
    return {
        "data": source,
        "accuracy": accuracy,
        "epochs": list(next(iter(first.values()))[0].epochs),
        "shared_rate": {label: told(label, shared) for label in LOSSES},
        "best_rate": {label: told(label, best[label]) for label in LOSSES},
        "mean_validation_accuracy": {
            label: {f"{rate:g}": runs.score(label, rate) for rate in sorted(runs.found[label])}
            for label in LOSSES
        },
    }

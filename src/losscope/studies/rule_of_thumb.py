"""Study 5: Regression: squared error; classification: cross-entropy. When is that good advice, and when not?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when

# The first of each task is the rule's; by the number of classes it is binary or over several.
LOSSES = {
    "regression": {"squared error": "squared_error", "absolute error": "absolute_error", "Huber": "huber"},
    "classification": {
        "cross-entropy": "",
        "squared error, sigmoid": "squared_error@sigmoid",
        "squared error, raw outputs": "squared_error",
    },
}
CROSS_ENTROPY = {"binary": "binary_cross_entropy", "classes": "cross_entropy"}
RULE = {"regression": "squared error", "classification": "cross-entropy"}
CONDITIONS = {
    "regression": ("as it is", "heavy tails", "gross errors", "capped"),
    "classification": ("as it is", "20% wrong labels", "40% wrong labels"),
}
METRICS = {
    "regression": {"rmse": "RMSE", "mae": "MAE", "median_absolute_error": "median |error|"},
    "classification": {"accuracy": "accuracy", "log_loss": "log loss", "brier": "Brier score"},
}
SETS = ("diabetes", "breast_cancer", "wine", "iris", "digits")
QUICK_SETS = ("diabetes", "breast_cancer", "wine")
RATES, QUICK_RATES = (0.003, 0.01, 0.03), (0.01, 0.03)
MOST_ROWS = 4000
STEPS_PER_EPOCH = 8  # so that a set of any size costs the same
# What counts: less than this is no reason to choose another loss.
ACCURACY_MARGIN, ERROR_MARGIN = 0.01, 0.02


@dataclass(frozen=True)
class Cell:
    """One data set, condition and model: for each loss and metric the test values of all splits."""

    task: str
    data: str
    condition: str
    model: str
    values: Mapping[str, Mapping[str, Sequence[float | None]]]


def losses_over(
    metric: str, rule: Sequence[float | None], rival: Sequence[float | None]
) -> list[float] | None:
    """By how much the rule's loss is worse than the rival in each split, in shares of its own error (accuracy:
    in accuracy); None where one of them has no such metric. A run that diverged is worse than any."""
    behind = []
    for own, other in zip(rule, rival):
        if own is None or other is None:
            return None
        worse = other - own if metric == "accuracy" else (own - other) / max(own, 1e-12)
        behind.append(worse)
    return behind


def clearly_worse(metric: str, rule: Sequence[float | None], rival: Sequence[float | None]) -> bool:
    """Behind in every split, and by a margin that counts on average."""
    behind = losses_over(metric, rule, rival)
    if not behind:
        return False
    margin = ACCURACY_MARGIN if metric == "accuracy" else ERROR_MARGIN
    return all(each > 0 for each in behind) and fmean(behind) >= margin


def beaten_by(cell: Cell, metric: str) -> list[str]:
    """The losses that are clearly better than the rule's here."""
    rule = RULE[cell.task]
    own = cell.values[rule][metric]
    return [
        name
        for name, each in cell.values.items()
        if name != rule and clearly_worse(metric, own, each[metric])
    ]


def verdict_on_rule(beaten: Mapping[tuple[str, str], tuple[int, int]]) -> str:
    """By condition and metric in how many cells of how many the rule's loss is clearly beaten. It does where
    that is in fewer than half; everywhere: holds; somewhere: names where."""
    good = [key for key, (lost, cells) in beaten.items() if 2 * lost < cells]
    if len(good) == len(beaten):
        return HOLDS
    return holds_when(_where(good, beaten)) if good else DOES_NOT_HOLD


def verdict_on_rivals(beaten: Mapping[tuple[str, str], tuple[int, int]]) -> str:
    """The reverse: a rival must clearly win in at least half of the cells."""
    good = [key for key, (lost, cells) in beaten.items() if cells and 2 * lost >= cells]
    if len(good) == len(beaten):
        return HOLDS
    return holds_when(_where(good, beaten)) if good else DOES_NOT_HOLD


def _where(good: Sequence[tuple[str, str]], among: Mapping[tuple[str, str], Any]) -> str:
    """Conditions in words; the metrics only where they make a difference."""
    words = []
    for condition in dict.fromkeys(condition for condition, _ in among):
        every = [metric for each, metric in among if each == condition]
        here = [metric for each, metric in good if each == condition]
        if here:
            words.append(SAID[condition] + ("" if len(here) == len(every) else f" (by {' and '.join(here)})"))
    return ", or ".join(words)


SAID = {
    "as it is": "the data are as they are",
    "heavy tails": "the noise has heavy tails",
    "gross errors": "a tenth of the targets is ten times too large",
    "capped": "the targets are capped",
    "20% wrong labels": "20% of the labels are wrong",
    "40% wrong labels": "40% of the labels are wrong",
}


# --------------------------------------------------------------------------------------------- the data


def spoil(prepared: Any, task: Any, condition: str, seed: int) -> Any:
    """The same rows with the targets of training and validation spoilt; the test stays what it was."""
    import numpy

    random = numpy.random.default_rng([seed, 77])
    seen = numpy.concatenate([prepared.train, prepared.validation])
    target = prepared.target.copy()
    if task.numeric:
        target[seen] = _spoilt_numbers(target[seen], condition, random)
        quarters = numpy.percentile(target[prepared.train], [25, 50, 75])
        # Median and quartiles, so that no single target decides the scale on which a loss sees all others.
        scale = (quarters[2] - quarters[0]) / 1.349
        return replace(
            prepared, target=target, centre=float(quarters[1]), scale=float(scale) or prepared.scale
        )
    if condition != "as it is":
        wrong = random.random(len(seen)) < float(condition.split("%")[0]) / 100
        shift = random.integers(1, len(task.labels), len(seen))
        target[seen] = numpy.where(wrong, (target[seen] + shift) % len(task.labels), target[seen])
    return replace(prepared, target=target)


def _spoilt_numbers(target: Any, condition: str, random: Any) -> Any:
    import numpy

    if condition == "heavy tails":
        return target + 0.5 * target.std() * random.standard_t(1.5, len(target))
    if condition == "gross errors":
        return numpy.where(random.random(len(target)) < 0.1, 10 * target, target)
    if condition == "capped":
        return numpy.minimum(target, numpy.percentile(target, 70))
    return target


def _sets(quick: bool, file: str | None, target: str | None) -> list[tuple[Any, Any]]:
    """Data sets with their tasks: the bundled ones, and a file where one is given."""
    import numpy

    from losscope.comparison.data import load
    from losscope.comparison.task import decide

    found = [load(name) for name in (QUICK_SETS if quick else SETS)]
    if file is not None:
        found.append(load(file, target))
    some = []
    for dataset in found:
        if len(dataset.target) > MOST_ROWS:
            rows = numpy.sort(numpy.random.default_rng(0).permutation(len(dataset.target))[:MOST_ROWS])
            dataset = replace(
                dataset,
                features=dataset.features.iloc[rows].reset_index(drop=True),
                target=dataset.target.iloc[rows].reset_index(drop=True),
            )
        some.append((dataset, decide(dataset, None, [])))
    return some


def _judged(
    prepared: Any, task: Any, loss: str, model: str, rates: Sequence[float], seed: int, epochs: int
) -> Any:
    """Test metrics at the rate at which the loss's own value on the validation rows is least."""
    import losscope
    from losscope.comparison import models
    from losscope.comparison.rival import of_loss, seated
    from losscope.comparison.settings import Settings
    from losscope.comparison.training import Judging, train
    from losscope.comparison.tuning import Job

    size = max(8, -(-len(prepared.train) // STEPS_PER_EPOCH))
    tunes = models.module(model).TUNES_RATE
    settings = Settings(
        model=model, hidden=32, optimizer="adam", momentum=0.0, batch_size=size, epochs=epochs,
        learning_rate=rates[0] if tunes else None, grid=1, seeds=1, splits=1, folds=False, split_seed=seed,
        metric=None, penalty=getattr(models.module(model), "PENALTY", 0.0),
    )  # fmt: skip
    rival = seated(of_loss(losscope.get(loss)), task, prepared.target)
    jobs = [Job(loss, seed, 0, rate) for rate in (rates if tunes else [None])]
    runs = [train(job, settings, prepared, task, rival, Judging())[0] for job in jobs]
    done = [run for run in runs if run["status"] == "done"]
    return min(done, key=lambda run: run["validation"]["own"])["test"] if done else None


# -------------------------------------------------------------------------------------------- the study


def experiment(
    *,
    quick: bool,
    seed: int,
    progress: Progress,
    file: str | None = None,
    target: str | None = None,
    splits: int = 4,
    epochs: int = 20,
) -> Result:
    """The rule's loss against its rivals: same models, data as they are and spoilt, several metrics."""
    from losscope.errors import LossError, complain

    if min(splits, epochs) < 1 or seed < 0:
        got = f"splits {splits}, epochs {epochs}, seed {seed}"
        raise LossError(complain("splits and epochs must be 1 or more, and seed 0 or more", got=got))
    models = ("mlp",) if quick else ("linear", "mlp")
    rates = QUICK_RATES if quick else RATES
    sets = _sets(quick, file, target)
    splits, epochs = (min(splits, 2), min(epochs, 12)) if quick else (splits, epochs)
    chosen = range(seed, seed + splits)
    cells: list[Cell] = []
    todo = [
        (dataset, task, condition, model)
        for dataset, task in sets
        for condition in CONDITIONS[_task(task)]
        for model in models
        if not (quick and condition == "20% wrong labels")
    ]
    for at, (dataset, task, condition, model) in enumerate(todo):
        progress(at / len(todo), f"{dataset.name}, {condition}, {model}")
        cells.append(_cell(dataset, task, condition, model, rates, chosen, epochs))
    progress(1.0, "done")
    return Result(
        done=_done(sets, len(chosen), models, rates, epochs),
        claims=_claims(cells),
        charts=[_chart(cells, task) for task in LOSSES],
        tables=[_table(cells, "regression", "mae"), _table(cells, "classification", "accuracy")],
        numbers={"cells": [_told(cell) for cell in cells]},
    )


def _task(task: Any) -> str:
    return "regression" if task.numeric else "classification"


def _cell(
    dataset: Any, task: Any, condition: str, model: str, rates: Sequence[float], seeds: range, epochs: int
) -> Cell:
    from losscope.comparison.preparation import prepare

    kind = _task(task)
    values: dict[str, dict[str, list[float | None]]] = {
        name: {metric: [] for metric in METRICS[kind]} for name in LOSSES[kind]
    }
    for seed in seeds:
        prepared = spoil(prepare(dataset, task, split_seed=seed), task, condition, seed)
        for name, loss in LOSSES[kind].items():
            found = _judged(prepared, task, loss or CROSS_ENTROPY[task.kind], model, rates, seed, epochs)
            for metric, each in values[name].items():
                each.append(DIVERGED[metric] if found is None else found[metric])
    return Cell(kind, dataset.name, condition, model, values)


DIVERGED = {
    "accuracy": 0.0,
    "log_loss": 1e9,
    "brier": 1e9,
    "rmse": 1e9,
    "mae": 1e9,
    "median_absolute_error": 1e9,
}


def _done(
    sets: Sequence[tuple[Any, Any]], splits: int, models: Sequence[str], rates: Sequence[float], epochs: int
) -> list[str]:
    named = ", ".join(
        f"{dataset.name} ({len(dataset.target):,} rows, {_task(task)})" for dataset, task in sets
    )
    kinds = {"linear": "a linear model", "mlp": "a network with one hidden layer of 32 ReLUs"}
    return [
        f"Data: {named}. Each is split {splits} times: 60% for training, 20% for choosing the learning rate, "
        f"20% for testing. Every loss trains {' and '.join(kinds[model] for model in models)} from the same "
        f"start, with Adam for {epochs} epochs at the rates {', '.join(f'{rate:g}' for rate in rates)}; each "
        "loss keeps the rate at which its own value on the validation rows is lowest.",
        "The training targets are used as they are, and damaged in several ways. Regression: heavy-tailed "
        "noise (Student's t with 1.5 degrees of freedom, times half the target's standard deviation), gross "
        "errors (a tenth of the targets ten times too large), or a cap at the 70th percentile. "
        "Classification: 20% or 40% of the labels replaced by another class. Test targets are left alone.",
        "One loss counts as clearly better than another if it is better in every split and, on average, by "
        f"at least {100 * ACCURACY_MARGIN:g} percentage point{'s' * (ACCURACY_MARGIN != 0.01)} of accuracy or "
        f"{ERROR_MARGIN:.0%} of the error. The rule holds for a condition and a metric if its loss is clearly "
        "beaten on fewer than half of the data sets and models.",
    ]


def _beaten(
    cells: Sequence[Cell], task: str, conditions: Sequence[str]
) -> dict[tuple[str, str], tuple[int, int]]:
    """By condition and metric: in how many of how many cells some rival is clearly better."""
    found = {}
    for condition in conditions:
        here = [cell for cell in cells if (cell.task, cell.condition) == (task, condition)]
        for metric, words in METRICS[task].items():
            if here:
                found[condition, words] = (sum(bool(beaten_by(cell, metric)) for cell in here), len(here))
    return found


def _counts(beaten: Mapping[tuple[str, str], tuple[int, int]]) -> str:
    parts = []
    for condition in dict.fromkeys(condition for condition, _ in beaten):
        each = ", ".join(
            f"{metric} {lost} of {cells}"
            for (here, metric), (lost, cells) in beaten.items()
            if here == condition
        )
        parts.append(f"{condition}: {each}")
    return "; ".join(parts)


def _claims(cells: Sequence[Cell]) -> list[Claim]:
    regression = _beaten(cells, "regression", CONDITIONS["regression"])
    classes = _beaten(cells, "classification", CONDITIONS["classification"])
    spoilt = {key: value for key, value in regression.items() if key[0] != "as it is"}
    evidence = "In how many combinations of data set and model another loss was clearly better"
    return [
        Claim("For regression, use squared error.", verdict_on_rule(regression), f"{evidence}: {_counts(regression)}."),
        Claim(
            "With heavy tails, gross errors or a cap in the targets, absolute error or Huber is clearly "
            "better.",
            verdict_on_rivals(spoilt),
            "Error of the better of the two as a multiple of squared error's: "
            f"{_factors(cells)}.",
        ),
        Claim("For classification, use cross-entropy.", verdict_on_rule(classes), f"{evidence}: {_counts(classes)}."),
        _on_noise(cells),
    ]  # fmt: skip


def _factors(cells: Sequence[Cell]) -> str:
    told = []
    for condition in CONDITIONS["regression"]:
        here = [cell for cell in cells if cell.condition == condition and cell.task == "regression"]
        each = []
        for metric, words in METRICS["regression"].items():
            best = [
                min(_mean(cell, name, metric) for name in ("absolute error", "Huber"))
                / _mean(cell, "squared error", metric)
                for cell in here
            ]
            each.append(f"{words} {fmean(best):.2f}")
        told.append(f"{condition}: {', '.join(each)}")
    return "; ".join(told)


def _mean(cell: Cell, name: str, metric: str) -> float:
    """NaN where a loss has no such metric."""
    known = [value for value in cell.values[name][metric] if value is not None]
    return fmean(known) if known else float("nan")


def _on_noise(cells: Sequence[Cell]) -> Claim:
    """Wins and losses of squared error through a sigmoid against cross-entropy, where labels are wrong."""
    rule, rival = "cross-entropy", "squared error, sigmoid"
    won: dict[tuple[str, str], tuple[int, int]] = {}
    told = []
    for condition in CONDITIONS["classification"][1:]:
        here = [cell for cell in cells if cell.condition == condition]
        for metric, words in METRICS["classification"].items() if here else ():
            won[condition, words] = (sum(rival in beaten_by(cell, metric) for cell in here), len(here))
            means = (fmean(_mean(cell, name, metric) for cell in here) for name in (rival, rule))
            told.append(f"{condition}, {words} {' against '.join(f'{each:.3f}' for each in means)}")
    clean = [cell for cell in cells if (cell.task, cell.condition) == ("classification", "as it is")]
    start = (fmean(_mean(cell, name, "accuracy") for cell in clean) for name in (rival, rule))
    return Claim(
        "Where labels are wrong, squared error through a sigmoid is better than cross-entropy.",
        verdict_on_rivals(won),
        f"In how many combinations of data set and model it was clearly better: {_counts(won)}. Test means, squared "
        f"error against cross-entropy: {'; '.join(told)}. With undamaged labels, accuracy "
        f"{' against '.join(f'{each:.3f}' for each in start)}.",
    )


def _chart(cells: Sequence[Cell], task: str) -> Any:
    from losscope.report import Bars, Chart, Panel

    conditions = [each for each in CONDITIONS[task] if any(cell.condition == each for cell in cells)]
    # Errors of different data have different units: as a share of the rule's they can be averaged.
    relative = task == "regression"

    def value(condition: str, name: str, metric: str) -> float:
        here = [cell for cell in cells if cell.condition == condition and cell.task == task]
        each = [_mean(cell, name, metric) for cell in here]
        if relative:
            return 100 * fmean(v / _mean(cell, RULE[task], metric) for v, cell in zip(each, here))
        return fmean(each) * (100 if metric == "accuracy" else 1)

    panels = []
    for metric, words in METRICS[task].items():
        unit = "% of squared error's" if relative else UNITS[metric]
        bars = [
            Bars(conditions, [value(each, name, metric) for each in conditions], name)
            for name in LOSSES[task]
        ]
        panels.append(Panel(words[0].upper() + words[1:], f"{words} ({unit})", "training targets", bars))
    caption = f"{task.capitalize()}: test means over data sets, models and splits. Lower is better"
    return Chart(panels, caption + ("." if relative else ", except for accuracy."), task)


UNITS = {"accuracy": "%", "log_loss": "nats", "brier": "0 to 2"}


def _table(cells: Sequence[Cell], task: str, metric: str) -> Any:
    from losscope.report import Table

    scale: Callable[[float], float] = (
        (lambda value: 100 * value) if metric == "accuracy" else (lambda value: value)
    )

    def spread(values: Sequence[float | None]) -> Any:
        known = [scale(value) for value in values if value is not None]
        return (fmean(known), stdev(known)) if len(known) > 1 else (known[0] if known else None)

    rows = [
        [cell.data, cell.model, cell.condition, *(spread(cell.values[name][metric]) for name in LOSSES[task]),
         ", ".join(beaten_by(cell, metric)) or "none"]
        for cell in cells if cell.task == task
    ]  # fmt: skip
    words = METRICS[task][metric] + (" (%)" if metric == "accuracy" else "")
    columns = ["data", "model", "condition", *LOSSES[task], f"clearly better than {RULE[task]}"]
    return Table(columns, rows, f"Test {words}: mean and standard deviation over splits.")


def _told(cell: Cell) -> dict[str, Any]:
    return {
        "task": cell.task,
        "data": cell.data,
        "condition": cell.condition,
        "model": cell.model,
        "values": {
            name: {metric: list(v) for metric, v in each.items()} for name, each in cell.values.items()
        },
        "clearly_better": {metric: beaten_by(cell, metric) for metric in METRICS[cell.task]},
    }

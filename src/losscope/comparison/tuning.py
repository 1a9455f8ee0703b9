"""Which learning rates and parameters are tried, and which are each loss's own best? Validation rows alone decide.

For each split a loss starts on the same grid of rates around the shared one, is tried at the next rate beyond an end
that its best lies at, until its best has a worse (or diverged) neighbour on both sides; then each parameter that was
left open is tried over its own grid, at that rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from losscope.comparison.metrics import Metric
from losscope.comparison.rival import Rival
from losscope.comparison.settings import FARTHEST_STEP, Settings


@dataclass(frozen=True)
class Job:
    """What one run is asked to do; together with the data it determines every number that comes out."""

    loss: str
    split: int
    seed: int
    rate: float | None = None
    parameters: tuple[tuple[str, float], ...] = ()


Runs = Mapping[Job, Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """A loss's own best in one split. `end` says when its rate is the last one tried: "lowest" or "highest"."""

    rate: float | None
    parameters: tuple[tuple[str, float], ...] = ()
    score: float | None = None
    end: str = ""


@dataclass(frozen=True)
class Search:
    """How far the search of one loss in one split has come: the jobs it waits for, or its choice (None where it
    diverged at every rate)."""

    wanted: tuple[Job, ...] = ()
    choice: Choice | None = None
    tried: Mapping[float, float | None] = field(default_factory=dict)


def search(
    rival: Rival,
    split: int,
    metric: Metric | None,
    grids: Mapping[str, list[float]],
    settings: Settings,
    runs: Runs,
) -> Search:
    """What to run next, or what was chosen. `metric` None: by the loss's own value."""
    parameters = tuple((name, rival.loss.parameters[name]) for name in rival.open)
    sign = metric.sign if metric else 1.0

    def jobs(rate: float | None, parameters: tuple[tuple[str, float], ...]) -> list[Job]:
        return [Job(rival.name, split, seed, rate, parameters) for seed in range(settings.seeds)]

    def score(rate: float | None, parameters: tuple[tuple[str, float], ...]) -> float | None:
        return _mean([runs[job] for job in jobs(rate, parameters)], metric.name if metric else "own")

    def missing(pairs: list[tuple[float | None, tuple[tuple[str, float], ...]]]) -> tuple[Job, ...]:
        return tuple(job for pair in pairs for job in jobs(*pair) if job not in runs)

    tried: dict[float, float | None] = {}
    rate: float | None = None
    end = ""
    if settings.tunes_rate:
        half = settings.grid // 2
        steps = list(range(-half, half + 1))
        while True:
            waiting = missing([(settings.rate(step), parameters) for step in steps])
            if waiting:
                return Search(waiting)
            scores = {step: score(settings.rate(step), parameters) for step in steps}
            beyond = further(scores, sign) if settings.grid > 1 else None
            if beyond is None:
                break
            steps.append(beyond)
        tried = {settings.rate(step): scores[step] for step in sorted(steps)}
        best = best_step(scores, sign)
        if best is None:
            return Search((), None, tried)
        rate = settings.rate(best)
        if settings.grid > 1:
            end = "highest" if best == max(steps) else "lowest" if best == min(steps) else ""
    elif waiting := missing([(None, parameters)]):
        return Search(waiting)
    for name in rival.open:
        choices = [
            tuple((key, value if key == name else old) for key, old in parameters) for value in grids[name]
        ]
        waiting = missing([(rate, each) for each in choices])
        if waiting:
            return Search(waiting)
        whole = [(sign * found, each) for each in choices if (found := score(rate, each)) is not None]
        parameters = min(whole)[1] if whole else parameters
    found = score(rate, parameters)
    return Search((), None if found is None else Choice(rate, parameters, found, end), tried)


def _mean(runs: list[Mapping[str, Any]], name: str) -> float | None:
    """Mean validation metric over the seeds; None where any of them diverged. No test data."""
    values = [run["validation"][name] if run["validation"] else None for run in runs]
    finite = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(finite)) if finite and len(finite) == len(values) else None


def best_step(scores: Mapping[int, float | None], sign: float) -> int | None:
    """The step with the best score; of equals the one nearest to the shared rate. None when all diverged."""
    whole = {step: score for step, score in scores.items() if score is not None}
    return min(whole, key=lambda step: (sign * whole[step], abs(step), step)) if whole else None


def further(scores: Mapping[int, float | None], sign: float) -> int | None:
    """The step to try next: beyond the end that the best lies at; None when it lies inside.

    >>> further({-1: 3.0, 0: 2.0, 1: 1.0}, 1.0), further({-1: 2.0, 0: 1.0, 1: None}, 1.0)
    (2, None)
    """
    best = best_step(scores, sign)
    if best is None:
        beyond = min(scores) - 1
    elif best == max(scores):
        beyond = best + 1
    elif best == min(scores):
        beyond = best - 1
    else:
        return None
    return beyond if abs(beyond) <= FARTHEST_STEP else None


def grid_of(loss: Any, name: str, spread: float) -> list[float]:
    """The values tried of one parameter, its default among them.

    Of a scale (such as Huber's delta): multiples of `spread`, the robust spread of the residuals in the units that
    losses see. Of a fraction: tenths. Of any other: multiples of its default.

    >>> import losscope as ls
    >>> grid_of(ls.huber, "delta", 0.5)
    [0.125, 0.25, 0.5, 0.6725, 1.0, 1.5]
    """
    default = loss.parameters[name]
    own = {**(loss.activation.parameters if loss.activation else {}), **loss.entry.parameters}[name]
    if own.domain.name == "fraction":
        found = [0.1, 0.25, 0.5, 0.75, 0.9]
    elif is_scale(loss, name):
        found = [spread * times for times in (0.25, 0.5, 1.0, 1.345, 3.0)]
    elif default:
        found = [default * times for times in (0.25, 0.5, 2.0, 4.0)]
    else:
        found = [0.5, 1.0, 2.0]
    inside = {float(f"{value:.4g}") for value in found if own.domain.contains(value)}
    return sorted({*inside, default})


def is_scale(loss: Any, name: str) -> bool:
    """Whether doubling the parameter and every residual only multiplies the loss: then it is in the target's units."""
    if loss.judges != "numbers" or not loss._derived.of_residual_alone:
        return False
    from losscope.kernels.reference import pointwise

    residual = np.array([-3.0, -1.1, -0.3, 0.2, 0.7, 1.9, 4.0])
    once = loss.bind(**{name: 0.9})
    value, _, _ = pointwise(once, residual, np.zeros(7))
    twice, _, _ = pointwise(loss.bind(**{name: 1.8}), 2 * residual, np.zeros(7))
    ratio = np.asarray(twice) / np.asarray(value)
    fixed, _, _ = pointwise(once, 2 * residual, np.zeros(7))
    return bool(np.allclose(ratio, ratio[0], rtol=1e-6) and not np.allclose(fixed, twice))

"""Which learning rates are tried, and which one is each loss's own best?

Every loss starts on the same grid around the shared rate. A loss whose best lies at an end of what was tried
gets the next rate beyond that end, until its best has a worse (or diverged) neighbour on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscope.comparison.settings import FARTHEST_STEP, HIGHER_IS_BETTER, Settings
from losscope.comparison.training import Job

Runs = Mapping[Job, Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """A loss's own best rate. `end` says when it is the last one tried: "lowest" or "highest"."""

    step: int
    learning_rate: float
    score: float
    end: str = ""


def first_steps(settings: Settings) -> list[int]:
    """The grid every loss starts with, in half-decades from the shared rate.

    >>> from losscope.comparison.settings import settle
    >>> settings = settle(kind="regression", training_rows=100)
    >>> [settings.rate(step) for step in first_steps(settings)]
    [0.001, 0.003, 0.01, 0.03, 0.1]
    """
    half = settings.grid // 2
    return list(range(-half, half + 1))


def jobs(loss: str, steps: list[int], settings: Settings) -> list[Job]:
    """One job for each rate and seed."""
    return [Job(loss, settings.rate(step), seed) for step in steps for seed in settings.seeds]


def scores(loss: str, settings: Settings, runs: Runs, metric: str | None = None) -> dict[int, float | None]:
    """Mean validation metric over the seeds, by step; None where any seed diverged. No test data."""
    found: dict[int, float | None] = {}
    metric = metric or settings.choose_by
    for step in range(-FARTHEST_STEP, FARTHEST_STEP + 1):
        done = [runs.get(Job(loss, settings.rate(step), seed)) for seed in settings.seeds]
        if any(run is None for run in done):
            continue
        values = [run["validation"][metric] if run and run["validation"] else None for run in done]
        finite = [value for value in values if value is not None and np.isfinite(value)]
        found[step] = float(np.mean(finite)) if len(finite) == len(values) else None
    return found


def choose(loss: str, settings: Settings, runs: Runs, metric: str | None = None) -> Choice | None:
    """The rate with the best mean validation score; of equals the one nearest to the shared rate.

    None when every rate tried diverged in some seed.
    """
    metric = metric or settings.choose_by
    tried = scores(loss, settings, runs, metric)
    whole = {step: score for step, score in tried.items() if score is not None}
    if not whole:
        return None
    sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0
    best = min(whole, key=lambda step: (sign * whole[step], abs(step), step))
    end = (
        ""
        if settings.grid == 1
        else "highest"
        if best == max(tried)
        else "lowest"
        if best == min(tried)
        else ""
    )
    return Choice(best, settings.rate(best), whole[best], end)


def next_steps(loss: str, settings: Settings, runs: Runs) -> list[int]:
    """The rates to try next for this loss: beyond the end its best lies at; nothing when it lies inside."""
    if settings.grid == 1:
        return []
    tried = scores(loss, settings, runs)
    chosen = choose(loss, settings, runs)
    if chosen is None:
        lower = min(tried) - 1
        return [lower] if lower >= -FARTHEST_STEP else []
    if chosen.end == "highest" and chosen.step < FARTHEST_STEP:
        return [chosen.step + 1]
    if chosen.end == "lowest" and chosen.step > -FARTHEST_STEP:
        return [chosen.step - 1]
    return []

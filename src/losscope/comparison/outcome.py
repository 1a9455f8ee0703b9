"""What came out: every run, each loss's choices, and the differences between losses with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from losscope.comparison.data import Dataset
from losscope.comparison.differences import MOST_BLOCKS, Difference, blocks_of, over_folds, over_splits
from losscope.comparison.encode import seen
from losscope.comparison.forecast import Forecast, constant, forecast
from losscope.comparison.metrics import Metric, metrics_of
from losscope.comparison.preparation import Prepared
from losscope.comparison.questions import Question, at_levels
from losscope.comparison.references import references
from losscope.comparison.rival import Rival
from losscope.comparison.settings import Settings
from losscope.comparison.task import Task
from losscope.comparison.tuning import Choice, Job
from losscope.comparison.weighted import of_rows, shares

CONSTANT = "best constant"


@dataclass(frozen=True)
class Summary:
    """One competitor on the test rows: each metric's value in each split (a mean over seeds), None where it has none."""

    name: str
    values: Mapping[str, list[float | None]]
    diverged: int = 0

    def mean(self, metric: str) -> float | None:
        """The mean over the splits; None where any split has none."""
        values = self.values.get(metric) or [None]
        return None if None in values else float(np.mean(np.array(values, dtype=float)))

    def spread(self, metric: str) -> float | None:
        """The standard deviation over the splits (n - 1); None for one split."""
        if self.mean(metric) is None or len(self.values[metric]) < 2:
            return None
        values = np.array(self.values[metric], dtype=float)
        spread = float(np.std(values, ddof=1))
        return spread if spread > 1e-12 * np.abs(values).max() else 0.0  # less is rounding


@dataclass(frozen=True)
class Outcome:
    """All that a comparison has found, as data. The first of `prepared` is the split whose models are saved."""

    dataset: Dataset
    task: Task
    prepared: tuple[Prepared, ...]
    settings: Settings
    rivals: Mapping[str, Rival]
    questions: tuple[Question, ...]
    chosen_by: Mapping[str, Metric | None]
    runs: Mapping[Job, dict[str, Any]]
    choices: Mapping[str, tuple[Choice | None, ...]]
    tried: Mapping[str, tuple[Mapping[float, float | None], ...]]
    found: int = 0
    seconds: float = 0.0
    repeated: tuple[str, ...] = ()

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(self.rivals)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The task's metrics, those of the questions first."""
        asked = {question.metric.name: question.metric for question in self.questions}
        more = at_levels(self.rivals.values(), self.questions, self.chosen_by.values())
        rest = {metric.name: metric for metric in metrics_of(self.task.kind, more)}
        return tuple({**asked, **rest}.values())

    @property
    def answer(self) -> Question:
        """The question that the first sentence answers."""
        return self.questions[0]

    def runs_of(self, loss: str, split: int, choice: Choice | None) -> list[dict[str, Any]]:
        """The runs of one loss in one split with one choice, a run for each seed."""
        if choice is None:
            return []
        return [
            self.runs[Job(loss, split, seed, choice.rate, choice.parameters)]
            for seed in range(self.settings.seeds)
        ]

    def best_runs(self, loss: str) -> list[dict[str, Any]]:
        """The runs of a loss with its own choice in each split."""
        pairs = enumerate(self.choices[loss])
        return [run for split, choice in pairs for run in self.runs_of(loss, split, choice)]

    @cached_property
    def summaries(self) -> dict[str, Summary]:
        """Each loss with its own best rate and parameters."""
        return {name: self._summary(name, self.choices[name]) for name in self.losses}

    def at_rate(self, loss: str, rate: float | None) -> Summary:
        """A loss at one rate in every split, its parameters as they were given."""
        rival = self.rivals[loss]
        given = tuple((name, rival.loss.parameters[name]) for name in rival.open)
        return self._summary(loss, tuple(Choice(rate, given) for _ in self.prepared))

    def as_given(self, loss: str) -> Summary:
        """A loss at its own best rates, but with its open parameters at their defaults."""
        return self._summary(loss, self._given(loss))

    def _summary(self, loss: str, choices: tuple[Choice | None, ...]) -> Summary:
        values: dict[str, list[float | None]] = {}
        diverged = 0
        for split, choice in enumerate(choices):
            runs = self.runs_of(loss, split, choice)
            diverged += choice is None or any(run["status"] == "diverged" for run in runs)
            for name in (*(metric.name for metric in self.metrics), "own"):
                found = [run["test"].get(name) if run["test"] else None for run in runs]
                known = [value for value in found if value is not None]
                whole = bool(known) and len(known) == len(found)
                values.setdefault(name, []).append(float(np.mean(known)) if whole else None)
        return Summary(loss, values, diverged)

    @cached_property
    def constants(self) -> Summary:
        """The best constant by each metric, chosen on the training rows of each split."""
        return Summary(
            CONSTANT, {m.name: [self._constant(p, m) for p in self.prepared] for m in self.metrics}
        )

    def constant_forecast(self, prepared: Prepared, metric: Metric, rows: np.ndarray) -> Forecast:
        """What the best constant by this metric says of these rows."""
        known = prepared.trained_on(prepared.target)
        if self.task.labels:
            return constant(shares(*known, len(self.task.labels)), len(rows))
        return constant(float(metric.constant(*known)), len(rows))

    def _constant(self, prepared: Prepared, metric: Metric) -> float | None:
        made = self.constant_forecast(prepared, metric, prepared.test)
        return metric.of(prepared.target[prepared.test], made, of_rows(prepared.test, prepared.weight))

    @cached_property
    def references(self) -> Mapping[str, tuple[Forecast, ...]]:
        """What models that one would use without asking about losses say of each split's test rows."""
        return references(self.task, self.prepared)

    @cached_property
    def reference_summaries(self) -> dict[str, Summary]:
        """The references by every metric."""
        found = {}
        for name, forecasts in self.references.items():
            values: dict[str, list[float | None]] = {}
            for prepared, made in zip(self.prepared, forecasts):
                weight = of_rows(prepared.test, prepared.weight)
                for metric in self.metrics:
                    value = metric.of(prepared.target[prepared.test], made, weight)
                    values.setdefault(metric.name, []).append(value)
            found[name] = Summary(name, values)
        return found

    @cached_property
    def shared_test(self) -> bool:
        """Whether all splits are tested on the same rows, so that only drawing rows again shows their part."""
        first = self.prepared[0].test
        return all(np.array_equal(first, prepared.test) for prepared in self.prepared)

    def forecasts(self, name: str, split: int, choice: Choice | None = None) -> list[Forecast]:
        """What a competitor says of the test rows of a split, a forecast for each seed; a loss by its own choice, if
        no other is given."""
        prepared = self.prepared[split]
        if name not in self.rivals:
            return [self.references[name][split]]
        rival = self.rivals[name]
        view = seen(prepared, self.task, rival.encoding)
        found = []
        for run in self.runs_of(name, split, choice or self.choices[name][split]):
            made = forecast(run["outputs"], self.task, rival.encoding, view.centre, view.scale)
            found.append(Forecast(**{**vars(made), "threshold": run["threshold"]}))
        return found

    def difference(self, one: str, other: str, metric: Metric) -> Difference | None:
        """How much larger the metric of one competitor is than that of another; None where either has none."""
        a, b = (self._values(name, metric) for name in (one, other))
        if a is None or b is None:
            return None
        left_out = [self._left_out(name, metric) for name in (one, other)]
        return self._over_splits(a - b, left_out[0] - left_out[1])

    def gain_of_choice(self, name: str, metric: Metric) -> Difference | None:
        """How much better a loss is with the parameters that were chosen than with those it was given."""
        chosen, given = self.summaries[name].values[metric.name], self.as_given(name).values[metric.name]
        if None in chosen or None in given:
            return None
        gain = metric.sign * (np.array(given, dtype=float) - np.array(chosen, dtype=float))
        left_out = [
            self._left_out(name, metric, choices) for choices in (self._given(name), self.choices[name])
        ]
        return self._over_splits(gain, metric.sign * (left_out[0] - left_out[1]))

    def _over_splits(self, differences: np.ndarray, left_out: np.ndarray) -> Difference:
        first = self.prepared[0]
        rows = len(first.test), len(first.train) + len(first.validation)
        if self.folds_of_one_group:
            return over_folds(differences, *rows)
        return over_splits(differences, left_out, *rows, self.shared_test)

    @property
    def folds_of_one_group(self) -> bool:
        """Whether some fold is tested on one group, of which no part can be left out to see what it changes."""
        return self.settings.folds and not self.shared_test and self._blocks == 1

    def _given(self, loss: str) -> tuple[Choice | None, ...]:
        """A loss's own best rates with its open parameters as they were given."""
        rival = self.rivals[loss]
        given = tuple((name, rival.loss.parameters[name]) for name in rival.open)
        return tuple(None if c is None else Choice(c.rate, given) for c in self.choices[loss])

    def _values(self, name: str, metric: Metric) -> np.ndarray | None:
        known = {**self.summaries, CONSTANT: self.constants}
        values = (known if name in known else self.reference_summaries)[name].values[metric.name]
        return None if None in values else np.array(values, dtype=float)

    def _left_out(
        self, name: str, metric: Metric, choices: tuple[Choice | None, ...] | None = None
    ) -> np.ndarray:
        """A metric in each split with one block of its test rows left out, (splits, blocks)."""
        memory: dict[Any, np.ndarray] = self.__dict__.setdefault("_memory", {})
        key = (name, metric.name, choices)
        if key not in memory:
            of = choices or (None,) * len(self.prepared)
            memory[key] = np.array([self._of_split(name, metric, *each) for each in enumerate(of)])
        return memory[key]

    @cached_property
    def _blocks(self) -> int:
        """In how many blocks the test rows of every split can be cut: a group is in one of them alone."""
        groups = self.dataset.groups
        tests = [prepared.test for prepared in self.prepared]
        return min(MOST_BLOCKS, *(len(test if groups is None else np.unique(groups[test])) for test in tests))

    def _of_split(self, name: str, metric: Metric, split: int, choice: Choice | None) -> np.ndarray:
        prepared = self.prepared[split]
        test, groups = prepared.test, self.dataset.groups
        target, weight = prepared.target[test], of_rows(test, prepared.weight)
        if name == CONSTANT:
            made = [self.constant_forecast(prepared, metric, test)]
        else:
            made = self.forecasts(name, split, choice)
        found = []
        for block in blocks_of(len(test), None if groups is None else groups[test], self._blocks):
            rows = np.ones(len(test), dtype=bool)
            rows[block] = False
            own = of_rows(rows, weight)
            values = [metric.of(target[rows], each.of(rows), own) for each in made if rows.any()]
            known = [value for value in values if value is not None]
            found.append(float(np.mean(known)) if known else float("nan"))
        # Where leaving a block out leaves no such metric (no positive is left), it says nothing.
        whole = np.array(found)
        there = whole[np.isfinite(whole)]
        if len(there) < 2:  # one value does not show how much it varies
            return np.full_like(whole, np.nan)
        return np.where(np.isfinite(whole), whole, there.mean())

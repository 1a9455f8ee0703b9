"""One run: one loss, one split, one rate, one seed. Pure: the same arguments give the same numbers.

Model start and batch order come from split and seed alone, so every loss and every learning rate of one split and
seed sees the same start and the same batches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from losscope.comparison import models, observation
from losscope.comparison.encode import Seen, one_hot, seen
from losscope.comparison.forecast import Forecast, forecast
from losscope.comparison.metrics import best_threshold, metrics_of
from losscope.comparison.preparation import Prepared
from losscope.comparison.rival import Rival
from losscope.comparison.settings import Settings
from losscope.comparison.task import Task
from losscope.comparison.tuning import Job
from losscope.comparison.weighted import mean, of_rows
from losscope.one_thread import one_thread

# What a run holds beside its job.
PARTS = ("status", "diverged_at_epoch", "finished", "how", "curves", "validation", "test", "threshold", "seam", "end",
         "outputs", "seconds")  # fmt: skip

Outputs = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Judging:
    """By what runs are judged: metrics at a level beside the task's, and the metrics that get a curve."""

    at_levels: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()


@one_thread()
def train(
    job: Job, settings: Settings, prepared: Prepared, task: Task, rival: Rival, judging: Judging
) -> tuple[dict[str, Any], models.Fitted]:
    """Fit once and say what happened, as plain JSON data but for `outputs`, the model's outputs for the test rows
    (float32); and the fitted model.

    `status` is "done" or "diverged" (a loss, gradient or output that is not finite); a diverged run keeps the curves
    up to that epoch and has no metrics.
    """
    started = time.perf_counter()
    loss = rival.at(dict(job.parameters))
    view = _View(loss, rival, prepared, task, seen(prepared, task, rival.encoding), judging)
    plan = models.Plan(
        outputs=task.outputs, seed=1000 * job.split + job.seed, rate=job.rate, hidden=settings.hidden,
        optimizer=settings.optimizer, momentum=settings.momentum, batch_size=settings.batch_size,
        epochs=settings.epochs, penalty=settings.penalty,
    )  # fmt: skip
    module = models.module(settings.model)
    fitted = module.fit(loss, view.rows(prepared.train), view.rows(prepared.validation), plan, view.look)
    run: dict[str, Any] = {
        **dict.fromkeys(PARTS),
        **asdict(job),
        "parameters": dict(job.parameters),
        "status": "done",
        "diverged_at_epoch": fitted.diverged_at,
        "finished": fitted.finished,
        "how": fitted.how,
        "curves": {name: list(values) for name, values in fitted.curves.items()},
    }
    done = fitted.diverged_at is None and view.judge(run, fitted.outputs)
    if not done:
        run["status"] = "diverged"
        run.update(dict.fromkeys(("validation", "test", "seam", "end", "outputs")))
    run["seconds"] = round(time.perf_counter() - started, 3)
    return run, fitted


class _View:
    """One loss's view of the data: what a model's outputs are worth."""

    def __init__(
        self, loss: Any, rival: Rival, prepared: Prepared, task: Task, target: Seen, judging: Judging
    ) -> None:
        self.loss, self.rival, self.prepared, self.task = loss, rival, prepared, task
        self.target, self.metrics = target, metrics_of(task.kind, judging.at_levels)
        self.curves = [metric for metric in self.metrics if metric.name in judging.curves]
        self.watched = observation.rows_to_watch(prepared.train)

    def rows(self, rows: np.ndarray) -> models.Rows:
        return models.Rows(
            self.prepared.features[rows], self.target.values[rows], of_rows(rows, self.prepared.weight)
        )

    def forecast(self, outputs: np.ndarray) -> Forecast:
        return forecast(outputs, self.task, self.rival.encoding, self.target.centre, self.target.scale)

    def measure(
        self, rows: np.ndarray, outputs: np.ndarray, threshold: float | None
    ) -> dict[str, float | None]:
        """Every metric, and the loss's own mean value, on these rows."""
        part = self.rows(rows)
        made = replace(self.forecast(outputs), threshold=threshold)
        target = self.prepared.target[rows]
        found = {metric.name: metric.of(target, made, part.weight) for metric in self.metrics}
        return {**found, "own": float(self.loss(outputs.astype(np.float32), part.seen, **_weight(part)))}

    def judge(self, run: dict[str, Any], outputs_of: Outputs) -> bool:
        """Write what a fitted model is worth into its run; False where something is not finite."""
        validation, test = self.prepared.validation, self.prepared.test
        outputs = {part: outputs_of(self.prepared.features[rows]) for part, rows in
                   (("validation", validation), ("test", test))}  # fmt: skip
        if not all(np.isfinite(each).all() for each in outputs.values()):
            return False
        made = self.forecast(outputs["validation"])
        if made.prediction is not None and not np.isfinite(made.prediction).all():
            return False
        threshold = None
        if made.score is not None and len(np.unique(self.prepared.target[validation])) == 2:
            threshold = best_threshold(
                self.prepared.target[validation], made.score, of_rows(validation, self.prepared.weight)
            )
        run["validation"] = self.measure(validation, outputs["validation"], threshold)
        run["test"] = self.measure(test, outputs["test"], threshold)
        run["threshold"] = threshold
        run["outputs"] = outputs["test"].astype(np.float32)
        run["seam"] = self.seam(validation, outputs["validation"])
        run["end"] = self.look(outputs_of)
        judged = [*run["validation"].values(), *run["test"].values()]
        return all(value is None or math.isfinite(value) for value in judged)

    def look(self, outputs_of: Outputs) -> Mapping[str, float | None]:
        """What the loss does to the watched training rows, and how good it is on validation rows: a point of each
        curve. Empty where something is not finite."""
        part = self.rows(self.watched)
        outputs = outputs_of(part.features)
        validation = self.prepared.validation
        judged = outputs_of(self.prepared.features[validation])
        if not (np.isfinite(outputs).all() and np.isfinite(judged).all()):
            return {}
        value, gradient = self.loss.value_and_grad(outputs.astype(np.float32), part.seen, **_weight(part))
        point: dict[str, float | None] = {"loss": float(value)}
        target = self.prepared.target[self.watched]
        encoding = self.rival.encoding
        if self.task.labels:
            hot = one_hot(target, self.task)
            shares = observation.saturation(outputs, hot, encoding)
            point["saturated"], point["saturated_wrong"] = shares or (None, None)
        size = observation.residuals(outputs, target if self.task.labels else part.seen, self.task, encoding)
        point["largest_share"] = observation.share_of_largest(np.asarray(gradient), size)
        found = observation.seam(self.loss, self.task, encoding)
        if found is not None:
            point["beyond_seam"] = mean(size > found[1], part.weight)
        made, truth = self.forecast(judged), self.prepared.target[validation]
        for metric in self.curves:
            point[f"validation_{metric.name}"] = metric.of(truth, made, self.rows(validation).weight)
        return point

    def seam(self, rows: np.ndarray, outputs: np.ndarray) -> dict[str, Any] | None:
        """For a Huber-like loss: its seam, the share of rows beyond it, and the seam these residuals suggest.

        Validation rows: training residuals shrink as a model memorises, and would suggest too small a seam.
        """
        found = observation.seam(self.loss, self.task, self.rival.encoding)
        if found is None:
            return None
        residual, weight = (outputs - self.target.values[rows])[:, 0], of_rows(rows, self.prepared.weight)
        suggested, sigma = observation.suggested_seam(residual, weight)
        return {
            "parameter": found[0],
            "value": found[1],
            "rows": len(residual),
            "beyond": mean(np.abs(residual) > found[1], weight),
            "suggested": suggested,
            "sigma": sigma,
            "beyond_suggested": mean(np.abs(residual) > suggested, weight),
        }


def _weight(rows: models.Rows) -> dict[str, np.ndarray]:
    """The rows' weights as a call of the loss takes them: one for each output, or for each row of classes."""
    if rows.weight is None:
        return {}
    weight = rows.weight.astype(np.float32)
    spread = weight if rows.seen.ndim == 1 else np.repeat(weight[:, None], rows.seen.shape[1], axis=1)
    return {"weight": spread}

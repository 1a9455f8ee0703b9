"""One run: one loss, one learning rate, one seed. Pure: the same arguments give the same numbers.

Model start and batch order come from the seed alone, so every loss and every learning rate of one seed
sees the same start and the same batches.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

import losscope as ls
from losscope.comparison import metrics, observation
from losscope.comparison.model import build
from losscope.comparison.preparation import Prepared
from losscope.comparison.settings import Settings
from losscope.comparison.task import Encoding, Task, encoding_of


@dataclass(frozen=True)
class Job:
    """What one run is asked to do; together with the data it determines every number that comes out."""

    loss: str
    learning_rate: float
    seed: int


def batches(train: np.ndarray, epoch: int, seed: int, size: int) -> list[np.ndarray]:
    """The row numbers of each batch of an epoch; no loss and no learning rate has a say in it."""
    order = np.random.default_rng([seed, epoch]).permutation(train)
    return [order[start : start + size] for start in range(0, len(order), size)]


def encode(prepared: Prepared, task: Task, encoding: Encoding) -> np.ndarray:
    """The target of every row as the loss sees it: float32 (rows, outputs), or int64 (rows,) for softmax."""
    target = prepared.target
    if encoding.target == "index":
        return target.astype(np.int64)
    if encoding.target == "standardised":
        return ((target - prepared.centre) / prepared.scale).astype(np.float32)[:, None]
    if encoding.target == "count":
        return (target / _mean(prepared)).astype(np.float32)[:, None]
    hot = one_hot(target, task)
    return 2 * hot - 1 if encoding.target == "sign" else hot


def _mean(prepared: Prepared) -> float:
    return float(np.mean(prepared.target[prepared.train])) or 1.0


def one_hot(target: np.ndarray, task: Task) -> np.ndarray:
    """0/1 in float32: one column for two classes, else one for each class."""
    if task.kind == "binary":
        return target.astype(np.float32)[:, None]
    return np.eye(task.outputs, dtype=np.float32)[target]


def train(job: Job, settings: Settings, prepared: Prepared, task: Task, loss: Any = None) -> dict[str, Any]:
    """Train once and say what happened, as plain JSON data.

    `status` is "done" or "diverged" (a loss, gradient or output that is not finite); a diverged run keeps
    the curves up to that epoch and has no test metrics.
    """
    threads, ours = torch.get_num_threads(), ls.get_num_threads()
    torch.set_num_threads(1)  # jobs are the parallelism; and one thread adds up in one order
    ls.set_num_threads(1)
    try:
        return _train(job, settings, prepared, task, ls.get(job.loss) if loss is None else loss)
    finally:
        torch.set_num_threads(threads)
        ls.set_num_threads(ours)


def _train(job: Job, settings: Settings, prepared: Prepared, task: Task, loss: Any) -> dict[str, Any]:
    started = time.perf_counter()
    encoding = encoding_of(loss, task, prepared.target)
    features = torch.from_numpy(np.array(prepared.features, dtype=np.float32))
    seen = torch.from_numpy(encode(prepared, task, encoding))
    model = build(settings.model, features.shape[1], task.outputs, settings.hidden, job.seed)
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=job.learning_rate, momentum=settings.momentum)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=job.learning_rate)
    watch = _Watch(loss, model, features, seen, prepared, task, encoding)
    diverged_at = None if watch.look() else 0
    for epoch in range(1, settings.epochs + 1):
        if diverged_at is not None:
            break
        finite = True
        for rows in batches(prepared.train, epoch, job.seed, settings.batch_size):
            index = torch.from_numpy(rows)
            optimizer.zero_grad(set_to_none=True)
            value = loss(model(features[index]), seen[index])
            value.backward()
            if not math.isfinite(value.item()):
                finite = False
                break
            optimizer.step()
        if not finite or not watch.look():
            diverged_at = epoch
    result: dict[str, Any] = {
        **asdict(job),
        "status": "done" if diverged_at is None else "diverged",
        "diverged_at_epoch": diverged_at,
        "curves": watch.curves,
        "validation": None,
        "test": None,
        "seam": None,
    }
    if diverged_at is None:
        result["validation"] = watch.judge(prepared.validation)
        result["test"] = watch.judge(prepared.test)
        result["seam"] = watch.seam(prepared.validation)
        if not all(value is None or math.isfinite(value) for value in result["test"].values()):
            result["status"], result["diverged_at_epoch"] = "diverged", settings.epochs
            result["validation"] = result["test"] = result["seam"] = None
    result["seconds"] = round(time.perf_counter() - started, 3)
    return result


class _Watch:
    """Looks at a model after each epoch and keeps what it saw, as curves."""

    def __init__(
        self,
        loss: Any,
        model: torch.nn.Module,
        features: torch.Tensor,
        seen: torch.Tensor,
        prepared: Prepared,
        task: Task,
        encoding: Encoding,
    ) -> None:
        self.loss, self.model, self.features, self.seen = loss, model, features, seen
        self.prepared, self.task, self.encoding = prepared, task, encoding
        self.rows = torch.from_numpy(observation.rows_to_watch(prepared.train))
        self.curves: dict[str, list[float | None]] = {}

    def outputs(self, rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.model(self.features[torch.from_numpy(rows)]).numpy()

    def judge(self, rows: np.ndarray) -> dict[str, float | None]:
        """The task's metrics and the loss's own mean value on these rows."""
        outputs = self.outputs(rows)
        if not np.isfinite(outputs).all():
            return {"own": math.nan}
        target = self.prepared.target[rows]
        if self.task.numeric:
            found = metrics.regression(self.in_units(outputs), target)
        else:
            found = metrics.classification(outputs, target, self.task, self.encoding)
        own = self.loss(torch.from_numpy(outputs), self.seen[torch.from_numpy(rows)])
        return {**found, "own": float(own)}

    def in_units(self, outputs: np.ndarray) -> np.ndarray:
        """Predictions of a regression in the target's own units, float64 (rows,)."""
        z = outputs.astype(np.float64)[:, 0]
        if self.encoding.link == "exp":
            with np.errstate(over="ignore"):
                return np.exp(z) * _mean(self.prepared)
        if self.encoding.link == "softplus":
            return np.logaddexp(0.0, z) * _mean(self.prepared)
        return z * self.prepared.scale + self.prepared.centre

    def seam(self, rows: np.ndarray) -> dict[str, Any] | None:
        """For a Huber-like loss: its seam, the share of rows beyond it, and the seam these residuals suggest.

        Validation rows: training residuals shrink as a model memorises, and would suggest too small a seam.
        """
        found = observation.seam(self.loss, self.task, self.encoding)
        if found is None:
            return None
        residual = (self.outputs(rows) - self.seen[torch.from_numpy(rows)].numpy())[:, 0]
        suggested, sigma = observation.suggested_seam(residual)
        return {
            "parameter": found[0],
            "value": found[1],
            "beyond": float(np.mean(np.abs(residual) > found[1])),
            "suggested": suggested,
            "sigma": sigma,
            "beyond_suggested": float(np.mean(np.abs(residual) > suggested)),
        }

    def look(self) -> bool:
        """Add one point to every curve; False when something is no longer finite."""
        self.model.zero_grad(set_to_none=True)
        output = self.model(self.features[self.rows])
        value = self.loss(output, self.seen[self.rows])
        value.backward()
        norm = observation.gradient_norm(self.model)
        self.model.zero_grad(set_to_none=True)
        outputs = output.detach().numpy()
        judged = self.judge(self.prepared.validation)
        numbers = [float(value.detach()), norm, *(number for number in judged.values() if number is not None)]
        if not np.isfinite(outputs).all() or not all(map(math.isfinite, numbers)):
            return False
        point: dict[str, float | None] = {"loss": float(value.detach()), "gradient_norm": norm}
        rows = self.rows.numpy()
        target = self.prepared.target[rows]
        if not self.task.numeric:
            shares = observation.saturation(outputs, one_hot(target, self.task), self.encoding)
            point["saturated"], point["saturated_wrong"] = shares or (None, None)
        _, gradient = self.loss.value_and_grad(outputs, self.seen[self.rows].numpy())
        compare_with = self.seen[self.rows].numpy() if self.task.numeric else target
        size = observation.residuals(outputs, compare_with, self.task, self.encoding)
        point["largest_share"] = observation.share_of_largest(np.asarray(gradient), size)
        found = observation.seam(self.loss, self.task, self.encoding)
        if found is not None:
            point["beyond_seam"] = float(np.mean(size > found[1]))
        point.update({f"validation_{name}": number for name, number in judged.items()})
        for name, number in point.items():
            self.curves.setdefault(name, []).append(number)
        return True

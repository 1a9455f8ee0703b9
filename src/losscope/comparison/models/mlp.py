"""One hidden layer of ReLUs, trained by a schedule that ends when smaller steps help no more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from losscope.comparison.models import Fitted, Look, Plan, Rows
from losscope.constant import best_constants

DESCRIPTION = "an MLP with one hidden layer of ReLUs"
TUNES_RATE = True
# After as many epochs without a better validation loss (a share of all, at least 4) the rate becomes a third, and
# training goes on from the best; it ends when that has happened so many times in vain.
PATIENCE, LEAST_PATIENCE = 0.2, 4
SHRINK, TIMES = 1 / 3, 3
# Better by less than this share of the validation loss is noise.
BETTER = 1e-4
# Rows on which the gradient's norm is measured, the same for every loss.
WATCHED = 2_000
# Where no gradient is asked for, so many numbers of the hidden layer are computed at once.
AT_ONCE = 1 << 24


def fit(loss: Any, training: Rows, validation: Rows, plan: Plan, look: Look | None = None) -> Fitted:
    """Train, and take the epoch with the best validation loss (the loss's own).

    Every loss has the same initial weights and batches, which depend on the plan's seed alone, but for the last
    intercept: that is the constant which minimises the loss on the training rows.

    `finished` is False when the epochs ran out while the validation loss was still falling.
    """
    return _Run(loss, training, validation, plan, look).train()


def outputs(state: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    """float64 (rows, outputs)."""
    features, step = np.asarray(features, dtype=np.float64), _rows_at_once(len(state["first_bias"]))
    found = np.empty((len(features), len(state["last_bias"])))
    for at in range(0, len(features), step):
        hidden = features[at : at + step] @ state["first_weight"].T + state["first_bias"]
        found[at : at + step] = np.maximum(hidden, 0) @ state["last_weight"].T + state["last_bias"]
    return found


def _rows_at_once(hidden: int) -> int:
    return max(1, AT_ONCE // hidden)


class _Run:
    """One training run: the model, its data as tensors, and what was seen after each epoch."""

    def __init__(self, loss: Any, training: Rows, validation: Rows, plan: Plan, look: Look | None) -> None:
        self.loss, self.plan, self.look = loss, plan, look
        self.training, self.validation = _tensors(loss, training), _tensors(loss, validation)
        self.first, self.last = _layers(training.features.shape[1], plan)
        self.model = torch.nn.Sequential(self.first, torch.nn.ReLU(), self.last)
        with torch.no_grad():
            start = best_constants(loss, training.seen, training.weight, plan.outputs)
            self.last.bias.copy_(torch.from_numpy(start))
        assert plan.rate is not None
        weights = [self.first.weight, self.last.weight]
        groups: list[dict[str, Any]] = [
            {"params": weights, "weight_decay": plan.penalty},
            {"params": [self.first.bias, self.last.bias]},
        ]
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(groups, lr=plan.rate, momentum=plan.momentum)
            if plan.optimizer == "sgd"
            else torch.optim.Adam(groups, lr=plan.rate)
        )
        self.watched = np.unique(
            np.linspace(0, len(training.features) - 1, min(len(training.features), WATCHED)).astype(int)
        )
        self.curves: dict[str, list[float | None]] = {}

    def train(self) -> Fitted:
        patience = max(LEAST_PATIENCE, math.ceil(PATIENCE * self.plan.epochs))
        best, best_epoch, since, cuts = self.seen(), 0, 0, 0
        if best is None:
            return self.fitted(self.state(), True, "", 0)
        state = self.state()
        for epoch in range(1, self.plan.epochs + 1):
            value = self.seen() if self.epoch(epoch) else None
            if value is None:
                return self.fitted(state, False, f"diverged in epoch {epoch}", epoch)
            if value < best - BETTER * abs(best):
                best, best_epoch, since, state = value, epoch, 0, self.state()
                continue
            since += 1
            if since < patience:
                continue
            cuts, since = cuts + 1, 0
            if cuts > TIMES:
                return self.fitted(
                    state, True, f"epoch {best_epoch} of {epoch} was best, and smaller steps helped no more"
                )
            self.slow_down(state)
        if best_epoch > self.plan.epochs - patience:
            return self.fitted(state, False, f"validation loss still falling after {self.plan.epochs} epochs")
        return self.fitted(state, True, f"epoch {best_epoch} of {self.plan.epochs} was best")

    def epoch(self, epoch: int) -> bool:
        """One pass over the training rows; False when a loss is no longer finite."""
        features, seen, weight = self.training
        order = np.random.default_rng([self.plan.seed, epoch]).permutation(len(features))
        for start in range(0, len(order), self.plan.batch_size):
            rows = torch.from_numpy(order[start : start + self.plan.batch_size])
            self.optimizer.zero_grad(set_to_none=True)
            value = self.value(
                self.model(features[rows]), seen[rows], None if weight is None else weight[rows]
            )
            value.backward()
            if not math.isfinite(value.item()):
                return False
            self.optimizer.step()
        return True

    def value(self, output: torch.Tensor, seen: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        if weight is None:
            return self.loss(output, seen)
        return self.loss(
            output, seen, weight=weight if seen.ndim == 1 else weight.expand(output.shape).contiguous()
        )

    def seen(self) -> float | None:
        """Add a point to every curve; the validation loss, or None when something is not finite."""
        features, seen, weight = self.training
        rows = torch.from_numpy(self.watched)
        self.model.zero_grad(set_to_none=True)
        self.value(
            self.model(features[rows]), seen[rows], None if weight is None else weight[rows]
        ).backward()
        squares = [p.grad.double().square().sum() for p in self.model.parameters() if p.grad is not None]
        norm = math.sqrt(float(torch.stack(squares).sum()))
        self.model.zero_grad(set_to_none=True)
        with torch.no_grad():
            value = float(self.value(self.outputs(self.validation[0]), *self.validation[1:]))
        if not (math.isfinite(value) and math.isfinite(norm)):
            return None
        point: dict[str, float | None] = {"gradient_norm": norm, "validation_own": value}
        if self.look is not None:
            found = self.look(self.now)
            if not found:
                return None
            point.update(found)
        for name, number in point.items():
            self.curves.setdefault(name, []).append(number)
        return value

    def now(self, features: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            rows = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
            return self.outputs(rows).double().numpy()

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        """Without gradients, for any number of rows."""
        return torch.cat([self.model(part) for part in features.split(_rows_at_once(self.plan.hidden))])

    def slow_down(self, state: Mapping[str, np.ndarray]) -> None:
        """Back to the best epoch's weights, at a third of the rate, with what momentum there was forgotten."""
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                tensor.copy_(torch.from_numpy(state[name]))
        self.optimizer.state.clear()
        for group in self.optimizer.param_groups:
            group["lr"] *= SHRINK

    def tensors(self) -> dict[str, torch.Tensor]:
        layers = {"first": self.first, "last": self.last}
        return {
            f"{name}_{part}": getattr(layer, part)
            for name, layer in layers.items()
            for part in ("weight", "bias")
        }

    def state(self) -> dict[str, np.ndarray]:
        return {name: tensor.detach().numpy().copy() for name, tensor in self.tensors().items()}

    def fitted(
        self, state: dict[str, np.ndarray], finished: bool, how: str, diverged: int | None = None
    ) -> Fitted:
        return Fitted("mlp", state, finished, how, diverged, self.curves)


def _layers(inputs: int, plan: Plan) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    """The start depends on the seed and the sizes alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return torch.nn.Linear(inputs, plan.hidden), torch.nn.Linear(plan.hidden, plan.outputs)


def _tensors(loss: Any, rows: Rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    features = torch.from_numpy(np.array(rows.features, dtype=np.float32))
    seen = torch.from_numpy(np.array(rows.seen))
    if rows.weight is None:
        return features, seen, None
    weight = torch.from_numpy(np.array(rows.weight, dtype=np.float32))
    return features, seen, weight if loss.judges == "classes" else weight[:, None]

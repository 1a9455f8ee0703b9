"""One hidden layer of ReLUs, trained by gradient descent with a falling rate; the best epoch by validation is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from losscope.comparison.models import Fitted, Look, Plan, Rows

DESCRIPTION = "an MLP with one hidden layer of {hidden} ReLUs"
TUNES_RATE = True


def batches(rows: int, epoch: int, seed: int, size: int) -> list[np.ndarray]:
    """The row numbers of each batch of an epoch; no loss and no learning rate has a say in it."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return [order[start : start + size] for start in range(0, len(order), size)]


def build(inputs: int, outputs: int, hidden: int, seed: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, outputs)
        )


def fit(loss: Any, training: Rows, validation: Rows, plan: Plan, look: Look | None = None) -> Fitted:
    model = build(training.features.shape[1], plan.outputs, plan.hidden, plan.seed)
    rate = plan.rate or 0.01
    optimizer: Any = (
        torch.optim.SGD(model.parameters(), lr=rate, momentum=plan.momentum)
        if plan.optimizer == "sgd"
        else torch.optim.Adam(model.parameters(), lr=rate)
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.epochs)
    features, seen = torch.from_numpy(training.features), torch.from_numpy(training.seen)
    held = torch.from_numpy(validation.features), torch.from_numpy(validation.seen)
    curves: dict[str, list[float | None]] = {}

    def outputs_of(values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(values)).numpy().astype(np.float64)

    def see() -> float:
        with torch.no_grad():
            value = float(loss(model(held[0]), held[1]))
        point = look(outputs_of) if look else {"own": value}
        for name, number in point.items():
            curves.setdefault(name, []).append(number)
        curves.setdefault("validation_own", []).append(value)
        return value if point else math.nan

    best, state, at = see(), _state(model), 0
    for epoch in range(1, plan.epochs + 1):
        for rows in batches(len(features), epoch, plan.seed, plan.batch_size):
            index = torch.from_numpy(rows)
            optimizer.zero_grad(set_to_none=True)
            value = loss(model(features[index]), seen[index])
            value.backward()
            if not math.isfinite(value.item()):
                return Fitted("mlp", state, diverged_at=epoch, curves=curves)
            optimizer.step()
        schedule.step()
        now = see()
        if not math.isfinite(now):
            return Fitted("mlp", state, diverged_at=epoch, curves=curves)
        if now < best:
            best, state, at = now, _state(model), epoch
    return Fitted("mlp", state, at < plan.epochs, f"still falling after {plan.epochs} epochs", None, curves)


def _state(model: torch.nn.Module) -> Mapping[str, Any]:
    return {name: value.detach().numpy().copy() for name, value in model.state_dict().items()}


def outputs(state: Mapping[str, Any], features: np.ndarray) -> np.ndarray:
    hidden = np.maximum(features @ state["0.weight"].T + state["0.bias"], 0)
    return (hidden @ state["2.weight"].T + state["2.bias"]).astype(np.float64)

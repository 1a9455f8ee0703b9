"""One problem, learnt under every loss from good and from damaged targets: a record for each, with what the test rows say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, softmax

import losscope as ls
from losscope.studies.damage import OF_CLASSES, OF_NUMBERS, damaged
from losscope.studies.datasets import Data
from losscope.studies.tuned import Plan, tuned
from losscope.studies.views import Record

SQUARED, ABSOLUTE, HUBER = "squared_error", "absolute_error", "huber"
CROSS, SIGMOID = "cross_entropy", "squared_error@sigmoid"
# The rule's own first.
FOR_NUMBERS: tuple[str, ...] = (SQUARED, ABSOLUTE, HUBER)
FOR_CLASSES: tuple[str, ...] = (CROSS, SQUARED, SIGMOID)


def tried(data: Data, splits: int, seed: int, plan: Plan) -> list[Record]:
    """Every loss on the same splits, starts and damaged targets; the targets of the test rows are left as they are."""
    damages = OF_CLASSES if data.classes else OF_NUMBERS
    count, seeds = len(data.target), range(1000 * seed, 1000 * seed + splits)
    order = np.stack([np.random.default_rng([each, 1]).permutation(count) for each in seeds])
    order = np.repeat(order, len(damages), 0)  # a run is a split and a damage
    first, second = count * 6 // 10, count * 8 // 10
    rows = order[:, :first], order[:, first:second], order[:, second:]
    clean = data.target.astype("int64" if data.classes else "float64")
    target = np.stack([clean] * len(order))
    for run, known in enumerate(order[:, :second]):
        random = np.random.default_rng([seeds[run // len(damages)], 2, run % len(damages)])
        target[run, known] = damaged(target[run, known], data.classes, damages[run % len(damages)], random)
    starts = [each for each in seeds for _ in damages]
    found = []
    for loss in FOR_CLASSES if data.classes else FOR_NUMBERS:
        learn = classes if data.classes else numbers
        seen, rates = learn(loss, data, target, rows, starts, plan)
        for at, damage in enumerate(damages):
            found.append({"data": data.name, "damage": damage, "loss": loss, "rates": rates[at :: len(damages)],
                          **{metric: values[at :: len(damages)] for metric, values in seen.items()}})  # fmt: skip
    return found


Seen = tuple[Mapping[str, np.ndarray], np.ndarray]  # metric -> one number a run; the learning rate of each
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows of each run for training, validation and testing


def numbers(loss: str, data: Data, target: np.ndarray, rows: Parts, starts: list[int], plan: Plan) -> Seen:
    """Scaled by median and quartiles, so that no single target decides the scale on which a loss sees all others."""
    train = np.take_along_axis(target, rows[0], 1)
    low, centre, high = np.percentile(train, [25, 50, 75], axis=1)[..., None]
    unit = np.where(high > low, (high - low) / 1.349, 1.0)
    wanted = ((target - centre) / unit).astype("float32")[..., None]
    outputs, rates = tuned(ls.get(loss), data.standardised(), wanted, rows, 1, starts, plan)
    error = outputs[..., 0] * unit + centre - data.target[rows[2]]
    return {"RMSE": np.sqrt((error**2).mean(1)), "MAE": np.abs(error).mean(1)}, rates


def classes(loss: str, data: Data, target: np.ndarray, rows: Parts, starts: list[int], plan: Plan) -> Seen:
    function, hot = ls.get(loss), np.eye(data.classes, dtype="float32")
    wanted = hot[target] if function.judges == "numbers" else target
    outputs, rates = tuned(function, data.standardised(), wanted, rows, data.classes, starts, plan)
    return judged(loss, outputs, data.target[rows[2]]), rates


def judged(loss: str, outputs: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, Brier score (0 to 2) and log loss of each run. Raw outputs have no log loss: what is nearest to them
    among probabilities can be 0."""
    chance = probabilities(loss, outputs)
    gap = chance - np.eye(outputs.shape[-1])[truth]
    found = {"accuracy": (outputs.argmax(-1) == truth).mean(1), "Brier score": (gap**2).sum(-1).mean(1)}
    if loss != SQUARED:
        found["log loss"] = -np.log(np.take_along_axis(chance, truth[..., None], -1)).mean((1, 2))
    return found


def probabilities(loss: str, outputs: np.ndarray) -> np.ndarray:
    """What the outputs of a network that was trained on this loss say of each class.

    >>> probabilities(SQUARED, np.array([0.9, 0.3, -0.2])).round(3).tolist()
    [0.8, 0.2, 0.0]
    """
    if loss == CROSS:
        return np.asarray(softmax(outputs, -1))
    if loss == SIGMOID:
        chance = expit(outputs)
        return np.asarray(chance / chance.sum(-1, keepdims=True))
    # The nearest point whose parts are 0 or more and sum to 1: all are lowered by as much, down to 0 at most.
    falling = -np.sort(-outputs, -1)
    lowered = (np.cumsum(falling, -1) - 1) / np.arange(1, outputs.shape[-1] + 1)
    last = (falling > lowered).sum(-1, keepdims=True) - 1
    return np.maximum(outputs - np.take_along_axis(lowered, last, -1), 0)

"""How the target is put to each loss: standardised, scaled by its mean, as its logarithm, or as classes; learned from
the training rows alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from losscope.comparison.preparation import Prepared
from losscope.comparison.task import Encoding, Task
from losscope.comparison.weighted import mean, spread


@dataclass(frozen=True)
class Seen:
    """The target of every row as a loss takes it: float32 (rows, outputs), or int64 (rows,) for a softmax.

    Of a number, `centre` and `scale` take outputs back to the target's units (see `forecast.in_units`).
    """

    values: np.ndarray
    centre: float = 0.0
    scale: float = 1.0


def seen(prepared: Prepared, task: Task, encoding: Encoding) -> Seen:
    """The target as the loss sees it.

    A loss whose output is the logarithm of a mean (or another link of it) sees the target divided by its mean: an
    output of 0 is then the mean itself, or close to it, and one learning rate suits targets of any size.
    """
    target = prepared.target
    if encoding.target == "index":
        return Seen(target.astype(np.int64))
    if task.labels:
        hot = one_hot(target, task)
        return Seen(2 * hot - 1 if encoding.target == "sign" else hot)
    if encoding.target == "count":
        centre = mean(*prepared.trained_on(target)) or 1.0
        return Seen((target / centre).astype(np.float32)[:, None], 0.0, centre)
    centre, scale = prepared.centre, prepared.scale
    if encoding.target in ("log", "log1p"):
        target = np.log(target) if encoding.target == "log" else np.log1p(target)
        known = prepared.trained_on(target)
        centre, scale = mean(*known), spread(*known) or 1.0
    return Seen(((target - centre) / scale).astype(np.float32)[:, None], centre, scale)


def one_hot(target: np.ndarray, task: Task) -> np.ndarray:
    """0/1 in float32: one column for two classes, else one for each class."""
    if task.outputs == 1:
        return target.astype(np.float32)[:, None]
    return np.eye(task.outputs, dtype=np.float32)[target]

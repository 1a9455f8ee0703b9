"""Linear models fitted exactly to noise of a known shape: which loss comes nearest to the mean?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import losscope as ls
from losscope.studies import lines
from losscope.studies.damage import HEAVY
from losscope.studies.text import say
from losscope.studies.trials import FOR_NUMBERS
from losscope.studies.views import Record

GAUSSIAN, SKEWED = say("Gaussian"), say("skewed (exponential)")
NOISES: Mapping[str, Callable[[Any, int], np.ndarray]] = {
    GAUSSIAN: lambda random, count: random.normal(size=count),
    HEAVY: lambda random, count: random.standard_t(3, count),
    SKEWED: lambda random, count: random.exponential(size=count) - 1,
}  # all with a mean of 0
WHERE: Mapping[str, str] = {  # as they follow "holds when"
    GAUSSIAN: say("the noise is Gaussian"),
    HEAVY: say("the noise is symmetric with heavy tails (Student's t, 3 degrees of freedom)"),
    SKEWED: say("the noise is skewed"),
}


def to_the_mean(samples: int, seed: int) -> list[Record]:
    """Linear models fitted exactly to noise of a known shape: how far each is from the true mean."""
    found: list[Record] = []
    for noise, sampled in NOISES.items():
        distances: dict[str, list[float]] = {loss: [] for loss in FOR_NUMBERS}
        for sample in range(samples):
            random = np.random.default_rng([seed, sample, len(found)])
            design, truth = lines.with_ones(random.normal(size=(600, 9))), np.ones(10)
            y = design @ truth + sampled(random, 600)
            for loss, far in distances.items():
                far.append(
                    float(np.sqrt(((design @ (lines.fit(ls.get(loss), design, y) - truth)) ** 2).mean()))
                )
        found += [{"noise": noise, "loss": loss, "distances": far} for loss, far in distances.items()]
    return found

"""Targets as they go wrong in practice: heavy-tailed noise, slips of the decimal point, a cap, wrong labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from losscope.studies.text import say

AS_THEY_ARE, HEAVY, GROSS, CAPPED = say("as they are"), say("heavy tails"), say("gross errors"), say("capped")
FIFTH, TWO_FIFTHS = say("20% wrong labels"), say("40% wrong labels")
OF_NUMBERS, OF_CLASSES = (AS_THEY_ARE, HEAVY, GROSS, CAPPED), (AS_THEY_ARE, FIFTH, TWO_FIFTHS)
WRONG: Mapping[str, float] = {FIFTH: 0.2, TWO_FIFTHS: 0.4}
# As they follow "holds when".
WHEN: Mapping[str, str] = {
    HEAVY: say("the targets have noise with heavy tails"),
    GROSS: say("a tenth of the targets is ten times too large"),
    CAPPED: say("the targets are capped"),
    FIFTH: say("20% of the labels are wrong"),
    TWO_FIFTHS: say("40% of the labels are wrong"),
}


def damaged(target: np.ndarray, classes: int, how: str, random: np.random.Generator) -> np.ndarray:
    """A copy of a target, damaged.

    >>> damaged(np.arange(5.0), 0, CAPPED, np.random.default_rng(0)).tolist()
    [0.0, 1.0, 2.0, 2.8, 2.8]
    """
    if how in WRONG:
        wrong = random.random(len(target)) < WRONG[how]
        return np.where(wrong, (target + random.integers(1, classes, len(target))) % classes, target)
    if how == HEAVY:
        return target + 0.5 * target.std() * random.standard_t(1.5, len(target))
    if how == GROSS:
        return np.where(random.random(len(target)) < 0.1, 10 * target, target)
    return np.minimum(target, np.percentile(target, 70)) if how == CAPPED else target.copy()

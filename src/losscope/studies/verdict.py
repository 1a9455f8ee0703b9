"""Verdicts: functions of an estimate and its uncertainty, never of the absence of evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from losscope.studies.text import Text, say

HOLDS = say("holds")
DOES_NOT_HOLD = say("does not hold")
NOT_DECIDED = say("not decided by these runs")
LEVEL = 0.99  # of every interval: a verdict has to survive another seed


def holds_when(condition: str) -> Text:
    """True under a condition that was tested, and found false where the condition is not met."""
    return say("holds when {condition}", condition=condition)


def is_verdict(words: str) -> bool:
    """
    >>> is_verdict(HOLDS), is_verdict(holds_when("x > 1")), is_verdict("maybe")
    (True, True, False)
    """
    return words in (HOLDS, DOES_NOT_HOLD, NOT_DECIDED) or words.startswith("holds when ")


@dataclass(frozen=True)
class Interval:
    """An estimate over `count` independent runs, and the ends of its interval at LEVEL."""

    estimate: float
    low: float
    high: float
    count: int

    def __neg__(self) -> Interval:
        """Of the same difference the other way round."""
        return Interval(-self.estimate, -self.high, -self.low, self.count)

    def shown(self, number: str = ".3g", of: Callable[[float], float] = float) -> Text:
        """In a sentence, the estimate and its ends each through `of`: exp of what was found in logarithms.

        >>> Interval(0.0, -1.0, 1.0, 9).shown(".2f", np.exp)
        '1.00 (0.37 to 2.72)'
        """
        middle, low, high = (f"{of(each):{number}}" for each in (self.estimate, self.low, self.high))
        return say("{0} ({1} to {2})", middle, low, high)


def mean(values: Any) -> Interval:
    """The mean with Student's interval: for differences of pairs that share a seed.

    >>> mean([1.0, 1.2, 0.8, 1.0]).low > 0, mean([1.0]).low
    (True, -inf)
    """
    from scipy.stats import t

    values = np.asarray(values, "float64")
    count = len(values)
    if count < 2 or not np.isfinite(values).all():
        return Interval(float(values.mean()) if count else float("nan"), -np.inf, np.inf, count)
    half = float(t.ppf((1 + LEVEL) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half, count)


def median(values: Any) -> Interval:
    """The median between two order statistics, by the sign test: for heavy tails, and for infinities.

    >>> median(range(20))
    Interval(estimate=9.5, low=3.0, high=16.0, count=20)
    """
    from scipy.stats import binom

    values = np.sort(np.asarray(values, "float64"))
    count = len(values)
    skip = int(binom.ppf((1 - LEVEL) / 2, count, 0.5))
    skip -= binom.cdf(skip - 1, count, 0.5) > (1 - LEVEL) / 2 if skip else 0
    if not count or binom.cdf(skip - 1, count, 0.5) == 0:  # so few that no two of them are sure enough
        return Interval(float(np.median(values)) if count else float("nan"), -np.inf, np.inf, count)
    return Interval(float(np.median(values)), float(values[skip - 1]), float(values[count - skip]), count)


def share(wins: int, count: int) -> Interval:
    """The share of runs in which something is so, with Clopper and Pearson's exact interval.

    >>> share(20, 20).low > 0.5, share(3, 3).low > 0.5
    (True, False)
    """
    from scipy.stats import beta

    rest = (1 - LEVEL) / 2
    low = float(beta.ppf(rest, wins, count - wins + 1)) if wins else 0.0
    high = float(beta.ppf(1 - rest, wins + 1, count - wins)) if wins < count else 1.0
    return Interval(wins / max(count, 1), low, high, count)


def more_than(interval: Interval, least: float = 0.0) -> Text:
    """Is it more than `least`, the smallest effect that matters? Surely, surely not, or not decided.

    >>> [str(more_than(Interval(1, low, 2, 9))) for low in (0.5, -0.5)], str(more_than(Interval(-1, -2, -0.5, 9)))
    (['holds', 'not decided by these runs'], 'does not hold')
    """
    if interval.low > least:
        return HOLDS
    return DOES_NOT_HOLD if interval.high <= least else NOT_DECIDED


def every(found: Iterable[str]) -> Text:
    """Of several that must all hold: one that does not is enough against it.

    >>> str(every([HOLDS, HOLDS])), str(every([HOLDS, NOT_DECIDED])), str(every([NOT_DECIDED, DOES_NOT_HOLD]))
    ('holds', 'not decided by these runs', 'does not hold')
    """
    kinds = set(found)
    if DOES_NOT_HOLD in kinds:
        return DOES_NOT_HOLD
    return HOLDS if kinds == {HOLDS} else NOT_DECIDED


def some(found: Iterable[str]) -> Text:
    """Of several of which one is enough; it does not hold where none does.

    >>> str(some([NOT_DECIDED, HOLDS])), str(some([NOT_DECIDED, DOES_NOT_HOLD])), str(some([DOES_NOT_HOLD]))
    ('holds', 'not decided by these runs', 'does not hold')
    """
    kinds = set(found)
    if HOLDS in kinds:
        return HOLDS
    return DOES_NOT_HOLD if kinds == {DOES_NOT_HOLD} else NOT_DECIDED


def over(found: Mapping[Any, str], condition: str = "{which}") -> Text:
    """One verdict from those under several conditions, each named by words that follow "holds when".

    >>> str(over({"the noise is normal": HOLDS, "it has heavy tails": DOES_NOT_HOLD}))
    'holds when the noise is normal'
    >>> str(over({"one": HOLDS, "other": NOT_DECIDED})), str(over({"one": HOLDS, "other": HOLDS}))
    ('not decided by these runs', 'holds')
    >>> str(over({"NumPy": DOES_NOT_HOLD, "JAX": HOLDS, "Keras": HOLDS}, "you use {which}"))
    'holds when you use JAX or Keras'
    """
    kinds = set(found.values())
    if len(kinds) == 1:
        only = next(iter(found.values()))
        return only if isinstance(only, Text) else say(only)
    so = [words for words, verdict in found.items() if verdict == HOLDS]
    if not so or DOES_NOT_HOLD not in kinds:  # "when" needs both sides: where it is so, and where it is not
        return DOES_NOT_HOLD if not so and NOT_DECIDED not in kinds else NOT_DECIDED
    return holds_when(say(condition, which=_listed(so)))


def _listed(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    template = "{first} or {rest}" if len(words) == 2 else "{first}, {rest}"
    return say(template, first=words[0], rest=_listed(words[1:]))


def beyond(places: Any, so: Any, what: str, number: str = "{:.3g}") -> Text:
    """Where along `places` (rising) is it `so`? "holds when {what} is more than ..." needs one change only.

    >>> str(beyond([1, 2, 3, 4], [False, False, True, True], "the rate"))
    'holds when the rate is more than 2.5'
    >>> str(beyond([1, 2, 3, 4], [False, True, False, True], "the rate"))
    'not decided by these runs'
    """
    places, so = np.asarray(places, "float64"), np.asarray(so, bool)
    if so.all() or not so.any():
        return HOLDS if so.size and so.all() else DOES_NOT_HOLD if so.size else NOT_DECIDED
    changes = np.flatnonzero(so[1:] != so[:-1])
    if len(changes) > 1:
        return NOT_DECIDED
    at = number.format((places[changes[0]] + places[changes[0] + 1]) / 2)
    template = "{what} is more than {at}" if so[-1] else "{what} is less than {at}"
    return holds_when(say(template, what=what, at=at))


def along(found: Mapping[float, str], more: str, less: str, **words: Any) -> Text:
    """One verdict from those at rising places, each with its own uncertainty. "Holds when" names the outermost place that
    was tried and where it surely holds; somewhere on the other side it surely does not. `more`, `less`: its words, with {at},
    and whatever other `words` they name.

    >>> words = "the rate is {at:g} or more", "the rate is {at:g} or less"
    >>> str(along({1: DOES_NOT_HOLD, 2: NOT_DECIDED, 3: HOLDS, 4: HOLDS}, *words))
    'holds when the rate is 3 or more'
    >>> str(along({1: DOES_NOT_HOLD, 2: HOLDS, 3: DOES_NOT_HOLD}, *words)), str(along({1: HOLDS, 2: HOLDS}, *words))
    ('not decided by these runs', 'holds')
    """
    decided = {at: each == HOLDS for at, each in found.items() if each != NOT_DECIDED}
    so = [at for at, yes in decided.items() if yes]
    changes = sum(one != other for one, other in pairwise(decided.values()))
    if changes != 1:
        return NOT_DECIDED if changes else over(found)
    return holds_when(
        say(more, at=min(so), **words) if decided[max(decided)] else say(less, at=max(so), **words)
    )


def theorem(margins: Any, tolerance: float = 1e-12) -> Text:
    """A proven claim, and a search that tried to break it: `margins` below 0 would be counter-examples.

    >>> str(theorem([0.0, 0.2])), str(theorem([-0.1]))
    ('holds', 'does not hold')
    """
    margins = np.asarray(margins, "float64")
    if not margins.size or np.isnan(margins).any():
        return NOT_DECIDED
    return HOLDS if margins.min() >= -tolerance else DOES_NOT_HOLD

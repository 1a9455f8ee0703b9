"""Numbers as they are said: with as many digits as they deserve, and differences with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from losscope.comparison.differences import Difference
from losscope.comparison.metrics import Metric

FAR = 1e7  # from which on numbers are written with an exponent


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits and thousands separated.

    >>> number(41305.38), number(0.83518), number(1e-7)
    ('41,300', '0.835', '1e-07')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits}g}")
    if 1e-4 <= abs(rounded) < FAR:
        decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
        return f"{rounded:,.{decimals}f}"
    return f"{rounded:.{digits}g}"


def between(counts: Sequence[int]) -> str:
    """The least and the largest of some counts.

    >>> between([115, 139, 208]), between([3000, 3000])
    ('115 to 208', '3,000')
    """
    least, most = min(counts), max(counts)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def splits(count: int, folds: bool) -> str:
    """How many splits, by the name they were asked for.

    >>> splits(1, folds=False), splits(4, folds=True)
    ('1 split', '4 folds')
    """
    return f"{count} {'fold' if folds else 'split'}{'s' * (count != 1)}"


def value(metric: Metric, of: float, digits: int = 3) -> str:
    """A metric's value: shares in percent."""
    return f"{100 * of:.{digits - 2}f}%" if metric.percent else number(of, digits)


def told_apart(metric: Metric, values: Sequence[float]) -> list[str]:
    """The values with as few digits as tell different ones apart, 3 to 6.

    >>> from losscope.comparison.metrics import named
    >>> told_apart(named("mae", "regression"), [42667, 42946]), told_apart(named("mae", "regression"), [42881, 42946])
    (['42,700', '42,900'], ['42,880', '42,950'])
    """
    for digits in range(3, 7):
        told = [value(metric, each, digits) for each in values]
        if len(set(told)) == len(set(values)):
            break
    return told


def difference(metric: Metric, found: Difference) -> str:
    """The size of a difference and half its interval, to the same place, which shows which is the larger; percentages in
    points.

    >>> from losscope.comparison.metrics import named
    >>> [difference(named("mae", "regression"), Difference(-0.8123, half)) for half in (0.298, 0.811)]
    ['0.81 ± 0.30', '0.812 ± 0.811']
    """
    factor = 100.0 if metric.percent else 1.0
    size, half = factor * abs(found.mean), factor * found.half
    if not found.known:
        return f"{number(size)}{' points' * metric.percent} (uncertainty unknown)"
    if half == 0:
        return f"{number(size)}{' points' * metric.percent} ± 0"
    for digits in range(2, 6):
        place = math.floor(math.log10(half)) + 1 - digits
        told = [_to_place(each, place, max(size, half) >= FAR) for each in (size, half)]
        if size == half or told[0] != told[1]:
            break
    return " ± ".join(told) + " points" * metric.percent


def _to_place(number: float, place: int, far: bool = False) -> str:
    """A number to a power of ten, with thousands separated, or with an exponent where it is `far` or the power is small.

    >>> _to_place(41305.38, 2), _to_place(0.83518, -2), _to_place(1.234e-7, -8), _to_place(3e40, 39, far=True)
    ('41,300', '0.84', '1.2e-07', '3.0e+40')
    """
    if far or place < -6:
        digits = math.floor(math.log10(number)) - place if number else 0
        return f"{number:.{max(digits, 0)}e}"
    return f"{round(number, -place):,.{max(-place, 0)}f}"


def times(ratio: float) -> str:
    """A ratio above 1 in words: "3.2 times"."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{float(f'{ratio:.2g}'):g} times"


def listed(names: Sequence[str]) -> str:
    """Names in a row: "a, b and c"."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"

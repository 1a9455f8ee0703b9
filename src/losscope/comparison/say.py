"""Numbers as they are said: with as many digits as they deserve, and differences with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from losscope.comparison.differences import Difference
from losscope.comparison.metrics import Metric


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits and thousands separated.

    >>> number(41305.38), number(0.83518), number(1e-7)
    ('41,300', '0.835', '1e-07')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits}g}")
    if 1e-4 <= abs(rounded) < 1e7:
        decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
        return f"{rounded:,.{decimals}f}"
    return f"{rounded:.{digits}g}"


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
    """The size of a difference and half its interval, to the same place: "0.81 ± 0.30"; percentages in points.

    >>> from losscope.comparison.metrics import named
    >>> difference(named("mae", "regression"), Difference(-0.8123, 0.298))
    '0.81 ± 0.30'
    """
    factor = 100.0 if metric.percent else 1.0
    size, half = factor * abs(found.mean), factor * found.half
    if not math.isfinite(half):
        return f"{number(size)}{' points' * metric.percent} (uncertainty unknown)"
    if half == 0:
        return f"{number(size)}{' points' * metric.percent} ± 0"
    digits = max(1 - math.floor(math.log10(half)), 0) if half < 1e6 else 0
    if digits > 6:
        text = f"{size:.1e} ± {half:.1e}"
    else:
        place = 10.0 ** math.floor(math.log10(half) - 1) if half >= 100 else 0
        size, half = (round(each / place) * place if place else each for each in (size, half))
        text = f"{size:,.{digits}f} ± {half:,.{digits}f}"
    return text + " points" * metric.percent


def times(ratio: float) -> str:
    """A ratio above 1 in words: "3.2 times"."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{float(f'{ratio:.2g}'):g} times"


def listed(names: Sequence[str]) -> str:
    """Names in a row: "a, b and c"."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"

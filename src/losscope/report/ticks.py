"""Where the ticks stand, and what is written at them."""

from __future__ import annotations

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _log_text(value: float) -> str:
    if 1e-3 <= value < 1e5:
        return f"{value:.12g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = value / 10.0**exponent
    power = "10" + str(exponent).translate(_SUPERSCRIPT)
    return power if abs(factor - 1) < 1e-6 else f"{factor:.3g}×{power}"


def _linear_texts(ticks: list[float]) -> list[str]:
    """Ticks as short as they stay exact; one power of ten for all where they are huge or tiny."""
    biggest = max((abs(tick) for tick in ticks), default=0.0)
    if biggest == 0 or 1e-3 <= biggest < 1e6:
        texts = [f"{tick:.10g}" for tick in ticks]
        decimals = max((len(text.partition(".")[2]) for text in texts if "e" not in text), default=0)
        texts = [f"{tick:.{min(decimals, 6)}f}" for tick in ticks]
    else:
        power = "×10" + str(math.floor(math.log10(biggest) + 1e-9)).translate(_SUPERSCRIPT)
        scale = 10.0 ** math.floor(math.log10(biggest) + 1e-9)
        texts = [f"{tick / scale:.4g}{power}" if tick else "0" for tick in ticks]
    return [text.replace("-", "−") for text in texts]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten, every second or third of them where there are many; below two decades 1, 2, 5 as well.

    Not matplotlib's LogLocator, which overflows near the ends of float64.
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if math.log10(high) - math.log10(low) < 2:
        candidates = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
        return [tick for tick in candidates if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    stride = max(math.ceil((last - first + 1) / (most + 1)), 1)
    return [10.0**power for power in range(first, last + 1) if power % stride == 0]


def ticks(
    limits: tuple[float, float], scale: str, most: int, whole: bool = False
) -> tuple[list[float], list[str]]:
    """About `most` ticks between the limits, and their texts; `whole`: at whole numbers only.

    >>> ticks((0.001, 1.0), "log", 5)
    ([0.001, 0.01, 0.1, 1.0], ['0.001', '0.01', '0.1', '1'])
    >>> ticks((-1.0, 1.0), "linear", 5)[1]
    ['−1.0', '−0.5', '0.0', '0.5', '1.0']
    >>> ticks((0.0, 2.0), "linear", 7, whole=True)[1]
    ['0', '1', '2']
    """
    from matplotlib.ticker import MaxNLocator

    low, high = limits
    if scale == "log":
        powers = _log_ticks(low, high, most)
        if whole:
            powers = [tick for tick in powers if tick >= 1]
        if len(powers) >= 2:
            return powers, [_log_text(tick) for tick in powers]
    # also for a log scale so short that it looks linear
    slack = 1e-9 * (high / 2 - low / 2)
    steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
    found = MaxNLocator(nbins=most, steps=steps, integer=whole).tick_values(low, high)
    chosen = [float(tick) for tick in found if low - slack <= tick <= high + slack]
    if scale == "log":
        chosen = [tick for tick in chosen if tick > 0]
    if whole:
        chosen = [tick for tick in chosen if tick.is_integer()]
    return chosen, _linear_texts(chosen)


def share(value: float, limits: tuple[float, float], scale: str) -> float:
    """Where a value lies between the limits, 0 to 1."""
    low, high = limits
    if scale == "log":
        return (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
    return (value / 2 - low / 2) / (high / 2 - low / 2)

"""What do the numbers say? Sentences computed from the runs; each can come out otherwise on other data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from losscope.comparison import plan
from losscope.comparison.settings import HIGHER_IS_BETTER, METRIC_WORDS, METRICS

if TYPE_CHECKING:
    from losscope.comparison.comparison import Comparison, Summary

# A seam within a fifth of the suggested one does much the same.
SEAM_TOLERANCE = 0.2
# With more outputs than this saturated on the wrong side, they hold a loss up.
STUCK_SHARE = 0.01
STUCK_COST = 0.05


def findings(result: Comparison) -> list[str]:
    """The findings, most wanted first."""
    found = [
        *_winner(result, same_rate=False),
        *_winner(result, same_rate=True),
        *_rate_matters(result),
        *_saturation(result),
        *_largest(result),
        *_seams(result),
        *_diverged(result),
        *_grid_ends(result),
        *_other_rule(result),
    ]
    return [sentence for sentence in found if sentence]


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


def metric_text(metric: str, value: float, digits: int = 3) -> str:
    """A metric's value as it is said: accuracy in percent."""
    return f"{100 * value:.{digits - 2}f}%" if metric == "accuracy" else number(value, digits)


def told_apart(metric: str, values: Sequence[float]) -> list[str]:
    """The values with as few digits as tell different ones apart, 3 to 6.

    >>> told_apart("mae", [42667, 42946]), told_apart("mae", [42881, 42946]), told_apart("accuracy", [0.5, 0.5])
    (['42,700', '42,900'], ['42,880', '42,950'], ['50.0%', '50.0%'])
    """
    for digits in range(3, 7):
        told = [metric_text(metric, value, digits) for value in values]
        if len(set(told)) == len(set(values)):
            break
    return told


def times(ratio: float) -> str:
    """A ratio above 1 in words: "3.2 times"."""
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{float(f'{ratio:.2g}'):g} times"


def _winner(result: Comparison, same_rate: bool) -> list[str]:
    """Who is best by the metric that chose the rates, and does it win with every seed?"""
    tried = result.settings.grid > 1
    shared = all(
        choice is not None and choice.learning_rate == result.settings.learning_rate
        for choice in result.choices.values()
    )
    if (tried and shared) if same_rate else not tried:
        return []  # no other rate was tried, or the sentence before has said the same
    metric = result.settings.choose_by if result.settings.choose_by != "own" else METRICS[result.task.kind][0]
    summaries = [
        result.at_same_rate(name) if same_rate else result.at_own_best(name) for name in result.losses
    ]
    whole = [s for s in summaries if s is not None and not s.diverged and s.metrics.get(metric)]
    if len(whole) < 2:
        return []
    sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0

    def mean(summary: Summary) -> float:
        found = summary.metrics[metric]
        assert found is not None
        return found[0]

    whole.sort(key=lambda s: sign * mean(s))
    best, second, last = whole[0], whole[1], whole[-1]
    told = told_apart(metric, [mean(best), mean(second), mean(last)])
    word = METRIC_WORDS[metric]
    better = "higher" if sign < 0 else "lower"
    where = (
        f"At the same learning rate, {result.settings.learning_rate:g}"
        if same_rate
        else "With each loss at its own best learning rate"
        + (f" (for all of them the shared one, {result.settings.learning_rate:g})" if shared else "")
    )
    wins = sum(
        sign * a < sign * b
        for a, b in zip(best.values[metric], second.values[metric])
        if a is not None and b is not None
    )
    seeds = best.seeds
    sentence = f"{where}, **{best.loss}** has the best test {word}, {told[0]}, followed by {second.loss} with {told[1]} "
    if seeds == 1:
        sentence += "(one seed, so the spread is unknown)."
    else:
        sentence += f"({better} in {wins} of {seeds} seeds"
        sentence += ")." if wins == seeds else ": **too few to call it better**)."
    if last is not second:
        sentence += f" {last.loss} comes last with {told[2]}."
    if metric == "accuracy" and not (same_rate and tried):
        p, rows = mean(best), len(result.prepared.test)
        error = math.sqrt(max(p * (1 - p), 0.0) / rows)
        sentence += (
            f" With {rows:,} test rows, any one accuracy is uncertain by about ±{100 * error:.1f} points."
        )
    return [sentence]


def _rate_matters(result: Comparison) -> list[str]:
    """The loss that gains most from its own rate: how much of a fixed-rate comparison is the rate."""
    metric = result.settings.choose_by if result.settings.choose_by != "own" else METRICS[result.task.kind][0]
    gains = []
    for name in result.losses:
        own, same = result.at_own_best(name), result.at_same_rate(name)
        if own is None or own.learning_rate == same.learning_rate or own.diverged or same.diverged:
            continue
        a, b = own.metrics.get(metric), same.metrics.get(metric)
        if a and b:
            gain = (a[0] - b[0]) if metric in HIGHER_IS_BETTER else (b[0] - a[0])
            gains.append((gain / (abs(b[0]) or 1.0), name, same, own, b[0], a[0]))
    if not gains:
        return []
    share, name, same, own, before, after = max(gains, key=lambda gain: gain[0])
    if share < 0.005:
        return [
            "No loss gains 0.5% or more on the test data from its own learning rate: here the shared rate is fair."
        ]
    ratio = own.learning_rate / same.learning_rate
    larger = f"{times(ratio)} larger" if ratio > 1 else f"{times(1 / ratio)} smaller"
    return [
        f"The learning rate matters: at its own rate, {own.learning_rate:g}, {larger} than the shared one, {name} "
        f"goes from {metric_text(metric, before)} to {metric_text(metric, after)} in test {METRIC_WORDS[metric]}."
    ]


def _mean_curve(result: Comparison, loss: str, rate: float, name: str) -> np.ndarray | None:
    """Mean over the seeds, up to the last epoch that all of them reached; None without such a curve."""
    curves = [run["curves"].get(name) for run in result.runs_of(loss, rate)]
    if any(not curve or any(value is None for value in curve) for curve in curves):
        return None
    length = min(len(curve) for curve in curves if curve)
    return np.mean([curve[:length] for curve in curves if curve], axis=0)


def _saturation(result: Comparison) -> list[str]:
    """Which outputs got stuck on the wrong side: for good, and at the worst moment on the way."""
    ends, peaks = [], []
    for name in result.losses:
        for step in result.steps_tried[name]:
            rate = result.settings.rate(step)
            curve = _mean_curve(result, name, rate, "saturated_wrong")
            if curve is not None:
                ends.append((float(curve[-1]), name, rate))
                peaks.append((float(curve.max()), int(curve.argmax()), name, rate))
    if not ends:
        return []
    said = []
    stuck = [end for end in ends if end[0] >= STUCK_SHARE and _falls_short(result, end[1], end[2])]
    for share, name, rate in sorted(stuck, reverse=True)[:1]:
        said.append(
            f"At rate {rate:g}, {name} gets stuck: {100 * share:.1f}% of its outputs end up saturated on the "
            "wrong side (within 0.01 of 0 where 1 is right, or the reverse), with "
            f"{_score(result, name, rate)}."
        )
    chosen = [p for p in peaks if p[3] == result.settings.learning_rate or _is_own_best(result, p[2], p[3])]
    high, epoch, name, rate = max(chosen)
    if high >= STUCK_SHARE:
        said.append(
            f"{name} at rate {rate:g} had {100 * high:.1f}% of its outputs saturated on the wrong side "
            f"after epoch {epoch}, and {100 * next(e[0] for e in ends if e[1:] == (name, rate)):.1f}% at the end."
        )
    elif not stuck:
        said.append(
            "No loss had more than 1% of its outputs saturated on the wrong side, at any time or rate."
        )
    return said


def _falls_short(result: Comparison, name: str, rate: float) -> bool:
    """Whether a rate costs the loss at least 5 points of test accuracy against its own best."""
    here, best = result.at(name, rate).metrics["accuracy"], result.at_own_best(name)
    there = best and best.metrics["accuracy"]
    return bool(here and there and here[0] < there[0] - STUCK_COST)


def _is_own_best(result: Comparison, name: str, rate: float) -> bool:
    choice = result.choices[name]
    return choice is not None and choice.learning_rate == rate


def _score(result: Comparison, name: str, rate: float) -> str:
    """The mean test metric at a rate, in words."""
    metric = METRICS[result.task.kind][0]
    found = result.at(name, rate).metrics[metric]
    return f"a test {METRIC_WORDS[metric]} of " + (metric_text(metric, found[0]) if found else "nothing")


def _largest(result: Comparison) -> list[str]:
    ends = []
    for name in result.losses:
        choice = result.choices[name]
        rate = choice.learning_rate if choice else result.settings.learning_rate
        curves = [run["curves"].get("largest_share") or [] for run in result.runs_of(name, rate)]
        last = [curve[-1] for curve in curves if curve and curve[-1] is not None]
        if last:
            ends.append((float(np.mean(last)), name))
    if len(ends) < 2:
        return []
    ends.sort()
    (low, least), (high, most) = ends[0], ends[-1]
    return [
        f"After training, the 1% of training rows with the largest residuals carry {100 * high:.1f}% of the "
        f"gradient under {most}, {100 * low:.1f}% under {least} (an equal share would be 1%)."
    ]


def _seams(result: Comparison) -> list[str]:
    """For each Huber-like loss: its seam in the target's units, and the one the residuals suggest."""
    said = []
    for name in result.losses:
        choice = result.choices[name]
        rate = choice.learning_rate if choice else result.settings.learning_rate
        seams = [run["seam"] for run in result.runs_of(name, rate) if run["seam"]]
        if not seams:
            continue
        parameter, value = seams[0]["parameter"], float(seams[0]["value"])
        suggested, sigma, beyond, beyond_suggested = (
            float(np.mean([seam[key] for seam in seams]))
            for key in ("suggested", "sigma", "beyond", "beyond_suggested")
        )
        scale, target = result.prepared.scale, result.task.target
        if suggested <= 0:
            said.append(
                f"{name}: half of the validation residuals are equal, so no {parameter} can be suggested."
            )
            continue
        sentence = (
            f"{name}: {parameter} = {value:g} is {number(value * scale)} in units of {target}, and "
            f"{100 * beyond:.1f}% of the validation residuals lie beyond it, in the linear part. "
        )
        base = name.partition(":")[0]
        reason = (
            f"1.345 times the robust spread of the residuals, {number(sigma * scale)} (1.4826 times their median "
            "absolute deviation). That keeps 95% of squared error's efficiency if the bulk is Gaussian, and is "
            f"linear for the {100 * beyond_suggested:.0f}% beyond"
        )
        if abs(suggested / value - 1) <= SEAM_TOLERANCE:
            sentence += (
                f"That is close to what the data suggests, {number(suggested * scale)}, which is {reason}."
            )
        else:
            sentence += (
                f"The data suggests `{base}:{parameter}={suggested:.2g}` ({number(suggested * scale)} in units of "
                f"{target}), which is {reason}."
            )
        said.append(sentence)
    return said


def _diverged(result: Comparison) -> list[str]:
    said = []
    for name in result.losses:
        rates = []
        for step in result.steps_tried[name]:
            rate = result.settings.rate(step)
            count = sum(run["status"] == "diverged" for run in result.runs_of(name, rate))
            if count:
                rates.append(f"{rate:g} ({count} of {len(result.settings.seeds)} seeds)")
        if rates:
            said.append(
                f"{name} diverged (a loss, gradient or output no longer finite) at rate {', '.join(rates)}."
            )
    return said


def _grid_ends(result: Comparison) -> list[str]:
    said = []
    for name in result.losses:
        choice = result.choices[name]
        if choice is None:
            said.append(f"{name} diverged at every rate tried, so it has no best rate of its own.")
        elif choice.end and result.settings.grid > 1:
            said.append(
                f"{name} is best at {choice.learning_rate:g}, the {choice.end} rate tried, 3 decades from the "
                "shared one. Its own best may lie further out: give another --learning-rate."
            )
    return said


def _other_rule(result: Comparison) -> list[str]:
    """Would another common metric have chosen other rates?"""
    if result.settings.grid == 1:
        return []
    changes = []
    asked = []
    for metric in METRICS[result.task.kind]:
        if metric == result.settings.choose_by:
            continue
        asked.append(METRIC_WORDS[metric])
        for name in result.losses:
            here, there = result.choices[name], plan.choose(name, result.settings, result.runs, metric)
            if here and there and here.learning_rate != there.learning_rate:
                changes.append(
                    f"{name} {here.learning_rate:g} to {there.learning_rate:g} by {METRIC_WORDS[metric]}"
                )
    if not changes:
        return [f"Choosing by {' or '.join(asked)} instead would have given the same rates."]
    return [f"Choosing by another metric (`--choose-by`) would change some rates: {'; '.join(changes)}."]

"""The report's figures: the differences with their intervals, then what was seen on the way."""

from __future__ import annotations

import math

import numpy as np

from losscope.comparison.metrics import Metric
from losscope.comparison.observed import equal_share
from losscope.comparison.outcome import Outcome
from losscope.comparison.verdict import Verdict, verdicts
from losscope.report import Bars, Chart, Line, Panel

# A curve that starts to diverge would otherwise press all others into a line.
HEADROOM = 1.1


def differences(outcome: Outcome) -> Chart | None:
    """How much worse each loss is than the best one by each question's metric, with 95% intervals."""
    panels = [panel for each in verdicts(outcome) if (panel := _differences(outcome, each))]
    return Chart(panels, name="differences", columns=min(len(panels), 2)) if panels else None


def _differences(outcome: Outcome, found: Verdict) -> Panel | None:
    if len(found.ranked) < 2:
        return None
    metric, first = found.question.metric, found.ranked[0]
    factor = 100.0 if metric.percent else 1.0
    names = found.ranked[1:]
    mean = [factor * found.behind[name].mean for name in names]
    half = [factor * found.behind[name].half for name in names]
    known = [math.isfinite(each) for each in half]
    low = [m - h if k else m for m, h, k in zip(mean, half, known)]
    high = [m + h if k else m for m, h, k in zip(mean, half, known)]
    unit = " (percentage points)" if metric.percent else _unit(outcome, metric)
    bars = Bars(names, mean, f"worse than {first}", low=low, high=high)
    return Panel(
        f"{metric.words}: how much worse than {first}", f"difference in {metric.words}{unit}", "", [bars]
    )


def _unit(outcome: Outcome, metric: Metric) -> str:
    in_units = metric.name in ("mae", "rmse", "median_absolute_error") or metric.name.startswith("pinball")
    return f" ({outcome.task.target})" if outcome.task.numeric and in_units else ""


def learning(outcome: Outcome) -> Chart | None:
    """Validation metric of the first question by epoch, each loss at its own best."""
    metric = outcome.answer.metric
    curve = f"validation_{metric.name}"
    panel = _curves(outcome, curve, "Validation", f"{metric.words}{_unit(outcome, metric)}")
    relative = _curves(outcome, "loss", "Training", "loss / loss at the start", relative=True, scale="log")
    return _chart("learning", panel, relative)


def gradient(outcome: Outcome) -> Chart | None:
    """The norm of the gradient, and the share that the largest residuals carry."""
    share = _curves(outcome, "largest_share", "The largest residuals", "% of the gradient", percent=True)
    if share is not None:
        epochs = [0.0, float(max(len(line.x) for line in share.items if isinstance(line, Line)) - 1)]
        equal = Line(epochs, [100 * equal_share(outcome)] * 2, "equal share", style="reference")
        share = Panel(share.title, share.x_label, share.y_label, [*share.items, equal])
    return _chart(
        "gradient", _curves(outcome, "gradient_norm", "Gradient norm", "gradient norm", scale="log"), share
    )


def saturation(outcome: Outcome) -> Chart | None:
    """Share of saturated outputs: all, and those on the wrong side."""
    return _chart(
        "saturation",
        _curves(outcome, "saturated", "Saturated", "% of outputs", percent=True),
        _curves(outcome, "saturated_wrong", "Saturated, wrong side", "% of outputs", percent=True),
    )


def seam(outcome: Outcome) -> Chart | None:
    """Share of training rows in the linear part of each Huber-like loss."""
    return _chart(
        "seam", _curves(outcome, "beyond_seam", "In the linear part", "% of training rows", percent=True)
    )


def rates(outcome: Outcome) -> Chart | None:
    """The metric that chose each loss's rate, on validation rows, against the rate: a panel for each such metric."""
    if not outcome.settings.tunes_rate or outcome.settings.grid == 1:
        return None
    chosen = outcome.chosen_by
    panels = []
    for words in dict.fromkeys(metric.words if metric else "own value" for metric in chosen.values()):
        names = [
            name for name, metric in chosen.items() if (metric.words if metric else "own value") == words
        ]
        lines = [line for name in names if (line := _rate_line(outcome, name))]
        limits = _limits([line.y for line in lines])
        panels.append(
            Panel(f"Chosen by {words}", "learning rate", f"validation {words}", lines, x_scale="log",
                  notes=[(outcome.settings.learning_rate or 0.0, "shared rate")], y_limits=limits)
        )  # fmt: skip
    return Chart(panels, name="rates", columns=min(len(panels), 2)) if panels else None


def _rate_line(outcome: Outcome, name: str) -> Line | None:
    """Mean over the splits with the lowest and highest split as a band; a gap where any split diverged."""
    everywhere = sorted(set.intersection(*(set(tried) for tried in outcome.tried[name])))
    if not everywhere:
        return None
    values = [[tried[rate] for tried in outcome.tried[name]] for rate in everywhere]
    rows = np.array([[math.nan if v is None else v for v in row] for row in values], dtype=float)
    return Line(everywhere, rows.mean(1), name, low=rows.min(1), high=rows.max(1))


def _chart(name: str, *panels: Panel | None) -> Chart | None:
    there = [panel for panel in panels if panel is not None]
    return Chart(there, name=name, columns=min(len(there), 2)) if there else None


def _curves(
    outcome: Outcome,
    curve: str,
    title: str,
    y_label: str,
    *,
    relative: bool = False,
    scale: str = "linear",
    percent: bool = False,
) -> Panel | None:
    factor = 100.0 if percent else 1.0
    lines = [line for name in outcome.losses if (line := _curve(outcome, name, curve, relative, factor))]
    if not lines:
        return None
    limits = (
        _limits([line.y[1:] for line in lines], [line.y[0] for line in lines]) if scale == "linear" else None
    )
    note = (
        "" if limits is None or all(_inside(line.y, limits) for line in lines) else " (arrows: off the scale)"
    )
    return Panel(title + note, "epoch", y_label, lines, y_scale=scale, y_limits=limits)


def _inside(values: np.ndarray, limits: tuple[float, float]) -> bool:
    known = values[np.isfinite(values)]
    return bool((known <= limits[1]).all())


def _curve(outcome: Outcome, loss: str, curve: str, relative: bool, factor: float) -> Line | None:
    """Mean over splits and seeds, with the lowest and highest as a band, to the last epoch all of them reached."""
    curves = [run["curves"].get(curve) for run in outcome.best_runs(loss)]
    length = min((len(found) if found else 0 for found in curves), default=0)
    if length < 2:
        return None
    values = np.array(
        [[math.nan if v is None else v for v in (found or [])[:length]] for found in curves], float
    )
    if np.isnan(values).all():
        return None
    if relative:
        start = values[:, :1]
        values = values / np.where(start > 0, start, math.nan)
    values = factor * values
    band = {"low": values.min(axis=0), "high": values.max(axis=0)} if len(values) > 1 else {}
    return Line(np.arange(length), values.mean(axis=0), loss, **band)


def _limits(trained: list[np.ndarray], starts: list[float] | None = None) -> tuple[float, float] | None:
    """A y axis on which what was learned can be told apart: the start, and what diverges, may lie above its top."""
    known = np.concatenate([values[np.isfinite(values)] for values in trained]) if trained else np.array([])
    if known.size < 2 or not known.max() > known.min():
        return None
    low, high = float(known.min()), float(known.max())
    typical = float(np.quantile(known, 0.9))
    top = min(high, typical + 2 * (typical - low)) if typical > low else high
    room = 0.05 * (top - low)
    return low - room, top + room

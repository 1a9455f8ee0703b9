"""The report's figures, from the runs' curves. Left: the shared rate. Right: each loss at its own best."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from losscope.comparison import plan
from losscope.comparison.comparison import Comparison
from losscope.comparison.settings import HIGHER_IS_BETTER, METRIC_WORDS
from losscope.report import Chart, Line, Panel

# A curve that starts to diverge would otherwise press all others into a line.
HEADROOM = 1.1


def learning(result: Comparison) -> Chart:
    """Validation metric by epoch."""
    metric = _metric(result)
    curve = f"validation_{metric}"
    limits = _limits(result, curve, metric in HIGHER_IS_BETTER)
    return _pair(
        result, curve, f"validation {_with_unit(metric, result)}", "learning", relative=False, limits=limits
    )


def training_loss(result: Comparison) -> Chart:
    """Each loss on the training rows, as a multiple of its value before training."""
    return _pair(result, "loss", "training loss / loss at the start", "training", relative=True, scale="log")


def gradient_norm(result: Comparison) -> Chart:
    """Norm of the gradient over all parameters, by epoch."""
    return _pair(result, "gradient_norm", "gradient norm", "gradient-norm", relative=False, scale="log")


def largest_share(result: Comparison) -> Chart:
    """Share of the gradient carried by the 1% of rows with the largest residuals."""
    epochs = [0.0, float(result.settings.epochs)]
    equal = Line(epochs, [1.0, 1.0], "equal share", style="reference")
    return _pair(
        result, "largest_share", "% of the gradient", "largest", relative=False, percent=True, extra=(equal,)
    )


def saturation(result: Comparison) -> Chart | None:
    """Share of saturated outputs: all, and those on the wrong side. None where no loss has such outputs."""
    if result.task.numeric:
        return None
    panels = [
        *_panels(result, "saturated", "% of outputs", percent=True, what="Saturated"),
        *_panels(result, "saturated_wrong", "% of outputs", percent=True, what="Saturated, wrong side"),
    ]
    if not any(panel.items for panel in panels):
        return None
    return Chart(panels, name="saturation", columns=2)


def beyond_the_seam(result: Comparison) -> Chart | None:
    """Share of training rows in the linear part of each Huber-like loss."""
    panels = _panels(result, "beyond_seam", "% of training rows", percent=True, what="In the linear part")
    return Chart(panels, name="seam", columns=2) if any(panel.items for panel in panels) else None


def rates(result: Comparison) -> Chart:
    """Validation metric against the learning rate."""
    metric = _metric(result)
    items = []
    highest: list[float] = []
    for name in result.losses:
        x, mean, low, high = [], [], [], []
        for step in sorted(plan.scores(name, result.settings, result.runs)):
            rate = result.settings.rate(step)
            runs = result.runs_of(name, rate)
            values = [run["validation"][metric] for run in runs if run["validation"]]
            values = [value for value in values if value is not None]
            whole = len(values) == len(runs)
            x.append(rate)
            mean.append(float(np.mean(values)) if whole else math.nan)
            low.append(min(values) if whole else math.nan)
            high.append(max(values) if whole else math.nan)
        items.append(Line(x, mean, name, low=low, high=high))
        starts = [run["curves"].get(f"validation_{metric}") or [math.nan] for run in result.runs.values()]
        highest.extend(start[0] for start in starts if start[0] is not None)
    limits = None
    if metric not in HIGHER_IS_BETTER:
        known = np.concatenate([line.y for line in items])
        known = known[np.isfinite(known)]
        if known.size and highest and known.max() > HEADROOM * np.nanmax(highest):
            limits = (0.0, HEADROOM * float(np.nanmax(highest)))
    panel = Panel(
        "Own best learning rate",
        "learning rate",
        f"validation {_with_unit(metric, result)}",
        items,
        x_scale="log",
        notes=[(result.settings.learning_rate, "shared rate")],
        y_limits=limits,
    )
    return Chart([panel], name="rates")


def _metric(result: Comparison) -> str:
    """The metric that chose the rates; with "own" the task's first, as own values cannot share an axis."""
    from losscope.comparison.settings import METRICS

    return METRICS[result.task.kind][0] if result.settings.choose_by == "own" else result.settings.choose_by


def _with_unit(metric: str, result: Comparison) -> str:
    word = METRIC_WORDS[metric]
    return f"{word} ({result.task.target})" if result.task.numeric else word


def _conditions(result: Comparison) -> Iterator[tuple[str, dict[str, float]]]:
    """(title, loss -> rate): the shared rate, then each loss's own best."""
    shared = result.settings.learning_rate
    yield f"same learning rate, {shared:g}", dict.fromkeys(result.losses, shared)
    if result.settings.grid > 1:
        yield "own best rate", {n: c.learning_rate for n, c in result.choices.items() if c is not None}


def _pair(
    result: Comparison,
    curve: str,
    y_label: str,
    name: str,
    *,
    relative: bool,
    scale: str = "linear",
    percent: bool = False,
    extra: tuple[Line, ...] = (),
    limits: tuple[float, float] | None = None,
) -> Chart:
    panels = _panels(result, curve, y_label, relative=relative, scale=scale, percent=percent, extra=extra,
                     limits=limits)  # fmt: skip
    return Chart(panels, name=name, columns=2)


def _panels(
    result: Comparison,
    curve: str,
    y_label: str,
    *,
    relative: bool = False,
    scale: str = "linear",
    percent: bool = False,
    what: str = "",
    extra: tuple[Line, ...] = (),
    limits: tuple[float, float] | None = None,
) -> list[Panel]:
    panels = []
    for title, rate_of in _conditions(result):
        items = [*extra]
        for name, rate in rate_of.items():
            line = _line(result, name, rate, curve, relative, 100.0 if percent else 1.0)
            if line is not None:
                items.append(line)
        if len(items) == len(extra):
            items = []
        whole = f"{what}, {title}" if what else title[:1].upper() + title[1:]
        panels.append(Panel(whole, "epoch", y_label, items, y_scale=scale, y_limits=limits))
    return panels


def _line(
    result: Comparison, loss: str, rate: float, curve: str, relative: bool, factor: float
) -> Line | None:
    """Mean over the seeds with the lowest and highest seed as a band, to the last epoch all seeds reached."""
    curves = [run["curves"].get(curve) for run in result.runs_of(loss, rate)]
    length = min((len(found) if found else 0) for found in curves)
    if length == 0:
        return None
    values = np.array(
        [[math.nan if v is None else v for v in (found or [])[:length]] for found in curves], dtype=float
    )
    if np.isnan(values).all():
        return None
    if relative:
        start = values[:, :1]
        values = values / np.where(start > 0, start, math.nan)
    values = factor * values
    band = {"low": values.min(axis=0), "high": values.max(axis=0)} if len(values) > 1 else {}
    return Line(np.arange(length), values.mean(axis=0), loss, **band)


def _limits(result: Comparison, curve: str, higher: bool) -> tuple[float, float] | None:
    """One y axis for both panels. For errors, epoch 0 and what diverges may lie above its top."""
    low, high, start = math.inf, -math.inf, -math.inf
    for _, rate_of in _conditions(result):
        for name, rate in rate_of.items():
            for run in result.runs_of(name, rate):
                values = [value for value in run["curves"].get(curve) or [] if value is not None]
                if len(values) > 1:
                    trained = values if higher else values[1:]
                    low, high, start = min(low, *trained), max(high, *trained), max(start, values[0])
    if not low < high:
        return None
    top = high if higher else min(high, HEADROOM * start)
    if not low < top:
        return None
    room = 0.04 * (top - low)
    return low - room, top + room

"""The picture every course draws: value, gradient and curvature of losses over an axis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from losscope import domain
from losscope.errors import LossError, complain

POINTS = 1201  # odd, so that 0 is among them


def curves(
    losses: Sequence[Any], span: tuple[float, float] = (-3.0, 3.0), target: float | None = None
) -> Any:
    """A Chart of three panels. Losses of the residual are drawn over it; others over their raw score (or
    the distance), for one target or label (1 by default; 2 for counts). Where the slope jumps the line is broken.

    >>> import losscope as ls
    >>> len(curves([ls.mse, ls.huber]).panels)
    3
    """
    import numpy

    from losscope.report import Chart, Line, Panel, name_of

    low, high = span
    if not (numpy.isfinite(low) and numpy.isfinite(high) and low < high):
        raise LossError(
            complain("The range of the axis is empty", got=f"{low} to {high}", expected="LOW < HIGH")
        )
    axis = numpy.linspace(low, high, POINTS)
    drawn = [(name_of(loss), *_over(loss, axis, target)) for loss in losses]
    x_label = _axis_name(losses, target)
    words = (
        ("activation", "slope of the activation")
        if _only_activations(losses)
        else ("loss", "slope of the loss")
    )
    panels = []
    for order, title in enumerate(("Value", "Gradient", "Curvature")):
        lines = [Line(x, _broken(results[order]), name) for name, x, results in drawn]
        panels.append(Panel(title, x_label, (*words, "slope of the gradient")[order], lines))
    return Chart(
        panels,
        caption="Value, gradient and curvature of " + ", ".join(name for name, *_ in drawn) + ".",
        name="curves",
        columns=3,
    )


def _only_activations(losses: Sequence[Any]) -> bool:
    return all(loss.structure == "activation" for loss in losses)


def _over(loss: Any, axis: Any, target: float | None) -> tuple[Any, Any]:
    from losscope.kernels.reference import along

    if loss.entry.prediction.name == "probability" and loss.activation is None:
        axis = axis[(axis > 0) & (axis < 1)]
        if not len(axis):
            raise LossError(
                complain(f"{loss.name} takes a probability", next_step="Use a range that meets 0 to 1")
            )
    if loss.structure == "distance":
        low, high = loss._structure.RANGE[loss.entry.measure]
        axis = axis[(axis >= low) & (axis <= high)]
        if not len(axis):
            raise LossError(
                complain(
                    f"{loss.name} takes a distance",
                    next_step=f"Use a range that meets {low:g} to {high:g}",
                )
            )
    return axis, along(loss, axis, _target(loss, target))


def _target(loss: Any, target: float | None) -> float:
    if loss.structure == "softmax" or _of_residual(loss):
        return 0.0
    if loss.structure == "distance":
        if target is not None and domain.sign.excludes(target):
            raise LossError(complain(f"{loss.name} has no label {target:g}", expected=domain.sign.words))
        return 1.0 if target is None else target
    chosen = target if target is not None else 2.0 if loss.entry.target.name == "count" else 1.0
    if loss.entry.target.excludes(chosen):
        raise LossError(complain(f"{loss.name} has no target {chosen:g}", expected=loss.entry.target.words))
    return chosen


def _of_residual(loss: Any) -> bool:
    return loss._derived.of_residual_alone


def _axis_name(losses: Sequence[Any], target: float | None) -> str:
    kinds = {_kind(loss, target) for loss in losses}
    if len(kinds) == 1:
        return kinds.pop()
    *most, last = sorted({re.split(r"\W", kind)[0] for kind in kinds})
    return f"{', '.join(most)} or {last}" if most else last


def _kind(loss: Any, target: float | None) -> str:
    if loss.structure == "activation":
        return "score x"
    if loss.structure == "softmax":
        return "margin (logsumexp of the others - logit)"
    if loss.structure == "distance":
        label = "" if loss.entry.measure == "triplet" else f", for label {_target(loss, target):g}"
        return f"distance{label}"
    if _of_residual(loss):
        return "residual r = prediction - target"
    what = (
        "probability" if loss.entry.prediction.name == "probability" and loss.activation is None else "score"
    )
    return f"{what}, for target {_target(loss, target):g}"


def _broken(y: Any) -> Any:
    """A gap where a curve jumps from one point to the next, so that no line pretends it passes between."""
    import numpy

    y = numpy.array(y, dtype=float)
    step = numpy.abs(numpy.diff(y))
    usual = numpy.nanmedian(step) if len(step) else 0.0
    jumps = numpy.flatnonzero((step > 0.05) & (step > 50 * usual))
    y[jumps] = numpy.nan
    return y

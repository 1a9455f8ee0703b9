"""The picture every course draws: value, gradient and curvature of losses over an axis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from losscope import structures
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

    low, high = _numbers("The range of the axis is", span, 2)
    if not 0 < high - low < math.inf:
        raise LossError(
            complain(
                "The range of the axis is empty, or endless", got=f"{low} to {high}", expected="LOW < HIGH"
            )
        )
    if target is not None:
        (target,) = _numbers("The target of a curve is", [target], 1)
    axis = numpy.linspace(low, high, POINTS)
    drawn = [(name_of(loss), *_over(loss, axis, target)) for loss in losses]
    x_label = _axis_name(losses, target)
    words = (
        ("activation", "slope of the activation")
        if all(loss.judges == "nothing" for loss in losses)
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


def _numbers(what: str, given: Any, count: int) -> list[float]:
    """So many finite numbers, or an error that says what was given."""
    try:
        numbers = [float(each) for each in given]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        said = given[0] if count == 1 else given
        raise LossError(complain(f"{what} {count} finite number{'s'[: count - 1]}", got=f"{said!r:.99}"))
    return numbers


def _over(loss: Any, axis: Any, target: float | None) -> tuple[Any, Any]:
    import numpy

    from losscope.kernels.reference import along

    low, high = structures.get(loss.structure).span(loss.entry, loss.activation)
    axis = axis[(axis >= low) & (axis <= high)]
    if not len(axis):
        what = _axis_name([loss], target).partition(",")[0]
        raise LossError(
            complain(f"{loss.name} takes a {what}", next_step=f"Use a range that meets {low:g} to {high:g}")
        )
    drawn = along(loss, axis, _judged(loss, target))
    return axis, [numpy.where(numpy.isfinite(each), each, numpy.nan) for each in drawn]


def _judged(loss: Any, target: float | None) -> float:
    return structures.get(loss.structure).judged(loss.entry, target, loss._derived.of_residual_alone)


def _axis_name(losses: Sequence[Any], target: float | None) -> str:
    kinds = {_kind(loss, target) for loss in losses}
    if len(kinds) == 1:
        return kinds.pop()
    *most, last = sorted({re.split(r"\W", kind)[0] for kind in kinds})
    return f"{', '.join(most)} or {last}" if most else last


def _kind(loss: Any, target: float | None) -> str:
    of_residual = loss._derived.of_residual_alone
    return structures.get(loss.structure).axis(
        loss.entry, loss.activation, _judged(loss, target), of_residual
    )


def _broken(y: Any) -> Any:
    """A gap where a curve jumps from one point to the next, so that no line pretends it passes between."""
    import numpy

    y = numpy.array(y, dtype=float)
    step = numpy.abs(numpy.diff(y))
    found = step[numpy.isfinite(step)]
    usual = numpy.median(found) if len(found) else 0.0
    jumps = numpy.flatnonzero((step > 0.05) & (step > 50 * usual))
    y[jumps] = numpy.nan
    return y

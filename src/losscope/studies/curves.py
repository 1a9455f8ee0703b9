"""Study 1: How do L1, L2 and smooth L1 look, where are they smooth, and how steep do they get?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    import numpy

    from losscope.report import Chart, Panel, Table

ORDERS = ("value", "gradient", "curvature")
SAID_OF = ("absolute_error", "squared_error", "smooth_l1")  # the losses that the claims speak of
CLOSE = 1e-6  # a point as near as this to a jump counts as on it
FAR = 1e6  # an error that stands for "as large as you like"


@dataclass(frozen=True)
class Curve:
    """One loss over an error axis: value, gradient, curvature, and for each the errors at which it jumps."""

    name: str
    axis: numpy.ndarray
    outputs: tuple[numpy.ndarray, ...]
    jumps: tuple[tuple[float, ...], ...]
    at_zero: tuple[float, ...]
    steepest: float  # over the axis drawn
    outer_slope: float  # at an error of a thousand
    far_slope: float  # at an error of a million

    @property
    def bounded(self) -> bool:
        """Whether the slope at a million is no steeper than anywhere up to a thousand."""
        return abs(self.far_slope) <= 1.01 * max(self.steepest, abs(self.outer_slope))

    def size_of_jump(self, order: int) -> float:
        """How far the value, gradient or curvature jumps, at most."""
        sides = [self.beside(place, order) for place in self.jumps[order]]
        return max((abs(right - left) for left, right in sides), default=0.0)

    def beside(self, place: float, order: int) -> tuple[float, float]:
        """The nearest values to the left and to the right of a jump, none of them at it."""
        output = self.outputs[order]
        return float(output[self.axis < place - CLOSE][-1]), float(output[self.axis > place + CLOSE][0])


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    losses: Annotated[tuple[str, ...], "the losses to draw, of a real error"] = (
        "absolute_error",
        "squared_error",
        "smooth_l1",
    ),
    reach: Annotated[float, "the axis goes from minus this error to this error"] = 3.0,
) -> Result:
    """Evaluate each loss on a fine axis, and find its kinks by halving intervals."""
    import losscope as ls
    from losscope.errors import LossError, complain

    if not 0 < reach <= FAR / 10:
        raise LossError(
            complain("reach is out of its domain", got=reach, expected=f"more than 0, at most {FAR / 10:g}")
        )
    drawn = [ls.get(name) for name in losses]
    for loss in drawn:
        if loss.structure != "elementwise" or loss.entry.target.name != "real" or loss.activation is not None:
            raise LossError(
                complain(
                    f"{loss.name} is not a function of a real error alone",
                    next_step="Name losses of regression, such as huber:delta=2",
                )
            )
    wanted = {loss.name: loss for loss in [*drawn, *(ls.get(name) for name in SAID_OF)]}
    curves = {}
    for number, (name, loss) in enumerate(wanted.items()):
        progress(number / len(wanted), name)
        curves[name] = trace(loss, reach, points=401 if quick else 1601)
    l1, l2, smooth = (curves[name] for name in SAID_OF)
    shown = [curves[loss.name] for loss in drawn]
    return Result(
        done=_done(reach),
        claims=[
            judge_kink(l1),
            judge_smooth(l2, "L2"),
            judge_smooth(smooth, "Smooth L1"),
            judge_growth(l2),
            judge_limit(smooth, l1),
            judge_below(smooth, l1),
        ],
        charts=[_chart(shown, reach)],
        tables=[_table(shown)],
        numbers={each.name: _numbers(each) for each in curves.values()},
    )


def trace(loss: Any, reach: float, points: int = 1601) -> Curve:
    """Value, gradient and curvature over [-reach, reach], and where they jump."""
    import numpy

    def outputs(error: Any) -> tuple[Any, ...]:
        error = numpy.asarray(error, "float64")
        value, gradient, curvature = loss.value_grad_curvature(
            error, numpy.zeros_like(error), reduction="none"
        )
        return value, gradient, curvature

    # An even number of points, so that no point lies on a kink at 0, where the derivative is a convention.
    axis = numpy.linspace(-reach, reach, points // 2 * 2)
    found = outputs(axis)
    jumps = tuple(_jumps(partial(_one_of, outputs, order), axis, found[order]) for order in range(3))
    return Curve(
        loss.name,
        axis,
        found,
        jumps,
        tuple(float(each) for each in outputs(0.0)),
        steepest=float(numpy.abs(found[1]).max()),
        outer_slope=float(outputs(FAR / 1000)[1]),
        far_slope=float(outputs(FAR)[1]),
    )


def _one_of(outputs: Callable[[Any], tuple[Any, ...]], order: int, error: Any) -> Any:
    return outputs(error)[order]


def _jumps(function: Callable[[Any], Any], axis: Any, values: Any) -> tuple[float, ...]:
    """Where a function jumps: a step between neighbours that does not shrink while the interval is halved."""
    import numpy

    steps = numpy.abs(numpy.diff(values))
    found = []
    for i in numpy.flatnonzero(steps > 10 * numpy.median(steps) + 1e-9):
        low, high, first = float(axis[i]), float(axis[i + 1]), float(steps[i])
        left, right = float(values[i]), float(values[i + 1])
        for _ in range(40):
            middle = (low + high) / 2
            here = float(function(middle))
            if abs(here - left) > abs(right - here):
                high, right = middle, here
            else:
                low, left = middle, here
        if abs(right - left) > 0.4 * first:
            found.append(round((low + high) / 2, 9) + 0.0)
    return tuple(sorted(set(found)))


def judge_kink(curve: Curve) -> Claim:
    """A kink is a jump of the gradient."""
    claim = "L1 has a kink at an error of 0: its gradient jumps from -1 to 1."
    places, size = curve.jumps[1], curve.size_of_jump(1)
    evidence = (
        f"The gradient jumps by {size:.4g} at {_places(places)}; at 0 itself the library gives"
        f" {curve.at_zero[1]:g}."
        if places
        else "The gradient does not jump anywhere on the axis."
    )
    if places == (0.0,) and abs(size - 2) < 1e-9:
        return Claim(claim, HOLDS, evidence)
    return Claim(claim, DOES_NOT_HOLD, evidence)


def judge_smooth(curve: Curve, called: str) -> Claim:
    """Smooth without a condition only if the curvature does not jump either."""
    claim = f"{called} is smooth everywhere."
    if curve.jumps[0] or curve.jumps[1]:
        return Claim(
            claim, DOES_NOT_HOLD, f"Its gradient jumps at {_places(curve.jumps[0] + curve.jumps[1])}."
        )
    if curve.jumps[2]:
        evidence = (
            f"Its gradient never jumps. Its curvature jumps by {curve.size_of_jump(2):.4g} at"
            f" {_places(curve.jumps[2])}, where a parabola meets a straight line."
        )
        return Claim(
            claim, holds_when("smooth means a slope without jumps, not a curvature without jumps"), evidence
        )
    return Claim(claim, HOLDS, "Neither its gradient nor its curvature jumps anywhere on the axis.")


def judge_growth(curve: Curve) -> Claim:
    """Unbounded: far outside the picture the slope is still larger."""
    verdict = DOES_NOT_HOLD if curve.bounded else HOLDS
    evidence = (
        f"The steepest slope in the picture is {curve.steepest:.4g}; at an error of {FAR:,.0f} it is"
        f" {curve.far_slope:,.0f}."
    )
    return Claim("The gradient of L2 grows with the error, without a limit.", verdict, evidence)


def judge_limit(smooth: Curve, l1: Curve) -> Claim:
    """Never steeper than L1, and as steep far out."""
    steepest = max(smooth.steepest, abs(smooth.far_slope))
    limit = max(l1.steepest, abs(l1.far_slope))
    evidence = f"Steepest slope of smooth L1: {steepest:.4g}; of L1: {limit:.4g}."
    return Claim(
        "Smooth L1 is never steeper than L1, however large the error.",
        HOLDS if steepest <= limit else DOES_NOT_HOLD,
        evidence,
    )


def judge_below(smooth: Curve, l1: Curve) -> Claim:
    """Smooth L1 with beta = 1 far out is L1 minus a half."""
    import numpy

    gap = l1.outputs[0] - smooth.outputs[0]
    far = gap[numpy.abs(smooth.axis) >= 1]
    evidence = f"L1 minus smooth L1 runs from {gap.min():.4g} to {gap.max():.4g}" + (
        f"; beyond an error of 1 it is always {far.max():.4g}."
        if far.size and numpy.ptp(far) < 1e-12
        else "."
    )
    same = gap.min() >= -1e-12 and bool(far.size) and numpy.ptp(far) < 1e-12
    if gap.min() < -1e-12:
        return Claim(
            "Smooth L1 is L1 with its kink rounded off: the same beyond an error of 1.",
            DOES_NOT_HOLD,
            evidence,
        )
    verdict = (
        HOLDS
        if same and far.max() == 0
        else (
            holds_when(
                "a shift is allowed for: it lies lower by a constant, and only the slopes are the same"
            )
            if same
            else DOES_NOT_HOLD
        )
    )
    return Claim(
        "Smooth L1 is L1 with its kink rounded off: the same beyond an error of 1.", verdict, evidence
    )


def _places(places: Sequence[float]) -> str:
    return " and ".join(f"{place:g}" for place in places)


def _done(reach: float) -> list[str]:
    return [
        (
            "Value, gradient and curvature of each loss are evaluated at errors (prediction minus target)"
            f" from {-reach:g} to {reach:g}. Nothing is typed in for the purpose: gradient and curvature are"
            " the library's, derived from the formula of the loss."
        ),
        (
            "Where two neighbouring points differ by an unusual step, the interval between them is halved"
            " forty times. A steep slope shrinks with the interval, a jump does not. The curves are broken"
            " where they jump: a vertical line there would show slopes that no error has."
        ),
    ]


def _chart(curves: Sequence[Curve], reach: float) -> Chart:
    from losscope.report import Chart

    panels = [_panel(curves, order, reach) for order in range(3)]
    caption = (
        "Value, gradient and curvature over the error. A loss is in units of the target (squared for squared"
        " error). Curves are broken where they jump. The curvature of absolute error is 0 on both sides of"
        " its kink; all of its bend is in that one point."
    )
    return Chart(panels, caption=caption, name="curves", columns=2)


def _panel(curves: Sequence[Curve], order: int, reach: float) -> Panel:
    from losscope.report import Line, Panel

    lines = []
    for curve in curves:
        x, y = _broken(curve, order)
        lines.append(Line(x, y, curve.name))
    limits = _limits(curves, order, reach)
    label = ("loss", "gradient (loss per unit of error)", "curvature (gradient per unit of error)")[order]
    return Panel(
        ORDERS[order].capitalize(),
        "error: prediction - target (units of the target)",
        label,
        lines,
        y_limits=limits,
    )


def _limits(curves: Sequence[Curve], order: int, reach: float) -> tuple[float, float] | None:
    """The slower curves fill the panel; one that grows faster leaves through the top, as it does."""
    highest = max(float(abs(curve.outputs[order]).max()) for curve in curves)
    if order == 0 and highest > 1.6 * reach:
        return (-0.05 * reach, 1.6 * reach)
    if order == 1 and highest > 2 * reach:
        return (-2.2 * reach, 2.2 * reach)
    return None


def _broken(curve: Curve, order: int) -> tuple[Any, Any]:
    """The curve with a gap at each jump, its ends drawn right up to it."""
    import numpy

    x, y = curve.axis, curve.outputs[order]
    for place in curve.jumps[order]:
        left, right = curve.beside(place, order)
        before, after = x < place - CLOSE, x > place + CLOSE
        x = numpy.concatenate([x[before], [place, place, place], x[after]])
        y = numpy.concatenate([y[before], [left, numpy.nan, right], y[after]])
    return x, y


def _table(curves: Sequence[Curve]) -> Table:
    from losscope.report import Table

    rows = []
    for curve in curves:
        kinks = _places(curve.jumps[1]) or "none"
        bends = _places(curve.jumps[2]) or "none"
        rows.append(
            [
                curve.name,
                kinks,
                bends,
                "unbounded" if not curve.bounded else f"{max(curve.steepest, abs(curve.far_slope)):.4g}",
                curve.at_zero[1],
            ]
        )
    columns = ["loss", "kinks (the gradient jumps)", "the curvature jumps", "steepest slope", "gradient at 0"]
    return Table(
        columns,
        rows,
        caption="Where each is smooth, and how steep it gets. Places are errors, in units of the target.",
    )


def _numbers(curve: Curve) -> dict[str, Any]:
    return {
        "jumps": dict(zip(ORDERS, curve.jumps)),
        "at_zero": dict(zip(ORDERS, curve.at_zero)),
        "steepest_in_picture": curve.steepest,
        "slope_at_a_million": curve.far_slope,
        "bounded": curve.bounded,
    }

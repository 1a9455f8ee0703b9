"""Study 1: How do L1, L2 and smooth L1 look, where are they smooth, and how steep do they get?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from matplotlib.lines import Line2D
from scipy.stats import norm

import losscope as ls
from losscope.errors import LossError, complain
from losscope.report import Chart, Line, Panel, Table, name_of
from losscope.studies import verdict
from losscope.studies.jump import beside, broken, jumps
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Mistake, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.views import Record, chart

ORDERS = ("value", "gradient", "curvature")
L1, L2, SMOOTH = SAID_OF = ("absolute_error", "squared_error", "smooth_l1")  # what the claims speak of
BETAS = (1.0, 0.1, 0.01, 0.001)
BOXES, SPREAD, DETECTORS_BETA = 256, 0.3, 1 / 9  # box errors; the spread is of the size of normalised offsets
FAR = 1e6  # as large as you like


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    loss: Annotated[tuple[str, ...], "losses of a real error to draw"] = SAID_OF,
    reach: Annotated[float, Range(0, 1e5, above=True), "the axis goes from minus this error to this error"] = 3.0,
) -> Result:  # fmt: skip
    """Evaluate each loss on a fine axis, and find its kinks by halving intervals."""
    wanted = {name: None for each in loss for name in [_of_an_error(each)]}
    found = {}
    for number, name in enumerate([*wanted, *SAID_OF]):
        progress(number / (len(wanted) + 3), name_of(name))
        found[name] = trace(name, reach, 401 if quick else 1601)
    l1, l2, smooth = (found[name] for name in SAID_OF)
    drawn = [found[name] for name in wanted]
    boxes = [one_far_box(name) for name in (L2, L1, SMOOTH, f"smooth_l1:beta={DETECTORS_BETA:.3g}")]
    return Result(
        answer=say(
            "L1 (absolute error) is a V with a kink at 0 and one slope on either side; L2 (squared error) is smooth, and its"
            " slope grows with the error without a limit; smooth L1 is like L2 within beta and L1 beyond, smooth with a bounded slope. So one far-off"
            " example can make up nearly all of a step under L2, and never under the other two."
        ),
        done=DONE,
        claims=[kink(l1), smooth_everywhere(l2, say("L2 is smooth everywhere."), "squared error"),
                smooth_everywhere(smooth, say("Smooth L1 is smooth everywhere."), "smooth L1"),
                grows(l2), enlarges(), never_steeper(smooth, l1), rounded(), near_zero(), dominated(boxes), never_negative()],
        charts=[picture(drawn, reach),
                chart(boxes, "share", x="error", labels=(say("error of the far-off box"), say("its share of the step")), name="far-off-box",
                      title="One far-off box among 256", x_scale="log", y_limits=(0.0, 1.0),
                      caption=say("The share that one box has in the sum of the gradients' sizes, when the others are off by about 0.3."))],
        tables=[table(drawn)],
        mistakes=mistakes(),
        sources=SOURCES,
        numbers={**found, "far_off_box": boxes},
    )  # fmt: skip


def _of_an_error(name: str) -> str:
    loss = ls.get(name)
    if loss.judges != "numbers" or loss.entry.target.name != "real" or loss.activation is not None:
        step = "Name losses of regression, such as huber:delta=2"
        raise LossError(complain(f"{loss.name} is not a function of a real error alone", next_step=step))
    return loss.name


def along(name: str, error: Any) -> tuple[np.ndarray, ...]:
    """Value, gradient and curvature at each error."""
    error = np.asarray(error, "float64")
    return tuple(ls.get(name).value_grad_curvature(error, error * 0, reduction="none"))


def along_one(name: str, order: int, error: float) -> float:
    return float(along(name, error)[order])


def trace(name: str, reach: float = 3.0, points: int = 1601) -> Record:
    """The loss over [-reach, reach], where it jumps, and how steep it gets."""
    # An even number of points, so that none lies on a kink at 0, where the derivative is a convention.
    axis = np.linspace(-reach, reach, points // 2 * 2)
    curves = along(name, axis)
    far = along(name, [FAR / 1000, FAR])[1]
    steepest = max(float(np.abs(curves[1]).max()), abs(float(far[0])))
    return {
        "loss": name, "axis": axis, **dict(zip(ORDERS, curves)),
        "jumps": {order: jumps(partial(along_one, name, at), axis, curve) for at, (order, curve) in enumerate(zip(ORDERS, curves))},
        "at_zero": dict(zip(ORDERS, map(float, along(name, 0.0)))), "steepest": max(steepest, abs(float(far[1]))),
        "steepest_in_picture": float(np.abs(curves[1]).max()), "bounded": abs(float(far[1])) <= 1.01 * steepest,
    }  # fmt: skip


def size_of_jump(curve: Record, order: str) -> float:
    sides = [beside(curve["axis"], curve[order], place) for place in curve["jumps"][order]]
    return max((abs(right - left) for left, right in sides), default=0.0)


def places(found: Sequence[float]) -> str:
    return joined([f"{place:g}" for place in found], ", ") if found else say("none")


def kink(curve: Record) -> Claim:
    at, size = curve["jumps"]["gradient"], size_of_jump(curve, "gradient")
    return Claim(
        say("L1 has a kink at an error of 0: its gradient jumps from -1 to 1."),
        HOLDS if at == (0.0,) and abs(size - 2) < 1e-9 else DOES_NOT_HOLD,
        say("The gradient jumps by {size:.4g} at an error of {places}; at 0 itself the library gives {here:g}, by convention." if at
            else "The gradient jumps nowhere.", size=size, places=places(at), here=curve["at_zero"]["gradient"]),
        "absolute error",
    )  # fmt: skip


def smooth_everywhere(curve: Record, claim: str, group: str) -> Claim:
    slope, bend = (curve["jumps"][order] for order in ("gradient", "curvature"))
    none = not curve["jumps"]["value"] and not slope
    return Claim(
        claim,
        verdict.over({say("smooth means that the slope has no jump"): HOLDS if none else DOES_NOT_HOLD,
                      say("smooth means that the curvature has no jump either"): HOLDS if none and not bend else DOES_NOT_HOLD}),
        say("The gradient jumps at: {slope}. The curvature jumps by {size:.4g} at: {bend}." if bend else
            "The gradient jumps at: {slope}. The curvature jumps nowhere.", slope=places(slope), bend=places(bend), size=size_of_jump(curve, "curvature")),
        group,
    )  # fmt: skip


def grows(curve: Record) -> Claim:
    return Claim(
        say("The gradient of L2 grows with the error, without a limit."),
        DOES_NOT_HOLD if curve["bounded"] else HOLDS,
        say("It is twice the error: {near:.4g} at most in the picture, {far:,.0f} at an error of a million.",
            near=curve["steepest_in_picture"], far=curve["steepest"]),
        "squared error",
    )  # fmt: skip


def enlarges() -> Claim:
    size = np.concatenate([np.geomspace(1e-6, 1, 400)[:-1], np.geomspace(1, 1e6, 400)[1:]])
    squared, absolute = (along(name, size)[0] for name in (L2, L1))
    more = np.where(size > 1, squared - absolute, absolute - squared)
    return Claim(
        say("L2 enlarges errors above 1 and shrinks those within."),
        verdict.theorem(more, tolerance=0.0),
        say("Because r times r is more than r exactly where r is more than 1: at 0.1 the square is {0:.2g}, at 10 it is {1:g}, and at none of {2}"
            " errors is it the other way. But 1 is 1 of the target's unit: errors of 50 cm are enlarged, the same of 0.5 m are shrunk.",
            float(along(L2, 0.1)[0]), float(along(L2, 10.0)[0]), len(size)),
        "squared error",
    )  # fmt: skip


def never_steeper(smooth: Record, l1: Record) -> Claim:
    return Claim(
        say("Smooth L1 is never steeper than L1, however large the error."),
        HOLDS if smooth["steepest"] <= l1["steepest"] else DOES_NOT_HOLD,
        say("Steepest slope of smooth L1: {0:.4g}; of L1: {1:.4g}.", smooth["steepest"], l1["steepest"]),
        "smooth L1",
    )  # fmt: skip


def rounded(name: str = SMOOTH) -> Claim:
    error = np.linspace(-3, 3, 2401)
    (value, slope, _), (of_l1, slope_of_l1, _) = along(name, error), along(L1, error)
    gap, beyond = of_l1 - value, np.abs(error) > 1
    return Claim(
        say("Smooth L1 is L1 with its kink rounded off: the same beyond an error of 1."),
        verdict.over({say("its slope is meant"): verdict.theorem(-np.abs(slope - slope_of_l1)[beyond]),
                      say("its value is meant"): verdict.theorem(-np.abs(gap)[beyond])}),
        say("L1 minus smooth L1 runs from {0:.4g} to {1:.4g}: at beta = 1 smooth L1 lies lower by {2:.4g} everywhere beyond 1. A constant shift"
            " changes no gradient.", float(gap.min()), float(gap.max()), float(gap[beyond].mean())),
        "smooth L1",
    )  # fmt: skip


def near_zero() -> Claim:
    """The gap to L1 is beta/2 at most; the curvature within is 1/beta."""
    margins, shown = [], []
    for beta in BETAS:
        error = np.concatenate([np.linspace(-3, 3, 1201), beta * np.linspace(-2, 2, 401)])
        gap = along(L1, error)[0] - along(f"smooth_l1:beta={beta:g}", error)[0]
        margins += [gap.min(), beta / 2 - gap.max()]
        shown.append(
            say(
                "beta {0:g}: {1:.2g}, {2:g}",
                beta,
                float(gap.max()),
                float(along(f"smooth_l1:beta={beta:g}", 0.0)[2]),
            )
        )
    return Claim(
        say("With a beta near 0, smooth L1 is L1."),
        verdict.theorem(margins),
        say("L1 minus smooth L1 is never more than beta/2; its curvature at 0 is 1/beta, which is the kink coming back. Largest gap and curvature:"
            " {shown}. At beta = 0 the library gives L1 itself: {same:g} apart.", shown=joined(shown),
            same=float(np.abs(along("smooth_l1:beta=0", error)[0] - along(L1, error)[0]).max())),
        "smooth L1",
    )  # fmt: skip


def one_far_box(name: str) -> Record:
    """The share of one box in the sum of the gradients' sizes, over how far off it is."""
    usual = SPREAD * norm.ppf((np.arange(BOXES) + 0.5) / BOXES)
    others, error = np.abs(along(name, usual)[1]).sum(), np.geomspace(0.1, 1e4, 61)
    slope = np.abs(along(name, error)[1])
    return {"loss": name, "error": error, "share": slope / (slope + others)}


def dominated(boxes: Sequence[Record]) -> Claim:
    most = {each["loss"]: float(each["share"].max()) for each in boxes}
    squared = next(each for each in boxes if each["loss"] == L2)
    half = float(np.interp(0.5, squared["share"], squared["error"]))
    usual = norm.cdf(1 / SPREAD) - norm.cdf(-1 / SPREAD), norm.cdf(DETECTORS_BETA / SPREAD) - norm.cdf(-DETECTORS_BETA / SPREAD)  # fmt: skip
    return Claim(
        say("In detection, smooth L1 keeps one far-off box from dominating the step."),
        HOLDS if max(share for name, share in most.items() if name.startswith(SMOOTH)) < 0.5 <= most[L2] else DOES_NOT_HOLD,
        say("Among 256 boxes that are off by about 0.3, one box never makes up more than {smooth:.1%} of the step, however far off it is; under L2"
            " it is half where it is off by {half:g}. With beta = 1, {whole:.1%} of the usual boxes lie in the quadratic part; the 1/9"
            " that detectors often use leaves {part:.0%} there, and the far-off box {ninth:.1%}.",
            smooth=at_most(most[SMOOTH], 2), half=at_most(half, 2), whole=float(usual[0]), part=float(usual[1]), ninth=at_most(most[boxes[-1]["loss"]])),
        "smooth L1",
    )  # fmt: skip


def never_negative() -> Claim:
    losses = list(map(ls.get, ls.losses()))
    below = [loss for loss in losses if not loss.facts.nonnegative]
    sharp = ls.define("gaussian_likelihood", "log(2*3.141592653589793*s**2)/2 + r**2/(2*s**2)", s=0.1)
    least = float(sharp([0.0], [0.0]))
    slope = sharp.value_and_grad([0.3], [0.0])[1][0] / along("half_squared_error", 0.3)[1]
    return Claim(
        say("A loss is never negative."),
        HOLDS if not below and least >= 0 else DOES_NOT_HOLD,
        say("The negative log-likelihood of a Gaussian of width 0.1 is {least:.3f} at an error of 0, since a density may be more than 1; its gradient"
            " is {times:.0f} times that of half the squared error. In the catalogue {names} can be negative, {rest} others cannot. Only"
            " differences of a loss mean something.", least=least, times=float(slope),
            names=joined([name_of(loss) for loss in below], ", "), rest=len(losses) - len(below)),
        "squared error",
    )  # fmt: skip


def mistakes() -> list[Mistake]:
    try:
        Line2D([0, 1], [0, 1], lable="L1")
        refused = say("a curve without a name")
    except AttributeError as error:
        refused = say("AttributeError: {error}", error=str(error))
    return [
        Mistake(say("`errors = numpy.arange(1, -1, 0.01)`, to plot L1 and L2 around a target of 0"),
                say("{count} errors, and an empty picture, silently", count=len(np.arange(1, -1, 0.01))),
                say("`numpy.linspace(-1, 1, 201)`, which has both ends and {count} errors", count=len(np.linspace(-1, 1, 201)))),
        Mistake(say('`plt.plot(errors, abs(errors), lable="L1")`'), refused, say('`label="L1"`')),
    ]  # fmt: skip


def picture(curves: Sequence[Record], reach: float) -> Chart:
    labels = (
        say("loss"),
        say("gradient (loss per unit of error)"),
        say("curvature (gradient per unit of error)"),
    )
    titles = (say("Value"), say("Gradient"), say("Curvature"))
    across = say("error: prediction - target (units of the target)")
    panels = [
        Panel(title, across, label, [Line(*broken(curve["axis"], curve[order], curve["jumps"][order]), name_of(curve["loss"])) for curve in curves],
              y_limits=limits(curves, order, reach))
        for order, title, label in zip(ORDERS, titles, labels)
    ]  # fmt: skip
    caption = say(
        "L1 is a V, L2 a parabola, smooth L1 a parabola that goes on straight. Curves are broken where they jump; all of"
        " L1's bend is in one point, so its curvature is 0 on both sides."
    )
    return Chart(panels, caption=caption, name="curves", columns=3)


def limits(curves: Sequence[Record], order: str, reach: float) -> tuple[float, float] | None:
    """The slower curves fill the panel; one that grows faster leaves through the top, as it does."""
    highest = max(float(np.abs(curve[order]).max()) for curve in curves)
    if order == "value" and highest > 1.6 * reach:
        return (-0.05 * reach, 1.6 * reach)
    return (-2.2 * reach, 2.2 * reach) if order == "gradient" and highest > 2 * reach else None


def table(curves: Sequence[Record]) -> Table:
    rows = [
        [name_of(curve["loss"]), places(curve["jumps"]["gradient"]), places(curve["jumps"]["curvature"]),
         f"{curve['steepest']:.4g}" if curve["bounded"] else say("without a limit"), curve["at_zero"]["gradient"]]
        for curve in curves
    ]  # fmt: skip
    heads = [say("loss"), say("the gradient jumps at"), say("the curvature jumps at"), say("steepest slope"), say("gradient at 0")]  # fmt: skip
    return Table(heads, rows, caption=say("Where each is smooth, and how steep it gets"))


DONE = [
    say("Value, gradient and curvature of each loss at errors (prediction minus target) on both sides of 0. Gradient and curvature"
        " are the library's, derived from the formula of the loss."),
    say("Where two neighbouring points differ by an unusual step, the interval between them is halved forty times: a steep slope"
        " shrinks with it, a jump does not."),
]  # fmt: skip
SOURCES = [
    say("P. J. Huber, Robust estimation of a location parameter (Ann. Math. Statist. 35, 1964), doi:10.1214/aoms/1177703732."),
    say("R. Girshick, Fast R-CNN (ICCV 2015), doi:10.1109/ICCV.2015.169: smooth L1 for boxes, because L2 needs careful learning rates."),
]  # fmt: skip

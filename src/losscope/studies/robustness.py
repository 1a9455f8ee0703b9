"""Study 6: How far do outliers move a line fitted under each loss?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.report import Chart, Line, Panel, Table
from losscope.studies import lines, outliers, verdict
from losscope.studies.outliers import HUBER, L1, L2, SMOOTH, TUKEY, is_last
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.views import Record, chart, fitted, label_of

ROBUST = (L1, SMOOTH, HUBER, TUKEY)
BROKEN = 5.0  # standard deviations of the noise: a fit this far off is no fit
FORGOTTEN = 0.01  # the same: a shift this small is none
LESS = 0.5  # a loss is less sensitive than another if its line shifts at most half as far
A_THIRD = 0.35  # somewhat more
AS_GOOD = 0.02  # a squared distance from the truth that is so much larger
IN_Y, IN_X = say("off in y"), say("off in y, and far out in x")
WHERE = {IN_Y: say("the outlier is off in y only"), IN_X: say("it lies far out in x")}
ANYWHERE, ONE_END = say("bad points scattered"), say("bad points at one end")
NOISES = {"normal": say("the noise is normal"), "laplace": say("the noise has heavy tails (Laplace)")}


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    points: Annotated[int, Range(10, 1000), "points of the line"] = 40,
    far: Annotated[float, Range(6, 1e6), "how far bad points lie, in standard deviations of the noise"] = 30.0,
    samples: Annotated[int, Range(1, 1000), "samples of points (16 at most with --quick)"] = 50,
    loss: Annotated[tuple[str, ...], "more losses of one number to fit the line under"] = (),
) -> Result:  # fmt: skip
    """Drag one point up, one that lies far out in x, and spoil a growing share; and descend by gradients."""
    known, x = outliers.losses(loss), np.linspace(-2, 2, points)
    out = 2 * float(np.abs(x).sum())  # where one point outweighs all others
    distances = np.append(np.geomspace(2, far, 3 if quick else 8), 10 * far)
    shares = np.array([0.1, 0.2, 0.35, 0.5]) if quick else np.arange(13) / 20
    dragged, spoilt = [], []
    number = min(samples, 16) if quick else samples
    for at in range(number):
        progress(0.8 * at / number, say("sample {sample} of {number}", sample=at + 1, number=number))
        found = one_sample(known, outliers.sample(points, seed, at), distances, shares, out, far)
        dragged += found[0]
        spoilt += found[1]
    progress(0.85, say("clean samples"))
    errors = [outliers.clean_errors(known, x, kind, np.random.default_rng([seed, 10**6, k]), 200 if quick else 500) for k, kind in enumerate(NOISES)]  # fmt: skip
    times = np.array(
        [outliers.proportion(*outliers.sample(points, seed, at)[:2], far) for at in range(number)]
    )
    left, diverged = outliers.search(seed, 40 if quick else 300)
    claims = [unbounded(times), robust(dragged), smoother(dragged), redescending(dragged), stands(spoilt), price(errors), never_diverges(left, diverged)]  # fmt: skip
    descents = outlier_of_descent(*outliers.sample(points, seed, 0)[:2])
    return Result(
        answer=answer(claims[0].verdict, claims[1].verdict, claims[3].verdict),
        done=done(points, far, out, number), claims=claims,
        charts=[scatter(known, *outliers.sample(points, seed, 0)[:2], out, far), dragging(dragged), breaking(spoilt), influence(known),
                chart(descents, "left", line="outlier", labels=(say("step"), say("loss above its least (share)")), name="descent", y_scale="log",
                      title="Descent on a linear model", caption=say("Gradient descent on the mean squared error at one learning rate. A wild target changes where it goes, not"
                      " how fast: the curvature has no target in it. A wild input does change the curvature, and the same rate is too large for it."))],
        tables=[summary(dragged, spoilt)],
        derivation=DERIVATION, sources=SOURCES,
        numbers={"far_out": out, "dragged": dragged, "spoilt": spoilt, "times": times, "descents": descents, "left": left, "diverged": diverged,
                 "clean": {kind: {name: each.mean() for name, each in found.items()} for kind, found in zip(NOISES, errors)}},
    )  # fmt: skip


def one_sample(
    known: Mapping[str, ls.Loss],
    sample: Any,
    distances: np.ndarray,
    shares: np.ndarray,
    out: float,
    far: float,
) -> tuple[list[Record], list[Record]]:
    """One sample under every loss: one point dragged away, and a growing share spoilt."""
    x, y, order = sample
    counts = np.round(shares * len(x)).astype(int)
    return (
        [{"loss": name, "place": place, "distances": distances, **outliers.drag(loss, x, y, distances, right)}
         for name, loss in known.items() for place, right in ((IN_Y, 0.0), (IN_X, out))],
        [{"loss": name, "place": place, "shares": counts / len(x), "shifts": outliers.spoil(loss, x, y, counts, far, which)}
         for name, loss in known.items() for place, which in ((ANYWHERE, order), (ONE_END, np.arange(len(x))[::-1]))],
    )  # fmt: skip


def outlier_of_descent(x: np.ndarray, y: np.ndarray) -> list[Record]:
    """The same rate for clean points, for a wild target, and for a wild input."""
    last, rate = is_last(x), 0.75 * outliers.largest_rate(x)
    tried = {
        say("no outlier"): (x, y),
        say("one target off by 1,000,000"): (x, y + 1e6 * last),
        say("one input off by 10"): (x + 10 * last, y),
    }
    return [
        {"outlier": words, "left": outliers.what_is_left(*each, rate, 40)} for words, each in tried.items()
    ]


def of(runs: Sequence[Record], name: str, place: str) -> list[Record]:
    return [run for run in runs if run["loss"] == name and run["place"] == place]


def shifts(runs: Sequence[Record], name: str, place: str) -> np.ndarray:
    """Shape (samples, distances or shares)."""
    return np.array([run["shifts"] for run in of(runs, name, place)])


def unbounded(times: np.ndarray) -> Claim:
    return Claim(
        say("One point can move the L2 line as far as you like."),
        verdict.theorem(1e-6 - np.abs(times - 10)),
        say("The least-squares line is linear in the targets: lifted ten times as far, a point moved it ten times as far in each of {count}"
            " samples, to within {gap:.1g}.", count=len(times), gap=np.abs(times - 10).max()),
        "squared error",
    )  # fmt: skip


def robust(dragged: Sequence[Record]) -> Claim:
    """Hardly: by less than the line is off anyway, from the noise."""
    moved = {place: shifts(dragged, L1, place)[:, -1] for place in WHERE}
    clean = np.array([run["clean"] for run in of(dragged, L1, IN_Y)])
    return Claim(
        say("L1 is robust: an outlier hardly moves the line."),
        verdict.over({WHERE[place]: verdict.more_than(verdict.median(clean - each)) for place, each in moved.items()}),
        say("Off in y it moves the line by {y}, far out in x by {x} (median and range of {count} samples). The noise alone has it off by {clean:.3g}: by"
            " {0} more than the one, and by {1} more than the other (medians with 99% intervals). Surely more than 0 counts as hardly.",
            *(verdict.median(clean - each).shown() for each in moved.values()),
            y=spread(moved[IN_Y]), x=spread(moved[IN_X]), clean=float(np.median(clean)), count=len(clean)),
        "absolute error",
    )  # fmt: skip


def spread(values: Any) -> str:
    return say("{median:.3g} ({low:.3g} to {high:.3g})", median=float(np.median(values)), low=float(np.min(values)), high=float(np.max(values)))  # fmt: skip


def smoother(dragged: Sequence[Record]) -> Claim:
    times = {
        place: verdict.median(shifts(dragged, SMOOTH, place)[:, -1] / shifts(dragged, L2, place)[:, -1])
        for place in WHERE
    }
    return Claim(
        say("Smooth L1 is less sensitive to outliers than L2."),
        verdict.over({words: verdict.more_than(-times[place], -LESS) for place, words in WHERE.items()}),
        say("The point moves the line of smooth L1 {0} times as far as that of L2 where it is off in y, and {1} times where it also lies far out in x (medians of"
            " {count} samples, with 99% intervals). At most half as far counts as less.", *(each.shown() for each in times.values()), count=times[IN_Y].count),
        "smooth L1",
    )  # fmt: skip


def redescending(dragged: Sequence[Record]) -> Claim:
    tukey, huber = shifts(dragged, TUKEY, IN_Y), shifts(dragged, HUBER, IN_Y)
    return Claim(
        say("A redescending loss forgets an outlier that is far enough away."),
        verdict.more_than(verdict.median(FORGOTTEN - tukey[:, -1])),
        say("With the point {near:g} too high Tukey's line is moved by {most}, with the point {far:g} too high by {last}; Huber's by {huber} (median and range of"
            " the samples). Surely less than {forgotten:g} counts as forgotten.", forgotten=FORGOTTEN,
            near=dragged[0]["distances"][0], far=dragged[0]["distances"][-1], most=spread(tukey[:, 0]), last=spread(tukey[:, -1]), huber=spread(huber[:, -1])),
        "smooth L1",
    )  # fmt: skip


def stands(spoilt: Sequence[Record]) -> Claim:
    """Bounded influence is about one point; the breakdown point about how many, and where."""
    at = int(np.flatnonzero(spoilt[0]["shares"] <= A_THIRD + 1e-9)[-1])
    so = {
        place: np.all([shifts(spoilt, name, place)[:, : at + 1].max(1) <= BROKEN for name in ROBUST], axis=0)
        for place in (ANYWHERE, ONE_END)
    }
    standing = [verdict.share(int(each.sum()), len(each)) for each in so.values()]
    told = [
        joined(
            [
                say("{loss} {share}", loss=label_of(name), share=percent(spoilt, name, place))
                for name in (L2, *ROBUST)
            ],
            ", ",
        )
        for place in so
    ]
    conditions = (say("the bad points are scattered"), say("they are all at one end"))
    return Claim(
        say("The robust losses stand up to bad points until more than a third of them are bad."),
        verdict.over({words: verdict.more_than(each, 0.5) for words, each in zip(conditions, standing)}),
        say("The share of bad points at which the line is off by more than {broken:g} standard deviations, in the median: scattered, {0}; at one end,"
            " {1}. At {half:.0%} all robust ones stand in {2} of {count} samples if scattered, in {3} at one end (99% intervals); more than half decide.",
            *told, *(each.shown(".0%") for each in standing),
            broken=BROKEN, half=spoilt[0]["shares"][at], count=len(so[ANYWHERE])),
        "absolute error",
    )  # fmt: skip


def percent(spoilt: Sequence[Record], name: str, place: str) -> str:
    share = outliers.breakdown(of(spoilt, name, place)[0]["shares"], shifts(spoilt, name, place), BROKEN)
    return say("never") if share == np.inf else say("{share:.0%}", share=share)


def price(errors: Sequence[Mapping[str, np.ndarray]]) -> Claim:
    """As good: its squared distance from the true line at most 2% larger."""
    more = [verdict.mean((each[L1] - each[L2]) / each[L2].mean()) for each in errors]
    return Claim(
        say("Robustness is free: on clean data L1 is as good as L2."),
        verdict.over({words: verdict.more_than(-each, -AS_GOOD) for words, each in zip(NOISES.values(), more)}),
        say("Over {count} clean samples the squared distance of the L1 line from the truth, compared with that of the L2 line, differs by {0} under normal noise"
            " (pi/2 - 1 = +57% in the limit), and by {1} under Laplace noise (-50% in the limit): means with 99% intervals. At most {as_good:.0%} more counts as as good.",
            *(each.shown("+.0%") for each in more), count=len(errors[0][L2]), as_good=AS_GOOD),
        "absolute error",
    )  # fmt: skip


def never_diverges(left: np.ndarray, diverged: np.ndarray) -> Claim:
    gone = int(diverged.sum())
    return Claim(
        say("An outlier makes gradient descent on a linear model diverge under squared error."),
        verdict.over({WHERE[IN_Y]: DOES_NOT_HOLD if verdict.theorem(1 - left) == HOLDS else HOLDS,
                      WHERE[IN_X]: verdict.more_than(verdict.share(gone, len(diverged)), 0.5)}),
        say("The curvature has no target in it, so a rate that is small enough stays so: in {count} random problems with a target off by up to 1e12 a"
            " step left at most {most:.4f} of the loss above its least. One input thrown far out made the same rate diverge in {gone} of {count}.",
            count=len(left), most=at_most(left.max(), 4), gone=gone),
        "squared error",
    )  # fmt: skip


def answer(l2: str, l1: str, tukey: str) -> str:
    return joined([
        say("Under squared error one point takes the line with it as far as you like, because its pull grows with its distance."
            if l2 == HOLDS else "In these runs one point did not take the line of squared error along without bound."),
        say("Absolute error limits the pull: a point that is off in y hardly moves its line, but one that also lies far out in"
            " x takes it along." if l1.startswith("holds when") else "Absolute error, smooth L1 and Huber limit the pull of a point, as the table shows."),
        say("A loss whose pull goes back to 0, such as Tukey's, forgets a point that is far off in y." if tukey == HOLDS else
            "Whether a loss whose pull goes back to 0 forgets the point, these runs leave open."),
    ], " ")  # fmt: skip


def scatter(known: Mapping[str, ls.Loss], x: np.ndarray, y: np.ndarray, out: float, far: float) -> Chart:
    """The first sample, with its lines."""
    last = is_last(x)
    cases = {say("No outlier"): (x, y), say("One point off in y"): (x, y + far * last),
             say("One point far out in x, off in y"): (x + out * last, y + (outliers.SLOPE * out - 5 * far) * last)}  # fmt: skip
    panels = []
    for title, (right, up) in cases.items():
        fits = {name: tuple(lines.fit(known[name], lines.with_ones(right), up)) for name in (L2, L1, HUBER, TUKEY)}  # fmt: skip
        panels.append(Panel(title, "x", say("y (sd of the noise)"), fitted(right, up, fits)))
    return Chart(panels, name="lines", columns=3, caption=say("The same points and the lines fitted to them: without an outlier, with one"
                 " that is off in y, and with one that also lies far out in x."))  # fmt: skip


def medians(runs: Sequence[Record], x: str, times: float = 1.0) -> list[Record]:
    """Over the samples."""
    groups = {(run["loss"], run["place"]): run[x] for run in runs}
    return [{"loss": loss, "place": place, "x": times * at, "shift": np.median(shifts(runs, loss, place), axis=0)} for (loss, place), at in groups.items()]  # fmt: skip


def dragging(dragged: Sequence[Record]) -> Chart:
    return chart(medians(dragged, "distances"), "shift", x="x", panel="place", name="dragging", x_scale="log", y_scale="log", y_limits=(1e-3, 100),
                 labels=(say("distance of the point (sd of the noise)"), say("shift of the line (sd)")),
                 caption=say("One point is dragged away; medians over the samples. A curve that drops off the bottom goes back to 0."))  # fmt: skip


def breaking(spoilt: Sequence[Record]) -> Chart:
    return chart(medians(spoilt, "shares", 100), "shift", x="x", panel="place", name="breakdown", notes=[(50, say("half"))],
                 labels=(say("bad points (% of all)"), say("distance from the true line (sd)")),
                 caption=say("A growing share of the points is lifted, all by the same amount; medians over the samples."))  # fmt: skip


def influence(known: Mapping[str, ls.Loss]) -> Chart:
    error = np.concatenate(
        [np.linspace(-8, -1e-9, 320), [np.nan], np.linspace(1e-9, 8, 320)]
    )  # a gap for L1's kink
    here = ~np.isnan(error)
    items = []
    for name, loss in known.items():
        slope = np.full_like(error, np.nan)
        slope[here] = loss.value_and_grad(error[here], np.zeros(here.sum()), reduction="none")[1]
        items.append(Line(error, slope, label_of(name)))
    panel = Panel(
        say("The pull of one point"),
        say("residual (sd of the noise)"),
        say("gradient of the loss"),
        items,
        y_limits=(-4.0, 4.0),
    )
    return Chart([panel], name="influence", caption=say("Influence curves: the pull of an outlier grows without bound under L2, is limited under L1 and its smooth relatives,"
                 " and is 0 under Tukey's loss once it is far away."))  # fmt: skip


def summary(dragged: Sequence[Record], spoilt: Sequence[Record]) -> Table:
    rows = [
        [
            label_of(name),
            *(spread(shifts(dragged, name, place)[:, -1]) for place in (IN_Y, IN_X)),
            *(percent(spoilt, name, place) for place in (ANYWHERE, ONE_END)),
        ]
        for name in dict.fromkeys(run["loss"] for run in dragged)
    ]
    return Table([say("loss"), IN_Y, IN_X, ANYWHERE, ONE_END], rows,
                 caption=say("By how much the farthest point shifts the line (sd of the noise; median and range over the samples), and the share of bad points at which it breaks"))  # fmt: skip


def done(points: int, far: float, out: float, samples: int) -> list[str]:
    return [
        say("{samples} samples of {points} points lie around the line y = 1 + 2x with normal noise of standard deviation 1. A line is fitted under each"
            " loss: L2 by least squares, L1 exactly by a linear programme (HiGHS), the others by BFGS with the library's gradients.", samples=samples, points=points),
        say("The last point is lifted, up to {most:g} high; then the same with that point far out in x, by {out:.3g}, where it outweighs all others together."
            " The shift is the root mean square distance from the line fitted without it. Then a growing share of the points is lifted by {far:g}, to the same side.",
            most=10 * far, out=out, far=far),
    ]  # fmt: skip


DERIVATION = [
    say("Why a wild target cannot make descent on a linear model diverge. One step, with inputs X and the least-squares solution:"),
    r"$w_{t+1} - w^{*} = \left(I - \eta H\right)\left(w_t - w^{*}\right), \quad H = \frac{2}{n} X^{\top} X$",
    say("Targets are in the solution and not in H. Descent converges when the rate is below 2 over the largest eigenvalue of H, whatever the targets;"
        " an input far out makes that eigenvalue large."),
]  # fmt: skip
SOURCES = [
    say("P. J. Huber, Robust estimation of a location parameter (1964), doi:10.1214/aoms/1177703732."),
    say("F. R. Hampel, The influence curve and its role in robust estimation (1974), doi:10.1080/01621459.1974.10482962."),
    say("A. E. Beaton and J. W. Tukey, The fitting of power series (1974), doi:10.1080/00401706.1974.10489171."),
]  # fmt: skip

"""Study 7: Does a small move of one point make a fitted line jump, and is there one best line?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.report import Chart, Panel, Points, Table
from losscope.studies import lines, verdict
from losscope.studies.descent import descend
from losscope.studies.study import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_DECIDED,
    Claim,
    Progress,
    Range,
    Result,
    say,
    silent,
)
from losscope.studies.text import joined
from losscope.studies.views import Record, chart, fitted

PREDICTION, TARGET = (0.1, 0.2, 0.3, 0.4, 0.5), (1.0, 1.0, 0.0, 1.0, 1.0)
SQUARE = np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)])  # the corners: x, y
NUMBERS = np.array([1.0, 2.0, 4.0, 9.0])
HEIGHT, WIDTH = 8.0, 9.0  # of the moved point; of the inputs. The other points lie about y = x/2
L1, L2, SMOOTH = "absolute_error", "squared_error", "smooth_l1"
METHODS = {L1: lines.least_absolute, L2: lines.least_squares}
SIDEWAYS, UPWARD = say("The point moves sideways"), say("The point moves up")
RATE, STEPS = 0.2, 2000
ROUNDING = 1e-15  # of a loss above its least
SAME, FALLS = say("the learning rate stays the same"), say("the learning rate falls")


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    points: Annotated[int, Range(3, 1000), "points that stay"] = 10,
    samples: Annotated[int, Range(1, 1000), "samples of points (10 at most with --quick)"] = 30,
) -> Result:  # fmt: skip
    """Sweep a point sideways and up and find the jumps; all best lines; descent under L1."""
    number, places = (min(samples, 10), 31) if quick else (samples, 121)
    swept, descents, widths = [], [], []
    for sample in range(number):
        progress(sample / number, say("sample {sample} of {number}", sample=sample + 1, number=number))
        random = np.random.default_rng([seed, sample] if sample else seed)
        x = np.linspace(0, WIDTH, points)
        y = x / 2 + random.normal(0, 1.5, points)
        swept += [{"loss": loss, "sample": sample, "x": x, "y": y, **sweep(slope_of(loss, x, y, how), at), "how": how}
                  for loss in METHODS for how, at in ((SIDEWAYS, np.linspace(0, WIDTH, places)), (UPWARD, np.linspace(-10, 20, places)))]  # fmt: skip
        descents += [settle(*how, random.normal(0, 0.1, 2), x / WIDTH, y) for how in DESCENTS]
        right = random.uniform(0, WIDTH, points)
        widths.append(
            float(
                np.ptp(
                    lines.absolute_interval(
                        lines.with_ones(right), right / 2 + random.normal(0, 1.5, points)
                    ),
                    axis=1,
                ).max()
            )
        )
    found = solutions()
    claims = [
        jumps(of(swept, L1, SIDEWAYS)),
        continuous(of(swept, L2, SIDEWAYS)),
        stable(swept),
        one_l1(found, widths),
        one_l2(),
        settles(descents),
    ]
    sums = {loss: float(ls.get(loss)(list(PREDICTION), list(TARGET), reduction="sum")) for loss in METHODS}
    first = [run for run in swept if run["sample"] == 0]
    return Result(
        answer=answer(claims[0].verdict, claims[3].verdict),
        done=[say("{points} points lie about y = x/2 with noise of standard deviation 1.5, and one more stands apart at a height of 8. It is moved sideways over all of"
                  " them, then up and down, while a line is fitted by L1 (exactly, by a linear programme) and by L2; {samples} samples. Wherever the slope changes, the"
                  " interval is halved until it is a billionth wide: a jump stays, a movement shrinks.", points=points, samples=number),
              say("For two small sets of points the linear programme is asked for every best L1 solution. Last, gradient descent runs from beside the best line, at a"
                  " constant and at a falling learning rate.")],
        claims=claims,
        charts=[Chart([*at_the_jump(first), fan(found)], name="jump", columns=2, caption=say("Left: the moved point passes the place of the largest jump, by a thousandth to each"
                      " side; the L1 line jumps, the L2 line does not. Right: every thin line is a best L1 line of the same four points; L2 has one.")),
                chart([each for run in first for each in pieces(run)], "slopes", x="places", panel="how", name="sweep", labels=(say("x or y of the moved point"), say("slope of the line")),
                      caption=say("The L1 line rests on two of the points. When the moved one passes a turning point another pair takes over, and the line jumps. Lifted, the point pulls the L2"
                                  " line along; L1 stops caring as soon as the point is clear of the line.")),
                chart(descents[: len(DESCENTS)], "above", line="how", labels=(say("step"), say("loss above its least")), name="settling", y_scale="log", title="Does descent settle?",
                      caption=say("Gradient descent on a line through the points. Under L1 each step is as long as the one before, so at a constant rate it stays away from the minimum."))],
        tables=[told(claims, swept), Table([say("loss"), say("sum over the five")], [[say("absolute error"), sums[L1]], [say("squared error"), sums[L2]]],
                caption=say("Prediction .1 .2 .3 .4 .5; target 1 1 0 1 1"))],
        sources=SOURCES,
        numbers={"worked_example": sums, "solutions": found, "widths": widths, "swept": swept, "descents": [{**run, "above": run["above"][::100]} for run in descents]},
    )  # fmt: skip


def slope_of(loss: str, x: np.ndarray, y: np.ndarray, how: str) -> Callable[[float], float]:
    """The slope of the line through all points and the moved one, as a function of its place."""

    def slope(place: float) -> float:
        right, up = (place, HEIGHT) if how == SIDEWAYS else (WIDTH * 0.8, place)
        return float(METHODS[loss](lines.with_ones(np.append(x, right)), np.append(y, up))[1])

    return slope


def sweep(slope: Callable[[float], float], places: np.ndarray) -> Record:
    """Slopes at the places, how far they move in all, and jumps: steps that stay when the interval is halved to a
    billionth."""
    slopes = np.array([slope(float(place)) for place in places])
    steps = np.abs(np.diff(slopes))
    found = []
    for i in np.flatnonzero(steps > 1e-6):
        low, high = float(places[i]), float(places[i + 1])
        left, right = float(slopes[i]), float(slopes[i + 1])
        while high - low > 1e-9 and abs(right - left) > 1e-4:
            middle = (low + high) / 2
            here = slope(middle)
            if abs(here - left) > abs(right - here):
                high, right = middle, here
            else:
                low, left = middle, here
        if abs(right - left) > 1e-4:
            found.append((round((low + high) / 2, 6), right - left))
    return {"places": places, "slopes": slopes, "jumps": found, "travel": float(steps.sum())}


def solutions() -> dict[str, Any]:
    """All best L1 constants for four numbers, and all best L1 lines through the corners of a square, as their
    heights at x = 0 and x = 1: convex sets, so their corners say all."""
    heights = np.column_stack([1 - SQUARE[:, 0], SQUARE[:, 0]])
    ends = lines.absolute_interval(heights, SQUARE[:, 1])
    corners = np.array([(a, b) for a in ends[0] for b in ends[1]])
    return {
        "constant": lines.absolute_interval(np.ones((4, 1)), NUMBERS)[0],
        "at_0": ends[0],
        "at_1": ends[1],
        "sums": np.abs(corners @ heights.T - SQUARE[:, 1]).sum(axis=1),  # equal: any pair of heights is a best line
        "wrong_pair": float(np.abs(lines.with_ones(SQUARE[:, 0]) @ [1.0, 1.0] - SQUARE[:, 1]).sum()),
        "l2": lines.least_squares(lines.with_ones(SQUARE[:, 0]), SQUARE[:, 1]),
    }  # fmt: skip


DESCENTS = (
    (L1, SAME, say("absolute error, constant rate")), (L1, FALLS, say("absolute error, falling rate")),
    (SMOOTH, SAME, say("smooth L1, constant rate")), (L2, SAME, say("squared error, constant rate")),
)  # fmt: skip


def settle(loss: str, rates: str, how: str, start: np.ndarray, x: np.ndarray, y: np.ndarray) -> Record:
    """Descent on a line from `start` beside the best one: the loss above its least."""
    steps = np.arange(STEPS)
    each = RATE * np.ones(len(steps)) if rates == SAME else RATE / (1 + steps / 50)
    design, chosen = lines.with_ones(x), ls.get(loss)
    best = lines.fit(chosen, design, y)
    path = descend(chosen, design, y, each, best + start)
    values = np.asarray(chosen(path @ design.T, np.broadcast_to(y, (len(path), len(y))), reduction="none")).mean(axis=1)  # fmt: skip
    least = float(chosen(design @ best, y))
    return {"loss": loss, "rates": rates, "how": how, "above": np.maximum(values - least, 1e-16)}


def of(swept: Sequence[Record], loss: str, how: str) -> list[Record]:
    return [run for run in swept if run["loss"] == loss and run["how"] == how]


def jumps(runs: Sequence[Record]) -> Claim:
    """One jump is enough; that none was found would say nothing of others."""
    sizes = [(abs(size), at) for run in runs for at, size in run["jumps"]]
    largest, at = max(sizes, default=(0.0, 0.0))
    return Claim(
        say("A small sideways move of one point can make the L1 line jump."),
        HOLDS if sizes else NOT_DECIDED,
        say("In {some} of {count} samples the slope jumps, at {places} places in all. The largest: at x = {at:.4f} it changes by {size:.3f} within a"
            " billionth.", some=sum(bool(run["jumps"]) for run in runs), count=len(runs), places=len(sizes), at=at, size=largest),
        "absolute error",
    )  # fmt: skip


def continuous(runs: Sequence[Record]) -> Claim:
    found = [abs(size) for run in runs for _, size in run["jumps"]]
    return Claim(
        say("The L2 line moves continuously."),
        verdict.theorem(-np.array([*found, 0.0])),
        say("Its slope is a ratio of polynomials in the coordinates of the point, whose denominator is 0 only where all inputs are the same. In {count}"
            " sweeps that looked for jumps there were {jumps}.", count=len(runs), jumps=len(found)),
        "squared error",
    )  # fmt: skip


def stable(swept: Sequence[Record]) -> Claim:
    """Jumps are one sense of unstable, moving far in all another."""
    jumped = sum(
        bool(one["jumps"]) and not other["jumps"]
        for one, other in zip(of(swept, L1, SIDEWAYS), of(swept, L2, SIDEWAYS))
    )
    side, up = (
        [np.array([run["travel"] for run in of(swept, loss, how)]) for loss in METHODS]
        for how in (SIDEWAYS, UPWARD)
    )
    only_l1, less = verdict.share(jumped, len(up[0])), verdict.mean(up[1] - up[0])
    return Claim(
        say("L2 is the stable one, L1 the unstable one."),
        verdict.over({say("stable means that the line does not jump"): verdict.more_than(only_l1, 0.5),
                      say("stable means that a point that is lifted moves the line little"): verdict.more_than(-less)}),
        say("Moved sideways, the point makes only the L1 line jump in {jumped} of {count} samples. Lifted from -10 to 20 it makes the slope move by {0:.2f} in"
            " all under L1 and by {1:.2f} under L2, which is more by {less}; sideways by {2:.2f} and {3:.2f}. In brackets: 99% intervals.",
            *(float(each.mean()) for each in (*up, *side)), jumped=only_l1.shown(".0%"), count=len(up[0]), less=less.shown(".2f")),
        "absolute error",
    )  # fmt: skip


def one_l1(found: Mapping[str, Any], widths: Sequence[float]) -> Claim:
    several = float(np.ptp(found["at_0"])) > 0 and float(np.ptp(found["sums"])) < 1e-9
    alone = sum(width < 1e-4 for width in widths)  # the linear programme's tolerance: less is no width
    return Claim(
        say("There is one best L1 fit."),
        verdict.over({say("the inputs of a line are drawn at random"): verdict.more_than(verdict.share(alone, len(widths)), 0.5) if alone == len(widths) else DOES_NOT_HOLD,
                      say("the points lie evenly"): DOES_NOT_HOLD if several else HOLDS}),
        say("For 1, 2, 4, 9 every constant from {0:.3g} to {1:.3g} is best. Through the corners of a square every line is best that is from {2:.3g} to {3:.3g} high at x = 0 and from {4:.3g} to {5:.3g}"
            " at x = 1, each with a sum of {sum:.3g} (intercept and slope are not free of each other: 1 and 1 sum to {wrong:.3g}). With random inputs there was one best line in {alone} of {count} samples.",
            *found["constant"], *found["at_0"], *found["at_1"], sum=found["sums"][0], wrong=found["wrong_pair"], alone=alone, count=len(widths)),
        "absolute error",
    )  # fmt: skip


def one_l2() -> Claim:
    differing, same = (int(np.linalg.matrix_rank(lines.with_ones(x))) for x in (SQUARE[:, 0], np.ones(3)))
    return Claim(
        say("There is one best L2 fit."),
        verdict.over({say("the inputs are not all the same"): HOLDS if differing == 2 else DOES_NOT_HOLD, say("all inputs are the same"): HOLDS if same == 2 else DOES_NOT_HOLD}),
        say("Squares are strictly convex in what is predicted, so the coefficients are one as soon as the data determine them: {differing} of a line's 2 where the inputs differ,"
            " {same} where all inputs are the same.", differing=differing, same=same),
        "squared error",
    )  # fmt: skip


def settles(descents: Sequence[Record]) -> Claim:
    """Not settled: four times as many steps leave more than half of what is above the least. Because its gradient does not
    shrink: smooth L1, whose gradient does, is left with less than half as much by the same steps."""
    left = {}
    for loss, rates, _ in DESCENTS:
        runs = [run["above"] for run in descents if (run["loss"], run["rates"]) == (loss, rates)]
        left[loss, rates] = np.array(
            [(above[-200:].mean(), above[len(above) // 4 - 200 : len(above) // 4].mean()) for above in runs]
        )
    still = {rates: verdict.median(left[L1, rates][:, 0] / left[L1, rates][:, 1]) for rates in (SAME, FALLS)}
    smooth = verdict.median(left[SMOOTH, SAME][:, 0] / left[L1, SAME][:, 0])
    stays = {rates: verdict.more_than(each, 0.5) for rates, each in still.items()}
    stays[SAME] = verdict.every([stays[SAME], verdict.more_than(-smooth, -0.5)])
    ends = [float(np.median(left[loss, rates][:, 0])) for loss, rates, _ in DESCENTS]
    told = [say("{0:.2g}", each) if each > ROUNDING else say("no more than rounding") for each in ends]
    return Claim(
        say("Gradient descent under L1 does not settle, because its gradient does not shrink."),
        verdict.over(stays),
        say("After {steps} steps the loss is above its least by {0} under L1 at a constant rate and by {1} at a falling one; at the constant rate by {2} under smooth L1, whose gradient does shrink,"
            " and by {3} under L2 (medians over {count} samples). Of what was left after a quarter of the steps, {same} is still there under L1 at the constant rate, {falls} at the falling one (99% intervals)."
            " Less than half counts as settling.", *told, count=len(left[L1, SAME]), steps=STEPS, same=still[SAME].shown(".0%"), falls=still[FALLS].shown(".0%")),
        "absolute error",
    )  # fmt: skip


def answer(jump: str, one: str) -> str:
    return joined([
        say("Under L1 (absolute error) it can: the line rests on two of the points, and when another pair takes over, it jumps; under L2 (squared error) it moves continuously, since every point has a say."
            if jump == HOLDS else "These runs found no jump of the L1 line (absolute error); under L2 (squared error) it moves continuously, since every point has a say."),
        say("L2 has one best line as soon as two inputs differ, and L1 may have many." if one != HOLDS else "Both had one best line here."),
    ], " ")  # fmt: skip


def at_the_jump(first: Sequence[Record]) -> list[Panel]:
    """The points, and the lines just before and just after the largest jump."""
    run = of(first, L1, SIDEWAYS)[0]
    if not run["jumps"]:
        return []
    place = max(run["jumps"], key=lambda jump: abs(jump[1]))[0]
    cases = {
        say("L1, just before"): (L1, place - 1e-3),
        say("L1, just after"): (L1, place + 1e-3),
        say("L2, before and after"): (L2, place),
    }
    fits: dict[Any, Any] = {
        label: tuple(METHODS[loss](lines.with_ones(np.append(run["x"], at)), np.append(run["y"], HEIGHT)))
        for label, (loss, at) in cases.items()
    }
    drawn = fitted(run["x"], run["y"], fits, points=say("points that stay"))
    return [Panel(say("The jump"), "x", "y", [*drawn, Points([place], [HEIGHT], say("moved point"))])]  # fmt: skip


def fan(found: Mapping[str, Any]) -> Panel:
    ends: Any = [np.linspace(low, high, 7) for low, high in (found["at_0"], found["at_1"])]
    heights = [(a, b) for a in ends[0] for b in ends[1]]
    x, y = SQUARE.T
    drawn = fitted(x, y, {say("L2: the one best line"): tuple(found["l2"])}, points=say("four points"), fan=[(a, b - a) for a, b in heights])  # fmt: skip
    return Panel(say("All best L1 lines"), "x", "y", drawn)


def pieces(run: Record) -> list[Record]:
    """The slopes, broken where they jump."""
    places, slopes = run["places"], run["slopes"]
    for at, _ in run["jumps"]:
        i = int(np.searchsorted(places, at))
        places, slopes = np.insert(places, i, at), np.insert(slopes, i, np.nan)
    return [{**run, "places": places, "slopes": slopes}]


def told(claims: Sequence[Claim], swept: Sequence[Record]) -> Table:
    """The table that tutorials print, with what these runs make of it."""
    up = [float(np.mean([run["travel"] for run in of(swept, loss, UPWARD)])) for loss in METHODS]
    rows: list[list[Any]] = [[say("robust"), say("yes"), say("no"), say("lifted by 30, a point moves the slope by {0:.2f} under L1, {1:.2f} under L2", *up)],
            [say("stable"), say("no"), say("yes"), claims[2].verdict],
            [say("solutions"), say("several"), say("one"), joined([say("L1, one: {verdict}", verdict=claims[3].verdict), say("L2, one: {verdict}", verdict=claims[4].verdict)])]]  # fmt: skip
    return Table([say("the table says"), "L1", "L2", say("these runs")], rows, caption=say("The table that tutorials print, and its conditions (robustness has a study of its own)"))  # fmt: skip


SOURCES = [
    say("P. Bloomfield and W. L. Steiger, Least Absolute Deviations (1983), doi:10.1007/978-1-4684-8574-5."),
    say("R. Koenker and G. Bassett, Regression quantiles (1978), doi:10.2307/1913643."),
    say(
        "N. Z. Shor, Minimization Methods for Non-Differentiable Functions (1985), doi:10.1007/978-3-642-82118-9."
    ),
]

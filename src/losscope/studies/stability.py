"""Study 7: Does a small move of one point make a fitted line jump?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies import lines
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    from losscope.report import Chart, Table

PREDICTION, TARGET = (0.1, 0.2, 0.3, 0.4, 0.5), (1.0, 1.0, 0.0, 1.0, 1.0)
SQUARE = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))  # the corners: x, y
HEIGHT = 8.0  # of the moved point; the others lie about y = x/2
WIDTH = 9.0


@dataclass(frozen=True)
class Sweep:
    """The slope of the fitted line while one point moves, and the places where it jumps."""

    places: Any
    slopes: Any
    jumps: tuple[tuple[float, float], ...]  # place, size

    @property
    def travel(self) -> float:
        """How far the slope moves in all."""
        import numpy

        return float(numpy.abs(numpy.diff(self.slopes)).sum())


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    points: Annotated[int, "points that stay"] = 10,
) -> Result:
    """Sweep a point sideways and up, fit by L1 and by L2, and find the jumps by halving intervals."""
    import numpy

    from losscope.errors import LossError, complain

    if not 3 <= points <= 1000:
        raise LossError(complain("points is out of its domain", got=points, expected="3 to 1000"))
    random = numpy.random.default_rng(seed)
    x = numpy.linspace(0, WIDTH, points)
    y = x / 2 + random.normal(0, 1.5, points)
    steps = 46 if quick else 181
    sideways, upward = {}, {}
    for number, (name, method) in enumerate((("L1", lines.least_absolute), ("L2", lines.least_squares))):
        progress(0.1 + 0.4 * number, f"{name}: moving the point sideways")
        sideways[name] = sweep(
            _slope(method, x, y, lambda place: (place, HEIGHT)), numpy.linspace(0, WIDTH, steps)
        )
        progress(0.3 + 0.4 * number, f"{name}: moving the point up")
        upward[name] = sweep(
            _slope(method, x, y, lambda place: (WIDTH * 0.8, place)), numpy.linspace(-10, 20, steps)
        )
    progress(0.9, "all solutions of L1")
    intervals = solutions()
    sums = worked_example()
    return Result(
        done=_done(points),
        claims=[
            judge_jumps(sideways["L1"]),
            judge_continuous(sideways["L2"]),
            judge_stable(sideways, upward),
            judge_unique(intervals),
            judge_unique_squares(),
        ],
        charts=[*_at_the_jump(x, y, sideways["L1"]), _sideways(sideways), _upward(upward)],
        tables=[_example_table(sums), _interval_table(intervals), _travel_table(sideways, upward)],
        numbers={
            "worked_example": sums,
            "intervals": intervals,
            "jumps": sideways["L1"].jumps,
            "jumps_of_L2": sideways["L2"].jumps,
            "travel_sideways": {name: each.travel for name, each in sideways.items()},
            "travel_up": {name: each.travel for name, each in upward.items()},
            "places": sideways["L1"].places,
            "slopes": {name: each.slopes for name, each in sideways.items()},
        },
    )


def _slope(
    method: Callable[[Any, Any], Any], x: Any, y: Any, moved: Callable[[float], tuple[float, float]]
) -> Callable[[float], float]:
    """The slope of the line through all points and the moved one, as a function of its place."""
    import numpy

    def slope(place: float) -> float:
        right, up = moved(place)
        return float(method(lines.with_ones(numpy.append(x, right)), numpy.append(y, up))[1])

    return slope


def sweep(slope: Callable[[float], float], places: Any) -> Sweep:
    """Slopes at the places, and jumps: steps that stay when the interval is halved to a billionth."""
    import numpy

    slopes = numpy.array([slope(float(place)) for place in places])
    steps = numpy.abs(numpy.diff(slopes))
    jumps = []
    for i in numpy.flatnonzero(steps > 1e-6):
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
            jumps.append((round((low + high) / 2, 6), right - left))
    return Sweep(places, slopes, tuple(jumps))


def solutions() -> dict[str, dict[str, Any]]:
    """Two data sets with more than one L1 solution: constants for 1, 2, 4, 9, and lines through a square."""
    import numpy

    corners = numpy.array(SQUARE)
    numbers = numpy.array([1.0, 2.0, 4.0, 9.0])
    found = {}
    for name, design, target, called in (
        ("a constant for 1, 2, 4, 9", numpy.ones((4, 1)), numbers, ["constant"]),
        (
            "a line through the corners of the unit square",
            lines.with_ones(corners[:, 0]),
            corners[:, 1],
            ["intercept", "slope"],
        ),
    ):
        import losscope as ls

        best = lines.least_absolute(design, target)
        found[name] = {
            "sum": lines.summed(ls.get("mae"), best, design, target),
            "intervals": dict(zip(called, lines.absolute_interval(design, target).tolist())),
            "least_squares": dict(zip(called, lines.least_squares(design, target).tolist())),
            "rank": int(numpy.linalg.matrix_rank(design)),
            "coefficients": design.shape[1],
        }
    return found


def worked_example() -> dict[str, float]:
    """The summed losses of the example."""
    import losscope as ls

    return {
        name: float(ls.get(loss)(list(PREDICTION), list(TARGET), reduction="sum"))
        for name, loss in (("L1", "mae"), ("L2", "mse"))
    }


def judge_jumps(swept: Sweep) -> Claim:
    """Is there a place where the smallest move changes the line?"""
    claim = "A small sideways move of one point can make the L1 line jump."
    if not swept.jumps:
        return Claim(claim, DOES_NOT_HOLD, "The slope never jumped in this sweep.")
    place, size = max(swept.jumps, key=lambda jump: abs(jump[1]))
    places = f"{len(swept.jumps)} places" if len(swept.jumps) > 1 else "one place"
    return Claim(
        claim,
        HOLDS,
        f"The slope jumps at {places}; at x = {place:.4f} it changes by {size:+.3f} within a billionth.",
    )


def judge_continuous(swept: Sweep) -> Claim:
    """No jump at all."""
    evidence = (
        "Every step of its slope shrinks with the interval."
        if not swept.jumps
        else f"It jumps at {len(swept.jumps)} places."
    )
    return Claim("The L2 line moves continuously.", DOES_NOT_HOLD if swept.jumps else HOLDS, evidence)


def judge_stable(sideways: dict[str, Sweep], upward: dict[str, Sweep]) -> Claim:
    """Jumps are one sense of unstable, moving far in all another."""
    claim = "L2 is the stable one, L1 the unstable one."
    side, up = ({name: each.travel for name, each in swept.items()} for swept in (sideways, upward))
    evidence = (
        f"Moved sideways, the point makes the slope travel {side['L1']:.2f} in all under L1 and"
        f" {side['L2']:.2f} under L2; moved up, {up['L1']:.2f} and {up['L2']:.2f}."
    )
    if not sideways["L1"].jumps or sideways["L2"].jumps:
        return Claim(claim, DOES_NOT_HOLD, evidence)
    if side["L1"] <= side["L2"] or up["L1"] <= up["L2"]:
        return Claim(claim, holds_when("stable means without jumps, not small movements"), evidence)
    return Claim(claim, HOLDS, evidence)


def judge_unique(intervals: dict[str, dict[str, Any]]) -> Claim:
    """One solution only if every interval is a point."""
    shown = []
    for name, found in intervals.items():
        ends = ", ".join(
            f"{called} from {low:.3g} to {high:.3g}" for called, (low, high) in found["intervals"].items()
        )
        shown.append(f"{name}: {ends}, each with a sum of {found['sum']:.3g}")
    wide = any(high > low for found in intervals.values() for low, high in found["intervals"].values())
    return Claim(
        "There is one best L1 fit.", DOES_NOT_HOLD if wide else HOLDS, f"{'; '.join(shown)}.".capitalize()
    )


def judge_unique_squares() -> Claim:
    """L2 has one solution where the inputs differ; where they do not, any line through the mean will do."""
    import numpy

    def rank(x: Sequence[float]) -> int:
        return int(numpy.linalg.matrix_rank(lines.with_ones(x)))

    return judge_rank(rank([each[0] for each in SQUARE]), rank([1.0, 1.0, 1.0]))


def judge_rank(differing: int, same: int) -> Claim:
    """The rank of the design of a line, with inputs that differ and with inputs that are all the same."""
    claim = "There is one best L2 fit."
    evidence = (
        f"The data determine {differing} of the line's 2 coefficients where the inputs differ, and {same} where"
        " all inputs are the same."
    )
    if differing < 2:
        return Claim(claim, DOES_NOT_HOLD, evidence)
    return Claim(claim, HOLDS if same == 2 else holds_when("the inputs are not all the same"), evidence)


def _done(points: int) -> list[str]:
    return [
        (
            f"{points} points lie about y = x/2 with noise of standard deviation 1.5, and one more stands"
            f" apart at a height of {HEIGHT:g}. It is moved sideways over all of them while a line is fitted"
            " by L1 (exactly, by a linear programme) and by L2. Wherever the slope changes, the interval is"
            " halved until it is a billionth wide: a jump stays, a movement shrinks."
        ),
        (
            "Then the same point is moved up and down. And for two small sets of points the linear programme"
            " is asked for the least and the greatest value each coefficient has in any L1 solution."
        ),
    ]


def _sideways(swept: dict[str, Sweep]) -> Chart:
    from losscope.report import Chart, Panel

    items = [_line(each, name) for name, each in swept.items()]
    panel = Panel(
        "The point moves sideways",
        "x of the moved point (units of x)",
        "slope of the line (units of y per unit of x)",
        items,
    )
    return Chart(
        [panel],
        caption=(
            "The L1 line rests on two of the points. When the moved one passes a turning point, another pair"
            " takes over, and the line jumps."
        ),
        name="sideways",
    )


def _at_the_jump(x: Any, y: Any, swept: Sweep) -> list[Chart]:
    """The points, and the lines just before and just after the largest jump."""
    import numpy

    from losscope.report import Chart, Line, Panel, Points

    if not swept.jumps:
        return []
    place = max(swept.jumps, key=lambda jump: abs(jump[1]))[0]
    ends = numpy.array([0.0, WIDTH])
    items: list[Any] = [Points(x, y, "points that stay"), Points([place], [HEIGHT], "moved point")]
    for label, method, right in (
        ("L1, just before", lines.least_absolute, place - 1e-3),
        ("L1, just after", lines.least_absolute, place + 1e-3),
        ("L2, before and after", lines.least_squares, place),
    ):
        found = method(lines.with_ones(numpy.append(x, right)), numpy.append(y, HEIGHT))
        items.append(Line(ends, found[0] + found[1] * ends, label))
    panel = Panel("The jump", "x (units of x)", "y (units of y)", items)
    return [
        Chart(
            [panel],
            caption=(
                f"The largest jump: the moved point passes x = {place:.3f}, by a thousandth to each side."
            ),
            name="jump",
        )
    ]


def _upward(swept: dict[str, Sweep]) -> Chart:
    from losscope.report import Chart, Panel

    panel = Panel(
        "The point moves up",
        "y of the moved point (units of y)",
        "slope of the line (units of y per unit of x)",
        [_line(each, name) for name, each in swept.items()],
    )
    return Chart(
        [panel],
        caption=(
            "Moved up and down, the same point keeps pulling the L2 line along. L1 stops caring as soon as"
            " the point is clear of the line."
        ),
        name="upward",
    )


def _line(swept: Sweep, name: str) -> Any:
    """The slopes, broken where they jump."""
    import numpy

    from losscope.report import Line

    x, y = numpy.asarray(swept.places), numpy.asarray(swept.slopes)
    for place, _ in swept.jumps:
        i = int(numpy.searchsorted(x, place))
        x, y = numpy.insert(x, i, place), numpy.insert(y, i, numpy.nan)
    return Line(x, y, name)


def _example_table(sums: dict[str, float]) -> Table:
    from losscope.report import Table

    prediction, target = (", ".join(f"{each:g}" for each in numbers) for numbers in (PREDICTION, TARGET))
    caption = f"Prediction {prediction}; target {target}"
    return Table(["loss", "sum over the five"], [["L1", sums["L1"]], ["L2", sums["L2"]]], caption=caption)


def _interval_table(intervals: dict[str, dict[str, Any]]) -> Table:
    from losscope.report import Table

    rows = [
        [
            name,
            called,
            f"{low:.4g} to {high:.4g}",
            f"{round(found['least_squares'][called], 9) + 0.0:.4g}",
            f"{found['sum']:.4g}",
        ]
        for name, found in intervals.items()
        for called, (low, high) in found["intervals"].items()
    ]
    return Table(
        ["data", "coefficient", "L1: anywhere in", "L2", "L1 sum"],
        rows,
        caption="Every L1 solution, and the one L2 solution",
    )


def _travel_table(sideways: dict[str, Sweep], upward: dict[str, Sweep]) -> Table:
    from losscope.report import Table

    rows = [
        [name, len(sideways[name].jumps), sideways[name].travel, upward[name].travel] for name in sideways
    ]
    return Table(
        ["loss", "jumps", "travel, moved sideways", "travel, moved up"],
        rows,
        caption="Total movement of the slope (units of y per unit of x)",
    )

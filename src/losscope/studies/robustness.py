"""Study 6: How far do outliers move a line fitted under each loss?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies import lines
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    from losscope.report import Chart, Table

SLOPE, INTERCEPT = 2.0, 1.0  # of the true line; noise has a standard deviation of 1
NAMES = ("squared_error", "absolute_error", "smooth_l1", "huber:delta=1.345", "log_cosh")
TUKEY = ("tukey", "where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)", 4.685)
BROKEN = 5.0  # standard deviations of the noise: a fit this far off is no fit
BOUNDED = 1.05  # a shift that grows by less than this factor while the point goes ten times as far


def losses() -> dict[str, Any]:
    """The losses of the study by name; the redescending one is defined as a user would."""
    import losscope as ls

    found = {name: ls.get(name) for name in NAMES}
    return {**found, TUKEY[0]: ls.define(TUKEY[0], TUKEY[1], c=TUKEY[2])}


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    points: Annotated[int, "points of the line"] = 40,
    far: Annotated[float, "how far bad points lie, in standard deviations of the noise"] = 30.0,
) -> Result:
    """Drag one point up, one point up that lies far out in x, and a growing share; check every solver."""
    import numpy

    _check(points, far)
    x = numpy.linspace(-2, 2, points)
    y = INTERCEPT + SLOPE * x + numpy.random.default_rng(seed).normal(0, 1, points)
    known = losses()
    progress(0.0, "checking the solvers")
    checks = check_solvers(known, lines.with_ones(x), y)
    distances = _distances(far, quick)
    progress(0.2, "dragging one point")
    near = {name: drag(loss, x, y, distances, out=0.0) for name, loss in known.items()}
    progress(0.35, "dragging a point far out")
    # One point outweighs all others when it lies farther out than they do together.
    out = 2 * float(numpy.abs(x).sum())
    leverage = {name: drag(loss, x, y, distances, out) for name, loss in known.items()}
    progress(0.55, "spoiling a share")
    counts = numpy.arange(0, points // 2 + points // 10 + 1, 4 if quick else 2)
    shares = counts / points
    spoilt = {name: spoil(loss, x, y, counts, far, _order(points, seed)) for name, loss in known.items()}
    progress(0.75, "spoiling one end")
    ended = {name: spoil(loss, x, y, counts, far, numpy.arange(points)[::-1]) for name, loss in known.items()}
    progress(0.95, "clean samples")
    return Result(
        done=_done(points, far, out),
        claims=[
            judge_solvers(checks),
            judge_unbounded(near["squared_error"], distances),
            judge_robust(near, leverage, distances),
            judge_redescending(near, distances),
            judge_breakdown(spoilt, ended, shares),
            judge_clean(known, x, seed, 100 if quick else 200),
        ],
        charts=[_influence(known), _dragging(near, leverage, distances), _shares(spoilt, ended, shares)],
        tables=[_table(near, leverage, spoilt, ended, distances, shares), _check_table(checks)],
        numbers={
            "distances": distances,
            "shift_near": near,
            "shift_far_out": leverage,
            "shares": shares,
            "shift_by_share": spoilt,
            "shift_by_share_at_one_end": ended,
            "breakdown": {name: breakdown(each, shares) for name, each in spoilt.items()},
            "breakdown_at_one_end": {name: breakdown(each, shares) for name, each in ended.items()},
            "far_out": out,
            "solvers": checks,
        },
    )


def _check(points: int, far: float) -> None:
    from losscope.errors import LossError, complain

    if points < 10 or not 6 <= far < 1e6:
        got = f"points {points}, far {far:g}"
        raise LossError(complain("points must be 10 or more, and far from 6 to a million", got=got))


def _distances(far: float, quick: bool) -> Any:
    """Where the dragged point stops: close by first, then ever farther."""
    import numpy

    close, away = (7, 5) if quick else (21, 15)
    return numpy.unique(
        numpy.concatenate([numpy.linspace(0, 10, close), numpy.geomspace(10, 10 * far, away)])
    )


def _order(points: int, seed: int) -> Any:
    """Which points go bad first: the same for every loss."""
    import numpy

    return numpy.random.default_rng([seed, 1]).permutation(points)


def shift(one: Any, other: Any, x: Any) -> float:
    """How far two lines are apart over the inputs: the root of the mean squared difference."""
    import numpy

    design = lines.with_ones(x)
    return float(numpy.sqrt(((design @ (numpy.asarray(one) - numpy.asarray(other))) ** 2).mean()))


def drag(loss: Any, x: Any, y: Any, distances: Any, out: float) -> list[float]:
    """The shift of the fit while the last point is lifted; `out`: it is first moved this far to the right."""
    moved = x.copy()
    moved[-1] += out
    base = y.copy()
    base[-1] += SLOPE * out  # on the true line as far as it can be
    clean = lines.fit(loss, lines.with_ones(moved[:-1]), base[:-1])
    shifts = []
    for distance in distances:
        lifted = base.copy()
        lifted[-1] += distance
        shifts.append(shift(lines.fit(loss, lines.with_ones(moved), lifted), clean, x))
    return shifts


def spoil(loss: Any, x: Any, y: Any, counts: Any, far: float, order: Any) -> list[float]:
    """The distance of the fit from the true line while this many points are lifted far up."""
    shifts = []
    for count in counts:
        bad = y.copy()
        bad[order[:count]] += far
        shifts.append(shift(lines.fit(loss, lines.with_ones(x), bad), [INTERCEPT, SLOPE], x))
    return shifts


def breakdown(shifts: Sequence[float], shares: Any) -> float | None:
    """The first share of bad points at which the fit is off by more than BROKEN; None if it never is."""
    return next((float(share) for share, each in zip(shares, shifts) if each > BROKEN), None)


def bounded(shifts: Sequence[float], distances: Any) -> bool:
    """Whether the shift stops growing: hardly more at the far end than a tenth of the way there."""
    import numpy

    tenth = int(numpy.searchsorted(distances, distances[-1] / 10))
    return bool(shifts[-1] <= BOUNDED * max(shifts[: tenth + 1]) + 1e-6)


def check_solvers(known: Mapping[str, Any], design: Any, target: Any) -> dict[str, dict[str, Any]]:
    """Our summed loss beside that of an independent solver, on data with three outliers."""
    bad = target.copy()
    bad[[3, 17 % len(bad), -2]] += (12.0, -9.0, 25.0)
    checks = {}
    for name, loss in known.items():
        ours = lines.fit(loss, design, bad)
        by, other = _other_solver(name, loss, design, bad, ours)
        checks[name] = {
            "checked_by": by,
            "ours": lines.summed(loss, ours, design, bad),
            "theirs": lines.summed(loss, other, design, bad),
        }
    huber = _huber_regressor(design, bad)
    if huber:
        checks["huber (scale estimated)"] = huber
    return checks


def _other_solver(name: str, loss: Any, design: Any, target: Any, ours: Any) -> tuple[str, Any]:
    """The same problem by someone else's code: scikit-learn or SciPy."""
    import numpy
    from scipy.optimize import least_squares, minimize

    if name == "squared_error":
        from sklearn.linear_model import LinearRegression

        return (
            "scikit-learn LinearRegression",
            LinearRegression(fit_intercept=False).fit(design, target).coef_,
        )
    if name == "absolute_error":
        from sklearn.linear_model import QuantileRegressor

        return (
            "scikit-learn QuantileRegressor",
            QuantileRegressor(quantile=0.5, alpha=0, fit_intercept=False, solver="highs")
            .fit(design, target)
            .coef_,
        )
    if name in ("smooth_l1", "huber:delta=1.345"):
        scale = loss.parameters.get("delta") or loss.parameters["beta"]
        start = numpy.zeros(design.shape[1])
        found = least_squares(
            lambda b: design @ b - target,
            start,
            loss="huber",
            f_scale=scale,
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-12,
        )
        return "SciPy least_squares(loss='huber')", found.x
    # No one else has these ready-made: a search that sees values only, from a distance, on the same loss.
    found = minimize(
        lambda b: lines.summed(loss, b, design, target),
        numpy.asarray(ours) + 0.5,
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000},
    )
    return "SciPy minimize(Nelder-Mead), values only", found.x


def _huber_regressor(design: Any, target: Any) -> dict[str, Any] | None:
    """scikit-learn's HuberRegressor estimates the scale as well; at its scale, its line must be ours."""
    from sklearn.linear_model import HuberRegressor

    import losscope as ls

    theirs = HuberRegressor(epsilon=1.345, alpha=0, fit_intercept=False, tol=1e-10, max_iter=2000).fit(
        design, target
    )
    loss = ls.get("huber").bind(delta=1.345 * theirs.scale_)
    ours = lines.fit(loss, design, target)
    return {
        "checked_by": "scikit-learn HuberRegressor",
        "ours": lines.summed(loss, ours, design, target),
        "theirs": lines.summed(loss, theirs.coef_, design, target),
    }


def judge_solvers(checks: Mapping[str, Mapping[str, Any]]) -> Claim:
    """Ours must not be worse than theirs, and theirs not better."""
    gaps = {name: (each["ours"] - each["theirs"]) / each["theirs"] for name, each in checks.items()}
    worst = max(gaps, key=lambda name: gaps[name])
    evidence = (
        f"Summed loss of our fit relative to an independent solver's: at worst {gaps[worst]:+.1g}"
        f" ({worst}), at best {min(gaps.values()):+.1g}."
    )
    return Claim(
        "The solvers used here find the minimum.", HOLDS if gaps[worst] < 1e-8 else DOES_NOT_HOLD, evidence
    )


def judge_unbounded(shifts: Sequence[float], distances: Any) -> Claim:
    """The L2 line under one dragged point."""
    evidence = (
        f"With the point {distances[-1]:g} away the line has moved by {shifts[-1]:.3g}; moving the point ten"
        " times farther moves the line ten times as far."
    )
    if bounded(shifts, distances):
        return Claim(
            "One point can move the L2 line as far as you like.",
            DOES_NOT_HOLD,
            f"The shift stops at {max(shifts):.3g}.",
        )
    return Claim("One point can move the L2 line as far as you like.", HOLDS, evidence)


def judge_robust(
    near: Mapping[str, Sequence[float]], leverage: Mapping[str, Sequence[float]], distances: Any
) -> Claim:
    """L1 under a point that is off in y, and under one that is also far out in x."""
    claim = "L1 is robust: an outlier hardly moves the line."
    holds_near, holds_far = (
        bounded(near["absolute_error"], distances),
        bounded(leverage["absolute_error"], distances),
    )
    evidence = (
        f"A point off in y moves the L1 line by at most {max(near['absolute_error']):.3g}. If the point also"
        f" lies far out in x, by {leverage['absolute_error'][-1]:.3g} (L2:"
        f" {leverage['squared_error'][-1]:.3g})."
    )
    if holds_near and holds_far:
        return Claim(claim, HOLDS, evidence)
    if holds_near:
        return Claim(claim, holds_when("the outlier is off in y only, and not far out in x"), evidence)
    return Claim(claim, DOES_NOT_HOLD, evidence)


def judge_redescending(near: Mapping[str, Sequence[float]], distances: Any) -> Claim:
    """The redescending loss far out, against its own worst and against the bounded ones."""
    last, most = near[TUKEY[0]][-1], max(near[TUKEY[0]])
    others = min(near[name][-1] for name in ("absolute_error", "huber:delta=1.345", "log_cosh", "smooth_l1"))
    evidence = (
        f"Under Tukey's loss the line moves by at most {most:.3g} and is back to within {last:.2g} when the"
        f" point is {distances[-1]:g} away, where bounded losses that do not redescend still shift it by"
        f" {others:.2g} or more."
    )
    verdict = HOLDS if last < 0.05 * most and last < others else DOES_NOT_HOLD
    return Claim("A redescending loss forgets an outlier that is far enough away.", verdict, evidence)


def judge_breakdown(
    spoilt: Mapping[str, Sequence[float]], ended: Mapping[str, Sequence[float]], shares: Any
) -> Claim:
    """Bounded influence is a statement on one point; the breakdown point on how many, and where."""
    claim = "The robust losses stand up to bad points until nearly half of them are bad."
    scattered, at_end = ({name: breakdown(each[name], shares) for name in each} for each in (spoilt, ended))

    def stands(found: Mapping[str, float | None]) -> bool:
        return all(share is None or share >= 0.4 for name, share in found.items() if name != "squared_error")

    def shown(found: Mapping[str, float | None]) -> str:
        return ", ".join(f"{name} {_percent(share)}" for name, share in found.items())

    evidence = (
        f"Share of bad points at which the line is off by more than {BROKEN:g} standard deviations. Scattered:"
        f" {shown(scattered)}. All at one end: {shown(at_end)}."
    )
    if stands(scattered) and stands(at_end):
        return Claim(claim, HOLDS, evidence)
    return Claim(
        claim,
        (
            holds_when("the bad points are scattered, not all at one end")
            if stands(scattered)
            else DOES_NOT_HOLD
        ),
        evidence,
    )


def judge_clean(known: Mapping[str, Any], x: Any, seed: int, repeats: int) -> Claim:
    """What robustness costs without outliers: the spread of the slope over repeated clean samples."""
    import numpy

    random, slopes = numpy.random.default_rng([seed, 2]), {"squared_error": [], "absolute_error": []}  # type: ignore[var-annotated]
    for _ in range(repeats):
        y = INTERCEPT + SLOPE * x + random.normal(0, 1, len(x))
        for name, each in slopes.items():
            each.append(lines.fit(known[name], lines.with_ones(x), y)[1])
    ratio = float(numpy.var(slopes["squared_error"]) / numpy.var(slopes["absolute_error"]))
    return judge_price(ratio, repeats)


def judge_price(ratio: float, repeats: int) -> Claim:
    """Free if L1's variance is no more than 2% larger."""
    evidence = (
        f"Over {repeats} clean samples with Gaussian noise the slope of the L2 line has {ratio:.0%} of the"
        " variance of that of the L1 line (2/pi = 64% in the limit)."
    )
    return Claim(
        "Robustness is free: on clean data L1 is as good as L2.",
        HOLDS if ratio >= 0.98 else DOES_NOT_HOLD,
        evidence,
    )


def _done(points: int, far: float, out: float) -> list[str]:
    return [
        (
            f"{points} points lie around the line y = {INTERCEPT:g} + {SLOPE:g} x with Gaussian noise of"
            " standard deviation 1. A straight line is fitted under each loss: L2 by least squares, L1"
            " exactly by a linear programme (HiGHS), the others by BFGS with the library's gradients."
            " Tukey's loss, which redescends, is not in the catalogue; it is defined from its formula."
        ),
        (
            "First the last point is lifted far above the others. Then the same is done with a point that is"
            f" also far out in x, at {out:.3g}: twice as far as all others together, where it outweighs them."
            " The shift is the root mean square distance from the line fitted without that point. Finally a"
            f" growing share of the points is lifted by {far:g}, all to the same side, and the line is"
            " compared with the true one. All lengths are in standard deviations of the noise."
        ),
    ]


def _influence(known: Mapping[str, Any]) -> Chart:
    import numpy

    from losscope.report import Chart, Line, Panel

    error = numpy.concatenate(
        [numpy.linspace(-8, -1e-9, 320), [numpy.nan], numpy.linspace(1e-9, 8, 320)]
    )  # a gap at L1's kink
    items = []
    for name, loss in known.items():
        x = error if loss.facts.kinks else error[~numpy.isnan(error)]
        items.append(Line(x, loss.value_and_grad(x, numpy.zeros_like(x), reduction="none")[1], name))
    panel = Panel(
        "Influence curves: the pull of one point",
        "residual (standard deviations of the noise)",
        "gradient of the loss",
        items,
        y_limits=(-4.0, 4.0),
    )
    return Chart(
        [panel],
        caption=(
            "The pull of an outlier grows without bound under L2, is limited under L1 and its smooth"
            " relatives, and is zero under Tukey's loss once it is far away."
        ),
        name="influence",
    )


def _dragging(
    near: Mapping[str, Sequence[float]], leverage: Mapping[str, Sequence[float]], distances: Any
) -> Chart:
    from losscope.report import Chart, Line, Panel

    panels = []
    for title, shifts in (("Off in y", near), ("Off in y, and far out in x", leverage)):
        items = [Line(distances, each, name) for name, each in shifts.items()]
        panels.append(
            Panel(
                title,
                "distance of the point (sd of the noise)",
                "shift of the line (sd of the noise)",
                items,
                y_scale="log",
                x_limits=(0, 60),
                y_limits=(1e-3, 10),
            )
        )
    return Chart(
        panels,
        caption=(
            "One point is dragged away. Off in y, only L2 follows; far out in x, every convex loss does."
            " Tukey's curve drops off the bottom: the shift goes back to 0."
        ),
        name="dragging",
    )


def _shares(
    spoilt: Mapping[str, Sequence[float]], ended: Mapping[str, Sequence[float]], shares: Any
) -> Chart:
    from losscope.report import Chart, Line, Panel

    panels = []
    for title, shifts in (("Bad points scattered", spoilt), ("Bad points at one end", ended)):
        items = [Line(shares * 100, each, name) for name, each in shifts.items()]
        panels.append(
            Panel(
                title,
                "bad points (% of all)",
                "distance from the true line (sd of the noise)",
                items,
                notes=[(50, "half")],
            )
        )
    return Chart(
        panels, caption="A growing share of the points is lifted, all by the same amount.", name="breakdown"
    )


def _table(near: Any, leverage: Any, spoilt: Any, ended: Any, distances: Any, shares: Any) -> Table:
    from losscope.report import Table

    rows = [
        [
            name,
            max(near[name]),
            near[name][-1],
            leverage[name][-1],
            _percent(breakdown(spoilt[name], shares)),
            _percent(breakdown(ended[name], shares)),
        ]
        for name in near
    ]
    columns = [
        "loss",
        "most, in y",
        f"{distances[-1]:g} off in y",
        "and far in x",
        "bad anywhere",
        "bad at one end",
    ]
    caption = "How far one point shifts the line (sd of the noise), and the share of bad points at which the line breaks"
    return Table(columns, rows, caption=caption)


def _percent(share: float | None) -> str:
    return "never" if share is None else f"{share:.0%}"


def _check_table(checks: Mapping[str, Mapping[str, Any]]) -> Table:
    from losscope.report import Table

    rows = [
        [name, each["checked_by"], f"{each['ours']:.9g}", f"{each['theirs']:.9g}"]
        for name, each in checks.items()
    ]
    return Table(
        ["loss", "checked by", "summed loss, ours", "theirs"],
        rows,
        caption="Each solver checked against an independent one, on the same data with three outliers",
    )

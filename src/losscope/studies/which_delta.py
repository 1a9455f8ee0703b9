"""Study 12: Which delta for Huber and smooth L1?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas
from scipy.optimize import brentq
from scipy.stats import laplace, norm, t

import losscope as ls
from losscope.errors import LossError, complain, did_you_mean
from losscope.report import Chart, Line, Panel, Table
from losscope.studies import lines, verdict
from losscope.studies.problems import real_numbers
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.verdict import Interval
from losscope.studies.views import Record, chart

KNOWN = 1.345  # said to give 95%
NEAR = 0.0005  # of an efficiency: so near to 95% counts as that
TABLED = (0.5, 1.0, KNOWN, 2.0, 3.0)
NOISES = {"Gaussian": norm, "Laplace": laplace, "Student t, 3 degrees of freedom": t(3)}
AS_GOOD = 1.05  # within 5% of the least variance
LEAST = 0.3  # on data: a smaller delta has too few residuals within it to tell a variance


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    share: Annotated[float, Range(0.001, 0.49), "bad observations, for the worst-case bias"] = 0.1,
    data: Annotated[str | None, "a CSV file with a header; its numeric columns predict the target"] = None,
    target: Annotated[str, "the column of that file to predict"] = "median_house_value",
    resamples: Annotated[int, Range(10, 100_000), "bootstrap samples of the residuals"] = 2000,
) -> Result:  # fmt: skip
    """Efficiency and bias for every delta, by quadrature and on the residuals of real data."""
    deltas = np.unique(np.concatenate([np.geomspace(0.05, 5, 12 if quick else 40), TABLED]))
    progress(0.0, "by quadrature")
    theory: list[Record] = [{"loss": name, "noise": noise, "delta": deltas, "efficiency": [100 * efficiency(name, delta, noise) for delta in deltas]}
              for name in ("huber", "smooth_l1") for noise in NOISES]  # fmt: skip
    huber = [each for each in theory if each["loss"] == "huber"]
    bias: Record = {"noise": "Gaussian", "delta": deltas, "worst bias": [worst_bias(delta, share) for delta in deltas],
            "one observation": [gross_error_sensitivity(delta) for delta in deltas]}  # fmt: skip
    found = []
    sets = [*((each.name, each.features, each.target) for each in real_numbers()[:6]), *([from_csv(data, target)] if data else [])]  # fmt: skip
    for number, (name, inputs, wanted) in enumerate(sets):
        progress(0.3 + 0.7 * number / len(sets), name)
        found.append(measured(name, residuals(inputs, wanted), deltas, share, min(resamples, 400) if quick else resamples, seed))  # fmt: skip
    return Result(
        answer=answered(deltas, huber),
        done=[say(DONE, share=share), ON_DATA],
        claims=[known({noise: efficiency("huber", KNOWN, noise) for noise in NOISES}), same(theory), robust(bias),
                both(huber[0]["efficiency"], bias["one observation"]), as_good(found)],
        charts=[in_the_limit(huber, bias), chart(found, "variance", x="delta", line="data", panel="tails", x_scale="log", name="residuals",
                labels=(say("delta (sigma)"), say("variance (% of the mean's)")), title="{}", notes=[(KNOWN, f"{KNOWN:g}")],
                caption=say("The variance of the Huber estimate of the centre of real residuals, relative to that of their mean."))],
        tables=[table(deltas, huber, bias), real_table(found)],
        sources=SOURCES,
        numbers={"theory": theory, "bias": bias, "share": share, "residuals": found,
                 "efficiency at 1.345": {noise: efficiency("huber", KNOWN, noise) for noise in NOISES}},
    )  # fmt: skip


def slope(name: str, delta: float, residual: np.ndarray) -> np.ndarray:
    loss = ls.get(name).bind(**{"delta" if name == "huber" else "beta": float(delta)})
    return loss.value_and_grad(residual, residual * 0, reduction="none")[1]


gauss = cache(np.polynomial.legendre.leggauss)


def positive_half(seam: float, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of an integral from 0 to infinity whose integrand has a seam: Gauss and Legendre on both sides
    of it, the outer one by x = seam + s/(1 - s). No place lies at 0, where a score may jump."""
    s, weight = (each / 2 for each in gauss(count))
    s = s + 0.5
    return np.concatenate([seam * s, seam + s / (1 - s)]), np.concatenate([seam * weight, weight / (1 - s) ** 2])  # fmt: skip


def score(noise: str, x: np.ndarray) -> np.ndarray:
    """-f'/f of the density, whose mean square is the Fisher information."""
    return {"Gaussian": x, "Laplace": np.sign(x)}.get(noise, 4 * x / (3 + x**2))


def scale(noise: str) -> float:
    """What MAD/0.6745 estimates: delta counts in this unit, as it does on data."""
    return float(NOISES[noise].ppf(0.75) / norm.ppf(0.75))


def efficiency(name: str, delta: float, noise: str = "Gaussian") -> float:
    """The best estimator's variance in the limit over that of this one: (E psi')^2 / (E psi^2 I)."""
    seam = delta * scale(noise)
    x, weight = positive_half(seam)
    density, psi, best = weight * NOISES[noise].pdf(x), slope(name, seam, x), score(noise, x)
    # E psi' = E[psi score] (integration by parts) needs no derivative at the seams; all three are even.
    bend, square, information = (2 * float((each * density).sum()) for each in (psi * best, psi**2, best**2))
    return bend**2 / (square * information)


def gross_error_sensitivity(delta: float) -> float:
    """The most one observation moves the estimate, times n: sup |psi| / E psi', under Gaussian noise."""
    x, weight = positive_half(delta)
    psi = slope("huber", delta, x)
    return float(psi.max() / (2 * (psi * x * norm.pdf(x) * weight).sum()))


def worst_bias(delta: float, share: float) -> float:
    """Where the estimate goes if this share of Gaussian noise is replaced by observations far to one side."""
    x, step = np.linspace(-12, 12, 24_001, retstep=True)
    density = norm.pdf(x) * step

    def pull(place: float) -> float:
        return float((1 - share) * (slope("huber", delta, x - place) * density).sum() + share * delta)

    return float(brentq(pull, 0, 10 + delta, xtol=1e-12))


def from_csv(path: str, target: str) -> tuple[str, Any, Any]:
    """The numeric columns of a table; rows with a gap are left out."""
    place = Path(path).expanduser()
    if not place.is_file():
        step = "Give the path of a CSV file, e.g. housing.csv"
        raise LossError(complain("There is no such file", got=path, next_step=step))
    found = pandas.read_csv(place).select_dtypes("number").dropna()
    if target not in found.columns:
        hint = did_you_mean(target, found.columns)
        raise LossError(complain(f"{place.name} has no numeric column {target!r}", next_step=hint))
    if len(found) < 30 or len(found.columns) < 2:
        got = f"{len(found)} complete rows of {len(found.columns)} numeric columns"
        raise LossError(complain(f"{place.name} has too little in it", got=got, expected="30 rows, 2 columns"))  # fmt: skip
    return place.stem, found.drop(columns=target).to_numpy("float64"), found[target].to_numpy("float64")


def residuals(inputs: Any, target: Any) -> np.ndarray:
    """Of a linear model fitted robustly (log-cosh at the scale of the least-squares residuals), centred at their median,
    in units of MAD/0.6745."""
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    design = lines.with_ones(inputs)
    rough = target - design @ lines.least_squares(design, target)
    unit = np.median(np.abs(rough - np.median(rough))) / 0.6745
    left = target - design @ (lines.fit(ls.get("log_cosh"), design, target / unit) * unit)
    centred = left - np.median(left)
    return centred / (np.median(np.abs(centred)) / 0.6745)


def locations(delta: float, samples: np.ndarray) -> np.ndarray:
    """The Huber location of each row, by halving: the pull falls as the place rises."""
    low, high = samples.min(1), samples.max(1)
    for _ in range(40):
        middle = (low + high) / 2
        pull = slope("huber", delta, samples - middle[:, None]).sum(1)
        low, high = np.where(pull > 0, middle, low), np.where(pull > 0, high, middle)
    return (low + high) / 2


def variances(delta: float, samples: np.ndarray) -> np.ndarray:
    """Of each row: the limit's E psi^2 / (E psi')^2, relative to the variance of the mean."""
    centred = samples - locations(delta, samples)[:, None]
    within = (np.abs(centred) <= delta).mean(1)
    return (slope("huber", delta, centred) ** 2).mean(1) / within**2 / samples.var(1)


def measured(name: str, sizes: np.ndarray, deltas: np.ndarray, share: float, resamples: int, seed: int) -> Record:  # fmt: skip
    """For each delta the variance, and the shift by bad residuals; at 1.345 against the best, over bootstrap samples."""
    deltas = deltas[deltas >= LEAST]
    whole = np.array([variances(delta, sizes[None])[0] for delta in deltas])
    random, best = np.random.default_rng(seed), float(deltas[whole.argmin()])
    samples = random.choice(sizes, (resamples, len(sizes)))
    ratio = variances(KNOWN, samples) / variances(best, samples)
    rest = (1 - verdict.LEVEL) / 2
    low, high = (float(each) for each in np.quantile(ratio, [rest, 1 - rest]))
    bad = sizes.copy()
    bad[random.choice(len(sizes), round(share * len(sizes)), replace=False)] = 100.0
    shift = [float(locations(delta, bad[None])[0] - locations(delta, sizes[None])[0]) for delta in deltas]
    heavy = float(np.mean(np.abs(sizes) > 3)) > 0.02  # of Gaussian ones 0.3% are
    return {"data": name, "tails": say("Heavy tails") if heavy else say("Nearly Gaussian"), "rows": len(sizes), "delta": deltas,
            "variance": 100 * whole, "shift": shift, "best": best,
            "ratio": Interval(float(np.interp(KNOWN, deltas, whole) / whole.min()), low, high, resamples)}  # fmt: skip


def answered(deltas: np.ndarray, huber: Sequence[Record]) -> str:
    """Is a smaller delta the best where tails are heavier?"""
    best = {
        each["noise"]: deltas[int(np.argmax(each["efficiency"]))]
        for each in huber
        if each["noise"] != "Gaussian"
    }
    take = say("Take 1.345 times the scale of the residuals (their median absolute deviation over 0.6745) if they are nearly Gaussian: it gives up 5% of efficiency, and an observation that is"
               " further off pulls no harder.")  # fmt: skip
    heavier = say("With heavier tails a smaller delta estimates better and is more robust at once, so look at your residuals first.")  # fmt: skip
    return joined(
        [take, heavier if max(best.values()) < KNOWN else say("For other residuals see the table.")], " "
    )


def known(at: Mapping[str, float]) -> Claim:
    right = {say(noise): HOLDS if abs(each - 0.95) < NEAR else DOES_NOT_HOLD for noise, each in at.items()}
    return Claim(
        say("delta = 1.345 sigma gives 95% efficiency."),
        verdict.over(right, "the noise is {which}"),
        say("Efficiency in the limit: {shown}. From {low:.2%} to {high:.2%} counts as 95%. Sigma is taken as MAD/0.6745.", low=0.95 - NEAR, high=0.95 + NEAR,
            shown=joined([say("{noise} {percent:.3%}", noise=say(noise), percent=each) for noise, each in at.items()], ", ")),
        "smooth L1",
    )  # fmt: skip


def same(theory: Sequence[Record]) -> Claim:
    huber, smooth = (np.array([each["efficiency"] for each in theory if each["loss"] == name]) for name in ("huber", "smooth_l1"))  # fmt: skip
    gap = np.abs(huber - smooth).max() / 100
    return Claim(
        say("Huber and smooth L1 estimate the same when delta = beta."),
        verdict.theorem(-gap, tolerance=1e-9),
        say("Smooth L1 is Huber over delta, so both are least at the same place, but a learning rate means something else. At every delta = beta tried"
            " their efficiencies differ by at most {gap:.1g}.", gap=at_most(gap)),
        "smooth L1",
    )  # fmt: skip


def robust(bias: Record) -> Claim:
    one, worst = (np.array(bias[key]) for key in ("one observation", "worst bias"))
    rises = bool((np.diff(one) > -1e-9).all() and (np.diff(worst) > -1e-9).all())
    return Claim(
        say("The smaller delta, the more robust."),
        HOLDS if rises else DOES_NOT_HOLD,
        say("Under Gaussian noise: from the smallest delta to the largest, the most that one of n observations moves the estimate goes from {0:.3f}/n to {1:.3f}/n sigma, and"
            " the worst bias by a share of bad observations from {2:.3f} to {3:.3f} sigma.", *map(float, (one[0], one[-1], worst[0], worst[-1]))),
        "smooth L1",
    )  # fmt: skip


def both(efficiencies: Sequence[float], sensitivity: Sequence[float]) -> Claim:
    best = max(min(one / 100, sensitivity[0] / other) for one, other in zip(efficiencies, sensitivity))
    return Claim(
        say("You cannot have both: no delta keeps 95% of the efficiency of the mean and 95% of the robustness of the median."),
        DOES_NOT_HOLD if best > 0.95 else HOLDS,
        say("The best compromise keeps {best:.0%} of the efficiency of the mean and at the same time {best:.0%} of the robustness of the median, under"
            " Gaussian noise.", best=best),
        "smooth L1",
    )  # fmt: skip


def as_good(found: Sequence[Record]) -> Claim:
    """Within 5% of the least variance that any delta gave, over bootstrap samples of each set."""
    ratios = {each["data"]: each["ratio"] for each in found}
    verdicts = {say(name): HOLDS if each.high <= AS_GOOD else DOES_NOT_HOLD if each.low > AS_GOOD else verdict.NOT_DECIDED for name, each in ratios.items()}  # fmt: skip
    shown = joined([say("{name} {0:.2f} ({1:.2f} to {2:.2f}, best at {best:.2g})", each["ratio"].estimate, each["ratio"].low, each["ratio"].high,
                        name=say(each["data"]), best=each["best"]) for each in found])  # fmt: skip
    return Claim(
        say("On real residuals delta = 1.345 sigma is about as good as any delta, within 5% of the least variance."),
        verdict.over(verdicts, "the residuals are those of {which}"),
        say("Its variance over that of the best delta, with 99% of the bootstrap samples: {shown}.", shown=shown),
        "smooth L1",
    )  # fmt: skip


def in_the_limit(huber: Sequence[Record], bias: Record) -> Chart:
    axes: dict[str, Any] = {"x_scale": "log", "notes": [(KNOWN, f"{KNOWN:g}")]}
    drawn = [Line(each["delta"], each["efficiency"], say(each["noise"])) for each in huber]
    moved = [Line(bias["delta"], bias["worst bias"], say("Gaussian"))]
    return Chart(
        [Panel(say("Efficiency in the limit"), say("delta (sigma)"), say("efficiency (% of the best possible)"), drawn, **axes),
         Panel(say("Worst bias by bad observations"), say("delta (sigma)"), say("bias (sigma)"), moved, **axes)],
        caption=say("A larger delta is better for Gaussian noise, a smaller one for heavy tails and against bad observations."),
        name="limit",
    )  # fmt: skip


def table(deltas: np.ndarray, huber: Sequence[Record], bias: Record) -> Table:
    columns = [*(each["efficiency"] for each in huber), bias["one observation"], bias["worst bias"]]
    rows = [[f"{delta:g}", *(float(np.interp(delta, deltas, each)) for each in columns)] for delta in TABLED]
    heads = [say("delta (sigma)"), *(say("efficiency (%), {noise}", noise=say(each["noise"])) for each in huber), say("one observation moves it by (sigma/n)"), say("worst bias (sigma)")]  # fmt: skip
    return Table(heads, rows, caption=say("Huber in the limit of many observations"))


def real_table(found: Sequence[Record]) -> Table:
    rows = [
        [say(each["data"]), each["rows"], each["tails"], f"{each['best']:.2g}",
         *(float(np.interp(KNOWN, each["delta"], each[key])) for key in ("variance", "shift"))]
        for each in found
    ]  # fmt: skip
    heads = [say("data"), say("rows"), say("tails"), say("best delta (sigma)"), say("variance at 1.345 (% of the mean's)"), say("shift by bad residuals (sigma)")]  # fmt: skip
    return Table(heads, rows, caption=say("Residuals of a linear model of real data"))


DONE = (
    "Huber's loss is squared up to delta and linear beyond. For each delta, from the library's gradient: its efficiency for many"
    " observations (the variance of the best possible estimate over its own), the most that one observation moves it, and where"
    " it goes in the worst case when {share:.0%} of the observations lie infinitely far to one side. Delta counts in sigma, the"
    " median absolute deviation over 0.6745."
)
ON_DATA = say(
    "Then on the residuals of linear models of six targets of real data, and of your own with `--data`: the variance at 1.345 over"
    " that at the best delta of the set, over bootstrap samples; and how far the estimate moves when such a share of the residuals is"
    " put 100 sigma to one side."
)
SOURCES = [
    say("P. J. Huber, Robust estimation of a location parameter (Ann. Math. Statist. 35, 1964), doi:10.1214/aoms/1177703732."),
    say("F. R. Hampel, The influence curve and its role in robust estimation (JASA 69, 1974), doi:10.1080/01621459.1974.10482962."),
    say("P. W. Holland and R. E. Welsch, Robust regression using iteratively reweighted least-squares (Comm. Statist. A6, 1977),"
        " doi:10.1080/03610927708827533: the constants for 95%."),
]  # fmt: skip

"""Study 12: Which delta for Huber and smooth L1?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies import lines
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    from losscope.report import Chart, Table

KNOWN = 1.345  # said to give 95%
TABLED = (0.5, 1.0, KNOWN, 2.0, 3.0)
NOISES = ("Gaussian", "Laplace", "Student t, 3 degrees of freedom")


@dataclass(frozen=True)
class Residuals:
    """Residuals of a linear model on real data, centred at their median, in units of MAD/0.6745."""

    name: str
    sizes: Any
    scale: float


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    share: Annotated[float, "bad observations, for the worst-case bias"] = 0.1,
    data: Annotated[str | None, "a CSV file with a header; its numeric columns predict the target"] = None,
    target: Annotated[str, "the column of that file to predict"] = "median_house_value",
    resamples: Annotated[int, "bootstrap samples of the residuals"] = 400,
) -> Result:
    """Compute efficiency and bias for every delta, by quadrature and on the residuals of real data."""
    import numpy

    from losscope.errors import LossError, complain

    if not 0 < share < 0.5 or resamples < 10:
        raise LossError(
            complain(
                "share must be between 0 and 0.5, and resamples 10 or more",
                got=f"share {share:g}, resamples {resamples}",
            )
        )
    deltas = numpy.unique(numpy.concatenate([numpy.geomspace(0.05, 5, 12 if quick else 40), TABLED]))
    progress(0.0, "Gaussian noise")
    theory = {name: [efficiency(name, delta) for delta in deltas] for name in ("huber", "smooth_l1")}
    by_noise = {noise: [efficiency("huber", delta, noise) for delta in deltas] for noise in NOISES}
    progress(0.3, "worst-case bias")
    biases = [worst_bias(delta, share) for delta in deltas]
    sensitivity = [gross_error_sensitivity(delta) for delta in deltas]
    sets = [diabetes()] + ([from_csv(data, target)] if data else [])
    real = {}
    for number, each in enumerate(sets):
        progress(0.4 + 0.6 * number / len(sets), f"residuals of {each.name}")
        real[each.name] = measured(each, deltas, share, min(resamples, 200) if quick else resamples, seed)
    at = {name: float(numpy.interp(KNOWN, deltas, values)) for name, values in by_noise.items()}
    return Result(
        done=_done(sets, share),
        claims=[
            judge_known(at),
            judge_same(theory),
            judge_robust(sensitivity, biases, share),
            judge_trade(theory["huber"], sensitivity),
            *(judge_real(name, deltas, found["plug_in_variance"]) for name, found in real.items()),
        ],
        charts=[_theory(deltas, by_noise, biases, share), _measured(deltas, real, share)],
        tables=[_table(deltas, theory["huber"], sensitivity, biases, share), _real_table(deltas, real)],
        numbers={
            "deltas": deltas,
            "efficiency": theory,
            "efficiency_by_noise": by_noise,
            "gross_error_sensitivity": sensitivity,
            "worst_bias": biases,
            "share": share,
            "real": real,
        },
    )


def _bound(name: str, delta: float) -> Any:
    import losscope as ls

    return ls.get(name).bind(**{"delta" if name == "huber" else "beta": float(delta)})


def _density(noise: str, x: Any) -> tuple[Any, Any]:
    """The density of the noise, and its score -f'/f, whose mean square is the Fisher information."""
    import numpy

    if noise == "Gaussian":
        return numpy.exp(-(x**2) / 2), x
    if noise == "Laplace":
        return numpy.exp(-numpy.abs(x)), numpy.sign(x)
    return (1 + x**2 / 3) ** -2.0, 4 * x / (3 + x**2)


def _scale(noise: str) -> float:
    """What a MAD/0.6745 would estimate: delta counts in this unit, as it does on data."""
    from scipy import stats

    quartile = {"Gaussian": stats.norm, "Laplace": stats.laplace, NOISES[2]: stats.t(3)}[noise].ppf(0.75)
    return float(quartile / stats.norm.ppf(0.75))


def efficiency(name: str, delta: float, noise: str = "Gaussian") -> float:
    """The best estimator's variance in the limit over that of this one: (E psi')^2 / (E psi^2 I)."""
    import numpy

    x, step = numpy.linspace(-60, 60, 60_001, retstep=True)
    density, score = _density(noise, x)
    density = density / (density.sum() * step)
    psi = _bound(name, delta * _scale(noise)).value_and_grad(x, numpy.zeros_like(x), reduction="none")[1]
    # E psi' = E[psi score] (integration by parts) needs no derivative at the seams.
    slope, square, information = ((each * density).sum() * step for each in (psi * score, psi**2, score**2))
    return float(slope**2 / (square * information))


def gross_error_sensitivity(delta: float) -> float:
    """The most one observation moves the estimate, times n: sup |psi| / E psi', under Gaussian noise."""
    import numpy

    x, step = numpy.linspace(-60, 60, 60_001, retstep=True)
    density = numpy.exp(-(x**2) / 2) / numpy.sqrt(2 * numpy.pi)
    psi = _bound("huber", delta).value_and_grad(x, numpy.zeros_like(x), reduction="none")[1]
    return float(numpy.abs(psi).max() / ((psi * x * density).sum() * step))


def worst_bias(delta: float, share: float) -> float:
    """Where the estimate goes if this share of Gaussian noise is replaced by observations far to one side."""
    import numpy
    from scipy.optimize import brentq

    x, step = numpy.linspace(-12, 12, 24_001, retstep=True)
    density = numpy.exp(-(x**2) / 2) / numpy.sqrt(2 * numpy.pi) * step
    loss = _bound("huber", delta)
    far = float(loss.value_and_grad([1e9], [0.0], reduction="none")[1][0])

    def pull(place: float) -> float:
        psi = loss.value_and_grad(x - place, numpy.zeros_like(x), reduction="none")[1]
        return float((1 - share) * (psi * density).sum() + share * far)

    return float(brentq(pull, 0, 10 + delta, xtol=1e-12))


def diabetes() -> Residuals:
    """The 442 patients that come with scikit-learn."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    return _residuals("diabetes", bunch.data, bunch.target)


def from_csv(path: str, target: str) -> Residuals:
    """The numeric columns of a table; rows with a gap are left out."""
    from pathlib import Path

    import pandas

    from losscope.errors import LossError, complain, did_you_mean

    place = Path(path).expanduser()
    if not place.is_file():
        raise LossError(
            complain(
                "There is no such file", got=path, next_step="Give the path of a CSV file, e.g. housing.csv"
            )
        )
    table = pandas.read_csv(place).select_dtypes("number").dropna()
    if target not in table.columns:
        raise LossError(
            complain(
                f"{place.name} has no numeric column {target!r}",
                next_step=did_you_mean(target, table.columns),
            )
        )
    if len(table) < 30 or len(table.columns) < 2:
        raise LossError(
            complain(
                f"{place.name} has too little in it",
                got=f"{len(table)} complete rows of {len(table.columns)} numeric columns",
                expected="30 rows, 2 columns",
            )
        )
    return _residuals(
        place.stem, table.drop(columns=target).to_numpy("float64"), table[target].to_numpy("float64")
    )


def _residuals(name: str, inputs: Any, target: Any) -> Residuals:
    """Of a linear model fitted robustly (log-cosh at the scale of the least-squares residuals)."""
    import numpy

    import losscope as ls

    design = lines.with_ones(inputs)
    rough = target - design @ lines.least_squares(design, target)
    unit = numpy.median(numpy.abs(rough - numpy.median(rough))) / 0.6745
    left = target - design @ (lines.fit(ls.get("log_cosh"), design, target / unit) * unit)
    centred = left - numpy.median(left)
    scale = float(numpy.median(numpy.abs(centred)) / 0.6745)
    return Residuals(name, centred / scale, scale)


def measured(residuals: Residuals, deltas: Any, share: float, resamples: int, seed: int) -> dict[str, Any]:
    """For each delta: the variance of the Huber location over bootstrap samples, relative to that of the
    mean; and how far it moves when this share of the residuals is put far to one side."""
    import numpy

    random = numpy.random.default_rng(seed)
    sizes = residuals.sizes
    size = min(len(sizes), 500)
    samples = random.choice(sizes, (resamples, size))
    bad = samples[: min(resamples, 50)].copy()
    bad[:, : round(share * size)] = 100.0
    mean = samples.mean(1)
    variance, bias, plug_in = [], [], []
    for delta in deltas:
        clean = locations(delta, samples)
        variance.append(float(clean.var() / mean.var()))
        bias.append(float((locations(delta, bad) - clean[: len(bad)]).mean()))
        plug_in.append(_plug_in(delta, sizes))
    return {
        "scale": residuals.scale,
        "count": len(sizes),
        "variance": variance,
        "plug_in_variance": plug_in,
        "bias": bias,
    }


def locations(delta: float, samples: Any) -> Any:
    """The Huber location of each row, by halving: the pull falls as the place rises."""
    import numpy

    loss = _bound("huber", delta)
    low, high = samples.min(1), samples.max(1)
    for _ in range(40):
        middle = (low + high) / 2
        residual = samples - middle[:, None]
        pull = loss.value_and_grad(residual, numpy.zeros_like(residual), reduction="none")[1].sum(1)
        low, high = numpy.where(pull > 0, middle, low), numpy.where(pull > 0, high, middle)
    return (low + high) / 2


def _plug_in(delta: float, sizes: Any) -> float:
    """The limit's formula on these residuals: E psi^2 / (E psi')^2, relative to their variance."""
    import numpy

    centred = sizes - locations(delta, sizes[None])[0]
    _, psi, slope = _bound("huber", delta).value_grad_curvature(
        centred, numpy.zeros_like(centred), reduction="none"
    )
    return float((psi**2).mean() / slope.mean() ** 2 / sizes.var())


def judge_known(at: Mapping[str, float]) -> Claim:
    """95% to the digits said, under each kind of noise."""
    claim = f"delta = {KNOWN:g} sigma gives 95% efficiency."
    shown = ", ".join(f"{noise} {each:.2%}" for noise, each in at.items())
    evidence = f"Efficiency in the limit: {shown}. Sigma is taken as MAD/0.6745."
    fits = [noise for noise, each in at.items() if abs(each - 0.95) < 0.0005]
    if len(fits) == len(at):
        return Claim(claim, HOLDS, evidence)
    return Claim(claim, holds_when(f"the noise is {' or '.join(fits)}") if fits else DOES_NOT_HOLD, evidence)


def judge_same(theory: Mapping[str, Sequence[float]]) -> Claim:
    """Equal efficiencies at every delta = beta."""
    gap = max(abs(one - other) for one, other in zip(theory["huber"], theory["smooth_l1"]))
    evidence = (
        f"At every delta = beta tried their efficiencies differ by at most {gap:.1g}: smooth L1 is Huber over"
        " delta, so that both are least at the same place (but a learning rate means something else)."
    )
    return Claim(
        "Huber and smooth L1 estimate the same when delta = beta.",
        HOLDS if gap < 1e-9 else DOES_NOT_HOLD,
        evidence,
    )


def judge_robust(sensitivity: Sequence[float], biases: Sequence[float], share: float) -> Claim:
    """Both measures of bias rise with delta."""
    import numpy

    rises = bool((numpy.diff(sensitivity) > -1e-9).all() and (numpy.diff(biases) > -1e-9).all())
    evidence = (
        "From the smallest delta to the largest, the most one observation moves the estimate (times n) goes"
        f" from {sensitivity[0]:.3f} to {sensitivity[-1]:.3f} sigma, and the worst bias of {share:.0%} bad"
        f" observations from {biases[0]:.3f} to {biases[-1]:.3f}."
    )
    return Claim("The smaller delta, the more robust.", HOLDS if rises else DOES_NOT_HOLD, evidence)


def judge_trade(efficiencies: Sequence[float], sensitivity: Sequence[float]) -> Claim:
    """Is there a delta that has nearly all of both?"""
    best = max(min(one, sensitivity[0] / other) for one, other in zip(efficiencies, sensitivity))
    evidence = (
        f"The best compromise keeps {best:.0%} of the efficiency of the mean and at the same time {best:.0%}"
        " of the robustness of the median."
    )
    return Claim(
        "You cannot have both: no delta keeps 95% of the efficiency of the mean and 95% of the robustness of"
        " the median.",
        DOES_NOT_HOLD if best > 0.95 else HOLDS,
        evidence,
    )


def judge_real(name: str, deltas: Any, variance: Sequence[float]) -> Claim:
    """Within 5% of the best variance any delta gave; by the formula, which has no noise of its own."""
    import numpy

    least = int(numpy.argmin(variance))
    here = float(numpy.interp(KNOWN, deltas, variance))
    evidence = (
        f"At {KNOWN:g} sigma the estimate has {here:.0%} of the variance of the mean; the least,"
        f" {variance[least]:.0%}, is at delta = {deltas[least]:.2g} sigma."
    )
    claim = (
        f"On the residuals of {name}, delta = {KNOWN:g} sigma is about as good as any (within 5% of the least"
        " variance)."
    )
    return Claim(claim, HOLDS if here <= 1.05 * variance[least] else DOES_NOT_HOLD, evidence)


def _done(sets: Sequence[Residuals], share: float) -> list[str]:
    names = " and of ".join(f"{each.name} ({len(each.sizes):,} rows)" for each in sets)
    return [
        (
            "Huber's loss is squared up to delta and linear beyond. For each delta, from the library's"
            " gradient: its efficiency for many observations (the variance of the best possible"
            " estimate over its own), the most that one observation can move it, and where it goes in the"
            f" worst case when {share:.0%} of the observations are replaced by ones infinitely far to one"
            " side. Delta is in units of sigma, estimated as the median absolute deviation over 0.6745."
        ),
        (
            f"The same was measured on the residuals of a linear model of {names}: the variance of the"
            " estimate over bootstrap samples relative to that of the mean, and how far it moves when"
            f" {share:.0%} of a sample is moved 100 sigma to one side."
        ),
    ]


def _theory(
    deltas: Any, by_noise: Mapping[str, Sequence[float]], biases: Sequence[float], share: float
) -> Chart:
    import numpy

    from losscope.report import Chart, Line, Panel

    mark = [(KNOWN, f"{KNOWN:g}")]
    lines_ = [Line(deltas, numpy.asarray(each) * 100, noise) for noise, each in by_noise.items()]
    left = Panel(
        "Efficiency in the limit",
        "delta (sigma)",
        "efficiency (% of the best possible)",
        lines_,
        x_scale="log",
        notes=mark,
    )
    right = Panel(
        f"Worst bias by {share:.0%} bad observations",
        "delta (sigma)",
        "bias (sigma)",
        [Line(deltas, biases, "Gaussian")],
        x_scale="log",
        notes=mark,
    )
    return Chart(
        [left, right],
        caption=(
            "A larger delta is better for Gaussian noise, a smaller one for heavy tails and against bad"
            " observations."
        ),
        name="theory",
    )


def _measured(deltas: Any, real: Mapping[str, Mapping[str, Any]], share: float) -> Chart:
    from losscope.report import Chart, Line, Panel, Points

    mark = [(KNOWN, f"{KNOWN:g}")]
    variances: list[Any] = []
    for name, found in real.items():
        variances.append(Line(deltas, [100 * each for each in found["plug_in_variance"]], name))
        variances.append(Points(deltas, [100 * each for each in found["variance"]], f"{name}, bootstrap"))
    left = Panel(
        "Variance on real residuals",
        "delta (sigma)",
        "variance (% of the mean's)",
        variances,
        x_scale="log",
        notes=mark,
    )
    shifts = [Line(deltas, found["bias"], name) for name, found in real.items()]
    right = Panel(
        f"Shift by {share:.0%} bad residuals",
        "delta (sigma)",
        "shift (sigma)",
        shifts,
        x_scale="log",
        notes=mark,
    )
    return Chart(
        [left, right],
        caption=(
            "The same on residuals of real data: variance by the formula of the limit (lines) and by"
            " bootstrap (points)."
        ),
        name="measured",
    )


def _table(
    deltas: Any,
    efficiencies: Sequence[float],
    sensitivity: Sequence[float],
    biases: Sequence[float],
    share: float,
) -> Table:
    import numpy

    from losscope.report import Table

    rows = []
    for delta in TABLED:
        eff, most, bias = (
            float(numpy.interp(delta, deltas, values)) for values in (efficiencies, sensitivity, biases)
        )
        rows.append([f"{delta:g}", f"{eff:.2%}", most, bias])
    return Table(
        ["delta (sigma)", "efficiency", "shift by one, times n", f"worst bias, {share:.0%} bad"],
        rows,
        caption="Gaussian noise, in the limit; biases in sigma",
    )


def _real_table(deltas: Any, real: Mapping[str, Mapping[str, Any]]) -> Table:
    import numpy

    from losscope.report import Table

    rows = []
    for name, found in real.items():
        for delta in TABLED:
            shown = [
                float(numpy.interp(delta, deltas, found[key]))
                for key in ("variance", "plug_in_variance", "bias")
            ]
            rows.append([name, f"{delta:g}", *shown])
    return Table(
        ["data", "delta (sigma)", "variance", "by formula", "shift (sigma)"],
        rows,
        caption=(
            "Real residuals: variance relative to the mean's, by bootstrap and by the formula of the limit"
        ),
    )

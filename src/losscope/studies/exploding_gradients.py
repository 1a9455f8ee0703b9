"""Study 8: What makes gradients explode or vanish: the loss, a wild target, depth, or the weights a network starts from?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.one_thread import one_thread
from losscope.report import Chart, Line, Panel, Table
from losscope.studies import blow_up, initial_weights, verdict
from losscope.studies.blow_up import CAUSES, DEPTH, TARGET, TIME
from losscope.studies.initial_weights import EXPLODED, geometric
from losscope.studies.networks import HES
from losscope.studies.study import Claim, Progress, Range, Result, say, silent
from losscope.studies.text import joined
from losscope.studies.views import Record, chart, label_of, pivot

L2, L1 = "squared_error", "absolute_error"
BOUNDED = (L1, "smooth_l1")
LOSSES = (L2, *BOUNDED)
SIZES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e6, 1e8)  # how far the wild target is off
LENGTHS = (2, 5, 10, 20, 30, 40, 50)
LEARNT = (1.0, 10.0, 100.0, 1e4)  # the same, where two ways to train are compared
OFF_BY = ("the target is off by {at:,.0f} or more", "the target is off by {at:,.0f} or less")
STARTED = (HES, 4.0, 6.0)  # variances of weights, times a layer's inputs
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)  # for both ways, each of which is taken at its best


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    steps: Annotated[int, Range(1, 10_000), "steps of SGD (30 at most with --quick)"] = 100,
    seeds: Annotated[int, Range(1, 500), "starts of every network"] = 8,
    learning_rate: Annotated[float, Range(0, above=True), "step of SGD"] = 0.01,
) -> Result:  # fmt: skip
    """Gradients at the start, by wild target, by depth and by initial weights; then plain SGD until it breaks."""
    starts = range(1000 * seed, 1000 * seed + seeds)  # so that another seed shares none of them
    steps = min(steps, 30) if quick else steps
    cases = [blow_up.wild(size) for size in SIZES]
    cases += [blow_up.extended(cause, *each) for cause in (DEPTH, TIME)
              for each in [*((length, v) for length in ((20,) if quick else (5, 20, 50)) for v in (HES, 4.0)), (50, 32.0)]]  # fmt: skip
    with one_thread():
        progress(0.0, say("initial weights"))
        weights = initial_weights.measure(starts)
        scaled = {
            variance: initial_weights.factors(ls.relu, variance, starts) for variance in (1.0, HES, 4.0)
        }
        deeper = initial_weights.measure_deeper(weights, starts)
        progress(0.2, say("gradients by length"))
        grown = [{"cause": cause, "variance": variance, "loss": loss, "norms": [blow_up.first_norms(blow_up.extended(cause, length, variance), loss, starts) for length in LENGTHS]}
                 for cause in (DEPTH, TIME) for variance in STARTED for loss in LOSSES]  # fmt: skip
        runs: list[Record] = []
        for at, case in enumerate(cases):
            progress(0.3 + 0.5 * at / len(cases), case["case"])
            runs += [each for loss in LOSSES for clip in (False, True)
                     for each in blow_up.train(case, loss, starts, steps, [learning_rate], clip)]  # fmt: skip
        progress(0.8, say("the best rates"))
        tuned = [each for size in LEARNT for loss, clip in ((L2, True), (L1, False))
                 for each in blow_up.train(blow_up.wild(size), loss, range(starts[0], starts[0] + 2 * seeds), 200, RATES, clip)]  # fmt: skip
    claims = [
        multiplied(scaled), wild_target(runs), to_nan(runs, learning_rate), keeps(grown), no_later(runs), clipping(runs),
        learning(tuned), *initial_weights.claims(weights, deeper),
    ]  # fmt: skip
    return Result(
        answer=answer(claims),
        done=done(seeds, steps, learning_rate),
        claims=claims,
        charts=[product(scaled, initial_weights.picture(weights)), by_length(grown), by_target(runs, tuned)],
        tables=[broken(runs), lengthened(grown), initial_weights.table(weights)],
        derivation=DERIVATION,
        mistakes=[initial_weights.named_after_he(seed, weights)],
        sources=SOURCES,
        numbers={"weights": weights, "deeper": deeper, "by_length": grown, "runs": runs, "tuned": tuned},
    )  # fmt: skip


def of(runs: Sequence[Record], **which: Any) -> list[Record]:
    return [run for run in runs if all(run[name] == value for name, value in which.items())]


def outcomes(runs: Sequence[Record], **which: Any) -> dict[int, dict[str, dict[str, Record]]]:
    """Seed -> case -> loss -> how the training went."""
    found: dict[int, dict[str, dict[str, Record]]] = {}
    for run in of(runs, **which):
        found.setdefault(run["seed"], {}).setdefault(run["case"], {})[run["loss"]] = run
    return found


def multiplied(scaled: Mapping[float, np.ndarray]) -> Claim:
    """Before the first step a change of all weights alone changes every factor alike: ReLUs stay on the same side."""
    gaps = np.array([np.log(each / scaled[HES]) - np.log(variance / HES) / 2 for variance, each in scaled.items()])  # fmt: skip
    exploded = np.log(scaled[4.0].prod(1)) - np.log(1000)
    told = joined([say("{factor:.2f} and {product:.1g} (variance {variance:g})", variance=variance, factor=geometric(each)[0], product=float(each[0].prod()))
                   for variance, each in scaled.items()], ", ")  # fmt: skip
    return Claim(
        say("Gradients explode because factors above 1 are multiplied through the layers."),
        verdict.theorem(np.append(-np.abs(gaps), exploded), 1e-9),
        say("By the chain rule a layer multiplies the gradient by its weights and its slopes. The same weights were scaled to three variances. The mean factor of a layer and the"
            " product of {depth} layers are then, from the first start, {told}. Every factor changes by the root of the ratio of the variances, to within {gap:.1g}.",
            depth=scaled[HES].shape[1], told=told, gap=float(np.abs(gaps).max())),
        "gradients",
    )  # fmt: skip


def firsts(runs: Sequence[Record], loss: str, size: float) -> np.ndarray:
    """The norms before the first step, with a target that is this far off."""
    return np.array([run["first"] for run in of(runs, cause=TARGET, clipped=False, loss=loss, outlier=size)])


def wild_target(runs: Sequence[Record]) -> Claim:
    """The norms before the first step, from the target that is off most to the one that is off least, start by start."""
    rise = {loss: verdict.mean(np.log(firsts(runs, loss, SIZES[-1]) / firsts(runs, loss, SIZES[0]))) for loss in LOSSES}  # fmt: skip
    return Claim(
        say("One wild target makes the gradient explode."),
        verdict.over({label_of(loss): verdict.more_than(each, np.log(1000)) for loss, each in rise.items()}, "the loss is {which}"),
        say("The gradient of the loss in the output is a factor of every other. With one target of {rows} off by {size:,.0f} in place of 1 the gradient is"
            " {0} times as large under squared error, {1} under L1 and {2} under smooth L1 (means and 99% intervals over the starts). A thousandfold counts as exploded.",
            *(each.shown(of=np.exp) for each in rise.values()), rows=blow_up.ROWS, size=SIZES[-1]),
        "gradients",
    )  # fmt: skip


def to_nan(runs: Sequence[Record], rate: float) -> Claim:
    """The share of the starts from which squared error breaks and the other two do not."""
    found, counts = {}, [0] * len(LOSSES)
    for size in SIZES:
        trained = outcomes(runs, cause=TARGET, clipped=False, outlier=size).values()
        broke = [[each[loss]["broke"] is not None for loss in LOSSES] for cases in trained for each in cases.values()]  # fmt: skip
        found[size] = verdict.share(sum(first and not any(others) for first, *others in broke), len(broke))
        counts = [count + sum(each) for count, each in zip(counts, zip(*broke))]
    of_all = len(trained)
    return Claim(
        say("One wild target drives training to NaN under squared error, and not under L1 or smooth L1."),
        verdict.along({size: verdict.more_than(each, 0.5) for size, each in found.items()},
                      "the target is off by {at:,.0f} or more, at a learning rate of {rate:g}", "the target is off by {at:,.0f} or less, at a learning rate of {rate:g}", rate=rate),
        say("Starts from which squared error alone broke: {told}; surely more than half of them count (by the 99% interval all of {starts} are at least {least:.0%}). In all, {0} of {count} trainings broke under squared error, {1} under L1 and {2} under"
            " smooth L1. It is the network that breaks: at a rate that is small enough, descent on a linear model does not,"
            " whatever the target (study `robustness`).", *counts, starts=of_all, least=verdict.share(of_all, of_all).low, count=sum(each.count for each in found.values()),
            told=joined([say("{won:.0f} of {count} (off by {size:,.0f})", won=each.estimate * each.count, count=each.count, size=size)
                         for size, each in found.items()], ", ")),
        "gradients",
    )  # fmt: skip


def growth(run: Record) -> np.ndarray:
    """By what a further layer multiplies the gradient, for each start: the slope of the norm's logarithm over the length."""
    return np.exp(np.polyfit(LENGTHS, np.log(np.maximum(run["norms"], 1e-300)), 1)[0])


def keeps(grown: Sequence[Record]) -> Claim:
    """Judged at the variances at which the gradient of squared error surely explodes: surely not that of the others?"""
    judged, told = {}, []
    for cause, variance in dict.fromkeys((run["cause"], run["variance"]) for run in grown):
        each = [verdict.mean(growth(run)) for loss in LOSSES for run in of(grown, cause=cause, variance=variance, loss=loss)]  # fmt: skip
        place = "{0:.2f}, {1:.2f} and {2:.2f} (layers, variance {variance:g})" if cause == DEPTH else "{0:.2f}, {1:.2f} and {2:.2f} (time steps, variance {variance:g})"  # fmt: skip
        told.append(say(place, *(factor.estimate for factor in each), variance=variance))
        squared, *bounded = (verdict.more_than(factor, EXPLODED) for factor in each)
        if squared == verdict.HOLDS:
            words = say("the cause is {cause}, at a variance of {variance:g}", cause=cause, variance=variance)
            calm = verdict.HOLDS if set(bounded) == {verdict.DOES_NOT_HOLD} else verdict.NOT_DECIDED
            judged[words] = verdict.DOES_NOT_HOLD if verdict.HOLDS in bounded else calm
    return Claim(
        say("A loss whose own gradient is bounded keeps the gradient of a deep or recurrent network from exploding."),
        verdict.over(judged) if judged else verdict.NOT_DECIDED,
        say("What a further layer or time step multiplies the gradient by, under squared error, L1 and smooth L1: {told}; a table has"
            " the intervals. A thousandfold over 50 counts as exploded. Under squared error the output, which grows as well, is a factor of the gradient, too.", told=joined(told)),
        "gradients",
    )  # fmt: skip


def no_later(runs: Sequence[Record]) -> Claim:
    """Than both others, from the same start: the share of the starts in none of whose cases it breaks later."""
    found, told = {}, []
    for cause in CAUSES:
        ahead, counts = [], np.zeros(3, int)
        for cases in outcomes(runs, cause=cause, clipped=False).values():
            steps = [[each[loss]["broke"] or np.inf for loss in LOSSES] for each in cases.values()]
            pairs = [(first, min(others)) for first, *others in steps if min(first, *others) < np.inf]
            counts += [sum(first < other for first, other in pairs), sum(first == other for first, other in pairs), sum(first > other for first, other in pairs)]  # fmt: skip
            ahead += [all(first <= other for first, other in pairs)] if pairs else []
        found[say("the cause is {cause}", cause=cause)] = verdict.more_than(verdict.share(sum(ahead), len(ahead)), 0.5)  # fmt: skip
        told.append(say("{0}, {1} and {2} ({cause}: none later from {won} of {starts} starts)", *map(int, counts), cause=cause, won=sum(ahead), starts=len(ahead)))  # fmt: skip
    return Claim(
        say("Where training breaks, squared error breaks no later than L1 and smooth L1."),
        verdict.over(found),
        say("In how many trainings (a start in one of the cases) it broke sooner than both, at the same step, and later: {told}. Surely more than half of the starts"
            " without a later one count as none. The table has the steps.", told=joined(told)),
        "gradients",
    )  # fmt: skip


def clipping(runs: Sequence[Record]) -> Claim:
    """The share of the starts none of whose trainings breaks with clipping, among those that break without."""
    finite, over = say("the first gradient is finite"), say("the first gradient overflows")
    counts = {words: [0, 0] for words in (finite, over)}
    saved: dict[str, dict[int, bool]] = {finite: {}, over: {}}
    clipped = {(run["case"], run["loss"], run["seed"]): run for run in of(runs, clipped=True)}
    for run in of(runs, clipped=False):
        if run["broke"] is not None:
            words = finite if np.isfinite(run["first"]) else over
            again = clipped[run["case"], run["loss"], run["seed"]]["broke"] is not None
            counts[words] = [counts[words][0] + 1, counts[words][1] + again]
            saved[words][run["seed"]] = saved[words].get(run["seed"], True) and not again
    shares = {words: verdict.share(sum(each.values()), len(each)) for words, each in saved.items()}
    return Claim(
        say("Clipping the norm of the gradient to 1 keeps plain SGD from NaN."),
        verdict.over({words: verdict.more_than(each, 0.5) for words, each in shares.items()}),
        say("Of {0} trainings that broke though their first gradient was finite, {1} broke with clipping, too; of {2} whose first gradient overflowed, {3}: there is"
            " nothing left to clip. Clipping helped in all cases from {helped} of the starts in the first group, from {not_helped} in the second; more than half of them decide.",
            *counts[finite], *counts[over], helped=shares[finite].shown(".0%"), not_helped=shares[over].shown(".0%")),
        "gradients",
    )  # fmt: skip


def at_best(tuned: Sequence[Record], loss: str, size: float) -> np.ndarray:
    """The errors of all starts at the rate whose median error is least."""
    errors = [[run["error"] for run in of(tuned, loss=loss, outlier=size, **{"learning rate": rate})] for rate in RATES]  # fmt: skip
    return np.array(min(errors, key=np.median))


def learning(tuned: Sequence[Record]) -> Claim:
    """As well: an error at most half as large again, start by start."""
    times = {
        size: verdict.mean(np.log(at_best(tuned, L2, size) / at_best(tuned, L1, size))) for size in LEARNT
    }
    return Claim(
        say("With its gradient clipped, squared error learns the clean rows as well as L1 does."),
        verdict.along({size: verdict.more_than(-each, -np.log(1.5)) for size, each in times.items()}, *OFF_BY),
        say("How many times as large the error on the clean rows is after 200 steps, each at the best of {count} rates, under clipped squared error as under plain L1: {told}; means and 99%"
            " intervals over the starts. At most 1.5 times counts as as well. Clipping shortens the step and does not turn it: the further off the wild target, the more it decides where the step goes.", count=len(RATES),
            told=joined([say("off by {size:,.0f}, {times}", times=each.shown(of=np.exp), size=size) for size, each in times.items()])),
        "gradients",
    )  # fmt: skip


def answer(claims: Sequence[Claim]) -> str:
    product, target, _, deep, *_, default, _ = (claim.verdict for claim in claims)
    return joined([
        say("The weights that the network starts from: every layer multiplies the gradient by a factor, and the product of many factors above 1 explodes, of many below 1 vanishes."
            if product == verdict.HOLDS else "The factors of the layers do not explain it in these runs."),
        say("A wild target makes it explode, too, under squared error alone." if target.startswith("holds when") else "What a wild target adds is in the verdicts below."),
        say("A bounded loss does not keep the gradient of a deep network from exploding, and PyTorch's default weights make it vanish." if deep == default == verdict.DOES_NOT_HOLD else
            "What a bounded loss and PyTorch's default weights do is in the verdicts below."),
    ], " ")  # fmt: skip


def product(scaled: Mapping[float, np.ndarray], decided: Panel) -> Chart:
    """The first start: the factors, and their product; then what decides them."""
    panels = [Panel(title, say("layers behind it (from the output)"), label,
                    [Line(range(1, len(each[0]) + 1), view(each[0]), say("variance {variance:g}", variance=variance)) for variance, each in scaled.items()], y_scale=scale)
              for title, label, view, scale in ((say("What each layer multiplies by"), say("factor"), np.asarray, "linear"),
                                                (say("The product"), say("gradient that arrives (times)"), np.cumprod, "log"))]  # fmt: skip
    return Chart([*panels, decided], name="product", columns=3, caption=say("A gradient on its way back through 50 ReLU layers, whose weights have these variances times the width: from layer to layer the"
                 " factors look much alike, their products do not. Last, the factor by activation and initial weights: 1 lets the gradient through, less makes it vanish, more makes it explode."))  # fmt: skip


def by_length(grown: Sequence[Record]) -> Chart:
    views = [{"loss": run["loss"], "where": say("Layers, variance {variance:g}", variance=run["variance"]), "length": LENGTHS, "norm": np.median(run["norms"], axis=1)}
             for run in grown if run["cause"] == DEPTH and run["variance"] in (HES, 4.0)]  # fmt: skip
    return chart(views, "norm", x="length", panel="where", name="length", columns=2, y_scale="log", labels=(say("layers"), say("norm of the whole gradient")),
                 caption=say("How the gradient grows with depth, before the first step; medians over the starts. He's variance is 2."))  # fmt: skip


def by_target(runs: Sequence[Record], tuned: Sequence[Record]) -> Chart:
    off = say("how far one target is off")
    first = [Line(SIZES, [np.median(firsts(runs, loss, size)) for size in SIZES], label_of(loss)) for loss in LOSSES]  # fmt: skip
    learnt = [Line(LEARNT, [np.median(at_best(tuned, loss, size)) for size in LEARNT], label)
              for loss, label in ((L2, say("squared error, clipped")), (L1, label_of(L1)))]  # fmt: skip
    return Chart([Panel(say("Before the first step"), off, say("norm of the whole gradient"), first, x_scale="log", y_scale="log"),
                  Panel(say("After 200 steps, each at its best rate"), off, say("median error on the clean rows"), learnt, x_scale="log", y_scale="log")],
                 name="target", columns=2, caption=say("One target of 64 is wild; medians over the starts."))  # fmt: skip


def broken(runs: Sequence[Record]) -> Table:
    cells: dict[tuple[str, str], list[Any]] = {}
    for run in runs:
        how = say("{loss}, clipped", loss=label_of(run["loss"])) if run["clipped"] else label_of(run["loss"])
        cells.setdefault((run["case"], how), []).append(run["broke"])
    found = [{"case": case, "how": how, "broke": [step for step in each if step], "count": len(each)} for (case, how), each in cells.items()]  # fmt: skip
    return pivot(found, ("case",), "how", lambda each: say("{broken} of {count}, step {step:g}", broken=len(each["broke"]), count=each["count"], step=float(np.median(each["broke"])))
                 if each["broke"] else "-", caption=say("Starts from which SGD broke, and the median step at which it did"))  # fmt: skip


def lengthened(grown: Sequence[Record]) -> Table:
    runs = [{**run, "what is longer": run["cause"]} for run in grown]
    return pivot(runs, ("what is longer", "variance"), "loss", lambda run: verdict.mean(growth(run)).shown(".3f"),
                 caption=say("What a further layer or time step multiplies the gradient by: means and 99% intervals over the starts"))  # fmt: skip


def done(seeds: int, steps: int, rate: float) -> list[str]:
    return [
        say("Networks of ReLU layers, 32 wide, fit 64 rows of a linear target with a little noise (targets are about 1 in size) under squared error, absolute error and smooth L1. Three"
            " things are increased: how far one target is off, the number of layers, and the time steps of a recurrent network, from {seeds} starts (twice as many where rates are tuned). Weights are drawn with a variance that"
            " is given times the width, the number of a layer's inputs: at 2 a ReLU layer keeps the size of what goes through it.", seeds=seeds),
        say("Then plain SGD runs at a rate of {rate:g} on all rows at once in float32, for {steps} steps, with and without clipping"
            " the norm of the whole gradient to 1. It breaks when the loss or the gradient is no longer finite.", rate=rate, steps=steps),
        say("For the initial weights a random gradient is sent back through 50 layers of 64 units of each activation, without biases; PyTorch's default is drawn by `torch.nn.Linear` itself, biases too."
            " The factor is the geometric mean over the layers. A thousandfold over 50 layers counts as exploded, a thousandth as vanished."),
    ]  # fmt: skip


DERIVATION = [
    say("Layer l of n units turns the state before it into its own, and the chain rule sends the gradient back:"),
    r"$h_l = \phi(z_l), \quad z_l = W_l\,h_{l-1}, \quad g_{l-1} = W_l^{\top}\,(\phi^{\prime}(z_l)\,g_l)$",
    say("With independent weights of mean 0 and variance v/n, the square of the gradient grows on average by"),
    r"$\frac{E\,|g_{l-1}|^2}{E\,|g_l|^2} = n \cdot \frac{v}{n} \cdot E\,\phi^{\prime}(z)^2 = v\,E\,\phi^{\prime}(z)^2$",
    say("ReLU has slope 1 half of the time, so that v = 2 keeps the mean square of the gradient (He). The slope of tanh is nearly 1 near 0, so that v = 1 does (Glorot). That of the sigmoid is 1/4 at most, so"
        " that the factor is at most a quarter of the root of v. PyTorch's default is uniform up to the root of 1/n:"),
    r"$v = n \cdot \frac{(1/\sqrt{n})^2}{3} = \frac{1}{3}$",
    say("Over L layers the factors multiply:"),
    r"$|g_0| \approx \left(v\,E\,\phi^{\prime}(z)^2\right)^{L/2} |g_L|$",
]  # fmt: skip
SOURCES = [
    say("X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks (AISTATS 2010), proceedings.mlr.press/v9/glorot10a.html."),
    say("K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers (ICCV 2015), doi:10.1109/ICCV.2015.123."),
    say("R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks (ICML 2013), doi:10.48550/arXiv.1211.5063."),
    say("B. Poole et al., Exponential expressivity in deep neural networks through transient chaos (NeurIPS 2016), doi:10.48550/arXiv.1606.05340: where the gradient neither vanishes nor"
        " explodes, by activation and variance."),
]  # fmt: skip

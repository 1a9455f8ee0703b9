"""Study 5: Regression: squared error; classification: cross-entropy. When is that good advice, and when not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from losscope.one_thread import one_thread
from losscope.report import Bars, Chart, Panel, Table
from losscope.studies import damage, gains, problems, verdict
from losscope.studies.damage import AS_THEY_ARE, FIFTH, TWO_FIFTHS, WHEN
from losscope.studies.datasets import mnist
from losscope.studies.gains import METRICS, drawn, each_loss, gain, least, matters, pairs, shown
from losscope.studies.known_noise import NOISES, SKEWED, WHERE, to_the_mean
from losscope.studies.study import HOLDS, NOT_DECIDED, Claim, Progress, Range, Result, say, silent
from losscope.studies.text import joined
from losscope.studies.trials import ABSOLUTE, CROSS, FOR_CLASSES, FOR_NUMBERS, SIGMOID, SQUARED, tried
from losscope.studies.tuned import Plan
from losscope.studies.views import Record, label_of, pivot

AGAINST, FOR = "against {loss}, {much}", "for {loss}, {much}"
DAMAGES = {FOR_NUMBERS: damage.OF_NUMBERS, FOR_CLASSES: damage.OF_CLASSES}
RATES, QUICK_RATES = (0.003, 0.01, 0.03, 0.1), (0.01, 0.05)


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    data: Annotated[tuple[str, ...], "tables of your own (CSV or Parquet), as more data sets"] = (),
    target: Annotated[tuple[str, ...], "which column of each of these tables to predict"] = (),
    data_dir: Annotated[Path | None, "folder of MNIST's files, as one more data set"] = None,
    splits: Annotated[int, Range(2, 1000), "splits of each data set into training, validation and test rows (at most 4 with --quick)"] = 30,
    epochs: Annotated[int, Range(1, 1000), "epochs of training, of which the best is kept (at most 12 with --quick)"] = 25,
    hidden: Annotated[int, Range(0, 1024), "ReLUs of the hidden layer; 0: a linear model"] = 32,
) -> Result:  # fmt: skip
    """Every loss on every data set, from the targets as they are and from damaged ones, by several metrics."""
    sets = [*problems.regressions(seed), *problems.classifications(seed), *problems.own(data, target, seed)]
    sets += [problems.few(mnist(data_dir), seed)] if data_dir else []
    splits, epochs = (min(splits, 4), min(epochs, 12)) if quick else (splits, epochs)
    plan, runs = Plan(QUICK_RATES if quick else RATES, epochs, hidden), list[Record]()
    with one_thread():
        for number, each in enumerate(sets):
            progress(0.95 * number / len(sets), each.name)
            runs += tried(each, splits, seed, plan)
        progress(0.95, say("noise of a known shape"))
        known = to_the_mean(16 if quick else 40, seed)
    sound, gross, heavy, capped = (
        advised(SQUARED, FOR_NUMBERS, runs),
        *(robust(runs, each) for each in (damage.GROSS, damage.HEAVY, damage.CAPPED)),
    )
    classes, unfit, wrong = advised(CROSS, FOR_CLASSES, runs), no_loss_for_classes(runs), wrong_labels(runs)
    return Result(
        answer=answered(sound, gross, heavy, classes, wrong),
        done=done(runs, splits, plan),
        claims=[sound, gross, heavy, capped, its_own_metric(runs), only_gaussian(known), classes, unfit, wrong],
        charts=[picture(runs), more(runs, known)],
        tables=[differences(runs), scores(runs), rates(runs, plan)],
        derivation=DERIVATION,
        sources=SOURCES,
        numbers={"runs": runs, "known_noise": known},
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- the claims


def advised(rule: str, losses: tuple[str, ...], runs: Sequence[Record]) -> Claim:
    """No rival is better by what matters."""
    found = {
        (rival, metric): gain(runs, AS_THEY_ARE, metric, rival, rule)
        for metric in METRICS[losses]
        for _, rival in pairs(losses, metric)
    }
    judged = {
        say(metric): verdict.every(
            verdict.more_than(-each, -least(metric)) for (_, by), each in found.items() if by == metric
        )
        for metric in METRICS[losses]
    }
    return Claim(
        say("For regression, use squared error: on sound targets absolute error and Huber are not clearly better.") if losses == FOR_NUMBERS else say("For classification, use cross-entropy: with right labels squared error is not clearly better."),
        verdict.over(judged, "it is judged by {which}"),
        say("How much better the others are when the targets are left as they are, on average over {count} tables (99% interval): {shown}. Clearly means by more than"
            " {matters}.", count=max(each.count for each in found.values()), shown=each_loss(found, FOR),
            matters=joined([matters(metric) for metric in METRICS[losses]], ", ")),
        "squared error" if losses == FOR_NUMBERS else "cross-entropy",
    )  # fmt: skip


ROBUST: Mapping[str, str] = {
    damage.GROSS: say("With gross errors in the targets, absolute error or Huber is clearly better than squared error."),
    damage.HEAVY: say("With heavy-tailed noise in the targets, absolute error or Huber is clearly better than squared error."),
    damage.CAPPED: say("With capped targets, absolute error or Huber is clearly better than squared error."),
}  # fmt: skip


def robust(runs: Sequence[Record], how: str) -> Claim:
    """One of the two has to be better, by both metrics and by what matters."""
    found = {(rival, metric): gain(runs, how, metric, rival, SQUARED) for rival in FOR_NUMBERS[1:] for metric in METRICS[FOR_NUMBERS]}  # fmt: skip
    better = [
        verdict.every(
            verdict.more_than(found[rival, metric], least(metric)) for metric in METRICS[FOR_NUMBERS]
        )
        for rival in FOR_NUMBERS[1:]
    ]
    return Claim(
        ROBUST[how],
        verdict.some(better),
        say("How much less the error on sound test rows is than squared error's if {when}, over the tables: {shown}. Clearly means by both metrics, and by more than {least:.0%}.",
            when=WHEN[how], shown=each_loss(found, FOR), least=gains.MATTERS["MAE"]),
        "absolute error",
    )  # fmt: skip


def its_own_metric(runs: Sequence[Record]) -> Claim:
    each = gain(runs, AS_THEY_ARE, "MAE", ABSOLUTE, SQUARED)
    best = gains.gains(runs, AS_THEY_ARE, "MAE", ABSOLUTE, SQUARED)
    most = max(best, key=lambda name: best[name])
    return Claim(
        say("If the mean absolute error is what counts, training on it is clearly better than on squared error."),
        verdict.more_than(each, least("MAE")),
        say("How much less it is when the targets are left as they are: {shown}. It depends on the data: {share:.1f}% on the one where it gains most ({name}). Clearly means"
            " by more than {least:.0%}.", shown=shown("MAE", each), name=say(most), share=float(drawn("MAE", best[most])), least=gains.MATTERS["MAE"]),
        "absolute error",
    )  # fmt: skip


def only_gaussian(known: Sequence[Record]) -> Claim:
    """Another loss must be nearer to the mean by what matters, sample by sample."""
    of = {(each["noise"], each["loss"]): np.log(each["distances"]) for each in known}
    found = {
        noise: {rival: verdict.mean(of[noise, SQUARED] - of[noise, rival]) for rival in FOR_NUMBERS[1:]}
        for noise in NOISES
    }
    nearer = {
        noise: verdict.some(verdict.more_than(each, least("RMSE")) for each in found[noise].values())
        for noise in (damage.HEAVY, SKEWED)
    }
    return Claim(
        say("Unless the noise is Gaussian, another loss finds the mean better than squared error."),
        verdict.over({WHERE[noise]: each for noise, each in nearer.items()}),
        say("How far from the true mean each is, as a multiple of squared error's distance: {shown}. Better means nearer by more than {nearer:.0%}. Squared error is least at the mean whatever the noise;"
            " absolute error is least at the median, which under skewed noise is another number.",
            nearer=gains.MATTERS["RMSE"], shown=joined([say("{loss} {0:.2f} ({1:.2f} to {2:.2f}) when {noise}", *(float(np.exp(-end)) for end in (each.estimate, each.high, each.low)),
                              noise=WHERE[noise], loss=label_of(rival)) for noise, rivals in found.items() for rival, each in rivals.items()])),
        "squared error",
    )  # fmt: skip


def no_loss_for_classes(runs: Sequence[Record]) -> Claim:
    found = {other: gain(runs, AS_THEY_ARE, "accuracy", CROSS, other) for other in FOR_CLASSES[1:]}
    return Claim(
        say("Squared error is no loss for classification: cross-entropy is clearly more accurate."),
        verdict.over({HOW[other]: verdict.more_than(each, least("accuracy")) for other, each in found.items()}, "squared error is taken {which}"),
        say("How much more accurate it is, each loss at its best learning rate and epoch: {shown}. Clearly means by more than {matters}.", matters=matters("accuracy"),
            shown=each_loss({(other, "accuracy"): each for other, each in found.items()}, AGAINST)),
        "cross-entropy",
    )  # fmt: skip


HOW = {SIGMOID: say("through a sigmoid"), SQUARED: say("of raw outputs")}


def wrong_labels(runs: Sequence[Record]) -> Claim:
    found = {(how, metric): gain(runs, how, metric, SIGMOID, CROSS) for how in (FIFTH, TWO_FIFTHS) for metric in METRICS[FOR_CLASSES]}  # fmt: skip
    return Claim(
        say("Where labels are wrong, squared error through a sigmoid is more accurate than cross-entropy."),
        verdict.over({WHEN[how]: verdict.more_than(each, least(metric)) for (how, metric), each in found.items() if metric == "accuracy"}),
        say("How much better squared error through a sigmoid does on right labels, on average over {count} tables: {shown}. More accurate means by more than {matters}. What one wrong label can add to it is bounded; to cross-entropy it"
            " is not.", count=max(each.count for each in found.values()), matters=matters("accuracy"), shown=joined([say("with {damage}, {much}", damage=how, much=joined([shown(metric, found[how, metric]) for metric in METRICS[FOR_CLASSES]], ", "))
                                                for how in (FIFTH, TWO_FIFTHS)])),
        "cross-entropy",
    )  # fmt: skip


def answered(sound: Claim, gross: Claim, heavy: Claim, classes: Claim, wrong: Claim) -> str:
    """The sentences follow the verdicts."""
    # fmt: off
    first: Any = {
        HOLDS: say("For numbers it is good advice as long as the targets are sound: absolute error and Huber are then not clearly better."),
        NOT_DECIDED: say("For numbers these runs do not decide whether squared error is as good as other losses when the targets are sound."),
    }
    third: Any = {
        HOLDS: say("For classes cross-entropy is as good as squared error when the labels are right."),
        NOT_DECIDED: say("For classes these runs do not decide whether cross-entropy is as good as squared error when the labels are right."),
    }
    said = [first.get(sound.verdict, say("For numbers, that squared error is as good as other losses {verdict}.", verdict=sound.verdict))]
    if gross.verdict == HOLDS:
        said.append(say("With gross errors or heavy tails in the targets it is bad advice, for it squares them: take absolute error or Huber.") if heavy.verdict == HOLDS
                    else say("With gross errors in the targets it is bad advice, for it squares them: take absolute error or Huber."))
    said.append(third.get(classes.verdict, say("For classes, that cross-entropy is as good as squared error {verdict}.", verdict=classes.verdict)))
    if wrong.verdict == HOLDS:
        said.append(say("Where labels are wrong, squared error through a sigmoid is the more accurate."))
    # fmt: on
    return joined(said, " ")


# ------------------------------------------------------------------------------------ pictures and tables


def picture(runs: Sequence[Record]) -> Chart:
    """What the choice is worth: how much better each rival is than the rule's loss."""
    heads = {"RMSE": say("RMSE less than squared error's (%)"), "MAE": say("MAE less than squared error's (%)"),
             "accuracy": say("accuracy more than cross-entropy's (points)"), "Brier score": say("Brier score less than cross-entropy's (hundredths)")}  # fmt: skip
    panels = []
    for losses, metrics in METRICS.items():
        for metric in metrics[:2]:
            bars = []
            for rule, rival in pairs(losses, metric):
                found = [gain(runs, how, metric, rival, rule) for how in DAMAGES[losses]]
                value, low, high = drawn(metric, [[each.estimate, each.low, each.high] for each in found]).T
                bars.append(Bars(DAMAGES[losses], value, label_of(rival), low=low, high=high))
            panels.append(Panel(say("Regression: {metric}", metric=metric) if losses == FOR_NUMBERS else say("Classification: {metric}", metric=say(metric)),
                                heads[metric], say("training targets"), bars))  # fmt: skip
    return Chart(panels, caption=say("What another loss than the rule's is worth: to the right of 0 it is better. Means over the tables with their 99% intervals, on sound test"
                                     " rows. In classification squared error without a sigmoid is that of raw outputs."), name="rivals", columns=2)  # fmt: skip


def more(runs: Sequence[Record], known: Sequence[Record]) -> Chart:
    """Each data set, and noise of a known shape."""
    panels = []
    for losses, metric, head in (
        (FOR_NUMBERS, "MAE", say("MAE less than squared error's (%)")),
        (FOR_CLASSES, "accuracy", say("accuracy more than cross-entropy's (points)")),
    ):
        bars = []
        for rule, rival in pairs(losses, metric):
            each = gains.gains(runs, AS_THEY_ARE, metric, rival, rule)
            bars.append(
                Bars([say(name) for name in each], drawn(metric, list(each.values())), label_of(rival))
            )
        panels.append(Panel(say("Each data set: {metric}", metric=say(metric)), head, say("data"), bars))
    near = []
    for loss in FOR_NUMBERS:
        found = [verdict.mean(one["distances"]) for one in known if one["loss"] == loss]
        near.append(
            Bars(
                list(NOISES),
                np.round([each.estimate for each in found], 2),
                label_of(loss),
                low=[each.low for each in found],
                high=[each.high for each in found],
            )
        )
    panels.append(
        Panel(
            say("How near to the true mean"),
            say("distance from the true mean (units of y)"),
            say("noise"),
            near,
        )
    )
    return Chart(panels, caption=say("What another loss is worth on each data set, from the targets as they are; and how near linear models of ten coefficients, fitted exactly to"
                                     " 600 rows, come to the true mean (with 99% intervals)."), name="data-sets", columns=3)  # fmt: skip


def differences(runs: Sequence[Record]) -> Table:
    rows = [[how, label_of(rival), label_of(rule), shown(metric, gain(runs, how, metric, rival, rule))]
            for losses, metrics in METRICS.items() for how in DAMAGES[losses] for metric in metrics for rule, rival in pairs(losses, metric)]  # fmt: skip
    return Table([say("training targets"), say("loss"), say("compared with"), say("how much better the loss is")], rows,
                 caption=say("How much better each loss is than the rule's, an error in percent of that of the rule's: means over the tables with their 99% intervals"))  # fmt: skip


def scores(runs: Sequence[Record]) -> Table:
    """Means over the splits, and the spread from one split to another."""
    cells = [{**run, "metric": say(metric), "cell": (float(np.mean(run[metric])), float(np.std(run[metric], ddof=1)))}
             for metrics in METRICS.values() for run in runs for metric in metrics if metric in run and run["damage"] == AS_THEY_ARE]  # fmt: skip
    return pivot(cells, ("data", "metric"), "loss", lambda cell: cell["cell"], caption=say("Each data set from the targets as they are: mean and standard deviation over the splits"))  # fmt: skip


def rates(runs: Sequence[Record], plan: Plan) -> Table:
    rows = []
    for losses, task in ((FOR_NUMBERS, say("regression")), (FOR_CLASSES, say("classification"))):
        for loss in losses:
            kept = np.concatenate(
                [run["rates"] for run in runs if run["loss"] == loss and METRICS[losses][0] in run]
            )
            rows.append([task, label_of(loss), *(float(100 * np.mean(kept == rate)) for rate in plan.rates)])
    return Table([say("task"), say("loss"), *(f"{rate:g}" for rate in plan.rates)], rows, caption=say("How often each learning rate was the best (% of the runs)"))  # fmt: skip


def done(runs: Sequence[Record], splits: int, plan: Plan) -> list[str]:
    spread = {metric: float(np.median([np.std(np.log(run[metric]) if metric in METRICS[FOR_NUMBERS] else run[metric], ddof=1) for run in runs
                                       if run["damage"] == AS_THEY_ARE and metric in run])) for metric in ("RMSE", "accuracy")}  # fmt: skip
    sets = {losses: len({run["data"] for run in runs if METRICS[losses][0] in run}) for losses in METRICS}
    return [
        say("Every loss trains the same network, {hidden}, with Adam, on {numbers} targets that are numbers and {classes} problems of classes: columns of"
            " scikit-learn's bundled sets, made ones whose truth is known, and any table of your own (`--data`, `--target`). Each is split {splits} times: 60% of"
            " the rows train, 20% validate, 20% test. Each loss keeps the learning rate (of {rates}) and the epoch (of {epochs}) at which its own value on the validation rows"
            " is least, so all are tuned alike. Start, batches and rows are the same for every loss.",
            hidden=say("one hidden layer of {count} ReLUs", count=plan.hidden) if plan.hidden else say("a linear model"), numbers=sets[FOR_NUMBERS],
            classes=sets[FOR_CLASSES], splits=splits, rates=", ".join(f"{rate:g}" for rate in plan.rates), epochs=plan.epochs),
        say("The targets of the training and validation rows are used as they are, and damaged: noise with heavy tails (Student's t with 1.5 degrees of freedom, times half the"
            " standard deviation), a tenth of them ten times too large, a cap at the 70th percentile; or 20% or 40% of the labels wrong. Test rows stay sound."),
        say("Losses are compared split by split, data set by data set: an error by the logarithm of the ratio, all else by the difference. Several targets come"
            " from one table and are not independent: their mean is one value, and every interval is over the tables. What matters is about half of what another split of the"
            " same data changes (here {rmse:.0%} of the RMSE, {points:.1f} points of accuracy).", rmse=spread["RMSE"], points=100 * spread["accuracy"]),
        say("Probabilities are the softmax under cross-entropy, sigmoids divided by their sum under squared error through a sigmoid, and under squared error of raw outputs the"
            " nearest point whose parts are 0 or more and sum to 1; that can be 0, so it has no log loss."),
    ]  # fmt: skip


DERIVATION = [
    say("Each of these losses is the negative logarithm of a likelihood, up to constants. Squared error is that of Gaussian noise:"),
    r"$-\log\,\frac{1}{\sqrt{2\pi}\,\sigma}\,e^{-(y - a)^2/(2\sigma^2)} = \frac{(y - a)^2}{2\sigma^2} + \log(\sqrt{2\pi}\,\sigma)$",
    say("Absolute error is that of Laplace noise, whose tails are heavier:"),
    r"$-\log\,\frac{1}{2b}\,e^{-|y - a|/b} = \frac{|y - a|}{b} + \log 2b$",
    say("And cross-entropy is that of classes, where the network says how likely each is:"),
    r"$-\log\,\prod_k p_k^{y_k} = -\sum_k y_k \log p_k$",
    say("The likelihood says which loss is the most precise. It does not say what a loss aims at: squared error aims at the mean under any noise, because"),
    r"$\frac{d}{da}\,E(y - a)^2 = -2\,(E\,y - a) = 0 \;\Rightarrow\; a = E\,y$",
    say("and with one-hot targets that mean is the vector of the classes' probabilities: squared error and cross-entropy aim at the same."),
]  # fmt: skip
SOURCES = [
    say("P. J. Huber, Robust estimation of a location parameter (Ann. Math. Statist. 35, 1964), doi:10.1214/aoms/1177703732."),
    say("L. Hui and M. Belkin, Evaluation of neural architectures trained with square loss vs cross-entropy (ICLR 2021),"
        " doi:10.48550/arXiv.2006.07322: tuned, squared error is as good on many tasks."),
    say("A. Ghosh, H. Kumar and P. S. Sastry, Robust loss functions under label noise for deep neural networks (AAAI 2017),"
        " doi:10.1609/aaai.v31i1.10894."),
]  # fmt: skip

"""Study 3: Does squared error learn slowly when a sigmoid neuron is badly wrong?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.errors import LossError, complain
from losscope.report import Chart, Line, Panel, Points, name_of
from losscope.studies import verdict
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Mistake, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.views import Record, chart, pivot, tangent

TARGET = 0.0
# Each rule: the loss, and what that is a function of. The wrong one takes the slope in a for the slope in z.
SQUARED, CROSS, WRONG = (
    "half_squared_error@sigmoid",
    "binary_cross_entropy",
    "binary cross-entropy, wrong rule",
)
WRONG_LOSS = "binary_cross_entropy_of_probability"
RATES = tuple(0.15 * 2.0**k for k in range(11))  # for every loss alike
DEMONSTRATED_RATE, DEMONSTRATED, NIELSENS_STARTS = 0.005, [0.04, 0.05], (1.5, 4.0)
Z = np.linspace(-9, 9, 721)
ERRORS = np.arange(0.3, 1.0, 0.04)  # from which a neuron starts, for how fast it learns at first
NEAR, FAR = 0.1, 0.5  # errors: close to the truth, and half way to being as wrong as can be


def learn(rule: str, start: float, rate: float, epochs: int) -> Record:
    """Plain gradient descent on one example of input 1, so that z = w + b, and dz/dw = dz/db = 1."""
    loss = ls.get(WRONG_LOSS if rule == WRONG else rule)
    z, outputs, losses, slopes = start, [], [], []
    for _ in range(epochs + 1):
        a = float(ls.sigmoid([z])[0])
        value, slope = loss.value_and_grad([a if rule == WRONG else z], [TARGET])
        outputs.append(a)
        losses.append(float(value))
        slopes.append(float(slope[0]))
        z -= 2 * rate * slopes[-1]  # w and b take the same step
    return {"loss": rule, "learning rate": f"{rate:g}", "start": outputs[0], "end": outputs[-1],
            "outputs": outputs, "losses": losses, "gradients": slopes}  # fmt: skip


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    learning_rate: Annotated[float, Range(0, above=True), "step of gradient descent"] = 0.15,
    epochs: Annotated[int, Range(1, 100_000), "steps"] = 300,
    start: Annotated[tuple[float, ...], Range(-30, 30), "weighted inputs w + b to start from"] = (1.5, 4.0),
    loss: Annotated[tuple[str, ...], "more losses of a raw score to run beside the two"] = (),
) -> Result:  # fmt: skip
    """The same neuron from each start under each loss, and under a wrong update rule that is well known."""
    rules = tuple(dict.fromkeys((SQUARED, CROSS, *(_of_a_score(name) for name in loss))))
    runs = [learn(rule, z, learning_rate, epochs) for rule in rules for z in start]
    slow = [
        learn(rule, z, DEMONSTRATED_RATE, 300) for rule in (SQUARED, CROSS, WRONG) for z in NIELSENS_STARTS
    ]
    tuned = []
    for number, rule in enumerate(rules):
        progress((1 + number) / (1 + len(rules)), say("{loss} at every rate", loss=name_of(rule)))
        for z in start:
            ends = [learn(rule, z, rate, epochs)["end"] for rate in RATES]
            tuned.append({"loss": rule, "start": float(ls.sigmoid([z])[0]), "rates": RATES, "ends": ends})
    curves, ahead = [by_error(rule) for rule in rules], faster(of(tuned, CROSS), of(tuned, SQUARED))
    return Result(
        answer=answered(ahead),
        done=[say(DONE, starts=outputs(of(runs, SQUARED)), rates=len(RATES)), DEMONSTRATION],
        claims=[
            slower_when_more_wrong(),
            large_near_the_truth(curves[0], of(runs, SQUARED)),
            near_one_only(),
            slow_at_first([learn(SQUARED, z, learning_rate, epochs) for z in np.log(ERRORS / (1 - ERRORS))]),
            gradient_is_error(of(runs, CROSS)),
            ahead,
            demonstrated([run["end"] for run in of(slow, CROSS)], [run["end"] for run in of(slow, WRONG)]),
        ],
        charts=pictures(runs, slow, tuned, curves),
        tables=[pivot([*runs, *slow], ("loss", "learning rate"), "start", lambda run: run["end"], head="from {:.2f}",
                      caption=say("Output at the end (target 0)"))],
        derivation=DERIVATION,
        mistakes=[mistaken(of(slow, WRONG), of(slow, CROSS))],
        sources=SOURCES,
        numbers={"runs": runs, "runs_at_0.005": slow, "over_rates": tuned},
    )  # fmt: skip


def answered(ahead: Claim) -> str:
    first = say(
        "Yes, as soon as the error is larger than 2/3: the slope of the sigmoid is a factor of the gradient, and it"
        " goes to 0 where the output is sure of itself."
    )
    own = say("Cross-entropy's gradient is the error itself, so it learns fastest where it is most wrong.")
    stays = say(
        "Cross-entropy's gradient is the error itself, so it learns fastest where it is most wrong, and stays ahead when"
        " both get their best learning rate."
    )
    return joined([first, stays if ahead.verdict == HOLDS else own], " ")


def outputs(runs: Sequence[Record]) -> str:
    """Where the runs start."""
    return joined([f"{run['start']:.2f}" for run in runs], ", ")


def of(runs: Sequence[Record], rule: str) -> list[Record]:
    return [run for run in runs if run["loss"] == rule]


def _of_a_score(name: str) -> str:
    loss = ls.get(name)
    if loss.judges != "numbers" or (loss.entry.prediction.name != "real" and loss.activation is None):
        step = "Name a loss of one raw score, such as huber@sigmoid"
        raise LossError(complain(f"{loss.name} is not a function of the weighted input", next_step=step))
    if loss.activation is None and loss.entry.task == "regression":
        step = f"Name it through the neuron's sigmoid: {loss.name}@sigmoid"
        raise LossError(complain(f"{loss.name} compares numbers, not a score and a class", next_step=step))
    return loss.name


def by_error(rule: str, z: np.ndarray = Z) -> Record:
    """The gradient over every error there can be, from the loss itself."""
    slopes = ls.get(rule).value_and_grad(z, z * 0 + TARGET, reduction="none")[1]
    return {"loss": rule, "error": ls.sigmoid(z) - TARGET, "gradients": slopes}


def slower_when_more_wrong() -> Claim:
    error = np.linspace(0.001, 0.999, 9981)
    slope = by_error(SQUARED, np.log(error / (1 - error)))["gradients"]
    middle, falls = (error[1:] + error[:-1]) / 2, np.diff(slope) < 0
    shown = {at: float(np.interp(at, error, slope)) for at in (0.1, 0.5, 2 / 3, 0.82, 0.98)}
    return Claim(
        say("Through a sigmoid, squared error gives a smaller gradient when the neuron is more wrong."),
        verdict.beyond(middle, falls, say("the error"), "{:.3f}"),
        say("The gradient $a^2(1 - a)$ is {0:.3f} at an error of 0.1, {1:.3f} at 0.5, {2:.3f} at 2/3, then {3:.3f} at"
            " 0.82 and {4:.3f} at 0.98: its derivative $a(2 - 3a)$ changes sign at 2/3.", *shown.values()),
        "squared error",
    )  # fmt: skip


def large_near_the_truth(curve: Record, runs: Sequence[Record]) -> Claim:
    near, far = (float(np.interp(at, curve["error"], curve["gradients"])) for at in (NEAR, FAR))
    turned = sum(int((np.diff(run["outputs"]) > 0).sum()) for run in runs)
    # w and b both move, so descent swings for ever about a truth inside (0, 1) at rates above 1/curvature.
    least = [1 / float(ls.get(rule).value_grad_curvature([0.0], [0.5])[2][0]) for rule in (SQUARED, CROSS)]
    return Claim(
        say("Near the truth the sigmoid's slope makes the steps of squared error too large, and it oscillates."),
        HOLDS if near > far and turned else DOES_NOT_HOLD,
        say("At an error of 0.1 the gradient is {near:.3f}, at 0.5 {far:.3f}: it goes to 0 with the error, as its factor"
            " a - y does. In {steps} steps the output moved away from the target {turned} times. Even at a soft target of 0.5,"
            " where the slope is largest, squared error swings for ever only at rates above {squared:.3g}, cross-entropy above"
            " {cross:.3g}.", near=near, far=far, turned=turned, squared=least[0], cross=least[1],
            steps=sum(len(run["outputs"]) - 1 for run in runs)),
        "squared error",
    )  # fmt: skip


def near_one_only() -> Claim:
    loss, z = ls.get(SQUARED), np.array([8.0, -8.0])
    slope = np.abs(loss.value_and_grad(z, np.array([0.0, 1.0]), reduction="none")[1])
    return Claim(
        say("The gradient of squared error vanishes only where the output is near 1."),
        DOES_NOT_HOLD if slope[1] < 1e-3 else HOLDS,
        say("Near 1 with a target of 0 it is {0:.1g}; near 0 with a target of 1 it is {1:.1g}: both ends of the sigmoid"
            " are flat.", *map(float, slope)),
        "gradients",
    )  # fmt: skip


def slow_at_first(runs: Sequence[Record]) -> Claim:
    """From each start to the next that is more wrong: does the output fall less in the first steps?"""
    first = max(min(len(run["outputs"]) for run in runs) // 60, 1)
    drops = [run["start"] - run["outputs"][first] for run in runs]
    return Claim(
        say("Under squared error a neuron that starts more wrong learns more slowly at first."),
        verdict.beyond((ERRORS[1:] + ERRORS[:-1]) / 2, np.diff(drops) < 0, say("the error at the start"), "{:.2f}"),
        say("In the first {first} steps the output falls by {told}. From start to start, {count} in all, it falls by more up to there and by less beyond.", first=first, count=len(runs),
            told=joined([say("{drop:.3f} from {start:.2f}", drop=drop, start=run["start"]) for drop, run in zip(drops[::4], runs[::4])], ", ")),
        "squared error",
    )  # fmt: skip


def gradient_is_error(runs: Sequence[Record]) -> Claim:
    gaps = [abs(g - (a - TARGET)) for run in runs for g, a in zip(run["gradients"], run["outputs"])]
    return Claim(
        say("The gradient of cross-entropy with respect to the weighted input is the error itself."),
        verdict.theorem(-np.array(gaps)),
        say("Because $(a - y)/(a(1 - a))$ times the slope $a(1 - a)$ is $a - y$. At all {count} points of the runs the"
            " computed gradient differs from the error by at most {gap:.1g}.", count=len(gaps), gap=at_most(max(gaps))),
        "cross-entropy",
    )  # fmt: skip


def faster(cross: Sequence[Record], squared: Sequence[Record]) -> Claim:
    """Both over the same rates, judged by what they are tuned by: the output at the end."""
    ahead = [c < s for one, other in zip(cross, squared) for c, s in zip(one["ends"], other["ends"])]
    best = [min(one["ends"]) < min(other["ends"]) for one, other in zip(cross, squared)]
    shown = joined([say("from {start:.2f}: {cross:.2g} against {squared:.2g}", start=one["start"],
                        cross=min(one["ends"]), squared=min(other["ends"])) for one, other in zip(cross, squared)])  # fmt: skip
    return Claim(
        say("A neuron with a sigmoid learns faster under cross-entropy than under squared error."),
        HOLDS if all(ahead) and all(best) else verdict.over(
            {say("both are tuned"): HOLDS if all(best) else DOES_NOT_HOLD,
             say("both use the same learning rate"): HOLDS if all(ahead) else DOES_NOT_HOLD}),
        say("At {won} of {count} pairs of start and learning rate (0.15 to 154) cross-entropy ends nearer to the target; with"
            " the best rate for each, {shown}.", won=sum(ahead), count=len(ahead), shown=shown),
        "cross-entropy",
    )  # fmt: skip


def demonstrated(right: Sequence[float], wrong: Sequence[float]) -> Claim:
    by_wrong = [round(end, 2) for end in wrong] == DEMONSTRATED
    return Claim(
        say("At a learning rate of 0.005, cross-entropy ends at about 0.04 and 0.05, as Nielsen's demonstration shows."),
        HOLDS if [round(end, 2) for end in right] == DEMONSTRATED else DOES_NOT_HOLD,
        say("By the chain rule it ends at {0:.3f} and {1:.3f}. A wrong rule does give the demonstration's numbers ({2:.3f}"
            " and {3:.3f}): it steps by 1/(1 - a), the derivative in the activation." if by_wrong else
            "By the chain rule it ends at {0:.3f} and {1:.3f}; by the wrong rule at {2:.3f} and {3:.3f}.", *right, *wrong),
        "cross-entropy",
    )  # fmt: skip


def mistaken(wrong: Sequence[Record], right: Sequence[Record]) -> Mistake:
    return Mistake(
        say(
            "`w -= rate * (1/(1 - a)) * x` for cross-entropy through a sigmoid (Nielsen, chapter 3, the demonstration)"
        ),
        say("{0:.2f} and {1:.2f} after 300 steps at a rate of 0.005", *(run["end"] for run in wrong)),
        say("`w -= rate * (a - y) * x`, which gives {0:.2f} and {1:.2f}", *(run["end"] for run in right)),
    )


def pictures(
    runs: list[Record], slow: list[Record], tuned: list[Record], curves: list[Record]
) -> list[Chart]:
    """The sigmoid and the loss curves first; every other view of the same runs after it."""
    step, facets = say("epoch (gradient steps)"), dict[str, Any](panel="start", title="Start: output {:.2f}")
    output, slope = say("output a (target: 0)"), say("gradient (loss per unit of z)")
    key = chart(
        runs,
        "losses",
        labels=(step, say("loss")),
        name="losses",
        columns=3,
        **facets,
        caption=say(
            "The slope of the sigmoid at each start ({starts}), and the losses from there: while the slope is small, squared"
            " error waits on a plateau.",
            starts=outputs(of(runs, SQUARED)),
        ),
    )
    return [
        Chart([on_the_sigmoid([run["start"] for run in of(runs, SQUARED)]), *key.panels], key.caption, "losses", 3),
        chart(curves, "gradients", x="error", labels=(say("error a - y"), slope), name="gradient-by-error", title="Gradient against error",
              notes=[(2 / 3, "2/3")], caption=say("Cross-entropy: the gradient is the error. Squared error: it rises to an error of 2/3, then falls to nothing where the neuron is most wrong.")),
        chart(tuned, "ends", x="rates", labels=(say("learning rate"), output), name="rates", x_scale="log", y_scale="log", **facets,
              caption=say("Where each loss ends, at every learning rate tried.")),
        chart(runs, "outputs", labels=(step, output), name="learning", y_limits=(0.0, 1.02), **facets, caption=say("The output while it learns.")),
        chart(runs, "gradients", labels=(step, slope), name="gradient-by-epoch", **facets, caption=say("The gradient while it learns.")),
        chart([run for run in slow if run["loss"] != SQUARED], "outputs", labels=(step, output), name="demonstration",
              y_limits=(0.0, 1.02), **facets, caption=say("At a rate of 0.005, by the chain rule and by the wrong rule of the demonstration.")),
    ]  # fmt: skip


def on_the_sigmoid(starts: Sequence[float]) -> Panel:
    z = np.linspace(-6, 6, 241)
    drawn: list[Line | Points] = [Line(z, ls.sigmoid(z), say("sigmoid"), style="reference")]
    for a in starts:
        drawn += tangent(
            float(np.log(a / (1 - a))),
            a,
            a * (1 - a),
            1.6,
            say("slope {slope:.3f} at {a:.2f}", slope=a * (1 - a), a=a),
        )
    return Panel(say("Where it starts"), say("weighted input z"), say("output a"), drawn, y_limits=(0.0, 1.1))


DONE = (
    "One neuron, `a = sigmoid(w*x + b)`, has to learn to turn the input 1 into 0, from these outputs: {starts}"
    " (Nielsen's w = 0.6, b = 0.9 give 0.82, his w = b = 2 give 0.98), by plain gradient descent under half the squared"
    " error and under cross-entropy. Both are then run at the same {rates} learning rates."
)
DEMONSTRATION = say(
    "Nielsen's interactive demonstration of this runs cross-entropy at a learning rate of 0.005. Here it is repeated with"
    " the chain rule, and with a **wrong** rule that takes the derivative in the activation for the one in the weighted input."
)
DERIVATION = [
    r"$L = \frac{1}{2}(a - y)^2, \quad a = \sigma(z), \quad z = wx + b$",
    say("The slope of the sigmoid is a factor:"),
    r"$\frac{\partial L}{\partial z} = (a - y)\,a(1 - a)$",
    say("With a target of 0 that is a function of the output alone, which is steepest at two thirds:"),
    r"$g(a) = a^2(1 - a), \quad g^{\prime}(a) = a(2 - 3a) = 0 \;\Rightarrow\; a = \frac{2}{3}$",
    say("Under cross-entropy the factor cancels (study `neuron` has every step):"),
    r"$\frac{\partial L}{\partial z} = \frac{a - y}{a(1 - a)}\,a(1 - a) = a - y$",
]
SOURCES = [
    say("M. A. Nielsen, Neural Networks and Deep Learning, chapter 3 (2015), neuralnetworksanddeeplearning.com."),
    say("X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks (AISTATS 2010)."),
    say("L. Hui and M. Belkin, Evaluation of neural architectures trained with square loss vs cross-entropy (ICLR 2021),"
        " doi:10.48550/arXiv.2006.07322: without the sigmoid, squared error keeps up."),
]  # fmt: skip

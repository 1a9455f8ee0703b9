"""Study 3: Does squared error learn slowly when a sigmoid neuron is badly wrong?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    from losscope.report import Chart, Table

INPUT, TARGET = 1.0, 0.0
STARTS = ((0.6, 0.9), (2.0, 2.0))  # weight and bias
SQUARED, CROSS, WRONG = "squared error", "cross-entropy", "cross-entropy, wrong rule"
DEMONSTRATION_RATE, DEMONSTRATED = 0.005, (0.04, 0.05)
RATE_GRID = tuple(2.0**k for k in range(11))


@dataclass(frozen=True)
class Lesson:
    """What the neuron did, epoch by epoch; entry 0 is the start."""

    outputs: tuple[float, ...]
    costs: tuple[float, ...]
    slopes: tuple[float, ...]  # what the rule used as the derivative with respect to the weighted input

    @property
    def start(self) -> float:
        return self.outputs[0]

    @property
    def end(self) -> float:
        return self.outputs[-1]


def losses() -> dict[str, Any]:
    """Each as a function of the weighted input z; for the wrong rule, of the activation a = sigmoid(z)."""
    import losscope as ls

    return {
        SQUARED: ls.get("half_squared_error").through("sigmoid"),
        CROSS: ls.get("binary_cross_entropy"),
        WRONG: ls.get("binary_cross_entropy_of_probability"),
    }


def learn(kind: str, weight: float, bias: float, rate: float, epochs: int) -> Lesson:
    """Plain gradient descent on one example. The wrong rule takes the slope in a for the slope in z."""
    import losscope as ls

    loss, sigmoid = losses()[kind], ls.get("sigmoid")
    outputs, costs, slopes = [], [], []
    for _ in range(epochs + 1):
        weighted = weight * INPUT + bias
        output = float(sigmoid([weighted])[0])
        cost, slope = loss.value_and_grad([output if kind == WRONG else weighted], [TARGET])
        outputs.append(output)
        costs.append(float(cost))
        slopes.append(float(slope[0]))
        # By the chain rule dz/dw = x and dz/db = 1.
        weight, bias = weight - rate * slopes[-1] * INPUT, bias - rate * slopes[-1]
    return Lesson(tuple(outputs), tuple(costs), tuple(slopes))


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    learning_rate: Annotated[float, "step of gradient descent"] = 0.15,
    epochs: Annotated[int, "steps"] = 300,
) -> Result:
    """The same neuron from two starts under two losses, and under a wrong update rule that is well known."""
    _check(learning_rate, epochs)
    lessons: dict[tuple[str, int], Lesson] = {}
    small: dict[tuple[str, int], Lesson] = {}
    for at, (weight, bias) in enumerate(STARTS):
        progress(at / 3, f"from w = {weight:g}, b = {bias:g}")
        for kind in (SQUARED, CROSS):
            lessons[kind, at] = learn(kind, weight, bias, learning_rate, epochs)
        for kind in (SQUARED, CROSS, WRONG):
            small[kind, at] = learn(kind, weight, bias, DEMONSTRATION_RATE, epochs)
    progress(2 / 3, "squared error at larger steps")
    catching_up = [
        _rate_to_match(at, learning_rate, epochs, lessons[CROSS, at].end) for at in range(len(STARTS))
    ]
    return Result(
        done=_done(learning_rate, epochs),
        claims=[
            judge_less_when_more_wrong(lessons[SQUARED, 0], lessons[SQUARED, 1]),
            judge_gradient_is_error([lessons[CROSS, at] for at in range(len(STARTS))]),
            judge_faster(lessons, catching_up, learning_rate),
            judge_demonstration(
                [small[CROSS, at].end for at in range(2)], [small[WRONG, at].end for at in range(2)]
            ),
        ],
        charts=[_learning(lessons, learning_rate), _gradients(lessons), _by_error(), _demonstration(small)],
        tables=[_table(lessons, small, learning_rate, epochs)],
        numbers={
            "learning_rate": learning_rate,
            "epochs": epochs,
            "starts": STARTS,
            "runs": _numbers(lessons),
            "runs_at_0.005": _numbers(small),
            "squared_error_matches_at_rate": catching_up,
        },
    )


def _check(learning_rate: float, epochs: int) -> None:
    from losscope.errors import LossError, complain

    if not 0 < learning_rate < float("inf"):
        raise LossError(
            complain("learning_rate is out of its domain", got=learning_rate, expected="a positive number")
        )
    if not 1 <= epochs <= 100_000:
        raise LossError(complain("epochs is out of its domain", got=epochs, expected="1 to 100,000"))


def _rate_to_match(start: int, rate: float, epochs: int, wanted: float) -> float | None:
    """The smallest rate among doublings at which squared error ends where cross-entropy did, or closer."""
    for factor in RATE_GRID:
        if learn(SQUARED, *STARTS[start], rate * factor, epochs).end <= wanted:
            return rate * factor
    return None


def judge_less_when_more_wrong(near: Lesson, far: Lesson) -> Claim:
    """At the two starts: the one that is more wrong against the other."""
    evidence = (
        f"At an output of {near.start:.2f} the gradient is {near.slopes[0]:.4f}; at {far.start:.2f}, which is"
        f" more wrong, it is {far.slopes[0]:.4f}."
    )
    verdict = HOLDS if far.start > near.start and abs(far.slopes[0]) < abs(near.slopes[0]) else DOES_NOT_HOLD
    return Claim(
        "Through a sigmoid, squared error gives a smaller gradient when the neuron is more wrong.",
        verdict,
        evidence,
    )


def judge_gradient_is_error(lessons: list[Lesson]) -> Claim:
    """Over every step taken."""
    gap = max(
        abs(slope - (output - TARGET))
        for lesson in lessons
        for slope, output in zip(lesson.slopes, lesson.outputs)
    )
    steps = sum(len(lesson.slopes) for lesson in lessons)
    apart = f"differ by at most {gap:.1g}" if gap else "are equal to the last bit"
    evidence = f"At all {steps} points of the runs, gradient and error (a - y) {apart}."
    return Claim(
        "The gradient of cross-entropy with respect to the weighted input is the error itself.",
        HOLDS if gap < 1e-12 else DOES_NOT_HOLD,
        evidence,
    )


def judge_faster(
    lessons: Mapping[tuple[str, int], Lesson], catching_up: list[float | None], rate: float
) -> Claim:
    """Faster at every epoch; and not only because the steps are smaller at the same rate."""
    claim = "Cross-entropy learns faster than squared error."
    pairs = [(lessons[CROSS, at], lessons[SQUARED, at]) for at in range(len(STARTS))]
    ahead = all(c <= s for cross, squared in pairs for c, s in zip(cross.outputs[1:], squared.outputs[1:]))
    ends = "; ".join(
        f"from {squared.start:.2f}: squared error ends at {squared.end:#.3g}, cross-entropy at"
        f" {cross.end:#.3g}"
        for cross, squared in pairs
    )
    if not ahead:
        return Claim(claim, DOES_NOT_HOLD, f"Squared error is ahead at some epoch. At rate {rate:g}, {ends}.")
    if all(each is None for each in catching_up):
        return Claim(
            claim,
            HOLDS,
            f"Cross-entropy is ahead at every epoch. At rate {rate:g}, {ends}. No rate up to"
            f" {rate * RATE_GRID[-1]:g} lets squared error end as close.",
        )
    caught = "; ".join(
        f"from {lessons[CROSS, at].start:.2f} at rate {each:g}"
        for at, each in enumerate(catching_up)
        if each is not None
    )
    never = (
        ""
        if all(each is not None for each in catching_up)
        else " From the other start no rate tried was enough."
    )
    return Claim(
        claim,
        holds_when("both use the same learning rate"),
        f"Cross-entropy is ahead at every epoch. At rate {rate:g}, {ends}. With larger steps squared error"
        f" gets as far in the same number of epochs: {caught}.{never}",
    )


def judge_demonstration(right: list[float], wrong: list[float]) -> Claim:
    """Do the numbers of the demonstration come out, by either rule?"""

    def shown(ends: list[float]) -> bool:
        return all(round(end, 2) == said for end, said in zip(ends, DEMONSTRATED))

    found = " and ".join(f"{end:.3f}" for end in right)
    words = " and ".join(f"{end:.3f}" for end in wrong)
    evidence = f"By the chain rule it ends at {found}."
    if shown(wrong):
        evidence += (
            f" A wrong rule does reproduce the demonstration's numbers ({words}): it steps by the derivative"
            " with respect to the activation, 1/(1 - a), instead of the one with respect to the weighted"
            " input, a."
        )
    claim = (
        f"At a learning rate of {DEMONSTRATION_RATE:g}, cross-entropy ends at about {DEMONSTRATED[0]:g} and"
        f" {DEMONSTRATED[1]:g} (as a well-known interactive demonstration shows)."
    )
    return Claim(claim, HOLDS if shown(right) else DOES_NOT_HOLD, evidence)


def _done(rate: float, epochs: int) -> list[str]:
    return [
        (
            "One neuron, `a = sigmoid(w*x + b)`, has to learn to turn the input 1 into 0. It starts badly"
            " wrong, once with an output of 0.82 (w = 0.6, b = 0.9) and once of 0.98 (w = b = 2), and takes"
            f" {epochs} steps of plain gradient descent at a learning rate of {rate:g}, under half the"
            " squared error and under cross-entropy."
        ),
        (
            "A well-known interactive demonstration of this runs cross-entropy at a learning rate of 0.005."
            " Here it is repeated twice: with the chain rule, and with a **wrong** update rule that uses the"
            " derivative with respect to the activation where the one with respect to the weighted input"
            " belongs. The wrong rule follows no gradient of the loss; it is shown because it gives the"
            " numbers that the demonstration displays."
        ),
    ]


def _learning(lessons: Mapping[tuple[str, int], Lesson], rate: float) -> Chart:
    from losscope.report import Chart, Line, Panel

    panels = []
    for at in range(len(STARTS)):
        lines = [
            Line(range(len(lessons[kind, at].outputs)), lessons[kind, at].outputs, kind)
            for kind in (SQUARED, CROSS)
        ]
        title = f"Start: output {lessons[SQUARED, at].start:.2f}"
        panels.append(
            Panel(title, "epoch (gradient steps)", "output a (target: 0)", lines, y_limits=(0.0, 1.02))
        )
    return Chart(
        panels,
        caption=(
            f"Learning 1 -> 0 at a learning rate of {rate:g}. Under squared error the worse start waits on a"
            " plateau."
        ),
        name="learning",
    )


def _gradients(lessons: Mapping[tuple[str, int], Lesson]) -> Chart:
    from losscope.report import Chart, Line, Panel

    panels = []
    for at in range(len(STARTS)):
        lines = [
            Line(range(len(lessons[kind, at].slopes)), lessons[kind, at].slopes, kind)
            for kind in (SQUARED, CROSS)
        ]
        title = f"Start: output {lessons[SQUARED, at].start:.2f}"
        panels.append(
            Panel(
                title, "epoch (gradient steps)", "gradient (loss per unit of z)", lines, y_limits=(0.0, 1.02)
            )
        )
    return Chart(
        panels,
        caption="The gradient with respect to the weighted input z while it learns.",
        name="gradient-by-epoch",
    )


def _by_error() -> Chart:
    """Gradient over every error there can be, from the losses themselves."""
    import numpy

    import losscope as ls
    from losscope.report import Chart, Line, Panel

    weighted = numpy.linspace(-9, 9, 721)
    error = numpy.asarray(ls.get("sigmoid")(weighted)) - TARGET
    lines = [
        Line(
            error,
            losses()[kind].value_and_grad(weighted, numpy.full_like(weighted, TARGET), reduction="none")[1],
            kind,
        )
        for kind in (SQUARED, CROSS)
    ]
    panel = Panel(
        "Gradient against error",
        "error a - y",
        "gradient (loss per unit of z)",
        lines,
        notes=[(2 / 3, "2/3")],
        y_limits=(0.0, 1.02),
    )
    caption = (
        "Cross-entropy: the gradient is the error. Squared error: it rises to an error of 2/3, then falls to"
        " nothing where the neuron is most wrong."
    )
    return Chart([panel], caption=caption, name="gradient-by-error")


def _demonstration(small: Mapping[tuple[str, int], Lesson]) -> Chart:
    from losscope.report import Chart, Line, Panel

    panels = []
    for at in range(len(STARTS)):
        lines = [
            Line(range(len(small[kind, at].outputs)), small[kind, at].outputs, kind)
            for kind in (CROSS, WRONG)
        ]
        panels.append(
            Panel(
                f"Start: output {small[CROSS, at].start:.2f}",
                "epoch (gradient steps)",
                "output a (target: 0)",
                lines,
                y_limits=(0.0, 1.02),
            )
        )
    caption = (
        f"Cross-entropy at a learning rate of {DEMONSTRATION_RATE:g}: by the chain rule, and by the wrong"
        " rule of the demonstration."
    )
    return Chart(panels, caption=caption, name="demonstration")


def _table(
    lessons: Mapping[tuple[str, int], Lesson],
    small: Mapping[tuple[str, int], Lesson],
    rate: float,
    epochs: int,
) -> Table:
    from losscope.report import Table

    rows = [[kind, f"{rate:g}", lessons[kind, 0].end, lessons[kind, 1].end] for kind in (SQUARED, CROSS)]
    rows += [
        [kind, f"{DEMONSTRATION_RATE:g}", small[kind, 0].end, small[kind, 1].end]
        for kind in (SQUARED, CROSS, WRONG)
    ]
    starts = [f"from {lessons[SQUARED, at].start:.2f}" for at in range(2)]
    return Table(
        ["loss", "learning rate", *starts], rows, caption=f"Output after {epochs} epochs (target 0)."
    )


def _numbers(lessons: Mapping[tuple[str, int], Lesson]) -> list[dict[str, Any]]:
    return [
        {
            "loss": kind,
            "start": lesson.start,
            "end": lesson.end,
            "first_gradient": lesson.slopes[0],
            "outputs": lesson.outputs,
            "gradients": lesson.slopes,
        }
        for (kind, _), lesson in lessons.items()
    ]

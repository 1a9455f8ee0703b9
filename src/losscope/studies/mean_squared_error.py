"""Study 10: Is the mean squared error the same whichever way it is computed, and what if targets are class indices?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from scipy.special import softmax

import losscope as ls
from losscope.report import Bars, Chart, Panel, Table
from losscope.studies import frameworks, verdict
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Mistake, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.views import Record, chart

ROUNDING = 1e-12
SINGLE = 1e-5  # JAX and Keras compute in float32
RATE, STEPS = 0.1, 30  # of the descent that shows what a reduction does


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    rows: Annotated[int, Range(2, 10_000), "rows of the batch; as many as classes, or indices would not broadcast"] = 4,
    classes: Annotated[int, Range(2, 10_000), "outputs of each row"] = 4,
) -> Result:  # fmt: skip
    """One batch every way; index targets in each framework; which outputs a loss uses; what a reduction does."""
    random = np.random.default_rng(seed)
    logits, index = random.normal(0, 1.5, (rows, classes)), random.integers(0, classes, rows)
    index[0] = np.argsort(logits[0])[0]  # one row that is wrong for sure: its largest output is not its class
    one_hot = np.asarray(ls.one_hot(index, classes))
    progress(0.2, "every framework")
    ways = three_ways(logits, one_hot)
    squared = frameworks.squared_error()
    equal, indices, columns = (frameworks.attempts(squared, *pair) for pair in (
        (logits, one_hot), (logits, index), (logits[:, :1], logits[:, 0])))  # fmt: skip
    both = both_targets(logits, index, one_hot)
    progress(0.8, "which outputs are used")
    used = outputs_used(logits, index)
    descents = [descend(random_rows, *how) for random_rows in [random.normal(size=32)] for how in REDUCTIONS]
    return Result(
        answer=answered(indices),
        done=[say("One batch of rows with several outputs each, and a class index per row. With the indices turned one-hot, the mean squared"
                  " error is computed in every way that tutorials show and in every framework that is installed here; then the indices are"
                  " given as they are, and a column (n, 1) against (n,) of the same numbers, where the right answer is 0."),
              say("The gradient of each loss at each output shows which outputs it uses. Last, gradient descent on a line through 32 points"
                  " under the mean and under the sum of the same squares.")],
        claims=[same_number(ways, equal), noticed(indices), opposite(both, indices), only_largest(used, logits, index), uses_all(used), reduction(descents)],
        charts=[picture(used, logits, index),
                chart(descents, "error", line="how", labels=(say("step"), say("mean of the squares")), name="reductions", y_scale="log", title="What a reduction does to the step",
                      caption=say("Gradient descent at one learning rate: the sum is 32 times as steep as the mean. Divided by 32, its steps are the same."))],
        tables=[Table([say("computed as"), say("mean squared error")], [*map(list, ways.items()), *([each["framework"], each["number"]] for each in equal)], caption=say("One batch, one-hot targets")),
                tried(indices, say("Class indices (n,) in place of one-hot rows (n, classes)")),
                tried(columns, say("A column (n, 1) against (n,), both with the same numbers: the answer is 0")),
                Table([say("framework"), say("class indices"), say("one-hot rows")], [list(each.values()) for each in both], caption=say("Cross-entropy with either kind of target"))],
        mistakes=mistakes(indices, columns),
        sources=[say("PyTorch, documentation of MSELoss and CrossEntropyLoss, pytorch.org/docs; Keras, documentation of losses, keras.io/api/losses.")],
        numbers={"three_ways": ways, "frameworks": indices, "frameworks_column_against_row": columns, "frameworks_one_hot": equal,
                 "cross_entropy": both, "logits": logits, "index": index, "gradients": used, "reductions": descents},
    )  # fmt: skip


def three_ways(prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """The mean of the squares, the squared norm over n (all numbers, then rows), and the library."""
    residual = prediction - target
    norm = float(np.linalg.norm(residual)) ** 2
    return {
        say("mean of the squares"): float((residual**2).mean()),
        say("squared norm / n, n = all numbers"): norm / residual.size,
        say("squared norm / n, n = rows"): norm / len(residual),
        "losscope": float(ls.get("mse")(prediction, target)),
    }


def both_targets(logits: np.ndarray, index: np.ndarray, one_hot: np.ndarray) -> list[Record]:
    found = []
    for name, (of_index, of_rows) in frameworks.cross_entropy().items():
        one, other = (
            frameworks.attempt(name, of_index, logits, index),
            frameworks.attempt(name, of_rows, logits, one_hot),
        )
        if one and other:
            found.append({"framework": name, "index": one["number"], "one-hot": other["number"]})
    return found


def outputs_used(logits: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
    """The size of the gradient at every output: 0 where a loss does not look."""
    target, probabilities = np.asarray(ls.one_hot(index, logits.shape[-1])), softmax(logits, axis=-1)
    return {
        "cross-entropy of logits": np.abs(ls.get("cross_entropy").value_and_grad(logits, index)[1]),
        "cross-entropy of probabilities": np.abs(ls.get("cross_entropy_of_probability").value_and_grad(probabilities, target)[1]),
        "squared error": np.abs(ls.get("mse").value_and_grad(probabilities, target)[1]),
    }  # fmt: skip


REDUCTIONS = (("mean", 1), ("sum", 1), ("sum", 32))  # and what the learning rate is divided by


def descend(x: np.ndarray, reduction: str, by: int) -> Record:
    """Descent on y = 2x from a slope of 0; a loss that has left every bound is infinite."""
    slope, errors = 0.0, []
    for _ in range(STEPS):
        errors.append(float(ls.get("mse")(slope * x, 2 * x)))
        slope -= RATE / by * float(ls.get("mse").value_and_grad(slope * x, 2 * x, reduction=reduction)[1] @ x)
    how = say("mean") if reduction == "mean" else say("sum") if by == 1 else say("sum, rate / 32")
    return {"how": how, "reduction": reduction, "rate divided by": by, "error": errors}


def same_number(ways: Mapping[str, float], equal: Sequence[Record]) -> Claim:
    mean, by_size, by_rows, ours = ways.values()
    apart = max((abs(each["number"] - mean) / mean for each in equal), default=0.0)

    def same(one: float, within: float = ROUNDING) -> str:
        return HOLDS if abs(one - mean) <= within * abs(mean) else DOES_NOT_HOLD

    found = {say("n counts every number"): verdict.over({"": same(by_size), "library": same(ours), "frameworks": HOLDS if apart <= SINGLE else DOES_NOT_HOLD}),
             say("n counts the rows"): same(by_rows)}  # fmt: skip
    return Claim(
        say("The mean of the squares, the squared norm over n, and the library's mean squared error are the same number."),
        verdict.over(found),
        say("Mean of the squares {mean:.6g}; squared norm over all numbers {size:.6g}, over the rows {rows:.6g}: larger by the number of"
            " outputs. The frameworks differ from it by at most {apart:.1g} of it.", mean=mean, size=by_size, rows=by_rows, apart=at_most(apart)),
        "squared error",
    )  # fmt: skip


def silent_ones(tried: Sequence[Record]) -> list[str]:
    """The frameworks that give a number without a word."""
    return [each["framework"] for each in tried if each["number"] is not None and not each["warning"]]


def answered(indices: Sequence[Record]) -> str:
    same = say("It is, as long as n counts every number and prediction and target have the same shape.")
    wrong = say("Given class indices in place of one-hot rows, {silent} of {all} ways to write it stretch them without a word, because array arithmetic broadcasts, and the number is wrong.",
                silent=len(silent_ones(indices)), all=len(indices))  # fmt: skip
    return joined([same, wrong], " ") if silent_ones(indices) else same


def noticed(tried: Sequence[Record]) -> Claim:
    """Safe is an error or a warning; a number without a word is not."""
    unheard = silent_ones(tried)
    heard = {each["framework"]: DOES_NOT_HOLD if each["framework"] in unheard else HOLDS for each in tried}
    return Claim(
        say("If class indices are given where one-hot rows belong, you will notice."),
        verdict.over(heard, "you use {which}"),
        say("A number, silently: {silent}. An error: {error}. A warning: {warning}.", silent=joined(unheard) or "-",
            error=joined([each["framework"] for each in tried if each["error"]]) or "-",
            warning=joined([each["framework"] for each in tried if each["warning"] and not each["error"]]) or "-"),
        "squared error",
    )  # fmt: skip


def opposite(both: Sequence[Record], indices: Sequence[Record]) -> Claim:
    close = [
        each["one-hot"] is not None and abs(each["index"] - each["one-hot"]) <= SINGLE * abs(each["index"])
        for each in both
    ]
    return Claim(
        say("Squared error needs one-hot targets, cross-entropy needs the class index: just the opposite."),
        DOES_NOT_HOLD if all(close) else HOLDS if not any(close) else verdict.NOT_DECIDED,
        say("Half of it is true: squared error has no use for an index. Cross-entropy takes both, and {same} of {all} ({names}) give the same"
            " number for the index as for the one-hot row.", same=sum(close), all=len(close), names=", ".join(each["framework"] for each in both)),
        "cross-entropy",
    )  # fmt: skip


def only_largest(used: Mapping[str, Any], logits: np.ndarray, index: np.ndarray) -> Claim:
    largest = logits.argmax(-1)
    only = {
        name: _only_at(used[name], largest)
        for name in ("cross-entropy of logits", "cross-entropy of probabilities")
    }
    wrong = float(ls.get("cross_entropy_of_probability")([[0.1, 0.1, 0.1, 0.7]], [[0.0, 1.0, 0.0, 0.0]]))
    return Claim(
        say("Cross-entropy uses only the largest output of each row."),
        verdict.over({say("the outputs are {name}", name=name.rpartition(" ")[2]): HOLDS if each else DOES_NOT_HOLD for name, each in only.items()}),
        say("On logits it has a gradient at {share:.0%} of the outputs. On probabilities it looks at the output of the right class, which is the"
            " largest in {hit} of {rows} rows here: for [.1 .1 .1 .7] and the second class it is -log(0.1) = {wrong:.3f}, not -log(0.7) = 0.357.",
            share=float((used["cross-entropy of logits"] > 0).mean()), hit=int((largest == index).sum()), rows=len(index), wrong=wrong),
        "cross-entropy",
    )  # fmt: skip


def _only_at(sizes: np.ndarray, columns: np.ndarray) -> bool:
    """Whether each row is 0 but at its column."""
    at, elsewhere = np.arange(len(columns)), np.array(sizes, copy=True)
    elsewhere[at, columns] = 0
    return bool(np.all(elsewhere == 0) and np.all(sizes[at, columns] > 0))


def uses_all(used: Mapping[str, np.ndarray]) -> Claim:
    squared, cross = (float((used[name] > 0).mean()) for name in ("squared error", "cross-entropy of logits"))
    return Claim(
        say("Squared error uses all outputs of each row."),
        HOLDS if squared == 1 else DOES_NOT_HOLD,
        say("It has a gradient at {squared:.0%} of the outputs. So has cross-entropy through a softmax, at {cross:.0%}.", squared=squared, cross=cross),
        "squared error",
    )  # fmt: skip


def reduction(descents: Sequence[Record]) -> Claim:
    mean, same, divided = (np.array(each["error"]) for each in descents)

    def as_the_mean(other: np.ndarray) -> str:
        return HOLDS if np.allclose(other, mean, rtol=1e-9) else DOES_NOT_HOLD

    return Claim(
        say("In plain gradient descent it does not matter whether a loss is the mean or the sum over the batch."),
        verdict.over({say("the learning rate of the sum is divided by n"): as_the_mean(divided), say("the learning rate is the same"): as_the_mean(same)}),
        say("After {steps} steps at a rate of {rate} the mean of the squares is {mean:.2g} under the mean, {same:.2g} under the sum, and {divided:.2g}"
            " under the sum at a rate divided by n.", steps=STEPS, rate=RATE, mean=mean[-1], same=same[-1], divided=divided[-1]),
        "gradients",
    )  # fmt: skip


def mistakes(indices: Sequence[Record], columns: Sequence[Record]) -> list[Mistake]:
    """What NumPy, which never says a word, makes of them."""
    square, column = (next(each["number"] for each in tried if each["framework"] == "NumPy") if tried[0]["number"] is not None else float("nan")
                      for tried in (indices, columns))  # fmt: skip
    return [
        Mistake(say("`((outputs - labels)**2).mean()` with outputs (n, n) and labels (n,)"), say("{number:.4g}, silently: every output is compared with every label", number=square),
                say("one-hot rows, or cross-entropy")),
        Mistake(say("`((prediction - target)**2).mean()` with (n, 1) and (n,), both the same numbers"), say("{number:.4g}, silently", number=column), say("0: `prediction[:, 0]`")),
    ]  # fmt: skip


def tried(found: Sequence[Record], caption: str) -> Table:
    rows = [
        [each["framework"], each["number"], each["error"] or each["warning"] or say("nothing")]
        for each in found
    ]
    return Table([say("framework"), say("number given"), say("what it says")], rows, caption=caption)


def picture(used: Mapping[str, np.ndarray], logits: np.ndarray, index: np.ndarray) -> Chart:
    """The first row, whose largest output is not its class."""
    marks = {
        int(logits[0].argmax()): say("output {k} (largest)", k=int(logits[0].argmax())),
        int(index[0]): say("output {k} (right class)", k=int(index[0])),
    }
    names = [marks.get(k, say("output {k}", k=k)) for k in range(logits.shape[-1])]
    panels = [
        Panel(
            say(name[:1].upper() + name[1:]), say("size of the gradient"), "", [Bars(names, sizes[0], name)]
        )
        for name, sizes in used.items()
    ]
    return Chart(panels, caption=say("Which outputs of one misclassified row each loss uses: the size of its gradient there."), name="outputs-used", columns=3)  # fmt: skip

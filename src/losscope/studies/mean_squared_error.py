"""Study 10: Is the mean squared error the same whichever way it is computed, and what if targets are class indices?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    from losscope.report import Chart, Table

ROUNDING = 1e-12


@dataclass(frozen=True)
class Tried:
    """What a framework did with targets of another shape: a number, a warning, or an error."""

    framework: str
    number: float | None = None
    warning: str = ""
    error: str = ""

    @property
    def silent(self) -> bool:
        return self.number is not None and not self.warning


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    rows: Annotated[
        int,
        "rows of the batch, at least 2; as many as classes, or targets of another shape would not broadcast",
    ] = 4,
    classes: Annotated[int, "outputs of each row"] = 4,
) -> Result:
    """Three ways on one batch; index targets in each framework; which outputs each loss uses."""
    import numpy

    import losscope as ls
    from losscope.errors import LossError, complain

    if rows < 2 or classes < 2:
        raise LossError(complain("rows and classes must be 2 or more", got=f"rows {rows}, classes {classes}"))
    random = numpy.random.default_rng(seed)
    logits = random.normal(0, 1.5, (rows, classes))
    index = random.integers(0, classes, rows)
    index[0] = numpy.argsort(logits[0])[
        0
    ]  # one row that is wrong for sure: its largest output is not its class
    progress(0.2, "three ways")
    ways = three_ways(logits, numpy.asarray(ls.one_hot(index, classes)))
    progress(0.4, "frameworks")
    tried, columns = frameworks(logits, index), frameworks(logits[:, :1], logits[:, 0])
    progress(0.8, "which outputs are used")
    used = outputs_used(logits, index)
    return Result(
        done=_done(rows, classes),
        claims=[
            judge_three(ways),
            judge_frameworks(tried),
            judge_largest(used, logits, index),
            judge_all(used),
        ],
        charts=[_chart(used, logits, index)],
        tables=[
            _ways_table(ways),
            _tried_table(tried, "Class indices (n,) in place of one-hot rows (n, classes)"),
            _tried_table(
                columns, "A column (n, 1) against (n,), both with the same numbers: the answer is 0"
            ),
        ],
        numbers={
            "three_ways": ways,
            "frameworks": [vars(each) for each in tried],
            "frameworks_column_against_row": [vars(each) for each in columns],
            "logits": logits,
            "index": index,
            "gradients": used,
        },
    )


def three_ways(prediction: Any, target: Any) -> dict[str, float]:
    """The mean of the squares, the squared norm over n (all numbers, then rows), and the library."""
    import numpy

    import losscope as ls

    residual = prediction - target
    norm = float(numpy.linalg.norm(residual)) ** 2
    return {
        "mean of the squares": float((residual**2).mean()),
        "squared norm / n, n = all numbers": norm / residual.size,
        "squared norm / n, n = rows": norm / len(residual),
        "losscope": float(ls.get("mse")(prediction, target)),
    }


def frameworks(prediction: Any, target: Any) -> list[Tried]:
    """The mean squared error of each framework for prediction and target of different shapes."""
    import numpy

    import losscope as ls

    tried = [_try("NumPy", lambda: float(((prediction - target) ** 2).mean()))]
    tried.append(_try("PyTorch", lambda: _torch(prediction, target)))
    tried.append(_try("scikit-learn", lambda: _sklearn(prediction, target)))
    tried.append(_try("losscope", lambda: float(ls.get("mse")(prediction, numpy.asarray(target, "float64")))))
    return [each for each in tried if each is not None]


def _torch(prediction: Any, target: Any) -> float:
    import torch

    return float(
        torch.nn.functional.mse_loss(
            torch.as_tensor(prediction), torch.as_tensor(target, dtype=torch.float64)
        )
    )


def _sklearn(prediction: Any, target: Any) -> float:
    from sklearn.metrics import mean_squared_error

    return float(mean_squared_error(target, prediction))


def _try(framework: str, compute: Any) -> Any:
    """Run it and keep what it says; a framework that is not installed is left out."""
    import warnings

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            number = compute()
        except ModuleNotFoundError:
            return None
        except (ValueError, RuntimeError, TypeError) as error:
            return Tried(framework, error=_short(str(error)))
    return Tried(framework, number, warning=_short(" ".join(str(each.message) for each in heard)))


def _short(text: str, limit: int = 170) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: text.rfind(" ", 0, limit)] + " ..."


def outputs_used(logits: Any, index: Any) -> dict[str, Any]:
    """The size of the gradient at every output: 0 where a loss does not look."""
    import numpy
    from scipy.special import softmax

    import losscope as ls

    target = numpy.asarray(ls.one_hot(index, logits.shape[-1]))
    probabilities = softmax(logits, axis=-1)
    return {
        "cross-entropy of logits": numpy.abs(ls.get("cross_entropy").value_and_grad(logits, index)[1]),
        "cross-entropy of probabilities": numpy.abs(
            ls.get("cross_entropy_of_probability").value_and_grad(probabilities, target)[1]
        ),
        "squared error": numpy.abs(ls.get("mse").value_and_grad(probabilities, target)[1]),
    }


def judge_three(ways: Mapping[str, float]) -> Claim:
    """The same to rounding; n may be read in two ways."""
    claim = (
        "The mean of the squares, the squared norm over n, and the library's mean squared error are the same"
        " number."
    )
    mean, by_size, by_rows, ours = ways.values()
    shown = "; ".join(f"{name}: {value:.6g}" for name, value in ways.items())

    def same(one: float, other: float) -> bool:
        return abs(one - other) <= ROUNDING * max(abs(one), 1e-300)

    if not same(mean, ours):
        return Claim(claim, DOES_NOT_HOLD, shown + ".")
    if same(mean, by_size) and same(mean, by_rows):
        return Claim(claim, HOLDS, shown + ".")
    if same(mean, by_size):
        return Claim(
            claim,
            holds_when("n counts every number, not every row"),
            f"{shown}. With n as the number of rows it is larger by the number of outputs,"
            f" {by_rows / mean:.4g}.",
        )
    return Claim(claim, DOES_NOT_HOLD, shown + ".")


def judge_frameworks(tried: Sequence[Tried]) -> Claim:
    """Safe if no framework gives a number for indices against rows of outputs."""
    claim = "If class indices are given where one-hot rows belong, you will notice."
    said = {
        "an error": [each.framework for each in tried if each.error],
        "a number with a warning": [
            each.framework for each in tried if each.number is not None and each.warning
        ],
        "a number, silently": [each.framework for each in tried if each.silent],
    }
    evidence = "; ".join(f"{', '.join(names)}: {what}" for what, names in said.items() if names) + "."
    if not said["a number with a warning"] and not said["a number, silently"]:
        return Claim(claim, HOLDS, evidence)
    if not said["an error"]:
        return Claim(claim, DOES_NOT_HOLD, evidence)
    heard = said["an error"] + said["a number with a warning"]
    return Claim(
        claim,
        holds_when(
            f"you use {' or '.join(heard)}"
            + (" (and read warnings)" if said["a number with a warning"] else "")
        ),
        evidence,
    )


def judge_largest(used: Mapping[str, Any], logits: Any, index: Any) -> Claim:
    """Only the largest: the gradient is 0 at every other output of each row."""
    import numpy

    claim = "Cross-entropy uses only the largest output of each row."
    largest = numpy.asarray(logits).argmax(-1)
    only = {
        name: _only_at(used[name], largest)
        for name in ("cross-entropy of logits", "cross-entropy of probabilities")
    }
    logits_used = float((used["cross-entropy of logits"] > 0).mean())
    right = _only_at(used["cross-entropy of probabilities"], numpy.asarray(index))
    evidence = f"On logits it has a gradient at {logits_used:.0%} of the outputs. "
    if right:
        hit = int((largest == index).sum())
        evidence += (
            "On probabilities it looks at one output of each row, but that is the one of the right class:"
            f" the largest in {hit} of {len(index)} rows here."
        )
    if all(only.values()):
        return Claim(claim, HOLDS, evidence)
    if any(only.values()):
        return Claim(
            claim, holds_when("every row is classified rightly, and the outputs are probabilities"), evidence
        )
    return Claim(claim, DOES_NOT_HOLD, evidence)


def judge_all(used: Mapping[str, Any]) -> Claim:
    """A gradient at every output."""
    share = float((used["squared error"] > 0).mean())
    return Claim(
        "Squared error uses all outputs of each row.",
        HOLDS if share == 1 else DOES_NOT_HOLD,
        f"It has a gradient at {share:.0%} of the outputs.",
    )


def _only_at(sizes: Any, columns: Any) -> bool:
    """Whether each row is 0 but at its column."""
    import numpy

    elsewhere = numpy.array(sizes, copy=True)
    elsewhere[numpy.arange(len(columns)), columns] = 0
    return bool(numpy.all(elsewhere == 0) and numpy.all(sizes[numpy.arange(len(columns)), columns] > 0))


def _done(rows: int, classes: int) -> list[str]:
    return [
        (
            f"One batch of {rows} rows with {classes} outputs each, and a class index per row. With the"
            " indices turned one-hot, the mean squared error is computed as the mean of the squares, as the"
            " squared norm of the residuals over n, and by the library."
        ),
        (
            "Then the indices are given as they are, shape (n,) against (n, classes). Where n happens to"
            " equal the number of classes, array libraries broadcast them to a square and compare outputs"
            " with the indices of other rows. The same is tried for a column (n, 1) against (n,), the most"
            " common form of this mistake, with targets that equal the predictions: the right answer is 0."
        ),
        "Finally, the gradient of each loss at each output shows which outputs it uses at all.",
    ]


def _chart(used: Mapping[str, Any], logits: Any, index: Any) -> Chart:
    """The first row, whose largest output is not its class."""
    from losscope.report import Bars, Chart, Panel

    largest = int(logits[0].argmax())
    marks = {int(index[0]): " (right class)", largest: " (largest)"}
    names = [f"output {column}{marks.get(column, '')}" for column in range(logits.shape[-1])]
    panels = [
        Panel(
            name[:1].upper() + name[1:],
            "size of the gradient (loss per unit of output)",
            "",
            [Bars(names, sizes[0], name)],
        )
        for name, sizes in used.items()
    ]
    return Chart(
        panels,
        caption="Which outputs of one misclassified row each loss uses: the size of its gradient there.",
        name="outputs-used",
        columns=2,
    )


def _ways_table(ways: Mapping[str, float]) -> Table:
    from losscope.report import Table

    return Table(
        ["computed as", "mean squared error"],
        [[name, value] for name, value in ways.items()],
        caption="One batch, one-hot targets",
    )


def _tried_table(tried: Sequence[Tried], caption: str) -> Table:
    from losscope.report import Table

    rows = [[each.framework, each.number, each.error or each.warning or "nothing"] for each in tried]
    return Table(["framework", "number given", "what it says"], rows, caption=caption)

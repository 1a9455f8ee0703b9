"""The report's sentences: what was asked, how it was done, what each figure shows."""

from __future__ import annotations

from losscope.comparison.comparison import Comparison
from losscope.comparison.model import describe
from losscope.comparison.settings import METRIC_WORDS

LEARNING = (
    "The metric that all losses are judged by, on validation rows, after each epoch (epoch 0, before training, "
    "may lie off the scale). Lines are means over the seeds, bands run from the lowest to the highest seed. "
    "Runs with the same seed start from the same weights and see the same batches, whatever the loss."
)
TRAINING_CURVE = (
    "Each loss by its own measure: its mean value on training rows (up to 2,000, the same for all), divided "
    "by its value before training because losses have different scales."
)
GRADIENT_NORM = (
    "The norm of the gradient of the mean loss over all parameters, on the same training rows. In plain "
    "gradient descent the step is this norm times the learning rate, so a loss with small gradients needs a "
    "larger rate to move at all."
)
LARGEST = (
    "The share of the total gradient with respect to the model's outputs that comes from the 1% of rows with "
    "the largest residuals. An equal share would be 1%; far above that, a few rows steer the model."
)
SATURATION = (
    "An output is saturated when its probability is below 0.01 or above 0.99. On the right side that is a "
    "confident answer. On the wrong side it is where losses differ most: squared error through a sigmoid has "
    "almost no gradient left there, while cross-entropy has its largest."
)
SEAM = (
    "A Huber-like loss is quadratic for residuals up to its parameter and linear beyond. The figure shows the "
    "share of training rows beyond it: near 0% the loss acts like squared error, near 100% like absolute error."
)


def title(result: Comparison) -> str:
    """The page's title."""
    return f"{len(result.losses)} losses on {result.dataset.name}"


def lead(result: Comparison) -> str:
    """What was asked, in one paragraph."""
    settings, prepared = result.settings, result.prepared
    names = [f"`{name}`" for name in result.losses]
    listed = ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
    return (
        f"What do {listed} do to the same model, from the same initial weights and on the same batches? "
        f"{_capital(describe(settings.model, settings.hidden))} predicts `{result.task.target}` from "
        f"{prepared.columns} columns of {result.dataset.source}: {task(result)}. It is trained on "
        f"{len(prepared.train):,} rows for {settings.epochs} epochs with {len(settings.seeds)} "
        f"seed{'s' * (len(settings.seeds) != 1)}, and judged on {len(prepared.test):,} test rows that played no "
        "part in any choice."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def task(result: Comparison) -> str:
    """The task and why, in a few words."""
    kind = {
        "regression": "a regression",
        "count": "a count",
        "binary": "two classes",
        "classes": f"{len(result.task.labels)} classes",
    }
    return f"{kind[result.task.kind]} ({result.task.reason})"


def choosing(result: Comparison) -> str:
    """The rule that chose each loss's own best rate, and why it is that one."""
    metric = result.settings.choose_by
    if metric == "own":
        return "each loss's own value on validation rows (as asked)"
    why = {
        "accuracy": "no loss here optimises it directly, as its gradient is zero",
        "mae": "it is in the target's units, and a few large errors do not decide it. It does favour "
        "absolute_error, as RMSE favours squared_error, so the findings say what RMSE would have chosen",
    }
    reason = why.get(metric)
    return f"the mean {METRIC_WORDS[metric]} on validation rows" + (
        f" ({reason})" if reason else " (as asked)"
    )


def optimizer(result: Comparison) -> str:
    """The optimiser and why."""
    if result.settings.optimizer == "sgd":
        return (
            "SGD with momentum 0.9, because its step is proportional to the gradient, so what a loss does to "
            "the gradient shows (`--optimizer adam` divides most of the gradient's scale out)"
        )
    return "Adam, which divides most of a loss's gradient scale out"


def rates(result: Comparison) -> str:
    """What was tried for the rates."""
    settings = result.settings
    first = settings.rate(-(settings.grid // 2)), settings.rate(settings.grid // 2)
    return (
        f"Every loss was trained at {settings.grid} rates from {first[0]:g} to {first[1]:g}, each about 3 times "
        "the last. A loss that was best at one end was tried at the next rate beyond, until its best had a "
        f"worse neighbour on either side. Its own best was chosen by {choosing(result)}. A rate at which any "
        "seed diverged is out, and leaves a gap."
    )


def method(result: Comparison) -> list[str]:
    """How the comparison was kept fair, a paragraph each."""
    settings = result.settings
    paragraphs = [
        f"**The same for every loss:** {describe(settings.model, settings.hidden)}, whose initial weights and "
        f"batches (of {settings.batch_size} rows) depend on the seed alone; {optimizer(result)}; and "
        f"{settings.epochs} epochs, after the last of which the model is tested. All seeds share one split of "
        "the rows, so the spread over seeds comes from initial weights and batch order, not from other test "
        "rows.",
        "**The learning rate** is the one thing that differs between losses when each is at its own best: it "
        f"was chosen by {choosing(result)}. Test rows were used for no choice.",
    ]
    if result.task.numeric:
        paragraphs.append(
            "**Metrics:** MAE is the mean and median |error| the median of |prediction - target|, RMSE the root "
            f"of its mean square, all in the units of `{result.task.target}`. A loss's own value is in the "
            "units it was trained in."
        )
    else:
        brier = "(p - y)²" if result.task.kind == "binary" else "the sum over the classes of (p - y)²"
        paragraphs.append(
            "**Metrics:** accuracy is the share of rows whose largest output is the right class, log loss the "
            f"mean of -log p(right class), from the logits and unclipped, and Brier the mean of {brier}. The "
            "last two need probabilities."
        )
    return paragraphs


def under_the_tables(result: Comparison) -> list[str]:
    """What a reader must know to read the tables."""
    seeds = len(result.settings.seeds)
    notes = [
        f"All on test data: mean and standard deviation over {seeds} seeds."
        if seeds > 1
        else "All on test data, with one seed, so the spread is unknown."
    ]
    if result.repeated:
        notes.append(f"Named more than once but run once: {', '.join(result.repeated)}.")
    scores = [name for name in result.losses if result.encodings[name].link == "score"]
    if scores and not result.task.numeric:
        verb = (
            "give scores, not probabilities: they have"
            if len(scores) > 1
            else "gives scores, not probabilities: it has"
        )
        notes.append(f"{' and '.join(scores)} {verb} no log loss and no Brier score.")
    if result.task.numeric:
        notes += [f"{name} {note}." for name in result.losses for note in result.encodings[name].notes]
    sigmoids = [name for name in result.losses if result.encodings[name].link == "sigmoid"]
    if sigmoids and result.task.kind == "classes":
        notes.append(
            f"{' and '.join(sigmoids)}: one sigmoid per class; for log loss and Brier, divided by their sum."
        )
    return notes

"""The report's sentences: what was asked, how it was done, what each figure shows."""

from __future__ import annotations

from losscope.compare.comparison import Comparison
from losscope.compare.model import describe
from losscope.compare.settings import METRIC_WORDS

LEARNING = (
    "The metric all losses are judged by, on validation rows, after each epoch (epoch 0, before training, "
    "may lie "
    "off the scale). "
    "Lines: mean over the seeds; bands: lowest to highest seed. Runs of one seed start from the same "
    "weights and see "
    "the same batches, whatever the loss."
)
TRAINING_CURVE = (
    "What each loss itself makes of it: its mean value on training rows (up to 2,000, the same for all), "
    "divided by "
    "its value before training, as losses have different scales."
)
GRADIENT_NORM = (
    "The length of the gradient of the mean loss over all parameters, on the same training rows. With plain "
    "gradient "
    "descent it times the learning rate is the step: a loss with small gradients needs a larger rate, or "
    "stands still."
)
LARGEST = (
    "The share of the total gradient with respect to the model's outputs that comes from the 1% of rows "
    "with the "
    "largest residuals. An equal share is 1%; far above it, a few rows steer the model."
)
SATURATION = (
    "An output is saturated when its probability is below 0.01 or above 0.99. On the right side that is a "
    "confident "
    "answer. On the wrong side it is where losses differ most: squared error through a sigmoid has no "
    "gradient left "
    "there, cross-entropy its largest."
)
SEAM = (
    "A Huber-like loss is quadratic for residuals up to its parameter and linear beyond. Shown is the share "
    "of "
    "training rows beyond it. Near 0% the loss acts as squared error; near 100%, as absolute error."
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
        f"What do {listed} do to the same model, started from the same weights, on the same batches? "
        f"{_capital(describe(settings.model, settings.hidden))} predicts `{result.task.target}` from "
        f"{prepared.columns} columns of {result.dataset.source}: {task(result)}. Trained on "
        f"{len(prepared.train):,} rows "
        f"for {settings.epochs} epochs with {len(settings.seeds)} seed{'s' * (len(settings.seeds) != 1)}; "
        f"judged on "
        f"{len(prepared.test):,} test rows that no choice has seen."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def task(result: Comparison) -> str:
    """The task and why, in a few words."""
    kind = {
        "regression": "a regression",
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
        "accuracy": "no loss here has it as its own aim, as its gradient is zero",
        "mae": "it is in the target's units and a few large errors do not decide it; as it is the aim of "
        "absolute_error and RMSE that of squared_error, what RMSE would have chosen is said as well",
    }
    reason = why.get(metric)
    return f"the mean {METRIC_WORDS[metric]} on validation rows" + (
        f" ({reason})" if reason else " (as asked)"
    )


def optimizer(result: Comparison) -> str:
    """The optimiser and why."""
    if result.settings.optimizer == "sgd":
        return (
            "SGD with momentum 0.9, because its step is proportional to the gradient, so that what a loss "
            "does to "
            "the gradient can be seen (Adam divides most of its scale out: `--optimizer adam`)"
        )
    return "Adam, which divides most of a loss's gradient scale out"


def rates(result: Comparison) -> str:
    """What was tried for the rates."""
    settings = result.settings
    first = settings.rate(-(settings.grid // 2)), settings.rate(settings.grid // 2)
    return (
        f"Every loss was trained at {settings.grid} rates from {first[0]:g} to {first[1]:g}, each about 3 "
        f"times the last; "
        "a loss that was best at an end got the next rate beyond it, until its best had a worse neighbour "
        "on either "
        f"side. Its own best was chosen by {choosing(result)}. A rate at which any seed diverged is not "
        "eligible, and leaves a gap."
    )


def method(result: Comparison) -> list[str]:
    """How the comparison was kept fair, a paragraph each."""
    settings = result.settings
    paragraphs = [
        f"**The same for every loss:** {describe(settings.model, settings.hidden)}; its start and the "
        f"batches (of "
        f"{settings.batch_size} rows) depend on the seed alone; {optimizer(result)}; {settings.epochs} "
        f"epochs, and the "
        "model after the last one is what is tested. One split of the rows serves all seeds, so the spread "
        "over seeds is "
        "that of start and batch order, not of drawing other test rows.",
        f"**The learning rate** is the one thing that is not the same for every loss when each is at its "
        f"own best: it "
        f"was chosen by {choosing(result)}. Test rows were used for no choice.",
    ]
    if result.task.kind == "regression":
        paragraphs.append(
            "**Metrics:** MAE is the mean, median |error| the median of |prediction - target|, RMSE the "
            "root of its mean "
            f"square, all in the units of `{result.task.target}`. A loss's own value is in the units it was "
            f"trained in."
        )
    else:
        brier = "(p - y)²" if result.task.kind == "binary" else "the sum over the classes of (p - y)²"
        paragraphs.append(
            "**Metrics:** accuracy is the share of rows whose largest output is the right class; log loss "
            "the mean of "
            f"-log p(right class), from the logits and unclipped; Brier the mean of {brier}. Both need "
            f"probabilities."
        )
    return paragraphs


def under_the_tables(result: Comparison) -> list[str]:
    """What a reader must know to read the tables."""
    seeds = len(result.settings.seeds)
    notes = [
        f"All on test data: mean and standard deviation over {seeds} seeds."
        if seeds > 1
        else "All on test data, with one seed: no spread is known."
    ]
    if result.repeated:
        notes.append(f"Named more than once, run once: {', '.join(result.repeated)}.")
    scores = [name for name in result.losses if result.encodings[name].link == "score"]
    if scores and result.task.kind != "regression":
        verb = (
            "give scores, not probabilities: they have"
            if len(scores) > 1
            else "gives scores, not probabilities: it has"
        )
        notes.append(f"{' and '.join(scores)} {verb} no log loss and no Brier score.")
    if result.task.kind == "regression":
        notes += [f"{name} {note}." for name in result.losses for note in result.encodings[name].notes]
    sigmoids = [name for name in result.losses if result.encodings[name].link == "sigmoid"]
    if sigmoids and result.task.kind == "classes":
        notes.append(
            f"{' and '.join(sigmoids)}: one sigmoid per class, divided by their sum for log loss and Brier."
        )
    return notes

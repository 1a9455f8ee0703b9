"""The report's sentences: what was asked, how it was done, what each figure shows."""

from __future__ import annotations

from losscope.comparison import models, say
from losscope.comparison.outcome import Outcome

DIFFERENCES = (
    "How much worse each loss is than the best one, on test rows, and the 95% interval of that. **An interval that "
    "reaches 0 is a difference that these runs cannot tell from none.**"
)
LEARNING = (
    "Each loss at its own best. Left, what the losses are judged by, on validation rows, after each epoch (epoch 0, "
    "before training, may lie off the scale). Right, each loss's own value on training rows, divided by its value "
    "before training because losses have different scales. Lines are means over splits and seeds, bands run from the "
    "lowest to the highest."
)
GRADIENT = (
    "Left, the norm of the gradient of the mean loss over all parameters: in plain gradient descent the step is this "
    "norm times the learning rate, so a loss with small gradients needs a larger rate to move at all. Right, the share "
    "of the gradient with respect to the model's outputs that comes from the rows with the largest residuals: far above "
    "an equal share, a few rows steer the model."
)
SATURATION = (
    "An output is saturated when its probability is below 0.01 or above 0.99. On the right side that is a confident "
    "answer. On the wrong side it is where losses differ most: squared error through a sigmoid has almost no gradient "
    "left there, while cross-entropy has its largest."
)
SEAM = (
    "A Huber-like loss is quadratic for residuals up to its parameter and linear beyond. The figure shows the share of "
    "training rows beyond it: near 0% the loss acts like squared error, near 100% like absolute error."
)


def title(outcome: Outcome) -> str:
    """The page's title."""
    many = len(outcome.losses)
    return f"{many} loss{'es' * (many != 1)} on {outcome.dataset.name}"


def lead(outcome: Outcome) -> str:
    """What was asked, in one paragraph."""
    first = outcome.prepared[0]
    listed = say.listed([f"`{name}`" for name in outcome.losses])
    return (
        f"What do {listed} do to the same model, from the same start and on the same rows? {capital(model(outcome))} "
        f"predicts `{outcome.task.target}` from {first.columns} columns of {outcome.dataset.source}: {task(outcome)}. "
        f"{capital(splits(outcome))}."
    )


def capital(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def model(outcome: Outcome) -> str:
    """The model in words."""
    described = models.module(outcome.settings.model).DESCRIPTION
    return described.format(hidden=outcome.settings.hidden).rstrip(",")


def task(outcome: Outcome) -> str:
    """The task and why, in a few words."""
    kind = {
        "regression": "a regression",
        "count": "a count",
        "binary": "two classes",
        "classes": f"{len(outcome.task.labels)} classes",
    }
    return f"{kind[outcome.task.kind]} ({outcome.task.reason})"


def splits(outcome: Outcome) -> str:
    """How often the rows were split, and how."""
    settings, every = outcome.settings, outcome.prepared
    seeds = f", with {settings.seeds} seeds each" if settings.seeds > 1 else ""
    train, validation, test = (
        say.between([len(getattr(each, part)) for each in every]) for part in ("train", "validation", "test")
    )
    sizes = f"{train} rows to train on, {validation} to validate with"
    if len(every) == 1:
        return f"one split of the rows: {sizes} and {test} to test on{seeds}"
    how = "folds" if settings.folds else "splits of the rows"
    same = "the same " if outcome.shared_test else ""
    return f"{len(every)} {how}, each {sizes} and {same}{test} to test on{seeds}"


def uncertainty(outcome: Outcome) -> str:
    """How the intervals were made."""
    if outcome.dataset.time is not None:
        how = " As later splits train on the test rows of earlier ones, the intervals are rough."
    else:
        how = ""
    rows = (
        "**Uncertainty:** losses are compared split by split, and an interval (95%, Student's t) is that of the mean of "
        "these paired differences. What they vary by because of the test rows is taken from the rows themselves (a "
        "jackknife over blocks)"
    )
    every = say.splits(len(outcome.prepared), outcome.settings.folds)
    if outcome.folds_of_one_group:
        return (
            "**Uncertainty:** losses are compared fold by fold, and an interval (95%, Student's t) is that of the mean of these "
            f"paired differences. What they vary by is taken from the {every} alone, as some are tested on one group; it is "
            "widened because folds share training rows (Nadeau and Bengio, 2003). ± in a table is the standard deviation over "
            f"the {every}."
        )
    if len(outcome.prepared) == 1:
        return f"{rows}; with one split, what other training rows would change is not in it."
    if outcome.shared_test:
        return f"{rows}; all splits share them, so more splits do not make this part smaller."
    return (
        f"{rows}, what they vary by beyond that from the {every}; and it is widened because these share training rows "
        f"(Nadeau and Bengio, 2003). ± in a table is the standard deviation over the {every}.{how}"
    )


def method(outcome: Outcome) -> list[str]:
    """How the comparison was kept fair, a paragraph each."""
    settings = outcome.settings
    trained = (
        f", whose initial weights and batches (of {settings.batch_size} rows) depend on split and seed alone, and at most "
        f"{settings.epochs} epochs; the epoch with the best validation loss is kept"
        if settings.tunes_rate
        else ""
    )
    paragraphs = [f"**The same for every loss:** {splits(outcome)}; {model(outcome)}{trained}."]
    chosen = "; ".join(
        f"{name} by {metric.words if metric else 'its own value'}"
        for name, metric in outcome.chosen_by.items()
    )
    if settings.tunes_rate and settings.grid > 1:
        first = settings.rate(-(settings.grid // 2)), settings.rate(settings.grid // 2)
        paragraphs.append(
            f"**The learning rate** is each loss's own, chosen in each split on validation rows ({chosen}) from "
            f"{settings.grid} rates from {first[0]:g} to {first[1]:g}, each about 3 times the last; a loss that was best "
            "at one end was tried beyond it, until its best had a worse neighbour on either side."
        )
    elif any(rival.open for rival in outcome.rivals.values()):
        paragraphs.append(f"**Parameters** were chosen in each split on validation rows: {chosen}.")
    paragraphs.append(uncertainty(outcome))
    meanings = [f"{metric.words}, {metric.meaning}" for metric in outcome.metrics if metric.meaning]
    paragraphs.append(f"**Metrics:** {'; '.join(meanings)}.")
    paragraphs.append(
        "**What a loss estimates** is derived from its formula: the prediction of least expected loss, for distributions "
        "whose mean, median and quantiles differ."
    )
    return paragraphs


def under_the_tables(outcome: Outcome) -> list[str]:
    """What a reader must know to read the tables."""
    count = len(outcome.prepared)
    every = say.splits(count, outcome.settings.folds)
    notes = [
        f"On test rows: mean ± standard deviation over {every}. Behind a difference, ± is its 95% interval."
        if count > 1
        else "On the test rows of one split."
    ]
    if outcome.repeated:
        notes.append(f"Named more than once but run once: {', '.join(outcome.repeated)}.")
    lost = [(name, summary.diverged) for name, summary in outcome.summaries.items() if summary.diverged]
    notes += [f"{name} diverged in {splits} of {every}." for name, splits in lost]
    notes += [f"{name}: {note}." for name, rival in outcome.rivals.items() for note in rival.encoding.notes]
    sigmoids = [name for name, rival in outcome.rivals.items() if rival.encoding.link == "sigmoid"]
    if sigmoids and outcome.task.outputs > 1:
        notes.append(
            f"{say.listed(sigmoids)}: one sigmoid per class; for log loss and Brier, divided by their sum."
        )
    return notes

"""A loss in words: the docstring of each, made from its entry."""

from __future__ import annotations

from typing import Any

_EXAMPLES = {
    "real": ("[2.0, 0.5]", "[1.0, 0.0]"), "sign": ("[2.0, -0.5]", "[1.0, 1.0]"), "count": ("[0.0, 1.0]", "[1.0, 3.0]"),
    "label": ("[2.0, -0.5]", "[1.0, 0.0]"), "probability": ("[2.0, -0.5]", "[1.0, 0.0]"),
}  # fmt: skip

OPTIONS = {
    "softmax": {
        "": "class_weight (one per class; a mean over class indices divides by the weights of the classes, one over rows of "
        "probabilities by the number of rows), ignore_index (-100), label_smoothing (0)"
    },
    "distance": {
        "": "label (one per vector: 1 for a pair that belongs together, -1 for one that does not; 1 if left out)",
        "triplet": "negative (the vectors to keep away from; needed), swap (False; True: the distance from positive "
        "to negative counts where it is the shorter)",
    },
}


def describe(loss: Any, certified: bool = True) -> str:
    """What `help(losscope.huber)` shows; not `certified`, without what depends on the machine by a tenth of an ulp."""
    entry = loss.entry
    lines = [summary(loss), ""]
    lines += [f"Formula:     {formula(loss)}"]
    lines += [f"Shapes:      {shapes(loss)}"]
    if loss.structure == "elementwise":
        where = (
            "any real number: it goes through " + loss.activation.name
            if loss.activation
            else entry.prediction.words
        )
        lines += [f"Prediction:  {where}", f"Target:      {entry.target.words}"]
    for name, value in loss.parameters.items():
        lines.append(f"Parameter:   {name} = {value:g} ({loss._open[name].domain.words})")
    if loss.structure in OPTIONS:
        lines.append(f"Options:     {options(loss)}")
    if loss.structure == "distance":
        lines.append(
            "Gradient:    with respect to the prediction; losscope.torch and tensors give that of all vectors"
        )
    for title, text in (("At ties:", entry.ties), ("At infinity:", entry.infinite)):
        if text:
            lines.append(f"{title:<13}{text}")
    if certified:
        lines.append(f"Exactness:   {loss.certificate}")
    if entry.elsewhere and not loss.activation:
        lines.append(
            "Elsewhere:   " + "; ".join(f"{package}: {name}" for package, name in entry.elsewhere.items())
        )
    if entry.aliases and not loss.activation:
        lines.append("Also called: " + ", ".join(entry.aliases))
    lines += [
        "",
        "Raises LossError for shapes, dtypes, domains and parameters that do not fit, naming the first offender.",
        "",
    ]
    lines += [f"    >>> {line}" for line in example(loss)]
    if entry.reference and not loss.activation:
        lines += ["", f"Source: {entry.reference}"]
    return "\n".join(lines)


def summary(loss: Any) -> str:
    """One line on the loss. Behind an activation it is another function, which the entry's line is not about."""
    if loss.activation is not None:
        return f"{loss.entry.name} through {loss.activation.name}: the prediction is a raw score."
    return str(loss.entry.summary) or f"{loss.entry.name}, defined by its formula."


def formula(loss: Any) -> str:
    """The formula as text, with what its names stand for."""
    if loss.structure == "activation":
        return loss.entry.formula
    of = meaning(loss)
    if loss.activation is not None:
        of = f"prediction = {loss.activation.formula.replace('x', 'score')}" + (
            "; r = prediction - target"
            if "r" in loss.entry.formula.replace("target", "").replace("prediction", "")
            else ""
        )
    elif of is None and "target" not in loss.entry.formula:
        of = "r = prediction - target"
    return loss.entry.formula + (f",  with {of}" if of else "")


def meaning(loss: Any) -> str | None:
    """What the one number is that a loss of whole rows is a function of."""
    if loss.structure == "distance":
        return str(loss._structure.MEANING[loss.entry.measure])
    if loss.structure == "softmax":
        return "margin = logsumexp(logits of the other classes) - logit of the target"
    return None


def options(loss: Any) -> str:
    """What a call may be given by name beside parameters, weight and reduction."""
    return OPTIONS[loss.structure]["triplet" if loss.entry.measure == "triplet" else ""]


def shapes(loss: Any) -> str:
    """Which shapes go together."""
    if loss.structure == "distance":
        negative = ", target and negative" if loss.entry.measure == "triplet" else " and target"
        return f"prediction{negative} (..., features), the same; one loss for each vector"
    if loss.structure == "softmax":
        return "prediction (..., classes) of logits; target (...) of class indices, or (..., classes) of probabilities"
    if loss.structure == "activation":
        return "any; one number out for each number in"
    if loss.entry.over == "rows":
        return (
            "prediction and target (..., classes), the same; the loss of a row is summed over its last axis"
        )
    return "prediction and target any, but the same"


def example(loss: Any) -> list[str]:
    """Lines of Python that run."""
    call = f"losscope.get({loss.name!r})"
    if loss.structure == "softmax":
        return ["import losscope", f"{call}([[2.0, 0.0, -1.0]], [0])"]
    if loss.structure == "activation":
        return ["import losscope", f"{call}([-1.0, 0.0, 1.0])"]
    if loss.structure == "distance":
        option = "negative=[[1.0, 1.0]]" if loss.entry.measure == "triplet" else "label=[-1]"
        return ["import losscope", f"{call}([[1.0, 0.0]], [[0.75, 0.5]], {option})"]
    if loss.entry.prediction.name == "probability" and loss.activation is None:
        pair = ("[0.75, 0.25]", "[0.5, 0.5]") if loss.entry.over == "rows" else ("[0.75, 0.25]", "[1.0, 0.0]")
    else:
        pair = _EXAMPLES.get(loss.entry.target.name, _EXAMPLES["real"])
    return ["import losscope", f"{call}({pair[0]}, {pair[1]})"]

"""A loss in words: the docstring of each, made from its entry."""

from __future__ import annotations

import re
from typing import Any

from losscope import structures


def describe(loss: Any, certified: bool = True) -> str:
    """What `help(losscope.huber)` shows; not `certified`, without what depends on the machine by a tenth of an ulp."""
    entry, structure = loss.entry, structures.get(loss.structure)
    lines = [summary(loss), ""]
    lines += [f"Formula:     {formula(loss)}"]
    lines += [f"Shapes:      {structure.shapes(entry)}"]
    for title, text in structure.inputs_in_words(entry, loss.activation):
        lines.append(f"{title + ':':<13}{text}")
    for name, value in loss.parameters.items():
        lines.append(f"Parameter:   {name} = {value:g} ({loss._open[name].domain.words})")
    if options := structure.options_in_words(entry):
        lines.append(f"Options:     {options}")
    if gradient := structure.gradient_in_words():
        lines.append(f"Gradient:    {gradient}")
    for title, text in (("At ties:", entry.ties), ("At infinity:", entry.infinite)):
        if text:
            lines.append(f"{title:<13}{text}")
    if certified:
        lines.append(f"Exactness:   {loss.certificate}")
    if entry.equivalents and not loss.activation:
        lines.append(
            "Elsewhere:   " + "; ".join(f"{package}: {name}" for package, name in entry.equivalents.items())
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
    if loss.judges == "nothing":
        return str(loss.entry.formula)
    of = structures.get(loss.structure).meaning(loss.entry)
    if loss.activation is not None:
        of = f"prediction = {loss.activation.formula.replace('x', 'score')}" + (
            "; r = prediction - target" if _names_the_residual(loss.entry.formula) else ""
        )
    elif of is None and _names_the_residual(loss.entry.formula):
        of = "r = prediction - target"
    return loss.entry.formula + (f",  with {of}" if of else "")


def _names_the_residual(formula: str) -> bool:
    return re.search(r"\br\b", formula) is not None


def example(loss: Any) -> list[str]:
    """Lines of Python that run; a loss that no name finds stands under that of the variable it was most likely given to."""
    given = structures.get(loss.structure).example(loss.entry, loss.activation)
    if not loss._is_of_the_catalogue():
        return [f"{loss.entry.name}({given})"]
    return ["import losscope", f"losscope.get({loss.name!r})({given})"]

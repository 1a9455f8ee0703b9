"""One loss, one name and one colour, in every picture, table and page.

The name follows from the loss's own (`half_squared_error@sigmoid` is "half squared error through sigmoid"),
the colour from its place in the catalogue, where variants of one loss count as one.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_SPELT = (
    (r"\bcross entropy\b", "cross-entropy"),
    (r"\bl1\b", "L1"),
    (r"\b(huber|poisson|tukey|cauchy|welsch|geman|mcclure|fair|tweedie|gamma|dice|jaccard|tversky)\b",
     lambda found: found[0].capitalize()),
    (r"\bkl\b", "KL"),
    (r"\blog cosh\b", "log-cosh"),
    (r"\bzero one\b", "0-1"),
    (r"\brelu\b", "ReLU"),
)  # fmt: skip
# Half of a loss, or the same loss of a probability, is a variant of it: it has its colour.
_VARIANT = re.compile(r"^(?:half|binary|weighted|pseudo)_|_of_probability$")


def name_of(loss: Any) -> str:
    """What a loss is called: a Loss, or what `losscope.get` takes.

    >>> name_of("mse"), name_of("half_squared_error@sigmoid"), name_of("huber:delta=2")
    ('squared error', 'half squared error through sigmoid', 'Huber (delta = 2)')
    """
    import losscope

    if isinstance(loss, str):
        loss = losscope.get(loss)
    words = spelt(loss.entry.name)
    _, marked, given = loss.name.partition("@")[0].partition(":")
    if marked:
        words += f" ({given.replace('=', ' = ').replace(',', ', ')})"
    return f"{words} through {spelt(loss.activation.name)}" if loss.activation is not None else words


def spelt(name: str) -> str:
    """A name of the catalogue as it is written in a sentence.

    >>> spelt("binary_cross_entropy"), spelt("smooth_l1")
    ('binary cross-entropy', 'smooth L1')
    """
    words = name.replace("_", " ")
    for pattern, better in _SPELT:
        words = re.sub(pattern, better, words)
    return words


@cache
def _places() -> dict[str, int]:
    """Every name and spelling of the catalogue's losses -> which colour's turn it is."""
    from losscope import structures
    from losscope.catalogue import entries, names

    # Real-valued regression first: its losses are the ones most often drawn together.
    ordered = sorted(
        entries().values(),
        key=lambda entry: (structures.get(entry.structure).judges == "nothing", entry.task != "regression"),
    )
    kin = {entry.name: _VARIANT.sub("", _VARIANT.sub("", entry.name)) for entry in ordered}
    turns = {name: turn for turn, name in enumerate(dict.fromkeys(kin.values()))}
    found = {each: turns[kin[entry]] for each, entry in names().items()}
    return found | {spelt(entry): turns[kin[entry]] for entry in kin}


def turn_of(label: str) -> int | None:
    """Which colour's turn a label is that names a loss, with parameters or an activation or without; else None.

    >>> turn_of("squared error") == turn_of("half squared error through sigmoid") == turn_of("mse@tanh")
    True
    >>> turn_of("houses") is None, turn_of("squared error, wrong") is None
    (True, True)
    """
    label = getattr(label, "template", label)  # what was translated goes by what it was
    places = _places()
    head = re.split(r"[:@]| \(| through ", label)[0].strip()
    return places.get(head)

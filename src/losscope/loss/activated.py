"""Whether a loss goes through an activation: value and derivatives are then in the raw score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from losscope import structures
from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.loss.names import giving, is_activation, names

if TYPE_CHECKING:
    from losscope.loss import Loss


def check_fit(loss: Loss, activation: Entry) -> None:
    """LossError where it does not."""
    if not is_activation(activation):
        raise LossError(
            complain(
                f"{activation.name} is not an activation",
                next_step="Known: " + ", ".join(names("activation")),
            )
        )
    if loss.activation is not None or not structures.get(loss.structure).activated:
        already = (
            "already goes through " + loss.activation.name
            if loss.activation
            else f"takes its own way from scores to a loss ({loss.structure})"
        )
        raise LossError(
            complain(
                f"{loss.entry.name} {already}",
                next_step="Only an elementwise loss goes through an activation, once",
            )
        )
    if activation.name == loss.entry.inside:
        raise LossError(
            complain(
                f"{loss.entry.name} takes a raw score and already contains the {activation.name}",
                next_step=f"Use {loss.entry.name} as it is",
            )
        )
    if not loss.entry.prediction.holds(activation.output):
        raise LossError(
            complain(
                f"{loss.entry.name} takes a number {loss.entry.prediction.words}, and {activation.name} gives {activation.output.words}",
                next_step="Known to fit: " + (", ".join(giving(loss.entry.prediction)) or "none"),
            )
        )
    clash = set(activation.parameters) & set(loss.entry.parameters)
    if clash:
        raise LossError(
            complain(f"{loss.entry.name} and {activation.name} both have a parameter {clash.pop()!r}")
        )

"""Names of losses and activations: what the catalogue has under them, and the parameters written behind them."""

from __future__ import annotations

from typing import Any

from losscope import catalogue, structures
from losscope.domain import Domain
from losscope.entry import Entry
from losscope.errors import LossError, complain, did_you_mean, shown
from losscope.loss.parameters import read_number


def losses() -> list[str]:
    """The names of all losses in the catalogue."""
    return names("loss")


def activations() -> list[str]:
    """The names of all activations in the catalogue."""
    return names("activation")


def is_activation(entry: Entry) -> bool:
    return structures.get(entry.structure).judges == "nothing"


def names(kind: str) -> list[str]:
    """The names of all losses, or of all activations."""
    return [
        name for name, entry in catalogue.entries().items() if is_activation(entry) == (kind == "activation")
    ]


def giving(domain: Domain) -> list[str]:
    """The activations whose results lie in that domain."""
    entries = catalogue.entries()
    return [name for name in names("activation") if domain.holds(entries[name].output)]


def entry_of(name: str, kind: str) -> Entry:
    entries = catalogue.entries()
    if not isinstance(name, str):
        raise LossError(
            complain(
                f"The name of {'an' if kind == 'activation' else 'a'} {kind} must be text", got=shown(name)
            )
        )
    found = catalogue.names().get(name.strip().lower().replace("-", "_"))
    if found is None or (kind == "activation" and not is_activation(entries[found])):
        candidates = [
            each
            for each, entry in catalogue.names().items()
            if kind == "loss" or is_activation(entries[entry])
        ]
        close = did_you_mean(name, candidates)
        if kind == "loss":  # all names would fill a screen
            close = (
                f"{close} (losscope list shows all)" if close.startswith("Did") else "losscope list shows all"
            )
        raise LossError(complain(f"There is no {kind} named {name!r}", next_step=close))
    return entries[found]


def settings(text: str) -> tuple[str, dict[str, Any]]:
    """A name and the parameters behind it: huber:delta=2."""
    name, *settings = text.replace(",", ":").split(":")
    parameters: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            several = not setting.strip() or setting.strip().lower() in catalogue.names()
            raise LossError(
                complain(
                    f"{setting!r} in {text!r} is not a setting",
                    expected="name=value, as in huber:delta=2",
                    next_step="Separate the names of several losses with spaces" if several else "",
                )
            )
        if key.strip() in parameters:
            raise LossError(complain(f"{key.strip()} is set twice", got=text))
        parameters[key.strip()] = read_number(key.strip(), value)
    return name, parameters


def short(value: float) -> str:
    """A number as short as it can be read back: 2, 0.1."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(float(value))

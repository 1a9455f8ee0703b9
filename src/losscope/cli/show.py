"""`losscope show huber`: a loss's formula, gradient, curvature, facts, and its names elsewhere."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(verbs: Any) -> None:
    parser = verbs.add_parser(
        "show",
        help="formula, gradient, curvature and facts of a loss",
        description="Everything known about a loss before it meets data.",
    )
    parser.add_argument("name", nargs="+", help="e.g. huber, huber:delta=2, mse@sigmoid")
    parser.add_argument("--latex", action="store_true", help="formulas in LaTeX")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import losscope

    losses = [losscope.get(name) for name in args.name]
    if args.json:
        print(
            json.dumps(
                [
                    {
                        **_formulas(loss, args.latex),
                        "by_hand": _by_hand(loss),
                        "name": loss.name,
                        "facts": loss.facts.as_dict(),
                        "elsewhere": {} if loss.activation else dict(loss.entry.equivalents),
                    }
                    for loss in losses
                ],
                indent=2,
            )
        )
        return 0
    from losscope.report.terminal import Terminal

    for loss in losses:
        _print(Terminal(), loss, args.latex)
    return 0


def _formulas(loss: Any, latex: bool) -> dict[str, str]:
    from losscope.emit.plain import plain

    derived = loss._derived
    expressions = (derived.value, derived.gradient, derived.curvature)
    return {
        name: loss.latex(order) if latex else plain(expressions[order])
        for order, name in enumerate(("value", "gradient", "curvature"))
    }


def _by_hand(loss: Any) -> dict[str, str]:
    """The formulas as people write them."""
    from losscope.emit.by_hand import by_hand

    return by_hand(loss)


def _entries(loss: Any, latex: bool) -> list[tuple[str, str]]:
    """What people write first; then what is computed, where that is another form."""
    computed, words, human = _formulas(loss, latex), _words(loss), {} if latex else _by_hand(loss)
    letters = human.pop("with", "")
    if human == computed or latex:
        return [*computed.items(), *words.items()]
    other = [(f"  {name}", text) for name, text in computed.items() if human[name] != text]
    of = words.pop("with", "")
    other += [("  with", of)] if letters and of else []
    meant = [("with", letters or of)] if letters or of else []
    return [*human.items(), *meant, ("computed as", ""), *other, *words.items()]


def _print(console: Any, loss: Any, latex: bool) -> None:
    from rich.text import Text

    from losscope import structures
    from losscope.describe import summary
    from losscope.report.terminal import listing, width_of, wrapped

    width = width_of(console)
    console.print(Text(loss.name, style="bold"), soft_wrap=True)
    for line in wrapped(summary(loss), width):
        console.print(Text(line), soft_wrap=True)
    for name, text in listing(
        [*_entries(loss, latex), ("shapes", structures.get(loss.structure).shapes(loss.entry))], width
    ):
        console.print(Text.assemble((name, "cyan"), text), soft_wrap=True)
    console.print()


def _places(loss: Any) -> dict[str, str]:
    """Where the loss itself jumps, and where its slope does."""
    facts = loss.facts
    what = "the activation" if loss.judges == "nothing" else "the loss"
    at = ", ".join(f"{place:g}" for place in facts.jumps)
    found = {"jumps": f"{at}: {what} itself jumps there, where no slope shows it"} if at else {}
    kinks = ", ".join(f"{kink:g}" for kink in facts.kinks)
    none = "none: the slope has no jump" if at else "none: the slope is continuous"
    return {**found, "kinks": kinks or none}


def _words(loss: Any) -> dict[str, str]:
    """What the names stand for, the facts, and where else the loss is found, in words."""
    from losscope import structures
    from losscope.emit.plain import plain

    entry, facts, words = loss.entry, loss.facts, {}
    structure = structures.get(loss.structure)
    if loss._derived.residual is not None:
        words["with"] = f"r = {plain(loss._derived.residual)}"
    elif (of := structure.meaning(entry)) is not None:
        words["with"] = of
    if loss.parameters:
        words["parameters"] = ", ".join(
            f"{name} = {value:g} ({loss._open[name].domain.words})" for name, value in loss.parameters.items()
        )
    if said := structure.options_in_words(entry):
        words["options"] = said
    words |= {name.lower(): text for name, text in structure.inputs_in_words(entry, loss.activation)}
    if loss.judges != "nothing":
        words["convex"] = "yes" if facts.convex else "no"
    words["steepest slope"] = f"{facts.lipschitz:g}" if facts.lipschitz is not None else "unbounded"
    if loss.judges != "nothing":  # an outlier pulls at a loss
        words["influence"] = (
            "fades to nothing far out (redescending)"
            if facts.redescending
            else "bounded"
            if facts.bounded_influence
            else "unbounded"
        )
    words |= _places(loss)
    if facts.efficiency is not None:
        words["efficiency"] = f"{facts.efficiency:.2%} of the mean's, under Gaussian noise of scale 1"
    words["exactness"] = facts.exactness
    for name, text in (("at ties", entry.ties), ("at infinity", entry.infinite)):
        if text:
            words[name] = text
    if loss.activation is not None:  # names and sources are those of the loss alone
        return words
    if entry.aliases:
        words["also called"] = ", ".join(entry.aliases)
    if entry.equivalents:
        words["elsewhere"] = "; ".join(f"{package}: {name}" for package, name in entry.equivalents.items())
    if entry.reference:
        words["source"] = entry.reference
    return words

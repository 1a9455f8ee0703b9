"""`losscope form "r**2/(r**2 + c**2)" c=1`: what a formula is rewritten into, and how exact it is before and after."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(verbs: Any) -> None:
    parser = verbs.add_parser(
        "form",
        help="a formula in the form that keeps its digits",
        description="Rewrites a formula, its gradient and its curvature into forms that keep their digits, and says "
        "how exact each is: its worst error beside the truth, over some thousand points of every size.",
    )
    parser.add_argument("formula", help='e.g. "r**2/(r**2 + c**2)"; softmax losses are written in m')
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="parameters and their defaults, e.g. c=1"
    )
    parser.add_argument("--structure", default="elementwise", help="elementwise (default) or softmax")
    parser.add_argument(
        "--target", default="real", help="the domain of the target: real, sign, label, positive ..."
    )
    parser.add_argument("--prediction", default="real", help="the domain of the prediction")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    found = forms(args.formula, _numbers(args.parameters), args.structure, args.target, args.prediction)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    from losscope.report.terminal import Terminal

    _print(Terminal(), found)
    return 0 if found["exact"] else 1


def _print(console: Any, found: dict[str, Any]) -> None:
    """Both forms with their exactness, and what else is to be known, no wider than the terminal."""
    from rich.text import Text

    from losscope.report.terminal import listing, width_of, wrapped

    width = width_of(console)
    for title, part in (("as derived", found["before"]), ("as computed", found["after"])):
        console.print(Text(title, style="bold"), soft_wrap=True)
        for name, text in listing([*part["forms"].items(), ("exactness", part["exactness"])], width):
            console.print(Text.assemble((name, "cyan"), text), soft_wrap=True)
        console.print()
    notes = []
    if found["refused"]:
        notes.append(f"Parameters that are now to be more than 0: {', '.join(found['refused'])}")
    if found["same"] and found["exact"]:
        notes.append("Nothing is rewritten: what derivation gives is exact.")
    for line in (line for note in notes for line in wrapped(note, width)):
        console.print(Text(line), soft_wrap=True)


def forms(
    formula: str,
    parameters: dict[str, float],
    structure: str = "elementwise",
    target: str = "real",
    prediction: str = "real",
) -> dict[str, Any]:
    """The forms before and after rewriting, with the worst point of each, as plain data."""
    import warnings
    from dataclasses import replace

    from losscope.definition import define
    from losscope.derive import derive
    from losscope.emit.plain import plain
    from losscope.exactness.certify import certificate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {
            "structure": structure,
            "target": target,
            "prediction": prediction,
            **parameters,
        }
        loss = define("formula", formula, **options)
    as_written = replace(loss.entry, computed=())

    def part(entry: Any) -> dict[str, Any]:
        derived = derive(entry)
        texts = {name: plain(getattr(derived, name)) for name in ("value", "gradient", "curvature")}
        return {"forms": texts, "exactness": str(certificate(entry))}

    return {
        "before": part(as_written),
        "after": part(loss.entry),
        "same": not loss.entry.computed,
        "exact": loss.certificate.exact,
        "refused": [name for name, each in loss.entry.parameters.items() if each.domain.name == "positive"],
    }


def _numbers(given: list[str]) -> dict[str, float]:
    from losscope.errors import LossError, complain

    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if name in found:
            raise LossError(complain(f"{name} is set twice", got=" ".join(given)))
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise LossError(complain("A parameter is given as name=number", got=each, expected="e.g. c=1.5"))
    return found

"""`losscope list`: every loss and activation."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(verbs: Any) -> None:
    parser = verbs.add_parser(
        "list", help="list all losses and activations", description="All losses and activations, by family."
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from losscope.catalogue import entries

    if args.json:
        print(json.dumps([record(each) for each in entries().values()], indent=2))
        return 0
    from rich.text import Text

    from losscope.report.terminal import Terminal, width_of

    console = Terminal()
    for style, line in lines(width_of(console)):
        console.print(Text(line, style=style), soft_wrap=True)
    return 0


def lines(width: int | None) -> list[tuple[str, str]]:
    """(style, line): names, parameters and other names by family. None: as wide as it takes."""
    from losscope.catalogue import entries
    from losscope.report.terminal import wrapped

    families: dict[str, list[tuple[str, str, str]]] = {}
    for entry in entries().values():
        parameters = ", ".join(f"{name}={each.default:g}" for name, each in entry.parameters.items())
        families.setdefault(entry.task, []).append((entry.name, parameters, ", ".join(entry.aliases)))
    rows = [row for family in families.values() for row in family]
    left, middle = (max(len(row[at]) for row in rows) + 2 for at in (0, 1))
    last = max(len(word) for row in rows for word in row[2].split())
    side_by_side = width is None or 2 + left + middle + last <= width
    found = [("bold", f"{'name':<{left + 2}}{'parameters':<{middle}}also called")] if side_by_side else []
    for task in sorted(families, key=lambda task: task == "activation"):  # losses first
        found.append(("cyan", task))
        for name, parameters, aliases in families[task]:
            if side_by_side:
                start = f"  {name:<{left}}{parameters:<{middle}}"
                room = None if width is None else width - len(start)
                first, *more = wrapped(aliases, room)
                found.append(("", (start + first).rstrip()))
                found += [("", " " * len(start) + line) for line in more]
                continue
            found.append(("", f"  {name}"))
            for text in (parameters, aliases and f"also called {aliases}"):
                if text:
                    found += [("", f"    {line}") for line in wrapped(text, width and width - 4)]
    note = (
        "losscope show NAME says more about each. "
        "A name can carry parameters and an activation: huber:delta=2, mse@sigmoid."
    )
    return [*found, ("", ""), *(("", line) for line in wrapped(note, width))]


def record(entry: Any) -> dict[str, Any]:
    """An entry as JSON-able data."""
    return {
        "name": entry.name, "aliases": list(entry.aliases), "structure": entry.structure, "task": entry.task,
        "formula": entry.formula, "parameters": {name: each.default for name, each in entry.parameters.items()},
        "prediction": entry.prediction.words, "target": entry.target.words, "summary": entry.summary,
        "elsewhere": dict(entry.equivalents), "reference": entry.reference,
    }  # fmt: skip

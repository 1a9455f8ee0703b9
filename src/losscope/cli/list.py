"""`losscope list`: the losses and activations there are."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_parser(verbs: Any) -> None:
    parser = verbs.add_parser(
        "list", help="all losses and activations", description="All losses and activations, by family."
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from losscope.catalogue import entries

    if args.json:
        print(json.dumps([record(each) for each in entries().values()], indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "parameters", "also called"):
        table.add_column(column, overflow="fold", no_wrap=column != "also called")
    families: dict[str, list[Any]] = {}
    for entry in entries().values():
        families.setdefault(entry.task, []).append(entry)
    for task in sorted(families, key=lambda task: task == "activation"):  # losses first
        table.add_row(f"[cyan]{task}[/cyan]")
        for entry in families[task]:
            parameters = ", ".join(f"{name}={each.default:g}" for name, each in entry.parameters.items())
            table.add_row("  " + entry.name, parameters, ", ".join(entry.aliases))
    console = Console()
    console.print(table)
    console.print(
        "\nlosscope show NAME says more of each. Names take parameters and an activation: huber:delta=2, mse@sigmoid.",
        highlight=False,
    )
    return 0


def record(entry: Any) -> dict[str, Any]:
    """An entry as JSON-able data."""
    return {
        "name": entry.name, "aliases": list(entry.aliases), "structure": entry.structure, "task": entry.task,
        "formula": entry.formula, "parameters": {name: each.default for name, each in entry.parameters.items()},
        "prediction": entry.prediction.words, "target": entry.target.words, "summary": entry.summary,
        "elsewhere": dict(entry.elsewhere), "reference": entry.reference,
    }  # fmt: skip

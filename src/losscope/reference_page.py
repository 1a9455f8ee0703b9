"""docs/losses.md: every loss and activation, in words."""

from __future__ import annotations

from losscope import catalogue
from losscope.describe import describe
from losscope.loss.loss import get


def page() -> str:
    """docs/losses.md: every loss and activation, in words. `python -m losscope.reference_page > docs/losses.md`."""
    lines = [
        "# Losses and activations",
        "",
        "Made by `python -m losscope.reference_page > docs/losses.md` from the catalogue; do not edit.",
        "Prediction first, then target, everywhere.",
    ]
    families: dict[str, list[str]] = {}
    for entry in catalogue.entries().values():
        families.setdefault(entry.task, []).append(entry.name)
    for task in sorted(families, key=lambda task: task == "activation"):
        lines += ["", f"## {task.capitalize()}"]
        for name in families[task]:
            lines += ["", f"### {name}", "", "```text", describe(get(name), certified=False), "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")

"""A study as a notebook: its own source in cells that a student can change, then its run, pictures and verdicts."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from losscope.report.write import write_atomic
from losscope.studies.study import Study


def notebook(
    study: Study, options: Mapping[str, Any], *, quick: bool = False, seed: int = 0
) -> dict[str, Any]:
    """The notebook as data (nbformat 4): one cell for the imports, one for each function, one for each view."""
    module = inspect.getmodule(study.experiment)
    assert module is not None
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    code = [
        *pieces(inspect.getsource(module)),
        f"found = experiment(quick={quick}, seed={seed}{given})\nprint(found.answer)",
        "for each in found.claims:\n    print(f'{each.claim}\\n  {each.verdict}: {each.evidence}\\n')",
        "from IPython.display import display\n\nfor each in [*found.charts, *found.tables]:\n    display(each)",
    ]
    cells = [_cell("markdown", f"# {study.question}\n\nChange any cell, then run those below it again.")]
    cells += [_cell("code", each) for each in code]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def pieces(source: str) -> list[str]:
    """A module in the pieces that a reader changes one at a time: imports and constants together, functions alone.

    >>> pieces('\"\"\"What it is.\"\"\"\\nimport math\\nN = 3\\n\\ndef f():\\n    return N\\n')
    ['import math\\nN = 3', 'def f():\\n    return N']
    """
    lines = source.splitlines()
    body = ast.parse(source).body
    found: list[str] = []
    together = False
    start = body[0].end_lineno or 0 if body and ast.get_docstring(ast.parse(source)) is not None else 0
    for node in body[bool(start) :]:
        text = "\n".join(lines[start : node.end_lineno]).strip("\n")
        start = node.end_lineno or start
        alone = isinstance(node, ast.FunctionDef | ast.ClassDef)
        if together and not alone:
            found[-1] += "\n" + text
        else:
            found.append(text)
        together = not alone
    return found


def _cell(kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def save(study: Study, path: Path, options: Mapping[str, Any], *, quick: bool = False, seed: int = 0) -> Path:
    """Write the notebook, whole or not at all."""
    made = notebook(study, options, quick=quick, seed=seed)
    return write_atomic(path, json.dumps(made, indent=1, ensure_ascii=False) + "\n")

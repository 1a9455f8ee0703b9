"""The house in order: imports only run downward, in no circle, and functions can be read at one go."""

from __future__ import annotations

import ast
from pathlib import Path

import losscope

ROOT = Path(losscope.__file__).parent
FILES = {
    ".".join(("losscope", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(file.read_text()) for name, file in FILES.items()}


def imports(name: str) -> set[str]:
    """The modules of ours that a module imports, at its top or within a function; `from package import module` is an import
    of the module alone."""
    found: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{each.name}" for each in node.names]
            found |= {each if each in FILES else node.module for each in whole}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {each for each in found if each in FILES} - {name, "losscope"}


GRAPH = {name: imports(name) for name in FILES}


def below(name: str) -> set[str]:
    """All modules that a module's imports lead to."""
    seen: set[str] = set()
    todo = list(GRAPH[name])
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            todo += GRAPH[each]
    return seen


def test_there_is_a_house() -> None:
    assert len(FILES) > 100
    assert sum(map(len, GRAPH.values())) > 300


def test_no_module_leads_back_to_itself() -> None:
    assert sorted(name for name in FILES if name in below(name)) == []


# What a folder must know nothing of. (A name stands for all that is in it.)
UNKNOWN = {
    "engine": ("structures", "catalogue", "entry", "derive", "emit", "kernels", "loss", "torch"),
    "structures": ("kernels", "engine", "loss", "torch", "derive", "emit"),
    "catalogue": ("kernels", "engine", "loss", "torch", "derive", "emit"),
    "emit": ("kernels", "engine", "loss", "torch", "report", "comparison", "studies", "cli"),
    "kernels": ("loss", "torch", "boosting", "report", "comparison", "studies", "cli"),
    "loss": ("torch.functional", "boosting", "comparison", "studies", "cli"),
    "torch": ("boosting", "report", "comparison", "studies", "cli"),
    "boosting": ("torch", "report", "comparison", "studies", "cli"),
    "report": ("comparison", "studies", "cli", "torch", "boosting"),
    "comparison": ("studies", "cli"),
    "studies": ("cli",),
}


def test_imports_run_downward() -> None:
    wrong = []
    for name, found in GRAPH.items():
        parts = name.split(".")
        for each in found:
            for other in UNKNOWN.get(parts[1] if len(parts) > 1 else "", ()):
                if f"{each}.".startswith(f"losscope.{other}."):
                    wrong.append(f"{name} -> {each}")
    assert set(UNKNOWN) <= {name.split(".")[1] for name in FILES if "." in name}
    assert wrong == []

"""The house in order: imports only run downward, in no circle, and functions can be read at one go."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import losscope
from losscope import structures

ROOT = Path(losscope.__file__).parent
FILES = {
    ".".join(("losscope", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): file
    for file in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(file.read_text()) for name, file in FILES.items()}


def run(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all within it, but what is there for types alone."""
    yield node
    if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
        for child in ast.iter_child_nodes(node):
            yield from run(child)


def imports(name: str) -> set[str]:
    """The modules of ours that a module imports, at its top or within a function; `from package import module` is an import
    of the module alone."""
    found: set[str] = set()
    for node in run(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.module:
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


# The floors of the house, the highest first: what stands on one imports from those below it and from itself alone.
FLOORS = (
    "__main__",
    "cli",
    "studies",
    "comparison",
    "boosting torch reference_page definition",
    "constant",
    "kinks loss",
    "estimand exactness facts one_thread report",
    "kernels",
    "emit",
    "derive",
    "describe information catalogue rewrite",
    "parse stable structures",
    "entry expression reduction",
    "engine domain errors forks truth",
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}


def part_of(name: str) -> str:
    """The folder or file of the house that a module is in."""
    return name.split(".")[1]


def test_every_part_of_the_house_has_its_floor() -> None:
    assert set(FLOOR_OF) == {part_of(name) for name in FILES if "." in name}
    assert sum(len(names.split()) for names in FLOORS) == len(FLOOR_OF)


def test_imports_run_downward() -> None:
    wrong = [
        f"{name} -> {each}"
        for name, found in GRAPH.items()
        for each in found
        if name != "losscope"
        and part_of(name) != part_of(each)
        and FLOOR_OF[part_of(name)] >= FLOOR_OF[part_of(each)]
    ]
    assert wrong == []


def test_only_structures_and_their_loops_know_one_by_name() -> None:
    names = set(structures.names())
    wrong = [
        f"{name}, line {node.lineno}: {ast.unparse(node)}"
        for name, tree in TREES.items()
        if part_of(f"{name}.") != "structures" and not name.startswith("losscope.kernels.loops")
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and "structure" in ast.unparse(node.left)
        and any(
            isinstance(each, ast.Constant) and each.value in names
            for part in node.comparators
            for each in ast.walk(part)
        )
    ]
    assert len(names) >= 5
    assert wrong == []


@pytest.mark.parametrize("folder", ["expression", "rewrite", "kernels.special"])
def test_what_is_found_by_its_name_is_written_once(folder: str) -> None:
    """Of two files' functions by one name, one would silently stand for both."""
    written = Counter(
        node.name
        for name, tree in TREES.items()
        if name.startswith(f"losscope.{folder}.")
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    )
    assert len(written) > 20
    assert [name for name, times in written.items() if times > 1] == []


LINES, ARGUMENTS = 60, 9


def too_long(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function has more lines (its docstring aside) or arguments than can be read at one go."""
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1 - len((ast.get_docstring(node, clean=False) or "").splitlines())
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return lines > LINES or len(names) - (names[:1] in (["self"], ["cls"])) > ARGUMENTS


def test_functions_can_be_read_at_one_go() -> None:
    functions = [
        (name, node)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(functions) > 1000
    without_reason = []
    for name, node in functions:
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        before = FILES[name].read_text().splitlines()[first - 2].strip()
        if too_long(node) and not before.startswith("#"):
            without_reason.append(f"{name}.{node.name}")
    assert without_reason == [], "a function above these limits has a comment above it that says why"

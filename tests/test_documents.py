"""The documents say what is: examples run, commands parse, generated pages are current."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import losscope as ls
from losscope import cli, reference_page

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)


def test_the_readmes_examples_run_and_give_what_they_say() -> None:
    names: dict[str, object] = {}
    checked = 0
    for block in blocks(ROOT / "README.md", "python"):
        for line in block.splitlines():
            code, _, said = line.partition("  # ")
            number = re.match(r"\s*#?\s*(-?\d[\d.e+-]*|True|False)\b[:;]?", said.strip())
            if not code.strip():
                continue
            if " = " in code or code.startswith(("import", "from")) or ".backward" in code:
                exec(code, names)
                continue
            value = eval(code, names)
            if number:
                expected = (
                    {"True": 1.0, "False": 0.0}.get(number[1])
                    if number[1] in ("True", "False")
                    else float(number[1])
                )
                assert float(value) == pytest.approx(expected, rel=1e-4), line
                checked += 1
    assert checked >= 3


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_the_documents_parse(path: Path) -> None:
    for block in re.findall(r"```(?:sh|bash|text)?\n(.*?)```", path.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("losscope "):
                words = shlex.split(line, comments=True)[1:]
                cli.parser().parse_args(words)


def test_links_in_the_documents_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_page_of_losses_is_current() -> None:
    assert (ROOT / "docs/losses.md").read_text() == reference_page.page(), (
        "run: python -m losscope.reference_page > docs/losses.md"
    )


def test_the_example_of_contributing_is_a_loss() -> None:
    formula = re.search(r'"(-c\*\*2.*?)"', (ROOT / "CONTRIBUTING.md").read_text())[1]
    fair = ls.define("fair", formula, c=1.0)
    r = np.array([0.5, -3.0])
    assert fair(r, 0 * r, reduction="none") == pytest.approx(np.abs(r) - np.log1p(np.abs(r)))


def test_the_package_is_the_command_too() -> None:
    done = subprocess.run([sys.executable, "-m", "losscope", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"losscope {ls.__version__}\n")


def test_what_is_advised_works_before_there_is_a_release() -> None:
    """An extra is installed from a clone; by the name alone there is nothing to install."""
    files = [*DOCUMENTS, *(ROOT / "src").rglob("*.py")]
    assert len(files) > 100
    for file in files:
        assert "losscope[" not in re.sub(r"import losscope\[?", "", file.read_text()), file

"""docs/torch.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from losscope.torch import functional, table

PAGE = Path(__file__).parent.parent / "docs/torch.md"


def test_the_table_is_current():
    (found,) = re.findall(r"<!-- table: .*?-->\n(.*?)\n<!-- /table -->", PAGE.read_text(), re.DOTALL)
    assert found == table.table(), "python -m losscope.torch.table prints the current one"


def test_the_table_names_every_accelerated_function():
    ours = {name for name in functional.__all__ if getattr(functional, name) is not functional.torchs[name]}
    assert set(table.LEAVES) == ours

"""A feature that gives the target away is named; one that only helps is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from losscope.comparison.data import load
from losscope.comparison.leaks import leaks
from losscope.comparison.task import decide

TABLES = Path(__file__).parents[2] / "shared" / "data" / "tables"
ROWS = 200
RNG = np.random.default_rng(0)
A, B, NOISE = RNG.normal(size=(3, ROWS))
CLASS = RNG.integers(0, 3, ROWS)

GIVES_AWAY = {
    "a sum": ({"a": A, "b": B, "c": NOISE}, A + B, "a + b is y in every row"),
    "a difference": ({"a": A, "b": B, "c": NOISE}, B - A, "b - a is y in every row"),
    "other units": ({"a": A * 2.54 + 3, "b": B}, A, "a alone gives y away"),
    "its logarithm": ({"a": A, "b": B}, np.exp(2 * A), "a alone gives y away"),
    "a code of the class": ({"a": CLASS * 7 % 5, "b": B}, np.array(["x", "y", "z"])[CLASS], "a alone tells the class"),
    "a word for the class": ({"a": np.array(["p", "q", "r"])[CLASS], "b": B}, CLASS.astype(str), "a alone tells"),
    "a score above a threshold": ({"a": A, "b": B}, A > 0.3, "a alone tells the class of 200 of 200 rows"),
}  # fmt: skip
HELPS = {
    "noise": ({"a": A, "b": B}, A + B + NOISE),
    "a strong feature": ({"a": A, "b": B}, A + 0.1 * NOISE),
    "three parts": ({"a": A, "b": B, "c": NOISE}, A + B + NOISE),
    "a sum but for some rows": ({"a": A, "b": B}, np.where(np.arange(ROWS) % 10, A + B, 0.0)),
    "names of rows": ({"a": [f"r{i}" for i in range(ROWS)], "b": B}, CLASS.astype(str)),
    "a rare class": ({"a": A, "b": B}, np.arange(ROWS) % 20 == 0),
}


@pytest.mark.parametrize("case", GIVES_AWAY)
def test_what_gives_the_target_away_is_named_with_what_to_do(case):
    columns, target, says = GIVES_AWAY[case]
    dataset = load(pd.DataFrame({**columns, "y": target}), "y")
    (line,) = leaks(dataset, decide(dataset, None, []))
    assert says in line
    assert "--drop a" in line
    assert "\n" not in line


@pytest.mark.parametrize("case", HELPS)
def test_what_only_helps_is_not_named(case):
    columns, target = HELPS[case]
    dataset = load(pd.DataFrame({**columns, "y": target}), "y")
    assert leaks(dataset, decide(dataset, None, [])) == []


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine", "iris", "diabetes"])
def test_no_bundled_set_gives_its_target_away(name):
    dataset = load(name)
    assert leaks(dataset, decide(dataset, None, [])) == []


@pytest.mark.skipif(not TABLES.is_dir(), reason="needs ../shared/data/tables")
@pytest.mark.parametrize(
    ("name", "target", "kind", "leak"),
    [
        ("tips", "tip", "regression", ""),
        ("engel", "foodexp", "regression", ""),
        ("crime1", "narr86", "count", ""),
        ("biochemists", "art", "count", ""),
        ("caravan", "Purchase", "binary", ""),
        ("bikeshare", "bikers", "count", "casual + registered is bikers in every row"),
        ("coffee", "total_cup_points", "regression", ""),
        ("sunspots", "SUNACTIVITY", "regression", ""),
    ],
)
def test_the_eight_tables_are_taken_for_what_they_are(name, target, kind, leak):
    from losscope.comparison.preparation import prepare

    dataset = load(TABLES / f"{name}.csv", target)
    task = decide(dataset, None, [])
    assert task.kind == kind
    found = leaks(dataset, task)
    assert (leak in found[0]) if leak else found == []
    assert not any(step.startswith("dropped") for step in prepare(dataset, task).steps)

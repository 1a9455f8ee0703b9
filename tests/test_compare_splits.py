"""Which rows are for what: laws over every way of splitting, and the ways there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from losscope.comparison.data import DataError, load
from losscope.comparison.splits import described, splits
from losscope.comparison.task import decide

ROWS = 240
RNG = np.random.default_rng(0)
TARGETS = {
    "number": RNG.normal(size=ROWS),
    "count": RNG.poisson(3.0, ROWS),
    "two classes": np.where(RNG.random(ROWS) < 0.1, "yes", "no"),
    "classes": RNG.choice(["a", "b", "c"], ROWS, p=[0.7, 0.2, 0.1]),
}
ROLES = {
    "plain": {},
    "test rows": {"test_rows": np.arange(ROWS) >= 180},
    "groups": {"groups": np.arange(ROWS) // 6, "group_name": "who"},
    "time": {"time": np.repeat(np.arange(ROWS // 3), 3), "time_name": "when"},
}


def dataset_of(target: str, role: str):
    frame = pd.DataFrame({"x": RNG.normal(size=ROWS), "y": TARGETS[target]})
    return dataclasses.replace(load(frame, "y"), **ROLES[role])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("asked", [{"repeats": 1}, {"repeats": 5}, {"folds": 4}], ids=str)
def test_laws_of_every_split(target, role, asked):
    dataset = dataset_of(target, role)
    task = decide(dataset, None, [])
    made = splits(dataset, task, **asked)
    again = splits(dataset, task, **asked)
    assert len(made) == asked.get("folds", asked.get("repeats"))
    for split, same in zip(made, again, strict=True):
        parts = [split.train, split.validation, split.test]
        rows = np.concatenate(parts)
        assert len(set(rows.tolist())) == len(rows)  # no row on two sides
        assert min(map(len, parts)) > 0
        assert len(split.train) >= max(len(split.validation), len(split.test))
        for part, twin in zip(parts, [same.train, same.validation, same.test], strict=True):
            assert np.array_equal(part, twin)
            assert (np.diff(part) > 0).all()
        if role != "time":
            assert len(rows) == ROWS
        if not task.numeric:
            assert set(task.encode(dataset.target)[split.train]) == set(range(len(task.labels)))
        if role == "groups":
            sides = [set(dataset.groups[part]) for part in parts]
            assert not (sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2])
        if role == "time":
            assert dataset.time[split.train].max() < dataset.time[split.validation].min()
            assert dataset.time[split.validation].max() < dataset.time[split.test].min()
        if role == "test rows":
            assert np.array_equal(split.test, np.flatnonzero(dataset.test_rows))
        assert str(len(split.train)) in described(dataset, task, split)
    tested = np.concatenate([split.test for split in made])
    if "folds" in asked and role in ("plain", "groups"):
        assert sorted(tested) == list(range(ROWS))  # each row is tested once
    if role == "time":
        assert len(set(tested.tolist())) == len(tested)
        assert made[-1].test.max() == ROWS - 1
    if len(made) > 1:
        assert not np.array_equal(made[0].validation, made[1].validation)


def test_time_orders_rows_that_come_in_any_order():
    dataset = dataset_of("number", "plain")
    time = np.random.default_rng(1).permutation(ROWS)
    (split,) = splits(dataclasses.replace(dataset, time=time), decide(dataset, None, []), 1)
    assert sorted(time[split.test]) == list(range(192, 240))


@pytest.mark.parametrize(
    ("target", "role", "asked", "says"),
    [
        ("number", {}, {"repeats": 0}, "--splits 0 is too few"),
        ("number", {}, {"folds": 1}, "--folds 1 cannot be made of 240 rows"),
        ("number", {}, {"folds": 241}, "--folds 241"),
        ("number", {"groups": np.zeros(ROWS, int), "group_name": "g"}, {}, "--group g has too few groups"),
        ("number", {"groups": np.arange(ROWS) % 2, "group_name": "g"}, {}, "--group g has too few groups"),
        ("number", {"groups": np.arange(ROWS) % 3, "group_name": "g"}, {"folds": 4}, "too few groups (3) for 4 parts"),
        ("number", {"time": np.zeros(ROWS)}, {}, "--time has 1 different values"),
        ("number", {"time": np.arange(ROWS) % 3}, {"repeats": 5}, "too few for 5 test parts"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_said(target, role, asked, says):
    dataset = dataclasses.replace(dataset_of(target, "plain"), **role)
    with pytest.raises(DataError) as caught:
        splits(dataset, decide(dataset, None, []), **asked)
    assert says in str(caught.value)


def test_a_class_that_comes_only_late_is_refused():
    frame = pd.DataFrame({"x": RNG.normal(size=ROWS), "y": ["a"] * 150 + ["b"] * 90})
    dataset = dataclasses.replace(load(frame, "y"), time=np.arange(ROWS), time_name="when")
    with pytest.raises(DataError, match="class 'b' of the target 'y' is in no training row"):
        splits(dataset, decide(dataset, None, []))


# ------------------------------------------------------------------------------------------------ counts


@pytest.mark.parametrize(
    ("values", "losses", "kind"),
    [
        (RNG.poisson(2.0, 900), [], "count"),
        (RNG.poisson(2.0, 900), ["mse", "poisson"], "count"),
        (RNG.poisson(150.0, 900) - 100, [], "regression"),  # starts at neither 0 nor 1
        (RNG.poisson(2.0, 900) * 100, [], "regression"),  # hundreds of dollars
        (RNG.poisson(2.0, 900) + 0.5, [], "regression"),
        (RNG.poisson(2.0, 900) - 3, [], "regression"),
        (RNG.permutation(900), [], "regression"),  # each once: a rank
        (np.arange(900) % 4, [], "classes"),
        (np.arange(900) % 4, ["poisson"], "count"),
        (np.arange(900) % 4, ["mse"], "count"),
        (np.arange(900) % 2, [], "binary"),
        ([0, 1, 2] * 100 + [3], [], "count"),  # a class of one row is none
    ],
)
def test_counts_are_told_from_classes_and_from_numbers(values, losses, kind):
    import losscope as ls

    dataset = load(pd.DataFrame({"x": RNG.normal(size=len(values)), "y": values}), "y")
    assert decide(dataset, None, [ls.get(name) for name in losses]).kind == kind


def test_counts_asked_for_must_be_counts():
    for values, says in (
        (RNG.normal(size=50), "whole numbers of 0 or more"),
        (["a", "b"] * 25, "not a number"),
    ):
        dataset = load(pd.DataFrame({"x": RNG.normal(size=50), "y": values}), "y")
        with pytest.raises(DataError, match=says):
            decide(dataset, "count", [])


def test_rare_classes_are_merged_when_asked():
    frame = pd.DataFrame(
        {"x": RNG.normal(size=66), "y": ["a"] * 30 + ["b"] * 30 + ["c"] * 3 + ["d"] * 2 + ["e"]}
    )
    dataset = load(frame, "y")
    with pytest.raises(DataError, match=r"class 'e' .* has 1 row.*--merge-rare-classes"):
        decide(dataset, None, [])
    task = decide(dataset, None, [], merge_rare=True)
    assert task.labels == ("a", "b", "rare")
    assert np.bincount(task.encode(dataset.target)).tolist() == [30, 30, 6]
    few = load(frame.iloc[:64], "y")  # three "c" and one "d" are still too few: the next rarest joins them
    task = decide(few, None, [], merge_rare=True)
    assert np.bincount(task.encode(few.target)).min() >= 5


@pytest.mark.parametrize("unit", [1, 100])
def test_a_loss_of_counts_starts_at_their_mean_whatever_the_unit(unit):
    pytest.importorskip("torch")
    from losscope.comparison import compare

    x = np.random.default_rng(1).normal(size=300)
    counts = np.random.default_rng(2).poisson(np.exp(x + 1.0) * unit)
    result = compare(pd.DataFrame({"x": x, "y": counts}), "y", ["poisson"], task="count", model="mlp", epochs=20,
                     splits=1, grid=1)  # fmt: skip
    (run,) = result.runs.values()
    assert run["status"] == "done"
    assert run["test"]["rmse"] < 0.8 * counts.std()


@pytest.mark.parametrize(("count", "least"), [(5, 4), (12, 10)])
def test_groups_of_classes_are_drawn_anew_for_each_split(count, least):
    """scikit-learn's StratifiedGroupKFold cuts the same parts for every seed, and ours was its first."""
    random = np.random.default_rng(0)
    groups, y = np.repeat(np.arange(count), 20), random.choice(["a", "b", "c"], 20 * count)
    dataset = load(pd.DataFrame({"x": random.normal(size=20 * count), "g": groups, "y": y}), "y", group="g")
    task = decide(dataset, None, [])
    tested = {
        tuple(np.unique(groups[each.test]))
        for seed in (0, 10, 20)
        for each in splits(dataset, task, 5, seed=seed)
    }
    assert len(tested) >= least
    for each in splits(dataset, task, folds=5):
        shares = np.bincount(task.encode(dataset.target)[each.test], minlength=3) / len(each.test)
        assert np.abs(shares - 1 / 3).max() < 0.25


def test_what_is_said_of_splits_is_true_of_all():
    dataset = dataset_of("number", "time")
    first = splits(dataset, decide(dataset, None, []), 5)[0]
    used = sum(map(len, (first.train, first.validation, first.test)))
    said = described(dataset, decide(dataset, None, []), first)
    assert said.startswith(
        f"in the first split {used} of {ROWS} rows split into {len(first.train)} for training"
    )
    assert said.endswith("the last rows are the test; each later one takes more")

"""Data a person may hand over: what is read, and one clear sentence for each way it can be wrong."""

from __future__ import annotations

import gzip
import os
import re
import struct
import sys
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import losscope as ls
from losscope.comparison import DataError, compare
from losscope.comparison.data import load
from losscope.comparison.images import read_idx
from losscope.comparison.preparation import prepare
from losscope.comparison.task import decide

SHARED = Path(__file__).parents[2] / "shared" / "data"


def table(rows: int = 40, **columns: object) -> pd.DataFrame:
    """A small table with a numeric target `y` and a feature `x`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": 3 * x + rng.normal(size=rows), **columns})


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_folder(folder: Path, rows: int = 60) -> Path:
    """A folder in MNIST's layout with random 4x4 images."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for part, count in (("train", rows), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 4, 4), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 3
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return folder


# A name for each mistake: the file's bytes (None: no file), the arguments, and what the sentence must say.
CSV_MISTAKES = {
    "file missing": (None, {}, ["no file", "check the path"]),
    "binary junk": (b"\x89PNG\r\n\x1a\n\0\0\0" * 40, {}, ["not a CSV file", "binary"]),
    "no text": ("x,y\n" + "é\x81,1\n" * 30, {"encoding": "latin-1"}, ["not UTF-8", "save it as UTF-8"]),
    "empty file": (b"", {}, ["is empty"]),
    "no target given": (b"x,y\n1,2\n", {"target": None}, ["give --target", "x, y"]),
    "misspelt target": (
        b"x,price\n1,2\n",
        {"target": "pirce"},
        ["no column 'pirce'", "did you mean 'price'"],
    ),
    "target only": (b"y\n1\n2\n", {}, ["only the column 'y'"]),
    "no rows": (b"x,y\n", {}, ["no rows"]),
    "two rows": (b"x,y\n1,2\n2,3\n", {}, ["2 rows", "at least 20"]),
    "constant target": (
        b"x,y\n" + b"".join(b"%d,7\n" % i for i in range(40)),
        {},
        ["the same (7)", "every row"],
    ),
    "target all missing": (b"x,y\n" + b"1,\n" * 40, {}, ["missing in all 40 rows"]),
    "duplicate columns": (b"x,x,y\n" + b"1,2,3\n" * 40, {}, ["two columns named 'x'"]),
    "text in a numeric target": (
        b"x,y\n" + b"".join(b"%d,%d\n" % (i, i * 7) for i in range(40)) + b"3,oops\n",
        {},
        ["not a number in 1 of 41 rows", "'oops' in row 41"],
    ),
    "infinite target": (
        b"x,y\n" + b"".join(b"%d,%d.5\n" % (i, i) for i in range(40)) + b"3,inf\n",
        {},
        ["infinite in 1 row", "row 41"],
    ),
    "a target of money": (
        b"x,y\n" + b"".join(b'%d,"$%d,500"\n' % (i * i, i + 1) for i in range(60)),
        {},
        ["looks like amounts of money", "'$1,500'", "write plain numbers"],
    ),
    "a target of dates": (
        b"x,y\n" + b"".join(b"%d,2024-%02d-03\n" % (i * i, i % 12 + 1) for i in range(60)),
        {},
        ["looks like dates", "days since the first"],
    ),
    "a target of times": (
        b"x,y\n" + b"".join(b"%d,%02d:%02d\n" % (i * i, i % 24, i) for i in range(60)),
        {},
        ["looks like times of day", "hours since midnight"],
    ),
    "a target of percentages": (
        b"x,y\n" + b"".join(b"%d,%d.5 %%\n" % (i * i, i) for i in range(60)),
        {},
        ["looks like percentages", "without the %"],
    ),
    "ragged lines": (b"x,y\n" + b"1,2\n" * 30 + b"1,2,3,4\n" * 3, {}, ["not a well-formed CSV"]),
    "a title before the header": (
        b"Sales of 2020\n\nx,y\n" + b"1,2\n" * 30,
        {},
        ["more fields in a line than in its first, 'Sales of 2020'", "remove a title or comment"],
    ),
    "no header": (
        b"".join(b"0.5,%d,1e-3\n" % i for i in range(40)),
        {},
        ["no column 'y'", "is the header line missing"],
    ),
    "no header and no target": (b"1,2\n" * 40, {"target": None}, ["header line missing"]),
    "fields apart by blanks": (b"x z y\n" + b"1 2 3\n" * 40, {}, ["one column", "not by blanks"]),
    "a target beyond reach": (
        b"x,y\n" + b"".join(b"%d,%de300\n" % (i * i, i) for i in range(40)),
        {},
        ["too large to compute with (from 0 to 3.9e+301)", "other units"],
    ),
    "a target below reach": (
        b"x,y\n" + b"".join(b"%d,%de-300\n" % (i * i, i) for i in range(40)),
        {},
        ["too small to compute with"],
    ),
    "only constant features": (
        b"x,y\n" + b"".join(b"1,%d\n" % (i * 3) for i in range(40)),
        {},
        ["no usable feature", "constant"],
    ),
    "a class of one row": (
        b"x,y\n" + b"".join(b"%d,%s\n" % (i * i, b"ab"[i % 2 : i % 2 + 1]) for i in range(40)) + b"1,c\n",
        {},
        ["class 'c'", "1 row", "--merge-rare-classes"],
    ),
    "free text as target": (
        b"x,y\n" + b"".join(b"%d,name%d\n" % (i, i) for i in range(300)),
        {},
        ["too many for classes"],
    ),
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("mistake", CSV_MISTAKES)
def test_each_mistake_in_a_csv_is_one_clear_line(mistake, tmp_path):
    content, arguments, says = CSV_MISTAKES[mistake]
    path = tmp_path / "table.csv"
    if isinstance(content, str):
        path.write_text(content, encoding=arguments["encoding"])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        compare(
            path, arguments.get("target", "y"), ["mse"] if mistake == "infinite target" else None, epochs=1
        )
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("  ") == 0
    for part in says:
        assert part in message
    assert caught.value.user_error


SETTINGS_MISTAKES = {
    "--seeds 0": ({"seeds": 0}, "--seeds 0 is too few"),
    "--epochs 0": ({"epochs": 0}, "--epochs 0 is too few"),
    "--workers 0": ({"workers": 0}, "--workers 0 is too few"),
    "--learning-rate -1": ({"learning_rate": -1.0}, "--learning-rate -1 cannot be used"),
    "--learning-rate nan": ({"learning_rate": float("nan")}, "--learning-rate nan cannot be used"),
    "--grid 4": ({"grid": 4}, "give an odd number"),
    "--model tree": ({"model": "tree"}, "--model 'tree' is not known"),
    "--optimizer lion": ({"optimizer": "lion"}, "--optimizer 'lion' is not known"),
    "--task clustering": ({"task": "clustering"}, "--task 'clustering' is not known"),
    "--task regresion": (
        {"task": "regresion"},
        "--task 'regresion' is not known. Did you mean 'regression'?",
    ),
    "--metric mae": ({"metric": "mae"}, "--metric 'mae' does not fit --task classes"),
    "--metric foo": (
        {"metric": "foo", "data": "diabetes"},
        "--metric 'foo' is not known. Known: expectile@0.9, mae, median_absolute_error, pinball@0.9, r2, rmse",
    ),
    "--metric coverage@0.9": (
        {"metric": "coverage@0.9", "data": "diabetes"},
        "ranks nothing: the best is neither most nor least, and a constant can have it, too. pinball@0.9 ranks",
    ),
    "--metric pinball": (
        {"metric": "pinball", "data": "diabetes"},
        "the level is a number between 0 and 1, as in pinball@0.9",
    ),
    "--metric pinball@0.9999999999999999": (
        {"metric": "pinball@0.9999999999999999", "data": "diabetes"},
        "the level is a number between 0 and 1",
    ),
    "--metric pinball@0.9": ({"metric": "pinball@0.9"}, "--metric 'pinball@0.9' does not fit --task classes"),
    "--splits 0": ({"splits": 0}, "--splits 0 is too few"),
    **{
        f"--{option} 10**12": ({option: 10**12 + 1}, f"--{option} 1000000000001 is too many: give ")
        for option in ("seeds", "splits", "folds", "epochs", "hidden", "grid")
    },
    "--learning-rate 1e300": ({"learning_rate": 1e300}, "--learning-rate 1e+300 cannot be used"),
    "--penalty 1e300": ({"penalty": 1e300}, "--penalty 1e+300 cannot be used"),
    "--folds 1": ({"folds": 1}, "--folds 1"),
    "no such option": ({"epoch": 3}, "compare has no option 'epoch'"),
    "--data digit": ({"data": "digit"}, "did you mean 'digits'"),
    "--data of an address": ({"data": "https://x.org/a.csv"}, "is an address: download the file"),
    "--data of nothing": ({"data": ""}, "--data is empty: give a .csv or .parquet file"),
    "--data x.csv": ({"data": "nowhere/x.csv"}, "no file"),
    "--data .": ({"data": "."}, "is a folder"),
    "--data mnist": ({"data": "mnist"}, "needs --data-dir"),
    "--data-dir nowhere": ({"data": "mnist", "data_dir": "/nowhere"}, "is not a folder"),
    "--target with digits": ({"target": "digit"}, "has its own target"),
    "--task binary": ({"task": "binary"}, "needs a target with 2 values"),
}


@pytest.mark.parametrize("mistake", SETTINGS_MISTAKES)
def test_each_mistake_in_a_setting_is_one_clear_line(mistake):
    arguments, says = SETTINGS_MISTAKES[mistake]
    with pytest.raises(DataError) as caught:
        compare(**{"data": "digits", **arguments})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


MISFITS = {
    "softmax for numbers": (["cross_entropy"], "diabetes", "does not fit --task regression"),
    "hinge for numbers": (["hinge"], "diabetes", "does not fit --task regression"),
    "bounded output for numbers": (["mse@sigmoid"], "diabetes", "does not fit --task regression"),
    "counts for classes": (["poisson"], "digits", "does not fit --task classes"),
    "no gradient": (["zero_one"], "breast_cancer", "gradient is 0 everywhere"),
    "raw score for a probability": (
        ["bce_of_probability"],
        "breast_cancer",
        "binary_cross_entropy_of_probability@sigmoid",
    ),
    "distributions": (["kl_divergence"], "digits", "whole distributions"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_loss_that_does_not_fit_is_refused_with_those_that_do(misfit):
    losses, data, says = MISFITS[misfit]
    with pytest.raises(DataError) as caught:
        compare(data, losses=losses, epochs=1)
    message = str(caught.value)
    assert says in message
    fitting = message.partition("These fit: ")[2].split(", ")
    assert ("squared_error" in fitting) or ("binary_cross_entropy" in fitting)
    assert losses[0] not in fitting


@pytest.mark.parametrize(
    ("loss", "data", "says"),
    [
        ("mine = -r**2", "diabetes", "mine has no minimum"),
        ("mine = -exp(abs(r))", "diabetes", "mine has no minimum"),
        (
            "mine = log((1 + z)/(1 + y))**2",
            "diabetes",
            "mine is no number for some targets, wherever among them",
        ),
        ("mine = log(r)", "diabetes", "mine is no number for some targets, wherever among them"),
        ("mine = sqrt(r)", "diabetes", "mine is no number for some targets, wherever among them"),
        ("mine = sqrt(r)", "breast_cancer", "mine is no number for some targets, wherever among them"),
        ("mine = -atan(abs(r))", "diabetes", "mine falls without end on these targets"),
    ],
)
def test_a_loss_from_which_nothing_can_be_learned_is_refused(loss, data, says):
    with pytest.raises(ValueError, match=says) as caught:
        compare(data, losses=[loss, "mse"], epochs=1)
    assert caught.value.user_error


@pytest.mark.parametrize(
    ("odd", "options", "said"),
    [
        (-1.0, {"task": "count"}, "has -1 in row 5:"),
        (-1.0, {"losses": ["log(target)"]}, "row 5 has -1"),
        ("abc", {"task": "regression"}, "first: 'abc' in row 5)"),
    ],
)
def test_messages_name_rows_by_their_numbers_in_the_data_as_given(odd, options, said):
    frame = pd.DataFrame({"x": np.arange(40) % 7, "y": [1.0, None, None, 1.0, odd, *np.arange(2.0, 37.0)]})
    with pytest.raises(DataError, match=re.escape(said)):
        compare(frame, "y", **options)


@pytest.mark.parametrize("kind", [float, Decimal, np.float64, np.int64])
def test_numbers_some_of_which_are_text_are_read_as_numbers(kind):
    values = [kind(row // 2) for row in range(40)]
    mixed = [value if row % 4 else str(value) for row, value in enumerate(values)]
    frame = pd.DataFrame({"x": pd.Series(mixed, dtype=object), "y": pd.Series(mixed, dtype=object)})
    dataset = load(frame, "y")
    assert dataset.target.tolist() == dataset.features["x"].tolist() == [row // 2 for row in range(40)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.5, "abc", 2.5, 3.5], "not a number in 10 of 40 rows (first: 'abc' in row 2)"),
        ([True, 2.5, False, 3.5], "not a number in 40 of 40 rows (first: 'True' in row 1)"),
        (["1", 1, "1", 1], "the same (1.0) in every row"),
    ],
)
def test_a_target_of_several_kinds_is_refused_with_one_clear_sentence(values, said):
    frame = pd.DataFrame({"x": np.arange(40.0), "y": pd.Series(values * 10, dtype=object)})
    with pytest.raises(DataError, match=re.escape(said)):
        compare(frame, "y", losses=["mse"], task="regression")


def test_a_loss_of_counts_makes_no_count_of_other_numbers():
    frame = table(60)
    frame["y"] = np.abs(frame["y"]) + 0.5
    assert decide(load(frame, "y"), None, [ls.poisson]).kind == "regression"


def test_an_unknown_loss_is_the_core_s_own_error():
    with pytest.raises(ValueError, match="hubber"):
        compare(losses=["hubber"])


def test_out_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"file' is a file.*: give a(nother)? folder"):
            compare("diabetes", losses=["mse"], epochs=1, out=out)


def test_whole_numbers_stay_whole_where_some_are_missing():
    dataset = load(pd.DataFrame({"x": range(90), "y": [1, 2, None] * 30}), "y")
    assert [repr(label) for label in decide(dataset, None, []).labels] == ["1", "2"]


def test_rows_without_a_target_are_dropped_and_counted():
    frame = table(60)
    frame.loc[:4, "y"] = np.nan
    dataset = load(frame, "y")
    assert len(dataset.features) == 55
    assert "5 rows without a target dropped" in dataset.notes


def test_what_is_fitted_is_fitted_on_the_training_rows_alone():
    frame = table(100)
    dataset = load(frame, "y")
    prepared = prepare(dataset, decide(dataset, None, []))
    again = frame.copy()
    again.loc[prepared.test, "x"] = 1e6
    again.loc[prepared.test, "y"] = -1e6
    changed = load(again, "y")
    other = prepare(changed, decide(changed, None, []))
    assert np.array_equal(prepared.features[prepared.train], other.features[other.train])
    assert (prepared.centre, prepared.scale) == (other.centre, other.scale)


def test_columns_are_imputed_encoded_or_dropped_and_it_is_said():
    rng = np.random.default_rng(1)
    frame = table(
        100,
        number_with_holes=np.where(rng.random(100) < 0.2, np.nan, rng.normal(size=100)),
        city=rng.choice(["Oslo", "Bergen", None], 100),
        mixed=rng.choice(np.array([1, "1", True], dtype=object), 100),
        flag=rng.random(100) < 0.5,
        when=pd.date_range("2024-01-01", periods=100),
        constant=3,
        nothing=np.nan,
        row=np.arange(100),
        name=[f"person {i}" for i in range(100)],
        infinite=np.where(np.arange(100) == 7, np.inf, rng.normal(size=100)),
    )
    dataset = load(frame, "y")
    prepared = prepare(dataset, decide(dataset, None, []))
    said = "\n".join(prepared.steps)
    assert np.isfinite(prepared.features).all()
    assert "number_with_holes (" in said
    assert "date when turned into days since the first" in said
    assert "dropped constant: constant" in said
    assert "dropped nothing: every value missing" in said
    assert "dropped row: a row number" in said
    assert "dropped name: text that differs in most rows" in said
    assert "infinite values in infinite taken as missing" in said
    assert "\ninfinite values filled with the training median: infinite (1)" in said
    (holes,) = [step for step in prepared.steps if step.startswith("missing values filled")]
    assert "infinite" not in holes
    assert "one-hot columns for city (3), mixed" in said


def test_a_category_seen_only_in_test_rows_does_not_stop_it():
    frame = table(100, city=["a", "b"] * 50)
    dataset = load(frame, "y")
    prepared = prepare(dataset, decide(dataset, None, []))
    frame.loc[prepared.test[0], "city"] = "unseen"
    dataset = load(frame, "y")
    prepared = prepare(dataset, decide(dataset, None, []))
    assert (prepared.features[prepared.test[0], -2:] == 0).all()


def test_rows_are_split_without_overlap_and_without_a_rest():
    dataset = load("iris")
    prepared = prepare(dataset, decide(dataset, None, []))
    rows = np.concatenate([prepared.train, prepared.validation, prepared.test])
    assert sorted(rows) == list(range(150))
    assert np.bincount(prepared.target[prepared.test]).tolist() == [10, 10, 10]


@pytest.mark.parametrize(
    ("values", "losses", "kind"),
    [
        (np.linspace(0, 1, 60), [], "regression"),
        ([0, 1] * 30, [], "binary"),
        ([0, 1] * 30, ["ce"], "classes"),
        ([1.5, 2.5] * 30, [], "binary"),
        ([True, False] * 30, [], "binary"),
        (["yes", "no"] * 30, [], "binary"),
        (["a", "b", "c"] * 20, [], "classes"),
        ([3, 4, 5] * 20, [], "classes"),
        ([3, 4, 5] * 20, ["mse", "huber"], "regression"),
        ([3, 4, 5] * 20, ["mse@sigmoid", "ce"], "classes"),
        (range(60), [], "regression"),
    ],
)
def test_the_task_is_worked_out_from_the_target_and_the_losses(values, losses, kind):
    import losscope as ls

    dataset = load(pd.DataFrame({"x": np.arange(60.0) ** 2, "y": list(values)}), "y")
    assert decide(dataset, None, [ls.get(name) for name in losses]).kind == kind


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_other_separators_and_a_byte_order_mark(separator, tmp_path):
    path = tmp_path / "t.csv"
    table().to_csv(path, sep=separator, index=False, encoding="utf-8-sig")
    assert load(path, "y").features.columns.tolist() == ["x"]


def test_decimal_commas_are_read_as_such_and_it_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x;n;y\n" + "".join(f"{i},25;{i};-{i}\n" for i in range(40)))
    dataset = load(path, "n")
    assert dataset.features["x"].tolist() == [i + 0.25 for i in range(40)]
    assert dataset.notes == ("read with decimal commas (1,5 is one and a half): x",)
    path.write_text("x;y\n" + "".join(f"{i + 1}.000,5;{i}\n" for i in range(40)))
    assert load(path, "y").features["x"].tolist() == [1000 * (i + 1) + 0.5 for i in range(40)]
    # each of these may be a thousand as well: not guessed at
    path.write_text("x;y\n" + "".join(f"{i + 1},250;{i}\n" for i in range(40)))
    dataset = load(path, "y")
    assert dataset.features["x"].iloc[0] == "1,250"
    assert dataset.notes == ()


@pytest.mark.parametrize(("separator", "quote"), [(";", ""), (";", '"'), (",", '"'), ("\t", "")])
def test_exponents_are_part_of_numbers_with_decimal_commas(separator, quote, tmp_path):
    """As R's write.csv2 writes small numbers, whatever their fraction's digits; the target may have them, too."""
    path = tmp_path / "t.csv"
    lines = [[f"{i}", f"{i},785e-05", f"{i},31057e-05"] for i in range(40)]
    rows = "".join(separator.join(f"{quote}{cell}{quote}" for cell in line) + "\n" for line in lines)
    path.write_text(f"n{separator}x{separator}y\n{rows}")
    dataset = load(path, "y")
    assert dataset.features["x"].tolist() == pytest.approx([(i + 0.785) * 1e-5 for i in range(40)])
    assert dataset.target.tolist() == pytest.approx([(i + 0.31057) * 1e-5 for i in range(40)])


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(kind, suffix) for kind in ("Int64", "UInt64") for suffix in ("csv", "parquet", "")],
)
def test_long_whole_numbers_with_gaps_keep_their_digits(kind, suffix, tmp_path):
    first = 2**53 if kind == "Int64" else 2**64 - 3
    code = pd.array([None, *range(first, first + 3)], dtype=kind)[np.arange(80) % 4]
    frame = pd.DataFrame(
        {"x": np.arange(80.0) % 7, "code": code, "y": np.where(pd.isna(code), None, np.arange(80.0))}
    )
    path = tmp_path / f"t.{suffix}"
    if suffix:
        getattr(frame, f"to_{suffix}")(path, index=False)
    data = path if suffix else frame
    dataset = load(data, "code")
    assert dataset.target.value_counts().to_dict() == dict.fromkeys(range(first, first + 3), 20)
    assert len(np.unique(load(data, "y", group="code").groups)) == 3


@pytest.mark.parametrize("suffix", ["csv", ""])
def test_groups_are_told_apart_by_every_digit(suffix, tmp_path):
    frame = pd.DataFrame(
        {"x": np.arange(60.0) % 7, "who": [10**25 + k % 3 for k in range(60)], "y": np.arange(60.0)}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert len(np.unique(load(tmp_path / "t.csv" if suffix else frame, "y", group="who").groups)) == 3


def test_decimal_commas_in_quotes_are_read_where_commas_separate(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f'"{i},25","{i + 1},250",{i + 1}.234,{i}.5,"{i}.000,5",{i}\n' for i in range(1, 41)]
    path.write_text("x,either,price,size,total,y\n" + "".join(lines))
    dataset = load(path, "y")
    assert dataset.features["x"].tolist() == [i + 0.25 for i in range(1, 41)]
    assert dataset.features["total"].tolist() == [1000 * i + 0.5 for i in range(1, 41)]
    assert dataset.features["either"].iloc[0] == "2,250"  # may be a thousand, whatever x is
    assert dataset.features["price"].tolist() == [i + 1.234 for i in range(1, 41)]
    assert dataset.notes == (
        "read with decimal commas (1,5 is one and a half): x, total",
        "read with a decimal point (1.234 is one and a bit): price",
    )
    steps = prepare(dataset, decide(dataset, "regression", [])).steps
    assert any(step.startswith("either looks like numbers with separators") for step in steps)


@pytest.mark.parametrize("packed", [False, True])
def test_where_commas_are_decimal_a_point_stands_between_thousands(packed, tmp_path):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    lines = "x;price;total;size;code; y\n" + "".join(
        f"{i},25;{i + 1}.234;{'' if i == 3 else '1.000.000' if i else 7};{i}.5;{i}.250;{i}\n"
        for i in range(40)
    )
    (gzip.open if packed else open)(path, "wt").write(lines)
    dataset = load(path, "y")
    assert dataset.features["price"].tolist() == [1000 * (i + 1) + 234 for i in range(40)]
    assert dataset.features["total"].fillna(-1).tolist() == [7, 1e6, 1e6, -1, *[1e6] * 36]
    assert dataset.features["size"].tolist() == [i + 0.5 for i in range(40)]  # no thousands
    assert dataset.features["code"].tolist() == [i + 0.25 for i in range(40)]  # 0.250 is none
    assert dataset.notes == (
        "read with decimal commas (1,5 is one and a half): x",
        "read with points between thousands (1.234 is 1234): price, total",
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_utf16_as_spreadsheets_write_it(packed, encoding, tmp_path):
    path = tmp_path / "t.csv"
    text = ("größe\ty\n" + "".join(f"{i}\t{i}\n" for i in range(2000))).encode(encoding)
    path.write_bytes(gzip.compress(text) if packed else text)
    assert load(path, "y").features["größe"].tolist() == list(range(2000))


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_features_of_any_size_are_standardised_alike(scale):
    x = np.random.default_rng(0).normal(size=60)
    frame = pd.DataFrame({"x": x, "y": np.arange(60.0)})
    dataset = load(frame, "y")
    expected = prepare(dataset, decide(dataset, "regression", []))
    far = load(frame.assign(x=x * scale), "y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = prepare(far, decide(far, "regression", []))
    np.testing.assert_allclose(got.features, expected.features, rtol=1e-5, atol=1e-6)


def test_windows_text_is_read_and_it_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(("größe,grüße,y\n" + "".join(f"{i},né{i},{i}\n" for i in range(40))).encode("cp1252"))
    dataset = load(path, "y")
    assert dataset.features.columns.tolist() == ["größe", "grüße"]
    assert dataset.features["grüße"].iloc[0] == "né0"
    assert dataset.notes == ("read as Windows-1252 text, as it is not UTF-8",)
    late = "x,y\n" + "".join(f"n{i},{i}\n" for i in range(4000)) + "é,1\n"
    path.write_bytes(late.encode("latin-1"))
    assert load(path, "y").features["x"].iloc[-1] == "é"


def test_the_target_is_found_with_blanks_around_it(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x, y \n" + "".join(f"{i * i},{i}.5\n" for i in range(40)))
    assert load(path, " y").target.name == "y"


def test_text_that_looks_like_numbers_or_dates_is_said():
    days = [f"{i % 12 + 1:02d}/01/2024" for i in range(60)]  # which of them is the month?
    frame = table(
        60, price=[f"${i},250.00" for i in range(60)], share=[f"{i % 4}%" for i in range(60)], day=days,
        odd=[f"{i}" if i % 11 else f"{i}{'abcdef'[i // 11]}" for i in range(60)], city=["Oslo", "Rome"] * 30,
    )  # fmt: skip
    dataset = load(frame, "y")
    said = "\n".join(prepare(dataset, decide(dataset, None, [])).steps)
    assert (
        "price looks like amounts of money, but is text: to use it as a number, write plain numbers" in said
    )
    assert "share looks like percentages" in said
    assert "day looks like dates" in said
    assert (
        "odd looks like numbers, but is text: to use it as a number, mend or empty those that are none"
        in said
    )
    assert "city looks" not in said


@pytest.mark.parametrize(
    ("centre", "written"),
    [(-0.0974947, "(y + 0.09749) / 2.376"), (206855.8, "(y - 206,856) / 2.376"), (0.0, "y / 2.376")],
)
def test_what_a_loss_sees_is_written_with_its_sign_and_few_digits(centre, written):
    from losscope.comparison.preparation import _standardised

    assert _standardised("y", centre, 2.37642) == written


def test_text_named_as_parquet_is_said_to_be_none(tmp_path):
    path = tmp_path / "bad.parquet"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match=r"is no Parquet file \(it begins with 'x,y'\)"):
        load(path, "y")


def test_parquet_reads_as_csv_does(tmp_path):
    frame = table(city=["a", "b"] * 20)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    one, other = load(tmp_path / "t.parquet", "y"), load(tmp_path / "t.csv.gz", "y")
    pd.testing.assert_series_equal(one.target, other.target)
    assert one.features["city"].tolist() == other.features["city"].tolist()
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:200])
    with pytest.raises(DataError, match="begins as Parquet but cannot be read"):
        load(tmp_path / "cut.parquet", "y")


def test_idx_images_keep_their_own_test_set(tmp_path):
    dataset = load("mnist", data_dir=mnist_folder(tmp_path / "mnist"))
    prepared = prepare(dataset, decide(dataset, None, []))
    assert prepared.test.tolist() == list(range(60, 80))
    assert 0 <= prepared.features.min() <= prepared.features.max() <= 1


def test_damaged_idx_files_say_what_is_wrong(tmp_path):
    good = idx(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(good))
    assert read_idx(path).shape == (3, 2, 2)
    for content, says in (
        (gzip.compress(good)[:-12], "cannot be unpacked"),
        (gzip.compress(good[:-1]), "holds 11 bytes after its header, expected 12"),
        (gzip.compress(good + b"x"), "holds more bytes after its header, expected 12"),
        (gzip.compress(good[:9]), "cut short or damaged"),
        (gzip.compress(b"hello world"), "is not an IDX file"),
        (b"", "is not an IDX file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_idx(path)
        assert says in str(caught.value)


def test_an_idx_folder_that_lacks_files_or_mixes_them_is_refused(tmp_path):
    folder = mnist_folder(tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(3, dtype=np.uint8))))
    with pytest.raises(DataError, match="do not belong together"):
        load("mnist", data_dir=folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"lacks t10k-labels-idx1-ubyte\.gz"):
        load("mnist", data_dir=folder)


def test_the_command_answers_a_mistake_with_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch):
    from losscope.cli import main

    path = tmp_path / "two.csv"
    path.write_text("x,y\n1,2\n2,3\n")
    monkeypatch.setattr(
        sys,
        "argv",
        ["losscope", "compare", "mse", "--data", str(path), "--target", "y", "--out", str(tmp_path / "o")],
    )
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert "2 rows" in captured.err


def test_a_file_among_the_losses_is_the_table(tmp_path, capsys):
    from losscope.cli import main, parser
    from losscope.cli.compare import _take_the_table, command_of

    path, other, formulas = (tmp_path / name for name in ("mse.csv", "other.csv", "my.toml"))
    for each in (path, other, formulas):
        each.write_text("x,y\n1,2\n")
    args = parser().parse_args(["compare", "huber", str(path), "--target", "y"])
    _take_the_table(args)
    assert (args.losses, args.data) == (["huber"], str(path))
    assert command_of(args) == f"losscope compare huber --data {path} --target y"
    args.data = os.fsdecode(b"caf\xe9.csv")
    assert command_of(args) == r"losscope compare huber --data 'caf\udce9.csv' --target y"
    for given, words in [
        ([str(path), str(other)], "two tables: give one"),
        ([str(path), "--data", str(other)], "is a file, not a loss, and --data already names"),
        ([str(formulas)], "is a file, not a loss: give it to --losses"),
    ]:
        assert main(["compare", *given]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.skipif(not (SHARED / "housing").is_dir(), reason="needs ../shared/data/housing")
def test_california_housing_is_read_and_described():
    dataset = load(SHARED / "housing" / "housing.csv", "median_house_value")
    task = decide(dataset, None, [])
    prepared = prepare(dataset, task)
    said = "\n".join(prepared.steps)
    assert task.kind == "regression"
    assert "total_bedrooms (207)" in said
    assert "ocean_proximity (5)" in said
    assert "965 rows (4.7%) have the largest median_house_value, 500,001" in said
    assert prepared.features.shape == (20640, 13)


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="needs ../shared/data/mnist")
def test_mnist_is_read():
    dataset = load("mnist", data_dir=SHARED / "mnist")
    assert dataset.features.shape == (20000, 784)
    assert int(dataset.test_rows.sum()) == 10000

"""Saved models predict as they did, and saved predictions are those that were judged."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("pyarrow")

import pyarrow
import pyarrow.parquet

import losscope as ls
from losscope.cli import main
from losscope.comparison import models
from losscope.comparison.data import DataError, load
from losscope.comparison.saved import SCHEMA, load_model, predictions, save
from losscope.comparison.sealed import sealed, unsealed
from losscope.report.write import WriteError


def table(rows=160):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "when": pd.date_range("2024-01-01", periods=rows),
            "colour": rng.choice(["red", "green", "blue"], rows),
            "town": rng.choice([f"town {at}" for at in range(40)], rows),
        }
    )
    frame.loc[::9, "size"] = np.nan
    frame["price"] = np.exp(frame["size"].fillna(0) + (frame.colour == "red") + 0.1 * rng.normal(size=rows))
    return frame


TASKS = {
    "numbers": (table(), "price", ["mse", "huber:delta=?", "log(target)"]),
    "classes": (table().assign(kind=lambda f: np.where(f.price > 2, "dear", "cheap")).drop(columns="price"), "kind",
                ["bce", "hinge"]),
    "several": (table().assign(kind=lambda f: pd.cut(f.price, [0, 1, 3, 1e9], labels=["a", "b", "c"]).astype(str))
                .drop(columns="price"), "kind", ["ce"]),
}  # fmt: skip


@pytest.mark.parametrize("model", models.names())
@pytest.mark.parametrize("task", TASKS)
def test_a_saved_model_predicts_what_was_judged(task, model, tmp_path):
    if model == "boosting":
        pytest.importorskip("lightgbm")
    frame, target, losses = TASKS[task]
    result = ls.compare(frame, target, losses, model=model, splits=2, epochs=2, grid=1, hidden=4)
    files = save(result, tmp_path)
    kept = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(kept["loss"]) == set(result.losses)
    pd.testing.assert_frame_equal(kept, predictions(result), check_dtype=False)
    assert len(files) == 1 + len(losses)
    for name, file in zip(result.losses, files[1:]):
        of_first = kept[(kept.loss == name) & (kept.split == 0)].reset_index(drop=True)
        again = load_model(file).predict(frame.iloc[of_first["row"] - 1])
        assert load_model(file).predict(frame.head(0)).columns.equals(again.columns)
        for column in again.columns:
            if again[column].dtype.kind == "f":
                np.testing.assert_allclose(again[column], of_first[column], rtol=2e-3, atol=1e-5)
            else:
                assert (again[column] == of_first[column]).mean() > 0.98


@pytest.mark.parametrize("given", ["frame", "file"])
def test_rows_of_predictions_are_those_of_the_data_as_given(given, tmp_path):
    """They count from 1, as messages do, and rows without a target count, though they are left out."""
    frame = table()
    frame.loc[[0, 5, 6], "price"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = frame.set_index(frame.index[::-1]) if given == "frame" else tmp_path / "t.csv"
    kept = predictions(ls.compare(data, "price", ["mse"], model="linear", folds=3))
    assert sorted(kept["row"]) == [1 + row for row in range(len(frame)) if row not in (0, 5, 6)]
    assert kept["target"].tolist() == pytest.approx(frame["price"].iloc[kept["row"] - 1].tolist())


def test_predictions_are_enough_to_compute_any_metric_again():
    frame, target, losses = TASKS["numbers"]
    result = ls.compare(frame, target, losses, model="linear", splits=2)
    kept = predictions(result)
    error = (kept.prediction - kept.target).abs().groupby([kept.loss, kept.split]).mean()
    for name in losses:
        name = ls.get(name).name if name in ("mse",) else name
        assert error[name].to_numpy() == pytest.approx(result.summaries[name].values["mae"], rel=1e-4)


def test_the_command_saves_and_predicts(tmp_path, capsys):
    data = tmp_path / "train.csv"
    table().to_csv(data, index=False)
    out = tmp_path / "out"
    options = [
        "--data",
        str(data),
        "--target",
        "price",
        "--model",
        "linear",
        "--splits",
        "2",
        "--workers",
        "1",
    ]
    assert main(["compare", "mse", "mae", *options, "--save", "--out", str(out)]) == 0
    new = table(20).drop(columns="price").assign(colour="mauve", other=1)
    new.to_csv(tmp_path / "new.csv", index=False)
    capsys.readouterr()
    model = str(out / "models" / "absolute_error.json")
    assert main(["predict", model, str(tmp_path / "new.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], len(lines)) == ("prediction", 21)
    new.assign(**{new.columns[0]: ["abc", *new.iloc[1:, 0].astype(str)]}).to_csv(
        tmp_path / "odd.csv", index=False
    )
    assert main(["predict", model, str(tmp_path / "odd.csv")]) == 0
    assert f"{new.columns[0]}: 'abc' taken as missing" in capsys.readouterr().err
    assert main(["predict", model, str(tmp_path / "new.csv"), "--out", str(tmp_path / "p.parquet")]) == 0
    assert np.isfinite(pd.read_parquet(tmp_path / "p.parquet").prediction).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("{half", "is no model"),
        ("\0\1", "is no model"),
        ('{"schema": "losscope.compare/2"}', "is no model"),
        ('{"schema": "losscope.model/2"}', "is no model"),
        (f'{{"schema": "{SCHEMA}"}}', "is damaged"),
        (f'{{"schema": "{SCHEMA}", "whole": {"[" * 100_000}', "is damaged"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(content, says, tmp_path, capsys):
    file = tmp_path / "model.json"
    if content is not None:
        file.write_text(content)
    assert main(["predict", str(file), "new.csv"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The file of a small model of numbers, dates and words."""
    frame, target, _ = TASKS["numbers"]
    return save(
        ls.compare(frame, target, ["mse"], model="linear", splits=1), tmp_path_factory.mktemp("fitted")
    )[1]


def places(data, path=()):
    """Every place in plain data."""
    yield path
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


def test_a_model_that_was_changed_anywhere_is_refused(fitted, tmp_path):
    text, file = fitted.read_text(), tmp_path / "model.json"
    changed = [text[: len(text) * part // 10] for part in range(10)]
    for path in places(json.loads(text)):
        for value in (None, [], {}, 5, "x", [1.0]):
            data = at = [json.loads(text)]
            for key in (0, *path)[:-1]:
                at = at[key]
            at[(0, *path)[-1]] = value
            changed.append(json.dumps(data[0]) + "\n")
    for content in changed:
        if content != text:
            file.write_text(content)
            with pytest.raises(DataError, match=r"is damaged|is no model"):
                load_model(file)
    assert len(changed) > 200
    file.write_text(text)
    assert load_model(file).loss == "squared_error"


def test_a_model_that_lacks_anything_is_refused_though_its_seal_is_whole(fitted, tmp_path):
    whole, file = unsealed(fitted.read_text()), tmp_path / "model.json"
    for path in places(whole):
        data = at = json.loads(json.dumps(whole))
        for key in path[:-1]:
            at = at[key]
        if (
            not path or not isinstance(at, dict) or path[-1] in table()
        ):  # a column's name is no key of the format
            continue
        del at[path[-1]]
        file.write_text(sealed(data))
        if path[0] in ("formula", "parameters"):  # which are for people to read
            assert load_model(file).predict(table()).equals(load_model(fitted).predict(table()))
        else:
            with pytest.raises(DataError, match=r"is damaged|is no model"):
                load_model(file)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_what_has_no_end_is_no_model_and_no_description(capsys):
    assert main(["predict", "/dev/zero", "new.csv"]) == 2
    assert "'/dev/zero' cannot be read (it holds more than 64 MiB)" in capsys.readouterr().err
    assert main(["compare", "--losses", "/dev/zero"]) == 2
    assert "'/dev/zero' cannot be read (it holds more than 64 MiB)" in capsys.readouterr().err


def test_a_missing_column_is_named(fitted):
    with pytest.raises(ValueError, match="has no column colour"):
        load_model(fitted).predict(table().drop(columns="colour"))
    assert json.loads(Path(fitted).read_text())["loss"] == "squared_error"


@pytest.fixture(scope="module")
def of_pixels(tmp_path_factory):
    """The file of a model of pixels, and rows for it."""
    folder = tmp_path_factory.mktemp("pixels")
    result = ls.compare("digits", losses=["ce"], model="linear", splits=1)
    return save(result, folder)[1], result.dataset.features.head(30)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "nothing"), (np.inf, "'inf'"), (-1e300, "'-1e+300'"), ("abc", "'abc'"), ("2024-01-31", "'2024-01-31'")],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_no_pixel_is_refused_by_its_place(value, said, suffix, of_pixels, tmp_path, capfd):
    file, rows = of_pixels
    odd = rows.astype(object if isinstance(value, str) else float)
    odd.iloc[7, 3] = value
    path = tmp_path / f"rows.{suffix}"
    if suffix == "csv":
        odd.to_csv(path, index=False)
    else:
        (odd.astype(str) if isinstance(value, str) else odd).to_parquet(path)
    assert main(["predict", str(file), str(path)]) == 2
    out, error = capfd.readouterr()
    assert f"rows.{suffix} has {said} in row 8 of the column 'pixel_0_3'" in error
    assert (out, error.count("\n")) == ("", 1)
    model = load_model(file)
    pd.testing.assert_frame_equal(model.predict(odd.drop(index=7)), model.predict(rows.drop(index=7)))


def test_a_number_that_no_feature_holds_is_refused_and_never_a_class(tmp_path):
    frame, target, _ = TASKS["classes"]
    result = ls.compare(frame, target, ["bce"], splits=1, epochs=1, grid=1, hidden=4)
    model = load_model(save(result, tmp_path)[1])
    for size in (1e300, -1.7e308):
        with pytest.raises(
            DataError, match=rf"has '{size}' in row 3 of the column 'size'".replace("+", r"\+")
        ):
            model.predict(frame.assign(size=frame["size"].where(np.arange(len(frame)) != 2, size)))


def test_what_is_of_another_kind_is_missing_and_said(fitted):
    """Neither a date as a number of nanoseconds, nor a number as a date near 1970."""
    model, rows = load_model(fitted), table(20)
    for column, odd, said in (
        ("size", rows["when"], "'2024-01-01'"),
        ("size", np.inf, "'inf'"),
        ("size", "abc", "'abc'"),
        ("when", 2024, "'2024'"),
        ("when", "05/02/2024", "'05/02/2024'"),
        ("when", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00", "x", "y"] * 5, "'x', 'y'"),
    ):
        given = rows.assign(**{column: odd})
        remark, filled = model.unread(given)
        assert column in filled
        assert remark.startswith(f"{column}: {said}")
        assert remark.endswith(" taken as missing")
        hollow = given.assign(
            **{column: given[column].where(given[column].astype(str).str.endswith(("Z", ":00")))}
        )
        assert model.predict(given).equals(model.predict(hollow))
        assert not model.predict(given).equals(model.predict(rows))
    mixed = rows.assign(when=[*rows["when"].astype(str)[:19], "x"])
    assert model.predict(mixed)[:19].equals(model.predict(rows)[:19])


@pytest.mark.parametrize("odd", [["red"], {"a": 1}, b"red"], ids=str)
@pytest.mark.parametrize("column", ["size", "when", "colour", "town"])
def test_lists_and_structures_are_missing_and_said(column, odd, fitted):
    model, rows = load_model(fitted), table(20)
    given = rows.assign(**{column: pd.Series([odd] * 20, dtype=object)})
    assert (
        f"{column}: {'bytes' if isinstance(odd, bytes) else 'lists or structures'} taken as missing"
        in model.unread(given)
    )
    assert model.predict(given).equals(model.predict(rows.assign(**{column: None})))


@pytest.mark.parametrize("odd", [["red"], b"red", "half\ud800"], ids=ascii)
@pytest.mark.parametrize("column", ["size", "when", "colour", "town"])
def test_an_odd_cell_is_missing_and_the_others_are_not(column, odd, fitted):
    model, rows = load_model(fitted), table(20)
    given = rows.assign(**{column: rows[column].astype(object)})
    given.at[3, column] = odd
    assert model.predict(given).drop(3).equals(model.predict(rows).drop(3))


def test_a_word_among_yes_and_no_is_missing_and_the_others_are_not(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=120), "b": rng.integers(0, 2, 120).astype(bool)})
    frame["y"] = frame["x"] + 5 * frame["b"]
    *_, saved = save(ls.compare(frame, "y", ["mse"], model="linear", splits=1), tmp_path)
    model, whole = load_model(saved), frame[["x", "b"]][:9]
    odd = whole.assign(b=["nil", *whole["b"].astype(str)[1:]])
    assert model.predict(odd)[1:].equals(model.predict(whole)[1:])
    assert model.unread(odd)[0] == "b: 'nil' taken as missing"


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("first", [10**17, 2**63 + 10, -(10**17)])
def test_long_whole_numbers_keep_their_digits_as_features(first, suffix, gaps, tmp_path):
    """Counted from the least of them, as what lies between two of them is all that is left to a double."""
    above = np.random.default_rng(0).permutation(160)
    number = pd.array([first + int(each) for each in above], dtype="UInt64" if first > 2**63 else "Int64")
    if gaps:
        number[3] = pd.NA
    path = tmp_path / f"t.{suffix}"
    getattr(pd.DataFrame({"number": number, "y": above * 2.0}), f"to_{suffix}")(path, index=False)
    result = ls.compare(path, "y", ["mse"], model="linear", splits=1)
    assert result.summaries["squared_error"].mean("mae") < (10 if gaps else 0.01)
    *_, saved = save(result, tmp_path)
    model = load_model(saved)
    rows = pd.DataFrame({"number": number[:50]})
    found = model.predict(rows)["prediction"].to_numpy()
    there = ~pd.isna(number[:50])
    np.testing.assert_allclose(found[there], 2 * above[:50][there], atol=0.5)  # the next is 2 away
    if gaps:
        middle = int(re.search(r"with (-?\d+)", model.unread(rows)[0])[1]) - first
        assert 40 < middle < 120


def test_a_target_whose_digits_would_be_lost_is_refused(tmp_path):
    frame = pd.DataFrame({"x": np.arange(90.0) ** 2, "y": [10**17 + at for at in range(90)]})
    with pytest.raises(DataError, match=f"Subtract {10**17}, the least, from all of them"):
        ls.compare(frame, "y", ["mse"], model="linear", splits=1)


def test_runs_of_long_numbers_that_differ_are_not_taken_for_each_other():
    one = pd.DataFrame({"x": [10**17 + at for at in range(90)], "y": np.arange(90.0)})
    assert load(one, "y").fingerprint() != load(one.assign(x=one["x"] + one["x"] % 2), "y").fingerprint()


@pytest.mark.parametrize("size", [1.0, 1e300])
def test_with_what_empty_cells_are_filled_is_said(size, tmp_path):
    """Of columns that had none in training, too; and the prediction is that of the value that is said."""
    frame = table(90)[["size", "when", "price"]].assign(whole=np.arange(90) % 7)
    frame["size"] = frame["size"].fillna(0.5) * size
    result = ls.compare(frame, "price", ["mse"], model="linear", splits=1)
    model, rows = load_model(save(result, tmp_path)[1]), frame.head(9)
    assert model.unread(rows) == []
    hollow = rows.astype(object)
    hollow.loc[:2, "size"] = hollow.loc[4:5, "when"] = hollow.loc[8, "whole"] = None
    (said,) = model.unread(hollow)
    value = r"([-+.e\d]+)"
    found = re.fullmatch(
        rf"missing values filled with the training median: size \(3, with {value}\), when \(2, with {value}\), "
        rf"whole \(1, with {value}\)",
        said,
    )
    rows = rows.astype({"whole": float})
    rows.loc[:2, "size"], rows.loc[8, "whole"] = float(found[1]), float(found[3])
    rows.loc[4:5, "when"] = pd.Timestamp(found[2])
    np.testing.assert_allclose(model.predict(hollow), model.predict(rows), rtol=1e-2)


def model_of(cells, folder, separator=","):
    """The file of a model of 10, 20, ..., one for each of these cells of the column c, learned from a CSV file."""
    places = np.arange(90) % len(cells)
    numbers = np.random.default_rng(0).normal(size=90).round(2).astype(str)
    lines = [
        separator.join([cells[at], number.replace(".", "," if separator == ";" else "."), str(10 * at + 10)])
        for at, number in zip(places, numbers, strict=True)
    ]
    (folder / "train.csv").write_text("\n".join([separator.join("cxy"), *lines]))
    options = {"model": "linear", "splits": 1, "task": "regression"}
    return save(ls.compare(folder / "train.csv", "y", ["mse"], **options), folder)[1]


def predicted(model, cells, folder, capsys, separator=","):
    """What the command predicts for these cells, and says."""
    rows = "".join(f"{cell}{separator}0\n" for cell in cells)
    (folder / "rows.csv").write_text(f"c{separator}x\n{rows}")
    capsys.readouterr()
    assert main(["predict", str(model), str(folder / "rows.csv")]) == 0
    out, error = capsys.readouterr()
    return [float(each) for each in out.split()[1:]], error


@pytest.mark.parametrize(
    ("cells", "separator"),
    [(words.split(","), ",") for words in (
        "01,02,AB", "1,2,AB", "1E5,2E3,AB", "1.50,2.50,AB", "+1,+2,AB", "2024-01-01,2024-01-02,AB", "TRUE,FALSE,MAYBE",
        "true,false,maybe", "true,false,", "9007199254740993,9007199254740992,AB", "01/13/2024,02/13/2024,13/13/2024",
    )] + [(["1,5", "2,5", "AB"], ";"), (["1.000", "2.000", "AB"], ";")],
)  # fmt: skip
def test_words_of_a_file_stay_words_whatever_they_look_like(cells, separator, tmp_path, capsys):
    model = model_of(cells, tmp_path, separator)
    found, said = predicted(model, cells, tmp_path, capsys, separator)
    assert found == pytest.approx([10, 20, 30], abs=0.1)
    assert predicted(model, cells[:2], tmp_path, capsys, separator) == (found[:2], said)
    assert predicted(model, [*cells[:2], ""], tmp_path, capsys, separator)[0][:2] == found[:2]
    assert said == ""


def test_whole_numbers_with_gaps_are_the_categories_they_were(tmp_path):
    model = load_model(model_of(["1", "2", "AB"], tmp_path))
    rows = pd.DataFrame({"c": ["1", "2", None], "x": 0.0})
    for kind in ("float64", "Int64", "category"):
        assert model.predict(rows.assign(c=pd.Series([1, 2, None], dtype=kind))).equals(model.predict(rows))
    assert model.unread(rows.assign(c=[1.0, 2.5, None])) == [
        "c: '2.5', an empty cell unknown to the model, taken as none of its categories"
    ]


def test_long_numbers_with_gaps_are_the_categories_they_were(tmp_path, capsys):
    cells = [str(2**53 + at) for at in range(3)]
    model = model_of([*cells, "AB"], tmp_path)
    found, _ = predicted(model, cells, tmp_path, capsys)
    rows = pd.DataFrame({"c": pd.array([*map(int, cells), None], dtype="Int64"), "x": 0.0})
    rows.to_parquet(tmp_path / "rows.parquet")
    assert main(["predict", str(model), str(tmp_path / "rows.parquet")]) == 0
    assert [float(each) for each in capsys.readouterr().out.split()[1:4]] == pytest.approx(found)
    assert len({*found}) == 3


def test_a_category_that_was_never_seen_is_said(tmp_path, capsys):
    model = model_of(["1", "2", "AB"], tmp_path)
    found, said = predicted(model, ["1", "3", "zz"], tmp_path, capsys)
    assert said == "losscope: c: '3', 'zz' unknown to the model, taken as none of its categories.\n"
    assert found[1] == found[2]


@pytest.mark.parametrize("towns", [3, 40])
def test_a_cell_that_was_never_seen_is_said_of_many_categories_too(towns, tmp_path):
    whole = pd.DataFrame(
        {"town": np.resize([f"t{at}" for at in range(towns)], 240), "y": np.arange(240.0) % 11}
    )
    hollow = whole.assign(town=whole["town"].where(np.arange(240) % 7 > 0))
    for frame in (whole, hollow):
        result = ls.compare(frame, "y", ["mse"], model="linear", splits=1)
        model = load_model(save(result, tmp_path)[1])
        assert model.unread(frame.iloc[result.prepared[0].train]) == []
        taken = "none of its" if towns == 3 else "one of its rare"
        for new, said in (("Ulm", "'Ulm'"), (None, "an empty cell")):
            found = model.unread(whole.assign(town=["t0", new] * 120))
            unknown = f"town: {said} unknown to the model, taken as {taken} categories"
            assert found == [unknown] * (frame is whole or new is not None)


@pytest.mark.parametrize(
    "cells", [["1.000", "2.000", "3.000"], ["1000", "2000", "3000"], ["1000,0", "2000,5", "3000"]]
)
def test_points_stay_between_thousands_where_decimal_commas_were_learned(cells, tmp_path, capsys):
    model = model_of(cells, tmp_path, ";")
    found, said = predicted(model, ["1.000", "3.000"], tmp_path, capsys, ";")
    assert (found, said) == (pytest.approx([10, 30], abs=0.1), "")
    _, said = predicted(model, ["1.000", "2.5", "abc"], tmp_path, capsys, ";")
    assert said.splitlines()[0] == "losscope: c: '2.5', 'abc' taken as missing."
    assert predicted(model, ["1000.0", "3000"], tmp_path, capsys, ",") == (
        found,
        "",
    )  # no commas but separators


@pytest.mark.parametrize(
    "cells",
    [
        ["60000", "1e+05", "170000"],  # as R's write.csv2 writes whole numbers
        ["45.00", "0.00", "90.00"],
        ["1.5e3", "2.5e3", "4e3"],
        ["1.5", "2.25", "1.234"],
        ["1e-05", "2e-05", "4e-05"],
        ["1,5e-05", "2,5e-05", "4e-05"],
        ["1.000", "2.000", "45.00"],
        [".5", "1.5", "3."],
    ],
)
def test_a_number_is_the_same_where_other_columns_have_decimal_commas(cells, tmp_path, capsys):
    """Alone, each cell might be read as something else; so it might beside a target with decimal commas."""
    model = model_of(cells, tmp_path, ";")
    together, said = predicted(model, cells, tmp_path, capsys, ";")
    assert (len({*together}), said) == (3, "")
    for cell, alone in zip(cells, together, strict=True):
        assert predicted(model, [cell], tmp_path, capsys, ";") == ([alone], "")
        (tmp_path / "rows.csv").write_text(f"c;x;y\n{cell};0;1,5\n")
        assert main(["predict", str(model), str(tmp_path / "rows.csv")]) == 0
        out, error = capsys.readouterr()
        assert (float(out.split()[1]), error) == (alone, "")


def test_decimal_commas_in_quotes_stay_what_they_were(tmp_path, capsys):
    model = model_of(['"1,5"', '"2,5"', '"3,5"'], tmp_path)
    assert predicted(model, ['"1,5"', "2", '"3,5"'], tmp_path, capsys) == (
        pytest.approx([10, 15, 30], abs=0.1),
        "",
    )
    _, said = predicted(model, ['"1,250"', "3", "2.5"], tmp_path, capsys)
    assert said.splitlines()[0] == "losscope: c: '2.5' taken as missing."


@pytest.mark.parametrize(
    ("cells", "other"),
    [(["01/02/2024", "02.03.2024", "31/03/2024"], "03/31/2024"), (["02/01/2024 9:05", "03/02/2024", "3/31/2024"], "31/03/2024")],
)  # fmt: skip
def test_day_and_month_stay_in_the_order_that_was_learned(cells, other, tmp_path, capsys):
    model = model_of([cell.replace(".", "/") for cell in cells], tmp_path)
    together, said = predicted(model, cells, tmp_path, capsys)
    assert (len({*together}), said) == (3, "")
    for cell, alone in zip(cells, together, strict=True):
        assert predicted(model, [cell], tmp_path, capsys) == (pytest.approx([alone]), "")
    found, said = predicted(model, [cells[0], other], tmp_path, capsys)
    assert found[0] == pytest.approx(together[0])
    assert said.splitlines()[0] == f"losscope: c: '{other}' taken as missing."


@pytest.mark.filterwarnings("ignore:The DataFrame has column names of mixed type")
@pytest.mark.parametrize("names", [[0, 1, 2], ["a\x1b[31mb", "self", "c"], [1.5, True, ("x", 1)]])
def test_columns_of_any_name_are_found_again(names, tmp_path, capfd):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=pd.Index(names, dtype=object))
    result = ls.compare(frame, str(names[2]), ["mse"], model="linear", splits=1)
    file = save(result, tmp_path)[1]
    model = load_model(file)
    assert len(model.predict(frame)) == 60
    assert model.unread(frame) == []
    odd = frame.astype(object)
    odd.iloc[0, 0] = "abc"
    assert "'abc' taken as missing" in model.unread(odd)[0]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), tmp_path / "rows.parquet")
    for rows in ("rows.csv", "rows.parquet"):
        assert main(["predict", str(file), str(tmp_path / rows)]) == 0
        assert capfd.readouterr().err == ""
    with pytest.raises(DataError, match="two columns named"):
        model.predict(pd.concat([frame, frame], axis=1))


def test_predictions_go_to_a_folder_that_is_made(fitted, tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    table(20).to_csv(rows, index=False)
    for name in ("p.csv", "p.parquet"):
        assert main(["predict", str(fitted), str(rows), "--out", str(tmp_path / "new" / "deep" / name)]) == 0
    assert main(["predict", str(fitted), str(rows), "--out", str(rows / "p.csv")]) == 2
    error = capsys.readouterr().err
    assert f"{str(rows / 'p.csv')!r} cannot be written ({str(rows)!r} is a file): mend that and" in error
    assert "kept" not in error
    found = [pd.read_csv(tmp_path / "new/deep/p.csv"), pd.read_parquet(tmp_path / "new/deep/p.parquet")]
    pd.testing.assert_frame_equal(*found)


@pytest.mark.parametrize(
    ("name", "says"),
    [("models", "is a file, where a folder"), ("runs", "is a file"), ("report.html", "is a folder, where a file"),
     ("results.json", "is a folder"), ("results.csv", "is a folder"), ("predictions.parquet", "is a folder")],
)  # fmt: skip
def test_what_is_in_the_way_is_said_before_the_training(name, says, tmp_path, capsys):
    if "." in name:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("")
    options = ["--data", "iris", "--model", "linear", "--splits", "1", "--workers", "1", "--save"]
    assert main(["compare", *options, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"{name}' {says}" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("runs/*"))


def test_saving_where_a_file_is_in_the_way_is_one_line(tmp_path):
    frame, target, _ = TASKS["numbers"]
    result = ls.compare(frame, target, ["mse"], model="linear", splits=1)
    (tmp_path / "models").write_text("")
    with pytest.raises(WriteError, match=r"cannot be written \('.*models' is a file\)"):
        save(result, tmp_path)
    with pytest.raises(WriteError, match=r"cannot be written \('.*models' is a file\)"):
        result.save(tmp_path / "models" / "deep")

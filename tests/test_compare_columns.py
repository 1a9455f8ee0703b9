"""Columns of every kind, whatever a table came as: what each is, what it is for, and what is said where it is neither."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pyarrow")

import pyarrow
import pyarrow.parquet

from losscope.comparison import tables
from losscope.comparison.columns import understood
from losscope.comparison.data import DataError, load
from losscope.comparison.preparation import prepare
from losscope.comparison.task import decide
from test_compare_files import FRAME, ROWS, X, one_line

# ------------------------------------------------------------------------------------- kinds of columns

DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i * i) for i in range(ROWS)]
KINDS = {
    "decimals": pyarrow.array([decimal.Decimal(i) / 8 for i in range(ROWS)], pyarrow.decimal128(10, 3)),
    "wide decimals": pyarrow.array([decimal.Decimal(i) / 8 for i in range(ROWS)], pyarrow.decimal256(50, 3)),
    "days": pyarrow.array(DAYS),
    "timestamps": pyarrow.array([datetime.datetime(2024, 1, 1, i % 24, i) for i in range(ROWS)]),
    "timestamps of a zone": pyarrow.array(
        [datetime.datetime(2024, 1, 1, i % 24, i) for i in range(ROWS)],
        pyarrow.timestamp("us", "Europe/Oslo"),
    ),
    "durations": pyarrow.array([datetime.timedelta(hours=i * i) for i in range(ROWS)]),
    "times": pyarrow.array([datetime.time(i % 24, i) for i in range(ROWS)]),
    "half precision": pyarrow.array(np.arange(ROWS, dtype=np.float16) * 2),
    "unsigned": pyarrow.array(np.arange(ROWS, dtype=np.uint64) * 2**20 + np.uint64(2**63)),
    "dictionary": pyarrow.array(["a", "b", "c"] * (ROWS // 3)).dictionary_encode(),
    "booleans with holes": pyarrow.array([True, False, None] * (ROWS // 3)),
    "integers with holes": pyarrow.array([1, 2, None] * (ROWS // 3)),
    "nothing": pyarrow.nulls(ROWS),
    "dates without end": pyarrow.array([2**31 - 1, 0] * (ROWS // 2), pyarrow.date32()),
    "dates before all years": pyarrow.array([-(2**31) + 5, 0] * (ROWS // 2), pyarrow.date32()),
    "times without end": pyarrow.array([2**62, 0] * (ROWS // 2), pyarrow.timestamp("ms")),
    "lists": pyarrow.array([[i] for i in range(ROWS)]),
    "structures": pyarrow.array([{"a": i} for i in range(ROWS)]),
    "maps": pyarrow.array([[("a", i)] for i in range(ROWS)], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
    "bytes": pyarrow.array([b"%d" % i for i in range(ROWS)]),
    "large text": pyarrow.array(["a", "b"] * (ROWS // 2), pyarrow.large_string()),
}
NUMBERS = ("decimals", "wide decimals", "half precision", "unsigned", "durations", "integers with holes")
LOOKS = {"days": "dates", "timestamps": "dates", "timestamps of a zone": "dates", "times": "times of day"}
DROPPED = {"lists": "lists or structures", "structures": "lists or structures", "maps": "lists or structures",
           "bytes": "bytes", "nothing": "every value missing", "dates without end": "dates outside the years 1 to 9999",
           "dates before all years": "dates outside", "times without end": "dates outside"}  # fmt: skip


def parquet(path: Path, **columns: pyarrow.Array) -> Path:
    pyarrow.parquet.write_table(pyarrow.table({"x": X} | columns), path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_column_as_a_feature(kind, tmp_path):
    path = parquet(tmp_path / "t.parquet", c=KINDS[kind], y=pyarrow.array(X * 2 + np.arange(ROWS)))
    dataset = load(path, "y")
    prepared = prepare(dataset, decide(dataset, None, []))
    assert np.isfinite(prepared.features).all()
    said = "\n".join(prepared.steps)
    if kind in DROPPED:
        assert f"dropped c: {DROPPED[kind]}" in said
        assert prepared.columns == 1
    else:
        assert prepared.columns > 1 or "dropped c: text that differs" in said
        assert dataset.fingerprint() == load(path, "y").fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_column_as_a_target(kind, tmp_path):
    path = parquet(tmp_path / "t.parquet", c=KINDS[kind])
    try:
        dataset = load(path, "c")
        task = decide(dataset, None, [])
    except DataError as error:
        assert kind not in NUMBERS
        one_line(error)
        return
    prepared = prepare(dataset, task)
    assert (prepared.target.dtype.kind == "f") == task.numeric
    if kind in NUMBERS[:5]:
        assert task.numeric
        expected = {"decimals": np.arange(ROWS) / 8, "wide decimals": np.arange(ROWS) / 8,
                    "durations": np.arange(ROWS) ** 2 / 24}.get(kind)  # fmt: skip
        if expected is not None:
            np.testing.assert_allclose(prepared.target, expected)


@pytest.mark.parametrize("kind", LOOKS)
def test_a_target_of_dates_or_times_is_refused_as_such(kind, tmp_path):
    path = parquet(tmp_path / "t.parquet", c=KINDS[kind])
    with pytest.raises(DataError, match=rf"looks like {LOOKS[kind]} \(first: "):
        decide(load(path, "c"), None, [])


def test_frames_of_any_library_are_the_same_table(tmp_path):
    polars = pytest.importorskip("polars")
    columns = {"x": X, "y": X * 2, "city": ["Oslo", "Rome", None] * (ROWS // 3), "day": DAYS}
    frames = [pd.DataFrame(columns), polars.DataFrame(columns), pyarrow.table(columns)]
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    pyarrow.parquet.write_table(frames[2], tmp_path / "t.parquet")
    found = [load(frame, "y") for frame in (*frames, tmp_path / "t.csv", tmp_path / "t.parquet")]
    prepared = [prepare(dataset, decide(dataset, None, [])) for dataset in found]
    for each in prepared[1:]:
        np.testing.assert_allclose(each.features, prepared[0].features, rtol=1e-6)
        assert each.steps == prepared[0].steps
    with pytest.raises(DataError, match="data is a list: give a data frame"):
        load([1, 2, 3], "y")


def test_a_parquet_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_VALUES", 100_000)
    pyarrow.parquet.write_table(
        pyarrow.table({"x": np.zeros(90_000), "y": np.zeros(90_000)}), tmp_path / "t.parquet"
    )
    with pytest.raises(DataError, match=r"90,000 rows of 2 columns, .*: at most 100,000 values and"):
        load(tmp_path / "t.parquet", "y")
    monkeypatch.setattr(tables, "MOST_VALUES", 1000)
    long = pyarrow.array([f"{i:0>9999}" for i in range(100)])
    pyarrow.parquet.write_table(pyarrow.table({"x": long, "y": np.arange(100)}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"100 rows of 2 columns, 0\.00093 GiB unpacked"):
        load(tmp_path / "t.parquet", "y")


@pytest.mark.parametrize("kind", ["lists", "text"])
def test_a_parquet_column_that_is_packed_well_takes_little(kind, tmp_path):
    """Lists are not read, and a text that comes again is held once: all of them would be 400 MB."""
    many = pyarrow.array([[0] * 50_000] if kind == "lists" else ["a" * 400_000])
    column = many.take(pyarrow.array(np.zeros(1000, int)))
    path = parquet(
        tmp_path / "t.parquet", long=column, y=pyarrow.array(np.arange(1000) % 7.0), x=pyarrow.nulls(1000)
    )
    code = (
        "import resource, pyarrow.parquet; from losscope.comparison.data import load\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"found = load({str(path)!r}, 'y')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *found.notes)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(said.split()[0]) < 100_000  # kilobytes
    assert ("dropped long: lists or structures" in said) == (kind == "lists")


def test_too_little_memory_is_said_to_be_that(tmp_path, monkeypatch):
    path = parquet(tmp_path / "t.parquet", y=pyarrow.array(X))

    def too_much(*_, **__):
        raise pyarrow.ArrowMemoryError("malloc of size 123 failed")

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "read", too_much)
    with pytest.raises(DataError, match="takes more memory than there is: take some of its rows"):
        load(path, "y")


def test_what_pandas_kept_as_an_index_is_a_column(tmp_path):
    frame = pd.DataFrame({"a": X, "y": X * 2, "t": X * 3})
    frame.set_index("t").to_parquet(tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet", "t").target.tolist() == list(X * 3)
    assert list(load(tmp_path / "t.parquet", "y").features) == ["a", "t"]
    frame[frame.a > -0.5].to_parquet(tmp_path / "unnamed.parquet")
    assert list(load(tmp_path / "unnamed.parquet", "y").features) == ["a", "t"]


@pytest.mark.parametrize("dtype", ["uint64", "UInt64", "UInt64 with holes", "uint64[pyarrow]"])
def test_whole_numbers_beyond_a_signed_one_stay_what_they_are(dtype):
    numbers = pd.Series([2**63 + i * 10**15 for i in range(ROWS)], dtype=dtype.partition(" ")[0])
    if "holes" in dtype:
        numbers[3] = pd.NA
    dataset = load(pd.DataFrame({"x": X, "more": numbers, "u": numbers}), "u")
    expected = numbers.dropna().astype("float64").to_numpy()
    np.testing.assert_array_equal(dataset.target.astype("float64"), expected)
    np.testing.assert_array_equal(dataset.features["more"].astype("float64"), expected)


# ------------------------------------------------------------------------------- numbers, words, dates


def column(texts: list[str], tmp_path: Path) -> tuple[pd.Series, str]:
    """A column as it is read from a CSV file, and what is said."""
    path = tmp_path / "t.csv"
    pd.DataFrame({"c": texts, "x": np.arange(len(texts)), "y": np.arange(len(texts)) ** 2}).to_csv(
        path, index=False
    )
    dataset = load(path, "y")
    return dataset.features["c"], "\n".join(dataset.notes)


@pytest.mark.parametrize("word", ["nil", "n/a", "NIL", "unknown", "-", "?", "oops"])
def test_a_few_words_among_numbers_are_missing_values_and_it_is_said(word, tmp_path):
    values, said = column([word if i % 20 == 3 else f"{i}.5" for i in range(100)], tmp_path)
    assert values.dtype == np.float64
    assert values.isna().sum() == 5
    if word != "n/a":  # pandas itself knows that one
        assert f"c read as numbers: {word!r} (5) taken as missing" in said


def test_codes_are_not_numbers(tmp_path):
    values, _ = column([f"{i}a" if i % 20 == 3 else f"{i}" for i in range(400)], tmp_path)
    assert values.dtype == object


@pytest.mark.parametrize(
    ("form", "day"),
    [
        ("%Y-%m-%d", "2024-01-31"), ("%Y/%m/%d", "2024-01-31"), ("%d.%m.%Y", "2024-01-31"),
        ("%d/%m/%Y", "2024-01-31"), ("%m/%d/%Y", "2024-01-31"), ("%Y-%m-%d %H:%M:%S", "2024-01-31"),
        ("%Y-%m-%dT%H:%M:%SZ", "2024-01-31"), ("%Y-%m-%dT%H:%M+02:00", "2024-01-30 22:00"),
    ],
)  # fmt: skip
def test_dates_in_csv_are_read_as_dates(form, day, tmp_path):
    days = pd.date_range("2024-01-01", periods=60)
    values, _ = column([f"{each:{form}}" if i != 7 else "nil" for i, each in enumerate(days)], tmp_path)
    assert values.dtype.kind == "M"
    assert values[30] == pd.Timestamp(day)
    assert values.isna().sum() == 1


def test_years_are_kept_and_row_numbers_are_not_unless_asked(tmp_path):
    n = 100
    frame = pd.DataFrame(
        {"year": np.arange(n) + 1700, "row": np.arange(n), "nth": np.arange(n) + 1, "user_id": np.arange(n) * 7,
         "note": [f"note {i}" for i in range(n)], "y": np.random.default_rng(0).normal(size=n)}
    )  # fmt: skip
    dataset = load(frame, "y")
    said = "\n".join(prepare(dataset, decide(dataset, None, [])).steps)
    assert "dropped row, nth, user_id: a row number" in said
    assert "dropped note: text that differs in most rows" in said
    dataset = load(frame, "y", keep=["row,user_id", "note"], drop=["nth"])
    prepared = prepare(dataset, decide(dataset, None, []))
    assert "dropped as asked: nth" in prepared.steps
    assert not any("a row number" in step or "differs" in step for step in prepared.steps)
    assert prepared.columns == 3 + 30


# ------------------------------------------------------------------------------------------ roles


def test_columns_have_roles():
    dataset = load(FRAME, "y", weights="w", time="t", drop="g")
    assert list(dataset.features) == ["x", "t"]
    assert (dataset.weight * (FRAME["w"].max() / dataset.weight.max())).tolist() == FRAME["w"].tolist()
    prepared = prepare(dataset, decide(dataset, None, []))
    assert prepared.test.tolist() == list(range(12))
    assert prepared.weight is dataset.weight
    assert "w" not in load(FRAME, "y", weights=" w ").features  # found with blanks around it, too
    dataset = load(FRAME, "y", group="g")
    assert list(dataset.features) == ["x", "w", "t"]
    prepared = prepare(dataset, decide(dataset, None, []))
    assert not set(dataset.groups[prepared.test]) & set(dataset.groups[prepared.train])
    assert (
        len({load(FRAME, "y", **roles).fingerprint() for roles in ({}, {"group": "g"}, {"weights": "w"})})
        == 3
    )


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ({"drop": ["z"]}, "no column 'z'"), ({"keep": ["xx"]}, "did you mean 'x'"), ({"drop": [""]}, "names no column"),
        ({"drop": ["y"]}, "'y' is the target"), ({"drop": ["x"], "keep": ["x"]}, "both in --drop and in --keep"),
        ({"drop": ["x", "w", "t", "g"]}, "only the column 'y' left"), ({"weights": "g"}, "no column of numbers"),
        ({"weights": "y"}, "is the target"), ({"weights": "x"}, "numbers of 0 or more"), ({"time": "g"}, "neither numbers"),
        ({"time": "t", "group": "g"}, "give one of them"), ({"group": "nowhere"}, "no column 'nowhere'"),
    ],
)  # fmt: skip
def test_each_mistake_in_a_role_is_one_clear_line(roles, says):
    with pytest.raises(DataError) as caught:
        load(FRAME, "y", **roles)
    assert says in one_line(caught.value)


@pytest.mark.parametrize("size", [1e308, 1e300, 1e-8, 1e-30, 1e-310])
def test_weights_of_any_size_count_as_what_they_are_of_each_other(size):
    weights = 1 + np.arange(ROWS) % 2
    found = load(FRAME.assign(w=weights * (size / 2)), "y", weights="w").weight
    assert 0.5 <= found.mean() < 1
    np.testing.assert_allclose(found / found[0], weights, rtol=1e-9 if size > 1e-300 else 1e-2)


LONG_ONES = [10**17 + at for at in range(3)]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([*LONG_ONES, None], dtype="Int64"),
        pd.Series([*LONG_ONES, None], dtype="int64[pyarrow]"),
        pd.Series([*LONG_ONES, None], dtype=object),
        pd.Series([*map(decimal.Decimal, LONG_ONES), None], dtype=object),
        pd.Series([*map(decimal.Decimal, LONG_ONES), None], dtype=pd.ArrowDtype(pyarrow.decimal128(20, 0))),
        pd.Series([*map(str, LONG_ONES), "nil"]),
        pd.Series([*map(str, LONG_ONES), None], dtype="string[pyarrow]"),
        pd.Series(pd.Categorical([*map(str, LONG_ONES), None])),
    ],
    ids=lambda column: str(column.dtype),
)
def test_long_whole_numbers_keep_their_digits_however_they_are_written(column):
    read = understood(column).values
    assert read[:3].tolist() == LONG_ONES
    assert read.isna().tolist() == [False] * 3 + [True]
    several = column[np.arange(80) % 4].reset_index(drop=True)
    frame = pd.DataFrame({"x": np.arange(80.0) ** 2, "k": several, "y": np.arange(80) % 7})
    assert load(frame, "k").target.value_counts().to_dict() == dict.fromkeys(LONG_ONES, 20)
    other = frame.assign(k=several[::-1].to_numpy() if several.dtype == object else several[::-1].array)
    assert load(frame, "y").fingerprint() != load(other, "y").fingerprint()
    with pytest.raises(DataError, match=r"--weights 'k' is missing in 20 rows \(first: row 4\)"):
        load(frame, "y", weights="k")
    dates = load(frame[understood(several).values.notna()], "y", time="k").time
    assert len(np.unique(dates)) == 3


@pytest.mark.parametrize("role", ["feature", "time", "group"])
@pytest.mark.parametrize("kind", ["date32[pyarrow]", "date64[pyarrow]", "timestamp[us][pyarrow]"])
def test_dates_of_arrow_are_dates(kind, role):
    days = pd.date_range("2024-01-01", periods=ROWS)
    column = pd.Series(days.date if "date" in kind else days, dtype=kind)
    frame = FRAME.assign(d=column)
    if role == "feature":
        assert load(frame, "y").features["d"].dt.strftime("%Y-%m-%d").tolist() == [
            str(day.date()) for day in days
        ]
    else:
        found = getattr(load(frame, "y", **{role: "d"}), {"time": "time", "group": "groups"}[role])
        assert len(np.unique(found)) == ROWS


def test_a_target_of_long_doubles_is_one_of_doubles():
    assert load(FRAME.assign(y=np.arange(ROWS, dtype="longdouble") ** 1.5), "y").target.dtype == np.float64


def test_numbers_that_differ_in_digits_which_none_has_here_are_not_said_to_be_the_same():
    long = FRAME.assign(y=10**18 + np.arange(ROWS))
    dataset = load(long, "y")
    with pytest.raises(DataError, match="to the 15 digits"):
        prepare(dataset, decide(dataset, None, []))
    dataset = load(FRAME.assign(f=[2**64 + i for i in range(ROWS)]), "y")
    assert any(
        "constant, to the 15 digits" in each for each in prepare(dataset, decide(dataset, None, [])).steps
    )


def test_a_table_of_features_that_no_model_takes_says_which():
    with pytest.raises(DataError, match=r"no feature that a model can take.*dropped f: lists"):
        load(pd.DataFrame({"f": [[1]] * ROWS, "y": X}), "y")


def test_weights_that_leave_too_few_rows_are_refused():
    for count in (0, 1, 19):
        with pytest.raises(DataError, match=rf"'w' is above 0 in {count} rows?: at least 20 are needed"):
            load(FRAME.assign(w=(np.arange(ROWS) < count) * 1.0), "y", weights="w")


# Frames that no file holds: what pandas and Python allow beyond it.
FRAMES = {
    "no columns": (pd.DataFrame(), "has no columns"),
    "integers beyond floating point": (
        FRAME.assign(y=[10**400 + i for i in range(ROWS)]),
        "is infinite in 60 rows",
    ),
    "complex target": (FRAME.assign(y=X + 1j), "is of complex numbers"),
    "sets as target": (FRAME.assign(y=[{1}] * ROWS), "is of lists or structures"),
    "a list": ([1, 2], "data is a list"),
    "an array": (np.zeros((3, 3)), "data is a ndarray"),
    "nothing": (None, "data is a NoneType"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_what_is_no_table_in_python_is_refused_in_one_line(case):
    data, says = FRAMES[case]
    with pytest.raises(DataError) as caught:
        load(data, "y")
    assert says in one_line(caught.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values",
    [
        pd.arrays.SparseArray(np.arange(ROWS) % 2 * 1.0), pd.cut(X, 4), pd.period_range("2020-01", periods=ROWS, freq="M"),
        [1, "a", 2.5, None, True] * 12, pd.array([1, None, 3] * 20, dtype="Int64"), pd.Categorical([1, 2, 3] * 20),
        np.full(ROWS, np.inf), np.array(["9999-12-31", "0001-01-01"] * 30, dtype="datetime64[s]"), ["nil"] * ROWS,
        pd.date_range("2020", periods=ROWS, tz="Asia/Tokyo"), X.astype(np.longdouble), [10**400 + i for i in range(ROWS)],
    ],
    ids=lambda values: str(getattr(values, "dtype", values[:1]))[:20],
)  # fmt: skip
def test_whatever_pandas_holds_can_be_a_feature(values):
    dataset = load(FRAME.assign(f=values), "y")
    assert np.isfinite(prepare(dataset, decide(dataset, None, [])).features).all()


@pytest.mark.parametrize(("column", "option"), [("w", "weights"), ("t", "time"), ("g", "group")])
def test_a_role_with_holes_names_the_first(column, option):
    holes = FRAME.assign(**{column: FRAME[column].where(np.arange(ROWS) != 7)})
    with pytest.raises(DataError, match=rf"--{option} '{column}' is missing in 1 row \(first: row 8\)"):
        load(holes, "y", **{option: column})

"""Files that were made to break a reader: each ends in one clear line, or is read rightly, and never takes the machine."""

from __future__ import annotations

import gzip
import json
import os
import resource
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pyarrow")


from losscope.comparison import Comparison, delimited, sources
from losscope.comparison.data import DataError, load
from losscope.comparison.images import read_idx
from losscope.comparison.preparation import prepare
from losscope.comparison.results import RUN_SCHEMA, Store, older_runs
from losscope.comparison.sealed import sealed
from losscope.comparison.settings import Asked
from losscope.comparison.task import decide
from losscope.comparison.training import PARTS
from losscope.comparison.tuning import Job
from losscope.report.write import WriteError, write_atomic, write_json

ROWS = 60
X = np.random.default_rng(0).normal(size=ROWS)
LINES = "".join(f"{i * i},{i}.5\n" for i in range(ROWS))
FRAME = pd.DataFrame({"x": X, "w": 1 + np.arange(ROWS) % 3, "t": pd.date_range("2024-01-01", periods=ROWS)[::-1],
                      "g": ["a", "b", "c", "d", "e", "f"] * (ROWS // 6), "y": X})  # fmt: skip


def one_line(error: BaseException) -> str:
    """The message, which is one line and holds nothing that a terminal obeys."""
    message = str(error)
    assert message.isprintable(), message
    assert len(message) < 1000
    return message


# The bytes of a file for each way to be hostile, and what the one line says.
HOSTILE = {
    "empty": (b"", "is empty"),
    "one newline": (b"\n", "not a well-formed CSV"),
    "only blanks": (b"   \n   \n", ""),
    "zeros": (b"\0" * 10_000, "binary bytes"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + os.urandom(500) + b"\0", "binary bytes"),
    "an archive": (b"PK\x03\x04" + b"\0" * 100, "binary bytes"),
    "gzip without an end": (gzip.compress(b"x,y\n" + LINES.encode())[:-20], "cannot be unpacked"),
    "gzip with a wrong sum": (gzip.compress(b"x,y\n" + LINES.encode())[:-8] + b"\1" * 8, "cannot be unpacked"),
    "only the mark of gzip": (b"\x1f\x8b", "cannot be unpacked"),
    "gzip of zeros": (gzip.compress(b"\0" * 100_000), "binary bytes"),
    "gzip of nothing": (gzip.compress(b""), "is empty"),
    "gzip within gzip": (gzip.compress(gzip.compress(LINES.encode())), ""),
    "only the mark of Parquet": (b"PAR1", "cannot be read"),
    "Parquet of noise": (b"PAR1" + os.urandom(300) + b"PAR1", "cannot be read"),
    "Parquet with a footer too long": (b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", "cannot be read"),
    "a quote without an end": (b'x,y\n"1,2\n' + LINES.encode(), "not a well-formed CSV"),
    "a quote without an end in the header": (b'"x,y\n' + LINES.encode(), ""),
    "a field without an end": (b"x,y\n" + b"1" * 200_000 + b"\n", ""),
    "a header without an end": (b"x" * 300_000 + b"\n1\n", ""),
    "a name twice": (b"x,x,y\n" + b"1,2,3\n" * 30, "two columns named 'x'"),
    "a name twice, in quotes": (b'x,"x",y\n' + b"1,2,3\n" * 30, "two columns named 'x'"),
    "more fields than names": (b"x,y\n" + b"1,2,3\n" * 30, "more fields in a line"),
    "more fields in one line": (b"x,y\n" + LINES.encode() + b"1,2,3\n", "not a well-formed CSV"),
    "nothing but separators": (b",,,\n,,,\n", ""),
    "an escape code as a name": (b"x,\x1b[31my\n" + LINES.encode(), "\\x1b[31my"),
    "text that turns round": ("x,\u202ey\n".encode() + LINES.encode(), "\\u202ey"),
    "a name of a kilobyte": (b"a" * 1000 + b"," + b"b" * 1000 + b"\n" + LINES.encode(), "no column 'y'"),
    "a mark of UTF-16 and no more": (b"\xff\xfe", ""),
    "half a letter of UTF-16": (b"\xff\xfex", "begins as UTF-16 text"),
    "UTF-16 cut short": ("x,y\n1,2\n".encode("utf-16")[:-1], "cut short or damaged"),
    "UTF-32 cut short": ("x,y\n1,2\n".encode("utf-32")[:-1], "begins as UTF-32 text"),
    "numbers beyond any": (b"x,y\n" + b"1e999,1e999\n" * 30, "infinite"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "no column 'y'"),
    "JSON": (b'{"x": [1, 2], "y": [3, 4]}\n', "no column 'y'"),
    "a bomb of lines": (gzip.compress(b"x,y\n" + b"1,1\n" * 800_000), "unpacks to more than"),
    "a million columns": (b"," .join(b"c%d" % i for i in range(1_000_000)) + b"\n", "1,000,000 columns"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_ends_in_one_clear_line(case, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 3_000_000)
    content, says = HOSTILE[case]
    path = tmp_path / "hostile.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(path, "y")
    assert says in one_line(caught.value)


def test_a_bomb_is_not_unpacked_whole(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"x,y\n")
        for _ in range(64):
            file.write(b"1,1\n" * 250_000)
    code = (
        "import resource; from losscope.comparison import sources; from losscope.comparison.data import load, DataError\n"
        "sources.MOST_BYTES = 8 << 20\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try: load({str(path)!r}, 'y')\n"
        "except DataError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown = int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert grown < 40_000  # kilobytes, of 64 million bytes


# ---------------------------------------------------------------------------------------------- IDX


def test_an_idx_header_is_believed_no_further_than_it_can_be(tmp_path):
    path = tmp_path / "images"
    for shape, says in (
        ((2**31, 2**31, 2**31), "too large"),
        ((2**32 - 1,) * 4, "too large"),
        ((0, 28, 28), "is empty"),
        ((0,), "is empty"),
        ((60_000, 28, 28), "expected 47,040,000"),
    ):
        path.write_bytes(bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + b"\1" * 100)
        with pytest.raises(DataError) as caught:
            read_idx(path)
        assert says in one_line(caught.value)


def test_an_idx_bomb_is_read_one_byte_beyond_its_header(tmp_path):
    path = tmp_path / "images.gz"
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 10, 28, 28)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head + b"\0" * 200_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="holds more bytes after its header, expected 7,840"):
        read_idx(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_what_is_no_file_of_images_is_not_said_to_be_cut_short(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read .*: give a file, and check its permissions"):
        read_idx(tmp_path)
    (tmp_path / "trailing.gz").write_bytes(
        gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + b"ab") + b"more"
    )
    with pytest.raises(DataError, match=r"cannot be unpacked .*: it is cut short or damaged"):
        read_idx(tmp_path / "trailing.gz")


def test_two_commands_may_claim_one_folder_at_once(tmp_path):
    from losscope.comparison.results import claim

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(claim, [tmp_path] * 1000))
    assert [*tmp_path.rglob("*")] == [tmp_path / "runs"]


# ---------------------------------------------------------------------------------------------- pipes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("how", ["plain", "packed", "parquet"])
def test_a_pipe_is_read_once_and_from_its_start(how, tmp_path):
    frame = pd.DataFrame({"x": np.arange(3000) ** 2, "y": np.arange(3000) * 0.5})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    content = (tmp_path / ("t.parquet" if how == "parquet" else "t.csv")).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(
        target=lambda: pipe.write_bytes(gzip.compress(content) if how == "packed" else content)
    )
    writer.start()
    dataset = load(pipe, "y")
    writer.join()
    assert dataset.features["x"].tolist() == frame["x"].tolist()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_without_an_end_is_refused_at_its_beginning():
    with pytest.raises(DataError, match="binary bytes"):
        load("/dev/zero", "y")


# ---------------------------------------------------------------------------- what is written and read again


RUN = dict.fromkeys((*(each.name for each in fields(Job)), *PARTS))


def test_a_damaged_run_counts_as_not_there(tmp_path):
    store = Store(tmp_path, {})
    run = {**RUN, "status": "done", "test": {"mae": 1.5}}
    store.save("k", run)
    path = tmp_path / "runs" / "k.json"
    good = path.read_text()
    assert store.load("k")["test"] == {"mae": 1.5}
    damaged = [good[:-9], "", "null", "[]", "{}", "[" * 100_000, good.replace("1.5", "2.5"), good.replace("done", "gone"),
               json.dumps({**json.loads(good), "test": 3}), "\0" * len(good),
               *(good.replace("1.5", "[" * deep + "]" * deep) for deep in range(500, 1000))]  # fmt: skip
    for content in damaged:
        path.write_text(content)
        assert store.load("k") is None
    path.write_bytes(b"\xff\xfe" + good.encode())
    assert store.load("k") is None


@pytest.mark.parametrize("lacking", RUN)
def test_a_run_that_lacks_something_counts_as_not_there(lacking, tmp_path):
    store = Store(tmp_path, {})
    about = {"schema": RUN_SCHEMA, "key": "k"}
    path = tmp_path / "runs" / "k.json"
    path.write_text(sealed({**about, **RUN}))
    assert store.load("k") == {"schema": RUN_SCHEMA, **RUN}
    path.write_text(sealed({**about, **{name: value for name, value in RUN.items() if name != lacking}}))
    assert store.load("k") is None
    path.write_text(sealed({**about, **RUN, "outputs": {}}))
    assert store.load("k") is None


def test_a_run_in_the_place_of_another_counts_as_not_there(tmp_path):
    store = Store(tmp_path, {})
    store.save("a", {**RUN, "status": "done"})
    (tmp_path / "runs" / "b.json").write_bytes((tmp_path / "runs" / "a.json").read_bytes())
    assert store.load("a")["status"] == "done"
    assert store.load("b") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_run_is_not_waited_for(tmp_path):
    store = Store(tmp_path, {})
    os.mkfifo(tmp_path / "runs" / "k.json")
    asked = threading.Thread(target=lambda: (store.load("k"), older_runs(tmp_path)), daemon=True)
    asked.start()
    asked.join(10)
    assert not asked.is_alive()


def test_what_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError) as caught:
        write_atomic(tmp_path / "run.json", "text")
    assert "No space left on device" in one_line(caught.value)
    assert caught.value.user_error
    assert list(tmp_path.iterdir()) == []  # and nothing half done is left
    (tmp_path / "runs").write_text("")
    with pytest.raises(DataError, match=r"--out '.*' cannot be written to \('.*runs' is a file\)"):
        Store(tmp_path, {})


@pytest.mark.parametrize("of", ["", "deep", "deep/deeper"])
def test_a_file_in_the_place_of_a_folder_is_named_as_it_was_given(of, tmp_path):
    file = tmp_path / "report.html"
    file.write_text("")
    said = "is a file: give a folder" if not of else f"cannot be written to ({str(file)!r} is a file): give"
    with pytest.raises(DataError) as caught:
        Store(file / of, {})
    assert one_line(caught.value).startswith(f"--out {str(file / of)!r} {said}")


def test_what_was_finished_is_said_to_be_kept_where_it_is(tmp_path, monkeypatch):
    store = Store(tmp_path, {})
    store.save("a", {"outputs": None})
    monkeypatch.setattr(os, "replace", lambda *_: os.stat("/nowhere/at/all"))
    with pytest.raises(WriteError, match="what was finished before is kept"):
        store.save("b", {"outputs": None})
    with pytest.raises(WriteError, match=r"run the same again$"):
        write_atomic(tmp_path / "predictions.csv", "text")


@pytest.mark.parametrize("data", ["ä" * 130, "ä" * 130 + ".csv", "new/" + "ä" * 130 + "/t.csv"])
def test_a_name_that_no_file_can_have_is_refused_in_one_line(data, tmp_path):
    import losscope as ls

    calls = [
        lambda: load(data, "y"),
        lambda: load("mnist", data_dir=data),
        lambda: ls.compare(FRAME, "y", ["mse"], out=data),
        lambda: ls.compare(FRAME, "y", losses_file=data),
        lambda: Comparison.save(None, data),
    ]
    for call in calls:
        with pytest.raises(DataError, match=r"The name of a file or folder is too long\. Got: .*ää"):
            call()
    longest = tmp_path / ("a" * 255)
    assert write_atomic(longest, "text").read_text() == "text"


def test_a_byte_of_a_name_that_is_no_text_is_written_and_read_back(tmp_path):
    path = write_json(tmp_path / "results.json", {"command": "--out \udcff"}, "schema")
    assert json.loads(path.read_text())["command"] == "--out \udcff"


def test_names_never_carry_codes_that_a_terminal_obeys(tmp_path, capfd):
    from losscope.cli import main

    path = tmp_path / "\x1b[31mt.csv"
    path.write_text("x,\x1b[2Jy,c\n" + "".join(f"{i * i},{i}.5,{'ab'[i % 2]}\x1b[0m\n" for i in range(ROWS)))
    dataset = load(path, "\x1b[2Jy")
    words = [dataset.name, dataset.source, str(dataset.target.name), *dataset.features]
    assert all(word.isprintable() for word in words)
    classes = decide(load(path, "c"), None, [])
    assert all(str(label).isprintable() for label in classes.labels)
    assert main(["compare", "--data", str(path), "--target", "\x1b[2Jz"]) == 2
    options = "compare mse --data diabetes --model linear --splits 2 --workers 1 --out"
    assert main([*options.split(), str(tmp_path / "\x1b[31mred")]) == 0
    assert main(["plot", "huber", "--out", str(tmp_path / "\x1b[31m.svg")]) == 0
    for words in (["compare", "--\x1b[31mfoo"], ["study", "saturation", "--\x1b[31mfoo"]):
        with pytest.raises(SystemExit):
            main(words)
    shown = capfd.readouterr()
    assert shown.out.count(r"\x1b[31m") == 2
    assert shown.err.count(r"--\x1b[31mfoo") == 2
    assert "\x1b" not in shown.out + shown.err


def test_a_wide_table_is_read_in_linear_time(tmp_path, monkeypatch):
    """Work, not seconds: no step may take each column from the whole table again."""
    calls = 0
    original = pd.DataFrame.__getitem__

    def counting(self, key):
        nonlocal calls
        calls += 1
        return original(self, key)

    path = tmp_path / "wide.csv"
    wide = pd.DataFrame(np.random.default_rng(0).integers(0, 99, (ROWS, 3000))).add_prefix("c")
    wide.assign(y=X).to_csv(path, index=False)
    monkeypatch.setattr(pd.DataFrame, "__getitem__", counting)
    dataset = load(path, "y")
    prepared = prepare(dataset, decide(dataset, None, []))
    assert prepared.columns == 3000
    assert calls < 100
    assert delimited.MOST_COLUMNS < 1_000_000


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("rare", [], "class 'c' of the target 'rare' has 1 row"),
        ("y", ["--group", "half"], "--group half has too few groups (2)"),
        ("y", ["--time", "half", "--splits", "3"], "--time has 2 different values"),
        ("y", ["--folds", "1000"], "--folds 1000 cannot be made of 60 rows"),
        ("y", ["--folds", "60"], "a split has 1 row to test on"),
        ("y", ["--split-seed", "-1"], "--split-seed -1 is below 0: give 0 or more"),
        ("y", ["--split-seed", "99999999999"], "--split-seed 99999999999 is too large"),
        ("y", ["ce"], "cross_entropy"),
    ],
)
def test_what_is_impossible_is_refused_before_pytorch_is_loaded(target, options, says, tmp_path):
    path = tmp_path / "t.csv"
    FRAME.assign(half=np.arange(ROWS) % 2, rare=["a", "b"] * 29 + ["a", "c"]).to_csv(path, index=False)
    code = (
        "import sys; from losscope.cli import main\n"
        f"code = main(['compare', '--data', {str(path)!r}, '--target', {target!r}, '--out', {str(tmp_path / 'o')!r}, "
        f"*{options!r}])\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n", done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


NAME = "a" * 300
LONG = (
    ["--data", f"{NAME}.csv", "--target", "y"],
    ["--data", NAME, "--target", "y"],
    [f"{NAME}.csv", "--target", "y"],
    ["mse", "--data", "diabetes", "--out", NAME],
    ["mse", "--data", "mnist", "--data-dir", NAME],
)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare", "1/(1 + r**2)"], 'a formula without a name: write "mine = 1/(1 + r**2)"'),
        (["compare", "houze.csv", "--target", "price"], "no file 'houze.csv'"),
        (["compare", "--data", "houze.csv", "--target", "price"], "no file 'houze.csv': check the path"),
        *((["compare", *words], "The name of a file or folder is too long. Got: aaaa") for words in LONG),
        (["form", "exp(r"], "\n  exp(r\n     ^"),
    ],
)
def test_what_is_written_is_understood_for_what_it_is(words, says, capsys):
    from losscope.cli import main

    assert main(words) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"losses": []}, "losses is empty"),
        ({"splits": "two"}, "splits 'two' is no whole number"),
        ({"folds": 2.5}, "no whole"),
        ({"learning_rate": "0.1"}, "learning_rate '0.1' is no number: give one, or leave learning_rate out"),
        ({"learning_rate": True}, "learning_rate True is no number"),
        ({"penalty": "abc"}, "penalty 'abc' is no number"),
        *(
            ({name: None}, f"{name} None is no whole number")
            for name in ("splits", "seeds", "grid", "split_seed")
        ),
        *(({"workers": value}, "is no whole number") for value in ("2", 2.5, True)),
        *(({"metric": value}, "is no text") for value in (5, ["rmse"])),
        *(({name: value}, "is no list") for name in ("drop", "keep") for value in (None, 5, b"age")),
        ({"losses": 5}, "losses 5 is no list or text"),
        *(
            ({name: value}, "is no text or path")
            for name in ("out", "losses_file")
            for value in (5, b"o", "a\0b")
        ),
        ({"data_dir": 5}, "data_dir 5 is no text or path"),
        ({"dask": 5}, "dask 5 is no text"),
        ({"progress": 5}, "progress 5 is no Progress"),
        *(
            ({name: "no"}, "'no' is no truth value \\(True or False\\)")
            for name in ("tune", "merge_rare_classes")
        ),
    ],
    ids=str,
)
def test_options_from_python_are_asked_for_their_kind(options, says):
    import losscope as ls

    with pytest.raises(DataError, match=says):
        ls.compare("diabetes", **options)


def test_numbers_and_texts_of_any_library_are_taken():
    Asked(splits=np.int64(2), learning_rate=1, penalty=np.float32(0.5), tune=np.True_, metric=np.str_("mae"))
    assert load("diabetes", drop=pd.Index(["age"])).features.shape[1] == 9


def test_a_result_is_saved_in_a_folder_and_nowhere_else():
    with pytest.raises(DataError, match="folder None is no text or path"):
        Comparison.save(None, None)


@pytest.mark.parametrize(
    "more", [{"target": "y"}, {"drop": ["w"]}, {"keep": "w"}, {"group": "g"}, {"data_dir": "d"}], ids=str
)
def test_what_columns_are_for_is_not_asked_again_of_a_data_set(more):
    dataset = load(FRAME, "y")
    assert load(dataset) is dataset
    with pytest.raises(DataError, match=r"data is a Dataset.* give target, drop, .* to load"):
        load(dataset, **more)


@pytest.mark.parametrize("target", ["nope", "link.csv"])
def test_a_link_that_leads_nowhere_is_said_to_be_one(target, tmp_path):
    """Neither a link to nothing nor one to itself is a file that is not there, nor what may be meant by another name."""
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    with pytest.raises(DataError, match=f"link that leads nowhere .to '{target}'."):
        load(link, "y")
    with pytest.raises(DataError, match=r"no file .*links.csv': check the path"):
        load(tmp_path / "links.csv", "y")

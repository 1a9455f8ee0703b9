"""Threads, forks, processes and the cache on disk: correct in each."""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import losscope as ls
from conftest import batch
from losscope.entry import Entry
from losscope.exactness import mending
from losscope.kernels import store, threads
from losscope.kernels.loops import elementwise

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
BIG = elementwise.BLOCK * 468 + 77  # work for seven threads, the last block short


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = ls.get_num_threads()
    yield
    ls.set_num_threads(before)


def run(code: str, cache: Path | str | None = None, **changes: str) -> dict:
    """What a fresh process prints: the text of a Python dictionary. A changed variable of None is unset."""
    env = {**os.environ, **changes}
    if cache is not None:
        env["LOSSCOPE_CACHE_DIR"] = str(cache)
    env = {key: value for key, value in env.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout.strip().splitlines()[-1])


# --- the number of threads


@pytest.mark.parametrize(
    ("files", "said", "cores"),
    [
        ({}, "", 8),
        ({"cpu.max": "max 100000"}, "", 8),
        ({"cpu.max": "350000 100000"}, "", 3),
        ({"cpu.max": "50000 100000"}, "", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "", 8),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, "", 2),
        ({"cpu.max": "400000 100000"}, "2", 2),
        ({}, "0", 1),
        ({}, "many", 8),
    ],
)
def test_usable_cores(files: dict, said: str, cores: int, tmp_path: Path, monkeypatch) -> None:
    """What a container or a user of joblib allows."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(threads, "CONTROL_GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", said)
    assert threads.usable_cores() == cores


def results(name: str, dtype: str) -> list[bytes]:
    loss = ls.get(name)
    prediction, target = batch(loss, 40_000 if name == "cross_entropy" else BIG, 1, dtype)
    weight = np.random.default_rng(2).uniform(0, 2, len(prediction)).astype(dtype)
    value, gradient = loss.value_and_grad(prediction, target, weight=weight)
    total = loss.total(prediction, target, weight=weight)
    each, alone = loss.value_and_grad(prediction, target, reduction="none")
    return [np.float64(value).tobytes(), gradient.tobytes(), np.float64(total.sum).tobytes(), each.tobytes(), alone.tobytes()]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["squared_error", "huber", "binary_cross_entropy", "cross_entropy", "kl_divergence"]
)
def test_the_same_bits_for_any_number_of_threads(name: str, dtype: str) -> None:
    ls.set_num_threads(1)
    expected = results(name, dtype)
    for count in (2, 7, 2):
        ls.set_num_threads(count)
        assert ls.get_num_threads() == count
        assert results(name, dtype) == expected


def test_several_threads_really_share_the_work() -> None:
    ls.set_num_threads(3)
    together = threading.Barrier(3, timeout=20)
    threads.on_pool(together.wait, 3)  # passes only when three threads are at work at once


@pytest.mark.parametrize(
    ("size", "lent", "parallel", "count"),
    [
        (10, 7, 0, 1),
        (100, 7, 0, 1),
        (101, 7, 5, 7),
        (101, 3, 0, 1),
        (2001, 3, None, 7),
        (2001, None, None, 7),
    ],
)
def test_as_many_threads_as_the_work_is_worth(
    size: int, lent: int | None, parallel: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few elements are for one thread, more for threads that are lent and spin, many for the pool's."""
    ls.set_num_threads(7)
    monkeypatch.setattr(threads, "GRAIN", 100)
    monkeypatch.setattr(threads, "POOL_GRAIN", 2000)
    monkeypatch.setattr(threads, "_lent", None if lent is None else (5, lambda: lent))
    asked = []

    def kernel(*words: object) -> None:
        asked.append(words)
        threads._here.raised = None  # as the pool says that it was not interrupted

    threads.run(kernel, size, ("in", "out"), (0.5,))
    (words,) = asked
    assert (words[:2], words[3:]) == (("in", "out"), (count, 0.5))
    assert words[2] == (threads._POOL if parallel is None else parallel)


def test_a_failure_in_a_thread_is_not_lost() -> None:
    ls.set_num_threads(4)
    here, began = threading.get_ident(), threading.Event()

    def work() -> None:
        if threading.get_ident() == here:
            assert began.wait(20)
        else:
            began.set()
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        threads.on_pool(work, 4)


def test_an_interrupt_waits_for_those_still_at_work() -> None:
    ls.set_num_threads(2)
    begun, left, done = threading.Event(), threading.Event(), []
    here = threading.get_ident()

    def work() -> None:
        if threading.get_ident() == here:
            assert begun.wait(20)
            threading.Timer(0.2, left.set).start()
            raise KeyboardInterrupt
        begun.set()
        assert left.wait(20)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        threads.on_pool(work, 2)
    assert done


def test_the_number_may_change_while_work_goes_on() -> None:
    prediction, target = batch(ls.huber, BIG, 3)
    expected = ls.huber(prediction, target)
    stop = threading.Event()

    def restless() -> None:
        while not stop.is_set():
            for count in (1, 5, 2, 3):
                ls.set_num_threads(count)

    other = threading.Thread(target=restless)
    other.start()
    try:
        assert all(ls.huber(prediction, target) == expected for _ in range(60))
    finally:
        stop.set()
        other.join()


def test_eight_threads_at_once_the_first_time(tmp_path: Path) -> None:
    """In a process that has compiled nothing: with an empty cache, then again with a full one."""
    code = """
        import threading, numpy as np, losscope as ls
        from losscope.kernels import reference
        names = ["log_cosh", "pinball", "log_cosh", "pinball"] * 2
        x, y = np.linspace(-3, 3, 99), np.linspace(2, -1, 99)
        found, gate = [None] * 8, threading.Barrier(8)
        def work(i):
            gate.wait()
            try:
                found[i] = ls.get(names[i]).value_and_grad(x, y, reduction="none")
            except BaseException as error:
                found[i] = error
        all_threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        [each.start() for each in all_threads]
        [each.join() for each in all_threads]
        right = []
        for name, result in zip(names, found):
            expected = reference.evaluate(ls.get(name), x, y)
            right.append(isinstance(result, tuple) and all(np.allclose(a, b, rtol=1e-12) for a, b in zip(result, expected)) or repr(result))
        print({"right": right})
    """
    for _ in range(2):
        assert run(code, tmp_path / "cache") == {"right": [True] * 8}


# --- forks


def in_child(work: object) -> bytes:
    """What a forked child returns from work(), or b"failed"; a child that hangs is killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            threading.Timer(60, os._exit, (9,)).start()
            os.write(write, work())
        except BaseException:
            os.write(write, b"failed")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@FORKS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_computes_what_its_parent_does() -> None:
    """Right after the parent's pool has worked: the child has none of its threads."""
    ls.set_num_threads(4)
    prediction, target = batch(ls.huber, BIG, 4)
    logits, classes = batch(ls.cross_entropy, 40_000, 4)

    def work() -> bytes:
        return np.array([ls.huber(prediction, target), ls.cross_entropy(logits, classes)]).tobytes()

    expected = work()
    assert in_child(work) == expected
    assert in_child(lambda: in_child(work)) == expected
    assert work() == expected


@FORKS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_other_threads_work_and_compile() -> None:
    code = """
        import os, threading, time, warnings
        import numpy as np, losscope as ls
        warnings.simplefilter("ignore")
        x, y = np.linspace(-3, 3, 200_000), np.zeros(200_000)
        expected = ls.huber(x, y)
        stop = threading.Event()
        def compiling():
            for i in range(4):
                ls.define("mine", f"{i + 2}*r**2 + abs(r)")(x, y)
            stop.set()
        def working():
            while not stop.is_set():
                ls.huber(x, y)
        others = [threading.Thread(target=each) for each in (compiling, working)]
        [each.start() for each in others]
        codes = []
        while not stop.is_set() and len(codes) < 12:
            child = os.fork()
            if not child:
                threading.Timer(60, os._exit, (9,)).start()
                right = ls.huber(x, y) == expected
                own = ls.define("own", "7*r**2")([1.0], [0.0]) == 7
                os._exit(0 if right and own else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            time.sleep(0.05)
        [each.join() for each in others]
        print({"forks": len(codes) > 0, "failed": [each for each in codes if each]})
    """
    with tempfile.TemporaryDirectory() as cache:
        assert run(code, cache, LOSSCOPE_NUM_THREADS="3") == {"forks": True, "failed": []}


# --- the cache on disk

HUBER = """
    import sys, losscope as ls
    value = ls.huber([2.0, 0.5], [0.0, 0.0])
    from losscope.engine import machine
    print({"value": value, "compiled": machine.compiled, "sympy": "sympy" in sys.modules})
"""
RIGHT = (1.5 + 0.125) / 2
COLD = {"value": RIGHT, "compiled": 1, "sympy": True}
WARM = {"value": RIGHT, "compiled": 0, "sympy": False}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds one loss."""
    folder = tmp_path_factory.mktemp("full") / "cache"
    assert run(HUBER, folder) == COLD
    return folder


@pytest.fixture
def copy(full: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    for each in full.iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    return folder


def test_a_second_process_compiles_nothing_and_imports_no_sympy(full: Path) -> None:
    before = sorted(each.name for each in full.iterdir())
    assert run(HUBER, full) == WARM
    assert sorted(each.name for each in full.iterdir()) == before


@POSIX
def test_the_cache_is_private_and_whole(full: Path) -> None:
    assert stat.S_IMODE(full.stat().st_mode) == 0o700
    names = sorted(each.suffix for each in full.iterdir())
    assert names == [".o", ".py"]  # and no temporary file left
    for each in full.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0
        assert each.read_bytes().startswith(store.MAGIC)


def damage(blob: bytes, how: str) -> bytes:
    head = len(store.MAGIC)
    body = blob[head + 32 :]
    if how == "truncated":
        return blob[: len(blob) // 2]
    if how == "a bit flipped":
        return blob[:-10] + bytes([blob[-10] ^ 1]) + blob[-9:]
    if how == "another format":
        return b"losscope-0\n" + blob[head:]
    if how == "empty":
        return b""
    if how == "no object file":  # whole, with a right checksum, and still not what it should be
        body = b"print('hello'"
    if how == "another processor's":
        body = body[:18] + b"\x28" + body[19:]
    return store.MAGIC + hashlib.sha256(body).digest() + body


@pytest.mark.parametrize("how", ["truncated", "a bit flipped", "another format", "empty", "no object file", "another processor's"])  # fmt: skip
def test_a_damaged_kernel_is_compiled_anew(copy: Path, how: str) -> None:
    (kernel,) = copy.glob("*.o")
    whole = kernel.read_bytes()
    kernel.write_bytes(damage(whole, how))
    assert run(HUBER, copy) == {**COLD, "sympy": False}
    assert kernel.read_bytes()[: len(store.MAGIC)] == store.MAGIC
    assert run(HUBER, copy) == WARM


@pytest.mark.parametrize("how", ["truncated", "a bit flipped", "empty"])
def test_a_damaged_source_is_written_anew(copy: Path, how: str) -> None:
    (source,) = copy.glob("*.py")
    whole = source.read_bytes()
    source.write_bytes(damage(whole, how))
    assert run(HUBER, copy) == WARM  # the kernel is there, and nobody asks for its source
    (kernel,) = copy.glob("*.o")
    kernel.unlink()
    assert run(HUBER, copy) == COLD
    assert source.read_bytes() == whole


def test_the_fingerprint_covers_all_that_determines_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    from losscope.kernels import compiled

    def key(loss: ls.Loss) -> str:
        return compiled.CompiledLoss(loss.entry, loss.activation).fingerprint

    different = [
        key(ls.huber), key(ls.smooth_l1), key(ls.huber.through("sigmoid")), key(ls.define("mine", "r**2")),
        key(ls.define("mine", "2*r**2")), key(ls.define("mine", "2*r**2", target="count")),
    ]  # fmt: skip
    assert len(set(different)) == len(different)
    assert key(ls.huber) == key(ls.huber.bind(delta=3))
    before = key(ls.huber)
    monkeypatch.setattr(compiled, "toolchain", lambda: "another version")
    assert key(ls.huber) != before


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_others_may_write_to_is_not_trusted(copy: Path, mode: int) -> None:
    copy.chmod(mode)
    before = sorted(each.name for each in copy.iterdir())
    assert run(HUBER, copy) == COLD
    assert sorted(each.name for each in copy.iterdir()) == before


@POSIX
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to give a directory away"
)
def test_a_directory_of_another_user_is_not_trusted(copy: Path) -> None:
    os.chown(copy, 12345, 12345)
    assert run(HUBER, copy) == COLD


@POSIX
@pytest.mark.parametrize("which", ["*.py", "*.o"])
def test_a_file_others_may_write_to_is_not_trusted(copy: Path, which: str) -> None:
    """It is run as it is read, whatever its checksum."""
    assert run(HUBER, copy) == WARM
    if which == "*.py":  # which is read only to make a kernel
        next(copy.glob("*.o")).unlink()
    for each in copy.glob(which):
        each.chmod(0o666)
    assert run(HUBER, copy) == {**COLD, "sympy": which == "*.py"}


@pytest.mark.parametrize("where", ["under a file", "/proc/nowhere", "no room"])
def test_no_cache_is_no_error(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "no room":

        def full_disk(*arguments: object, **options: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setenv("LOSSCOPE_CACHE_DIR", str(tmp_path))
        monkeypatch.setattr(store.tempfile, "mkstemp", full_disk)
        store.write("name", b"blob")
        assert store.read("name") is None
        return
    (tmp_path / "file").write_text("")
    assert run(HUBER, tmp_path / "file" / "cache" if where == "under a file" else where) == COLD


@POSIX
def test_a_read_only_directory_is_read(copy: Path, tmp_path: Path) -> None:
    copy.chmod(0o500)
    try:
        assert run(HUBER, copy) == WARM
        read_only_and_empty = tmp_path / "empty"
        read_only_and_empty.mkdir(mode=0o500)
        assert run(HUBER, read_only_and_empty) == COLD
    finally:
        copy.chmod(0o700)


def test_no_home(tmp_path: Path) -> None:
    """HOME that is not there, and cannot be made."""
    (tmp_path / "file").write_text("")
    changed = {"HOME": str(tmp_path / "file" / "home"), "XDG_CACHE_HOME": None, "LOSSCOPE_CACHE_DIR": None}
    assert run(HUBER, None, **changed) == COLD  # type: ignore[arg-type]


def test_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("home", "xdg", "temporary", "work")}
    for folder in folders.values():
        folder.mkdir()
    changed = {
        "HOME": str(folders["home"]),
        "XDG_CACHE_HOME": str(folders["xdg"]),
        "TMPDIR": str(folders["temporary"]),
    }
    code = f"import os; os.chdir({str(folders['work'])!r})\n" + textwrap.dedent(HUBER)
    assert run(code, None, LOSSCOPE_CACHE_DIR=None, PYTHONDONTWRITEBYTECODE="1", **changed) == COLD  # type: ignore[arg-type]
    written = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    assert len(written) == 2
    assert {os.path.dirname(each) for each in written} == {"xdg/losscope"}


def test_two_processes_compile_the_same_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda _: run(HUBER, tmp_path / "cache")["value"], range(4)))
    assert values == [RIGHT] * 4
    assert sorted(each.suffix for each in (tmp_path / "cache").iterdir()) == [".o", ".py"]
    assert run(HUBER, tmp_path / "cache") == WARM


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of a blob that is written again and again see a whole one, always."""
    monkeypatch.setenv("LOSSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    blobs = [bytes([i]) * 200_000 for i in range(4)]
    store.write("name", blobs[0])
    stop = threading.Event()

    def writer() -> None:
        while not stop.is_set():
            for blob in blobs:
                store.write("name", blob)

    others = [threading.Thread(target=writer) for _ in range(2)]
    [each.start() for each in others]
    try:
        assert all(store.read("name") in blobs for _ in range(300))
    finally:
        stop.set()
        [each.join() for each in others]


@pytest.fixture
def mendings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formulas that are looked into from here on, with an empty cache."""
    monkeypatch.setenv("LOSSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    found, mend = [], mending.mend

    def noted(entry: Entry, *points: int) -> object:
        found.append(entry.formula)
        return mend(entry, *points)

    monkeypatch.setattr(mending, "mend", noted)
    return found


def test_of_threads_that_define_the_same_one_does_the_work(mendings: list[str]) -> None:
    gate = threading.Barrier(12)

    def work(formula: str) -> ls.Loss:
        gate.wait(20)
        return ls.define("mine", formula)

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(work, ["3*r**2 + abs(r)", "5*r**2 + abs(r)"] * 6))
    assert sorted(mendings) == ["3*r**2 + abs(r)", "5*r**2 + abs(r)"]
    assert [loss([1.0], [0.0]) for loss in found] == [4.0, 6.0] * 6


@FORKS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_waits_for_no_thread_that_was_defining(
    mendings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, left, mend = threading.Event(), threading.Event(), mending.mend

    def held(entry: Entry, *points: int) -> object:
        if threading.current_thread() is other:
            begun.set()
            assert left.wait(60)
        return mend(entry, *points)

    monkeypatch.setattr(mending, "mend", held)
    other = threading.Thread(target=ls.define, args=("mine", "11*r**2"))
    other.start()
    try:
        assert begun.wait(20)
        assert in_child(lambda: b"%d" % ls.define("mine", "11*r**2")([1.0], [0.0])) == b"11"
    finally:
        left.set()
        other.join()


WRONG = [
    b"[]", b"{}", b"null", b"3", b'"text"', b'{"computed": 3}', b'{"computed": [], "positive": [], "points": 3, "worst": {}}',
    b"[" * 100_000, b"\xff",
]  # fmt: skip


@pytest.mark.parametrize("blob", WRONG, ids=lambda each: each[:20])
def test_a_certificate_of_another_shape_is_found_anew(
    mendings: list[str], tmp_path: Path, blob: bytes
) -> None:
    """Whole, with a right checksum, and still not what it should be."""
    first = ls.define("mine", "c*r**2", c=2.0).certificate
    (kept,) = (tmp_path / "cache").glob("*.certificate")
    whole = kept.read_bytes()
    store.write(kept.name, blob)
    assert ls.define("mine", "c*r**2", c=2.0).certificate == first
    assert len(mendings) == 2
    assert kept.read_bytes() == whole
    ls.define("mine", "c*r**2", c=2.0)
    assert len(mendings) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_the_cache_is_not_waited_for(mendings: list[str], tmp_path: Path) -> None:
    ls.define("mine", "c*r**2", c=2.0)
    (kept,) = (tmp_path / "cache").glob("*.certificate")
    kept.unlink()
    os.mkfifo(kept, 0o600)
    assert store.read(kept.name) is None
    ls.define("mine", "c*r**2", c=2.0)
    assert kept.is_file()


def test_a_large_batch_equals_its_parts() -> None:
    """The pool's blocks against one element after another."""
    prediction, target = batch(ls.huber, BIG, 5)
    value, gradient = ls.huber.value_and_grad(prediction, target, reduction="none")
    part = slice(BIG // 2 - 50, BIG // 2 + 50)
    again, again_gradient = ls.huber.value_and_grad(prediction[part], target[part], reduction="none")
    assert_array_equal(value[part], again)
    assert_array_equal(gradient[part], again_gradient)
    assert_allclose(ls.huber(prediction, target), value.mean(), rtol=1e-13)


def test_the_cache_forgets_what_was_longest_unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("LOSSCOPE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(store, "LIMIT", 3000)
    store.write("first", b"x" * 1000)
    for age, name in enumerate(("old", "used", "new")):
        (tmp_path / name).write_bytes(b"x" * 1000)
        os.utime(tmp_path / name, (age, age))
    store.read("used")  # not whole, and yet asked for
    store.prune.cache_clear()
    store.write("last", b"x" * 1000)
    left = {each.name for each in tmp_path.iterdir()}
    assert "old" not in left
    assert "new" not in left
    assert {"used", "last"} <= left
    assert (tmp_path / "last").exists()


COLD_AND_WARM = """
import hashlib, numpy, torch, losscope as ls
found = hashlib.sha256()
for size in (5, 37, 100, 265, 2049):
    x, y = numpy.random.default_rng(size).normal(size=(2, size)).astype("float32")
    for loss in (ls.huber, ls.log_cosh):
        value, gradient = loss.value_and_grad(x, y)
        leaf = torch.from_numpy(x.copy()).requires_grad_()
        ours = loss(leaf, torch.from_numpy(y))
        ours.backward()
        found.update(repr((value, gradient.tobytes(), ours.item(), leaf.grad.numpy().tobytes())).encode())
    value, gradient = ls.cross_entropy.value_and_grad(numpy.stack([x, y]), [0, 1])
    found.update(repr((value, gradient.tobytes())).encode())
print(found.hexdigest())
"""


def test_the_same_bits_from_code_compiled_now_and_from_the_cache(tmp_path: Path) -> None:
    """A function compiled alone and again within its caller has two bodies; which of them runs must not depend on
    what was loaded first."""
    environment = {**os.environ, "LOSSCOPE_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", COLD_AND_WARM], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("size", [5, 16, 31, 37, 50, 65, 130, 255, 257, 300])
@pytest.mark.parametrize("name", ["mse", "huber", "log_cosh", "cross_entropy"])
def test_the_same_bits_wherever_the_arrays_lie(name: str, size: int) -> None:
    """Code that writes near what it reads is another code than that which writes far away."""
    loss = getattr(ls, name)
    shape = (1, size) if name == "cross_entropy" else (size,)
    numbers = np.random.default_rng(size).normal(size=(2, size)).astype("float32")
    room = np.zeros(2000, "float32")
    here = room[800 : 800 + size]
    here[:] = numbers[0]
    target = np.array([size // 2]) if name == "cross_entropy" else numbers[1]
    found = set()
    for start in (*range(800 - size, 400, -7), *range(800 + size, 1600, 7)):
        out = room[start : start + size].reshape(shape)
        value, gradient = loss.value_and_grad(here.reshape(shape), target, out=out)
        found.add((float(value), gradient.tobytes()))
    assert len(found) == 1

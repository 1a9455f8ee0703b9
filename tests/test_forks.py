"""A fork while another thread is in its first call, whatever was imported before: the child works, and nobody waits
without end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def run(code: str, cwd: object = None) -> list[str]:
    """What a fresh process prints within a minute or two."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=150,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def children(setup: str, first: str, right: str, pauses: tuple[float, ...]) -> list[str]:
    """What becomes of children that are forked one after the other while a thread is at `first`: 0 of those to which
    something is `right`."""
    return run(f"""
import os, signal, threading, time
{textwrap.dedent(setup)}
first = threading.Thread(target=lambda: {first})
first.start()
codes = []
for pause in {pauses}:
    time.sleep(pause)
    child = os.fork()
    if not child:
        signal.alarm(100)
        os._exit(0 if {right} else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
first.join()
print(*codes)
""")


@pytest.mark.parametrize("first", ["os", "logging", "torch", "pandas"])
@pytest.mark.parametrize("then", ["os", "torch"])
def test_while_another_thread_is_in_its_first_call(first: str, then: str) -> None:
    for each in (first, then):
        if find_spec(each) is None:
            pytest.skip(f"needs {each}")
    setup = f"import {first}, {then}, losscope as ls"
    call = "ls.huber([2.0, 0.5], [0.0, 0.0])"
    if then == "torch":
        call = "float(ls.huber(torch.tensor([2.0, 0.5]), torch.tensor([0.0, 0.0])))"
    assert children(setup, call, f"{call} == 0.8125", (0.01, 0.1, 0.3)) == ["0"] * 3


@pytest.mark.parametrize("asked", ["formula", "latex()", "facts.kinks", "__doc__", "certificate.worst"])
def test_while_another_thread_first_asks_for(asked: str) -> None:
    right = f"ls.mse([3.0], [0.0]) == 9.0 and ls.huber.{asked} is not None"
    assert children("import losscope as ls", f"ls.huber.{asked}", right, (0.1, 0.2, 0.4)) == ["0"] * 3


def test_while_another_thread_imports_pytorch_through_us() -> None:
    if find_spec("torch") is None:
        pytest.skip("needs torch")
    setup = """
        import losscope
        def call():
            from losscope.torch import functional as F
            import torch
            return float(F.huber_loss(torch.tensor([2.0, 0.5]), torch.tensor([0.0, 0.0])))
    """
    assert children(setup, "call()", "call() == 0.8125", (0.05, 0.2, 0.4, 0.4, 0.4)) == ["0"] * 5


def test_a_lock_that_another_librarys_hook_has_is_not_waited_for_without_end() -> None:
    """Whoever imports waits for that lock, and the fork for the import: after a while the fork goes on."""
    said = run("""
        import os, signal, threading, time
        import losscope as ls
        from losscope import forks
        forks.PATIENCE = 0.3
        theirs, begun = threading.Lock(), threading.Event()
        def importing():
            with forks.undisturbed:
                begun.set()
                time.sleep(0.2)
                with theirs:
                    pass
        thread = threading.Thread(target=importing)
        thread.start()
        begun.wait()
        os.register_at_fork(before=theirs.acquire, after_in_parent=theirs.release, after_in_child=theirs.release)
        child = os.fork()
        if not child:
            signal.alarm(100)
            os._exit(0 if ls.huber([2.0, 0.5], [0.0, 0.0]) == 0.8125 else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        thread.join()
        print(ls.huber([2.0, 0.5], [0.0, 0.0]), forks._had)
    """)
    assert said == ["0", "0.8125", "{}"]


@pytest.mark.parametrize("where", ["in its code", "while it is looked for"])
def test_a_child_imports_by_itself_what_another_thread_was_importing(tmp_path, where) -> None:
    (tmp_path / "slow.py").write_text(
        "value = 7\n" if "looked" in where else "import time\ntime.sleep(1.0)\nvalue = 7\n"
    )
    said = run(
        f"""
        import os, signal, sys, threading, time
        from losscope import forks
        forks.PATIENCE = 0.1
        class Finder:
            @staticmethod
            def find_spec(name, *_):
                if name == "slow" and {"looked" in where}:
                    time.sleep(1.0)
        sys.meta_path.insert(0, Finder)
        sys.path.insert(0, {str(tmp_path)!r})
        def importing():
            with forks.undisturbed:
                import slow
        thread = threading.Thread(target=importing)
        thread.start()
        time.sleep(0.3)
        child = os.fork()
        if not child:
            signal.alarm(60)
            with forks.undisturbed:
                import slow
            os._exit(slow.value)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        thread.join()
        import slow
        print(slow.value)
        """
    )
    assert said == ["7", "7"]

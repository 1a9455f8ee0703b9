"""How worker processes start: deaf to what is meant for their parent, and ending with it. Little is imported here, so that
nothing delays it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

LOOK_FOR_PARENT_S = 1.0


@contextmanager
def deaf() -> Iterator[None]:
    """Processes that start in here never hear these signals, which a terminal or a scheduler sends to all processes of a
    command: this one alone answers them, and hears them on leaving."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    resource_tracker.ensure_running()  # workers need it, and its start unblocks some of them
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """End this process when its parent is gone: killed, that can tell nobody. Ctrl-C is the parent's, also on Windows."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_FOR_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="losscope-parent").start()

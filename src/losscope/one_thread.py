"""One thread: for small work, of which others share the machine, and whose sums are to be added up in one order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from losscope.kernels.threads import get_num_threads, set_num_threads


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it our kernels, PyTorch, and the linear algebra of NumPy, SciPy and LightGBM take one thread each.

    Threads that wait for each other cost more than they save where there is little to do: SciPy's L-BFGS on a few
    numbers took 2 ms a step on two busy cores, and 0.1 ms with one thread.
    """
    torch = sys.modules.get("torch")
    threads, ours = torch.get_num_threads() if torch else 0, get_num_threads()
    with _of_libraries():
        if torch:
            torch.set_num_threads(1)
        set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(threads)
            set_num_threads(ours)


def _of_libraries() -> Any:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # it comes with scikit-learn
        return nullcontext()
    return threadpool_limits(1)

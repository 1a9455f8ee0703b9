"""What a first call costs in a fresh process: wall time beyond `import numpy` or `import torch`, medians of `--rounds`.

Run `python benchmarks/first_call.py` on a quiet machine. *Cold* is with an empty cache, as in every new container; *warm*
with what the cold call has left there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

NUMPY, TORCH = "import numpy as np", "import torch"
ARRAYS = "import losscope as ls\na, b = np.ones(1000, 'f4'), np.zeros(1000, 'f4')\n"
CASES = {
    "ls.huber": (NUMPY, f"{ARRAYS}ls.huber(a, b)"),
    "ls.bce": (NUMPY, f"{ARRAYS}ls.bce(a, b)"),
    "ls.ce": (NUMPY, "import losscope as ls\nls.ce(np.ones((100, 10), 'f4'), np.zeros(100, 'i8'))"),
    "ls.huber, then ls.log_cosh": (NUMPY, f"{ARRAYS}ls.huber(a, b); ls.log_cosh(a, b)"),
    "ls.huber, then ls.bce": (NUMPY, f"{ARRAYS}ls.huber(a, b); ls.bce(a, b)"),
    "F.cross_entropy(...).backward()": (
        TORCH,
        "import losscope.torch.functional as F\nx = torch.ones(100, 10, requires_grad=True)\n"
        "F.cross_entropy(x, torch.zeros(100, dtype=torch.long)).backward()",
    ),
    "PyTorch's own backward": (
        TORCH,
        "import torch.nn.functional as F\nx = torch.ones(100, 10, requires_grad=True)\n"
        "F.cross_entropy(x, torch.zeros(100, dtype=torch.long)).backward()",
    ),
}


def wall(code: str, cache: str) -> float:
    environment = {**os.environ, "LOSSCOPE_CACHE_DIR": cache}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print("| first call | cold | warm |\n| --- | --- | --- |")
    for name, (base, code) in CASES.items():
        times = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                whole = f"{base}\n{code}"
                times.append((wall(base, cache), wall(whole, cache), wall(whole, cache)))
        none, cold, warm = map(statistics.median, zip(*times, strict=True))
        print(f"| `{name}` | {cold - none:.2f} s | {warm - none:.2f} s |", flush=True)


if __name__ == "__main__":
    main()

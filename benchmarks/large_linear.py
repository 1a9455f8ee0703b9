"""A linear model on more rows than memory: writes a Parquet file of noisy rows, and fits it under several losses from
its record batches, in a process that may use no more than so much memory.

    python benchmarks/large_linear.py                      # 20 million rows, 8 GB
    python benchmarks/large_linear.py --rows 200000 --memory 8 --check    # and compares with the same rows in memory
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import losscope as ls
from losscope.comparison.solve.optimum import minimise
from losscope.comparison.solve.parquet import fit
from losscope.comparison.solve.whitened import Part

COLUMNS, AT_ONCE = 20, 500_000
TRUTH = np.linspace(-2, 2, COLUMNS)
INTERCEPT = 3.0


def write(path: Path, rows: int) -> None:
    """float32 columns x0 ... and y = x @ TRUTH + INTERCEPT + noise of a t distribution with 3 degrees of freedom."""
    random = np.random.default_rng(0)
    schema = pa.schema([*((f"x{i}", pa.float32()) for i in range(COLUMNS)), ("y", pa.float32())])
    with pq.ParquetWriter(path, schema, compression="none") as file:
        for first in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - first)
            x = random.normal(size=(count, COLUMNS)).astype("float32")
            y = x @ TRUTH + INTERCEPT + random.standard_t(3, size=count)
            arrays = [*(pa.array(column) for column in x.T), pa.array(y.astype("float32"))]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))


def in_memory(loss: ls.Loss, path: Path) -> np.ndarray:
    """The coefficients from the same rows, read at once."""
    table = pq.read_table(path).to_pandas().to_numpy("float64")
    part = Part(table[:, :-1], table[:, -1:])
    return minimise(loss, lambda: (part,), 1).weights[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument(
        "--memory", type=float, default=8.0, help="GB of address space, as the system counts it"
    )
    parser.add_argument("--losses", nargs="+", default=["squared_error", "huber"])
    parser.add_argument("--check", action="store_true", help="compare with the same rows in memory")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write(path, asked.rows)
        size = path.stat().st_size / 1e9
        print(f"{asked.rows:,} rows of {COLUMNS} columns: {size:.2f} GB on disk, {asked.rows * (COLUMNS + 1) * 8e-9:.2f} GB as float64")  # fmt: skip
        limit = int(asked.memory * 1e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for name in asked.losses:
            loss = ls.get(name)
            started = time.perf_counter()
            found = fit(loss, path, "y")
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-9
            off = np.abs(found.coefficients[:, 0] - TRUTH).max()
            print(f"{loss.name}: {seconds:.0f} s, at most {peak:.2f} GB resident; mean loss {found.mean_loss:.6g}; {found.how}; largest error of a coefficient {off:.2g}")  # fmt: skip
            if asked.check:
                apart = np.abs(found.coefficients[:, 0] - in_memory(loss, path)).max()
                print(f"{loss.name}: differs from the same rows in memory by at most {apart:.2g}")


if __name__ == "__main__":
    main()

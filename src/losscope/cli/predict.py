"""`losscope predict`: apply a model that `losscope compare --save` has kept to other rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from losscope.cli import say

EXAMPLES = """\
examples:
  losscope compare mse huber mae --data house.csv --target price --save
  losscope predict losscope-report/models/huber.json new.csv --out predictions.csv
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "predict",
        help="apply a saved model to other rows",
        description="Apply a model that `losscope compare --save` has kept to the rows of a CSV or Parquet file.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a file of models/, as --save writes it")
    parser.add_argument(
        "data", metavar="DATA", help="a CSV or Parquet file with the columns of the training data"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="a .csv or .parquet file (default: CSV on standard output)"
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Predict, and write a row for each row that was given."""
    from losscope.comparison.data import DataError
    from losscope.comparison.saved import load_model
    from losscope.comparison.tables import read_table
    from losscope.report.write import write_atomic

    model = load_model(args.model)
    out = None if args.out is None else Path(args.out).expanduser()
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise DataError(f"--out {args.out!r} must end in .csv or .parquet")
    data = Path(args.data).expanduser()
    frame, _, _ = read_table(data, model.known)
    found = model.predict(frame, str(data))
    for remark in model.unread(frame, str(data)):
        say(f"losscope: {remark}.", error=True)
    if out is None:
        found.to_csv(sys.stdout, index=False)
    else:
        write_atomic(
            out, found.to_csv(index=False) if out.suffix == ".csv" else found.to_parquet(index=False)
        )
    return 0

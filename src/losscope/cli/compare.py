"""`losscope compare`: train the same model under several losses, and show what each of them does."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from losscope.comparison import Comparison

EXAMPLES = """\
examples:
  losscope compare
      squared error through a sigmoid against two cross-entropies, on scikit-learn's digits
  losscope compare mse huber mae --data house.csv --target median_house_value
      three losses on your own table (CSV or Parquet)
  losscope compare mse huber:delta=0.5 --data diabetes --model linear --seeds 5
      a parameter, a linear model, five seeds
  losscope compare bce ce --data mnist --data-dir DIR --epochs 5
      images in IDX files

Each run is saved in OUT/runs as soon as it finishes, so the same command picks up where it stopped.
To use more machines, start `dask scheduler` and `dask worker` on them and pass the address to --dask.
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "compare",
        help="train one model under several losses and compare them",
        description="Train the same model from the same start under several losses, and show what each one does.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "losses",
        nargs="*",
        metavar="LOSS",
        help="mse, huber:delta=2, mse@sigmoid ... (default: a few that suit the task)",
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        default="digits",
        help="a CSV or Parquet file, mnist, or digits (default), breast_cancer, wine, iris, diabetes",
    )
    data.add_argument("--target", metavar="COLUMN", help="the column to predict")
    data.add_argument(
        "--task", metavar="TASK", help="regression, binary or classes (default: inferred from the target)"
    )
    data.add_argument("--data-dir", metavar="DIR", help="the folder that holds the IDX files of mnist")
    _add_columns(parser.add_argument_group("columns"))
    model = parser.add_argument_group("model and training")
    model.add_argument("--model", default="mlp", metavar="MODEL", help="mlp (default) or linear")
    model.add_argument(
        "--hidden", type=int, default=64, metavar="N", help="hidden units of the mlp (default 64)"
    )
    model.add_argument("--epochs", type=int, metavar="N", help="default 30, or 12 above 5,000 training rows")
    model.add_argument("--batch-size", type=int, default=64, metavar="N", help="rows per batch (default 64)")
    model.add_argument(
        "--optimizer", default="sgd", metavar="NAME", help="sgd (with momentum 0.9; default) or adam"
    )
    model.add_argument(
        "--learning-rate",
        type=float,
        metavar="X",
        help="the rate all losses share and the middle of the grid (default: chosen by optimizer and task)",
    )
    model.add_argument(
        "--grid",
        type=int,
        default=5,
        metavar="N",
        help="how many rates each loss tries first, an odd number (default 5; 1: only the shared rate)",
    )
    model.add_argument(
        "--choose-by",
        metavar="METRIC",
        help="validation metric that picks each loss's own rate. Regression: mae (default), rmse, "
        "median_absolute_error; classification: accuracy (default), log_loss, brier; either: own, the loss itself",
    )
    model.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="how many starts and batch orders (default 3)"
    )
    model.add_argument(
        "--split-seed",
        type=int,
        default=0,
        metavar="N",
        help="changes which rows are for training, validation and test",
    )
    output = parser.add_argument_group("output and machines")
    output.add_argument(
        "--out",
        default="losscope-report",
        metavar="DIR",
        help="where the report goes (default losscope-report)",
    )
    output.add_argument(
        "--json", action="store_true", help="print results as JSON on stdout, the tables on stderr"
    )
    output.add_argument(
        "--workers", type=int, metavar="N", help="processes to run (default: one per available core)"
    )
    output.add_argument("--dask", metavar="ADDRESS", help="a Dask scheduler, such as tcp://host:8786")
    parser.set_defaults(run=run)
    return parser


def _add_columns(columns: Any) -> None:
    """What single columns are for."""
    several = "; may be given again, or names with commas between them"
    columns.add_argument(
        "--drop", action="append", default=[], metavar="COLUMN", help=f"a column not to learn from{several}"
    )
    columns.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help=f"a column to learn from even if it looks like a row number, or its text differs in most rows{several}",
    )
    columns.add_argument("--weights", metavar="COLUMN", help="how much each row counts: numbers of 0 or more")
    columns.add_argument(
        "--time",
        metavar="COLUMN",
        help="when each row was (numbers or dates): rows are not shuffled, and the last ones are the test",
    )
    columns.add_argument(
        "--group",
        metavar="COLUMN",
        help="whom each row belongs to: rows of one group stay on one side of a split",
    )
    columns.add_argument(
        "--merge-rare-classes", action="store_true", help="classes of fewer than 5 rows become one"
    )


def run(args: argparse.Namespace) -> int:
    """Run the comparison; 0 when done, 130 when stopped by Ctrl-C."""
    progress: _Bar | None = None
    try:
        from rich.console import Console

        # Mistakes are answered before torch is loaded, which takes seconds.
        from losscope.comparison.data import DataError, load
        from losscope.comparison.settings import check

        check(
            model=args.model,
            hidden=args.hidden,
            optimizer=args.optimizer,
            batch_size=args.batch_size,
            epochs=args.epochs,
            learning_rate=args.learning_rate,
            grid=args.grid,
            seeds=args.seeds,
        )
        for word in args.losses:
            if Path(word).suffix and Path(word).is_file():
                raise DataError(f"{word!r} is a file, not a loss: give it to --data")
        errors = Console(stderr=True)
        progress = _Bar(errors)
        with progress:
            progress.say(f"reading {args.data}")
            dataset = load(
                args.data, args.target, args.data_dir,
                drop=args.drop, keep=args.keep, weights=args.weights, time=args.time, group=args.group,
            )  # fmt: skip
            progress.say("starting")
            from losscope.comparison import compare

            result = compare(
                args.losses or None, dataset, task=args.task,
                model=args.model, hidden=args.hidden, optimizer=args.optimizer, batch_size=args.batch_size,
                epochs=args.epochs, learning_rate=args.learning_rate, grid=args.grid, seeds=args.seeds,
                split_seed=args.split_seed, choose_by=args.choose_by, out=args.out, workers=args.workers,
                dask=args.dask, progress=progress,
            )  # fmt: skip
            progress.say("writing the report")
            report = result.save(args.out, command=command_of(args))
        _show(result, report, Console(stderr=True) if args.json else Console(), args)
    except KeyboardInterrupt:
        done = progress.done if progress else 0
        saved = (
            f"{done} finished run{'s' * (done != 1)} saved in {args.out}" if done else "no run had finished"
        )
        print(f"losscope: stopped; {saved}. The same command picks up from there.", file=sys.stderr)
        return 130
    return 0


def _show(result: Comparison, report: Path, console: Any, args: argparse.Namespace) -> None:
    """The data, the tables, the findings, and where the report is."""
    from rich.markup import escape

    from losscope.comparison import words
    from losscope.comparison.presentation import print_tables

    prepared = result.prepared
    console.print(
        f"{escape(result.dataset.source)}: {words.task(result)}; target {escape(result.task.target)}",
        highlight=False,
        style="bold",
    )
    for step in prepared.steps:
        _item(console, step)
    console.print()
    print_tables(result, console)
    findings = result.findings()
    console.print()
    for finding in findings:
        _item(console, finding.replace("**", "").replace("`", ""))
    if findings:
        console.print()
    minutes = f"{result.seconds:.0f} s"
    earlier = f", {result.found} of them from an earlier run" if result.found else ""
    console.print(
        f"{len(result.runs)} run{'s' * (len(result.runs) != 1)} in {minutes}{earlier}.", highlight=False
    )
    console.print(f"Report: {escape(str(report))}", highlight=False, soft_wrap=True)
    if args.json:
        from losscope.comparison.presentation import SCHEMA, as_data
        from losscope.report.write import plain

        json.dump(
            plain({"schema": SCHEMA, "command": command_of(args), **as_data(result)}), sys.stdout, indent=2
        )
        print()


def _item(console: Any, text: str) -> None:
    """One entry of a list, with its continuation lines indented."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row("-", Text(text))
    console.print(grid)


def command_of(args: argparse.Namespace) -> str:
    """The command that reproduces these results: only what differs from the defaults."""
    words = ["losscope", "compare", *args.losses]
    defaults = {"hidden": 64, "batch_size": 64, "optimizer": "sgd", "grid": 5, "seeds": 3, "split_seed": 0,
                "model": "mlp", "out": "losscope-report", "data": "digits"}  # fmt: skip
    for name in ("data", "target", "task", "data_dir", "drop", "keep", "weights", "time", "group",
                 "merge_rare_classes", "model", "hidden", "epochs", "batch_size", "optimizer",
                 "learning_rate", "grid", "choose_by", "seeds", "split_seed", "out"):  # fmt: skip
        value = getattr(args, name)
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] * value
        elif isinstance(value, list):
            words += [word for each in value for word in (option, each)]
        elif value is not None and value != defaults.get(name):
            words += [option, str(value)]
    return shlex.join(words)


class _Bar:
    """A progress bar on stderr while runs finish; where stderr is no terminal, a line now and then."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = console
        self.done = 0
        self.found = 0
        self.spoke = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("runs"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("reading the data", total=None)

    def __enter__(self) -> _Bar:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)

    def __call__(self, done: int, planned: int, found: int) -> None:
        if found and not self.found:
            self.console.print(
                f"{found} finished run{'s' * (found != 1)} found and not repeated", highlight=False
            )
        self.done, self.found = done, found
        # Runs found on disk took no time: they must not count towards the time that is left.
        self.bar.update(self.task, description="training", completed=done, total=planned)
        if not self.console.is_terminal and time.monotonic() - self.spoke > 10:
            self.spoke = time.monotonic()
            self.console.print(f"{done} of {planned} runs", highlight=False)

    def say(self, what: str) -> None:
        """What is happening now."""
        self.bar.update(self.task, description=what)

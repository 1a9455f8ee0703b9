"""`losscope compare`: train the same model under several losses, and say which differences can be trusted."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscope.cli import say
from losscope.errors import visible

if TYPE_CHECKING:
    from losscope.comparison import Comparison

EXAMPLES = """\
examples:
  losscope compare
      squared error through a sigmoid against two cross-entropies, on scikit-learn's digits
  losscope compare house.csv --target median_house_value
      your own table (CSV or Parquet), under a few losses that suit its target
  losscope compare mse huber mae --data house.csv --target median_house_value
      three losses that you name
  losscope compare mse huber:delta=? --data diabetes --model linear --splits 10
      a parameter chosen on validation rows, a linear model, ten splits
  losscope compare mse "cauchy = log(1 + (r/c)**2) : c=1" "log(target)" --data house.csv --target price
      a formula of your own, and squared error of the target's logarithm
  losscope compare bce ce --data mnist --data-dir DIR --epochs 5
      images in IDX files

Each run is saved in OUT/runs as soon as it finishes, so the same command picks up where it stopped.
To use more machines, start `dask scheduler` and `dask worker` on them and pass the address to --dask.
"""
# Options that are not `compare`'s own, but say what becomes of its result.
_AFTER = ("losses", "data", "target", "out", "workers", "dask", "json", "save", "verb", "run")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb and its options."""
    parser = subparsers.add_parser(
        "compare",
        help="train one model under several losses and compare them",
        description="Train the same model from the same start under several losses, on several splits of the same "
        "rows, and say which differences are larger than their uncertainty.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "losses",
        nargs="*",
        metavar="LOSS",
        help="mse, huber:delta=2, huber:delta=?, mse@sigmoid, log(target), a formula ... (default: a few that suit)",
    )
    add = parser.add_argument
    add(
        "--losses",
        dest="losses_file",
        metavar="TOML",
        help='losses of your own: [name] formula = "..." c = 1.0',
    )
    add(
        "--tune",
        action="store_true",
        help="choose every free parameter on validation rows, like name:parameter=?",
    )
    add("--metric", metavar="NAME", help="what all are judged by: rmse, mae, r2, poisson_deviance, pinball@0.9, auc, "
        "average_precision, log_loss, f1 ... (default: what suits each)")  # fmt: skip
    _add_data(parser.add_argument_group("data"))
    _add_columns(parser.add_argument_group("columns"))
    _add_model(parser.add_argument_group("model and training"))
    _add_output(parser.add_argument_group("output and machines"))
    parser.set_defaults(run=run)
    return parser


def _add_data(group: Any) -> None:
    add = group.add_argument
    add("--data", help="a CSV or Parquet file (its name alone will do), mnist, or digits (default), breast_cancer, wine, "
        "iris, diabetes")  # fmt: skip
    add("--target", metavar="COLUMN", help="the column to predict")
    add(
        "--task",
        metavar="TASK",
        help="regression, count, binary or classes (default: inferred from the target)",
    )
    add("--data-dir", metavar="DIR", help="the folder that holds the IDX files of mnist")


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


def _add_model(group: Any) -> None:
    add = group.add_argument
    add(
        "--model",
        default="mlp",
        metavar="MODEL",
        help="mlp (default), linear (solved to the optimum) or boosting",
    )
    add("--splits", type=int, default=5, metavar="N", help="how often the rows are split anew (default 5)")
    add("--folds", type=int, metavar="N", help="instead: every row is tested on once, in N parts")
    add("--seeds", type=int, default=1, metavar="N", help="starts and batch orders in each split (default 1)")
    add("--hidden", type=int, default=64, metavar="N", help="hidden units of the mlp (default 64)")
    add(
        "--epochs",
        type=int,
        metavar="N",
        help="at most so many, of which the best by validation is kept (default 12 to 50, fewer for more rows)",
    )
    add("--batch-size", type=int, default=64, metavar="N", help="rows per batch (default 64)")
    add("--optimizer", default="sgd", metavar="NAME", help="sgd (with momentum 0.9; default) or adam")
    add("--learning-rate", type=float, metavar="X", help="the rate all losses share and the middle of the grid "
        "(default: chosen by optimizer and task)")  # fmt: skip
    add("--grid", type=int, default=5, metavar="N", help="how many rates each loss tries first, an odd number "
        "(default 5; 1: only the shared rate)")  # fmt: skip
    add("--penalty", type=float, metavar="X", help="of the squared weights of the linear model, times X/2")
    add("--split-seed", type=int, default=0, metavar="N", help="changes which rows are for what")


def _add_output(group: Any) -> None:
    add = group.add_argument
    add(
        "--out",
        default="losscope-report",
        metavar="DIR",
        help="where the report goes (default losscope-report)",
    )
    add("--save", action="store_true", help="also write the predictions of every test row (Parquet) and the fitted "
        "models, for `losscope predict`")  # fmt: skip
    add("--json", action="store_true", help="print results as JSON on stdout, the tables on stderr")
    add("--workers", type=int, metavar="N", help="processes to run (default: one per available core)")
    add("--dask", metavar="ADDRESS", help="a Dask scheduler, such as tcp://host:8786")


class Ended(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP: the user, a scheduler's time limit, or a terminal that is gone."""

    code = 130


def run(args: argparse.Namespace) -> int:
    """Run the comparison; 0 when done, 130 when stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP."""
    from losscope.comparison.progress import Bar
    from losscope.report.terminal import Terminal

    progress = Bar(Terminal(stderr=True))
    try:
        with _ended_in_order(), progress:
            _take_the_table(args)
            _refuse_what_is_in_the_way(args)
            from losscope.comparison import compare

            options = {name: value for name, value in vars(args).items() if name not in _AFTER}
            result = compare(
                args.data or "digits", args.target, args.losses or None, out=args.out, workers=args.workers, dask=args.dask,
                progress=progress, **options,
            )  # fmt: skip
            progress.say("writing the report")
            report = result.save(args.out, command=command_of(args))
            kept = _keep(result, args)
        _show(result, [report, *kept], Terminal(stderr=True) if args.json else Terminal(), args)
    except KeyboardInterrupt as stop:
        done = progress.done
        saved = (
            f"{done} finished run{'s' * (done != 1)} saved in {args.out}" if done else "no run had finished"
        )
        with suppress(OSError):  # the terminal may be gone
            say(f"losscope: stopped; {saved}. The same command picks up from there.", error=True)
        return getattr(stop, "code", Ended.code)
    return 0


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the workers, too; the first of them does, and none may disturb it at that. What
    is ignored from the start, as SIGHUP is under nohup, stays ignored."""

    def end(number: int, frame: Any) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        # What libraries say of work that is broken off is no news, and some of it is a traceback.
        logging.getLogger("concurrent.futures").disabled = True
        warnings.simplefilter("ignore")
        stop = Ended()
        stop.code = 128 + number
        raise stop

    before = {}
    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        if signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is end:  # nothing has ended it
                signal.signal(number, handler)


def _take_the_table(args: argparse.Namespace) -> None:
    """A file among the losses is the table, where --data names none: `losscope compare house.csv --target price`."""
    from losscope.comparison.data import DataError
    from losscope.comparison.tables import SUFFIXES

    tables = [
        word for word in args.losses
        if Path(word).suffix.lower() in SUFFIXES or (Path(word).suffix and Path(word).is_file())
    ]  # fmt: skip
    for word in tables:
        if Path(word).suffix == ".toml":
            raise DataError(f"{word!r} is a file, not a loss: give it to --losses")
    if tables and args.data is not None:
        raise DataError(f"{tables[0]!r} is a file, not a loss, and --data already names {args.data!r}")
    if len(tables) > 1:
        raise DataError(f"{tables[0]!r} and {tables[1]!r} are two tables: give one")
    if tables:
        args.losses.remove(tables[0])
        args.data = tables[0]


def _refuse_what_is_in_the_way(args: argparse.Namespace) -> None:
    """A folder where a file is to be written, or a file where a folder is: said before the training, not after it."""
    from losscope.comparison.data import DataError
    from losscope.comparison.presentation import FILES
    from losscope.comparison.saved import MODELS, PREDICTIONS

    for name in (*FILES, *((PREDICTIONS, MODELS) if args.save else ())):
        path = os.path.join(os.path.expanduser(args.out), name)
        needed = "a folder" if name == MODELS else "a file"
        found = "a folder" if os.path.isdir(path) else "a file"
        if os.path.exists(path) and found != needed:
            raise DataError(
                f"{path!r} is {found}, where {needed} is to be written: move it away, or give another --out"
            )


def _keep(result: Comparison, args: argparse.Namespace) -> list[Path]:
    if not args.save:
        return []
    from losscope.comparison.saved import save

    return save(result, Path(args.out).expanduser())


def _show(result: Comparison, files: list[Path], console: Any, args: argparse.Namespace) -> None:
    """The answer, the table, what else was found, what was done to the data, and where the report is."""
    from rich.markup import escape

    from losscope.comparison import words
    from losscope.comparison.findings import answer
    from losscope.comparison.presentation import plain, print_tables

    task = f"{escape(result.dataset.source)}: {words.task(result)}; target {escape(result.task.target)}"
    console.print(task, highlight=False, style="bold")
    console.print(f"{words.capital(words.splits(result))}.\n", highlight=False)
    answered = answer(result)
    for sentence in answered:
        _item(console, plain(sentence))
    console.print()
    print_tables(result, console)
    console.print()
    for finding in result.findings():
        if finding not in answered:
            _item(console, plain(finding))
    for step in result.prepared[0].steps:
        _item(console, step)
    earlier = f", {result.found} of them from an earlier run" if result.found else ""
    count = len(result.runs)
    console.print(f"\n{count} run{'s' * (count != 1)} in {result.seconds:.0f} s{earlier}.", highlight=False)
    console.print(f"Report: {escape(str(files[0]))}", highlight=False, soft_wrap=True)
    for file in files[1:]:
        console.print(f"Saved: {escape(str(file))}", highlight=False, soft_wrap=True)
    if args.json:
        from losscope.comparison.presentation import SCHEMA, as_data
        from losscope.report.write import plain as plain_data

        whole = {"schema": SCHEMA, "command": command_of(args), **as_data(result)}
        json.dump(plain_data(whole), sys.stdout, indent=2)
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
    from losscope.cli import parser_of

    said = ["losscope", "compare", *args.losses]
    for action in parser_of("compare")._actions:
        value = getattr(args, action.dest, None)
        if (
            not action.option_strings
            or action.dest in ("json", "workers", "dask", "help")
            or value == action.default
        ):
            continue
        option = action.option_strings[-1]
        if value is True:
            said.append(option)
        else:
            said += [option, *map(str, value if isinstance(value, list | tuple) else [value])]
    return visible(shlex.join(said))

"""`losscope study`: turn claims about losses into experiments, and say which ones hold."""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losscope.cli import Parser, refuse_unknown, say

if TYPE_CHECKING:
    from losscope.studies import Study
    from losscope.studies.option import Option
    from losscope.studies.presentation import Run

EXAMPLES = """\
examples:
  losscope study
      all studies, and the question each answers
  losscope study saturation --learning-rate 0.05 --out saturation-report
      one study with one of its own options, and its page
  losscope study --all --quick --out study-report
      everything, in smaller runs: index.html, a page per study, results.json, one SVG per figure
  losscope study saturation --notebook saturation.ipynb
      the study as a notebook, its code in cells to change
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the verb. Its options depend on the study, so that they are read in `run`, when studies are
    imported: no prefix makes an option here, and every word comes through."""
    parser = subparsers.add_parser(
        "study", help="put common claims about losses to the test", add_help=False, prefix_chars="\0"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """List the studies, or run one or all; 0 when done, 130 when stopped by Ctrl-C."""
    from losscope.errors import LossError, complain
    from losscope.studies import get, studies

    common = _common(add_help=False, prog="losscope study")
    known, _ = common.parse_known_args(args.words)
    if known.name is None:
        parser = _common(
            prog="losscope study",
            description=_DESCRIPTION,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        chosen, unknown = parser.parse_known_args(args.words)
        refuse_unknown(parser, unknown)
        if not chosen.all:
            if chosen.out or chosen.quick or chosen.notebook:
                raise LossError(
                    complain(
                        "No study is named",
                        expected=f"one of {', '.join(studies())}",
                        next_step="Name one, or give --all",
                    )
                )
            _show_list(studies(), chosen.json)
            return 0
        if chosen.notebook:
            raise LossError(complain("A notebook is of one study", got="--all", next_step="Name one"))
        return _run_all(list(studies().values()), chosen)
    if known.all:
        raise LossError(
            complain(
                "A study is named and --all is given",
                got=f"{known.name} --all",
                next_step="Leave one of them out",
            )
        )
    study = get(known.name)
    chosen, options = _own_options(study, args.words)
    if chosen.notebook:
        return _write_notebook(study, chosen, options)
    return _run_all([study], chosen, options)


_DESCRIPTION = (
    "Textbooks make claims about losses. Each study turns some of them into an experiment and computes"
    " which ones hold."
)


def _common(alone: bool = False, **settings: Any) -> Parser:
    """What every study takes; the help of a study alone leaves out what its name has settled."""
    parser = Parser(allow_abbrev=False, **settings)
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help=argparse.SUPPRESS if alone else "which study to run (leave out to list them)",
    )
    parser.add_argument("--all", action="store_true", help=argparse.SUPPRESS if alone else "run every study")
    parser.add_argument(
        "--out", metavar="DIR", help="write a page per study, results.json and one SVG per figure there"
    )
    parser.add_argument(
        "--json", action="store_true", help="print results as JSON on stdout, the text on stderr"
    )
    parser.add_argument("--quick", action="store_true", help="smaller runs, where a study has them")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of all random numbers (default 0)"
    )
    parser.add_argument(
        "--lang", default="en", metavar="LANGUAGE", help="language of the pages: en or zh (default en)"
    )
    parser.add_argument(
        "--notebook", metavar="FILE", help="write the study as a notebook whose cells can be changed"
    )
    return parser


def _own_options(study: Study, words: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Parse the words again, now with the options that the study's experiment takes."""
    parser = _common(
        alone=True,
        prog=f"losscope study {study.name}",
        description=study.question,
        usage=f"losscope study {study.name} [options]",
    )
    own = parser.add_argument_group(f"options of {study.name}")
    for option in study.options.values():
        _add_option(own, option)
    chosen, unknown = parser.parse_known_args(words)
    refuse_unknown(parser, unknown)
    given = {name: getattr(chosen, name) for name in study.options}
    return chosen, {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _add_option(group: Any, option: Option) -> None:
    flag, default = "--" + option.name.replace("_", "-"), option.default
    shown = " ".join(
        f"{each:g}" if isinstance(each, float) else str(each)
        for each in (default if isinstance(default, tuple | list) else [default])
    )
    words = [option.words, str(option.within) if option.within else ""]
    help_text = "; ".join(filter(None, words)) + (f" (default {shown})" if default is not None else "")
    help_text = help_text.strip().replace("%", "%%")
    if option.kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=default, help=help_text)
        return
    metavar = {int: "N", float: "X"}.get(option.kind, "TEXT")
    several = "+" if option.several else None
    group.add_argument(
        flag, type=option.kind, default=default, nargs=several, metavar=metavar, help=help_text
    )


def _run_all(chosen: Sequence[Study], args: argparse.Namespace, options: dict[str, Any] | None = None) -> int:
    """Run them, show or write what was found. Stopped or broken half-way, what is finished is still written."""
    from losscope.report.terminal import Terminal
    from losscope.studies import presentation
    from losscope.studies.text import words_of

    words_of(args.lang)  # an unknown language is a mistake before anything runs
    if args.out:
        _claim(Path(args.out).expanduser())
    errors = Terminal(stderr=True)
    runs: list[Run] = []
    stopped = False
    broken: Exception | None = None
    started = time.monotonic()
    with _Bar(errors, len(chosen)) as bar:
        try:
            for study in chosen:
                runs.append(
                    _run_one(study, args, options, alone=len(chosen) == 1, progress=bar.follow(study.name))
                )
        except KeyboardInterrupt:
            stopped = True
        except Exception as error:
            broken = error
        if args.out and runs:
            bar.say("writing the report")
            command = command_of(args, options, chosen)
            report = presentation.save(runs, Path(args.out).expanduser(), command, whole=args.all)
    if broken is not None and not runs:
        raise broken
    console = errors if args.json else Terminal()
    for each in runs:
        presentation.show(each, console, brief=len(chosen) > 1)
    _last_words(
        console,
        args,
        [str(report)] if args.out and runs else [],
        time.monotonic() - started,
        len(runs),
        stopped,
    )
    if broken is not None:
        raise broken
    if args.json and not stopped:
        print(presentation.json_text(runs, command_of(args, options, chosen)))
    return 130 if stopped else 0


def _claim(folder: Path) -> None:
    """Make the folder and import what draws before anything runs, so that a mistake shows at once."""
    for needed in ("matplotlib", "jinja2"):
        import_module(needed)
    from losscope.errors import LossError, complain
    from losscope.report.write import file_in_the_way

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        in_the_way = file_in_the_way(folder)
        what = f"{in_the_way} is a file" if in_the_way else error.strerror or type(error).__name__
        raise LossError(
            complain(f"Cannot write to {folder}: {what}", next_step="Give another --out")
        ) from None


def _run_one(
    study: Study, args: argparse.Namespace, options: dict[str, Any] | None, alone: bool, progress: Any
) -> Run:
    from losscope.studies.presentation import Run

    given = dict(options or {})
    command = command_of(
        argparse.Namespace(**{**vars(args), "all": False, "name": study.name, "out": None}), given, [study]
    )
    try:
        result = study(quick=args.quick, seed=args.seed, progress=progress, **given)
    except ModuleNotFoundError as error:
        if alone:
            raise
        # One package that is missing must not cost the other studies; the report says what was not run.
        return Run(
            study,
            None,
            command,
            args.quick,
            args.seed,
            missing=f"it needs the package {error.name}, which is not installed",
            language=args.lang,
        )
    return Run(study, result, command, args.quick, args.seed, language=args.lang)


def _write_notebook(study: Study, args: argparse.Namespace, options: dict[str, Any]) -> int:
    from losscope.errors import LossError, complain
    from losscope.studies.notebook import save

    path = Path(args.notebook).expanduser()
    if path.suffix != ".ipynb":
        raise LossError(complain("A notebook ends in .ipynb", got=path.name))
    changed = {name: value for name, value in options.items() if value != study.options[name].default}
    save(study, path, changed, quick=args.quick, seed=args.seed)
    say(f"Wrote {path}")
    return 0


def command_of(args: argparse.Namespace, options: dict[str, Any] | None, chosen: Sequence[Study]) -> str:
    """The command that reproduces these results: only what differs from the defaults."""
    words = ["losscope", "study", "--all" if args.all else chosen[0].name]
    if args.quick:
        words.append("--quick")
    if args.seed:
        words += ["--seed", str(args.seed)]
    for name, value in (options or {}).items():
        if value == chosen[0].options[name].default:
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else [value])]
    if args.lang != "en":
        words += ["--lang", args.lang]
    if args.out:
        words += ["--out", args.out]
    return shlex.join(words)


def _show_list(known: dict[str, Study], as_json: bool) -> None:
    """Names and questions, in reading order."""
    if as_json:
        print(
            json.dumps(
                {
                    "schema": "losscope.study/2",
                    "studies": [{"name": each.name, "question": each.question} for each in known.values()],
                },
                indent=2,
            )
        )
        return
    from rich.table import Table
    from rich.text import Text

    from losscope.report.terminal import Terminal

    console = Terminal()
    grid = Table.grid(padding=(0, 2, 0, 0))
    for study in known.values():
        grid.add_row(Text(study.name, style="bold", no_wrap=True), Text(study.question))
    console.print(grid)
    console.print(
        "\nlosscope study NAME runs one (add --help for its options); losscope study --all --out DIR runs all.",
        highlight=False,
    )


def _last_words(
    console: Any, args: argparse.Namespace, written: list[str], seconds: float, count: int, stopped: bool
) -> None:
    if stopped:
        kept = f"; what finished ({count}) is in {args.out}" if written else ""
        say(f"losscope: stopped{kept}.", error=True)
        return
    took = f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
    console.print(f"\n{count} {'study' if count == 1 else 'studies'} in {took}.", highlight=False)
    if written:
        console.print(f"Report: {written[0]}", highlight=False, soft_wrap=True, markup=False)
    else:
        console.print("For a page with figures, add --out DIR.", highlight=False)


class _Bar:
    """A progress bar on stderr; where stderr is no terminal, a line now and then."""

    def __init__(self, console: Any, studies: int) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self.console, self.studies, self.begun, self.spoke = console, studies, 0, time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("starting", total=float(studies))

    def __enter__(self) -> _Bar:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)

    def follow(self, name: str) -> Any:
        """The progress function for the next study."""
        self.begun += 1
        number = self.begun

        def progress(fraction: float, doing: str) -> None:
            where = f"{number}/{self.studies} {name}" if self.studies > 1 else name
            self.bar.update(
                self.task,
                completed=number - 1 + min(max(fraction, 0.0), 1.0),
                description=f"{where}: {doing}",
            )
            if not self.console.is_terminal and time.monotonic() - self.spoke > 10:
                self.spoke = time.monotonic()
                self.console.print(f"{where}: {doing}", highlight=False, markup=False)

        progress(0.0, "starting")
        return progress

    def say(self, what: str) -> None:
        """What is happening now."""
        self.bar.update(self.task, description=what)

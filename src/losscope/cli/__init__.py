"""The command line: one file a verb."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import pkgutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import losscope
from losscope.errors import LossError, complain, too_long, visible_lines


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs; each module of this package adds its own."""
    return _parsers()[0]


def parser_of(verb: str) -> argparse.ArgumentParser:
    """The parser of one verb."""
    return _parsers()[1][verb]


class Parser(argparse.ArgumentParser):
    """A mistake is one line, as every mistake of a user is."""

    def _print_message(self, message: str, file: Any = None) -> None:
        print(visible_lines(message), end="", file=file or sys.stderr, flush=True)

    def error(self, message: str) -> NoReturn:
        self.exit(
            2,
            f"{self.prog}: {message}{'' if message.endswith('?') else '.'} {self.prog} --help lists the options.\n",
        )


def _parsers() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser of all verbs, and that of each."""
    top = Parser(
        prog="losscope",
        description="Exact, fast loss functions, and what each of them does to training.",
        epilog="losscope VERB --help says more about each.",
    )
    top.add_argument("--version", action="version", version=f"losscope {losscope.__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda each: each.name):
        import_module(f"{__name__}.{module.name}").add_parser(verbs)
    return top, verbs.choices


def _with_later(verb: argparse.ArgumentParser, args: argparse.Namespace, unknown: list[str]) -> list[str]:
    """Words behind the options go to the list of names that a verb takes; returns what is left."""
    lists = [
        action.dest for action in verb._actions if not action.option_strings and action.nargs in ("*", "+")
    ]
    if not lists or any(word.startswith("-") for word in unknown):
        return unknown
    setattr(args, lists[0], [*getattr(args, lists[0]), *unknown])
    return []


def refuse_unknown(verb: argparse.ArgumentParser, unknown: Sequence[str]) -> None:
    """Words that the parser of a verb has not understood, and the nearest option."""
    if not unknown:
        return
    known = [option for action in verb._actions for option in action.option_strings if option[:2] == "--"]
    given = [word.partition("=")[0] for word in unknown if word.startswith("-")]
    near = [match for word in given for match in difflib.get_close_matches(word, known, n=1)]
    meant = f"; did you mean {' '.join(dict.fromkeys(near))}?" if near else ""
    verb.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")


def say(text: str, *, error: bool = False) -> None:
    """Print words that may hold any character: none of them is a code that the terminal obeys."""
    print(visible_lines(text), file=sys.stderr if error else sys.stdout)


def _write_no_more() -> None:
    """What is still to be written to stdout would only meet the same error, on leaving."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_words(
    message: Any, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of ours without the line of code that met it, which is none of the user's."""
    if category.__module__.partition(".")[0] != "losscope":
        return _PYTHONS(message, category, filename, lineno, line)
    return f"losscope: a warning\n{visible_lines(str(message))}\n"


_PYTHONS = warnings.formatwarning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; a user's mistake is one line on stderr and exit code 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is written as its code
            stream.reconfigure(errors="backslashreplace")
    as_python_says, warnings.formatwarning = warnings.formatwarning, _in_words
    try:
        top, verbs = _parsers()
        args, unknown = top.parse_known_args(arguments)
        if args.verb is None and not unknown:
            top.print_help()
            return 2
        verb = verbs.get(args.verb, top)
        refuse_unknown(verb, _with_later(verb, args, unknown))
        code = args.run(args) or 0
        print(end="", flush=True)  # a full disk behind stdout is met here, not on leaving
        return code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "losscope":
            raise
        print(
            f"losscope: this needs the package {error.name}. Use: pip install '.[compare]' in a clone of losscope.",
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _write_no_more()
        return 0
    except SystemExit as leaving:
        if isinstance(
            leaving.__context__, BrokenPipeError
        ):  # the same, met by rich, which makes it a failure
            return 0
        raise
    except KeyboardInterrupt:
        say("losscope: stopped.", error=True)
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            _write_no_more()
            error = LossError(
                complain(
                    f"The {'file ' + repr(error.filename) if error.filename else 'standard output'} cannot be written to",
                    got=error.strerror,
                    next_step="Make room, or send it elsewhere",
                )
            )
        elif isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            error = LossError(too_long(str(error.filename)))
        if not getattr(error, "user_error", False):
            raise
        say(f"losscope: {error}", error=True)
        return 2
    finally:
        warnings.formatwarning = as_python_says

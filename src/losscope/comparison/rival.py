"""Who competes? A loss, with parameters that are left open; or squared error of the target's logarithm."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

import losscope as ls
from losscope.catalogue import entries
from losscope.comparison.data import DataError
from losscope.comparison.sources import content_of
from losscope.comparison.task import Encoding, Task, encoding_of
from losscope.constant import best_constant
from losscope.errors import LossError, complain, visible
from losscope.estimand import Estimand, of_classes, of_numbers, of_two_classes
from losscope.kernels.reference import pointwise

# What may stand for a loss: squared error of a transformed target, whose predictions are transformed back.
TRANSFORMED = {"log(target)": "log", "log1p(target)": "log1p"}
# What losscope.define takes beside parameters, which are its last.
TAKEN = tuple(signature(ls.define).parameters)[:-1]
ACTIVATION = "activation"  # what a file of losses may say beside these
GEOMETRIC = {
    "log": Estimand("centre", None, "the geometric mean"),
    "log1p": Estimand("centre", None, "the geometric mean of 1 + target, less 1"),
}


@dataclass(frozen=True)
class Rival:
    """One competitor: its name in every table, its loss at the parameters it was given, those left open, and how it
    sees the task."""

    name: str
    loss: Any
    open: tuple[str, ...] = ()
    transform: str = ""
    encoding: Encoding = field(default_factory=lambda: Encoding("standardised", "identity"))
    estimand: Estimand = field(default_factory=lambda: Estimand("other"))

    def at(self, parameters: Mapping[str, float]) -> Any:
        """The loss with its open parameters set."""
        return self.loss.bind(**parameters) if parameters else self.loss


def read(words: Sequence[Any], more: str | Path | None = None, tune: bool = False) -> list[Rival]:
    """Rivals from what was asked: names, formulas, losses; those of a TOML file; each once.

    >>> [rival.name for rival in read(["mse", "huber:delta=?", "cauchy = log(1 + (r/c)**2) : c=1"])]
    ['squared_error', 'huber:delta=?', 'cauchy']
    """
    of_file = _from_file(Path(more)) if more is not None else []  # first: a word may be a second file's
    found = [*map(_one, words), *of_file]
    if tune:
        found = [_all_open(rival) for rival in found]
    return found


def of_loss(loss: Any, tune: bool = False) -> Rival:
    """A loss as a rival."""
    rival = Rival(loss.name, loss)
    return _all_open(rival) if tune else rival


def seated(rival: Rival, task: Task, target: np.ndarray, row_numbers: np.ndarray) -> Rival:
    """The rival at a task: how it sees the target, and what it estimates of it. DataError where it does not fit; that
    names a row by its number in `row_numbers`."""
    if rival.transform:
        lowest = {"log": 0.0, "log1p": -1.0}[rival.transform]
        if task.labels:
            raise DataError(
                f"{rival.name} does not fit --task {task.kind}: it is for a target that is a number"
            )
        if target.min() <= lowest:
            least = int(np.argmin(target))
            raise DataError(
                f"{rival.name} needs a target above {lowest:g}, and row {row_numbers[least]} has {target[least]:g}"
                + (": log1p(target) takes 0, too" if rival.transform == "log" and target.min() > -1 else "")
            )
        return replace(
            rival, encoding=Encoding(rival.transform, "identity"), estimand=GEOMETRIC[rival.transform]
        )
    encoding = encoding_of(rival.loss, task, target)
    _refuse_flat(rival)
    estimand = estimated(rival.loss, encoding, task)
    if estimand.kind == "nothing":
        raise DataError(
            f"{rival.name} has no minimum: the further off a prediction, the less it is, without end"
        )
    _refuse_no_number(rival, encoding, target)
    if estimand.kind == "probability" and encoding.link == "score" and task.outputs == 1:
        encoding = replace(
            encoding, link="sigmoid", notes=()
        )  # the formula says so: soft margin is such a loss
    return replace(rival, encoding=encoding, estimand=estimand)


def _refuse_flat(rival: Rival) -> None:
    """A loss that is the same for every prediction at the parameters it was given, as c*r**2 is for c = 0."""
    if rival.loss.judges == "classes":
        return
    size = np.geomspace(1e-6, 1e6, 49)
    scores = np.concatenate([-size, [0.0], size])
    _, slopes, _ = pointwise(rival.loss, scores[:, None], np.array([0.0, 1.0]))
    if not np.isnan(slopes).all() and (np.nan_to_num(slopes) == 0).all():
        given = ", ".join(
            f"{name} = {value:g}" for name, value in rival.loss.parameters.items() if value is not None
        )
        raise DataError(
            f"{rival.name} is the same for every prediction{' with ' + given if given else ''}: a model cannot learn from it"
        )


def _refuse_no_number(rival: Rival, encoding: Encoding, target: np.ndarray) -> None:
    """A loss that is no number for some targets wherever among them a prediction lies, as one with the logarithm of a
    standardised target or with the root of a residual; or of which no constant is best."""
    if encoding.target == "standardised":
        # Standardised it is the same, and no square overflows.
        target = target / (np.abs(target).max() or 1.0)
        some = target[np.unique(np.linspace(0, target.size - 1, 100).astype(int))]
        sees = (some - target.mean()) / (target.std() or 1.0)
        how = (
            "standardised, on both sides of 0. A loss of targets of 0 or more says so in a file of --losses: "
            'target = "nonnegative"'
        )
    elif encoding.target == "one":
        sees, how = np.array([0.0, 1.0]), "as 0 and 1"
    else:
        return
    between = np.linspace(sees.min(), sees.max(), 99)[1:-1]
    if not np.isfinite(pointwise(rival.loss, between[:, None], sees)[0]).all(axis=1).any():
        raise DataError(
            f"{rival.name} is no number for some targets, wherever among them a prediction lies: write it for "
            f"residuals of either sign. It sees targets {how}"
        )
    best_constant(rival.loss, sees)


def estimated(loss: Any, encoding: Encoding, task: Task) -> Estimand:
    """What a loss estimates in this task."""
    if loss.judges == "classes":
        return of_classes(loss)
    if task.labels:
        return of_two_classes(loss, encoding.target, encoding.link)
    return of_numbers(loss, encoding.link if encoding.link in ("exp", "softplus") else "")


def _one(word: Any) -> Rival:
    if isinstance(word, Rival):
        return word
    if isinstance(word, ls.Loss):
        return Rival(word.name, word)
    if not isinstance(word, str):
        raise DataError(
            f"{word!r} is not a loss: give a name, or a loss such as losscope.huber or losscope.define(...)"
        )
    text = word.strip()
    plain = text.replace(" ", "").lower()
    if plain in TRANSFORMED:
        return Rival(plain, ls.get("squared_error"), transform=TRANSFORMED[plain])
    if found := re.match(r"(?s)([^=<>!:(]*)=(?!=)(.*)", text):
        return _of_formula(text, found[1].strip(), found[2].strip())
    return _named(text)


def _of_formula(text: str, name: str, rest: str) -> Rival:
    """`name = formula : parameter=value, ...`; a value of ? leaves it open."""
    if not name.isidentifier():
        raise DataError(f'{name!r} in {text!r} is no name of a loss: give it one word, as in "mine = {rest}"')
    formula, _, parameters = rest.partition(":")
    values: dict[str, Any] = {}
    opened = []
    for part in filter(None, (each.strip() for each in parameters.split(","))):
        key, _, value = (each.strip() for each in part.partition("="))
        _refuse_taken(name, key, [*TAKEN, *values])
        if value == "?":
            opened.append(key)
        try:
            values[key] = 1.0 if value == "?" else float(value)
        except ValueError:
            raise DataError(
                f"the parameter {part!r} of {name} is no number: write it as c=1.5, or c=? to choose it"
            ) from None
    loss = ls.define(name, formula.strip(), **values)
    _refuse_open_questions(loss, opened)
    return Rival(_shown(loss, opened), loss, tuple(opened))


def _refuse_taken(name: str, parameter: str, taken: Sequence[str]) -> None:
    """A parameter of a name that stands for something else, or that has a value already."""
    if parameter in taken:
        why = (
            "has a name that is taken: choose another"
            if parameter in TAKEN
            else "is set twice: give it one value"
        )
        raise DataError(f"the parameter {parameter!r} of {name} {why}")


def _named(text: str) -> Rival:
    """A name of the catalogue, with `parameter=?` for what is left open."""
    if re.search(r"[()*/^]|^-", text):
        raise DataError(
            f'{text!r} is a formula without a name: write "mine = {text}", with its parameters behind it, as in '
            '"mine = c**2/2*log(1 + (r/c)**2) : c=1"'
        )
    opened = re.findall(r"(\w+)\s*=\s*\?", text)
    for name, times in Counter(re.findall(r"[:,]\s*(\w+)\s*=", text)).items():
        if times > 1:
            raise DataError(f"{name} in {text!r} is set twice: give it one value")
    loss = ls.get(re.sub(r":\w+\s*=\s*\?|,\s*\w+\s*=\s*\?", "", text))
    for name in opened:
        if name not in loss.parameters:
            known = ", ".join(loss.parameters) or "none"
            raise DataError(f"{loss.name} has no parameter {name!r} to choose (it has {known})")
    _refuse_open_questions(loss, opened)
    return Rival(_shown(loss, opened), loss, tuple(opened))


def _refuse_open_questions(loss: Any, opened: Sequence[str]) -> None:
    for name in opened:
        if _asks(loss, name):
            how = (
                f"give one, as in {loss.entry.name}:{name}=0.9" if loss.entry.name in entries()
                else f"give one, as in {name}=2"
            )  # fmt: skip
            raise DataError(
                f"{name} of {loss.name} is the question, not a parameter to choose: with each value it estimates "
                f"something else; {how}"
            )


def _shown(loss: Any, opened: Sequence[str]) -> str:
    return loss.name + "".join(f":{name}=?" for name in opened)


def _all_open(rival: Rival) -> Rival:
    """Every parameter left open, but those that say what is estimated, such as a quantile."""
    names = [name for name in rival.loss.parameters if rival.loss.parameters[name] is not None]
    free = tuple(name for name in names if name in rival.open or not _asks(rival.loss, name))
    return replace(rival, name=_shown(rival.loss, free), open=free) if free != rival.open else rival


def _asks(loss: Any, name: str) -> bool:
    """Whether a parameter is the question itself: with another value the loss estimates another quantile or expectile."""
    if loss.judges != "numbers" or loss.entry.task not in ("regression", "count"):
        return False
    fraction = name in loss.entry.parameters and loss.entry.parameters[name].domain.name == "fraction"
    if not fraction and loss.entry.name in entries():
        return False
    tried = (0.3, 0.7) if fraction else (loss.parameters[name] / 2, loss.parameters[name] * 2)
    levels = {of_numbers(loss.bind(**{name: value})).level for value in tried}
    return len(levels - {None}) == 2


def _from_file(path: Path) -> list[Rival]:
    """Losses of a TOML file: a table each, `[cauchy]` with `formula = "..."`, and its parameters as numbers; `target`,
    `prediction`, `structure` and `task` as in losscope.define, and an `activation` as in NAME@exp."""
    try:
        tables = tomllib.loads(content_of(path.expanduser()).decode("utf-8-sig"))
    except OSError as error:
        raise DataError(
            f"--losses {str(path)!r} cannot be read ({error.strerror}): it takes a TOML file; names and formulas of "
            "losses stand without an option, as in losscope compare mse huber"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"--losses {str(path)!r} is no TOML file: {error}") from None
    except ValueError:
        raise DataError(
            f"--losses {str(path)!r} has a whole number of thousands of digits, which Python refuses to read"
        ) from None
    except RecursionError:
        raise DataError(
            f"--losses {str(path)!r} has brackets within brackets, too deep to be read: a loss is a table with a formula"
        ) from None
    found = []
    for name, table in tables.items():
        if not isinstance(table, dict) or not isinstance(table.get("formula"), str):
            raise DataError(
                f'--losses {str(path)!r}: {name} needs a table with a formula, as in [{name}] formula = "r**2"'
            )
        opened = [key for key, value in table.items() if value == "?" and key not in (*TAKEN, ACTIVATION)]
        words: dict[str, Any] = {**table, **dict.fromkeys(opened, 1.0)}
        del words["formula"]
        activation = words.pop(ACTIVATION, None)
        try:
            if "name" in words:  # which Python would take for the loss's
                raise LossError(complain("A parameter cannot be named 'name'", next_step="Choose another"))
            loss = ls.define(name, table["formula"], **words)
            if activation is not None:
                loss = loss.through(str(activation))
        except (DataError, LossError) as error:  # in several lines, where a caret shows the place
            raise LossError(f"--losses {visible(str(path))!r}, {visible(name)}: {error}") from None
        _refuse_open_questions(loss, opened)
        found.append(Rival(_shown(loss, opened), loss, tuple(opened)))
    if not found:
        raise DataError(f"--losses {str(path)!r} has no loss in it: give each a table with a formula")
    return found

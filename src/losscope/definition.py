"""A loss of your own, from a formula: as good as any in the catalogue."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from inspect import signature
from keyword import iskeyword
from typing import Any

from losscope import catalogue, domain, structures
from losscope.entry import Entry, Parameter
from losscope.errors import LossError, complain, did_you_mean, shown
from losscope.exactness.certify import certified
from losscope.expression import PRIMITIVES
from losscope.loss import Loss
from losscope.loss.parameters import number
from losscope.parse import as_read, check_text
from losscope.structures.structure import Structure

# What a call takes beside parameters, and what generated code calls its own.
RESERVED = ("weight", "reduction", "out", "self", "real", "power", "unless_nan")

# What a loss of such a target is for, unless it is said.
TASKS = {"sign": "binary", "label": "binary", "probability": "binary", "count": "count"}


def define(
    name: str,
    formula: str,
    *,
    structure: str = "elementwise",
    target: str = "real",
    prediction: str = "real",
    summary: str = "",
    task: str = "",
    strict: bool = False,
    **parameters: float,
) -> Loss:
    """A loss from its formula; gradient, curvature and kernels are derived.

    Write it as it stands in the paper. Value, gradient and curvature are held against arbitrary precision at some
    thousand points of every size, at the edges of what is computed, and where a search finds that most is lost, in float32
    and float64, with parameters from a 32nd of their defaults to 32 times those (of a default below 1, to 1), and rewritten
    until all are within 8 units in the last place (times the condition of the problem), and what was sought within 12; that
    is `.certificate`. Where no such form is found an InexactWarning says where, how far off, and by which term; with `strict`
    it is an error. It takes a second or two, once: it is kept on disk.

    Nothing is said of results below 2e-30 in float32 (2e-291 in float64), which count as 0, or within 2**12 of the largest,
    which may be infinite too soon; nor of infinite inputs, whose limits the catalogue's own losses have, and of which a
    formula makes what its arithmetic does. Of an exponent such as 0.7 no more is asked than the dtype holds of it.
    Derivatives in the target are those of the formula as written, and are not judged.

    An elementwise formula is written in `r` (= prediction - target), `prediction` (`z`), `target` (`y`) and your
    parameters; a softmax formula in `margin` (`m`). It is parsed, never evaluated as Python. `target` and
    `prediction` name the domain that is checked: real, probability, label (0 or 1), sign (-1 or 1), count,
    nonnegative, positive. Where a domain ends at 0 or 1, 0 log 0 is 0, as in y*log(z) at y = 0. At a kink abs has the slope 0,
    max and min that of their second argument; of several kinks at one point each has its own. Parameters are given with
    their defaults and can be set in every call; where less than 0 leaves the formula no value, as with c in c**r, that is
    refused.

    >>> import losscope as ls
    >>> tukey = ls.define("tukey", "where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)", c=4.685)
    >>> round(tukey([1.0, 100.0], [0.0, 0.0], reduction="sum"), 6)
    4.13577
    >>> tukey.certificate.exact
    True

    Raises LossError, with a caret under the place, for text that is no formula, and where `strict` is not met.
    """
    _check_name(name)
    check_text(formula)
    _check_kinds(
        structure=structure, target=target, prediction=prediction, summary=summary, task=task, strict=strict
    )
    form = _structure(structure)
    for parameter in parameters:
        _check_parameter(parameter, form)
    facts = {
        "task": TASKS.get(target, "regression"), "prediction": _domain(prediction), "target": _domain(target),
        **form.defaults, **({"task": _task(task)} if task else {}),
    }  # fmt: skip
    defaults = {each: Parameter(_default(each, value)) for each, value in parameters.items()}
    entry = Entry(name, structure, formula, summary=summary, parameters=defaults, **facts)
    entry, certificate = certified(entry, mend=True)
    if not certificate.exact:
        from losscope.exactness.told import refuse, warn

        if strict:
            raise refuse(entry, certificate)
        warn(entry, certificate)
    return Loss(entry)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise LossError(
            complain(
                "The name of a loss must be a word",
                got=shown(name),
                expected="letters, digits and underscores",
            )
        )
    if name in catalogue.names():
        raise LossError(
            complain(f"The catalogue already has a loss named {name!r}", next_step="Choose another name")
        )


def _check_kinds(**options: Any) -> None:
    """Each option is of the kind of its default; a number is most often meant as a parameter of that name."""
    for name, value in options.items():
        kind = type(signature(define).parameters[name].default)
        if not isinstance(value, kind):
            number_given = isinstance(value, numbers.Real) and not isinstance(value, bool)
            hint = f"A parameter cannot be named {name!r}: choose another name" if number_given else ""
            raise LossError(
                complain(
                    f"{name} must be {'True or False' if kind is bool else 'text'}",
                    got=shown(value),
                    next_step=hint,
                )
            )


def _structure(name: Any) -> Structure:
    """A structure over which a formula alone is a loss."""
    known = [each for each in structures.names() if structures.get(each).definable]
    if name not in known:
        raise LossError(
            complain(
                "A formula can be defined over these structures",
                got=shown(name),
                expected=" or ".join(map(repr, known)),
            )
        )
    return structures.get(name)


def _check_parameter(name: str, structure: Structure) -> None:
    read = as_read(name)
    if not read.isidentifier() or iskeyword(read):
        why = "is a reserved word of Python" if iskeyword(read) else "is no word"
        raise LossError(
            complain(f"A parameter cannot be named {shown(name)}: that {why}", next_step="Choose another")
        )
    if read != name:
        raise LossError(complain(
            f"A parameter cannot be named {name!r}: in a formula Python reads {read!r}", next_step=f"Name it {read!r}"
        ))  # fmt: skip
    of_define = name in [*signature(define).parameters][:-1]  # the last takes all parameters
    if of_define or name in {*structure.short, *structure.options, *PRIMITIVES, *RESERVED}:
        raise LossError(
            complain(
                f"A parameter cannot be named {name!r}: {'losscope.define' if of_define else 'the language of formulas'} has "
                "that name already",
                next_step="Choose another",
            )
        )


def _default(name: str, value: Any) -> float:
    found = number(f"The default of {name}", value)
    if not math.isfinite(found):
        raise LossError(complain(f"The default of {name} must be a finite number", got=shown(value)))
    return found


def _domain(name: str) -> domain.Domain:
    known = {each.name: each for each in vars(domain).values() if isinstance(each, domain.Domain)}
    return known[_known("domain", name, known)]


def _task(name: str) -> str:
    """A task that the catalogue has losses for, of those that a formula alone can be."""
    entries = catalogue.entries().values()
    return _known("task", name, {each.task for each in entries if structures.get(each.structure).definable})


def _known(what: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        raise LossError(complain(f"There is no {what} named {name!r}", next_step=did_you_mean(name, known)))
    return name

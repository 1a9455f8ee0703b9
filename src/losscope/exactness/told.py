"""What a user is told of a formula that is not exact: where, how far off, and by which of its terms."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from losscope.entry import Entry, Parameter
from losscope.errors import LossError
from losscope.exactness.certificate import Certificate, Worst

SAME = 1e-6  # of a parameter that is at its default but for its rounding to float32


class InexactWarning(UserWarning):
    """A formula loses digits somewhere, and no form of it is known that does not."""


def warn(entry: Entry, certificate: Certificate, through: Entry | None = None) -> None:
    """Warn whoever asked for the loss: the line nearest to here that is not of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("losscope."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message(entry, certificate, through), InexactWarning, stacklevel=level)


def message(entry: Entry, certificate: Certificate, through: Entry | None = None) -> str:
    """Four lines: the formula, a caret under the term that does it, the worst point, and what to do."""
    from losscope.parse import in_one_line

    if through is None:
        place, why = culprit(entry, certificate)
    else:
        place, why = 0, f"loses digits through {through.name}, of a raw score"
    last = (
        advice(entry, certificate)
        if through is None
        else "Define the loss of the raw score as one formula of z, which can be rewritten"
    )
    text = in_one_line(entry.formula)
    known = {**entry.parameters, **(through.parameters if through else {})}
    return (
        f"{text}\n{' ' * place}^ {why}\n{certificate.where()}{_by_default(certificate.worst, known)}\n{last}"
    )


def _by_default(worst: Worst, parameters: Mapping[str, Parameter]) -> str:
    """What the parameters are by default that have other values at the worst point."""
    others = [
        f"{name} is {each.default:.9g}"
        for name, each in parameters.items()
        if abs(worst.at.get(name, each.default) - each.default) > SAME * abs(each.default)
    ]
    return f" (by default {', '.join(others)})" if others else ""


def culprit(entry: Entry, certificate: Certificate) -> tuple[int, str]:
    """Where in the text that part stands which overflows at the worst point, or whose terms cancel most."""
    import numpy
    from flint import arb

    from losscope.derive import RESIDUAL, names_of
    from losscope.expression import symbol
    from losscope.parse import places
    from losscope.truth import Incomparable, compiled, evaluate

    worst = certificate.worst
    at = dict(worst.at)
    symbols = [symbol(name) for name in at]
    point = [arb(value) for value in at.values()]
    if "prediction" in at and "target" in at:
        symbols.append(RESIDUAL)
        point.append(point[list(at).index("prediction")] - point[list(at).index("target")])

    def size(expression: Any) -> Any:
        balls: Any = ()
        with suppress(Incomparable):
            balls = evaluate(compiled((expression,), tuple(symbols)), point)
        return abs(balls[0]) if balls and balls[0].is_finite() else None

    most = float(numpy.finfo(worst.dtype).max)
    found, cancelled = (0, "loses digits here"), 4.0
    for column, node, expression in places(entry.formula, names_of(entry)):
        whole = size(expression)
        if whole is None or whole > most:
            return column, f"overflows in {worst.dtype}"
        if (
            not isinstance(node, ast.BinOp)
            or not isinstance(node.op, ast.Add | ast.Sub)
            or not expression.is_Add
        ):
            continue
        terms = [each for each in map(size, expression.args) if each is not None]
        largest = max((float(each) for each in terms), default=0.0)
        left = float(whole)  # 0 of what is less than any double
        if largest > cancelled * left:
            found, cancelled = (column, "the terms cancel"), largest / left if left else numpy.inf
    return found


def advice(entry: Entry, certificate: Certificate) -> str:
    """What to do: take the form that comes nearest, or stay away from there."""
    if entry.computed:
        form = entry.computed[certificate.worst.order]
        return (
            f"The nearest form found, which is computed: {form}"
            if len(form) <= 300
            else "Computed is the nearest form found; losscope form prints it"
        )
    if entry.target.name == entry.prediction.name == "real":
        return (
            "No form is known that does better there; if it is no place for your numbers, say what they are, as in"
            ' target="sign" or prediction="positive"'
        )
    return "No form is known that does better there; write the term so that nothing cancels or overflows"


def refuse(entry: Entry, certificate: Certificate) -> LossError:
    return LossError(f"{entry.name} is not exact:\n{message(entry, certificate)}")

"""Where the parameters of a formula have to lie, so that it has a value: c of c**r is more than 0."""

from __future__ import annotations

from typing import Any

import numpy
import sympy

from losscope.domain import Domain, nonnegative, positive
from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.exactness.mending import arguments, written
from losscope.exactness.samples import points
from losscope.expression import symbol
from losscope.truth import truths

# Points, of which some, between whole numbers of no great size, show with which parameters there is a value.
TRIED, SOME, LARGEST = 512, 32, 1e3


def needed(entry: Entry) -> dict[str, Domain]:
    """Where those parameters have to lie that stand as the base of a power, or under a root or a logarithm: less than 0 they
    leave no value between whole numbers, as (-1)**r has none."""
    true = written(entry, None)
    found = {}
    for name in _bases(true[0], entry):
        default = entry.parameters[name].default
        size = abs(default) or 1.0
        if _has_values(entry, true, name, size) and not _has_values(entry, true, name, -size):
            found[name] = domain = nonnegative if _has_values(entry, true, name, 0.0) else positive
            if domain.excludes(default):
                raise LossError(
                    complain(
                        f"With {name} = {default:g} the formula, or a derivative of it, has no value between whole numbers",
                        got=entry.formula,
                        expected=f"{name} {domain.words}",
                    )
                )
    return found


def _bases(expression: Any, entry: Entry) -> list[str]:
    """The parameters that are, once or several times over, the base of a power or the argument of a function."""
    parts = [each.base for each in expression.atoms(sympy.Pow) if not each.exp.is_integer]
    parts += [
        part
        for each in expression.atoms(sympy.Function)
        for part in each.args
        if isinstance(part, sympy.Expr)
    ]
    alone = {str(rest) for times, rest in (each.as_coeff_Mul() for each in parts) if times > 0}
    return [name for name in entry.parameters if name in alone]


def _has_values(entry: Entry, true: Any, name: str, number: float) -> bool:
    """Whether value, gradient and curvature are real numbers anywhere between whole numbers, with that parameter."""
    domains = arguments(entry, None)
    at = points(domains, entry.parameters, "float64", TRIED, 0)
    at |= {each: numpy.full(TRIED, parameter.default) for each, parameter in entry.parameters.items()}
    at[name] = numpy.full(TRIED, number)
    between = numpy.ones(TRIED, bool)
    for each, domain in domains.items():
        if domain in ("real", "nonnegative", "positive"):
            between &= (numpy.abs(at[each]) < LARGEST) & (at[each] % 1 != 0)
    rows = numpy.stack([*at.values()], 1)[between]
    found = truths(true, [symbol(each) for each in at], rows[:SOME])
    return bool((~numpy.isnan(found[..., 0])).all(1).any())

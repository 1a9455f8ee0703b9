"""Expressions -> straight-line Python over primitives.

The text is the same for every target; what differs is the namespace it runs in: each target brings its own
`exp`, `softplus`, `where` ... and its own `real`, which makes a number of the working dtype.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import sympy
from sympy import Piecewise, S

from losscope.derive import MARGIN, PREDICTION, RESIDUAL, TARGET, Derived
from losscope.emit.writer import MULTIPLIED_OUT, Writer
from losscope.emit.zeros import with_limits
from losscope.expression import symbol
from losscope.truth import constant as value_of


def functions(derived: Derived, arguments: Sequence[str], parameters: Sequence[str]) -> str:
    """Source of `order0`, `order1` and `order2`: they return the value; and the gradient; and the curvature."""
    results = (derived.value, derived.gradient, derived.curvature)
    return "\n\n".join(
        function(
            f"order{order}",
            arguments,
            parameters,
            results[: order + 1],
            derived.residual,
            zeros=derived.zeros,
        )
        for order in range(3)
    )


def function(
    name: str,
    arguments: Sequence[str],
    parameters: Sequence[str],
    results: Sequence[sympy.Expr],
    residual: sympy.Expr | None = None,
    of: sympy.Expr | None = None,
    zeros: Sequence[sympy.Expr] = (),
) -> str:
    """Source of one function returning `results`, shared parts computed once. A NaN in an argument is one in every result,
    also in those that don't look at it: derivatives `of` a value that does. So is a residual without a value, of infinity
    against infinity. Products with one of the `zeros` vanish."""
    results = [with_limits(folded(each), zeros) for each in results]
    value = results[0] if of is None else of
    lines = [f"def {name}({', '.join((*arguments, *parameters))}):"]
    if residual is not None and any(each.has(RESIDUAL) for each in (*results, value)):
        steps, writer = shared([residual], _names("s", parameters))
        lines += [*steps, f"    r = {writer.text(residual)}"]
    steps, writer = shared(results, _names("t", parameters))
    lines += steps
    watched = list(arguments)
    if residual is not None and value.has(RESIDUAL) and not value.has(PREDICTION, TARGET):
        watched = [str(RESIDUAL)]
    elif not any(each.has(TARGET, RESIDUAL, MARGIN) for each in (*results, value)):
        watched = [
            each for each in arguments if each != "target"
        ]  # an activation's formulas never look at it
    if residual is not None:  # relu makes 0 of NaN
        watched += [
            e
            for e in arguments
            if e not in watched and residual.has(symbol(e)) and not carries(residual, symbol(e))
        ]
    guarded = []
    for i, result in enumerate(results):
        silent = [each for each in watched if not carries(result, symbol(each), residual)]
        written = writer.text(result)
        if i == 0 and _may_be_negated(result):
            written = f"{written} + real(0.0)"  # no loss is -0
        guarded.append("".join(f"unless_nan({each}, " for each in silent) + written + ")" * len(silent))
    lines.append(f"    return {', '.join(guarded)}")
    return "\n".join(lines) + "\n"


def _names(letter: str, parameters: Sequence[str]) -> Iterator[str]:
    """t0, t1 ... but none that a parameter is called by."""
    return (name for name in map(f"{letter}{{}}".format, count()) if name not in parameters)


def shared(expressions: Sequence[sympy.Basic], names: Iterator[str]) -> tuple[list[str], Writer]:
    """Lines that name the parts which occur more than once, and who writes the expressions in those names.

    Whole parts alone: to take a factor out of one product and a reciprocal out of another, as `sympy.cse` does, is to
    multiply in another order, in which a formula may overflow that does not as it is written. For the same reason the
    names are only written: put into the expressions, they would sort their factors anew.
    """
    times: dict[sympy.Basic, int] = {}
    parts: list[sympy.Basic] = []  # each after its own parts

    def visit(e: sympy.Basic) -> None:
        times[e] = times.get(e, 0) + 1
        if times[e] == 1:
            for part in (*e.args, *([e.base] if _is_multiplied_out(e) else [])):
                visit(part)
            parts.append(e)

    for each in expressions:
        visit(each)
    writer, lines = Writer({}), []
    for part in parts:
        if times[part] > 1 and _worth_a_name(part):
            name = next(names)
            lines.append(f"    {name} = {writer.text(part)}")
            writer.names[part] = name
    return lines, writer


def _is_multiplied_out(e: sympy.Basic) -> bool:
    """Whether it is a power whose base is written more than once."""
    exponent = abs(e.exp) if e.is_Pow and e.exp.is_Rational else S.Zero
    return bool(exponent > 1 and (exponent.q == 2 or (exponent.q == 1 and exponent <= MULTIPLIED_OUT)))


def _worth_a_name(e: sympy.Basic) -> bool:
    """Not what is a product of more factors where it stands, nor a reciprocal, which divides what stands above it."""
    if not isinstance(e, sympy.Expr) or not e.args or e.is_number:
        return False
    if e.is_Pow:
        return not (e.exp.is_negative or _is_multiplied_out(e))
    return not (e.is_Mul and len(e.args) == 2 and e.args[0].is_number)


def carries(expression: sympy.Basic, variable: sympy.Symbol, residual: sympy.Expr | None = None) -> bool:
    """Whether a NaN in the variable is sure to reach the result: not if some branch does not look at it."""
    if expression == variable:
        return True
    if expression == RESIDUAL and residual is not None:
        return carries(residual, variable)
    if isinstance(expression, Piecewise):
        return all(carries(branch, variable, residual) for branch, _ in expression.args)
    return any(carries(part, variable, residual) for part in expression.args)


def _may_be_negated(expression: sympy.Basic) -> bool:
    branches = [each for each, _ in expression.args] if isinstance(expression, Piecewise) else [expression]
    return any(
        _may_be_negated(each) if isinstance(each, Piecewise) else each.could_extract_minus_sign()
        for each in branches
    )


def folded(expression: sympy.Expr) -> sympy.Expr:
    """Constants worked out: 1e60*exp(-200) is a number that float32 holds, and neither of its parts is.

    >>> folded(10**60 * sympy.exp(-200) * symbol("x"))
    1.3838965267367375e-27*x
    """

    def constant(e: sympy.Basic) -> bool:
        return isinstance(e, sympy.Expr) and e.is_number and not (e.is_Number or e.is_NumberSymbol)

    def worth(e: sympy.Expr) -> sympy.Expr:
        number = value_of(e, 60)
        return number if number.is_Float else e  # no real number, which shows where it is computed

    return expression.replace(constant, worth)

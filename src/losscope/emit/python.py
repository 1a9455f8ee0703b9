"""Expressions -> straight-line Python over primitives.

The text is the same for every target; what differs is the namespace it runs in: each target brings its own
`exp`, `softplus`, `where` ... and its own `real`, which makes a number of the working dtype.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy
from sympy import Piecewise, S

from losscope.derive import MARGIN, PREDICTION, RESIDUAL, TARGET, Derived
from losscope.emit.two_sided import two_sided_sigmoid, two_sided_softplus
from losscope.expression import PRIMITIVES, symbol
from losscope.truth import constant as value_of

NAMES = {primitive: name for name, (_, primitive) in PRIMITIVES.items()} | {sympy.exp: "exp"}
NAMES |= {each: each.__name__ for each in (two_sided_softplus, two_sided_sigmoid)}


def functions(derived: Derived, arguments: Sequence[str], parameters: Sequence[str]) -> str:
    """Source of `order0`, `order1` and `order2`: they return the value; and the gradient; and the curvature."""
    results = (derived.value, derived.gradient, derived.curvature)
    return "\n\n".join(
        function(f"order{order}", arguments, parameters, results[: order + 1], derived.residual)
        for order in range(3)
    )


def function(
    name: str,
    arguments: Sequence[str],
    parameters: Sequence[str],
    results: Sequence[sympy.Expr],
    residual: sympy.Expr | None = None,
    of: sympy.Expr | None = None,
) -> str:
    """Source of one function returning `results`, shared parts computed once. A NaN in an argument is one in every result,
    also in those that don't look at it: derivatives `of` a value that does."""
    results = [folded(each) for each in results]
    lines = [f"def {name}({', '.join((*arguments, *parameters))}):"]
    taken = [symbol(each) for each in parameters]  # a parameter may be called t0
    if residual is not None and any(each.has(RESIDUAL) for each in results):
        steps, (last,) = shared([residual], sympy.numbered_symbols("s", exclude=taken, real=True))
        lines += [f"    {left} = {text(right)}" for left, right in steps]
        lines.append(f"    r = {text(last)}")
    steps, outputs = shared(results, sympy.numbered_symbols("t", exclude=taken, real=True))
    lines += [f"    {left} = {text(right)}" for left, right in steps]
    # An activation's formulas never look at the target, so it is not theirs to watch.
    unseen = (
        set() if any(each.has(TARGET, RESIDUAL, MARGIN) for each in (*results, of or S.Zero)) else {"target"}
    )
    guarded = []
    for i, (result, output) in enumerate(zip(results, outputs, strict=True)):
        silent = [each for each in arguments if each not in unseen and not carries(result, symbol(each))]
        written = text(output)
        if i == 0 and _may_be_negated(output):
            written = f"{written} + real(0.0)"  # no loss is -0
        guarded.append("".join(f"unless_nan({each}, " for each in silent) + written + ")" * len(silent))
    lines.append(f"    return {', '.join(guarded)}")
    return "\n".join(lines) + "\n"


def shared(
    expressions: Sequence[sympy.Basic], names: Iterator[sympy.Symbol]
) -> tuple[list[tuple[sympy.Symbol, sympy.Basic]], list[sympy.Basic]]:
    """Parts that occur more than once, named, and the expressions in those names.

    Whole parts alone: to take a factor out of one product and a reciprocal out of another, as `sympy.cse` does, is to
    multiply in another order, in which a formula may overflow that does not as it is written.
    """
    times: dict[sympy.Basic, int] = {}

    def count(e: sympy.Basic) -> None:
        times[e] = times.get(e, 0) + 1
        if times[e] == 1:
            for part in e.args:
                count(part)

    for each in expressions:
        count(each)
    steps: list[tuple[sympy.Symbol, sympy.Basic]] = []
    known: dict[sympy.Basic, sympy.Basic] = {}

    def named(e: sympy.Basic) -> sympy.Basic:
        if not e.args:
            return e
        if e not in known:
            parts = [named(part) for part in e.args]
            again = e.func(*parts) if any(a is not b for a, b in zip(parts, e.args, strict=True)) else e
            if times[e] > 1 and _worth_a_name(e):
                name = next(names)
                steps.append((name, again))
                again = name
            known[e] = again
        return known[e]

    return steps, [named(each) for each in expressions]


def _worth_a_name(e: sympy.Basic) -> bool:
    if not isinstance(e, sympy.Expr) or e.is_number:
        return False
    if e.is_Pow:
        return not e.exp.is_negative  # a reciprocal is a division of what stands above it
    return not (e.is_Mul and len(e.args) == 2 and e.args[0].is_number)


def carries(expression: sympy.Basic, variable: sympy.Symbol) -> bool:
    """Whether a NaN in the variable is sure to reach the result: not if some branch does not look at it."""
    if expression == variable or (expression == RESIDUAL and variable in (PREDICTION, TARGET)):
        return True
    if isinstance(expression, Piecewise):
        return all(carries(branch, variable) for branch, _ in expression.args)
    return any(carries(part, variable) for part in expression.args)


def _may_be_negated(expression: sympy.Basic) -> bool:
    branches = [each for each, _ in expression.args] if isinstance(expression, Piecewise) else [expression]
    return any(
        _may_be_negated(each) if isinstance(each, Piecewise) else each.could_extract_minus_sign()
        for each in branches
    )


def text(expression: sympy.Basic) -> str:
    """One expression as Python source."""
    return _write(expression, 0)


# How tightly an operator binds; a part that binds less is put in parentheses.
_SUM, _PRODUCT, _ATOM = 1, 2, 3


def _write(e: sympy.Basic, context: int) -> str:
    written, binds = _form(e)
    return f"({written})" if binds < context else written


def _form(e: sympy.Basic) -> tuple[str, int]:
    if e.is_Symbol:
        return str(e), _ATOM
    if e.is_Number or e.is_NumberSymbol:  # exp(1) is a number with a name
        return _number(e), _ATOM
    if e.is_Add:
        return _sum(e), _SUM
    if e.is_Mul:
        return _product(e)
    if e.is_Pow:
        return _power(e.base, e.exp)
    if isinstance(e, Piecewise):
        return _where(e.args), _ATOM
    if e.is_Relational:
        return f"{_write(e.lhs, _SUM)} {e.rel_op} {_write(e.rhs, _SUM)}", 0
    if isinstance(e, sympy.And | sympy.Or):
        operator = " & " if isinstance(e, sympy.And) else " | "
        return operator.join(f"({_write(each, 0)})" for each in e.args), 0
    if e.func in NAMES:
        return f"{NAMES[e.func]}({', '.join(_write(each, 0) for each in e.args)})", _ATOM
    raise NotImplementedError(f"no way to write {e.func}")  # a hole in the language, not a user's mistake


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


def _number(e: sympy.Basic) -> str:
    value = float(e)
    return f"real({value!r})"


def _sum(e: sympy.Basic) -> str:
    # Positive terms first: "1 - x", not "-x + 1".
    terms = sorted(sympy.Add.make_args(e), key=lambda term: term.could_extract_minus_sign())
    parts = [_write(terms[0], _SUM)]
    for term in terms[1:]:
        if term.could_extract_minus_sign():
            parts.append(f" - {_write(-term, _PRODUCT)}")
        else:
            parts.append(f" + {_write(term, _PRODUCT)}")
    return "".join(parts)


def _product(e: sympy.Basic) -> tuple[str, int]:
    coefficient, rest = e.as_coeff_Mul()
    if coefficient.is_negative:
        return "-" + _write(sympy.Mul(-coefficient, rest), _PRODUCT), _PRODUCT
    above: list[str] = [] if coefficient == 1 else [_number(coefficient)]
    below: list[str] = []
    for factor in sympy.Mul.make_args(rest):
        base, exponent = factor.as_base_exp()
        if exponent.is_number and exponent.is_negative and factor.is_Pow:
            below.extend(_factors(base, -exponent))
        elif factor.is_Pow and exponent.is_Integer:
            above.extend(_factors(base, exponent))
        else:
            above.append(_write(factor, _PRODUCT))
    if not below:
        return "*".join(above), _PRODUCT
    if not above:
        above = [_number(S.One)]
    # Each factor below divides one above, in turn: x*x/(h*h) is written (x/h)*(x/h), which overflows neither in x*x
    # nor in h*h.
    for k, each in enumerate(below):
        turn = -1 - k % len(above)
        above[turn] = f"({above[turn]}/{each})"
    if len(above) == 1 and below:
        return above[0][1:-1], _PRODUCT
    return "*".join(above), _PRODUCT


def _factors(base: sympy.Basic, exponent: sympy.Basic) -> list[str]:
    """base**exponent (a positive number) as factors: small whole powers are multiplied out."""
    if exponent.is_Integer and int(exponent) <= 4:
        return [_write(base, _ATOM)] * int(exponent)
    return [_write(sympy.Pow(base, exponent), _ATOM)]


def _power(base: sympy.Basic, exponent: sympy.Basic) -> tuple[str, int]:
    if exponent.is_number and exponent.is_negative:
        return f"{_number(S.One)}/{_write(sympy.Pow(base, -exponent), _ATOM)}", _PRODUCT
    if exponent == S.Half:
        return f"sqrt({_write(base, 0)})", _ATOM
    if exponent.is_Integer:
        return _whole_power(_write(base, _ATOM), int(exponent)), _PRODUCT
    if exponent.is_Rational and exponent.q == 2:
        whole = _whole_power(_write(base, _ATOM), int(exponent - S.Half))
        return f"{whole}*sqrt({_write(base, 0)})", _PRODUCT
    return f"power({_write(base, 0)}, {_write(exponent, 0)})", _ATOM


def _whole_power(base: str, exponent: int) -> str:
    if exponent <= 4:
        return "*".join([base] * exponent)
    half = _whole_power(base, exponent // 2)
    return f"({half})*({half})" + (f"*{base}" if exponent % 2 else "")


def _where(branches: Sequence[sympy.Basic]) -> str:
    (value, condition), *rest = branches
    if condition == sympy.true or not rest:
        return _write(value, 0)
    return f"where({_write(condition, 0)}, {_write(value, 0)}, {_where(rest)})"

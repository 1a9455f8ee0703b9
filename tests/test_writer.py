"""Expressions as text: the same arithmetic alone and beside others, multiplied in an order that keeps within range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from losscope import structures
from losscope.catalogue import entries
from losscope.derive import derive
from losscope.emit.plain import plain
from losscope.emit.python import function, functions
from losscope.emit.writer import Writer
from losscope.entry import Entry, Parameter
from losscope.expression import symbol
from losscope.kernels.reference import NAMESPACE
from losscope.parse import parse
from papers import PAPERS

DOMAINS = ("target", "prediction", "task")
FORMULAS = dict(entries()) | {
    f"paper {name}": Entry(
        name, "elementwise", paper.formula, parameters={key: Parameter(value) for key, value in paper.facts.items() if key not in DOMAINS}
    )
    for name, paper in PAPERS.items()
}  # fmt: skip


def run(source: str, name: str, arguments: Any) -> Any:
    namespace = dict(NAMESPACE)
    exec(source, namespace)
    with np.errstate(all="ignore"):
        return namespace[name](*arguments)


@pytest.mark.parametrize("name", FORMULAS)
def test_an_expression_is_the_same_arithmetic_alone_and_beside_others(name: str) -> None:
    """So a form that was measured alone is what the kernel computes, and a tensor's derivative is the kernel's."""
    entry = FORMULAS[name]
    derived, names = derive(entry), structures.get(entry.structure).arguments
    rng, parameters = np.random.default_rng(1), list(entry.parameters)
    at = [rng.choice([-1, 1], 500) * 10 ** rng.uniform(-160, 160, 500) for _ in names]
    at += [each.default for each in entry.parameters.values()]
    together = run(functions(derived, names, parameters), "order2", at)
    for order, expression in enumerate((derived.value, derived.gradient, derived.curvature)):
        alone = run(
            function("f", names, parameters, [expression], derived.residual, of=derived.value), "f", at
        )
        np.testing.assert_array_equal(np.broadcast_to(alone, 500), np.broadcast_to(together[order], 500))


@given(x=st.floats(1e-250, 1e250), y=st.floats(1e-250, 1e250))
@pytest.mark.parametrize("formula", ["x**2*y", "x**3*y", "y*x**4", "5*x**2*y", "x**2/y", "y/x**2"])
def test_a_product_overflows_only_where_all_of_it_does(formula: str, x: float, y: float) -> None:
    """Whichever of the two is large and whichever small."""
    expression = parse(formula, {"x": symbol("x"), "y": symbol("y")})
    source = f"def f(x, y):\n    return {Writer({}).text(expression)}"
    expected = run(source, "f", (np.longdouble(x), np.longdouble(y)))
    if 1e-290 < expected < 1e290:
        assert run(source, "f", (np.float64(x), np.float64(y))) == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("formula", ["sqrt(" * 18 + "r" + " + 1)" * 18, "1/(r + " * 18 + "r" + ")" * 18])
def test_brackets_in_brackets_are_printed_once_each(formula: str) -> None:
    names = {"r": symbol("r")}
    read = parse(formula, names)
    assert parse(plain(read), names) == read

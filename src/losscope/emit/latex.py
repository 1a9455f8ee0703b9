"""Expressions -> LaTeX, in the symbols people write: y-hat for the prediction, y for the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
from sympy.core.alphabets import greeks
from sympy.printing.latex import LatexPrinter

from losscope import structures
from losscope.derive import derive, formula
from losscope.emit.plain import SubtractedLast, as_written
from losscope.emit.textbook import textbook
from losscope.expression import symbol


class _Printer(SubtractedLast, LatexPrinter):
    def _print_sigmoid(self, expr: Any, exp: Any = None) -> str:
        return self._called(r"\sigma", expr, exp)

    def _print_softplus(self, expr: Any, exp: Any = None) -> str:
        return self._called(r"\operatorname{softplus}", expr, exp)

    def _called(self, name: str, expr: Any, exp: Any) -> str:
        raised = f"^{{{exp}}}" if exp is not None else ""
        return rf"{name}{raised}\left({self._print(expr.args[0])}\right)"


def latex(loss: Any, order: int = 0) -> str:
    """The loss (0), its gradient (1) or its curvature (2) in LaTeX; `r` is the residual, y-hat - y.

    >>> import losscope as ls
    >>> print(latex(ls.pinball, 1))
    \\begin{cases} 1 - \\mathrm{quantile} & \\text{for}\\: r > 0 \\\\- \\mathrm{quantile} & \\text{otherwise} \\end{cases}
    """
    derived = derive(loss.entry, loss.activation)
    expression = (derived.value, derived.gradient, derived.curvature)[order]
    names = structures.get(loss.structure).letters(loss.activation)
    result = written(expression, names)
    if loss.activation is not None and derived.residual is not None and expression.has(symbol("r")):
        result += rf" \quad\text{{with}}\quad r = {written(formula(loss.activation), names)} - y"
    return result


def written(expression: Any, names: Mapping[str, str] | None = None) -> str:
    """Any expression of the language in LaTeX; `names` says how its symbols are written."""
    words = [str(each) for each in expression.free_symbols if len(str(each)) > 1 and str(each) not in greeks]
    symbols = {symbol(name): r"\mathrm{" + name.replace("_", r"\_") + "}" for name in words}
    symbols |= {symbol(name): each for name, each in (names or {}).items()}
    return _Printer({"symbol_names": symbols}).doprint(_turned(textbook(expression)))


def _turned(expression: Any) -> Any:
    """Conditions as people write them; evaluated, a Piecewise would turn them round again."""

    def turned(part: Any) -> Any:
        branches = [
            (value, condition.replace(lambda each: each.is_Relational, as_written))
            for value, condition in part.args
        ]
        return sympy.Piecewise(*branches, evaluate=False)

    return expression.replace(lambda part: isinstance(part, sympy.Piecewise), turned)

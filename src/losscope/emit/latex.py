"""Expressions -> LaTeX, in the symbols people write: y-hat for the prediction, y for the target."""

from __future__ import annotations

from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter

from losscope.derive import derive
from losscope.expression import symbol

_UNARY = {
    "sigmoid": r"\sigma", "softplus": r"\operatorname{softplus}", "log": r"\log", "tanh": r"\tanh",
    "log1pmx": r"\operatorname{log1pmx}", "expm1mx": r"\operatorname{expm1mx}", "sign": r"\operatorname{sign}",
}  # fmt: skip


class _Printer(LatexPrinter):
    def emptyPrinter(self, expr: Any) -> Any:
        return super().emptyPrinter(expr)

    def _print_Function(self, expr: Any, exp: Any = None) -> str:
        name, arguments = type(expr).__name__, [self._print(each) for each in expr.args]
        raised = f"^{{{exp}}}" if exp is not None else ""
        if name == "absolute":
            return rf"\left|{arguments[0]}\right|{raised}"
        written = {
            "log1p": r"\log\left(1 + {0}\right)", "expm1": r"\left(e^{{{0}}} - 1\right)",
            "log_cosh": r"\log\cosh\left({0}\right)", "sech2": r"\operatorname{{sech}}^{{2}}\left({0}\right)",
            "xlogy": r"{0} \log\left({1}\right)", "xlog1py": r"{0} \log\left(1 + {1}\right)", "xdivy": r"\frac{{{0}}}{{{1}}}",
            "maximum": r"\max\left({0}, {1}\right)", "minimum": r"\min\left({0}, {1}\right)",
            "sqrt1px2m1": r"\left(\sqrt{{1 + \left({0}\right)^{{2}}}} - 1\right)",
            "sin_arctan": r"\frac{{{0}}}{{\sqrt{{1 + \left({0}\right)^{{2}}}}}}",
            "cos_arctan": r"\frac{{1}}{{\sqrt{{1 + \left({0}\right)^{{2}}}}}}",
        }.get(name)  # fmt: skip
        if written is not None:
            whole = written.replace("{0}", "\0").replace("{1}", "\1").replace("{{", "{").replace("}}", "}")
            whole = whole.replace("\0", arguments[0]).replace("\1", arguments[-1])
            return rf"\left({whole}\right){raised}" if raised else whole
        return rf"{_UNARY.get(name, name)}{raised}\left({', '.join(arguments)}\right)"


for _name in ("sigmoid", "softplus", "log", "log1p", "expm1", "log1pmx", "expm1mx", "xlogy", "xlog1py", "xdivy", "tanh", "sech2",
              "log_cosh", "sign", "absolute", "maximum", "minimum", "sqrt1px2m1", "sin_arctan", "cos_arctan"):  # fmt: skip
    setattr(_Printer, f"_print_{_name}", _Printer._print_Function)


def latex(loss: Any, order: int = 0) -> str:
    """The loss (0), its gradient (1) or its curvature (2) in LaTeX; `r` is the residual y-hat - y."""
    derived = derive(loss.entry, loss.activation)
    expression = (derived.value, derived.gradient, derived.curvature)[order]
    activation = loss.structure == "activation"
    names = {symbol("prediction"): "x" if activation else r"\hat{y}" if loss.activation is None else "z", symbol("target"): "y", symbol("margin"): "m"}
    written = _Printer({"symbol_names": {key: value for key, value in names.items()}}).doprint(_pretty(expression))
    if derived.residual is not None and expression.has(symbol("r")) and loss.activation is not None:
        residual = _Printer({"symbol_names": names}).doprint(sympy.Symbol("a") - symbol("target")).replace("a", _Printer({"symbol_names": names}).doprint(_activated(loss)), 1)
        return rf"{written} \quad\text{{with}}\quad r = {residual}"
    return written


def _activated(loss: Any) -> Any:
    from losscope.derive import formula

    return formula(loss.activation)


def _pretty(expression: Any) -> Any:
    """As people write it: conditions with the variable on the left."""
    return expression.replace(lambda part: part.is_Relational and part.lhs.is_Symbol and not part.rhs.is_Symbol and not part.rhs.is_number, lambda part: part.reversed)

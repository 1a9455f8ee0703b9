"""Expressions -> LaTeX, in the symbols people write: y-hat for the prediction, y for the target."""

from __future__ import annotations

from typing import Any

from sympy.printing.latex import LatexPrinter

from losscope.derive import derive, formula
from losscope.emit.plain import as_written
from losscope.expression import symbol

_UNARY = {
    "sigmoid": r"\sigma", "softplus": r"\operatorname{softplus}", "log": r"\log", "tanh": r"\tanh",
    "log1pmx": r"\operatorname{log1pmx}", "expm1mx": r"\operatorname{expm1mx}", "sign": r"\operatorname{sign}",
}  # fmt: skip


class _Printer(LatexPrinter):
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
    """The loss (0), its gradient (1) or its curvature (2) in LaTeX; `r` is the residual, y-hat - y.

    >>> import losscope as ls
    >>> latex(ls.huber, 1)
    '\\\\begin{cases} r & \\\\text{for}\\\\: \\\\left|r\\\\right| \\\\leq \\\\delta \\\\\\\\\\\\delta \\\\operatorname{sign}\\\\left(r\\\\right) & \\\\text{otherwise} \\\\end{cases}'
    """
    derived = derive(loss.entry, loss.activation)
    expression = (derived.value, derived.gradient, derived.curvature)[order]
    score = "x" if loss.structure == "activation" else r"\hat{y}" if loss.activation is None else "z"
    printer = _Printer(
        {"symbol_names": {symbol("prediction"): score, symbol("target"): "y", symbol("margin"): "m"}}
    )
    written = printer.doprint(_pretty(expression))
    if loss.activation is not None and expression.has(symbol("r")):
        written += rf" \quad\text{{with}}\quad r = {printer.doprint(formula(loss.activation))} - y"
    return written


def _pretty(expression: Any) -> Any:
    return expression.replace(lambda part: part.is_Relational, as_written)

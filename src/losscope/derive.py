"""Formula -> value, gradient and curvature, symbolically. The only module, with `emit`, that works in SymPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy

from losscope import structures
from losscope.entry import Entry
from losscope.expression import NoDerivative, in_our_words, symbol
from losscope.parse import parse
from losscope.stable import stable, tidy

PREDICTION, TARGET, RESIDUAL, MARGIN, DISTANCE, COSINE = (
    symbol(name) for name in ("prediction", "target", "r", "margin", "distance", "cosine")
)


@dataclass(frozen=True)
class Derived:
    """Value, gradient and curvature of one loss over the raw prediction.

    The expressions may contain the residual `r` as a symbol of its own: `residual` says what it stands for.
    """

    value: sympy.Expr
    gradient: sympy.Expr
    curvature: sympy.Expr
    residual: sympy.Expr | None

    @property
    def of_residual_alone(self) -> bool:
        """Whether the loss looks at prediction - target and at nothing else."""
        return not self.value.has(PREDICTION, TARGET, MARGIN) and self.residual == PREDICTION - TARGET

    def expanded(self, order: int) -> sympy.Expr:
        """Value (0), gradient (1) or curvature (2) with the residual written out."""
        expression = (self.value, self.gradient, self.curvature)[order]
        return expression if self.residual is None else expression.subs(RESIDUAL, self.residual)

    def along(self, expression: sympy.Expr, variable: sympy.Symbol) -> sympy.Expr:
        """The derivative of one of the loss's expressions in a variable that the residual may hold, too."""
        slope = sympy.diff(expression, variable)
        if self.residual is not None:
            slope += sympy.diff(expression, RESIDUAL) * sympy.diff(self.residual, variable)
        return tidy(in_our_words(slope))

    @property
    def target_gradient(self) -> sympy.Expr:
        return self.along(self.value, TARGET)


def formula(entry: Entry, text: str | None = None) -> sympy.Expr:
    """The entry's formula (or another form of it) as an expression over its structure's names."""
    names = {short: symbol(full) for short, full in structures.get(entry.structure).SHORT.items()}
    names |= {name: symbol(name) for name in entry.parameters}
    return stable(parse(entry.formula if text is None else text, names))


@lru_cache(512)
def derive(entry: Entry, through: Entry | None = None) -> Derived:
    """Derive an entry, after the activation `through` where given.

    >>> from losscope.catalogue import entries
    >>> derive(entries()["half_squared_error"]).gradient
    r
    """
    variable = symbol(structures.get(entry.structure).VARIABLE)
    value, gradient_of, curvature_of = (formula(entry, text) for text in entry.forms)
    bound = {variable: variable}
    residual = PREDICTION - TARGET
    if through is not None:
        activated = formula(through)
        bound = {PREDICTION: activated}
        names = {"x": PREDICTION, "y": TARGET} | {name: symbol(name) for name in through.parameters}
        residual = parse(through.residual, names) if through.residual else activated - TARGET
        value, gradient_of, curvature_of = (
            compose(each, activated) for each in (value, gradient_of, curvature_of)
        )
    slope = sympy.diff(bound.get(PREDICTION, PREDICTION), PREDICTION)

    def differentiate(expression: sympy.Expr) -> sympy.Expr:
        # r and cosine (1 - distance) are names of their own, so the chain rule through them is taken here.
        slopes = sympy.diff(expression, variable) + sympy.diff(expression, RESIDUAL) * slope
        if variable == DISTANCE:
            slopes -= sympy.diff(expression, COSINE)
        return tidy(in_our_words(slopes))

    gradient = differentiate(gradient_of)
    curvature = differentiate(gradient if curvature_of == gradient_of else differentiate(curvature_of))
    uses_residual = any(each.has(RESIDUAL) for each in (value, gradient, curvature))
    return Derived(value, gradient, curvature, residual if uses_residual else None)


def compose(expression: sympy.Expr, activated: sympy.Expr) -> sympy.Expr:
    """Put an activation in the place of the prediction, mending what would cancel: 1 - sigmoid(x) is
    sigmoid(-x)."""
    return stable(in_our_words(expression.subs(PREDICTION, activated)))

"""Formula -> value, gradient and curvature, symbolically. The only module, with `emit`, that works in SymPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy

from losscope import structures
from losscope.entry import Entry
from losscope.errors import LossError, complain
from losscope.expression import symbol
from losscope.expression.exponential import softplus
from losscope.expression.from_sympy import in_our_words
from losscope.expression.primitive import NoDerivative
from losscope.parse import parse
from losscope.rewrite.both_sides import both_sides
from losscope.rewrite.exponentials import guarded
from losscope.rewrite.fractions import collected
from losscope.rewrite.labels import of_label, of_margin
from losscope.stable import beside_kinks, stable, tidy

PREDICTION, TARGET, RESIDUAL, MARGIN = (symbol(name) for name in ("prediction", "target", "r", "margin"))
HOLD_ZERO = ("probability", "label", "count", "nonnegative")  # domains
HOLD_ONE = ("probability", "label")
OF_LABELS = {"sign": of_margin, "label": of_label}  # what is equal only at the labels themselves


@dataclass(frozen=True)
class Derived:
    """Value, gradient and curvature of one loss over the raw prediction.

    The expressions may contain the residual `r` as a symbol of its own: `residual` says what it stands for.
    """

    value: sympy.Expr
    gradient: sympy.Expr
    curvature: sympy.Expr
    residual: sympy.Expr | None
    zeros: tuple[sympy.Expr, ...] = ()  # what may be 0 at an end of its domain
    # where it is not the derivative of the value as that is written
    target_gradient: sympy.Expr | None = None

    @property
    def of_residual_alone(self) -> bool:
        """Whether the loss looks at prediction - target and at nothing else."""
        return not self.value.has(PREDICTION, TARGET) and self.residual == PREDICTION - TARGET

    @property
    def of_logsumexp(self) -> bool:
        """Whether the loss of a margin is log(1 + exp(margin)): that of a class is then logsumexp(logits) less its logit."""
        return bool(self.value == softplus(MARGIN))

    def expanded(self, order: int) -> sympy.Expr:
        """Value (0), gradient (1) or curvature (2) with the residual written out."""
        expression = (self.value, self.gradient, self.curvature)[order]
        return expression if self.residual is None else in_our_words(expression.subs(RESIDUAL, self.residual))

    def in_second(self, variable: sympy.Symbol) -> sympy.Expr:
        """The derivative of the value in the second argument, the target: of a residual that in the first, turned."""
        if self.target_gradient is not None:
            return self.target_gradient
        return -self.gradient if self.of_residual_alone else self.along(self.value, variable)

    def along(self, expression: sympy.Expr, variable: sympy.Symbol) -> sympy.Expr:
        """The derivative of one of the loss's expressions in a variable that the residual may hold, too."""
        slope = sympy.diff(expression, variable)
        if self.residual is not None:
            slope += sympy.diff(expression, RESIDUAL) * sympy.diff(self.residual, variable)
        return tidy(in_our_words(slope))


def names_of(entry: Entry) -> dict[str, sympy.Symbol]:
    """What may be named in an entry's formula, and the symbol that each name stands for."""
    names = {short: symbol(full) for short, full in structures.get(entry.structure).short.items()}
    return names | {name: symbol(name) for name in entry.parameters}


def read(entry: Entry, text: str) -> sympy.Expr:
    """One of an entry's computed forms, in which every symbol stands under its own name."""
    structure = structures.get(entry.structure)
    own = {name: symbol(name) for name in (*structure.arguments, *structure.moving)}
    return parse(text, {**names_of(entry), **own}, ours=True)


@lru_cache(512)
def formula(entry: Entry, text: str | None = None) -> sympy.Expr:
    """The entry's formula (or another form of it) as an expression over its structure's names."""
    if text is None and entry.computed:
        return read(entry, entry.computed[0])
    return stable(_of_labels(entry, parse(entry.formula if text is None else text, names_of(entry))))


def _of_labels(entry: Entry, expression: sympy.Expr) -> sympy.Expr:
    rewritten = OF_LABELS.get(entry.target.name)
    return rewritten(expression) if rewritten else expression


def slope_of(expression: sympy.Expr, entry: Entry, activated: sympy.Expr | None = None) -> sympy.Expr:
    """The derivative in the variable. What moves with it under a name of its own, as the residual does with the prediction,
    is taken by the chain rule here."""
    structure = structures.get(entry.structure)
    through = 1 if activated is None else sympy.diff(activated, PREDICTION)
    slopes = sympy.diff(expression, symbol(structure.variable))
    for name, steps in structure.moving.items():
        slopes += sympy.diff(expression, symbol(name)) * steps * through
    result = beside_kinks(tidy(in_our_words(slopes)))
    shorter = beside_kinks(collected(result))
    return shorter if shorter.count_ops() < result.count_ops() else result


@lru_cache(512)
def derive(entry: Entry, through: Entry | None = None) -> Derived:
    """Derive an entry, after the activation `through` where given.

    >>> from losscope.catalogue import entries
    >>> derive(entries()["half_squared_error"]).gradient
    r
    """
    try:
        value, gradient, curvature, residual = _derived(entry, through)
    except NoDerivative as error:
        raise LossError(
            complain(
                f"The language has no derivative of {error}", got=entry.formula, next_step="Leave it out"
            )
        ) from None
    for each in (value, gradient, curvature):
        if each.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
            raise LossError(complain("The formula has no finite real derivative", got=entry.formula))
    has_residual = str(RESIDUAL) in structures.get(entry.structure).moving
    uses_residual = has_residual and any(each.has(RESIDUAL) for each in (value, gradient, curvature))
    in_target = _in_target(entry, through)
    own = residual if uses_residual else None
    return Derived(value, gradient, curvature, own, zeros_of(entry, through), in_target)


def _in_target(entry: Entry, through: Entry | None) -> sympy.Expr | None:
    """The derivative in the target, where that of the forms that are computed is another, as they are equal at labels alone."""
    if not entry.target_gradient and entry.target.name not in OF_LABELS:
        return None
    text = entry.target_gradient or entry.formula
    written, computed = stable(parse(text, names_of(entry))), formula(entry)
    if through is not None:
        activated = formula(through)
        written, computed = stable(_put(activated, written)), compose(entry, computed, activated)
    if entry.target_gradient:
        return written
    if written == computed:
        return None
    return tidy(in_our_words(sympy.diff(written, TARGET) - sympy.diff(written, RESIDUAL)))


def _derived(entry: Entry, through: Entry | None) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr, sympy.Expr]:
    """Value, gradient, curvature, and what the residual is."""
    if through is not None and formula(through) == PREDICTION:
        through = None
    if through is None:
        residual = PREDICTION - TARGET
        if entry.computed:
            value, gradient, curvature = (read(entry, text) for text in entry.computed)
            return value, gradient, curvature, residual
        value, gradient_of, curvature_of = (formula(entry, text) for text in entry.forms)
        gradient = slope_of(gradient_of, entry)
        curvature = slope_of(
            gradient if curvature_of == gradient_of else slope_of(curvature_of, entry), entry
        )
        return value, gradient, curvature, residual
    activated = formula(through)
    names = {"x": PREDICTION, "y": TARGET} | {name: symbol(name) for name in through.parameters}
    residual = parse(through.residual, names) if through.residual else activated - TARGET
    if entry.computed:
        value, first, second = (read(entry, text) for text in entry.computed)
        value, first, second = (compose(entry, each, activated) for each in (value, first, second))
        rise = slope_of(activated, entry, activated)
        return value, first * rise, second * rise**2 + first * slope_of(rise, entry, activated), residual
    forms = [compose(entry, formula(entry, text), activated) for text in entry.forms]
    value, gradient_of, curvature_of = forms
    gradient = both_sides(slope_of(gradient_of, entry, activated))
    again = gradient if curvature_of == gradient_of else slope_of(curvature_of, entry, activated)
    curvature = slope_of(again, entry, activated)
    if activated.has(softplus):  # of an infinite score, r sigmoid(-x) is 0
        curvature = guarded(curvature)
    return value, gradient, curvature, residual


def zeros_of(entry: Entry, through: Entry | None) -> tuple[sympy.Expr, ...]:
    """What may be 0 at an end of the domain of an entry's target or prediction: y, 1 - y ..."""
    domains = {"target": entry.target} | ({} if through else {"prediction": entry.prediction})
    names = [(symbol(name), domain.name) for name, domain in domains.items()]
    return tuple(
        [x for x, domain in names if domain in HOLD_ZERO]
        + [1 - x for x, domain in names if domain in HOLD_ONE]
    )


def compose(entry: Entry, expression: sympy.Expr, activated: sympy.Expr) -> sympy.Expr:
    """Put an activation in the place of the prediction, mending what would cancel: 1 - sigmoid(x) is
    sigmoid(-x)."""
    return stable(_of_labels(entry, _put(activated, expression)))


def _put(activated: sympy.Expr, expression: sympy.Expr) -> sympy.Expr:
    return in_our_words(expression.subs(PREDICTION, activated))

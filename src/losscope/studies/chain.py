"""One neuron taken apart: every link of the chain rule as a formula, their product, and what cancels in it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import mpmath
import sympy

import losscope as ls
from losscope.emit.textbook import textbook
from losscope.errors import LossError, complain
from losscope.expression import symbol
from losscope.studies.text import say

DIGITS = 50  # of the numerical check
NAMES = ("w", "b", "x", "y", "z", "a")


@dataclass(frozen=True)
class Chain:
    """Every link of the chain rule as a SymPy expression, for a = act(z), z = w*x + b."""

    name: str
    activation: str
    loss: sympy.Expr  # in a and y
    loss_slope: sympy.Expr  # dL/da
    activated: sympy.Expr  # act(z)
    activation_slope: sympy.Expr  # da/dz, in z
    in_z: sympy.Expr  # dL/dz as the library derives it for the two together
    parameters: Mapping[str, float]

    def gradient(self, of: str) -> sympy.Expr:
        """dL/dw or dL/db: the product of the links, in a, z, x, y."""
        return self.loss_slope * self.activation_slope * (symbols()["x"] if of == "w" else 1)


def symbols() -> dict[str, sympy.Symbol]:
    return {name: symbol(name) for name in NAMES}


def chain(name: str) -> Chain:
    """Take a loss and an activation of the library apart into the links; `huber:delta=2@tanh`."""
    first, _, second = name.partition("@")
    loss, activation = ls.get(first), ls.get(second or "identity")
    if loss.judges != "numbers":
        raise LossError(
            complain(
                f"{loss.name} is not a loss of one output",
                next_step="Name an elementwise loss, such as mse@sigmoid",
            )
        )
    together = loss.through(activation)
    s = symbols()
    as_a, as_z = (
        {symbol("prediction"): s["a"], symbol("target"): s["y"]},
        {symbol("prediction"): s["z"], symbol("target"): s["y"]},
    )
    return Chain(
        together.name,
        activation.name,
        loss.formula.subs(as_a),
        loss.gradient_formula.subs(as_a),
        activation.formula.subs(as_z),
        activation.gradient_formula.subs(as_z),
        together.gradient_formula.subs(as_z),
        together.parameters,
    )


def written_out(expression: sympy.Expr) -> sympy.Expr:
    """With every primitive as elementary functions, sigmoid included: what SymPy can decide equality of."""
    return textbook(expression, keep=())


def readable(expression: sympy.Expr) -> sympy.Expr:
    """With the logarithms and quotients that guard a zero written plainly: xlogy(y, a) is y*log(a)."""
    return textbook(expression)


def is_zero(expression: sympy.Expr) -> bool:
    """Whether SymPy simplifies it to nothing, the sigmoid written as 1/(1 + exp(-z))."""
    return bool(sympy.simplify(written_out(expression)) == 0)


def agreement(links: Chain) -> str:
    """How the product of the links was found equal to the library's own derivative; "" if it is not."""
    s = symbols()
    gap = links.gradient("b").subs(s["a"], links.activated) - links.in_z
    if not gap.has(sympy.Piecewise) and is_zero(gap):
        return say("SymPy simplifies the difference to 0")
    # SymPy seldom sees that formulas with cases are equal; then numbers decide, with digits to spare.
    draw = random.Random(0)
    places = [{"z": draw.uniform(-4, 4), "y": draw.choice([0.0, 1.0])} for _ in range(16)]
    if all(
        abs(_put_in(gap, links, place).evalf(DIGITS)) < sympy.Float(10) ** -(DIGITS - 10) for place in places
    ):
        return say(
            "the difference is 0 to {digits} digits at {count} random places",
            digits=DIGITS - 10,
            count=len(places),
        )
    return ""


def in_output(expression: sympy.Expr) -> sympy.Expr:
    """A gradient behind a sigmoid as a rational function of its output a, where exp(-z) is (1 - a)/a."""
    s = symbols()
    a, u = s["a"], sympy.Symbol("u", positive=True)
    return sympy.cancel(written_out(expression).subs(s["z"], -sympy.log(u)).subs(u, (1 - a) / a))


def slope_is_factor(gradient_in_z: sympy.Expr) -> bool:
    """Whether the sigmoid's slope a*(1 - a) divides the gradient: what is left has no pole at a = 0 or 1."""
    a = symbols()["a"]
    rest = sympy.cancel(in_output(gradient_in_z) / (a * (1 - a)))
    return not sympy.denom(rest).has(a)


def after_cancelling(gradient_in_z: sympy.Expr, times: str = "") -> sympy.Expr:
    """A gradient in terms of the output, the sigmoid's slope a*(1 - a) set apart where it is a factor."""
    a, whole = symbols()["a"], in_output(gradient_in_z)
    first = [symbols()[times]] if times else []
    if not slope_is_factor(gradient_in_z):
        return (
            sympy.Mul(*first, _sorted_sum(sympy.factor(whole)), evaluate=False)
            if first
            else _sorted_sum(sympy.factor(whole))
        )
    return sympy.Mul(*first, a, 1 - a, sympy.cancel(whole / (a * (1 - a))), evaluate=False)


def _sorted_sum(expression: sympy.Expr) -> sympy.Expr:
    """-(y - a) as people write it."""
    return (
        sympy.expand(expression)
        if sympy.expand(expression).is_Add and len(sympy.expand(expression).args) == 2
        else expression
    )


def over_one_denominator(expression: sympy.Expr) -> sympy.Expr:
    """A slope in the output as one fraction: -y/a + (1 - y)/(1 - a) is (a - y)/(a*(1 - a))."""
    a = symbols()["a"]
    top, bottom = sympy.fraction(sympy.cancel(written_out(expression)))
    if sympy.expand(bottom - a * (a - 1)) == 0:
        bottom, top = sympy.Mul(a, 1 - a, evaluate=False), -top
    return sympy.Mul(_sorted_sum(top), sympy.Pow(bottom, -1, evaluate=False), evaluate=False)


def number(expression: sympy.Expr, links: Chain, values: Mapping[str, float]) -> float:
    return float(_put_in(expression, links, values).evalf(30))


def _put_in(expression: sympy.Expr, links: Chain, values: Mapping[str, float]) -> sympy.Expr:
    known = {symbol(name): sympy.Rational(value) for name, value in {**links.parameters, **values}.items()}
    return written_out(expression.subs(known))


def difference(links: Chain, values: Mapping[str, float], of: str) -> float:
    """(L(w + h) - L(w - h)) / 2h at 50 digits, h = 1e-20: independent of every derivative rule."""
    s = symbols()
    fixed = {name: value for name, value in values.items() if name not in ("z", "a", of)}
    whole = links.loss.subs(s["a"], links.activated).subs(s["z"], s["w"] * s["x"] + s["b"])
    function = sympy.lambdify(s[of], _put_in(whole, links, fixed), "mpmath")
    with mpmath.workdps(DIGITS):
        h, here = mpmath.mpf(10) ** -20, mpmath.mpf(values[of])
        return float((function(here + h) - function(here - h)) / (2 * h))


def apart(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-300) if one != other else 0.0

"""Study 2: What gradient does one neuron get, and under which loss does the activation's slope stay in it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, silent

if TYPE_CHECKING:
    import sympy

    from losscope.report import Chart, Table

SQUARED, CROSS = "half_squared_error@sigmoid", "binary_cross_entropy_of_probability@sigmoid"
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


def symbols() -> dict[str, Any]:
    from losscope.expression import symbol

    return {name: symbol(name) for name in NAMES}


def chain(name: str) -> Chain:
    """Take a loss and an activation of the library apart into the links; `huber:delta=2@tanh`."""
    import losscope as ls
    from losscope.errors import LossError, complain
    from losscope.expression import symbol

    first, _, second = name.partition("@")
    loss, activation = ls.get(first), ls.get(second or "identity")
    if loss.structure != "elementwise":
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
    from losscope.emit.textbook import textbook

    return textbook(expression, keep=())


def readable(expression: sympy.Expr) -> sympy.Expr:
    """With the logarithms and quotients that guard a zero written plainly: xlogy(y, a) is y*log(a)."""
    from losscope.emit.textbook import textbook

    return textbook(expression)


def is_zero(expression: sympy.Expr) -> bool:
    """Whether SymPy simplifies it to nothing, the sigmoid written as 1/(1 + exp(-z))."""
    import sympy

    return bool(sympy.simplify(written_out(expression)) == 0)


def agreement(links: Chain) -> str:
    """How the product of the links was found equal to the library's own derivative; "" if it is not."""
    import random

    import sympy

    s = symbols()
    gap = links.gradient("b").subs(s["a"], links.activated) - links.in_z
    if not gap.has(sympy.Piecewise) and is_zero(gap):
        return "SymPy simplifies the difference to 0"
    # SymPy seldom sees that formulas with cases are equal; then numbers decide, with digits to spare.
    draw = random.Random(0)
    places = [{"z": draw.uniform(-4, 4), "y": draw.choice([0.0, 1.0])} for _ in range(16)]
    if all(
        abs(_put_in(gap, links, place).evalf(DIGITS)) < sympy.Float(10) ** -(DIGITS - 10) for place in places
    ):
        return f"the difference is 0 to {DIGITS - 10} digits at {len(places)} random places"
    return ""


def in_output(expression: sympy.Expr) -> sympy.Expr:
    """A gradient behind a sigmoid as a rational function of its output a, where exp(-z) is (1 - a)/a."""
    import sympy

    s = symbols()
    a, u = s["a"], sympy.Symbol("u", positive=True)
    return sympy.cancel(written_out(expression).subs(s["z"], -sympy.log(u)).subs(u, (1 - a) / a))


def slope_is_factor(gradient_in_z: sympy.Expr) -> bool:
    """Whether the sigmoid's slope a*(1 - a) divides the gradient: what is left has no pole at a = 0 or 1."""
    import sympy

    a = symbols()["a"]
    rest = sympy.cancel(in_output(gradient_in_z) / (a * (1 - a)))
    return not sympy.denom(rest).has(a)


def after_cancelling(gradient_in_z: sympy.Expr, times: str = "") -> sympy.Expr:
    """A gradient in terms of the output, the sigmoid's slope a*(1 - a) set apart where it is a factor."""
    import sympy

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
    import sympy

    return (
        sympy.expand(expression)
        if sympy.expand(expression).is_Add and len(sympy.expand(expression).args) == 2
        else expression
    )


@dataclass(frozen=True)
class Step:
    """All numbers of one update at one point, and how far the ways to compute the gradients are apart."""

    numbers: Mapping[str, float]
    gap: float

    def __getitem__(self, name: str) -> float:
        return self.numbers[name]


def step(links: Chain, at: Mapping[str, float], rate: float) -> Step:
    """Follow the chain with numbers, take one step, and check both gradients by differences at 50 digits."""
    import losscope as ls

    loss, activation = ls.get(links.name), ls.get(links.activation)
    z = at["w"] * at["x"] + at["b"]
    values: dict[str, Any] = {**at, "z": z, "a": float(activation([z])[0])}
    cost, slope = loss.value_and_grad(
        [z], [at["y"]]
    )  # an error here names an input that is out of the loss's domain
    found = {
        name: _number(expression, links, values)
        for name, expression in (("dL/da", links.loss_slope), ("da/dz", links.activation_slope))
    }
    found["dL/dw"], found["dL/db"] = (
        found["dL/da"] * found["da/dz"] * at["x"],
        found["dL/da"] * found["da/dz"],
    )
    differences = {of: _difference(links, values, of) for of in ("w", "b")}
    library = {"w": float(slope[0]) * at["x"], "b": float(slope[0])}
    gap = max(_apart(found[f"dL/d{of}"], other[of]) for of in ("w", "b") for other in (differences, library))
    new = {"w": at["w"] - rate * found["dL/dw"], "b": at["b"] - rate * found["dL/db"]}
    after = new["w"] * at["x"] + new["b"]
    numbers = {
        **values,
        "L": float(cost),
        **found,
        "dz/dw": at["x"],
        "new w": new["w"],
        "new b": new["b"],
        "new a": float(activation([after])[0]),
        "new L": float(loss([after], [at["y"]])),
    }
    return Step(numbers, gap)


def _number(expression: sympy.Expr, links: Chain, values: Mapping[str, float]) -> float:
    return float(_put_in(expression, links, values).evalf(30))


def _put_in(expression: sympy.Expr, links: Chain, values: Mapping[str, float]) -> sympy.Expr:
    import sympy

    from losscope.expression import symbol

    known = {symbol(name): sympy.Rational(value) for name, value in {**links.parameters, **values}.items()}
    return written_out(expression.subs(known))


def _difference(links: Chain, values: Mapping[str, float], of: str) -> float:
    """(L(w + h) - L(w - h)) / 2h at 50 digits, h = 1e-20: independent of every derivative rule."""
    import mpmath
    import sympy

    s = symbols()
    fixed = {name: value for name, value in values.items() if name not in ("z", "a", of)}
    whole = links.loss.subs(s["a"], links.activated).subs(s["z"], s["w"] * s["x"] + s["b"])
    function = sympy.lambdify(s[of], _put_in(whole, links, fixed), "mpmath")
    with mpmath.workdps(DIGITS):
        h, here = mpmath.mpf(10) ** -20, mpmath.mpf(values[of])
        return float((function(here + h) - function(here - h)) / (2 * h))


def _apart(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-300) if one != other else 0.0


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    losses: Annotated[tuple[str, ...], "loss@activation, one or more"] = (SQUARED, CROSS),
    weight: Annotated[float, "the weight w"] = 0.6,
    bias: Annotated[float, "the bias b"] = 0.9,
    input: Annotated[float, "the input x"] = 1.0,
    target: Annotated[float, "the target y"] = 0.0,
    learning_rate: Annotated[float, "of the one update"] = 0.15,
) -> Result:
    """Derive, check and apply the gradients of one neuron under each loss."""
    at = {"w": weight, "b": bias, "x": input, "y": target}
    steps: dict[str, tuple[Chain, Step]] = {}
    for number, name in enumerate(losses):
        progress(number / (len(losses) + 1), name)
        links = chain(name)
        steps[links.name] = (links, step(links, at, learning_rate))
    progress(len(losses) / (len(losses) + 1), "simplifying")
    squared, cross = chain(SQUARED), chain(CROSS)
    return Result(
        done=[
            *_done(at, learning_rate),
            *(line for links, _ in steps.values() for line in derivation(links)),
        ],
        claims=[
            judge_chain({name: agreement(links) for name, (links, _) in steps.items()}),
            judge_check({name: each.gap for name, (_, each) in steps.items()}),
            judge_factor(squared.in_z),
            judge_cancels(cross.in_z),
        ],
        charts=[_chart([links.name for links, _ in steps.values()], target)],
        tables=[_table(links, each, learning_rate) for links, each in steps.values()],
        numbers={
            name: {
                "latex": latex_of(links),
                "step": dict(each.numbers),
                "largest_relative_difference": each.gap,
            }
            for name, (links, each) in steps.items()
        },
    )


def judge_chain(agreed: Mapping[str, str]) -> Claim:
    """The product of the links against the derivative the library gives for loss and activation together."""
    claim = "The gradient is a product of three links: slope of the loss, slope of the activation, input."
    wrong = [name for name, how in agreed.items() if not how]
    if wrong:
        return Claim(
            claim,
            DOES_NOT_HOLD,
            f"The product differs from the library's own derivative for {' and '.join(wrong)}.",
        )
    found = "; ".join(f"{name}: {how}" for name, how in agreed.items())
    return Claim(
        claim, HOLDS, f"The product compared with the library's own derivative of the composed loss: {found}."
    )


def judge_check(gaps: Mapping[str, float]) -> Claim:
    """Formulas against differences and against the compiled code; float64 carries 16 digits."""
    worst = max(gaps, key=lambda name: gaps[name])
    evidence = (
        f"Largest relative disagreement between formula, finite differences at {DIGITS} digits and compiled code:"
        f" {gaps[worst]:.1g} ({worst})."
    )
    return Claim(
        "The derived gradients are right.", HOLDS if gaps[worst] < 1e-12 else DOES_NOT_HOLD, evidence
    )


def judge_factor(gradient: sympy.Expr) -> Claim:
    """Under squared error: does a*(1 - a) divide the gradient?"""
    form, stays = after_cancelling(gradient), slope_is_factor(gradient)
    evidence = f"As a function of the output the gradient in z is `{form}`: " + (
        "the slope `a*(1 - a)` is a factor, so the gradient vanishes where the sigmoid is flat."
        if stays
        else "the slope `a*(1 - a)` is not a factor."
    )
    return Claim(
        "Squared error through a sigmoid: the slope of the sigmoid is a factor of the gradient.",
        HOLDS if stays else DOES_NOT_HOLD,
        evidence,
    )


def judge_cancels(gradient: sympy.Expr) -> Claim:
    """Under cross-entropy: is the gradient in w exactly x*(a - y), and the slope no factor?"""
    from losscope.expression import sigmoid

    s = symbols()
    left = is_zero(s["x"] * gradient - s["x"] * (sigmoid(s["z"]) - s["y"]))
    stays = slope_is_factor(gradient)
    form = after_cancelling(gradient)
    evidence = (
        f"`dL/dw - x*(a - y)` {'simplifies to 0' if left else 'does not simplify to 0'} with the sigmoid"
        f" written as `1/(1 + exp(-z))`; as a function of the output the gradient in z is `{form}`."
    )
    return Claim(
        "Cross-entropy through a sigmoid: the slope cancels and leaves x*(a - y).",
        HOLDS if left and not stays else DOES_NOT_HOLD,
        evidence,
    )


def latex_of(links: Chain) -> dict[str, str]:
    """Each link as LaTeX."""
    from losscope.emit.latex import written as write

    return {
        "L": write(links.loss),
        "dL/da": write(links.loss_slope),
        "a": write(links.activated),
        "da/dz": write(links.activation_slope),
        "dz/dw": "x",
        "dz/db": "1",
        "dL/dw": write(links.gradient("w")),
        "dL/db": write(links.gradient("b")),
    }


def derivation(links: Chain) -> list[str]:
    """The steps, one formula a paragraph."""
    import sympy

    written = latex_of(links)
    lines = [
        f"**{links.name}.** The loss, the activation, and their slopes:",
        rf"$L = {written['L']}$",
        rf"$\frac{{\partial L}}{{\partial a}} = {written['dL/da']}$",
        rf"$a = {written['a']}, \quad \frac{{\partial a}}{{\partial z}} = {written['da/dz']}$",
        "The weighted input changes at rate x with the weight and at rate 1 with the bias, so the chain rule gives",
        (
            r"$\frac{\partial L}{\partial w} = \frac{\partial L}{\partial a} \cdot \frac{\partial"
            rf" a}}{{\partial z}} \cdot \frac{{\partial z}}{{\partial w}} = {written['dL/dw']}$"
        ),
        (
            r"$\frac{\partial L}{\partial b} = \frac{\partial L}{\partial a} \cdot \frac{\partial"
            rf" a}}{{\partial z}} = {written['dL/db']}$"
        ),
    ]
    if links.activation == "sigmoid" and not written["L"].startswith(r"\begin"):
        lines += [
            "and, written in terms of the output alone,",
            rf"$\frac{{\partial L}}{{\partial w}} = {sympy.latex(after_cancelling(links.in_z, 'x'))}$",
        ]
    return lines


def _done(at: Mapping[str, float], rate: float) -> list[str]:
    place = ", ".join(f"{name} = {at[name]:g}" for name in ("w", "b", "x", "y"))
    return [
        (
            "One neuron computes `z = w*x + b` and `a = act(z)`. The library supplies the loss, the activation"
            " and their derived slopes, and the chain rule multiplies them. The product is compared with the"
            f" library's derivative of the composed loss: as formulas, and at {place} also with finite"
            f" differences at {DIGITS} digits and with the compiled code. Then comes one step of gradient"
            f" descent at a rate of {rate:g}."
        ),
    ]


def _table(links: Chain, found: Step, rate: float) -> Table:
    """The chain rule and one update, formula and number side by side."""
    from losscope.report import Table

    formulas = {
        "z": "w*x + b",
        "a": str(links.activated),
        "L": str(readable(links.loss)),
        "dL/da": str(readable(links.loss_slope)),
        "da/dz": str(links.activation_slope),
        "dz/dw": "x",
        "dL/dw": "dL/da * da/dz * x",
        "dL/db": "dL/da * da/dz",
        "new w": f"w - {rate:g}*dL/dw",
        "new b": f"b - {rate:g}*dL/db",
        "new a": "after the step",
        "new L": "after the step",
    }
    if links.activation == "sigmoid":
        formulas["dL/dw"] += f" = {after_cancelling(links.in_z, 'x')}"
    rows = [[name, formula, found[name]] for name, formula in formulas.items()]
    return Table(["quantity", "formula", "number"], rows, caption=f"One step under {links.name}")


def _chart(names: Sequence[str], target: float) -> Chart:
    """Gradient in the weighted input, and the slope of the activation beside it."""
    import numpy

    import losscope as ls
    from losscope.report import Chart, Line, Panel

    z = numpy.linspace(-6, 6, 481)
    lines, seen = [], []
    for name in names:
        loss = ls.get(name)
        lines.append(
            Line(
                z,
                loss.value_and_grad(z, numpy.full_like(z, target), reduction="none")[1],
                name.replace("@", " @ "),
            )
        )
        if loss.activation is not None and loss.activation.name not in seen:
            seen.append(loss.activation.name)
    slopes = [
        Line(z, ls.get(name).value_and_grad(z)[1], f"slope of {name}", style="reference") for name in seen
    ]
    panel = Panel(
        f"Gradient in z at target {target:g}",
        "weighted input z = w*x + b",
        "gradient (loss per unit of z)",
        [*lines, *slopes],
    )
    return Chart(
        [panel],
        caption=(
            "Where the activation is flat, a gradient that has its slope as a factor vanishes, however wrong"
            " the output is."
        ),
        name="gradient",
    )

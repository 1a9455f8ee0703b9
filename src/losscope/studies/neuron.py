"""Study 2: What gradient does one neuron get, and under which loss does the activation's slope stay in it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import sympy

import losscope as ls
from losscope.emit.latex import written
from losscope.expression.exponential import sigmoid
from losscope.report import Chart, Line, Panel, Table, name_of
from losscope.studies import verdict
from losscope.studies.chain import (
    DIGITS,
    Chain,
    after_cancelling,
    agreement,
    apart,
    chain,
    difference,
    is_zero,
    number,
    over_one_denominator,
    readable,
    slope_is_factor,
    symbols,
)  # fmt: skip
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.views import Record

SQUARED, CROSS = "half_squared_error@sigmoid", "binary_cross_entropy_of_probability@sigmoid"


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    loss: Annotated[tuple[str, ...], "loss@activation, one or more"] = (SQUARED, CROSS),
    weight: Annotated[float, Range(), "the weight w"] = 0.6,
    bias: Annotated[float, Range(), "the bias b"] = 0.9,
    input: Annotated[float, Range(), "the input x"] = 1.0,
    target: Annotated[float, Range(), "the target y"] = 0.0,
    learning_rate: Annotated[float, Range(0, above=True), "of the one update"] = 0.15,
) -> Result:  # fmt: skip
    """Derive, check and apply the gradients of one neuron under each loss."""
    at = {"w": weight, "b": bias, "x": input, "y": target}
    found: dict[str, tuple[Chain, Record]] = {}
    for done, name in enumerate(loss):
        progress(done / (len(loss) + 1), name)
        links = chain(name)
        found[links.name] = (links, step(links, at, learning_rate))
    squared, cross = chain(SQUARED), chain(CROSS)
    return Result(
        answer=say(
            "The gradient is slope of the loss times slope of the activation times input. Under squared error the slope"
            " a(1 - a) of a sigmoid stays in it, so that a neuron that is sure and wrong hardly learns; under cross-entropy"
            " the slope of the loss has the same a(1 - a) below the line, the two cancel, and x(a - y) is left."
        ),
        done=[say(
            "The library supplies loss, activation and their derived slopes; the chain rule multiplies them. The product is"
            " compared with the library's derivative of the composed loss as a formula, and at one point also with finite"
            " differences at 50 digits and with the compiled code. Then comes one step of gradient descent."
        )],
        claims=[
            product_of_three({name: agreement(links) for name, (links, _) in found.items()}),
            derived_right({name: each["apart"] for name, (_, each) in found.items()}),
            stays(squared.in_z),
            cancels(cross.in_z),
            same_for_the_bias(squared),
            half_does_not_matter(at, learning_rate),
        ],
        charts=[picture([links.name for links, _ in found.values()], target)],
        tables=[table(links, each, learning_rate) for links, each in found.values()],
        derivation=[line for links, _ in found.values() for line in derivation(links)],
        sources=[
            say("D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating errors"
                " (Nature, 1986), doi:10.1038/323533a0."),
            say("M. A. Nielsen, Neural Networks and Deep Learning, chapter 3 (2015), neuralnetworksanddeeplearning.com."),
        ],
        numbers={name: {"latex": latex_of(links), "step": each} for name, (links, each) in found.items()},
    )  # fmt: skip


def step(links: Chain, at: Mapping[str, float], rate: float) -> Record:
    """Follow the chain with numbers, take one step, and check both gradients by differences at 50 digits."""
    loss, activation = ls.get(links.name), ls.get(links.activation)
    z = at["w"] * at["x"] + at["b"]
    values: dict[str, Any] = {**at, "z": z, "a": float(activation([z])[0])}
    cost, slope = loss.value_and_grad([z], [at["y"]])  # an error here names an input out of the loss's domain
    found = {
        "dL/da": number(links.loss_slope, links, values),
        "da/dz": number(links.activation_slope, links, values),
    }
    found |= {"dL/dw": found["dL/da"] * found["da/dz"] * at["x"], "dL/db": found["dL/da"] * found["da/dz"]}
    library = {"w": float(slope[0]) * at["x"], "b": float(slope[0])}
    others = [(of, each) for of in ("w", "b") for each in (difference(links, values, of), library[of])]
    new = {"w": at["w"] - rate * found["dL/dw"], "b": at["b"] - rate * found["dL/db"]}
    after = new["w"] * at["x"] + new["b"]
    return {
        **values, "L": float(cost), **found, "dz/dw": at["x"], "new w": new["w"], "new b": new["b"],
        "new a": float(activation([after])[0]), "new L": float(loss([after], [at["y"]])),
        "apart": max(apart(found[f"dL/d{of}"], other) for of, other in others),
    }  # fmt: skip


def product_of_three(agreed: Mapping[str, str]) -> Claim:
    wrong = [name for name, how in agreed.items() if not how]
    shown = joined(
        [
            say("{name}: {how}", name=name_of(name), how=how or say("it differs"))
            for name, how in agreed.items()
        ]
    )
    return Claim(
        say("The gradient is a product of three: slope of the loss, slope of the activation, input."),
        DOES_NOT_HOLD if wrong else HOLDS,
        say("The chain rule says so. The product against the library's own derivative of the composed loss: {shown}.", shown=shown),
        "gradients",
    )  # fmt: skip


def derived_right(gaps: Mapping[str, float]) -> Claim:
    worst = max(gaps, key=lambda name: gaps[name])
    return Claim(
        say("The derived gradients are right."),
        HOLDS if gaps[worst] < 1e-12 else DOES_NOT_HOLD,
        say("At the point of the tables, the largest relative disagreement between formula, finite differences at {digits} digits and"
            " compiled code: {gap:.1g} ({name}).", digits=DIGITS, gap=at_most(gaps[worst]), name=name_of(worst)),
        "gradients",
    )  # fmt: skip


def stays(gradient: sympy.Expr) -> Claim:
    factor = slope_is_factor(gradient)
    return Claim(
        say("Squared error through a sigmoid: the slope of the sigmoid is a factor of the gradient."),
        HOLDS if factor else DOES_NOT_HOLD,
        say("As a function of the output the gradient in z is `{form}`; divided by `a*(1 - a)` it is finite at 0 and 1."
            if factor else "As a function of the output the gradient in z is `{form}`; divided by `a*(1 - a)` it has a pole.",
            form=after_cancelling(gradient)),
        "squared error",
    )  # fmt: skip


def cancels(gradient: sympy.Expr) -> Claim:
    s = symbols()
    left = is_zero(s["x"] * gradient - s["x"] * (sigmoid(s["z"]) - s["y"])) and not slope_is_factor(gradient)
    return Claim(
        say("Cross-entropy through a sigmoid: the slope cancels and leaves x(a - y)."),
        HOLDS if left else DOES_NOT_HOLD,
        say("`(a - y)/(a(1 - a))` times `a(1 - a)` is `a - y`, and SymPy simplifies the difference between dL/dw and"
            " x(a - y) to 0." if left else "SymPy does not simplify the difference between dL/dw and x(a - y) to 0."),
        "cross-entropy",
    )  # fmt: skip


def same_for_the_bias(links: Chain) -> Claim:
    x = symbols()["x"]
    same = {value: is_zero((links.gradient("w") - links.gradient("b")).subs(x, value)) for value in (1, 2)}
    return Claim(
        say("Weight and bias take the same step."),
        verdict.over({say("the input is 1"): HOLDS if same[1] else DOES_NOT_HOLD,
                      say("the input is not 1"): HOLDS if same[2] else DOES_NOT_HOLD}),
        say("dL/dw is x times dL/db: equal at x = 1, different at x = 2. The weight of an input of 0 does not learn at all."),
        "gradients",
    )  # fmt: skip


def half_does_not_matter(at: Mapping[str, float], rate: float) -> Claim:
    whole, half = (
        step(chain(f"{name}@sigmoid"), at, rate) for name in ("squared_error", "half_squared_error")
    )
    doubled = step(chain("half_squared_error@sigmoid"), at, 2 * rate)
    return Claim(
        say("In plain gradient descent the factor 1/2 before the squared error does not matter."),
        verdict.over({say("the learning rate is doubled with it"): HOLDS if apart(doubled["new w"], whole["new w"]) < 1e-12 else DOES_NOT_HOLD,
                      say("the learning rate stays"): HOLDS if apart(half["new w"], whole["new w"]) < 1e-12 else DOES_NOT_HOLD}),
        say("One step ends at w = {whole:.4f} without it, at {half:.4f} with it, and with it and twice the rate at {doubled:.4f}.",
            whole=whole["new w"], half=half["new w"], doubled=doubled["new w"]),
        "squared error",
    )  # fmt: skip


def latex_of(links: Chain) -> dict[str, str]:
    """Each link as LaTeX, and both gradients in their final form."""
    links_of = {"L": links.loss, "dL/da": links.loss_slope, "a": links.activated, "da/dz": links.activation_slope,
                "dL/dw": links.gradient("w"), "dL/db": links.gradient("b")}  # fmt: skip
    forms = {name: written(each) for name, each in links_of.items()}
    if links.activation == "sigmoid" and not links.loss.has(sympy.Piecewise):
        over = over_one_denominator(links.loss_slope)
        if sympy.denom(over) != 1:
            forms["one denominator"] = sympy.latex(over)
        forms["final dL/dw"] = sympy.latex(after_cancelling(links.in_z, "x"))
        forms["final dL/db"] = sympy.latex(after_cancelling(links.in_z))
    return forms


def derivation(links: Chain) -> list[str]:
    """The steps, one formula a paragraph, to the final form of both gradients."""
    form, d = latex_of(links), r"\frac{{\partial {0}}}{{\partial {1}}}".format
    lines = [
        say("**{name}.** The loss, the activation, and their slopes:", name=name_of(links.name)),
        f"$L = {form['L']}$",
        f"${d('L', 'a')} = {form['dL/da']}$",
        rf"$a = {form['a']}, \quad {d('a', 'z')} = {form['da/dz']}$",
        say(
            "The weighted input changes at rate x with the weight and at rate 1 with the bias, so by the chain rule:"
        ),
        rf"${d('L', 'w')} = {d('L', 'a')} \cdot {d('a', 'z')} \cdot x, \quad {d('L', 'b')} = {d('L', 'a')} \cdot {d('a', 'z')}$",
    ]
    if "final dL/dw" not in form:
        return [*lines, f"${d('L', 'w')} = {form['dL/dw']}$", f"${d('L', 'b')} = {form['dL/db']}$"]
    return [
        *lines,
        say("The slope of a sigmoid in terms of its output:"),
        rf"${d('a', 'z')} = \sigma(z)(1 - \sigma(z)) = a(1 - a)$",
        *([say("The slope of the loss over one denominator:"), f"${d('L', 'a')} = {form['one denominator']}$",
           say("Multiplied, and what is above and below the line cancelled:")]
          if "one denominator" in form else [say("Multiplied; nothing cancels:")]),
        f"${d('L', 'w')} = {form['final dL/dw']}$",
        f"${d('L', 'b')} = {form['final dL/db']}$",
    ]  # fmt: skip


def table(links: Chain, found: Record, rate: float) -> Table:
    """The chain rule and one update, formula and number side by side."""
    sigmoid = links.activation == "sigmoid"
    of_w, of_b = (f" = {after_cancelling(links.in_z, x)}" if sigmoid else "" for x in ("x", ""))
    formulas = {
        "z": "w*x + b", "a": str(links.activated), "L": str(readable(links.loss)), "dL/da": str(readable(links.loss_slope)),
        "da/dz": str(links.activation_slope), "dz/dw": "x", "dL/dw": f"dL/da * da/dz * x{of_w}", "dL/db": f"dL/da * da/dz{of_b}",
        "new w": f"w - {rate:g}*dL/dw", "new b": f"b - {rate:g}*dL/db", "new a": say("after the step"), "new L": say("after the step"),
    }  # fmt: skip
    rows = [[name, formula, found[name]] for name, formula in formulas.items()]
    caption = say("One step under {name}", name=name_of(links.name))
    return Table([say("quantity"), say("formula"), say("number")], rows, caption=caption)


def picture(names: list[str], target: float) -> Chart:
    """Gradient in the weighted input, and the slope of each activation beside it."""
    z = np.linspace(-6, 6, 481)
    lines = [
        Line(z, ls.get(name).value_and_grad(z, z * 0 + target, reduction="none")[1], name_of(name))
        for name in names
    ]
    acts = dict.fromkeys(
        each.activation.name for name in names if (each := ls.get(name)).activation is not None
    )
    lines += [
        Line(z, ls.get(name).value_and_grad(z)[1], say("slope of {name}", name=name), style="reference")
        for name in acts
    ]
    panel = Panel(say("Gradient at target {target:g}", target=target), say("weighted input z = w*x + b"),
                  say("gradient (loss per unit of z)"), lines)  # fmt: skip
    caption = say(
        "Where the activation is flat, a gradient that has its slope as a factor vanishes, however wrong the output is."
    )
    return Chart([panel], caption=caption, name="gradient")

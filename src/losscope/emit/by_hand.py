"""Derived formulas as people write them, in the score z, the target y and the output a = sigmoid(z) or p = softmax(z)_k.

What is computed keeps its digits, `(1 - target)*sigmoid(prediction) - target*sigmoid(-prediction)`; what a person writes
is `sigmoid(z) - y`. For reading, not for computing: the written forms cancel.
"""

from __future__ import annotations

import re
from typing import Any

import sympy

from losscope import structures
from losscope.derive import MARGIN, PREDICTION, RESIDUAL, TARGET
from losscope.emit.plain import plain
from losscope.emit.textbook import textbook
from losscope.expression import symbol
from losscope.expression.exponential import sigmoid, softplus
from losscope.expression.hyperbolic import sech2, tanh

KEPT = ("abs", "sign", "sigmoid", "maximum", "minimum")  # written as the language of formulas has them
ORDERS = ("value", "gradient", "curvature")
Z, Y, A, P = (symbol(name) for name in "zyap")


def by_hand(loss: Any) -> dict[str, str]:
    """Value, gradient and curvature, and "with": what the letters stand for.

    >>> import losscope as ls
    >>> by_hand(ls.bce)["gradient"], by_hand(ls.get("mse@sigmoid"))["gradient"], by_hand(ls.sigmoid)["gradient"]
    ('sigmoid(z) - y', '2*a*(1 - a)*(a - y)', 'a*(1 - a)')
    >>> by_hand(ls.cross_entropy)["value"], by_hand(ls.cross_entropy)["gradient"]
    ('-log(softmax(z)_k)', 'softmax(z) - onehot(k)')
    """
    if structures.get(loss.structure).variable == str(MARGIN):
        return _of_rows(loss)
    derived = loss._derived
    forms = [derived.value, derived.gradient, derived.curvature]
    output = _output(forms)
    if loss.activation is not None and derived.residual is not None:
        name, exponential = loss.activation.name, {sympy.exp(k * PREDICTION): A**k for k in (1, 2)}
        output = output if output and output[0] == name else (name, exponential if name == "exp" else {})
        forms = [each.subs(RESIDUAL, A - Y) for each in forms]  # whichever way the residual is computed
    if output is None:
        return dict(zip(ORDERS, map(_in_ordinary_words, forms)))
    name, rules = output
    if loss.judges == "nothing":
        rules = {of: how for of, how in rules.items() if not isinstance(of, softplus)}
    else:
        forms = [derived.expanded(order) if each.has(RESIDUAL) else each for order, each in enumerate(forms)]
    letters = {PREDICTION: Z, TARGET: Y}
    found = {
        order: _once(written(textbook(each.xreplace(rules), KEPT).subs(letters)), "a", f"{name}(z)")
        for order, each in zip(ORDERS, forms)
    }
    if loss.judges == "nothing":  # which says what it is
        found["value"] = written(textbook(forms[0], ()).subs(letters))
    text = " ".join(found.values())
    meant = {"z": "prediction", "y": "target", "a": f"{name}(z)"}
    return {
        **found,
        "with": ", ".join(
            f"{letter} = {what}"
            for letter, what in meant.items()
            if re.search(rf"\b{letter}\b", text) or letter == "z"
        ),
    }


def _in_ordinary_words(expression: Any) -> str:
    """log(cosh(r)) for log_cosh(r); as it is computed where that is shorter by far."""
    computed, ordinary = plain(expression), written(textbook(expression, KEPT))
    return ordinary if len(ordinary) <= 1.3 * len(computed) + 4 else computed


def _output(forms: list[Any]) -> tuple[str, dict[Any, Any]] | None:
    """Which function of the score the loss is best written in, and what the others are in it."""

    def has(*functions: Any) -> bool:
        return any(each.has(*functions) for each in forms)

    z, half = PREDICTION, PREDICTION / 2
    if has(sigmoid(z), sigmoid(-z), tanh(half)):
        rules = {sigmoid(z): A, sigmoid(-z): 1 - A, tanh(half): 2 * A - 1, sech2(half): 4 * A * (1 - A)}
        return "sigmoid", rules | {softplus(-z): -sympy.log(A), softplus(z): -sympy.log(1 - A)}
    if has(tanh(z), sech2(z)):
        return "tanh", {tanh(z): A, sech2(z): 1 - A**2}
    return None


def _of_rows(loss: Any) -> dict[str, str]:
    """Through a softmax dL/dz is a factor, the slope in the margin over 1 - p, times softmax(z) - onehot(k)."""
    rules = {sigmoid(-MARGIN): P, sigmoid(MARGIN): 1 - P, softplus(MARGIN): -sympy.log(P), softplus(-MARGIN): -sympy.log(1 - P)}  # fmt: skip
    value, slope, curvature = (
        textbook(loss._derived.expanded(order).xreplace(rules), KEPT) for order in range(3)
    )
    if any(each.has(MARGIN) for each in (value, slope, curvature)):
        margin = symbol("margin")
        return dict(zip(ORDERS, (written(each.subs(MARGIN, margin)) for each in (value, slope, curvature))))
    factor, row = sympy.simplify(slope / (1 - P)), "softmax(z) - onehot(k)"
    return {
        "value": _once(written(value), "p", "softmax(z)_k"),
        "gradient": row if factor == 1 else f"{_in_brackets(written(factor))}*({row})",
        "curvature": written(curvature),
        "with": "z = logits of a row, k = its class, p = softmax(z)_k; the curvature is that in z_k",
    }


def written(expression: Any) -> str:
    """The simplest of the forms that SymPy finds, its factors as people order and turn them: a*(1 - a)*(a - y).

    >>> written(-A * (A - 1) * (2 * A - 1)), written(A * (1 - Y) - Y * (1 - A))
    ('-a*(1 - a)*(1 - 2*a)', 'a - y')
    """
    texts = [_product(expression)]
    if not expression.has(sympy.Piecewise) and expression.has(A, P):
        texts += [_product(sympy.factor(expression)), _product(sympy.expand(expression))]
        if expression.has(sympy.log) and sympy.diff(expression, Y, 2) == 0:
            texts.append(_for_either_label(expression))
    # A power costs more than its length, and a product less: a*(1 - a) rather than a - a**2.
    return min(
        texts, key=lambda text: len(text) + 4 * text.count("**") + 3 * (" - " in re.sub(r"\(.*?\)", "", text))
    )


def _for_either_label(expression: Any) -> str:
    """y*(...) + (1 - y)*(...), each part a product."""
    one, other = (_product(sympy.factor(expression.subs(Y, label))) for label in (1, 0))
    parts = [
        f"{'-' * text.startswith('-')}{label}*{_as_factor(text.removeprefix('-'))}"
        for label, text in (("y", one), ("(1 - y)", other))
    ]
    return " + ".join(parts).replace("+ -", "- ")


def _as_factor(text: str) -> str:
    outside = re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "", text)
    return f"({text})" if " " in outside else text


def _product(expression: Any) -> str:
    """Number, letters, then brackets; a bracket begins with its number, or with the output."""
    if not expression.is_Mul and not expression.is_Pow:
        return plain(expression)
    number, factors = expression.as_coeff_mul()
    texts = []
    for factor in factors:
        base, power = (factor, sympy.S.One) if isinstance(factor, sympy.exp) else factor.as_base_exp()
        if power.is_Integer and base.is_Add and _backwards(base):
            number, base = number * (-1) ** power, -base
        if power.is_negative or not number.is_Integer:
            return plain(expression)
        text = f"({plain(base)})" if base.is_Add else plain(base)
        texts.append(text if power == 1 else f"{text}**{_in_brackets(plain(power))}")
    texts.sort(key=lambda text: (text.startswith("("), "(" in text))
    sign = "-" if number < 0 else ""
    return sign + "*".join([*([plain(abs(number))] if abs(number) != 1 else []), *texts])


def _backwards(total: Any) -> bool:
    """a - 1 or y - a, where a person writes 1 - a and a - y."""
    constant = total.as_coeff_Add()[0]
    return (
        bool(constant < 0) if len(total.free_symbols) == 1 else bool(constant == 0 and total.coeff(A) == -1)
    )


def _in_brackets(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+", text) else f"({text})"


def _once(text: str, letter: str, meaning: str) -> str:
    """A letter that occurs once is written out."""
    found = re.findall(rf"\b{letter}\b", text)
    return re.sub(rf"\b{letter}\b", meaning, text) if len(found) == 1 else text

"""What `test_growing` runs in a process of its own: the library with files added to four of its folders."""

import doctest
import io
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parent / "growing"
for name in ("structures", "kernels", "kernels.loops", "catalogue"):
    package = import_module(f"losscope.{name}")
    package.__path__.append(str(FOLDER / name.replace(".", "/")))

import losscope as ls  # noqa: E402
from losscope.cli import main  # noqa: E402
from losscope.structures import names  # noqa: E402

GROWN = ["bent_identity", "squashed", "generalized_cross_entropy", "dice"]
random = np.random.default_rng(0)


def batch(loss, dtype="float64", rows=6):
    p, t = random.uniform(0.05, 0.95, (2, rows, 37)).astype(dtype)
    return {
        "nothing": (p,),
        "numbers": (p, t),
        "classes": (p, random.integers(0, 37, rows)),
        "sets": (p, t),
    }[loss.judges]


def listed():
    assert set(GROWN) <= {*ls.losses(), *ls.activations()}
    assert "overlap" in names()
    assert ls.get("squashed_error") == ls.squashed


def described():
    """`help`, its example, `show`, facts, LaTeX, a plot."""
    for name in GROWN:
        loss = ls.get(name)
        text = loss.__doc__
        assert all(each in text for each in (loss.entry.summary, "Shapes:", "Exactness:")), text
        found = doctest.DocTestParser().get_examples(text)
        assert len(found) == 2
        exec("\n".join(each.source for each in found), {})
        assert loss.facts.nonnegative or loss.judges == "nothing"
        assert all(loss.latex(order) for order in range(3))
        assert len(loss.plot(span=(0.1, 0.9)).panels) == 3
        out, sys.stdout = sys.stdout, io.StringIO()
        try:
            assert main(["show", name]) == 0
            shown = sys.stdout.getvalue()
        finally:
            sys.stdout = out
        assert all(each in shown for each in (name, "shapes"))


def right():
    """The value of each, written down by hand, and its gradient by central differences; float32 beside float64."""
    p, t = batch(ls.dice)
    i, s = (p * t).sum(-1), (p + t).sum(-1)
    np.testing.assert_allclose(ls.dice(p, t, reduction="none"), 1 - (2 * i + 1) / (s + 1), rtol=1e-14)
    np.testing.assert_allclose(ls.squashed(p, t), (np.tanh(p - t) ** 2).mean(), rtol=1e-13)
    z, k = batch(ls.generalized_cross_entropy)
    share = np.exp(z)[np.arange(6), k] / np.exp(z).sum(-1)
    np.testing.assert_allclose(
        ls.generalized_cross_entropy(z, k), ((1 - share**0.7) / 0.7).mean(), rtol=1e-13
    )
    for name in GROWN[1:]:
        loss = ls.get(name)
        first, *rest = batch(loss)
        weight = np.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0])
        if loss.judges == "numbers":
            weight = np.repeat(weight[:, None], 37, 1)
        _, gradient = loss.value_and_grad(first, *rest, weight=weight)
        for at in [(0, 0), (1, 36), (2, 5), (5, 17)]:
            step = np.zeros_like(first)
            step[at] = 1e-6
            slope = (
                loss(first + step, *rest, weight=weight) - loss(first - step, *rest, weight=weight)
            ) / 2e-6
            np.testing.assert_allclose(gradient[at], slope, rtol=1e-6, atol=1e-9)
        single = loss.value_and_grad(
            first.astype("float32"),
            *(each.astype("float32") if each.dtype.kind == "f" else each for each in rest),
        )
        double = loss.value_and_grad(first, *rest)
        np.testing.assert_allclose(single[0], double[0], rtol=1e-5)
        np.testing.assert_allclose(single[1], double[1], rtol=1e-4, atol=1e-7)


def tensors():
    """Of tensors the same, differentiable, with every reduction."""
    for name in GROWN:
        loss = ls.get(name)
        arguments = batch(loss, "float32")
        for reduction in ("mean", "sum", "none") if loss.judges != "nothing" else ("none",):
            z, *rest = map(torch.tensor, arguments)
            z.requires_grad_()
            value = loss(z, *rest, reduction=reduction)
            expected = loss.value_and_grad(*arguments, reduction=reduction)
            value.sum().backward()
            np.testing.assert_allclose(value.detach().numpy(), expected[0], rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(z.grad.numpy(), expected[1], rtol=1e-5, atol=1e-8)


def refused():
    """Bad input is an error of the library, as for every loss."""
    for call, words in [
        (lambda: ls.dice([0.5], [0.5, 1.0]), "differ in shape"),
        (lambda: ls.dice([[0.5]], [[2.0]]), "target[0, 0]"),
        (lambda: ls.dice.value_grad_curvature([[0.5]], [[1.0]]), "no curvature"),
        (lambda: ls.dice.through("sigmoid"), "its own way"),
        (lambda: ls.dice(np.zeros((0, 3)), np.zeros((0, 3))), "mean of nothing"),
    ]:
        with pytest.raises(ls.LossError, match=re.escape(words)):
            call()


def combined():
    """What is new goes together with what is there, and is as exact as it."""
    assert ls.get("squashed:c=2@sigmoid").name == "squashed:c=2@sigmoid"
    assert ls.squared_error.through("bent_identity")([0.0], [1.0]) == 1.0
    for name in GROWN:
        assert ls.get(name).certificate.exact, ls.get(name).certificate
    tversky = ls.define("tversky", "a*(s - 2*i)/(i + a*(s - 2*i))", structure="overlap", a=0.5)
    assert tversky([[1.0, 0.0]], [[1.0, 0.0]]) == 0.0


for part in (listed, described, right, tensors, refused, combined):
    part()
    print(part.__name__)

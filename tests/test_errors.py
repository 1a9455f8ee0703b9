"""Bad input is an error that says what, where, got, expected, next step; never a traceback of NumPy or of the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import ModuleType

import numpy as np
import pandas
import pytest
import torch

import losscope as ls
from conftest import ALL, ELEMENTWISE, LOSSES, batch, beside, derivatives

nan, inf = float("nan"), float("inf")
X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 5.0])
LOGITS = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])


def refused(call: Callable[[], object], *words: str, kind: type = ls.LossError) -> str:
    """The text of the LossError that a call raises; every one of `words` stands in it."""
    with pytest.raises(ls.LossError) as caught:
        call()
    text = str(caught.value)
    assert isinstance(caught.value, kind), type(caught.value)
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"
    return text


# --- shapes


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_column_against_a_vector(name: str) -> None:
    """The classic: (N, 1) against (N,) broadcasts to N x N everywhere else."""
    loss = ls.get(name)
    prediction, target = (np.full(4, 0.5), np.ones(4))
    for order in (loss, loss.value_and_grad, loss.value_grad_curvature, loss.total):
        refused(
            lambda order=order: order(prediction[:, None], target),
            "prediction (4, 1), target (4,)", "broadcasting would have made (4, 4)", "prediction.squeeze(-1)",
        )  # fmt: skip
        refused(lambda order=order: order(prediction, target[:, None]), "target.squeeze(-1)")


@pytest.mark.parametrize(
    ("prediction", "target", "hint"),
    [
        ((3, 4), (3,), "cross_entropy, or losscope.one_hot(target, 4)"),
        ((3, 4), (4, 3), "target.reshape((3, 4))"),
        ((3,), (4,), "they do not even broadcast"),
        ((3,), (), "broadcasting would have made (3,)"),
        ((), (1,), "target.squeeze(-1)"),
    ],
)
def test_shapes_that_differ_say_how_to_mend_it(prediction: tuple, target: tuple, hint: str) -> None:
    refused(
        lambda: ls.mse(np.zeros(prediction), np.zeros(target)),
        f"prediction {prediction}, target {target}", "Expected: the same shape", hint,
    )  # fmt: skip


def test_softmax_shapes() -> None:
    fits_neither = "target fits neither as class indices nor as rows of probabilities"
    refused(lambda: ls.ce(LOGITS, [0, 1, 2]), fits_neither, "(2, 3)", "(3,)", "target (2,) of class indices")
    refused(lambda: ls.ce(LOGITS, [[0], [1]]), fits_neither, "Use target.squeeze(-1)")
    refused(lambda: ls.ce(np.zeros((2, 3, 5)), np.zeros((2, 5), int)), "numpy.moveaxis(prediction, 1, -1)")
    refused(lambda: ls.ce(1.0, 0), "a row of logits, one per class, along its last axis", "shape ()")
    refused(lambda: ls.ce(np.zeros((2, 0)), [0, 0]), "along its last axis", "(2, 0)")
    refused(lambda: ls.kl_divergence(0.5, 0.5), "summed over the last axis", "(classes,)")


# --- what is no array of numbers

NO_NUMBERS = {
    "strings": (["a", "b", "c"], "<U1"),
    "complex": (X + 1j, "complex128"),
    "objects": ([None, 1, 2], "object"),
    "dates": (np.array(["2020-01-01"] * 3, "M8[D]"), "datetime64"),
    "a dictionary": ({1: 2}, "object"),
    "long double": (X.astype("longdouble"), "Use prediction.astype('float64')"),
    "other byte order": (X.astype(">f8"), "Use prediction.astype('float64')"),
}


@pytest.mark.parametrize(("value", "words"), NO_NUMBERS.values(), ids=list(NO_NUMBERS))
def test_what_is_no_array_of_real_numbers(value: object, words: str) -> None:
    for loss in (ls.mse, ls.cross_entropy, ls.sigmoid):
        arguments = [] if loss is ls.sigmoid else [[0, 1, 2]]
        refused(
            lambda loss=loss, arguments=arguments: loss(value, *arguments),
            "prediction is not an array of real numbers", words, "float32, float64", kind=ls.LossTypeError,
        )  # fmt: skip
    if "prediction" not in words:
        refused(lambda: ls.mse(X, value), "target is not an array of real numbers", words, kind=TypeError)
        refused(lambda: ls.mse(X, Y, weight=value), "weight is not an array of real numbers", words)


@pytest.mark.parametrize("gap", [None, pandas.NA, pandas.NaT])
def test_a_gap_in_a_list_is_named_and_left_out(gap: object) -> None:
    refused(lambda: ls.mse(X, [1.0, gap, 2.0]), f"target[1] is {gap!r}", "NaN, with a weight of 0")
    refused(lambda: ls.mse(X, Y, weight=[True, True, gap]), f"weight[2] is {gap!r}", "number: 0 in its place")
    assert ls.mse(X, [*Y[:2], nan], weight=[1, 1, 0]) == ls.mse(X[:2], Y[:2])


def test_ragged_rows() -> None:
    refused(
        lambda: ls.mse([[1], [2, 3]], Y), "prediction", "its rows differ in length", kind=ls.LossTypeError
    )


@pytest.mark.parametrize("name", LOSSES)
def test_a_missing_target_or_prediction(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 3)
    for order in (loss, loss.value_and_grad, loss.value_grad_curvature, loss.total):
        refused(lambda order=order: order(prediction), "target is missing", "prediction, then target")
        refused(lambda order=order: order(None, target), "prediction is missing", kind=ls.LossTypeError)


def test_a_mask_is_not_silently_dropped() -> None:
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    refused(lambda: ls.mse(masked, Y), "prediction is a masked array", "prediction.compressed()", "weight")
    refused(lambda: ls.mse(Y, Y, weight=masked), "weight is a masked array", "Use weight.filled(0)")


def test_a_list_is_read_while_another_thread_imports_masked_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy.ma", ModuleType("numpy.ma"))  # as far as it has come
    assert ls.mse([1.0, 2.0], [0.0, 2.0]) == 0.5


def test_an_array_like_that_refuses() -> None:
    class Stubborn:
        def __array__(self, *arguments: object, **options: object) -> np.ndarray:
            raise RuntimeError("not now")

    refused(lambda: ls.mse(Stubborn(), Y), "prediction", "not now", "Stubborn", kind=ls.LossTypeError)


# --- domains

STRAYS = {
    "probability": (1.2, "between 0 and 1"), "count": (-1.0, "a count: 0 or more"), "label": (2.0, "0 or 1"),
    "sign": (0.0, "-1 or 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if ls.get(n).entry.target.name in STRAYS])
def test_a_target_out_of_its_domain(name: str) -> None:
    loss = ls.get(name)
    wrong, words = STRAYS[loss.entry.target.name]
    prediction, target = batch(loss, 6)
    place = "[4, 0]" if target.ndim == 2 else "[4]"
    target[(4, 0) if target.ndim == 2 else 4] = wrong
    for order in (loss, loss.value_and_grad, loss.value_grad_curvature, loss.total):
        refused(lambda order=order: order(prediction, target), f"target{place} is out of its domain", f"Got: {wrong}.", words)  # fmt: skip


def test_the_first_of_several_strays_in_a_large_batch() -> None:
    """Far beyond one block, in the part of another thread."""
    prediction, target = np.zeros(300_000), np.zeros(300_000)
    target[[170_001, 250_000]] = -0.5
    refused(lambda: ls.bce(prediction, target), "target[170001]", "Got: -0.5 (and 1 more)", "between 0 and 1")
    refused(lambda: ls.hinge(prediction, target), "(and 299999 more)", "2*target - 1")


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if ls.get(n).entry.prediction.name == "probability"])
@pytest.mark.parametrize("wrong", [1.2, -0.1, inf])
def test_a_prediction_that_is_no_probability(name: str, wrong: float) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 6)
    place = "[3, 1]" if target.ndim == 2 else "[3]"
    prediction[(3, 1) if target.ndim == 2 else 3] = wrong
    refused(lambda: loss(prediction, target), f"prediction{place}", f"Got: {wrong}", "between 0 and 1", "raw scores (logits)")  # fmt: skip


def test_labels_of_the_other_convention() -> None:
    refused(lambda: ls.bce([0.5, -0.5], [1.0, -1.0]), "target[1]", "(target + 1)/2")
    refused(lambda: ls.hinge([0.5, -0.5], [1.0, 0.0]), "target[1]", "2*target - 1")
    refused(lambda: ls.bce(0.5, 2.0), "target is out of its domain", "Got: 2.0")


# --- classes


@pytest.mark.parametrize("wrong", [3, 7, -1, -101, 2**62])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_class_index_out_of_range(wrong: int, smoothing: float) -> None:
    refused(
        lambda: ls.ce(LOGITS, [0, wrong], label_smoothing=smoothing),
        "target[1] is no class", f"Got: {wrong}.", "0 to 2, or ignore_index (-100)",
    )  # fmt: skip


def test_classes_counted_from_one_and_single_rows() -> None:
    refused(lambda: ls.ce(LOGITS, [3, 1]), "target[0]", "subtract 1")
    refused(lambda: ls.ce(LOGITS[0], 7), "target is no class", "Got: 7")
    refused(lambda: ls.ce(LOGITS, [0, -100], ignore_index=-1), "target[1]", "ignore_index (-1)")
    refused(lambda: ls.ce(LOGITS, np.array([0, 2**64 - 100], "uint64")), "target[1]", str(2**64 - 100))


@pytest.mark.parametrize("target", [[0.0, 1.0], [True, False]])
def test_class_indices_that_are_no_integers(target: list) -> None:
    refused(lambda: ls.ce(LOGITS, target), "class indices of an integer dtype", "target.astype('int64')", kind=TypeError)  # fmt: skip


def test_rows_that_are_no_distribution() -> None:
    refused(lambda: ls.ce(LOGITS, [[0.5, 0.5, 0.0], [0.5, 0.2, 0.2]]), "target[1] does not sum to 1", "Got: 0.9", "keepdims=True")  # fmt: skip
    refused(
        lambda: ls.ce(LOGITS, [[0.5, 0.5, 0.0], [1.5, -0.5, 0.0]]),
        "target[1, 0]",
        "Got: 1.5",
        "probabilities",
    )


@pytest.mark.parametrize("wrong", [1.5, -0.1, nan, "a", None])
def test_label_smoothing(wrong: object) -> None:
    refused(
        lambda: ls.ce(LOGITS, [0, 1], label_smoothing=wrong), "label_smoothing", str(wrong), "between 0 and 1"
    )


@pytest.mark.parametrize("wrong", [None, 1.5, "a", True])
def test_ignore_index(wrong: object) -> None:
    refused(
        lambda: ls.ce(LOGITS, [0, 1], ignore_index=wrong), "ignore_index must be a whole number", repr(wrong)
    )


@pytest.mark.parametrize("far", [2**63, -(2**63) - 1])
def test_an_ignore_index_of_64_bits(far: int) -> None:
    refused(lambda: ls.ce(LOGITS, [0, 1], ignore_index=far), "ignore_index does not fit in 64 bits", str(far))


def test_options_of_numpy_types_are_taken() -> None:
    expected = ls.ce(LOGITS, [0, -7], label_smoothing=0.25, ignore_index=-7)
    assert ls.ce(LOGITS, [0, -7], label_smoothing=np.float32(0.25), ignore_index=np.int32(-7)) == expected


# --- weights


@pytest.mark.parametrize("name", LOSSES)
def test_weights(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 3)
    each = "row" if prediction.ndim == 2 else "element"

    def call(weight: object) -> Callable[[], object]:
        return lambda: loss(prediction, target, weight=weight, **beside(loss, 3))

    refused(call([1, -1, 2]), "weight[1] is out of its domain", "Got: -1", "finite and 0 or more")
    refused(call([1, 2, inf]), "weight[2]", "Got: inf", "finite")
    refused(call([1, 2]), f"one number per {each}", "shape (2,)", "shape (3,)")
    refused(call([[1], [2], [3]]), f"one number per {each}", "shape (3, 1)", "shape (3,)")
    refused(call(2.0), f"one number per {each}", "shape ()", "leave it out")


def test_class_weights() -> None:
    refused(lambda: ls.ce(LOGITS, [0, 1], class_weight=[1, 2]), "one number per class", "(2,)", "(3,)")
    refused(lambda: ls.ce(LOGITS, [0, 1], class_weight=[1, -2, 1]), "[1]", "Got: -2", "0 or more")


# --- names and parameters


def test_unknown_names() -> None:
    refused(lambda: ls.get("hubr"), "There is no loss named 'hubr'", "Did you mean 'huber'?", "losscope list")
    refused(lambda: ls.get("xyzzy"), "There is no loss named 'xyzzy'. losscope list shows all.")
    refused(lambda: ls.get(""), "There is no loss named ''")
    refused(lambda: ls.get(3), "must be text", "Got: 3")
    refused(lambda: ls.get("mse@sigmod"), "There is no activation named 'sigmod'", "Did you mean 'sigmoid'?")
    refused(lambda: ls.get("mse@mse"), "There is no activation named 'mse'")
    refused(lambda: ls.get("huber:delta"), "'delta' in 'huber:delta' is not a setting", "name=value")
    refused(lambda: ls.get("mse, mae"), "' mae' in 'mse, mae' is not a setting", "with spaces")
    refused(lambda: ls.get("mse,"), "'' in 'mse,' is not a setting", "with spaces")
    refused(lambda: ls.get("huber:delta=abc"), "delta must be a number", "'abc'")
    with pytest.raises(AttributeError, match=r"no attribute 'hubr'. Did you mean 'huber'\?"):
        ls.hubr  # noqa: B018
    code = "import losscope; losscope.hubr"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
    assert shown.count("Did you mean") == 1
    assert not hasattr(ls, "__wrapped__")


def test_unknown_parameters() -> None:
    refused(lambda: ls.huber(X, Y, detla=2), "huber has no parameter 'detla'", "Did you mean 'delta'?")
    refused(
        lambda: ls.mse(X, Y, delta=2),
        "squared_error has no parameter 'delta'",
        "Expected: none",
        "Leave it out",
    )
    refused(lambda: ls.mse.bind(delta=2), "no parameter 'delta'")
    refused(
        lambda: ls.ce(LOGITS, [0, 1], class_weigth=[1, 1, 1]), "Did you mean 'class_weight'?", "ignore_index"
    )
    refused(lambda: ls.mse.through("leaky_relu", slop=1), "no parameter 'slop'", "'slope'")


@pytest.mark.parametrize("name", ALL)
def test_a_parameter_no_loss_has(name: str) -> None:
    loss = ls.get(name)
    arguments = batch(loss, 2)[: 1 if loss.structure == "activation" else 2]
    refused(lambda: loss(*arguments, nonsense=1), f"{name} has no parameter 'nonsense'")


@pytest.mark.parametrize("wrong", [0, -1, nan, inf, 1e400])
def test_a_parameter_out_of_its_domain(wrong: float) -> None:
    for call in (lambda: ls.huber(X, Y, delta=wrong), lambda: ls.huber.bind(delta=wrong)):
        refused(call, "delta is out of its domain", f"Got: {wrong}", "a finite number, more than 0")


NO_REAL_NUMBERS = [
    "a", "1", b"1", None, [1, 2], [1], True, np.bool_(True), torch.tensor(True), 1j, np.complex128(1), Decimal("1.1"),
    np.timedelta64(5, "ns"), np.array("1"), np.array([1.0]),
]  # fmt: skip
BEYOND = [10**400, -(10**400), 10**5000, Fraction(10**5000), Fraction(10**5000, 3)]


@pytest.mark.parametrize("wrong", [*NO_REAL_NUMBERS, *BEYOND], ids=lambda each: type(each).__name__)
def test_a_parameter_that_is_no_number(wrong: object) -> None:
    """One rule, wherever it is given."""
    beyond = any(wrong is each for each in BEYOND)
    says = ["a number that a float holds", "a finite number"] if beyond else ["an int, a float, a Fraction"]
    for call in (lambda: ls.huber(X, Y, delta=wrong), lambda: ls.huber.bind(delta=wrong)):
        assert len(refused(call, "delta must be a number", *says)) < 250
    text = refused(lambda: ls.define("mine", "c*r**2", c=wrong), "The default of c must be a number", *says)
    assert len(text) < 250


@pytest.mark.parametrize(
    "number",
    [2, 1.5, Fraction(3, 2), np.float16(1.5), np.float32(1.5), np.longdouble(1.5), np.uint8(3), np.int64(2), np.array(1.5),
     np.array(2), torch.tensor(1.5), torch.tensor(2)],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_every_real_number_is_a_parameter(number: object) -> None:
    expected = ls.huber(X, Y, delta=float(number))
    assert ls.huber(X, Y, delta=number) == ls.huber.bind(delta=number)(X, Y) == expected
    assert ls.define("mine", "c*r**2", c=number).parameters["c"] == float(number)


def test_a_whole_number_of_thousands_of_digits_is_told_in_words() -> None:
    """Python refuses to write it out."""
    far = 10**5000
    for call in (
        lambda: ls.get(far), lambda: ls.mse(X, Y, reduction=far), lambda: ls.ce(LOGITS, [0, 1], ignore_index=far),
        lambda: ls.ce.bind(ignore_index=far), lambda: ls.ce(LOGITS, [0, 1], label_smoothing=far), lambda: ls.set_num_threads(far),
        lambda: ls.mse.latex(far), lambda: ls.mse.through(far), lambda: ls.entropy([0.5, 0.5], base=-far),
    ):  # fmt: skip
        refused(call, "a whole number of some 5,001 digits")


def test_numbers_behind_a_name_are_read_as_they_stand() -> None:
    assert ls.get("ce:ignore_index=9007199254740993").options == {"ignore_index": 9007199254740993}
    assert ls.get("huber:delta=1.5e0").parameters == {"delta": 1.5}
    refused(lambda: ls.get("huber:delta=" + "9" * 5000), "delta is out of its domain")


@pytest.mark.parametrize("number", [1e39, 1e300, 1e-39, 1e-300])
@pytest.mark.parametrize("name", [name for name in ALL if ls.get(name).parameters])
def test_a_parameter_that_float32_does_not_hold(name: str, number: float) -> None:
    """What the domain allows is computed in float64, where every number is held; in float32 it would be another."""
    loss = ls.get(name)
    arguments = batch(loss, 3)[: 1 if loss.judges == "nothing" else 2]
    for parameter in loss.parameters:
        try:
            bound = loss.bind(**{parameter: number})
        except ls.LossError:
            continue  # out of its domain
        bound(*arguments, **beside(loss, 3))
        for kind in (np.asarray, torch.as_tensor):
            single = lambda each: kind(each.astype("float32") if each.dtype.kind == "f" else each)  # noqa: B023
            named = {key: single(each) for key, each in beside(loss, 3).items()}
            call = partial(bound, *map(single, arguments), **named)
            refused(call, f"{parameter} is a number that float32 does not hold", "float64")


def test_parameters_say_their_domain() -> None:
    refused(lambda: ls.pinball(X, Y, quantile=1), "quantile", "strictly between 0 and 1")
    refused(lambda: ls.smooth_l1(X, Y, beta=-1), "beta", "0 or more")
    refused(lambda: ls.leaky_relu(X, slope=-1), "slope", "0 or more")


@pytest.mark.parametrize("wrong", ["avg", "total", None, 3, np.array([1, 2])])
@pytest.mark.parametrize("name", ["mse", "cross_entropy"])
def test_unknown_reduction(name: str, wrong: object) -> None:
    prediction, target = (X, Y) if name == "mse" else (LOGITS, [0, 1])
    refused(
        lambda: ls.get(name)(prediction, target, reduction=wrong),
        "Unknown reduction",
        "'mean' or 'sum' or 'none'",
    )


@pytest.mark.parametrize("name", LOSSES)
def test_empty_input(name: str) -> None:
    loss = ls.get(name)
    prediction, target = batch(loss, 2)
    rest = {name: each[:0] for name, each in beside(loss, 2).items()}
    for order in (loss, loss.value_and_grad, loss.value_grad_curvature):
        refused(lambda order=order: order(prediction[:0], target[:0], **rest), "the input is empty", "shape (0", 'reduction="sum"')  # fmt: skip


# --- out


def test_out_that_does_not_fit() -> None:
    def into(
        out: object, prediction: np.ndarray = X, weight: np.ndarray | None = None
    ) -> Callable[[], object]:
        return lambda: ls.mse.value_and_grad(prediction, Y, weight=weight, out=out)

    fixed = np.empty(3)
    fixed.flags.writeable = False
    refused(into([0, 0, 0]), "out must be a NumPy array", "list", kind=ls.LossTypeError)
    refused(into(np.empty(4)), "out does not fit", "shape (4,)", "shape (3,), float64")
    refused(into(np.empty(3, "f4")), "float32", "numpy.empty((3,), 'float64')")
    refused(into(np.empty(6)[::2]), "contiguous False")
    refused(into(fixed), "writable False")
    refused(into(X), "out overlaps an input")
    room = np.zeros(5)
    refused(into(room[1:4], prediction=room[:3]), "out overlaps an input")
    weight = np.ones(3)
    refused(into(weight, weight=weight), "out overlaps an input")
    for loss in (ls.bce, ls.mse, ls.huber):
        for dtype in ("float16", "float32", "float64"):
            p, y, w = (np.full((6, 4), 0.25, dtype) for _ in range(3))
            for each in (p, y, w):
                refused(partial(loss.value_and_grad, p, y, weight=w, out=each), "out overlaps an input")
    logits, classes = np.zeros((4, 4), "float16"), np.zeros(4, int)
    refused(
        lambda: ls.cross_entropy.value_and_grad(logits, classes, class_weight=logits[0], out=logits),
        "out overlaps",
    )
    for dtype in ("float16", "float32", "float64"):
        p, memory = np.full(4, 0.5, dtype), np.ones(4, dtype)
        holders = [
            torch.from_numpy(memory),
            memoryview(memory),
            pandas.Series(memory, copy=False),
            [memory[:2], memory[2:]],
        ]
        for holder in holders:
            p = np.reshape(p, np.shape(holder))
            out = memory.reshape(p.shape)
            refused(partial(ls.mse.value_and_grad, p, holder, out=out), "out overlaps an input")
            refused(partial(ls.mse.value_and_grad, p, p.copy(), weight=holder, out=out), "out overlaps")
        delta = memory[:1].reshape(())
        into_itself = partial(ls.huber.value_and_grad, p.ravel(), p.ravel() + 1, delta=delta, out=memory)
        refused(into_itself, "out overlaps")
    assert X.tolist() == [1, 2, 3]
    refused(into(np.zeros(3, int), prediction=np.array([1, 2, 3])), "int64", "float64")
    rows = ls.one_hot([0, 1], 3)
    refused(lambda: ls.ce.value_and_grad(LOGITS, rows, out=rows), "out overlaps an input")


def test_out_for_whole_numbers_is_floating() -> None:
    out = np.empty(3)
    _, gradient = ls.mse.value_and_grad(np.array([1, 2, 3]), np.array([0.5, 0.25, 0.125]), out=out)
    assert gradient is out
    np.testing.assert_allclose(out, np.array([1.0, 3.5, 5.75]) / 3)


# --- activations


def test_activations_take_a_score_alone() -> None:
    refused(
        lambda: ls.sigmoid(X, Y), "sigmoid is an activation", "no target", "squared_error.through('sigmoid')"
    )
    refused(lambda: ls.sigmoid.value_and_grad(X, Y), "no target")
    refused(lambda: ls.sigmoid(X, weight=X), "without weight or reduction")
    refused(lambda: ls.sigmoid(X, reduction="sum"), "without weight or reduction")
    refused(lambda: ls.sigmoid.total(X, Y), "sigmoid is an activation", "no total")
    refused(lambda: ls.sigmoid(None), "prediction is missing")
    assert ls.leaky_relu([-2.0], slope=0.5).tolist() == [-1.0]
    assert ls.leaky_relu.value_and_grad([-2.0], slope=0.5)[1].tolist() == [0.5]


def test_through() -> None:
    refused(
        lambda: ls.bce.through("sigmoid"), "already contains the sigmoid", "Use binary_cross_entropy as it is"
    )
    refused(lambda: ls.get("poisson@exp"), "already contains the exp")
    refused(lambda: ls.get("bce_of_probability@tanh"), "tanh gives any real number", "Known to fit: sigmoid")
    refused(
        lambda: ls.mse.through("sigmoid").through("tanh"),
        "squared_error already goes through sigmoid",
        "once",
    )
    refused(lambda: ls.cross_entropy.through("sigmoid"), "cross_entropy", "Only an elementwise loss")
    refused(lambda: ls.sigmoid.through("tanh"), "Only an elementwise loss")
    refused(lambda: ls.mse.through(ls.huber), "huber is not an activation", "Known: identity, sigmoid")
    refused(lambda: ls.mse.through(None), "must be text", "None")


ROWS = [[0.2, 0.3, 0.5]]


@pytest.mark.parametrize("name", ["kl_divergence", "cross_entropy_of_probability"])
def test_rows_that_are_no_probabilities(name: str) -> None:
    """What they may be instead: logits, log-probabilities, amounts."""
    loss = ls.get(name)
    refused(lambda: loss([[2.0, -1.0, 0.3]], ROWS), "prediction[0, 0]", "logits", "softmax(prediction, -1)")
    refused(lambda: loss(ROWS, [[2.0, -1.0, 0.3]]), "target[0, 0]", "logits", "softmax(target, -1)")
    refused(lambda: loss(np.log(ROWS), ROWS), "prediction[0, 0]", "log-probabilities", "exp(prediction)")
    refused(lambda: loss(ROWS, [[2.0, 3.0, 5.0]]), "target[0, 0]", "target/target.sum(-1, keepdims=True)")


def test_the_generalised_divergence_is_of_any_rows_and_says_so() -> None:
    assert ls.kl_divergence([[0.1, 0.3]], [[0.2, 0.2]]) == pytest.approx(
        0.2 * np.log(2) + 0.2 * np.log(2 / 3)
    )
    assert "generalised" in ls.kl_divergence.__doc__


# --- information


def test_entropy_and_one_hot() -> None:
    refused(lambda: ls.entropy([1.2, -0.2]), "p[0] is", "Got: 1.2", "between 0 and 1")
    refused(lambda: ls.entropy([0.5, 0.2]), "p does not sum to 1", "0.7")
    refused(lambda: ls.entropy(0.5), "along its last axis", "shape ()")
    refused(lambda: ls.entropy([0.5, 0.5], base=1), "base is out of its domain", "other than 1")
    for base in (0, -2, inf, nan, "2", None):
        refused(lambda base=base: ls.entropy([0.5, 0.5], base=base), "base is out of its domain", str(base))
    assert ls.entropy([0.5, 0.5], base=np.float32(2)) == 1
    refused(lambda: ls.one_hot([0, 3], 3), "index[1] is no class", "Got: 3", "0 to 2")
    refused(lambda: ls.one_hot(-1, 3), "index is no class", "Got: -1")
    refused(lambda: ls.one_hot([0.5], 3), "integer dtype", "float64", kind=ls.LossTypeError)
    for classes in (0, -1, 2.5, True, "3", None):
        refused(
            lambda classes=classes: ls.one_hot([0], classes), "classes must be a whole number", repr(classes)
        )
    refused(lambda: ls.one_hot([0], 3, dtype="nonsense"), "dtype", "nonsense", kind=ls.LossTypeError)
    assert ls.one_hot([1], np.int64(2), "float32").tolist() == [[0, 1]]


# --- threads


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", None, True])
def test_number_of_threads(wrong: object) -> None:
    refused(
        lambda: ls.set_num_threads(wrong),
        "number of threads must be a whole number",
        repr(wrong),
        "1 to 1,024",
    )


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5"])
def test_number_of_threads_in_the_environment(wrong: str) -> None:
    code = "import losscope\ntry: losscope.get_num_threads()\nexcept losscope.LossError as e: print(e)"
    env = {**os.environ, "LOSSCOPE_NUM_THREADS": wrong}
    told = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout
    assert "LOSSCOPE_NUM_THREADS must be a whole number" in told
    assert repr(wrong) in told


def test_errors_are_value_errors_and_type_errors() -> None:
    assert issubclass(ls.LossError, ValueError)
    assert issubclass(ls.LossTypeError, ls.LossError)
    assert issubclass(ls.LossTypeError, TypeError)


# --- what NumPy is told to say of a user's own numbers


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("name", ALL)
def test_numpys_error_state_changes_nothing(name: str, dtype: str) -> None:
    """Tiny weights, slopes too small for a half: NumPy, told to raise, would in every conversion."""
    loss = ls.get(name)
    scores, target = batch(loss, 3, dtype=dtype)
    if loss.entry.prediction.name == "real":
        scores *= 8
    arguments = (scores,) if loss.judges == "nothing" else (scores, target)
    weight = {} if loss.judges == "nothing" else {"weight": np.array([1e-300, 1e-30, 1.0])}
    with np.errstate(all="ignore"):
        expected = derivatives(loss, *arguments, **weight, **beside(loss, 3))
    with np.errstate(all="raise"):
        found = derivatives(loss, *arguments, **weight, **beside(loss, 3))
        assert loss.facts is not None
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_set_twice_is_refused() -> None:
    with pytest.raises(ls.LossError, match="delta is set twice"):
        ls.get("huber:delta=2,delta=3")


def test_advice_is_of_what_was_called() -> None:
    with pytest.raises(ls.LossTypeError) as caught:
        ls.entropy(None)
    assert "prediction, then target" not in str(caught.value)
    with pytest.raises(ls.LossTypeError, match="prediction, then target"):
        ls.huber([1.0], None)

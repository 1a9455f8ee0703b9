"""The studies of one neuron and of the mean squared error: the reference numbers, recomputed another way, and verdict
rules that can say each."""

from __future__ import annotations

import math

import numpy as np
import pytest

import losscope as ls
from losscope.errors import LossError
from losscope.studies import chain, frameworks, get, mean_squared_error, neuron, saturation
from losscope.studies.study import DOES_NOT_HOLD, HOLDS
from losscope.studies.verdict import NOT_DECIDED
from quick import quick


def verdicts(name: str) -> dict[str, str]:
    return {each.claim: each.verdict for each in quick(name).claims}


def verdict_of(name: str, words: str) -> str:
    return next(each.verdict for each in quick(name).claims if words in each.claim)


# -- neuron


def test_neuron_shows_the_update_of_the_textbook() -> None:
    squared = quick("neuron").numbers["half_squared_error@sigmoid"]["step"]
    cross = quick("neuron").numbers["binary_cross_entropy_of_probability@sigmoid"]["step"]
    a = 1 / (1 + math.exp(-1.5))
    assert squared["dL/dw"] == pytest.approx(a * a * (1 - a), rel=1e-14)
    assert cross["dL/dw"] == pytest.approx(a, rel=1e-14)
    assert [round(squared[each], 4) for each in ("new w", "new b", "new a")] == [0.5817, 0.8817, 0.8121]


def test_neuron_sees_the_slope_stay_or_cancel() -> None:
    squared, cross = chain.chain(neuron.SQUARED), chain.chain(neuron.CROSS)
    assert [neuron.stays(each.in_z).verdict for each in (squared, cross)] == [HOLDS, DOES_NOT_HOLD]
    assert [neuron.cancels(each.in_z).verdict for each in (cross, squared)] == [HOLDS, DOES_NOT_HOLD]
    assert str(chain.after_cancelling(cross.in_z, "x")) == "x*(a - y)"
    assert str(chain.after_cancelling(squared.in_z)) == "a*(1 - a)*(a - y)"


def test_the_derivation_goes_to_the_final_form_of_both_gradients() -> None:
    written = neuron.latex_of(chain.chain(neuron.CROSS))
    assert written["one denominator"] == r"\frac{a - y}{a \left(1 - a\right)}"
    assert written["final dL/dw"] == r"x \left(a - y\right)"
    assert written["final dL/db"] == "a - y"
    lines = quick("neuron").derivation
    assert sum(r"\partial b" in line and "a - y" in line for line in lines) >= 2


@pytest.mark.parametrize(
    "name",
    [
        "mse",
        "huber:delta=0.5@tanh",
        "pinball:quantile=0.9@exp",
        "poisson@softplus",
        "log_cosh@leaky_relu",
        "bce@identity",
    ],
)
def test_neuron_takes_any_loss_and_activation(name: str) -> None:
    links = chain.chain(name)
    assert chain.agreement(links)
    for target in (0.0, 1.0):
        assert neuron.step(links, {"w": 0.7, "b": -0.2, "x": 1.3, "y": target}, 0.1)["apart"] < 1e-12
    assert all(neuron.latex_of(links).values())
    assert neuron.derivation(links)


def test_neuron_verdicts_can_go_either_way() -> None:
    assert neuron.product_of_three({"mse": "0", "mae": ""}).verdict == DOES_NOT_HOLD
    assert neuron.derived_right({"mse": 1e-3}).verdict == DOES_NOT_HOLD
    assert verdict_of("neuron", "factor 1/2") == "holds when the learning rate is doubled with it"
    assert verdict_of("neuron", "same step") == "holds when the input is 1"
    with pytest.raises(LossError, match="not a loss of one output"):
        chain.chain("cross_entropy")


# -- saturation


def ends(runs: list, kind: str) -> list[float]:
    return [each["end"] for each in runs if each["loss"] == kind]


def by_hand(z: float, slope: object, rate: float, steps: int) -> float:
    """Descent with nothing of the library: `slope` of the output."""
    for _ in range(steps):
        z -= 2 * rate * slope(1 / (1 + math.exp(-z)))  # type: ignore[operator]
    return 1 / (1 + math.exp(-z))


def test_saturation_gives_the_reference_numbers() -> None:
    numbers = quick("saturation").numbers
    rules = {
        saturation.SQUARED: lambda a: a * a * (1 - a),
        saturation.CROSS: lambda a: a,
        saturation.WRONG: lambda a: 1 / (1 - a),
    }
    for runs, rate in (("runs", 0.15), ("runs_at_0.005", 0.005)):
        for run in numbers[runs]:
            z = math.log(run["start"] / (1 - run["start"]))
            assert run["end"] == pytest.approx(by_hand(z, rules[run["loss"]], rate, 300), rel=1e-9)
    assert [round(each, 3) for each in ends(numbers["runs"], saturation.SQUARED)] == [0.094, 0.203]
    assert [round(each, 4) for each in ends(numbers["runs"], saturation.CROSS)] == [0.0116, 0.0120]
    assert [round(each, 3) for each in ends(numbers["runs_at_0.005"], saturation.CROSS)] == [0.418, 0.780]
    assert [round(each, 2) for each in ends(numbers["runs_at_0.005"], saturation.WRONG)] == [0.04, 0.05]


def test_saturation_says_from_which_error_on() -> None:
    assert verdict_of("saturation", "more wrong.") == "holds when the error is more than 0.667"
    assert verdict_of("saturation", "oscillates") == DOES_NOT_HOLD
    assert verdict_of("saturation", "learns faster") == HOLDS


def test_both_losses_are_tuned_over_the_same_rates() -> None:
    over = quick("saturation").numbers["over_rates"]
    assert {each["loss"] for each in over} == {saturation.SQUARED, saturation.CROSS}
    assert len({each["rates"] for each in over}) == 1


def test_saturation_verdicts_can_go_either_way() -> None:
    assert saturation.demonstrated([0.041, 0.049], [0.3, 0.3]).verdict == HOLDS
    slow, fast = {"start": 0.9, "ends": [0.5, 0.2]}, {"start": 0.9, "ends": [0.4, 0.1]}
    late = {"start": 0.9, "ends": [0.6, 0.1]}
    assert saturation.faster([fast], [slow]).verdict == HOLDS
    assert saturation.faster([slow], [fast]).verdict == DOES_NOT_HOLD
    assert saturation.faster([late], [slow]).verdict == "holds when both are tuned"

    def slow(fall) -> str:
        runs = [{"start": each, "outputs": [each, *[each - fall(each)] * 300]} for each in saturation.ERRORS]
        return saturation.slow_at_first(runs).verdict

    assert slow(lambda error: 0.2 * (1 - error)) == HOLDS
    assert slow(lambda error: 0.2 * error) == DOES_NOT_HOLD
    assert slow(lambda error: -abs(error - 0.7)) == "holds when the error at the start is more than 0.70"
    assert slow(lambda error: np.sin(20 * error)) == NOT_DECIDED
    assert saturation.gradient_is_error([{"gradients": [0.5], "outputs": [0.4]}]).verdict == DOES_NOT_HOLD


def test_saturation_refuses_senseless_options() -> None:
    for options in (
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"epochs": 0},
        {"start": (1.0, 99.0)},
    ):
        with pytest.raises(LossError, match="out of its domain"):
            get("saturation")(**options)


# -- mean squared error


def test_mean_squared_error_catches_indices() -> None:
    tried = {each["framework"]: each for each in quick("mean-squared-error").numbers["frameworks"]}
    assert tried["losscope"]["number"] is None
    assert "broadcasting would have made (4, 4)" in tried["losscope"]["error"]
    assert tried["PyTorch"]["number"] == pytest.approx(tried["NumPy"]["number"]) != 0
    assert "broadcasting" in tried["PyTorch"]["warning"]
    columns = {
        each["framework"]: each
        for each in quick("mean-squared-error").numbers["frameworks_column_against_row"]
    }
    assert columns["PyTorch"]["number"] > 0  # although prediction and target hold the same numbers
    assert columns["losscope"]["error"]


def test_every_framework_gives_the_same_cross_entropy_for_index_and_row() -> None:
    both = quick("mean-squared-error").numbers["cross_entropy"]
    logits, index = (quick("mean-squared-error").numbers[name] for name in ("logits", "index"))
    truth = np.mean(np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(index)), index])
    assert len(both) >= 3
    for each in both:
        assert [each["index"], each["one-hot"]] == pytest.approx([truth] * 2, rel=1e-6), each["framework"]


def test_a_framework_that_is_missing_is_left_out_and_an_error_is_kept() -> None:
    def missing(*_: object) -> float:
        raise ModuleNotFoundError("No module named 'x'", name="x")

    def refuses(*_: object) -> float:
        raise ValueError("shapes " * 60)

    found = frameworks.attempts({"one": missing, "two": refuses, "three": lambda p, t: 1.5}, 0, 0)
    assert [each["framework"] for each in found] == ["two", "three"]
    assert found[0]["error"].endswith(" ...")
    assert (found[1]["number"], found[1]["error"]) == (1.5, "")


def test_mean_squared_error_claims() -> None:
    found = verdicts("mean-squared-error")
    assert found["Cross-entropy uses only the largest output of each row."] == DOES_NOT_HOLD
    assert found["Squared error uses all outputs of each row."] == HOLDS
    assert verdict_of("mean-squared-error", "opposite") == DOES_NOT_HOLD
    assert (
        verdict_of("mean-squared-error", "mean or the sum")
        == "holds when the learning rate of the sum is divided by n"
    )


def test_mean_squared_error_verdicts_can_go_either_way() -> None:
    def three(*numbers: float) -> str:
        return mean_squared_error.same_number(dict(zip("abcd", numbers)), []).verdict[:10]

    assert [three(1.0, 1.0, 1.0, 1.0), three(1.0, 1.0, 4.0, 1.0), three(1.0, 2.0, 2.0, 1.0)] == [
        HOLDS, "holds when", DOES_NOT_HOLD[:10],
    ]  # fmt: skip
    error = {"framework": "one", "number": None, "error": "no", "warning": ""}
    number = {"framework": "two", "number": 1.0, "error": "", "warning": ""}
    assert [mean_squared_error.noticed(each).verdict for each in ([error], [error, number], [number])] == [
        HOLDS, "holds when you use one", DOES_NOT_HOLD,
    ]  # fmt: skip
    logits, index = np.array([[3.0, 1.0], [0.0, 2.0]]), np.array([0, 1])
    only = np.eye(2)

    def largest(of_logits: np.ndarray, of_probabilities: np.ndarray) -> str:
        used = {"cross-entropy of logits": of_logits, "cross-entropy of probabilities": of_probabilities}
        return mean_squared_error.only_largest(used, logits, index).verdict

    assert [largest(only, only), largest(only + 1, only), largest(only + 1, only + 1)] == [
        HOLDS, "holds when the outputs are probabilities", DOES_NOT_HOLD,
    ]  # fmt: skip
    assert (
        mean_squared_error.uses_all({"squared error": only, "cross-entropy of logits": only}).verdict
        == DOES_NOT_HOLD
    )
    steps = [{"error": [1.0, each]} for each in (0.5, 0.5, 0.5)]
    assert mean_squared_error.reduction(steps).verdict == HOLDS
    assert ls.get("mse")([1.0], [0.0], reduction="sum") == 1.0

"""The study `exploding-gradients`: its gradients, trainings and factors recomputed another way, and each judge able to give
each verdict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional

import losscope as ls
from losscope.studies import blow_up, exploding_gradients, initial_weights, networks, verdict
from losscope.studies.blow_up import DEPTH, TARGET, TIME
from losscope.studies.exploding_gradients import L1, L2, LEARNT, LENGTHS, LOSSES, RATES, SIZES, STARTED
from losscope.studies.initial_weights import ACTIVATIONS, VARIANCES
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED

SMOOTH = "smooth_l1"
SEEDS = range(8)
THEIRS = {L2: functional.mse_loss, L1: functional.l1_loss, SMOOTH: functional.smooth_l1_loss}


# ------------------------------------------------------------------------------------ the networks, another way


def alone(case: Mapping, seed: int) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """One run's parameters and data, out of the stack of one."""
    parameters, _ = blow_up.network(case, [seed])
    x, y = blow_up.data(case, [seed])
    return [each.detach()[0].clone().requires_grad_() for each in parameters], x[0], y[0]


def output(case: Mapping, parameters: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Layer by layer with PyTorch's own functions; a recurrent network applies its middle layer again and again."""
    first, *between, last = zip(parameters[::2], parameters[1::2])
    if case["cause"] == TIME:
        between = between * (case["length"] - 1)
    for weight, bias in [first, *between]:
        x = functional.relu(functional.linear(x, weight.T, bias[0]))
    return functional.linear(x, last[0].T, last[1][0])


CASES = [blow_up.wild(1000.0), blow_up.extended(DEPTH, 9, 4.0), blow_up.extended(TIME, 9, 3.0)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_first_gradients_are_those_of_single_networks(case, loss) -> None:
    for seed, norm in zip((3, 5), blow_up.first_norms(case, loss, (3, 5))):
        parameters, x, y = alone(case, seed)
        THEIRS[loss](output(case, parameters, x), y).backward()
        whole = torch.cat([each.grad.double().flatten() for each in parameters])
        assert norm == pytest.approx(float(whole.norm()), rel=1e-4)


def test_one_weight_matrix_serves_all_time_steps() -> None:
    deep, recurrent = (blow_up.network(blow_up.extended(cause, 9, 2.0), [0]) for cause in (DEPTH, TIME))
    assert [len(each) // 2 for each in (*deep, *recurrent)] == [9, 9, 3, 10]
    assert len({id(each) for each in recurrent[1]}) == len(recurrent[0])


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_training_is_that_of_pytorchs_own_sgd_and_clipping(case, clip) -> None:
    trained = blow_up.train(case, L1, (1, 2), 12, [0.01], clip)
    for run in trained:
        parameters, x, y = alone(case, run["seed"])
        optimizer = torch.optim.SGD(parameters, lr=0.01)
        for _ in range(12):
            optimizer.zero_grad()
            functional.l1_loss(output(case, parameters, x), y).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        error = (output(case, parameters, x) - y).detach().abs()[1:].median()
        assert run["broke"] is None
        assert run["error"] == pytest.approx(float(error), rel=1e-3)


def test_a_training_breaks_at_the_step_at_which_a_number_is_no_longer_finite() -> None:
    case = blow_up.wild(1e8)
    (run,) = blow_up.train(case, L2, [4], 50, [0.01])
    parameters, x, y = alone(case, 4)
    steps = 1
    while True:
        value = functional.mse_loss(output(case, parameters, x), y)
        slopes = torch.autograd.grad(value, parameters)
        if not (value.isfinite() and all(each.isfinite().all() for each in slopes)):
            break
        parameters = [(each - 0.01 * slope).detach().requires_grad_() for each, slope in zip(parameters, slopes)]  # fmt: skip
        steps += 1
    assert run["broke"] == steps < 50
    assert run["error"] == np.inf


def test_a_run_that_breaks_leaves_the_others_alone() -> None:
    together = blow_up.train(blow_up.extended(DEPTH, 20, 4.0), L2, SEEDS, 10, [0.01])
    each = [blow_up.train(blow_up.extended(DEPTH, 20, 4.0), L2, [seed], 10, [0.01])[0] for seed in SEEDS]
    assert [run["broke"] for run in together] == [run["broke"] for run in each]


def test_a_wild_target_scales_the_gradient_of_squared_error_alone() -> None:
    million, more = ({loss: np.array(blow_up.first_norms(blow_up.wild(size), loss, SEEDS)) for loss in LOSSES} for size in (1e6, 1e7))  # fmt: skip
    assert more[L2] == pytest.approx(10 * million[L2], rel=1e-3)
    for loss in (L1, SMOOTH):
        assert more[loss] == pytest.approx(million[loss], rel=1e-6)


# ------------------------------------------------------------------------------------ initial weights, another way


def expected(name: str, variance: float) -> float:
    """The factor a layer of an infinitely wide network: the sizes of the states settle at q = v E f(z)^2, and v E f'(z)^2 is
    the factor's square (Poole et al. 2016), z normal with variance q."""
    z = np.linspace(-9, 9, 20_001)  # so fine that the steep middle of a wide tanh is hit
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()

    def tanh(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tanh(at), 1 - np.tanh(at) ** 2

    def sigmoid(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = 0.5 * (1 + np.tanh(at / 2))
        return a, a * (1 - a)

    if name == "ReLU":
        return (variance / 2) ** 0.5
    function, q, squares = {"tanh": tanh, "sigmoid": sigmoid}[name], 1.0, []
    for _ in range(initial_weights.DEPTH):
        q = variance * weight @ function(q**0.5 * z)[0] ** 2
        squares.append(variance * weight @ function(q**0.5 * z)[1] ** 2)
    return float(np.exp(np.mean(np.log(squares)) / 2))


@pytest.mark.parametrize("variance", [1 / 3, 0.5, 1.0, 2.0, 16.0, 90.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_factor_is_what_the_theory_of_wide_networks_says(name, variance) -> None:
    found = initial_weights.geometric(initial_weights.factors(ACTIVATIONS[name], variance, SEEDS))
    assert np.mean(found) == pytest.approx(expected(name, variance), rel=0.02 if variance <= 2 else 0.08)


REVIEWED = {
    "tanh": {1 / 3: 0.576, 0.5: 0.704, 1.0: 0.965, 2.0: 1.053},
    "ReLU": {1 / 3: 0.403, 1.0: 0.698, 2.0: 0.987},
}


def test_the_factors_are_those_of_the_review() -> None:
    for name, known in REVIEWED.items():
        for variance, factor in known.items():
            found = initial_weights.geometric(initial_weights.factors(ACTIVATIONS[name], variance, SEEDS))
            assert np.mean(found) == pytest.approx(factor, abs=0.012), (name, variance)


def test_the_factors_multiply_to_the_gradient_that_finite_differences_find() -> None:
    """Along the gradient's own direction, through the layers as NumPy multiplies them."""
    seed, depth, width = 3, 4, initial_weights.WIDTH
    each = initial_weights.factors(ls.tanh, 1.5, [seed], depth)[0]
    network = [
        part.detach().numpy()[0] for part in networks.start([width] * (depth + 3), [seed], 1.5, torch.float64)
    ]
    generator = torch.Generator().manual_seed(1_000_003 + seed)
    x, upstream = (
        torch.randn(initial_weights.ROWS, width, generator=generator, dtype=torch.float64).numpy()
        for _ in range(2)
    )
    weights = network[::2]
    first = np.tanh(x @ weights[0])

    def scalar(state: np.ndarray) -> float:
        for weight in weights[1:-1]:
            state = np.tanh(state @ weight)
        return float((state @ weights[-1] * upstream).sum())

    random = np.random.default_rng(0)
    states, flow = [first], upstream @ weights[-1].T
    for weight in weights[1:-1]:
        states.append(np.tanh(states[-1] @ weight))
    begun = np.linalg.norm(flow)
    for state, weight in zip(states[:0:-1], weights[-2:0:-1]):
        flow = (flow * (1 - state**2)) @ weight.T
    assert np.linalg.norm(flow) / begun == pytest.approx(each.prod(), rel=1e-10)
    direction = random.normal(size=first.shape)
    slope = (scalar(first + 1e-6 * direction) - scalar(first - 1e-6 * direction)) / 2e-6
    assert slope == pytest.approx((flow * direction).sum(), rel=1e-5)


def test_pytorchs_default_is_what_linear_layers_start_with() -> None:
    network = initial_weights.pytorchs([300, 200, 5], (7, 8))
    assert [tuple(part.shape) for part in network] == [(2, 300, 200), (2, 1, 200), (2, 200, 5), (2, 1, 5)]
    torch.manual_seed(8)
    layer = torch.nn.Linear(300, 200, dtype=torch.float64)
    assert torch.equal(network[0][1], layer.weight.T)
    assert torch.equal(network[1][1, 0], layer.bias)
    weights = network[0].detach()
    assert float(weights.abs().max()) <= 300**-0.5
    assert float(weights.var()) * 300 == pytest.approx(networks.PYTORCHS, rel=0.02)
    own, hes = initial_weights.variances_in_pytorch(0)
    assert (own, hes) == pytest.approx((networks.PYTORCHS, networks.HES), rel=0.02)


# ------------------------------------------------------------------------------------ judges


def test_one_verdict_along_the_sizes_names_one_that_was_tried() -> None:
    def along(found: dict[float, str]) -> str:
        return verdict.along(found, *exploding_gradients.OFF_BY)

    yes, no, unsure = HOLDS, DOES_NOT_HOLD, NOT_DECIDED
    assert (
        along({1.0: no, 10.0: unsure, 1000.0: yes, 1e6: yes})
        == "holds when the target is off by 1,000 or more"
    )
    assert (
        along({1.0: yes, 10.0: yes, 100.0: unsure, 1e3: no}) == "holds when the target is off by 10 or less"
    )
    assert along({1.0: yes, 10.0: yes}) == HOLDS
    assert along({1.0: no, 10.0: no}) == DOES_NOT_HOLD
    assert along({1.0: no, 10.0: yes, 100.0: no}) == along({1.0: no, 10.0: unsure}) == NOT_DECIDED


def test_growth_of_a_geometric_series_is_its_ratio() -> None:
    norms = [[3 * 1.5**length, 0.9**length] for length in LENGTHS]
    assert exploding_gradients.growth({"norms": norms}) == pytest.approx([1.5, 0.9])


def test_the_judge_of_factors() -> None:
    one = np.full((4, 50), 1.0)
    assert exploding_gradients.multiplied({1.0: one * 0.5**0.5, 2.0: one, 4.0: one * 2**0.5}).verdict == HOLDS
    assert exploding_gradients.multiplied({1.0: one, 2.0: one, 4.0: one}).verdict == DOES_NOT_HOLD
    small = one * 0.7
    assert exploding_gradients.multiplied({2.0: small, 4.0: small * 2**0.5}).verdict == DOES_NOT_HOLD, (
        "none is above 1"
    )


def trainings(rule, cause: str = TARGET, cases=None, **more) -> list[dict]:
    """A record for each case, loss, clipping and start; `rule(case, loss, clipped, seed)` gives what differs."""
    cases = cases or [blow_up.wild(size) for size in SIZES]
    return [{**case, "loss": loss, "clipped": clipped, "seed": seed, "first": 1.0, "broke": None, **rule(case, loss, clipped, seed)}
            for case in cases for loss in LOSSES for clipped in (False, True) for seed in SEEDS]  # fmt: skip


def test_the_judge_of_first_gradients() -> None:
    def judged(rises: dict[str, float], noise: float = 0.0) -> str:
        random = np.random.default_rng(0)
        return exploding_gradients.wild_target(trainings(lambda case, loss, clipped, seed: {
            "first": case["outlier"] ** rises[loss] * np.exp(noise * random.normal())})).verdict  # fmt: skip

    assert judged({L2: 1.0, L1: 0.0, SMOOTH: 0.0}) == "holds when the loss is squared error"
    assert judged({L2: 1.0, L1: 1.0, SMOOTH: 1.0}) == HOLDS
    assert judged({L2: 0.1, L1: 0.0, SMOOTH: 0.0}) == DOES_NOT_HOLD
    assert judged({L2: 3 / 8, L1: 3 / 8, SMOOTH: 3 / 8}, 1.0) == NOT_DECIDED


def test_the_judge_of_wild_targets() -> None:
    def judged(rule) -> str:
        return exploding_gradients.to_nan(trainings(lambda case, loss, clipped, seed: {"broke": 3 if rule(case["outlier"], loss, seed) else None}), 0.01).verdict  # fmt: skip

    assert (
        judged(lambda size, loss, seed: loss == L2 and size >= 1000)
        == "holds when the target is off by 1,000 or more, at a learning rate of 0.01"
    )
    assert judged(lambda size, loss, seed: loss == L2) == HOLDS
    assert judged(lambda size, loss, seed: True) == judged(lambda size, loss, seed: False) == DOES_NOT_HOLD
    assert judged(lambda size, loss, seed: loss == L2 and seed % 2) == NOT_DECIDED


def lengths(factors: dict[float, dict[str, float]], cause: str = DEPTH) -> list[dict]:
    return [{"cause": cause, "variance": variance, "loss": loss, "norms": [[factors[variance][loss] ** length] * 4 for length in LENGTHS]}
            for variance in factors for loss in LOSSES]  # fmt: skip


def test_the_judge_of_depth() -> None:
    def judged(*bounded: float) -> str:
        factors = {v: {L2: f, L1: b, SMOOTH: b} for v, f, b in zip(STARTED, (1.0, 1.5, 3.0), bounded)}
        calm = {v: {L2: 2.0, L1: 1.0, SMOOTH: 1.0} for v in STARTED[:1]}
        return exploding_gradients.keeps(lengths(factors) + lengths(calm, TIME)).verdict

    assert judged(1, 1.5, 1.5) == "holds when the cause is the length of a sequence, at a variance of 2"
    assert judged(1.5, 1, 1) == HOLDS, "judged only where squared error explodes"
    everywhere = {v: dict.fromkeys(LOSSES, 1.5) for v in STARTED}
    assert exploding_gradients.keeps(lengths(everywhere)).verdict == DOES_NOT_HOLD
    nowhere = {v: dict.fromkeys(LOSSES, 1.0) for v in STARTED}
    assert exploding_gradients.keeps(lengths(nowhere, TIME)).verdict == NOT_DECIDED


def test_the_judge_of_what_breaks_first() -> None:
    cases = [*(blow_up.wild(size) for size in SIZES), blow_up.extended(DEPTH, 5, 2.0), blow_up.extended(TIME, 5, 2.0)]  # fmt: skip

    def judged(rule) -> str:
        return exploding_gradients.no_later(trainings(lambda case, loss, clipped, seed: {"broke": rule(case["cause"], loss, seed)}, cases=cases)).verdict  # fmt: skip

    assert judged(lambda cause, loss, seed: 2 if loss == L2 else 9) == HOLDS
    assert judged(lambda cause, loss, seed: 2 if loss == L2 else None) == HOLDS
    assert judged(lambda cause, loss, seed: 2) == HOLDS, "a tie is no later"
    assert judged(lambda cause, loss, seed: 2 if loss == L1 else 9) == DOES_NOT_HOLD, "than both"
    assert judged(lambda cause, loss, seed: None if loss == L2 else 9) == DOES_NOT_HOLD
    assert judged(lambda cause, loss, seed: 2 if (loss == L2) == (cause == TARGET) else 9) == "holds when the cause is a wild target"  # fmt: skip
    assert judged(lambda cause, loss, seed: 2 if (loss == L2) == bool(seed % 2) else 9) == NOT_DECIDED
    assert judged(lambda cause, loss, seed: None) == NOT_DECIDED


def test_the_judge_of_clipping() -> None:
    cases = [blow_up.extended(DEPTH, 20, 4.0), blow_up.extended(DEPTH, 50, 16.0)]

    def judged(finite, overflowing) -> str:
        """Whether clipping fails, by start."""
        return exploding_gradients.clipping(trainings(lambda case, loss, clipped, seed: {
            "first": 1.0 if case["length"] == 20 else np.inf,
            "broke": 2 if not clipped or (finite if case["length"] == 20 else overflowing)(seed) else None}, cases=cases)).verdict  # fmt: skip

    always, never, sometimes = lambda seed: True, lambda seed: False, lambda seed: seed % 2
    assert judged(never, never) == HOLDS
    assert judged(always, always) == DOES_NOT_HOLD
    assert judged(never, always) == "holds when the first gradient is finite"
    assert judged(sometimes, always) == NOT_DECIDED


def test_the_judge_of_clipped_learning_takes_the_best_rate_of_both() -> None:
    def judged(ratio) -> str:
        runs = [{"loss": loss, "outlier": size, "learning rate": rate, "seed": seed,
                 "error": (ratio(size, seed) if loss == L2 else 1.0) * (1 if rate == (RATES[0] if loss == L2 else RATES[-1]) else 5)}
                for loss in (L2, L1) for size in LEARNT for rate in RATES for seed in SEEDS]  # fmt: skip
        return exploding_gradients.learning(runs).verdict

    assert judged(lambda size, seed: 1.1) == HOLDS
    assert judged(lambda size, seed: 1.5) == DOES_NOT_HOLD
    assert (
        judged(lambda size, seed: 1.0 if size <= 10 else 4.0) == "holds when the target is off by 10 or less"
    )
    assert judged(lambda size, seed: 1.0 if seed % 2 else 3.0) == NOT_DECIDED


def weights(rule) -> list[dict]:
    """`rule(activation, variance)`: a factor, or one for each of four starts."""
    return [{"activation": name, "variance": variance, "factors": list(np.broadcast_to(rule(name, variance), 4))}
            for name in ACTIVATIONS for variance in (*VARIANCES, None)]  # fmt: skip


WIDE = (0.5, 1.0, 1.0, 1.5)


def test_the_judges_of_initial_weights() -> None:
    def judged(rule) -> list[str]:
        run = next(each for each in weights(rule) if (each["activation"], each["variance"]) == ("ReLU", 2))
        deeper = [{"layers": depth, "factors": run["factors"]} for depth in initial_weights.DEEPER]
        return [str(each.verdict) for each in initial_weights.claims(weights(rule), deeper)]

    assert judged(lambda name, v: 1.0) == [DOES_NOT_HOLD, DOES_NOT_HOLD, HOLDS, HOLDS, HOLDS]
    assert judged(lambda name, v: 0.5) == [HOLDS, HOLDS, DOES_NOT_HOLD, DOES_NOT_HOLD, DOES_NOT_HOLD]
    assert judged(lambda name, v: 2.0) == [DOES_NOT_HOLD] * 5
    assert judged(lambda name, v: WIDE) == [NOT_DECIDED] * 5
    of = "the variance of the weights times the width"
    mixed = judged(lambda name, v: 1.0 if name == "tanh" and v == 1 else 1.0 if name == "ReLU" and v in (2, None) else 0.5 if not v or v < 1 else 1.5)  # fmt: skip
    assert mixed == [f"holds when {of} is 0.85 or less", f"holds when {of} is 0.85 or less", HOLDS,
                     "holds when the activation is ReLU", "holds when the activation is tanh or ReLU"]  # fmt: skip
    assert judged(lambda name, v: 0.99)[2].startswith("holds when there are 200 layers or less, of 64 units")


def test_the_answer_follows_from_the_verdicts() -> None:
    from losscope.studies import get

    found = get("exploding-gradients")(quick=True, steps=2, seeds=2)
    assert "factor" in found.answer
    by_text = {each.claim: each.verdict for each in found.claims}
    kept = by_text[
        "A loss whose own gradient is bounded keeps the gradient of a deep or recurrent network from exploding."
    ]
    assert ("A bounded loss does not keep" in found.answer) == (kept == DOES_NOT_HOLD)

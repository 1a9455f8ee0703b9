"""The study `activations`: what it measures recomputed another way, and each judge able to give each verdict."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

import losscope as ls
from losscope.errors import LossError
from losscope.studies import (
    activations,
    approximation,
    computation,
    dead_units,
    get,
    networks,
    overfitting,
    puzzles,
)
from losscope.studies.datasets import Data
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Interval

STARTS = range(3)


# ------------------------------------------------------------------------------------------ one linear layer, puzzles


@pytest.mark.parametrize("depth", [1, 7, 50])
def test_layers_without_a_non_linearity_are_one_linear_layer(depth: int) -> None:
    assert activations.collapse(depth, seed=depth)["apart"] <= 1e-12
    assert activations.one_map([{"apart": 1e-3}]).verdict == DOES_NOT_HOLD


def test_the_linear_map_is_what_the_network_does_to_each_axis() -> None:
    network = networks.start([4, 8, 8, 1], [0], 1.0, torch.float64)
    matrix, offset = activations.multiplied_out(network)
    axes = torch.eye(4, dtype=torch.float64)[None]
    with torch.no_grad():
        torch.testing.assert_close(networks.forward(network, axes, ls.identity), matrix + offset)
        assert float((networks.forward(network, axes, ls.tanh) - matrix - offset).abs().max()) > 1e-3


def test_no_line_has_more_than_three_corners_of_xor_right() -> None:
    features, target = puzzles.puzzle(puzzles.XOR, 0)
    turn = np.linspace(0, 2 * np.pi, 181)
    lines = [(np.cos(a), np.sin(a), c) for a in turn for c in np.linspace(-2, 2, 41)]
    best = max(float(np.mean((features.numpy() @ (a, b) > c) == (target.numpy() > 0.5))) for a, b, c in lines)
    assert best == 0.75
    assert max(puzzles.solve(puzzles.XOR, puzzles.NONE, ls.identity, 2, STARTS, 0)["accuracy"]) <= best


def solved(without: float, tanh: float, relu: float) -> list[dict]:
    each = {puzzles.NONE: without, "tanh": tanh, "ReLU": relu}
    return [{"puzzle": name, "activation": label, "hidden layers": 1, "accuracy": [0.5, accuracy]}
            for name in (puzzles.XOR, puzzles.CIRCLES) for label, accuracy in each.items()]  # fmt: skip


def test_the_judge_of_the_puzzles() -> None:
    assert puzzles.claim(solved(0.75, 1.0, 1.0)).verdict == HOLDS
    assert puzzles.claim(solved(0.75, 0.8, 1.0)).verdict == "holds when the activation is ReLU"
    assert puzzles.claim(solved(0.75, 0.8, 0.8)).verdict == DOES_NOT_HOLD
    assert puzzles.claim(solved(1.0, 1.0, 1.0)).verdict == DOES_NOT_HOLD


def test_the_boundary_without_an_activation_is_straight() -> None:
    (plane, *_), *bent = (
        panel.items for panel in puzzles.picture({puzzles.NONE: ls.identity, **activations.CURVED}, 0).panels
    )
    x, y = np.meshgrid(plane.x, plane.y)
    around = np.column_stack([x.ravel(), y.ravel()])
    straight = LinearRegression().fit(around, plane.inside.ravel())
    assert straight.score(around, plane.inside.ravel()) == pytest.approx(1, abs=1e-6)
    assert (plane.inside > 0).any()
    assert (plane.inside < 0).any(), "a boundary that is not in the picture shows nothing"
    for region, *_ in bent:
        assert (
            LinearRegression().fit(around, region.inside.ravel()).score(around, region.inside.ravel()) < 0.9
        )


# ------------------------------------------------------------------------------------------ approximation


def test_a_square_gives_the_best_parabola_however_wide() -> None:
    x = np.linspace(-3, 3, 601)[:, None]
    parabola = PolynomialFeatures(2).fit_transform(x)
    best = LinearRegression().fit(parabola, approximation.wave(x[:, 0])).predict(parabola)
    least = np.sqrt(np.mean((best - approximation.wave(x[:, 0])) ** 2))
    for width in (16, 256):
        assert approximation.fit("square", np.square, width, 0)["within"] == pytest.approx(least, rel=1e-6)


def test_without_an_activation_it_is_the_best_line() -> None:
    x = np.linspace(-3, 3, 601)
    line = stats.linregress(x, approximation.wave(x))
    least = np.sqrt(np.mean((line.intercept + line.slope * x - approximation.wave(x)) ** 2))
    assert approximation.fit("none", ls.identity, 64, 1)["within"] == pytest.approx(least, rel=1e-6)


def fitted(within: float, square: float, beyond: float) -> list[dict]:
    return [{"activation": label, "width": 256, "within": error, "beyond": beyond}
            for label, error in (("tanh", within), (approximation.SQUARE, square))]  # fmt: skip


def test_the_judge_of_approximation() -> None:
    def judged(*errors: float) -> str:
        return approximation.claim(fitted(*errors), ["tanh"]).verdict

    assert (
        judged(1e-3, 0.7, 4.0)
        == "holds when the activation is no polynomial and the inputs stay within bounds"
    )
    assert judged(1e-3, 1e-3, 1e-3) == HOLDS
    assert judged(0.1, 0.7, 4.0) == NOT_DECIDED, "that 256 units are too few refutes no theorem"


# ------------------------------------------------------------------------------------------ bounded outputs


def test_the_spread_through_one_layer_is_that_of_its_slope() -> None:
    """Without an activation a layer multiplies the spread by the root of the variance, on average."""
    run = activations.spread("none", ls.identity, 4.0, range(8))
    assert np.mean(run["a layer"]) == pytest.approx(2, rel=0.05)
    assert activations.spread("tanh", ls.tanh, 4.0, STARTS)["largest"] <= 1


def test_the_factor_a_layer_is_measured_before_rounding() -> None:
    """Sigmoid's spread ends in float64's rounding, which would make the factor larger than that of the first layers."""
    run = activations.spread("sigmoid", ls.sigmoid, networks.PYTORCHS, STARTS)
    few = (run["spread"][5] / run["spread"][0]) ** (1 / 5)
    assert np.mean(run["a layer"]) == pytest.approx(few, rel=0.03)
    assert run["layer"][0] == 1


def test_the_judge_of_bounded_outputs() -> None:
    judged, kept, lost, open_ = activations.because_bounded, [HOLDS], [DOES_NOT_HOLD], [NOT_DECIDED]
    assert judged({"tanh": kept, "sigmoid": lost}, {"ReLU": kept}) == DOES_NOT_HOLD
    assert judged({"tanh": kept, "sigmoid": kept}, {"ReLU": lost}) == HOLDS
    assert judged({"tanh": kept, "sigmoid": open_}, {"ReLU": lost}) == NOT_DECIDED
    assert activations.keeps_apart({"a layer": [0.3, 0.31, 0.3]}) == DOES_NOT_HOLD
    assert activations.keeps_apart({"a layer": [1.01, 1.0, 0.99]}) == HOLDS
    assert activations.keeps_apart({"a layer": [1.01, 0.7]}) == NOT_DECIDED


# ------------------------------------------------------------------------------------------ computation


def test_operations_are_counted_in_the_code_that_runs() -> None:
    """As the text of an emitted function has them: each line that sets a value is one, a fused one two."""
    counts = computation.count()
    assert counts["ReLU"] <= 8 < 50 < counts["sigmoid"] < counts["tanh"] < 150
    # An activation that is made of sigmoid's own steps and a few more takes more of them.
    assert (
        computation.operations("identity")
        < computation.operations("relu")
        < computation.operations("leaky_relu") + 4
    )
    assert computation.operations("softplus") > computation.operations("leaky_relu")


def test_the_share_of_a_step_is_that_of_the_arithmetic() -> None:
    units, counts = 100, {"ReLU": 8, "sigmoid": 76, "tanh": 85}
    rows = 7
    dense = (
        3 * 2 * rows * units * units
    )  # three products of matrices, a multiplication and an addition a weight
    whole = {label: dense + rows * units * each for label, each in counts.items()}
    assert computation.saved(counts, "sigmoid", units) == pytest.approx(1 - whole["ReLU"] / whole["sigmoid"])


def test_the_judges_of_computation() -> None:
    counts = {"ReLU": 8, "sigmoid": 76, "tanh": 85}
    assert computation.claim(counts).verdict == "holds when a layer has 100 units or fewer"
    assert (
        computation.saved(counts, "sigmoid", 100)
        > computation.MANY
        >= computation.saved(counts, "sigmoid", 101)
    )
    assert computation.claim({"ReLU": 8, "sigmoid": 8, "tanh": 85}).verdict == DOES_NOT_HOLD
    assert computation.claim({"ReLU": 8, "sigmoid": 10**6, "tanh": 10**6}).verdict == HOLDS

    def timed(*shares: float) -> str:
        runs = [
            {"activation": "tanh", "units": n, "saved": [share - 0.01, share + 0.01] * 8}
            for n, share in enumerate(shares)
        ]
        return computation.timed(runs).verdict

    assert [timed(0.5, 0.4), timed(0.01, 0.02), timed(0.1)] == [HOLDS, DOES_NOT_HOLD, NOT_DECIDED]
    assert timed(0.5, 0.01) == "holds when it replaces tanh in layers of 0 units"


def test_timing_is_measured_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computation, "TIMED", (4, 8))
    runs = computation.measure(repeats=8)
    assert {(run["activation"], run["units"]) for run in runs} == {
        (a, n) for a in ("sigmoid", "tanh") for n in (4, 8)
    }
    assert all(len(run["saved"]) == 8 and max(run["saved"]) < 1 for run in runs)
    assert len(computation.table(runs).rows) == 4


# ------------------------------------------------------------------------------------------ zeros and overfitting


def blobs(seed: int = 0) -> Data:
    random = np.random.default_rng(seed)
    target = random.integers(0, 2, 90)
    return Data("blobs", random.normal(size=(90, 3)) + 2 * target[:, None], target, 2)


def test_a_run_is_judged_where_it_first_fits() -> None:
    """Run by run with PyTorch's own layers, from the same start and on the same rows."""
    data = blobs()
    found = overfitting.train(data, "tanh", ls.tanh, STARTS, 30, 0.01)
    assert [run["seed"] for run in found] == [0, 1, 2]
    features, target = torch.from_numpy(data.standardised()), torch.from_numpy(data.target)
    for run in found[:2]:
        rows = torch.from_numpy(np.random.default_rng(run["seed"]).permutation(90))
        weights = networks.start([3, 32, 32, 2], [run["seed"]], 1.0)
        layers = [each.detach()[0].clone().requires_grad_() for each in weights]

        def output(
            at: torch.Tensor, layers: list[torch.Tensor] = layers
        ) -> tuple[torch.Tensor, list[torch.Tensor]]:
            one = torch.tanh(features[at] @ layers[0] + layers[1])
            two = torch.tanh(one @ layers[2] + layers[3])
            return two @ layers[4] + layers[5], [one, two]

        optimizer = torch.optim.Adam(layers, lr=0.01)
        step = 0
        while (
            loss := torch.nn.functional.cross_entropy(output(rows[:30])[0], target[rows[:30]])
        ) > overfitting.FITTED:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        assert run["steps"] == step
        logits, hidden = output(rows[30:])
        assert run["test"] == pytest.approx(
            float(torch.nn.functional.cross_entropy(logits, target[rows[30:]]).detach()), rel=1e-3
        )
        apart = [np.corrcoef(each.detach().numpy().T)[np.triu_indices(32, 1)] for each in hidden]
        assert run["dependence"] == pytest.approx(np.mean([np.abs(each).mean() for each in apart]), rel=1e-3)


def test_the_interventions_change_the_zeros() -> None:
    z = torch.linspace(-3, 3, 64).flip(0)[None] + 0.01
    assert float((overfitting.no_zeros(z) == 0).double().mean()) == 0
    kept = overfitting.winners(z)
    assert int((kept != 0).sum()) == 8
    torch.testing.assert_close(kept[kept != 0], torch.relu(z)[kept != 0])
    above = z > 0
    torch.testing.assert_close(overfitting.no_zeros(z)[above], torch.relu(z)[above])


def test_units_that_never_change_depend_on_none() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 1))
    assert overfitting.dependence(np.hstack([x, -2 * x, 0 * x])) == pytest.approx(1)
    assert overfitting.dependence(random.normal(size=(4000, 3))) < 0.05
    assert overfitting.dependence(np.zeros((5, 3))) == 0


def runs(
    test: dict[str, float], dependence: dict[str, float] | None = None, noise: float = 0.01, sets: int = 4
) -> list[dict]:
    """Made results by activation; those that are not named are ReLU's."""
    random = np.random.default_rng(0)
    labels = ("ReLU", *overfitting.RIVALS, overfitting.AWAY, overfitting.MORE)
    return [
        {"data": f"{data}", "seed": seed, "activation": label, "steps": 1, "zero": 0.5, "zero before": 0.5,
         "test": test.get(label, 1.0) * np.exp(noise * random.normal()),
         "dependence": (dependence or {}).get(label, 0.2) * np.exp(noise * random.normal())}
        for data in range(sets) for seed in range(8) for label in labels
    ]  # fmt: skip


def test_the_judge_of_overfitting() -> None:
    def judged(sigmoid: float, tanh: float, noise: float = 0.01) -> str:
        return overfitting.overfits_less(runs({"sigmoid": sigmoid, "tanh": tanh}, noise=noise)).verdict

    assert judged(1.5, 1.5) == HOLDS
    assert judged(0.7, 0.7) == DOES_NOT_HOLD
    assert judged(1.5, 0.7) == "holds when it is compared with sigmoid"
    assert judged(1.2, 1.2, noise=0.5) == NOT_DECIDED
    assert [overfitting.as_a_rule(*each) for each in ((5, 0, 9), (8, 1, 9), (4, 0, 9), (0, 0, 9))] == [
        HOLDS, DOES_NOT_HOLD, NOT_DECIDED, NOT_DECIDED]  # fmt: skip


def test_the_judge_of_the_cause() -> None:
    def judged(away: float, more: float, noise: float = 0.01) -> str:
        return overfitting.because_sparse(
            runs({overfitting.AWAY: away, overfitting.MORE: more}, noise=noise)
        ).verdict

    assert judged(1.3, 0.7) == HOLDS
    assert judged(1.0, 1.4) == DOES_NOT_HOLD
    assert judged(1.3, 1.4) == "holds when zeros are taken away"
    assert judged(1.05, 0.95, noise=0.3) == NOT_DECIDED


def test_the_judges_of_zeros_and_of_dependence() -> None:
    def sparse(before: float, after: float, spread: float = 0.01) -> str:
        made = runs({})
        for run in made:
            run["zero before"], run["zero"] = (
                each + spread * (-1) ** run["seed"] for each in (before, after)
            )
        return overfitting.sparse(made).verdict

    assert [sparse(0.5, 0.5), sparse(0.1, 0.9), sparse(0.5, 0.5, spread=0.4)] == [
        HOLDS,
        DOES_NOT_HOLD,
        NOT_DECIDED,
    ]
    assert sparse(0.5, 0.9) == "holds when it is not trained yet"

    def depends(away: float, more: float, noise: float = 0.01) -> str:
        return overfitting.depends_less(
            runs({}, {overfitting.AWAY: away, overfitting.MORE: more}, noise)
        ).verdict

    assert [depends(0.3, 0.1), depends(0.2, 0.2), depends(0.21, 0.19, 0.4)] == [
        HOLDS,
        DOES_NOT_HOLD,
        NOT_DECIDED,
    ]


def test_the_intervals_are_those_of_paired_differences() -> None:
    made = runs({"tanh": 1.3}, noise=0.1, sets=1)
    one, other = (
        [np.log(run["test"]) for run in made if run["activation"] == label] for label in ("tanh", "ReLU")
    )
    found = stats.ttest_rel(one, other).confidence_interval(0.99)
    ours = overfitting.on_average(made, "test", "tanh", "ReLU")
    assert (ours.low, ours.high) == pytest.approx((found.low, found.high))
    assert overfitting.percent(Interval(np.log(1.5), 0.0, np.log(2), 8)) == "+50.0% (+0.0% to +100.0%)"


# ------------------------------------------------------------------------------------------ dead units


def test_a_dead_unit_has_no_gradient_and_stays_as_it_is() -> None:
    network = networks.start([3, 8, 8, 2], [0], networks.HES)
    features = torch.from_numpy(blobs().standardised())
    with torch.no_grad():
        network[1][..., 0] = -100.0  # the bias of one unit of the first layer
    assert dead_units.dead(network, features)[0] >= 1 / 16
    output = networks.forward(network, features[None])
    networks.cost(ls.get("cross_entropy"), output, torch.from_numpy(blobs().target)[None]).backward()
    assert float(network[0].grad[..., 0].abs().max()) == 0
    assert float(network[0].grad.abs().max()) > 0


def test_what_overflowed_counts_as_dead() -> None:
    network = networks.start([3, 8, 8, 2], [0, 1], networks.HES)
    with torch.no_grad():
        network[0][1] = float("nan")
    fine, broken = dead_units.dead(network, torch.from_numpy(blobs().standardised()))
    assert (fine < 0.5, broken) == (True, 1.0)


def test_the_judge_of_dead_units() -> None:
    def judged(after: float, later: float, noise: float = 0.01) -> str:
        random = np.random.default_rng(0)
        made = [
            {"data": data, "learning rate": rate, "seed": seed, "before": 0.0, "after": after, "later": high + noise * random.normal()}
            for data in "ab" for rate, high in ((0.1, 0.0), (3.0, later)) for seed in range(8)
        ]  # fmt: skip
        return dead_units.claim(made).verdict

    assert judged(0.5, 0.5) == HOLDS
    assert judged(0.5, 0.0) == DOES_NOT_HOLD, "those that come back were not killed for good"
    assert judged(0.5, 0.2, noise=0.2) == NOT_DECIDED


# ------------------------------------------------------------------------------------------ options


def test_another_activation_is_tried_beside_the_three() -> None:
    found = get("activations")(quick=True, seeds=2, rows=20, activation=("leaky_relu",))
    for part in ("puzzles", "approximation", "spread", "overfitting"):
        assert "leaky ReLU" in {run["activation"] for run in found.numbers[part]}, part
    assert "timed" not in found.numbers, "a time is never the same twice"


@pytest.mark.parametrize("name", ["mse", "cross_entropy"])
def test_what_is_no_activation_is_refused(name: str) -> None:
    with pytest.raises(LossError, match="is not an activation"):
        get("activations")(quick=True, activation=(name,))

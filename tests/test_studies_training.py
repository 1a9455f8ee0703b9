"""The studies that train: their verdict rules can give every verdict, and their runs obey the laws they report."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from losscope.studies import activations, exploding_gradients, get
from losscope.studies.study import DOES_NOT_HOLD, HOLDS

STUDIES = (exploding_gradients, activations)


# ---------------------------------------------------------------------------------------- what a study is


@pytest.mark.parametrize("module", STUDIES, ids=lambda module: module.__name__)
def test_study_is_registered_and_has_options_a_command_line_can_read(module):
    import inspect

    study = get(module.__name__.rpartition(".")[2])
    assert study.experiment is module.experiment
    for name, option in inspect.signature(study.experiment).parameters.items():
        assert option.kind is option.KEYWORD_ONLY
        if name not in ("quick", "seed", "progress"):
            assert option.default is not option.empty, name
            assert option.annotation in ("int", "float", "bool", "str | None"), name


def check_result(result, claims):
    """What every result must have: claims in words, charts and tables that render, numbers that are JSON."""
    assert len(result.claims) == claims
    assert all(claim.claim.endswith(".") and claim.evidence.endswith(".") for claim in result.claims)
    assert result.done
    for chart in result.charts:
        assert chart.name != "chart"
        assert all(panel.x_label and panel.y_label for panel in chart.panels)
        assert chart.svg().startswith("<svg")
    assert all("<table" in table.html() for table in result.tables)
    return json.dumps(result.numbers, allow_nan=False, sort_keys=True)


@pytest.mark.parametrize(
    ("module", "option"),
    [
        (exploding_gradients, {"learning_rate": -1.0}),
        (activations, {"rows": 3}),
    ],
)
def test_an_option_out_of_range_is_a_users_mistake(module, option):
    from losscope.errors import LossError

    with pytest.raises(LossError, match=next(iter(option))):
        get(module.__name__.rpartition(".")[2])(quick=True, **option)


# ------------------------------------------------------------------------------------ exploding gradients


def test_verdicts_on_exploding_gradients():
    tame = {"absolute error": 1.0, "smooth L1": 1.0}
    assert exploding_gradients.verdict_on_outliers({"squared error": 1e6, **tame}) == HOLDS
    assert exploding_gradients.verdict_on_outliers({"squared error": 2.0, **tame}) == DOES_NOT_HOLD
    broken = {"squared error": True, "absolute error": False, "smooth L1": False}
    fine = dict.fromkeys(broken, False)
    on_breaking = exploding_gradients.verdict_on_breaking
    assert on_breaking({1.0: broken, 10.0: broken}) == HOLDS
    assert on_breaking({1.0: fine, 10.0: broken}) == "holds when the outlier is 10 or larger"
    assert on_breaking({1.0: fine, 10.0: fine}) == DOES_NOT_HOLD
    assert on_breaking({1.0: dict.fromkeys(broken, True)}) == DOES_NOT_HOLD
    on_growth = exploding_gradients.verdict_on_growth
    assert on_growth({1.0: tame, 1.5: tame}) == HOLDS
    wild = dict.fromkeys(tame, 1.5)
    assert on_growth({1.0: tame, 1.5: wild}) == "holds when the weights' gain is 1 or less"
    assert on_growth({1.0: wild, 1.5: wild}) == DOES_NOT_HOLD
    on_order = exploding_gradients.verdict_on_order
    assert on_order([(1.0, 2.0), (9.0, 9.0)], 8) == HOLDS
    assert on_order([(1.0, 2.0), (2.0, 2.0)], 8).startswith("holds when ")
    assert on_order([(3.0, 2.0)], 8) == on_order([(9.0, 9.0)], 8) == DOES_NOT_HOLD
    on_clipping = exploding_gradients.verdict_on_clipping
    none = {"outlier": 0, "deep": 0, "recurrent": 0}
    assert on_clipping({**none, "deep": 2}, none) == HOLDS
    half = on_clipping({**none, "deep": 2, "outlier": 1}, {**none, "deep": 1})
    assert half == "holds when the cause is an outlier"
    assert on_clipping({**none, "deep": 2}, {**none, "deep": 2}) == DOES_NOT_HOLD
    on_learning = exploding_gradients.verdict_on_learning
    assert on_learning({10.0: (0.1, 0.1)}) == HOLDS
    assert on_learning({10.0: (0.1, 0.1), 100.0: (1.0, 0.1)}) == "holds when the outlier is 10 or smaller"
    assert on_learning({100.0: (1.0, 0.1)}) == DOES_NOT_HOLD


def test_growth_of_a_geometric_series_is_its_ratio():
    lengths = (2, 5, 10, 20)
    assert exploding_gradients.growth(lengths, [3 * 1.5**n for n in lengths]) == pytest.approx(1.5)


def test_an_outlier_scales_squared_errors_gradient_and_leaves_the_others():
    import losscope as ls

    def norm(loss, size):
        case = exploding_gradients.Case("outlier", 2, outlier=size)
        return exploding_gradients.first_gradient(case, ls.get(loss), 0)[0]

    assert norm("squared_error", 1e7) == pytest.approx(10 * norm("squared_error", 1e6), rel=1e-3)
    for loss in ("absolute_error", "smooth_l1"):
        assert norm(loss, 1e7) == pytest.approx(norm(loss, 1e6), rel=1e-6)


def test_one_weight_matrix_serves_all_time_steps():
    deep, recurrent = (
        exploding_gradients._Network(exploding_gradients.Case(kind, 9), 0) for kind in ("deep", "recurrent")
    )
    features, _ = exploding_gradients._data(0.0, 0)
    assert (len(deep.weights), len(recurrent.weights)) == (9, 3)
    recurrent(features)
    assert len(recurrent.states) == 9


def test_exploding_gradients_runs_and_the_seed_decides_every_number():
    first = get("exploding-gradients")(quick=True, steps=5)
    assert check_result(first, 7) == check_result(get("exploding-gradients")(quick=True, steps=5), 7)


# ------------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize("depth", [1, 7, 50])
def test_layers_without_a_non_linearity_are_one_linear_map(depth):
    assert activations.collapse(depth, seed=depth) <= activations.EXACT


def test_layers_with_one_are_not():
    import torch

    network = activations._Network([4, 8, 8, 1], "tanh", 1.0, 0, exact=True)
    matrix, offset = activations.multiplied_out(network)
    features = torch.eye(4, dtype=torch.float64)
    assert float((network(features) - features @ matrix - offset).detach().abs().max()) > 1e-3


def test_relu_solves_xor_and_a_line_does_not():
    assert activations.solve("XOR", "ReLU", 2, 0, 100) == 1.0
    assert activations.solve("XOR", "none", 3, 0, 100) <= 0.75


def test_gradient_through_layers_is_what_the_slopes_allow():
    # A sigmoid's slope is at most 1/4, so each layer takes off at least that from weights of norm about 2.
    sigmoid = [activations.signal(depth, "sigmoid", 1.0, 0) for depth in (1, 5, 10)]
    assert sigmoid[0] > 1e2 * sigmoid[1] > 1e4 * sigmoid[2]
    assert activations.signal(10, "identity", 1.0, 0) == pytest.approx(1, abs=0.5)
    assert activations.factor((1, 5, 10), [0.2**n for n in (1, 5, 10)]) == pytest.approx(0.2)


def test_verdicts_on_activations():
    a = activations
    assert a.verdict_on_collapse({1: 0.0, 9: 1e-15}) == HOLDS
    assert a.verdict_on_collapse({1: 0.0, 9: 1.0}) == "holds when the depth is 1"
    assert a.verdict_on_collapse({9: 1.0}) == DOES_NOT_HOLD
    solved = {"none": 0.5, "sigmoid": 1.0, "tanh": 1.0, "ReLU": 1.0}
    assert a.verdict_on_puzzles({"XOR": solved}) == HOLDS
    assert a.verdict_on_puzzles({"XOR": {**solved, "none": 1.0}}) == DOES_NOT_HOLD
    assert "tanh or ReLU" in a.verdict_on_puzzles({"XOR": {**solved, "sigmoid": 0.5}})
    cheap, dear = {"sigmoid": 2.0, "tanh": 2.0, "ReLU": 1.0}, {"sigmoid": 2.0, "tanh": 1.0, "ReLU": 1.0}
    assert a.verdict_on_cost({"x": {"forward": cheap}}) == HOLDS
    assert a.verdict_on_cost({"x": {"forward": dear}}) == DOES_NOT_HOLD
    partly = {"x": {"forward": dear, "backward": cheap}}
    assert a.verdict_on_cost(partly) == "holds when it is run backward in x"
    assert a.verdict_on_vanishing({"sigmoid": 0.2, "tanh": 0.5}) == HOLDS
    assert a.verdict_on_vanishing({"sigmoid": 0.2, "tanh": 0.95}) == "holds when the activation is sigmoid"
    assert a.verdict_on_vanishing({"sigmoid": 1.0, "tanh": 1.0}) == DOES_NOT_HOLD
    assert a.verdict_on_kept({1.0: 1.0, 2.0: 1.0}) == HOLDS
    assert a.verdict_on_kept({1.0: 0.7, 2.0: 1.0}) == "holds when the weights' variance is 2/width"
    assert a.verdict_on_kept({1.0: 0.7, 2.0: 1.4}) == DOES_NOT_HOLD
    assert a.verdict_on_sparsity(0.5, 0.5) == HOLDS
    assert a.verdict_on_sparsity(0.5, 0.9) == "holds when measured before training"
    assert a.verdict_on_sparsity(0.1, 0.9) == DOES_NOT_HOLD
    assert a.verdict_on_dying({0.1: 0.0, 1.0: 0.5}, 0.0) == HOLDS
    assert a.verdict_on_dying({0.1: 0.0, 1.0: 0.0}, 0.0) == DOES_NOT_HOLD
    losses = {"ReLU": [1.0, 1.0], "sigmoid": [2.0, 2.0], "tanh": [2.0, 2.0]}
    assert a.verdict_on_overfitting(losses) == HOLDS
    assert a.verdict_on_overfitting({**losses, "tanh": [2.0, 0.5]}) == "holds when compared with sigmoid"
    assert a.verdict_on_overfitting({**losses, "sigmoid": [0, 0], "tanh": [0, 0]}) == DOES_NOT_HOLD


def test_activations_runs_untimed_and_the_seed_decides_every_number(monkeypatch):
    monkeypatch.setattr(activations, "RATES", (0.1, 3.0))
    monkeypatch.setattr(activations, "FITTED", 1.0)
    options = {"quick": True, "seeds": 1, "rows": 60, "timing": False}
    first = get("activations")(**options)
    assert check_result(first, 7) == check_result(get("activations")(**options), 7)
    assert "nanoseconds_per_element" not in first.numbers

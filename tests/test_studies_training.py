"""The studies that train: their verdict rules can give every verdict, and their runs obey the laws they report."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from losscope.studies import activations, get
from losscope.studies.study import DOES_NOT_HOLD, HOLDS

STUDIES = (activations,)


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
        (activations, {"rows": 3}),
    ],
)
def test_an_option_out_of_range_is_a_users_mistake(module, option):
    from losscope.errors import LossError

    with pytest.raises(LossError, match=next(iter(option))):
        get(module.__name__.rpartition(".")[2])(quick=True, **option)


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

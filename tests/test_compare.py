"""The laws of a fair comparison, and what becomes of its runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import losscope as ls
from losscope.comparison import comparison, models, say, tuning
from losscope.comparison.data import DataError
from losscope.comparison.differences import Difference, blocks_of
from losscope.comparison.execution import workers_asked
from losscope.comparison.metrics import named
from losscope.comparison.preparation import prepare
from losscope.comparison.rival import read
from losscope.comparison.settings import Asked, settle
from losscope.comparison.tuning import Job
from losscope.comparison.verdict import verdicts
from losscope.comparison.words import method, under_the_tables
from losscope.kernels import threads

SHARED = Path(__file__).parents[2] / "shared" / "data"
SMALL = {"model": "linear", "splits": 2}
TRAINED = {"model": "mlp", "hidden": 4, "epochs": 3, "splits": 2, "grid": 3}
LOSSCOPE = [sys.executable, "-c", "import sys; from losscope.cli import main; sys.exit(main())", "compare"]


def numbers(result):
    """Every number of every run but the seconds it took, and the outputs."""
    return {job: {k: v for k, v in run.items() if k not in ("seconds", "outputs", "schema", "versions")}
            for job, run in result.runs.items()}  # fmt: skip


@pytest.fixture(scope="module")
def diabetes():
    return ls.compare("diabetes", losses=["mse", "huber", "mae"], **SMALL)


@pytest.fixture(scope="module")
def trained():
    return ls.compare("diabetes", losses=["mse", "huber", "mae"], **TRAINED)


@pytest.fixture(scope="module")
def cancer():
    return ls.compare("breast_cancer", losses=["bce", "mse@sigmoid", "hinge"], **TRAINED)


# ------------------------------------------------------------------------------------------------- fairness


def test_every_loss_of_a_split_is_given_the_same_rows_the_same_start_and_the_same_batches(monkeypatch):
    seen = {}
    whole = models.module("mlp").fit

    def record(loss, training, validation, plan, look=None):
        rest = dataclasses.replace(plan, rate=None)
        seen.setdefault(loss.name, []).append(
            (training.features.tobytes(), validation.features.tobytes(), rest)
        )
        return whole(loss, training, validation, plan, look)

    monkeypatch.setattr(models.module("mlp"), "fit", record)
    ls.compare("diabetes", losses=["mse", "huber", "mae"], **{**TRAINED, "grid": 1})
    assert len(seen) == 3
    given = [set(calls) for calls in seen.values()]
    assert given[0] == given[1] == given[2]
    assert len({plan.seed for _, _, plan in given[0]}) == 2  # another start in each split


@pytest.mark.parametrize("data", ["diabetes", "iris"])
def test_what_the_test_rows_say_changes_no_choice(data, monkeypatch):
    def with_other_answers(*args, **kwargs):
        prepared = prepare(*args, **kwargs)
        target = prepared.target.copy()
        target[prepared.test] = np.roll(target[prepared.test], 7)
        return dataclasses.replace(prepared, target=target)

    losses = ["mse", "huber:delta=?"] if data == "diabetes" else ["mse@sigmoid", "ce"]
    result = ls.compare(data, losses=losses, **TRAINED)
    monkeypatch.setattr(comparison, "prepare", with_other_answers)
    changed = ls.compare(data, losses=losses, **TRAINED)
    assert changed.choices == result.choices
    for job, run in result.runs.items():
        assert changed.runs[job]["curves"] == run["curves"]
        assert changed.runs[job]["validation"] == run["validation"]
        assert changed.runs[job]["seam"] == run["seam"]
        assert changed.runs[job]["test"] != run["test"]


def test_as_many_workers_as_kernels_would_use_threads(monkeypatch):
    monkeypatch.setattr(threads, "CONTROL_GROUP", Path("nowhere"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    assert workers_asked(None) == threads.usable_cores() == 3


def test_the_same_seed_gives_the_same_numbers_whatever_the_number_of_workers(trained):
    again = ls.compare("diabetes", losses=["mse", "huber", "mae"], **TRAINED, workers=2)
    assert numbers(again) == numbers(trained)


# ------------------------------------------------------------------------------------------------- tuning


def settings(**asked):
    return settle(Asked(**{"grid": 3, **asked}), numeric=True, training_rows=100, columns=10, splits=1)


def walked(score_of, parameters=None, grids=None, words="huber"):
    """The jobs that a search asks for, given a validation score for each (None diverged), and what it chose."""
    (rival,), of = read([words]), settings()
    runs = {}
    while True:
        found = tuning.search(rival, 0, named("mae", "regression"), grids or {}, of, runs)
        if not found.wanted:
            return runs, found
        for job in found.wanted:
            score = score_of(job)
            runs[job] = {"validation": None if score is None else {"mae": score}}


def test_a_best_rate_at_the_end_of_the_grid_extends_it_until_it_has_a_worse_neighbour():
    rates = lambda runs: sorted(job.rate for job in runs)
    inside, found = walked(lambda job: abs(np.log(job.rate / 0.01)))
    assert (rates(inside), found.choice.rate, found.choice.end) == ([0.003, 0.01, 0.03], 0.01, "")
    above, found = walked(lambda job: abs(np.log(job.rate / 0.3)))
    assert (rates(above)[-1], found.choice.rate, found.choice.end) == (1.0, 0.3, "")
    diverging, found = walked(lambda job: None if job.rate > 0.01 else 1.0 / job.rate)
    assert (rates(diverging)[-1], found.choice.rate) == (0.03, 0.01)
    _, found = walked(lambda job: 1.0 / job.rate)
    assert (found.choice.rate, found.choice.end) == (10.0, "highest")
    everywhere, found = walked(lambda job: None)
    assert found.choice is None
    assert rates(everywhere)[0] == 1e-5


def test_an_open_parameter_is_chosen_at_the_best_rate():
    grids = {"delta": [0.5, 1.0, 2.0]}
    runs, found = walked(
        lambda job: abs(np.log(job.rate / 0.01)) + abs(dict(job.parameters)["delta"] - 2),
        grids=grids, words="huber:delta=?",
    )  # fmt: skip
    assert (found.choice.rate, found.choice.parameters) == (0.01, (("delta", 2.0),))
    assert {dict(job.parameters)["delta"] for job in runs if job.rate == 0.01} == {0.5, 1.0, 2.0}


def test_the_grid_of_a_scale_follows_the_data_and_holds_the_default():
    assert tuning.is_scale(ls.huber, "delta")
    assert tuning.is_scale(ls.define("cauchy", "c**2/2*log(1 + (r/c)**2)", c=1.0), "c")
    assert not tuning.is_scale(ls.get("binary_focal"), "gamma")
    narrow, wide = (tuning.grid_of(ls.huber, "delta", spread) for spread in (0.01, 0.5))
    assert 1.0 in narrow
    assert min(narrow) == pytest.approx(min(wide) / 50)


def test_a_quantile_is_the_question_and_never_tuned():
    assert [rival.open for rival in read(["pinball:quantile=0.9", "huber"], tune=True)] == [(), ("delta",)]


def test_a_quantile_left_open_is_refused():
    with pytest.raises(ValueError, match="quantile of pinball is the question"):
        read(["pinball:quantile=?"])


def test_whether_a_chosen_parameter_mattered_is_said():
    result = ls.compare("diabetes", losses=["mse", "huber:delta=?"], **SMALL)
    (said,) = [sentence for sentence in result.findings() if sentence.startswith("huber:delta=?: delta")]
    assert re.search(r"whether it mattered cannot be told|it is better by|it did harm", said)


# ------------------------------------------------------------------------------------------- what diverges


@pytest.fixture(scope="module")
def diverged():
    return ls.compare("diabetes", losses=["mse", "mae"], **{**TRAINED, "learning_rate": 1e9})


def test_a_loss_that_diverges_at_every_rate_has_no_own_best(diverged):
    assert set(diverged.choices["squared_error"]) == {None}
    assert diverged.summaries["squared_error"].mean("mae") is None
    assert any("squared_error diverged at every rate tried" in sentence for sentence in diverged.findings())
    data = json.loads(json.dumps(diverged.as_data(), allow_nan=False))
    assert data["losses"][0]["choices"] == [None, None]
    assert "diverged" in result_page(diverged)


def result_page(result):
    from losscope.comparison.presentation import page

    return page(result, "losscope compare").html()


# ------------------------------------------------------------------------------------------- what it says


def test_there_is_no_star_and_no_winner_among_ties():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=150)}).assign(y=lambda f: f.x + rng.normal(size=150))
    result = ls.compare(frame, "y", ["mse", "huber:delta=50", "mae"], model="linear", splits=4)
    first = result.findings()[0]
    assert "is best" not in first
    assert "*" not in result.tables()[0].texts()[0][2]
    assert result.as_data()["answers"][0]["winner"] is None
    assert any("That is over 4 splits" in sentence for sentence in result.findings())


def test_folds_are_called_folds_and_a_share_has_the_same_digits_everywhere():
    result = ls.compare("diabetes", losses=["mse", "huber:delta=?"], folds=3, epochs=2, grid=1, hidden=4)
    text = " ".join([*result.findings(), *method(result), *under_the_tables(result)])
    assert not re.findall(r"\d+ splits", text)
    assert text.count("over 3 folds") >= 2
    shares = re.search(r"the (\S+) of training rows with .* \(an equal share would be (\S+)\)", text)
    assert shares is not None
    assert shares[1] == shares[2]


def test_a_clear_winner_is_said_to_be_one():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=1500)}).assign(y=lambda f: f.x + rng.exponential(size=1500))
    result = ls.compare(frame, "y", ["mae", "mse"], model="linear", metric="rmse")
    assert not any("That is over" in sentence for sentence in result.findings())
    assert "**squared_error** is best" in result.findings()[0]
    assert result.tables()[0].texts()[0][2].endswith("*")
    assert result.as_data()["answers"][0]["winner"] == "squared_error"


def test_a_reference_for_the_mean_is_called_that_beside_losses_for_the_median():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.normal(size=150)}).assign(y=lambda f: f.x + rng.normal(size=150))
    for losses, words in (
        (["mae", "huber"], "sklearn boosting, which estimates the mean, "),
        (["mae", "mse"], "by RMSE, "),
    ):
        result = ls.compare(frame, "y", losses, model="linear", splits=2)
        (sentence,) = [each for each in result.findings() if "sklearn boosting" in each]
        assert words in sentence


def test_if_no_loss_beats_the_constant_that_is_the_first_sentence():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=120), "z": rng.normal(size=120), "y": rng.normal(size=120)})
    result = ls.compare(frame, "y", ["mse", "mae"], model="linear", splits=3)
    assert result.findings()[0].startswith("**No loss is clearly better than a constant** by RMSE")
    assert str(result).startswith("No loss is clearly better than a constant by RMSE")


def test_losses_that_estimate_different_quantiles_are_not_ranked_by_one_of_them():
    result = ls.compare("diabetes", losses=["pinball:quantile=0.1", "pinball:quantile=0.9", "mse"], **SMALL)
    asked = {question.metric.name: question.rivals for question in result.questions}
    assert asked["pinball@0.1"] == ("pinball:quantile=0.1",)
    assert asked["rmse"] == ("squared_error",)
    said = " ".join(result.findings())
    assert "They do not all estimate the same" in said
    assert "of the test targets lie at or below it" in said


def test_a_metric_that_is_asked_for_ranks_everyone():
    result = ls.compare("diabetes", losses=["pinball:quantile=0.4", "mse"], metric="mae", **SMALL)
    assert [question.rivals for question in result.questions] == [("pinball:quantile=0.4", "squared_error")]
    with pytest.raises(ValueError, match=r"--metric 'rms' is not known\. Did you mean 'rmse'"):
        ls.compare("diabetes", losses=["mse"], metric="rms", **SMALL)


@pytest.mark.parametrize("name", ["pinball@0.9", "expectile@0.25"])
@pytest.mark.parametrize(
    "losses", [["mse", "mae"], ["pinball:quantile=0.9", "e = where(r > 0, r**2/4, r**2)"]]
)
def test_a_metric_at_a_level_may_be_asked_of_any_losses(name, losses):
    result = ls.compare("diabetes", losses=losses, metric=name, **SMALL)
    (question,) = result.questions
    assert question.metric.name == name
    for loss in result.losses:
        assert np.isfinite(result.summaries[loss].mean(name))
        if name == "pinball@0.9":
            assert 0 <= result.summaries[loss].mean("coverage@0.9") <= 1


def test_a_centre_beyond_the_mean_is_ranked_by_squared_errors():
    result = ls.compare("diabetes", losses=["quartic = r**4", "mse"], **SMALL)
    assert [question.metric.name for question in result.questions] == ["rmse"]
    assert result.chosen_by["quartic"].name == "rmse"
    assert "beyond the mean" in " ".join(result.findings())


def test_a_loss_that_is_the_same_for_every_prediction_is_refused():
    with pytest.raises(
        DataError, match="h is the same for every prediction with c = 0: a model cannot learn"
    ):
        ls.compare("diabetes", losses=["h = c*r**2 : c=0", "mse"], **SMALL)


@pytest.mark.parametrize(
    "formula",
    [
        "e = where(r > 0, r**2, a*r**2) : a=?",
        "q = where(r > 0, a*r, -r) : a=?",
        "q = where(r > 0, r, a*abs(r)) : a=?",
    ],
)
def test_what_is_asked_is_no_parameter_to_choose(formula):
    with pytest.raises(DataError, match=r"a of [eq] is the question, not a parameter to choose"):
        read([formula])
    assert read(["c = log(1 + (r/c)**2) : c=?", "b = (r**2 + 1)**(a/2) : a=?"])[0].open == ("c",)


@pytest.mark.parametrize(
    ("formula", "like"),
    [
        ("r**2", "squared_error"),
        ("abs(r)", "absolute_error"),
        ("exp(z) - y*z", "poisson"),
        ("(z - y)**2*(1 + y)/(1 + y)", "squared_error"),
    ],
)
def test_a_formula_of_targets_of_0_or_more_is_taken_as_it_is_written(formula, like, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=200)})
    frame["y"] = rng.poisson(np.exp(0.5 * frame["x"] + 1))
    file = tmp_path / "my.toml"
    file.write_text(f'[mine]\nformula = "{formula}"\ntarget = "nonnegative"\n')
    result = ls.compare(frame, "y", [like], losses_file=file, **SMALL)
    mine, other = (result.summaries[name].mean("rmse") for name in ("mine", like))
    assert mine == pytest.approx(other, rel=1e-2)
    assert str(result.rivals["mine"].estimand) == str(result.rivals[like].estimand)
    file.write_text('[mine]\nformula = "(log(1 + y) - z)**2"\ntarget = "nonnegative"\n')
    with pytest.raises(
        DataError, match="least neither where the prediction is the target nor where it is its logarithm"
    ):
        ls.compare(frame, "y", losses_file=file, **SMALL)


def test_a_file_of_losses_may_name_an_activation(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=200)})
    frame["y"] = rng.poisson(np.exp(0.5 * frame["x"]))
    text = '[a]\nformula = "prediction - target*log(prediction)"\ntarget = "nonnegative"\nprediction = "positive"\n'
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(DataError, match='give activation = "exp" beside its formula in a file of --losses'):
        ls.compare(frame, "y", ["mse"], losses_file=file, **SMALL)
    file.write_text(text + 'activation = "exp"\n')
    result = ls.compare(frame, "y", ["poisson"], losses_file=file, **SMALL)
    assert result.losses == ("poisson", "a@exp")
    assert result.summaries["a@exp"].mean("rmse") == pytest.approx(
        result.summaries["poisson"].mean("rmse"), rel=1e-3
    )
    file.write_text(text + "activation = 3\n")
    with pytest.raises(ValueError, match="no activation named '3'"):
        ls.compare(frame, "y", losses_file=file, **SMALL)


def test_where_one_class_is_the_large_majority_accuracy_chooses_nothing():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=600)})
    frame["y"] = np.where(rng.uniform(size=600) < 0.1 * np.exp(0.5 * frame.x - 0.1), "yes", "no")
    result = ls.compare(frame, "y", ["bce", "hinge"], model="linear", splits=3)
    assert {metric.name for metric in result.chosen_by.values()} == {"log_loss", "average_precision"}
    assert any("better than always saying 'no'" in sentence for sentence in result.findings())


def test_one_split_has_an_interval_from_its_test_rows():
    result = ls.compare("diabetes", losses=["mse", "mae"], model="linear", splits=1)
    found = result.difference("squared_error", "absolute_error", named("mae", "regression"))
    assert 0 < found.half < np.inf
    assert result.shared_test


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("groups", "known"), [(3, False), (5, False), (12, True)])
@pytest.mark.parametrize("target", ["number", "class"])
def test_where_a_test_part_is_of_one_group_the_uncertainty_is_unknown(groups, known, target):
    x = np.random.default_rng(0).normal(size=180)
    frame = pd.DataFrame({"x": x, "who": np.arange(180) % groups, "weight": np.arange(180) % 7,
                          "y": x + np.arange(180) % 7 if target == "number" else x > 0.3})  # fmt: skip
    losses = ["mse", "mae"] if target == "number" else ["bce", "hinge"]
    for more in ({}, {"weights": "weight"}) if known else ({},):
        result = ls.compare(frame, "y", losses, **SMALL, group="who", **more)
        found = result.difference(*result.losses, result.answer.metric)
        assert np.isfinite(found.half) == known
        assert ("(uncertainty unknown)" in str(result)) == (not known)


def test_where_each_fold_is_of_one_group_the_folds_show_the_uncertainty():
    x = np.random.default_rng(0).normal(size=180)
    frame = pd.DataFrame({"x": x, "who": np.arange(180) % 4, "y": x + np.arange(180) % 7})
    result = ls.compare(frame, "y", ["mse", "mae"], model="linear", folds=4, group="who")
    metric = result.answer.metric
    found = result.difference(*result.losses, metric)
    apart = np.subtract(*(result.summaries[name].values[metric.name] for name in result.losses))
    half = t.ppf(0.975, 3) * apart.std(ddof=1) * (1 / 4 + 1 / 3) ** 0.5
    assert (found.mean, found.half) == pytest.approx((apart.mean(), half))
    assert "taken from the 4 folds alone" in " ".join(method(result))


@pytest.mark.filterwarnings("error")
def test_of_single_rows_there_is_no_r2_and_its_uncertainty_is_unknown():
    x = np.random.default_rng(0).normal(size=40)
    frame = pd.DataFrame({"x": x, "y": x + np.arange(40) % 7})
    result = ls.compare(frame, "y", ["mse", "mae"], model="linear", folds=20, metric="r2")
    assert "the uncertainty is not known" in " ".join(result.findings())


def test_no_test_row_is_missing_from_the_blocks_where_splits_have_other_numbers_of_groups():
    x = np.random.default_rng(0).normal(size=220)
    frame = pd.DataFrame({"x": x, "y": x + np.arange(220) % 7, "who": np.arange(220) // 20})
    result = ls.compare(frame, "y", ["mae"], model="linear", folds=4, group="who")
    groups = [result.dataset.groups[part.test] for part in result.prepared]
    numbers = [len(set(each)) for each in groups]
    assert set(numbers) == {2, 3}
    name, metric = "absolute_error", result.answer.metric
    whole = result.summaries[name].values[metric.name]
    for group, left_out, mean in zip(groups, result._left_out(name, metric), whole, strict=True):
        kept = [len(group) - len(block) for block in blocks_of(len(group), group, min(numbers))]
        assert kept @ left_out == pytest.approx((len(kept) - 1) * len(group) * mean)


def test_losses_without_probabilities_get_a_dash_and_the_reason(cancer):
    assert cancer.summaries["hinge"].mean("log_loss") is None
    assert cancer.summaries["hinge"].mean("auc") > 0.9
    assert "hinge: its output is a score, not a probability" in str(cancer)


def test_two_classes_under_a_softmax_loss_give_every_loss_two_outputs():
    result = ls.compare("breast_cancer", losses=["bce", "ce"], **{**TRAINED, "grid": 1})
    assert result.task.outputs == 2
    assert min(summary.mean("accuracy") for summary in result.summaries.values()) > 0.85


def test_counts_are_predicted_by_their_mean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "visits": rng.poisson(np.exp(1 + 0.5 * x))})
    result = ls.compare(frame, "visits", **SMALL)
    assert result.task.kind == "count"
    assert result.losses[0] == "poisson"
    assert result.summaries["poisson"].mean("mae") < 2.0
    assert result.answer.metric.name == "poisson_deviance"


def test_a_huber_loss_is_told_its_regimes_and_a_delta(trained):
    seam = trained.best_runs("huber")[0]["seam"]
    assert (seam["parameter"], seam["value"]) == ("delta", 1.0)
    assert seam["suggested"] == pytest.approx(1.345 * seam["sigma"])
    assert 0 < seam["beyond"] < 1
    assert any("huber: delta = 1 is" in sentence for sentence in trained.findings())
    assert all(run["seam"] is None for run in trained.best_runs("squared_error"))


def test_from_few_residuals_no_delta_is_suggested():
    frame = pd.DataFrame({"x": np.arange(40) % 7, "y": (np.arange(40) * 37 % 11).astype(float) + 0.5})
    said = " ".join(ls.compare(frame, "y", ["huber", "mse"], **SMALL).findings())
    assert "residuals are too few to suggest another" in said


# ---------------------------------------------------------------------------------------- losses of one's own


def test_a_formula_of_one_s_own_can_be_compared():
    text = "mine = where(abs(r) <= c, r**2/2, c*abs(r) - c**2/2) : c=1"
    mine = ls.define("also_mine", "where(abs(r) <= c, r**2/2, c*abs(r) - c**2/2)", c=1.0)
    result = ls.compare("diabetes", losses=[text, mine, "huber"], **SMALL, workers=2)
    assert result.losses == ("mine", "also_mine", "huber")
    found = [summary.mean("mae") for summary in result.summaries.values()]
    assert found == pytest.approx([found[0]] * 3, rel=1e-3)


def test_losses_of_a_file(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('[cauchy]\nformula = "c**2/2*log(1 + (r/c)**2)"\nc = "?"\n[half]\nformula = "r**2/2"\n')
    result = ls.compare("diabetes", losses_file=file, **SMALL)
    assert result.losses == ("cauchy:c=?", "half")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a", "is no TOML file"),
        ("a = 1", "needs a table with a formula"),
        ('[a]\nformula = "r**"', "a: "),
        ("", "has no loss in it"),
        ("a = " + "[" * 5000 + "]" * 5000, "brackets within brackets, too deep"),
        ('[a]\nformula = "name*r**2"\nname = 2', "a: A parameter cannot be named 'name'"),
        ('[a]\nformula = "r**2"\nsummary = 5', "a: summary must be text. Got: 5."),
        ('[a]\nformula = "r**2"\ntask = ["count"]', "a: task must be text. Got: ['count']."),
        ('[a]\nformula = "r**2"\nstrict = "yes"', "a: strict must be True or False. Got: 'yes'."),
        ('[a]\nformula = "r**2"\nstrict = "?"', "a: strict must be True or False. Got: '?'."),
        ('[a]\nformula = "r**2"\ntarget = {}', "a: target must be text. Got: {}."),
        ("a = " + "9" * 5000, "a whole number of thousands of digits"),
        ('[a]\nformula = "c*r**2"\nc = 1e999', "a: The default of c must be a finite number. Got: inf."),
        ('[a]\nformula = "c*r**2"\nc = true', "a: The default of c must be a number. Got: True."),
        ('[a]\nformula = "r**1e1000000000000000000"', "a: This constant is out of all proportion"),
        ('[a]\nformula = "r**2 + foo(r)"', "\n  r**2 + foo(r)\n         ^"),
    ],
)
def test_a_wrong_file_of_losses_is_one_clear_line(text, says, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text(text)
    for words in ([], ["nonsense"]):  # a word may be meant as another file: this one is told of first
        with pytest.raises(ValueError, match=re.escape(says)) as caught:
            read(words, file)
        assert str(file) in str(caught.value)


def test_a_file_of_losses_may_begin_with_a_byte_order_mark(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('[a]\nformula = "r**2"', encoding="utf-8-sig")
    assert [rival.name for rival in read([], file)] == ["a"]


TAKEN = ["name", "formula", "structure", "target", "prediction", "summary", "task", "strict"]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        *((f"a = {name}*r**2 : {name}=2", f"the parameter {name!r} of a has a name that is taken") for name in TAKEN),
        ("a = c*r**2 : c=1, c=2", "the parameter 'c' of a is set twice"),
        ("a = c*r**2 : c=?, c=2", "the parameter 'c' of a is set twice"),
        ("huber:delta=?,delta=2", "delta in 'huber:delta=?,delta=2' is set twice"),
        ("huber:delta=?:delta=?", "delta in 'huber:delta=?:delta=?' is set twice"),
        ("a b = r**2", "'a b' in 'a b = r**2' is no name of a loss: give it one word, as in \"mine = r**2\""),
        ("= r**2", "'' in '= r**2' is no name of a loss: give it one word, as in \"mine = r**2\""),
        ("where(r <= 1, r**2, abs(r))", 'a formula without a name: write "mine = where(r <= 1'),
    ],
)  # fmt: skip
def test_a_loss_that_is_written_wrong_is_one_clear_line(word, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        read([word])


def test_the_logarithm_of_the_target_is_a_rival_transformed_back():
    rng = np.random.default_rng(4)
    x = rng.normal(size=400)
    frame = pd.DataFrame({"x": x, "y": np.exp(x + 0.5 * rng.normal(size=400))})
    result = ls.compare(frame, "y", ["mse", "log(target)"], model="linear", splits=3, metric="mae")
    assert result.summaries["log(target)"].mean("mae") < result.summaries["squared_error"].mean("mae")
    with pytest.raises(ValueError, match=r"log\(target\) needs a target above 0, and row 3 has -1"):
        ls.compare(pd.DataFrame({"x": range(40), "y": [1, 2, -1.5, 4] * 10}), "y", ["log(target)"], **SMALL)


def test_two_losses_of_one_name_are_refused(tmp_path):
    one, other = (ls.define("mine", "sqrt(c**2 + r**2) - c", c=c) for c in (1.0, 4.0))
    with pytest.raises(ValueError, match=r"two different losses are named 'mine' \(.*c=1; .*c=4\)"):
        ls.compare("diabetes", losses=[one, other], **SMALL)
    again = ls.define("mine", "sqrt(c**2 + r**2) - c", c=1.0)
    assert ls.compare("diabetes", losses=[one, again], **SMALL, out=tmp_path).repeated == ("mine",)
    assert ls.compare("diabetes", losses=[one], **SMALL, out=tmp_path).found == 2
    assert ls.compare("diabetes", losses=[other], **SMALL, out=tmp_path).found == 0


def test_what_is_no_loss_is_refused():
    with pytest.raises(ValueError, match="is not a loss: give a name"):
        ls.compare("diabetes", losses=[abs, "mse"])
    with pytest.raises(ValueError, match=r"compare has no option 'metrik'\. Did you mean 'metric'"):
        ls.compare("diabetes", losses=["mse"], metrik="mae")


# ------------------------------------------------------------------------------------------- what is written


def test_results_json_csv_and_the_page(trained, tmp_path):
    report = trained.save(tmp_path, "losscope compare mse huber mae --data diabetes")
    data = json.loads((tmp_path / "results.json").read_text())
    assert data["schema"] == "losscope.compare/2"
    assert {
        "asked",
        "data",
        "answers",
        "losses",
        "references",
        "findings",
        "runs",
        "versions",
        "command",
    } <= set(data)
    assert [loss["name"] for loss in data["losses"]] == ["squared_error", "huber", "absolute_error"]
    for loss in data["losses"]:
        assert {"mae", "rmse", "median_absolute_error", "r2", "own"} == set(loss["test"])
        assert len(loss["test"]["mae"]["values"]) == 2
    rows = pd.read_csv(tmp_path / "results.csv")
    assert len(rows) == len(trained.runs) == len(data["runs"])
    assert {"loss", "split", "learning_rate", "seed", "status", "test_mae", "validation_mae"} <= set(
        rows.columns
    )
    html = report.read_text()
    assert html.count("<svg") > 5
    # Self-contained: nothing is asked of anyone.
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#|data:)""", html)
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))|<script[^>]+src", html)


def test_the_page_opens_with_two_sentences_and_then_the_picture(diabetes):
    html = result_page(diabetes)
    answer = html[html.index("The answer</h2>") :]
    assert answer[: answer.index("<svg")].count("<p>") <= 2


def test_a_result_shows_itself_in_a_notebook_and_as_a_frame(diabetes):
    html = diabetes._repr_html_()
    assert "<table>" in html or "<table" in html
    assert "<svg" in html
    frame = diabetes.table()
    assert {"squared_error", "best constant", "sklearn boosting"} <= set(frame.index)
    assert {"rmse", "rmse_spread", "mae"} <= set(frame.columns)
    assert "differences" in diabetes.figures


def test_a_finished_run_is_not_run_again(tmp_path):
    arguments = {**TRAINED, "out": tmp_path}
    first = ls.compare("diabetes", losses=["mse", "huber"], **arguments)
    assert first.found == 0
    again = ls.compare("diabetes", losses=["mse", "huber"], **arguments)
    assert again.found == len(first.runs)
    assert numbers(again) == numbers(first)
    assert again.summaries == first.summaries
    more = ls.compare("diabetes", losses=["mse", "huber", "mae"], **arguments)
    assert more.found == len(first.runs)
    other = ls.compare("diabetes", losses=["mse"], **{**arguments, "epochs": 4})
    assert other.found == 0


def test_a_damaged_run_is_run_again_and_one_of_an_earlier_version_left_alone(tmp_path):
    from losscope.comparison.results import older_runs

    arguments = {**SMALL, "out": tmp_path}
    first = ls.compare("diabetes", losses=["mse"], **arguments)
    files = sorted((tmp_path / "runs").glob("*.json"))
    files[0].write_text("{half")
    old = tmp_path / "runs" / "0123456789abcdef01234567.json"
    old.write_text('{"schema": "losscope.compare.run/1", "loss": "squared_error"}')
    assert older_runs(tmp_path) == 1
    again = ls.compare("diabetes", losses=["mse"], **arguments)
    assert again.found == len(files) - 1
    assert numbers(again) == numbers(first)
    assert old.exists()


def started(out, options, finished=1):
    """`losscope compare` in a process group of its own, at work, with so many runs finished; 0: as workers start."""
    command = [*LOSSCOPE, "mse", "mae", "--data", "diabetes", *options.split(), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job ignores SIGINT, and one under nohup SIGHUP; so would all that it starts.
        preexec_fn=lambda: [signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGHUP)],
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if len(list(out.glob("runs/*.json"))) >= finished and (finished or len(workers(process.pid)) == 2):
            break
        time.sleep(0.02)
    return command, process


def alive(group):
    """The processes of a group that still run (not those that wait to be collected)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(status.parent.name))
    return found


def workers(group):
    """Those of them that are joblib's workers."""
    return [each for each in alive(group) if b"LokyProcess" in Path(f"/proc/{each}/cmdline").read_bytes()]


def test_ctrl_c_loses_no_finished_run_and_the_same_command_goes_on(tmp_path):
    out = tmp_path / "out"
    command, process = started(out, "--model mlp --epochs 60 --splits 3 --grid 1", finished=2)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers, too
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "The same command picks up from there" in errors
    finished = {path: path.stat().st_mtime_ns for path in out.glob("runs/*.json")}
    assert len(finished) >= 2
    assert not list(out.glob("runs/.*"))
    again = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert f"{len(finished)} finished runs found and not repeated" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert (out / "report.html").exists()


IN_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@IN_PROC
@pytest.mark.parametrize(
    ("number", "code", "finished", "send"),
    [
        (signal.SIGTERM, 143, 1, os.kill),
        (signal.SIGHUP, 129, 1, os.killpg),
        (signal.SIGKILL, -9, 1, os.kill),
        (signal.SIGKILL, -9, 0, os.kill),
        (signal.SIGINT, 130, 0, os.killpg),
    ],
)
def test_no_worker_outlives_a_comparison_that_is_ended(number, code, finished, send, tmp_path):
    _, process = started(tmp_path / "out", "--model linear --splits 60", finished)
    send(process.pid, number)
    process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = alive(process.pid)
    for each in left:
        os.kill(each, signal.SIGKILL)
    assert not left
    assert process.returncode == code
    assert "Traceback" not in process.communicate()[1]


@IN_PROC
def test_a_worker_that_is_killed_is_one_line_with_what_to_do(tmp_path):
    out = tmp_path / "out"
    _, process = started(out, "--model linear --splits 60")
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert "Traceback" not in errors
    said = errors.splitlines()[-1]
    assert "SIGKILL" in said
    assert f"saved in {str(out)!r}: the same with --workers 1" in said


def test_the_first_signal_ends_a_comparison_and_none_disturbs_it_at_that():
    from losscope.cli.compare import Ended, _ended_in_order

    signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = {each: signal.getsignal(each) for each in signals}
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with pytest.raises(Ended) as stopped, _ended_in_order():
            _ = [signal.raise_signal(each) for each in (signal.SIGHUP, signal.SIGTERM)]
        assert stopped.value.code == 143
        for each in signals:
            signal.raise_signal(each)
    finally:
        logging.getLogger("concurrent.futures").disabled = False
        for each, handler in before.items():
            signal.signal(each, handler)


def test_what_a_terminal_cannot_show_is_spelt_otherwise(tmp_path):
    command = [*LOSSCOPE, "mse", "--data", "diabetes", "--model", "linear", "--splits", "2", "--workers", "1",
               "--out", str(tmp_path)]  # fmt: skip
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=ascii_only)
    assert done.returncode == 0, done.stderr
    assert r"\xb1" in done.stdout


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_name_and_no_number_is_broken_on_a_narrow_terminal(cancer, width):
    from losscope.comparison.presentation import as_text

    words = set(re.split(r"[\s,]+", as_text(cancer, width)))
    for name in cancer.losses:
        assert name in words
    if width == 80:
        lines = as_text(cancer, width).splitlines()
        assert any(line.strip().startswith("loss") and "log loss" in line for line in lines)  # still a table


def test_losses_may_stand_behind_the_options(tmp_path, capsys):
    from losscope.cli import main

    options = "--data diabetes --model linear --splits 2 --workers 1 --json --out"
    assert main(["compare", "mse", *options.split(), str(tmp_path), "huber:delta=50", "mae"]) == 0
    found = json.loads(capsys.readouterr().out)["losses"]
    assert [each["name"] for each in found] == [
        ls.get(name).name for name in ("mse", "huber:delta=50", "mae")
    ]


def test_one_run_is_said_as_one(tmp_path, capsys):
    from losscope.cli import main

    options = "--data diabetes --model linear --splits 1 --workers 1 --out"
    assert main(["compare", "mse", *options.split(), str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "\n1 run in " in shown.out
    assert "1 run, on 1 process: a few seconds" in shown.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["compare", "--taget", "y"],
            "losscope compare: unrecognized arguments: --taget; did you mean --target?",
        ),
        (["compare", "--epoch=3", "--lerning-rate=3"], "did you mean --learning-rate?"),
        (["list", "more"], "losscope list: unrecognized arguments: more"),
        (["compare", "--splits", "many"], "argument --splits: invalid int value: 'many'"),
        (["shwo"], "losscope: argument VERB: invalid choice: 'shwo'"),
    ],
)
def test_a_wrong_option_is_one_line(words, says, capsys):
    from losscope.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_json_on_stdout_and_the_table_on_stderr(tmp_path):
    command = [*LOSSCOPE, "mse", "--data", "diabetes", "--model", "linear", "--splits", "2", "--workers", "1",
               "--json", "--out", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "losscope.compare/2"
    assert found["command"].startswith("losscope compare mse --data diabetes --model linear --splits 2")
    assert "RMSE" in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 80 + len(str(tmp_path)) + 20


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the package distributed")
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same_numbers(diabetes):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        result = ls.compare("diabetes", losses=["mse", "huber", "mae"], **SMALL, dask=address)
    assert numbers(result) == numbers(diabetes)


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the package distributed")
def test_no_dask_scheduler_at_the_address_is_one_clear_line(monkeypatch):
    from losscope.comparison import DataError, execution

    monkeypatch.setattr(execution, "DASK_TIMEOUT_S", 0.2)
    with pytest.raises(DataError, match="no Dask scheduler answers") as caught:
        ls.compare("diabetes", losses=["mse"], **SMALL, dask="tcp://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_imports_of_the_comparison_only_run_downward():
    """No module is imported, directly or not, by what it imports itself (imports for type checkers do not count)."""
    import ast

    folder = Path(comparison.__file__).parent
    graph = {}
    for file in folder.glob("*.py"):
        name = file.stem
        graph[name] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                for inside in ast.walk(node):
                    inside.module = (
                        None if isinstance(inside, ast.ImportFrom) else getattr(inside, "module", None)
                    )
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = node.module.split(".")
                if parts[:2] == ["losscope", "comparison"]:
                    graph[name] |= {parts[2]} if len(parts) > 2 else {alias.name for alias in node.names}
    graph = {
        name: {each for each in uses if each in graph} for name, uses in graph.items() if name != "__init__"
    }
    assert graph["findings"]
    while leaves := [name for name, uses in graph.items() if not uses & set(graph)]:
        for name in leaves:
            del graph[name]
    assert not graph


# ------------------------------------------------------------------------------------------------ real data


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="needs ../shared/data/mnist")
def test_mnist_end_to_end():
    result = ls.compare(
        "mnist", losses=["ce"], data_dir=SHARED / "mnist", model="mlp", hidden=8, epochs=1, splits=1, grid=1,
        batch_size=128,
    )  # fmt: skip
    assert result.summaries["cross_entropy"].mean("accuracy") > 0.75
    assert Job("cross_entropy", 0, 0, result.settings.learning_rate) in result.runs


@pytest.mark.parametrize(
    ("metric", "mixed", "said"),
    [
        ("auc", (2, 5), "No AUC for binary_cross_entropy and hinge: 3 of 3 splits have test rows of one class only."),
        ("average_precision", (2, 5), "average precision for binary_cross_entropy and hinge: 3 of 3 splits have test rows of one"),
        ("log_loss", range(6), "No log loss for hinge: it gave scores that are no probabilities."),
    ],
)  # fmt: skip
def test_why_there_is_no_metric_is_the_reason(metric, mixed, said):
    """Only groups that are mixed have both classes, and with two of them the splits are tested on others."""
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 20)
    label = np.where((random.random(120) < 0.5) & np.isin(group, mixed), "yes", "no")
    frame = pd.DataFrame({"x": random.normal(size=120), "g": group, "y": label})
    result = ls.compare(frame, "y", ["bce", "hinge"], model="linear", metric=metric, group="g", splits=3)
    assert any(said in each for each in result.findings())


@pytest.mark.parametrize("size", [3e6, 3e7, 1e41])
def test_differences_are_written_as_the_means_beside_them_are(size):
    """Numbers of ten millions or more have an exponent everywhere."""
    metric = named("mae", "regression")
    for half in (size / 3, size * 3, size / 1000):
        told = say.difference(metric, Difference(size, half))
        assert ("e+" in told) == (max(size, half) >= say.FAR)
        assert len(told) < 25


@pytest.mark.parametrize(("noise", "exact"), [(0.0, True), (1e-7, True), (1e-2, False)])
def test_losses_that_all_fit_almost_exactly_are_not_ranked(noise, exact):
    """What is left of a line without noise is rounding and the default penalty."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=200)})
    frame["y"] = 2 * frame["x"] + noise * random.normal(size=200)
    result = ls.compare(frame, "y", ["mse", "mae"], model="linear", splits=3)
    said = " ".join(result.findings())
    assert ("**every loss fits the data almost exactly**" in said) == exact
    if exact:
        assert not any(word in said for word in ("is best", "beats", "uncertainties are smaller"))
        assert all(found.winner is None for found in verdicts(result))

"""The laws of a fair comparison, and what becomes of its runs."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
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

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch

import losscope as ls
from losscope.comparison import compare, comparison, plan, training
from losscope.comparison.execution import workers_asked
from losscope.comparison.model import build
from losscope.comparison.preparation import prepare
from losscope.comparison.settings import METRICS, settle
from losscope.comparison.training import Job
from losscope.kernels import threads

SHARED = Path(__file__).parents[2] / "shared" / "data"
SMALL = {"model": "linear", "epochs": 3, "seeds": 2, "grid": 3}
LOSSCOPE = [sys.executable, "-c", "import sys; from losscope.cli import main; sys.exit(main())", "compare"]


def numbers(result):
    """Every number of every run but the seconds it took."""
    return {job: {k: v for k, v in run.items() if k != "seconds"} for job, run in result.runs.items()}


@pytest.fixture(scope="module")
def diabetes():
    return compare(["mse", "huber", "mae"], "diabetes", **SMALL)


@pytest.fixture(scope="module")
def digits():
    return compare(["mse@sigmoid", "bce", "ce"], "digits", **SMALL)


# ------------------------------------------------------------------------------------------------- fairness


def test_every_loss_of_a_seed_starts_from_the_same_weights_and_sees_the_same_batches(monkeypatch):
    starts, seen = {}, {}
    whole_train, whole_batches = training._train, training.batches

    def record_start(*args, **kwargs):
        model = build(*args, **kwargs)
        starts.setdefault(current[-1], []).append([p.detach().clone() for p in model.parameters()])
        return model

    def record_batches(*args, **kwargs):
        made = whole_batches(*args, **kwargs)
        seen.setdefault(current[-1], []).append(np.concatenate(made))
        return made

    def record_job(job, *args, **kwargs):
        current.append(job)
        return whole_train(job, *args, **kwargs)

    current: list[Job] = []
    monkeypatch.setattr(training, "build", record_start)
    monkeypatch.setattr(training, "batches", record_batches)
    monkeypatch.setattr(training, "_train", record_job)
    compare(["mse", "huber", "mae"], "diabetes", **{**SMALL, "model": "mlp", "grid": 1})
    for seed in (0, 1):
        jobs = [job for job in starts if job.seed == seed]
        assert len(jobs) == 3
        for job in jobs[1:]:
            assert all(torch.equal(a, b) for a, b in zip(starts[job][0], starts[jobs[0]][0]))
            assert all(np.array_equal(a, b) for a, b in zip(seen[job], seen[jobs[0]]))
    (one,), (other,) = (
        [starts[job][0] for job in starts if job == Job("huber", 0.01, seed)] for seed in (0, 1)
    )
    assert not torch.equal(one[0], other[0])


def test_each_epoch_uses_every_training_row_once():
    train = np.array([3, 5, 8, 9, 11])
    made = training.batches(train, epoch=1, seed=0, size=2)
    assert sorted(np.concatenate(made)) == train.tolist()
    assert [len(rows) for rows in made] == [2, 2, 1]


@pytest.mark.parametrize("data", ["diabetes", "iris"])
def test_what_the_test_rows_say_changes_no_choice(data, monkeypatch):
    def with_other_answers(*args):
        prepared = prepare(*args)
        target = prepared.target.copy()
        target[prepared.test] = np.roll(target[prepared.test], 7)
        return dataclasses.replace(prepared, target=target)

    losses = ["mse", "huber"] if data == "diabetes" else ["mse@sigmoid", "ce"]
    result = compare(losses, data, **SMALL)
    monkeypatch.setattr(comparison, "prepare", with_other_answers)
    changed = compare(losses, data, **SMALL)
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


def test_the_same_seed_gives_the_same_numbers_whatever_the_number_of_workers(diabetes):
    again = compare(["mse", "huber", "mae"], "diabetes", **SMALL, workers=2)
    assert numbers(again) == numbers(diabetes)


def test_the_shared_rate_is_one_of_the_rates_tried(diabetes):
    for name in diabetes.losses:
        assert Job(name, diabetes.settings.learning_rate, 0) in diabetes.runs
        assert diabetes.at_same_rate(name).learning_rate == 0.01


def runs_with(loss, settings, score_of):
    """Made-up runs with a validation score for each step; None diverged."""
    runs = {}
    for step, score in score_of.items():
        for job in plan.jobs(loss, [step], settings):
            validation = None if score is None else dict.fromkeys(METRICS["regression"], score)
            runs[job] = {"validation": validation, "status": "done" if validation else "diverged"}
    return runs


def test_a_best_at_the_end_of_the_grid_extends_it():
    settings = settle(kind="regression", training_rows=100, grid=3)
    assert plan.next_steps("a", settings, runs_with("a", settings, {-1: 3, 0: 2, 1: 1})) == [2]
    assert plan.next_steps("a", settings, runs_with("a", settings, {-1: 1, 0: 2, 1: 3})) == [-2]
    assert plan.next_steps("a", settings, runs_with("a", settings, {-1: 2, 0: 1, 1: 3})) == []
    assert plan.next_steps("a", settings, runs_with("a", settings, {-1: 2, 0: 1, 1: None})) == []
    assert plan.next_steps("a", settings, runs_with("a", settings, {-1: None, 0: None, 1: None})) == [-2]
    everywhere = runs_with("a", settings, dict.fromkeys(range(-6, 7)))
    assert plan.next_steps("a", settings, everywhere) == []
    assert plan.choose("a", settings, everywhere) is None
    to_the_end = runs_with("a", settings, {step: -step for step in range(-1, 7)})
    assert plan.next_steps("a", settings, to_the_end) == []
    assert plan.choose("a", settings, to_the_end).end == "highest"


def test_a_diverged_run_is_reported_as_such():
    result = compare(["mse", "mae"], "diabetes", **{**SMALL, "grid": 1, "learning_rate": 1e6, "epochs": 40})
    mse = result.at_same_rate("squared_error")
    assert (mse.diverged, mse.metrics["mae"]) == (2, None)
    assert result.choices["squared_error"] is None
    assert "diverged with 2 of 2 seeds" in " ".join(str(result).split())
    assert any("squared_error diverged" in sentence for sentence in result.findings())
    json.dumps(result.as_data(), allow_nan=False)
    assert "diverged" in result_page(result)


def test_a_loss_that_diverges_at_every_rate_has_no_own_best():
    options = {**SMALL, "learning_rate": 1e9, "seeds": 1}
    result = compare(["mse", "mae"], "diabetes", **options)
    assert result.choices["squared_error"] is None
    assert result.at_own_best("squared_error") is None
    assert (
        "squared_error diverged at every rate tried, so it has no best rate of its own." in result.findings()
    )
    assert "diverged at every rate" in result_page(result)
    assert json.loads(json.dumps(result.as_data(), allow_nan=False))["losses"][0]["at_own_best"] is None


def test_other_rules_and_optimizers_work_through_to_the_page():
    result = compare(
        ["mse", "mae"],
        "diabetes",
        model="mlp",
        hidden=4,
        optimizer="adam",
        choose_by="own",
        epochs=2,
        seeds=1,
        grid=3,
    )
    html = result_page(result)
    assert "Adam" in html
    assert "each loss&#39;s own value" in html.replace("&#x27;", "&#39;")
    assert "so the spread is unknown" in html


def result_page(result):
    from losscope.comparison.presentation import page

    return page(result, "losscope compare").html()


# -------------------------------------------------------------------------------------------------- metrics


def test_metrics_agree_with_scikit_learn_s(digits):
    from scipy.special import softmax
    from sklearn.metrics import accuracy_score, log_loss

    from losscope.comparison.metrics import classification, regression
    from losscope.comparison.task import Encoding

    rng = np.random.default_rng(0)
    outputs, target = rng.normal(size=(50, 10)), rng.integers(0, 10, 50)
    found = classification(outputs, target, digits.task, Encoding("index", "softmax"))
    p = softmax(outputs, axis=1)
    assert found["accuracy"] == accuracy_score(target, p.argmax(1))
    assert found["log_loss"] == pytest.approx(log_loss(target, p, labels=range(10)))
    assert found["brier"] == pytest.approx(np.mean(np.sum((p - np.eye(10)[target]) ** 2, axis=1)))
    assert classification(outputs, target, digits.task, Encoding("sign", "score"))["log_loss"] is None
    assert regression(np.array([1.0, 2, 6]), np.zeros(3)) == pytest.approx(
        {"mae": 3, "rmse": np.sqrt(41 / 3), "median_absolute_error": 2}
    )


def test_metrics_of_a_regression_are_in_original_units(diabetes):
    test = diabetes.prepared.target[diabetes.prepared.test]
    spread = np.mean(np.abs(test - np.median(test)))
    assert 0.2 * spread < diabetes.at_own_best("huber").metrics["mae"][0] < 2 * spread


# -------------------------------------------------------------------------------------- what the loss did


def test_saturation_and_its_wrong_side_are_told_apart():
    from losscope.comparison.observation import saturation
    from losscope.comparison.task import Encoding

    outputs, one_hot = np.array([[9.0], [9.0], [-9.0], [0.1]]), np.array([[1.0], [0.0], [0.0], [1.0]])
    assert saturation(outputs, one_hot, Encoding("one", "sigmoid")) == (0.75, 0.25)
    assert saturation(outputs, one_hot, Encoding("one", "score")) is None


def test_the_largest_residuals_carry_an_equal_share_of_an_absolute_error():
    residual = np.random.default_rng(0).standard_cauchy((1000, 1)).astype("f")
    shares = {}
    for name in ("absolute_error", "huber", "squared_error"):
        _, gradient = ls.get(name).value_and_grad(residual, np.zeros_like(residual))
        from losscope.comparison.observation import share_of_largest

        shares[name] = share_of_largest(gradient, np.abs(residual)[:, 0])
    assert shares["absolute_error"] == pytest.approx(0.01)
    assert shares["absolute_error"] < shares["huber"] < shares["squared_error"]


def test_a_huber_loss_is_told_its_regimes_and_a_delta(diabetes):
    seam = diabetes.runs_of("huber", 0.01)[0]["seam"]
    assert (seam["parameter"], seam["value"]) == ("delta", 1.0)
    assert seam["suggested"] == pytest.approx(1.345 * seam["sigma"])
    assert 0 < seam["beyond"] < 1
    assert len(diabetes.runs_of("huber", 0.01)[0]["curves"]["beyond_seam"]) == SMALL["epochs"] + 1
    assert any("huber: delta = 1 is" in sentence for sentence in diabetes.findings())
    assert all(run["seam"] is None for run in diabetes.runs_of("squared_error", 0.01))


def test_curves_have_a_point_before_training_and_one_for_each_epoch(digits):
    for run in digits.runs.values():
        for name in (
            "loss",
            "gradient_norm",
            "saturated",
            "saturated_wrong",
            "largest_share",
            "validation_accuracy",
        ):
            assert len(run["curves"][name]) == SMALL["epochs"] + 1


def test_losses_without_probabilities_get_a_dash_and_the_reason():
    result = compare(["hinge", "bce"], "breast_cancer", **{**SMALL, "grid": 1})
    assert result.at_same_rate("hinge").metrics["log_loss"] is None
    assert result.at_same_rate("binary_cross_entropy").metrics["log_loss"] is not None
    assert "hinge gives scores, not probabilities" in str(result)


def test_two_classes_under_a_softmax_loss_give_every_loss_two_outputs():
    result = compare(["bce", "ce"], "breast_cancer", **{**SMALL, "grid": 1})
    assert result.task.outputs == 2
    assert min(result.at_same_rate(name).metrics["accuracy"][0] for name in result.losses) > 0.85


def test_counts_are_predicted_by_their_rate():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "visits": rng.poisson(np.exp(1 + 0.5 * x))})
    result = compare(["poisson", "mse"], frame, target="visits", task="regression", **{**SMALL, "epochs": 20})
    assert result.at_own_best("poisson").metrics["mae"][0] < 2.0
    assert "poisson sees the target divided by its mean" in " ".join(str(result).split())


def test_a_formula_of_one_s_own_can_be_compared():
    mine = ls.define("mine", "where(abs(r) <= c, r**2/2, c*abs(r) - c**2/2)", c=1.0)
    result = compare([mine, "huber"], "diabetes", **{**SMALL, "grid": 1}, workers=2)
    ours, theirs = (result.at_same_rate(name).metrics["mae"][0] for name in result.losses)
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_two_losses_of_one_name_are_refused(tmp_path):
    """Only the first of them used to run; and a run of the one was taken for a run of the other."""
    options = {**SMALL, "grid": 1, "seeds": 1, "epochs": 1}
    one, other = (ls.define("mine", "sqrt(c**2 + r**2) - c", c=c) for c in (1.0, 4.0))
    with pytest.raises(ValueError, match=r"two different losses are named 'mine' \(.*c=1; .*c=4\)"):
        compare([one, other], "diabetes", **options)
    with pytest.raises(ValueError, match="two different losses are named 'mine'"):
        compare([one, ls.define("mine", "r**2")], "diabetes", **options)
    again = ls.define("mine", "sqrt(c**2 + r**2) - c", c=1.0)
    assert compare([one, again], "diabetes", **options, out=tmp_path).repeated == ("mine",)
    assert compare([one], "diabetes", **options, out=tmp_path).found == 1
    assert compare([other], "diabetes", **options, out=tmp_path).found == 0


def test_what_is_no_loss_is_refused():
    with pytest.raises(ValueError, match="is not a loss: give a name"):
        compare([abs, "mse"], "diabetes", **SMALL)


# ------------------------------------------------------------------------------------------- what is written


def test_results_json_csv_and_the_page(diabetes, tmp_path):
    report = diabetes.save(tmp_path, "losscope compare mse huber mae --data diabetes")
    data = json.loads((tmp_path / "results.json").read_text())
    assert data["schema"] == "losscope.compare/1"
    assert {"asked", "data", "losses", "findings", "runs", "versions", "command"} <= set(data)
    assert [loss["name"] for loss in data["losses"]] == ["squared_error", "huber", "absolute_error"]
    for loss in data["losses"]:
        assert set(loss["at_same_rate"]["test"]) == {"mae", "rmse", "median_absolute_error", "own"}
        assert len(loss["at_own_best"]["test"]["mae"]["values"]) == 2
    rows = pd.read_csv(tmp_path / "results.csv")
    assert len(rows) == len(diabetes.runs) == len(data["runs"])
    assert {"loss", "learning_rate", "seed", "status", "test_mae", "validation_mae"} <= set(rows.columns)
    html = report.read_text()
    assert html.count("<svg") > 5
    assert "--target" in html or "diabetes" in html
    # Self-contained: nothing is asked of anyone.
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#|data:)""", html)
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))|<script[^>]+src", html)


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch):
    arguments = {**SMALL, "out": tmp_path}
    first = compare(["mse", "huber"], "diabetes", **arguments)
    assert first.found == 0
    count = []
    whole = training._train
    monkeypatch.setattr(training, "_train", lambda job, *rest: count.append(job) or whole(job, *rest))
    again = compare(["mse", "huber"], "diabetes", **arguments)
    assert (again.found, count) == (len(first.runs), [])
    assert numbers(again).keys() == numbers(first).keys()
    assert again.at_own_best("huber") == first.at_own_best("huber")
    compare(["mse", "huber", "mae"], "diabetes", **arguments)
    assert {job.loss for job in count} == {"absolute_error"}
    count.clear()
    compare(["mse"], "diabetes", **{**arguments, "epochs": 4})
    assert len(count) >= 6


def test_a_damaged_run_is_run_again(tmp_path):
    arguments = {**SMALL, "grid": 1, "out": tmp_path}
    first = compare(["mse"], "diabetes", **arguments)
    files = sorted((tmp_path / "runs").glob("*.json"))
    files[0].write_text("{half")
    again = compare(["mse"], "diabetes", **arguments)
    assert again.found == len(files) - 1
    assert numbers(again).keys() == numbers(first).keys()


def test_ctrl_c_loses_no_finished_run_and_the_same_command_goes_on(tmp_path):
    out = tmp_path / "out"
    options = "--data diabetes --model linear --epochs 80 --seeds 6 --grid 1 --out"
    command = [*LOSSCOPE, "mse", "mae", *options.split(), str(out)]
    process = subprocess.Popen(
        [*command, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and len(list(out.glob("runs/*.json"))) < 3 and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers, too
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "The same command picks up from there" in errors
    finished = {path: path.stat().st_mtime_ns for path in out.glob("runs/*.json")}
    assert len(finished) >= 3
    assert not list(out.glob("runs/.*"))
    again = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert f"{len(finished)} finished runs found and not repeated" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert (out / "report.html").exists()


def test_one_rate_and_one_seed_are_not_made_more_of():
    result = compare(["mse", "mae", "l2"], "diabetes", **{**SMALL, "seeds": 1, "grid": 1})
    said = result.findings()
    assert not any("own best learning rate" in sentence for sentence in said)
    assert sum("has the best test MAE" in sentence for sentence in said) == 1
    assert "(one seed, so the spread is unknown)" in said[0]
    assert "too few" not in said[0]
    assert "Named more than once but run once: squared_error." in str(result)


def test_the_shared_rate_is_reported_once_when_it_is_every_loss_s_own_best(diabetes):
    shared = diabetes.settings.learning_rate
    choices = {name: plan.Choice(0, shared, 1.0) for name in diabetes.losses}
    said = dataclasses.replace(diabetes, choices=choices).findings()
    assert sum("has the best test MAE" in sentence for sentence in said) == 1
    assert said[0].startswith(
        "With each loss at its own best learning rate (for all of them the shared one, 0.01)"
    )


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_name_and_no_number_is_broken_on_a_narrow_terminal(diabetes, width):
    from losscope.comparison.presentation import as_text, metric_tables

    text = as_text(diabetes, width)
    words = set(re.split(r"[\s,]+", text))
    for table in metric_tables(diabetes, narrow=True):
        for row in table.texts():
            assert {word for cell in row for word in cell.split()} <= words
    for name in diabetes.losses:
        assert name in words


def test_one_run_is_said_as_one(tmp_path, capsys):
    from losscope.cli import main

    options = "--data diabetes --model linear --epochs 1 --seeds 1 --grid 1 --workers 1 --out"
    assert main(["compare", "mse", *options.split(), str(tmp_path)]) == 0
    assert "\n1 run in " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare", "--taget", "y"], ["usage: losscope compare", "did you mean --target?"]),
        (["compare", "--epoch=3", "--lerning-rate=3"], ["did you mean --learning-rate?"]),
        (["list", "more"], ["usage: losscope list", "unrecognized arguments: more\n"]),
    ],
)
def test_an_unknown_option_gets_the_usage_of_its_verb_and_the_nearest_one(words, says, capsys):
    from losscope.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    for part in says:
        assert part in error


def test_json_on_stdout_and_the_table_on_stderr(tmp_path):
    command = [*LOSSCOPE, "mse", "--data", "diabetes", "--model", "linear", "--epochs", "2", "--seeds", "1",
               "--grid", "1", "--workers", "1", "--json", "--out", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "losscope.compare/1"
    assert "RMSE" in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 80 + len(str(tmp_path)) + 20


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the package distributed")
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same_numbers(diabetes):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        result = compare(["mse", "huber", "mae"], "diabetes", **SMALL, dask=address)
    assert numbers(result) == numbers(diabetes)


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the package distributed")
def test_no_dask_scheduler_at_the_address_is_one_clear_line(monkeypatch):
    from losscope.comparison import DataError, execution

    monkeypatch.setattr(execution, "DASK_TIMEOUT_S", 0.2)
    with pytest.raises(DataError, match="no Dask scheduler answers") as caught:
        compare(["mse"], "diabetes", **{**SMALL, "grid": 1}, dask="tcp://127.0.0.1:9")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------ real data


@pytest.mark.skipif(not (SHARED / "housing").is_dir(), reason="needs ../shared/data/housing")
def test_california_housing_end_to_end(tmp_path):
    result = compare(
        ["mse", "huber", "mae"], SHARED / "housing" / "housing.csv", target="median_house_value",
        model="linear", epochs=1, seeds=1, grid=1, batch_size=256,
    )  # fmt: skip
    assert 30_000 < result.at_same_rate("absolute_error").metrics["mae"][0] < 120_000
    assert result.save(tmp_path).exists()


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="needs ../shared/data/mnist")
def test_mnist_end_to_end():
    result = compare(
        ["ce"], "mnist", data_dir=SHARED / "mnist", model="linear", epochs=1, seeds=1, grid=1, batch_size=128
    )
    assert result.at_same_rate("cross_entropy").metrics["accuracy"][0] > 0.75

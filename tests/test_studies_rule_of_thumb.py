"""The study of the rule of thumb: its training and metrics against other libraries, and judges that can give each verdict."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, root_mean_squared_error

import losscope as ls
from losscope.errors import LossError
from losscope.studies import gains, get, known_noise, networks, problems, rule_of_thumb, trials, tuned
from losscope.studies.damage import (
    AS_THEY_ARE,
    CAPPED,
    FIFTH,
    GROSS,
    HEAVY,
    OF_CLASSES,
    OF_NUMBERS,
    TWO_FIFTHS,
    WRONG,
    damaged,
)
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Result
from losscope.studies.trials import ABSOLUTE, CROSS, FOR_CLASSES, FOR_NUMBERS, HUBER, SIGMOID, SQUARED
from losscope.studies.verdict import NOT_DECIDED

MNIST = Path(__file__).parents[2] / "shared/data/mnist"


@cache
def small() -> Result:
    return get("rule-of-thumb")(quick=True, splits=2, epochs=4)


# ------------------------------------------------------------------------------------------------ training


def test_adam_takes_the_steps_of_pytorchs() -> None:
    target, start = torch.tensor([[[3.0, -1.0]], [[0.5, 2.0]]]), torch.zeros(2, 1, 2)
    ours, theirs = start.clone().requires_grad_(), [each.clone().requires_grad_() for each in start]
    adam = tuned.Adam([ours], torch.tensor([0.1, 0.01])[:, None, None])
    optimizers = [torch.optim.Adam([each], lr=rate) for each, rate in zip(theirs, (0.1, 0.01))]
    for _ in range(50):
        ((ours - target) ** 4).sum().backward()
        adam.step()
        for each, optimizer, goal in zip(theirs, optimizers, target):
            optimizer.zero_grad()
            ((each - goal) ** 4).sum().backward()
            optimizer.step()
    assert ours.detach().numpy() == pytest.approx(torch.stack(theirs).detach().numpy(), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "theirs"), [("squared_error", "mse_loss"), ("cross_entropy", "cross_entropy")]
)
def test_each_run_keeps_its_best_rate_and_epoch(loss: str, theirs: str) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 3)).astype("float32")
    classes = 1 if loss == "squared_error" else 3
    one = random.normal(size=(60, 1)).astype("float32") if classes == 1 else random.integers(0, 3, 60)
    rows = [
        np.stack([np.roll(np.arange(60), by)[part] for by in (0, 7)])
        for part in (slice(36), slice(36, 48), slice(48, 60))
    ]
    plan = tuned.Plan((0.003, 0.05), 6, 5)
    kept, rates = tuned.tuned(ls.get(loss), features, np.stack([one, one]), rows, classes, [3, 4], plan)
    function = getattr(torch.nn.functional, theirs)
    x, y = torch.from_numpy(features), torch.from_numpy(one)
    for run in range(2):
        train, validation, test = (each[run] for each in rows)
        found = []
        for rate in plan.rates:
            weights = [
                each[0].detach().clone().requires_grad_()
                for each in networks.start([3, 5, classes], [3 + run])
            ]

            def output(rows: np.ndarray, weights: list = weights) -> torch.Tensor:
                return torch.relu(x[rows] @ weights[0] + weights[1]) @ weights[2] + weights[3]

            optimizer, mixed = torch.optim.Adam(weights, lr=rate), np.random.default_rng(36)
            for _ in range(plan.epochs):
                for part in np.array_split(mixed.permutation(36), [5, 10, 15, 20, 25, 30, 35]):
                    optimizer.zero_grad()
                    function(output(train[part]), y[train[part]]).backward()
                    optimizer.step()
                with torch.no_grad():
                    found.append(
                        (float(function(output(validation), y[validation])), rate, output(test).numpy())
                    )
        _, rate, best = min(found, key=lambda each: each[0])
        assert rates[run] == rate
        assert kept[run] == pytest.approx(best, abs=1e-4)


def test_a_linear_model_and_a_diverging_one_are_trained_too() -> None:
    x = np.linspace(-1, 1, 50, dtype="float32")[:, None]
    rows = [np.arange(50)[None, part] for part in (slice(0, 50, 2), slice(1, 50, 4), slice(3, 50, 4))]
    kept, _ = tuned.tuned(
        ls.get("squared_error"), x, (2 * x - 1)[None], rows, 1, [0], tuned.Plan((0.1,), 60, 0)
    )
    assert kept[0] == pytest.approx(2 * x[rows[2][0]] - 1, abs=0.05)
    kept, _ = tuned.tuned(
        ls.get("squared_error"), x, (2 * x - 1)[None], rows, 1, [0], tuned.Plan((1e38,), 2, 4)
    )
    assert np.isfinite(kept).all()


# ------------------------------------------------------------------------------------- damage and metrics


@pytest.mark.parametrize("how", OF_NUMBERS[1:])
def test_damaged_numbers(how: str) -> None:
    target = np.random.default_rng(1).normal(5, 2, 4000)
    found = damaged(target, 0, how, np.random.default_rng(2))
    changed = (found != target).mean()
    assert changed == pytest.approx({HEAVY: 1.0, GROSS: 0.1, CAPPED: 0.3}[how], abs=0.02)
    if how == GROSS:
        assert set(np.round(found[found != target] / target[found != target], 9)) == {10.0}
    if how == CAPPED:
        assert found.max() == np.quantile(target, 0.7)
    assert np.array_equal(found, damaged(target, 0, how, np.random.default_rng(2)))
    assert np.array_equal(damaged(target, 0, AS_THEY_ARE, np.random.default_rng(2)), target)


@pytest.mark.parametrize("how", OF_CLASSES[1:])
def test_wrong_labels_are_wrong(how: str) -> None:
    labels = np.arange(6000) % 3
    found = damaged(labels, 3, how, np.random.default_rng(0))
    assert (found != labels).mean() == pytest.approx(WRONG[how], abs=0.02)
    assert set(found) == {0, 1, 2}


@pytest.mark.parametrize("name", ["diabetes: progression", "iris"])
def test_test_rows_stay_sound_and_predictions_come_back_in_their_units(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that knew the test rows of what it is trained on would make no error, from damaged targets either."""
    data = next(
        each for each in (*problems.regressions(0), *problems.classifications(0)) if each.name == name
    )

    def knowing(loss, features, target, rows, outputs, seeds, plan):  # type: ignore[no-untyped-def]
        found = np.take_along_axis(target, rows[2][..., None] if target.ndim == 3 else rows[2], 1)
        if target.ndim == 2:
            found = 50.0 * np.eye(outputs)[found]
        assert len(set(map(tuple, np.hstack(rows)))) == 3, "a split has the same rows whatever the damage"
        return found, np.full(len(seeds), plan.rates[0])

    monkeypatch.setattr(trials, "tuned", knowing)
    runs = trials.tried(data, 3, 0, tuned.Plan((0.1,), 1, 4))
    for run in runs:
        assert len(run["rates"]) == 3
        if data.classes:
            assert run["accuracy"] == pytest.approx(1)
        else:
            assert run["RMSE"] == pytest.approx(0, abs=1e-3)
            assert run["MAE"] == pytest.approx(0, abs=1e-3)


def test_the_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    outputs, truth = random.normal(size=(2, 40, 3)), random.integers(0, 3, (2, 40))
    for loss in FOR_CLASSES:
        found, chance = trials.judged(loss, outputs, truth), trials.probabilities(loss, outputs)
        assert chance.sum(-1) == pytest.approx(np.ones((2, 40)))
        assert (chance >= 0).all()
        for run in range(2):
            assert found["accuracy"][run] == accuracy_score(truth[run], outputs[run].argmax(1))
            hot = np.eye(3)[truth[run]]
            assert found["Brier score"][run] == pytest.approx(((chance[run] - hot) ** 2).sum() / 40)
            if loss == SQUARED:
                assert "log loss" not in found
            else:
                assert found["log loss"][run] == pytest.approx(
                    log_loss(truth[run], chance[run], labels=range(3))
                )
    tensor = torch.from_numpy(outputs)
    assert trials.probabilities(CROSS, outputs) == pytest.approx(torch.softmax(tensor, -1).numpy())


def test_errors_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    data = problems.real_numbers()[0]
    monkeypatch.setattr(trials, "tuned", lambda loss, features, target, rows, outputs, seeds, plan: (np.zeros((*rows[2].shape, 1)), np.zeros(len(seeds))))  # fmt: skip
    run = trials.tried(data, 2, 5, tuned.Plan((0.1,), 1, 4))[0]
    for split in range(2):
        order = np.random.default_rng([5000 + split, 1]).permutation(442)
        truth, centre = data.target[order[353:]], np.median(data.target[order[:265]])
        assert run["RMSE"][split] == pytest.approx(
            root_mean_squared_error(truth, np.full(len(truth), centre)), rel=1e-6
        )
        assert run["MAE"][split] == pytest.approx(
            mean_absolute_error(truth, np.full(len(truth), centre)), rel=1e-6
        )


def test_raw_outputs_go_to_the_nearest_probabilities() -> None:
    random = np.random.default_rng(0)
    outputs = random.normal(0.3, 1, size=(50, 4))
    nearest = trials.probabilities(SQUARED, outputs)
    for other in random.dirichlet(np.ones(4), 2000):
        assert (((outputs - nearest) ** 2).sum(1) <= ((outputs - other) ** 2).sum(1) + 1e-12).all()


# ------------------------------------------------------------------------------------------------ the data


def test_there_are_enough_real_problems() -> None:
    numbers, classes = problems.regressions(0), problems.classifications(0)
    assert sum(not each.name.startswith("made") for each in numbers) >= 6
    assert sum(not each.name.startswith("made") for each in classes) >= 8
    assert len({each.name for each in (*numbers, *classes)}) == len(numbers) + len(classes)
    for each in (*numbers, *classes):
        assert 100 <= len(each.features) == len(each.target) <= problems.ROWS
        inputs = each.standardised()
        assert np.isfinite(inputs).all()
        if each.classes:
            assert set(each.target) == set(range(each.classes))
        else:
            assert np.abs(np.corrcoef(inputs.T, each.target)[-1, :-1]).max() < 0.98, (
                f"{each.name} is told by a column"
            )


def test_the_truth_of_the_made_ones_is_known() -> None:
    made = {
        each.name: each
        for each in (*problems.regressions(1), *problems.classifications(1))
        if each.name.startswith("made")
    }
    line = made["made: line, Gaussian noise"]
    assert (line.target - line.features @ [2, -1, 0.5, 0, 0]).std() == pytest.approx(1, abs=0.1)
    skewed = made["made: curve, skewed noise"]
    u = skewed.features
    noise = skewed.target - (
        10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
    )
    assert noise.min() >= 0
    assert noise.mean() == pytest.approx(2, abs=0.3)
    two = made["made: two classes"]
    chance = 1 / (1 + np.exp(-2 * two.features[:, 0]))
    assert np.mean(two.target - chance) == pytest.approx(0, abs=0.05)
    assert np.mean((two.target - chance) * two.features[:, 0]) == pytest.approx(0, abs=0.06)


def test_a_readers_tables_are_read(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [
        f"{a:.4f},{random.choice(['red', 'blue'])},{2 * a + 0.1 * random.normal():.4f},{'yes' if a > 0 else 'no'}"
        for a in random.normal(size=700)
    ]
    path = tmp_path / "mine.csv"
    path.write_text("a,colour,y,bought\n" + "\n".join(rows) + "\n")
    number, label = problems.own([str(path)] * 2, ["y", "bought"], 0)
    assert (number.classes, label.classes) == (0, 2)
    assert len(number.target) == len(label.target) == problems.ROWS
    found = get("rule-of-thumb")(quick=True, splits=2, epochs=1, data=(str(path),), target=("y",))
    assert len({run["data"] for run in found.numbers["runs"]}) == 33
    assert "mine: y" in {run["data"] for run in found.numbers["runs"]}


def test_a_readers_mistakes_are_named(tmp_path: Path) -> None:
    for options, message in (({"data": ("a.csv",)}, "needs its target"), ({"data": ("none.csv",), "target": ("y",)}, "none.csv"), ({"splits": 1}, "splits is out of its domain")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            get("rule-of-thumb")(quick=True, **options)
    with pytest.raises(LossError, match="train-images"):
        get("rule-of-thumb")(quick=True, data_dir=tmp_path)


@pytest.mark.skipif(not MNIST.exists(), reason="MNIST is not beside this checkout")
def test_mnist_is_one_more_set() -> None:
    found = get("rule-of-thumb")(quick=True, splits=2, epochs=1, data_dir=MNIST)
    assert "MNIST" in {run["data"] for run in found.numbers["runs"]}


# ------------------------------------------------------------------------------------------------ verdicts


def records(losses: tuple[str, ...], **values: dict) -> list[dict]:
    """Twelve data sets of two splits: `damage` -> loss -> metric -> what it is, with a little noise."""
    random = np.random.default_rng(0)
    return [{"data": f"set {number}", "damage": damage, "loss": loss, "rates": np.array([0.1, 0.1]),
             **{metric: value * np.exp(0.005 * random.normal(size=2)) for metric, value in metrics.items()}}
            for damage, of in values.items() for number in range(12) for loss, metrics in zip(losses, of)]  # fmt: skip


def of_numbers(damage: str, *errors: float) -> list[dict]:
    return records(FOR_NUMBERS, **{damage: [{"RMSE": each, "MAE": each} for each in errors]})


def of_classes(damage: str, *accuracies: float) -> list[dict]:
    rows = [{"accuracy": each, "Brier score": 1 - each, "log loss": 1.0} for each in accuracies]
    rows[FOR_CLASSES.index(SQUARED)].pop("log loss")
    return records(FOR_CLASSES, **{damage: rows})


def test_a_gain_is_paired_and_relative() -> None:
    runs = [
        {"data": "a", "damage": AS_THEY_ARE, "loss": loss, "MAE": values, "accuracy": values}
        for loss, values in ((SQUARED, [1.0, 8.0]), (HUBER, [2.0, 4.0]))
    ]
    assert gains.gains(runs, AS_THEY_ARE, "MAE", SQUARED, HUBER) == {"a": pytest.approx(0)}
    assert gains.gains(runs, AS_THEY_ARE, "accuracy", SQUARED, HUBER) == {"a": pytest.approx(1.5)}
    each = gains.gain(of_numbers(AS_THEY_ARE, 0.5, 1.0, 1.0), AS_THEY_ARE, "RMSE", SQUARED, ABSOLUTE)
    assert (each.count, each.estimate) == (12, pytest.approx(np.log(2), abs=0.01))
    assert gains.shown("RMSE", each).startswith("RMSE +50")


def test_verdicts_on_the_advice() -> None:
    def said(*errors: float) -> str:
        return rule_of_thumb.advised(SQUARED, FOR_NUMBERS, of_numbers(AS_THEY_ARE, *errors)).verdict

    assert [said(1, 1, 1), said(1, 0.8, 1.2), said(1, 1, 0.9)] == [HOLDS, DOES_NOT_HOLD, DOES_NOT_HOLD]
    assert said(1, 0.95, 1) == NOT_DECIDED
    mixed = records(
        FOR_NUMBERS,
        **{AS_THEY_ARE: [{"RMSE": 1.0, "MAE": 1.0}, {"RMSE": 1.0, "MAE": 0.8}, {"RMSE": 1.0, "MAE": 1.0}]},
    )
    assert rule_of_thumb.advised(SQUARED, FOR_NUMBERS, mixed).verdict == "holds when it is judged by RMSE"
    classes = [
        rule_of_thumb.advised(CROSS, FOR_CLASSES, of_classes(AS_THEY_ARE, *each)).verdict
        for each in ((0.9, 0.9, 0.9), (0.8, 0.9, 0.7), (0.9, 0.9, 0.95))
    ]
    assert classes[0] == HOLDS
    assert classes[1] == "holds when it is judged by log loss"
    assert classes[2] == "holds when it is judged by log loss"


def test_verdicts_on_robust_losses() -> None:
    def said(*errors: float) -> str:
        return rule_of_thumb.robust(of_numbers(GROSS, *errors), GROSS).verdict

    assert [said(1, 0.5, 1), said(1, 2, 0.5), said(1, 1, 1), said(1, 0.95, 1)] == [
        HOLDS,
        HOLDS,
        DOES_NOT_HOLD,
        NOT_DECIDED,
    ]
    one_metric = records(
        FOR_NUMBERS,
        **{GROSS: [{"RMSE": 1.0, "MAE": 1.0}, {"RMSE": 1.0, "MAE": 0.5}, {"RMSE": 0.5, "MAE": 1.0}]},
    )
    assert rule_of_thumb.robust(one_metric, GROSS).verdict == DOES_NOT_HOLD
    own = [
        rule_of_thumb.its_own_metric(of_numbers(AS_THEY_ARE, 1, each, 1)).verdict for each in (0.8, 1.0, 0.95)
    ]
    assert own == [HOLDS, DOES_NOT_HOLD, NOT_DECIDED]


def test_verdicts_on_noise_of_a_known_shape() -> None:
    def said(heavy: float, skewed: float) -> str:
        random = np.random.default_rng(0)
        of = {"Gaussian": 1.0, HEAVY: heavy, known_noise.SKEWED: skewed}
        return rule_of_thumb.only_gaussian([{"noise": noise, "loss": loss, "distances": (each if loss == HUBER else 1.0) * np.exp(0.005 * random.normal(size=9))}
                                            for noise, each in of.items() for loss in FOR_NUMBERS]).verdict  # fmt: skip

    assert [said(0.5, 0.5), said(1, 1), said(0.5, 2), said(0.5, 0.95)] == [
        HOLDS, DOES_NOT_HOLD, f"holds when {known_noise.WHERE[HEAVY]}", NOT_DECIDED]  # fmt: skip


def test_verdicts_on_classes() -> None:
    unfit = rule_of_thumb.no_loss_for_classes
    assert [unfit(of_classes(AS_THEY_ARE, *each)).verdict for each in ((0.9, 0.8, 0.8), (0.9, 0.9, 0.9), (0.9, 0.9, 0.8), (0.92, 0.9, 0.9))] == [
        HOLDS, DOES_NOT_HOLD, "holds when squared error is taken through a sigmoid", NOT_DECIDED]  # fmt: skip

    def wrong(fifth: float, more: float) -> str:
        return rule_of_thumb.wrong_labels(
            [*of_classes(FIFTH, 0.8, 0.8, fifth), *of_classes(TWO_FIFTHS, 0.6, 0.6, more)]
        ).verdict

    assert [wrong(0.9, 0.7), wrong(0.7, 0.5), wrong(0.9, 0.5)] == [
        HOLDS,
        DOES_NOT_HOLD,
        "holds when 20% of the labels are wrong",
    ]
    assert wrong(0.82, 0.7) == NOT_DECIDED


def test_the_answer_follows_the_verdicts() -> None:
    sound, gross = small().claims[:2]
    claims = {
        verdict: type(sound)("A claim.", verdict, "Seen.", "squared error")
        for verdict in (HOLDS, DOES_NOT_HOLD, NOT_DECIDED)
    }
    yes, no, open_ = claims.values()
    assert gross.verdict == HOLDS
    assert "heavy tails" in rule_of_thumb.answered(yes, yes, yes, yes, yes)
    assert "heavy tails" not in rule_of_thumb.answered(yes, yes, no, yes, yes)
    assert "bad advice" not in rule_of_thumb.answered(yes, no, no, yes, yes)
    assert rule_of_thumb.answered(no, no, no, no, no).count("does not hold") == 2
    assert rule_of_thumb.answered(open_, no, no, open_, no).count("do not decide") == 2
    assert "sigmoid" not in rule_of_thumb.answered(yes, yes, yes, yes, no)


def test_what_no_run_can_miss() -> None:
    verdicts = {each.claim: each.verdict for each in small().claims}
    assert (
        verdicts[
            "With gross errors in the targets, absolute error or Huber is clearly better than squared error."
        ]
        == HOLDS
    )
    assert verdicts["Unless the noise is Gaussian, another loss finds the mean better than squared error."] in (f"holds when {known_noise.WHERE[HEAVY]}", NOT_DECIDED)  # fmt: skip


def test_the_distance_from_the_mean_is_what_theory_says() -> None:
    known = {
        (each["noise"], each["loss"]): np.array(each["distances"]) for each in known_noise.to_the_mean(25, 0)
    }
    # Ten coefficients from 600 rows: a mean square of 10/600 times the variance, or the asymptotic one of the median.
    for noise, variance in (("Gaussian", 1.0), (HEAVY, 3.0), (known_noise.SKEWED, 1.0)):
        assert (known[noise, SQUARED] ** 2).mean() == pytest.approx(variance / 60, rel=0.25)
    assert (known["Gaussian", ABSOLUTE] ** 2).mean() == pytest.approx(np.pi / 2 / 60, rel=0.3)
    assert known[known_noise.SKEWED, ABSOLUTE].mean() == pytest.approx(1 - np.log(2), abs=0.06), (
        "the median of the noise"
    )


def test_records_have_every_loss_of_every_set() -> None:
    runs = small().numbers["runs"]
    assert {run["loss"] for run in runs} == {SQUARED, ABSOLUTE, HUBER, CROSS, SIGMOID}
    assert len(runs) == 16 * 4 * 3 + 16 * 3 * 3

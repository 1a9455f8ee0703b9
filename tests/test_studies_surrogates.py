"""The study of the 0-1 loss and its surrogates: each against what is known of it, and verdict rules that can say each."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss

from losscope.errors import LossError
from losscope.studies import get, surrogates, two_classes
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Result
from losscope.studies.verdict import NOT_DECIDED
from quick import quick


def result() -> Result:
    return quick("surrogates")


def verdict_of(words: str) -> str:
    return next(each.verdict for each in result().claims if words in each.claim)


def test_each_loss_of_the_margin() -> None:
    m = np.linspace(-4, 4, 41)
    known = {
        "zero_one": m <= 0, "hinge": np.maximum(1 - m, 0), "squared_hinge": np.maximum(1 - m, 0) ** 2, "squared_error": (1 - m) ** 2,
        "binary_cross_entropy": np.log1p(np.exp(-m)), "exponential loss": np.exp(-m),
    }  # fmt: skip
    assert set(surrogates.SURROGATES) < set(known)
    for name, truth in known.items():
        np.testing.assert_allclose(two_classes.at(name, m)[0], truth, rtol=1e-12, atol=1e-15)


def test_the_linear_model_is_that_of_scikit_learn() -> None:
    _, x, y = two_classes.bundled(0)[0]
    penalty = 0.1
    theirs = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-10, max_iter=5000).fit(x[:, 1:], y)
    ours = two_classes.fit("binary_cross_entropy", x, y, penalty)
    assert ours == pytest.approx(np.r_[theirs.intercept_, theirs.coef_[0]], abs=1e-3)


def test_the_metrics_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    score, y = random.normal(size=200), np.where(random.uniform(size=200) < 0.3, 1.0, -1.0)
    found = two_classes.metrics(score, y, 0.4, (2.0, -1.0))
    p = 1 / (1 + np.exp(-score))
    assert found["accuracy"] == accuracy_score(y > 0, score > 0)
    assert found["F1"] == pytest.approx(f1_score(y > 0, score > 0))
    assert found["F1, threshold"] == pytest.approx(f1_score(y > 0, score > 0.4))
    assert found["log loss"] == pytest.approx(log_loss(y > 0, p))
    assert found["log loss, calibrated"] == pytest.approx(log_loss(y > 0, 1 / (1 + np.exp(1 - 2 * score))))


def test_the_parts_are_apart_and_have_both_classes() -> None:
    for name, _, y in two_classes.bundled(3):
        parts = two_classes.stratified(y, np.random.default_rng(0))
        assert sorted(np.concatenate(parts)) == list(range(len(y))), name
        assert all({-1.0, 1.0} == set(y[part]) for part in parts), name
    assert len(two_classes.bundled(0)) >= 8


def test_the_best_scores_are_known() -> None:
    for chance in (0.1, 0.7):
        odds = np.log(chance / (1 - chance))
        assert two_classes.best_score("binary_cross_entropy", chance) == pytest.approx(odds, abs=1e-4)
        assert two_classes.best_score("exponential loss", chance) == pytest.approx(odds / 2, abs=1e-4)
        assert two_classes.best_score("squared_error", chance) == pytest.approx(2 * chance - 1, abs=1e-4)
        assert two_classes.best_score("hinge", chance) == pytest.approx(np.sign(odds), abs=1e-4)


def test_the_claims() -> None:
    assert verdict_of("Gradient descent can train") == DOES_NOT_HOLD
    above = verdict_of("lies above")
    assert above.startswith("holds when")
    assert "binary" not in above
    assert "cross-entropy in bits" in above
    assert verdict_of("errors are fewest") == "holds when every input may have its own score"
    wide = verdict_of("wide margin")
    assert wide.startswith("holds when")
    assert "squared error" not in wide
    assert verdict_of("its sigmoid is as good") == DOES_NOT_HOLD
    assert verdict_of("smaller loss has the better metric") == DOES_NOT_HOLD
    assert verdict_of("high accuracy") == DOES_NOT_HOLD


def test_verdicts_can_go_either_way() -> None:
    assert [surrogates.trainable(each).verdict for each in ([0.0, 0.0], [1.0, 2.0], [0.0, 1.0])] == [
        DOES_NOT_HOLD, HOLDS, NOT_DECIDED]  # fmt: skip
    assert surrogates.above(["hinge", "squared_error"]).verdict == HOLDS
    assert surrogates.not_punished(["hinge"]).verdict == HOLDS
    assert surrogates.not_punished(["squared_error"]).verdict == DOES_NOT_HOLD
    random = np.random.default_rng(0)

    def rows(metric: str, gain: float) -> list[dict]:
        return [{"data": f"{n}", "loss": loss, "metric": metric, "rare": True, metric: (gain if loss == surrogates.CROSS else 0.0) + 1e-3 * random.normal()}
                for n in range(12) for loss in (surrogates.CROSS, "hinge")]  # fmt: skip

    names = (surrogates.CROSS, "hinge")
    assert [surrogates.most_accurate(rows("accuracy", gain), names).verdict for gain in (0.1, -0.1, 0.0)] == [
        HOLDS, DOES_NOT_HOLD, NOT_DECIDED]  # fmt: skip

    def probabilities(gain: float) -> str:
        return surrogates.good_probabilities(
            rows("log loss", gain), names, "log loss", "they are as good."
        ).verdict

    assert [probabilities(each) for each in (-0.2, 0.0, -0.02)] == [DOES_NOT_HOLD, HOLDS, NOT_DECIDED]
    assert "better probabilities" in surrogates.advice(rows("log loss", -0.2), names)
    assert "better probabilities" not in surrogates.advice(rows("log loss", 0.0), names)
    assert [surrogates.threshold(rows("F1, threshold", gain) + rows("F1", 0.0)).verdict for gain in (0.5, -0.5)] == [
        HOLDS, DOES_NOT_HOLD]  # fmt: skip
    runs = [{"data": f"{n}", "split": 0, "test": {"log loss": loss, "accuracy": right}} for n in range(9) for loss, right in ((1, 1), (2, 0))]  # fmt: skip
    assert surrogates.same_order(runs).verdict == HOLDS
    always_no = np.where(np.arange(100) < 5, 1.0, -1.0)
    assert surrogates.good_accuracy([("rare", np.ones((100, 1)), always_no)]).verdict == DOES_NOT_HOLD
    assert surrogates.good_accuracy([("even", np.ones((100, 1)), np.tile([1.0, -1.0], 50))]).verdict == NOT_DECIDED  # fmt: skip


def test_a_loss_that_is_not_of_a_score_is_refused() -> None:
    for name in ("bce_of_probability", "cross_entropy", "triplet"):
        with pytest.raises(LossError, match="not a loss of a raw score"):
            get("surrogates")(quick=True, loss=(name,))


def test_another_loss_is_trained_too() -> None:
    found = get("surrogates")(quick=True, loss=("focal",), splits=1)
    assert "binary_focal" in {run["loss"] for run in found.numbers["runs"]}

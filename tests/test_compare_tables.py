"""What is concluded of eight real tables, each of which is a trap for a comparison of losses."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import losscope as ls

TABLES = Path(__file__).parents[2] / "shared" / "data" / "tables"
pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason="needs ../shared/data/tables")


def compared(name, target, losses=None, **options):
    return ls.compare(TABLES / f"{name}.csv", target, losses, model="linear", **options)


def test_tips_no_difference():
    """On this little data mean, median and Huber regression differ by less than the noise."""
    said = compared("tips", "tip", ["mse", "huber", "mae"]).findings()
    assert "no difference between the losses is larger than its uncertainty" in said[0]
    assert "no difference between the losses is larger than its uncertainty" in said[1]
    assert not any("is best" in sentence for sentence in said)


def test_coffee_squared_error_is_least_squares():
    """The target is nearly the sum of its parts: squared error, minimised, is as good as least squares itself."""
    from sklearn.linear_model import LinearRegression

    result = compared("coffee", "total_cup_points", ["mse", "huber", "log_cosh"])
    maes = []
    for prepared in result.prepared:
        rows = [prepared.train, prepared.test]
        (x, y), (new, truth) = (
            (prepared.features[each].astype(float), prepared.target[each]) for each in rows
        )
        maes.append(float(abs(LinearRegression().fit(x, y).predict(new) - truth).mean()))
    assert result.summaries["squared_error"].values["mae"] == pytest.approx(maes, rel=0.05)
    assert result.answer.metric.name == "rmse"
    assert "squared_error" in result.findings()[0]
    assert not result.runs or all(run["finished"] for run in result.runs.values())


def test_caravan_none_is_better_than_always_no_by_accuracy():
    result = compared("caravan", "Purchase", ["bce", "soft_margin"], splits=3)
    said = result.findings()
    assert any("By accuracy none is better than always saying 'No' (94.0%)" in sentence for sentence in said)
    assert any(sentence.startswith("By average precision") for sentence in said)
    assert {metric.name for metric in result.chosen_by.values()} == {"log_loss"}
    assert result.summaries["binary_cross_entropy"].mean("auc") > 0.7


def test_engel_each_quantile_by_its_own_loss():
    levels = (0.1, 0.5, 0.9)
    result = compared("engel", "foodexp", [*(f"pinball:quantile={level}" for level in levels), "mse"])
    ranked = {question.metric.name: question.rivals for question in result.questions}
    assert ranked["pinball@0.1"] == ("pinball:quantile=0.1",)
    assert ranked["pinball@0.9"] == ("pinball:quantile=0.9",)
    for level in (0.1, 0.9):
        name = f"pinball:quantile={level}"
        assert result.summaries[name].mean(f"coverage@{level}") == pytest.approx(level, abs=0.05)
        others = [
            result.summaries[other].mean(f"pinball@{level}") for other in result.losses if other != name
        ]
        assert result.summaries[name].mean(f"pinball@{level}") < min(others)


@pytest.mark.parametrize(("name", "target"), [("crime1", "narr86"), ("biochemists", "art")])
def test_counts_are_counts_and_judged_by_deviance(name, target):
    result = compared(name, target)
    assert result.task.kind == "count"
    assert "poisson" in result.losses
    assert result.answer.metric.name == "poisson_deviance"
    assert "Poisson deviance" in result.findings()[0]
    assert result.summaries["poisson"].mean("poisson_deviance") < result.constants.mean("poisson_deviance")


def test_bikeshare_the_leak_is_named_first():
    said = compared("bikeshare", "bikers", ["mse", "poisson"], splits=2).findings()
    assert said[0].startswith("**Look at the columns first:** casual + registered is bikers in every row")
    result = compared("bikeshare", "bikers", ["poisson"], splits=2, drop=["casual", "registered"])
    assert not result.prepared[0].leaks
    (gap,) = [sentence for sentence in result.findings() if "sklearn boosting" in sentence]
    assert "sklearn boosting is better than poisson" in gap


def test_sunspots_the_year_is_kept():
    result = compared("sunspots", "SUNACTIVITY", ["mse", "mae"])
    assert result.prepared[0].learned.names == ("YEAR",)

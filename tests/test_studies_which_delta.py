"""The study of delta: efficiencies and biases against closed forms, and verdict rules that can say each."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, t

import losscope as ls
from losscope.errors import LossError
from losscope.studies import get, which_delta
from losscope.studies.study import DOES_NOT_HOLD, HOLDS
from losscope.studies.verdict import NOT_DECIDED, Interval


def test_95_percent_at_1345() -> None:
    assert which_delta.efficiency("huber", 1.345) == pytest.approx(0.95, abs=5e-5)
    assert which_delta.efficiency("huber", 1.345) == pytest.approx(ls.get("huber").bind(delta=1.345).facts.efficiency, abs=1e-4)  # fmt: skip
    assert which_delta.efficiency("huber", 1e-3) == pytest.approx(2 / math.pi, abs=1e-3)  # the median


def test_under_laplace_noise_it_is_69770() -> None:
    c = 1.345 * math.log(2) / norm.ppf(0.75)
    bend, square = 1 - math.exp(-c), 2 - 2 * math.exp(-c) * (1 + c)  # the Fisher information is 1
    assert which_delta.efficiency("huber", 1.345, "Laplace") == pytest.approx(bend**2 / square, rel=1e-12)
    assert f"{bend**2 / square:.3%}" == "69.770%"


def test_under_student_noise_against_adaptive_quadrature() -> None:
    density, c = t(3).pdf, 1.345 * t(3).ppf(0.75) / norm.ppf(0.75)
    bend = 2 * quad(density, 0, c)[0]
    square = 2 * (quad(lambda x: x**2 * density(x), 0, c)[0] + c**2 * quad(density, c, np.inf)[0])
    information = 4 / 6  # (k + 1)/(k + 3)
    truth = bend**2 / (square * information)
    assert which_delta.efficiency("huber", 1.345, "Student t, 3 degrees of freedom") == pytest.approx(truth, rel=1e-7)  # fmt: skip


def test_bias_agrees_with_closed_forms() -> None:
    # The median goes to the quantile 1/(2(1 - share)); its gross-error sensitivity is sqrt(pi/2).
    assert which_delta.worst_bias(1e-3, 0.1) == pytest.approx(norm.ppf(1 / (2 * 0.9)), abs=1e-3)
    assert which_delta.gross_error_sensitivity(0.01) == pytest.approx(math.sqrt(math.pi / 2), abs=1e-3)
    assert which_delta.gross_error_sensitivity(1.345) == pytest.approx(1.345 / (2 * norm.cdf(1.345) - 1), rel=1e-9)  # fmt: skip


def test_a_location_is_between_median_and_mean() -> None:
    sample = np.array([[0.0, 1.0, 2.0, 3.0, 100.0]])
    assert which_delta.locations(1e6, sample)[0] == pytest.approx(sample.mean())
    assert which_delta.locations(1e-6, sample)[0] == pytest.approx(2.0, abs=1e-5)


def test_the_variance_of_an_estimate_is_that_over_samples() -> None:
    random = np.random.default_rng(0)
    sizes = random.standard_t(3, 4000)
    by_formula = which_delta.variances(1.345, sizes[None])[0]
    samples = random.choice(sizes, (600, 400))
    assert which_delta.locations(1.345, samples).var() / samples.mean(1).var() == pytest.approx(by_formula, rel=0.15)  # fmt: skip


def test_it_reads_a_table(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2))
    rows = [f"{a},{b},{a - b + c},word" for (a, b), c in zip(x, random.standard_t(3, 60))]
    path = tmp_path / "table.csv"
    path.write_text("a,b,y,text\n" + "\n".join(rows) + "\n,1,2,word\n")
    found = get("which-delta")(quick=True, data=str(path), target="y")
    assert [each["rows"] for each in found.numbers["residuals"] if each["data"] == "table"] == [60]
    assert len(found.numbers["residuals"]) == 7
    with pytest.raises(LossError, match="no numeric column 'z'"):
        get("which-delta")(quick=True, data=str(path), target="z")
    with pytest.raises(LossError, match="no such file"):
        get("which-delta")(quick=True, data=str(tmp_path / "none.csv"))


def test_verdicts_can_go_either_way() -> None:
    assert which_delta.known({"Gaussian": 0.9500}).verdict == HOLDS
    assert which_delta.known({"Gaussian": 0.95, "Laplace": 0.7}).verdict == "holds when the noise is Gaussian"
    assert which_delta.known({"Gaussian": 0.9}).verdict == DOES_NOT_HOLD
    two = [{"loss": name, "efficiency": [each]} for name, each in (("huber", 90.0), ("smooth_l1", 80.0))]
    assert which_delta.same(two).verdict == DOES_NOT_HOLD
    assert [which_delta.robust({"one observation": each, "worst bias": [1, 2]}).verdict for each in ([1, 2], [2, 1])] == [HOLDS, DOES_NOT_HOLD]  # fmt: skip
    assert [which_delta.both(one, other).verdict for one, other in (([64.0, 100.0], [1.0, 3.0]), ([99.0], [1.0]))] == [HOLDS, DOES_NOT_HOLD]  # fmt: skip

    def said(*intervals: tuple[float, float]) -> str:
        found = [{"data": f"set {n}", "best": 1.0, "ratio": Interval(1.0, *each, 9)} for n, each in enumerate(intervals)]  # fmt: skip
        return which_delta.as_good(found).verdict

    assert [said((0.9, 1.04)), said((1.06, 1.2)), said((0.9, 1.2))] == [HOLDS, DOES_NOT_HOLD, NOT_DECIDED]
    assert said((0.9, 1.04), (1.06, 1.2)) == "holds when the residuals are those of set 0"

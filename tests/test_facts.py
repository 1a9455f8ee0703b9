"""Facts derived from the formulas, against what is known of the losses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import losscope as ls
from conftest import ALL, ELEMENTWISE

CONVEX = {
    "squared_error", "half_squared_error", "absolute_error", "smooth_l1", "huber", "pseudo_huber", "log_cosh",
    "pinball", "binary_cross_entropy", "binary_cross_entropy_of_probability", "hinge", "squared_hinge", "poisson",
    "kl_divergence", "cross_entropy", "cross_entropy_of_probability",
}  # fmt: skip
NOT_CONVEX = {"zero_one", "binary_focal"}
LIPSCHITZ = {
    "absolute_error": 1, "smooth_l1": 1, "huber": 1, "pseudo_huber": 1, "log_cosh": 1, "pinball": 0.5,
    "binary_cross_entropy": 1, "hinge": 1, "cross_entropy": 1,
}  # fmt: skip
UNBOUNDED = {
    "squared_error", "half_squared_error", "squared_hinge", "poisson", "kl_divergence", "cross_entropy_of_probability",
    "binary_cross_entropy_of_probability",
}  # fmt: skip
NEGATIVE = {"poisson", "poisson_of_rate", "hinge_embedding", "kl_divergence_of_log"}
KINKS = {"absolute_error": (0.0,), "pinball": (0.0,)}
SMOOTH = {
    "squared_error", "half_squared_error", "smooth_l1", "huber", "pseudo_huber", "log_cosh", "binary_cross_entropy",
    "squared_hinge", "poisson", "cross_entropy",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CONVEX | NOT_CONVEX))
def test_convexity(name: str) -> None:
    assert ls.get(name).facts.convex == (name in CONVEX)


@pytest.mark.parametrize("name", LIPSCHITZ)
def test_the_steepest_slope(name: str) -> None:
    facts = ls.get(name).facts
    assert facts.lipschitz == pytest.approx(LIPSCHITZ[name], rel=1e-6)
    assert facts.bounded_influence
    assert not facts.redescending


@pytest.mark.parametrize("name", sorted(UNBOUNDED))
def test_unbounded_influence(name: str) -> None:
    facts = ls.get(name).facts
    assert facts.lipschitz is None
    assert not facts.bounded_influence


def test_the_steepest_slope_follows_the_parameter() -> None:
    for delta in (0.25, 2.0, 7.5):
        assert ls.huber.bind(delta=delta).facts.lipschitz == pytest.approx(delta, rel=1e-6)
        assert ls.pseudo_huber.bind(delta=delta).facts.lipschitz == pytest.approx(delta, rel=1e-6)
    assert ls.pinball.bind(quantile=0.9).facts.lipschitz == pytest.approx(0.9)
    assert ls.pinball.bind(quantile=0.2).facts.lipschitz == pytest.approx(0.8)


@pytest.mark.parametrize("name", KINKS)
def test_kinks(name: str) -> None:
    facts = ls.get(name).facts
    assert facts.kinks == KINKS[name]
    assert not facts.smooth


def test_the_kink_of_the_hinge_is_at_the_margin() -> None:
    assert ls.hinge.facts.kinks == (-1.0, 1.0)  # of either label
    assert not ls.hinge.facts.smooth


def test_a_step_is_neither_smooth_nor_convex() -> None:
    assert not ls.zero_one.facts.smooth
    assert not ls.zero_one.facts.convex


@pytest.mark.parametrize("name", sorted(SMOOTH))
def test_smoothness(name: str) -> None:
    assert ls.get(name).facts.smooth
    assert ls.get(name).facts.kinks == ()


def test_a_kink_anywhere_is_found() -> None:
    assert ls.define("mine", "maximum(r - 2.5, 0)").facts.kinks == pytest.approx((2.5,), abs=1e-6)
    assert ls.define("mine", "where(abs(r) <= c, r**2/2, c**2/2)", c=1.5).facts.kinks == pytest.approx((-1.5, 1.5), abs=1e-6)  # fmt: skip


def test_redescending_losses_and_others() -> None:
    tukey = ls.define("tukey", "where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)", c=4.685)
    cauchy = ls.define("cauchy", "c**2/2*log1p((r/c)**2)", c=2.385)
    welsch = ls.define("welsch", "c**2/2*(1 - exp(-(r/c)**2))", c=2.985)
    for loss in (tukey, cauchy, welsch):
        assert loss.facts.redescending
        assert loss.facts.bounded_influence
        assert not loss.facts.convex
        # The textbook's constants, each for 95% (P. J. Huber and E. Ronchetti, Robust Statistics, 2009).
        assert loss.facts.efficiency == pytest.approx(0.95, abs=0.001)
    for name in ("huber", "absolute_error", "squared_error", "log_cosh"):
        assert not ls.get(name).facts.redescending


def test_efficiency_under_gaussian_noise() -> None:
    assert ls.squared_error.facts.efficiency == pytest.approx(1, abs=1e-4)
    assert ls.half_squared_error.facts.efficiency == pytest.approx(1, abs=1e-4)
    assert ls.absolute_error.facts.efficiency == pytest.approx(2 / math.pi, abs=2e-4)
    assert ls.pinball.facts.efficiency == pytest.approx(2 / math.pi, abs=2e-4)
    assert ls.huber.bind(delta=1.345).facts.efficiency == pytest.approx(0.95, abs=2e-4)
    assert ls.huber.bind(delta=100).facts.efficiency == pytest.approx(1, abs=1e-4)
    for name in ("binary_cross_entropy", "hinge", "cross_entropy", "poisson", "kl_divergence"):
        assert ls.get(name).facts.efficiency is None


def test_symmetry() -> None:
    for name in (
        "squared_error",
        "absolute_error",
        "huber",
        "smooth_l1",
        "pseudo_huber",
        "log_cosh",
        "pinball",
    ):
        assert ls.get(name).facts.symmetric, name
    assert not ls.pinball.bind(quantile=0.9).facts.symmetric
    for name in ("binary_cross_entropy", "hinge", "poisson"):
        assert not ls.get(name).facts.symmetric, name


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nonnegativity(name: str) -> None:
    """A Poisson loss without the target's own part may be negative, and a margin of a distance; others may not."""
    assert ls.get(name).facts.nonnegative == (name not in NEGATIVE)


def test_squared_error_through_a_sigmoid() -> None:
    """Its slope fades on both sides: why it learns slowly when it is surely wrong."""
    facts = ls.squared_error.through("sigmoid").facts
    assert facts.redescending
    assert not facts.convex
    assert facts.bounded_influence
    assert ls.bce_of_probability.through("sigmoid").facts.convex


@pytest.mark.parametrize("name", ALL)
def test_facts_can_be_written_down(name: str) -> None:
    facts = ls.get(name).facts
    assert json.loads(json.dumps(facts.as_dict()))["convex"] is facts.convex
    for number in (facts.lipschitz, facts.efficiency, *facts.kinks):
        assert number is None or np.isfinite(number)
    assert not (facts.smooth and facts.kinks)
    assert facts.bounded_influence == (facts.lipschitz is not None)

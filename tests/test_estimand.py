"""What a loss estimates follows from its formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import losscope as ls
from losscope.catalogue import entries
from losscope.comparison.metrics import named, pinball
from losscope.estimand import of_classes, of_numbers, of_two_classes

NUMBERS = [name for name, entry in entries().items()
           if entry.structure == "elementwise" and entry.task in ("regression", "count")]  # fmt: skip
LABELS = [name for name, entry in entries().items()
          if entry.structure == "elementwise" and entry.task == "binary" and entry.prediction.name == "real"]  # fmt: skip


def test_every_loss_of_numbers_estimates_something():
    found = {name: of_numbers(ls.get(name)) for name in NUMBERS}
    assert len(found) > 5
    assert all(estimand.words and estimand.short for estimand in found.values())
    known = {
        "squared_error": "mean", "half_squared_error": "mean", "poisson": "mean", "absolute_error": "median",
        "pinball": "median", "huber": "centre", "log_cosh": "centre", "pseudo_huber": "centre", "smooth_l1": "centre",
    }  # fmt: skip
    assert known.keys() <= found.keys()
    assert {name: found[name].kind for name in known} == known


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 98))
def test_a_pinball_estimates_its_quantile_and_asymmetric_squares_their_expectile(percent):
    level = percent / 100
    found = of_numbers(ls.get(f"pinball:quantile={level}"))
    assert (found.kind, found.level) == ("median" if level == 0.5 else "quantile", level)
    squares = ls.define("mine", "where(r > 0, (1 - tau)*r**2, tau*r**2)", tau=level)
    found = of_numbers(squares)
    assert (found.kind, found.level) == ("mean" if level == 0.5 else "expectile", level)


@pytest.mark.parametrize("level", [0.999, 0.9999999, 0.975, 0.503, 0.001])
def test_a_level_is_known_to_its_last_digit(level):
    found = of_numbers(ls.get(f"pinball:quantile={level}"))
    assert (found.level, str(found), found.short) == (level, f"the {level} quantile", f"{level} quantile")
    squares = ls.define("mine", "where(r > 0, (1 - tau)*r**2, tau*r**2)", tau=level)
    assert of_numbers(squares).level in (level, 0.5)
    assert pinball(level).words == f"pinball {level}"
    assert named(pinball(level).name, "regression").words == pinball(level).words


@pytest.mark.parametrize(
    ("formula", "options", "kind"),
    [
        ("c**2/2*log(1 + (r/c)**2)", {"c": 1.0}, "centre"),
        ("where(abs(r) <= c, c**2/6*(1 - (1 - (r/c)**2)**3), c**2/6)", {"c": 4.685}, "centre"),
        ("exp(r) - r - 1", {}, "other"),
        ("3*r**2 + 1", {}, "mean"),
        ("-(r**2)", {}, "nothing"),
        ("-log(1 + r**2)", {}, "nothing"),
        ("-1/(1 + r**2)", {}, "centre"),
        ("r**4", {}, "outer"),
        ("abs(r)**2.2", {}, "outer"),
        ("cosh(r) - 1", {}, "outer"),
        ("maximum(abs(r) - 0.5, 0)**2", {}, "outer"),
        ("where(abs(r) < 1, abs(r), r**2)", {}, "centre"),
        ("target*exp(-prediction) + prediction", {"target": "positive"}, "mean"),
    ],
)
def test_a_formula_of_one_s_own_is_known_by_what_it_does(formula, options, kind):
    loss = ls.define("mine", formula, **options)
    assert of_numbers(loss, "exp" if "target" in options else "").kind == kind


def test_huber_goes_from_the_median_to_what_lies_between():
    assert of_numbers(ls.get("huber:delta=0.001")).kind == "median"
    assert of_numbers(ls.get("huber")).words == "a value between the mean and the median"


def test_a_centre_is_said_to_lie_where_it_lies():
    words = {
        formula: str(of_numbers(ls.define("mine", formula)))
        for formula in ("r**4", "r**2/(1 + r**2)", "abs(r)**1.5")
    }
    assert "beyond the mean, drawn by what lies far" in words["r**4"]
    assert "leaves out what lies far" in words["r**2/(1 + r**2)"]
    assert words["abs(r)**1.5"] == "a value between the mean and the median"
    # Near the least and the largest, in the middle of which a high power has its minimum.
    skewed = np.array([0.0] * 90 + [1.0] * 10)
    at = np.linspace(0, 1, 1001)
    assert at[np.argmin(((at[:, None] - skewed) ** 4).mean(1))] > skewed.mean()


def test_losses_of_labels_estimate_a_probability_a_ranking_or_a_class():
    found = {
        name: of_two_classes(
            ls.get(name), "sign" if entries()[name].target.name == "sign" else "one", "sigmoid"
        ).kind
        for name in LABELS
    }
    assert len(found) > 5
    known = {"binary_cross_entropy": "probability", "soft_margin": "probability", "binary_focal": "ranking",
             "squared_hinge": "ranking", "hinge": "class", "zero_one": "class"}  # fmt: skip
    assert {name: found[name] for name in known} == known
    assert of_two_classes(ls.get("mse@sigmoid"), "one", "sigmoid").kind == "probability"
    weighted = ls.get("weighted_binary_cross_entropy:positive_weight=5")
    assert of_two_classes(weighted, "one", "sigmoid").kind == "ranking"


@pytest.mark.parametrize("formula", ["log(r)", "log(z)", "sqrt(-abs(r))"])
def test_a_loss_with_no_finite_minimum_estimates_nothing_that_has_a_name(formula):
    loss = ls.define("mine", formula)
    assert of_numbers(loss).kind == "other"
    assert of_two_classes(loss, "one", "score").kind == "other"


def test_losses_of_classes():
    assert of_classes(ls.cross_entropy).kind == "probability"
    focal = ls.define("focal_of_classes", "sigmoid(m)**2*softplus(m)", structure="softmax")
    assert of_classes(focal).kind == "ranking"

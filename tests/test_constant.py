"""The best constant: no other prediction has a lower mean loss, whatever the loss; known ones are what they should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import losscope as ls
from losscope.constant import best_constant
from losscope.kernels.reference import pointwise

RANDOM = np.random.default_rng(7)
TARGETS = {
    "real": RANDOM.standard_t(2, 61) * 40 + 100,
    "count": RANDOM.poisson(3.0, 61).astype(float),
    "probability": RANDOM.random(61),
    "label": (RANDOM.random(61) < 0.2).astype(float),
    "sign": np.where(RANDOM.random(61) < 0.2, 1.0, -1.0),
}
LOSSES = [
    ls.get(name)
    for name in [*ls.losses(), "mse@sigmoid", "mse@softplus", "mse@exp"]
    if ls.get(name).structure == "elementwise" and ls.get(name).entry.target.name in TARGETS
]


def test_there_are_losses_to_try():
    assert len(LOSSES) > 12


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_no_other_constant_is_better(loss):
    y = TARGETS[loss.entry.target.name]
    y = np.abs(y) if loss.activation is not None else y
    found = best_constant(loss, y)
    reach = np.concatenate(
        [found + np.geomspace(1e-6, 30, 200), found - np.geomspace(1e-6, 30, 200), np.unique(y)]
    )
    if loss.activation is None:
        reach = reach[loss.entry.prediction.contains(reach)]
    others = pointwise(loss, reach[:, None], y[None])[0].mean(axis=1)
    here = pointwise(loss, np.array(found), y)[0].mean()
    assert here <= np.nanmin(others) + 1e-8 * (1 + abs(here))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_known_constants(values, seed):
    y = np.array(values)
    w = np.random.default_rng(seed).integers(1, 5, y.size).astype(float)
    scale = 1 + np.abs(y).max()
    assert best_constant(ls.mse, y, w) == pytest.approx(np.average(y, weights=w), abs=1e-9 * scale)
    assert best_constant(ls.mae, y) == pytest.approx(np.median(y), abs=1e-9 * scale)
    twice = np.repeat(y, w.astype(int))
    assert best_constant(ls.mae, y, w) == pytest.approx(best_constant(ls.mae, twice), abs=1e-9 * scale)


def test_links_have_the_constant_of_their_scale():
    y = TARGETS["count"]
    assert np.exp(best_constant(ls.poisson, y)) == pytest.approx(y.mean())
    share = TARGETS["label"].mean()
    for name in ("bce", "mse@sigmoid"):
        assert best_constant(ls.get(name), TARGETS["label"]) == pytest.approx(np.log(share / (1 - share)))
    classes = np.array([0, 0, 0, 1, 1, 2])
    found = best_constant(ls.cross_entropy, classes)
    assert np.exp(found) / np.exp(found).sum() == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=1e-6)


def test_a_minimum_at_infinity_is_finite_and_as_good():
    never = best_constant(ls.poisson, np.zeros(5))
    assert np.isfinite(never)
    assert np.exp(never) < 1e-6
    assert np.isfinite(best_constant(ls.bce, np.ones(5)))
    assert np.isfinite(best_constant(ls.cross_entropy, np.array([0, 2]), classes=4)).all()


@pytest.mark.parametrize(
    ("target", "weight"),
    [
        ([], None),
        ([1.0], [0.0]),
        ([1.0, 2.0], [1.0]),
        ([1.0, 2.0], [1.0, -1.0]),
        ([1.0, 2.0], [1.0, np.nan]),
        ([1.0, 2.0], [1.0, np.inf]),
        ([1.0, 2.0], ["1", "one"]),
        (["1"], None),
        ([1j], None),
        ([1.0, np.inf], None),
        (np.ma.array([1.0, 100.0], mask=[0, 1]), None),
    ],
    ids=[
        "none",
        "no weight",
        "fewer weights",
        "negative",
        "NaN",
        "infinite",
        "words",
        "a word",
        "complex",
        "an infinite target",
        "masked",
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_nothing_to_find_is_said(target, weight):
    with pytest.raises(ls.LossError):
        best_constant(ls.mse, target, weight)


@pytest.mark.parametrize(
    ("loss", "target"),
    [("bce", [-1.0, 1.0]), ("hinge", [0.0, 1.0]), ("poisson", [-1.0]), ("triplet_margin", [1.0]), ("relu", [1.0]), (None, [1.0])],
)  # fmt: skip
def test_what_a_loss_does_not_judge_has_no_best_constant(loss, target):
    with pytest.raises(ls.LossError):
        best_constant(loss, target)


def test_weights_may_be_of_any_size():
    assert best_constant("mse", [1.0, 3.0], weight=[1e308, 1e308]) == 2.0
    assert best_constant("mse", [1.0, 4.0], weight=[1e-300, 2e-300]) == pytest.approx(3.0, rel=1e-12)


def test_a_parameter_may_be_0_where_the_loss_allows_it():
    """It divides a branch that is not chosen."""
    loss = ls.get("smooth_l1:beta=0")
    assert best_constant(loss, [1.0, 2.0, 3.0]) == 2.0
    assert loss.facts.symmetric


def test_what_falls_without_end_has_no_best_constant():
    for loss in (ls.hinge_embedding, ls.define("mine", "r"), ls.define("mine", "r**3")):
        with pytest.raises(ls.LossError, match="without end"):
            best_constant(loss, [1.0, 1.0])

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
    ],
    ids=["none", "no weight", "fewer weights", "negative", "NaN", "infinite", "words"],
)
def test_nothing_to_find_is_said(target, weight):
    with pytest.raises(ls.LossError):
        best_constant(ls.mse, target, weight)

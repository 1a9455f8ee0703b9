"""The study of entropy: the reference numbers, and verdict rules that can say each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import entr, rel_entr

from losscope.studies import entropy
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Result
from losscope.studies.verdict import NOT_DECIDED
from quick import quick


def result() -> Result:
    return quick("entropy")


def test_the_reference_numbers() -> None:
    numbers = result().numbers
    bits = [f"{each:.6f}" for each in numbers["entropy_bits"].values()]
    assert bits == ["2.000000", "1.356780", "0.241941"]
    assert bits == [f"{entr(np.array(p)).sum() / np.log(2):.6f}" for p in entropy.DISTRIBUTIONS]
    surprises = {key: f"{each:.6f}" for key, each in numbers["one_hot_cross_entropy_nats"].items()}
    assert surprises == {"0.25": "1.386294", "0.1": "2.302585", "0.97": "0.030459"}
    assert numbers["largest_gap_of_the_sum"] < 1e-14


def test_the_relations_agree_with_scipy() -> None:
    random = np.random.default_rng(1)
    p, q = (entropy.draw(random, np.full((50, 1), 0.5), 6) for _ in range(2))
    found = entropy.relations(p, q)
    assert found["entropy"] == pytest.approx(entr(p).sum(-1))
    assert found["divergence"] == pytest.approx(rel_entr(p, q).sum(-1))


def test_the_search_comes_near_the_bounds() -> None:
    close = entropy.near_the_bounds(np.random.default_rng(0), np.full((500, 10), 0.1))
    assert (close["divergence"] < 1e-10).mean() > 0.3
    assert (close["divergence"] > 1e-6).any()
    assert (close["entropy_share"] > 1 - 1e-10).mean() > 0.3
    assert (close["divergence"] >= 0).all()


def test_the_best_questions() -> None:
    assert entropy.code_length(np.array([0.5, 0.25, 0.125, 0.125])) == pytest.approx(1.75)  # its entropy
    random = np.random.default_rng(0)
    for p in entropy.draw(random, np.full((20, 1), 1.0), 7):
        bits = entr(p).sum() / np.log(2)
        assert bits - 1e-9 <= entropy.code_length(p) < bits + 1


def test_the_claims() -> None:
    verdicts = {each.claim: each.verdict for each in result().claims}
    assert verdicts["The smaller the entropy, the more information an outcome carries."] == DOES_NOT_HOLD
    assert verdicts["The smaller the entropy, the less stable the outcome."] == DOES_NOT_HOLD
    assert (
        verdicts["The smaller the cross-entropy, the closer q is to p, by the KL divergence."]
        == "holds when p stays the same"
    )
    assert [
        next(each for claim, each in verdicts.items() if words in claim) for words in ("never negative", "is a distance")
    ] == [HOLDS, DOES_NOT_HOLD]  # fmt: skip


def test_the_code_that_overwrites_its_distribution() -> None:
    first, second = result().mistakes
    assert first.prints == "2, then -2, then nan: `a` is no longer the distribution"
    assert second.prints.startswith("nan")
    assert second.right.startswith("0:")


def test_verdicts_can_go_either_way() -> None:
    gaps, none = np.array([0.0, 1e-3]), np.array([0.0])
    assert entropy.identity(gaps).verdict == entropy.itself(gaps).verdict == DOES_NOT_HOLD
    assert entropy.identity(none).verdict == entropy.itself(none).verdict == HOLDS
    assert entropy.one_hot({0.5: 0.6}).verdict == DOES_NOT_HOLD
    assert entropy.symmetric(none, none + 1).verdict == HOLDS
    assert entropy.never_negative(none, np.array([-1e-9])).verdict == DOES_NOT_HOLD
    assert entropy.most(none, np.array([1.1])).verdict == DOES_NOT_HOLD
    assert [entropy.order(*kept).verdict[:10] for kept in ((1.0, 1.0), (0.9, 1.0), (0.9, 0.9))] == [
        HOLDS, "holds when", DOES_NOT_HOLD[:10],
    ]  # fmt: skip
    rising = np.tile([1.0, 2.0], 50)
    random = np.random.default_rng(0).normal(size=100)
    for judge, agrees in ((entropy.informative, -rising), (entropy.unstable, rising)):
        assert [judge(rising, each).verdict for each in (agrees, -agrees, random)] == [HOLDS, DOES_NOT_HOLD, NOT_DECIDED]  # fmt: skip

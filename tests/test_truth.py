"""The truth that formulas are held against, itself held against another: mpmath's, of every primitive."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from judge import DIGITS, evaluate
from losscope.expression import PRIMITIVES, symbol
from losscope.truth import FUNCTIONS, truths

X, Q = symbol("x"), symbol("q")


def test_every_primitive_has_a_truth() -> None:
    assert set(FUNCTIONS) == set(PRIMITIVES)


@pytest.mark.parametrize("name", [name for name, (count, _) in PRIMITIVES.items() if count < 3])
def test_balls_and_mpmath_agree(name: str) -> None:
    count, primitive = PRIMITIVES[name]
    rng = np.random.default_rng(1)
    points = np.concatenate(
        [rng.normal(size=(40, 2)) * 3, rng.choice([-1, 1], (40, 2)) * 10 ** rng.uniform(-12, 6, (40, 2))]
    )
    expression = primitive(*(X, Q)[:count])
    found = truths([expression], (X, Q), points)[:, 0]
    seen = 0
    with mpmath.workdps(DIGITS):
        for (x, q), (high, low) in zip(points.tolist(), found.tolist(), strict=True):
            if np.isnan(high) or (name.startswith("pow") and abs(q) * abs(x) > 1e4):
                continue
            true = evaluate(expression, {"x": mpmath.mpf(x), "q": mpmath.mpf(q)})
            if not isinstance(true, mpmath.mpf) or not np.isfinite(high) or abs(true) < 1e-300:
                continue
            assert abs(mpmath.mpf(high) + mpmath.mpf(low) - true) <= abs(true) * mpmath.mpf(2) ** -70, (x, q)
            seen += 1
    assert seen >= 10

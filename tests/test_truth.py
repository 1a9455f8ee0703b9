"""The truth that formulas are held against, itself held against another: mpmath's, of every primitive."""

from __future__ import annotations

import subprocess
import sys

import mpmath
import numpy as np
import pytest
import sympy
from sympy import S, exp

from judge import DIGITS, evaluate
from losscope.expression import PRIMITIVES, symbol
from losscope.expression.exponential import log, log1p, sigmoid
from losscope.expression.hyperbolic import acosh, tanh
from losscope.expression.lengths import unit
from losscope.expression.products import xdivy
from losscope.truth import FUNCTIONS, PRECISIONS, truths

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


def test_a_square_of_almost_nothing_is_known() -> None:
    """Of two logarithms that are equal, and of what is left of 1 beside a sigmoid: balls whose middle is 0."""
    difference = (log(X + 1) - log(Q + 1)) ** 2
    assert truths([difference], (X, Q), [[1.0, 1.0]])[0, 0, 0] == 0
    rest = (1 - sigmoid(X)) ** 2
    (high, _), (far, _) = truths([rest], (X,), [[150.0], [1e30]])[:, 0]
    assert high == pytest.approx(np.exp(-300), rel=1e-12)
    assert far == 0


def test_a_whole_exponent_of_any_size_ends() -> None:
    """A number such as 2**(2**45) has more binary digits than there is memory for."""
    powers = [X ** (2**Q), (1 + X) ** (2**Q), (-X) ** (2**Q)]
    large, small = truths(powers, (X, Q), [[3.0, 2.0**45], [0.5, 2.0**20]])[..., 0].tolist()
    assert not np.isfinite([each for each in large if each == each]).any()
    assert small[0] == 0


def test_a_truth_does_not_depend_on_the_one_before_it() -> None:
    """The last resort at one point, that what cannot be told apart is equal, is none at the next."""
    border = sympy.Piecewise((S(3), X - Q <= 1), (X, True))
    hard = [1.0, -(2.0**-1074)]  # a border so close that it takes the most digits
    one = truths([border], (X, Q), [[1.0, -5e-197]])
    after = truths([border], (X, Q), [hard, [np.inf, 0.0], [1.0, -5e-197]])
    assert one[0, 0, 0] == after[2, 0, 0] == 1.0


def test_a_comparison_with_what_is_no_number_chooses_neither_side() -> None:
    """-1e-300 times its logarithm, which is none: computed, the product underflows, and 0 times anything is 0."""
    compared = sympy.Piecewise((S(3), log(X) < Q), (X, True))
    at_most = sympy.Piecewise((S(3), log(X) <= Q), (X, True))
    found = truths([compared, at_most, X], (X, Q), [[-1e-300, 0.0], [2.0, 1.0], [3.0, 1.0]])
    assert np.isnan(found[0, :2, 0]).all()
    assert not found[0, :, 1].any()  # surely none
    assert found[0, 2, 0] == -1e-300
    assert found[1:, :, 0].tolist() == [[3.0, 3.0, 2.0], [3.0, 3.0, 3.0]]


def test_a_power_that_is_surely_none_takes_no_more_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a number below 0, to an exponent between whole numbers; one that may be whole is looked at again."""
    asked = []
    monkeypatch.setattr("losscope.truth.evaluate", lambda *_: asked.append(1) or ())
    assert np.isnan(truths([X ** exp(Q)], (X, Q), [[-2.0, 0.5]])[0, 0, 0])
    assert not asked
    truths([X ** (sigmoid(Q) + sigmoid(-Q))], (X, Q), [[-2.0, 0.5]])
    assert asked


@pytest.mark.parametrize(
    ("expression", "x"),
    [
        (log(X - 1e30), 1.0),
        (sympy.sqrt(X), -1.0),
        (1 / (X - X * Q), 2.0),
        (log(exp(X) - exp(X) * Q), 1e300),
        (sigmoid(-exp(X)), 1e300),
        (sigmoid(exp(X)) - tanh(exp(X)), 1e200),
        (log(1 - sigmoid(X)), 200.0),
        (log1p(-sigmoid(X)) ** Q, 9000.0),
        (acosh(1 + exp(-X)), 3000.0),
        (xdivy(X, 1 - tanh(X)), 4000.0),
        (unit(1 - tanh(X), 1 - tanh(X)), 300.0),
        ((1 - tanh(X)) ** (-Q * 3), 3000.0),
        ((1 - tanh(X)) ** (Q / 3), 3000.0),
        ((exp(-X) - exp(-X) * Q) ** (Q / 3), 3000.0),
    ],
)
def test_what_is_no_number_is_none_with_all_digits(
    expression: sympy.Expr, x: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A truth that is given up early, as it has no value, has none with more digits, either."""
    at = [[x, 1.0]]
    found = truths([expression], (X, Q), at)
    monkeypatch.setattr("losscope.truth.PRECISIONS", PRECISIONS[-1:])
    monkeypatch.setattr("losscope.truth._settled", lambda ball: False)
    assert np.array_equal(found[..., 0], truths([expression], (X, Q), at)[..., 0], equal_nan=True)


def test_no_truth_ends_the_process() -> None:
    """Of infinities, of balls that hold all numbers, and of those about an infinity."""
    script = (
        "from itertools import product\n"
        "from contextlib import suppress\n"
        "from flint import arb\n"
        "from losscope import truth\n"
        "inf = arb('inf')\n"
        "balls = [inf, -inf, inf + arb(0, inf), -inf + arb(0, inf), arb(0, inf), arb('nan'), arb(0.5), arb(3), arb(-1), arb(0)]\n"
        "for name, function in {**truth.FUNCTIONS, 'power': truth._power}.items():\n"
        "    for count in (1, 2):\n"
        "        for arguments in product(balls, repeat=count):\n"
        "            with suppress(TypeError, ArithmeticError, truth.Undecided, truth.Incomparable):\n"
        "                function(*arguments)\n"
        "for x, n in product(balls, (0, 1, 2, 3, 50)):\n"
        "    truth._whole_power(x, n)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]

"""Any formula: exact, or told where not, or refused. Nothing else, ever.

`make test` tries some hundreds; `make nightly` some thousands, other ones each time.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import losscope as ls
from losscope.derive import derive
from losscope.exactness.certificate import BOUND
from losscope.exactness.mending import bench
from losscope.exactness.told import InexactWarning
from losscope.expression import PRIMITIVES
from losscope.expression.spellings import SPELLINGS
from test_formulas import values_made_up, worst_of_kernels

NIGHTLY = os.environ.get("LOSSCOPE_NIGHTLY")
MANY = 5_000 if NIGHTLY else 300
LONGEST = 100  # seconds for one of them
LAST = Path(tempfile.gettempdir()) / "losscope-last-formula.txt"
RARE = 25  # one formula of so many is compiled, and its kernels judged

UNARY = sorted(
    name for name, (count, _) in {**PRIMITIVES, **SPELLINGS}.items() if count == 1 and name not in ("polygamma1", "polygamma2", "trigamma")
)  # fmt: skip
BINARY = sorted(name for name, (count, _) in {**PRIMITIVES, **SPELLINGS}.items() if count == 2)

leaves = st.sampled_from(["r", "r", "r", "z", "y", "c", "1", "2", "0.5", "3", "1e-3", "pi"])


def grown(parts: Any) -> Any:
    """Larger formulas of smaller ones, as people write them."""
    return st.one_of(
        st.tuples(parts, st.sampled_from("+-*/"), parts).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(parts, st.sampled_from(["2", "3", "4", "0.5", "-1", "c", "(c - 1)"])).map(
            lambda t: f"({t[0]})**{t[1]}"
        ),
        st.tuples(st.sampled_from(UNARY), parts).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(BINARY), parts, parts).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(parts, st.sampled_from(["<", "<=", ">", ">="]), parts, parts, parts).map(
            lambda t: f"where({t[0]} {t[1]} {t[2]}, {t[3]}, {t[4]})"
        ),
    )


formulas = st.recursive(leaves, grown, max_leaves=7)


@pytest.fixture(autouse=True, scope="module")
def _a_cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    before = os.environ.get("LOSSCOPE_CACHE_DIR")
    os.environ["LOSSCOPE_CACHE_DIR"] = str(tmp_path_factory.mktemp("formulas"))
    yield
    os.environ.pop("LOSSCOPE_CACHE_DIR") if before is None else os.environ.__setitem__(
        "LOSSCOPE_CACHE_DIR", before
    )


def test_any_formula_is_exact_or_told_or_refused() -> None:
    outcomes = {"exact": 0, "told": 0, "refused": 0}
    wrong: dict[str, Exception] = {}
    signal.signal(signal.SIGALRM, _too_long)

    @settings(
        max_examples=MANY,
        deadline=None,
        derandomize=not NIGHTLY,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(formulas)
    def law(formula: str) -> None:
        if NIGHTLY:  # should a library crash with it
            LAST.write_text(formula, encoding="utf-8")
        signal.alarm(LONGEST)
        try:
            outcomes[end_of(formula)] += 1
        except (
            Exception
        ) as error:  # all of them are wanted, and shrinking one takes longer than a hundred others
            wrong[formula] = error
            print(
                f"{formula}: {error!r}", file=sys.__stderr__, flush=True
            )  # those before one that hangs, too
        finally:
            signal.alarm(0)

    law()
    assert not wrong, outcomes
    assert sum(outcomes.values()) >= MANY / 2
    print(outcomes)
    assert min(outcomes.values()) > MANY / 50, outcomes


@pytest.mark.parametrize(
    ("formula", "end"),
    [
        ("unit(unit(y, 3), unit(r, 3))", "exact"),  # roundings of nine lengths
        ("sin(((1 - y) - (1e-3 * r)))", "exact"),  # at 2e63 a last place chances to be whole turns
        (
            "where((1e-3)**0.5 < cos(z), arctan(r), cos(z))",
            "exact",
        ),  # three last places around chance to choose alike
        ("where((digamma(c) - (c)**3) <= r, (c)**3, gamma(r))", "exact"),  # of no number no truth is wanted
        ("(sqrt1px2m1(y) - arccosh(r))", "told"),
        (
            "where((r)**c < (r + (y + 1e-3)), pow1px2m1(r, r), (y)**2)",
            "exact",
        ),  # r + y is z, to the last digit
        ("pow1pm1(pow(pow(2, r), r), ((1e-3 + r))**4)", "exact"),  # a polynomial of a high degree took 21 GB
        (
            "pow(sin(pow(r, r)), (z + z))",
            "exact",
        ),  # sin(1e203) has either sign, and a root only of one
        (
            "(where(cos(z) < r, r, cos(r)))**2",
            "exact",
        ),  # a last place of 1.8e234 is whole turns, and half of it not
        ("(pow1px2m1(minimum(pi, r), 1e-3))**2", "told"),  # a sum of numbers was factored, of degree 2,000
        ("pow1pm1(where(1e-3 <= r, z, 3), (r)**(c - 1))", "told"),  # no border is set in a choice
        ("cos(gamma(r))", "exact"),  # whose truth is known at one point, and not beside it
        ("(where(cos(r) < cos(2), r, cos(2)))**0.5", "refused"),
        ("minimum(where(c < 1, c, r), (y - r))", "exact"),  # SymPy turned this comparison round and round
        ("hypot(hypot(y, 3), psi(r))", "told"),  # three searches came to 11.9 ulp, and the fourth to 20
        (
            "(((r)**-1)**2 + (xlogy(r, r) * (2 * y)))",
            "exact",
        ),  # a term is lost to overflow where the result is 2e-34
    ],
)
def test_what_was_once_none_of_the_three(formula: str, end: str) -> None:
    assert end_of(formula) == end


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"not done in {LONGEST} s")


def end_of(formula: str) -> str:
    """What becomes of a formula; fails where it is none of the three, or not true."""
    options = {"c": 1.5} if "c" in formula.replace("cos", "").replace("arc", "").replace("acosh", "") else {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            loss = ls.define("random", formula, **options)
        except ls.LossError:
            return "refused"
    told = [str(each.message) for each in said if issubclass(each.category, InexactWarning)]
    if told:
        assert len(told) == 1
        assert len(told[0].splitlines()) == 4
        return "told"
    assert not values_made_up(loss, 100, seed=98)
    derived = derive(loss.entry)
    other = bench(loss.entry, None, 300, derived, seed=99).with_borders()
    other.margin += 4  # as far from the end as chance may have kept the certificate
    worst = other.certified(derived, searches=1)
    assert worst.error <= 2 * BOUND, worst  # they are other points than those of the certificate
    if crc32(formula.encode()) % RARE == 0:
        error, where = worst_of_kernels(loss, 200, seed=5, borders=True)
        assert error <= 2 * BOUND, where
    return "exact"

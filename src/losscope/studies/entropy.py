"""Study 9: What are entropy, cross-entropy and divergence, and how are they related?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Result, holds_when, silent

if TYPE_CHECKING:
    import numpy

    from losscope.report import Chart, Table

DISTRIBUTIONS = ((0.25, 0.25, 0.25, 0.25), (0.1, 0.1, 0.1, 0.7), (0.01, 0.01, 0.01, 0.97))
BELIEVED = (0.25, 0.1, 0.97)  # the probability a model gives to the class that is right
ROUNDING = 1e-12  # what float64 may leave of an identity, relative


def experiment(
    *,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = silent,
    pairs: Annotated[int, "random pairs of distributions"] = 20_000,
    classes: Annotated[int, "outcomes of each"] = 10,
) -> Result:
    """Known values, and identities over random pairs of distributions, by the library's own functions."""
    import numpy

    from losscope.errors import LossError, complain

    if pairs < 1 or classes < 2:
        raise LossError(
            complain(
                "pairs must be 1 or more, and classes 2 or more", got=f"pairs {pairs}, classes {classes}"
            )
        )
    random = numpy.random.default_rng(seed)
    count = min(pairs, 1000) if quick else pairs
    progress(0.1, "random distributions")
    # From nearly uniform to nearly certain, in equal shares.
    concentration = random.choice([0.1, 0.3, 1.0, 10.0], size=(count, 1))
    p, q = (_draw(random, concentration, classes) for _ in range(2))
    found = relations(p, q)
    progress(0.6, "one-hot rows")
    bits = {str(list(each)): _entropy(each, 2) for each in DISTRIBUTIONS}
    surprises = {believed: one_hot_cross_entropy(believed) for believed in BELIEVED}
    return Result(
        done=_done(count, classes),
        claims=[
            judge_identity(found["sum_gap"], count),
            judge_self(found["self_gap"], count),
            judge_one_hot(surprises),
            judge_symmetry(found["reversed_gap"], found["divergence"]),
            judge_least(found["divergence"]),
            judge_uniform(found["entropy_share"]),
            judge_order(found["order_kept"], found["order_kept_of_one_p"]),
        ],
        charts=[_two_outcomes(), _belief()],
        tables=[_entropies(), _surprise_table(surprises)],
        numbers={
            "entropy_bits": bits,
            "one_hot_cross_entropy_nats": {f"{each:g}": value for each, value in surprises.items()},
            "pairs": count,
            "classes": classes,
            "largest_gap_of_the_sum": float(found["sum_gap"].max()),
            "largest_gap_to_itself": float(found["self_gap"].max()),
            "least_divergence": float(found["divergence"].min()),
            "share_of_pairs_in_the_same_order": found["order_kept"],
        },
    )


def _draw(random: numpy.random.Generator, concentration: Any, classes: int) -> Any:
    """Rows of a Dirichlet distribution; a gamma draw of 0 would make a 0/0 of a row, a tiny one does not."""
    weights = random.gamma(concentration, size=(len(concentration), classes)) + 1e-300
    return weights / weights.sum(-1, keepdims=True)


def _entropy(p: Any, base: float = math.e) -> float:
    import losscope as ls

    return float(ls.entropy(list(p), base=base))


def one_hot_cross_entropy(believed: float) -> float:
    """H(p, q) in nats, with p certain of class 1 of 4 and q giving it this probability."""
    import losscope as ls

    rest = (1 - believed) / 3
    return float(ls.get("cross_entropy_of_probability")([[rest, believed, rest, rest]], ls.one_hot([1], 4)))


def relations(p: Any, q: Any) -> dict[str, Any]:
    """Entropy, cross-entropy and divergence of pairs of rows, and the gaps that should be nothing."""
    import numpy

    import losscope as ls

    cross, kl = ls.get("cross_entropy_of_probability"), ls.get("kl_divergence")
    entropy = numpy.asarray(ls.entropy(p))
    crossed, divergence = cross(q, p, reduction="none"), kl(q, p, reduction="none")
    backwards = kl(p, q, reduction="none")
    fixed = numpy.broadcast_to(p[:1], p.shape).copy()
    return {
        "entropy": entropy,
        "cross_entropy": crossed,
        "divergence": divergence,
        "reversed_gap": numpy.abs(divergence - backwards),
        "sum_gap": numpy.abs(entropy + divergence - crossed) / numpy.maximum(crossed, 1),
        "self_gap": numpy.abs(cross(p, p, reduction="none") - entropy) / numpy.maximum(entropy, 1),
        "entropy_share": entropy / math.log(p.shape[-1]),
        "order_kept": _order_kept(crossed, divergence),
        "order_kept_of_one_p": _order_kept(cross(q, fixed, reduction="none"), kl(q, fixed, reduction="none")),
    }


def _order_kept(one: Any, other: Any) -> float:
    """The share of neighbouring pairs that both put in the same order."""
    import numpy

    same = numpy.sign(numpy.diff(one)) == numpy.sign(numpy.diff(other))
    return float(same.mean()) if same.size else 1.0


def judge_identity(gaps: Any, count: int) -> Claim:
    """To rounding, over all pairs."""
    evidence = (
        f"Over {count:,} random pairs the two sides differ by at most {max(gaps):.1g} (relative to the larger"
        " of 1 and H(p, q))."
    )
    return Claim(
        "Cross-entropy is entropy plus divergence: H(p, q) = H(p) + KL(p||q).",
        HOLDS if max(gaps) < ROUNDING else DOES_NOT_HOLD,
        evidence,
    )


def judge_self(gaps: Any, count: int) -> Claim:
    """To rounding, over all rows."""
    evidence = f"Over {count:,} random distributions they differ by at most {max(gaps):.1g}."
    return Claim(
        "The cross-entropy of a distribution with itself is its entropy, not 0: H(p, p) = H(p).",
        HOLDS if max(gaps) < ROUNDING else DOES_NOT_HOLD,
        evidence,
    )


def judge_one_hot(surprises: Mapping[float, float]) -> Claim:
    """The library's H(p, q) against the logarithm."""
    gap = max(abs(value + math.log(believed)) for believed, value in surprises.items())
    shown = ", ".join(f"{believed:g} -> {value:.6f}" for believed, value in surprises.items())
    return Claim(
        "With a one-hot p only the probability of the right class counts: H(p, q) = -log q_k.",
        HOLDS if gap < ROUNDING else DOES_NOT_HOLD,
        f"In nats: {shown}.",
    )


def judge_symmetry(gaps: Any, divergence: Any) -> Claim:
    """A distance would be the same both ways."""
    import numpy

    share = float((numpy.asarray(gaps) > ROUNDING * numpy.maximum(divergence, 1)).mean())
    evidence = f"KL(p||q) and KL(q||p) differ for {share:.1%} of the pairs, by up to {max(gaps):.3g} nats."
    return Claim(
        "The KL divergence is a distance: the same from p to q as from q to p.",
        HOLDS if share == 0 else DOES_NOT_HOLD,
        evidence,
    )


def judge_least(divergence: Any) -> Claim:
    """Never negative, as computed."""
    evidence = (
        f"The smallest divergence found is {min(divergence):.3g} nats; the library's form of each term cannot"
        " be negative even by rounding."
    )
    return Claim(
        "Believing the wrong distribution never helps: KL(p||q) is never negative.",
        HOLDS if min(divergence) >= 0 else DOES_NOT_HOLD,
        evidence,
    )


def judge_uniform(share: Any) -> Claim:
    """Entropy over that of the uniform distribution."""
    evidence = f"The random distributions reach at most {max(share):.4f} of the entropy of the uniform one."
    return Claim(
        "No distribution has more entropy than the uniform one.",
        HOLDS if max(share) <= 1 + ROUNDING else DOES_NOT_HOLD,
        evidence,
    )


def judge_order(kept: float, kept_of_one_p: float) -> Claim:
    """Does the smaller cross-entropy always mean the smaller divergence? Over different p, and over one."""
    claim = "The smaller the cross-entropy, the closer q is to p."
    evidence = (
        f"For different p, cross-entropy and divergence put {1 - kept:.1%} of pairs in opposite orders; for"
        f" one p, {1 - kept_of_one_p:.1%}."
    )
    if kept == 1:
        return Claim(claim, HOLDS, evidence)
    if kept_of_one_p == 1:
        return Claim(
            claim, holds_when("p stays the same"), evidence + " They differ by H(p), which no q changes."
        )
    return Claim(claim, DOES_NOT_HOLD, evidence)


def _done(count: int, classes: int) -> list[str]:
    return [
        (
            "Entropy H(p) is the mean surprise -log p of an outcome, in bits with base 2 and in nats with"
            " base e. Cross-entropy H(p, q) is the mean surprise of someone who believes q while outcomes"
            " follow p, and the divergence KL(p||q) is the part of it that the wrong belief costs. All three"
            " come from the library: `entropy`, `cross_entropy_of_probability` and `kl_divergence`, each"
            " computed by itself."
        ),
        (
            f"The identities were tried on {count:,} random pairs of distributions over {classes} outcomes,"
            " from nearly uniform to nearly certain."
        ),
    ]


def _two_outcomes() -> Chart:
    """Entropy of a coin, and what a belief costs when the coin is fixed."""
    import numpy

    import losscope as ls
    from losscope.report import Chart, Line, Panel

    chance = numpy.linspace(0.001, 0.999, 400)
    rows = numpy.stack([chance, 1 - chance], -1)
    coin = numpy.tile([0.7, 0.3], (len(chance), 1))
    entropy = Panel(
        "A coin's entropy",
        "probability of heads",
        "entropy (bits)",
        [Line(chance, numpy.asarray(ls.entropy(rows, base=2)), "entropy H(p)")],
    )
    crossed = ls.get("cross_entropy_of_probability")(rows, coin, reduction="none") / math.log(2)
    divergence = ls.get("kl_divergence")(rows, coin, reduction="none") / math.log(2)
    flat = numpy.full_like(chance, _entropy((0.7, 0.3), 2))
    lines = [
        Line(chance, flat, "entropy H(p)"),
        Line(chance, crossed, "cross-entropy H(p, q)"),
        Line(chance, divergence, "divergence KL(p||q)"),
    ]
    belief = Panel(
        "Believing q when the coin has p = 0.7",
        "believed probability of heads",
        "mean surprise (bits)",
        lines,
        y_limits=(0.0, 4.0),
        notes=[(0.7, "q = p")],
    )
    return Chart(
        [entropy, belief],
        caption=(
            "Left: a fair coin surprises most. Right: cross-entropy lies above the divergence by H(p), and"
            " both are least at q = p."
        ),
        name="coin",
    )


def _belief() -> Chart:
    import numpy

    from losscope.report import Chart, Line, Panel

    chance = numpy.linspace(0.01, 1.0, 199)
    line = Line(chance, [one_hot_cross_entropy(each) for each in chance], "cross-entropy")
    marks = [(each, f"{each:g}") for each in BELIEVED]
    panel = Panel(
        "The right class is certain",
        "probability given to the right class",
        "cross-entropy (nats)",
        [line],
        notes=marks,
    )
    return Chart(
        [panel],
        caption="With a one-hot target cross-entropy is -log of the probability given to the right class.",
        name="one-hot",
    )


def _entropies() -> Table:
    from losscope.report import Table

    rows = [
        [", ".join(f"{each:g}" for each in p), f"{_entropy(p, 2):.6f}", f"{_entropy(p):.6f}"]
        for p in DISTRIBUTIONS
    ]
    return Table(
        ["distribution", "entropy (bits)", "entropy (nats)"],
        rows,
        caption="The more certain, the less entropy.",
    )


def _surprise_table(surprises: Mapping[float, float]) -> Table:
    from losscope.report import Table

    rows: Sequence[Sequence[Any]] = [
        [f"{believed:g}", f"{value:.6f}"] for believed, value in surprises.items()
    ]
    return Table(["probability of the right class", "cross-entropy (nats)"], rows, caption="One-hot target")

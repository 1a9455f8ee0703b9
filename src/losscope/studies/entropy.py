"""Study 9: What are entropy, cross-entropy and divergence, and how are they related?"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.report import Chart, Line, Panel, Table, name_of
from losscope.studies import verdict
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Mistake, Progress, Range, Result, say, silent
from losscope.studies.text import at_most, joined
from losscope.studies.verdict import Interval

DISTRIBUTIONS = ((0.25, 0.25, 0.25, 0.25), (0.1, 0.1, 0.1, 0.7), (0.01, 0.01, 0.01, 0.97))
BELIEVED = (0.25, 0.1, 0.97)  # the probability a model gives to the class that is right
ROUNDING = 1e-12  # what float64 may leave of an identity, relative
CROSS = "cross_entropy_of_probability"


def experiment(
    *, quick: bool = False, seed: int = 0, progress: Progress = silent,
    pairs: Annotated[int, Range(2, 10_000_000), "random pairs of distributions"] = 20_000,
    classes: Annotated[int, Range(2, 10_000), "outcomes of each"] = 10,
) -> Result:  # fmt: skip
    """Known values, and identities over random pairs of distributions, by the library's own functions."""
    random = np.random.default_rng(seed)
    count = min(pairs, 1000) if quick else pairs
    progress(0.1, "random distributions")
    # From nearly uniform to nearly certain, in equal shares.
    concentration = random.choice([0.1, 0.3, 1.0, 10.0], size=(count, 1))
    p, q = (draw(random, concentration, classes) for _ in range(2))
    found = relations(p, q)
    progress(0.6, "near the bounds")
    close = near_the_bounds(random, p[:1000])
    codes = np.array([code_length(row) for row in p[:2000]])
    bits = {str(list(each)): float(ls.entropy(list(each), base=2)) for each in DISTRIBUTIONS}
    surprises = {believed: one_hot_cross_entropy(believed) for believed in BELIEVED}
    return Result(
        answer=say(
            "Entropy is the mean surprise of an outcome, cross-entropy that of someone who believes q while outcomes follow p, and"
            " the divergence is what the wrong belief costs: H(p, q) = H(p) + KL(p||q). So cross-entropy is least, but not 0, where"
            " q is p, and training on it brings q to p; the less entropy, the less there is to learn from an outcome."
        ),
        done=DONE,
        claims=[identity(found["sum_gap"]), itself(found["self_gap"]), one_hot(surprises), symmetric(found["reversed_gap"], found["divergence"]),
                never_negative(found["divergence"], close["divergence"]), most(found["entropy_share"], close["entropy_share"]),
                order(found["order_kept"], found["order_kept_of_one_p"]),
                informative(found["entropy"][: len(codes)], codes), unstable(found["entropy"], (p**2).sum(-1))],
        charts=[two_outcomes(), belief()],
        tables=[Table([say("distribution"), say("entropy (bits)"), say("entropy (nats)")],
                      [[", ".join(f"{each:g}" for each in one), f"{ls.entropy(list(one), base=2):.6f}", f"{ls.entropy(list(one)):.6f}"] for one in DISTRIBUTIONS],
                      caption=say("The more certain, the less entropy")),
                Table([say("probability of the right class"), say("cross-entropy (nats)")], [[f"{each:g}", f"{value:.6f}"] for each, value in surprises.items()],
                      caption=say("One-hot target"))],
        derivation=DERIVATION,
        mistakes=mistakes(),
        sources=SOURCES,
        numbers={"entropy_bits": bits, "one_hot_cross_entropy_nats": {f"{each:g}": value for each, value in surprises.items()}, "pairs": count,
                 "classes": classes, "largest_gap_of_the_sum": float(found["sum_gap"].max()), "largest_gap_to_itself": float(found["self_gap"].max()),
                 "least_divergence": float(found["divergence"].min()), "least_divergence_close_by": float(close["divergence"].min()),
                 "share_of_pairs_in_the_same_order": found["order_kept"], "code_lengths": codes},
    )  # fmt: skip


def draw(random: np.random.Generator, concentration: Any, classes: int) -> np.ndarray:
    """Rows of a Dirichlet distribution; a gamma draw of 0 would make a 0/0 of a row, a tiny one does not."""
    weights = random.gamma(concentration, size=(len(concentration), classes)) + 1e-300
    return weights / weights.sum(-1, keepdims=True)


def one_hot_cross_entropy(believed: float) -> float:
    """H(p, q) in nats, with p certain of class 1 of 4 and q giving it this probability."""
    rest = (1 - believed) / 3
    return float(ls.get(CROSS)([[rest, believed, rest, rest]], ls.one_hot([1], 4)))


def relations(p: np.ndarray, q: np.ndarray) -> dict[str, Any]:
    """Entropy, cross-entropy and divergence of pairs of rows, and the gaps that should be nothing."""
    cross, kl = ls.get(CROSS), ls.get("kl_divergence")
    entropy = np.asarray(ls.entropy(p))
    crossed, divergence = cross(q, p, reduction="none"), kl(q, p, reduction="none")
    fixed = np.broadcast_to(p[:1], p.shape).copy()
    return {
        "entropy": entropy,
        "divergence": divergence,
        "reversed_gap": np.abs(divergence - kl(p, q, reduction="none")),
        "sum_gap": np.abs(entropy + divergence - crossed) / np.maximum(crossed, 1),
        "self_gap": np.abs(cross(p, p, reduction="none") - entropy) / np.maximum(entropy, 1),
        "entropy_share": entropy / math.log(p.shape[-1]),
        "order_kept": order_kept(crossed, divergence),
        "order_kept_of_one_p": order_kept(cross(q, fixed, reduction="none"), kl(q, fixed, reduction="none")),
    }


def order_kept(one: np.ndarray, other: np.ndarray) -> float:
    """The share of neighbouring pairs that both put in the same order."""
    return float((np.sign(np.diff(one)) == np.sign(np.diff(other))).mean())


def near_the_bounds(random: np.random.Generator, p: np.ndarray) -> dict[str, np.ndarray]:
    """The divergence of rows that are nearly the same, and the entropy of rows that are nearly uniform."""
    distance = 10 ** random.uniform(-9, -1, (len(p), 1))
    moved = [each * (1 + distance * random.uniform(-1, 1, p.shape)) for each in (p, np.ones_like(p))]
    near, flat = (each / each.sum(-1, keepdims=True) for each in moved)
    divergence = ls.get("kl_divergence")(near, p, reduction="none")
    return {
        "divergence": divergence,
        "entropy_share": np.asarray(ls.entropy(flat)) / math.log(p.shape[-1]),
    }


def code_length(p: np.ndarray) -> float:
    """Yes-or-no questions that an outcome takes on average, asked in the best order (Huffman's code)."""
    heap = list(map(float, p))
    heapq.heapify(heap)
    asked = 0.0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        asked += both
        heapq.heappush(heap, both)
    return asked


def identity(gaps: np.ndarray) -> Claim:
    return Claim(
        say("Cross-entropy is entropy plus divergence: H(p, q) = H(p) + KL(p||q)."),
        verdict.theorem(-gaps, ROUNDING),
        say("Because -log q is -log p plus log(p/q). Over {count:,} random pairs the two sides, each computed by itself, differ by at most {gap:.1g} of"
            " the larger of 1 and H(p, q).", count=len(gaps), gap=at_most(gaps.max())),
        "cross-entropy",
    )  # fmt: skip


def itself(gaps: np.ndarray) -> Claim:
    return Claim(
        say("The cross-entropy of a distribution with itself is its entropy, not 0: H(p, p) = H(p)."),
        verdict.theorem(-gaps, ROUNDING),
        say("Because KL(p||p) is 0. Over {count:,} random distributions they differ by at most {gap:.1g}; only a certain outcome has an entropy of 0, so"
            " only one-hot targets let cross-entropy come down to 0.", count=len(gaps), gap=at_most(gaps.max())),
        "cross-entropy",
    )  # fmt: skip


def one_hot(surprises: Mapping[float, float]) -> Claim:
    gaps = np.array([abs(value + math.log(believed)) for believed, value in surprises.items()])
    shown = joined([say("{0:g}: {1:.6f}", believed, value) for believed, value in surprises.items()], ", ")
    return Claim(
        say("With a one-hot p only the probability of the right class counts: H(p, q) = -log q_k."),
        verdict.theorem(-gaps, ROUNDING),
        say("Because every other term is 0 times a logarithm. In nats, by the probability of the right class: {shown}.", shown=shown),
        "cross-entropy",
    )  # fmt: skip


def symmetric(gaps: np.ndarray, divergence: np.ndarray) -> Claim:
    differ = int((gaps > ROUNDING * np.maximum(divergence, 1)).sum())
    return Claim(
        say("The KL divergence is a distance: the same from p to q as from q to p."),
        HOLDS if differ == 0 else DOES_NOT_HOLD,
        say("KL(p||q) and KL(q||p) differ for {differ:,} of {count:,} pairs, by up to {most:.3g} nats.", differ=differ, count=len(gaps), most=at_most(gaps.max(), 3)),
        "entropy",
    )  # fmt: skip


def never_negative(divergence: np.ndarray, close: np.ndarray) -> Claim:
    every = np.concatenate([divergence, close])
    return Claim(
        say("Believing the wrong distribution never helps: KL(p||q) is never negative."),
        verdict.theorem(every, tolerance=0.0),
        say("Because the logarithm is concave (Jensen): the mean of log(q/p) under p is at most the log of the mean of q/p, which is log 1. None of"
            " {count:,} pairs is below 0, though {near} of them come within 1e-10 of it; the smallest is {least:.2g} nats.", count=len(every),
            near=int((every < 1e-10).sum()), least=float(every.min())),
        "entropy",
    )  # fmt: skip


def most(share: np.ndarray, close: np.ndarray) -> Claim:
    every = np.concatenate([share, close])
    return Claim(
        say("No distribution has more entropy than the uniform one."),
        verdict.theorem(1 - every, ROUNDING),
        say("Because the logarithm is concave (Jensen): the mean of log(1/p) under p is at most the log of the mean of 1/p, which is log n. The largest of"
            " {count:,} shares of log n is 1 less {gap:.1g}; {near} come within 1e-10 of it.", count=len(every), gap=abs(float(1 - every.max())),
            near=int((every > 1 - 1e-10).sum())),
        "entropy",
    )  # fmt: skip


def order(kept: float, kept_of_one_p: float) -> Claim:
    """Does the smaller cross-entropy always mean the smaller divergence?"""
    return Claim(
        say("The smaller the cross-entropy, the closer q is to p, by the KL divergence."),
        verdict.over({say("p stays the same"): HOLDS if kept_of_one_p == 1 else DOES_NOT_HOLD, say("p changes"): HOLDS if kept == 1 else DOES_NOT_HOLD}),
        say("They differ by H(p), which no q changes. For one p, cross-entropy and divergence put {0:.1%} of pairs in opposite orders, for different p"
            " {1:.1%}: losses on two data sets are not to be compared.", at_most(1 - kept_of_one_p, 2), 1 - kept),
        "cross-entropy",
    )  # fmt: skip


def informative(entropy: np.ndarray, codes: np.ndarray) -> Claim:
    share = _share((np.diff(entropy) < 0) == (np.diff(codes) > 0))
    certain = [(float(ls.entropy(list(p), base=2)), code_length(np.array(p))) for p in DISTRIBUTIONS]
    return Claim(
        say("The smaller the entropy, the more information an outcome carries."),
        verdict.more_than(share, 0.5),
        say("The other way: entropy is the information that an outcome brings, on average. In the best order it takes {0:.2f} yes-or-no questions to learn"
            " an outcome of entropy {1:.2f} bits, {2:.2f} at {3:.2f} and {4:.2f} at {5:.2f}; among {count:,} random pairs, the one with less entropy takes"
            " more questions in {share}, a 99% interval. What is large where entropy is small is what one knows beforehand.",
            *(each for bits, asked in certain for each in (asked, bits)), count=share.count, share=share.shown(".1%")),
        "entropy",
    )  # fmt: skip


def unstable(entropy: np.ndarray, repeats: np.ndarray) -> Claim:
    share = _share((np.diff(entropy) < 0) == (np.diff(repeats) < 0))
    certain = [sum(each**2 for each in p) for p in DISTRIBUTIONS]
    return Claim(
        say("The smaller the entropy, the less stable the outcome."),
        verdict.more_than(share, 0.5),
        say("The other way: the less entropy, the more often two draws agree: {0:.0%}, {1:.0%} and {2:.0%} of the time for the three distributions of the table;"
            " of {count:,} random pairs, the one with less entropy agrees less often in {share}, a 99% interval.", *certain, count=share.count,
            share=share.shown(".1%")),
        "entropy",
    )  # fmt: skip


def _share(agreed: np.ndarray) -> Interval:
    return verdict.share(
        int(agreed[::2].sum()), len(agreed[::2])
    )  # every other pair: no row is in two of them


def mistakes() -> list[Mistake]:
    """What the code of tutorials gives, run as it stands."""
    shown = []
    a: Any = np.array(DISTRIBUTIONS[0])
    with np.errstate(invalid="ignore"):
        for _ in range(3):
            a = -(a * np.log2(a)).sum()
            shown.append(float(a))
    certain = np.array([1.0, 0.0])
    with np.errstate(all="ignore"):
        zero = float(-(certain * np.log2(certain)).sum())
    return [
        Mistake(say("`a = -(a * numpy.log2(a)).sum()`, again for each entropy to print"),
                say("{0:g}, then {1:g}, then {2:g}: `a` is no longer the distribution", *shown),
                say("a name of its own: `entropy = -(p * numpy.log2(p)).sum()`, {0:g} each time", float(ls.entropy(list(DISTRIBUTIONS[0]), base=2)))),
        Mistake(say("`-(p * numpy.log2(p)).sum()` for p = [1, 0]"), say("{number:g}: 0 times the logarithm of 0", number=zero),
                say("{right:g}: a term with p = 0 is 0, as in `losscope.entropy` and `scipy.special.entr`", right=float(ls.entropy([1.0, 0.0])))),
    ]  # fmt: skip


def two_outcomes() -> Chart:
    """Entropy of a coin, and what a belief costs when the coin is fixed."""
    chance = np.linspace(0.001, 0.999, 400)
    rows, coin = np.stack([chance, 1 - chance], -1), np.tile([0.7, 0.3], (len(chance), 1))
    entropy, flat = np.asarray(ls.entropy(rows, base=2)), np.full_like(chance, float(ls.entropy([0.7, 0.3], base=2)))  # fmt: skip
    crossed, divergence = (ls.get(name)(rows, coin, reduction="none") / math.log(2) for name in (CROSS, "kl_divergence"))  # fmt: skip
    drawn = [Line(chance, flat, say("entropy H(p)")), Line(chance, crossed, say("cross-entropy H(p, q)")), Line(chance, divergence, say("divergence KL(p||q)"))]  # fmt: skip
    return Chart(
        [Panel(say("A coin's entropy"), say("probability of heads"), say("entropy (bits)"), [Line(chance, entropy, say("entropy H(p)"))]),
         Panel(say("Believing q when the coin has p = 0.7"), say("believed probability of heads"), say("mean surprise (bits)"), drawn,
               y_limits=(0.0, 4.0), notes=[(0.7, "q = p")])],
        caption=say("Left: a fair coin surprises most. Right: cross-entropy lies above the divergence by H(p), and both are least at q = p."),
        name="coin",
    )  # fmt: skip


def belief() -> Chart:
    chance = np.linspace(0.01, 1.0, 199)
    line = Line(chance, [one_hot_cross_entropy(each) for each in chance], name_of("cross_entropy"))
    panel = Panel(say("The right class is certain"), say("probability given to the right class"), say("cross-entropy (nats)"), [line],
                  notes=[(each, f"{each:g}") for each in BELIEVED])  # fmt: skip
    return Chart([panel], caption=say("With a one-hot target cross-entropy is -log of the probability given to the right class."), name="one-hot")  # fmt: skip


DONE = [
    say("Entropy H(p) is the mean surprise -log p of an outcome, in bits with base 2 and in nats with base e. Cross-entropy H(p, q) is the"
        " mean surprise of someone who believes q while outcomes follow p. All come from the library, each computed by itself: `entropy`,"
        " `cross_entropy_of_probability` and `kl_divergence`."),
    say("The identities were tried on random pairs of distributions from nearly uniform to nearly certain; the bounds also where they are nearly"
        " met: on pairs that differ by 1e-9 to 0.1 of each probability, and on rows as near to uniform."),
]  # fmt: skip
DERIVATION = [
    r"$H(p, q) = -\sum_i p_i \log q_i = -\sum_i p_i \log p_i + \sum_i p_i \log \frac{p_i}{q_i} = H(p) + KL(p\|q)$",
    say(
        "The logarithm is concave, so the mean of a logarithm is at most the logarithm of the mean (Jensen):"
    ),
    r"$-KL(p\|q) = \sum_i p_i \log \frac{q_i}{p_i} \leq \log \sum_i p_i \frac{q_i}{p_i} = \log 1 = 0$",
    r"$H(p) = \sum_i p_i \log \frac{1}{p_i} \leq \log \sum_i p_i \frac{1}{p_i} = \log n$",
]
SOURCES = [
    say("C. E. Shannon, A mathematical theory of communication (Bell System Technical Journal 27, 1948), doi:10.1002/j.1538-7305.1948.tb01338.x."),
    say("S. Kullback and R. A. Leibler, On information and sufficiency (Ann. Math. Statist. 22, 1951), doi:10.1214/aoms/1177729694."),
    say("D. A. Huffman, A method for the construction of minimum-redundancy codes (Proc. IRE 40, 1952), doi:10.1109/JRPROC.1952.273898."),
]  # fmt: skip

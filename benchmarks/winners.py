"""Is a winner a winner? `python benchmarks/winners.py [--tables FOLDER]`; about ten minutes on two cores.

First table: on 20 sets of data, half of the rows are compared by `losscope compare` (linear models, 5 splits). Whenever
it announces a difference between two losses, the same two are trained on that half and judged on the other, which
nobody has seen: does the difference have the same sign there?

Second table: is it too shy? On made data whose noise is known, the same comparison is repeated on fresh data, so that
the true difference and its standard error are known. How often is the difference announced, and with the wrong sign?
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import losscope as ls
from losscope.comparison.data import Dataset, load
from losscope.comparison.verdict import verdicts

TABLES = {
    "tips": ("tip", {}), "engel": ("foodexp", {}), "crime1": ("narr86", {}), "biochemists": ("art", {}),
    "caravan": ("Purchase", {}), "bikeshare": ("bikers", {"drop": ["casual", "registered"]}),
    "coffee": ("total_cup_points", {}), "sunspots": ("SUNACTIVITY", {}),
}  # fmt: skip
NOISES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "laplace": lambda rng, n: rng.laplace(size=n),
    "t2": lambda rng, n: rng.standard_t(2.2, size=n),
    "lognormal": lambda rng, n: rng.lognormal(sigma=0.8, size=n),
    "outliers": lambda rng, n: rng.normal(size=n) + (rng.uniform(size=n) < 0.05) * rng.normal(0, 12, size=n),
    "two peaks": lambda rng, n: rng.normal(size=n) * 0.4 + 3 * (rng.uniform(size=n) < 0.3),
    "uniform": lambda rng, n: rng.uniform(-2, 2, size=n),
}
REGRESSION = ["mse", "huber:delta=0.5", "mae"]


def made(noise: str, rows: int, seed: int) -> pd.DataFrame:
    """Four features, two of which matter, and noise of a known kind."""
    rng = np.random.default_rng([seed, rows, *noise.encode()])
    x = rng.normal(size=(rows, 4))
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["y"] = x @ [1.0, -0.5, 0.0, 0.0] + NOISES[noise](rng, rows)
    return frame


def labels(rows: int, share: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, rows])
    x = rng.normal(size=(rows, 4))
    score = x @ [1.5, -0.7, 0.3, 0.0] + np.log(share / (1 - share))
    return pd.DataFrame(x, columns=list("abcd")).assign(
        y=np.where(rng.uniform(size=rows) < 1 / (1 + np.exp(-score)), "yes", "no")
    )


def sets(folder: Path | None) -> Iterator[tuple[str, Dataset, list[str] | None]]:
    """(name, data, losses): those that come along, the tables of a folder, and made ones, 20 with the tables."""
    yield "diabetes", load("diabetes"), REGRESSION
    yield "breast_cancer", load("breast_cancer"), None
    yield "wine", load("wine"), None
    if folder is not None:
        for name, (target, options) in TABLES.items():
            losses = None if name in ("crime1", "biochemists", "bikeshare", "caravan") else REGRESSION
            yield name, load(folder / f"{name}.csv", target, **options), losses
    for at, noise in enumerate(NOISES):
        yield f"made, {noise}", load(made(noise, 600, at), "y"), REGRESSION
    yield "made, 2 classes", load(labels(800, 0.5, 0), "y"), None


def half(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """Some rows of a data set, as one of its own."""
    return replace(
        dataset,
        features=dataset.features[rows].reset_index(drop=True),
        target=dataset.target[rows].reset_index(drop=True),
    )


def announced(result: Any) -> list[tuple[str, str, Any]]:
    """(better, worse, metric) of every difference that is larger than its uncertainty."""
    return [(each.ranked[0], name, each.question.metric) for each in verdicts(result) for name in each.beaten]


def held_out(model: str, folder: Path | None) -> tuple[int, int]:
    """Print the first table; gives how many differences were announced, and how many had the same sign."""
    count = kept = 0
    print(f"{'data':24}{'announced':>10}{'same sign':>10}   which")
    for name, dataset, losses in sets(folder):
        rng = np.random.default_rng(0)
        seen = np.zeros(len(dataset.target), bool)
        seen[rng.permutation(len(seen))[: len(seen) // 2]] = True
        result = ls.compare(half(dataset, seen), losses=losses, model=model)
        said = announced(result)
        words = []
        if said:
            judged = ls.compare(
                replace(dataset, test_rows=~seen), losses=losses, model=model, task=result.task.kind
            )
            for better, worse, metric in said:
                gap = judged.difference(worse, better, metric)
                right = gap is not None and metric.sign * gap.mean > 0
                words.append(f"{better} < {worse} by {metric.name}{'' if right else ' NOT SO'}")
        same = sum("NOT SO" not in word for word in words)
        count, kept = count + len(words), kept + same
        print(f"{name:24}{len(words):10}{same:10}   {'; '.join(words)}", flush=True)
    return count, kept


def power(repeats: int) -> list[tuple[float, float, float]]:
    """Print the second table; gives (difference in standard errors, share announced, share with the wrong sign)."""
    found = []
    print(
        f"\n{'noise':12}{'rows':>6}{'metric':>8}{'difference / its standard error':>34}{'announced':>11}{'wrong':>7}"
    )
    for noise in NOISES:
        for rows in (200, 600, 2000):
            results = [
                ls.compare(made(noise, rows, 100 + at), "y", ["mse", "mae"], model="linear")
                for at in range(repeats)
            ]
            for question in results[0].questions:
                metric = question.metric
                gaps = [result.difference("squared_error", "absolute_error", metric) for result in results]
                means = np.array([gap.mean for gap in gaps])
                true, error = means.mean(), means.std(ddof=1)
                clear = np.array([gap.clear for gap in gaps])
                wrong = clear & (np.sign(means) != np.sign(true))
                found.append((abs(true) / error, clear.mean(), wrong.mean()))
                print(f"{noise:12}{rows:6}{metric.words:>8}{abs(true) / error:34.1f}{clear.mean():11.0%}{wrong.mean():7.0%}",
                      flush=True)  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", type=Path, metavar="FOLDER", help="a folder with the public tables of the tests"
    )
    parser.add_argument("--model", default="linear")
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    count, kept = held_out(args.model, args.tables)
    print(f"\nannounced: {count}; of the same sign on the held-out half: {kept} ({kept / max(count, 1):.0%})")
    found = power(args.repeats)
    for low, high in ((0, 1), (1, 2), (2, 3), (3, 5), (5, np.inf)):
        inside = [(share, wrong) for ratio, share, wrong in found if low <= ratio < high]
        if inside:
            shares, wrongs = np.mean(inside, axis=0)
            print(
                f"true difference of {low:g} to {high:g} standard errors: announced {shares:.0%}, wrong {wrongs:.0%}"
            )
    large = [share for ratio, share, _ in found if ratio >= 2]
    print(
        f"of 2 standard errors or more: announced {np.mean(large):.0%} ({len(large)} cases of {args.repeats})"
    )


if __name__ == "__main__":
    main()

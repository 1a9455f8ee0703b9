"""Do the verdicts survive another seed, and the quick look? Every study with --quick for seeds 0 to 4, and in full for
seeds 0 and 1; then docs/claims.md, the map of all claims, from the full run of seed 0.

    python benchmarks/verdicts.py [STUDY ...] [--quick N] [--full N]

Exits with 1 where a claim holds in one run and does not hold in another.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from joblib import Parallel, delayed

from losscope.studies import Result, claims, get, studies
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED

SHORT = {HOLDS: "holds", DOES_NOT_HOLD: "does not", NOT_DECIDED: "?"}
PAGE = Path(__file__).parents[1] / "docs/claims.md"


def table(study: str, found: dict[tuple[str, int], Result]) -> list[str]:
    """One row a claim, one column a run; a claim that a run does not make has an empty cell."""
    texts = dict.fromkeys(claim.claim for result in found.values() for claim in result.claims)
    rows = []
    for text in texts:
        verdicts = [
            next((SHORT.get(each.verdict, "when") for each in result.claims if each.claim == text), "")
            for result in found.values()
        ]
        mark = " **turns round**" if turns(text, found.values()) else ""
        rows.append(f"| {study} | {text}{mark} | {' | '.join(verdicts)} |")
    return rows


def turns(claim: str, results: Sequence[Result] | object) -> bool:
    """Whether a claim holds in one run and does not hold in another."""
    verdicts = {each.verdict for result in results for each in result.claims if each.claim == claim}  # type: ignore[attr-defined]
    return {HOLDS, DOES_NOT_HOLD} <= verdicts


def run(name: str, kind: str, seed: int) -> Result:
    """One run of a study, in a process of its own."""
    print(f"{name}: {kind}, seed {seed}", file=sys.stderr, flush=True)
    return get(name)(quick=kind == "quick", seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("study", nargs="*", help="which studies (default: all)")
    parser.add_argument("--quick", type=int, default=5, help="how many seeds of the quick look (default: 5)")
    parser.add_argument("--full", type=int, default=2, help="how many in full (default: 2); 0 writes no page")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    chosen = parser.parse_args()
    counts = (("quick", chosen.quick), ("full", chosen.full))
    runs = [(kind, seed) for kind, count in counts for seed in range(count)]
    rows, whole, bad = [], [], False
    names = chosen.study or list(studies())
    # The full runs first: the longest should not begin last.
    asked = [(name, *each) for each in sorted(runs) for name in names]
    results = dict(zip(asked, Parallel(chosen.jobs)(delayed(run)(*each) for each in asked), strict=True))
    for name in names:
        found = {each: results[name, *each] for each in runs}
        rows += table(name, found)
        bad |= any(turns(each.claim, found.values()) for result in found.values() for each in result.claims)
        if ("full", 0) in found:
            whole.append((name, found["full", 0]))
    head = ["study", "claim", *(f"{kind} {seed}" for kind, seed in runs)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows, ""]
    print("\n".join(lines))
    if whole:
        stable = [
            "## The same with other seeds",
            "",
            "`when`: holds under a condition; `?`: not decided.",
            "",
            *lines,
        ]
        PAGE.write_text(claims.markdown(whole) + "\n" + "\n".join(stable).rstrip() + "\n", encoding="utf-8")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())

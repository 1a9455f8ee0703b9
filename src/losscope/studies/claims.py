"""The map of claims: what people say about these losses, by what it is about, with the verdict and the study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from losscope.studies.study import GROUPS, Claim, Mistake, Result
from losscope.studies.text import template_of
from losscope.studies.verdict import DOES_NOT_HOLD, HOLDS, NOT_DECIDED

Found = Sequence[tuple[str, Result]]  # a study's name, and what its run found


def by_group(found: Found) -> Iterator[tuple[str, list[tuple[str, int, Claim]]]]:
    """Group -> (study, number of the claim on its page, claim), in the order of GROUPS; empty ones left out."""
    for group in GROUPS:
        claims = [
            (name, number, claim)
            for name, result in found
            for number, claim in enumerate(result.claims, 1)
            if template_of(claim.group) == group
        ]
        if claims:
            yield claims[0][2].group, claims


def counted(found: Found) -> dict[str, int]:
    """How many claims there are of each kind of verdict."""
    kinds = [template_of(claim.verdict) for _, result in found for claim in result.claims]
    counts = {str(verdict): kinds.count(verdict) for verdict in (HOLDS, DOES_NOT_HOLD, NOT_DECIDED)}
    return {"all": len(kinds), **counts, "conditional": len(kinds) - sum(counts.values())}


def mistakes(found: Found) -> list[tuple[str, Mistake]]:
    """All that circulates and is wrong, with the study that ran it."""
    return [(name, each) for name, result in found for each in result.mistakes]


def markdown(found: Found) -> str:
    """The map as a document."""
    lines = ["# What people say about losses, and what is so", ""]
    lines += [
        "Every verdict is computed from the numbers of a run: `losscope study NAME` repeats it. This page is written by"
        " `python benchmarks/verdicts.py`.",
        "",
    ]
    for group, claims in by_group(found):
        lines += [f"## {group[:1].upper()}{group[1:]}", ""]  # capitalize() would make Smooth l1 of smooth L1
        lines += _table(
            ("claim", "verdict", "study"),
            ([claim.claim, f"**{claim.verdict}**", f"`{name}`"] for name, _, claim in claims),
        )
    wrong = mistakes(found)
    if wrong:
        lines += ["## Mistakes that circulate", ""]
        lines += _table(
            ("written", "what it gives", "right", "study"),
            ([each.written, each.prints, each.right, f"`{name}`"] for name, each in wrong),
        )
    return "\n".join(lines).rstrip() + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows),
        "",
    ]

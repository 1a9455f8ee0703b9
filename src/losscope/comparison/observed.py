"""What did each loss do on the way? Saturation, the few rows that steer, Huber's seam, rates and divergence, in
sentences."""

from __future__ import annotations

from collections import Counter

import numpy as np

from losscope.comparison import say
from losscope.comparison.observation import LARGEST_SHARE, rows_to_watch
from losscope.comparison.outcome import Outcome

# A seam within a fifth of the suggested one does much the same.
SEAM_TOLERANCE = 0.2
# From fewer residuals than this no seam is suggested: their spread is hardly known.
SEAM_ROWS = 30
# With more outputs than this saturated on the wrong side, they hold a loss up.
STUCK_SHARE = 0.01


def observed(outcome: Outcome) -> list[str]:
    """The sentences, most wanted first."""
    return [
        *_same_for_all(outcome), *_saturation(outcome), *_largest(outcome), *_seams(outcome), *_diverged(outcome),
        *_grid_ends(outcome),
    ]  # fmt: skip


def _same_for_all(outcome: Outcome) -> list[str]:
    """Whose models have learned nothing from the features."""
    found = []
    for name in outcome.losses:
        runs = [run for run in outcome.best_runs(name) if run["outputs"] is not None]
        same = sum(bool((run["outputs"] == run["outputs"][0]).all()) for run in runs)
        found += [f"{name} ({same} of {len(runs)} runs)"] if same else []
    if not found:
        return []
    return [
        f"The model predicts the same for every test row under {say.listed(found)}: it found nothing in the features "
        "by which to tell rows apart."
    ]


def _end(outcome: Outcome, name: str, what: str) -> float | None:
    """The mean of something at the end of training, over the runs of a loss's own best."""
    ends = [run["end"] for run in outcome.best_runs(name) if run["end"]]
    values = [end[what] for end in ends if end.get(what) is not None]
    return float(np.mean(values)) if values else None


def _saturation(outcome: Outcome) -> list[str]:
    """Which outputs got stuck on the wrong side: at the end, and at the worst moment on the way."""
    said, calm = [], []
    for name in outcome.losses:
        end = _end(outcome, name, "saturated_wrong")
        curves = [run["curves"].get("saturated_wrong") or [] for run in outcome.best_runs(name)]
        peak = max((value for curve in curves for value in curve if value is not None), default=end or 0.0)
        if end is None:
            continue
        if end >= STUCK_SHARE:
            said.append(
                f"{name} ends with {100 * end:.1f}% of its outputs saturated on the wrong side (within 0.01 of 0 where "
                "1 is right, or the reverse)."
            )
        elif peak >= STUCK_SHARE:
            said.append(
                f"{name} had up to {100 * peak:.1f}% of its outputs saturated on the wrong side on the way, and "
                f"{100 * end:.1f}% at the end."
            )
        else:
            calm.append(name)
    if calm and not said:
        said.append("No loss had more than 1% of its outputs saturated on the wrong side at its own best.")
    return said


def equal_share(outcome: Outcome) -> float:
    """What the rows that are looked at would carry if all carried the same: 1%, or one row where that is more."""
    first = outcome.prepared[0]
    rows = len(rows_to_watch(first.train))
    return max(1, int(np.ceil(LARGEST_SHARE * rows))) / rows


def _largest(outcome: Outcome) -> list[str]:
    ends = sorted(
        (end, name) for name in outcome.losses if (end := _end(outcome, name, "largest_share")) is not None
    )
    if len(ends) < 2:
        return []
    (low, least), (high, most) = ends[0], ends[-1]
    share = equal_share(outcome)
    equal = "1%" if share < 0.0105 else f"{100 * share:.1f}%"
    return [
        f"After training, the {equal} of training rows with the largest residuals carry {100 * high:.1f}% of the gradient under {most}, "
        f"{100 * low:.1f}% under {least} (an equal share would be {equal})."
    ]


def _seams(outcome: Outcome) -> list[str]:
    """For each Huber-like loss: its seam in the target's units, and the one the residuals suggest."""
    said = []
    for name, rival in outcome.rivals.items():
        seams = [run["seam"] for run in outcome.best_runs(name) if run["seam"]]
        if not seams or seams[0]["parameter"] in rival.open:
            continue
        parameter, value = seams[0]["parameter"], float(seams[0]["value"])
        keys = ("suggested", "sigma", "beyond", "beyond_suggested")
        suggested, sigma, beyond, beyond_suggested = (float(np.mean([s[key] for s in seams])) for key in keys)
        scale, target = outcome.prepared[0].scale, outcome.task.target
        where = (
            f"{name}: {parameter} = {value:g} is {say.number(value * scale)} in units of {target}, and "
            f"{100 * beyond:.1f}% of the validation residuals lie beyond it, in the linear part."
        )
        if seams[0]["rows"] < SEAM_ROWS:
            said.append(f"{where} {seams[0]['rows']} residuals are too few to suggest another.")
        elif suggested <= 0:
            said.append(f"{where} Half of the residuals are equal, so no other can be suggested.")
        else:
            reason = (
                f"1.345 times the robust spread of the residuals, {say.number(sigma * scale)}: 95% of squared error's "
                f"efficiency if the bulk is Gaussian, and linear for the {100 * beyond_suggested:.0f}% beyond"
            )
            near = abs(suggested / value - 1) <= SEAM_TOLERANCE
            said.append(
                f"{where} Huber's rule of thumb gives "
                + (
                    f"nearly the same, {say.number(suggested * scale)}"
                    if near
                    else f"{parameter}={suggested:.2g}, which is {say.number(suggested * scale)}"
                )
                + f" ({reason})."
                + ("" if near else f" `{rival.loss.entry.name}:{parameter}=?` tries it.")
            )
    return said


def _diverged(outcome: Outcome) -> list[str]:
    said = []
    for name in outcome.losses:
        runs = [(job, run) for job, run in outcome.runs.items() if job.loss == name]
        lost = Counter(job.rate for job, run in runs if run["status"] == "diverged")
        if not lost:
            continue
        at = [f"{rate:g} ({count} of {sum(job.rate == rate for job, _ in runs)} runs)" for rate, count in lost.items()
              if rate is not None]  # fmt: skip
        where = (
            f" at rate {say.listed(sorted(at))}" if at else f" in {sum(lost.values())} of {len(runs)} runs"
        )
        said.append(f"{name} diverged (a loss, gradient or output no longer finite){where}.")
    return said


def _grid_ends(outcome: Outcome) -> list[str]:
    said = []
    for name, choices in outcome.choices.items():
        every = say.splits(len(choices), outcome.settings.folds)
        nowhere = sum(choice is None for choice in choices)
        if nowhere:
            said.append(f"{name} diverged at every rate tried in {nowhere} of {every}: it has no best there.")
        ends = {choice.end for choice in choices if choice is not None and choice.end}
        if ends and outcome.settings.grid > 1:
            said.append(
                f"{name} is best at the {say.listed(sorted(ends))} rate tried, 3 decades from the shared one, in "
                f"{sum(bool(c and c.end) for c in choices)} of {every}. Its own best may lie further "
                "out: give another --learning-rate."
            )
    return said

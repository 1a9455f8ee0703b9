"""How much of a network's computation is its activations: counted in operations, and on request timed."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from llvmlite import ir

from losscope.catalogue import entries
from losscope.engine.function import Function
from losscope.engine.lanes import F32
from losscope.kernels.compiled import compiled
from losscope.report import Table
from losscope.studies import verdict
from losscope.studies.networks import forward, start
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, say
from losscope.studies.views import Record

MANY = MUCH = 0.1  # of the operations of a step, and of its time
NAMES = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu"}
UNITS = range(1, 4097)
TIMED, ROWS, REPEATS = (16, 64, 256, 1024), 256, 15


def operations(name: str) -> int:
    """What this library computes for the value and the slope of one float32: its kernel's instructions, a fused one as two."""
    loss = compiled(entries()[name])
    traced = Function(ir.Module(name), name, [F32, F32, *(F32 for _ in loss.parameters)], F32)
    traced.finish(loss.formula["order1"](*traced.given)[0])
    found = traced.function.blocks[0].instructions
    return sum(2 if "llvm.fma" in str(each) else 1 for each in found if each.opname != "ret")


def saved(counts: dict[str, int], rival: str, units: int) -> float:
    """The share of the operations of a dense layer's step that ReLU saves: every weight takes 2 operations forward, and 4 on the way back."""
    return (counts[rival] - counts["ReLU"]) / (6 * units + counts[rival])


def count() -> dict[str, int]:
    return {label: operations(name) for label, name in NAMES.items()}


def claim(counts: dict[str, int]) -> Claim:
    least = {units: min(saved(counts, rival, units) for rival in ("sigmoid", "tanh")) for units in UNITS}
    many: dict[float, str] = {units: HOLDS if each > MANY else DOES_NOT_HOLD for units, each in least.items()}
    return Claim(
        say("ReLU saves a network many of its operations."),
        verdict.along(many, "a layer has {at} units or more", "a layer has {at} units or fewer"),
        say("Operations are the instructions of this library's kernels in float32; a fused multiplication and addition counts as two. For the value and the slope"
            " of one number sigmoid takes {sigmoid}, tanh {tanh} and ReLU {relu}. In layers of n units its weights take 6n more, forward and back. So ReLU saves"
            " {0:.0%} of the operations of a step at 8 units, {1:.0%} at 64, {2:.1%} at 512 and {3:.1%} at 4096 (compared with sigmoid). More than {many:.0%}"
            " counts as many. A share of the operations is not a share of the time: `--timing` measures the time on your machine.",
            *(least[units] for units in (8, 64, 512, 4096)), sigmoid=counts["sigmoid"], tanh=counts["tanh"], relu=counts["ReLU"], many=MANY),
        "activations",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ on this machine


def measure(repeats: int = REPEATS) -> list[Record]:
    """Whole steps of PyTorch, all activations in turn, so that whatever else the machine does falls on all of them."""
    applied = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}
    found = []
    for units in TIMED:
        features, network = torch.randn(1, ROWS, units), start([units] * 6, [0])
        taken: dict[str, list[float]] = {label: [] for label in applied}
        for repeat in range(repeats + 1):
            for label, activation in applied.items():
                began = perf_counter()
                forward(network, features, activation).sum().backward()
                if repeat:  # the first warms up
                    taken[label].append(perf_counter() - began)
        for rival in ("sigmoid", "tanh"):
            shares = 1 - np.array(taken["ReLU"]) / np.array(taken[rival])
            found.append({"activation": rival, "units": units, "saved": shares.tolist()})
    return found


def timed(runs: Sequence[Record]) -> Claim:
    decided = {say("{activation} in layers of {units} units", activation=run["activation"], units=run["units"]):
               verdict.more_than(verdict.median(run["saved"]), MUCH) for run in runs}  # fmt: skip
    most = max(runs, key=lambda run: float(np.median(run["saved"])))
    return Claim(
        say("ReLU saves a network much computing time."),
        verdict.over(decided, "it replaces {which}"),
        say("Measured on this machine with PyTorch, on one thread. Most is saved for {activation} in layers of {units} units: {most:.0%} of the time of a step"
            " (median). More than {much:.0%} counts as much. The table has the intervals.",
            most=float(np.median(most["saved"])), activation=most["activation"], units=most["units"], much=MUCH),
        "activations",
    )  # fmt: skip


def table(runs: Sequence[Record]) -> Table:
    rows = []
    for run in runs:
        found = verdict.median(run["saved"])
        rows.append(
            [
                run["units"],
                run["activation"],
                *(100 * each for each in (found.estimate, found.low, found.high)),
            ]
        )
    heads = [
        say("units of a layer"),
        say("activation"),
        say("share of the time of a step that ReLU saves (%)"),
        say("from"),
        say("to"),
    ]
    return Table(
        heads, rows, caption=say("Measured on this machine: the median of the repeats, and its interval")
    )

"""One wide hidden layer that approximates a function: random units, whose output weights are fitted by least squares.

Nothing is trained by descent, so that the errors show what such a network can be, not what training finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from losscope.report import Chart, Line, Panel
from losscope.studies import verdict
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, Claim, say
from losscope.studies.text import at_least, at_most
from losscope.studies.views import Record

WIDTHS, SHOWN = (4, 16, 64, 256), (4, 16, 256)
REACH = 3.0  # the functions are fitted on [-3, 3]
CLOSE = 0.01  # root mean squared error of a function that varies by 0.8
SQUARE = say("z squared")  # a polynomial: however wide, it stays a parabola


def wave(x: np.ndarray) -> np.ndarray:
    """A function with a kink and bumps."""
    return np.sin(2 * x) + np.abs(x) / 2


def fit(label: str, activation: Callable[[Any], Any], width: int, seed: int) -> Record:
    """The errors where it was fitted and as far again beyond, and the curve."""
    random = np.random.default_rng([seed, width])
    slopes, places = random.normal(0, 2, width), random.uniform(-REACH, REACH, width)

    def layer(x: np.ndarray) -> np.ndarray:
        return np.column_stack([np.asarray(activation(slopes * (x[:, None] - places))), np.ones(len(x))])

    inside, beyond = np.linspace(-REACH, REACH, 601), np.linspace(REACH, 2 * REACH, 301)
    weights = np.linalg.lstsq(layer(inside), wave(inside), rcond=1e-10)[0]
    drawn = np.linspace(-1.5 * REACH, 1.5 * REACH, 301)
    return {"activation": label, "width": width, "within": rms(layer(inside) @ weights - wave(inside)),
            "beyond": rms(layer(beyond) @ weights - wave(beyond)), "curve": layer(drawn) @ weights}  # fmt: skip


def rms(errors: np.ndarray) -> float:
    """
    >>> rms(np.array([3.0, -3.0]))
    3.0
    """
    return float(np.sqrt(np.mean(np.square(errors))))


def measure(activations: Mapping[str, Callable[[Any], Any]], seed: int) -> list[Record]:
    tried: dict[str, Callable[[Any], Any]] = {**activations, SQUARE: np.square}
    return [fit(label, each, width, seed) for label, each in tried.items() for width in WIDTHS]


def claim(runs: Sequence[Record], curved: Sequence[str]) -> Claim:
    widest = [run for run in runs if run["width"] == max(WIDTHS)]
    able = [run for run in widest if run["activation"] in curved]
    within, beyond = max(run["within"] for run in able), min(run["beyond"] for run in able)
    parabola = next(run["within"] for run in widest if run["activation"] == SQUARE)
    return Claim(
        say("A wide enough network with a non-linearity approximates any continuous function."),
        verdict.over({say("the activation is no polynomial and the inputs stay within bounds"): HOLDS if within < CLOSE else NOT_DECIDED,
                      say("the activation is a polynomial"): HOLDS if parabola < CLOSE else DOES_NOT_HOLD,
                      say("the inputs are without bounds"): HOLDS if beyond < CLOSE else DOES_NOT_HOLD}),
        say("If the activation is no polynomial and the inputs stay within bounds, one hidden layer is enough: this is proven (Cybenko; Hornik; Leshno et al.)."
            " With {width} units the error on [-3, 3] is at most {within:.2g} (root mean square), and {parabola:.2g} where the activation is a square: sums of parabolas are parabolas. On [3, 6], where nothing"
            " was fitted, it is at least {beyond:.2g}. Less than {close:g} counts as close. That such weights exist does not say that training finds them.",
            width=max(WIDTHS), within=at_most(within, 2), parabola=parabola, beyond=at_least(beyond, 2), close=CLOSE),
        "activations",
    )  # fmt: skip


def picture(runs: Sequence[Record]) -> Chart:
    x = np.linspace(-1.5 * REACH, 1.5 * REACH, 301)
    panels = [
        Panel(say("Activation: {label}", label=label), say("input"), say("output"),
              [Line(x, wave(x), say("the function"), style="reference"),
               *(Line(x, run["curve"], say("{width} units", width=run["width"])) for run in runs if run["activation"] == label and run["width"] in SHOWN)],
              y_limits=(-2.0, 4.0), notes=[(-REACH, "-3"), (REACH, "3")])
        for label in ("tanh", "ReLU", SQUARE)
    ]  # fmt: skip
    return Chart(panels, name="approximation", columns=3,
                 caption=say("One hidden layer, fitted between -3 and 3: the wider, the closer, unless the activation is a polynomial. Beyond, none knows anything."))  # fmt: skip

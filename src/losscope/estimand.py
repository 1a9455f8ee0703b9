"""What does a loss estimate? Derived from its formula: the prediction of least expected loss, for distributions whose
mean, quantiles and expectiles all differ, is compared with each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, softmax
from scipy.stats import expon, gamma, laplace, lognorm, norm

from losscope.kernels.reference import evaluate, orders, pointwise

# Each distribution stands for itself as this many equally likely values.
ATOMS = 401
SHARES = (0.05, 0.2, 0.35, 0.45, 0.55, 0.7, 0.9)
CLASS_SHARES = ((0.5, 0.3, 0.2), (0.1, 0.25, 0.65), (0.4, 0.35, 0.25), (0.05, 0.85, 0.1))

# For predictions above 0: from a prediction to the output that gives it, and back.
INTO: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "exp": (np.log, np.exp),
    "softplus": (lambda p: p + np.log(-np.expm1(-p)), lambda z: np.logaddexp(0, z)),
}


@dataclass(frozen=True)
class Estimand:
    """What the best prediction under a loss is.

    `kind`: of a number "mean", "median", "quantile", "expectile" (these two with their `level`), "centre" (another
    centre of the target, equal to mean and median where its distribution is symmetric; "outer" if it lies beyond the mean,
    seen from the median) or "other"; of a class
    "probability", "ranking" (the score rises with the probability, but is none) or "class" (only which class is
    likelier); of either "nothing": the loss falls without end, the further off the better.
    """

    kind: str
    level: float | None = None
    words: str = ""

    @property
    def short(self) -> str:
        """In a word or two, for a table."""
        if self.kind in ("quantile", "expectile"):
            return f"{self.level:.12g} {self.kind}"
        words = {
            "centre": "between" if self is BETWEEN else "a centre", "outer": "a centre", "other": "its own"
        }  # fmt: skip
        return words.get(self.kind, self.kind)

    def __str__(self) -> str:
        return self.words


MEAN, MEDIAN = Estimand("mean", 0.5, "the mean"), Estimand("median", 0.5, "the median")
PROBABILITY = Estimand("probability", None, "the probability")
RANKING = Estimand("ranking", None, "a score that rises with the probability")
CLASS = Estimand("class", None, "which class is likelier")
BETWEEN = Estimand("centre", None, "a value between the mean and the median")
CENTRE = Estimand("centre", None, "a centre of the target that leaves out what lies far from it")
OUTER = Estimand("outer", None, "a centre of the target beyond the mean, drawn by what lies far from it")
SOME_CENTRE = Estimand("centre", None, "a centre of the target")
OTHER = Estimand("other", None, "a value of its own")
NOTHING = Estimand("nothing", None, "nothing")
ROUNDING = 1e-2  # of a centre, in standard deviations
FAR = (1e6, 1e12, 1e18)  # sizes of outputs between which what has a minimum or a bound has stopped falling


@lru_cache(maxsize=256)
def of_numbers(loss: Any, link: str = "") -> Estimand:
    """What an elementwise loss estimates of a target that is a number. `link` ("exp", "softplus") is what makes a
    prediction of the model's output, where the loss itself does not say it.

    >>> import losscope as ls
    >>> [str(of_numbers(ls.get(name))) for name in ("mse", "mae", "pinball:quantile=0.9", "huber", "poisson")]
    ['the mean', 'the median', 'the 0.9 quantile', 'a value between the mean and the median', 'the mean']
    """
    link = link or (loss.activation.name if loss.activation is not None else loss.entry.inside)
    distributions = list(_distributions(loss, link))
    if any(_falls_without_end(partial(_risk, loss, y)) for y in distributions):
        return NOTHING
    found = [(y, _best_number(loss, y, link)) for y in distributions]
    if not all(np.isfinite(best) for _, best in found):
        return OTHER
    if all(abs(best - y.mean()) <= 2e-3 * y.std() for y, best in found):
        return MEAN
    by_slopes = _level_of_slopes(loss, link)
    below = [float(np.mean(y < best) + np.mean(y == best) / 2) for y, best in found]
    level = _common(below, 6 / ATOMS, by_slopes)
    if level is not None:
        return MEDIAN if level == 0.5 else Estimand("quantile", level, f"the {level:.12g} quantile")
    level = _common([_expectile_level(y, best) for y, best in found], 4e-3, by_slopes)
    if level is not None:
        return Estimand("expectile", level, f"the {level:.12g} expectile")
    if not loss._derived.of_residual_alone or not loss.facts.symmetric:
        return OTHER
    return _centre(found)


def _centre(found: list[tuple[np.ndarray, float]]) -> Estimand:
    """What the best predictions of some targets are, by where they lie on the way from the mean to the median."""
    spans = [float(np.median(y) - y.mean()) / y.std() for y, _ in found]
    ways = [
        float(best - y.mean()) / y.std() * np.sign(span) for (y, best), span in zip(found, spans, strict=True)
    ]
    if min(ways) < -ROUNDING:
        return SOME_CENTRE if max(ways) > ROUNDING else OUTER
    beyond_median = any(way > abs(span) + ROUNDING for way, span in zip(ways, spans, strict=True))
    return CENTRE if beyond_median else BETWEEN


@lru_cache(maxsize=256)
def of_two_classes(loss: Any, target: str, link: str) -> Estimand:
    """What a loss estimates of a label; `target` "sign" is -1 or 1, any other 0 or 1. `link` "sigmoid" asks whether
    sigmoid(score) is the probability.

    >>> import losscope as ls
    >>> str(of_two_classes(ls.bce, "one", "sigmoid")), str(of_two_classes(ls.hinge, "sign", "sigmoid"))
    ('the probability', 'which class is likelier')
    """
    low = -1.0 if target == "sign" else 0.0

    def risk(share: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda z: share * _value(loss, z, 1.0) + (1 - share) * _value(loss, z, low)

    if any(_falls_without_end(risk(share)) for share in SHARES):
        return NOTHING
    best = np.array([_least(risk(share), np.linspace(-15, 15, 6001)) for share in SHARES])
    if np.allclose(expit(best), SHARES, atol=2e-3):
        return PROBABILITY
    if (np.diff(best) > 1e-3).all():
        return RANKING
    middle = 0.5 if link == "score" and target == "one" else 0.0
    return CLASS if (np.sign(best - middle) == np.sign(np.array(SHARES) - 0.5)).all() else OTHER


@lru_cache(maxsize=256)
def of_classes(loss: Any) -> Estimand:
    """What a loss over a class axis estimates.

    >>> import losscope as ls
    >>> str(of_classes(ls.cross_entropy))
    'the probability'
    """
    best = [_best_logits(loss, np.array(shares)) for shares in CLASS_SHARES]
    shares = np.array(CLASS_SHARES)
    found = softmax(np.array(best), axis=1)
    if np.allclose(found, shares, atol=5e-3):
        return PROBABILITY
    if (np.argsort(found) == np.argsort(shares)).all():
        return RANKING
    return CLASS if (found.argmax(1) == shares.argmax(1)).all() else OTHER


def _distributions(loss: Any, link: str) -> Iterator[np.ndarray]:
    """Skewed to either side, heavy-tailed, two-peaked; near 0 and far from it, narrow and wide."""
    at = (np.arange(ATOMS) + 0.5) / ATOMS
    two_peaks = np.concatenate([norm(1, 0.2).ppf(at[::4]), 3 + expon.ppf(at[: ATOMS - len(at[::4])])])
    positive = [expon.ppf(at), gamma(3).ppf(at), lognorm(1.0).ppf(at), two_peaks, 30 * gamma(2).ppf(at)]
    yield from positive
    if loss.entry.target.name == "real" and link not in INTO:
        yield from (-each for each in positive)
        yield laplace.ppf(at) + np.where(at > 0.8, 5.0, 0.0)


def _best_number(loss: Any, y: np.ndarray, link: str) -> float:
    """The prediction with the least mean loss over these targets, in the target's units."""
    axis = np.unique(
        np.concatenate([np.linspace(y.min(), y.max(), 1201), np.quantile(y, np.linspace(0, 1, 1201))])
    )
    into, back = INTO.get(link, (np.array, np.array))
    with np.errstate(all="ignore"):
        outputs = into(axis)
        outputs = outputs[np.isfinite(outputs)]
        return float(back(_least(partial(_risk, loss, y), outputs)))


def _risk(loss: Any, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The mean loss of each output over these targets."""
    return _value(loss, z[:, None], y[None, :]).mean(1)


def _least(risk: Callable[[np.ndarray], np.ndarray], axis: np.ndarray) -> float:
    """Where the risk is least: the best of the axis, then finer between its neighbours. NaN where it is finite
    nowhere."""
    for _ in range(4):
        with np.errstate(all="ignore"):
            values = np.array(risk(axis), dtype=float)
        values[~np.isfinite(values)] = np.nan
        if np.isnan(values).all():
            return float("nan")
        least = np.nanmin(values)
        flat = np.flatnonzero(
            values <= least + 1e-12 * (1 + abs(least))
        )  # a median may be a stretch: its middle
        low, high = axis[max(flat[0] - 1, 0)], axis[min(flat[-1] + 1, len(axis) - 1)]
        middle = (axis[flat[0]] + axis[flat[-1]]) / 2
        axis = np.linspace(low, high, 65)
    return float(middle)


def _falls_without_end(risk: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether ever larger outputs of one sign have ever less risk, by 1 and more."""
    for sign in (-1, 1):
        with np.errstate(all="ignore"):
            risks = np.asarray(risk(sign * np.array(FAR)), float)
            if ((np.diff(risks) < -1) | np.isneginf(risks[1:])).all():
                return True
    return False


def _value(loss: Any, z: np.ndarray, target: Any) -> np.ndarray:
    z, target = np.broadcast_arrays(np.asarray(z, float), np.asarray(target, float))
    value, _, _ = orders(loss.entry, loss.activation)
    return np.asarray(value(z, target, *loss.parameters.values()))


def _common(levels: list[float], within: float, exact: float) -> float | None:
    """The one level that all of them are: the exact one where they come near it, else a round number; None where they
    differ."""
    middle = float(np.median(levels))
    if not np.isfinite(levels).all() or np.ptp(levels) > within:
        return None
    if abs(middle - exact) <= within:
        return exact
    for digits in (1, 2, 3):
        if abs(middle - round(middle, digits)) <= within / 2:
            return round(middle, digits)
    return middle


def _level_of_slopes(loss: Any, link: str) -> float:
    """The level of a quantile or an expectile, of which the slopes at a prediction are to each other, for a target as far
    above it as another is below, as the level is to what it lacks to 1."""
    into, _ = INTO.get(link, (np.array, np.array))
    with np.errstate(all="ignore"):
        _, slopes, _ = pointwise(loss, into(np.full(2, 2.0)), [3.0, 1.0])
        above, below = np.abs(slopes)
        return float(f"{above / (above + below):.12g}")


def _expectile_level(y: np.ndarray, at: float) -> float:
    """The tau of which `at` is the expectile: tau E(Y - at)+ = (1 - tau) E(at - Y)+ (Newey and Powell, Asymmetric
    least squares estimation and testing, Econometrica 55 (1987), doi:10.2307/1911031)."""
    below = np.maximum(at - y, 0).mean()
    whole = np.abs(y - at).mean()
    return float(below / whole) if whole else float("nan")


def _best_logits(loss: Any, shares: np.ndarray) -> np.ndarray:
    classes = np.arange(len(shares))

    def risk(logits: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient, _ = evaluate(loss, np.tile(logits, (len(shares), 1)), classes)
        return float(shares @ value), shares @ gradient

    return np.asarray(minimize(risk, np.zeros(len(shares)), jac=True, method="BFGS").x)

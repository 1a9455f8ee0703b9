"""By what is every loss judged? Metrics that belong to the task, not to a loss; scikit-learn's, where it has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn import metrics as sk

from losscope.comparison import weighted
from losscope.comparison.data import DataError
from losscope.comparison.forecast import Forecast
from losscope.comparison.weighted import mean, median, quantile
from losscope.errors import did_you_mean

# A majority above this share makes accuracy a count of the majority.
MAJORITY = 0.8


@dataclass(frozen=True)
class Metric:
    """One metric. `of(target, forecast, weight)` gives None where a forecast has not what it takes.

    `constant` is the best constant prediction by it, from the training targets and their weights (of a number; for
    classes it is their shares). `share`: a share of the rows, of which the binomial interval is known.
    """

    name: str
    words: str
    of: Callable[[np.ndarray, Forecast, np.ndarray | None], float | None]
    higher: bool = False
    percent: bool = False
    share: bool = False
    constant: Callable[..., Any] = mean
    meaning: str = ""

    @property
    def sign(self) -> float:
        """Times this, less is better."""
        return -1.0 if self.higher else 1.0


def _of_numbers(function: Callable[..., Any]) -> Callable[..., float | None]:
    def of(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
        return float(function(target, forecast.prediction, sample_weight=weight))

    return of


def _r2(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
    """None for a single row, which deviates from no mean."""
    if len(target) < 2:
        return None
    return float(sk.r2_score(target, forecast.prediction, sample_weight=weight))


def _of_score(function: Callable[..., Any]) -> Callable[..., float | None]:
    def of(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
        if forecast.score is None or len(np.unique(target)) < 2:
            return None
        return float(function(target, forecast.score, sample_weight=weight))

    return of


def _of_classes(function: Callable[..., Any], **options: Any) -> Callable[..., float | None]:
    def of(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
        return float(function(target, forecast.chosen, sample_weight=weight, **options))

    return of


def _deviance(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
    """Infinite where a mean of 0 or less was predicted, so: none."""
    if forecast.prediction is None or not bool((forecast.prediction > 0).all()) or bool((target < 0).any()):
        return None
    return float(sk.mean_poisson_deviance(target, forecast.prediction, sample_weight=weight))


def _log_loss(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
    """Mean of -log p(right class), from the logits in float64: nothing is clipped."""
    if forecast.log_probability is None:
        return None
    right = forecast.log_probability[np.arange(len(target)), target]
    return float(-np.average(right, weights=weight))


def _brier(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
    """Mean of (p - y)^2 for two classes, of its sum over the classes for more."""
    if forecast.log_probability is None:
        return None
    wrong = np.exp(forecast.log_probability)
    wrong[np.arange(len(target)), target] -= 1.0
    squares = wrong[:, 1] ** 2 if wrong.shape[1] == 2 else np.sum(wrong**2, axis=1)
    return float(np.average(squares, weights=weight))


def _f1_best(target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float | None:
    if forecast.score is None or forecast.threshold is None:
        return None
    return float(
        sk.f1_score(target, forecast.score >= forecast.threshold, sample_weight=weight, zero_division=0)
    )


def _balanced(target: np.ndarray, chosen: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """The mean recall over the classes that occur."""
    return float(
        sk.recall_score(target, chosen, labels=np.unique(target), average="macro", sample_weight=sample_weight,
                        zero_division=0)
    )  # fmt: skip


def _below(level: float, target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None) -> float:
    return float(np.average(target <= forecast.prediction, weights=weight))


def _asymmetric(
    level: float, target: np.ndarray, forecast: Forecast, weight: np.ndarray | None = None
) -> float:
    error = target - forecast.prediction
    return float(np.average(np.abs(level - (error < 0)) * error**2, weights=weight))


NUMBERS = (
    Metric("mae", "MAE", _of_numbers(sk.mean_absolute_error), constant=median, meaning="the mean |error|"),
    Metric("rmse", "RMSE", _of_numbers(lambda *a, **k: sk.mean_squared_error(*a, **k) ** 0.5),
           meaning="the root of the mean squared error"),
    Metric("median_absolute_error", "median |error|", _of_numbers(sk.median_absolute_error), constant=median,
           meaning="half of the errors are smaller"),
    Metric("r2", "R²", _r2, higher=True,
           meaning="the share of the squared deviation from the mean that is explained"),
)  # fmt: skip
COUNTS = (
    Metric("poisson_deviance", "Poisson deviance", _deviance,
           meaning="the mean of 2(y log(y/p) - y + p), for predictions p above 0"),
    *NUMBERS,
)  # fmt: skip
_ACCURACY = Metric("accuracy", "accuracy", _of_classes(sk.accuracy_score), higher=True, percent=True, share=True,
                   meaning="the share of rows whose class is right")  # fmt: skip
_PROPER = (
    Metric("log_loss", "log loss", _log_loss, meaning="the mean of -log p(right class)"),
    Metric("brier", "Brier", _brier, meaning="the mean squared error of the probabilities"),
)
_BALANCED = Metric("balanced_accuracy", "balanced accuracy", _of_classes(_balanced), higher=True, percent=True,
                   meaning="the mean over the classes of the share that is found")  # fmt: skip
BINARY = (
    *_PROPER,
    Metric("auc", "AUC", _of_score(sk.roc_auc_score), higher=True,
           meaning="how often a positive scores above a negative"),
    Metric("average_precision", "average precision", _of_score(sk.average_precision_score), higher=True,
           meaning="the mean precision over the positives, by falling score"),
    _ACCURACY,
    _BALANCED,
    Metric("f1", "F1", _of_classes(sk.f1_score, zero_division=0), higher=True,
           meaning="the harmonic mean of precision and recall at a probability of 0.5"),
    Metric("f1_best", "F1 at best threshold", _f1_best, higher=True,
           meaning="F1 at the threshold that was best on validation rows"),
)  # fmt: skip
CLASSES = (
    *_PROPER,
    _ACCURACY,
    _BALANCED,
    Metric("macro_f1", "macro F1", _of_classes(sk.f1_score, average="macro", zero_division=0), higher=True,
           meaning="the mean F1 over the classes"),
)  # fmt: skip
OF_TASK = {"regression": NUMBERS, "count": COUNTS, "binary": BINARY, "classes": CLASSES}


def metrics_of(kind: str, at_levels: Sequence[str] = ()) -> tuple[Metric, ...]:
    """The metrics of a task, and those at a level that are named."""
    return (*OF_TASK[kind], *map(at_level, at_levels))


def at_level(name: str) -> Metric:
    """`pinball@0.9` and its like."""
    word, _, level = name.partition("@")
    return FAMILIES[word](float(level))


def pinball(level: float) -> Metric:
    """The pinball loss at one level, which that quantile minimises.

    >>> round(pinball(0.9).of(np.array([1.0, 2.0]), Forecast(np.array([2.0, 2.0])), None), 6)
    0.05
    """
    function = partial(sk.mean_pinball_loss, alpha=level)
    return Metric(f"pinball@{level:.12g}", f"pinball {level:.12g}", _of_numbers(function),
                  constant=partial(quantile, level=level), meaning=f"least for the {level:.12g} quantile")  # fmt: skip


def coverage(level: float) -> Metric:
    """The share of targets at or below the prediction, which should be the level."""
    return Metric(f"coverage@{level:.12g}", f"below, of {100 * level:.12g}%", partial(_below, level), percent=True, share=True,
                  constant=partial(quantile, level=level), meaning="the share of targets at or below")  # fmt: skip


def expectile(level: float) -> Metric:
    """The asymmetric squared error of one level, which that expectile minimises."""
    return Metric(f"expectile@{level:.12g}", f"expectile {level:.12g}", partial(_asymmetric, level),
                  constant=partial(weighted.expectile, level=level),
                  meaning=f"the asymmetric squared error that the {level:.12g} expectile minimises")  # fmt: skip


FAMILIES: dict[str, Callable[[float], Metric]] = {
    "pinball": pinball, "coverage": coverage, "expectile": expectile
}  # fmt: skip
RANKING = ("pinball", "expectile")  # a constant can have the right coverage, too


def named(name: str, kind: str) -> Metric:
    """One metric of a task by its name: `mae`, `pinball@0.9`. DataError for a name there is not, or that ranks nothing."""
    word, _, level = name.partition("@")
    if word in FAMILIES and kind in ("regression", "count"):
        if not _is_level(level):
            raise DataError(f"--metric {name!r}: the level is a number between 0 and 1, as in {word}@0.9")
        if word not in RANKING:
            raise DataError(
                f"--metric {name!r} ranks nothing: the best is neither most nor least, and a constant can have it, too. "
                f"pinball@{level} ranks, and the tables then have the {word} beside it"
            )
        return at_level(name)
    known = {metric.name: metric for metric in OF_TASK[kind]}
    if name not in known:
        elsewhere = word in FAMILIES or name in {each.name for every in OF_TASK.values() for each in every}
        wrong = f"does not fit --task {kind}" if elsewhere else "is not known"
        levelled = [f"{family}@0.9" for family in RANKING] if kind in ("regression", "count") else []
        raise DataError(f"--metric {name!r} {wrong}. {did_you_mean(name, [*known, *levelled])}")
    return known[name]


def _is_level(text: str) -> bool:
    try:
        return 0 < float(f"{float(text):.12g}") < 1
    except ValueError:
        return False


def best_threshold(target: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The score at and above which calling a row positive has the largest F1.

    >>> best_threshold(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.3, 0.2]))
    0.2
    """
    precision, recall, thresholds = sk.precision_recall_curve(target, score, sample_weight=weight)
    both = precision[:-1] + recall[:-1]
    f1 = 2 * precision[:-1] * recall[:-1] / np.where(both > 0, both, 1)
    return float(thresholds[int(np.argmax(f1))])

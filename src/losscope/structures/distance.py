"""Distance: two vectors along the last axis, or an anchor, its positive and its negative; one loss for each row.

A formula may use `distance` (short: `d`), which is, as the entry's `measure` says,

- euclidean: the length of prediction - target;
- cosine: 1 - the cosine of the angle between the two, formed without that subtraction; `cosine` is the cosine
  itself, a name of its own as the residual is of an elementwise loss: near a right angle 1 - distance would cancel;
- triplet: the length of prediction - target less that of prediction - negative (or, with `swap`, of
  target - negative where that is shorter).

and the `label` of a pair: 1 for one that belongs together, -1 for one that does not.

A vector of zeros has no direction: its cosine with any other is 0. Where a length is 0, its gradient is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy

from losscope import domain
from losscope.entry import Entry
from losscope.errors import LossError, LossTypeError, complain, shown
from losscope.structures import arrays
from losscope.structures.structure import Structure

# What `distance` stands for, and between which numbers it lies.
MEANING = {
    "euclidean": "distance = |prediction - target|",
    "cosine": "cosine = that of the angle between prediction and target; distance = 1 - cosine",
    "triplet": "distance = |prediction - target| - |prediction - negative|",
}
RANGE = {"euclidean": (0.0, math.inf), "cosine": (0.0, 2.0), "triplet": (-math.inf, math.inf)}


@dataclass(slots=True)
class Batch:
    """Vectors as the rows of matrices, one judgement for each row."""

    prediction: Any  # (rows, width), and so are target and negative
    target: Any
    negative: Any  # of triplets, else None
    label: Any  # one per row, or None where all pairs belong together
    weight: Any  # one per row, or None
    swap: bool
    given: Any
    shape: tuple[int, ...]  # of the unreduced values
    total_weight: float
    dtype: Any

    @property
    def vectors(self) -> tuple[Any, ...]:
        """Those whose distances are looked at, in the order in which a kernel takes them."""
        pair = (self.prediction, self.target)
        return pair if self.negative is None else (*pair, self.negative)


def prepare(
    entry: Entry,
    prediction: Any,
    target: Any,
    weight: Any,
    label: Any = None,
    negative: Any = None,
    swap: Any = 0,
) -> Batch:
    """Check and convert; raises LossError."""
    given = arrays.as_array(prediction, "prediction")
    target = arrays.as_array(target, "target")
    arrays.same_shape(given, target)
    check_vectors(entry, given)
    check_options(entry, negative, label, swap)
    shape, width = given.shape[:-1], given.shape[-1]
    rows = math.prod(shape)
    if negative is not None:
        negative = _negative(given, negative)
    vectors = {"prediction": given, "target": target} | ({} if negative is None else {"negative": negative})
    dtype = arrays.computing_dtype(**vectors)
    total = float(rows)
    if weight is not None:
        weight = arrays.ready_weight(weight, shape, dtype, "row")
        total = arrays.sum_of(weight)
    if label is not None:
        label = _label(label, shape, dtype, weight).reshape(rows)
    if weight is not None:
        weight = weight.reshape(rows)

    def matrix(vectors: Any) -> Any:
        return None if vectors is None else arrays.ready(vectors, dtype).reshape(rows, width)

    return Batch(
        matrix(given), matrix(target), matrix(negative), label, weight, bool(swap), given, shape, total, dtype
    )


def check_vectors(entry: Entry, prediction: Any) -> None:
    if not prediction.ndim or not prediction.shape[-1]:
        raise LossError(
            complain(
                f"{entry.name} is of vectors, which stand along the last axis",
                got=f"shape {tuple(prediction.shape)}",
                expected="shape (features,) or (..., features)",
            )
        )


def check_options(entry: Entry, negative: Any, label: Any, swap: Any) -> None:
    """Whether a loss of pairs was given what is of pairs, and one of triplets what is of triplets."""
    if entry.measure == "triplet" and negative is None:
        raise LossTypeError(
            complain(
                f"{entry.name} compares two distances, and the vectors to keep away from are missing",
                expected="an anchor, its positive and its negative",
                next_step=f"Use {entry.name}(anchor, positive, negative=negative)",
            )
        )
    if entry.measure == "triplet" and label is not None:
        raise LossError(
            complain(
                f"{entry.name} has no label: the positive belongs to the anchor, the negative does not",
                next_step="Labelled pairs are for contrastive and cosine_embedding",
            )
        )
    if entry.measure != "triplet" and (negative is not None or swap):
        raise LossError(
            complain(
                f"{entry.name} is of pairs, and has no {'negative' if negative is not None else 'swap'}",
                next_step="Say with label=-1 that a pair does not belong together, or use triplet_margin",
            )
        )
    if not isinstance(swap, int) or swap not in (0, 1):
        raise LossTypeError(complain("swap is yes or no", got=shown(swap), expected="True or False"))


def _negative(prediction: Any, negative: Any) -> Any:
    negative = arrays.as_array(negative, "negative")
    if negative.shape != prediction.shape:
        raise LossError(
            complain(
                "prediction and negative differ in shape",
                got=f"prediction {prediction.shape}, negative {negative.shape}",
                expected="the same shape for prediction, target and negative",
                next_step="Broadcast it yourself if that is what you mean",
            )
        )
    return negative


def _label(label: Any, shape: tuple[int, ...], dtype: Any, weight: Any) -> Any:
    array = arrays.as_array(label, "label")
    if array.shape != shape:
        raise LossError(
            complain(
                "label must have one number per row",
                got=f"shape {array.shape}",
                expected=f"shape {shape}",
                next_step=f"Use numpy.full({shape}, label)" if not array.ndim else "",
            )
        )
    zeros = bool((array == 0).any())
    hint = "Turn labels 0 and 1 into -1 and 1 with 2*label - 1" if zeros else ""
    arrays.check_domain("label", array, domain.sign, hint, weight)
    return arrays.ready(array, dtype)


def check_domains(entry: Entry, batch: Batch, through: bool) -> None:
    """Nothing is left to find: all was checked before the kernel ran."""


class Distance(Structure):
    name = kernel = "distance"
    judges = "vectors"
    arguments = ("distance", "label", "cosine")
    variable = "distance"
    short = {"distance": "distance", "d": "distance", "label": "label", "cosine": "cosine"}
    moving = {"cosine": -1}
    options = {"label": None, "negative": None, "swap": 0}
    defaults = {"task": "embedding"}
    definable = False  # a formula does not say what is measured
    no_curvature = "its Hessian couples all numbers of a vector, and the diagonal alone would say little"
    prepare = staticmethod(prepare)
    check_domains = staticmethod(check_domains)

    def domains(self, entry: Entry, through: Entry | None) -> dict[str, str]:
        measured = "real" if entry.measure == "triplet" else "nonnegative"
        return {"distance": measured, "label": "sign", "cosine": "cosine"}

    def span(self, entry: Entry, through: Entry | None) -> tuple[float, float]:
        return RANGE[entry.measure]

    def typical(self, entry: Entry, of_residual: bool) -> list[float | None]:
        return [None] if entry.measure == "triplet" else [-1.0, 1.0]

    def judged(self, entry: Entry, target: float | None, of_residual: bool) -> float:
        if target is not None and domain.sign.excludes(target):
            raise LossError(complain(f"{entry.name} has no label {target:g}", expected=domain.sign.words))
        return 1.0 if target is None else target

    def along(self, x: Any, judged: Any) -> tuple[Any, ...]:
        return x, numpy.full_like(x, judged), 1 - x

    def meaning(self, entry: Entry) -> str:
        return MEANING[entry.measure]

    def shapes(self, entry: Entry) -> str:
        negative = ", target and negative" if entry.measure == "triplet" else " and target"
        return f"prediction{negative} (..., features), the same; one loss for each vector"

    def options_in_words(self, entry: Entry) -> str:
        if entry.measure == "triplet":
            return (
                "negative (the vectors to keep away from; needed), swap (False; True: the distance from positive to negative "
                "counts where it is the shorter)"
            )
        return "label (one per vector: 1 for a pair that belongs together, -1 for one that does not; 1 if left out)"

    def gradient_in_words(self) -> str:
        return "with respect to the prediction; losscope.torch and tensors give that of all vectors"

    def example(self, entry: Entry, through: Entry | None) -> str:
        option = "negative=[[1.0, 1.0]]" if entry.measure == "triplet" else "label=[-1]"
        return f"[[1.0, 0.0]], [[0.75, 0.5]], {option}"

    def axis(self, entry: Entry, through: Entry | None, judged: float, of_residual: bool) -> str:
        return "distance" if entry.measure == "triplet" else f"distance, for label {judged:g}"

    def letters(self, through: Entry | None) -> dict[str, str]:
        return {"distance": "d", "cosine": r"\cos\theta"}


STRUCTURE = Distance()
distance = STRUCTURE.entry

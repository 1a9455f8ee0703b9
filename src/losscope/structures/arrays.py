"""What comes in -> arrays a kernel can run on, or an error that says what, where, got, expected, next step."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy

from losscope.domain import Domain
from losscope.errors import LossError, LossTypeError, complain

FLOAT32, FLOAT64 = numpy.dtype("float32"), numpy.dtype("float64")
NAMES = {FLOAT32: "float32", FLOAT64: "float64"}  # dtype.name takes three microseconds
HELD = {FLOAT32: 2**24, FLOAT64: 2**53}  # every whole number up to here
WHOLE = (
    "a whole number that float64 holds: all up to 2**53",
    "Subtract the same from prediction and target; or use .astype('float64') if the last digits do not matter",
)
GAPS = ("None", "<NA>", "NaT")  # what Python and pandas write where there is nothing
LEAST, MOST = 2.0**-126, 2.0**128 - 2.0**104  # between which float32 holds numbers with all its digits
COMPUTED_IN = {FLOAT32: FLOAT32, FLOAT64: FLOAT64, numpy.dtype("float16"): FLOAT32}


def _unmasked(name: str) -> str:
    if name in ("prediction", "target"):
        return f"Use {name}.compressed(), or weight=~mask; of rows, weight=~mask.any(-1)"
    # A weight of 0 removes what is masked.
    return f"Use {name}.filled({'0' if name == 'weight' else '...'})"


def as_array(value: Any, name: str) -> numpy.ndarray:
    """The value as an array of numbers; whole numbers and booleans are kept as they are."""
    if type(value) is not numpy.ndarray:
        if value is None:
            raise LossTypeError(
                complain(
                    f"{name} is missing",
                    got=None,
                    expected="an array of numbers",
                    next_step="A loss takes prediction, then target: loss(prediction, target)"
                    if name in ("prediction", "target")
                    else "",
                )
            )
        # Imported by whoever has made a masked array, and else not by asking; another thread may be doing so just now.
        kind = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
        if kind is not None and isinstance(value, kind) and sys.modules["numpy.ma"].is_masked(value):
            raise LossTypeError(
                complain(
                    f"{name} is a masked array, and a mask is not looked at",
                    next_step=_unmasked(name),
                )
            )
        given = value
        try:
            value = _read(given)
        except ValueError:
            raise LossTypeError(
                complain(f"{name} is not an array of numbers: its rows differ in length")
            ) from None
        except Exception as error:  # an array-like may refuse in its own way
            if getattr(value, "requires_grad", False):
                raise LossTypeError(
                    complain(
                        f"{name} is a tensor that requires a gradient, and this call gives arrays",
                        next_step=f"Use {name}.detach(); a call of the loss itself is differentiable",
                    )
                ) from None
            raise LossTypeError(
                complain(
                    f"{name} cannot be read as an array ({error})",
                    got=type(value).__name__,
                    next_step=f"NumPy has no bfloat16: use {name}.float()"
                    if "BFloat16" in str(error)
                    else "",
                )
            ) from None
        if value.dtype == FLOAT64 and (isinstance(given, list | tuple) or _kinds(given) & set("iu")):
            _no_whole_number_rounded(name, given, value)
    if is_floating(value) or value.dtype.kind in "iub":
        return value
    raise LossTypeError(
        complain(
            f"{name} is not an array of real numbers that a kernel can take",
            got=f"dtype {value.dtype}",
            expected="float32, float64, float16, bfloat16, integers or booleans",
            next_step=_how_to_numbers(value, name),
        )
    )


def _read(given: Any) -> numpy.ndarray:
    """As an array. To NumPy, columns of pandas are no numbers where they are of several dtypes, or flags of which some are
    missing: here what is missing is NaN, whatever stands beside it."""
    array = numpy.asarray(given)
    if array.dtype.kind == "O" and _kinds(given) <= set("biuf"):
        array = given.to_numpy("float64", na_value=math.nan)
    return array


def _kinds(given: Any) -> set[str]:
    """Of what kinds the numbers of an array, a column or the columns of a table are, in NumPy's letters; to NumPy, a column
    of pandas is one of floats if some are missing."""
    dtypes = getattr(given, "dtypes", getattr(given, "dtype", None))
    return {getattr(each, "kind", "O") for each in numpy.ravel(numpy.asarray(dtypes, object))}


def _no_whole_number_rounded(name: str, given: Any, array: numpy.ndarray) -> None:
    """Raise for a whole number that NumPy has rounded, because others beside it are no whole numbers, or missing, or negative
    where it needs all 64 bits."""
    large = numpy.isfinite(array) & (numpy.abs(array) >= HELD[FLOAT64])
    if large.any():
        # By way of NumPy alone, whole numbers beside floats in a table of pandas would be floats first.
        whole = numpy.asarray(given.astype(object) if hasattr(given, "dtypes") else given, object)
        rounded = [
            isinstance(each, int | numpy.integer) and int(float(each)) != each for each in whole[large]
        ]
        large[large] = rounded
        if large.any():
            raise _stray(name, whole, large, *WHOLE)


def _how_to_numbers(value: numpy.ndarray, name: str) -> str:
    """What to do with an array of another dtype: convert it, or mend the first element that is no number."""
    if value.dtype.kind in "fc":
        return f"Use {name}.real" if value.dtype.kind == "c" else f"Use {name}.astype('float64')"
    for index in numpy.ndindex(value.shape):
        try:
            float(value[index])
        except (TypeError, ValueError):
            where = f"{place(name, index)} is {value[index]!r}"
            if str(value[index]) not in GAPS:
                return f"{where}, which is no number; classes are given by index"
            left_out = "0" if name == "weight" else "NaN, with a weight of 0,"
            return f"{where}, and no number: {left_out} in its place leaves it out"
        except OverflowError:
            return f"{place(name, index)} is a whole number that is larger than any floating-point number"
    whole = all(
        isinstance(each, int | numpy.integer) and -(2**63) <= int(each) < 2**63 for each in value.flat
    )
    kind = "int64" if whole else "float64"
    return f"Use {name}.astype('{kind}'): all of it reads as numbers" if value.size else ""


def is_floating(array: numpy.ndarray) -> bool:
    dtype = array.dtype
    if dtype in COMPUTED_IN:
        return True
    if (
        dtype.kind in "biu" or dtype.name != "bfloat16"
    ):  # of the package ml_dtypes; a name takes NumPy microseconds
        return False
    COMPUTED_IN[dtype] = FLOAT32
    return True


def computing_dtype(**inputs: numpy.ndarray) -> numpy.dtype:
    """The dtype a kernel runs in: the widest of the floating inputs, at least float32; float64 for whole numbers
    alone, and for those that float32 does not hold. Raises LossError for one that float64 does not hold either."""
    found = [COMPUTED_IN[each.dtype] for each in inputs.values() if is_floating(each)]
    wide = max(largest_whole(name, each) for name, each in inputs.items()) > HELD[FLOAT32]
    return FLOAT64 if FLOAT64 in found or not found or wide else FLOAT32


def largest_whole(name: str, array: numpy.ndarray) -> int:
    """The size of the largest of an array of whole numbers, 0 of others; of narrow integers that of their dtype. Raises
    LossError for one that float64 does not hold: it would change silently, and a residual with it."""
    if array.dtype.kind not in "iu" or not array.size:
        return 0
    if array.dtype.itemsize <= 2:
        return int(numpy.iinfo(array.dtype).max)
    largest = max(int(array.max()), -int(array.min()))
    if largest > HELD[FLOAT64]:
        numbers = array.astype("float64")
        edge = 2.0 ** (64 if array.dtype.kind == "u" else 63)  # beyond which there is no way back
        wrong = (numbers >= edge) | (numpy.where(numbers < edge, numbers, 0).astype(array.dtype) != array)
        if wrong.any():
            raise _stray(name, array, wrong, *WHOLE)
    return largest


def in_float32(number: float) -> bool:
    """Whether float32 holds a number, and with all its digits."""
    size = abs(number)
    return LEAST <= size <= MOST or size in (0.0, math.inf)


def ready(array: numpy.ndarray, dtype: numpy.dtype) -> numpy.ndarray:
    """The array in that dtype, contiguous; itself if it already is."""
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    with numpy.errstate(under="ignore"):  # it is rounded, as in a kernel
        return numpy.ascontiguousarray(array, dtype) if array.ndim else array.astype(dtype, copy=False)


def same_shape(prediction: numpy.ndarray, target: numpy.ndarray) -> None:
    """Nothing broadcasts, ever: (N, 1) against (N,) would silently make N times N pairs."""
    if prediction.shape == target.shape:
        return
    try:
        broadcast = (
            f"broadcasting would have made {numpy.broadcast_shapes(prediction.shape, target.shape)} of them"
        )
    except ValueError:
        broadcast = "they do not even broadcast"
    raise LossError(
        complain(
            "prediction and target differ in shape",
            got=f"prediction {prediction.shape}, target {target.shape}; {broadcast}",
            expected="the same shape for both",
            next_step=_mend(prediction.shape, target.shape),
        )
    )


def _mend(prediction: tuple[int, ...], target: tuple[int, ...]) -> str:
    if prediction[:-1] == target and prediction and prediction[-1] == 1:
        return "Use prediction.squeeze(-1), or target[..., None]"
    if target[:-1] == prediction and target and target[-1] == 1:
        return "Use target.squeeze(-1), or prediction[..., None]"
    if prediction[:-1] == target and len(prediction) >= 2:
        return (
            f"If target holds class indices, use cross_entropy, or losscope.one_hot(target, {prediction[-1]})"
        )
    if numpy.prod(prediction) == numpy.prod(target):
        return f"Use target.reshape({prediction})"
    return "Check which of the two is wrong, and broadcast it yourself if that is what you mean"


def ready_weight(
    weight: Any, shape: tuple[int, ...], dtype: numpy.dtype, per: str, name: str = "weight"
) -> numpy.ndarray:
    """The weights, one for each of what `per` names, checked: none negative, none infinite."""
    array = as_array(weight, name)
    if array.shape != shape:
        raise LossError(
            complain(
                f"{name} must have one number per {per}",
                got=f"shape {array.shape}",
                expected=f"shape {shape}",
                next_step="A single weight for all has no effect on a mean: leave it out, or scale the result"
                if array.ndim == 0
                else "Broadcast it yourself if that is what you mean",
            )
        )
    wrong = (array < 0) | numpy.isinf(array)
    if wrong.any():
        raise _stray(name, array, wrong, "finite and 0 or more")
    with numpy.errstate(over="ignore"):
        weights = ready(array, dtype)
    wrong = numpy.isinf(weights)
    if wrong.any():
        hint = "Divide all weights by the largest: a mean stays as it is"
        raise _stray(name, array, wrong, f"a number that {dtype} holds, in which this is computed", hint)
    return weights


def sum_of(weights: numpy.ndarray) -> float:
    """In double precision, which it may leave: infinity then."""
    with numpy.errstate(over="ignore"):
        return float(weights.sum(dtype="float64"))


def check_domain(
    name: str, array: numpy.ndarray, domain: Domain, hint: str = "", weight: numpy.ndarray | None = None
) -> None:
    """Raise for the first element outside the domain, with its index. One of weight 0 is not there."""
    wrong = domain.excludes(array)
    if weight is not None:
        wrong = wrong & (weight != 0)
    if wrong.any():
        raise _stray(name, array, wrong, domain.words, hint)


def place(name: str, index: tuple[int, ...]) -> str:
    """How an element is written: `target[2, 0]`; of a single number, its name."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _stray(name: str, array: numpy.ndarray, wrong: numpy.ndarray, expected: str, hint: str = "") -> LossError:
    index = tuple(int(i) for i in numpy.argwhere(wrong)[0])
    where = place(name, index)
    count = int(wrong.sum())
    others = f" (and {count - 1} more)" if count > 1 else ""
    return LossError(
        complain(
            f"{where} is out of its domain", got=f"{array[index]}{others}", expected=expected, next_step=hint
        )
    )


def held(given: Iterable[Any]) -> Iterator[numpy.ndarray]:
    """What was given as arrays in the memory in which it lies, be it a tensor, a column, or rows in a list."""
    for each in given:
        if isinstance(each, list | tuple):
            yield from held(row for row in each if hasattr(row, "__array__"))
        elif each is not None and not isinstance(each, str | numbers.Number):
            with suppress(
                Exception
            ):  # one that has no memory for NumPy, as a tensor that requires a gradient
                yield numpy.asarray(each)


def ready_out(out: Any, like: numpy.ndarray, *inputs: numpy.ndarray | None) -> numpy.ndarray:
    """A buffer for the gradient that may be written: the prediction's shape and dtype (a floating one for whole
    numbers), contiguous, apart from every input. As an array like any other, be it a memory map."""
    dtype = like.dtype if is_floating(like) else FLOAT64
    if not isinstance(out, numpy.ndarray):
        raise LossTypeError(complain("out must be a NumPy array", got=type(out).__name__))
    if out.shape != like.shape or out.dtype != dtype or not out.flags.c_contiguous or not out.flags.writeable:
        raise LossError(
            complain(
                "out does not fit the gradient",
                got=f"shape {out.shape}, {out.dtype}, contiguous {out.flags.c_contiguous}, writable {out.flags.writeable}",
                expected=f"shape {like.shape}, {dtype}, contiguous, writable",
                next_step=f"Use numpy.empty({like.shape}, {dtype.name!r})",
            )
        )
    if any(each is not None and numpy.may_share_memory(out, each) for each in inputs):
        raise LossError(
            complain(
                "out overlaps an input, which would be overwritten while it is read",
                next_step="Use numpy.empty_like(prediction)",
            )
        )
    return numpy.asarray(out)

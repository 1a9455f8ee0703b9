"""Information: what distributions say of themselves. Between two, see the losses `kl_divergence` and
`cross_entropy_of_probability` (prediction first, then target, as everywhere)."""

from __future__ import annotations

import math
import numbers
from typing import Any

from losscope.errors import LossError, LossTypeError, complain, shown


def entropy(p: Any, base: float = math.e) -> Any:
    """H(p) = -sum p log(p) over the last axis: the mean surprise of p's outcomes; in bits with base=2.

    `p` holds one distribution, shape (classes,), or several, shape (..., classes). Returns a float, or an array
    of shape (...). Raises LossError for a number that is no probability and for rows that do not sum to 1.

    >>> entropy([0.25, 0.25, 0.25, 0.25], base=2)
    2.0

    C. E. Shannon, A mathematical theory of communication, Bell Syst. Tech. J. 27 (1948).
    doi:10.1002/j.1538-7305.1948.tb01338.x
    """
    import numpy
    from scipy.special import xlogy

    from losscope.structures.arrays import as_array

    if not isinstance(base, numbers.Real) or not 0 < base < math.inf or base == 1:
        raise LossError(
            complain("base is out of its domain", got=shown(base), expected="a positive number other than 1")
        )
    array = as_array(p, "p").astype("float64")
    if not array.ndim or not array.shape[-1]:
        raise LossError(
            complain("p must hold a distribution along its last axis", got=f"shape {array.shape}")
        )
    from losscope.structures.softmax import check_probabilities

    check_probabilities(array, "p")
    result = -xlogy(array, array).sum(-1) / math.log(base) + 0.0  # + 0.0: -0.0 is no entropy
    return float(result) if result.ndim == 0 else numpy.asarray(result)


def one_hot(index: Any, classes: int, dtype: Any = "float64") -> Any:
    """Rows of probabilities that are 1 at the class and 0 elsewhere: shape (...) -> (..., classes).

    Raises LossError for an index that is no class, LossTypeError for indices that are not whole numbers.

    >>> one_hot([2, 0], 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    import numpy

    from losscope.structures.arrays import as_array, place

    if isinstance(classes, bool) or not isinstance(classes, numbers.Integral) or classes < 1:
        raise LossError(complain("classes must be a whole number", got=shown(classes), expected="1 or more"))
    array = as_array(index, "index")
    if array.dtype.kind not in "iu" and array.size:
        raise LossTypeError(
            complain(
                "index must be of an integer dtype", got=array.dtype, next_step="Use index.astype('int64')"
            )
        )
    wrong = (array < 0) | (array >= classes)
    if wrong.any():
        where = tuple(int(i) for i in numpy.argwhere(wrong)[0])
        raise LossError(
            complain(
                f"{place('index', where)} is no class",
                got=int(array[where]),
                expected=f"0 to {classes - 1}",
            )
        )
    try:
        result = numpy.zeros((*array.shape, int(classes)), dtype)
    except TypeError:
        raise LossTypeError(
            complain("dtype must be one that NumPy knows", got=shown(dtype), expected="e.g. 'float32'")
        ) from None
    numpy.put_along_axis(result, array[..., None].astype("int64"), 1, -1)
    return result

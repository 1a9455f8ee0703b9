"""Where a number may lie, as data: the same words check arrays, guard kernels and explain errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Domain:
    """A set of numbers. `outside` is an expression in `x`, true for what is not in it; NaN is never outside,
    so that it passes through to the result."""

    name: str
    words: str
    outside: str = ""

    def excludes(self, x: Any) -> Any:
        """True where `x` (a NumPy array or a number) is outside."""
        import numpy

        x = numpy.asarray(x)
        return _OUTSIDE[self.name](x) if self.outside else numpy.zeros(x.shape, bool)

    def contains(self, x: Any) -> Any:
        """True where `x` is inside (or NaN).

        >>> probability.contains([0.5, 1.2]).tolist()
        [True, False]
        """
        return ~self.excludes(x)

    def holds(self, other: Domain) -> bool:
        """Whether every number of the other is one of this."""
        return self in (other, real) or (self, other) == (nonnegative, positive)


real = Domain("real", "any real number")
probability = Domain("probability", "between 0 and 1", "(x < 0) | (x > 1)")
nonnegative = Domain("nonnegative", "0 or more", "x < 0")
count = Domain("count", "a count: 0 or more, and finite", "(x < 0) | ((x > 0) & (x + x <= x))")
exponent = Domain("exponent", "0 or more", "x < 0")  # of a probability, say: it is small
positive = Domain("positive", "more than 0", "x <= 0")
fraction = Domain("fraction", "strictly between 0 and 1", "(x <= 0) | (x >= 1)")
sign = Domain("sign", "-1 or 1", "(x < -1) | (x > 1) | ((x > -1) & (x < 1))")
label = Domain("label", "0 or 1", "(x < 0) | (x > 1) | ((x > 0) & (x < 1))")
class_index = Domain("class", "a class index, or a row of probabilities")

# These texts are this file's own constants, never a user's.
_OUTSIDE = {
    each.name: eval(f"lambda x: {each.outside}")
    for each in (probability, nonnegative, count, exponent, positive, fraction, sign, label)
}

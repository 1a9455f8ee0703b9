"""A loss, an activation, and a loss of a structure that the library does not have."""

from losscope.structures.overlap import overlap

from losscope.entry import nonnegative, positive
from losscope.structures.activation import activation
from losscope.structures.elementwise import elementwise
from losscope.structures.softmax import softmax

squashed = elementwise(
    "squashed",
    "tanh(r/c)**2",
    summary="The square of tanh(r/c): no residual costs more than 1.",
    aliases=("squashed_error",),
    parameters={"c": positive(1.0)},
)

bent_identity = activation("bent_identity", "sqrt1px2m1(x)/2 + x", summary="(sqrt(x^2 + 1) - 1)/2 + x.")

generalized_cross_entropy = softmax(
    "generalized_cross_entropy",
    "-expm1(-q*softplus(margin))/q",
    summary="(1 - p^q)/q.",
    parameters={"q": positive(0.7)},
)

dice = overlap(
    "dice",
    "(sizes - 2*intersection)/(sizes + smooth)",
    summary="1 - 2|A and B|/(|A| + |B|).",
    parameters={"smooth": nonnegative(1.0)},
)

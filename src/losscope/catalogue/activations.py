"""Activations: what a raw score goes through before a loss sees it."""

from losscope import domain
from losscope.entry import nonnegative
from losscope.structures.activation import activation

identity = activation(
    "identity",
    "x",
    summary="The score itself.",
    aliases=("linear",),
    equivalents={"torch": "Identity"},
)

sigmoid = activation(
    "sigmoid",
    "sigmoid(x)",
    residual="xmuly(sigmoid(x), 1 - y) - xmuly(sigmoid(-x), y)",
    summary="1/(1 + exp(-x)): a probability from a score; its slope is at most 1/4 and vanishes on both sides.",
    aliases=("logistic_sigmoid",),
    output=domain.probability,
    reference="P.-F. Verhulst, Notice sur la loi que la population suit dans son accroissement (1838).",
    equivalents={"torch": "Sigmoid", "keras": "sigmoid", "jax": "nn.sigmoid"},
)

tanh = activation(
    "tanh",
    "tanh(x)",
    # Near -1 and 1 by what is left to them, near 0 as it stands.
    residual="where(abs(x) < 1/2, tanh(x) - y, xmuly(sigmoid(2*x), 1 - y) - xmuly(sigmoid(-2*x), 1 + y))",
    summary="A sigmoid between -1 and 1, of slope 1 at 0.",
    reference="Y. LeCun et al., Efficient BackProp (1998). doi:10.1007/3-540-49430-8_2",
    equivalents={"torch": "Tanh", "keras": "tanh", "jax": "nn.tanh"},
)

relu = activation(
    "relu",
    "where(x > 0, x, 0)",
    summary="The positive part: its slope is 1 or 0, so gradients pass the active side unchanged and stop on the other.",
    output=domain.nonnegative,
    ties="at x = 0 the slope is 0, as in PyTorch",
    reference="V. Nair and G. E. Hinton, Rectified linear units improve restricted Boltzmann machines, ICML (2010).",
    equivalents={"torch": "ReLU", "keras": "relu", "jax": "nn.relu"},
)

leaky_relu = activation(
    "leaky_relu",
    "where(x > 0, x, slope*x)",
    summary="A ReLU that keeps a small slope on the negative side, so that no unit dies.",
    parameters={"slope": nonnegative(0.01)},
    ties="at x = 0 the slope is that of the negative side, as in PyTorch",
    reference="A. L. Maas et al., Rectifier nonlinearities improve neural network acoustic models, ICML (2013).",
    equivalents={
        "torch": "LeakyReLU(negative_slope)",
        "keras": "leaky_relu(negative_slope)",
        "jax": "nn.leaky_relu",
    },
)

softplus = activation(
    "softplus",
    "softplus(x)",
    summary="log(1 + exp(x)): a smooth positive part, a rate or a scale from a score.",
    output=domain.positive,
    reference="C. Dugas et al., Incorporating second-order functional knowledge for better option pricing, NIPS (2001).",
    equivalents={"torch": "Softplus", "keras": "softplus", "jax": "nn.softplus"},
)

exp = activation(
    "exp",
    "exp(x)",
    summary="A positive number from its logarithm.",
    aliases=("exponential",),
    output=domain.positive,
    equivalents={"torch": "exp", "keras": "exponential"},
)

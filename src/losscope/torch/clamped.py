"""Binary cross-entropy of a probability with PyTorch's clamps: not a loss for the catalogue, whose own has none."""

from losscope import domain
from losscope.structures.elementwise import elementwise

clamped_binary_cross_entropy = elementwise(
    "clamped_binary_cross_entropy",
    "-target*maximum(log(prediction), -100) - (1 - target)*maximum(log1p(-prediction), -100)",
    # Not the slope of the clamped value but PyTorch's own: (p - y)/max(p (1 - p), 1e-12).
    gradient_of="where(prediction*(1 - prediction) < 1/1000000000000, (prediction**2/2 - target*prediction)*1000000000000, -target*log(prediction) - (1 - target)*log1p(-prediction))",
    summary="Binary cross-entropy of a probability as PyTorch has it: no logarithm below -100, no slope beyond 1e12.",
    prediction=domain.probability,
    target=domain.probability,
    task="binary",
    ties="beyond the clamp the slope is that of PyTorch, not the value's own",
    reference="I. J. Good, Rational decisions, J. R. Stat. Soc. B 14 (1952). doi:10.1111/j.2517-6161.1952.tb00104.x",
    elsewhere={"torch": "BCELoss"},
)

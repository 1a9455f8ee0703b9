"""Margins: losses of how far a score lies on the right side of where it should be."""

from losscope import domain
from losscope.entry import Parameter
from losscope.structures.elementwise import elementwise

soft_margin = elementwise(
    "soft_margin",
    "softplus(-prediction*target)",
    summary="log(1 + exp(-margin)): binary cross-entropy for labels of -1 and 1.",
    target=domain.sign,
    task="binary",
    reference="J. Friedman, T. Hastie and R. Tibshirani, Additive logistic regression, Ann. Statist. 28 (2000). doi:10.1214/aos/1016218223",
    equivalents={"torch": "SoftMarginLoss"},
)

hinge_embedding = elementwise(
    "hinge_embedding",
    "where(target < 1, where(prediction <= margin, margin - prediction, 0), where(target > 1, where(prediction <= margin, margin - prediction, 0), 0))"
    " + where(target > -1, prediction, where(target < -1, prediction, 0))",
    summary="The distance itself for a pair that belongs together (1); for one that does not (-1), its shortfall from the margin.",
    parameters={"margin": Parameter(1.0)},
    target=domain.sign,
    task="binary",
    ties="at the margin the slope is -1, as in PyTorch; a target that is neither 1 nor -1 adds both parts",
    reference="R. Hadsell, S. Chopra and Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR (2006). doi:10.1109/CVPR.2006.100",
    equivalents={"torch": "HingeEmbeddingLoss(margin)"},
)

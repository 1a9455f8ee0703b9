"""Imbalance: losses that weigh the rarer label up."""

from losscope import domain
from losscope.entry import positive
from losscope.structures.elementwise import elementwise

weighted_binary_cross_entropy = elementwise(
    "weighted_binary_cross_entropy",
    "positive_weight*target*softplus(-prediction) + (1 - target)*softplus(prediction)",
    # Of both sides that nearly cancel near 0, what remains is written out.
    target_gradient="where(abs(prediction) < 1, (positive_weight - 1)*softplus(prediction) - positive_weight*prediction, positive_weight*softplus(-prediction) - softplus(prediction))",
    summary="Binary cross-entropy on logits in which positives count positive_weight times: for labels with few positives.",
    parameters={"positive_weight": positive(1.0)},
    target=domain.probability,
    task="binary",
    inside="sigmoid",
    reference="D. R. Cox, The regression analysis of binary sequences, J. R. Stat. Soc. B 20 (1958). doi:10.1111/j.2517-6161.1958.tb00292.x",
    equivalents={
        "torch": "BCEWithLogitsLoss(pos_weight)",
        "xgboost": "binary:logistic(scale_pos_weight)",
        "lightgbm": "binary(scale_pos_weight)",
    },
)

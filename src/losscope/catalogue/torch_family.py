"""Forms that PyTorch's losses have beside the mathematical ones: of log-probabilities, of rates, of distances."""

from losscope import domain
from losscope.entry import Parameter, positive
from losscope.structures.elementwise import elementwise

weighted_binary_cross_entropy = elementwise(
    "weighted_binary_cross_entropy",
    "positive_weight*target*softplus(-prediction) + (1 - target)*softplus(prediction)",
    summary="Binary cross-entropy on logits whose positive part counts positive_weight times: for labels of which few are positive.",
    parameters={"positive_weight": positive(1.0)},
    target=domain.probability,
    task="binary",
    infinite="NaN where an infinite logit meets a certain label (0 times infinity)",
    reference="D. R. Cox, The regression analysis of binary sequences, J. R. Stat. Soc. B 20 (1958). doi:10.1111/j.2517-6161.1958.tb00292.x",
    elsewhere={"torch": "BCEWithLogitsLoss(pos_weight)", "xgboost": "binary:logistic(scale_pos_weight)", "lightgbm": "binary(scale_pos_weight)"},
)

soft_margin = elementwise(
    "soft_margin",
    "softplus(-prediction*target)",
    summary="log(1 + exp(-margin)): binary cross-entropy for labels of -1 and 1.",
    target=domain.sign,
    task="binary",
    reference="J. Friedman, T. Hastie and R. Tibshirani, Additive logistic regression, Ann. Statist. 28 (2000). doi:10.1214/aos/1016218223",
    elsewhere={"torch": "SoftMarginLoss"},
)

hinge_embedding = elementwise(
    "hinge_embedding",
    "where(target < 1, where(prediction <= margin, margin - prediction, 0), where(target > 1, where(prediction <= margin, margin - prediction, 0), 0))"
    " + where(target > -1, prediction, where(target < -1, prediction, 0))",
    summary="A distance itself for a pair that belongs together (1), what it lacks to the margin for one that does not (-1).",
    parameters={"margin": Parameter(1.0)},
    target=domain.sign,
    task="binary",
    ties="at the margin the slope is -1, as in PyTorch; a target that is neither 1 nor -1 adds both parts",
    reference="R. Hadsell, S. Chopra and Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR (2006). doi:10.1109/CVPR.2006.100",
    elsewhere={"torch": "HingeEmbeddingLoss(margin)"},
)

poisson_of_rate = elementwise(
    "poisson_of_rate",
    "prediction - target*log(prediction + offset)",
    summary="Poisson negative log-likelihood of a count under a rate, the rate kept from 0 by offset.",
    parameters={"offset": Parameter(1e-8, domain.nonnegative)},
    prediction=domain.nonnegative,
    target=domain.count,
    task="count",
    reference="J. A. Nelder and R. W. M. Wedderburn, Generalized linear models, J. R. Stat. Soc. A 135 (1972). doi:10.2307/2344614",
    elsewhere={"torch": "PoissonNLLLoss(log_input=False, eps=offset)", "keras": "Poisson"},
)

kl_divergence_of_log = elementwise(
    "kl_divergence_of_log",
    "xlogy(target, target) - target*prediction",
    summary="target*(log target - prediction) for a prediction that is a log-probability: its sum over a row is KL(target || exp(prediction)).",
    target=domain.probability,
    task="distribution",
    reference="S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951). doi:10.1214/aoms/1177729694",
    elsewhere={"torch": "KLDivLoss()", "optax": "kl_divergence"},
)

kl_divergence_of_logs = elementwise(
    "kl_divergence_of_logs",
    "exp(target)*(target - prediction)",
    summary="The same with the target as a log-probability too.",
    task="distribution",
    reference="S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951). doi:10.1214/aoms/1177729694",
    elsewhere={"torch": "KLDivLoss(log_target=True)", "optax": "kl_divergence_with_log_targets"},
)

"""Losses in forms that are PyTorch's own: clamped, offset, of log-probabilities. The catalogue has them without."""

from losscope import domain
from losscope.entry import Parameter
from losscope.structures.elementwise import elementwise
from losscope.structures.multiclass_margin import multiclass_margin

# To PyTorch, NaN is no probability.
_probability = domain.Domain("probability", "between 0 and 1", "(x < 0) | (x > 1) | (x != x)")

CLAMPED = "-target*maximum(log(prediction), -100) - (1 - target)*maximum(log1p(-prediction), -100)"

clamped_binary_cross_entropy = elementwise(
    "clamped_binary_cross_entropy",
    CLAMPED,
    computed=(
        CLAMPED,
        "r/maximum(prediction*(1 - prediction), 1/1000000000000)",  # PyTorch's own, not the slope of the clamped value
        "target/prediction**2 + (1 - target)/(1 - prediction)**2",
    ),
    summary="Binary cross-entropy of a probability as PyTorch has it: no logarithm below -100, no slope beyond 1e12.",
    prediction=_probability,
    target=_probability,
    task="binary",
    ties="beyond the clamp the slope is that of PyTorch, not the value's own",
    reference="I. J. Good, Rational decisions, J. R. Stat. Soc. B 14 (1952). doi:10.1111/j.2517-6161.1952.tb00104.x",
    equivalents={"torch": "BCELoss"},
)

# From a rate that is all but infinite, its logarithm takes nothing away. (To float32, 1e300 is infinite.)
OF_RATE = "prediction - where(prediction < 1e300, xlogy(target, prediction + offset), 0)"

poisson_of_rate = elementwise(
    "poisson_of_rate",
    OF_RATE,
    gradient_of="prediction - target*log(prediction + offset)",
    target_gradient="-log(prediction + offset)",
    summary="Poisson negative log-likelihood of a count under a rate, the rate kept from 0 by offset.",
    parameters={"offset": Parameter(1e-8, domain.nonnegative)},
    target=domain.count,
    task="count",
    reference="J. A. Nelder and R. W. M. Wedderburn, Generalized linear models, J. R. Stat. Soc. A 135 (1972). doi:10.2307/2344614",
    equivalents={"torch": "PoissonNLLLoss(log_input=False, eps=offset)", "keras": "Poisson"},
)

STIRLING = "where(target > 1, target*log(target) - target + log(2*pi*target)/2, 0)"

poisson_full = elementwise(
    "poisson_full",
    f"exp(prediction) - xmuly(target, minimum(prediction, 1000)) + {STIRLING}",
    gradient_of="exp(prediction) - target*prediction",
    target_gradient="where(target > 1, log(target) + 1/(2*target), 0) - prediction",
    summary="Poisson negative log-likelihood of a count under a log-rate, log target! in it by Stirling's approximation.",
    target=domain.count,
    task="count",
    reference="J. A. Nelder and R. W. M. Wedderburn, Generalized linear models, J. R. Stat. Soc. A 135 (1972). doi:10.2307/2344614",
    equivalents={"torch": "PoissonNLLLoss(full=True)"},
)

poisson_of_rate_full = elementwise(
    "poisson_of_rate_full",
    f"{OF_RATE} + {STIRLING}",
    gradient_of="prediction - target*log(prediction + offset)",
    summary="The same of a rate, kept from 0 by offset.",
    parameters={"offset": Parameter(1e-8, domain.nonnegative)},
    target=domain.count,
    task="count",
    reference="J. A. Nelder and R. W. M. Wedderburn, Generalized linear models, J. R. Stat. Soc. A 135 (1972). doi:10.2307/2344614",
    equivalents={"torch": "PoissonNLLLoss(log_input=False, full=True, eps=offset)"},
)

kl_divergence_of_log = elementwise(
    "kl_divergence_of_log",
    "xlogy(target, target) - xmuly(target, prediction)",
    summary="target*(log target - prediction) for a prediction that is a log-probability: its sum over a row is KL(target || exp(prediction)).",
    target=domain.probability,
    task="distribution",
    reference="S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951). doi:10.1214/aoms/1177729694",
    equivalents={"torch": "KLDivLoss()", "optax": "kl_divergence"},
)

kl_divergence_of_logs = elementwise(
    "kl_divergence_of_logs",
    # Where target is -inf (a probability of 0) the term is 0, whatever the prediction; exp(-1000) is 0.
    "xmuly(exp(target), maximum(target, -1000) - prediction)",
    summary="The same with the target as a log-probability too.",
    task="distribution",
    reference="S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951). doi:10.1214/aoms/1177729694",
    equivalents={"torch": "KLDivLoss(log_target=True)", "optax": "kl_divergence_with_log_targets"},
)

margin_ranking = elementwise(
    "margin_ranking",
    "where(margin - prediction*target < 0, 0, margin - prediction*target)",
    summary="For a prediction that is the difference of two scores: what it lacks to the margin on the side that target says.",
    parameters={"margin": Parameter(0.0)},
    target=domain.sign,
    task="binary",
    ties="at the margin the slope is that of the lacking side, as in PyTorch",
    reference="R. Herbrich, T. Graepel and K. Obermayer, Support vector learning for ordinal regression, ICANN (1999). doi:10.1049/cp:19991091",
    equivalents={"torch": "MarginRankingLoss(margin)"},
)

gaussian_of_residual = elementwise(
    "gaussian_of_residual",
    "(log(target) + prediction**2/target)/2 + constant",
    summary="Gaussian negative log-likelihood of a residual (in the place of the prediction) under a variance (in that of the target), both of which are predicted.",
    parameters={"constant": Parameter(0.0)},
    target=domain.positive,
    reference="D. A. Nix and A. S. Weigend, Estimating the mean and variance of the target probability distribution, ICNN (1994). doi:10.1109/ICNN.1994.374138",
    equivalents={"torch": "GaussianNLLLoss"},
)

weston_watkins = multiclass_margin(
    "weston_watkins",
    "where(difference + margin > 0, difference + margin, 0)",
    summary="What each rival's score lacks to lie below the right class's by the margin.",
    parameters={"margin": Parameter(1.0)},
    ties="at the margin the slope is 0, as in PyTorch",
    reference="J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN (1999).",
    equivalents={"torch": "MultiMarginLoss(margin), MultiLabelMarginLoss"},
)

squared_weston_watkins = multiclass_margin(
    "squared_weston_watkins",
    "where(difference + margin > 0, (difference + margin)**2, 0)",
    summary="The same squared: smooth at the margin, harder on rivals far above it.",
    parameters={"margin": Parameter(1.0)},
    ties="at the margin the curvature is 0",
    reference="J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN (1999).",
    equivalents={"torch": "MultiMarginLoss(p=2, margin)"},
)

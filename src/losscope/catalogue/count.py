"""Counts and rates: a target of 0 or more, and the logarithm of its mean."""

from losscope import domain
from losscope.structures.elementwise import elementwise

poisson = elementwise(
    "poisson",
    "exp(prediction) - xmuly(target, minimum(prediction, 1000))",  # exp(1000) is infinite, and no count makes up for it
    gradient_of="exp(prediction) - target*prediction",
    target_gradient="-prediction",
    summary="Poisson negative log-likelihood of a count at the rate exp(prediction), without the term that depends on the target alone.",
    aliases=("poisson_nll",),
    target=domain.count,
    task="count",
    inside="exp",
    reference="J. A. Nelder and R. W. M. Wedderburn, Generalized linear models, J. R. Stat. Soc. A 135 (1972). doi:10.2307/2344614",
    equivalents={
        "torch": "PoissonNLLLoss()",
        "sklearn": "HalfPoissonLoss",
        "xgboost": "count:poisson",
        "lightgbm": "poisson",
        "catboost": "Poisson",
    },
)

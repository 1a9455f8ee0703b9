"""Distributions: a row of probabilities against a row of probabilities; the loss of a row is summed over it."""

from losscope import domain
from losscope.structures.elementwise import elementwise

kl_divergence = elementwise(
    "kl_divergence",
    # Near the target the first-order parts cancel, so they are left out; far from it nothing cancels. No quotient is infinite.
    "where(target > 0, where(prediction < target/4, -target*log(prediction/target) + r, where(prediction > 4*target, target*log(target/prediction) + r, -target*log1pmx(r/target))), prediction)",
    curvature_of="xlogy(target, target) - xlogy(target, prediction) + prediction - target",
    # Without a target it is infinite, but where nothing is predicted either.
    target_gradient="where(target > 0, where(abs(r) < target/2, -log1p(r/target), log(target/prediction)), where(prediction > 0, log(target) - log(prediction), 0))",
    summary="KL(target || prediction): the surprise that prediction costs beyond the target's own entropy. Each term is target*log(target/prediction) + prediction - target, which is never negative and sums to the same for rows that sum to 1; rows that do not are taken as they are (the generalised KL divergence).",
    aliases=("kl", "kld"),
    prediction=domain.probability,
    target=domain.probability,
    task="distribution",
    over="rows",
    reference="S. Kullback and R. A. Leibler, On information and sufficiency, Ann. Math. Statist. 22 (1951). doi:10.1214/aoms/1177729694",
    equivalents={
        "torch": "KLDivLoss (of log-probabilities)",
        "keras": "KLDivergence (the same for rows that sum to 1; each slope is less by 1, without the term that is 0 for them)",
        "optax": "generalized_kl_divergence (which takes amounts above 1, too)",
    },
)

cross_entropy_of_probability = elementwise(
    "cross_entropy_of_probability",
    "-xlogy(target, prediction)",
    summary="H(target, prediction): the mean surprise, in nats, of believing prediction while outcomes follow target.",
    prediction=domain.probability,
    target=domain.probability,
    task="distribution",
    over="rows",
    reference="I. J. Good, Rational decisions, J. R. Stat. Soc. B 14 (1952). doi:10.1111/j.2517-6161.1952.tb00104.x",
    equivalents={
        "keras": "CategoricalCrossentropy (which divides a row by its sum first: each slope is more by 1 for rows that sum to 1)"
    },
)

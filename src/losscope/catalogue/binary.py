"""Binary: one raw score (or probability) against a label or a probability."""

from losscope import domain
from losscope.entry import exponent
from losscope.structures.elementwise import elementwise

binary_cross_entropy = elementwise(
    "binary_cross_entropy",
    "target*softplus(-prediction) + (1 - target)*softplus(prediction)",
    summary="The surprise of a label under the probability sigmoid(prediction); takes raw scores (logits).",
    aliases=("bce", "logistic", "log_loss"),
    target=domain.probability,
    task="binary",
    inside="sigmoid",
    reference="D. R. Cox, The regression analysis of binary sequences, J. R. Stat. Soc. B 20 (1958). doi:10.1111/j.2517-6161.1958.tb00292.x",
    equivalents={
        "torch": "BCEWithLogitsLoss",
        "keras": "BinaryCrossentropy(from_logits=True)",
        "optax": "sigmoid_binary_cross_entropy",
        "sklearn": "HalfBinomialLoss",
        "xgboost": "binary:logistic, binary:logitraw, reg:logistic",
        "lightgbm": "binary, cross_entropy",
        "catboost": "Logloss, CrossEntropy",
    },
)

binary_cross_entropy_of_probability = elementwise(
    "binary_cross_entropy_of_probability",
    "-xlogy(target, prediction) - xlog1py(1 - target, -prediction)",
    summary="The surprise of a label under a probability; if you have logits, binary_cross_entropy is the exact way.",
    aliases=("bce_of_probability",),
    prediction=domain.probability,
    target=domain.probability,
    task="binary",
    reference="I. J. Good, Rational decisions, J. R. Stat. Soc. B 14 (1952). doi:10.1111/j.2517-6161.1952.tb00104.x",
    equivalents={
        "torch": "BCELoss (which clamps the logarithm at -100)",
        "keras": "BinaryCrossentropy (which clips at 1e-7)",
    },
)

# Of focal loss. p is what is left to the label; of its power the loss takes half and half, as p^gamma may be no number where the
# loss is one. k is p'/p but for the factor 1 - 2y, and a - sigmoid(z) is k'/k, as sigmoid(-z) - b is (a + b = 1): nothing is divided by p.
_SURPRISE = "(xmuly(target, softplus(-prediction)) + xmuly(1 - target, softplus(prediction)))"
_RISE = "((1 - target)*sigmoid(prediction) - target*sigmoid(-prediction))"
_TAKEN = "(target*sigmoid(prediction) + (1 - target)*sigmoid(-prediction))"
_LEFT = f"where({_TAKEN} < 1/2, 1 - {_TAKEN}, target*sigmoid(-prediction) + (1 - target)*sigmoid(prediction))"
_K = "1/(1 + xmuly(target, exp(-prediction)) + xmuly(1 - target, exp(prediction)))"
_A, _B = (
    f"{_K}*target + xmuly({_K}*target, exp(-prediction))",
    f"{_K}*(1 - target) + xmuly({_K}*(1 - target), exp(prediction))",
)
# Of a certain label an exponential may overflow that k is not as small as.
_K = f"where(target > 0, where(target < 1, {_K}, sigmoid(prediction)), sigmoid(-prediction))"
_A, _B = f"where(target < 1, {_A}, 1)", f"where(target > 0, {_B}, 1)"
_STEEP = f"gamma*(1 - 2*target)*{_K}"
_STEEPER = f"where({_RISE} >= 0, {_A} - sigmoid(prediction), sigmoid(-prediction) - {_B})"

binary_focal = elementwise(
    "binary_focal",
    "(target*sigmoid(-prediction) + (1 - target)*sigmoid(prediction))**gamma*(target*softplus(-prediction) + (1 - target)*softplus(prediction))",
    computed=(
        f"xmuly({_LEFT}**(gamma/2), xmuly({_LEFT}**(gamma/2), {_SURPRISE}))",
        f"{_LEFT}**gamma*({_RISE} + xmuly({_STEEP}, {_SURPRISE}))",
        f"{_LEFT}**gamma*(sigmoid(-prediction)*sigmoid(prediction) + 2*{_STEEP}*{_RISE}"
        f" + xmuly({_STEEP}*({_STEEP} + {_STEEPER}), {_SURPRISE}))",
    ),
    target_gradient=f"gamma*{_LEFT}**(gamma - 1)*xmuly(tanh(-prediction/2), {_SURPRISE}) - xmuly({_LEFT}**gamma, prediction)",
    summary="Binary cross-entropy on logits that plays down what is already classified well, by (1 - p_t)^gamma, where p_t = y p + (1 - y)(1 - p) is what the label has of the probability; labels may be soft.",
    aliases=("focal",),
    parameters={"gamma": exponent(2.0)},
    target=domain.probability,
    task="binary",
    inside="sigmoid",
    reference="T.-Y. Lin et al., Focal loss for dense object detection, ICCV (2017). doi:10.1109/ICCV.2017.324",
    equivalents={
        "keras": "BinaryFocalCrossentropy(gamma, from_logits=True)",
        "optax": "sigmoid_focal_loss(gamma)",
    },
)

hinge = elementwise(
    "hinge",
    "where(prediction*target < 1, 1 - prediction*target, 0)",
    summary="No loss beyond a margin of 1 on the right side, linear before it; labels are -1 and 1.",
    target=domain.sign,
    task="binary",
    ties="at a margin of exactly 1 the gradient is 0",
    reference="C. Cortes and V. Vapnik, Support-vector networks, Machine Learning 20 (1995). doi:10.1007/BF00994018",
    equivalents={"keras": "Hinge", "optax": "hinge_loss", "sklearn": "SGDClassifier(loss='hinge')"},
)

squared_hinge = elementwise(
    "squared_hinge",
    "where(prediction*target < 1, (1 - prediction*target)**2, 0)",
    summary="The hinge loss squared: smooth at the margin, harder on large mistakes; labels are -1 and 1.",
    target=domain.sign,
    task="binary",
    ties="at a margin of exactly 1 the curvature is 0",
    reference="Y.-J. Lee and O. L. Mangasarian, SSVM, Comput. Optim. Appl. 20 (2001). doi:10.1023/A:1011215321374",
    equivalents={"keras": "SquaredHinge", "sklearn": "LinearSVC(loss='squared_hinge')"},
)

zero_one = elementwise(
    "zero_one",
    "where(prediction*target > 0, 0, 1)",
    summary="1 for a wrong sign, 0 for a right one: the count of errors, whose gradient is 0 everywhere; labels are -1 and 1.",
    target=domain.sign,
    task="binary",
    ties="a score of exactly 0 counts as wrong",
    reference="L. Devroye, L. Gyorfi and G. Lugosi, A Probabilistic Theory of Pattern Recognition (1996). doi:10.1007/978-1-4612-0711-5",
    equivalents={"sklearn": "metrics.zero_one_loss"},
)

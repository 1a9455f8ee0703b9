"""Classes: logits over the last axis against one class of several, or a distribution over them."""

from losscope.structures.softmax import softmax

cross_entropy = softmax(
    "cross_entropy",
    "softplus(margin)",
    summary="The surprise of the right class under softmax(logits): -log of its probability.",
    aliases=("ce", "softmax_cross_entropy"),
    reference="J. S. Bridle, Probabilistic interpretation of feedforward classification network outputs, Neurocomputing (1990). doi:10.1007/978-3-642-76153-9_28",
    equivalents={
        "torch": "CrossEntropyLoss",
        "keras": "SparseCategoricalCrossentropy(from_logits=True)",
        "optax": "softmax_cross_entropy_with_integer_labels",
        "sklearn": "HalfMultinomialLoss",
        "xgboost": "multi:softprob",
        "lightgbm": "multiclass",
        "catboost": "MultiClass",
    },
)

"""Distance: vectors that belong together drawn close, others kept apart."""

from losscope.entry import Parameter, nonnegative, positive
from losscope.structures.distance import distance

cosine_embedding = distance(
    "cosine_embedding",
    "where(label > 0, distance, where(cosine >= margin, cosine - margin, 0))",
    measure="cosine",
    summary="1 - cosine for a pair that belongs together; for one that does not, the excess of its cosine over the margin. Lengths do not matter.",
    aliases=("cosine_distance",),
    parameters={"margin": Parameter(0.0)},
    ties="at a cosine of exactly margin the slope in it is 1, as in PyTorch; a vector of zeros has cosine 0 and gradient 0",
    infinite="NaN: an infinite vector has no direction",
    reference="J. Bromley et al., Signature verification using a Siamese time delay neural network, Int. J. Pattern Recognit. Artif. Intell. 7 (1993). doi:10.1142/S0218001493000339",
    equivalents={
        "torch": "CosineEmbeddingLoss(margin)",
        "keras": "1 + CosineSimilarity()",
        "optax": "cosine_distance",
    },
)

triplet_margin = distance(
    "triplet_margin",
    "where(distance + margin >= 0, distance + margin, 0)",
    measure="triplet",
    summary="By how much the positive fails to be closer to the anchor (the prediction) than the negative by at least the margin.",
    aliases=("triplet",),
    parameters={"margin": nonnegative(1.0)},
    ties="where the negative is further by exactly the margin the slope is 1, as in PyTorch; a distance of 0 has gradient 0",
    infinite="NaN where an infinite distance meets another",
    reference="V. Balntas et al., Learning local feature descriptors with triplets and shallow convolutional neural networks, BMVC (2016). doi:10.5244/C.30.119",
    equivalents={
        "torch": "TripletMarginLoss(margin, eps=0, swap)",
        "optax": "triplet_margin_loss(margin, eps=0)",
    },
)

contrastive = distance(
    "contrastive",
    "where(label > 0, distance**2/2, where(distance < margin, (margin - distance)**2/2, 0))",
    measure="euclidean",
    summary="Half the squared distance of a pair that belongs together; for one that does not, half the square of its shortfall from the margin.",
    parameters={"margin": positive(1.0)},
    ties="at a distance of 0 the gradient is 0, even for a pair that does not belong together",
    infinite="NaN in the gradient of a pair that belongs together",
    reference="R. Hadsell, S. Chopra and Y. LeCun, Dimensionality reduction by learning an invariant mapping, CVPR (2006). doi:10.1109/CVPR.2006.100",
)

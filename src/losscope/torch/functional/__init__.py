"""The losses of `torch.nn.functional`, with PyTorch's names, signatures, defaults, reductions and errors.

    from losscope.torch import functional as F

    F.cross_entropy(logits, target)

Where a kernel of ours fits the call, it computes value and gradient in one pass: tensors on the CPU of one dtype
and shape (float32, float64, bfloat16, float16), whatever their layout. Everything else is handed to PyTorch's own
function as it came: other devices, broadcasting (with PyTorch's warning), complex numbers, wrong arguments (with
PyTorch's errors), subclasses, tracing. `losscope.torch.table` says which is which.

    >>> import torch
    >>> from losscope.torch import functional as F
    >>> logits = torch.tensor([[20.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> F.cross_entropy(logits, torch.tensor([0, 1]), reduction="sum").backward()
    >>> bool(logits.grad[0, 1] > 0)  # 2e-9, where float32 arithmetic on probabilities gives 0
    True
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional

from losscope.torch import operators
from losscope.torch.elementwise import Pointwise
from losscope.torch.functional import classes, distances, margins, probability, pytorchs, regression
from losscope.torch.functional.classes import cross_entropy as cross_entropy
from losscope.torch.functional.classes import ctc_loss as ctc_loss
from losscope.torch.functional.classes import linear_cross_entropy as linear_cross_entropy
from losscope.torch.functional.classes import nll_loss as nll_loss
from losscope.torch.functional.distances import cosine_embedding_loss as cosine_embedding_loss
from losscope.torch.functional.distances import triplet_margin_loss as triplet_margin_loss
from losscope.torch.functional.distances import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from losscope.torch.functional.margins import hinge_embedding_loss as hinge_embedding_loss
from losscope.torch.functional.margins import margin_ranking_loss as margin_ranking_loss
from losscope.torch.functional.margins import multi_margin_loss as multi_margin_loss
from losscope.torch.functional.margins import multilabel_margin_loss as multilabel_margin_loss
from losscope.torch.functional.margins import soft_margin_loss as soft_margin_loss
from losscope.torch.functional.probability import binary_cross_entropy as binary_cross_entropy
from losscope.torch.functional.probability import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from losscope.torch.functional.probability import kl_div as kl_div
from losscope.torch.functional.probability import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from losscope.torch.functional.probability import poisson_nll_loss as poisson_nll_loss
from losscope.torch.functional.regression import gaussian_nll_loss as gaussian_nll_loss
from losscope.torch.functional.regression import huber_loss as huber_loss
from losscope.torch.functional.regression import l1_loss as l1_loss
from losscope.torch.functional.regression import mse_loss as mse_loss
from losscope.torch.functional.regression import smooth_l1_loss as smooth_l1_loss
from losscope.torch.rows import Rows

__all__ = sorted(name for name in globals() if name in pytorchs.torchs)
torchs = {name: pytorchs.torchs[name] for name in __all__}  # PyTorch's own

for _module in (classes, distances, margins, probability, regression):
    for _loss in vars(_module).values():
        if isinstance(_loss, Pointwise | Rows):
            operators.register(_loss)


def __getattr__(name: str) -> Any:
    raise pytorchs.no_loss(__name__, torch.nn.functional, name, __all__)

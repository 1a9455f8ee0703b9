"""The loss classes of `torch.nn`, all 23, over `losscope.torch.functional`.

    from losscope.torch import nn

    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

Each is a subclass of PyTorch's own: the same arguments, attributes, buffers, state dict and `isinstance`. Its
`forward` is PyTorch's, to the byte, with our function in the place of PyTorch's.

    >>> import torch
    >>> from losscope.torch import nn
    >>> nn.HuberLoss(delta=2.0)(torch.tensor([3.0]), torch.tensor([0.0]))
    tensor(4.)
    >>> isinstance(nn.HuberLoss(), torch.nn.HuberLoss)
    True
"""

from __future__ import annotations

import warnings
from types import FunctionType
from typing import Any

import torch.nn
import torch.nn.modules.loss as _torchs

from losscope.torch import functional as F
from losscope.torch.functional.pytorchs import no_loss

FUNCTION_OF = {
    "L1Loss": "l1_loss", "NLLLoss": "nll_loss", "NLLLoss2d": "nll_loss", "PoissonNLLLoss": "poisson_nll_loss",
    "GaussianNLLLoss": "gaussian_nll_loss", "KLDivLoss": "kl_div", "MSELoss": "mse_loss", "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "HingeEmbeddingLoss": "hinge_embedding_loss",
    "MultiLabelMarginLoss": "multilabel_margin_loss", "SmoothL1Loss": "smooth_l1_loss", "HuberLoss": "huber_loss",
    "SoftMarginLoss": "soft_margin_loss", "CrossEntropyLoss": "cross_entropy", "LinearCrossEntropyLoss": "linear_cross_entropy",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss", "CosineEmbeddingLoss": "cosine_embedding_loss",
    "MarginRankingLoss": "margin_ranking_loss", "MultiMarginLoss": "multi_margin_loss", "TripletMarginLoss": "triplet_margin_loss",
    "TripletMarginWithDistanceLoss": "triplet_margin_with_distance_loss", "CTCLoss": "ctc_loss",
}  # fmt: skip

__all__ = list(FUNCTION_OF)  # type: ignore[assignment]


def _twin(name: str, function: str) -> Any:
    """PyTorch's class with our function: its forward asks its module for `F`, and this module has one too."""
    original = getattr(_torchs, name)
    forward = FunctionType(original.forward.__code__, globals(), "forward", original.forward.__defaults__)
    forward.__qualname__ = original.forward.__qualname__  # which a wrong call is told
    forward.__annotations__ = dict(original.forward.__annotations__)
    forward.__doc__ = f"`losscope.torch.functional.{function}` of the arguments."
    text = (getattr(F, function).__doc__ or "").split("    >>>")[0].strip()
    doc = f"`torch.nn.{name}` over `losscope.torch.functional.{function}`.\n\n    {text}\n"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # NLLLoss2d is deprecated, which it is to say when it is used
        return type(name, (original,), {"forward": forward, "__doc__": doc, "__module__": __name__})


for _name, _function in FUNCTION_OF.items():
    if hasattr(_torchs, _name):  # linear cross-entropy came with torch 2.13
        globals()[_name] = _twin(_name, _function)


def __getattr__(name: str) -> Any:
    raise no_loss(__name__, torch.nn, name, __all__)

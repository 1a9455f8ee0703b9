"""Tensors for results, over memory that is used again once no tensor holds it."""

from __future__ import annotations

import torch

from losscope.kernels import memory


def like(tensor: torch.Tensor) -> torch.Tensor:
    """An uninitialised tensor of the same shape, dtype and layout, on the CPU."""
    if tensor.nbytes < memory.LARGE:
        return torch.empty_like(tensor)
    flat = torch.from_numpy(memory.of_size(tensor.numel() * tensor.element_size())).view(tensor.dtype)
    # Detached it is nobody's view: a loss that is one may not be written to.
    if tensor.is_contiguous():
        return flat.view(tensor.shape).detach()
    # Strides of a dense tensor; torch settles what they are for one with holes.
    return flat.as_strided(tensor.shape, torch.empty_like(tensor, device="meta").stride()).detach()

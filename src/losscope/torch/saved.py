"""What a call saves for its backward.

Saving tensors through autograd costs as much as the loss itself at a thousand elements. This does what it does:
notices that a tensor was written to since, and lets go of all once the graph is freed. Where hooks want to see what
is saved (checkpointing, save_on_cpu), autograd saves it, and the gradient waits for the backward.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from losscope.torch import ready


class Saved:
    """The tensors of a call, the first two of which are watched for being written to, and the gradient made of them."""

    __slots__ = ("gradient", "hooked", "loss", "parameters", "scale", "tensors", "versions")

    def __init__(self, loss: Any, tensors: tuple[Any, ...], parameters: tuple[float, ...], scale: float):
        self.loss, self.parameters, self.scale = loss, parameters, scale
        self.tensors: tuple[Any, ...] | None = tensors
        self.versions = (tensors[0]._version, tensors[1]._version)
        self.gradient: Tensor | None = None
        self.hooked = False

    def hand_over(self, ctx: Any) -> None:
        """Leave the tensors to autograd, and so to its hooks."""
        ctx.save_for_backward(*(self.tensors or ()))
        self.hooked, self.tensors = True, None

    def read(self, ctx: Any) -> tuple[Any, ...]:
        """The tensors, if the graph is still there and they are as they were."""
        if self.hooked:
            return tuple(ctx.saved_tensors)
        if self.tensors is None:
            raise RuntimeError(ready.FREED)
        if (self.tensors[0]._version, self.tensors[1]._version) != self.versions:
            raise RuntimeError(ready.WRITTEN_TO)
        return self.tensors

    def done(self) -> None:
        """At the end of a backward: its gradient is handed over, and the tensors go with the graph."""
        self.gradient = None  # the one reference, so that nobody has to copy it
        if not ready.graph_is_kept():
            self.tensors = None

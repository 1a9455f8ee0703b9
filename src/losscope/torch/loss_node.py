"""What a call saves for its backward, and the one node of autograd's graph that all losses share.

In eager mode an old-style autograd.Function over a kernel is the cheapest way there is. What makes it right:

- Gradients are made in forward and handed over once, without a clone, multiplied only where the upstream gradient
  is not 1; a second backward (`retain_graph`) finds them gone and runs the kernel again.
- Upstream numbers that differ (reduction "none") multiply gradients that were made in forward, if those are small or
  PyTorch would hold as much memory until then. Else a second pass makes them, weighed; so it does with halves, which
  would be rounded twice.
- A backward that is to be differentiated itself (`create_graph`) does not use them: their own derivative would be
  lost without a word. It returns the derivative as torch operations.
- Saving tensors through autograd costs as much as the loss itself at a thousand elements. `LossNode` does what it
  does: notices that a tensor was written to since, and lets go of all once the graph is freed. Where hooks want to
  see what is saved (checkpointing, save_on_cpu), autograd saves it, and the gradients wait for the backward.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, is_grad_enabled
from torch.autograd import Function

from losscope.errors import complain
from losscope.torch import eligibility
from losscope.torch.eligibility import HALVES, Outside, graph_is_kept, saving_hooks

AT_ONCE = 16 << 20  # bytes of a gradient that may wait for its backward, where PyTorch saves nothing as large

Gradients = tuple[Tensor | None, ...]


class LossNode:
    """A call of a loss: its tensors, and the gradients made of them; what each structure's calls derive from.

    `value` computes the loss, and with it the `gradients` where they are `wanted`; `differentiate` the gradients
    alone; `as_operations` the same by torch: always one for each tensor that `record` is given.
    """

    __slots__ = (
        "gradients", "hooked", "kept", "loss", "parameters", "scale", "tensors", "unreduced", "version", "version_of_judges", "wanted",
    )  # fmt: skip

    hooked: bool
    kept: list[_Kept | None]  # of what hooks see
    version: int
    version_of_judges: int
    judges = slice(0)  # the tensors that `weigh` looks at

    def __init__(
        self,
        loss: Any,
        tensors: tuple[Tensor | None, ...],
        parameters: tuple[float, ...],
        scale: float,
        unreduced: bool,
    ):
        self.loss, self.parameters, self.scale, self.unreduced = loss, parameters, scale, unreduced
        self.tensors: tuple[Any, ...] | None = tensors
        self.gradients: Gradients | None = None
        self.wanted = False

    def of_copies(self, tensors: tuple[Tensor | None, ...]) -> None:
        """From here on the call is of these tensors, copies of some of those that it was of."""
        self.tensors = tensors

    def value(self, tensors: Any) -> Tensor:
        raise NotImplementedError

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        """The gradients times `factor` or, where upstream is not None, each row's or element's times its own."""
        raise NotImplementedError

    def at_once(self, input: Tensor) -> bool:
        """Whether gradients of an unreduced loss are made in forward, for upstream to multiply."""
        return bool(input.nbytes <= AT_ONCE)

    def made_again(self, tensors: Any) -> Gradients:
        """What was made in forward and has been given away: every backward then gives the same bits."""
        self.value(tensors)
        gradients, self.gradients = self.gradients, None
        return gradients or ()

    def weigh(self, gradients: Gradients, tensors: Any, each: Tensor | None, factor: float) -> Gradients:
        """What was made in forward of an unreduced loss, times what `multipliers` say."""
        if each is None:
            multiply(gradients, factor)
        else:
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(each if each.ndim == gradient.ndim else each.unsqueeze(-1))
        return gradients

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        """The gradients times upstream, differentiable in the inputs and in upstream."""
        raise NotImplementedError

    def multipliers(self, upstream: Tensor) -> tuple[float | None, Tensor | None]:
        """A number to multiply gradients with, and another for each row or element where they may differ. No number where
        upstream stands for many at once (`is_grads_batched`, or a transform)."""
        if self.unreduced:
            if eligibility.batched(upstream):
                return None, None
            if any(upstream.stride()):
                return 1.0, upstream
            # What comes of a sum or a mean: one number, seen many times.
            upstream = upstream.as_strided((), ())
        try:
            return upstream.item(), None
        except RuntimeError:  # many have none, and asking first takes longer
            return None, None

    def read(self, ctx: Any, to_weigh: bool = False) -> tuple[Any, ...]:
        """The tensors, if the graph is still there and they are as they were: all or, of gradients that are only `to_weigh`,
        those that are looked at for it."""
        if self.hooked:
            return tuple(map(_given_back, ctx.saved_tensors, self.kept))
        if self.tensors is None:
            raise RuntimeError(eligibility.FREED)
        tensors, version = self.tensors, self.version
        if to_weigh:
            tensors, version = tensors[self.judges], self.version_of_judges
        if _version(tensors) != version:
            raise RuntimeError(eligibility.WRITTEN_TO)
        return self.tensors


def multiply(gradients: Gradients, factor: float | Tensor) -> None:
    if isinstance(factor, Tensor) or factor != 1.0:
        for each in gradients:
            if each is not None:
                each.mul_(factor)


def apart(tensors: Iterable[Tensor | None]) -> list[Any]:
    """The same tensors, none of them computed from another: a derivative in one is that in it alone, though a graph outside of
    the loss may lead from one to the next."""
    return [None if each is None else each.view_as(each) for each in tensors]


def as_weight(upstream: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """What comes back, times the weights if there are any, as weights for a kernel; and what to multiply its gradients
    with, if anything. To a kernel a weight of 0 is an element that is not there; what comes back multiplies, and 0 times NaN
    is NaN, as in PyTorch: the smallest number stands in for such a 0."""
    product = eligibility.in_memory(upstream if weight is None else upstream * weight)
    if bool(product.all()):
        return product, None
    nought = product == 0
    if weight is not None:
        nought &= weight != 0
    return torch.where(nought, torch.finfo(product.dtype).tiny, product), ~nought  # in the layout that it has


def weighing(weight: Tensor, scale: float) -> Tensor:
    """What comes back times this is each row's own: 0 of one that is removed, also where the scale is that of a mean over no
    weight, NaN."""
    return torch.where(weight == 0, 0, weight * scale)


def _version(tensors: Any) -> int:
    """How often the tensors were written to, all together: no count ever falls. A RuntimeError where one was made in inference
    mode, of which nobody counts it."""
    count = 0
    for each in tensors:
        if each is not None:
            count += each._version
    return count


class _Kept(NamedTuple):
    """What a tensor was when hooks were given it."""

    address: int
    version: int
    dtype: torch.dtype
    shape: torch.Size
    contiguous: bool

    @classmethod
    def of(cls, tensor: Tensor) -> _Kept:
        return cls(tensor.data_ptr(), tensor._version, tensor.dtype, tensor.shape, tensor.is_contiguous())


def _given_back(tensor: Tensor | None, kept: _Kept | None) -> Tensor | None:
    """What a hook gave back, as it is to be read: in the dtype of what was saved, which a hook that saves memory need not
    restore, and laid out as that was."""
    if tensor is None or kept is None:
        return None
    if not eligibility.dense(tensor) or not tensor.is_cpu:
        raise RuntimeError(complain(
            "A hook on saved tensors gave back a tensor whose numbers are not at hand",
            got=f"{type(tensor).__name__}, {tensor.layout}, on {tensor.device}", expected="a dense tensor on the CPU, as it was given",
        ))  # fmt: skip
    if tensor.data_ptr() == kept.address and tensor._version > kept.version:
        raise RuntimeError(eligibility.WRITTEN_TO)
    if tensor.dtype is not kept.dtype and tensor.is_floating_point() and kept.dtype.is_floating_point:
        tensor = tensor.to(kept.dtype)
    if tensor.dtype is not kept.dtype or tensor.shape != kept.shape:
        raise RuntimeError(complain(
            "A hook on saved tensors gave back another tensor than it was given",
            got=f"{tensor.dtype} of shape {tuple(tensor.shape)}", expected=f"{kept.dtype} of shape {tuple(kept.shape)}",
        ))  # fmt: skip
    tensor = eligibility.in_memory(tensor)
    return tensor.contiguous() if kept.contiguous else tensor


def _to_be_saved(tensors: Any) -> tuple[Any, ...]:
    """The tensors as they may be saved: a copy of one that was made in inference mode, which autograd refuses, and of which
    nobody would notice that it was written to."""
    return tuple(each.clone() if each is not None and each.is_inference() else each for each in tensors)


class _Loss(Function):
    @staticmethod
    def forward(ctx: Any, saved: LossNode, *inputs: Tensor) -> Tensor:
        ctx.saved, tensors = saved, saved.tensors
        if saving_hooks(True):
            kept = _to_be_saved(tensors)
            ctx.save_for_backward(*kept)
            saved.hooked, saved.tensors = True, None
            saved.kept = [None if each is None else _Kept.of(each) for each in kept]
        else:
            saved.hooked = False
            try:
                saved.version = _version(tensors)
            except RuntimeError:
                saved.of_copies(_to_be_saved(tensors))
                tensors = saved.tensors
                saved.version = _version(tensors)
            if saved.unreduced:
                saved.version_of_judges = _version((tensors or ())[saved.judges])
            saved.wanted = not saved.unreduced or (inputs[0].dtype not in HALVES and saved.at_once(inputs[0]))
        return saved.value(tensors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        try:
            return _backward(ctx, upstream)
        except Outside as error:  # written to since, through an alias that autograd does not know
            if error.args:
                raise IndexError(*error.args) from None
            raise RuntimeError(eligibility.WRITTEN_TO) from None


def _backward(ctx: Any, upstream: Tensor) -> Any:
    saved = ctx.saved
    factor, each = (None, None) if is_grad_enabled() else saved.multipliers(upstream)
    if factor is None:
        return None, *saved.as_operations(saved.read(ctx), upstream)
    gradients = saved.gradients
    saved.gradients = None  # the one reference is handed over, so that nobody has to copy it
    if saved.unreduced and saved.wanted:
        tensors = saved.read(ctx, to_weigh=gradients is not None)
        gradients = saved.weigh(gradients or saved.made_again(tensors), tensors, each, factor)
    elif gradients is None or (factor != 1.0 and upstream.dtype in HALVES):
        # Given away before, left to hooks or to upstream; or they would be rounded to a half twice.
        gradients = saved.differentiate(saved.read(ctx), each, factor)
    else:
        multiply(gradients, factor)
    if not graph_is_kept():
        saved.tensors = None
    return None, *gradients


# record(saved, *inputs) is the loss of what is saved, in the graph of the inputs that may want gradients. Without what
# Function.apply asks for functorch, which a call of ours has ruled out, and without the search for how to go backward:
# a microsecond each.
record = super(Function, _Loss).apply
_Loss._backward_cls.apply = _Loss.backward  # type: ignore[attr-defined]

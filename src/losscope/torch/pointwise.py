"""Elementwise losses of tensors: value and gradient by one pass of a kernel, in forward.

In eager mode an old-style autograd.Function over the kernel is the cheapest way there is. What makes it right:

- The gradient is handed over once, without a clone, and multiplied only where the upstream gradient is not 1; a
  second backward (`retain_graph`) finds it gone and runs the kernel again.
- A backward that is to be differentiated itself (`create_graph`) does not use it: its own derivative would be
  lost without a word. It returns the derivative as torch operations (`losscope.torch.formula`).
- Upstream numbers that differ (reduction "none") are the weights of a second pass.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.autograd import Function

from losscope.entry import Entry
from losscope.kernels.cpu.elementwise import BLOCK, SERIAL
from losscope.kernels.threads import share
from losscope.torch import buffers, formula, ready
from losscope.torch.ready import HALVES, KERNEL, NAMES, NOT_OURS


class Outside(Exception):
    """An input lies outside its domain, of a loss that refuses such input."""


class Pointwise:
    """One elementwise loss: an entry of the catalogue, and how torch runs it.

    Calling it gives the loss, or None where it is not ours to compute. `refuses` says that input outside the
    entry's domain raises `Outside`; `to_target` that the target may have a gradient.
    """

    def __init__(
        self,
        entry: str | Entry,
        through: Entry | None = None,
        *,
        refuses: bool = False,
        to_target: bool = True,
    ):
        self._given = entry
        self.name = entry if isinstance(entry, str) else entry.name
        self.through = through
        self.refuses = refuses
        self.to_target = to_target
        self._loops: dict[str, Any] = {}

    @cached_property
    def entry(self) -> Entry:
        if isinstance(self._given, Entry):
            return self._given
        from losscope.catalogue import entries

        return entries()[self._given]

    def loops(self, dtype: str) -> Any:
        found = self._loops.get(dtype)
        if found is None:
            from losscope.torch.loops import loops

            found = self._loops[dtype] = loops(self.entry, self.through, dtype)
        return found

    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        reduction: str,
        parameters: tuple[float, ...] = (),
        weight: Tensor | None = None,
        divisor: float | None = None,
    ) -> Tensor | None:
        """The loss reduced: "mean" is the weighted sum over `divisor` (default: the number of elements), "sum"
        the weighted sum over it (default: 1), "none" one value per element."""
        if torch.compiler.is_compiling():
            from losscope.torch.operators import traced

            return traced(self, input, target, reduction, parameters, weight, divisor)
        if ready.autocasting("cpu"):
            input, target = ready.full_precision(input, target)
        how = ready.how(input, target)
        if how == NOT_OURS or (target.requires_grad and not self.to_target):
            return None
        if weight is not None:
            if (
                how != KERNEL
                or not ready.usual(weight)
                or weight.dtype is not input.dtype
                or not _fits(weight.shape, input.shape)
            ):
                return None
            weight = weight.expand_as(input)
        scale = 1.0
        if reduction == "mean":
            scale = 1.0 / (input.numel() if divisor is None else divisor)
        elif reduction == "sum":
            scale = 1.0 if divisor is None else 1.0 / divisor
        elif reduction != "none":
            return None
        if how != KERNEL or (target.requires_grad and torch.is_grad_enabled()):
            return self.by_formula(input, target, reduction, parameters, weight, scale)
        if not input.is_contiguous() or not target.is_contiguous():
            input, target = dense(input, target)
        if weight is not None:
            weight = aligned(weight, input)
        if input.requires_grad and torch.is_grad_enabled():
            if reduction == "none":
                return _Unreduced.apply(input, Kept(self, input, target, weight, parameters, 1.0))
            return _Reduced.apply(input, Kept(self, input, target, weight, parameters, scale))
        if reduction == "none":
            values = buffers.like(input)
            self.run(input, target, weight, values, None, None, 1.0, 1.0, parameters)
            return values
        out = input.new_empty(())
        self.run(input, target, weight, None, None, out, scale, scale, parameters)
        return out

    def by_formula(
        self,
        input: Tensor,
        target: Tensor,
        reduction: str,
        parameters: tuple[float, ...],
        weight: Tensor | None,
        scale: float,
    ) -> Tensor:
        """The same as torch operations."""
        if self.refuses:
            self.check(input, target)
        values = formula.values(self.entry, self.through, parameters, input, target)
        if weight is not None:
            values = values * weight
        # Those of halves are float32 until here, and are rounded once.
        return (values if reduction == "none" else values.sum() * scale).to(input.dtype)

    def check(self, input: Tensor, target: Tensor) -> None:
        """Raise Outside for input outside its domain; under a transform there are no numbers to look at."""
        if ready.transforming():
            return
        for tensor, domain in ((input, self.entry.prediction), (target, self.entry.target)):
            if domain.outside and bool(
                eval(domain.outside, {"x": tensor.detach()}).any()
            ):  # the domain's own text
                raise Outside

    def run(
        self,
        input: Any,
        target: Any,
        weight: Any,
        values: Any,
        gradient: Any,
        out: Any,
        scale: float,
        value_scale: float,
        parameters: tuple[float, ...],
    ) -> None:
        """One pass over dense tensors of one layout, into those of values, gradient and out that are not None."""
        dtype = NAMES[input.dtype]
        if dtype == "float16":
            self._run_float16(input, target, weight, values, gradient, out, scale, value_scale, parameters)
            return
        loops = self._loops.get(dtype) or self.loops(dtype)
        real = numpy.float64 if dtype == "float64" else numpy.float32
        constants = _constants(parameters, real) if parameters else parameters
        size = input.numel()
        if size <= SERIAL * BLOCK:
            strayed = loops["whole"](
                input.data_ptr(), target.data_ptr(), None if weight is None else weight.data_ptr(), None if values is None else values.data_ptr(),
                None if gradient is None else gradient.data_ptr(), None if out is None else out.data_ptr(), size, real(scale), value_scale, constants,
            )  # fmt: skip
        else:
            addresses = (
                input.data_ptr(), target.data_ptr(), None if weight is None else weight.data_ptr(),
                None if values is None else values.data_ptr(), None if gradient is None else gradient.data_ptr(),
            )  # fmt: skip
            blocks = -(-size // BLOCK)
            sums, strays = numpy.empty(blocks), numpy.empty(blocks, real)
            partial = (*addresses, sums.ctypes.data, strays.ctypes.data, size)
            at, factor = loops["at"], real(scale)
            share(blocks, lambda first, last: at(*partial, first, last, factor, constants), SERIAL)
            if out is not None:
                out.detach().fill_(float(sums.sum()) * value_scale)
            strayed = self.refuses and strays.any()
        if strayed and self.refuses:
            raise Outside

    def _run_float16(
        self,
        input: Any,
        target: Any,
        weight: Any,
        values: Any,
        gradient: Any,
        out: Any,
        scale: float,
        value_scale: float,
        parameters: tuple[float, ...],
    ) -> None:
        z, y, w = (None if each is None else each.detach().float() for each in (input, target, weight))
        made = [
            None if each is None else torch.empty_like(each, dtype=torch.float32)
            for each in (values, gradient, out)
        ]
        self.run(z, y, w, made[0], made[1], made[2], scale, value_scale, parameters)
        for narrow, each in zip((values, gradient, out), made, strict=True):
            if each is not None:
                narrow.detach().copy_(each)


@lru_cache(1024)
def _constants(parameters: tuple[float, ...], real: Any) -> tuple[Any, ...]:
    return tuple(real(each) for each in parameters)


def _fits(shape: torch.Size, other: torch.Size) -> bool:
    """Whether `shape` expands to `other`."""
    return len(shape) <= len(other) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(other), strict=False)
    )


def dense(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both without holes, in the layout of the input."""
    if not _is_dense(input):
        input = input.contiguous()
    return input, aligned(target, input)


def aligned(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor in the layout of `like`, which is dense; itself if it already is."""
    if tensor.stride() == like.stride() or (tensor.is_contiguous() and like.is_contiguous()):
        return tensor
    return torch.empty_like(like, requires_grad=False).copy_(tensor.detach())


def _is_dense(tensor: Tensor) -> bool:
    if tensor.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


class Kept:
    """What a call keeps for its backward.

    Saving tensors through autograd costs as much as the loss itself at a thousand elements. This does what it
    does: notices that a tensor was written to since, and lets go of all once the graph is freed. Where hooks want to
    see what is saved (checkpointing, save_on_cpu), autograd saves it, and the gradient waits for the backward.
    """

    __slots__ = ("gradient", "hooked", "loss", "parameters", "scale", "tensors", "versions")

    def __init__(
        self,
        loss: Pointwise,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        parameters: tuple[float, ...],
        scale: float,
    ):
        self.loss, self.parameters, self.scale = loss, parameters, scale
        self.tensors: tuple[Tensor, Tensor, Tensor | None] | None = (input, target, weight)
        self.versions = (input._version, target._version)
        self.gradient: Tensor | None = None
        self.hooked = False

    def hand_over(self, ctx: Any) -> None:
        """Leave the tensors to autograd, and so to its hooks."""
        ctx.save_for_backward(*(self.tensors or ()))
        self.hooked, self.tensors = True, None

    def read(self, ctx: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """The tensors, if the graph is still there and they are as they were."""
        if self.hooked:
            return ctx.saved_tensors
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


class _Reduced(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, kept: Kept) -> Tensor:
        tensors = kept.tensors
        assert tensors is not None
        if ready.saving_hooks(True):
            gradient = None
            kept.hand_over(ctx)
        else:
            kept.gradient = gradient = buffers.like(input)
        out = input.new_empty(())
        kept.loss.run(
            input, tensors[1], tensors[2], None, gradient, out, kept.scale, kept.scale, kept.parameters
        )
        ctx.kept = kept
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        kept = ctx.kept
        if torch.is_grad_enabled() or ready.batched(upstream):
            return _as_operations(ctx, upstream), None
        gradient = kept.gradient
        factor = upstream.item()
        if gradient is None or (factor != 1.0 and gradient.dtype in HALVES):
            # Given away before, or left to hooks; or it would be rounded to a half twice.
            input, target, weight = kept.read(ctx)
            if gradient is None:
                gradient = buffers.like(input)
            kept.loss.run(
                input, target, weight, None, gradient, None, kept.scale * factor, 1.0, kept.parameters
            )
        elif factor != 1.0:
            gradient.mul_(factor)
        kept.done()
        return gradient, None


class _Unreduced(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, kept: Kept) -> Tensor:
        tensors = kept.tensors
        assert tensors is not None
        values = buffers.like(input)
        kept.loss.run(input, tensors[1], tensors[2], values, None, None, 1.0, 1.0, kept.parameters)
        if ready.saving_hooks(True):
            kept.hand_over(ctx)
        ctx.kept = kept
        return values

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        kept = ctx.kept
        if torch.is_grad_enabled() or ready.batched(upstream):
            return _as_operations(ctx, upstream), None
        input, target, weight = kept.read(ctx)
        upstream = aligned(upstream, input)
        gradient = buffers.like(input)
        kept.loss.run(
            input,
            target,
            upstream if weight is None else upstream * weight,
            None,
            gradient,
            None,
            1.0,
            1.0,
            kept.parameters,
        )
        kept.done()
        return gradient, None


def _as_operations(ctx: Any, upstream: Tensor) -> Tensor:
    """The gradient by torch operations, differentiable in the input and in the upstream gradient."""
    kept = ctx.kept
    input, target, weight = kept.read(ctx)
    slope = formula.Partial.apply(
        input, target, formula.Derivative(kept.loss.entry, kept.loss.through, kept.parameters, prediction=1)
    )
    if weight is not None:
        slope = slope * weight
    return (slope * (upstream.to(slope.dtype) * kept.scale)).to(input.dtype)

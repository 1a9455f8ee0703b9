"""Cross-entropy of a linear layer's output that never holds all the logits.

The rows go in chunks through three matrix products and the softmax kernel between them: logits of the chunk, their
loss and gradient, and what that adds to the gradients of input, weight and bias. Beyond the gradients no more
memory is needed than two chunks. Gradients of halves are added up in float32 and rounded once, so that the number
of chunks does not show in them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as _F
from torch import Tensor

from losscope.reduction import MEAN, NONE, REDUCTIONS, scale_of
from losscope.torch import eligibility, margin
from losscope.torch.eligibility import HALVES, NAMES, Outside
from losscope.torch.loss_node import Gradients, LossNode, apart, as_weight, record
from losscope.torch.rows import Logits, Rows, refuse_no_class

# Bytes of a chunk of logits: rows enough for a matrix product at full speed, few enough to be a small part of all.
CHUNK = 32 << 20
LEAST_ROWS = 128


def linear_rows(
    loss: Rows,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    class_weight: Tensor | None,
    ignore: int,
    reduction: str,
    smoothing: float,
) -> Tensor | None:
    """The softmax loss of `input @ weight.T + bias`, or None where it is not ours to compute."""
    if (
        reduction not in REDUCTIONS
        or not 0.0 <= smoothing <= 1.0
        or not _ours(input, weight, bias, target, class_weight)
    ):
        return None
    if input.ndim == 1:
        value = linear_rows(
            loss, input[None], weight, bias, target[None], class_weight, ignore, reduction, smoothing
        )
        return value[0] if value is not None and reduction == NONE else value
    scale = 1.0
    if reduction == MEAN:
        try:
            counted = survey(loss, target, class_weight, weight.shape[0], ignore, smoothing, input.dtype)
        except Outside:
            return None
        scale = scale_of(MEAN, counted)
    call = Linear(loss, (input, weight, bias, target, class_weight), (), scale, reduction == NONE)
    call.ignore, call.smoothing = ignore, smoothing
    call.for_each = tuple(each is not None and each.requires_grad for each in (input, weight, bias))
    try:
        if torch.is_grad_enabled() and any(call.for_each):
            return record(call, input, weight, bias)
        return call.value(call.tensors)
    except Outside:
        return None


def _ours(
    input: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, class_weight: Tensor | None
) -> bool:
    """Whether shapes and dtypes are torch's, which otherwise says so, and a kernel may read them."""
    given = [each for each in (input, weight, bias, target, class_weight) if each is not None]
    if eligibility.autocasting() or not eligibility.plain(*given):
        return False
    if (
        input.ndim not in (1, 2)
        or weight.ndim != 2
        or input.shape[-1] != weight.shape[1]
        or input.dtype not in NAMES
        or not input.numel()
        or not weight.numel()
    ):
        return False
    classes = weight.shape[0]
    if weight.dtype is not input.dtype or (
        bias is not None and (bias.dtype is not input.dtype or bias.shape != (classes,))
    ):
        return False
    if class_weight is not None and (
        class_weight.requires_grad
        or class_weight.dtype is not input.dtype
        or class_weight.shape != (classes,)
    ):
        return False
    soft = target.shape == (*input.shape[:-1], classes)
    return not target.requires_grad and (
        (soft and target.dtype is input.dtype)
        or (target.shape == input.shape[:-1] and target.dtype is torch.int64)
    )


def survey(
    loss: Rows,
    target: Tensor,
    class_weight: Tensor | None,
    classes: int,
    ignore: int,
    smoothing: float,
    dtype: torch.dtype,
) -> float:
    """What the mean over all rows is over, as `Rows.survey` says it."""
    # Logits that take no memory: only their shape is looked at.
    logits = torch.empty((), dtype=dtype, device="cpu").expand(len(target), classes)
    call = Logits(loss, (logits[:1], target[:1], class_weight, None), (), 1.0, False, ignore, smoothing)
    call.fits()
    call.rows = len(target)
    if call.target is not None:
        call.target = target.contiguous()
    return call.survey()


class Linear(LossNode):
    """A call: input, weight, bias, target, class weights; and the pass over the chunks."""

    __slots__ = ("for_each", "ignore", "smoothing")
    for_each: tuple[bool, ...]  # whether input, weight and bias want a gradient
    ignore: int
    smoothing: float

    def at_once(self, input: Tensor) -> bool:
        return False  # all rows share the gradients of weight and bias

    def value(self, tensors: Any) -> Tensor:
        if not self.wanted:
            return self.run(tensors, (False, False, False), None)[0]
        value, self.gradients = self.run(tensors, self.for_each, None)
        return value

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        return self.run(tensors, self.for_each, upstream, factor)[1]

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        """The logits are computed again, all at once."""
        *_, target, class_weight = tensors
        refuse_no_class(target, self.ignore, len(tensors[1]))

        def values_of(logits: Tensor) -> Tensor:
            return margin.rows(
                self.loss.entry, (), logits, target, class_weight, self.ignore, self.smoothing
            )[0]

        with torch.enable_grad():
            input, weight, bias = apart(tensors[:3])
            there = input
            if not bool(input.isfinite().all()):
                logits = _F.linear(input, weight, bias).detach().requires_grad_()
                slopes = torch.autograd.grad(values_of(logits).sum(), logits)[0]
                there = _without_removed(input, slopes)
            values = values_of(_F.linear(there, weight, bias))
            inputs = [each for each, want in zip((input, weight, bias), self.for_each, strict=True) if want]
            upstream = upstream.to(values.dtype).expand(values.shape) * self.scale
            found = iter(torch.autograd.grad(values, inputs, upstream, create_graph=True))
        return tuple(next(found) if want else None for want in self.for_each)

    def run(
        self,
        tensors: Any,
        wanted: tuple[bool, ...],
        upstream: Tensor | None,
        factor: float = 1.0,
    ) -> tuple[Tensor, Gradients]:
        """The loss, and the gradients that are wanted (of input, weight, bias), the latter times `factor`, or
        each row's times its upstream."""
        given: list[Any] = [None if each is None else each.detach() for each in tensors]
        input, weight, bias, target, class_weight = given
        rows, classes = len(input), len(weight)
        step = min(rows, max(LEAST_ROWS, CHUNK // (classes * input.element_size())))
        summed_in = torch.float32 if input.dtype in HALVES else input.dtype
        for_input = torch.empty_like(input, memory_format=torch.contiguous_format) if wanted[0] else None
        for_weight = torch.empty(weight.shape, dtype=summed_in, device="cpu") if wanted[1] else None
        for_bias = torch.zeros(classes, dtype=summed_in, device="cpu") if wanted[2] else None
        logits = torch.empty(step, classes, dtype=input.dtype, device="cpu")
        room = torch.empty(step, classes, dtype=input.dtype, device="cpu") if any(wanted) else None
        computed = torch.float64 if input.dtype is torch.float64 else torch.float32
        values, total = [], 0.0
        for first in range(0, rows, step):
            x = input[first : first + step]
            z = logits[: len(x)]
            if bias is None:
                torch.mm(x, weight.t(), out=z)
            else:
                torch.addmm(bias, x, weight.t(), out=z)
            each = there = None
            if upstream is not None:
                each, there = as_weight(upstream[first : first + step].to(computed).contiguous(), None)
            call = Logits(
                self.loss, (z, target[first : first + step], class_weight, each), (), self.scale * factor,
                self.unreduced and upstream is None, self.ignore, self.smoothing,
            )  # fmt: skip
            call.fits()
            g = None if room is None else room[: len(x)]
            values.append(call.run(g, each))
            total += call.total
            if g is None:
                continue
            if there is not None:
                g.mul_(there.unsqueeze(-1))
            g = g.to(input.dtype)
            if for_input is not None:
                torch.mm(g, weight, out=for_input[first : first + step])
            if for_weight is not None:
                x = x if bool(x.isfinite().all()) else _without_removed(x, g)
                _add_product(for_weight, g, x, first == 0)
            if for_bias is not None:
                for_bias += g.sum(0, dtype=summed_in)
        value = (
            torch.cat(values)
            if self.unreduced and upstream is None
            else torch.tensor(total / factor if factor else total, dtype=input.dtype, device="cpu")
        )
        return value, (
            for_input,
            None if for_weight is None else for_weight.to(weight.dtype),
            None if for_bias is None else for_bias.to(weight.dtype),
        )


def _without_removed(input: Tensor, slopes: Tensor) -> Tensor:
    """The input but for rows whose logits have no slope: what is ignored, or weighs 0, is not there for the weight either,
    though it be NaN."""
    return torch.where(slopes.any(-1, keepdim=True), input, 0)


def _add_product(sum: Tensor, g: Tensor, x: Tensor, first: bool) -> None:
    """sum += g.T @ x, or = for the first; a product of halves is added in float32."""
    if sum.dtype is not g.dtype:
        product = torch.mm(g.t(), x)
        sum.copy_(product) if first else sum.add_(product)
    elif first:
        torch.mm(g.t(), x, out=sum)
    else:
        sum.addmm_(g.t(), x)

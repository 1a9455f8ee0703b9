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
from torch.autograd import Function

from losscope.torch import margin, ready
from losscope.torch.ready import HALVES, NAMES
from losscope.torch.rows import Batch, Rows

# Bytes of a chunk of logits: rows enough for a matrix product at full speed, few enough to be a small part of all.
CHUNK = 32 << 20
LEAST_ROWS = 128

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


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
    given = [each for each in (input, weight, bias, target, class_weight) if each is not None]
    if (
        reduction not in ("mean", "sum", "none")
        or not 0.0 <= smoothing <= 1.0
        or ready.autocasting("cpu")
        or not ready.plain(*given)
    ):
        return None
    if (
        input.ndim not in (1, 2)
        or weight.ndim != 2
        or input.shape[-1] != weight.shape[1]
        or input.dtype not in NAMES
        or not input.numel()
        or not weight.numel()
    ):
        return None
    classes = weight.shape[0]
    if weight.dtype is not input.dtype or (
        bias is not None and (bias.dtype is not input.dtype or bias.shape != (classes,))
    ):
        return None
    if class_weight is not None and (
        class_weight.requires_grad
        or class_weight.dtype is not input.dtype
        or class_weight.shape != (classes,)
    ):
        return None
    spread = target.shape == (*input.shape[:-1], classes)
    if target.requires_grad or not (
        (spread and target.dtype is input.dtype)
        or (target.shape == input.shape[:-1] and target.dtype is torch.int64)
    ):
        return None
    if input.ndim == 1:
        value = linear_rows(
            loss, input[None], weight, bias, target[None], class_weight, ignore, reduction, smoothing
        )
        return value[0] if value is not None and reduction == "none" else value
    this = _Call(loss, ignore, smoothing, reduction == "none")
    if spread:
        counted = float(len(target))
    else:
        known = this.count(target, class_weight, classes, input.dtype)
        if known is None:
            return None
        counted = known
    this.scale = 1.0 if reduction != "mean" else 1.0 / counted if counted else float("inf")
    if torch.is_grad_enabled() and any(
        each is not None and each.requires_grad for each in (input, weight, bias)
    ):
        return _Linear.apply(input, weight, bias, target, class_weight, this)
    return this.run((input, weight, bias, target, class_weight), (False, False, False), None)[0]


class _Call:
    """What is not a tensor of one call, and the pass over the chunks."""

    def __init__(self, loss: Rows, ignore: int, smoothing: float, unreduced: bool):
        self.loss, self.ignore, self.smoothing, self.unreduced = loss, ignore, smoothing, unreduced
        self.scale = 1.0

    def count(
        self, target: Tensor, class_weight: Tensor | None, classes: int, dtype: torch.dtype
    ) -> float | None:
        # Logits that take no memory: only their shape is looked at.
        logits = torch.empty((), dtype=dtype).expand(len(target), classes)
        batch = Batch.of(logits[:1], target[:1], class_weight, self.ignore, self.smoothing)
        assert batch is not None
        batch.rows, batch.target = len(target), target.contiguous()
        return self.loss.count(batch)

    def run(
        self,
        tensors: tuple[Any, ...],
        wanted: tuple[bool, bool, bool],
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
        for_weight = torch.empty(weight.shape, dtype=summed_in) if wanted[1] else None
        for_bias = torch.zeros(classes, dtype=summed_in) if wanted[2] else None
        logits = torch.empty(step, classes, dtype=input.dtype)
        room = (
            torch.empty(step, classes, dtype=torch.float32 if input.dtype is torch.float16 else input.dtype)
            if any(wanted)
            else None
        )
        values, total = [], 0.0
        for first in range(0, rows, step):
            x = input[first : first + step]
            z = logits[: len(x)]
            if bias is None:
                torch.mm(x, weight.t(), out=z)
            else:
                torch.addmm(bias, x, weight.t(), out=z)
            batch = Batch.of(z, target[first : first + step], class_weight, self.ignore, self.smoothing)
            assert batch is not None
            g = None if room is None else room[: len(x)]
            each = (
                None if upstream is None else upstream[first : first + step].to(batch.computed).contiguous()
            )
            value, partial = self.loss.run(
                batch, g, each, self.unreduced and upstream is None, self.scale * factor, ()
            )
            values.append(value)
            total += partial
            if g is None:
                continue
            g = g.to(input.dtype)
            if for_input is not None:
                torch.mm(g, weight, out=for_input[first : first + step])
            if for_weight is not None:
                _add_product(for_weight, g, x, first == 0)
            if for_bias is not None:
                for_bias += g.sum(0, dtype=summed_in)
        value = (
            torch.cat(values)
            if self.unreduced and upstream is None
            else torch.tensor(total / factor if factor else total, dtype=input.dtype)
        )
        return value, (
            for_input,
            None if for_weight is None else for_weight.to(weight.dtype),
            None if for_bias is None else for_bias.to(weight.dtype),
        )


def _add_product(sum: Tensor, g: Tensor, x: Tensor, first: bool) -> None:
    """sum += g.T @ x, or = for the first; a product of halves is added in float32."""
    if sum.dtype is not g.dtype:
        product = torch.mm(g.t(), x)
        sum.copy_(product) if first else sum.add_(product)
    elif first:
        torch.mm(g.t(), x, out=sum)
    else:
        sum.addmm_(g.t(), x)


class _Linear(Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        class_weight: Tensor | None,
        this: _Call,
    ) -> Tensor:
        tensors = (input, weight, bias, target, class_weight)
        # Hooks on what is saved (checkpointing, save_on_cpu) would not see the gradients.
        later = this.unreduced or ready.saving_hooks(True)
        wanted = (False, False, False) if later else tuple(ctx.needs_input_grad[:3])
        value, gradients = this.run(tensors, wanted, None)  # type: ignore[arg-type]
        ctx.gradients = None if later else gradients
        ctx.this = this
        ctx.save_for_backward(*tensors)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        this = ctx.this
        if torch.is_grad_enabled() or ready.batched(upstream):
            return *_as_operations(ctx, upstream), None, None, None
        gradients, ctx.gradients = ctx.gradients, None  # the one reference is handed over
        if gradients is None:
            # Given away before, or not made; or each row has an upstream of its own: the logits are computed again.
            wanted = tuple(ctx.needs_input_grad[:3])
            if this.unreduced:
                gradients = this.run(ctx.saved_tensors, wanted, upstream)[1]
            else:
                gradients = this.run(ctx.saved_tensors, wanted, None, upstream.item())[1]
        else:
            factor = upstream.item()
            if factor != 1.0:
                for each in gradients:
                    if each is not None:
                        each.mul_(factor)
        return *gradients, None, None, None


def _as_operations(ctx: Any, upstream: Tensor) -> list[Tensor | None]:
    """The gradients as torch operations, differentiable: the logits are computed again, all at once."""
    input, weight, bias, target, class_weight = ctx.saved_tensors
    this = ctx.this
    with torch.enable_grad():
        values = margin.row_values(
            this.loss.entry,
            (),
            _F.linear(input, weight, bias),
            target,
            class_weight,
            this.ignore,
            this.smoothing,
        )
        wanted = [
            each for each, needed in zip((input, weight, bias), ctx.needs_input_grad, strict=False) if needed
        ]
        found = iter(
            torch.autograd.grad(
                values, wanted, upstream.to(values.dtype).expand(values.shape) * this.scale, create_graph=True
            )
        )
    return [next(found) if needed else None for needed in ctx.needs_input_grad[:3]]

"""Losses as registered operators of torch: what a compiler sees in the place of a kernel.

Under `torch.compile` a loss is one node with a fake kernel (for shapes) and an autograd formula, so that
`fullgraph=True` works. In eager mode the same costs twice as much as `losscope.torch.elementwise`, which is why there
are two ways. A backward that is to be differentiated again answers with torch operations, as there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from losscope.reduction import MEAN, NONE, REDUCTIONS, scale_of
from losscope.torch import elementwise, eligibility, formula, rows
from losscope.torch.elementwise import Pointwise
from losscope.torch.eligibility import Outside
from losscope.torch.loss_node import as_weight
from losscope.torch.rows import Logits, Rows

# Losses by the name that a graph holds; a compiled graph may outlive the call that made it. A loss that is not here,
# of a name that another one has, say, is no operator.
POINTWISE: dict[str, Pointwise] = {}
ROWS: dict[str, Rows] = {}


def register(loss: Pointwise | Rows) -> None:
    """Let graphs hold a loss; ValueError where its name stands for another."""
    losses: dict[str, Any] = POINTWISE if isinstance(loss, Pointwise) else ROWS
    if losses.setdefault(loss.name, loss) is not loss:
        raise ValueError(f"two losses of graphs are named {loss.name!r}")
    loss.in_a_graph = partial(traced if isinstance(loss, Pointwise) else traced_rows, loss)


# --- elementwise


@torch.library.custom_op("losscope::pointwise", mutates_args=())
def pointwise_operator(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    loss: str,
    parameters: list[float],
    reduction: str,
    divisor: int,  # of a sum or mean, 0 for none
    differentiate: bool,
) -> tuple[Tensor, Tensor]:
    this = POINTWISE[loss]
    input, target = elementwise.dense(input.detach(), target.detach())
    weight = None if weight is None else elementwise.aligned(weight.detach(), input)
    scale = _scale(input, reduction, divisor)
    unreduced = reduction == NONE
    value = torch.empty_like(input) if unreduced else input.new_empty(())
    gradient = torch.empty_like(input) if differentiate and not unreduced else input.new_empty(0)
    if not input.numel():
        return value.fill_(float("nan") if reduction == MEAN else 0.0), gradient
    try:
        this.run(
            input,
            target,
            weight,
            tuple(parameters),
            scale,
            values=value if unreduced else None,
            gradient=gradient if gradient.numel() else None,
            result=None if unreduced else value,
        )
    except Outside:
        raise RuntimeError("all elements of input and target should be between 0 and 1") from None
    return value, gradient


@pointwise_operator.register_fake
def _(input, target, weight, loss, parameters, reduction, divisor, differentiate):
    unreduced = reduction == NONE
    value = torch.empty_like(input) if unreduced else input.new_empty(())
    return value, torch.empty_like(input) if differentiate and not unreduced else input.new_empty(0)


@torch.library.custom_op("losscope::pointwise_gradient", mutates_args=())
def pointwise_gradient(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    upstream: Tensor,
    loss: str,
    parameters: list[float],
    reduction: str,
    divisor: int,  # of a sum or mean, 0 for none
) -> Tensor:
    """The gradient by a pass of its own, times upstream, and rounded after that."""
    input, target = elementwise.dense(input.detach(), target.detach())
    weight = None if weight is None else weight.detach()
    scale, there = _scale(input, reduction, divisor), None
    if reduction == NONE:
        weight, there = as_weight(upstream.detach(), weight)
    else:
        scale *= upstream.item()
    gradient = torch.empty_like(input)
    if input.numel():
        weight = None if weight is None else elementwise.aligned(weight, input)
        POINTWISE[loss].run(input, target, weight, tuple(parameters), scale, gradient=gradient)
    return gradient if there is None else gradient.mul_(there)


@pointwise_gradient.register_fake
def _(input, target, weight, upstream, loss, parameters, reduction, divisor):
    return torch.empty_like(input)


def _scale(input: Tensor, reduction: str, divisor: int) -> float:
    if reduction == MEAN:
        return 1.0 / (divisor or input.numel() or 1)
    return 1.0 / divisor if divisor else 1.0


def _keep_pointwise(ctx: Any, inputs: tuple, output: tuple) -> None:
    input, target, weight, ctx.loss, ctx.parameters, ctx.reduction, ctx.divisor, differentiated = inputs
    ctx.made = differentiated and ctx.reduction != NONE
    ctx.save_for_backward(input, target, weight, output[1])
    ctx.set_materialize_grads(False)


def _back_pointwise(ctx: Any, upstream: Tensor | None, _: Tensor | None) -> Any:
    input, target, weight, gradient = ctx.saved_tensors
    none = (None,) * 7
    if upstream is None:
        return (None, *none)
    if _to_be_differentiated():
        this = POINTWISE[ctx.loss]
        input, target, parameters = formula.present(input, target, weight, tuple(ctx.parameters))
        slope = formula.Partial.apply(
            input, target, formula.Derivative(this.entry, this.through, parameters, prediction=1)
        )
        slope = slope if weight is None else slope * weight
        upstream = upstream.to(slope.dtype) * _scale(input, ctx.reduction, ctx.divisor)
        return ((slope * upstream).to(input.dtype), *none)
    if ctx.made:
        return (gradient * upstream, *none)
    call = (ctx.loss, ctx.parameters, ctx.reduction, ctx.divisor)
    return (pointwise_gradient(input, target, weight, upstream, *call), *none)


pointwise_operator.register_autograd(_back_pointwise, setup_context=_keep_pointwise)


def _made_in_forward(input: Tensor) -> bool:
    """Whether the gradient comes with the loss: that of halves would be rounded, and again once multiplied."""
    return input.requires_grad and torch.is_grad_enabled() and input.dtype not in eligibility.HALVES


def _to_be_differentiated() -> bool:
    """Grad mode is on in a backward that makes a graph; a compiler's tracing, under modes of its own, makes none."""
    return torch.is_grad_enabled() and not eligibility.watched()


def traced(
    loss: Pointwise,
    input: Tensor,
    target: Tensor,
    reduction: str,
    parameters: tuple[float, ...],
    weight: Tensor | None,
    divisor: float | None,
) -> Tensor | None:
    """The loss as an operator in a graph that is being traced, or None where it is not ours."""
    if (
        not (isinstance(input, Tensor) and isinstance(target, Tensor))
        or reduction not in REDUCTIONS
        or eligibility.transforming()  # an operator has no rules for `torch.func`
    ):
        return None
    if eligibility.autocasting():
        input, target = eligibility.full_precision(input, target)
    if (
        input.dtype != target.dtype
        or input.dtype not in eligibility.NAMES
        or input.shape != target.shape
        or input.device.type != "cpu"
        or target.device.type != "cpu"
    ):
        return None
    if target.requires_grad:
        return None
    if weight is not None:
        if (
            weight.requires_grad
            or weight.dtype != input.dtype
            or weight.device.type != "cpu"
            or weight.ndim > input.ndim
        ):
            return None
        weight = elementwise.expanded(weight, input)
    value, _ = pointwise_operator(
        input,
        target,
        weight,
        loss.name,
        list(parameters),
        reduction,
        0 if divisor is None else divisor,  # a size, which a graph may leave open
        _made_in_forward(input),
    )
    return value


# --- rows of logits


@torch.library.custom_op("losscope::rows", mutates_args=())
def rows_operator(
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    loss: str,
    ignore: int,
    reduction: str,
    smoothing: float,
    differentiate: bool,
) -> tuple[Tensor, Tensor]:
    unreduced = reduction == NONE
    made = differentiate and not unreduced
    if not input.numel():
        return _of_no_rows(input, reduction), torch.empty_like(input) if made else input.new_empty(0)
    call = _rows(loss, input, target, class_weight, unreduced, ignore, smoothing, reduction == MEAN)
    gradient = torch.empty_like(call.logits) if made else None
    try:
        value = call.run(gradient, None)
    except Outside as error:
        raise IndexError(*error.args) from None
    if gradient is None:
        return value, input.new_empty(0)
    return value, torch.empty_like(input).copy_(rows.in_layout(gradient, input))


def _of_no_rows(input: Tensor, reduction: str) -> Tensor:
    value = input.new_empty(rows.without_classes(input.shape) if reduction == NONE else ())
    return value.fill_(float("nan") if reduction == MEAN else 0.0)


@rows_operator.register_fake
def _(input, target, class_weight, loss, ignore, reduction, smoothing, differentiate):
    unreduced = reduction == NONE
    return input.new_empty(rows.without_classes(input.shape) if unreduced else ()), torch.empty_like(
        input
    ) if differentiate and not unreduced else input.new_empty(0)


@torch.library.custom_op("losscope::rows_gradient", mutates_args=())
def rows_gradient(
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    upstream: Tensor,
    loss: str,
    ignore: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """The gradient by a pass of its own, times upstream, and rounded after that."""
    if not input.numel():
        return torch.empty_like(input)
    call = _rows(loss, input, target, class_weight, False, ignore, smoothing, reduction == MEAN)
    gradient, weight, there = torch.empty_like(call.logits), None, None
    if reduction == NONE:
        weight, there = as_weight(upstream.detach().reshape(-1).to(call.computed).contiguous(), None)
    else:
        call.scale = upstream.item()
    call.run(gradient, weight)
    gradient = rows.in_layout(gradient, input)
    if there is not None:
        gradient = gradient.mul_(rows.of_classes(there, input))
    return torch.empty_like(input).copy_(gradient)


@rows_gradient.register_fake
def _(input, target, class_weight, upstream, loss, ignore, reduction, smoothing):
    return torch.empty_like(input)


def _rows(
    loss: str,
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    unreduced: bool,
    ignore: int,
    smoothing: float,
    mean: bool = False,
) -> Logits:
    tensors = tuple(None if each is None else each.detach() for each in (input, target, class_weight))
    call = Logits(ROWS[loss], (*tensors, None), (), 1.0, unreduced, ignore, smoothing, mean)
    if not call.fits():  # checked when it was traced
        raise RuntimeError(
            f"losscope::{loss}: shapes {tuple(input.shape)} and {tuple(target.shape)} do not fit"
        )
    return call


def _keep_rows(ctx: Any, inputs: tuple, output: tuple) -> None:
    input, target, class_weight, ctx.loss, ctx.ignore, ctx.reduction, ctx.smoothing, differentiated = inputs
    ctx.made = differentiated and ctx.reduction != NONE
    ctx.save_for_backward(input, target, class_weight, output[1])
    ctx.set_materialize_grads(False)


def _back_rows(ctx: Any, upstream: Tensor | None, _: Tensor | None) -> Any:
    input, target, class_weight, gradient = ctx.saved_tensors
    none = (None,) * 7
    if upstream is None:
        return (None, *none)
    if _to_be_differentiated():
        from losscope.torch import margin

        this = ROWS[ctx.loss]
        scale = 1.0
        if ctx.reduction == MEAN:
            counted = _rows(ctx.loss, input, target, class_weight, False, ctx.ignore, ctx.smoothing).survey()
            scale = scale_of(MEAN, counted)
        return (
            margin.gradient(
                this.entry, (), input, target, class_weight, ctx.ignore, ctx.smoothing, scale, upstream
            ),
            *none,
        )
    if ctx.made:
        return (gradient * upstream, *none)
    call = (ctx.loss, ctx.ignore, ctx.reduction, ctx.smoothing)
    return (rows_gradient(input, target, class_weight, upstream, *call), *none)


rows_operator.register_autograd(_back_rows, setup_context=_keep_rows)


def traced_rows(
    loss: Rows,
    input: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    ignore: int,
    reduction: str,
    smoothing: float,
) -> Tensor | None:
    """The loss as an operator in a graph that is being traced, or None where it is not ours."""
    if (
        not (isinstance(input, Tensor) and isinstance(target, Tensor))
        or reduction not in REDUCTIONS
        or not 0.0 <= smoothing <= 1.0
        or eligibility.transforming()
    ):
        return None
    if eligibility.autocasting():
        input, target = eligibility.full_precision(input, target)
        class_weight = eligibility.full_precision(class_weight, None)[0]
    if (
        input.dtype not in eligibility.NAMES
        or input.device.type != "cpu"
        or target.device.type != "cpu"
        or not input.ndim
        or target.requires_grad
    ):
        return None
    shape, classes = rows.without_classes(input.shape), input.shape[min(1, input.ndim - 1)]
    if not classes:
        return None
    if target.shape == input.shape:
        if target.dtype != input.dtype:
            return None
    elif target.shape != shape or target.dtype != torch.int64:
        return None
    if class_weight is not None and (
        class_weight.requires_grad
        or class_weight.dtype != input.dtype
        or class_weight.ndim != 1
        or class_weight.shape[0] != classes
    ):
        return None
    value, _ = rows_operator(
        input,
        target,
        class_weight,
        loss.name,
        int(ignore),
        reduction,
        float(smoothing),
        _made_in_forward(input),
    )
    return value

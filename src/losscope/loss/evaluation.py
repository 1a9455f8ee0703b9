"""A call of a loss on arrays: a batch made by the structure -> value and derivatives from the kernel -> what is returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from losscope.errors import LossError, complain
from losscope.loss.front_ends import front_end
from losscope.loss.parameters import check_held
from losscope.reduction import MEAN, NONE, check
from losscope.structures import mean

if TYPE_CHECKING:
    from losscope.loss import Loss

TOTAL: Any = object()  # a reduction that asks for the sum and the batch; not something a user passes


def evaluate(
    loss: Loss,
    order: int,
    prediction: Any,
    target: Any,
    weight: Any,
    reduction: str,
    options: dict[str, Any],
    out: Any = None,
) -> Any:
    """Value and as many derivatives as `order` says; for TOTAL the sum, and the batch it is of."""
    given = (prediction, target, weight, *options.values())
    constants, options = loss._split(options)
    if reduction is not TOTAL:
        check(reduction)
    batch = _batch(loss, prediction, target, weight, options, reduction == MEAN)
    if order == 2 and loss._structure.no_curvature:
        raise LossError(
            complain(
                f"{loss.entry.name} has no curvature for each number by itself: {loss._structure.no_curvature}",
                next_step=f"Use value_and_grad; curvature_formula is that in the {loss._structure.variable}",
            )
        )
    buffer = None if out is None else _buffer(out, batch, given)
    value, *derivatives = of_batch(loss, batch, constants, reduction, order, buffer)
    if reduction is TOTAL:
        return value, batch
    if out is not None:
        if buffer is None:
            out[...] = derivatives[0]
        derivatives[0] = out
    return (value, *derivatives)


def of_batch(
    loss: Loss, batch: Any, constants: tuple[float, ...], reduction: Any, order: int, buffer: Any = None
) -> tuple[Any, ...]:
    """Value and derivatives of a batch that the structure has prepared; for TOTAL, of which there is no derivative,
    the sum."""
    check_held(loss.parameters, constants, batch.dtype)
    total, outputs, inside = loss._run(loss._compiled, batch, constants, reduction, order, buffer)
    if not inside:
        loss._structure.check_domains(loss.entry, batch, loss.activation is not None)
    value: Any = total
    if reduction == NONE:
        value = _values(loss, outputs["values"], batch)
    elif reduction == MEAN:
        value = total / batch.total_weight if batch.total_weight else float("nan")
    derivatives = [
        _returned(outputs[name].reshape(batch.given.shape), batch.given)
        for name in ("gradient", "curvature")[:order]
    ]
    return (value, *derivatives)


def _batch(
    loss: Loss, prediction: Any, target: Any, weight: Any, options: dict[str, Any], averaged: bool
) -> Any:
    """The arrays as a kernel takes them, checked by the structure."""
    if not averaged:
        return loss._structure.prepare(loss.entry, prediction, target, weight, **options)
    if weight is None and not options:
        batch = loss._structure.prepare(loss.entry, prediction, target, None)
    else:
        batch, _, _ = mean.prepare(loss._structure, loss.entry, prediction, target, weight, options)
    if batch.given.size == 0:
        raise LossError(
            complain(
                "There is no mean of nothing: the input is empty",
                got=f"shape {batch.given.shape}",
                next_step='Use reduction="sum", or skip the empty batch',
            )
        )
    return batch


def _values(loss: Loss, values: Any, batch: Any) -> Any:
    """The unreduced values, one for each element or row."""
    if loss.entry.over == "rows":
        values = values.reshape(batch.given.shape).sum(-1, dtype="float64")
    return _returned(values.reshape(batch.shape), batch.given)


def activate(
    loss: Loss,
    score: Any,
    target: Any,
    order: int,
    weight: Any,
    reduction: str,
    options: dict[str, Any],
    out: Any = None,
) -> Any:
    """The numbers of an activation, and as many derivatives as `order` says."""
    if target is not None:
        raise LossError(
            complain(
                f"{loss.entry.name} is an activation: it takes a score and no target",
                next_step=f"A loss goes through it: losscope.squared_error.through({loss.entry.name!r})",
            )
        )
    if weight is not None or reduction not in (MEAN, NONE):  # "mean" is the default of a call
        raise LossError(
            complain(
                f"{loss.entry.name} is an activation: one number out for each number in, without weight or reduction"
            )
        )
    taken = front_end(score)
    if taken is not None and order == 0:
        return (taken.activate(loss.bind(**options) if options else loss, score),)
    return evaluate(loss, order, score, score, None, NONE, options, out)


def _buffer(out: Any, batch: Any, given: tuple[Any, ...]) -> Any:
    """`out`, checked, if the kernel can write into it; None if what is computed must be converted for it. It is apart from what
    was given, be that read in another dtype."""
    from losscope.structures.arrays import held, ready_out

    read = (getattr(batch, name) for name in batch.__slots__)
    inputs = [*held(given), *(each for each in read if hasattr(each, "__array_interface__"))]
    plain = ready_out(out, batch.given, *inputs)
    return plain if plain.dtype == batch.dtype else None


def _returned(array: Any, given: Any) -> Any:
    """In the dtype of what was given; whole numbers come back as float64."""
    if array.dtype != given.dtype and given.dtype.kind not in "iub":
        with numpy.errstate(under="ignore", over="ignore"):
            array = array.astype(given.dtype, copy=False)
    return array[()]  # of a single number, a number

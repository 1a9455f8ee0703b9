"""What was given -> tensors that a loss can run on, or an error that says what, where, got, expected, next step."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy
import torch

from losscope.errors import LossError, LossTypeError, complain
from losscope.loss import Loss
from losscope.reduction import MEAN
from losscope.structures import arrays, mean
from losscope.torch import eligibility


def elsewhere(prediction: torch.Tensor) -> bool:
    """Whether there are no numbers that a kernel could read."""
    return eligibility.transformed() or not prediction.is_cpu


def prepared(
    loss: Loss,
    prediction: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    options: dict[str, Any],
    reduction: str,
) -> tuple[Any, torch.Tensor | None, dict[str, Any]]:
    """All of it looked at as arrays: the batch, and the weights and options as they are to be used."""
    given = array_of(prediction, "prediction"), array_of(target, "target"), array_of(weight, "weight")
    class_weight = options.get("class_weight")
    options = {
        name: array_of(each, name) if isinstance(each, torch.Tensor) else each
        for name, each in options.items()
    }
    if reduction == MEAN:
        batch, weighing, options = mean.prepare(loss._structure, loss.entry, *given, options)
    else:
        batch, weighing = loss._structure.prepare(loss.entry, *given, **options), given[2]
    if class_weight is not None:
        options = {**options, "class_weight": _tensor(options["class_weight"], class_weight)}
    return batch, None if weight is None else _tensor(weighing, weight), options


def _tensor(array: numpy.ndarray, given: torch.Tensor) -> torch.Tensor:
    """An array that was made of a tensor: that tensor again if it is its memory, for of another one nobody would notice that it
    was written to."""
    found = torch.as_tensor(array)
    same = found.data_ptr() == given.data_ptr() and found.dtype is given.dtype and found.shape == given.shape
    return given if same else found


def tensor_of(value: Any, name: str, beside: torch.Tensor | None = None) -> torch.Tensor:
    """What was given as a plain tensor beside another on its device, or an error that says what it is instead, and
    what to do with it."""
    if not isinstance(value, torch.Tensor):
        array = arrays.as_array(value, name)
        # By its name: whole numbers of C's `long long` have another type with the same one, which torch does not know.
        known = "float32" if array.dtype.name == "bfloat16" else array.dtype.name
        # Writable and without negative strides, as torch wants it.
        array = numpy.require(array, known, ["C", "W"])
        return torch.as_tensor(array, device=None if beside is None else beside.device)
    what = None
    if value.is_nested:
        what = ("is nested", f"Use {name}.to_padded_tensor(0.0) and weights, or {name}.values()")
    elif eligibility.recorded():
        what = (
            "is looked on by a mode of torch, traced or exported, which would not see a kernel",
            "In a graph, use a function of losscope.torch.functional",
        )
    elif type(value) not in eligibility.PLAIN:
        kind = type(value).__name__
        what = (f"is a {kind}, which may be more than its numbers", f"Use {name}.as_subclass(torch.Tensor)")
    elif value.is_complex():
        what = (f"is complex ({value.dtype})", f"Use {name}.abs(), .real or .imag")
    elif value.is_quantized:
        what = (f"is quantized ({value.dtype})", f"Use {name}.dequantize()")
    elif value.layout is not torch.strided:
        what = (f"is {_LAYOUTS.get(value.layout, 'not dense')} ({value.layout})", f"Use {name}.to_dense()")
    elif value.is_meta:
        what = ("is on the device meta, and holds no numbers", "")
    elif value.is_floating_point() and value.dtype not in eligibility.NAMES:
        what = (f"is of {value.dtype}, which no kernel takes", f"Use {name}.float()")
    elif beside is not None and value.device != beside.device:
        what = (f"is on {value.device}, the prediction on {beside.device}", f"Use {name}.to({beside.device})")
    if what is not None:
        raise LossTypeError(complain(f"{name} {what[0]}", next_step=what[1]))
    return eligibility.in_memory(value)


_LAYOUTS = {
    torch.sparse_coo: "sparse", torch.sparse_csr: "sparse", torch.sparse_csc: "sparse",
    torch.sparse_bsr: "sparse", torch.sparse_bsc: "sparse",
}  # fmt: skip


def beside(prediction: torch.Tensor, value: Any, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The prediction, and a list, an array or a tensor beside it. Numbers that are no tensor take on the prediction's dtype;
    where that does not hold them, the prediction takes on theirs."""
    tensor = tensor_of(value, name, prediction)
    if (
        isinstance(value, torch.Tensor)
        or not tensor.is_floating_point()
        or not prediction.is_floating_point()
    ):
        return prediction, tensor
    narrow = tensor.to(prediction.dtype)
    if bool(((narrow == tensor) | tensor.isnan()).all()):
        return prediction, narrow
    wide = torch.promote_types(prediction.dtype, tensor.dtype)
    return prediction.to(wide), tensor.to(wide)


def constant(value: Any, name: str, beside: torch.Tensor) -> torch.Tensor:
    """A tensor in which a loss has no gradient."""
    tensor = tensor_of(value, name, beside)
    if (tensor.requires_grad and torch.is_grad_enabled()) or eligibility.has_tangent(tensor):
        raise LossTypeError(
            complain(
                f"{name} requires a gradient, and this loss gives none for it",
                next_step=f"Use {name}.detach()",
            )
        )
    return tensor.detach() if tensor.requires_grad else tensor


def alike(**tensors: torch.Tensor) -> tuple[torch.dtype, tuple[torch.Tensor, ...]]:
    """The widest of their floating dtypes, float64 where none is floating; and all of them in it, or in one that holds
    their whole numbers. Raises LossError for those that none holds."""
    floating = [each.dtype for each in tensors.values() if each.is_floating_point()]
    dtype = wide = reduce(torch.promote_types, floating) if floating else torch.float64
    for name, each in tensors.items():
        if not each.is_floating_point() and each.is_cpu:
            with eligibility.no_transforms():
                largest = arrays.largest_whole(name, array_of(eligibility.underneath(each), name))
            wide = next(
                of
                for of in (wide, torch.float32, torch.float64)
                if largest <= _HELD[of] or of == torch.float64
            )
    return dtype, tuple(each.to(wide) for each in tensors.values())


_HELD = {torch.bfloat16: 2**8, torch.float16: 2**11, torch.float32: 2**24, torch.float64: 2**53}


def same_shape(prediction: torch.Tensor, target: torch.Tensor) -> None:
    if prediction.shape != target.shape:
        raise LossError(
            complain(
                "prediction and target differ in shape",
                got=f"prediction {tuple(prediction.shape)}, target {tuple(target.shape)}",
                expected="the same shape for both",
            )
        )


def out_of_domain(loss: Loss) -> LossError:
    """What is said where no place can be named: of tensors on another device, or under torch.func."""
    entry = loss.entry
    names = ("target",) if loss.activation is not None else ("prediction", "target")
    return LossError(
        complain(
            f"{entry.name} was given numbers outside of its domain",
            expected="; ".join(f"{name} {getattr(entry, name).words}" for name in names),
        )
    )


def array_of(tensor: torch.Tensor | None, name: str) -> Any:
    """The memory of a tensor as an array; bfloat16, which NumPy does not know, as float32."""
    if tensor is None:
        return None
    if not tensor.is_cpu:
        raise LossTypeError(
            complain(
                f"{name} is on {tensor.device}", expected="a tensor on the CPU", next_step=f"Use {name}.cpu()"
            )
        )
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def unsupported(tensor: torch.Tensor, name: str) -> LossTypeError:
    return LossTypeError(
        complain(
            f"{name} is a tensor that losscope does not compute with",
            got=f"{type(tensor).__name__}, {tensor.dtype}, {tensor.layout}",
            expected="a dense tensor of float32, float64, bfloat16 or float16",
        )
    )

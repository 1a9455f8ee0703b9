"""Whether, and how, a call is ours: by a kernel, by the formula in torch operations, or not at all.

Only what is unusual is asked of torch itself, and each question is one call into C: at a thousand elements all
of them together may cost a microsecond or two.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

from losscope.engine.machine import host
from losscope.torch import openmp

openmp.lend()

NOT_OURS, KERNEL, FORMULA = 0, 1, 2


class Outside(Exception):
    """A number lies outside its domain, or a class is none (the text says it), of a loss that refuses such input."""


class Nowhere(Outside):
    """A tensor has numbers, and no memory that holds them: a tangent of zeros, a storage that was given up."""


def nowhere() -> int:
    raise Nowhere


def address(tensor: Tensor | None) -> int | None:
    """Where the numbers of a tensor lie; None of none. Raises Nowhere."""
    return None if tensor is None else tensor.data_ptr() or nowhere()


def in_memory(tensor: Tensor) -> Tensor:
    """The tensor, or a copy of one whose numbers are not what lies in its memory: zeros without any, which tangents are, and
    numbers with the other sign, which the imaginary part of a conjugate is."""
    return tensor.clone() if tensor._is_zerotensor() else tensor.resolve_neg()


PLAIN = (Tensor, torch.nn.Parameter)
_STRIDED = torch.strided


def dense(tensor: Any) -> bool:
    """Whether it is a tensor of torch's own of one shape, all of whose numbers have a place: not sparse, and not nested."""
    return type(tensor) in PLAIN and tensor.layout is _STRIDED and not tensor.is_nested


NAMES = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.bfloat16: "bfloat16",
}
if host().has_halves:
    NAMES[torch.float16] = "float16"
HALVES = (torch.bfloat16, torch.float16)


def _absent(*_: Any) -> Any:
    return 0


# torch's own private state, by names that it has had since 2.4.
transforming: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", _absent)
_modes = getattr(torch._C, "_len_torch_dispatch_stack", _absent)
_tracing = getattr(torch._C, "_get_tracing_state", _absent)
_wrapped = getattr(torch._C._functorch, "is_functorch_wrapped_tensor", _absent)
_unwrapped = getattr(torch._C._functorch, "get_unwrapped", _absent)
_batched = getattr(torch._C._functorch, "is_batchedtensor", _absent)
_many = getattr(torch._C._functorch, "_add_batch_dim", _absent)
_axis = getattr(torch._C._functorch, "maybe_get_bdim", _absent)
_level = getattr(torch._C._functorch, "maybe_get_level", _absent)
_legacy = getattr(torch._C._functorch, "is_legacy_batchedtensor", _absent)
function_modes: Callable[[], int] = getattr(torch._C, "_len_torch_function_stack", _absent)
# What `saved_tensors_hooks` (of checkpointing, of save_on_cpu) has put on top, or None.
saving_hooks: Callable[[bool], Any] = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", _absent)
_transforms = getattr(torch._C._functorch, "get_interpreter_stack", _absent)
_FUNCTIONALIZE = torch._C._functorch.TransformType.Functionalize
_some_autocast = getattr(torch._C, "_is_any_autocast_enabled", lambda: True)


def batched(upstream: Tensor) -> bool:
    """Whether a gradient that comes back stands for many at once (`is_grads_batched`, or a transform)."""
    return bool(_wrapped(upstream) or _legacy(upstream))


# True where torch cannot tell: tensors then live as long as their graph's last reference.
graph_is_kept: Callable[[], bool] = getattr(torch._C, "_get_current_graph_task_keep_graph", lambda: True)
if not hasattr(torch._C, "_get_current_graph_task_keep_graph"):
    graph_is_kept = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)

# PyTorch's own words.
FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
    "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
    "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
    "saved tensors after calling backward."
)
WRITTEN_TO = (
    "one of the variables needed for gradient computation has been modified by an inplace operation: an input of a "
    "loss was written to after the loss was computed, and its gradient is wanted again"
)

MEAN_IS_NOT_BATCHMEAN = (
    "reduction: 'mean' divides the total loss by both the batch size and the support size."
    "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
    "'mean' will be changed to behave the same as 'batchmean' in the next major release."
)


def autocasting() -> bool:
    """Whether autocast is on, on the CPU. That it is on anywhere is asked first: without a word to parse, it is a
    microsecond sooner known."""
    return bool(_some_autocast() and torch.is_autocast_enabled("cpu"))


def listened() -> bool:
    """Whether a function mode is to hear of what is called; a device for new tensors (`torch.device`,
    `torch.set_default_device`) has no say in what a loss of old ones is."""
    return bool(function_modes()) and not all(
        isinstance(each, DeviceContext) for each in _get_current_function_mode_stack()
    )


def watched() -> bool:
    """Whether a mode looks on: fake tensors, a compiler's tracing, a profiler of operations."""
    return bool(_modes())


def recorded() -> bool:
    """Whether what is done is written down, by a mode that looks on, in a trace or by `functionalize`, and not only done."""
    return bool(_modes() or _tracing()) or functionalized()


def functionalized() -> bool:
    """Whether `torch.func.functionalize` is at work, which has no rule for a function with a derivative of its own."""
    return any(each.key() == _FUNCTIONALIZE for each in _transforms() or ())


# While it is entered, tensors are what they are, whatever transforms are at work.
no_transforms: Callable[[], Any] = getattr(torch._C, "_DisableFuncTorch", nullcontext)


def underneath(tensor: Tensor) -> Tensor:
    """The numbers that a tensor of a `torch.func` transform stands for, all of them."""
    while _wrapped(tensor):
        tensor = _unwrapped(tensor)
    return tensor.detach()


def of_many(tensor: Tensor) -> bool:
    """Whether vmap has many tensors where there is this one."""
    while _wrapped(tensor):
        if _batched(tensor):
            return True
        tensor = _unwrapped(tensor)
    return False


def by_operations(*tensors: Any) -> bool:
    """Whether a call of tensors (or None), in which the first decides, is one of torch operations: plain ones on another
    device, or under a transform or in forward mode."""
    if not isinstance(tensors[0], Tensor):
        return False
    device = tensors[0].device
    for each in tensors:
        if each is not None and (not dense(each) or each.device != device or each.is_meta):
            return False
    if listened() or recorded():
        return False
    return not tensors[0].is_cpu or transformed()


def transformed() -> bool:
    """Whether a tensor may stand for more than its numbers: under `torch.func`, or in forward mode."""
    return bool(transforming() or forward_ad._current_level >= 0)


def has_tangent(tensor: Tensor) -> bool:
    """Whether forward mode is to carry a derivative through the tensor."""
    if forward_ad._current_level < 0:
        return False
    while _batched(tensor):  # which torch cannot take apart
        tensor = _unwrapped(tensor)
    return forward_ad.unpack_dual(tensor).tangent is not None


def without_tangent(tensor: Tensor) -> Tensor:
    """The tensor without what forward mode carries beside it."""
    if _batched(tensor):  # which torch cannot take apart, but what it is made of
        return _many(without_tangent(_unwrapped(tensor)), _axis(tensor), _level(tensor))
    return forward_ad.unpack_dual(tensor).primal


def how(input: Tensor, target: Tensor) -> int:
    """KERNEL, FORMULA or NOT_OURS for a pair of tensors that must agree in shape and dtype."""
    if (
        not (dense(input) and dense(target))
        or input.dtype not in NAMES
        or input.dtype is not target.dtype
        or input.shape != target.shape
        or listened()
        or _modes()
        or _tracing()
    ):
        return NOT_OURS
    if input.is_cpu and target.is_cpu:
        if transforming() or forward_ad._current_level >= 0:
            return FORMULA if input.numel() and not functionalized() else NOT_OURS
        return NOT_OURS if input.is_neg() or target.is_neg() or not input.numel() else KERNEL
    if input.is_meta or input.device != target.device or not input.numel() or functionalized():
        return NOT_OURS
    return FORMULA


def plain(*tensors: Any) -> bool:
    """Whether a kernel may read the tensors of a call: they are torch's own, dense numbers on the CPU, and nobody
    looks on who would have to see what is done with them."""
    for each in tensors:
        if not dense(each) or not each.is_cpu or each.is_neg():
            return False
    return not (listened() or _modes() or _tracing() or transforming() or forward_ad._current_level >= 0)


def usual(*tensors: Any) -> bool:
    """Whether other tensors of the call (weights) are plain, on the CPU, and want no gradient."""
    for each in tensors:
        if each is not None and (not dense(each) or not each.is_cpu or each.requires_grad or each.is_neg()):
            return False
    return True


def in_dtype_of(input: Any, weight: Any) -> Any:
    """A weight of a dtype that is promoted to the input's beside it (mere flags, whole numbers, a narrower one), in the
    input's: the result is of that dtype in PyTorch too. Any other weight as it is."""
    if (
        not isinstance(weight, Tensor)
        or not isinstance(input, Tensor)
        or weight.dtype is input.dtype
        or input.dtype not in NAMES
        or weight.is_quantized
        or (weight.is_floating_point() and weight.dtype not in NAMES)
        or torch.promote_types(weight.dtype, input.dtype) is not input.dtype
    ):
        return weight
    return weight.to(input.dtype)


_scalars = {dtype: torch.empty((), dtype=dtype) for dtype in NAMES}


def widest(device: torch.device) -> torch.dtype:
    """The floating dtype of most digits that a device has."""
    return torch.float32 if device.type == "mps" else torch.float64


def scalar(dtype: torch.dtype) -> Tensor:
    """Room for one number on the CPU; the quickest way that torch has."""
    return torch.empty_like(_scalars[dtype])


def mixed_by_autocast(*tensors: Any) -> bool:
    """Whether autocast would matter to a loss that it does not know: PyTorch's works in the dtypes as they come."""
    return autocasting() and any(isinstance(each, Tensor) and each.dtype in HALVES for each in tensors)


def full_precision(input: Any, target: Any) -> tuple[Any, Any]:
    """What autocast does to the inputs of a loss on the CPU: halves become float32."""
    if isinstance(input, Tensor) and input.dtype in HALVES:
        input = input.float()
    if isinstance(target, Tensor) and target.dtype in HALVES:
        target = target.float()
    return input, target

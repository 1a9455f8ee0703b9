"""A loss as torch operations: any derivative of it, itself differentiable.

`Partial` is the derivative of a loss, i times in the prediction and j times in the target, derived from its formula
symbolically and evaluated by torch; its backward is the next such derivative. So double backward, `torch.func`
and forward mode are exact at every order, on every device, where differentiating operation by operation would
cancel or meet 0 times infinity in a branch that was not taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.autograd import forward_ad

from losscope import structures
from losscope.entry import Entry
from losscope.kernels import special
from losscope.kernels.polynomial import polynomial
from losscope.torch.eligibility import HALVES, NAMES, no_transforms, underneath, widest, without_tangent


@dataclass(frozen=True)
class Derivative:
    """Which derivative of which loss: `prediction` times in the prediction, `target` times in the target."""

    entry: Entry
    through: Entry | None
    parameters: tuple[Any, ...]  # numbers; of a loss with one that varies, a tensor
    prediction: int = 0
    target: int = 0

    def in_prediction(self) -> Derivative:
        return replace(self, prediction=self.prediction + 1)

    def in_target(self) -> Derivative:
        return replace(self, target=self.target + 1)


def values(
    entry: Entry, through: Entry | None, parameters: tuple[float, ...], prediction: Tensor, target: Tensor
) -> Tensor:
    """The unreduced loss of each element, differentiable in both, as often as wanted. A loss of one number alone (a
    margin, a difference) takes it for the target too."""
    return Partial.apply(prediction, target, Derivative(entry, through, parameters))


def present(
    prediction: Tensor, target: Tensor, weight: Tensor | None, parameters: tuple[Any, ...]
) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    """All of them, but where the weight is 0, numbers of any domain in the place of what stands there: such an element is
    not there, and NaN times 0 would be NaN, in the gradient too."""
    if weight is None:
        return prediction, target, parameters
    return *without(weight == 0, prediction, target), present_parameters(weight, parameters)


def without(gone: Tensor, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers of any domain in the place of what is gone."""
    return torch.where(gone, 0.5, prediction), torch.where(gone, 1.0, target)


def present_parameters(weight: Tensor, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those that vary are no infinity and no NaN where the weight is 0."""
    if not any(isinstance(each, Tensor) for each in parameters):
        return parameters
    with no_transforms():  # a parameter is no tensor of a transform, nor may it become one
        removed = underneath(weight) == 0
        return tuple(
            torch.where(removed & ~each.isfinite(), 1.0, each) if isinstance(each, Tensor) else each
            for each in parameters
        )


def has_slopes(prediction: Tensor, target: Tensor, which: Derivative, to_target: bool) -> Tensor:
    """Where a loss is a number, and so are its derivatives: the first two, and that in the target if there is one."""
    orders = [which, which.in_prediction(), which.in_prediction().in_prediction()]
    found = [Partial.apply(prediction, target, each).isfinite() for each in orders]
    if to_target and structures.get(which.entry.structure).second:
        found.append(Partial.apply(prediction, target, which.in_target()).isfinite())
    return torch.stack(found).all(0)


def total(values: Tensor) -> Tensor:
    """Their sum as kernels take it: in float64, where there is one, so that no mean overflows on its way."""
    return values.sum(dtype=widest(values.device))


def scaled(total: Tensor, scale: Any) -> Tensor:
    """A single number times another. Forward mode would make a tangent of float64 of a Python number beside a tensor of no
    axis."""
    return total * (scale if isinstance(scale, Tensor) else total.new_full((), scale))


class Partial(torch.autograd.Function):
    """One derivative of a loss, element by element; of halves in float32, for whoever uses it to round once."""

    generate_vmap_rule = True

    @staticmethod
    def forward(prediction: Tensor, target: Tensor, which: Derivative) -> Tensor:
        if prediction.dtype in HALVES:
            prediction, target = prediction.float(), target.float()
        partial = compiled(which.entry, which.through, which.prediction, which.target)
        alone = not structures.get(which.entry.structure).second
        arguments = (prediction,) if alone else (prediction, target)
        # Parameters are numbers of the dtype, as those of a kernel are.
        rounded = numpy.dtype(NAMES[prediction.dtype]).type
        parameters = [each if isinstance(each, Tensor) else float(rounded(each)) for each in which.parameters]
        try:
            result = partial(*arguments, *parameters)
        except (
            ZeroDivisionError
        ):  # Python's, of a parameter of 0: a tensor's quotient is infinite, or not chosen
            numbers = (
                torch.as_tensor(each, dtype=prediction.dtype, device=prediction.device) for each in parameters
            )
            result = partial(*arguments, *numbers)
        # An expression may be a plain number (a curvature of 2), or leave one of the two out.
        if not isinstance(result, Tensor):
            return torch.full_like(prediction, result)
        result = result.to(prediction.dtype).expand_as(prediction)
        return result.clone() if result is prediction or result is target else result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        prediction, target, ctx.which = inputs
        ctx.save_for_backward(prediction, target)
        ctx.save_for_forward(prediction, target)
        # A tangent that is not there is None: as zeros, beside a slope that is infinite, it would be NaN.
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None) -> Any:
        if upstream is None:
            return None, None, None
        prediction, target = ctx.saved_tensors
        in_prediction = in_target = None
        if ctx.needs_input_grad[0]:
            slope = Partial.apply(prediction, target, ctx.which.in_prediction())
            in_prediction = (upstream * slope).to(prediction.dtype)
        if ctx.needs_input_grad[1]:
            slope = Partial.apply(prediction, target, ctx.which.in_target())
            in_target = (upstream * slope).to(target.dtype)
        return in_prediction, in_target, None

    @staticmethod
    def jvp(
        ctx: Any, prediction_tangent: Tensor | None, target_tangent: Tensor | None, _: Any
    ) -> Tensor | None:
        parts = []
        # torch switches forward mode off in here, all of it: an outer one (`jacfwd` of `jacfwd`) would find 0, without a word.
        # On again, it must not meet this one's own tangents a second time.
        with forward_ad._set_fwd_grad_enabled(True):
            prediction, target = map(without_tangent, ctx.saved_tensors)
            if prediction_tangent is not None:
                parts.append(
                    prediction_tangent * Partial.apply(prediction, target, ctx.which.in_prediction())
                )
            if target_tangent is not None:
                parts.append(target_tangent * Partial.apply(prediction, target, ctx.which.in_target()))
            return sum(parts[1:], parts[0]) if parts else None


@lru_cache(4096)
def compiled(entry: Entry, through: Entry | None, in_prediction: int, in_target: int) -> Callable[..., Any]:
    """A derivative as a function of torch tensors and the loss's parameters."""
    from losscope.derive import derive
    from losscope.emit.python import function
    from losscope.emit.two_sided import two_sided

    parameters = [*entry.parameters, *(through.parameters if through else ())]
    derived = derive(entry, through)
    expression = two_sided(derivative(entry, through, in_prediction, in_target))
    source = function(
        "partial",
        structures.get(entry.structure).arguments,
        parameters,
        [expression],
        derived.residual,
        of=derived.value,
        zeros=derived.zeros,
    )
    namespace = dict(NAMESPACE)
    exec(source, namespace)
    return namespace["partial"]


@lru_cache(4096)
def derivative(entry: Entry, through: Entry | None, in_prediction: int, in_target: int) -> Any:
    """A derivative as an expression, in which the residual stands as a symbol of its own."""
    from losscope.derive import derive
    from losscope.emit.two_sided import two_sided, two_sided_sigmoid, two_sided_softplus
    from losscope.expression import symbol

    derived = derive(entry, through)
    if in_target == 0 and in_prediction <= 2:
        return (derived.value, derived.gradient, derived.curvature)[in_prediction]
    # Of a residual every slope in the target is one in the prediction, turned.
    if in_target and through is None and derived.of_residual_alone:
        return (-1) ** in_target * derivative(entry, None, in_prediction + in_target, 0)
    structure = structures.get(entry.structure)
    if (in_prediction, in_target) == (0, 1):
        slope = derived.in_second(symbol(structure.second))
        gathered = two_sided(slope)  # softplus(-z) - softplus(z) is -z
        return slope if gathered.has(two_sided_softplus, two_sided_sigmoid) else gathered
    # Of the forms that are at hand, the highest in the prediction cancels least; but one that was written for its slope in
    # the prediction has no other in the target.
    apart = entry.gradient_of or derived.target_gradient is not None
    variable, lower = (
        (structure.second, (in_prediction, in_target - 1))
        if in_target and not (apart and in_prediction)
        else (structure.variable, (in_prediction - 1, in_target))
    )
    return derived.along(derivative(entry, through, *lower), symbol(variable))


# --- the primitives, in torch. No derivative is ever taken through them.


def _series(x: Tensor, first: int, coefficient: Callable[[int], float]) -> Tensor:
    """sum of coefficient(n) x^n from `first`, for |x| <= 1/2."""
    x = torch.where(x.abs() <= 0.5, x, 0)
    total = torch.zeros_like(x)
    for n in range(first + 50, first - 1, -1):
        total = total * x + coefficient(n)
    return total * x**first


def log1pmx(x: Tensor) -> Tensor:
    return torch.where(
        x.abs() <= 0.5,
        _series(x, 2, lambda n: (-1.0) ** (n + 1) / n),
        torch.where(x == math.inf, -x, torch.log1p(x) - x),
    )


def expm1mx(x: Tensor) -> Tensor:
    return torch.where(
        x.abs() <= 0.5,
        _series(x, 2, lambda n: 1 / math.factorial(n)),
        torch.where(x == math.inf, x, torch.expm1(x) - x),
    )


def sign(x: Tensor) -> Tensor:
    return torch.where(x.isnan(), x, torch.sign(x))  # torch's own is 0 at NaN


def softplus(x: Tensor) -> Tensor:
    # Not F.softplus: beyond its threshold of 20 it is x, which float64 tells apart.
    return x.clamp_min(0) + torch.log1p(torch.exp(-x.abs()))


def log_cosh(x: Tensor) -> Tensor:
    x = x.abs()
    small = torch.log1p(2 * torch.sinh(x.clamp_max(1) / 2) ** 2)
    return torch.where(x < 1, small, x + torch.log1p(torch.exp(-2 * x)) - math.log(2))


def sech2(x: Tensor) -> Tensor:
    u = torch.exp(-2 * x.abs())
    return 4 * (u / (1 + u) ** 2)


def sqrt1px2m1(x: Tensor) -> Tensor:
    root = torch.hypot(torch.ones_like(x), x)
    return torch.where(x.isinf(), x.abs(), x * (x / (1 + root)))


def sin_arctan(x: Tensor) -> Tensor:
    return torch.where(x.isinf(), x.sign(), x / torch.hypot(torch.ones_like(x), x))


def xdivy(x: Any, y: Any) -> Tensor:
    device = x.device if isinstance(x, Tensor) else getattr(y, "device", "cpu")
    x, y = torch.as_tensor(x, device=device), torch.as_tensor(y, device=device)
    return torch.where((x == 0) & ~y.isnan(), 0, x / y)


def xmuly(x: Tensor, y: Tensor) -> Tensor:
    return torch.where((x == 0) & ~y.isnan(), 0, x * y)


def _tensors(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """Parameters are plain numbers: a function of them alone is one too."""

    def apply(*arguments: Any) -> Any:
        if any(isinstance(each, Tensor) for each in arguments):
            like = next(each for each in arguments if isinstance(each, Tensor))
            return function(
                *(each if isinstance(each, Tensor) else torch.full_like(like, each) for each in arguments)
            )
        return function(*(torch.tensor(each, dtype=torch.float64, device="cpu") for each in arguments)).item()

    return apply


def where(condition: Any, yes: Any, no: Any) -> Any:
    if not isinstance(condition, Tensor):
        return yes if condition else no
    if not isinstance(yes, Tensor) and not isinstance(no, Tensor):  # which torch would take for float32
        yes = torch.tensor(yes, dtype=widest(condition.device), device=condition.device)
    return torch.where(condition, yes, no)


def two_sided_softplus(x: Tensor, a: Tensor, b: Tensor, both: Tensor) -> Tensor:
    return xmuly(torch.where(x > 0, a, -b), x) + both * torch.log1p(torch.exp(-x.abs()))


def two_sided_sigmoid(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    u = torch.exp(-x.abs())
    return torch.where(x > 0, a - b * u, a * u - b) / (1 + u)


def unless_nan(x: Tensor, result: Any) -> Tensor:
    result = result if isinstance(result, Tensor) else torch.full_like(x, result)
    return torch.where(torch.isnan(x), math.nan, result)


_OF_TENSORS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs, "sign": sign, "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt,
    "log1p": torch.log1p, "expm1": torch.expm1, "log1pmx": log1pmx, "expm1mx": expm1mx, "tanh": torch.tanh,
    "softplus": softplus, "sigmoid": torch.sigmoid, "sech2": sech2, "log_cosh": log_cosh, "sqrt1px2m1": sqrt1px2m1,
    "two_sided_softplus": two_sided_softplus, "two_sided_sigmoid": two_sided_sigmoid, "sin_arctan": sin_arctan, "cos_arctan": lambda x: 1 / torch.hypot(torch.ones_like(x), x),
    "xlogy": torch.xlogy, "xlog1py": torch.special.xlog1py, "xdivy": xdivy, "xmuly": xmuly,
    "minimum": torch.minimum, "maximum": torch.maximum, "power": torch.pow,
    "asinh": torch.asinh, "acosh": torch.acosh, "atan": torch.atan, "sin": torch.sin, "cos": torch.cos,
    "erf": torch.erf, "erfc": torch.erfc, "hypot": torch.hypot,
}  # fmt: skip

NAMESPACE: dict[str, Any] = {name: _tensors(function) for name, function in _OF_TENSORS.items()}
NAMESPACE |= {"real": lambda x: x, "where": where, "unless_nan": unless_nan}
NAMESPACE |= {"absolute": NAMESPACE["abs"], "polynomial": polynomial, "nearest": torch.round}
special.over(NAMESPACE)

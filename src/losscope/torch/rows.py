"""Softmax losses of tensors: rows of logits against class indices or rows of probabilities.

The logits are never written to: another use of them in the same graph sees what it was given.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, is_grad_enabled
from torch.compiler import is_compiling

from losscope.kernels.rows import Call
from losscope.reduction import MEAN, NONE, REDUCTIONS, scale_of
from losscope.torch import buffers, eligibility
from losscope.torch.eligibility import NAMES, Outside, address
from losscope.torch.kernel_loss import KernelLoss
from losscope.torch.loss_node import Gradients, LossNode, as_weight, multiply, record, weighing


class Rows(KernelLoss):
    """One softmax loss, and how torch runs it. Classes stand along axis 1 (or along the only one)."""

    def __call__(
        self,
        input: Tensor,
        target: Tensor,
        class_weight: Tensor | None,
        ignore_index: int,
        reduction: str,
        smoothing: float,
        parameters: tuple[float, ...] = (),
    ) -> Tensor | None:
        """The loss with torch's meaning of every argument, or None where it is not ours to compute."""
        if (
            isinstance(target, Tensor) and target.is_floating_point()
        ):  # beside classes, PyTorch takes no other dtype
            class_weight = eligibility.in_dtype_of(input, class_weight)
        if is_compiling():
            if parameters or self.in_a_graph is None:
                return None
            found: Tensor | None = self.in_a_graph(
                input, target, class_weight, ignore_index, reduction, smoothing
            )
            return found
        if eligibility.autocasting():
            input, target = eligibility.full_precision(input, target)
            class_weight = eligibility.full_precision(class_weight, None)[0]
        if not eligibility.plain(input, target):
            if not eligibility.by_operations(input, target, class_weight):
                return None
            from losscope.torch import margin

            given = (input, target, class_weight, int(ignore_index), reduction, float(smoothing))
            try:
                return margin.loss(self.entry, parameters, *given)
            except RuntimeError:  # a class that is none, which torch's own says in its words
                return None
        if (
            (class_weight is not None and not eligibility.usual(class_weight))
            or reduction not in REDUCTIONS
            or (target.requires_grad and is_grad_enabled())
        ):
            return None
        call = Logits(
            self, (input, target, class_weight, None), parameters, 1.0, reduction == NONE,
            ignore_index, smoothing, reduction == MEAN,
        )  # fmt: skip
        if not call.fits():
            return None
        try:
            return call.result()
        except Outside:  # a class index that is none, or a tensor without memory
            return None


class Logits(LossNode):
    """A softmax call: rows of logits, and what judges each of them: their classes or probabilities, weights of the
    classes and of the rows. Of a `mean`, the scale is divided by what `survey` says."""

    __slots__ = (
        "class_weight", "classes", "dtype", "given", "ignore", "logits", "mean", "probabilities", "rows", "smoothing",
        "target", "total", "weighed",
    )  # fmt: skip

    judges = slice(1, 2)  # the target: which rows are ignored
    logits: Tensor  # as a matrix, and what follows like it
    target: Tensor | None
    probabilities: Tensor | None
    class_weight: Tensor | None
    rows: int
    classes: int
    given: torch.dtype
    dtype: str  # of the logits
    total: float  # the scaled sum, once it is computed
    weighed: float  # the summed weight of the rows that count, once it is computed

    def __init__(
        self,
        loss: Rows,
        tensors: tuple[Tensor | None, ...],
        parameters: tuple[float, ...],
        scale: float,
        unreduced: bool,
        ignore: int,
        smoothing: float,
        mean: bool = False,
    ):
        LossNode.__init__(self, loss, tensors, parameters, scale, unreduced)
        self.ignore, self.smoothing, self.mean = ignore, smoothing, mean

    def fits(self) -> bool:
        """Whether shapes, dtypes and numbers are torch's, which otherwise says so. Lays the tensors out."""
        input, target, class_weight, _ = self.tensors or ()
        self.given = dtype = input.dtype
        axes = input.ndim
        if axes == 2:
            self.rows, self.classes = input.shape
        elif axes:
            self.classes = input.shape[1] if axes > 1 else input.shape[0]
            self.rows = input.numel() // (self.classes or 1)
        if not axes or dtype not in NAMES or not self.rows or not self.classes:
            return False
        self.dtype = NAMES[dtype]
        self.target = self.probabilities = None
        if target.dtype is torch.int64:
            if target.shape != ((self.rows,) if axes == 2 else without_classes(input.shape)):
                return False
            self.target = target.contiguous()
        elif target.dtype is input.dtype and target.shape == input.shape:
            self.probabilities = rows_of(target, dtype)
        else:
            return False
        self.logits = (
            input if axes == 2 and input.dtype is dtype and input.is_contiguous() else rows_of(input, dtype)
        )
        self.class_weight = class_weight
        if class_weight is not None:
            if class_weight.shape != (self.classes,) or class_weight.dtype is not input.dtype:
                return False
            self.class_weight = class_weight.to(self.computed).contiguous()
        return 0.0 <= self.smoothing <= 1.0

    def of_copies(self, tensors: tuple[Tensor | None, ...]) -> None:
        LossNode.of_copies(self, tensors)
        self.fits()

    @property
    def computed(self) -> torch.dtype:
        """The dtype of what is per row or per class."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    def result(self) -> Tensor:
        """The loss, in the graph if the logits are. Raises Outside if a class index is none."""
        tensors = self.tensors or ()
        if tensors[0].requires_grad and is_grad_enabled():
            return record(self, tensors[0])
        return self.value(tensors)

    def value(self, tensors: Any) -> Tensor:
        gradient = buffers.like(self.logits) if self.wanted else None
        value = self.run(gradient, tensors[3])
        if gradient is not None:
            as_given = self.unreduced or self.logits is tensors[0]
            self.gradients = (gradient if as_given else in_layout(gradient, tensors[0]),)
        del self.logits, self.probabilities  # which may be copies
        return value

    def at_once(self, input: Tensor) -> bool:
        return True  # PyTorch saves log_softmax, which is as large

    def made_again(self, tensors: Any) -> Gradients:
        self.fits()
        return LossNode.made_again(self, tensors)

    def weigh(self, gradients: Gradients, tensors: Any, each: Tensor | None, factor: float) -> Gradients:
        (gradient,) = gradients
        assert gradient is not None
        if each is None:
            multiply(gradients, factor)
        else:
            each = each.reshape(-1, 1)
            if self.target is not None:  # of a row that is ignored it stays 0, whatever comes back
                each = torch.where(self.target.view(-1, 1) != self.ignore, each, 0)
            gradient.view(self.rows, self.classes).mul_(each)
        return (in_layout(gradient, tensors[0]),)

    def differentiate(self, tensors: Any, upstream: Tensor | None, factor: float) -> Gradients:
        input, target, class_weight, weight = tensors
        there = None
        if upstream is not None:
            weight, there = as_weight(upstream.reshape(-1).to(self.computed).contiguous(), weight)
        again = Logits(
            self.loss, (input, target, class_weight, weight), self.parameters, self.scale * factor, False,
            self.ignore, self.smoothing,
        )  # fmt: skip
        again.fits()
        again.wanted = True
        again.value(again.tensors)
        gradients = again.gradients or ()
        if there is not None:
            multiply(gradients, of_classes(there, input))
        return gradients

    def as_operations(self, tensors: Any, upstream: Tensor) -> Gradients:
        from losscope.torch.margin import gradient

        input, target, class_weight, weight = tensors
        scale = self.scale
        if weight is not None:
            weight = weight.view(without_classes(input.shape))
            upstream, scale = upstream * weighing(weight, scale), 1.0
            gone = (weight == 0).unsqueeze(-1)
            input = torch.where(gone, 0, input)
            if target.is_floating_point():
                target = torch.where(gone, 0, target)
            else:
                target = torch.where(gone.squeeze(-1).view(target.shape), self.ignore, target)
        ignore, smoothing = self.ignore, self.smoothing
        refuse_no_class(target, ignore, input.shape[min(1, input.ndim - 1)])
        entry, parameters = self.loss.entry, self.parameters
        return (gradient(entry, parameters, input, target, class_weight, ignore, smoothing, scale, upstream),)

    def survey(self) -> float:
        """What a mean is over: the weight of the rows that count, or their number for rows of probabilities.

        Raises Outside if a class index is none.
        """
        if self.target is None:
            return float(self.rows)
        counts = self.target != self.ignore
        refuse_no_class(self.target, self.ignore, self.classes)
        if self.class_weight is None:
            return float(counts.sum())
        right = torch.where(counts, self.target, 0)
        return float(torch.where(counts, self.class_weight[right], 0).sum(dtype=torch.float64))

    def run(self, gradient: Tensor | None, weight: Tensor | None) -> Tensor:
        """One pass: the loss (the scaled sum, or one value per row), and the gradient into its place."""
        rows = self.rows
        # Of the shape that they come back in: a view of others, as a loss, may not be written to.
        values = (
            torch.empty(self.logits.shape[:-1], dtype=self.computed, device="cpu") if self.unreduced else None
        )
        out = eligibility.scalar(self.logits.dtype) if values is None else None
        call = Call(
            self.loss.compiled, self.dtype, rows, self.classes, self.parameters, address(self.logits), address(self.target),
            address(self.probabilities), address(weight), address(self.class_weight), self.ignore, self.smoothing,
        )  # fmt: skip
        wrong, total, weighs = call.run(
            self.scale, self.mean, address(values), address(gradient), None, address(out)
        )
        if wrong >= 0:
            refuse_no_class(self.target, self.ignore, self.classes)
            raise Outside  # it has been written to meanwhile
        self.weighed = weighs
        if self.mean:
            self.scale, self.mean = self.scale * scale_of(MEAN, weighs), False
        self.total = total * self.scale
        if values is not None:
            return values.to(self.given)
        assert out is not None
        return out if out.dtype is self.given else out.to(self.given)


def rows_of(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor with its class axis last, contiguous; itself where that is so already."""
    tensor = tensor.detach()
    if tensor.ndim > 2:
        tensor = tensor.movedim(1, -1)
    return tensor.to(dtype).contiguous()


def without_classes(shape: torch.Size) -> torch.Size:
    return shape[:1] + shape[2:] if len(shape) > 1 else shape[:0]


def of_classes(of_rows: Tensor, input: Tensor) -> Tensor:
    """What each row has, beside each of its classes."""
    shape = without_classes(input.shape)
    return of_rows.view(shape).unsqueeze(min(1, len(shape)))


def in_layout(rows: Tensor, input: Tensor) -> Tensor:
    """The gradient of rows as that of the input they are of: its axes, dtype and layout."""
    contiguous = input.is_contiguous()
    if input.ndim <= 2 and rows.dtype is input.dtype and contiguous:
        return rows
    gradient = (rows.movedim(-1, 1) if rows.ndim > 2 else rows).to(input.dtype)
    return gradient.contiguous() if contiguous else gradient


def refuse_no_class(target: Tensor | None, ignore: int, classes: int) -> None:
    """Raise Outside, in PyTorch's words, for class indices of which one is none."""
    if target is None or target.is_floating_point() or eligibility.of_many(target):
        return
    wrong = (target != ignore) & ((target < 0) | (target >= classes))
    if bool(wrong.any()):
        raise Outside(f"Target {int(target[wrong][0])} is out of bounds.")

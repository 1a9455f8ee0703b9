"""Loss: what a user holds and calls. Total: a sum and its weight."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from losscope import catalogue, structures
from losscope.entry import Entry
from losscope.errors import LossError, LossTypeError, complain, did_you_mean
from losscope.forks import once, undisturbed
from losscope.reduction import MEAN, NONE, check
from losscope.structures import mean

IN_THE_CALL = ("weight", "reduction", "out")
_TOTAL: Any = object()  # asks for the sum and the batch; not something a user passes

# Arrays of these packages go to a front-end, which answers in kind.
FRONT_ENDS = {"torch": "losscope.torch.differentiable"}


@dataclass(frozen=True)
class Total:
    """A sum of losses and the weight it stands for: what makes splitting a batch exact.

    >>> Total(3.0, 2.0) + Total(1.0, 2.0)
    Total(sum=4.0, weight=4.0)
    >>> (Total(3.0, 2.0) + Total(1.0, 2.0)).mean()
    1.0
    """

    sum: Any
    weight: Any

    def __add__(self, other: Total) -> Total:
        if not isinstance(other, Total):
            return NotImplemented
        return Total(self.sum + other.sum, self.weight + other.weight)

    def __radd__(self, other: Any) -> Total:
        # sum(totals) starts from 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def mean(self) -> Any:
        """The sum over the weight; NaN of nothing."""
        # Of nothing: the gradient is that of the sum, 0, as everywhere.
        return self.sum / self.weight if self.weight else self.sum + float("nan")


class _Doc:
    """`help(losscope.huber)` describes that loss; `help(losscope.Loss)` the class."""

    def __init__(self, of_class: str):
        self.of_class = of_class

    def __get__(self, instance: Loss | None, owner: type) -> str:
        if instance is None:
            return self.of_class
        from losscope.describe import describe

        return describe(instance)


class Loss:
    """A loss function: an entry of the catalogue (or your own formula), its parameters, and an activation.

    Call it on a prediction and a target of the same shape, prediction first. From NumPy arrays (or lists) it
    returns floats and arrays, from torch tensors differentiable torch tensors.
    """

    def __init__(
        self, entry: Entry, through: Entry | None = None, parameters: Mapping[str, float] | None = None
    ):
        if not isinstance(entry, Entry):
            raise LossTypeError(
                complain(
                    "A Loss is made of an entry of the catalogue",
                    got=repr(entry),
                    next_step="Use losscope.get(name), or losscope.define(name, formula)",
                )
            )
        self.entry = entry
        self.activation = through
        open_parameters = {**entry.parameters, **(through.parameters if through else {})}
        self._structure = structures.get(entry.structure)
        self._open = open_parameters
        self.parameters = {name: each.default for name, each in open_parameters.items()}
        self.options: dict[str, float] = {}
        for name, value in (parameters or {}).items():
            if isinstance(self._structure.options.get(name), int | float):
                self._bind_option(name, value)
            else:
                self._set(self.parameters, open_parameters, name, value)
        self._constants = tuple(self.parameters.values())

    # -- what it is

    @property
    def structure(self) -> str:
        """The name of the structure it runs over: "elementwise", "softmax", "distance" or "activation"."""
        return self.entry.structure

    @property
    def judges(self) -> str:
        """What one loss is of: a pair of "numbers", a row of "classes", "vectors"; "nothing" of an activation.

        >>> import losscope as ls
        >>> ls.huber.judges, ls.cross_entropy.judges, ls.relu.judges
        ('numbers', 'classes', 'nothing')
        """
        return self._structure.judges

    @property
    def name(self) -> str:
        """Its full name, by which `losscope.get` finds it again: `huber:delta=2@softplus`."""
        changed = {
            name: value for name, value in self.parameters.items() if value != self._open[name].default
        }
        own = [f":{name}={_short(value)}" for name, value in changed.items() if name in self.entry.parameters]
        own += [f":{name}={_short(value)}" for name, value in self.options.items()]
        if self.activation is None:
            return self.entry.name + "".join(own)
        theirs = [
            f":{name}={_short(value)}"
            for name, value in changed.items()
            if name in self.activation.parameters
        ]
        return self.entry.name + "".join(own) + "@" + self.activation.name + "".join(theirs)

    def __repr__(self) -> str:
        return f"<losscope {'activation' if self.judges == 'nothing' else 'loss'} {self.name}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Loss)
            and _same(self.entry, other.entry)
            and _same(self.activation, other.activation)
            and (self.parameters, self.options) == (other.parameters, other.options)
        )

    def __hash__(self) -> int:
        return hash((self.entry.name, self.activation and self.activation.name, self._constants))

    def __reduce__(self) -> Any:
        known = catalogue.entries().get(self.entry.name) is self.entry
        return (
            _restore,
            (
                self.entry.name if known else self.entry,
                self.activation and self.activation.name,
                {**self.parameters, **self.options},
            ),
        )

    # -- other losses from it

    def bind(self, **parameters: float) -> Loss:
        """The same loss with other defaults.

        >>> import losscope as ls
        >>> ls.huber.bind(delta=2)([3.0], [0.0])
        4.0
        """
        return Loss(self.entry, self.activation, {**self.parameters, **self.options, **parameters})

    def through(self, activation: str | Loss, **parameters: float) -> Loss:
        """The loss of activation(score): value and derivatives are in the raw score.

        >>> import losscope as ls
        >>> ls.squared_error.through("sigmoid")([0.0], [1.0])
        0.25
        """
        entry = activation.entry if isinstance(activation, Loss) else _entry(activation, "activation")
        if not _is_activation(entry):
            raise LossError(
                complain(
                    f"{entry.name} is not an activation",
                    next_step="Known: " + ", ".join(_names("activation")),
                )
            )
        if self.activation is not None or not self._structure.activated:
            already = (
                "already goes through " + self.activation.name
                if self.activation
                else f"takes its own way from scores to a loss ({self.structure})"
            )
            raise LossError(
                complain(
                    f"{self.entry.name} {already}",
                    next_step="Only an elementwise loss goes through an activation, once",
                )
            )
        if entry.name == self.entry.inside:
            raise LossError(
                complain(
                    f"{self.entry.name} takes a raw score and already contains the {entry.name}",
                    next_step=f"Use {self.entry.name} as it is",
                )
            )
        if self.entry.prediction.outside and entry.output.name != self.entry.prediction.name:
            raise LossError(
                complain(
                    f"{self.entry.name} takes a number {self.entry.prediction.words}, and {entry.name} gives {entry.output.words}",
                    next_step="Known to fit: " + ", ".join(_giving(self.entry.prediction.name)),
                )
            )
        clash = set(entry.parameters) & set(self.entry.parameters)
        if clash:
            raise LossError(
                complain(f"{self.entry.name} and {entry.name} both have a parameter {clash.pop()!r}")
            )
        given = activation.parameters if isinstance(activation, Loss) else {}
        loss = Loss(self.entry, entry, {**self.parameters, **given, **parameters})
        if catalogue.entries().get(self.entry.name) is not self.entry and not loss.certificate.exact:
            from losscope.exactness.told import warn

            warn(self.entry, loss.certificate, entry)
        return loss

    # -- computing

    def __call__(
        self,
        prediction: Any,
        target: Any = None,
        *misplaced: Any,
        weight: Any = None,
        reduction: str = "mean",
        **options: Any,
    ) -> Any:
        """The loss: `mean` = sum(weight*loss)/sum(weight), `sum`, or `none` for one value per element or row."""
        if misplaced:
            hint = next((f", e.g. {name}={misplaced[0]!r}" for name in self._open), "")
            raise LossTypeError(
                complain(
                    f"{self.entry.name} takes prediction and target; everything else is given by name{hint}",
                    got=f"{2 + len(misplaced)} arguments without a name",
                )
            )
        if self.judges == "nothing":
            return self._activate(prediction, target, 0, weight, reduction, options)[0]
        front_end = _front_end(prediction)
        if front_end is not None:
            return front_end.call(self, prediction, target, weight=weight, reduction=reduction, **options)
        return self._evaluate(0, prediction, target, weight, reduction, options)[0]

    def value_and_grad(
        self,
        prediction: Any,
        target: Any = None,
        *,
        weight: Any = None,
        reduction: str = "mean",
        out: Any = None,
        **options: Any,
    ) -> Any:
        """Value and gradient with respect to the prediction, in one pass over memory.

        `out` is an array of the prediction's shape and dtype to write the gradient into. With reduction "none"
        both are per element: each value, and its own derivative.
        """
        if self.judges == "nothing":
            return self._activate(prediction, target, 1, weight, reduction, options, out)
        return tuple(self._evaluate(1, prediction, target, weight, reduction, options, out)[:2])

    def value_grad_curvature(
        self,
        prediction: Any,
        target: Any = None,
        *,
        weight: Any = None,
        reduction: str = "mean",
        **options: Any,
    ) -> Any:
        """Value, gradient and curvature (the diagonal of the Hessian) with respect to the prediction.

        A loss of distances has none to give: its Hessian couples all numbers of a vector, and LossError says so.
        """
        if self.judges == "nothing":
            return self._activate(prediction, target, 2, weight, reduction, options)
        return tuple(self._evaluate(2, prediction, target, weight, reduction, options)[:3])

    def total(self, prediction: Any, target: Any = None, *, weight: Any = None, **options: Any) -> Total:
        """The sum and its weight: add those of micro-batches, ranks or files, then take `.mean()`.

        >>> import losscope as ls
        >>> (ls.mse.total([1.0], [0.0]) + ls.mse.total([2.0, 3.0], [0.0, 0.0])).mean()
        4.666666666666667
        """
        if self.judges == "nothing":
            raise LossError(
                complain(
                    f"{self.entry.name} is an activation, and has no total", next_step="Only a loss adds up"
                )
            )
        front_end = _front_end(prediction)
        if front_end is not None:
            return front_end.total(self, prediction, target, weight=weight, **options)
        loss, batch = self._evaluate(0, prediction, target, weight, _TOTAL, options)
        return Total(loss, finite(batch.total_weight))

    def _activate(
        self,
        score: Any,
        target: Any,
        order: int,
        weight: Any,
        reduction: str,
        options: dict[str, Any],
        out: Any = None,
    ) -> Any:
        if target is not None:
            raise LossError(
                complain(
                    f"{self.entry.name} is an activation: it takes a score and no target",
                    next_step=f"A loss goes through it: losscope.squared_error.through({self.entry.name!r})",
                )
            )
        if weight is not None or reduction not in (MEAN, NONE):  # "mean" is the default of a call
            raise LossError(
                complain(
                    f"{self.entry.name} is an activation: one number out for each number in, without weight or reduction"
                )
            )
        front_end = _front_end(score)
        if front_end is not None and order == 0:
            return (front_end.activate(self.bind(**options) if options else self, score),)
        return self._evaluate(order, score, score, None, NONE, options, out)

    def _evaluate(
        self,
        order: int,
        prediction: Any,
        target: Any,
        weight: Any,
        reduction: str,
        options: dict[str, Any],
        out: Any = None,
    ) -> Any:
        """Value and as many derivatives as `order` says; for _TOTAL the sum, and the batch it is of."""
        constants, options = self._split(options)
        if reduction is not _TOTAL:
            check(reduction)
        batch = self._batch(prediction, target, weight, options, reduction == MEAN)
        if order == 2 and self._structure.no_curvature:
            raise LossError(
                complain(
                    f"{self.entry.name} has no curvature for each number by itself: {self._structure.no_curvature}",
                    next_step=f"Use value_and_grad; curvature_formula is that in the {self._structure.variable}",
                )
            )
        buffer = None if out is None else _buffer(out, batch)
        value, *derivatives = self._of_batch(batch, constants, reduction, order, buffer)
        if reduction is _TOTAL:
            return value, batch
        if out is not None:
            if buffer is None:
                out[...] = derivatives[0]
            derivatives[0] = out
        return (value, *derivatives)

    def _of_batch(
        self, batch: Any, constants: tuple[float, ...], reduction: Any, order: int, buffer: Any = None
    ) -> tuple[Any, ...]:
        """Value and derivatives of a batch that the structure has prepared; for _TOTAL, of which there is no derivative,
        the sum."""
        total, outputs, inside = self._run(self._compiled, batch, constants, reduction, order, buffer)
        if not inside:
            self._structure.check_domains(self.entry, batch, self.activation is not None)
        value: Any = total
        if reduction == NONE:
            value = self._values(outputs["values"], batch)
        elif reduction == MEAN:
            value = total / batch.total_weight if batch.total_weight else float("nan")
        derivatives = [
            _returned(outputs[name].reshape(batch.given.shape), batch.given)
            for name in ("gradient", "curvature")[:order]
        ]
        return (value, *derivatives)

    def _batch(
        self, prediction: Any, target: Any, weight: Any, options: dict[str, Any], averaged: bool
    ) -> Any:
        """The arrays as a kernel takes them, checked by the structure."""
        if not averaged:
            return self._structure.prepare(self.entry, prediction, target, weight, **options)
        if weight is None and not options:
            batch = self._structure.prepare(self.entry, prediction, target, None)
        else:
            batch, _, _ = mean.prepare(self._structure, self.entry, prediction, target, weight, options)
        if batch.given.size == 0:
            raise LossError(
                complain(
                    "There is no mean of nothing: the input is empty",
                    got=f"shape {batch.given.shape}",
                    next_step='Use reduction="sum", or skip the empty batch',
                )
            )
        return batch

    def _values(self, values: Any, batch: Any) -> Any:
        """The unreduced values, one for each element or row."""
        if self.entry.over == "rows":
            values = values.reshape(batch.given.shape).sum(-1, dtype="float64")
        return _returned(values.reshape(batch.shape), batch.given)

    def _split(self, options: dict[str, Any]) -> tuple[tuple[float, ...], dict[str, Any]]:
        """Keyword arguments of a call -> the formula's parameters, and the structure's options."""
        if not options:
            return self._constants, self.options
        parameters, rest = dict(self.parameters), dict(self.options)
        for name, value in options.items():
            if name in self._structure.options:
                rest[name] = value
            else:
                self._set(parameters, self._open, name, value)
        return tuple(parameters.values()), rest

    def _bind_option(self, name: str, value: Any) -> None:
        """An option of the structure, such as label_smoothing, made part of the loss; checked when it is called."""
        default = self._structure.options[name]
        try:
            bound = type(default)(value)
        except (TypeError, ValueError, OverflowError):
            raise LossError(complain(f"{name} must be a number", got=repr(value))) from None
        if bound != default:
            self.options[name] = bound

    def _set(self, parameters: dict[str, float], known: Mapping[str, Any], name: str, value: Any) -> None:
        if name not in known:
            options = self._structure.options
            if name in options or name in IN_THE_CALL:
                raise LossError(
                    complain(f"{name} belongs in a call of {self.entry.name} and cannot be bound to it")
                )
            close = did_you_mean(name, [*known, *options, *IN_THE_CALL])
            raise LossError(
                complain(
                    f"{self.entry.name} has no parameter {name!r}",
                    expected=", ".join([*known, *options]) or "none",
                    next_step=close if close.startswith("Did") else "Leave it out",
                )
            )
        if getattr(value, "requires_grad", False):
            raise LossError(
                complain(
                    f"{name} requires a gradient, and parameters are constants",
                    next_step=f"Use {name}.item()",
                )
            )
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise LossError(complain(f"{name} must be a number", got=repr(value))) from None
        domain = known[name].domain
        if number != number or abs(number) == float("inf") or domain.excludes(number):
            raise LossError(
                complain(
                    f"{name} is out of its domain", got=value, expected=f"a finite number, {domain.words}"
                )
            )
        parameters[name] = number

    @once
    def _compiled(self) -> Any:
        with undisturbed:
            from losscope.kernels.compiled import compiled

        return compiled(self.entry, self.activation)

    @once
    def _run(self) -> Any:
        """What runs a batch of the structure; it loads LLVM, which takes a moment."""
        with undisturbed:
            return import_module(f"losscope.kernels.{self._structure.kernel}").evaluate

    # -- looking at it

    @once
    def _derived(self) -> Any:
        from losscope.derive import derive

        return derive(self.entry, self.activation)

    @property
    def formula(self) -> Any:
        """The loss as a SymPy expression in `prediction`, `target` and its parameters."""
        return self._derived.expanded(0)

    @property
    def gradient_formula(self) -> Any:
        """Its derivative with respect to the (raw) prediction, as a SymPy expression."""
        return self._derived.expanded(1)

    @property
    def curvature_formula(self) -> Any:
        """Its second derivative with respect to the (raw) prediction, as a SymPy expression."""
        return self._derived.expanded(2)

    @property
    def certificate(self) -> Any:
        """How exact its numbers are, in ulp beside the truth (losscope.exactness.certificate.Certificate); found once, kept on disk."""
        from losscope.exactness.certify import certificate

        return certificate(self.entry, self.activation)

    @once
    def facts(self) -> Any:
        """What can be said of it without data: convex, bounded influence, kinks ... (losscope.facts.Facts)."""
        from losscope.facts import facts

        return facts(self)

    def latex(self, order: int = 0) -> str:
        """The formula (0), its gradient (1) or its curvature (2) in LaTeX."""
        from losscope.emit.latex import latex

        if order not in (0, 1, 2):
            raise LossError(complain("There is no such derivative", got=repr(order), expected="0, 1 or 2"))
        return latex(self, order)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def plot(self, span: tuple[float, float] = (-3.0, 3.0), target: float | None = None) -> Any:
        """Value, gradient and curvature as a chart (needs the extra `plot`): shows itself in a notebook, or
        `.save(path)`. `span` is the range of the axis, `target` that of a loss that is not of the residual alone."""
        from losscope.report.curves import curves

        return curves([self], span, target)


Loss.__doc__ = _Doc(Loss.__doc__ or "")  # type: ignore[assignment]


def finite(total_weight: float) -> float:
    """The weight of a total, which is a number to divide by."""
    if total_weight == float("inf"):
        raise LossError(
            complain(
                "The weights are too large to be added up",
                got="a sum beyond the largest float64",
                next_step="Divide all weights by the largest",
            )
        )
    return total_weight


def _buffer(out: Any, batch: Any) -> Any:
    """`out`, checked, if the kernel can write into it; None if what is computed must be converted for it."""
    from losscope.structures.arrays import ready_out

    inputs = (getattr(batch, name) for name in batch.__slots__)
    ready_out(out, batch.given, *(each for each in inputs if hasattr(each, "__array_interface__")))
    return out if out.dtype == batch.dtype else None


def _returned(array: Any, given: Any) -> Any:
    """In the dtype of what was given; whole numbers come back as float64."""
    if given.dtype.kind not in "iub":
        array = array.astype(given.dtype, copy=False)
    return array[()]  # of a single number, a number


def _short(value: float) -> str:
    """A number as short as it can be read back: 2, 0.1."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _front_end(prediction: Any) -> Any:
    for kind in type(prediction).__mro__[:-1]:  # a subclass of a tensor is one, wherever it was defined
        package = kind.__module__.partition(".")[0]
        if package in FRONT_ENDS and package in sys.modules:
            return _imported(FRONT_ENDS[package])
    return None


@cache
def _imported(name: str) -> Any:
    with undisturbed:
        return import_module(name)


def _same(one: Entry | None, other: Entry | None) -> bool:
    """Whether two entries say the same: one of a user's may have come back from a pickle as another object."""
    return one is other or (one is not None and other is not None and vars(one) == vars(other))


def _restore(entry: str | Entry, activation: str | None, parameters: dict[str, float]) -> Loss:
    known = catalogue.entries()
    return Loss(
        known[entry] if isinstance(entry, str) else entry,
        known[activation] if activation else None,
        parameters,
    )


def _is_activation(entry: Entry) -> bool:
    return structures.get(entry.structure).judges == "nothing"


def _names(kind: str) -> list[str]:
    """The names of all losses, or of all activations."""
    return [
        name for name, entry in catalogue.entries().items() if _is_activation(entry) == (kind == "activation")
    ]


def _giving(domain: str) -> list[str]:
    """The activations whose results lie in that domain."""
    entries = catalogue.entries()
    return [name for name in _names("activation") if entries[name].output.name == domain]


def _entry(name: str, kind: str) -> Entry:
    entries = catalogue.entries()
    if not isinstance(name, str):
        raise LossError(
            complain(
                f"The name of {'an' if kind == 'activation' else 'a'} {kind} must be text", got=repr(name)
            )
        )
    found = catalogue.names().get(name.strip().lower().replace("-", "_"))
    if found is None or (kind == "activation" and not _is_activation(entries[found])):
        candidates = [
            each
            for each, entry in catalogue.names().items()
            if kind == "loss" or _is_activation(entries[entry])
        ]
        close = did_you_mean(name, candidates)
        if kind == "loss":  # all names would fill a screen
            close = (
                f"{close} (losscope list shows all)" if close.startswith("Did") else "losscope list shows all"
            )
        raise LossError(complain(f"There is no {kind} named {name!r}", next_step=close))
    return entries[found]


def get(name: str | Loss) -> Loss:
    """A loss or activation by its name or alias, with parameters and an activation if wanted.

    >>> import losscope as ls
    >>> ls.get("mse"), ls.get("huber:delta=2"), ls.get("mse@sigmoid")
    (<losscope loss squared_error>, <losscope loss huber:delta=2>, <losscope loss squared_error@sigmoid>)

    Raises LossError for a name or parameter it does not know, with the nearest it does.
    """
    if isinstance(name, Loss):
        return name
    if not isinstance(name, str):
        raise LossError(complain("The name of a loss must be text", got=repr(name)))
    first, _, activation = name.partition("@")
    loss = _named(first, "loss")
    if "@" not in name:
        return loss
    return loss.through(_named(activation, "activation"))


def _named(text: str, kind: str) -> Loss:
    name, *settings = text.replace(",", ":").split(":")
    parameters = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            several = not setting.strip() or setting.strip().lower() in catalogue.names()
            raise LossError(
                complain(
                    f"{setting!r} in {text!r} is not a setting",
                    expected="name=value, as in huber:delta=2",
                    next_step="Separate the names of several losses with spaces" if several else "",
                )
            )
        parameters[key.strip()] = value
    return Loss(_entry(name, kind), None, parameters)  # type: ignore[arg-type]


def losses() -> list[str]:
    """The names of all losses in the catalogue."""
    return _names("loss")


def activations() -> list[str]:
    """The names of all activations in the catalogue."""
    return _names("activation")

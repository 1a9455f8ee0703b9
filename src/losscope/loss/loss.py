"""Loss: what a user holds and calls."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from numbers import Integral
from types import MappingProxyType
from typing import Any

from losscope import catalogue, structures
from losscope.entry import Entry
from losscope.errors import LossError, LossTypeError, complain, shown
from losscope.forks import once, undisturbed
from losscope.loss.activated import check_fit
from losscope.loss.evaluation import TOTAL, activate, evaluate
from losscope.loss.front_ends import front_end
from losscope.loss.names import entry_of, settings, short
from losscope.loss.parameters import is_option, option, parameter
from losscope.loss.total import Total, finite


class _Doc:
    """`help(losscope.huber)` describes that loss; `help(losscope.Loss)` the class."""

    def __init__(self, of_class: str):
        self.of_class = of_class

    def __get__(self, instance: Loss | None, owner: type) -> str:
        if instance is None:
            return self.of_class
        with undisturbed:
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
                    got=shown(entry),
                    next_step="Use losscope.get(name), or losscope.define(name, formula)",
                )
            )
        self.entry = entry
        self.activation = through
        open_parameters = {**entry.parameters, **(through.parameters if through else {})}
        self._structure = structures.get(entry.structure)
        self._open = open_parameters
        settled = {name: each.default for name, each in open_parameters.items()}
        self.parameters: Mapping[str, float] = MappingProxyType(
            settled
        )  # a loss is shared by all who name it
        self.options: dict[str, float] = {}
        for name, value in (parameters or {}).items():
            if not is_option(self._structure, name):
                settled[name] = parameter(entry, self._structure, open_parameters, name, value)
            elif (bound := option(self._structure, name, value)) != self._structure.options[name]:
                self.options[name] = bound
        self._constants = tuple(self.parameters.values())
        self._told = False

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
        own = [f":{name}={short(value)}" for name, value in changed.items() if name in self.entry.parameters]
        own += [f":{name}={short(value)}" for name, value in self.options.items()]
        if self.activation is None:
            return self.entry.name + "".join(own)
        theirs = [
            f":{name}={short(value)}" for name, value in changed.items() if name in self.activation.parameters
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
        return (
            _restore,
            (
                self.entry.name if self._is_of_the_catalogue() else self.entry,
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
        """The loss of activation(score): value and derivatives are in the raw score. Where the two together lose digits a
        warning says so: of a formula of your own at once, of one of the catalogue's at the first call.

        >>> import losscope as ls
        >>> ls.squared_error.through("sigmoid")([0.0], [1.0])
        0.25
        """
        entry = activation.entry if isinstance(activation, Loss) else entry_of(activation, "activation")
        check_fit(self, entry)
        given = activation.parameters if isinstance(activation, Loss) else {}
        loss = Loss(self.entry, entry, {**self.parameters, **given, **parameters})
        if not self._is_of_the_catalogue():
            loss._tell()
        return loss

    def _is_of_the_catalogue(self) -> bool:
        return catalogue.entries().get(self.entry.name) is self.entry

    def _tell(self) -> None:
        """Warn, once, where it loses digits through its activation."""
        if self.activation is None or self._told:
            return
        self._told = True
        if not self.certificate.exact:
            from losscope.exactness.told import warn

            warn(self.entry, self.certificate, self.activation)

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
            hint = next((f", e.g. {name}={shown(misplaced[0])}" for name in self._open), "")
            raise LossTypeError(
                complain(
                    f"{self.entry.name} takes prediction and target; everything else is given by name{hint}",
                    got=f"{2 + len(misplaced)} arguments without a name",
                )
            )
        if self.judges == "nothing":
            return activate(self, prediction, target, 0, weight, reduction, options)[0]
        taken = front_end(prediction)
        if taken is not None:
            return taken.call(self, prediction, target, weight=weight, reduction=reduction, **options)
        return evaluate(self, 0, prediction, target, weight, reduction, options)[0]

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
            return activate(self, prediction, target, 1, weight, reduction, options, out)
        return tuple(evaluate(self, 1, prediction, target, weight, reduction, options, out)[:2])

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
            return activate(self, prediction, target, 2, weight, reduction, options)
        return tuple(evaluate(self, 2, prediction, target, weight, reduction, options)[:3])

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
        taken = front_end(prediction)
        if taken is not None:
            return taken.total(self, prediction, target, weight=weight, **options)
        loss, batch = evaluate(self, 0, prediction, target, weight, TOTAL, options)
        return Total(loss, finite(batch.total_weight))

    def _split(self, options: dict[str, Any]) -> tuple[tuple[float, ...], dict[str, Any]]:
        """Keyword arguments of a call -> the formula's parameters, and the structure's options."""
        if not options:
            return self._constants, self.options
        parameters, rest = dict(self.parameters), dict(self.options)
        for name, value in options.items():
            if name in self._structure.options:
                rest[name] = value
            else:
                parameters[name] = parameter(self.entry, self._structure, self._open, name, value)
        return tuple(parameters.values()), rest

    @once
    def _compiled(self) -> Any:
        with undisturbed:
            from losscope.kernels.compiled import compiled

        self._tell()
        return compiled(self.entry, self.activation)

    @once
    def _run(self) -> Any:
        """What runs a batch of the structure; it loads LLVM, which takes a moment."""
        with undisturbed:
            return import_module(f"losscope.kernels.{self._structure.kernel}").evaluate

    # -- looking at it

    @once
    def _derived(self) -> Any:
        with undisturbed:
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
        with undisturbed:
            from losscope.exactness.certify import certificate

            return certificate(self.entry, self.activation)

    @once
    def facts(self) -> Any:
        """What can be said of it without data: convex, bounded influence, kinks ... (losscope.facts.Facts)."""
        with undisturbed:
            from losscope.facts import facts

            return facts(self)

    def latex(self, order: int = 0) -> str:
        """The formula (0), its gradient (1) or its curvature (2) in LaTeX."""
        if not isinstance(order, Integral) or order not in (0, 1, 2):
            raise LossError(complain("There is no such derivative", got=shown(order), expected="0, 1 or 2"))
        with undisturbed:
            from losscope.emit.latex import latex

            return latex(self, int(order))

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def plot(self, span: tuple[float, float] = (-3.0, 3.0), target: float | None = None) -> Any:
        """Value, gradient and curvature as a chart (needs the extra `plot`): shows itself in a notebook, or
        `.save(path)`. `span` is the range of the axis, `target` that of a loss that is not of the residual alone."""
        from losscope.report.curves import curves

        return curves([self], span, target)


Loss.__doc__ = _Doc(Loss.__doc__ or "")  # type: ignore[assignment]


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
        raise LossError(complain("The name of a loss must be text", got=shown(name)))
    first, _, activation = name.partition("@")
    loss = _named(first, "loss")
    if "@" not in name:
        return loss
    return loss.through(_named(activation, "activation"))


def _named(text: str, kind: str) -> Loss:
    name, parameters = settings(text)
    return Loss(entry_of(name, kind), None, parameters)

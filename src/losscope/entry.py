"""An entry: all that is known of one loss or activation, as data. It computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Not `from losscope import domain`: that would ask the package for a loss of that name, whose catalogue asks here.
import losscope.domain as domain
from losscope.domain import Domain


@dataclass(frozen=True)
class Parameter:
    """A number that a formula leaves open: its default and where it may lie."""

    default: float
    domain: Domain = domain.real


def positive(default: float) -> Parameter:
    return Parameter(default, domain.positive)


def nonnegative(default: float) -> Parameter:
    return Parameter(default, domain.nonnegative)


def exponent(default: float) -> Parameter:
    return Parameter(default, domain.exponent)


def fraction(default: float) -> Parameter:
    return Parameter(default, domain.fraction)


@dataclass(frozen=True, eq=False)
class Entry:
    """One loss or activation.

    `formula` is the form whose value is computed; `gradient_of` and `curvature_of` are equal forms whose first
    and second derivative in the prediction come out without cancellation, where the formula's own do not (they default to
    it); `target_gradient` is the derivative in the target, where that of the formula as it is written is not. `computed` are
    value, gradient and curvature themselves: found by `certify`, of formulas that are not exact as they stand, or written
    where no equal form has these derivatives.
    """

    name: str
    structure: str
    formula: str
    summary: str = ""
    aliases: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    prediction: Domain = domain.real
    target: Domain = domain.real
    output: Domain = domain.real  # activations: where the result lies
    task: str = "regression"
    inside: str = ""  # the activation a loss of raw scores already holds: through it again would be twice
    over: str = "elements"  # or "rows": an observation is a row, its loss the sum over the last axis
    measure: str = ""  # of a distance loss, what it measures: "euclidean", "cosine" or "triplet"
    gradient_of: str = ""
    curvature_of: str = ""
    target_gradient: str = ""
    computed: tuple[
        str, ...
    ] = ()  # value, gradient and curvature, where they are otherwise than derivation gives them
    certificate: Any = None  # that of what is computed, of a formula of a user's
    residual: str = ""  # activations: activation(x) - target in a form that does not cancel
    ties: str = ""
    infinite: str = ""  # what an infinite prediction gives, where it is not the formula's own limit
    reference: str = ""
    equivalents: Mapping[str, str] = field(default_factory=dict)

    @property
    def forms(self) -> tuple[str, str, str]:
        """The formulas from which value, gradient and curvature are derived."""
        gradient_of = self.gradient_of or self.formula
        return self.formula, gradient_of, self.curvature_of or gradient_of

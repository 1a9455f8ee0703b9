"""Structure: over what a formula runs, as data. Whatever asks about a loss beyond its formula asks this.

A structure is one subclass in one module of this folder, which names it `STRUCTURE`, and one module of loops in
`losscope.kernels`, which it names in `kernel`. What stands here is what a structure is unless it says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from losscope.entry import Entry


class Structure:
    """What its formulas may name, what its calls look like, which loops run them, and all of it in words."""

    name: ClassVar[str]
    kernel: ClassVar[str]  # the module of losscope.kernels that runs its calls
    judges: ClassVar[
        str
    ]  # what one loss is of: "numbers", "classes", "vectors", ...; "nothing" of an activation
    arguments: ClassVar[tuple[str, ...]]  # of the functions that are made of a formula
    variable: ClassVar[str]  # the argument in which value, gradient and curvature are derived
    second: ClassVar[str] = ""  # another in which kernels need the slope
    short: ClassVar[Mapping[str, str]]  # what a formula may write -> the argument that is meant
    moving: ClassVar[
        Mapping[str, int]
    ] = {}  # names that move with the variable, and how much of each of its steps
    options: ClassVar[
        Mapping[str, Any]
    ] = {}  # what a call takes by name beside parameters and weight: the defaults
    defaults: ClassVar[Mapping[str, Any]] = {}  # what its entries say unless they say otherwise
    definable: ClassVar[bool] = True  # whether a formula alone makes a loss of it
    activated: ClassVar[bool] = False  # whether an activation may stand before it
    no_curvature: ClassVar[str] = ""  # why there is no curvature for each number by itself

    prepare: Callable[..., Any]  # (entry, prediction, target, weight, **options) -> a batch; raises LossError
    check_domains: Callable[..., None]  # finds and reports what a kernel saw outside the loss's domain

    def entry(self, name: str, formula: str, **facts: Any) -> Entry:
        """An entry of this structure."""
        return Entry(name, self.name, formula, **{**self.defaults, **facts})

    # -- where it is looked at: for facts, curves, certificates

    def domains(self, entry: Entry, through: Entry | None) -> dict[str, str]:
        """The arguments of an entry's functions, and the names of the domains that they lie in."""
        return dict.fromkeys(self.arguments, "real")

    def span(self, entry: Entry, through: Entry | None) -> tuple[float, float]:
        """Between which numbers the variable lies."""
        return -math.inf, math.inf

    def typical(self, entry: Entry, of_residual: bool) -> list[float | None]:
        """By what the variable may be judged, in a few typical cases: targets, labels; None where there is nothing."""
        return [None]

    def judged(self, entry: Entry, target: float | None, of_residual: bool) -> float:
        """What a curve is drawn for, where `target` was asked for or nothing was; raises LossError for what is none."""
        return 0.0

    def along(self, x: Any, judged: Any) -> tuple[Any, ...]:
        """The arguments of an entry's functions where its variable is x: its values, for one judgement."""
        return (x,)

    # -- in words

    def meaning(self, entry: Entry) -> str | None:
        """What the one number is that the formula is of, where that is not in its names."""
        return None

    def shapes(self, entry: Entry) -> str:
        """Which shapes go together."""
        raise NotImplementedError

    def options_in_words(self, entry: Entry) -> str:
        """What a call takes by name beside parameters, weight and reduction."""
        return ""

    def inputs_in_words(self, entry: Entry, through: Entry | None) -> list[tuple[str, str]]:
        """What prediction and target may be, where no shape says it: titles and texts."""
        return []

    def gradient_in_words(self) -> str:
        """What the gradient is in respect of, where that is not plain."""
        return ""

    def example(self, entry: Entry, through: Entry | None) -> str:
        """Arguments of a call that runs, as text."""
        raise NotImplementedError

    def axis(self, entry: Entry, through: Entry | None, judged: float, of_residual: bool) -> str:
        """The axis of its curves; the first word says what is varied."""
        return self.variable

    def letters(self, through: Entry | None) -> Mapping[str, str]:
        """Its arguments as LaTeX writes them."""
        return {}

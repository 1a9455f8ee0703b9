"""Ways to write an expression anew: each a function from an expression to an equal one, which may keep more digits.

Which of them helps is not decided here: `mend` tries them and measures. What is assumed is that symbols are real.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from losscope.rewrite.rewriting import FOUND, Rewriting

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

# What a search has seen when it ends depends on the order in which they are tried. One that is not named here comes last.
ORDER = (
    "by_rate", "lacking", "shares", "unguarded", "regrouped", "collected", "other_share", "factored", "spread", "lengths", "between_sigmoids", "other_angle", "as_exponential", "guarded",
    "halved", "exponential_out", "evened", "ratios", "near", "joined", "pythagoras", "apart", "divergence",
    "softened", "moved", "of_residual", "again",
)  # fmt: skip
REWRITES: tuple[Rewriting, ...] = tuple(FOUND[name] for name in dict.fromkeys((*ORDER, *FOUND)))
